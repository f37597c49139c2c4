"""max_stack of a call: less than the context's, for that call and what is inside of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from py_mini_racer import JSEvalException, JSValueError, MiniRacer
from tests.child import run_on_stack

SMALL = 100_000
DEPTH = "(() => { let depth = 0; const down = () => { depth++; down() }; try { down() } catch {} return depth })"

CALLS: dict[str, Callable[..., Any]] = {
    "eval": lambda ctx, **limits: ctx.eval(f"{DEPTH}()", **limits),
    "eval, copy": lambda ctx, **limits: ctx.eval(f"[{DEPTH}()]", copy=True, **limits)[0],
    "execute": lambda ctx, **limits: ctx.execute(f"{DEPTH}()", **limits),
    "call": lambda ctx, **limits: ctx.call(DEPTH, **limits),
    "function": lambda ctx, **limits: ctx.eval(DEPTH)(**limits),
    "function, copy": lambda ctx, **limits: ctx.eval(DEPTH)(copy=True, **limits),
    "new": lambda ctx, **limits: ctx.eval(f"(function () {{ this.depth = {DEPTH}() }})").new(**limits)["depth"],
    "method": lambda ctx, **limits: ctx.eval(f"({{depth: {DEPTH}}})").call_method("depth", **limits),
    "copy": lambda ctx, **limits: ctx.eval(f"({{get depth() {{ return {DEPTH}() }}}})").copy(**limits)["depth"],
    "script": lambda ctx, **limits: ctx.compile(f"{DEPTH}()").run(**limits),
    "eval_async": lambda ctx, **limits: asyncio.run(ctx.eval_async(f"{DEPTH}()", **limits)),
    "execute_async": lambda ctx, **limits: asyncio.run(ctx.execute_async(f"{DEPTH}()", **limits)),
    "call_async": lambda ctx, **limits: asyncio.run(ctx.call_async(DEPTH, **limits)),
    "function, async": lambda ctx, **limits: asyncio.run(ctx.eval(DEPTH).call_async(**limits)),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_can_have_less(name):
    with MiniRacer() as ctx:
        before, small, after = (CALLS[name](ctx, **limits) for limits in ({}, {"max_stack": SMALL}, {}))
        assert small < before / 3
        assert small < after / 3  # the next call has the context's again
        assert CALLS[name](ctx, max_stack=2**32) > small * 3


def test_a_call_cannot_have_more_than_the_context():
    with MiniRacer(max_stack=2 * SMALL) as ctx:
        usual = ctx.eval(f"{DEPTH}()")
        assert ctx.eval(f"{DEPTH}()", max_stack=2**30) < usual * 1.5


def test_a_nested_call_has_its_own_or_that_of_the_call_around_it():
    with MiniRacer() as ctx, MiniRacer() as other:
        usual = ctx.eval(f"{DEPTH}()")
        call = ctx.eval("f => f()")
        inner = ctx.eval(DEPTH)
        assert call(inner, max_stack=SMALL) < usual / 3
        assert call(lambda: ctx.eval(f"{DEPTH}()"), max_stack=SMALL) < usual / 3
        assert call(lambda: ctx.eval(f"{DEPTH}()", max_stack=2 * SMALL), max_stack=4 * SMALL) < usual / 2
        assert call(lambda: other.eval(f"{DEPTH}()"), max_stack=SMALL) > usual / 3
        around = ctx.eval(f"f => {{ f(); return {DEPTH}() }}")
        assert around(lambda: ctx.eval("1", max_stack=SMALL)) > usual / 3  # it is over
        assert around(lambda: ctx.eval("1"), max_stack=SMALL) < usual / 3


def test_on_a_thread_with_a_small_stack():
    depths: list[int] = []
    with MiniRacer() as ctx:

        def work() -> None:
            for most in (None, 2**30, SMALL):
                depths.append(ctx.eval(f"{DEPTH}()", max_stack=most))  # noqa: PERF401

        run_on_stack(512, work)
    assert depths[2] < min(depths[:2])


def test_the_range_error_can_be_seen():
    with MiniRacer() as ctx:
        with pytest.raises(JSEvalException, match="RangeError: Maximum call stack"):
            ctx.eval("(function f() { f() })()", max_stack=SMALL)
        for wrong in (0, 1000, 2**33):
            with pytest.raises(JSValueError, match="max_stack must be from 65536"):
                ctx.eval("1", max_stack=wrong)
        with pytest.raises(TypeError):
            ctx.eval("1", max_stack="1")  # type: ignore[arg-type]
