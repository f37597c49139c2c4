"""quickjs: an interpreter without a JIT compiler."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import quickjs

from .base import ADD, RECORDS, Adapter, Timed, records


class Peer(Adapter):
    """quickjs 1.19."""

    no_handles = "properties of objects cannot be read from Python"

    def open(self) -> Any:
        return quickjs.Context()

    def bind(self, name: str, function: Callable[..., Any]) -> None:
        self.context.add_callable(name, function)

    def row_call_dict(self) -> Timed:
        f, row = self.function("(function (d) { return d.key7; })"), {f"key{i}": i for i in range(10)}
        parse, dumps = self.context.parse_json, json.dumps
        return Timed(
            "f(parse(dumps(row)))",
            {"f": f, "parse": parse, "dumps": dumps, "row": row},
            check=lambda: f(parse(dumps(row))) == 7,
        )

    def row_call_context_timeout(self) -> Timed:
        context = self.open()
        context.set_time_limit(10)
        return Timed("f(5, 7)", {"f": self.function_in(context, ADD)})

    def row_records_out(self) -> list[Timed]:
        handle, loads = self.eval(RECORDS), json.loads
        by_json = Timed(
            "loads(handle.json())", {"handle": handle, "loads": loads}, check=lambda: loads(handle.json()) == records()
        )
        return [by_json, self.through_json_out()]

    def row_records_in(self) -> list[Timed]:
        f, rows = self.function("(function (rows) { return rows.length; })"), records()
        parse, dumps = self.context.parse_json, json.dumps
        names = {"f": f, "rows": rows, "parse": parse, "dumps": dumps}
        return [
            Timed("f(parse(dumps(rows)))", names, check=lambda: f(parse(dumps(rows))) == 20000),
            self.through_json_in(),
        ]


ADAPTER = Peer
