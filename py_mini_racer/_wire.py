"""The wire format of mr_wire.h in Python: from values to messages, and back. Any thread.

What is more than format (handles, host functions, registered types, memory of scripts) is asked of the context: `wrap(kind, handle)`,
`view(element, flags, store, address, size, handle)`, `function_id(callable)` and `converters`. Neither direction recurses: the depth of a value is
bounded by the library's limit, never by Python's stack.
"""

from __future__ import annotations

from math import copysign
from struct import Struct, error, pack
from sys import modules

from py_mini_racer import _convert
from py_mini_racer._exc import JSConversionException
from py_mini_racer._types import JSDate, JSError, JSObject, JSUndefined, JSUndefinedType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from py_mini_racer._context import Context

    Message = tuple[bytes, list[memoryview] | None]

UNDEFINED, NULL, TRUE, FALSE, INT32, DOUBLE, BIGINT, LATIN1, UTF16, DATE, HOLE, HANDLE = b"untfidbsSDhH"
ARRAY, INT32S, DOUBLES, OBJECT, INSTANCE, MAP, SET, ERROR, REFERENCE, BUFFER, KEY = b"aIFoOmeERvK"
TYPED_ARRAY, TYPED_ARRAY_OF, HOST_FUNCTION, HOST_ERROR, HOST_OBJECT, EXCEPTION = b"VWpYPX"

# mr_wire.h: MR_KIND_*
OBJECT_KIND, ARRAY_KIND, FUNCTION_KIND, SYMBOL_KIND, PROMISE_KIND = range(5)
MODULE_KIND, SCRIPT_KIND = 11, 12

X_PARSE, X_REJECTED = 1, 2

_HEAD = Struct("<BI")
_INT = Struct("<Bi")
_DOUBLE = Struct("<Bd")
_BIGINT = Struct("<BBI")
_ID = Struct("<BBQ")
_TYPED = Struct("<BBQ")
_TYPED_OF = Struct("<BBI")
_FUNCTION = Struct("<BQI")
_HOST_ERROR = Struct("<BQ")
_U32 = Struct("<I")
_U64 = Struct("<Q")
_I32 = Struct("<i")
_F64 = Struct("<d")
_KIND_ID = Struct("<BQ")
_SIGN_SIZE = Struct("<BI")
_PROPERTY = Struct("<BIBi")
_VIEW = Struct("<BBQQQQ")
_X_HEAD = Struct("<BBQ")

_SAFE_INTEGER = 2**53 - 1
_MAX_DEPTH = 400  # the library's own default
_INLINE = 4096  # bytes of a buffer from which on it goes beside the message


class Hole:
    """Where there is no value: a property that is missing, a gap in an array."""


HOLE_VALUE = Hole()


# --- to JavaScript: scalars ---


def _encode_int(value: int) -> bytes:
    if -0x80000000 <= value <= 0x7FFFFFFF:
        return _INT.pack(INT32, value)
    if -_SAFE_INTEGER <= value <= _SAFE_INTEGER:
        return _DOUBLE.pack(DOUBLE, value)
    magnitude = abs(value)
    size = (magnitude.bit_length() + 7) // 8
    return _BIGINT.pack(BIGINT, value < 0, size) + magnitude.to_bytes(size, "little")


