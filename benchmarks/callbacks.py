"""What it costs that JavaScript calls Python: `python benchmarks/callbacks.py`. CPU time of the calling thread, best of several rounds; one crossing each."""

from __future__ import annotations

import time
from types import SimpleNamespace

from py_mini_racer import MiniRacer

ROUNDS, TIMES = 7, 20_000

ctx = MiniRacer()
ctx.globals["increment"] = lambda number: number + 1
ctx.globals["greet"] = lambda name: f"Hello, {name}"
ctx.globals["count"] = lambda row: row["n"]
ctx.globals["account"] = ctx.proxy(SimpleNamespace(balance=1), ["balance"], write=True)
ctx.globals["stock"] = ctx.proxy({"tea": 1})
ctx.globals["rows"] = ctx.proxy(list(range(TIMES)))
ctx.globals["numbers"] = lambda: iter(range(TIMES))

ROWS = {
    "`increment(n)`, int to int": "for (let i = 0; i < times; i++) n = increment(n)",
    "`greet('Ada')`, str to str": "for (let i = 0; i < times; i++) greet('Ada')",
    "`count({ n: 1 })`, which reads an item": "for (let i = 0; i < times; i++) count({ n: 1 })",
    "`account.balance`, an attribute of a proxy": "for (let i = 0; i < times; i++) n += account.balance",
    "`account.balance = 1`": "for (let i = 0; i < times; i++) account.balance = 1",
    "`stock.tea`, an item of a mapping": "for (let i = 0; i < times; i++) n += stock.tea",
    "`rows[i]`, an element of a sequence": "for (let i = 0; i < times; i++) n += rows[i]",
    "`for (x of numbers())`, one step of an iterator": "for (const x of numbers()) n += x",
}


def cost(body: str) -> float:
    """Microseconds of one turn."""
    run = ctx.eval(f"(function (times) {{ let n = 0; {body}; return n; }})")
    run(TIMES)
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.thread_time()
        run(TIMES)
        best = min(best, time.thread_time() - start)
    return best / TIMES * 1e6


if __name__ == "__main__":
    print("| what | us |\n|---|---|")
    for name, body in ROWS.items():
        print(f"| {name} | {cost(body):.1f} |")
