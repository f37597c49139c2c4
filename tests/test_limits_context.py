"""Limits of a context, limits of a call, and what the exception says of the one that was reached."""

from __future__ import annotations

import math
import threading
import time
from typing import Any

import pytest

from py_mini_racer import (
    JSCPUTimeException,
    JSEvalException,
    JSOOMException,
    JSTimeoutException,
    JSValueError,
    MiniRacer,
)

BOMB = "var kept = []; for (;;) kept.push(new Array(1000).fill(kept.length))"
PATIENCE = 30.0  # for machines that are busy


def wait_until(condition) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_every_call_has_the_contexts_timeout():
    with MiniRacer(timeout_sec=0.05) as ctx:
        endless = ctx.eval("() => { for (;;); }")
        trap = ctx.eval("({ get x() { for (;;); }, set x(value) { for (;;); }, m() { for (;;); } })")
        proxy = ctx.eval(
            "new Proxy({}, { ownKeys() { for (;;); }, has() { for (;;); }, deleteProperty() { for (;;); } })"
        )
        calls = [
            lambda: ctx.eval("for (;;);"),
            lambda: ctx.execute("(() => { for (;;); })()"),
            lambda: ctx.call("(() => { for (;;); })"),
            endless,
            lambda: ctx.eval("(function () { for (;;); })").new(),
            lambda: trap["x"],
            lambda: trap.__setitem__("x", 1),
            lambda: trap.call_method("m"),
            trap.copy,
            lambda: list(proxy),
            lambda: len(proxy),
            lambda: proxy.__delitem__("x"),
        ]
        for call in calls:
            with pytest.raises(JSTimeoutException) as caught:
                call()
            error = caught.value
            assert (error.limit, error.limit_value) == ("timeout_sec", 0.05)
            assert error.used is not None
            assert error.used >= 0.05
        assert ctx.eval("6 * 7") == 42


def test_a_call_can_have_more_less_or_none():
    busy = "var end = Date.now() + 120; while (Date.now() < end); 'done'"
    with MiniRacer(timeout_sec=0.05) as ctx:
        assert ctx.eval(busy, timeout_sec=PATIENCE) == "done"
        assert ctx.eval(busy, timeout_sec=math.inf) == "done"
        with pytest.raises(JSTimeoutException) as caught:
            ctx.eval(busy, timeout_sec=0.02)
        assert caught.value.limit_value == 0.02
        with pytest.raises(JSTimeoutException):
            ctx.eval(busy)
        function = ctx.eval("() => { var end = Date.now() + 120; while (Date.now() < end); return 'done' }")
        assert function(timeout_sec=math.inf) == "done"
    with MiniRacer(cpu_time_sec=0.02) as ctx:
        with pytest.raises(JSCPUTimeException):
            ctx.eval("for (;;);")
        assert ctx.eval("var i = 0; while (i < 1e7) i++; i", cpu_time_sec=math.inf) == 10_000_000


def test_cpu_time_stops_what_computes():
    with MiniRacer() as ctx:
        start = time.thread_time()
        with pytest.raises(JSCPUTimeException, match="^JavaScript used up its CPU time$") as caught:
            ctx.eval("for (;;);", cpu_time_sec=0.05)
        assert time.thread_time() - start >= 0.05
        assert isinstance(caught.value, JSTimeoutException)
        assert isinstance(caught.value, TimeoutError)
        assert (caught.value.limit, caught.value.limit_value) == ("cpu_time_sec", 0.05)
        assert caught.value.used is not None
        assert 0.05 <= caught.value.used < PATIENCE
        assert ctx.eval("1 + 1") == 2


def test_cpu_time_leaves_alone_what_waits():
    with MiniRacer() as ctx:
        code = "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300)"
        assert ctx.eval(code, cpu_time_sec=0.1) == "timed-out"
        sleep = ctx.eval("f => f()")
        assert sleep(lambda: time.sleep(0.3), cpu_time_sec=0.1) is None


def test_python_callbacks_count():
    def compute() -> None:
        end = time.thread_time() + 0.1
        while time.thread_time() < end:
            pass

    with MiniRacer() as ctx:
        function = ctx.eval("f => { f(); for (;;); }")
        with pytest.raises(JSCPUTimeException) as caught:
            function(compute, cpu_time_sec=0.05)
        assert caught.value.used is not None
        assert caught.value.used >= 0.05


def test_another_threads_computing_does_not_count():
    with MiniRacer() as ctx, MiniRacer() as other:
        thread = threading.Thread(target=lambda: other.eval("var end = Date.now() + 300; while (Date.now() < end); 1"))
        thread.start()
        assert (
            ctx.eval("Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)", cpu_time_sec=0.1)
            == "timed-out"
        )
        thread.join()


