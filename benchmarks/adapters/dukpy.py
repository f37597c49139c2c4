"""dukpy: the Duktape interpreter, for JavaScript of 2009; all values go by way of JSON."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import dukpy

from .base import FLOATS, Adapter, Cannot, Timed, records

RECORDS_ES5 = """(function () { var rows = []; for (var i = 0; i < 20000; i++)
    rows.push({id: i, name: "user" + i, score: i * 1.5, ok: i % 2 === 0, tags: ["a", "b"]}); return rows; })()"""
NO_ES6 = "JavaScript of 2009 only"


class Peer(Adapter):
    """dukpy 0.6."""

    no_promises = no_timers = NO_ES6

    def __init__(self) -> None:
        super().__init__()
        self._numbers = itertools.count()

    def open(self) -> Any:
        return dukpy.JSInterpreter()

    def evaluator(self, context: Any) -> Callable[[str], Any]:
        evaluate: Callable[[str], Any] = context.evaljs
        return evaluate

    def function_in(self, context: Any, code: str) -> Callable[..., Any]:
        name = f"f{next(self._numbers)}"
        context.evaljs(f"var {name} = {code}; 1")
        call = f"{name}.apply(null, dukpy.arguments)"
        return lambda *arguments: context.evaljs(call, arguments=arguments)

    def bind(self, name: str, function: Callable[..., Any]) -> None:
        self.context.export_function(name, function)
        self.context.evaljs(f"var {name} = function (n) {{ return call_python('{name}', n); }}; 1")

    def row_records_out(self) -> list[Timed]:
        run = self.context.evaljs
        run(f"var records = {RECORDS_ES5}; 1")
        return [Timed("run('records')", {"run": run}, check=lambda: run("records") == records())]

    def row_records_in(self) -> list[Timed]:
        run, rows = self.context.evaljs, records()
        return [
            Timed(
                "run('dukpy.rows.length', rows=rows)",
                {"run": run, "rows": rows},
                check=lambda: run("dukpy.rows.length", rows=rows) == 20000,
            )
        ]

    def row_floats(self) -> Timed:
        self.eval(f"var floats = []; for (var i = 0; i < {FLOATS}; i++) floats.push(i + 0.5); 1")
        f = self.function("(function () { return floats; })")
        return Timed("f()", {"f": f}, check=lambda: f()[7] == 7.5)

    def row_babel_source(self) -> Timed:
        raise Cannot(NO_ES6)

    def row_transform(self) -> Timed:
        raise Cannot(NO_ES6)

    def row_page(self) -> Timed:
        raise Cannot(NO_ES6)


ADAPTER = Peer
