"""The Python package's two codecs against each other, on bytes as messages: the fast lane's C, under sanitizers, and _wire.py.

    python fuzz_python.py libfuzz_python.so LIBFUZZER_ARGUMENTS...     run by tests/fuzz/run.py

The library holds the core on the fake bridge, the fast lane, and libFuzzer, whose loop calls back into Python here.
"""

from __future__ import annotations

import os
import shlex
import sys
import traceback
from collections.abc import Callable
from ctypes import CDLL, CFUNCTYPE, addressof, byref, c_char_p, c_int, c_size_t, c_void_p, string_at
from typing import Any

from py_mini_racer import JSConversionException, JSError, _context, _lane, _wire
from py_mini_racer._convert import Converters


class Handle:
    """Stands for an object of JavaScript's."""

    def __init__(self, kind: int, number: int) -> None:
        self.kind, self.number = kind, number


class Context(_context.Context):
    """What the codecs ask of a context, without V8; it notes down all that it is told."""

    def __init__(self) -> None:
        self.converters = Converters()
        self.told: list[tuple[Any, ...]] = []

    def wrap(self, kind: int, handle: int) -> Any:
        self.told.append(("wrap", kind, handle))
        return Handle(kind, handle)

    def view(self, *buffer: int) -> Any:
        self.told.append(("view", *buffer))
        return memoryview(bytes(buffer[4] % 1000))

    def host_error(self, number: int) -> Any:
        self.told.append(("error", number))
        return None

    def host_object(self, number: int) -> Any:
        self.told.append(("object", number))
        return Handle(-1, number)


def shape(value: Any) -> str:
    """A text that is equal for equal values: types, signs, NaNs, what is shared, and cycles. Does not recurse."""
    parts: list[str] = []
    numbers: dict[int, int] = {}
    alive: list[Any] = []  # or else an id would come again
    todo = [value]
    while todo:
        one = todo.pop()
        parts.append(type(one).__name__)
        inside: list[Any] = []
        if type(one) in (list, dict, set, JSError):
            known = numbers.get(id(one))
            if known is not None:
                parts.append(f"#{known}")
                continue
            numbers[id(one)] = len(numbers)
            alive.append(one)
        if type(one) is list:
            inside = one
        elif type(one) is dict:
            inside = [part for item in one.items() for part in item]
        elif type(one) is set:
            parts.append(repr(sorted(shape(member) for member in one)))
        elif type(one) is JSError:
            inside = [one.name, one.message, one.stack, one.cause]
        elif type(one) is Handle:
            parts.append(f"{one.kind} {one.number}")
        elif type(one) is memoryview:
            parts.append(str(one.nbytes))
        else:
            parts.append(repr(one))
        parts.append(str(len(inside)))
        todo += reversed(inside)
    return " ".join(parts)


def outcome(decode: Callable[[Context], Any]) -> tuple[str, list[tuple[Any, ...]]]:
    """What a codec makes of a message, and what it told the context. The text of an error is _wire.py's in both."""
    context = Context()
    try:
        return shape(decode(context)), context.told
    except JSConversionException as error:
        return f"refused: {error}", context.told


def compare(in_c: Callable[[Context], Any], message: bytes) -> None:
    """Raises an AssertionError when the codecs differ."""
    expected, told = outcome(lambda context: _wire.decode(message, context))
    found, found_told = outcome(in_c)
    if expected.startswith("refused") and found.startswith("refused"):
        return  # C stops where it sees that, and the library sends no such message
    if (expected, told) != (found, found_told):
        msg = f"{message!r}: {expected[:500]} {told} in Python, {found[:500]} {found_told} in C"
        raise AssertionError(msg)


def main() -> None:
    """Hands libFuzzer its arguments and this target."""
    library = sys.argv[1]
    offers = _lane.open_in(library)
    if offers is None:
        msg = f"this Python ({sys.version}) has no fast lane to be fuzzed"
        raise SystemExit(msg)
    decode_at = offers["decode_at"]

    def one_input(address: int | None, size: int) -> int:
        try:
            # Where libFuzzer has it, in memory of exactly that size.
            compare(
                lambda context: decode_at(address or 0, size, context), string_at(address, size) if address else b""
            )
        except BaseException:  # an exception would be swallowed here
            traceback.print_exc()
            sys.stderr.flush()
            os.abort()
        return 0

    target = CFUNCTYPE(c_int, c_void_p, c_size_t)(one_input)
    arguments = [
        shlex.join([sys.executable, *sys.argv[:2]]).encode(),
        *(argument.encode() for argument in sys.argv[2:]),
        None,
    ]
    array = (c_char_p * len(arguments))(*arguments)
    run = CDLL(library).LLVMFuzzerRunDriver
    sys.exit(run(byref(c_int(len(arguments) - 1)), byref(c_void_p(addressof(array))), target))


if __name__ == "__main__":
    main()
