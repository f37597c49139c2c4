"""What the types of `_types.py` do: each object is a handle in a context. Any thread; an object keeps its context alive."""

from __future__ import annotations

from ctypes import c_uint64
from itertools import count
from operator import index as as_index
from weakref import ref

from py_mini_racer import _wire
from py_mini_racer._context import make_options
from py_mini_racer._convert import copy_flags
from py_mini_racer._dll import DO_CALL
from py_mini_racer._exc import JSArrayIndexError, JSKeyError
from py_mini_racer._lane import Function, Handle, Mapped, offers
from py_mini_racer._types import (
    CancelableJSFunction,
    JSArray,
    JSFunction,
    JSMappedObject,
    JSModule,
    JSObject,
    JSSymbol,
    JSUndefined,
    JSUndefinedType,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Iterator
    from typing import Any, NoReturn

    from py_mini_racer._context import Context
    from py_mini_racer._dll import Options

_PREVIEW_LENGTH = 200
_PREVIEW_SEC = 0.2  # what a repr may wait for JavaScript that runs on another thread


def copy_options(
    context: Context,
    max_depth: int | None,
    max_bytes: int | None,
    maps: str,
    timeout_sec: float | None,
    cpu_time_sec: float | None = None,
    max_memory: int | None = None,
    max_stack: int | None = None,
) -> Options:
    """The options of a call whose result is to come whole."""
    flags = copy_flags(maps, context.converters)
    return make_options(
        flags=flags,
        max_depth=max_depth,
        max_bytes=max_bytes,
        timeout_sec=timeout_sec,
        cpu_time_sec=cpu_time_sec,
        max_stack=max_stack,
        max_memory=context.max_memory if max_memory is None else max_memory,
    )


def _limited(
    context: Context,
    timeout_sec: float | None,
    cpu_time_sec: float | None,
    max_memory: int | None,
    max_stack: int | None,
) -> Options | None:
    """The options of a call that may have limits of its own; None: the context's."""
    if timeout_sec is None and cpu_time_sec is None and max_memory is None and max_stack is None:
        return None
    return make_options(
        timeout_sec=timeout_sec,
        cpu_time_sec=cpu_time_sec,
        max_stack=max_stack,
        max_memory=context.max_memory if max_memory is None else max_memory,
    )


class JSObjectImpl(Handle, JSObject):
    """A handle with its context. `wrap` makes them, and gives their references back."""

    _wire_kind: int

    def __init__(self, context: Context, handle: int) -> None:
        self._context = context
        self._crossing = context.crossing
        self._wire_handle = handle

    def __hash__(self) -> int:
        return hash(self._wire_handle)

    def __repr__(self) -> str:
        try:
            text = self._context.on("mr_preview", self._wire_handle, options=make_options(timeout_sec=_PREVIEW_SEC))
        except Exception as problem:  # noqa: BLE001 (a repr always answers)
            text = f"({problem})"
        short = text if len(text) <= _PREVIEW_LENGTH else f"{text[:_PREVIEW_LENGTH]}..."
        return f"<{type(self).__name__.removesuffix('Impl')} {short}>"

    def copy(
        self,
        *,
        max_depth: int | None = None,
        max_bytes: int | None = None,
        maps: str = "dict",
        timeout_sec: float | None = None,
        cpu_time_sec: float | None = None,
        max_stack: int | None = None,
        max_memory: int | None = None,
    ) -> Any:
        """The whole value in Python: see `JSObject.copy`."""
        options = copy_options(
            self._context, max_depth, max_bytes, maps, timeout_sec, cpu_time_sec, max_memory, max_stack
        )
        return self._context.on("mr_read", self._wire_handle, options=options)

    def iterate(self, *, timeout_sec: float | None = None) -> Generator[Any, None, None]:
        """The values that a loop meets: see `JSObject.iterate`."""
        from py_mini_racer._iterators import iterate

        return iterate(self, timeout_sec)

    def __aiter__(self) -> AsyncGenerator[Any, None]:
        from py_mini_racer._iterators import iterate_async

        return iterate_async(self)

    def call_method(
        self,
        name: str | JSSymbol,
        *args: Any,
        timeout_sec: float | None = None,
        cpu_time_sec: float | None = None,
        max_stack: int | None = None,
        max_memory: int | None = None,
    ) -> Any:
        """Calls a method of the object: see `JSObject.call_method`."""
        message = _wire.encode_array((name, *args), self._context, 1)
        options = _limited(self._context, timeout_sec, cpu_time_sec, max_memory, max_stack)
        return self._context.on("mr_call_method", self._wire_handle, message, options)


class JSMappedObjectImpl(Mapped, JSObjectImpl, JSMappedObject):
    """Properties as items. In the fast lane the library does what is frequent, and comes here with the rest."""

    __hash__ = JSObjectImpl.__hash__

    def _get_slowly(self, key: Any) -> Any:
        context = self._context
        message, _ = _wire.encode(_wire.property_key(key), context)
        value = context.run(context.get, self._wire_handle, message, len(message), context.options)
        if value is _wire.HOLE_VALUE:
            self._missing(key)
        return value

    def _set_slowly(self, key: Any, value: Any) -> None:
        message = _wire.encode_array((_wire.property_key(key), value), self._context, 1)
        self._context.on("mr_set", self._wire_handle, message)

    def _delete_slowly(self, key: Any) -> None:
        message = _wire.encode(_wire.property_key(key), self._context)
        if not self._context.on("mr_has", self._wire_handle, message):
            self._missing(key)
        self._context.on("mr_delete", self._wire_handle, message)

    def _missing(self, key: Any) -> NoReturn:  # noqa: ARG002 (mini-racer's text does not name it)
        msg = "No such key found in object"
        raise JSKeyError(msg)

    if offers is None:
        __getitem__, __setitem__, __delitem__ = _get_slowly, _set_slowly, _delete_slowly

    def __iter__(self) -> Iterator[Any]:
        return iter(self._keys())

    def __len__(self) -> int:
        return len(self._keys())

    def _keys(self) -> list[Any]:
        keys: list[Any] = self._context.on("mr_keys", self._wire_handle)
        return keys


class JSArrayImpl(Mapped, JSObjectImpl, JSArray):
    """Elements by index. In the fast lane the library gets them."""

    __hash__ = JSObjectImpl.__hash__

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
        message = _wire.encode_array((self._index(index), value), self._context, 1)
        self._context.on("mr_set", self._wire_handle, message)

    def __delitem__(self, index: Any) -> None:
        number, length = self._index(index), len(self)
        if not -length <= number < length:
            raise JSArrayIndexError
        self.call_method("splice", number, 1)

    def __iter__(self) -> Iterator[Any]:
        return _elements(self)

    def insert(self, index: int, value: Any) -> None:
        """Puts the value before the element at `index`."""
        message = _wire.encode_array(("splice", self._index(index), 0, value), self._context, 3)
        self._context.on("mr_call_method", self._wire_handle, message)

    def append(self, value: Any) -> None:
        """Puts the value behind the last element."""
        self.call_method("push", value)

    def _get_slowly(self, number: int) -> Any:
        """The element; HOLE_VALUE where there is none."""
        context = self._context
        message, _ = _wire.encode(_wire.property_key(number), context)
        return context.run(context.get, self._wire_handle, message, len(message), context.options)

    def _missing(self, number: int) -> Any:  # noqa: ARG002
        """What the library answers with where there is no element."""
        return _wire.HOLE_VALUE

    _get: Any = getattr(Mapped, "__getitem__", _get_slowly)  # the ctypes lane's Mapped has nothing

    @staticmethod
    def _index(index: Any) -> int:
        if not isinstance(index, int):
            msg = f"the index of a JavaScript array is an int, not {type(index).__name__}"
            raise TypeError(msg)
        return as_index(index)


_LENGTH = (b"s\6\0\0\0length", None)


def _elements_slowly(array: JSArrayImpl) -> Iterator[Any]:
    """The elements, read ahead: what was read is only used while JavaScript has not run since."""
    context, number, most = array._context, 0, 8
    while True:
        before = context.changes()
        some = context.on("mr_elements", array._wire_handle, _wire.encode_array((number, most), context))
        if not some:
            return
        for value in some:
            number += 1
            yield value
            if context.changes() != before + 1:  # the loop does something in the context, and may do so each time
                most = 1
                break
        else:
            most = min(4 * most, 512)


_elements: Callable[[Any], Iterator[Any]] = _elements_slowly if offers is None else offers["elements"]


class JSFunctionImpl(Function, JSMappedObjectImpl, JSFunction):
    """A function: call it. In the fast lane the library makes the call when there are no keywords."""

    def _call_slowly(
        self,
        *args: Any,
        this: JSObject | JSUndefinedType = JSUndefined,
        timeout_sec: float | None = None,
        copy: bool = False,
        max_depth: int | None = None,
        max_bytes: int | None = None,
        maps: str = "dict",
        cpu_time_sec: float | None = None,
        max_stack: int | None = None,
        max_memory: int | None = None,
    ) -> Any:
        """Calls the function: see `JSFunction`."""
        context = self._context
        options = (
            copy_options(context, max_depth, max_bytes, maps, timeout_sec, cpu_time_sec, max_memory, max_stack)
            if copy
            else _limited(context, timeout_sec, cpu_time_sec, max_memory, max_stack)
        )
        message, buffers = _wire.encode_array((this, *args), context, 1)
        if buffers:
            return context.on("mr_call", self._wire_handle, (message, buffers), options)
        return context.run(context.call, self._wire_handle, message, len(message), options or context.options)

    if offers is None:
        __call__ = _call_slowly

    async def call_async(
        self,
        *args: Any,
        this: JSObject | JSUndefinedType = JSUndefined,
        timeout_sec: float | None = None,
        copy: bool = False,
        max_depth: int | None = None,
        max_bytes: int | None = None,
        maps: str = "dict",
        cpu_time_sec: float | None = None,
        max_stack: int | None = None,
        max_memory: int | None = None,
    ) -> Any:
        """Calls the function, to be awaited: see `JSFunction.call_async`."""
        from py_mini_racer._async import flattened

        context = self._context

        def make() -> Options:
            if copy:
                return copy_options(
                    context, max_depth, max_bytes, maps, timeout_sec, cpu_time_sec, max_memory, max_stack
                )
            return _limited(context, timeout_sec, cpu_time_sec, max_memory, max_stack) or make_options(
                max_memory=context.max_memory
            )

        def submit(options: Options) -> None:
            context.submit(DO_CALL, self._wire_handle, _wire.encode_array((this, *args), context, 1), options)

        return await flattened(context, make, submit, timeout_sec)

    def new(
        self,
        *args: Any,
        timeout_sec: float | None = None,
        cpu_time_sec: float | None = None,
        max_stack: int | None = None,
        max_memory: int | None = None,
    ) -> Any:
        """Calls the function as a constructor: see `JSFunction.new`."""
        options = _limited(self._context, timeout_sec, cpu_time_sec, max_memory, max_stack)
        message = _wire.encode_array(args, self._context)
        return self._context.on("mr_construct", self._wire_handle, message, options)

    def cancelable(self) -> CancelableJSFunction:
        """The function, to be awaited: see `JSFunction.cancelable`."""
        from py_mini_racer._promises import CancelableJSFunctionImpl

        return CancelableJSFunctionImpl(self)


class JSSymbolImpl(JSMappedObjectImpl, JSSymbol):
    """A symbol, which is a key as well."""


class JSModuleImpl(JSMappedObjectImpl, JSModule):
    """A module's namespace: exports as attributes, too."""

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("__"):
            try:
                return self[name]
            except JSKeyError:
                pass
        msg = f"the module exports no {name!r}"
        raise AttributeError(msg)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *map(str, self)})


