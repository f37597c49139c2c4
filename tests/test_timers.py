"""setTimeout, setInterval, their ends, and queueMicrotask."""

from __future__ import annotations

import logging
import threading
import time

import pytest

from py_mini_racer import JSEvalException, MiniRacer


@pytest.fixture
def ctx():
    with MiniRacer() as context:
        yield context


def wait_for(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)


def test_order_and_arguments(ctx):
    ctx.eval(
        """
        var log = [];
        setTimeout((a, b) => log.push(a + b), 30, "third", "!");
        setTimeout(() => log.push("second"), 10);
        setTimeout(() => log.push("first"));
        queueMicrotask(() => log.push("micro"));
        log.push("sync");
        """
    )
    wait_for(lambda: ctx.eval("log.length") == 5)
    assert ctx.execute("log") == ["sync", "micro", "first", "second", "third!"]


def test_it_takes_as_long_as_it_says(ctx):
    started = time.monotonic()
    ctx.eval("new Promise((resolve) => setTimeout(resolve, 100))").get()
    assert 0.099 < time.monotonic() - started < 5


def test_clear_timeout(ctx):
    ctx.eval(
        "var n = 0; const id = setTimeout(() => n++, 20); clearTimeout(id); clearTimeout(id); clearTimeout(); clearTimeout('x')"
    )
    time.sleep(0.1)
    assert ctx.eval("n") == 0


def test_interval(ctx):
    ctx.eval("var n = 0; const id = setInterval(() => { if (++n === 3) clearInterval(id) }, 5)")
    wait_for(lambda: ctx.eval("n") == 3)
    time.sleep(0.05)
    assert ctx.eval("n") == 3


def test_an_interval_goes_on_after_a_throw(ctx, caplog):
    with caplog.at_level(logging.ERROR, "py_mini_racer"):
        ctx.eval(
            "var n = 0; const id = setInterval(() => { n++; if (n === 3) clearInterval(id); throw new Error('tick ' + n) }, 5)"
        )
        wait_for(lambda: ctx.eval("n") == 3)
        wait_for(lambda: "tick 3" in caplog.text)


@pytest.mark.parametrize(
    "code", ["setTimeout()", "setTimeout('1 + 1')", "setInterval(1, 2)", "queueMicrotask()", "queueMicrotask({})"]
)
def test_what_is_no_function(ctx, code):
    with pytest.raises(JSEvalException) as caught:
        ctx.eval(code)
    assert caught.value.name == "TypeError"


@pytest.mark.parametrize("delay", ["NaN", "-5", "'3'", "1e300", "undefined", "null", "{valueOf() { return 1 }}"])
def test_odd_delays(ctx, delay):
    assert ctx.eval(f"typeof setTimeout(() => 0, {delay})") == "number"


def test_a_delay_that_throws(ctx):
    with pytest.raises(JSEvalException, match="odd"):
        ctx.eval("setTimeout(() => 0, {valueOf() { throw new Error('odd') }})")


def test_timers_of_many_contexts_take_turns():
    contexts = [MiniRacer() for _ in range(20)]
    for context in contexts:
        context.eval("var done = 0; for (let i = 0; i < 50; i++) setTimeout(() => done++, i)")
    for context in contexts:
        wait_for(lambda context=context: context.eval("done") == 50)
        context.close()


def test_a_long_callback_delays_its_own_context_alone(ctx):
    with MiniRacer() as other:
        other.eval("var stop = false; setTimeout(() => { while (true) {} }, 0)")
        time.sleep(0.05)
        started = time.monotonic()
        ctx.eval("new Promise((resolve) => setTimeout(resolve, 10))").get()
        assert time.monotonic() - started < 2


def test_too_many_timers(ctx):
    assert ctx.eval("let n = 0; while (setTimeout(() => 0, 1e6) !== 0 && n < 200000) n++; n") == 100000


def test_closing_with_timers_pending_and_running():
    for _ in range(50):
        ctx = MiniRacer()
        ctx.eval("setInterval(() => 0, 0); setTimeout(() => { while (true) {} }, 1)")
        time.sleep(0.002)
        ctx.close()


def test_a_context_without_timers_has_no_thread():
    before = threading.active_count()
    with MiniRacer() as ctx:
        ctx.eval("1")
        assert threading.active_count() == before
