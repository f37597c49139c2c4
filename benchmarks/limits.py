"""How far limits are overshot.

    python benchmarks/limits.py [REPETITIONS]

Each script runs into a limit again and again; the table shows by how much it was missed: the median, the 95th percentile, and the worst. Times are in
milliseconds of the clock that the limit counts. Memory is what a process of its own had at its peak, above what it had before, in MB.
"""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median, quantiles
from typing import Any

from py_mini_racer import JSEvalException, MiniRacer

TIMED = {
    "loop": "for (;;);",
    "allocating": "for (;;) [1, 2, 3].map(String)",
    "regexp": "/(a*)*b/.test('a'.repeat(40))",
    "sort": "var a = Array.from({ length: 2e5 }, (_, i) => (i * 7919) % 200017); for (;;) a.slice().sort((x, y) => x - y)",
    "JSON": "var a = Array.from({ length: 1e5 }, (_, i) => ({ i })); for (;;) JSON.parse(JSON.stringify(a))",
    "fill": "var a = new Uint8Array(1e8); for (;;) a.fill(1)",
    "BigInt": "var x = 7n ** 100000n; for (;;) x = (x * x) >> 280000n",
}
LIMITS = {
    "timeout_sec": (0.05, time.monotonic),
    "cpu_time_sec": (0.05, time.thread_time),
}
BOMBS = {
    "arrays": "var kept = []; for (;;) kept.push(new Array(1000).fill(kept.length))",
    "objects": "var kept = []; for (;;) kept.push({ a: kept.length, b: [kept.length] })",
    "strings": "var kept = []; for (;;) kept.push('x'.repeat(5000) + kept.length)",
    "Map": "var kept = new Map(); for (let i = 0; ; i++) kept.set(i, [i])",
    "one array": "var kept = []; for (let i = 0; ; i++) kept.push(i + 0.5)",
    "closures": "var kept = []; for (let i = 0; ; i++) kept.push(() => i)",
}
CHILD = """
import re, sys
from py_mini_racer import JSEvalException, MiniRacer
def rss(name):
    return int(re.search(name + r":\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024
ctx = MiniRacer(**{limits})
ctx.eval("1")
before = rss("VmRSS")
try:
    ctx.eval({code!r}, **{call})
except JSEvalException as error:
    print(type(error).__name__, rss("VmHWM") - before)
else:
    print("nothing 0")
"""


def overshoot(ctx: MiniRacer, code: str, limit: str, repetitions: int) -> list[float]:
    """By how much a limit of time is missed, in milliseconds."""
    value, clock = LIMITS[limit]
    arguments: dict[str, Any] = {limit: value}
    missed: list[float] = []
    for _ in range(repetitions):
        start = clock()
        try:
            ctx.eval(code, **arguments)
        except JSEvalException:
            missed.append((clock() - start - value) * 1000)
    return missed


def peak(code: str, context: dict[str, int], call: dict[str, int]) -> tuple[str, float]:
    """What came of a bomb in a process of its own, and its peak in MB above the beginning."""
    script = CHILD.format(limits=context, code=code, call=call)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    kind, size = done.stdout.split() if done.stdout else ("ended the process", "nan")
    return kind, float(size)


def main() -> None:
    """Prints the tables."""
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    print("| script | limit | median | 95 % | worst |\n|---|---|---|---|---|")
    with MiniRacer() as ctx:
        for limit, (value, _) in LIMITS.items():
            for name, code in TIMED.items():
                missed = overshoot(ctx, code, limit, repetitions)
                high = quantiles(missed, n=20)[-1]
                print(f"| {name} | `{limit}={value}` | {median(missed):.1f} | {high:.1f} | {max(missed):.1f} |")
    print("\n| script | 32 MB context | 128 MB context | 32 MB call |\n|---|---|---|---|")
    for name, code in BOMBS.items():
        cells = [
            peak(code, {"max_memory": 32 << 20}, {}),
            peak(code, {"max_memory": 128 << 20}, {}),
            peak(code, {"max_memory": 256 << 20}, {"max_memory": 32 << 20}),
        ]
        print(
            f"| {name} | "
            + " | ".join(f"{size:.0f}" if kind == "JSOOMException" else kind for kind, size in cells)
            + " |"
        )


if __name__ == "__main__":
    main()
