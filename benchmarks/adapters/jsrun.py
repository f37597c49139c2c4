"""jsrun: V8 by way of deno_core, in Rust."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import jsrun

from .base import RECORDS, TIMES, Adapter, Cannot, Timed, records


class Peer(Adapter):
    """jsrun 0.3."""

    def open(self) -> Any:
        return jsrun.Runtime()

    def close(self, context: Any) -> None:
        context.close()

    def bind(self, name: str, function: Callable[..., Any]) -> None:
        self.context.bind_function(name, function)

    def bind_async(self, name: str, function: Callable[..., Awaitable[Any]]) -> None:
        self.context.bind_function(name, function)

    def array(self, code: str) -> Any:  # noqa: ARG002
        raise Cannot(self.no_handles)

    async def settled(self, code: str) -> Any:
        return await self.context.eval_async(code)

    def row_callback(self) -> Timed:
        # By eval: a call of a function's handle that calls Python never returns.
        self.bind("increment", lambda n: n + 1)
        run = self.context.eval
        run("function loop(times) { var n = 0; for (var i = 0; i < times; i++) n = increment(n); return n; }; 1")
        return Timed(f"run('loop({TIMES})')", {"run": run}, TIMES, lambda: run(f"loop({TIMES})") == TIMES)

    def row_records_out(self) -> list[Timed]:
        self.eval(f"var all = {RECORDS}; 1")
        run = self.context.eval
        return [Timed("run('all')", {"run": run}, check=lambda: run("all") == records()), self.through_json_out()]

    def row_records_in(self) -> list[Timed]:
        return [self.as_argument(), self.through_json_in()]

    def row_babel_snapshot(self) -> Timed:
        builder = jsrun.SnapshotBuilder()
        builder.execute_script("babel", self.babel())
        config = jsrun.RuntimeConfig(snapshot=builder.build())
        return self.loading(lambda: jsrun.Runtime(config))


ADAPTER = Peer
