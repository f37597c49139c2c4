"""V8 inside Python: `MiniRacer().eval("...")`."""

from __future__ import annotations

from py_mini_racer._dll import DEFAULT_V8_FLAGS, init_mini_racer
from py_mini_racer._exc import (
    JSArrayIndexError,
    JSBusyError,
    JSClosedException,
    JSConversionException,
    JSCPUTimeException,
    JSDeadlockError,
    JSEvalException,
    JSForkedError,
    JSImportError,
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
from py_mini_racer._mini_racer import MiniRacer, StrictMiniRacer, mini_racer
from py_mini_racer._types import (
    CancelableJSFunction,
    JSArray,
    JSDate,
    JSError,
    JSFunction,
    JSMappedObject,
    JSModule,
    JSObject,
    JSPromise,
    JSScript,
    JSSymbol,
    JSUndefined,
    JSUndefinedType,
    PyProxy,
)
from py_mini_racer._version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from py_mini_racer._aliases import PyJsFunctionType, PythonJSConvertedTypes
    from py_mini_racer._console import ConsoleMessage
    from py_mini_racer._loaders import ModuleFolder, ModuleMap, ModuleSource
    from py_mini_racer._node_modules import NodeModules
    from py_mini_racer._pool import MiniRacerPool
    from py_mini_racer._realm import JSRealm
    from py_mini_racer._snapshot import Snapshot
    from py_mini_racer._stats import Stats
    from py_mini_racer._typescript import TypeScript

__all__ = [
    "DEFAULT_V8_FLAGS",
    "CancelableJSFunction",
    "ConsoleMessage",
    "JSArray",
    "JSArrayIndexError",
    "JSBusyError",
    "JSCPUTimeException",
    "JSClosedException",
    "JSConversionException",
    "JSDate",
    "JSDeadlockError",
    "JSError",
    "JSEvalException",
    "JSForkedError",
    "JSFunction",
    "JSImportError",
    "JSKeyError",
    "JSMappedObject",
    "JSModule",
    "JSOOMException",
    "JSObject",
    "JSParseException",
    "JSPromise",
    "JSPromiseError",
    "JSRealm",
    "JSScript",
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
    "MiniRacerPool",
    "ModuleFolder",
    "ModuleMap",
    "ModuleSource",
    "NodeModules",
    "PyJsFunctionType",
    "PyProxy",
    "PythonJSConvertedTypes",
    "Snapshot",
    "Stats",
    "StrictMiniRacer",
    "TypeScript",
    "WrongReturnTypeException",
    "__version__",
    "init_mini_racer",
    "mini_racer",
]


# What most programs do not need, and where it is: imported when it is asked for.
_LATER = {
    "ConsoleMessage": "_console",
    "JSRealm": "_realm",
    "MiniRacerPool": "_pool",
    "ModuleFolder": "_loaders",
    "ModuleMap": "_loaders",
    "ModuleSource": "_loaders",
    "NodeModules": "_node_modules",
    "PyJsFunctionType": "_aliases",
    "PythonJSConvertedTypes": "_aliases",
    "Snapshot": "_snapshot",
    "Stats": "_stats",
    "TypeScript": "_typescript",
}


def __getattr__(name: str) -> object:
    """The names of `_LATER`."""
    module = _LATER.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{module}"), name)
