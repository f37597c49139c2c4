"""This library, in the lane that MINI_RACER_LANE says."""

from __future__ import annotations

import itertools
import math
from collections.abc import Awaitable, Callable
from typing import Any

import py_mini_racer
from py_mini_racer import MiniRacer

from .base import ADD, FLOATS, RECORDS, ROWS_100_MB, Adapter, Cannot, Timed, records


class Ours(Adapter):
    """py_mini_racer of this checkout."""

    def open(self) -> MiniRacer:
        return MiniRacer()

    def close(self, context: MiniRacer) -> None:
        context.close()

    def bind(self, name: str, function: Callable[..., Any]) -> None:
        self.context.globals[name] = function

    def bind_async(self, name: str, function: Callable[..., Awaitable[Any]]) -> None:
        self.context.globals[name] = function

    def handle(self, code: str) -> Any:
        return self.context.eval(code)

    async def settled(self, code: str) -> Any:
        return await self.context.eval(code)

    def row_call_timeout(self) -> Timed:
        return Timed("f(5, 7, timeout_sec=10)", {"f": self.function(ADD)})

    def row_call_context_timeout(self) -> Timed:
        context = MiniRacer(timeout_sec=10)
        return Timed("f(5, 7)", {"f": self.function_in(context, ADD), "kept": context})

    def row_eval_timeout(self) -> Timed:
        return Timed("run('1+1', timeout_sec=10)", {"run": self.context.eval})

    def row_records_out(self) -> list[Timed]:
        handle = self.eval(RECORDS)
        self.eval(f"var rows = {RECORDS}; 1")
        run = self.context.execute
        return [
            Timed("handle.copy()", {"handle": handle}, check=lambda: handle.copy() == records()),
            Timed("run('rows')", {"run": run}, check=lambda: run("rows") == records()),
        ]

    def row_records_copy(self) -> Timed:
        return self.row_records_out()[0]

    def row_records_argument(self) -> Timed:
        return self.as_argument()

    def row_records_in(self) -> list[Timed]:
        return [self.as_argument(), self.through_json_in()]

    def row_floats(self) -> Timed:
        return self._typed_array(FLOATS)

    def row_floats_100mb(self) -> Timed:
        return self._typed_array(ROWS_100_MB)

    def _typed_array(self, length: int) -> Timed:
        f, run = self.floats(length), self.context.eval

        def check() -> bool:
            view = f()
            run("floats[8] = 2.5")
            return len(view) == length and view[7] == 1.5 and view[8] == 2.5

        return Timed("f()", {"f": f}, check=check)

    def row_buffer_in(self) -> Timed:
        view = self.context.buffer("d", ROWS_100_MB)
        view[7] = 1.5
        f = self.function("(function (a) { return a[7] + a.length; })")
        return Timed("f(view)", {"f": f, "view": view}, check=lambda: math.isclose(f(view), ROWS_100_MB + 1.5))

    def row_buffer_out(self) -> Timed:
        view = self.context.buffer("d", ROWS_100_MB)
        self.context.globals["shared"] = view
        run = self.context.eval

        def check() -> bool:
            back = run("shared[9] = 3.5; shared")
            return view[9] == 3.5 and back[9] == 3.5 and len(back) == ROWS_100_MB

        return Timed("run('shared')", {"run": run}, check=check)

    def realm(self) -> Any:
        return self.context.new_realm()

    def drop_realm(self, realm: Any) -> None:
        realm.close()

    def row_babel_process_cache(self) -> Timed:
        code = self.babel()
        self.load_babel(code)
        return self.loading(lambda: self.load_babel(code))

    def row_babel_code_cache(self) -> Timed:
        code = self.babel()
        script = self.context.compile(code)
        script.run()
        cache = script.cache  # after it ran: with the functions that this compiled

        def load() -> MiniRacer:
            context = MiniRacer()
            compiled = context.compile(code, cache=cache)
            if compiled.cache_rejected:
                raise RuntimeError("the code cache was refused")
            compiled.run()
            return context

        return self.loading(load)

    def row_babel_snapshot(self) -> Timed:
        kind: Any = getattr(py_mini_racer, "Snapshot", None)
        if kind is None:
            raise Cannot("no snapshots")
        snapshot = kind.create(self.babel())
        open_with: Any = MiniRacer
        return self.loading(lambda: open_with(snapshot=snapshot))

    def row_transform_single(self) -> Timed:
        py_mini_racer.init_mini_racer(flags=("--single-threaded",))
        return self.row_transform()

    def row_pool(self) -> Timed:
        kind: Any = getattr(py_mini_racer, "MiniRacerPool", None)
        if kind is None:
            raise Cannot("no pool")
        pool, numbers = kind(size=1, init="var ready = 1"), itertools.count()

        def turn() -> None:
            with pool.checkout() as context:
                if context.eval(f"ready + {next(numbers) * 0}") != 1:
                    raise RuntimeError("a context of the pool was not set up")

        turn()
        return Timed("turn()", {"turn": turn})


ADAPTER = Ours
