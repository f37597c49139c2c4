"""Promises: from threads, from event loops, settled, pending, rejected, forgotten."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import time
from typing import Any

import pytest

from py_mini_racer import (
    JSConversionException,
    JSEvalException,
    JSPromise,
    JSPromiseError,
    JSTimeoutException,
    MiniRacer,
)


@pytest.fixture
def ctx():
    with MiniRacer() as context:
        yield context


LATER = "new Promise((resolve) => setTimeout(() => resolve(6 * 7), 20))"


def test_get_of_a_settled_promise(ctx):
    promise = ctx.eval("Promise.resolve(6 * 7)")
    assert isinstance(promise, JSPromise)
    assert promise.get() == 42
    assert promise.get() == 42


def test_get_waits(ctx):
    promise = ctx.eval(LATER)
    assert promise.get() == 42
    assert promise.get(timeout=5) == 42


def test_get_gives_up(ctx):
    promise = ctx.eval("new Promise(() => {})")
    started = time.monotonic()
    with pytest.raises(JSTimeoutException) as caught:
        promise.get(timeout=0.1)
    assert str(caught.value) == "JavaScript was terminated by timeout"
    assert 0.09 < time.monotonic() - started < 5
    assert ctx.eval("1 + 1") == 2


def test_one_waiter_gives_up_and_another_gets_it(ctx):
    promise = ctx.eval("new Promise((resolve) => globalThis.resolve = resolve)")
    with pytest.raises(JSTimeoutException):
        promise.get(timeout=0.01)
    got = []
    thread = threading.Thread(target=lambda: got.append(promise.get(timeout=10)))
    thread.start()
    time.sleep(0.05)
    ctx.eval("resolve('x')")
    thread.join()
    assert got == ["x"]


def test_await(ctx):
    async def main():
        assert await ctx.eval("Promise.resolve(1)") == 1
        assert await ctx.eval(LATER) == 42
        assert await asyncio.gather(*(ctx.eval(LATER) for _ in range(50))) == [42] * 50

    asyncio.run(main())


def test_a_context_outlives_its_first_loop(ctx):
    async def main():
        return await ctx.eval(LATER)

    assert [asyncio.run(main()) for _ in range(3)] == [42] * 3


def test_one_promise_in_two_loops(ctx):
    promise = ctx.eval("new Promise((resolve) => globalThis.resolve = resolve)")
    got = []

    async def main():
        got.append(await promise)

    threads = [threading.Thread(target=asyncio.run, args=(main(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    ctx.eval("resolve(7)")
    for thread in threads:
        thread.join(10)
    assert got == [7, 7]


def test_a_loop_that_closed_before_the_promise_was_settled(ctx, caplog):
    promise = ctx.eval("new Promise((resolve) => globalThis.resolve = resolve)")

    async def main():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(_await(promise), 0.01)

    asyncio.run(main())
    ctx.eval("resolve(7)")
    assert promise.get() == 7
    assert not caplog.records


async def _await(promise):
    return await promise


def test_get_in_a_running_loop_says_await(ctx):
    async def main():
        assert ctx.eval("Promise.resolve(1)").get() == 1
        with pytest.raises(RuntimeError, match="await promise"):
            ctx.eval("new Promise(() => {})").get()

    asyncio.run(main())


REJECTED = """\
JavaScript rejected promise with reason: Error: this is an error
    at <anonymous>:1:16
