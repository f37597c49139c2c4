"""Awaited evaluations and calls: they never block the loop, end as they should, and leave nothing behind."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import threading
import time

import pytest
import uvloop

from py_mini_racer import (
    JSClosedException,
    JSConversionException,
    JSEvalException,
    JSOOMException,
    JSParseException,
    JSPromise,
    JSPromiseError,
    JSTerminatedException,
    JSTimeoutException,
    MiniRacer,
    WrongReturnTypeException,
)
from tests.child import run_python as run_child


@pytest.fixture
def ctx():
    with MiniRacer() as context:
        yield context


def in_loop(main):
    """Runs it, and fails for anything that the loop complains of."""
    complaints = []

    async def watched():
        asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))
        value = await main()
        gc.collect()
        await asyncio.sleep(0)
        return value

    value = asyncio.run(watched())
    gc.collect()
    assert not complaints
    return value


def test_values(ctx):
    async def main():
        assert await ctx.eval_async("6 * 7") == 42
        assert await ctx.eval_async("({a: [1, new Map([[1, 2]])]})", copy=True) == {"a": [1, {1: 2}]}
        assert await ctx.eval_async("({a: [new Map([[1, 2]])]})", copy=True, maps="pairs") == {"a": [[[1, 2]]]}
        assert (await ctx.eval_async("({a: 5})"))["a"] == 5
        assert await ctx.eval_async("'\ud800' + 'é'") == "\ud800é"
        assert await ctx.eval_async("new Error().stack", filename="x.js", line_offset=4) == "Error\n    at x.js:5:1"
        assert await ctx.execute_async("{a: [1, null]}") == {"a": [1, None]}
        assert await ctx.execute_async("Promise.resolve({b: 2})") == {"b": 2}
        assert await ctx.call_async("Math.max", 3, 5) == 5
        assert await ctx.call_async("(async (x) => x.__proto__)", {"__proto__": 7}) == 7
        assert await ctx.eval_cancelable("'old name'") == "old name"
        assert await ctx.eval("(a, b) => a + b").cancelable()(1, 2) == 3

    in_loop(main)


def test_promises_are_awaited(ctx):
    async def main():
        assert await ctx.eval_async("(async () => 6 * 7)()") == 42
        assert await ctx.eval_async("new Promise((r) => setTimeout(r, 5, {a: 1}))", copy=True) == {"a": 1}
        assert await ctx.eval("async (x) => ({x})").call_async(3, copy=True) == {"x": 3}
        assert isinstance(await ctx.eval_cancelable("Promise.resolve(1)"), JSPromise)
        assert isinstance(await ctx.eval("async () => 1").cancelable()(), JSPromise)
        with pytest.raises(JSPromiseError) as caught:
            await ctx.eval_async("(async () => { throw new RangeError('far') })()")
        assert caught.value.name == "RangeError"

    in_loop(main)


def test_errors(ctx):
    async def main():
        with pytest.raises(JSEvalException) as caught:
            await ctx.eval_async("throw new TypeError('t')")
        assert (caught.value.name, caught.value.js_message, caught.value.line) == ("TypeError", "t", 1)
        with pytest.raises(JSParseException):
            await ctx.eval_async("(")
        with pytest.raises(JSEvalException, match="not a string"):
            await ctx.eval_async(5)
        with pytest.raises(JSEvalException, match="not a string"):
            await ctx.execute_async(5)
        with pytest.raises(WrongReturnTypeException):
            await ctx.execute_async("() => 1")
        with pytest.raises(JSConversionException, match=r"\$"):
            await ctx.eval_async("[[[1]]]", copy=True, max_depth=1)
        with pytest.raises(JSConversionException):
            await ctx.eval("x => x").call_async(object())
        with pytest.raises(JSEvalException) as caught:
            await ctx.eval("f => f()").call_async(lambda: 1 / 0)
        assert isinstance(caught.value.__cause__, ZeroDivisionError)
        assert not ctx._ctx.host.waiting

    in_loop(main)


def test_limits(ctx):
    async def main():
        with pytest.raises(JSTimeoutException) as caught:
            await ctx.eval_async("for (;;) {}", timeout_sec=0.05)
        assert caught.value.limit == "timeout_sec"
        with pytest.raises(JSTimeoutException):
            await ctx.eval("() => { for (;;) {} }").call_async(timeout_sec=0.05)
        with pytest.raises(JSTimeoutException) as caught:
            await ctx.eval_async("new Promise(() => {})", timeout_sec=0.05)
        assert caught.value.limit_value == 0.05
        with pytest.raises(JSTimeoutException):
            await ctx.eval_async("1", timeout_sec=0)
        with pytest.raises(JSOOMException):
            await ctx.eval_async("for (let a = []; ; ) a.push(new Array(1000).fill(1.5))", max_memory=30_000_000)
        with MiniRacer(timeout_sec=0.05) as short, pytest.raises(JSTimeoutException):
            await short.eval_async("for (;;) {}")
        assert await ctx.eval_async("1 + 1") == 2

    in_loop(main)


def test_waiting_counts(ctx):
    """Of two, the second one's time is up before the first one's."""

    async def main():
        first = asyncio.ensure_future(ctx.eval_async("for (;;) {}"))
        await asyncio.sleep(0)
        with pytest.raises(JSTimeoutException):
            await ctx.eval_async("1", timeout_sec=0.05)
        assert not first.done()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first

    in_loop(main)


def test_the_loop_goes_on(ctx):
    """While a script runs, and while another thread has the context."""

    async def main():
        running = asyncio.ensure_future(ctx.eval_async("for (;;) {}"))
        promise = asyncio.ensure_future(ctx.eval_async("1"))
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert not running.done()
        assert not promise.done()
        running.cancel()
        await asyncio.wait([running])
        assert running.cancelled()
        assert await promise == 1

    in_loop(main)


def test_awaiting_a_promise_of_a_busy_context(ctx):
    promise = ctx.eval("Promise.resolve(7)")

    async def main():
        running = asyncio.ensure_future(ctx.eval_async("for (;;) {}"))
        await asyncio.sleep(0.05)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(promise.get_async(), 0.05)
        running.cancel()
        assert await promise == 7

    in_loop(main)


def test_a_cancelled_task_goes_on_when_its_script_has_stopped(ctx):
    ends = []

    def slow():
        time.sleep(0.2)
        ends.append(1)

    ctx.globals["slow"] = slow

    async def main():
        task = asyncio.ensure_future(ctx.eval_async("slow(); for (;;) {}"))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ends == [1]
        task = asyncio.ensure_future(ctx.eval_async("slow(); for (;;) {}"))
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()  # once more: it does not wait
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await ctx.eval_async("5") == 5
        assert not ctx._ctx.host.waiting

    in_loop(main)


def test_only_the_cancelled_one_is_stopped(ctx):
    async def main():
        tasks = [asyncio.ensure_future(ctx.eval_async(f"{n}")) for n in range(100)]
        for task in tasks[::2]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert results[1::2] == list(range(1, 100, 2))
        assert all(isinstance(result, asyncio.CancelledError) for result in results[::2])

    in_loop(main)


def test_cancelled_at_every_moment(ctx):
    async def main():
        for number in range(200):
            task = asyncio.ensure_future(ctx.eval_async("throw new Error('x')" if number % 2 else "({})"))
            await asyncio.sleep(number % 20 * 20e-6)
            task.cancel()
            await asyncio.wait([task])
        assert not ctx._ctx.host.waiting

    in_loop(main)
    gc.collect()
    ctx.eval("0")
    assert ctx._ctx.value_count() == 0


def test_arguments(ctx):
    async def main():
        data = bytearray(b"\1\2\3")
        call = ctx.eval("(b) => b[1]").call_async(data)
        task = asyncio.ensure_future(call)
        await asyncio.sleep(0)
        data[1] = 9  # it has been copied
        assert await task == 2
        held = ctx.eval("({a: 1})")
        assert await ctx.eval("(o, k) => o[k]").call_async(held, "a") == 1
        assert await ctx.eval("function f() { return this.a } f").call_async(this=held) == 1
        shared = ctx.buffer("f", 2)
        await ctx.eval("(b) => { b[0] = 1.5 }").call_async(shared)
        assert shared[0] == 1.5
        with MiniRacer() as other, pytest.raises(JSEvalException):
            await ctx.eval("(x) => x").call_async(other.eval("({})"))

    in_loop(main)


def test_callbacks_run_on_another_thread_and_see_what_they_may(ctx):
    here = threading.get_ident()

    async def main():
        assert await ctx.eval("(f) => f()").call_async(lambda: threading.get_ident() != here) is True
        assert await ctx.eval("(f) => f()").call_async(lambda: ctx.eval("1 + 1")) == 2

    in_loop(main)


request = contextvars.ContextVar("request", default="none")


def test_context_variables(ctx):
    """A callback on the library's thread has the variables of the task that awaits."""
    ctx.globals["request"] = request.get

    async def one(name):
        request.set(name)
        return await ctx.eval_async("request()")

    async def main():
        assert list(await asyncio.gather(one("a"), one("b"))) == ["a", "b"]

    in_loop(main)


