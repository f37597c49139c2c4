"""What it takes to have a large library in a fresh context: from source, with a code cache, from a snapshot; and what a pool's checkout takes.

usage: python benchmarks/snapshots.py BABEL.min.js
"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

from py_mini_racer import MiniRacer, MiniRacerPool, Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

_ROUNDS = 15


def _main() -> None:
    code = Path(sys.argv[1]).read_text()
    maker = MiniRacer()
    script = maker.compile(code)
    script.run()
    cache = script.cache
    snapshot = Snapshot.create(code)
    plain = MiniRacerPool(1)
    loaded = MiniRacerPool(1, snapshot=snapshot)
    realms = MiniRacerPool(1, isolation="realm")

    def load(ctx: MiniRacer) -> None:
        assert ctx.eval("typeof Babel") == "object"
        ctx.close()

    def compiled(source: str, cache: bytes | None) -> MiniRacer:
        ctx = MiniRacer()
        ctx.compile(source, cache=cache).run()
        return ctx

    def checkout(pool: MiniRacerPool) -> None:
        with pool.checkout() as ctx:
            ctx.eval("1")

    rows: dict[str, Callable[[], object]] = {
        "Babel, from source": lambda: load(compiled(code, None)),
        "Babel, with a code cache": lambda: load(compiled(code, cache)),
        "Babel, from a snapshot": lambda: load(MiniRacer(snapshot=snapshot)),
        "a plain context": lambda: MiniRacer().close(),
        "checkout, context": lambda: checkout(plain),
        "checkout, context from Babel's snapshot": lambda: checkout(loaded),
        "checkout, realm": lambda: checkout(realms),
    }
    times: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(_ROUNDS):
        for name, run in rows.items():
            start = perf_counter()
            run()
            times[name].append(perf_counter() - start)
    for name, taken in times.items():
        print(f"{name:42} {1e3 * median(taken):8.2f} ms, best {1e3 * min(taken):8.2f}")
    print(f"snapshot {len(snapshot.data) / 1e6:.1f} MB, code cache {len(cache) / 1e6:.1f} MB")


if __name__ == "__main__":
    _main()
