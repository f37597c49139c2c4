"""Python functions with options, coroutines, names; and functions that misbehave. The basics are in test_host_functions.py."""

from __future__ import annotations

import asyncio
import functools
import gc
import threading
import time
import weakref
from typing import Any

import pytest

from py_mini_racer import (
    JSClosedException,
    JSConversionException,
    JSEvalException,
    JSPromise,
    JSPromiseError,
    JSTimeoutException,
    JSUndefined,
    JSValueError,
    MiniRacer,
    mini_racer,
)
from tests.child import run_on_stack


@pytest.fixture
def ctx():
    with MiniRacer() as context:
        yield context


def held(ctx: MiniRacer) -> int:
    """What JavaScript still holds of Python after a thorough collection."""
    for _ in range(3):
        gc.collect()
        ctx.low_memory_notification()
        ctx.eval("0")
    return ctx._open().host.held()


def block(began: threading.Event, go_on: threading.Event) -> None:
    began.set()
    go_on.wait(20)


class Counter:
    """A class, a callable object, methods of all kinds."""

    def __init__(self, start: int = 0) -> None:
        self.number = start
        self.box: Any = None

    def __call__(self, more: int) -> int:
        self.number += more
        return self.number

    def read(self) -> int:
        return self.number

    @staticmethod
    def fixed(value):
        return value

    @classmethod
    def named(cls):
        return cls.__name__


def test_every_callable(ctx):
    counter = Counter(1)
    for name, function, call, answer in [
        ("object", counter, "f(2)", 3),
        ("method", counter.read, "f()", 3),
        ("static", Counter.fixed, "f('x')", "x"),
        ("class method", Counter.named, "f()", "Counter"),
        ("partial", functools.partial(max, 7), "f(3)", 7),
        ("class", str, "f(5)", "5"),
        ("builtin", len, "f('four')", 4),
        ("method of a builtin", "a-b".split, "f('-')[1]", "b"),
        ("lambda", lambda *all_of_them: len(all_of_them), "f(1, 2, 3)", 3),
    ]:
        ctx.globals["f"] = function
        assert ctx.eval(call) == answer, name


def test_names_and_lengths(ctx):
    def plain(_a, _b, _c=1, *_more, key=2):
        return key

    describe = ctx.eval("f => `${f.name} ${f.length}`")
    assert describe(plain) == "plain 2"
    assert describe(Counter().read) == "read 0"
    assert describe(Counter()) == "Counter 1"
    assert describe(functools.partial(plain, 1)) == "plain 0"
    assert describe(len) == "len 0"
    assert describe(lambda x: x) == "<lambda> 1"


def test_one_function_is_one_function(ctx):
    def function():
        return 1

    counter = Counter()
    same = ctx.eval("(a, b) => a === b")
    assert same(function, function) is True
    assert same(counter.read, counter.read) is True
    assert same(counter.read, Counter().read) is False
    assert same(function, lambda: 1) is False
    ctx.globals["kept"] = function
    assert ctx.eval("f => f === kept")(function) is True


class TestDecorator:
    def test_without_arguments(self, ctx):
        @ctx.function
        def twice(value):
            return 2 * value

        assert twice(4) == 8
        assert ctx.eval("twice(21)") == 42

    def test_dotted_names(self, ctx):
        @ctx.function(name="shop.cart.total")
        def total():
            return 5

        ctx.function(lambda: 6, name="shop.size")
        assert ctx.eval("shop.cart.total() + shop.size()") == 11

    def test_it_overwrites_only_when_told(self, ctx):
        ctx.function(lambda: 1, name="f")
        with pytest.raises(JSValueError, match="f is there already"):
            ctx.function(lambda: 2, name="f")
        with pytest.raises(JSValueError, match=r"JSON\.parse is there already"):
            ctx.function(lambda: 2, name="JSON.parse")
        ctx.function(lambda: 3, name="f", replace=True)
        assert ctx.eval("f()") == 3

    @pytest.mark.parametrize("name", ["", ".", "a.", ".a", "a..b"])
    def test_bad_names(self, ctx, name):
        with pytest.raises(JSValueError, match="is no name|is there already"):
            ctx.function(lambda: 1, name=name or ".")

    def test_on_the_way_there_is_no_object(self, ctx):
        ctx.eval("var a = 5")
        with pytest.raises(JSValueError, match="a is no object"):
            ctx.function(lambda: 1, name="a.b")

    def test_what_is_not_callable(self, ctx):
        with pytest.raises(TypeError, match="int is not callable"):
            ctx.function(5, name="five")

    def test_after_close(self):
        ctx = MiniRacer()
        ctx.close()
        with pytest.raises(JSClosedException):
            ctx.function(len)

    def test_this(self, ctx):
        @ctx.function(this=True)
        def me(*arguments, this):
            return this, arguments

        ctx.eval("var owner = { me, n: 5 }")
        assert ctx.eval("owner.me(1)[0] === owner && owner.me(1)[1][0] === 1") is True
        assert ctx.eval("me.call('x')[0] instanceof String") is True  # as in any function that is not strict
        assert ctx.eval("me()[0] === undefined") is True

    def test_keywords(self, ctx):
        @ctx.function(keywords=True)
        def say(*arguments, **named):
            return repr((arguments, named))

        assert ctx.eval("say(1, { a: 2, b: 'x' })") == "((1,), {'a': 2, 'b': 'x'})"
        assert ctx.eval("say()") == "((), {})"
        assert ctx.eval("say({})") == "((), {})"
        for last in ("[1]", "new Map()", "() => 1", "null", "/x/", "Promise.resolve()"):
            assert ctx.eval(f"say({last})").endswith(", {})"), last
        ctx.function(lambda *, a: a, name="strict", keywords=True)
        with pytest.raises(JSEvalException) as caught:
            ctx.eval("strict({ b: 1 })")
        assert isinstance(caught.value.__cause__, TypeError)

    def test_this_and_keywords(self, ctx):
        ctx.function(lambda this, a: (this["n"], a), name="o.f", this=True, keywords=True)
        assert ctx.eval("o.n = 4; o.f({ a: 5 }).join()") == "4,5"

    def test_callback_is_the_function_itself(self, ctx):
        function = ctx.callback(lambda this: this["n"], this=True)
        assert ctx.eval("f => ({ n: 3, f }).f()")(function) == 3


