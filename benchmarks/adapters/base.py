"""What an adapter is: the rows of the benchmark, written once over a few operations that each library does in its own way.

An adapter runs in the Python of its library, in a process of its own for each row; it needs the standard library alone. A row is a method `row_<name>` that
sets up and returns what to time: `Timed` statements (several, where a library has several ways: the fastest counts) or a `Measured` figure. What a library
cannot do raises `Cannot` with the reason, which the tables show. Every row checks its answer before anything is timed.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import os
import threading
import time
import timeit
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RECORDS = """Array.from({length: 20000}, (_, i) =>
    ({id: i, name: "user" + i, score: i * 1.5, ok: i % 2 === 0, tags: ["a", "b"]}))"""
FIB = "(function () { function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); } return fib; })()"
ADD = "(function (a, b) { return a + b; })"
FLOATS = 1_000_000
ROWS_100_MB = 12_500_000  # doubles
LONG_TEXT = 10_000_000  # characters
TIMES = 1000
CONTEXTS = 20
LONG_ENOUGH = 0.2  # seconds of one thread's work
# (module (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add))
WASM = (
    *(0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0, 7, 7, 1, 3, 97, 100, 100, 0, 0),
    *(10, 9, 1, 7, 0, 32, 0, 32, 1, 106, 11),
)


class Cannot(Exception):  # noqa: N818  (it is an outcome, not an error)
    """This library has no way to do a row; the text says what is missing."""


@dataclass
class Timed:
    """A statement to time, with the names that it uses.

    `scale` operations are in one run of it. With `before`, that runs ahead of each run and is not timed, and each run is a sample by itself. `after` gets
    the number of all runs at the end, and raises when something was left out. `check` runs once, ahead of everything.
    """

    statement: str
    names: dict[str, Any]
    scale: int = 1
    check: Callable[[], bool] | None = None
    before: Callable[[], object] | None = None
    after: Callable[[int], object] | None = None
    single: bool = field(default=False)


@dataclass
class Measured:
    """A figure that is no time of a statement: each call takes it anew."""

    take: Callable[[], float]


def records() -> list[dict[str, Any]]:
    """The records of the script, in Python."""
    return [{"id": i, "name": f"user{i}", "score": i * 1.5, "ok": i % 2 == 0, "tags": ["a", "b"]} for i in range(20000)]


def rss() -> float:
    """Resident memory of this process, in MB."""
    return int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]) / 1024


def large_code() -> str:
    """10 KB of script: functions, and a call of one of them."""
    body = "".join(
        f"function step{i}(a, b) {{ var c = a * {i} + b; return c > 9 ? c - b : c + a; }}\n" for i in range(143)
    )
    return f"(function () {{ {body} return step7(1, 2); }})()"


class Adapter:
    """The rows over the operations below; a library's adapter overrides what it does in another way."""

    no_handles = "objects come as copies"
    no_promises = "no way to wait for a promise"
    no_timers = "no setTimeout"

    def open(self) -> Any:
        """A fresh context, as far apart from others as this library can make it."""
        raise NotImplementedError

    def close(self, context: Any) -> None:
        """Frees one."""

    def __init__(self) -> None:
        self.files = Path(os.environ.get("BENCH_FILES", "."))
        self._context: Any = None

    @property
    def context(self) -> Any:
        """The one that most rows use."""
        if self._context is None:
            self._context = self.open()
        return self._context

    def evaluator(self, context: Any) -> Callable[[str], Any]:
        """What evaluates in a context."""
        evaluate: Callable[[str], Any] = context.eval
        return evaluate

    def eval(self, code: str) -> Any:
        """Evaluates in the context that most rows use."""
        return self.evaluator(self.context)(code)

    def function(self, code: str) -> Callable[..., Any]:
        """What Python calls a function of JavaScript with."""
        return self.function_in(self.context, code)

    def function_in(self, context: Any, code: str) -> Callable[..., Any]:
        """Likewise, in a context."""
        function: Callable[..., Any] = self.evaluator(context)(code)
        return function

    def bind(self, name: str, function: Callable[..., Any]) -> None:  # noqa: ARG002
        """Makes a Python function a global of JavaScript."""
        raise Cannot("JavaScript cannot call Python synchronously")

    def bind_async(self, name: str, function: Callable[..., Awaitable[Any]]) -> None:  # noqa: ARG002
        """Likewise a coroutine function, as one that returns a promise."""
        raise Cannot("JavaScript cannot call Python coroutines")

    def handle(self, code: str) -> Any:  # noqa: ARG002
        """An object as a live handle."""
        raise Cannot(self.no_handles)

    def array(self, code: str) -> Any:
        """An array, to be iterated by Python."""
        return self.handle(code)

    async def settled(self, code: str) -> Any:  # noqa: ARG002
        """The value of a promise, in a running event loop."""
        raise Cannot(self.no_promises)

    # --- evaluating and calling ---

    def row_eval(self) -> Timed:
        run = self.evaluator(self.context)
        return Timed("run('1+1')", {"run": run}, check=lambda: bool(run("1+1") == 2))

    def row_eval_10k(self) -> Timed:
        run, code = self.evaluator(self.context), large_code()
        return Timed("run(code)", {"run": run, "code": code}, check=lambda: bool(run(code) == 10))

    def row_eval_different(self) -> Timed:
        run, numbers = self.evaluator(self.context), itertools.count(1)
        run("var counter = 0")

        def after(runs: int) -> None:
            if (counted := run("counter")) != runs:
                raise RuntimeError(f"{runs} sources were evaluated, and JavaScript counted {counted}")

        return Timed("run(f'counter += 1; {next(n)}')", {"run": run, "n": numbers}, after=after)

    def row_call(self) -> Timed:
        f = self.function(ADD)
        return Timed("f(5, 7)", {"f": f}, check=lambda: bool(f(5, 7) == 12))

    def row_call_string(self) -> Timed:
        f, text = self.function("(function (s) { return s.length; })"), "x" * 1000
        return Timed("f(text)", {"f": f, "text": text}, check=lambda: bool(f(text) == 1000))

    def row_string_in(self) -> Timed:
        f, text = self.function("(function (s) { return s.length; })"), "x" * LONG_TEXT
        return Timed("f(text)", {"f": f, "text": text}, check=lambda: bool(f(text) == LONG_TEXT))

    def row_string_in_different(self) -> Timed:
        f = self.function("(function (s) { return s.length; })")
        texts = itertools.cycle([chr(ord("a") + i) * LONG_TEXT for i in range(8)])
        return Timed("f(next(texts))", {"f": f, "texts": texts}, check=lambda: bool(f(next(texts)) == LONG_TEXT))

    def row_call_dict(self) -> Timed:
        f, row = self.function("(function (d) { return d.key7; })"), {f"key{i}": i for i in range(10)}
        return Timed("f(row)", {"f": f, "row": row}, check=lambda: bool(f(row) == 7))

    def row_get(self) -> Timed:
        o = self.handle("({x: 5})")
        return Timed("o['x']", {"o": o}, check=lambda: bool(o["x"] == 5))

    def row_set(self) -> Timed:
        o = self.handle("({x: 5})")
        return Timed("o['x'] = 6", {"o": o})

    def row_iterate(self) -> Timed:
        array = self.array("Array.from({length: 10000}, (_, i) => i)")
        return Timed("for x in array: pass", {"array": array}, check=lambda: sum(array) == 49_995_000)

    def row_callback(self) -> Timed:
        self.bind("increment", lambda n: n + 1)
        loop = self.function(
            "(function (times) { var n = 0; for (var i = 0; i < times; i++) n = increment(n); return n; })"
        )
        return Timed("loop(times)", {"loop": loop, "times": TIMES}, TIMES, lambda: bool(loop(TIMES) == TIMES))

    def row_fib(self) -> Timed:
        fib = self.function(FIB)
        return Timed("fib(30)", {"fib": fib}, check=lambda: bool(fib(30) == 832040))

    def row_wasm(self) -> Timed:
        if self.eval("typeof WebAssembly") != "object":
            raise Cannot("no WebAssembly")
        f = self.function(
            f"(function () {{ var m = new WebAssembly.Module(new Uint8Array([{','.join(map(str, WASM))}]));"
            " var add = new WebAssembly.Instance(m).exports.add; return function (a, b) { return add(a, b); }; })()"
        )
        return Timed("f(5, 7)", {"f": f}, check=lambda: bool(f(5, 7) == 12))

    def row_call_timeout(self) -> Timed:
        raise Cannot("calls have no timeout")

    def row_call_context_timeout(self) -> Timed:
        raise Cannot("contexts have no timeout")

    def row_eval_timeout(self) -> Timed:
        raise Cannot("evaluations have no timeout")

    # --- promises, timers ---

    def awaited(self, coroutine: Callable[[], Awaitable[object]], scale: int) -> Timed:
        """Times a coroutine function, in an event loop that is there already."""
        self._context = None
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)

        async def run() -> None:
            await coroutine()

        return Timed("complete(run())", {"complete": loop.run_until_complete, "run": run}, scale)

    def row_promise(self) -> Timed:
        async def turns() -> None:
            for _ in range(100):
                if await self.settled("Promise.resolve(1)") != 1:
                    raise RuntimeError("a promise came with another value")

        return self.awaited(turns, 100)

    def row_callback_async(self) -> Timed:
        async def increment(n: float) -> float:
            return n + 1

        bound: list[Any] = []

        async def turns() -> None:
            if not bound:
                self.bind_async("increment", increment)
                bound.append(True)
            code = "(async () => { let n = 0; for (let i = 0; i < 100; i++) n = await increment(n); return n; })()"
            if await self.settled(code) != 100:
                raise RuntimeError("the coroutine ran another number of times")

        return self.awaited(turns, 100)

    def row_pending(self) -> Timed:
        async def turns() -> None:
            code = "new Promise(resolve => setTimeout(resolve, 2, 1))"
            if sum(await asyncio.gather(*(self.settled(code) for _ in range(TIMES)))) != TIMES:
                raise RuntimeError("a promise came with another value")

        return self.awaited(turns, 1)

    def row_timers(self) -> Timed:
        code = f"""new Promise(resolve => {{
            let n = 0; for (let i = 0; i < {TIMES}; i++) setTimeout(() => {{ if (++n === {TIMES}) resolve(n); }}, 0); }})"""

        async def turns() -> None:
            if await self.settled(code) != TIMES:
                raise RuntimeError("a timer did not run")

        return self.awaited(turns, TIMES)

    # --- data ---

    def through_json_out(self) -> Timed:
        """20,000 records by way of JSON, which every library can do."""
        self.eval(f"var records = {RECORDS}; 1")
        run = self.evaluator(self.context)
        names = {"run": run, "loads": json.loads}
        return Timed(
            "loads(run('JSON.stringify(records)'))",
            names,
            check=lambda: json.loads(run("JSON.stringify(records)")) == records(),
        )

    def through_json_in(self) -> Timed:
        """Likewise in."""
        f, rows = self.function("(function (text) { return JSON.parse(text).length; })"), records()
        dumps = json.dumps
        return Timed(
            "f(dumps(rows))", {"f": f, "rows": rows, "dumps": dumps}, check=lambda: bool(f(dumps(rows)) == 20000)
        )

    def as_argument(self) -> Timed:
        """20,000 records as an argument, where that makes plain objects of them."""
        f, rows = self.function("(function (rows) { return rows.length + rows[19999].tags.length; })"), records()
        return Timed("f(rows)", {"f": f, "rows": rows}, check=lambda: bool(f(rows) == 20002))

    def row_records_out(self) -> list[Timed]:
        return [self.through_json_out()]

    def row_records_in(self) -> list[Timed]:
        return [self.through_json_in()]

    def floats(self, length: int, answer: str = "floats") -> Callable[..., Any]:
        """A function that gives a typed array which is there already, or what it is to answer in its place."""
        self.eval(f"var floats = new Float64Array({length}); floats[7] = 1.5; 1")
        return self.function(f"(function () {{ return {answer}; }})")

    def row_floats(self) -> Timed:
        f, loads = self.floats(FLOATS, "JSON.stringify(Array.from(floats))"), json.loads
        return Timed("loads(f())", {"f": f, "loads": loads}, check=lambda: loads(f())[7] == 1.5)

    def row_floats_100mb(self) -> Timed:
        raise Cannot("typed arrays come as copies")

    def row_buffer_in(self) -> Timed:
        raise Cannot("no memory that both share")

    def row_buffer_out(self) -> Timed:
        raise Cannot("no memory that both share")

    # --- contexts, memory ---

    def fresh(self) -> None:
        """Opens a context, evaluates, closes it."""
        context = self.open()
        if self.evaluator(context)("1+1") != 2:
            raise RuntimeError("1 + 1 is not 2")
        self.close(context)

    def row_context(self) -> Timed:
        self.fresh()
        return Timed("fresh()", {"fresh": self.fresh})

    def realm(self) -> Any:
        """A further set of globals in a heap that is there already."""
        raise Cannot("one set of globals in a heap")

    def drop_realm(self, realm: Any) -> None:
        """Lets one go."""

    def row_realm(self) -> Timed:
        def fresh() -> None:
            realm = self.realm()
            if self.evaluator(realm)("1+1") != 2:
                raise RuntimeError("1 + 1 is not 2")
            self.drop_realm(realm)

        fresh()
        return Timed("fresh()", {"fresh": fresh})

    def grown(self, make: Callable[[], Any]) -> float:
        """MB that each of some contexts takes."""
        kept = []
        for _ in range(3):
            kept.append(make())
            self.evaluator(kept[-1])("1+1")
        gc.collect()
        before = rss()
        for _ in range(CONTEXTS):
            kept.append(make())
            self.evaluator(kept[-1])("1+1")
        return (rss() - before) / CONTEXTS

    def row_rss_context(self) -> Measured:
        return Measured(lambda: self.grown(self.open))

    def row_rss_realm(self) -> Measured:
        self.realm()
        return Measured(lambda: self.grown(self.realm))

    # --- large scripts ---

    def babel(self) -> str:
        """Babel's source, 3 MB."""
        return (self.files / "babel.min.js").read_text(encoding="utf-8")

    def load_babel(self, code: str) -> Any:
        """Opens a context and loads Babel there."""
        context = self.open()
        self.evaluator(context)(code + "\n;1")
        return context

    def has_babel(self, context: Any) -> None:
        """Raises when Babel is not there."""
        if (kind := self.evaluator(context)("typeof Babel.transform")) != "function":
            raise RuntimeError(f"Babel.transform is {kind}")

    def loading(self, load: Callable[[], Any]) -> Timed:
        """Times a way to get a context with Babel in it."""
        kept: list[Any] = []

        def keep() -> None:
            kept.append(load())

        def clear() -> None:
            while kept:
                self.close(kept.pop())

        keep()
        self.has_babel(kept[0])
        return Timed("keep()", {"keep": keep}, before=clear, single=True)

    def row_babel_source(self) -> Timed:
        code, numbers = self.babel(), itertools.count()
        return self.loading(lambda: self.load_babel(f"{code}\n// {next(numbers)}"))

    def row_babel_process_cache(self) -> Timed:
        raise Cannot("nothing that was compiled is kept for other contexts")

    def row_babel_code_cache(self) -> Timed:
        raise Cannot("no code cache")

    def row_babel_snapshot(self) -> Timed:
        raise Cannot("no snapshots")

    def row_transform(self) -> Timed:
        code = self.babel()
        source = (self.files / "react-dom-server.node.development.js").read_text(encoding="utf-8")
        kept: list[Any] = []
        names: dict[str, Any] = {"source": source}

        def before() -> None:
            names.pop("transform", None)
            while kept:
                self.close(kept.pop())
            kept.append(self.load_babel(code))
            names["transform"] = self.function_in(
                kept[0],
                "(function (source) { return Babel.transform(source, {presets: ['env'], sourceType: 'script', compact: false,"
                " generatorOpts: {compact: false}}).code.length; })",
            )

        def check() -> bool:
            before()
            return bool(names["transform"](source) > 300_000)

        return Timed("transform(source)", names, check=check, before=before, single=True)

    def row_page(self) -> Timed:
        self.eval((self.files / "page.bundle.js").read_text(encoding="utf-8") + "\n;1")
        render, data = self.function("render"), (self.files / "page.json").read_text(encoding="utf-8")
        return Timed(
            "render(data)", {"render": render, "data": data}, check=lambda: str(render(data)).count("<tr>") == 200
        )

    # --- threads ---

    def busy_thread(self, turns: int, ready: threading.Barrier, times: list[float]) -> None:
        """A thread's work with a context of its own: fib(27), again and again, when it is compiled. Appends when it began and when it ended."""
        context = self.open()
        fib = self.function_in(context, FIB)
        for _ in range(min(turns, 20)):
            fib(27)
        ready.wait()
        times.append(time.perf_counter())
        for _ in range(turns):
            fib(27)
        times.append(time.perf_counter())

    def row_threads2(self) -> Measured:
        context = self.open()
        fib = self.function_in(context, FIB)
        turns = 5
        while (took := timeit.timeit(lambda: fib(27), number=turns)) < LONG_ENOUGH:
            turns = int(turns * (LONG_ENOUGH / took + 1))
        self.close(context)

        def seconds(count: int) -> float:
            ready, times = threading.Barrier(count), list[float]()
            threads = [threading.Thread(target=self.busy_thread, args=(turns, ready, times)) for _ in range(count)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return max(times) - min(times)

        return Measured(lambda: 2 * seconds(1) / seconds(2))

    def counts(self, threads: int, seconds: float = 0.4) -> list[int]:
        """How many calls each of some threads makes of one context's function."""
        f, ready, done = self.function(ADD), threading.Barrier(threads + 1), [0] * threads
        over = False

        def work(number: int) -> None:
            ready.wait()
            count = 0
            while not over:
                if f(5, count) != 5 + count:
                    raise RuntimeError("a call returned another call's value")
                count += 1
            done[number] = count

        started = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
        for thread in started:
            thread.start()
        ready.wait()
        time.sleep(seconds)
        over = True
        for thread in started:
            thread.join()
        if not any(done):
            raise Cannot("calls from other threads fail")
        return done

    def row_threads4(self) -> Measured:
        self.counts(1, 0.05)
        return Measured(lambda: self.counts(1)[0] / max(1, sum(self.counts(4))))

    def row_threads4_least(self) -> Measured:
        def least() -> float:
            counted = self.counts(4)
            return 4 * min(counted) / max(1, sum(counted))

        return Measured(least)
