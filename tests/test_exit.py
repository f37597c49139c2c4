"""The end: of contexts, in any order and from anywhere; of threads; of the process, whatever still runs. MINI_RACER_EXITS=200 makes the long run."""

from __future__ import annotations

import gc
import os
import random
import statistics
import subprocess
import sys
import threading
import time
from contextlib import suppress
from textwrap import dedent

import pytest

from py_mini_racer import JSClosedException, MiniRacer
from tests.child import PACKAGE, output_of, run_python

EXITS = int(os.environ.get("MINI_RACER_EXITS") or 5)


def test_closing_in_any_order_with_what_lives_in_them():
    chance = random.Random(5)
    for _ in range(20):
        contexts = [MiniRacer() for _ in range(4)]
        things: list[object] = list(contexts)
        for ctx in contexts:
            things += [ctx.eval("({})"), ctx.eval("x => x"), ctx.eval("new Promise(() => {})"), ctx.eval("[1]")]
            things.append(ctx.eval("setInterval(() => 0, 1); new Uint8Array(100)"))
        del contexts, ctx
        chance.shuffle(things)
        while things:
            thing = things.pop()
            if isinstance(thing, MiniRacer):
                for _ in range(chance.randrange(3)):
                    thing.close()
            if chance.random() < 0.1:
                gc.collect()


def test_closing_twice_from_another_thread_while_it_runs():
    for number in range(20):
        ctx = MiniRacer()
        ended: list[BaseException] = []
        started = threading.Event()

        def run(ctx: MiniRacer = ctx, ended: list[BaseException] = ended, started: threading.Event = started) -> None:
            started.set()
            try:
                ctx.eval("while (true);", timeout_sec=60)
            except JSClosedException as error:
                ended.append(error)

        runner = threading.Thread(target=run)
        runner.start()
        assert started.wait(30)
        time.sleep(number * 5e-4)
        closers = [threading.Thread(target=ctx.close) for _ in range(2)]
        for thread in closers:
            thread.start()
        for thread in [*closers, runner]:
            thread.join(30)
            assert not thread.is_alive()
        assert len(ended) == 1


@pytest.mark.parametrize("depth", [1, 2, 20])
def test_closing_from_within_a_callback(depth):
    ctx = MiniRacer()
    call = ctx.eval("(f, n) => f(n)")

    def nested(n: float) -> int:
        if n:
            return int(call(nested, n - 1))
        ctx.close()
        ctx.close()
        return 1

    with pytest.raises(JSClosedException):
        call(nested, depth)
    with pytest.raises(JSClosedException):
        ctx.eval("1")


