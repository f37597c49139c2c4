"""The package on every supported Python that this machine has: CPython 3.10 to 3.14, PyPy from 3.10 on."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.child import output_of

OLDEST = (3, 10)
NAMES = (
    "python3",
    "python3.10",
    "python3.11",
    "python3.12",
    "python3.13",
    "python3.14",
    "pypy3",
    "pypy3.10",
    "pypy3.11",
)

SMOKE = """
    import gc, sys, threading
    from py_mini_racer import *
    from py_mini_racer._context import context_count

    def raised(expected, act):
        try:
            act()
        except expected as error:
            return error
        raise AssertionError(f"{expected.__name__} was not raised")

    with MiniRacer() as ctx:
        assert ctx.eval("6 * 7") == 42
        assert ctx.eval("2 ** 40") == 2.0 ** 40
        assert ctx.eval("-(10n ** 30n)") == -(10 ** 30)
        assert ctx.eval("'é中😀\\\\0\\\\ud800'") == "é中😀\\0\\ud800"
        assert ctx.eval("null") is None and ctx.eval("undefined") is JSUndefined
        assert ctx.eval("new Date(0)").year == 1970
        ctx.eval("function add(a, b) { return a + b }")
        assert ctx.call("add", [1], "é") == "1é"
        assert ctx.execute("{a: [1, null]}") == {"a": [1, None]}
        function, array, mapping = ctx.eval("add"), ctx.eval("[1, 2]"), ctx.eval("({a: 1})")
        assert function(5, 7) == 12 and function("é", "中") == "é中"
        array.append(3)
        assert list(array) == [1, 2, 3] and array[-1] == 3
        mapping["b"] = array
        assert mapping["b"] is array and list(mapping) == ["a", "b"]
        error = raised(JSEvalException, lambda: ctx.eval("throw new TypeError('x')", filename="a.js"))
        assert (error.name, error.js_message, error.filename, error.line) == ("TypeError", "x", "a.js", 1)
        raised(JSParseException, lambda: ctx.eval("1 +"))
        raised(JSKeyError, lambda: mapping["c"])
        raised(JSTimeoutException, lambda: ctx.eval("for (;;);", timeout_sec=0.05))
        raised(JSEvalException, lambda: ctx.eval("(function f() { f() })()"))
        threads = [threading.Thread(target=ctx.eval, args=("var n = (globalThis.n || 0) + 1",)) for _ in range(8)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        assert ctx.eval("n") == 8
        runner = threading.Thread(target=lambda: raised(JSClosedException, lambda: ctx.eval("for (;;);")))
        runner.start()
    runner.join()
    raised(JSClosedException, lambda: array[0])
    assert context_count() == 0
    left = MiniRacer(), MiniRacer().eval("({})")
    print(sys.implementation.name, *sys.version_info[:2])
"""


@functools.cache
def pythons() -> dict[str, str]:
    """Name and version: path, for one of each kind; the one that runs the tests comes first."""
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    folders += sorted((Path.home() / ".pyenv" / "versions").glob("*/bin"))
    found: dict[str, str] = {}
    for path in [Path(sys.executable), *(folder / name for folder in folders for name in NAMES)]:
        if not os.access(path, os.X_OK):
            continue
        ask = "import json, sys; print(json.dumps([sys.implementation.name, *sys.version_info[:2]]))"
        asked = subprocess.run([path, "-c", ask], capture_output=True, text=True, check=False, timeout=60)
        if asked.returncode == 0:  # pyenv's stand-ins for versions that are not chosen fail
            name, major, minor = json.loads(asked.stdout)
            if (major, minor) >= OLDEST:
                found.setdefault(f"{name} {major} {minor}", str(path))
    return found


def test_the_running_one_is_among_them():
    assert pythons()[f"{sys.implementation.name} {sys.version_info.major} {sys.version_info.minor}"] == sys.executable


@pytest.mark.parametrize("name", pythons())
def test_smoke(name):
    assert output_of(SMOKE, executable=pythons()[name]) == name
