"""The installed package does its main work. CI copies this file away and runs it on a wheel in a clean environment,
so it uses nothing of the checkout, nor of the other tests.
"""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys

import pytest

import py_mini_racer
from py_mini_racer import JSEvalException, JSParseException, JSTimeoutException, MiniRacer


@pytest.fixture
def ctx():
    with MiniRacer() as opened:
        yield opened


def test_scalars(ctx):
    assert ctx.eval("6 * 7") == 42
    assert ctx.eval("'Größe'.toUpperCase()") == "GRÖSSE"
    assert ctx.eval("[1.5, true, null].length") == 3
    assert ctx.eval("null") is None


def test_calls_and_structures(ctx):
    ctx.eval("function add(a, b) { return a + b; }")
    assert ctx.call("add", 5, 7) == 12
    assert ctx.execute("{ list: [1, 2], text: 'x' }") == {"list": [1, 2], "text": "x"}


def test_errors(ctx):
    with pytest.raises(JSEvalException, match="ReferenceError: missing is not defined"):
        ctx.eval("missing")
    with pytest.raises(JSParseException):
        ctx.eval("1 +* 2")
    with pytest.raises(JSTimeoutException):
        ctx.eval("for (;;) {}", timeout_sec=0.05)
    assert ctx.eval("'alive'") == "alive"


def test_intl_and_webassembly(ctx):
    assert ctx.eval("new Intl.NumberFormat('de').format(1234.5)") == "1.234,5"
    module = "new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])"
    assert ctx.eval(f"new WebAssembly.Module({module}) instanceof WebAssembly.Module") is True


def test_a_process_of_its_own_ends_cleanly():
    code = "from py_mini_racer import MiniRacer; print(MiniRacer().eval('1 + 1'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "2\n", "")


def test_version():
    assert py_mini_racer.__version__
    try:
        installed = importlib.metadata.version("mini-racer")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("runs from a checkout")
    assert installed.partition("+")[0] == py_mini_racer.__version__
