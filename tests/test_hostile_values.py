"""Values made to do harm, in both directions: whatever they are, there is an answer or an exception, in time, and the context goes on."""

from __future__ import annotations

import ctypes
import json
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from py_mini_racer import JSConversionException, JSEvalException, JSTimeoutException, MiniRacer
from tests.child import run_on_stack


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
        "Promise.reject({get message() { while (true); }}); Promise.reject({get stack() { while (true); }}); 1",
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


class Structure(ctypes.Structure):
    _fields_ = (("a", ctypes.c_int),)


class LyingClass:
    @property  # type: ignore[misc]
    def __class__(self) -> type:
        raise ZeroDivisionError


class LyingDict(dict[str, int]):
    def items(self) -> object:  # type: ignore[override]
        return [(1, 2, 3)]


class LyingKey(str):
    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        raise ZeroDivisionError


class LyingInt(int):
    def __int__(self) -> int:
        raise ZeroDivisionError

    __index__ = __int__


class Anything:
    def __getattr__(self, name: str) -> Anything:
        return Anything()

    def __call__(self, *arguments: object) -> object:
        return self


@pytest.mark.parametrize(
    "make",
    [
        Structure,
        LyingClass,
        lambda: LyingDict(a=1),
        lambda: {LyingKey("a"): 1, LyingKey("b"): 2},
        lambda: LyingInt(2**70),
        Anything,
        lambda: memoryview(bytearray(12))[::2],
        lambda: iter([1]),
    ],
)
@pytest.mark.parametrize("inside", [False, True])
def test_values_of_python_that_lie(ctx: MiniRacer, make: Callable[[], object], inside: bool) -> None:
    value = make()
    function = ctx.eval("x => typeof x")
    with suppress(
        JSConversionException, ZeroDivisionError, ValueError, KeyError
    ):  # what the value itself raises comes out as it is
        assert function([value] if inside else value) in ("object", "function", "bigint")
    assert ctx.eval("1 + 1") == 2


def test_a_structure_is_an_error_that_says_what_to_do(ctx: MiniRacer) -> None:
    with pytest.raises(JSConversionException, match=r"Structure cannot be converted .*register_type"):
        ctx.eval("x => x")(Structure())


# --- stacks ---


@pytest.mark.parametrize("kilobytes", [256, 512])
def test_small_stacks_end_recursion_of_every_kind_with_an_error(ctx: MiniRacer, kilobytes: int) -> None:
    nested: list[object] = []
    for _ in range(390):
        nested = [nested]
    answers: list[str] = []

    def back(n: int) -> object:
        return ctx.eval(f"back({n + 1})")

    def work(n: int) -> int:
        return len(json.dumps(sorted([[n], [1], [2]], key=str)))

    def fails(n: int) -> None:
        raise ValueError(n)

    codes = [
        "(function deeper() { deeper(); })()",
        "back(0)",
        "(function deeper() { work(1); deeper(); })()",
        "(function deeper() { try { deeper(); } catch { fails(1); } })()",
        "(function deeper() { try { deeper(); } finally { throw {get message() { return deeper(); }, toString: deeper}; } })()",
        "(function deeper() { [3, 1, 2].sort(deeper); return new Proxy({}, {get: deeper}).x; })()",
        "JSON.stringify((() => { const o = {toJSON() { return JSON.stringify(o); }}; return o; })())",
        "new RegExp('('.repeat(50000) + ')'.repeat(50000)).test('a')",
    ]

    def run() -> None:
        context = ctx.eval("(a, b, c) => { back = a; work = b; fails = c; }")
        context(back, work, fails)
        for code in codes:
            with pytest.raises((JSEvalException, RecursionError)) as caught:
                ctx.eval(code)
            answers.append(caught.typename)
        with suppress(JSConversionException):
            ctx.eval("x => x")(nested)
        with suppress(JSConversionException):
            ctx.eval("let o = {}; for (let i = 0; i < 1e5; i++) o = {o}; o", copy=True, max_depth=10**6)
        answers.append(str(ctx.eval("1 + 1")))

    run_on_stack(kilobytes, run)
    assert len(answers) == len(codes) + 1
    assert answers[-1] == "2"
