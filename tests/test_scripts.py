"""Compiled scripts and the caches of them: of one script, of the process, on disk."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from py_mini_racer import (
    JSClosedException,
    JSEvalException,
    JSParseException,
    JSScript,
    JSTimeoutException,
    JSValueError,
    MiniRacer,
)

LARGE = (
    "var counter = (globalThis.counter || 0) + 1; function f(x) { return x * 2 }\n"
    + "// padding\n" * 7000
    + "counter + f(1)"
)


@pytest.fixture
def ctx() -> Iterator[MiniRacer]:
    with MiniRacer() as opened:
        yield opened


def test_compile_and_run(ctx: MiniRacer) -> None:
    script = ctx.compile("n = (globalThis.n || 0) + 1", filename="count.js")
    assert isinstance(script, JSScript)
    assert not script.cache_rejected
    assert ctx.eval("typeof n") == "undefined"
    assert [script.run() for _ in range(3)] == [1, 2, 3]
    assert ctx.compile("({a: [1]})").run(copy=True) == {"a": [1]}
    assert ctx.new_realm().compile("typeof n").run() == "undefined"


def test_errors(ctx: MiniRacer) -> None:
    with pytest.raises(JSParseException, match=r"there\.js:3"):
        ctx.compile("(", filename="there.js", line_offset=2)
    with pytest.raises(JSEvalException, match=r"here\.js:1"):
        ctx.compile("throw new Error('x')", filename="here.js").run()
    with pytest.raises(JSTimeoutException):
        ctx.compile("for (;;);").run(timeout_sec=0.05)
    with pytest.raises(JSEvalException, match="code is not a string"):
        ctx.compile(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="cache must be bytes, not str"):
        ctx.compile("1", cache="x")  # type: ignore[arg-type]
    script = ctx.compile("1")
    ctx.close()
    for use in (script.run, lambda: script.cache, lambda: ctx.compile("1")):
        with pytest.raises(JSClosedException):
            use()


def test_another_contexts_script_and_other_objects_are_no_scripts(ctx: MiniRacer) -> None:
    script, other = ctx.compile("1"), ctx.eval("({})")
    with pytest.raises(JSEvalException):
        ctx._open().on("mr_run", other._wire_handle)
    with MiniRacer() as second, pytest.raises(JSValueError):
        second.eval("x => x")(script)
    assert ctx.eval("x => Object.keys(x).length + typeof x")(script) == "0object"


def test_caches(ctx: MiniRacer) -> None:
    script = ctx.compile(LARGE)
    assert script.run() == 3
    cache = script.cache
    with MiniRacer() as second:
        again = second.compile(LARGE, cache=cache)
        assert not again.cache_rejected
        assert again.run() == 3
        assert second.compile(LARGE, cache=memoryview(bytearray(cache))).run() == 4  # type: ignore[arg-type]
    for wrong in (
        b"",
        b"x",
        cache[:-1],
        cache[:60],
        cache[:-9] + bytes([cache[-9] ^ 1]) + cache[-8:],
        b"\0" * len(cache),
    ):
        refused = ctx.compile(LARGE, cache=wrong)
        assert refused.cache_rejected
        assert refused.run() > 3
    other = LARGE.replace("x * 2", "x * 5")  # as long, which is all that V8 itself would look at
    found = ctx.compile(other, cache=cache)
    assert found.cache_rejected
    assert found.run() > 7


def test_a_cache_of_other_flags_is_refused(ctx: MiniRacer, tmp_path: Path) -> None:
    script = ctx.compile(LARGE)
    script.run()
    (tmp_path / "cache").write_bytes(script.cache)
    (tmp_path / "code").write_text(LARGE)
    child = (
        "import sys; from py_mini_racer import MiniRacer, init_mini_racer\n"
        "init_mini_racer(flags=['--single-threaded', '--no-opt', '--stack-size=800'])\n"
        "ctx = MiniRacer(); script = ctx.compile(open(sys.argv[2]).read(), cache=open(sys.argv[1], 'rb').read())\n"
        "print(script.run())"
    )
    arguments = [sys.executable, "-c", child, str(tmp_path / "cache"), str(tmp_path / "code")]
    assert subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=120).stdout.strip() == "3"


def test_large_scripts_are_compiled_once_in_a_process(ctx: MiniRacer) -> None:
    from py_mini_racer import _scripts

    code = LARGE + " // of this test"
    assert ctx.eval(code) == 3
    assert (code, None, 0, 0) in _scripts._caches
    with MiniRacer() as second:
        assert second.eval(code) == 3
        assert second.eval(code) == 4
        assert second.eval(code, timeout_sec=100, copy=True) == 5
        with pytest.raises(JSEvalException, match="named.js:"):
            second.eval(code + "\n; throw new Error('x')", filename="named.js")
    threads = [threading.Thread(target=lambda: MiniRacer().eval(code)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_the_processs_cache_has_an_end(ctx: MiniRacer, monkeypatch: pytest.MonkeyPatch) -> None:
    from py_mini_racer import _scripts

    monkeypatch.setattr(_scripts, "_MOST", _scripts._size + 300_000)
    for number in range(10):
        ctx.eval(f"{LARGE} + {number}")
    assert _scripts._size <= _scripts._MOST
    assert sum(len(key[0]) + len(cache) for key, cache in _scripts._caches.items()) == _scripts._size


def run(folder: Path, code: Path) -> str:
    child = "import sys; from py_mini_racer import MiniRacer; print(MiniRacer(code_cache=sys.argv[1]).eval(open(sys.argv[2]).read()))"
    arguments = [sys.executable, "-c", child, str(folder), str(code)]
    return subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=120).stdout.strip()


def test_on_disk(tmp_path: Path) -> None:
    code, folder = tmp_path / "code.js", tmp_path / "deep" / "cache"
    code.write_text(LARGE)
    assert run(folder, code) == "3"
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    assert run(folder, code) == "3"
    for damaged in (whole[:100], b"", whole[:-1] + bytes([whole[-1] ^ 1]), whole + b"\0"):
        file.write_bytes(damaged)
        assert run(folder, code) == "3"
        assert file.read_bytes()[:36] == whole[:36]  # anew: another cache, perhaps, of the same code and build
    folder.chmod(0o500)
    assert run(folder, code) == "3"
    folder.chmod(0o700)
    (tmp_path / "file").write_text("")
    with pytest.raises(JSValueError, match="code_cache: .* cannot be made"):
        MiniRacer(code_cache=tmp_path / "file" / "folder")
    assert [path.suffix for path in folder.iterdir()] == [".mrcc"]
    assert os.fspath(folder)


SHARED = """
import sys
from pathlib import Path
from typing import Any
from py_mini_racer import MiniRacer

