"""Values made to do harm, in both directions: whatever they are, there is an answer or an exception, in time, and the context goes on."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from py_mini_racer import JSConversionException, JSEvalException, JSTimeoutException, MiniRacer


@pytest.fixture
def ctx() -> Iterator[MiniRacer]:
    with MiniRacer() as made:
        yield made


# --- out of JavaScript ---


@pytest.mark.parametrize(
    "code",
    [
        "new Array(5e6).fill(1)",
        "new Array(5e7)",
        "Array.from({length: 3e6}, (_, i) => i % 2 ? 'x' : i)",
        "Array.from({length: 5e5}, () => ({}))",
        "new Map(Array.from({length: 1e6}, (_, i) => [i, i]))",
        "new Set(Array.from({length: 1e6}, (_, i) => i))",
    ],
)
def test_a_copy_stops_in_time_though_no_code_of_the_script_runs(ctx: MiniRacer, code: str) -> None:
    value = ctx.eval(code)
    begun = time.monotonic()
    with pytest.raises(JSTimeoutException):
        value.copy(timeout_sec=0.01)
    assert time.monotonic() - begun < 1
    assert ctx.eval("1 + 1") == 2


def test_texts_of_huge_strings_have_an_end(ctx: MiniRacer) -> None:
    nested = ctx.eval(
        "const k = 'x'.repeat(2**28), whole = {}; let o = whole; for (let i = 0; i < 9; i++) o = o[k] = {}; whole"
    )
    with pytest.raises(JSConversionException) as caught:
        nested.copy(max_depth=8)
    assert str(caught.value).startswith("$.xxx")
    assert len(str(caught.value)) < 1000
    assert len(repr(nested)) < 300
    assert len(repr(ctx.eval("Symbol(k)"))) < 300
    assert len(repr(ctx.eval("({s: Symbol(k)})"))) < 300


@pytest.mark.parametrize("what", ["k", "new Error(k)", "({toString: () => k})"])
def test_a_thrown_giant(ctx: MiniRacer, what: str) -> None:
    ctx.eval("const k = 'x'.repeat(2**28)")
    with pytest.raises(JSEvalException) as caught:
        ctx.eval(f"throw {what}")
    assert "xxx" in str(caught.value)
    assert len(str(caught.value)) < 3 * 2**20
    assert ctx.eval("1 + 1") == 2


def test_an_error_in_the_middle_of_a_giant_line(ctx: MiniRacer) -> None:
    with pytest.raises(JSEvalException, match="here") as caught:
        ctx.eval(" " * 2**22 + "throw new Error('here')")
    assert len(str(caught.value)) < 3 * 2**20
    assert caught.value.column == 2**22 + 1


@pytest.mark.parametrize(
    "code",
    [
        "queueMicrotask(() => { throw {toString() { while (true); }}; })",
        "Promise.reject({toString() { while (true); }}); while (true);",
        "Promise.reject({get message() { while (true); }}); Promise.reject({get stack() { while (true); }})",
    ],
)
def test_what_a_stopped_script_threw_does_not_hang_the_next_call(ctx: MiniRacer, code: str) -> None:
    with suppress(JSTimeoutException):
        ctx.eval(code, timeout_sec=0.05)
    stopper = threading.Timer(5, ctx.close)
    stopper.start()
    assert ctx.eval("1 + 1") == 2
    stopper.cancel()


def test_what_a_microtask_throws_goes_to_the_hook(capfd: pytest.CaptureFixture[str]) -> None:
    errors: list[JSEvalException] = []
    with MiniRacer(uncaught_exception=errors.append) as ctx:
        ctx.eval("queueMicrotask(() => { throw new TypeError('one'); }); queueMicrotask(() => { throw 2; })")
    assert [(error.name, error.js_message) for error in errors] == [("TypeError", "one"), (None, None)]
    assert errors[1].value == 2
    assert capfd.readouterr() == ("", "")


# --- into JavaScript ---


def test_more_elements_than_an_array_can_be_made_of(ctx: MiniRacer) -> None:
    function = ctx.eval("x => x.length")
    count = 2**27
    message = b"a\2\0\0\0ua" + struct.pack("<I", count) + b"n" * count
    context = function._context
    with pytest.raises(JSConversionException, match="larger than"):
        context.run(context.call, function._wire_handle, message, len(message), None)
    assert ctx.eval("1 + 1") == 2
