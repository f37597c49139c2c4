"""Iterators and generators, both ways, and their async kind."""

from __future__ import annotations

import asyncio
import gc
import itertools
import threading
import weakref
from typing import Any

import pytest

from py_mini_racer import (
    JSClosedException,
    JSEvalException,
    JSPromiseError,
    JSTimeoutException,
    MiniRacer,
)


@pytest.fixture
def ctx():
    with MiniRacer() as context:
        yield context


def collect(ctx: MiniRacer) -> None:
    for _ in range(3):
        gc.collect()
        ctx.low_memory_notification()
        ctx.eval("0")


class TestPythonIteratorsInJavaScript:
    def test_generator(self, ctx):
        def count(to):
            yield from range(to)

        ctx.globals["count"] = count
        assert ctx.eval("[...count(4)].join()") == "0,1,2,3"
        assert ctx.eval("let sum = 0; for (const n of count(5)) sum += n; sum") == 10
        assert ctx.eval("const [a, b] = count(100); a + ':' + b") == "0:1"
        assert ctx.eval("Math.max(...count(7))") == 6
        assert ctx.eval("new Set(count(3)).size") == 3

    def test_iterators_of_all_kinds(self, ctx):
        take = ctx.eval("i => [...i].join()")
        assert take(iter([1, 2])) == "1,2"
        assert take(map(str, range(3))) == "0,1,2"
        assert take(zip("ab", "cd", strict=True)) == "a,c,b,d"
        assert take(itertools.islice(itertools.count(5), 2)) == "5,6"
        assert take(x for x in list[int]()) == ""

    def test_it_is_an_iterator_by_the_book(self, ctx):
        ctx.globals["i"] = iter([1])
        assert ctx.eval("i[Symbol.iterator]() === i") is True
        assert (
            ctx.eval("JSON.stringify([i.next(), i.next(), i.next()])")
            == '[{"value":1,"done":false},{"done":true},{"done":true}]'
        )
        assert ctx.eval(
            "Object.getPrototypeOf(Object.getPrototypeOf(i)) === Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()))"
        )
        assert ctx.eval("i.constructor === undefined || i.constructor === Object || i.constructor === Iterator") is True

    def test_values_go_in(self, ctx):
        heard: list[str] = []

        def listen():
            while True:
                heard.append((yield len(heard)))

        ctx.globals["g"] = listen()
        assert ctx.eval("g.next(); g.next('a').value + g.next('b').value") == 3
        assert heard == ["a", "b"]

    def test_early_exit_closes(self, ctx):
        ended = []

        def generator():
            try:
                yield 1
                yield 2
            finally:
                ended.append(True)

        ctx.globals["g"] = generator
        assert ctx.eval("for (const x of g()) break; 1") == 1
        assert ended == [True]
        assert (
            ctx.eval("const it = g(); it.next(); JSON.stringify([it.return(5), it.next()])")
            == '[{"value":5,"done":true},{"done":true}]'
        )
        assert len(ended) == 2

    def test_throw(self, ctx):
        def generator():
            try:
                yield 1
            except JSEvalException as error:
                yield f"caught {error.value['message']}"

        ctx.globals["g"] = generator
        assert ctx.eval("const it = g(); it.next(); it.throw(new Error('boo')).value") == "caught boo"
        ctx.globals["plain"] = iter([1, 2])
        assert ctx.eval("try { plain.throw(new RangeError('r')) } catch (e) { e instanceof RangeError }") is True

    def test_exceptions(self, ctx):
        problem = OSError("disk")

        def generator():
            yield 1
            raise problem

        ctx.globals["g"] = generator
        with pytest.raises(JSEvalException) as caught:
            ctx.eval("[...g()]")
        assert caught.value.__cause__ is problem
        ctx.globals["odd"] = iter([1j])
        with pytest.raises(JSEvalException, match="complex cannot be converted"):
            ctx.eval("odd.next()")

    def test_it_comes_back_as_it_went(self, ctx):
        iterator = iter([1, 2, 3])
        ctx.globals["i"] = iterator
        assert ctx.eval("i") is iterator
        assert ctx.eval("[i]", copy=True)[0] is iterator
        assert ctx.eval("x => x === i")(iterator) is True

    def test_one_that_calls_back(self, ctx):
        def generator():
            yield ctx.eval("2 + 3")
            next(itself[0])

        itself = [generator()]
        ctx.globals["g"] = itself[0]
        assert ctx.eval("g.next().value") == 5
        with pytest.raises(JSEvalException, match="already executing"):
            ctx.eval("g.next()")
        itself.clear()

    def test_methods_want_an_iterator(self, ctx):
        ctx.globals["i"] = iter([1])
        for this in (
            "{}",
            "null",
            "undefined",
            "5",
            "Object.create(i)",
            "Object.getPrototypeOf(i)",
            "new Proxy(i, {})",
        ):
            with pytest.raises(JSEvalException, match="TypeError|no answer"):
                ctx.eval(f"i.next.call({this})")
        assert ctx.eval("i.next().value") == 1

    def test_a_sequence_that_changes(self, ctx):
        changing = {1: 2, 3: 4}
        ctx.globals["i"] = iter(changing)
        ctx.eval("i.next()")
        changing[5] = 6
        with pytest.raises(JSEvalException, match="changed size"):
            ctx.eval("i.next()")

    def test_let_go(self, ctx):
        class Numbers:
            def __iter__(self):
                return self

            def __next__(self):
                return 1

        numbers = Numbers()
        gone = weakref.ref(numbers)
        ctx.eval("i => i.next().value")(numbers)
        del numbers
        collect(ctx)
        assert gone() is None
        assert ctx._open().host.held() == 0

    def test_after_close(self):
        ctx = MiniRacer()
        ctx.globals["close"] = ctx.close
        ctx.globals["i"] = iter([1, 2])
        with pytest.raises(JSClosedException):
            ctx.eval("i.next(); close(); i.next()")


