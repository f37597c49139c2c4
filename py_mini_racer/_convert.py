"""What becomes of Python's types in JavaScript, beyond scalars, lists and dicts; the registry of the user's own types. Any thread."""

from __future__ import annotations

import sys

from py_mini_racer import _dll
from py_mini_racer._exc import JSConversionException, JSValueError
from py_mini_racer._types import JSDate, JSError, JSObject, JSUndefined, PyProxy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from py_mini_racer._context import Context


class Unconvertible(Exception):
    """There is nothing in JavaScript for a value. It never leaves the codec, which adds the path."""


# What `simplify` answers beside plain values. Types of their own, so that the codec finds its way by type.


class Handle(int):
    """The id of an object in JavaScript, and what keeps it valid."""

    held: object = None


def _held(number: int, held: object) -> Handle:
    made = Handle(number)
    made.held = held
    return made


class Date(float):
    """Milliseconds since 1970-01-01T00:00Z."""


class HostFunction(tuple):  # type: ignore[type-arg]
    """The id, the name and the number of arguments of a Python function."""

    __slots__ = ()


class HostObject(tuple):  # type: ignore[type-arg]
    """The id and the flags (MR_HOST_*) of a Python object that JavaScript asks about itself."""

    __slots__ = ()


class Bytes(tuple):  # type: ignore[type-arg]
    """The element (MR_ELEMENT_*) and a contiguous memoryview of a typed array's content."""

    __slots__ = ()


class Converters:
    """The types that a user has registered with one MiniRacer.

    Attributes:
        to_js: a Python type, and what makes something of its instances that JavaScript has.
        from_js: the name of a JavaScript class, and what makes a Python object of the dict of an instance's properties.
    """

    def __init__(self) -> None:
        self.to_js: dict[type, Callable[[Any], object]] = {}
        self.from_js: dict[str, Callable[[dict[str, Any]], object]] = {}

    def register(
        self,
        kind: Any,
        *,
        to_js: Callable[[Any], object] | None = None,
        js_class: str | None = None,
        from_js: Callable[[dict[str, Any]], object] | None = None,
    ) -> None:
        """See MiniRacer.register_type."""
        if not isinstance(kind, type):
            msg = f"register_type() takes a type, not {kind!r}"
            raise TypeError(msg)
        if (js_class is None) != (from_js is None):
            msg = f"register_type({kind.__name__}): js_class= and from_js= go together: instances of which class become what"
            raise JSValueError(msg)
        if to_js is None and from_js is None:
            msg = f"register_type({kind.__name__}) needs to_js=, or js_class= and from_js="
            raise JSValueError(msg)
        if kind in _TAKEN or issubclass(kind, JSObject):
            msg = f"register_type(): {kind.__name__} has its place in JavaScript already; derive a type from it and register that one"
            raise JSValueError(msg)
        if to_js is not None:
            self.to_js[kind] = to_js
        if js_class is not None and from_js is not None:
            self.from_js[js_class] = from_js


_TAKEN = {
    type(None),
    type(JSUndefined),
    bool,
    int,
    float,
    str,
    list,
    tuple,
    dict,
    set,
    frozenset,
    JSError,
    JSDate,
    object,
}


def copy_flags(maps: str, converters: Converters) -> int:
    """The flags (MR_COPY, ...) of a call whose result is to come whole.

    Raises:
        JSValueError: `maps` is neither "dict" nor "pairs".
    """
    if maps not in ("dict", "pairs"):
        msg = f'maps must be "dict" (a Map as a dict, a Set as a set) or "pairs" (as lists), not {maps!r}'
        raise JSValueError(msg)
    return _dll.COPY | (maps == "pairs" and _dll.MAPS_AS_PAIRS) | (bool(converters.from_js) and _dll.CLASS_NAMES)


def type_name(value: object) -> str:
    """Module and name of its type, as error texts say it."""
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def path(keys: Sequence[object], root: str = "$") -> str:
    """The place in a value as people write it. Of a very long one, both ends."""
    steps = []
    for key in keys if len(keys) <= 24 else [*keys[:12], ..., *keys[-8:]]:
        if key is ...:
            steps.append(" ... ")
        elif isinstance(key, str):
            shown = key if len(key) <= 60 else f"{key[:60]}..."
            steps.append(f".{shown}" if shown.isidentifier() else f"[{shown!r}]")
        else:
            steps.append(f"[{key!r}]")
    return root + "".join(steps)


def handle_of(value: JSObject, context: Context) -> int:
    """The id of an object of this context.

    Raises:
        JSValueError: it is another context's.
    """
    if value._context is not context:  # type: ignore[attr-defined]
        msg = "a JavaScript object of one MiniRacer cannot be used in another: each has a heap of its own; pass obj.copy()"
        raise JSValueError(msg)
    handle: int = value._wire_handle  # type: ignore[attr-defined]
    return handle


def key_text(key: object) -> str | None:
    """A str as it is, an int in decimal; None for what is neither."""
    if isinstance(key, str):
        return str.__str__(key)
    return int.__repr__(key) if isinstance(key, int) and not isinstance(key, bool) else None


