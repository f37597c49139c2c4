"""Measures one row of one library, in that library's Python: `python -m benchmarks.worker ADAPTER ROW`. The driver (bench.py) starts and asks it.

It sets the row up, prints a line, then answers each line on its input (seconds to spend) with one of samples, as JSON. A sample is the wall time and
the process's CPU time of a short loop, for each operation in it. `lost` is the part of the turn in which a thread could have run and had no core.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
import timeit
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from .adapters.base import Cannot, Measured, Timed

SAMPLE = 0.002  # seconds that a sample's loop takes, about
THREADS = Path("/proc/self/task")


_kept: list[object] = []  # the adapter, whose context the statements use


def without_core() -> float:
    """Seconds that this process's threads could have run and had no core, all together; 0 where the system does not tell."""
    nanoseconds = 0
    for task in THREADS.glob("*/schedstat"):
        with suppress(OSError):  # the thread has ended
            nanoseconds += int(task.read_text().split()[1])
    return nanoseconds / 1e9


class Samples(NamedTuple):
    """Seconds for each operation."""

    wall: list[float]
    cpu: list[float]


class Loop:
    """A statement, as often in a sample as fits."""

    def __init__(self, timed: Timed) -> None:
        self.timed = timed
        if timed.check is not None and not timed.check():
            raise RuntimeError("the answer is wrong")
        self.timer = timeit.Timer(timed.statement, globals=timed.names)
        self.times, self.runs = 1, 0
        if not (timed.single or timed.before):
            self.calibrate()

    def sample(self) -> tuple[float, float]:
        """Wall and CPU seconds of one run of the loop."""
        if self.timed.before is not None:
            self.timed.before()
        gc.collect() if self.timed.single else None
        cpu = time.process_time()
        wall = self.timer.timeit(self.times)
        cpu = time.process_time() - cpu
        self.runs += self.times
        count = self.times * self.timed.scale
        return wall / count, cpu / count

    def calibrate(self) -> None:
        """Warms up, and finds out how often the statement fits into a sample."""
        end = time.perf_counter() + 0.1
        while True:
            wall = self.sample()[0] * self.times * self.timed.scale
            if wall < SAMPLE / 2 and self.times < 1 << 20:
                self.times *= 2
            elif time.perf_counter() > end:
                return

    def samples(self, seconds: float) -> Samples:
        """As many as fit, and one at least."""
        found, end = [self.sample()], time.perf_counter() + seconds
        while time.perf_counter() < end:
            found.append(self.sample())
        return Samples([wall for wall, _ in found], [cpu for _, cpu in found])


class Figure:
    """A figure that is no time."""

    def __init__(self, measured: Measured) -> None:
        self.take = measured.take

    def samples(self, seconds: float) -> Samples:  # noqa: ARG002
        """One."""
        return Samples([self.take()], [])


def prepare(adapter: str, row: str) -> Loop | Figure:
    """Sets a row up. Of several ways the fastest is taken."""
    kind = importlib.import_module(f".adapters.{adapter}", __package__).ADAPTER
    method = getattr(kind(), f"row_{row}", None)
    _kept.append(method)
    if method is None:
        raise Cannot("not offered")
    work: Any = method()
    if isinstance(work, Measured):
        return Figure(work)
    loops = [Loop(timed) for timed in (work if isinstance(work, list) else [work])]
    return min(loops, key=lambda loop: min(loop.samples(0.1).wall)) if len(loops) > 1 else loops[0]


def main() -> None:
    """Command line. What the library itself prints goes to the standard error."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    adapter, row = sys.argv[1:]
    work: Loop | Figure | None = None
    try:
        work = prepare(adapter, row)
        print(json.dumps({"ready": True}), file=answers)
        for line in sys.stdin:
            start, waited = time.perf_counter(), without_core()
            samples = work.samples(float(line))
            lost = max(0.0, without_core() - waited) / (time.perf_counter() - start)
            print(json.dumps({"wall": samples.wall, "cpu": samples.cpu, "lost": lost}), file=answers)
        if isinstance(work, Loop) and work.timed.after is not None:
            work.timed.after(work.runs)
        print(json.dumps({"done": True}), file=answers)
    except Cannot as reason:
        print(json.dumps({"cannot": str(reason)}), file=answers)
    except BaseException as error:  # noqa: BLE001  (the driver shows it as the row's reason)
        text = " ".join(str(error).split())
        print(json.dumps({"cannot": f"{type(error).__name__}: {text}"[:160]}), file=answers)
    answers.flush()
    os._exit(0)  # some of these libraries hang at the interpreter's exit


if __name__ == "__main__":
    main()
