"""Which of the two lanes into the library is taken, and what the fast one offers. Importing this module starts the library.

The ctypes lane is the foundation: complete, and the same on every Python. On CPython the library can do what is frequent itself, through the stable ABI
(mr_python_lane.c): it makes types and functions that take the place of Python's. MINI_RACER_LANE=ctypes keeps it from that; MINI_RACER_LANE=fast insists on it.
"""

from __future__ import annotations

import sys
from ctypes import PyDLL, c_int, py_object, string_at
from os import environ
from weakref import ref

from py_mini_racer import _dll, _host, _wire
from py_mini_racer._exc import MiniRacerBaseException
from py_mini_racer._types import JSUndefined

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from py_mini_racer._context import Context
    from py_mini_racer._realm import RealmContext

_LANES = ("ctypes", "fast")


def _open() -> dict[str, Any] | None:
    """What the fast lane offers, by name; None when it is not taken."""
    wanted = environ.get("MINI_RACER_LANE") or None
    if wanted not in (None, *_LANES):
        msg = f"MINI_RACER_LANE is {wanted!r}: it may be ctypes or fast, or not be set"
        raise MiniRacerBaseException(msg)
    if wanted == "ctypes":
        return None
    package = open_in(_dll.library()._name)
    if package is not None:
        return package
    if wanted == "fast":
        msg = f"MINI_RACER_LANE is fast, but this Python ({sys.version}) offers no stable ABI to the library: unset it"
        raise MiniRacerBaseException(msg)
    return None


def open_in(library: str) -> dict[str, Any] | None:
    """What the fast lane of the library in this file offers; None where this Python has no stable ABI."""
    if not _dll.STABLE_ABI:
        return None
    package = {
        "JSUndefined": JSUndefined,
        "HOLE_VALUE": _wire.HOLE_VALUE,
        **plain,
        "encode_rare": _wire.encode_rare,
        "date_from": _wire.date_from,
        "answer": _host.on_answer,
        "raised": _host.on_raised,
    }
    open_lane = PyDLL(library).mr_python_open
    open_lane.argtypes, open_lane.restype = [py_object], c_int
    return package if open_lane(package) == 1 else None


class Handle:
    """In the ctypes lane, what the library would make: bases without anything."""


class Mapped(Handle):
    """Likewise."""


class Function(Mapped):
    """Likewise."""


class Memory:
    """What a memoryview of a script's memory is of, where the library has made it. In the ctypes lane there is none."""

    context: Context
    handle: int
    element: int
    size: int


def _decode_at(address: int, size: int, context: Context) -> Any:
    return _wire.decode(string_at(address, size), context)


def _from_json(text: str, loads: Any) -> Any:
    return loads(text)


def _drop_texts() -> None:
    """Lets go of the long strings that JavaScript has let go of."""


def crossing(context: Context | RealmContext, number: int) -> Any:
    """The way into a context that the library offers; None in the ctypes lane."""
    if offers is None:
        return None
    made = offers["Crossing"]()
    made.id, made.context = number, ref(context)
    return made


plain: dict[str, Any] = {"encode": _wire.encode, "encode_array": _wire.encode_array, "decode": _wire.decode}
offers = _open()
decode_at, from_json, drop_texts = _decode_at, _from_json, _drop_texts
if offers is not None and not TYPE_CHECKING:
    decode_at, from_json, drop_texts = offers["decode_at"], offers["from_json"], offers["drop_texts"]
    Handle, Mapped, Function, Memory = offers["Handle"], offers["Mapped"], offers["Function"], offers["Memory"]
    _wire.encode, _wire.encode_array, _wire.decode = offers["encode"], offers["encode_array"], offers["decode"]