def test_two_contexts_that_close_each_other_from_callbacks():
    for _ in range(20):
        pair = [MiniRacer(), MiniRacer()]
        barrier = threading.Barrier(2)

        def close(other: MiniRacer, barrier: threading.Barrier = barrier) -> None:
            barrier.wait(30)
            other.close()

        def run(own: MiniRacer, other: MiniRacer) -> None:
            with suppress(JSClosedException):
                own.eval("f => f()")(lambda: close(other))

        threads = [threading.Thread(target=run, args=(pair[at], pair[1 - at])) for at in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()


# --- the end of the process ---

# What is under way when the main thread comes to its end.
ENDS = {
    "open": "",
    "objects": "things = [ctx.eval('({})'), ctx.eval('x => x'), ctx.eval('new Promise(() => {})'), ctx.eval('new Uint8Array(9)')]",
    "in sys.modules": "sys.modules['kept'] = ctx; del ctx",
    "in a cycle with a finalizer": """
        class Cycle:
            def __del__(self): self.ctx.close(); self.ctx.close()
        cycle = Cycle(); cycle.ctx, cycle.own = ctx, cycle
        gc.disable()
    """,
    "evaluates in a finalizer": """
        class Last:
            def __del__(self):
                try: self.ctx.eval("1 + 1")
                except Exception: pass
        last = Last(); last.ctx = ctx
    """,
    "timers": "ctx.eval('setInterval(() => { for (let i = 0; i < 1e5; i++); }, 0)'); time.sleep(0.02)",
    "timers that call": "ctx.eval('f => setInterval(() => f(), 0)')(lambda: sum(range(1000))); time.sleep(0.02)",
    "garbage for the pool": "ctx.eval('var kept = []; for (let i = 0; i < 2e5; i++) kept.push({x: [i]})')",
    "daemon threads in javascript": "for _ in range(4): daemon(lambda: MiniRacer().eval('while (true);'))\ntime.sleep(0.1)",
    "daemon threads that wait for the lock": "for _ in range(4): daemon(lambda: ctx.eval('while (true);'))\ntime.sleep(0.05)",
    "daemon threads in a callback that sleeps": "call = ctx.eval('f => f()')\ndaemon(lambda: call(lambda: time.sleep(100)))\ntime.sleep(0.05)",
    "daemon threads in a callback that works": """
        def work():
            while True: sum(range(100))
        for _ in range(3): daemon(lambda: MiniRacer().eval('f => f()')(work))
        time.sleep(0.05)
    """,
    "daemon threads with short callbacks": """
        def run():
            with MiniRacer() as own:
                own.eval('f => { while (true) f() }')(lambda: 1)
        for _ in range(3): daemon(run)
        time.sleep(0.05)
    """,
    "daemon threads with short calls": """
        def run():
            own = MiniRacer(); add = own.eval('(a, b) => a + b')
            while True: add(1, 2)
        for _ in range(3): daemon(run)
        time.sleep(0.05)
    """,
    "daemon threads that open and close": """
        def run():
            while True:
                with MiniRacer() as own: own.eval('({})')
        for _ in range(3): daemon(run)
        time.sleep(0.05)
    """,
    "daemon threads that wait for a promise": "promise = ctx.eval('new Promise(() => {})')\nfor _ in range(3): daemon(promise.get)\ntime.sleep(0.05)",
    "closed by a daemon thread": "daemon(lambda: ctx.eval('while (true);'))\ntime.sleep(0.05)\ndaemon(ctx.close)",
    "closed at exit": "atexit.register(ctx.close); atexit.register(ctx.close)",
    "used at exit": "atexit.register(lambda: ctx.eval('f => f()')(lambda: 1))",
    "a thread that ends after the main one": "threading.Thread(target=lambda: (time.sleep(0.05), ctx.eval('1'))).start()",
    "exit from a callback": "ctx.eval('f => f()')(lambda: sys.exit(0))",
    "an exception": "sys.stderr = open(os.devnull, 'w'); atexit.register(os._exit, 0); raise ValueError(ctx)",
}

START = """
import atexit, gc, os, sys, threading, time
from py_mini_racer import MiniRacer
def daemon(work):
    def run():
        try: work()
        except Exception: pass  # closed, or told that Python ends
    threading.Thread(target=run, daemon=True).start()
ctx = MiniRacer()
ctx.eval("1 + 1")
print("ends", flush=True)
"""


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("code", ENDS.values(), ids=ENDS)
def test_exits_are_clean(code):
    times = EXITS if EXITS > 5 else 2
    for _ in range(times):
        assert output_of(START + dedent(code)) == "ends"


@pytest.mark.timeout(3600)
def test_a_context_that_is_never_closed_at_module_level():
    code = "from py_mini_racer import MiniRacer\nctx = MiniRacer()\nprint(ctx.eval('6 * 7'))\n"
    ends = [run_python(code) for _ in range(EXITS)]
    assert [(end.returncode, end.stdout, end.stderr) for end in ends] == [(0, "42\n", "")] * EXITS


def test_exit_with_a_thousand_contexts_open():
    code = """
        import threading
        from py_mini_racer import MiniRacer
        contexts = [MiniRacer() for _ in range(1000)]
        print(sum(ctx.eval("1") for ctx in contexts))
    """
    assert output_of(code) == "1000"


def test_exit_takes_little_longer_than_without_us():
    """From the last statement to the end of the process; the least of many rounds, as other processes only ever add to it."""
    with_us = "from py_mini_racer import MiniRacer\nctx = MiniRacer()\nctx.eval('1')\n"
    took: dict[str, list[float]] = {with_us: [], "": []}
    for _ in range(15):
        for code, times in took.items():
            script = code + "import time\nprint(time.monotonic_ns(), flush=True)"
            with subprocess.Popen(
                [sys.executable, "-c", script],
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
            ) as child:
                out, _ = child.communicate(timeout=60)
                times.append((time.monotonic_ns() - int(out)) / 1e6)
    ours, bare = min(took[with_us]), min(took[""])
    print(
        f"milliseconds to the end: {ours:.1f} with a context, {bare:.1f} without; medians",
        [round(statistics.median(t), 1) for t in took.values()],
    )
    assert ours - bare < 50


# --- the end of threads ---


def test_threads_that_evaluate_once_leave_nothing_behind():
    """A thread costs V8, malloc and Python nothing that stays: a thousand and a thousand more leave malloc's heap as it is."""
    code = """
        import ctypes, gc, threading
        from py_mini_racer import MiniRacer

        class Mallinfo(ctypes.Structure):
            _fields_ = [(name, ctypes.c_size_t) for name in
                        ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")]

        mallinfo = ctypes.CDLL(None).mallinfo2
        mallinfo.restype = Mallinfo
        ctx = MiniRacer()

        def used():
            gc.collect()
            ctx.low_memory_notification()
            ctx.eval("0")
            info = mallinfo()
            return info.uordblks + info.hblkhd

        def run(count):
            for _ in range(count):
                threads = [threading.Thread(target=lambda: ctx.eval("1 + 1")) for _ in range(10)]
                for thread in threads: thread.start()
                for thread in threads: thread.join()

        run(100)
        before = used()
        run(200)
        print((used() - before) / 2000)
    """
    assert float(output_of(code)) < 16  # bytes a thread