def _encode_str(value: str) -> bytes:
    if value.isascii():
        return _HEAD.pack(LATIN1, len(value)) + value.encode()
    try:
        data = value.encode("latin-1")
    except UnicodeEncodeError:
        data = value.encode("utf-16-le", "surrogatepass")
        return _HEAD.pack(UTF16, len(data) // 2) + data
    return _HEAD.pack(LATIN1, len(data)) + data


def _encode_float(value: float) -> bytes:
    return _DOUBLE.pack(DOUBLE, value)


def _encode_bool(value: bool) -> bytes:  # noqa: FBT001 (it encodes one)
    return b"t" if value else b"f"


SCALARS: dict[type, Callable[[Any], bytes]] = {
    int: _encode_int,
    str: _encode_str,
    float: _encode_float,
    bool: _encode_bool,
    type(None): lambda _: b"n",
    JSUndefinedType: lambda _: b"u",
    Hole: lambda _: b"h",
    JSDate: lambda value: _DOUBLE.pack(DATE, value),
    _convert.Date: lambda value: _DOUBLE.pack(DATE, value),
    _convert.Handle: lambda value: _ID.pack(HANDLE, 0, value),
    _convert.HostFunction: lambda value: _FUNCTION.pack(HOST_FUNCTION, value[0], value[2]) + _encode_str(value[1]),
    _convert.HostObject: lambda value: _ID.pack(HOST_OBJECT, value[1], value[0]),
}


def encode(value: object, context: Context) -> Message:
    """The message of a value, for `context`, and the buffers that it refers to, if any.

    Raises:
        JSConversionException: something in it has no counterpart in JavaScript, or it is nested too deeply. The text names the place.
        JSValueError: it holds an object of another context.
    """
    encoder = SCALARS.get(type(value))
    if encoder:
        return encoder(value), None
    if isinstance(value, JSObject):
        return _Holding.made(_ID.pack(HANDLE, 0, _convert.handle_of(value, context)), [value], ()), None
    return _encode_containers((value,), context, None)


def encode_array(values: Sequence[object], context: Context, skip: int = 0) -> Message:
    """The message of an array, such as a function's `this` and arguments. Raises as `encode` does.

    Args:
        values: its elements.
        context: whose.
        skip: how many of them the user has not written: `$[0]` is the one after these in the texts of errors.
    """
    parts = [_HEAD.pack(ARRAY, len(values))]
    for value in values:
        kind = type(value)
        if kind is int and -0x80000000 <= value <= 0x7FFFFFFF:  # type: ignore[operator]
            parts.append(_INT.pack(INT32, value))
            continue
        encoder = SCALARS.get(kind)
        if encoder:
            parts.append(encoder(value))
        elif isinstance(value, JSObject):
            parts.append(_ID.pack(HANDLE, 0, _convert.handle_of(value, context)))
        else:
            return _encode_containers(values, context, skip)
    return b"".join(parts), None


def encode_rejection(reason: Message) -> Message:
    """The message of [false, reason], for mr_promise_settle."""
    data, buffers = reason
    return _Holding.made(_HEAD.pack(ARRAY, 2) + b"f" + data, getattr(data, "held", ()), numbers_in(data)), buffers


def encode_rare(value: object, context: Context) -> bytes | None:
    """The message of a scalar whose conversion runs no code of users, for the fast lane; None for anything else."""
    loaded = modules.get("datetime")
    if loaded is None or type(value) not in (loaded.datetime, loaded.date) or type(value) in context.converters.to_js:
        return None
    zone = getattr(value, "tzinfo", None)
    if zone is not None and type(zone) is not loaded.timezone:
        return None
    return _DOUBLE.pack(DATE, _convert.milliseconds(value, loaded))


def encode_host_error(number: int, name: str, text: str) -> Message:
    """The message of an Error that stands for a Python exception."""
    message = _HOST_ERROR.pack(HOST_ERROR, number) + _encode_str(name) + _encode_str(text)
    return _Holding.made(message, (), [number]), None


def property_key(key: object) -> str | int | float | JSObject:
    """The key of a property as JavaScript knows it: a string, a number, a symbol. None is "null", as in JavaScript.

    Raises:
        JSConversionException: nothing else is a key.
    """
    kind = type(key)
    if kind is str or (kind is int and -0x80000000 <= key <= 0x7FFFFFFF):  # type: ignore[operator]
        return key  # type: ignore[return-value]
    if isinstance(key, (float, JSObject)):
        return key
    text = _KEY_WORDS[key] if key is None or kind in (bool, JSUndefinedType) else _convert.key_text(key)  # type: ignore[index]
    if text is None:
        msg = f"the key of a property is a str, a number or a JSSymbol, not {_convert.type_name(key)}"
        raise JSConversionException(msg)
    return text


_KEY_WORDS = {None: "null", True: "true", False: "false", JSUndefined: "undefined"}


# --- to JavaScript: containers ---

# One container that is being written: what is left of it, whether its keys are properties, and the key of the one inside of which the writing goes on.
if TYPE_CHECKING:
    Frame = tuple[Iterator[tuple[Any, Any]], bool, Any]


def _encode_containers(values: Sequence[object], context: Context, skip: int | None) -> Message:
    """The message of the array `values`; of its one element when `skip` is None."""
    functions: list[int] = []
    try:
        return _write_containers(values, context, skip, functions)
    except BaseException:
        context.forget_functions(functions)
        raise


def _write_containers(values: Sequence[object], context: Context, skip: int | None, functions: list[int]) -> Message:
    parts: list[bytes] = []
    add = parts.append
    keys: dict[Any, bytes] = {}  # a key that has been written: the way to say it again
    numbers: dict[int, int] = {}  # id of a container: its number
    alive: list[
        object
    ] = []  # the containers by number, and what they were made of: while they live, no other object has their id
    origins: list[object] = []
    buffers: list[memoryview] = []
    handles: list[object] = []
    stack: list[Frame] = []
    items: Iterator[tuple[Any, Any]] = enumerate(values)
    of_object = False
    key: Any = None
    pack_head, pack_int, pack_double, scalar = _HEAD.pack, _INT.pack, _DOUBLE.pack, SCALARS.get
    if skip is not None:
        add(pack_head(ARRAY, len(values)))
        alive.append(values)
    try:
        while True:
            for key, value in items:
                if of_object:
                    known = keys.get(key)
                    if known:
                        add(known)
                    else:
                        keys[key] = pack_head(KEY, len(keys))
                        add(_encode_str(key))
                kind = type(value)
                if kind is str:
                    if value.isascii():
                        add(pack_head(LATIN1, len(value)))
                        add(value.encode())
                    else:
                        add(_encode_str(value))
                    continue
                if kind is int:
                    add(pack_int(INT32, value) if -0x80000000 <= value <= 0x7FFFFFFF else _encode_int(value))
                    continue
                if kind is float:
                    add(pack_double(DOUBLE, value))
                    continue
                encoder = scalar(kind)
                if encoder:
                    add(encoder(value))
                    continue
                number = numbers.get(id(value))
                if number is not None:
                    add(pack_head(REFERENCE, number))
                    continue
                origin = value
                if kind not in _CONTAINERS:
                    value = _convert.simplify(value, context)  # noqa: PLW2901
                    kind = type(value)
                    encoder = scalar(kind)
                    number = numbers.get(id(value))
                    if encoder or number is not None:
                        add(encoder(value) if encoder else pack_head(REFERENCE, number))
                        if kind is _convert.Handle:
                            handles.append(value)
                        elif kind is _convert.HostFunction or kind is _convert.HostObject:
                            functions.append(value[0])
                        continue
                    origins.append(origin)
                # What cannot change may be one object in many places by accident: bytes and the empty tuple are not shared.
                if kind is _convert.Bytes:
                    if type(origin) is not bytes:
                        numbers[id(origin)] = len(alive)
                    alive.append(value)
                    element, view = value
                    if view.nbytes < _INLINE:
                        add(_TYPED.pack(TYPED_ARRAY, element, view.nbytes))
                        add(view.tobytes())
                    else:
                        add(_TYPED_OF.pack(TYPED_ARRAY_OF, element, len(buffers)))
                        buffers.append(view)
                    continue
                if value or kind not in (tuple, frozenset):
                    numbers[id(origin)] = numbers[id(value)] = len(alive)
                alive.append(value)
                inside: Iterator[tuple[Any, Any]]
                if kind is dict:
                    # A copy is made in one step, so that a dict that changes meanwhile does no harm.
                    entries = list(value.items())
                    try:
                        "".join(value)  # the fastest way to see that every key is text
                    except TypeError:
                        entries = _convert.with_text_keys(entries)
                    add(pack_head(OBJECT, len(entries)))
                    inside = iter(entries)
                elif kind is JSError:
                    add(b"E")
                    inside = iter(_convert.error_fields(value))
                else:
                    elements = list(value)
                    block = _encode_numbers(elements) if kind in (list, tuple) else None
                    if block:
                        add(block)
                        continue
                    add(pack_head(SET if kind in (set, frozenset) else ARRAY, len(elements)))
                    inside = enumerate(elements)
                if len(stack) == _MAX_DEPTH:
                    msg = f"the value is nested deeper than {_MAX_DEPTH} levels"
                    raise _convert.Unconvertible(msg)  # noqa: TRY301 (the handler adds the path)
                stack.append((items, of_object, key))
                items, of_object = inside, kind is dict
                break
            else:
                if not stack:
                    return _Holding.made(b"".join(parts), handles, functions), buffers or None
                items, of_object, _ = stack.pop()
    except _convert.Unconvertible as reason:
        raise JSConversionException(f"{_path(stack, key, skip)}: {reason}") from reason.__cause__
    except JSConversionException as problem:
        raise JSConversionException(f"{_path(stack, key, skip)}: {problem}") from problem.__cause__
    except error:
        msg = f"{_path(stack, key, skip)}: it has more than 2**32 - 1 elements or bytes, which is more than JavaScript can hold"
        raise JSConversionException(msg) from None


class _Holding(bytes):
    """A message that keeps the objects alive whose handles are in it: the container that they came from may be gone before the message arrives.
    And the numbers of what Python holds for JavaScript, to be let go when the message does not arrive.
    """

    held: Sequence[object]
    numbers: Sequence[int]

    @classmethod
    def made(cls, message: bytes, held: Sequence[object], numbers: Sequence[int]) -> bytes:
        if not held and not numbers:
            return message
        made = cls(message)
        made.held, made.numbers = held, numbers
        return made


def numbers_in(message: object) -> Sequence[int]:
    """The numbers of the functions, objects and errors that the message brings to JavaScript."""
    return message.numbers if isinstance(message, _Holding) else ()


_CONTAINERS = {dict, list, tuple, set, frozenset, JSError}


def _encode_numbers(elements: list[Any]) -> bytes | None:
    """The message of a list that holds floats alone, or small ints alone."""
    if len(elements) < 2:
        return None
    kinds = set(map(type, elements))
    if len(kinds) > 1:
        return None
    count = len(elements)
    if float in kinds:
        return pack(f"<BI{count}d", DOUBLES, count, *elements)
    if int in kinds:
        try:
            return pack(f"<BI{count}i", INT32S, count, *elements)
        except error:  # larger ones
            return None
    return None


def _path(stack: list[Frame], key: object, skip: int | None) -> str:
    """Where the writing is, such as `$.rows[3].when`."""
    keys = [frame[2] for frame in stack] + [key]
    if skip is None:
        del keys[0]
    elif isinstance(keys[0], int):
        keys[0] -= skip
        if keys[0] < 0:
            return _convert.path(keys[1:], "this")
    return _convert.path(keys)


# --- from JavaScript ---


def date_from(milliseconds: float) -> object:
    """An aware UTC datetime; a JSDate where Python has no such date (NaN, the years before 1 and after 9999)."""
    from datetime import datetime, timedelta, timezone

    try:
        return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=milliseconds)
    except (OverflowError, ValueError):
        return JSDate(milliseconds)