@pytest.mark.parametrize("budget", [0.001, 0.01])
def test_small_budgets_are_not_missed(budget):
    with MiniRacer() as ctx:
        for _ in range(20):
            with pytest.raises(JSCPUTimeException):
                ctx.eval("for (;;);", cpu_time_sec=budget)
        for _ in range(300):
            assert ctx.eval("1", cpu_time_sec=budget) == 1


@pytest.mark.parametrize("method", ["execute", "call"])
def test_execute_and_call_have_all_limits(method):
    with MiniRacer() as ctx:
        ctx.eval("function endless() { for (;;); } function bomb() { " + BOMB + " }")
        suffix = "()" if method == "execute" else ""
        with pytest.raises(JSCPUTimeException):
            getattr(ctx, method)("endless" + suffix, cpu_time_sec=0.02)
        with pytest.raises(JSOOMException):
            getattr(ctx, method)("bomb" + suffix, max_memory=10_000_000)
        ctx.eval("kept = null")
        assert ctx.execute("[1]") == [1]


def test_functions_methods_and_copies_have_all_limits():
    with MiniRacer() as ctx:
        ctx.eval("function bomb() { " + BOMB + " }")
        endless = ctx.eval("() => { for (;;); }")
        bomb = ctx.globals["bomb"]
        holder = ctx.eval("({ endless() { for (;;); }, bomb })")
        getter = ctx.eval("({ get x() { for (;;); } })")
        bombs = ctx.eval("({ get x() { bomb(); } })")
        classes = ctx.eval("[function () { for (;;); }, function () { bomb(); }]")
        for call in (
            endless,
            lambda **limits: holder.call_method("endless", **limits),
            getter.copy,
            classes[0].new,
            lambda **limits: endless(copy=True, **limits),
        ):
            with pytest.raises(JSCPUTimeException):
                call(cpu_time_sec=0.02)
        for call in (
            bomb,
            lambda **limits: holder.call_method("bomb", **limits),
            bombs.copy,
            classes[1].new,
            lambda **limits: bomb(copy=True, **limits),
        ):
            with pytest.raises(JSOOMException) as caught:
                call(max_memory=10_000_000)
            assert (caught.value.limit, caught.value.limit_value) == ("max_memory", 10_000_000)
            assert caught.value.used is not None
            assert caught.value.used > 10_000_000
            ctx.eval("kept = null")


def test_the_contexts_heap_is_limited():
    with MiniRacer(max_memory=32 << 20) as ctx:
        with pytest.raises(JSOOMException, match="^JavaScript memory limit reached$") as caught:
            ctx.eval(BOMB)
        assert (caught.value.limit, caught.value.limit_value) == ("max_memory", 32 << 20)
        ctx.eval("kept = null")
        assert ctx.eval("'again'") == "again"


def test_a_heap_has_a_limit_by_default():
    with MiniRacer() as ctx:
        assert 32 << 20 <= ctx.stats()["heap_size_limit"] <= 1 << 30


@pytest.mark.parametrize("size", [1 << 20, 3 << 20, 1 << 32])
def test_the_bounds_of_a_heap(size):
    with MiniRacer(max_memory=size) as ctx:
        assert ctx.eval("JSON.stringify([1, 2].map(x => x * 2))") == "[2,4]"


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        (
            {"max_memory": (1 << 20) - 1},
            "max_memory must be from 1048576 to 4294967296 bytes, not 1048575: None is the default",
        ),
        (
            {"max_memory": (1 << 32) + 1},
            "max_memory must be from 1048576 to 4294967296 bytes, not 4294967297: None is the default",
        ),
        ({"max_memory": 0}, "max_memory must be from .*, not 0: None is the default"),
        ({"max_memory": -1}, "max_memory must be from .*, not -1: None is the default"),
        ({"max_stack": 1000}, "max_stack must be from 65536 to 4294967296 bytes, not 1000: None is the default"),
        ({"timeout_sec": 0}, "timeout_sec of a MiniRacer must be more than 0, not 0: None is no limit"),
        ({"timeout_sec": -1.5}, "timeout_sec of a MiniRacer must be more than 0, not -1.5: None is no limit"),
        ({"cpu_time_sec": 0}, "cpu_time_sec of a MiniRacer must be more than 0, not 0: None is no limit"),
        ({"cpu_time_sec": math.nan}, "cpu_time_sec must be a number of seconds, not NaN"),
    ],
    ids=str,
)
def test_bad_limits_of_a_context_say_what_is_wrong(limits, text):
    with pytest.raises(JSValueError, match=f"^{text}$"):
        MiniRacer(**limits)


