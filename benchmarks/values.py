"""Whole values across the border, beside the same through JSON, in one process.

Run it with `python benchmarks/values.py`; it writes benchmarks/values.md. Each figure is the least CPU time of this thread in several tries: what it takes when
nothing else is going on.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown

from py_mini_racer import MiniRacer

RESULTS = Path(__file__).with_name("values.md")
TRIES = 9
DATA = """
var records = Array.from({length: 20000}, (_, i) => ({id: i, name: "user" + i, score: i * 1.5, ok: i % 2 === 0, tags: ["a", "b"]}));
var floats = Array.from({length: 200000}, (_, i) => i * 0.1 + 0.01);
var ints = Array.from({length: 200000}, (_, i) => i);
function take(value) { return 1; }
"""
ROWS = {"20,000 records of 5 properties": "records", "200,000 floats": "floats", "200,000 ints": "ints"}


def milliseconds(work: Callable[[], object]) -> float:
    """The least CPU time that the work took."""
    best = float("inf")
    for _ in range(TRIES):
        started = time.thread_time()
        work()
        best = min(best, time.thread_time() - started)
    return best * 1e3


def measure(ctx: MiniRacer, name: str) -> list[float]:
    """Out: copy() and execute(); in: an argument and call()."""
    handle, take = ctx.eval(name), ctx.eval("take")
    value = handle.copy()
    if value != ctx.execute(name):
        sys.exit(f"{name}: copy() and execute() differ")
    return [
        milliseconds(handle.copy),
        milliseconds(lambda: ctx.execute(name)),
        milliseconds(lambda: take(value)),
        milliseconds(lambda: ctx.call("take", value)),
    ]


def main() -> None:
    """Measure, write, show."""
    with MiniRacer() as ctx:
        ctx.eval(DATA)
        rows = []
        for title, name in ROWS.items():
            print(f"values: {title}", flush=True)
            rows.append(f"| {title} | " + " | ".join(f"{figure:.1f}" for figure in measure(ctx, name)) + " |")
        about = (
            f"V8 {ctx.v8_version}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
            f"CPython {platform.python_version()}, the ctypes lane"
        )
    text = "\n".join(
        [
            "# Whole values, beside JSON",
            "",
            f"Written by `python benchmarks/values.py`: {about}. Milliseconds of CPU, the least of {TRIES} tries.",
            "",
            "| | out: `copy()` | out: `execute()` | in: an argument | in: `call()` |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )
    RESULTS.write_text(text)
    Console().print(Markdown(text))


if __name__ == "__main__":
    main()