"""


def test_rejected_with_an_error(ctx):
    promise = ctx.eval("Promise.reject(new Error('this is an error'))")
    with pytest.raises(JSPromiseError) as caught:
        promise.get()
    assert caught.value.args[0] == REJECTED
    assert caught.value.reason == "Error: this is an error\n    at <anonymous>:1:16"
    assert caught.value.name == "Error"
    assert caught.value.js_message == "this is an error"
    assert caught.value.value["message"] == "this is an error"


def test_rejected_with_an_error_async(ctx):
    async def main():
        with pytest.raises(JSPromiseError) as caught:
            await ctx.eval("Promise.reject(new Error('this is an error'))")
        assert caught.value.args[0] == REJECTED

    asyncio.run(main())


def test_rejected_with_a_string(ctx):
    with pytest.raises(JSPromiseError) as caught:
        ctx.eval("Promise.reject('a string')").get()
    assert caught.value.args[0] == "JavaScript rejected promise with reason: a string\n"
    assert caught.value.reason == "a string"
    assert caught.value.value == "a string"


def test_rejected_later(ctx):
    with pytest.raises(JSPromiseError) as caught:
        ctx.eval("new Promise((_, reject) => setTimeout(() => reject(new TypeError('late')), 10))").get()
    assert caught.value.name == "TypeError"


@pytest.mark.parametrize(
    "what",
    [
        "undefined",
        "null",
        "Symbol('s')",
        "({toString() { throw 1 }})",
        "new Proxy({}, {get() { throw 1 }})",
        "Object.create(null)",
    ],
)
def test_rejected_with_something_awkward(ctx, what):
    with pytest.raises(JSPromiseError):
        ctx.eval(f"Promise.reject({what})").get()
    assert ctx.eval("1") == 1


def test_unhandled_rejections_are_logged(ctx, caplog):
    with caplog.at_level(logging.ERROR, "py_mini_racer"):
        ctx.eval("Promise.reject(new Error('nobody looked')); 0")
    assert "nobody looked" in caplog.text


def test_unhandled_rejections_go_to_the_hook(caplog):
    seen: list[Any] = []
    with MiniRacer(unhandled_rejection=seen.append) as ctx:
        ctx.eval("Promise.reject(new RangeError('a')); Promise.reject(2); 0")
        ctx.eval("const p = Promise.reject(3); p.catch(() => {}); 0")
        held = ctx.eval("Promise.reject(4)")
        assert [(error.name, error.value) for error in seen][1] == (None, 2)
        assert seen[0].name == "RangeError"
        assert len(seen) == 2
        with pytest.raises(JSPromiseError):
            held.get()
        ctx.eval("1")
        assert len(seen) == 2
    assert not caplog.records


def test_closing_ends_who_waits():
    ctx = MiniRacer()
    promise = ctx.eval("new Promise(() => {})")
    caught = []

    def wait():
        try:
            promise.get()
        except JSEvalException as error:
            caught.append(type(error).__name__)

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.1)
    ctx.close()
    thread.join(10)
    assert caught == ["JSClosedException"]


def test_thousands_pending(ctx):
    async def main():
        promises = [ctx.eval("new Promise((resolve) => setTimeout(resolve, 5, 1))") for _ in range(2000)]
        assert sum(await asyncio.gather(*promises)) == 2000

    asyncio.run(main())


def test_a_settled_one_answers_at_once(ctx):
    settled, pending = (
        ctx.eval("Promise.resolve(7)"),
        ctx.eval("var settle; new Promise((resolve) => { settle = resolve; })"),
    )

    async def main():
        with pytest.raises(StopIteration) as answer:
            settled.__await__().send(None)
        assert answer.value.value == 7
        with pytest.raises(JSPromiseError, match="no"):
            ctx.eval("Promise.reject('no')").__await__().send(None)
        later = pending.__await__()
        assert asyncio.isfuture(later.send(None))
        later.close()
        ctx.eval("settle(8)")
        assert await pending == 8

    asyncio.run(main())
    assert not ctx._ctx.host.waiting


def test_what_comes_at_once_wakes_the_loop_once(ctx, monkeypatch):
    ctx.eval("var all; function promise() { return new Promise((resolve) => (all ??= []).push(resolve)); }")

    async def main():
        loop, woken = asyncio.get_running_loop(), []
        waiting = [asyncio.ensure_future(ctx.eval("promise()").get_async()) for _ in range(1000)]
        await asyncio.sleep(0)  # they wait now
        tell = loop.call_soon_threadsafe

        def count(*arguments):
            woken.append(1)
            return tell(*arguments)

        monkeypatch.setattr(loop, "call_soon_threadsafe", count)
        ctx.eval("all.forEach((resolve, i) => resolve(i)); 1")
        assert await asyncio.gather(*waiting) == list(range(1000))
        assert len(woken) == 1

    asyncio.run(main())


def test_nothing_is_left_behind(ctx):
    import gc

    for _ in range(100):
        assert ctx.eval(LATER.replace("20", "0")).get() == 42
    gc.collect()
    assert ctx._ctx.value_count() == 0


RECORD = "({rows: [1, {deep: [new Map([[1, 2]])]}]})"


def test_the_value_whole(ctx):
    whole = {"rows": [1, {"deep": [{1: 2}]}]}
    assert ctx.eval(f"Promise.resolve({RECORD})").get(copy=True) == whole
    later = f"new Promise((resolve) => setTimeout(() => resolve({RECORD}), 10))"
    assert ctx.eval(later).get(copy=True) == whole
    assert ctx.eval(later).get(copy=True, maps="pairs")["rows"][1]["deep"] == [[[1, 2]]]
    with pytest.raises(JSConversionException, match="rows"):
        ctx.eval(f"Promise.resolve({RECORD})").get(copy=True, max_depth=1)
    with pytest.raises(JSConversionException, match="rows"):
        ctx.eval(later).get(copy=True, max_depth=1)

    async def main():
        assert await ctx.eval(later).get_async(copy=True) == whole

    asyncio.run(main())


def test_a_settled_value_that_throws_while_it_is_copied(ctx):
    with pytest.raises(JSEvalException, match="no"):
        ctx.eval("Promise.resolve({get a() { throw new Error('no') }})").get(copy=True)


def test_a_value_that_throws_while_it_is_copied(ctx):
    promise = ctx.eval("new Promise((resolve) => setTimeout(() => resolve({get a() { throw new Error('no') }}), 10))")
    with pytest.raises(JSEvalException, match="no"):
        promise.get(copy=True)


def test_waits_that_were_given_up_leave_nothing(ctx):
    promise = ctx.eval("new Promise(() => {})")
    for _ in range(20):
        with pytest.raises(JSTimeoutException):
            promise.get(timeout=0.001)

    async def main():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(promise.get_async(), 0.001)

    asyncio.run(main())
    assert not ctx._ctx.host.waiting


def test_waits_that_are_given_up_leave_one_listener():
    with MiniRacer() as ctx:
        promise = ctx.eval("var settle; new Promise(resolve => { settle = resolve })")
        before = ctx.stats()["awaited"]
        for _ in range(50):
            for options in ({}, {"copy": True}):
                with pytest.raises(JSTimeoutException):
                    promise.get(timeout=0.001, **options)
        assert ctx.stats()["awaited"] - before == 2  # one copies, one does not

        async def wait_often() -> None:
            for _ in range(20):
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(promise.get_async(), 0.001)

        asyncio.run(wait_often())
        assert ctx.stats()["awaited"] - before == 2

        async def copy_often() -> None:
            for _ in range(10):
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(promise.get_async(copy=True), 0.05)

        asyncio.run(copy_often())
        # One that is given up just when it is being asked keeps its own.
        assert ctx.stats()["awaited"] - before <= 4
        assert ctx._ctx is not None
        assert not ctx._ctx.host.waiting
        listening = ctx.stats()["awaited"]
        results: list[Any] = []
        threads = [threading.Thread(target=lambda: results.append(promise.get(timeout=60))) for _ in range(4)]
        for thread in threads:
            thread.start()
        while ctx.stats()["awaited"] < listening + 3:  # the fourth has the listener that was left
            time.sleep(0.001)
        ctx.eval("settle({answer: 42})")
        for thread in threads:
            thread.join()
        assert [result["answer"] for result in results] == [42] * 4
        assert promise.get(copy=True) == {"answer": 42}
        assert ctx.stats()["awaited"] == before


def test_a_wait_for_a_promise_that_is_gone_is_no_wait():
    with MiniRacer() as ctx:
        before = ctx.stats()["awaited"]
        for _ in range(20):
            with pytest.raises(JSTimeoutException):
                ctx.eval("new Promise(() => {})").get(timeout=0.001)
        gc.collect()
        for _ in range(2):
            ctx.low_memory_notification()
        assert ctx.stats()["awaited"] == before


def test_many_rejections_are_forgotten_and_told_in_order():
    told: list[object] = []
    many = """
        var all = [];
        for (let i = 0; i < 20000; i++) all.push(Promise.reject(i));
        for (const promise of all) promise.catch(() => {});
        for (let i = 0; i < 5; i++) Promise.reject(i);
        0
    """
    with MiniRacer(unhandled_rejection=lambda error: told.append(error.value)) as ctx:
        ctx.eval(many, cpu_time_sec=30)
        assert told == [0, 1, 2, 3, 4]
        held = ctx.eval("var pair = [Promise.reject('held'), Promise.reject('other')]; pair[0]")
        assert told[5:] == ["other"]
        ctx.eval("1")
        assert told[6:] == []
        del held
        gc.collect()
        ctx.eval("1")
        assert told[6:] == ["held"]