class TestExceptions:
    def test_identity_from_python_and_back(self, ctx):
        problem = KeyError("k")

        def fail():
            raise problem

        ctx.globals["fail"] = fail
        ctx.globals["see"] = lambda error: error
        ctx.eval("var e1, e2; try { fail() } catch (e) { e1 = e } try { fail() } catch (e) { e2 = e }")
        assert ctx.eval("e1 === e2") is True
        with pytest.raises(JSEvalException) as caught:
            ctx.eval("throw e1")
        assert caught.value.__cause__ is problem

    def test_identity_from_javascript_and_back_through_a_coroutine(self):
        async def main():
            with MiniRacer() as ctx:
                reject = ctx.eval("globalThis.own = new RangeError('r'); () => Promise.reject(own)")

                async def relay():
                    return await reject()

                ctx.globals["relay"] = relay
                assert await ctx.eval("relay().catch(e => e === own)") is True

        asyncio.run(main())

    def test_one_whose_text_fails(self, ctx):
        class BadError(Exception):
            def __str__(self):
                raise ValueError("no text")

        def fail():
            raise BadError

        ctx.globals["fail"] = fail
        with pytest.raises(JSEvalException, match="its text cannot be made: ValueError") as caught:
            ctx.eval("fail()")
        assert isinstance(caught.value.__cause__, BadError)

    def test_the_path_of_what_cannot_be_returned(self, ctx):
        ctx.globals["f"] = lambda: {"rows": [1, {"when": 1j}]}
        with pytest.raises(JSEvalException, match=r"\$\.rows\[1\]\.when: complex cannot be converted") as caught:
            ctx.eval("f()")
        assert isinstance(caught.value.__cause__, JSConversionException)