_SIMPLE = {UNDEFINED, NULL, TRUE, FALSE}
CONSTANTS: dict[int, Any] = {UNDEFINED: JSUndefined, NULL: None, TRUE: True, FALSE: False, HOLE: HOLE_VALUE}


def decode(data: bytes, context: Context) -> Any:
    """The value of a message. HOLE_VALUE for a hole.

    Raises:
        JSConversionException: Python cannot hold the value (the key of a dict that is no key; what a registered converter raised), or the bytes are no message.
    """
    size = len(data)
    tag = data[0] if size else 0
    if size == 1 and tag in CONSTANTS:
        return CONSTANTS[tag]
    if tag == LATIN1 and size > 4 and _U32.unpack_from(data, 1)[0] == size - 5:
        return data[5:].decode("latin-1")
    if tag == HANDLE and size == 10:
        return context.wrap(*_KIND_ID.unpack_from(data, 1))
    return _decode_values(data, 0, 1, context)[0]


def decode_call(data: bytes, context: Context) -> list[Any]:
    """The elements of an array that holds no other one, such as a callback's `this` and arguments."""
    if data[0] != ARRAY:
        msg = "the message from the native library is no call: library and package are of different versions"
        raise JSConversionException(msg)
    left = _U32.unpack_from(data, 1)[0]
    at = 5
    values: list[Any] = []
    add, int_at = values.append, _I32.unpack_from
    while left:
        tag = data[at]
        if tag == INT32:
            add(int_at(data, at + 1)[0])
            at += 5
        elif tag in _SIMPLE:
            add(CONSTANTS[tag])
            at += 1
        elif tag == DOUBLE:
            add(_F64.unpack_from(data, at + 1)[0])
            at += 9
        elif tag == LATIN1:
            end = at + 5 + int_at(data, at + 1)[0]
            add(data[at + 5 : end].decode("latin-1"))
            at = end
        elif tag == HANDLE:
            add(context.wrap(*_KIND_ID.unpack_from(data, at + 1)))
            at += 10
        else:
            values += _decode_values(data, at, left, context)
            break
        left -= 1
    return values


