"""A call ends with the one that it is made in, whatever ends that and whatever context it is in; and a call does not get away with what its callback took."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from py_mini_racer import (
    JSClosedException,
    JSCPUTimeException,
    JSEvalException,
    JSTerminatedException,
    JSTimeoutException,
    MiniRacer,
)

ENDS: dict[str, tuple[Any, type[JSEvalException]]] = {
    "interrupt": (lambda ctx: ctx.interrupt(), JSTerminatedException),
    "close": (lambda ctx: ctx.close(), JSClosedException),
}
ENDLESS = "for (;;);"


@pytest.fixture
def contexts():
    with MiniRacer() as outer, MiniRacer() as middle, MiniRacer() as inner:
        yield outer, middle, inner


class Later:
    """Does something to a context on another thread, when it is told that the time has come."""

    def __init__(self, action: Any, ctx: MiniRacer) -> None:
        self.begun = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(action, ctx))
        self._thread.start()

    def _run(self, action: Any, ctx: MiniRacer) -> None:
        self.begun.wait()
        time.sleep(0.05)
        action(ctx)

    def join(self) -> None:
        self._thread.join(60)
        assert not self._thread.is_alive()


@pytest.mark.parametrize("end", ENDS)
def test_the_end_of_an_outer_call_ends_one_in_another_context(contexts, end):
    outer, _, inner = contexts
    action, kind = ENDS[end]
    seen: list[type] = []
    later = Later(action, outer)

    def callback() -> None:
        later.begun.set()
        try:
            inner.eval(ENDLESS)
        except JSEvalException as error:
            seen.append(type(error))
            raise

    with pytest.raises(kind):
        outer.eval("f => { for (;;) { try { f() } catch {} } }")(callback)
    later.join()
    assert seen == [kind]
    assert inner.eval("1") == 1


@pytest.mark.parametrize("end", ENDS)
def test_two_contexts_further_in_and_back_again(contexts, end):
    outer, middle, inner = contexts
    action, kind = ENDS[end]
    later = Later(action, outer)
    seen: list[type] = []

    def noted(work: Any) -> Any:
        try:
            return work()
        except JSEvalException as error:
            seen.append(type(error))
            raise

    def innermost() -> Any:
        later.begun.set()
        return noted(lambda: inner.eval(ENDLESS))

    def second() -> Any:
        return noted(lambda: inner.eval("f => f()")(innermost))

    def first() -> Any:
        return noted(lambda: middle.eval("f => f()")(second))

    with pytest.raises(kind):
        outer.eval("f => f()")(first)
    later.join()
    assert seen == [kind] * 3
    assert middle.eval("1") == inner.eval("1") == 1


def test_the_middle_one_ends_alone_with_what_is_inside(contexts):
    outer, middle, inner = contexts
    later = Later(ENDS["interrupt"][0], middle)

    def innermost() -> Any:
        later.begun.set()
        return inner.eval(ENDLESS)

    def first() -> str:
        with pytest.raises(JSTerminatedException):
            middle.eval("f => f()")(innermost)
        return "stopped"

    assert outer.eval("f => f() + ' and on'")(first) == "stopped and on"
    later.join()


@pytest.mark.parametrize("end", ENDS)
def test_an_outer_call_that_is_over_begins_no_other(contexts, end):
    outer, _, inner = contexts
    action, kind = ENDS[end]
    seen: list[type] = []

    def callback() -> None:
        action(outer)
        for _ in range(3):
            with pytest.raises(kind) as stopped:
                inner.eval("1")
            seen.append(stopped.type)

    with pytest.raises(kind):
        outer.eval("f => f()")(callback)
    assert seen == [kind] * 3
    assert inner.eval("1") == 1


@pytest.mark.parametrize("limit", [JSTimeoutException, JSTerminatedException])
def test_waiting_for_a_context_ends_with_the_outer_call(contexts, limit):
    outer, _, inner = contexts
    busy, done = threading.Event(), threading.Event()

    def stay() -> None:
        busy.set()
        done.wait(60)

    def hold() -> None:
        inner.eval("f => f()")(stay)

    holder = threading.Thread(target=hold)
    holder.start()
    busy.wait(60)
    seen: list[JSEvalException] = []

    def callback() -> None:
        try:
            inner.eval("1")
        except JSEvalException as error:
            seen.append(error)
            raise

    function = outer.eval("f => f()")
    later = Later(MiniRacer.interrupt, outer) if limit is JSTerminatedException else None
    if later:
        later.begun.set()
    with pytest.raises(limit):
        function(callback, timeout_sec=60 if later else 0.05)
    done.set()
    holder.join(60)
    if later:
        later.join()
    assert [type(error) for error in seen] == [limit]
    if isinstance(seen[0], JSTimeoutException):
        assert (seen[0].limit, seen[0].limit_value) == ("timeout_sec", 0.05)


def test_waiting_for_a_promise_ends_with_the_outer_call(contexts):
    outer, _, inner = contexts
    promise = inner.eval("new Promise(() => { setTimeout(() => {}, 1e9) })")
    seen: list[type] = []

    def callback() -> None:
        try:
            promise.get()
        except JSEvalException as error:
            seen.append(type(error))
            raise

    with pytest.raises(JSTimeoutException) as caught:
        outer.eval("f => f()")(callback, timeout_sec=0.05)
    assert seen == [JSTerminatedException]
    assert caught.value.limit_value == 0.05


@pytest.mark.parametrize(
    ("limits", "kind"),
    [({"timeout_sec": 0.05}, JSTimeoutException), ({"cpu_time_sec": 0.05}, JSCPUTimeException)],
    ids=["timeout", "cpu"],
)
def test_a_limit_that_a_callback_goes_past_is_raised(contexts, limits, kind):
    outer, _, inner = contexts

    def slow() -> int:
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            sum(range(1000))
        return 7

    outer.globals["slow"] = slow
    with pytest.raises(kind) as caught:
        outer.eval("slow()", **limits)  # nothing of JavaScript comes after it
    assert [caught.value.limit, caught.value.limit_value] == list(*limits.items())
    assert outer.eval("1 + 1") == 2

    def around() -> Any:
        return inner.eval("f => f()")(slow)

    with pytest.raises(kind):
        outer.eval("f => f()")(around, **limits)
    assert outer.eval("1") == inner.eval("1") == 1


@pytest.mark.parametrize("end", ENDS)
def test_who_is_ended_in_a_callback_says_so(end):
    action, kind = ENDS[end]
    with MiniRacer() as ctx:
        with pytest.raises(kind):
            ctx.eval("f => f()")(lambda: action(ctx))
        if end == "interrupt":
            assert ctx.eval("1") == 1


def test_what_an_ended_call_had_in_hand_is_given_back():
    with MiniRacer() as ctx:
        function = ctx.eval("f => { f(); return {} }")
        ctx.eval("1")
        before = ctx.stats()["handles"]
        for _ in range(20):
            with pytest.raises(JSTerminatedException):
                function(ctx.interrupt)
        ctx.eval("1")
        assert ctx.stats()["handles"] == before
