"""Everything at once, for as long as you like: threads, limits, cancelled tasks, closed contexts, forks, callbacks, promises, timers, buffers, exceptions.

    make stress MINUTES=5 SEED=7
    python -m tests.stress --minutes 5 --seed 7

A process works in rounds of some seconds. In a round a few threads do things to a few contexts, in an order that the seed decides; which thread is
where at what time it does not. After each round all contexts are closed, and nothing may be left: no context, no buffer, no callback, no thread, and no
more memory than after the first rounds. Another process, which loads no V8, shows how far it is. When the first one ends before its time, says nothing any
more, or finds something wrong, it shows the stacks of all threads, Python's and (where there is gdb) native ones, and the line that does it again.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import faulthandler
import gc
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from py_mini_racer import MiniRacer

ROUND = 6.0  # seconds
THREADS, CONTEXTS = 8, 4
SILENCE = 60.0  # seconds without a word after which the process hangs
STUCK = 45.0  # seconds that one step may take: none is meant to take more than two
FIRST_ROUNDS = 3  # whose memory is the plateau
GROWTH = 1.10
SLACK = 24 << 20  # what malloc keeps for later
FREE_PAGES = 256 << 20  # what V8 keeps: no more than the contexts of a round may have had


# --- the one that works ---


class Wrong(Exception):  # noqa: N818
    """Something that must not be."""


class Round:
    """Threads that do things to contexts, until the time is up."""

    def __init__(self, seed: int, seconds: float, *, forks: bool) -> None:
        self.seed = seed
        self.end = time.monotonic() + seconds
        self.contexts = [self.opened() for _ in range(CONTEXTS)]
        self.idle = self.opened()
        self.idle.eval("var y = 7")
        self.wrong: list[str] = []
        self.steps: Counter[str] = Counter()
        self.now: dict[int, tuple[str, float]] = {}  # by thread: what it does, since when
        self.names = sorted(name for name in vars(Round) if name.startswith("do_") and (forks or name != "do_fork"))
        self.fork_lock = threading.Lock()

    @staticmethod
    def opened() -> MiniRacer:
        from py_mini_racer import MiniRacer

        return MiniRacer(max_memory=64 << 20, unhandled_rejection=lambda _: None, uncaught_exception=lambda _: None)

    def run(self, tell: Callable[[int], None]) -> None:
        """Works, and says every second how many steps there were.

        Raises:
            Wrong: a step came to what must not be, or does not come to an end.
        """
        threads = [threading.Thread(target=self.work, args=(number,), daemon=True) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            time.sleep(0.2)
            tell(self.steps.total())
            for name, since in list(self.now.values()):
                if time.monotonic() - since > STUCK:
                    raise Wrong(f"{name} does not come to an end")
            if self.wrong:
                raise Wrong(self.wrong[0])
        for context in (*self.contexts, self.idle):
            context.close()
        if self.wrong:
            raise Wrong(self.wrong[0])

    def work(self, number: int) -> None:
        """One thread."""
        from py_mini_racer import JSConversionException, JSEvalException, JSPromiseError

        chance = random.Random(f"{self.seed} {number}")
        while time.monotonic() < self.end and not self.wrong:
            name = chance.choice(self.names)
            place = chance.randrange(CONTEXTS)
            self.now[number] = name, time.monotonic()
            try:
                getattr(self, name)(self.contexts[place], chance, place)
            except (JSEvalException, JSPromiseError, JSConversionException):
                pass  # closed, stopped, or rejected, by another thread or on purpose
            except BaseException as error:
                self.wrong.append(f"{name}: {type(error).__name__}: {error}")
            self.steps[name] += 1
        self.now.pop(number, None)

    def do_eval(self, ctx: MiniRacer, *_: object) -> None:
        assert ctx.eval("[1, 2, 3].map(x => x * 2).join()") == "2,4,6"

    def do_copy(self, ctx: MiniRacer, *_: object) -> None:
        assert ctx.eval("({a: [1, {b: new Map([[1, 2]])}]})", copy=True) == {"a": [1, {"b": {1: 2}}]}

    def do_callbacks(self, ctx: MiniRacer, chance: random.Random, _: int) -> None:
        def back(number: int, thing: object) -> object:
            if chance.random() < 0.02:
                raise ValueError
            return [number, thing]

        ctx.eval("f => { for (let i = 0; i < 10; i++) f(i, {}); }")(back)

    def do_nest(self, ctx: MiniRacer, *_: object) -> None:
        def down(depth: int) -> object:
            return depth and ctx.eval("f => n => f(n)")(down)(depth - 1)

        down(5)

    def do_call_another(self, ctx: MiniRacer, _: random.Random, place: int) -> None:
        other = self.contexts[(place + 1) % CONTEXTS]
        ctx.eval("f => f()")(lambda: other.eval("1 + 1", timeout_sec=0.2))

    def do_promise(self, ctx: MiniRacer, *_: object) -> None:
        code = (
            "new Promise((a, b) => setTimeout(() => Math.random() < 0.5 ? a({}) : b(new Error()), Math.random() * 3))"
        )
        ctx.eval(code).get(timeout=0.5)

    def do_timers(self, ctx: MiniRacer, *_: object) -> None:
        ctx.eval(
            "for (let i = 0; i < 20; i++) { let n = 0; const id = setInterval(() => { if (n++ > 3) clearInterval(id); }, i % 3); }"
        )

    def do_throwing_timer(self, ctx: MiniRacer, *_: object) -> None:
        ctx.eval("setTimeout(() => { throw { get message() { throw 1; } }; }, 0)")

    def do_reject(self, ctx: MiniRacer, *_: object) -> None:
        ctx.eval("Promise.reject(new Error()); 1")

    def do_throw(self, ctx: MiniRacer, *_: object) -> None:
        ctx.eval("throw Object.assign(new Error('x', {cause: new TypeError('y')}), {a: [1]})")

    def do_time_out(self, ctx: MiniRacer, *_: object) -> None:
        ctx.eval("for (;;) { Math.sin(1); }", timeout_sec=0.005)

    def do_use_up_cpu(self, ctx: MiniRacer, *_: object) -> None:
        ctx.eval("for (;;) { Math.sin(1); }", cpu_time_sec=0.005)

    def do_time_out_in_a_microtask(self, ctx: MiniRacer, *_: object) -> None:
        ctx.eval("(function f() { Promise.resolve().then(f); })(); 1", timeout_sec=0.005)

    def do_time_out_in_a_getter(self, ctx: MiniRacer, *_: object) -> None:
        ctx.eval("({ get x() { for (;;); } })", copy=True, timeout_sec=0.005)

    def do_recurse(self, ctx: MiniRacer, *_: object) -> None:
        ctx.eval("(function f() { f(); })()")

    def do_fill_memory(self, ctx: MiniRacer, chance: random.Random, _: int) -> None:
        if chance.random() < 0.02:
            ctx.eval("(() => { const a = []; for (;;) a.push(Array(1000).fill(a.length)); })()", timeout_sec=1)

    def do_interrupt(self, ctx: MiniRacer, *_: object) -> None:
        ctx.interrupt()

    def do_terminate(self, ctx: MiniRacer, *_: object) -> None:
        context = ctx._ctx
        if context is not None:
            context.terminate()

    def do_buffer(self, ctx: MiniRacer, *_: object) -> None:
        view = ctx.eval("new Uint8Array(1000).fill(7)")
        assert view[999] == 7
        assert ctx.eval("b => b.length")(view) == 1000

    def do_shared_buffer(self, ctx: MiniRacer, *_: object) -> None:
        view = ctx.buffer("i", 100)
        ctx.eval("b => { b.fill(3); }")(view)
        assert view[99] == 3

    def do_hold(self, ctx: MiniRacer, *_: object) -> None:
        held = ctx.eval("({x: {y: [1]}})")
        held["z"] = [1, {"q": 2}]
        held["x"]["y"].append(3)
        assert repr(held)

    def do_look(self, ctx: MiniRacer, *_: object) -> None:
        assert ctx.stats()["contexts"] >= 1
        assert ctx.heap_stats()["used_heap_size"] > 0

    def do_collect(self, ctx: MiniRacer, chance: random.Random, _: int) -> None:
        if chance.random() < 0.1:
            gc.collect()
            ctx.low_memory_notification()

    def do_short_thread(self, ctx: MiniRacer, *_: object) -> None:
        def work() -> None:
            with contextlib.suppress(Exception):
                ctx.eval("1 + 1")

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    def do_asyncio(self, ctx: MiniRacer, *_: object) -> None:
        async def work() -> None:
            calls = [ctx.eval_async("new Promise(r => setTimeout(r, 1, {}))") for _ in range(3)]
            endless = asyncio.ensure_future(ctx.eval_async("for (;;);"))
            await asyncio.sleep(0.005)
            endless.cancel()
            done, _ = await asyncio.wait([endless], timeout=30)
            assert done, "a cancelled evaluation goes on"
            with contextlib.suppress(asyncio.TimeoutError):  # an interrupt may hit the timer that was to settle it
                await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 0.5)

        asyncio.run(work())

    def do_coroutine(self, ctx: MiniRacer, *_: object) -> None:
        async def wait(number: int) -> int:
            await asyncio.sleep(0.001)
            return number

        async def work() -> None:
            async with ctx.wrap_py_function(wait) as function:
                ctx.eval("f => { globalThis.waited = f(5); }")(function)
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(ctx.eval("waited").get_async(), 0.5)

        asyncio.run(work())

    def do_close(self, ctx: MiniRacer, chance: random.Random, place: int) -> None:
        if chance.random() < 0.1:
            self.contexts[place] = self.opened()
            ctx.close()

    def do_forget(self, _ctx: MiniRacer, chance: random.Random, place: int) -> None:
        if chance.random() < 0.1:
            self.contexts[place] = self.opened()

    def do_open(self, *_: object) -> None:
        with self.opened() as other:
            assert other.eval("6 * 7") == 42

    def do_fork(self, *_: object) -> None:
        if not self.fork_lock.acquire(blocking=False):
            return
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                child = os.fork()
            if not child:
                self.in_child()
            ended = os.waitpid(child, 0)[1]
            if ended:
                raise Wrong(f"a forked child ended with status {ended:#x}")
        finally:
            self.fork_lock.release()

    def in_child(self) -> None:
        """Uses an old context and a new one. The alarm ends a child that hangs."""
        signal.alarm(30)
        code = 3
        try:
            from py_mini_racer import JSForkedError

            try:
                assert self.idle.eval("y") == 7
                with self.opened() as other:
                    assert other.eval("6 * 7") == 42
            except JSForkedError:
                pass
            code = 0
        except BaseException as error:
            os.write(2, f"in a forked child: {type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(code)


def status_of(name: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1])


def resident() -> tuple[int, int]:
    """Bytes of memory in the ranges of addresses that V8 keeps for its heaps, and in all other places.

    What is in the first when there is no context is V8's own store of free pages, which it gives back when it likes, some seconds to a minute later.
    """
    of_v8 = others = reserved_until = 0
    spans: list[list[int]] = []
    sizes: list[tuple[int, int]] = []
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name, _, rest = line.partition(" ")
        if "-" in name and not name.endswith(":"):
            low, high = (int(end, 16) for end in name.split("-"))
            ours = len(rest.split()) < 5  # no file's
            if ours and low == reserved_until:
                spans[-1][1] = high
            elif ours:
                spans.append([low, high])
            reserved_until = high if ours else 0
            sizes.append((low, 0))
        elif name == "Rss:":
            sizes[-1] = sizes[-1][0], int(rest.split()[0]) * 1024
    large = [span for span in spans if span[1] - span[0] > 1 << 30]
    for low, size in sizes:
        if any(begin <= low < end for begin, end in large):
            of_v8 += size
        else:
            others += size
    return of_v8, others


def check(sizes: list[int], threads: int) -> None:
    """What must be so when no context is left.

    Raises:
        Wrong: it is not.
    """
    from py_mini_racer import MiniRacer, _dll

    for _ in range(3):
        gc.collect()
    deadline = time.monotonic() + 10
    while _dll.library().mr_context_count() and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.01)
    if left := _dll.library().mr_context_count():
        raise Wrong(f"{left} contexts are left")
    with MiniRacer() as ctx:
        if stores := ctx.stats()["stores"]:
            raise Wrong(f"{stores} buffers are left")
    if (now := status_of("Threads")) > threads:
        raise Wrong(f"there are {now} threads, with none at work")
    of_v8, others = resident()
    sizes.append(others)
    plateau = max(sizes[:FIRST_ROUNDS])
    if sizes[-1] > plateau * GROWTH + SLACK:
        raise Wrong(f"the process has grown, MB after each round: {[size >> 20 for size in sizes]}")
    if of_v8 > FREE_PAGES:
        raise Wrong(f"V8's heaps hold {of_v8 >> 20} MB, and there is no context")


def work(seed: int, seconds: float, *, forks: bool) -> None:
    """Rounds, until the time is up. Says how far it is on stdout; the first thing wrong ends the process."""
    faulthandler.enable()
    from py_mini_racer import _dll

    forks = forks and "source" in _dll.features()  # Node's V8 keeps its heaps from children
    end = time.monotonic() + seconds
    sizes: list[int] = []
    steps: Counter[str] = Counter()
    number = 0
    while time.monotonic() < end:
        current = Round(seed + number, min(ROUND, end - time.monotonic()), forks=forks)
        try:
            current.run(lambda done: print("steps", number, steps.total() + done, flush=True))  # noqa: B023
            steps += current.steps
            del current
            check(sizes, threads=24)
        except Wrong as wrong:
            print(f"wrong in round {number} (seed {seed + number}): {wrong}", file=sys.stderr, flush=True)
            faulthandler.dump_traceback(all_threads=True)
            print("wrong", seed + number, flush=True)
            time.sleep(SILENCE * 2)  # the other process looks at the stacks, and ends us
        number += 1
    print("memory outside of V8's heaps after each round, MB:", *(size >> 20 for size in sizes), file=sys.stderr)
    print(
        "steps:",
        ", ".join(f"{name.removeprefix('do_')} {count}" for name, count in steps.most_common()),
        file=sys.stderr,
    )
    print("done", number, steps.total(), flush=True)


# --- the one that looks on ---


def stacks(process: subprocess.Popen[str]) -> None:
    """Native stacks by gdb, then Python's own, and the end."""
    if shutil.which("gdb"):
        command = ["gdb", "-p", str(process.pid), "-batch", "-ex", "thread apply all backtrace 30"]
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(command, stdout=sys.stderr, stderr=subprocess.DEVNULL, check=False, timeout=120)
    process.send_signal(signal.SIGABRT)  # faulthandler writes the stacks of Python
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def watch(process: subprocess.Popen[str], out: IO[str], seconds: float, seed: int) -> str:
    """Shows how far it is. What went wrong; nothing when it came to a good end."""
    begun, last, shown = time.monotonic(), seed, 0.0
    while True:
        ready, _, _ = select.select([out], [], [], SILENCE)
        line = out.readline() if ready else ""
        words = line.split()
        if not ready:
            stacks(process)
            return f"nothing was heard for {SILENCE:.0f} s (seed {last})"
        if not line:
            process.wait()
            return f"the process ended with {process.returncode} (seed {last})"
        if words[0] == "done":
            return "" if process.wait() == 0 else f"the exit failed with {process.returncode}"
        if words[0] == "wrong":
            stacks(process)
            return f"see above (seed {words[1]})"
        last = seed + int(words[1])
        now = time.monotonic()
        if now - shown > (2 if sys.stdout.isatty() else 15):
            shown = now
            left = max(0, seconds - (now - begun))
            print(f"round {words[1]}, {words[2]} steps, {left:.0f} s left", flush=True)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, help="of the first round; by default another one each time")
    parser.add_argument("--no-forks", action="store_true")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    seed = time.time_ns() % 10**6 if options.seed is None else options.seed
    if options.work:
        work(seed, options.minutes * 60, forks=not options.no_forks)
        return 0
    print(f"seed {seed}, {options.minutes:g} minutes, {THREADS} threads, {CONTEXTS} contexts", flush=True)
    command = [sys.executable, "-m", "tests.stress", "--work", f"--seed={seed}", f"--minutes={options.minutes}"]
    command += ["--no-forks"] if options.no_forks else []
    # Each thread has a malloc arena of its own, else, and what is free in one of them looks like a leak.
    environment = {**os.environ, "MALLOC_ARENA_MAX": "1"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        assert process.stdout is not None
        wrong = watch(process, process.stdout, options.minutes * 60, seed)
    if not wrong:
        print("nothing was found")
        return 0
    print(f"{wrong}\nagain: make stress MINUTES=1 SEED={wrong.rpartition('seed ')[2].rstrip(')')}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