def test_a_callback_while_a_thread_waits_for_a_promise(ctx):
    ctx.globals["request"] = request.get
    promise = ctx.eval("new Promise(() => {})")
    with pytest.raises(JSTimeoutException):
        promise.get(timeout=0.01)
    assert ctx.eval("queueMicrotask(() => globalThis.seen = request()); Promise.resolve(1)").get() == 1
    assert ctx.eval("seen") == "none"


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_what_ends_python_ends_the_script(ctx, kind):
    def end():
        raise kind

    ctx.globals["end"] = end

    async def main():
        await ctx.eval_async("try { end() } catch (e) {} ; for (;;) {}")

    with pytest.raises(kind):
        asyncio.run(main())
    assert ctx.eval("1") == 1


def test_closed_meanwhile(ctx):
    async def main():
        with MiniRacer() as other:
            running = asyncio.ensure_future(other.eval_async("for (;;) {}"))
            waiting = asyncio.ensure_future(other.eval_async("1"))
            pending = asyncio.ensure_future(other.eval("new Promise(() => {})").get_async())
            await asyncio.sleep(0.05)
        results = await asyncio.gather(running, waiting, pending, return_exceptions=True)
        assert [type(result) for result in results] == [JSClosedException] * 3
        with pytest.raises(JSClosedException):
            await other.eval_async("1")

    in_loop(main)


