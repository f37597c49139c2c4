"""Waits that could never end raise, for one of those who would wait for each other; and who merely waits gets its turn."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any

import pytest

from py_mini_racer import JSDeadlockError, JSEvalException, MiniRacer


@pytest.fixture
def ctx():
    with MiniRacer() as opened:
        yield opened


def cause_of(error: BaseException) -> list[type]:
    """The types of an exception and of all that it came from."""
    types = []
    at: BaseException | None = error
    while at is not None:
        types.append(type(at))
        at = at.__cause__
    return types


@pytest.mark.parametrize("count", [2, 3, 5])
def test_a_circle_of_contexts(count):
    """Each thread is in a callback of its own context, and evaluates in the next one's."""
    contexts = [MiniRacer() for _ in range(count)]
    for _ in range(5):
        barrier = threading.Barrier(count)
        outcomes: list[Any] = [None] * count

        def run(number, barrier=barrier, outcomes=outcomes):
            def over():
                barrier.wait(60)
                return contexts[(number + 1) % count].eval("1 + 1")

            contexts[number].globals["over"] = over
            try:
                outcomes[number] = contexts[number].eval("over()")
            except JSEvalException as error:
                outcomes[number] = cause_of(error)

        threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in threads)
        failed = [outcome for outcome in outcomes if outcome != 2]
        assert len(failed) == 1
        assert JSDeadlockError in failed[0]
    for context in contexts:
        assert context.eval("6 * 7") == 42
        context.close()


def test_one_thread_may_go_round(ctx):
    with MiniRacer() as other:
        ctx.globals["over"] = lambda: other.eval("back()")
        other.globals["back"] = lambda: ctx.eval("6 * 7")
        assert ctx.eval("over()") == 42


def test_waiting_in_a_callback_for_a_busy_context_is_fine(ctx):
    with MiniRacer() as other:
        inside = threading.Event()
        other.globals["tell"] = inside.set
        thread = threading.Thread(
            target=lambda: other.eval("tell(); var end = Date.now() + 100; while (Date.now() < end);")
        )
        thread.start()
        inside.wait(60)
        ctx.globals["over"] = lambda: other.eval("6 * 7")
        assert ctx.eval("over()") == 42
        thread.join()


def test_a_promise_of_ones_own_context(ctx):
    ctx.globals["block"] = lambda: ctx.eval("new Promise((resolve) => setTimeout(resolve, 1))").get()
    with pytest.raises(JSEvalException) as caught:
        ctx.eval("block()")
    assert JSDeadlockError in cause_of(caught.value)


def test_a_promise_of_ones_own_context_two_contexts_away(ctx):
    with MiniRacer() as other:
        other.globals["block"] = lambda: ctx.eval("new Promise(() => {})").get(timeout=60)
        ctx.globals["over"] = lambda: other.eval("block()")
        with pytest.raises(JSEvalException) as caught:
            ctx.eval("over()")
        assert JSDeadlockError in cause_of(caught.value)


def test_a_promise_that_needs_this_threads_context(ctx):
    """The other context's timer, which would settle it, evaluates in the one that this thread is in."""
    with MiniRacer() as other:
        seen: list[object] = []

        def need():
            try:
                return ctx.eval("1 + 1")
            except JSDeadlockError as error:
                seen.append(error)
                raise

        other.globals["need"] = need

        def block():
            return other.eval(
                "new Promise((done, fail) => setTimeout(() => { try { done(need()) } catch (e) { fail(e) } }, 20))"
            ).get(timeout=60)

        ctx.globals["block"] = block
        with pytest.raises(JSEvalException):
            ctx.eval("block()")
        assert len(seen) == 1
        assert ctx.eval("6 * 7") == other.eval("6 * 7") == 42


def test_a_promise_of_a_context_whose_thread_waits_already(ctx):
    with MiniRacer() as other:
        promise = other.eval("new Promise(() => {})")
        waits = threading.Event()

        def need():
            waits.set()
            return ctx.eval("1 + 1")

        other.globals["need"] = need
        answers = []
        thread = threading.Thread(target=lambda: answers.append(other.eval("need()")))

        def block():
            thread.start()
            waits.wait(60)
            time.sleep(0.1)
            return promise.get()

        ctx.globals["block"] = block
        with pytest.raises(JSEvalException) as caught:
            ctx.eval("block()")
        assert JSDeadlockError in cause_of(caught.value)
        thread.join(60)
        assert answers == [2]


def test_a_promise_of_another_context_in_a_callback(ctx):
    with MiniRacer() as other:
        ctx.globals["block"] = lambda: other.eval("new Promise((done) => setTimeout(() => done(42), 20))").get()
        for _ in range(10):
            assert ctx.eval("block()") == 42


def test_who_settles_may_go_on_to_the_waiters_context(ctx):
    """The waiter has what it waits for: it is not part of a circle any more. On a busy machine it may come so late that there is one indeed."""
    with MiniRacer() as other:
        other.globals["back"] = lambda: ctx.eval("6 * 7")
        ctx.globals["block"] = lambda: other.eval(
            "new Promise((done) => setTimeout(() => { done(1); Promise.resolve().then(() => 1).then(() => back()) }, 50))"
        ).get()
        answers = []
        for _ in range(10):
            with suppress(JSEvalException):
                answers.append(ctx.eval("block()"))
        assert 1 in answers


def test_close_wakes_who_waits_for_a_promise():
    ctx = MiniRacer()
    promise = ctx.eval("new Promise(() => {})")
    closer = threading.Timer(0.1, ctx.close)
    closer.start()
    with pytest.raises(JSEvalException, match="closed"):
        promise.get()
    closer.join()


def test_nobody_starves(ctx):
    """Three threads hammer; a fourth one gets in. How soon is measured by the C tests."""
    stop = threading.Event()

    def hammer():
        while not stop.is_set():
            ctx.eval("for (let i = 0; i < 1e4; i++);")

    threads = [threading.Thread(target=hammer) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(50):
            ctx.eval("1", timeout_sec=10)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
