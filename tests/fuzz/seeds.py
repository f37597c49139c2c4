"""Messages with every tag of mr_wire.h, for fuzzers to begin with: what _wire.py makes of values, and by hand what only the library writes."""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from struct import pack
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ["MINI_RACER_LANE"] = "ctypes"

from py_mini_racer import JSDate, JSError, JSUndefined, _context, _convert, _wire

FUNCTIONS = 16  # that fuzz_wire.c chooses from
VALUE, BUFFERS, COPY, SHALLOW = 16, 8, 1, 32  # bits of its second byte


class Context(_context.Context):
    """What the codec asks of a context, without V8."""

    def __init__(self) -> None:
        self.converters = _convert.Converters()

    def forget_functions(self, numbers: Any) -> None:
        """There are none."""


def of_none() -> Iterator[bytes]:
    """None: a program of calls is found faster than written."""
    yield from ()


def messages() -> Iterator[bytes]:
    """Those that go in."""
    shared: list[Any] = [1, {"k": 2}]
    cyclic: list[Any] = [0, {"a": 1}]
    cyclic.append(cyclic)
    values: list[Any] = [
        None, True, False, 7, -0x80000000, 2**40, 0.5, float("nan"), -0.0, 2**70, -(2**130), "", "abc", "\xe9\xff", "\u20ac\ud800", "x" * 60,
        JSUndefined, _wire.HOLE_VALUE, JSDate(1e12), dt.datetime(2020, 1, 2, tzinfo=dt.timezone.utc), [], [1, "a", None], [1, 2, 3], [0.5, 1.5],
        {}, {"a": 1, "b": [2], "\u20ac": {}}, [{"a": 1, "b": 2}, {"b": 3, "a": 4}], {1, 2}, [shared, shared], cyclic, [[[[[[]]]]]],
        JSError("no", name="RangeError", stack="at f", cause=JSError("why", name="Mine")), b"", b"\x01\x02", bytearray(16), memoryview(b"12345678").cast("d"),
        _convert.Handle(1 << 32),
        [_convert.Handle(1 << 32 | 1)], _convert.HostFunction((9, "f", 2)), [_convert.HostObject((10, 24)), _convert.HostObject((11, 2))],
        [_convert.HostObject((12, flags)) for flags in range(26)],
    ]  # fmt: skip
    for value in values:
        yield bytes(_wire.encode(value, Context())[0])
    yield bytes(_wire.encode_host_error(13, "TypeError", "no")[0])
    yield b"m\2\0\0\0" + b"i\1\0\0\0s\1\0\0\0a" + b"a\0\0\0\0R\0\0\0\0"
    for element in range(14):
        yield b"W" + pack("<BI", element, element % 3)
        yield b"V" + pack("<BQ", element, 8) + bytes(range(8))


def of_wire() -> Iterator[bytes]:
    """For fuzz_wire.c: which function, how, the message."""
    for message in messages():
        for function in range(FUNCTIONS):
            yield bytes([function, VALUE | BUFFERS | COPY]) + message
        yield bytes([0, VALUE | SHALLOW]) + message
    two, three = b"a\2\0\0\0", b"a\3\0\0\0"
    key, callback, handle = b"s\1\0\0\0k", b"p" + pack("<QI", 9, 0) + b"s\1\0\0\0f", b"H\0" + pack("<Q", 1 << 32 | 5)
    yield b"\x0b\x00" + three + key + callback + b"s\1\0\0\0e"
    yield b"\x0c\x00a\1\0\0\0a\1\0\0\0" + handle
    yield b"\x0d\x00" + two + b"i\0\0\0\0" + handle
    yield b"\x0e\x00" + two + callback + callback
    yield b"\x0f\x00" + two + b"f" + key


def of_python() -> Iterator[bytes]:
    """For fuzz_python.py: a message. Also those that only come out."""
    yield from messages()
    buffer = b"v" + pack("<BBQQQQ", 2, 0, 1 << 32, 4096, 16, 1 << 32 | 3)
    yield buffer
    yield b"a\2\0\0\0" + buffer + b"R\1\0\0\0"
    yield b"o\1\0\0\0s\1\0\0\0a" + buffer
    yield b"Os\1\0\0\0A\1\0\0\0s\1\0\0\0xi\1\0\0\0"
    yield b"a\1\0\0\0Os\1\0\0\0A\0\0\0\0"
    yield b"X" + pack("<BQ", 0, 0) + b"s\1\0\0\0t" * 3 + b"uii\0\0\0\0" + b"a\0\0\0\0" + b"uuh"
    yield b"e\1\0\0\0e\0\0\0\0"