def test_terminated_meanwhile(ctx):
    async def main():
        running = asyncio.ensure_future(ctx.eval_async("for (;;) {}"))
        await asyncio.sleep(0.05)
        ctx._ctx.terminate()
        with pytest.raises(JSTerminatedException):
            await running

    in_loop(main)


def test_the_loop_is_closed_meanwhile(ctx, caplog):
    async def main():
        task = asyncio.ensure_future(ctx.eval_async("for (let end = Date.now() + 100; Date.now() < end; ) ; ({})"))
        await asyncio.sleep(0.01)
        return task

    loop = asyncio.new_event_loop()
    task = loop.run_until_complete(main())
    loop.close()
    assert ctx.eval("1") == 1
    time.sleep(0.01)
    task._log_destroy_pending = False  # that is asyncio's own complaint
    del task
    gc.collect()
    assert not [record for record in caplog.records if "py_mini_racer" in record.name]
    assert not ctx._ctx.host.waiting


def test_several_loops_in_several_threads(ctx):
    results = []

    async def main(number):
        results.append(await asyncio.gather(*(ctx.eval_async(f"{number} * 100 + {n}") for n in range(50))))

    threads = [threading.Thread(target=asyncio.run, args=(main(number),)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(results) == [[number * 100 + n for n in range(50)] for number in range(6)]


def test_the_context_is_collected_with_work_in_flight(caplog):
    async def main():
        task = asyncio.ensure_future(MiniRacer().eval_async("6 * 7"))
        await asyncio.sleep(0)
        gc.collect()
        assert await task == 42
        lost = MiniRacer().eval_async("for (;;) {}")  # never begun
        lost.close()
        begun = asyncio.ensure_future(MiniRacer().eval_async("for (;;) {}"))
        await asyncio.sleep(0.01)
        begun.cancel()
        await asyncio.wait([begun])

    in_loop(main)
    assert not caplog.records


def test_ten_thousand_in_one_context(ctx):
    async def main():
        assert await asyncio.gather(*(ctx.eval_async(f"{n}") for n in range(10_000))) == list(range(10_000))

    in_loop(main)


def threads():
    return sum(1 for _ in os.scandir("/proc/self/task"))


def test_a_thousand_contexts(ctx):
    contexts = [MiniRacer() for _ in range(1000)]

    async def main():
        most = 0
        done = asyncio.gather(
            *(one.eval_async("let s = 0; for (let i = 0; i < 1000; i++) s += i; s") for one in contexts)
        )
        before = threads()
        while not done.done():
            most = max(most, threads())
            await asyncio.sleep(0.001)
        assert await done == [499500] * 1000
        assert most <= before + 66

    in_loop(main)
    for one in contexts:
        one.close()


def test_a_long_script_does_not_delay_other_contexts(ctx):
    async def main():
        others = [MiniRacer() for _ in range(8)]
        long = [asyncio.ensure_future(one.eval_async("for (;;) {}")) for one in others]
        assert await asyncio.wait_for(ctx.eval_async("1"), 30) == 1
        for task in long:
            task.cancel()
        await asyncio.wait(long)
        for one in others:
            one.close()

    in_loop(main)


def test_settled_by_a_timer_and_by_hand(ctx):
    async def main():
        pending = asyncio.ensure_future(ctx.eval_async("new Promise((r) => globalThis.settle = r)"))
        await asyncio.sleep(0.02)
        await ctx.eval_async("settle(8)")
        assert await pending == 8

    in_loop(main)


def test_outside_of_a_loop(ctx):
    coroutine = ctx.eval_async("1")
    with pytest.raises(RuntimeError, match="no running event loop"):
        coroutine.send(None)


def test_uvloop(ctx):
    loop = uvloop.new_event_loop()
    try:
        assert loop.run_until_complete(ctx.eval_async("new Promise((r) => setTimeout(r, 5, 42))")) == 42
    finally:
        loop.close()


EXITS = {
    "running": "task = asyncio.ensure_future(ctx.eval_async('for (;;) {}')); await asyncio.sleep(0.05); os.write(1, b'end')",
    "queued": "tasks = [asyncio.ensure_future(ctx.eval_async('1')) for _ in range(5000)]; await asyncio.sleep(0); os.write(1, b'end')",
    "in a callback": "task = asyncio.ensure_future(ctx.eval('f => f()').call_async(lambda: time.sleep(0.2))); "
    "await asyncio.sleep(0.05); os.write(1, b'end')",
}


@pytest.mark.parametrize("what", EXITS)
@pytest.mark.parametrize("end", ["loop.stop()", "os._exit(0)", "sys.exit(0)"])
def test_the_interpreter_ends_meanwhile(what, end):
    """With the loop left as it is, so that the tasks are never cancelled."""
    code = f"""
import asyncio, os, sys, time
from py_mini_racer import MiniRacer
ctx = MiniRacer()
async def main():
    global task, tasks
    {EXITS[what]}
loop = asyncio.new_event_loop()
loop.run_until_complete(main())
import logging
logging.disable()
{end}
"""
    done = run_child(code)
    assert done.stdout == "end"
    assert done.returncode == 0, done.stderr


@pytest.mark.needs("fork")
def test_a_forked_child_goes_on(ctx):
    code = """
import asyncio, os, sys
from py_mini_racer import MiniRacer
ctx, busy = MiniRacer(), MiniRacer()
async def main():
    running = asyncio.ensure_future(busy.eval_async("for (;;) {}"))
    queued = asyncio.ensure_future(busy.eval_async("1"))
    await asyncio.sleep(0.05)
    child = os.fork()
    if not child:
        try:
            asyncio.set_event_loop(None)
            asyncio.events._set_running_loop(None)
            async def in_child():
                return await asyncio.wait_for(ctx.eval_async("6 * 7"), 10)
            os._exit(0 if asyncio.new_event_loop().run_until_complete(in_child()) == 42 else 3)
        finally:
            os._exit(4)
    _, status = os.waitpid(child, 0)
    running.cancel()
    await asyncio.wait([running])
    print(os.waitstatus_to_exitcode(status), await queued)
asyncio.run(main())
"""
    done = run_child(code)
    assert done.stdout.split() == ["0", "1"], done.stderr