class TestJavaScriptIteratorsInPython:
    def test_everything_iterable(self, ctx):
        for code, values in [
            ("[1, 2]", [1, 2]),
            ("new Set(['a', 'b'])", ["a", "b"]),
            ("(function* () { yield 1; yield undefined; return 9 })()", [1, ctx.eval("undefined")]),
            ("({ *[Symbol.iterator]() { yield 3 } })", [3]),
            ("new String('ab')", ["a", "b"]),
            ("[][Symbol.iterator]()", []),
        ]:
            assert list(ctx.eval(code).iterate()) == values, code
        assert [list(pair) for pair in ctx.eval("new Map([['k', 1]])").iterate()] == [["k", 1]]

    def test_for_in_stays(self, ctx):
        assert list(ctx.eval("({ a: 1, *[Symbol.iterator]() { yield 3 } })")) == ["a"]

    def test_not_iterable(self, ctx):
        with pytest.raises(TypeError, match="is not iterable"):
            ctx.eval("({})").iterate()
        for wrong in ("5", "() => 5", "() => ({})", "() => ({ next: 5 })", "() => ({ next() { return 5 } })"):
            with pytest.raises((JSEvalException, TypeError)):
                next(ctx.eval(f"({{ [Symbol.iterator]: {wrong} }})").iterate())

    def test_early_exit(self, ctx):
        ctx.eval("var left = 0; function* g() { try { yield 1; yield 2 } finally { left++ } }")
        g = ctx.eval("g")
        for _value in g().iterate():
            break
        gc.collect()
        assert ctx.eval("left") == 1
        values = g().iterate()
        next(values)
        values.close()
        assert ctx.eval("left") == 2
        assert list(g().iterate()) == [1, 2]
        assert ctx.eval("left") == 3

        def fail() -> None:
            for value in g().iterate():
                value / 0

        with pytest.raises(ZeroDivisionError):
            fail()
        gc.collect()
        assert ctx.eval("left") == 4

    def test_no_return_after_a_throw(self, ctx):
        ctx.eval(
            "var returned = 0; var bad = { [Symbol.iterator]() { return { next() { throw new Error('n') }, return() { returned++; return {} } } } }"
        )
        with pytest.raises(JSEvalException, match="Error: n"):
            list(ctx.eval("bad").iterate())
        assert ctx.eval("returned") == 0

    def test_return_that_misbehaves(self, ctx):
        for body in ("throw 1", "while (true) {}", "return 5"):
            values = ctx.eval(
                f"({{ [Symbol.iterator]() {{ return {{ next() {{ return {{}} }}, return() {{ {body} }} }} }} }})"
            ).iterate(timeout_sec=0.05)
            next(values)
            values.close()
        assert ctx.eval("1 + 1") == 2

    def test_timeout_of_a_step(self, ctx):
        values = ctx.eval("(function* () { yield 1; while (true) {} })()").iterate(timeout_sec=0.05)
        assert next(values) == 1
        with pytest.raises(JSTimeoutException):
            next(values)

    def test_endless_and_closed(self):
        ctx = MiniRacer()
        values = ctx.eval("(function* () { for (let n = 0; ; n++) yield n })()").iterate()
        assert list(itertools.islice(values, 1000)) == list(range(1000))
        ctx.close()
        with pytest.raises(JSClosedException):
            next(values)

    def test_dropped_while_another_thread_has_the_context(self, ctx):
        values = ctx.eval("(function* () { yield 1 })()").iterate()
        next(values)
        began, go_on = threading.Event(), threading.Event()

        def block() -> None:
            began.set()
            go_on.wait(20)

        ctx.globals["block"] = block
        thread = threading.Thread(target=ctx.eval, args=("block()",))
        thread.start()
        assert began.wait(20)
        del values  # waits for a second at most
        gc.collect()
        go_on.set()
        thread.join()

    def test_polluted(self, ctx):
        ctx.eval("Symbol = null; Array.prototype.next = 5; Object.prototype.done = true; var kept = [1, 2]")
        assert list(ctx.eval("kept").iterate()) == [1, 2]