class TestCoroutines:
    def test_a_promise_that_settles_from_its_loop(self):
        async def main():
            with MiniRacer() as ctx:

                @ctx.function
                async def add(a, b):
                    await asyncio.sleep(0.001)
                    return {"sum": a + b}

                promise = ctx.eval("add(1, 2)")
                assert isinstance(promise, JSPromise)
                assert (await promise)["sum"] == 3
                assert await ctx.eval("(async () => (await add(3, 4)).sum)()") == 7
                assert (
                    await ctx.eval("Promise.all([add(1, 1), add(2, 2)]).then(all => all.map(x => x.sum).join())")
                    == "2,4"
                )

        asyncio.run(main())

    def test_exceptions(self):
        problem = ValueError("inner")

        async def main():
            with MiniRacer() as ctx:

                async def fail():
                    await asyncio.sleep(0)
                    raise problem

                ctx.globals["fail"] = fail
                with pytest.raises(JSPromiseError) as caught:
                    await ctx.eval("fail()")
                assert caught.value.__cause__ is problem
                assert caught.value.name == "ValueError"
                assert await ctx.eval("fail().catch(e => e.message)") == "inner"

        asyncio.run(main())

    def test_what_cannot_be_converted_rejects(self):
        async def main():
            with MiniRacer() as ctx:

                async def odd():
                    return [1j]

                ctx.globals["odd"] = odd
                with pytest.raises(JSPromiseError, match=r"\$\[0\].*complex"):
                    await ctx.eval("odd()")

        asyncio.run(main())

    def test_the_loop_of_the_context(self):
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        try:
            with MiniRacer(event_loop=loop) as ctx:

                async def where():
                    return threading.get_ident()

                ctx.globals["where"] = where
                assert ctx.eval("where()").get(timeout=20) == thread.ident
            with mini_racer(loop) as ctx:
                ctx.globals["where"] = where
                assert ctx.eval("where()").get(timeout=20) == thread.ident
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def test_the_loop_that_runs_at_the_call(self, ctx):
        async def seven():
            return 7

        ctx.globals["seven"] = seven

        async def main():
            return await ctx.eval("seven()")

        assert asyncio.run(main()) == 7

    def test_no_loop(self, ctx):
        async def never():
            raise AssertionError

        ctx.globals["never"] = never
        with pytest.raises(JSEvalException, match="no event loop to run it in") as caught:
            ctx.eval("never()")
        assert isinstance(caught.value.__cause__, RuntimeError)

    def test_a_loop_that_is_closed(self, ctx):
        async def never():
            raise AssertionError

        async def main():
            ctx.globals["never"] = never

        asyncio.run(main())
        with pytest.raises(JSEvalException, match="its event loop is closed"):
            ctx.eval("never()")

    def test_a_loop_that_never_runs(self):
        loop = asyncio.new_event_loop()
        with MiniRacer(event_loop=loop) as ctx:

            async def never():
                raise AssertionError

            ctx.globals["never"] = never
            promise = ctx.eval("never()")
            with pytest.raises(JSTimeoutException):
                promise.get(timeout=0.02)
        loop.run_until_complete(asyncio.sleep(0))  # the coroutine is given up, without a warning
        loop.close()

    def test_futures_and_other_awaitables(self):
        async def main():
            with MiniRacer() as ctx:
                future = asyncio.get_running_loop().create_future()
                ctx.globals["future"] = lambda: future
                ctx.globals["partial"] = functools.partial(asyncio.sleep, 0, "slept")
                promise = ctx.eval("future()")
                future.set_result("set")
                assert await promise == "set"
                assert await ctx.eval("partial()") == "slept"

        asyncio.run(main())

    def test_cancelled(self):
        async def main():
            with MiniRacer() as ctx:

                async def cancelled():
                    raise asyncio.CancelledError

                ctx.globals["cancelled"] = cancelled
                with pytest.raises(JSPromiseError, match="CancelledError"):
                    await ctx.eval("cancelled()")

        asyncio.run(main())

    def test_close_cancels(self):
        ended = []

        async def forever():
            try:
                await asyncio.sleep(10_000)
            except asyncio.CancelledError:
                ended.append("cancelled")
                raise

        async def main():
            ctx = MiniRacer()
            ctx.globals["forever"] = forever
            ctx.eval("forever(); 0")
            await asyncio.sleep(0.01)
            ctx.close()
            await asyncio.sleep(0.01)

        asyncio.run(main())
        assert ended == ["cancelled"]

    def test_many_at_once(self):
        async def main():
            with MiniRacer() as ctx:

                @ctx.function
                async def echo(value):
                    await asyncio.sleep(0)
                    return value

                total = await ctx.eval(
                    "Promise.all(Array.from({ length: 500 }, (_, i) => echo(i))).then(all => all.reduce((a, b) => a + b))"
                )
                assert total == sum(range(500))
                assert not ctx._open().host.tasks

        asyncio.run(main())


class TestMisbehaviour:
    @pytest.mark.parametrize("kilobytes", [512, 8192])
    def test_mutual_recursion(self, ctx, kilobytes):
        ctx.eval("function down(n) { return up(n + 1); }")
        down = ctx.eval("down")
        ctx.globals["up"] = lambda n: down(n)  # noqa: PLW0108 (a Python frame of its own)
        outcome: list[Any] = []

        def run() -> None:
            try:
                outcome.append(ctx.eval("down(0)"))
            except (JSEvalException, RecursionError) as error:
                outcome.append(type(error))
            outcome.append(ctx.eval("1 + 1"))

        run_on_stack(kilobytes, run)
        assert outcome[0] in (JSEvalException, RecursionError)
        assert outcome[1] == 2

    def test_one_that_takes_longer_than_the_timeout(self, ctx):
        returned = []

        def slow():
            time.sleep(0.15)
            returned.append(True)

        ctx.globals["slow"] = slow
        with pytest.raises(JSTimeoutException):
            ctx.eval("slow(); while (true) {}", timeout_sec=0.05)
        assert returned == [True]
        assert ctx.eval("1 + 1") == 2

    def test_called_from_timers_and_microtasks(self, ctx):
        where: list[int] = []
        done = threading.Event()

        def see(last):
            where.append(threading.get_ident())
            if last:
                done.set()

        ctx.globals["see"] = see
        ctx.eval("queueMicrotask(() => see(false)); setTimeout(see, 1, true); 0")
        assert done.wait(20)
        assert where[0] == threading.get_ident()
        assert where[1] != threading.get_ident()

    def test_one_that_closes_the_context_and_goes_on(self):
        ctx = MiniRacer()
        after = []

        def close():
            ctx.close()
            after.append("went on")
            return {"some": [1]}

        ctx.globals["close"] = close
        with pytest.raises(JSClosedException):
            ctx.eval("close(); while (true) {}")
        assert after == ["went on"]

    def test_replaced_globals_are_of_no_use(self, ctx):
        ctx.eval(
            "Function.prototype.call = Function.prototype.apply = Object.defineProperty = null; delete globalThis.Promise;"
        )
        ctx.function(lambda: 1, name="a.b")
        assert ctx.eval("a.b()") == 1


