"""py-mini-racer 0.6, the last of the old line: V8 8.9 of 2021; all values but scalars go by way of JSON."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

from py_mini_racer import MiniRacer  # the old one: this runs in an environment that has it

from .base import ADD, FLOATS, RECORDS, Adapter, Timed, records


class Peer(Adapter):
    """py-mini-racer 0.6."""

    no_handles = "objects are opaque"

    def __init__(self) -> None:
        super().__init__()
        self._numbers = itertools.count()

    def open(self) -> Any:
        return MiniRacer()

    def close(self, context: Any) -> None:
        """It frees what is not referenced any more."""

    def function_in(self, context: Any, code: str) -> Callable[..., Any]:
        name = f"f{next(self._numbers)}"
        context.eval(f"var {name} = {code}; 1")
        return partial(context.call, name)

    def row_call_timeout(self) -> Timed:
        return Timed("f(5, 7, timeout=10000)", {"f": self.function(ADD)})

    def row_eval_timeout(self) -> Timed:
        return Timed("run('1+1', timeout=10000)", {"run": self.context.eval})

    def row_records_out(self) -> list[Timed]:
        self.eval(f"var rows = {RECORDS}; 1")
        run = self.context.execute
        return [Timed("run('rows')", {"run": run}, check=lambda: run("rows") == records()), self.through_json_out()]

    def row_records_in(self) -> list[Timed]:
        return [self.as_argument(), self.through_json_in()]

    def row_floats(self) -> Timed:
        f = self.floats(FLOATS)  # all of it, as JSON of an object with a name for each index
        return Timed("f()", {"f": f}, check=lambda: bool(f()))


ADAPTER = Peer