def decode_exception(data: bytes, context: Context) -> tuple[int, int, list[Any]]:
    """The flags, the host error's id and the ten values of an exception's message ('X')."""
    try:
        tag, flags, number = _X_HEAD.unpack_from(data)
    except error:
        tag = flags = number = 0
    if tag != EXCEPTION:
        msg = "the message from the native library is no exception: library and package are of different versions"
        raise JSConversionException(msg)
    return flags, number, _decode_values(data, _X_HEAD.size, 10, context)


# What the values that come next are for: a list's elements, a dict's values, ...
_ELEMENTS, _PROPERTIES, _ENTRIES, _MEMBERS, _FIELDS = range(5)
_ERROR_FIELDS = ("cause", "stack", "message", "name")  # by how many come after it


class _Unfinished:
    """In place of what a registered converter makes, until it is made."""


def _decode_values(data: bytes, at: int, count: int, context: Context) -> list[Any]:
    """The `count` values whose messages follow one another from `data[at]` to the end."""
    try:
        return _decode_containers(data, at, count, context)
    except (error, IndexError, KeyError, UnicodeDecodeError, _Malformed):
        msg = "a message from the native library breaks the wire format: library and package are of different versions"
        raise JSConversionException(msg) from None


class _Malformed(Exception):
    """The message breaks the format."""