class TestLifetimes:
    def test_functions_passed_again_and_again(self, ctx):
        call = ctx.eval("f => f()")
        for _ in range(300):
            call(lambda: 1)

        def same():
            return 1

        for _ in range(300):
            call(same)
        del call
        assert held(ctx) == 0

    def test_a_call_that_never_begins(self, ctx):
        take = ctx.eval("(f) => 0")
        began, go_on = threading.Event(), threading.Event()
        ctx.globals["block"] = lambda: block(began, go_on)
        thread = threading.Thread(target=ctx.eval, args=("block(); delete globalThis.block; 0",))
        thread.start()
        assert began.wait(20)
        before = ctx._open().host.held()
        with pytest.raises(JSTimeoutException):
            take(lambda: 1, timeout_sec=0.02)
        with pytest.raises(JSTimeoutException):
            take(ctx.proxy({}), timeout_sec=0.02)
        assert ctx._open().host.held() == before
        go_on.set()
        thread.join()

    def test_a_submission_that_never_begins(self, ctx):
        take = ctx.eval("(f) => f()")

        async def main():
            began, go_on = threading.Event(), threading.Event()
            ctx.globals["block"] = lambda: block(began, go_on)
            thread = threading.Thread(target=ctx.eval, args=("block(); delete globalThis.block; 0",))
            thread.start()
            assert began.wait(20)
            before = ctx._open().host.held()
            task = asyncio.ensure_future(take.call_async(lambda: 1))
            await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            with pytest.raises(JSTimeoutException):
                await take.call_async(lambda: 1, timeout_sec=0.01)
            assert ctx._open().host.held() == before
            go_on.set()
            thread.join()
            assert await take.call_async(lambda: 1) == 1
            assert not ctx._open().host.brought

        asyncio.run(main())
        assert held(ctx) == 0

    def test_a_message_that_breaks_off(self, ctx):
        other = ctx.eval("({})")
        take = ctx.eval("(...all) => 0")
        handle = other._wire_handle
        other._wire_handle = 2**40  # a handle that is stale
        function = Counter()
        gone = weakref.ref(function)
        try:
            for _ in range(3):
                with pytest.raises(JSEvalException):
                    take([function, ctx.proxy({}), other])
        finally:
            other._wire_handle = handle
        del function
        assert ctx._open().host.held() == 0
        assert gone() is None
        assert held(ctx) == 0

    def test_after_close(self):
        ctx = MiniRacer()
        take = ctx.eval("f => 0")
        host = ctx._open().host
        ctx.close()
        for _ in range(3):
            with pytest.raises(JSClosedException):
                take(lambda: 1)
        assert host.held() == 0

    def test_exceptions_are_let_go(self, ctx):
        def fail():
            raise ValueError("x" * 100)

        ctx.globals["fail"] = fail
        ctx.eval("for (let i = 0; i < 500; i++) { try { fail() } catch {} }")
        assert held(ctx) == 1

    def test_a_cycle_through_a_handle_is_cut_by_deleting(self, ctx):
        box = ctx.eval("globalThis.box = {}; box")
        function = Counter()
        function.box = box
        gone = weakref.ref(function)
        box["f"] = function
        del function, box
        ctx.eval("delete globalThis.box")
        assert held(ctx) == 1  # Python's half holds JavaScript's, and the other way round
        found = gone()
        assert found is not None
        del found.box["f"]
        del found
        assert held(ctx) == 0
        assert gone() is None

    def test_the_context_goes_with_functions_that_refer_to_it(self):
        made = [MiniRacer()]
        made[0].globals["f"] = functools.partial(made[0].eval, "1")
        gone = weakref.ref(made.pop())
        gc.collect()
        assert gone() is None


def test_undefined_is_what_javascript_functions_return(ctx):
    ctx.globals["f"] = lambda: JSUndefined
    assert ctx.eval("f() === undefined") is True