class TestAsyncPythonInJavaScript:
    def test_for_await(self):
        async def main():
            with MiniRacer() as ctx:

                async def count(to):
                    for number in range(to):
                        await asyncio.sleep(0)
                        yield number

                ctx.globals["count"] = count
                add = "(async () => { let all = []; for await (const n of count(4)) all.push(n); return all.join() })()"
                assert await ctx.eval(add) == "0,1,2,3"
                assert await ctx.eval(
                    "const i = count(1); (async () => JSON.stringify([await i.next(), await i.next(), await i.next()]))()"
                ) == ('[{"value":0,"done":false},{"done":true},{"done":true}]')
                assert ctx.eval("i[Symbol.asyncIterator]() === i") is True

        asyncio.run(main())

    def test_early_exit_closes(self):
        ended = []

        async def main():
            with MiniRacer() as ctx:

                async def generator():
                    try:
                        yield 1
                        yield 2
                    finally:
                        await asyncio.sleep(0)
                        ended.append(True)

                ctx.globals["g"] = generator
                assert await ctx.eval("(async () => { for await (const x of g()) return x })()") == 1
                assert ended == [True]

        asyncio.run(main())

    def test_several_steps_at_once_come_in_order(self):
        async def main():
            with MiniRacer() as ctx:

                async def generator():
                    for number in range(3):
                        await asyncio.sleep(0.001 * (3 - number))
                        yield number

                ctx.globals["g"] = generator()
                found = await ctx.eval(
                    "Promise.all([g.next(), g.next(), g.next(), g.next()]).then(all => JSON.stringify(all))"
                )
                assert (
                    found
                    == '[{"value":0,"done":false},{"value":1,"done":false},{"value":2,"done":false},{"done":true}]'
                )

        asyncio.run(main())

    def test_values_and_errors_go_in(self):
        async def main():
            with MiniRacer() as ctx:

                async def generator():
                    try:
                        heard = yield 1
                        yield heard + 1
                    except JSEvalException as error:
                        yield error.value["message"]

                ctx.globals["g"] = generator
                assert (
                    await ctx.eval("(async () => { const i = g(); await i.next(); return (await i.next(4)).value })()")
                    == 5
                )
                assert (
                    await ctx.eval(
                        "(async () => { const i = g(); await i.next(); return (await i.throw(new Error('x'))).value })()"
                    )
                    == "x"
                )

        asyncio.run(main())

    def test_exceptions_and_what_comes_after(self):
        problem = OSError("gone")

        async def main():
            with MiniRacer() as ctx:

                async def generator():
                    yield 1
                    raise problem

                ctx.globals["g"] = generator()
                assert (await ctx.eval("g.next()"))["value"] == 1
                with pytest.raises(JSPromiseError) as caught:
                    await ctx.eval("g.next()")
                assert caught.value.__cause__ is problem
                assert (await ctx.eval("g.next()"))["done"] is True

        asyncio.run(main())

    def test_an_iterable_of_ones_own(self):
        class Rows:
            def __init__(self):
                self.left = 2

            def __aiter__(self):
                return self

            async def __anext__(self):
                if not self.left:
                    raise StopAsyncIteration
                self.left -= 1
                return self.left

        async def main():
            with MiniRacer() as ctx:
                rows = Rows()
                ctx.globals["rows"] = rows
                assert ctx.eval("rows") is rows
                assert (
                    await ctx.eval("(async () => { let s = ''; for await (const r of rows) s += r; return s })()")
                    == "10"
                )

        asyncio.run(main())

    def test_without_a_loop(self, ctx):
        async def generator():
            yield 1

        ctx.globals["g"] = generator
        with pytest.raises(JSEvalException, match="no event loop"):
            ctx.eval("g().next()")


