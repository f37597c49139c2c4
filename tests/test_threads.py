"""Threads: one context for many, one for each, small stacks, short lives."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from py_mini_racer import JSEvalException, MiniRacer
from py_mini_racer._context import context_count


@pytest.fixture
def ctx():
    with MiniRacer() as opened:
        yield opened


def together(count: int, run: Callable[[int], object]) -> list[object]:
    """Runs `run(0)` ... in threads that start at once; their answers, or what they raised."""
    barrier = threading.Barrier(count)

    def start(number: int) -> object:
        barrier.wait()
        return run(number)

    with ThreadPoolExecutor(count) as pool:
        return [future.result() for future in [pool.submit(start, number) for number in range(count)]]


@pytest.fixture
def stack_of() -> Iterator[Callable[[int], int]]:
    before = threading.stack_size()
    yield threading.stack_size
    threading.stack_size(before)


def test_one_context_for_eight(ctx):
    ctx.eval(
        "var counter = 0; function add() { const before = counter; for (let i = 0; i < 50; i++); counter = before + 1 }"
    )

    def run(number: int) -> None:
        for _ in range(500):
            ctx.eval("add()")

    together(8, run)
    assert ctx.eval("counter") == 4000


def test_objects_of_one_context_for_eight(ctx):
    shared, add = ctx.eval("({})"), ctx.eval("((a, b) => a + b)")

    def run(number: int) -> object:
        for turn in range(200):
            shared[f"{number}.{turn}"] = turn
            assert shared[f"{number}.{turn}"] == turn
            assert add(number, turn) == number + turn
            value = ctx.eval(f"({{number: {number}}})")
            assert value["number"] == number
        return True

    assert together(8, run) == [True] * 8
    assert len(shared) == 1600


def test_errors_stay_with_their_thread(ctx):
    def run(number: int) -> object:
        for turn in range(200):
            with pytest.raises(JSEvalException) as caught:
                ctx.eval(f"throw new Error('{number}.{turn}')", filename=f"{number}.js")
            assert (caught.value.js_message, caught.value.filename) == (f"{number}.{turn}", f"{number}.js")
        return True

    assert together(8, run) == [True] * 8


def test_one_context_for_each_of_eight():
    def run(number: int) -> object:
        with MiniRacer() as own:
            own.eval(f"var mine = {number}; var sum = 0")
            for _ in range(200):
                own.eval("sum += mine")
            return own.eval("sum")

    assert together(8, run) == [200 * number for number in range(8)]
    assert context_count() == 0


def test_contexts_wander_between_threads():
    contexts: dict[int, MiniRacer] = {}

    def make(number: int) -> None:
        contexts[number] = MiniRacer()
        contexts[number].eval("var visited = []")

    def visit(turn: int, number: int) -> None:
        contexts[(number + turn) % 8].eval(f"visited.push({turn})")

    together(8, make)
    for turn in range(5):
        together(8, partial(visit, turn))
    assert [contexts[number].eval("visited.join()") for number in range(8)] == ["0,1,2,3,4"] * 8
    together(8, lambda number: contexts[number].close())
    assert context_count() == 0


def test_objects_are_dropped_in_other_threads(ctx):
    values = [ctx.eval("({})") for _ in range(800)]

    def run(number: int) -> None:
        for _ in range(100):
            values.pop()

    together(8, run)
    assert ctx._ctx.value_count() == 0


def test_short_lived_threads(ctx):
    ctx.eval("var counter = 0")
    for _ in range(300):
        thread = threading.Thread(target=lambda: ctx.eval("counter++"))
        thread.start()
        thread.join()
    assert ctx.eval("counter") == 300


def test_short_lived_threads_with_contexts_of_their_own():
    def run() -> None:
        with MiniRacer() as own:
            own.eval("1")

    for _ in range(100):
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    assert context_count() == 0


RECURSIONS = {
    "function": "(function f() { return f() + 1 })()",
    "many locals": "(function f(a, b, c, d, e, g) { let h = [a, b, c]; return f(d, e, g, h, a, b) + 1 })()",
    "getter": "({ get x() { return this.x } }).x",
    "toString": "`${{ toString() { return `${this}` } }}`",
    "sort": "(function f() { [2, 1].sort(f) })()",
    "replace": "(function f() { 'a'.replace(/a/, f) })()",
    "proxy": "var p = new Proxy({}, {}); for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); p.x",
    "toJSON": "JSON.stringify({ toJSON() { return JSON.stringify(this) } })",
    "flat": "var a = []; for (let i = 0; i < 1e5; i++) a = [a]; a.flat(Infinity)",
    "parser": "eval('('.repeat(1e5))",
    "regexp": "new RegExp('('.repeat(1e5))",
    "constructor": "(class C { constructor() { new C() } }), (function F() { new F() })()",
}


@pytest.mark.parametrize("kilobytes", [256, 512, 8192])
@pytest.mark.parametrize("code", RECURSIONS.values(), ids=RECURSIONS)
def test_a_recursion_without_end_in_a_small_stack(ctx, stack_of, kilobytes, code):
    raised = []

    def run() -> None:
        for _ in range(2):  # the second entry finds the stack known
            with pytest.raises(JSEvalException) as caught:
                ctx.eval(code)
            raised.append(caught.value.name)
        raised.append(ctx.eval("6 * 7"))

    stack_of(kilobytes * 1024)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert raised in (["RangeError"] * 2 + [42], ["SyntaxError"] * 2 + [42])
    assert ctx.eval("6 * 7") == 42


def test_deep_and_shallow_stacks_take_turns(ctx, stack_of):
    """V8 must be told of each thread's own stack, or the small one runs over."""
    ctx.eval("function depth() { try { return 1 + depth() } catch { return 1 } }")
    depths: dict[int, list[int]] = {256: [], 4096: []}
    for kilobytes in (4096, 256) * 5:
        stack_of(kilobytes * 1024)
        thread = threading.Thread(target=lambda kilobytes=kilobytes: depths[kilobytes].append(ctx.eval("depth()")))
        thread.start()
        thread.join()
    assert min(depths[4096]) > max(depths[256])  # V8 makes frames smaller as it optimizes: no exact factor
    assert min(depths[256]) > 100
