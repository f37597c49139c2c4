"""PythonMonkey: SpiderMonkey, with one set of globals in a process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pythonmonkey

from .base import FLOATS, ROWS_100_MB, Adapter, Cannot, Timed, records


class Peer(Adapter):
    """pythonmonkey 1.4."""

    def open(self) -> Any:
        return pythonmonkey

    def bind(self, name: str, function: Callable[..., Any]) -> None:
        setattr(pythonmonkey.globalThis, name, function)

    def bind_async(self, name: str, function: Callable[..., Awaitable[Any]]) -> None:
        setattr(pythonmonkey.globalThis, name, function)

    def handle(self, code: str) -> Any:
        return pythonmonkey.eval(code)

    async def settled(self, code: str) -> Any:
        return await pythonmonkey.eval(code)

    def row_context(self) -> Timed:
        raise Cannot("one set of globals in a process")

    def row_rss_context(self) -> Any:
        raise Cannot("one set of globals in a process")

    def row_threads2(self) -> Any:
        raise Cannot("one set of globals in a process, which is one thread's")

    def row_floats(self) -> Timed:
        return self._typed_array(FLOATS)

    def row_floats_100mb(self) -> Timed:
        return self._typed_array(ROWS_100_MB)

    def _typed_array(self, length: int) -> Timed:
        f = self.floats(length)
        return Timed("f()", {"f": f}, check=lambda: f().nbytes == length * 8)

    def row_records_in(self) -> list[Timed]:
        f, rows = pythonmonkey.eval("(rows => rows.map(r => ({...r})).length)"), records()
        return [self.through_json_in(), Timed("f(rows)", {"f": f, "rows": rows}, check=lambda: f(rows) == 20000)]


ADAPTER = Peer