def _decode_containers(data: bytes, at: int, count: int, context: Context) -> list[Any]:
    # Every message is read to its end, whatever is wrong with a value in it: the handles behind it are references that somebody must give back.
    size = len(data)
    memory = memoryview(data)
    keys: list[str] = []
    containers: list[Any] = []
    stack: list[tuple[int, Any, int, Any, Any]] = []
    key: Any
    extra: Any
    problem: JSConversionException | None = None
    roots: list[Any] = []
    use, target, left, key, extra = _ELEMENTS, roots, count, None, None
    value: Any
    int_at, double_at, number_at = _I32.unpack_from, _F64.unpack_from, _U32.unpack_from
    property_at, tagged_at = _PROPERTY.unpack_from, _INT.unpack_from
    padded = data + b"\0\0\0\0"  # so that these two can look beyond a tag that ends the message
    while True:
        if left:
            if use == _PROPERTIES:
                # Most of what there is: properties with scalars, stored here. One look reads key, tag and the four bytes behind them.
                for left in range(left - 1, -1, -1):  # noqa: B007, B020 (it is what is left after a break)
                    kind, number, tag, word = property_at(padded, at)
                    if kind == KEY:
                        key = keys[number]
                        at += 6
                    else:
                        key, at = _text(data, at)
                        keys.append(key)
                        tag, word = tagged_at(padded, at)
                        at += 1
                    if tag == INT32:
                        target[key] = word
                        at += 4
                    elif tag == LATIN1 and word >= 0:
                        at += 4
                        target[key] = data[at : at + word].decode("latin-1")
                        at += word
                    elif tag == DOUBLE:
                        target[key] = double_at(data, at)[0]
                        at += 8
                    elif tag in _SIMPLE:
                        target[key] = CONSTANTS[tag]
                    else:
                        break
                else:
                    continue
            else:
                left -= 1
                tag = data[at]
                at += 1
            if tag == INT32:
                value = int_at(data, at)[0]
                at += 4
            elif tag == LATIN1:
                end = at + 4 + number_at(data, at)[0]
                value = data[at + 4 : end].decode("latin-1")
                at = end
            elif tag == DOUBLE:
                value = double_at(data, at)[0]
                at += 8
            elif tag in _COUNTED:
                number = number_at(data, at)[0] if tag != INSTANCE else 0
                at += 4
                made_by = None
                if tag == OBJECT:
                    value, inside = {}, _PROPERTIES
                elif tag == ARRAY:
                    value, inside = [], _ELEMENTS
                elif tag == MAP:
                    value, inside, number = {}, _ENTRIES, 2 * number
                elif tag == SET:
                    value, inside = set(), _MEMBERS
                else:
                    name, at = _text(data, at - 4)
                    number = number_at(data, at)[0]
                    at += 4
                    value, inside = {}, _PROPERTIES
                    made_by = context.converters.from_js.get(name)
                if number > size - at:
                    raise _Malformed
                if made_by:
                    stack.append((use, target, left, key, extra))
                    containers.append(_Unfinished)
                    use, target, left, extra = inside, value, number, (made_by, len(containers) - 1)
                    continue
                containers.append(value)
                if number:
                    if use == _ELEMENTS:
                        target.append(value)
                    elif use == _PROPERTIES:
                        target[key] = value
                    else:
                        key, problem = _place(use, target, left, key, value, stack, problem)
                    stack.append((use, target, left, key, extra))
                    use, target, left, extra = inside, value, number, None
                    continue
            elif tag in _BLOCKS:
                end = at + 4 + number_at(data, at)[0] * (4 if tag == INT32S else 8)
                if end > size:
                    raise _Malformed
                block = memory[at + 4 : end]
                value = block.cast("i" if tag == INT32S else "d").tolist() if block else []
                if tag == DOUBLES and any(map(float.is_integer, value)):
                    value = list(map(_number, value))
                containers.append(value)
                at = end
            elif tag in CONSTANTS:
                value = CONSTANTS[tag]
                if value is HOLE_VALUE and target is not roots and use != _FIELDS:
                    value = JSUndefined
            elif tag == UTF16:
                value, at = _text(data, at - 1)
            elif tag == HANDLE:
                value = context.wrap(*_KIND_ID.unpack_from(data, at))
                at += 9
            elif tag == ERROR:
                value = JSError()
                containers.append(value)
                if use == _ELEMENTS:
                    target.append(value)
                elif use == _PROPERTIES:
                    target[key] = value
                else:
                    key, problem = _place(use, target, left, key, value, stack, problem)
                stack.append((use, target, left, key, extra))
                use, target, left, extra = _FIELDS, value, 4, None
                continue
            elif tag == REFERENCE:
                value = containers[number_at(data, at)[0]]
                at += 4
                if value is _Unfinished:
                    value = None
                    problem = problem or JSConversionException(
                        f"{_place_path(stack, use, target, left, key)}: an object of a registered class refers to itself, and a converter gets its "
                        "properties before there is an object to refer to: copy it without register_type(js_class=)"
                    )
            elif tag == BUFFER:
                value = context.view(*_VIEW.unpack_from(data, at))
                containers.append(value)
                at += _VIEW.size
            elif tag == DATE:
                value = date_from(double_at(data, at)[0])
                at += 8
            elif tag == HOST_ERROR:
                number = _U64.unpack_from(data, at)[0]
                name, at = _text(data, at + 8)
                text, at = _text(data, at)
                value = context.host_error(number) or JSError(text, name=name)
            elif tag == HOST_OBJECT:
                value = context.host_object(_KIND_ID.unpack_from(data, at)[1])
                at += _KIND_ID.size
            elif tag == BIGINT:
                negative, number = _SIGN_SIZE.unpack_from(data, at)
                at += 5 + number
                value = int.from_bytes(data[at - number : at], "little")
                if negative:
                    value = -value
            else:
                raise _Malformed
        elif stack:
            if extra is None:
                use, target, left, key, extra = stack.pop()
                continue
            (made_by, number), value = extra, target
            use, target, left, key, extra = stack.pop()
            if problem is None:
                try:
                    value = made_by(value)
                except Exception as error_of_user:  # noqa: BLE001 (whatever it is, the rest of the message must be read)
                    problem = JSConversionException(
                        f"{_place_path(stack, use, target, left, key)}: the converter from_js raised {error_of_user!r}"
                    )
                    problem.__cause__ = error_of_user
            containers[number] = value
        else:
            break
        if use == _ELEMENTS:
            target.append(value)
        elif use == _PROPERTIES:
            target[key] = value
        else:
            key, problem = _place(use, target, left, key, value, stack, problem)
    if at != size:
        raise _Malformed
    if problem:
        raise problem
    return roots


