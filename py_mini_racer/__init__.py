"""V8 inside Python: `MiniRacer().eval("...")`."""

from __future__ import annotations

from py_mini_racer._dll import DEFAULT_V8_FLAGS, init_mini_racer
from py_mini_racer._exc import (
    JSArrayIndexError,
    JSClosedException,
    JSConversionException,
    JSEvalException,
    JSKeyError,
    JSOOMException,
    JSParseException,
    JSPromiseError,
    JSTerminatedException,
    JSTimeoutException,
    JSValueError,
    LibAlreadyInitializedError,
    LibIncompatibleError,
    LibNotFoundError,
    MiniRacerBaseException,
    WrongReturnTypeException,
)
from py_mini_racer._mini_racer import MiniRacer, StrictMiniRacer
from py_mini_racer._types import (
    JSArray,
    JSDate,
    JSError,
    JSFunction,
    JSMappedObject,
    JSObject,
    JSPromise,
    JSSymbol,
    JSUndefined,
    JSUndefinedType,
)
from py_mini_racer._version import __version__

__all__ = [
    "DEFAULT_V8_FLAGS",
    "JSArray",
    "JSArrayIndexError",
    "JSClosedException",
    "JSConversionException",
    "JSDate",
    "JSError",
    "JSEvalException",
    "JSFunction",
    "JSKeyError",
    "JSMappedObject",
    "JSOOMException",
    "JSObject",
    "JSParseException",
    "JSPromise",
    "JSPromiseError",
    "JSSymbol",
    "JSTerminatedException",
    "JSTimeoutException",
    "JSUndefined",
    "JSUndefinedType",
    "JSValueError",
    "LibAlreadyInitializedError",
    "LibIncompatibleError",
    "LibNotFoundError",
    "MiniRacer",
    "MiniRacerBaseException",
    "StrictMiniRacer",
    "WrongReturnTypeException",
    "__version__",
    "init_mini_racer",
]
