"""From opening to closing: what works after the end, what is freed when, and how a process ends."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import pytest

from py_mini_racer import JSClosedException, JSEvalException, JSTerminatedException, MiniRacer
from py_mini_racer._context import context_count
from tests.child import output_of

CLOSED = "^this MiniRacer is closed: open another one for further work$"


@pytest.fixture
def ctx():
    with MiniRacer() as opened:
        yield opened


# --- closing ---


def test_with():
    before = context_count()
    with MiniRacer() as ctx:
        assert context_count() == before + 1
        assert ctx.eval("1") == 1
    assert context_count() == before
    with pytest.raises(JSClosedException, match=CLOSED):
        ctx.eval("1")


def test_with_closes_after_an_error():
    before = context_count()
    with pytest.raises(JSEvalException, match="boom"), MiniRacer() as ctx:
        ctx.eval("throw new Error('boom')")
    assert context_count() == before


def test_close_again_and_again(ctx):
    for _ in range(3):
        ctx.close()
    with ctx:
        pass
    assert context_count() == 0


def test_a_closed_one_refuses_everything(ctx):
    ctx.close()
    for act in (
        lambda: ctx.eval("1"),
        lambda: ctx.eval("1", timeout_sec=1),
        lambda: ctx.execute("1"),
        lambda: ctx.call("Math.max", 1),
    ):
        with pytest.raises(JSClosedException, match=CLOSED) as caught:
            act()
        assert isinstance(caught.value, JSTerminatedException)
    assert ctx.v8_version


USES = {
    "read": lambda o: o["mapping"]["a"],
    "write": lambda o: o["mapping"].__setitem__("a", 1),
    "delete": lambda o: o["mapping"].__delitem__("a"),
    "length": lambda o: len(o["mapping"]),
    "iterate": lambda o: list(o["mapping"]),
    "contains": lambda o: "a" in o["mapping"],
    "items": lambda o: list(o["mapping"].items()),
    "call": lambda o: o["function"](1),
    "call with timeout": lambda o: o["function"](1, timeout_sec=1),
    "call with an object": lambda o: o["function"](o["mapping"], this=o["array"]),
    "property of a function": lambda o: o["function"]["name"],
    "array read": lambda o: o["array"][0],
    "array read from the end": lambda o: o["array"][-1],
    "array write": lambda o: o["array"].__setitem__(0, 1),
    "array delete": lambda o: o["array"].__delitem__(0),
    "array length": lambda o: len(o["array"]),
    "array append": lambda o: o["array"].append(1),
    "array insert": lambda o: o["array"].insert(0, 1),
    "array iterate": lambda o: list(o["array"]),
    "array contains": lambda o: 1 in o["array"],
}


def objects_of(ctx: MiniRacer) -> dict[str, object]:
    return {
        "mapping": ctx.eval("({a: 1})"),
        "array": ctx.eval("[1, 2]"),
        "function": ctx.eval("(function f(x) { return x })"),
        "symbol": ctx.eval("Symbol('s')"),
        "promise": ctx.eval("Promise.resolve(1)"),
    }


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_objects_of_a_closed_one(ctx, use):
    objects = objects_of(ctx)
    use(objects)
    ctx.close()
    for _ in range(2):
        with pytest.raises(JSClosedException, match=CLOSED):
            use(objects)


def test_objects_of_a_closed_one_keep_their_looks(ctx):
    for value in (objects := objects_of(ctx)).values():
        hash(value)
    before = {name: hash(value) for name, value in objects.items()}
    ctx.close()
    assert {name: hash(value) for name, value in objects.items()} == before
    for value in objects.values():
        assert repr(value)
        assert str(value)
    objects.clear()
    gc.collect()


def test_objects_of_a_closed_one_in_another(ctx):
    function = ctx.eval("(x => x)")
    ctx.close()
    with MiniRacer() as other, pytest.raises(JSEvalException):
        other.eval("(x => x)")(function)


def test_an_object_that_outlives_its_mini_racer():
    array = MiniRacer().eval("[1, 2]")
    gc.collect()
    with pytest.raises(JSClosedException, match=CLOSED):
        _ = array[0]


def test_errors_that_outlive_their_mini_racer():
    with pytest.raises(JSEvalException) as caught, MiniRacer() as ctx:
        ctx.eval("throw {name: 'N', code: 1}")
    assert caught.value.name == "N"
    with pytest.raises(JSClosedException):
        _ = caught.value.value["code"]


# --- closing while JavaScript runs ---


@pytest.mark.parametrize(
    "code", ["for (;;);", "for (;;) { try { for (;;); } finally { for (;;); } }", "/(a+)+b/.test('a'.repeat(64))"]
)
def test_close_ends_what_runs(ctx, code):
    raised = []

    def run() -> None:
        try:
            ctx.eval(code)
        except JSEvalException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.1)
    start = time.monotonic()
    ctx.close()
    assert time.monotonic() - start < 5
    thread.join()
    assert [type(error) for error in raised] == [JSClosedException]
    assert context_count() == 0


def test_close_ends_those_who_wait(ctx):
    raised = []

    def run() -> None:
        try:
            ctx.eval("for (;;);")
        except JSClosedException as error:
            raised.append(str(error))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    ctx.close()
    for thread in threads:
        thread.join()
    assert len(raised) == 8


def test_close_at_any_moment():
    """Whenever it comes, the call ends, with an answer or with the exception; nothing hangs."""
    for number in range(150):
        ctx = MiniRacer()
        ended: list[object] = []

        def run(ctx: MiniRacer = ctx, ended: list[object] = ended) -> None:
            try:
                while True:
                    ctx.eval("for (let i = 0; i < 1e3; i++);", timeout_sec=30)
            except JSClosedException as error:
                ended.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        time.sleep(number * 2e-5)
        ctx.close()
        thread.join(30)
        assert not thread.is_alive()
        assert len(ended) == 1


def test_two_threads_close_at_once():
    for _ in range(50):
        ctx = MiniRacer()
        ctx.eval("1")
        barrier = threading.Barrier(4)

        def run(ctx: MiniRacer = ctx, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            ctx.close()

        threads = [threading.Thread(target=run) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert context_count() == 0


# --- garbage collection ---


def test_a_mini_racer_that_is_dropped_is_freed():
    for _ in range(20):
        MiniRacer().eval("({})")
    gc.collect()
    assert context_count() == 0


def test_a_cycle_is_freed():
    ctx = MiniRacer()
    cycle = [ctx, ctx.eval("({})")]
    cycle.append(cycle)
    del ctx, cycle
    gc.collect()
    assert context_count() == 0


def test_handles_are_freed(ctx):
    values = [ctx.eval(f"({{number: {number}}})") for number in range(1000)]
    assert ctx._ctx.value_count() == 1000
    del values[100:]
    gc.collect()
    assert ctx._ctx.value_count() == 100
    assert [value["number"] for value in values] == list(range(100))
    values.clear()
    gc.collect()
    assert ctx._ctx.value_count() == 0


def test_one_object_is_one_handle(ctx):
    ctx.eval("var shared = {}")
    values = [ctx.eval("shared") for _ in range(100)]
    assert ctx._ctx.value_count() == 1
    assert all(value is values[0] for value in values)
    del values[:-1]
    gc.collect()
    values[0]["still"] = "here"
    assert ctx.eval("shared.still") == "here"
    values.clear()
    gc.collect()
    assert ctx._ctx.value_count() == 0


def test_what_python_lets_go_javascript_collects():
    code = """
        import gc
        from py_mini_racer import MiniRacer, init_mini_racer
        init_mini_racer(flags=["--expose-gc"])
        with MiniRacer() as ctx:
            ctx.eval("var collected = 0, registry = new FinalizationRegistry(() => collected++)")
            values = [ctx.eval("(o => (registry.register(o), o))({data: [1, 2, 3]})") for _ in range(50)]
            kept = values[0]
            ctx.eval("gc()")
            print(ctx.eval("collected"))
            values.clear()
            gc.collect()
            for _ in range(3): ctx.eval("gc()")
            print(ctx.eval("collected"), list(kept["data"]))
    """
    assert output_of(code) == "0\n49 [1, 2, 3]"


@pytest.mark.needs("source")
def test_what_was_evaluated_once_is_collected():
    """V8's cache of compiled scripts would keep it, and what it was compiled to, for some collections more."""
    code = """
        from py_mini_racer import MiniRacer, init_mini_racer
        init_mini_racer(flags=["--expose-gc"])
        with MiniRacer() as ctx:
            def used():
                ctx.eval("gc()")
                return ctx.heap_stats()["used_heap_size"]

            ctx.eval("var count = 0")
            before = used()
            for number in range(2000):
                ctx.eval(f"count += 1 // {number:04000}")
            print(ctx.eval("count"), used() - before < 2_000_000)
            for number in range(100, 200):
                for _ in range(2):
                    ctx.eval(f"count += 1 // {number}")
            print(ctx.eval("count"))
    """
    assert output_of(code) == "2000 True\n2200"