_COUNTED = {OBJECT, ARRAY, MAP, SET, INSTANCE}
_BLOCKS = {INT32S, DOUBLES}


def _number(value: float) -> float:
    """A number among floats: an int where JavaScript has a 32-bit integer, as everywhere else."""
    if -0x80000000 <= value <= 0x7FFFFFFF and value.is_integer() and (value or copysign(1, value) > 0):
        return int(value)
    return value


def _text(data: bytes, at: int) -> tuple[str, int]:
    """The string whose message begins at `data[at]`, and where that ends."""
    tag, number = _HEAD.unpack_from(data, at)
    at += 5
    if tag == LATIN1:
        return data[at : at + number].decode("latin-1"), at + number
    if tag == UTF16:
        return data[at : at + 2 * number].decode("utf-16-le", "surrogatepass"), at + 2 * number
    raise _Malformed


def _place(
    use: int, target: Any, left: int, key: Any, value: Any, stack: list[Any], problem: JSConversionException | None
) -> tuple[Any, JSConversionException | None]:
    """Puts a value into a dict that was a Map, a set, or an error. Returns the key for what comes next, and the first problem there was."""
    if use == _FIELDS:
        if value is not HOLE_VALUE and value is not JSUndefined:
            setattr(target, _ERROR_FIELDS[left], value)
            if isinstance(value, BaseException):
                target.__cause__ = value
        return key, problem
    if use == _ENTRIES and not left % 2:
        target[key] = value
        return key, problem
    try:
        hash(value)  # or else a set would be looked for as the frozenset of its members
        reason = (
            f"{value!r} and another one, which are different in JavaScript, are one in Python"
            if value in target
            else None
        )
    except (TypeError, ValueError):
        reason = f"{_convert.type_name(value)} cannot be a key of a dict or a member of a set in Python"
    if reason is None:
        if use == _MEMBERS:
            target.add(value)
        return value, problem
    what = "a key of the Map" if use == _ENTRIES else "a member of the Set"
    return object(), problem or JSConversionException(
        f'{_place_path(stack, use, target, left, key)}: {what}: {reason}: copy with maps="pairs", which gives lists'
    )


def _place_path(stack: list[Any], use: int, target: Any, left: int, key: Any) -> str:
    """Where the reading is, such as `$.rows[3].tags`. The place in a Map is its key, the one in a Set none."""
    if not stack:
        return "$"
    frames = [*stack[1:], (use, target, left, key, None)]
    keys: list[object] = []
    for depth, (kind, around, to_come, name, _) in enumerate(frames, 1):
        if kind == _ELEMENTS:
            # What is being read is not yet in its list, and neither is what a converter makes.
            inside = depth < len(frames) and frames[depth][4] is None
            keys.append(len(around) - inside)
        elif kind == _PROPERTIES or (kind == _ENTRIES and not to_come % 2):
            keys.append(name)
        elif kind == _FIELDS:
            keys.append(_ERROR_FIELDS[to_come])
    return _convert.path(keys)
