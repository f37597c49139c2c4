"""mini-racer of PyPI, which has the same import name as this library."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from py_mini_racer import MiniRacer, mini_racer  # the other one: this runs in an environment that has it

from .base import ADD, FLOATS, ROWS_100_MB, Adapter, Timed, records


class Peer(Adapter):
    """mini-racer 0.14."""

    def open(self) -> Any:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return MiniRacer()
        self._entered = mini_racer(loop)  # kept: it closes the context when it goes
        return self._entered.__enter__()

    def close(self, context: Any) -> None:
        context.close()

    def handle(self, code: str) -> Any:
        return self.context.eval(code)

    async def settled(self, code: str) -> Any:
        return await self.context.eval(code)

    def row_callback_async(self) -> Timed:
        async def increment(n: float) -> float:
            return n + 1

        code = "(async f => { let n = 0; for (let i = 0; i < 100; i++) n = await f(n); return n; })"

        async def turns() -> None:
            async with self.context.wrap_py_function(increment) as wrapped:
                if await self.context.eval(code)(wrapped) != 100:
                    raise RuntimeError("the coroutine ran another number of times")

        return self.awaited(turns, 100)

    def row_call_dict(self) -> Timed:
        self.eval("var f = function (d) { return d.key7; }; 1")
        f, row = partial(self.context.call, "f"), {f"key{i}": i for i in range(10)}
        return Timed("f(row)", {"f": f, "row": row}, check=lambda: f(row) == 7)

    def row_call_timeout(self) -> Timed:
        return Timed("f(5, 7, timeout_sec=10)", {"f": self.function(ADD)})

    def row_eval_timeout(self) -> Timed:
        return Timed("run('1+1', timeout_sec=10)", {"run": self.context.eval})

    def row_records_in(self) -> list[Timed]:
        self.eval("var take = function (rows) { return rows.length; }; 1")
        call, rows = self.context.call, records()
        by_call = Timed("call('take', rows)", {"call": call, "rows": rows}, check=lambda: call("take", rows) == 20000)
        return [by_call, self.through_json_in()]

    def row_floats(self) -> Timed:
        return self._typed_array(FLOATS)

    def row_floats_100mb(self) -> Timed:
        return self._typed_array(ROWS_100_MB)

    def _typed_array(self, length: int) -> Timed:
        f = self.floats(length)
        return Timed("f()", {"f": f}, check=lambda: f().nbytes == length * 8)


ADAPTER = Peer
