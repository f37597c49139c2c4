"""What the types of `_types.py` do: each object is a handle in a context. Any thread; an object keeps its context alive."""

from __future__ import annotations

from ctypes import c_uint64
from operator import index as as_index
from weakref import ref

from py_mini_racer import _wire
from py_mini_racer._context import make_options
from py_mini_racer._exc import JSArrayIndexError, JSKeyError
from py_mini_racer._types import (
    JSArray,
    JSFunction,
    JSMappedObject,
    JSObject,
    JSPromise,
    JSSymbol,
    JSUndefined,
    JSUndefinedType,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from py_mini_racer._context import Context


class JSObjectImpl(JSObject):
    """A handle with its context. Dropped, it gives its references back."""

    def __init__(self, context: Context, handle: int) -> None:
        self._context = context
        self._wire_handle = handle
        self._references = 1

    def __hash__(self) -> int:
        return hash(self._wire_handle)

    def __del__(self) -> None:
        count = self._references
        self._context.release((c_uint64 * count)(*[self._wire_handle] * count))


class JSMappedObjectImpl(JSObjectImpl, JSMappedObject):
    """Properties as items."""

    __hash__ = JSObjectImpl.__hash__

    def __getitem__(self, key: Any) -> Any:
        context, message = self._context, _wire.encode(key, self._context)
        value = context.run(context.get, self._wire_handle, message, len(message), None)
        if value is _wire.HOLE_VALUE:
            msg = "No such key found in object"
            raise JSKeyError(msg)
        return value

    def __setitem__(self, key: Any, value: Any) -> None:
        self._context.on("mr_set", self._wire_handle, _wire.encode_array((key, value), self._context))

    def __delitem__(self, key: Any) -> None:
        message = _wire.encode(key, self._context)
        if not self._context.on("mr_has", self._wire_handle, message):
            msg = "No such key found in object"
            raise JSKeyError(msg)
        self._context.on("mr_delete", self._wire_handle, message)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._keys())

    def __len__(self) -> int:
        return len(self._keys())

    def _keys(self) -> list[Any]:
        keys: list[Any] = self._context.on("mr_keys", self._wire_handle)
        return keys


class JSArrayImpl(JSObjectImpl, JSArray):
    """Elements by index."""

    def __len__(self) -> int:
        return int(self._context.on("mr_get", self._wire_handle, _LENGTH))

    def __getitem__(self, index: Any) -> Any:
        number = self._index(index)
        if number < 0:
            number += len(self)
        value = self._get(number)
        if value is not _wire.HOLE_VALUE and number >= 0:
            return value
        if 0 <= number < len(self):
            return JSUndefined  # a gap
        raise IndexError

    def __setitem__(self, index: Any, value: Any) -> None:
        self._context.on("mr_set", self._wire_handle, _wire.encode_array((self._index(index), value), self._context))

    def __delitem__(self, index: Any) -> None:
        number, length = self._index(index), len(self)
        if not -length <= number < length:
            raise JSArrayIndexError
        self._method("splice", number, 1)

    def __iter__(self) -> Iterator[Any]:
        for number in range(len(self)):
            value = self._get(number)
            yield JSUndefined if value is _wire.HOLE_VALUE else value

    def insert(self, index: int, value: Any) -> None:
        """Puts the value before the element at `index`."""
        self._method("splice", self._index(index), 0, value)

    def append(self, value: Any) -> None:
        """Puts the value behind the last element."""
        self._method("push", value)

    def _method(self, name: str, *arguments: Any) -> Any:
        message = _wire.encode_array((name, *arguments), self._context)
        return self._context.on("mr_call_method", self._wire_handle, message)

    def _get(self, number: int) -> Any:
        """The element; HOLE_VALUE where there is none."""
        context, message = self._context, _wire.encode(number, self._context)
        return context.run(context.get, self._wire_handle, message, len(message), None)

    @staticmethod
    def _index(index: Any) -> int:
        if not isinstance(index, int):
            msg = f"the index of a JavaScript array is an int, not {type(index).__name__}"
            raise TypeError(msg)
        return as_index(index)


_LENGTH = _wire.encode("length", None)


class JSFunctionImpl(JSMappedObjectImpl, JSFunction):
    """A function: call it."""

    def __call__(
        self, *args: Any, this: JSObject | JSUndefinedType = JSUndefined, timeout_sec: float | None = None
    ) -> Any:
        """Calls the function.

        Args:
            args: its arguments.
            this: what `this` is in it.
            timeout_sec: seconds after which it is stopped.

        Raises:
            JSEvalException: it threw; JSTimeoutException, JSOOMException: it was stopped.
            JSConversionException: an argument has no counterpart in JavaScript.
        """
        context = self._context
        message = _wire.encode_array((this, *args), context)
        options = None if timeout_sec is None else make_options(timeout_sec=timeout_sec)
        return context.run(context.call, self._wire_handle, message, len(message), options)


class JSSymbolImpl(JSMappedObjectImpl, JSSymbol):
    """A symbol, which is a key as well."""


class JSPromiseImpl(JSObjectImpl, JSPromise):
    """A promise."""


_CLASSES: dict[int, type[JSObjectImpl]] = {
    _wire.ARRAY_KIND: JSArrayImpl,
    _wire.FUNCTION_KIND: JSFunctionImpl,
    _wire.SYMBOL_KIND: JSSymbolImpl,
    _wire.PROMISE_KIND: JSPromiseImpl,
}


def wrap(context: Context, objects: dict[int, Any], kind: int, handle: int) -> JSObjectImpl:
    """The object of a handle that has come with one more reference: the one that is alive, else a new one."""
    known = objects.get(handle)
    alive: JSObjectImpl | None = known() if known else None
    if alive is not None:
        alive._references += 1
        return alive
    made = _CLASSES.get(kind, JSMappedObjectImpl)(context, handle)

    def forget(gone: Any) -> None:
        if objects.get(handle) is gone:
            del objects[handle]

    objects[handle] = ref(made, forget)
    return made
