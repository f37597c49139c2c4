"""The aliases of mini-racer for type checkers. Imported on first use, as they need datetime."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeAlias

from py_mini_racer._types import (
    JSArray,
    JSFunction,
    JSMappedObject,
    JSObject,
    JSPromise,
    JSSymbol,
    JSUndefinedType,
)

PythonJSConvertedTypes: TypeAlias = (
    JSUndefinedType
    | bool
    | int
    | float
    | str
    | JSObject
    | datetime
    | memoryview
    | JSPromise
    | JSFunction
    | JSMappedObject
    | JSSymbol
    | JSArray
    | None
)
PyJsFunctionType: TypeAlias = Callable[..., Awaitable[PythonJSConvertedTypes]]
