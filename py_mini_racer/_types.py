"""The public types that stand for JavaScript's. `_objects.py` holds what they do."""

from __future__ import annotations

from collections.abc import MutableMapping, MutableSequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator
    from datetime import datetime
    from typing import Any, TypeAlias


class JSUndefinedType:
    """The type of `JSUndefined`, JavaScript's `undefined`. `null` is `None`."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "JSUndefined"


JSUndefined = JSUndefinedType()


class JSObject:
    """A JavaScript object, alive in its context."""


class JSMappedObject(MutableMapping, JSObject):  # type: ignore[type-arg]
    """An object as a mapping of its properties, those of its prototypes included, as a for-in loop sees them."""


class JSArray(MutableSequence, JSObject):  # type: ignore[type-arg]
    """An array as a sequence."""


class JSFunction(JSMappedObject):
    """A function: call it."""

    def __call__(
        self, *args: Any, this: JSObject | JSUndefinedType = JSUndefined, timeout_sec: float | None = None
    ) -> Any:
        """Calls the function with `args`, and `this` as its `this`, for at most `timeout_sec` seconds."""
        raise NotImplementedError


class JSSymbol(JSMappedObject):
    """A symbol."""


class JSPromise(JSObject):
    """A promise."""


if TYPE_CHECKING:
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