@pytest.mark.parametrize(
    "limits",
    [{"max_memory": "1"}, {"max_memory": 1.5}, {"timeout_sec": "1"}, {"cpu_time_sec": []}, {"max_stack": {}}],
    ids=str,
)
def test_limits_that_are_no_numbers(limits):
    with pytest.raises(TypeError):
        MiniRacer(**limits)


@pytest.mark.parametrize("size", [0, -1])
def test_a_calls_memory_is_at_least_a_byte(size):
    with MiniRacer() as ctx, pytest.raises(JSValueError, match="max_memory must be at least 1 byte"):
        ctx.eval("1", max_memory=size)


def test_no_cpu_time_left_says_which_limit():
    with MiniRacer() as ctx:
        with pytest.raises(JSCPUTimeException) as caught:
            ctx.eval("1", cpu_time_sec=0)
        assert (caught.value.limit, caught.value.limit_value) == ("cpu_time_sec", 0)
        with pytest.raises(JSTimeoutException) as timed:
            ctx.eval("1", timeout_sec=-1)
        assert (timed.value.limit, timed.value.limit_value) == ("timeout_sec", -1)


def test_no_limit_is_named_where_none_was_reached():
    error = JSTimeoutException()
    assert (error.limit, error.limit_value, error.used) == (None, None, None)


def test_waiting_for_the_context_is_the_timeouts():
    started = threading.Event()
    with MiniRacer() as ctx:
        function = ctx.eval("f => f()")

        def occupy() -> None:
            started.set()
            time.sleep(0.4)

        thread = threading.Thread(target=function, args=(occupy,))
        thread.start()
        started.wait()
        with pytest.raises(JSTimeoutException) as caught:
            ctx.eval("1", timeout_sec=0.05)
        assert (caught.value.limit, caught.value.limit_value) == ("timeout_sec", 0.05)
        thread.join()


def test_limits_belong_to_who_opens_the_context():
    with MiniRacer(timeout_sec=0.05) as ctx:
        shared = MiniRacer(ctx._ctx)
        with pytest.raises(JSTimeoutException):
            shared.eval("for (;;);")
        with pytest.raises(JSValueError, match="belong to the MiniRacer that opens the context"):
            MiniRacer(ctx._ctx, timeout_sec=1)


def test_a_smaller_stack_overflows_sooner():
    depth = "(function () { var depth = 0; (function down() { depth++; down() })() })"
    count = "var depth = 0; function down() { depth++; down() } try { down() } catch (error) { error.name + depth }"
    with MiniRacer(max_stack=128 * 1024) as small, MiniRacer() as usual:
        shallow, deep = small.eval(count), usual.eval(count)
        assert shallow.startswith("RangeError")
        assert int(shallow.removeprefix("RangeError")) * 3 < int(deep.removeprefix("RangeError"))
        with pytest.raises(JSEvalException, match="RangeError"):
            small.eval(depth)()


@pytest.mark.parametrize(("limit", "kind"), [("timeout_sec", JSTimeoutException), ("cpu_time_sec", JSCPUTimeException)])
def test_timers_have_the_contexts_limits(limit, kind):
    stops: list[Any] = []
    limits: dict[str, Any] = {limit: 0.05}
    with MiniRacer(**limits, uncaught_exception=stops.append) as ctx:
        ctx.eval("setTimeout(() => { for (;;); }); var ticks = 0; setInterval(() => { ticks++ }, 1); 1")
        wait_until(lambda: stops)
        assert type(stops[0]) is kind
        assert stops[0].limit == limit
        before = ctx.eval("ticks")
        wait_until(lambda: ctx.eval("ticks") > before)


def test_a_timers_bomb_is_stopped():
    stops: list[JSEvalException] = []
    with MiniRacer(max_memory=32 << 20, uncaught_exception=stops.append) as ctx:
        ctx.eval("var kept = []; setTimeout(() => { for (;;) kept.push(new Array(1000).fill(kept.length)) }); 1")
        wait_until(lambda: stops)
        assert isinstance(stops[0], JSOOMException)
        ctx.eval("kept = null")
        assert ctx.eval("1") == 1


def test_intervals_do_not_starve_callers():
    code = """
    for (let i = 0; i < 200; i++)
      setInterval(() => { const end = Date.now() + 3; while (Date.now() < end); }, 1);
    1"""
    with MiniRacer() as ctx:
        ctx.eval(code)
        time.sleep(0.05)
        for _ in range(10):
            assert (
                ctx.eval("1 + 1", timeout_sec=PATIENCE) == 2
            )  # more timers are due than there is time for: without a turn this would wait for ever
