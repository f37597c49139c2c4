"""Python functions that JavaScript calls: values, errors, nesting, lifetimes, and coroutines by `wrap_py_function`."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from py_mini_racer import JSEvalException, JSPromiseError, JSTimeoutException, JSUndefined, MiniRacer, mini_racer


@pytest.fixture
def ctx():
    with MiniRacer() as context:
        yield context


def test_a_callable_becomes_a_function(ctx):
    add = ctx.eval("f => (a, b) => f(a, b)")(lambda a, b: a + b)
    assert add(2, 3) == 5
    assert add("a", "b") == "ab"


def test_globals(ctx):
    ctx.globals["twice"] = lambda value: [value, value]
    assert ctx.execute("twice('x')") == ["x", "x"]
    assert ctx.eval("typeof twice") == "function"


def test_arguments_are_handles_and_what_returns_is_converted(ctx):
    seen: list[Any] = []
    ctx.globals["see"] = seen.append
    assert ctx.eval("see({a: 1})") is None
    assert seen[0]["a"] == 1
    ctx.globals["make"] = lambda: {"rows": [1, 2], "none": None}
    assert ctx.eval("make().rows[1]") == 2


def test_no_arguments_and_undefined(ctx):
    ctx.globals["count"] = lambda *arguments: len(arguments)
    assert ctx.eval("count()") == 0
    assert ctx.eval("count(undefined, null)") == 2
    ctx.globals["nothing"] = lambda: JSUndefined
    assert ctx.eval("nothing() === undefined") is True


def test_a_python_exception_goes_through_javascript(ctx):
    problem = ValueError("no such thing")

    def fail():
        raise problem

    ctx.globals["fail"] = fail
    with pytest.raises(JSEvalException) as caught:
        ctx.eval("fail()")
    assert caught.value.__cause__ is problem
    assert caught.value.name == "ValueError"
    assert caught.value.js_message == "no such thing"


def test_javascript_can_catch_it(ctx):
    def fail():
        raise KeyError("k")

    ctx.globals["fail"] = fail
    assert ctx.eval("try { fail() } catch (e) { e.name + (e instanceof Error) }") == "KeyErrortrue"


def test_as_the_cause_of_another(ctx):
    problem = ValueError("inner")

    def fail():
        raise problem

    ctx.globals["fail"] = fail
    with pytest.raises(JSEvalException) as caught:
        ctx.eval("try { fail() } catch (e) { throw new Error('outer', {cause: e}) }")
    assert caught.value.js_message == "outer"
    assert caught.value.__cause__ is problem


def test_a_javascript_error_goes_through_python(ctx):
    inner = ctx.eval("() => { throw new RangeError('deep') }")
    ctx.globals["call"] = lambda: inner()  # noqa: PLW0108 (a Python function, not the JavaScript one itself)
    assert ctx.eval("try { call() } catch (e) { e.name + ': ' + e.message }") == "RangeError: deep"
    assert ctx.eval("const own = {}; globalThis.own = own; globalThis.toss = () => { throw own }; 1") == 1
    toss = ctx.eval("toss")
    ctx.globals["again"] = lambda: toss()  # noqa: PLW0108 (likewise)
    assert ctx.eval("try { again() } catch (e) { e === own }") is True


def test_what_cannot_be_converted_throws_in_javascript(ctx):
    ctx.globals["odd"] = object
    assert ctx.eval("try { odd() } catch (e) { e.name }") == "JSConversionException"


def test_nested_evaluation(ctx):
    ctx.globals["run"] = ctx.eval
    assert ctx.eval("run('run(\"1 + 1\") + 1') + 1") == 4


def test_nesting_deeper_than_the_stack(ctx):
    ctx.globals["again"] = lambda: ctx.eval("again()")
    with pytest.raises((JSEvalException, RecursionError)):
        ctx.eval("again()")
    assert ctx.eval("1 + 1") == 2


def test_an_inner_timeout_stops_the_inner_call_alone(ctx):
    def guarded():
        with pytest.raises(JSTimeoutException):
            ctx.eval("while (true) {}", timeout_sec=0.05)
        return "went on"

    ctx.globals["guarded"] = guarded
    assert ctx.eval("guarded()", timeout_sec=10) == "went on"


def test_an_outer_timeout_stops_both(ctx):
    caught = []

    def inner():
        try:
            ctx.eval("while (true) {}")
        except JSTimeoutException as error:
            caught.append(error)
            raise

    ctx.globals["inner"] = inner
    with pytest.raises(JSTimeoutException):
        ctx.eval("inner(); while (true) {}", timeout_sec=0.1)
    assert len(caught) == 1
    assert ctx.eval("1 + 1") == 2


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_a_script_cannot_swallow(ctx, kind):
    def stop():
        raise kind

    ctx.globals["stop"] = stop
    with pytest.raises(kind):
        ctx.eval("try { stop() } catch (e) {} while (true) {}")
    assert ctx.eval("1 + 1") == 2


def test_closing_from_a_callback():
    ctx = MiniRacer()
    ctx.globals["close"] = ctx.close
    with pytest.raises(JSEvalException):
        ctx.eval("close(); while (true) {}")


def test_called_after_close():
    ctx = MiniRacer()
    function = ctx.eval("f => f")(lambda: 1)
    ctx.close()
    with pytest.raises(JSEvalException):
        function()


def test_get_in_a_callback_of_a_pending_promise(ctx):
    def block():
        return ctx.eval("new Promise((resolve) => setTimeout(resolve, 1))").get()

    ctx.globals["block"] = block
    with pytest.raises(JSEvalException) as caught:
        ctx.eval("block()")
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_functions_are_let_go(ctx):
    class Callable:
        def __call__(self):
            return 1

    import weakref

    function = Callable()
    alive = weakref.ref(function)
    ctx.eval("f => f()")(function)
    del function
    for _ in range(10):
        ctx._ctx.collect_garbage()
        ctx.eval("1")
        gc.collect()
        if alive() is None:
            return
    pytest.fail("the function is still held")


def test_100_000_callbacks(ctx):
    ctx.globals["f"] = lambda number: number + 1
    assert ctx.eval("let n = 0; for (let i = 0; i < 100000; i++) n = f(n); n") == 100000
    gc.collect()


def test_wrap_py_function():
    seen = []

    async def append(*arguments):
        seen.append(arguments)
        await asyncio.sleep(0)
        return "foobar"

    async def main():
        with mini_racer() as ctx:
            async with ctx.wrap_py_function(append) as function:
                ctx.eval("x => this.func = x")(function)
                assert await ctx.eval("this.func(42)") == "foobar"
                assert await ctx.eval('this.func("blah")') == "foobar"
                assert await asyncio.gather(*(ctx.eval("func()") for _ in range(50))) == ["foobar"] * 50

    asyncio.run(main())
    assert seen[:2] == [(42,), ("blah",)]


def test_wrap_py_function_that_fails():
    async def fail():
        raise RuntimeError("boo")

    async def main():
        with mini_racer() as ctx:
            async with ctx.wrap_py_function(fail) as function:
                ctx.eval("x => this.func = x")(function)
                with pytest.raises(JSPromiseError) as caught:
                    await ctx.eval("this.func()")
                assert caught.value.args[0].startswith(
                    "JavaScript rejected promise with reason: Error: Error running Python function:\nTraceback (most recent call last):\n"
                )
                assert caught.value.args[0].endswith("RuntimeError: boo\n\n    at <anonymous>:1:6\n")

    asyncio.run(main())


def test_wrap_py_function_that_is_gone():
    async def forever():
        await asyncio.sleep(10000)

    async def main():
        with mini_racer() as ctx:
            async with ctx.wrap_py_function(forever) as function:
                ctx.eval("x => this.func = x")(function)
                cancelled = ctx.eval("this.func()")
                await asyncio.sleep(0.01)
            for promise in (cancelled, ctx.eval("this.func()")):
                with pytest.raises(JSPromiseError, match="no longer there"):
                    await promise

    asyncio.run(main())


def test_wrap_py_function_left_while_it_runs():
    async def main():
        began = asyncio.Event()

        async def forever():
            began.set()
            await asyncio.sleep(10000)

        with mini_racer() as ctx:
            async with ctx.wrap_py_function(forever) as function:
                ctx.eval("x => this.func = x")(function)
                ctx.eval("this.func(); 0")
                await began.wait()

    asyncio.run(main())


def test_cancelable():
    async def main():
        with mini_racer() as ctx:
            loop_forever = ctx.eval("() => { while (true) {} }").cancelable()
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(loop_forever(), 0.1)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(ctx.eval_cancelable("while (true) {}"), 0.1)
            assert await ctx.eval_cancelable("1 + 1") == 2
            assert await ctx.eval("(a) => a * 2").cancelable()(21) == 42

    asyncio.run(main())


def test_two_callbacks_close_each_others_context():
    import threading

    for _ in range(20):
        first, second = MiniRacer(), MiniRacer()
        together = threading.Barrier(2)

        def close(other, together=together):
            together.wait()
            other.close()

        first.globals["close"] = lambda other=second: close(other)
        second.globals["close"] = lambda other=first: close(other)

        def run(context):
            with pytest.raises(JSEvalException):
                context.eval("close(); while (true) {}")

        threads = [threading.Thread(target=run, args=(context,), daemon=True) for context in (first, second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert not any(thread.is_alive() for thread in threads)
