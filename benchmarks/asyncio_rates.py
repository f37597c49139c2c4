"""What awaiting costs: one evaluation there and back, a hundred tasks at once, and the threads that a thousand contexts need.

python benchmarks/asyncio_rates.py
"""

from __future__ import annotations

import asyncio
import os
import time

from py_mini_racer import MiniRacer

ROUNDS, TASKS, CONTEXTS = 2000, 100, 1000


async def one_after_the_other(ctx: MiniRacer, count: int) -> None:
    for _ in range(count):
        await ctx.eval_async("1 + 1")


async def main() -> None:
    with MiniRacer() as ctx:
        await one_after_the_other(ctx, 100)
        start = time.perf_counter()
        await one_after_the_other(ctx, ROUNDS)
        print(f"there and back: {(time.perf_counter() - start) / ROUNDS * 1e6:.0f} us")
        start = time.perf_counter()
        await asyncio.gather(*(one_after_the_other(ctx, ROUNDS // 10) for _ in range(TASKS)))
        print(f"{TASKS} tasks, one context: {ROUNDS // 10 * TASKS / (time.perf_counter() - start):.0f} a second")
    contexts = [MiniRacer() for _ in range(CONTEXTS)]
    start = time.perf_counter()
    done = asyncio.gather(*(ctx.eval_async("1 + 1") for ctx in contexts))
    most = 0
    while not done.done():
        most = max(most, sum(1 for _ in os.scandir("/proc/self/task")))
        await asyncio.sleep(0.001)
    took = time.perf_counter() - start
    print(f"{CONTEXTS} contexts at once: {took * 1e3:.0f} ms, at most {most} threads")


if __name__ == "__main__":
    asyncio.run(main())
