"""STPyV8: V8 by way of Boost.Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import STPyV8

from .base import FLOATS, Adapter, Cannot, Measured, Timed


class Isolate:
    """An isolate of its own with a context in it, which stay entered until they are closed."""

    def __init__(self) -> None:
        self.isolate = STPyV8.JSIsolate()
        self.isolate.enter()
        self.context = STPyV8.JSContext()
        self.context.enter()
        self.eval = self.context.eval

    def close(self) -> None:
        """Leaves both."""
        self.context.leave()
        self.context = self.eval = None
        self.isolate.leave()
        self.isolate = None


class Peer(Adapter):
    """stpyv8 13.1. Most rows use a context in the isolate that is there from the beginning."""

    def open(self) -> Any:
        context = STPyV8.JSContext()
        context.enter()
        return context

    def close(self, context: Any) -> None:
        context.leave()

    def bind(self, name: str, function: Callable[..., Any]) -> None:
        setattr(self.context.locals, name, function)

    def handle(self, code: str) -> Any:
        return self.context.eval(code)

    def row_context(self) -> Timed:
        def fresh() -> None:
            isolate = Isolate()
            if isolate.eval("1+1") != 2:
                raise RuntimeError("1 + 1 is not 2")
            isolate.close()

        fresh()
        return Timed("fresh()", {"fresh": fresh})

    def realm(self) -> Any:
        return self.open()

    def drop_realm(self, realm: Any) -> None:
        realm.leave()

    def row_rss_context(self) -> Any:
        return Measured(lambda: self.grown(Isolate))

    def row_threads2(self) -> Any:
        raise Cannot("contexts share one isolate, which is one thread's")

    def row_floats(self) -> Timed:
        f = self.floats(FLOATS, "Array.from(floats)")
        return Timed("[*f()]", {"f": f}, check=lambda: [*f()][7] == 1.5)


ADAPTER = Peer