def test_a_mini_racer_can_be_referenced_weakly(ctx):
    assert weakref.ref(ctx)() is ctx


# --- thousands of contexts ---


def test_ten_thousand_contexts():
    """Opened and closed one after the other, they leave nothing: memory is where it was after the first of them."""
    code = """
        import gc, os
        from py_mini_racer import MiniRacer
        from py_mini_racer._context import context_count

        def resident() -> int:
            with open("/proc/self/statm") as numbers:
                return int(numbers.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

        def open_and_close(count: int) -> int:
            for number in range(count):
                with MiniRacer() as ctx:
                    value = ctx.eval("({a: 'b'.repeat(1000)})")
                    if number % 2: ctx.eval("1")
            del value
            gc.collect()
            return resident()

        early = open_and_close(2_000)
        late = open_and_close(8_000)
        print(context_count(), (late - early) >> 20, len(os.listdir("/proc/self/task")))
    """
    contexts, megabytes, threads = map(int, output_of(code).split())
    assert contexts == 0
    assert megabytes < 16
    assert threads < 10


def test_a_hundred_contexts_at_once():
    contexts = [MiniRacer() for _ in range(100)]
    assert context_count() == 100
    for number, ctx in enumerate(contexts):
        ctx.eval(f"var mine = {number}")
    assert [ctx.eval("mine") for ctx in contexts] == list(range(100))
    for ctx in contexts[::2] + contexts[1::2][::-1]:
        ctx.close()
    assert context_count() == 0


