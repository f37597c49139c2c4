"""The wire format of mr_wire.h in Python: from values to messages, and back. Pure functions; any thread.

Handles are the context's business: `encode` is told which context the message is for, `decode` calls what it is given with the kind and id of each.
"""

from __future__ import annotations

from struct import Struct, unpack_from

from py_mini_racer._exc import JSConversionException, JSValueError
from py_mini_racer._types import JSUndefined, JSUndefinedType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Wrap = Callable[[int, int], object]

UNDEFINED, NULL, TRUE, FALSE, INT32, DOUBLE, BIGINT = b"untfidb"
LATIN1, UTF16, DATE, HOLE, HANDLE, ARRAY, INT32S, DOUBLES, EXCEPTION = b"sSDhHaIFX"

# mr_wire.h: MR_KIND_*
OBJECT_KIND, ARRAY_KIND, FUNCTION_KIND, SYMBOL_KIND, PROMISE_KIND = range(5)

X_PARSE = 1

_HEAD = Struct("<cI")
_INT = Struct("<ci")
_DOUBLE = Struct("<cd")
_BIGINT = Struct("<cBI")
_HANDLE = Struct("<cBQ")
_U32 = Struct("<I")
_I32 = Struct("<i")
_F64 = Struct("<d")
_KIND_ID = Struct("<BQ")
_SIGN_SIZE = Struct("<BI")

_SAFE_INTEGER = 2**53 - 1


class Hole:
    """Where there is no value: a property that is missing, a gap in an array."""


HOLE_VALUE = Hole()


# --- to JavaScript ---


def _encode_int(value: int) -> bytes:
    if -0x80000000 <= value <= 0x7FFFFFFF:
        return _INT.pack(b"i", value)
    if -_SAFE_INTEGER <= value <= _SAFE_INTEGER:
        return _DOUBLE.pack(b"d", value)
    magnitude = abs(value)
    size = (magnitude.bit_length() + 7) // 8
    return _BIGINT.pack(b"b", value < 0, size) + magnitude.to_bytes(size, "little")


def _encode_str(value: str) -> bytes:
    try:
        data = value.encode("latin-1")
    except UnicodeEncodeError:
        data = value.encode("utf-16-le", "surrogatepass")
        return _HEAD.pack(b"S", len(data) // 2) + data
    return _HEAD.pack(b"s", len(data)) + data


def _encode_float(value: float) -> bytes:
    return _DOUBLE.pack(b"d", value)


def _encode_bool(value: bool) -> bytes:
    return b"t" if value else b"f"


_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    int: _encode_int,
    str: _encode_str,
    float: _encode_float,
    bool: _encode_bool,
    type(None): lambda _: b"n",
    JSUndefinedType: lambda _: b"u",
}


def _encode_other(value: object, context: object) -> bytes:
    """Handles, datetimes, and what derives from the types that have an encoder."""
    handle = getattr(value, "_wire_handle", None)
    if handle is not None:
        if value._context is not context:  # type: ignore[attr-defined]
            msg = "a JavaScript object of one MiniRacer cannot be used in another: each has a heap of its own"
            raise JSValueError(msg)
        return _HANDLE.pack(b"H", 0, handle)
    from datetime import datetime

    if isinstance(value, datetime):
        return _DOUBLE.pack(b"D", value.timestamp() * 1000.0)
    for base in (bool, int, float, str):
        if isinstance(value, base):
            return _ENCODERS[base](base(value))
    kind = type(value)
    raise JSConversionException(f"{kind.__module__}.{kind.__qualname__} cannot be converted to a JavaScript value")


def encode(value: object, context: object) -> bytes:
    """The message of a value, for `context`.

    Raises:
        JSConversionException: its type has no counterpart in JavaScript.
        JSValueError: it is an object of another context.
    """
    encoder = _ENCODERS.get(type(value))
    return encoder(value) if encoder else _encode_other(value, context)


def encode_array(values: Iterable[object], context: object) -> bytes:
    """The message of an array, such as a function's `this` and arguments. Raises as `encode` does."""
    parts = []
    for value in values:
        encoder = _ENCODERS.get(type(value))
        parts.append(encoder(value) if encoder else _encode_other(value, context))
    return _HEAD.pack(b"a", len(parts)) + b"".join(parts)


# --- from JavaScript ---


def date_from(milliseconds: float) -> object:
    """An aware UTC datetime; the number itself where Python has no such date (NaN, years beyond 9999)."""
    from datetime import datetime, timedelta, timezone

    try:
        return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=milliseconds)
    except (OverflowError, ValueError):
        return milliseconds


def decode(data: bytes, at: int, wrap: Wrap) -> tuple[Any, int]:
    """The value of the message that begins at `data[at]`, and where it ends."""
    tag = data[at]
    at += 1
    if tag == INT32:
        return _I32.unpack_from(data, at)[0], at + 4
    if tag == LATIN1:
        end = at + 4 + _U32.unpack_from(data, at)[0]
        return data[at + 4 : end].decode("latin-1"), end
    if tag == DOUBLE:
        return _F64.unpack_from(data, at)[0], at + 8
    if tag == UTF16:
        end = at + 4 + 2 * _U32.unpack_from(data, at)[0]
        return data[at + 4 : end].decode("utf-16-le", "surrogatepass"), end
    if tag == HANDLE:
        kind, handle = _KIND_ID.unpack_from(data, at)
        return wrap(kind, handle), at + 9
    if tag == ARRAY:
        count = _U32.unpack_from(data, at)[0]
        at += 4
        values = []
        for _ in range(count):
            value, at = decode(data, at, wrap)
            values.append(value)
        return values, at
    if tag in (INT32S, DOUBLES):
        count = _U32.unpack_from(data, at)[0]
        end = at + 4 + count * (4 if tag == INT32S else 8)
        return list(unpack_from(f"<{count}{'i' if tag == INT32S else 'd'}", data, at + 4)), end
    if tag == BIGINT:
        negative, size = _SIGN_SIZE.unpack_from(data, at)
        magnitude = int.from_bytes(data[at + 5 : at + 5 + size], "little")
        return -magnitude if negative else magnitude, at + 5 + size
    if tag == DATE:
        return date_from(_F64.unpack_from(data, at)[0]), at + 8
    return _CONSTANTS[tag], at


_CONSTANTS = {UNDEFINED: JSUndefined, NULL: None, TRUE: True, FALSE: False, HOLE: HOLE_VALUE}
