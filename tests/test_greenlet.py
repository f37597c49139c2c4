"""Greenlets swap a thread's stack: a call from another greenlet than that of the callback which the thread is in would break V8. It raises."""

from __future__ import annotations

import gc
import threading

import greenlet
import pytest

from py_mini_racer import JSBusyError, JSTimeoutException, MiniRacer

pytestmark = pytest.mark.needs("hook")


@pytest.fixture
def ctx():
    with MiniRacer() as opened:
        yield opened


def deep(function, levels):
    """Calls it far down the stack."""
    return deep(function, levels - 1) if levels else function()


@pytest.mark.parametrize("levels", [0, 300])
@pytest.mark.parametrize("way", ["eval", "function", "item", "set", "keys", "get", "other context"])
def test_another_greenlet_is_refused(ctx, way, levels):
    function, thing, promise = ctx.eval("() => 1"), ctx.eval("({ a: 1 })"), ctx.eval("Promise.resolve(1)")
    with MiniRacer() as other:
        ways = {
            "eval": lambda: ctx.eval("1"),
            "function": function,
            "item": lambda: thing["a"],
            "set": lambda: thing.__setitem__("a", 2),
            "keys": lambda: list(thing),
            "get": promise.get,
            "other context": lambda: other.eval("1"),
        }
        main = greenlet.getcurrent()
        ctx.globals["leave"] = lambda: main.switch("switched")
        inner = greenlet.greenlet(lambda: ctx.eval("leave(); 6 * 7"))
        assert inner.switch() == "switched"
        for _ in range(2):
            with pytest.raises(JSBusyError, match="greenlet"):
                deep(ways[way], levels)
        assert inner.switch() == 42
        assert ctx.eval("6 * 7") == other.eval("6 * 7") == 42
        assert thing["a"] == 1


def test_a_child_greenlet_is_refused(ctx):
    """It begins further down the stack, and could return out of order."""

    def call():
        child = greenlet.greenlet(lambda: ctx.eval("1"))
        with pytest.raises(JSBusyError):
            child.switch()
        return ctx.eval("2")

    ctx.globals["call"] = call
    assert ctx.eval("call()") == 2


def test_greenlets_in_turn(ctx):
    """Each evaluates outside of callbacks: that is no matter."""

    def run(number):
        for turn in range(10):
            assert ctx.eval(f"{number} * 10 + {turn}") == number * 10 + turn
            main.switch()

    main = greenlet.getcurrent()
    every = [greenlet.greenlet(run) for _ in range(5)]
    for _ in range(11):
        for number, one in enumerate(every):
            one.switch(number) if not one else one.switch()


def test_a_callback_may_switch_and_come_back(ctx):
    """While it is away other threads stop it, time it out, and look at its calls: nothing of these may be on the stack that was swapped."""
    main = greenlet.getcurrent()
    ctx.globals["leave"] = main.switch
    for _ in range(20):
        inner = greenlet.greenlet(lambda: ctx.eval("leave(); for (;;);", timeout_sec=0.05))
        inner.switch()
        deep(lambda: gc.collect(0), 200)
        threading.Event().wait(0.06)
        with pytest.raises(JSTimeoutException):
            inner.switch()
    assert ctx.eval("6 * 7") == 42


def test_a_greenlet_that_is_killed_in_a_callback(ctx):
    main = greenlet.getcurrent()
    ctx.globals["leave"] = main.switch
    inner = greenlet.greenlet(lambda: ctx.eval("try { leave() } catch {} for (;;);"))
    inner.switch()
    inner.throw()
    assert inner.dead
    assert ctx.eval("6 * 7") == 42


def test_closed_by_another_greenlet():
    ctx = MiniRacer()
    main = greenlet.getcurrent()
    ctx.globals["leave"] = main.switch

    def run():
        with pytest.raises(Exception, match="closed"):
            ctx.eval("leave(); for (;;);")
        return "ended"

    inner = greenlet.greenlet(run)
    inner.switch()
    ctx.close()
    assert inner.switch() == "ended"


def test_greenlets_of_other_threads_do_not_matter(ctx):
    with MiniRacer() as other:
        main = greenlet.getcurrent()
        ctx.globals["leave"] = main.switch
        inner = greenlet.greenlet(lambda: ctx.eval("leave(); 1"))
        inner.switch()
        answers = []
        thread = threading.Thread(target=lambda: answers.append(other.eval("6 * 7")))
        thread.start()
        thread.join()
        assert answers == [42]
        assert inner.switch() == 1