def with_text_keys(entries: list[tuple[Any, Any]]) -> list[tuple[str, Any]]:
    """The entries of a dict that has ints among its keys.

    Raises:
        Unconvertible: there is another key, or two become one.
    """
    made: dict[str, Any] = {}
    for key, value in entries:
        text = key_text(key)
        if text is None:
            msg = f"a dict with the key {_shown(key)} cannot become a JavaScript object: its keys must be str, or int, which becomes decimal text"
            raise Unconvertible(msg)
        if text in made:
            msg = f"a dict with the key {text!r} twice, once as text and once not, cannot become a JavaScript object"
            raise Unconvertible(msg)
        made[text] = value
    return list(made.items())


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 (a repr may raise anything, and the error to tell is another one)
        text = "(its repr fails)"
    return f"{text if len(text) <= 60 else text[:60] + '...'} ({type_name(value)})"


def error_fields(value: JSError) -> list[tuple[str, object]]:
    """What an error's message consists of."""
    from py_mini_racer._wire import HOLE_VALUE

    stack = JSUndefined if value.stack is None else value.stack
    cause = HOLE_VALUE if value.cause is JSUndefined else value.cause
    return [("name", value.name), ("message", value.message), ("stack", stack), ("cause", cause)]


def simplify(value: Any, context: Context) -> Any:
    """Something plain in place of a value that is not: a scalar, list, tuple, dict, set, frozenset, or one of the types above.

    Raises:
        Unconvertible: there is nothing.
        JSConversionException: a registered converter raised.
        JSValueError: it is an object of another context.
    """
    for _ in range(100):
        value = _step(value, context)
        if type(value) in _DONE:
            return value
    msg = f"{type_name(value)}: its converter to_js returns something that needs a converter again, without end"
    raise Unconvertible(msg)


_DONE = {*_TAKEN, Handle, Date, HostFunction, HostObject, Bytes} - {object}


def _step(value: Any, context: Context) -> object:
    kind = type(value)
    if isinstance(value, JSObject):
        return _held(handle_of(value, context), value)
    if kind is PyProxy:
        from py_mini_racer._proxy import host_object

        return HostObject(host_object(value, context))
    to_js = context.converters.to_js
    if to_js:
        for base in kind.__mro__:
            converter = to_js.get(base)
            if converter:
                return _converted(value, converter)
    if kind not in (bytes, bytearray, memoryview):
        loaded = sys.modules.get
        enum = loaded("enum")
        if enum and isinstance(value, enum.Enum):
            return value.value
        for base, plain in _SUBCLASSES:
            if isinstance(value, base):
                return plain(value)
        dates = loaded("datetime")
        if dates and isinstance(value, dates.date):
            return Date(milliseconds(value, dates))
        if hasattr(kind, "__dataclass_fields__"):
            return {field.name: getattr(value, field.name) for field in sys.modules["dataclasses"].fields(value)}
    try:
        view = memoryview(value)
    except (TypeError, BufferError):
        if callable(value):
            return HostFunction(context.function_id(value))
        if hasattr(kind, "__next__") or hasattr(kind, "__aiter__"):
            from py_mini_racer._iterators import host_iterator

            return HostObject(host_iterator(value, context))
        msg = f"{type_name(value)} cannot be converted to a JavaScript value: convert it first, or say how with register_type()"
        raise Unconvertible(msg) from None
    except ValueError as problem:  # a released memoryview
        msg = f"{type_name(value)} cannot be converted to a JavaScript value: {problem}"
        raise Unconvertible(msg) from None
    return _memory(value, view, context)


def _converted(value: object, converter: Callable[[Any], object]) -> object:
    try:
        return converter(value)
    except Exception as problem:
        msg = f"the converter to_js of {type_name(value)} raised {problem!r}"
        raise JSConversionException(msg) from problem


_SUBCLASSES: tuple[tuple[type, Callable[[Any], object]], ...] = (
    (str, str.__str__),
    (JSDate, JSDate),
    (float, float.__float__),
    (int, int.__int__),
    (dict, lambda value: dict(value.items())),
    (list, list),
    (tuple, tuple),
    (set, set),
    (frozenset, frozenset),
)


def milliseconds(value: Any, dates: Any) -> float:
    """The moment of a datetime, cut to milliseconds. A naive one is local time, as in Python; a date is its midnight in UTC, as in JavaScript."""
    if isinstance(value, dates.datetime):
        moment = value if value.tzinfo else value.astimezone()
    else:
        moment = dates.datetime(value.year, value.month, value.day, tzinfo=dates.timezone.utc)
    passed = moment - dates.datetime(1970, 1, 1, tzinfo=dates.timezone.utc)
    return passed // dates.timedelta(milliseconds=1)  # type: ignore[no-any-return]


def _memory(value: Any, view: memoryview, context: Context) -> object:
    """JavaScript's own memory as the object that it is; other memory as a typed array of it; what has no dimensions (numpy.int64(5)) as a number."""
    from py_mini_racer._buffers import element_of, own_handle

    if view.ndim == 0:
        try:
            return value.item() if hasattr(value, "item") else view[()]
        except NotImplementedError as problem:  # a ctypes.Structure
            msg = f"{type_name(value)} cannot be converted to a JavaScript value ({problem}): convert it first, or say how with register_type()"
            raise Unconvertible(msg) from None
    handle = own_handle(value, view, context)
    if handle:
        return _held(handle, view)
    element = element_of(view)
    if element is None:
        msg = f"{type_name(value)} with elements of format {view.format!r} has no typed array in JavaScript: convert it first"
        raise Unconvertible(msg)
    if not view.c_contiguous:
        view = memoryview(view.tobytes())
    return Bytes((element, view))