_CLASSES: dict[int, type[JSObjectImpl]] = {
    _wire.ARRAY_KIND: JSArrayImpl,
    _wire.FUNCTION_KIND: JSFunctionImpl,
    _wire.SYMBOL_KIND: JSSymbolImpl,
    _wire.MODULE_KIND: JSModuleImpl,
}


def _class_of(kind: int) -> type[JSObjectImpl]:
    if kind == _wire.SCRIPT_KIND:
        from py_mini_racer._scripts import JSScriptImpl

        return JSScriptImpl
    if kind == _wire.PROMISE_KIND:
        from py_mini_racer._promises import JSPromiseImpl

        return JSPromiseImpl
    return _CLASSES.get(kind, JSMappedObjectImpl)


class _Tie(ref):  # type: ignore[type-arg]
    """A weak reference to the Python object of a handle. When that is gone, for good, the references of the handle are given back. A `__del__` would do it
    while another thread can still bring the object back through the weak reference.
    """

    __slots__ = ("context", "handle", "references")
    context: Context
    handle: int
    references: Iterator[int]


def _gone(tie: _Tie) -> None:
    objects, handle = tie.context._objects, tie.handle
    if objects.get(handle) is tie:
        objects.pop(handle, None)
    number = next(tie.references)
    tie.context.release((c_uint64 * number)(*[handle] * number))


def wrap(context: Context, objects: dict[int, Any], kind: int, handle: int) -> JSObjectImpl:
    """The object of a handle that has come with one more reference: the one that is alive, else a new one."""
    known: Any = objects.get(handle)
    alive: JSObjectImpl | None = known() if known else None
    if alive is None:
        made = _class_of(kind)(context, handle)
        made._wire_kind = kind
        tie = _Tie(made, _gone)
        tie.context, tie.handle = context, handle
        tie.references = count(1)  # its next() is one step, whatever other threads do
        known = objects.setdefault(handle, tie)
        if known is tie:
            return made
        alive = known()
        if alive is None:  # it goes at this moment, on another thread
            objects[handle] = tie
            return made
        del tie  # before `made`, whose end is then nobody's business: another thread was faster
    next(known.references)
    return alive