@pytest.mark.needs("source")
def test_what_a_further_context_takes():
    code = """
        import os
        from py_mini_racer import MiniRacer

        def resident() -> int:
            with open("/proc/self/statm") as numbers:
                return int(numbers.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

        contexts = []
        def open_some(count: int) -> int:
            for _ in range(count):
                contexts.append(MiniRacer())
                contexts[-1].eval("1 + 1")
            return resident()

        early = open_some(3)
        print((open_some(40) - early) // 40)
    """
    assert int(output_of(code)) < 650_000


def test_properties_of_many_kinds_of_objects(ctx):
    """V8's caches of such accesses fill, and are emptied by collections."""
    ctx.eval("""
        var objects = Array.from({ length: 3000 }, (_, i) => {
            const made = {};
            for (let k = 0; k < i % 7; k++) made["p" + (i * 7 + k) % 50] = k;
            made.x = i;
            return made;
        });
        function sum() { return objects.reduce((total, each) => total + each.x, 0); }
        function put() { for (const each of objects) { each.x += 1; each["y" + each.x % 9] = 1; } }
        function define() { let total = 0; for (let i = 0; i < 2000; i++) total += ({ ["k" + i % 60]: i })["k" + i % 60]; return total; }
    """)
    for turn in range(4):
        for _ in range(20):
            assert ctx.eval("sum()") == 2999 * 1500 + 3000 * turn
        assert ctx.eval("put(); define()") == 1999 * 1000
        ctx.low_memory_notification()


# --- the end of the process ---

ENDS = {
    "open": "ctx = MiniRacer(); ctx.eval('1')",
    "open, with objects": "ctx = MiniRacer(); keep = [ctx.eval('({})') for _ in range(100)]",
    "objects only": "value = MiniRacer().eval('({})')",
    "in a cycle": "ctx = MiniRacer(); cycle = [ctx, ctx.eval('[]')]; cycle.append(cycle)",
    "in a module": "import sys; sys.kept = (ctx := MiniRacer(), ctx.eval('({})'))",
    "many": "keep = [MiniRacer() for _ in range(20)]; [ctx.eval('({})') for ctx in keep]",
    "closed at exit": "import atexit; ctx = MiniRacer(); atexit.register(ctx.close)",
    "used at exit": "import atexit; ctx = MiniRacer(); atexit.register(lambda: ctx.eval('1'))",
    "after a timeout": "ctx = MiniRacer()\ntry: ctx.eval('for (;;);', timeout_sec=0.01)\nexcept TimeoutError: pass",
    "daemon thread waits": (
        "import threading, time; ctx = MiniRacer()\n"
        "threading.Thread(target=lambda: ctx.eval('1') and time.sleep(60), daemon=True).start()\ntime.sleep(0.05)"
    ),
}


@pytest.mark.parametrize("code", ENDS.values(), ids=ENDS)
def test_exit_without_close(code):
    for _ in range(3):
        assert output_of(f"from py_mini_racer import MiniRacer\n{code}\nprint('ended')") == "ended"


def test_exit_while_a_daemon_thread_runs_javascript():
    code = """
        import threading, time
        from py_mini_racer import MiniRacer
        ctx = MiniRacer()
        threading.Thread(target=lambda: ctx.eval("for (;;);"), daemon=True).start()
        time.sleep(0.1)
        print("ended")
    """
    for _ in range(5):
        assert output_of(code) == "ended"
