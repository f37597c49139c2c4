"""Calls in callbacks: each has its own limits and ends alone; a limit of an outer one ends all that is inside of it, in other contexts, too."""

from __future__ import annotations

from typing import Any

import pytest

from py_mini_racer import JSCPUTimeException, JSEvalException, JSOOMException, JSTimeoutException, MiniRacer

PATIENCE = 60.0
BOMB = "(() => { var kept = []; for (;;) kept.push(new Array(1000).fill(kept.length)) })()"
LIMITS: dict[str, tuple[Any, str, Any]] = {
    "timeout_sec": (0.05, "for (;;);", JSTimeoutException),
    "cpu_time_sec": (0.05, "for (;;);", JSCPUTimeException),
    "max_memory": (20_000_000, BOMB, JSOOMException),
}


@pytest.fixture(params=["same context", "another context"])
def pair(request):
    with MiniRacer() as outer, MiniRacer() as other:
        yield outer, outer if request.param == "same context" else other


@pytest.mark.parametrize("name", LIMITS)
def test_an_inner_limit_leaves_the_outer_call_alone(pair, name):
    outer, inner = pair
    value, code, kind = LIMITS[name]
    seen: list[tuple[type, str | None, float | None]] = []

    def callback() -> str:
        try:
            inner.eval(code, **{name: value})
        except JSEvalException as error:
            seen.append((type(error), getattr(error, "limit", None), getattr(error, "limit_value", None)))
        return "back"

    function = outer.eval("f => f() + ' and on'")
    limits = {"timeout_sec": PATIENCE, "cpu_time_sec": PATIENCE, "max_memory": 500_000_000}
    assert function(callback, **limits) == "back and on"
    assert seen == [(kind, name, value)]
    assert outer.eval("1") == inner.eval("1") == 1


@pytest.mark.parametrize("name", ["timeout_sec", "cpu_time_sec"])
def test_an_outer_limit_ends_the_inner_call(pair, name):
    outer, inner = pair
    value, code, kind = LIMITS[name]
    seen: list[tuple[type, str | None, float | None]] = []

    def callback() -> None:
        try:
            inner.eval(code)  # without a limit of its own
        except JSEvalException as error:
            seen.append((type(error), getattr(error, "limit", None), getattr(error, "limit_value", None)))
            raise

    function = outer.eval("f => { try { f() } catch {} for (;;); }")
    with pytest.raises(kind) as caught:
        function(callback, **{name: value})
    assert (caught.value.limit, caught.value.limit_value) == (name, value)
    assert seen == [(kind, name, value)]
    assert outer.eval("1") == inner.eval("1") == 1


def test_the_heap_is_one_so_an_outer_limit_of_memory_ends_both():
    with MiniRacer() as ctx:
        seen: list[type] = []

        def callback() -> None:
            try:
                ctx.eval(BOMB)
            except JSOOMException as error:
                seen.append(type(error))
                raise

        function = ctx.eval("f => f()")
        with pytest.raises(JSOOMException) as caught:
            function(callback, max_memory=20_000_000)
        assert caught.value.limit_value == 20_000_000
        assert seen == [JSOOMException]
        assert ctx.eval("1") == 1


def test_limits_at_every_depth():
    with MiniRacer() as first, MiniRacer() as second:
        contexts = [first, second]
        reached: list[int] = []
        values: list[float | None] = []

        def go(depth: int) -> Any:
            ctx = contexts[depth % 2]
            if depth == 8:
                return ctx.eval("for (;;);")
            try:
                return ctx.eval("(f, depth) => f(depth + 1)")(go, depth, timeout_sec=0.2 if depth == 4 else PATIENCE)
            except JSTimeoutException as error:
                reached.append(depth)
                values.append(error.limit_value)
                if depth > 4:
                    raise
                return "stopped at 4"

        assert go(0) == "stopped at 4"
        assert reached == [7, 6, 5, 4]
        assert values == [0.2] * 4
        assert first.eval("1") == second.eval("1") == 1


def test_after_an_outer_limit_no_new_call_begins(pair):
    outer, inner = pair
    seen: list[str] = []

    def callback() -> None:
        for _ in range(3):
            with pytest.raises(JSTimeoutException):
                inner.eval("for (;;);")
            seen.append("stopped")

    function = outer.eval("f => { f(); for (;;); }")
    with pytest.raises(JSTimeoutException):
        function(callback, timeout_sec=0.05)
    assert seen == ["stopped"] * 3
    assert outer.eval("1") == 1


def test_different_limits_fire_at_different_levels():
    with MiniRacer() as ctx:
        trace: list[type] = []

        def innermost() -> None:
            try:
                ctx.eval(BOMB, max_memory=20_000_000)
            except JSOOMException as error:
                trace.append(type(error))

        def middle() -> None:
            try:
                ctx.eval("f => { f(); for (;;); }")(innermost, cpu_time_sec=2, timeout_sec=PATIENCE)
            except JSCPUTimeException as error:
                trace.append(type(error))

        function = ctx.eval("f => { f(); for (;;); }")
        with pytest.raises(JSTimeoutException) as caught:
            function(middle, timeout_sec=20)
        trace.append(type(caught.value))
        assert trace == [JSOOMException, JSCPUTimeException, JSTimeoutException]