class TestAsyncJavaScriptInPython:
    def test_async_for(self):
        async def main():
            with MiniRacer() as ctx:
                made = ctx.eval("(async function* () { yield 1; await null; yield { a: 2 } })()")
                values: list[Any] = [value async for value in made]
                assert values[0] == 1
                assert values[1]["a"] == 2
                assert [value async for value in ctx.eval("[1, Promise.resolve(2)]")] == [1, 2]
                with pytest.raises(TypeError, match="not iterable"):
                    async for _value in ctx.eval("({})"):
                        pass

        asyncio.run(main())

    def test_early_exit(self):
        async def main():
            with MiniRacer() as ctx:
                ctx.eval(
                    "var left = 0; async function* g() { try { yield 1; yield 2 } finally { await null; left++ } }"
                )
                async for _value in ctx.eval("g()"):
                    break
                for _ in range(100):
                    gc.collect()
                    await asyncio.sleep(0.01)
                    if ctx.eval("left"):
                        break
                assert ctx.eval("left") == 1
                values = aiter_of(ctx.eval("g()"))
                await values.__anext__()
                await values.aclose()
                assert ctx.eval("left") == 2

        asyncio.run(main())

    def test_errors(self):
        async def main():
            with MiniRacer() as ctx:
                with pytest.raises(JSPromiseError, match="boo"):
                    async for _value in ctx.eval("(async function* () { yield 1; throw new Error('boo') })()"):
                        pass
                with pytest.raises(TypeError, match="no object"):
                    async for _value in ctx.eval("({ [Symbol.asyncIterator]() { return { next() { return 5 } } } })"):
                        pass

        asyncio.run(main())

    def test_there_and_back(self):
        """A Python async generator through JavaScript's, to Python again."""

        async def main():
            with MiniRacer() as ctx:

                async def source():
                    for number in range(3):
                        yield number

                ctx.globals["source"] = source
                twice = ctx.eval("(async function* () { for await (const n of source()) yield 2 * n })()")
                assert [number async for number in twice] == [0, 2, 4]

        asyncio.run(main())


def aiter_of(value: Any) -> Any:
    return value.__aiter__()