def megabytes():
    return int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]) >> 10

code = "/*" + "x" * (8 << 20) + "*/ (function text() { return 'of the script' })"
contexts = [MiniRacer()]
contexts[0].eval(code)
before = megabytes()
for _ in range(20):
    contexts.append(MiniRacer())
    assert contexts[-1].eval(code)() == "of the script"
    assert "of the script" in contexts[-1].eval(f"({code}).toString()")
    contexts[-1].compile(code).run()
assert megabytes() - before < 150, megabytes() - before
for context in contexts[::2]:
    context.close()
for context in contexts[1::2]:
    context.eval("gc = 1")
    assert context.eval(code)() == "of the script"
    context.close()
print("shared")
"""


def test_contexts_share_the_text_of_a_large_script() -> None:
    assert (
        subprocess.run([sys.executable, "-c", SHARED], capture_output=True, text=True, check=True).stdout == "shared\n"
    )


@pytest.mark.parametrize("end", ["'é'", "'€'", "'\\ud800' + '\ud800'", "'x'"])
def test_large_scripts_of_all_kinds_of_characters(ctx: MiniRacer, end: str) -> None:
    code = "/*" + "x" * 70_000 + "*/ " + end
    expected = ctx.eval(end)
    assert ctx.eval(code) == ctx.eval(code) == ctx.compile(code).run() == expected
    with pytest.raises(JSParseException):
        ctx.eval(code + " (")


def test_a_cache_that_was_found_whole_is_not_taken_for_another_one(ctx: MiniRacer) -> None:
    script = ctx.compile(LARGE)
    script.run()
    cache = script.cache

    def rejected(code: str, data: Any) -> bool:
        with MiniRacer() as other:
            compiled = other.compile(code, cache=data)
            assert compiled.run() == 3
            return bool(compiled.cache_rejected)

    assert [rejected(LARGE, cache) for _ in range(3)] == [False] * 3
    assert rejected(LARGE.replace("padding", "PADDING"), cache)  # as long as the other
    for place in (0, 10, 30, 50, 60, len(cache) // 2, len(cache) - 1):
        damaged = bytearray(cache)
        damaged[place] ^= 1
        assert rejected(LARGE, damaged)
        assert rejected(LARGE, bytes(damaged))
        damaged[place] ^= 1
        assert not rejected(LARGE, damaged)
    assert not rejected(LARGE, cache)
    assert rejected(LARGE, cache[:-8])
    assert rejected(LARGE, b"")
