"""The names of py-mini-racer 0.6, for code that says `from py_mini_racer import py_mini_racer`. New code imports from `py_mini_racer` itself."""

from __future__ import annotations

from py_mini_racer._dll import library_path
from py_mini_racer._exc import (
    JSConversionException,
    JSEvalException,
    JSOOMException,
    JSParseException,
    JSTimeoutException,
    MiniRacerBaseException,
    WrongReturnTypeException,
)
from py_mini_racer._mini_racer import MiniRacer, StrictMiniRacer
from py_mini_racer._types import JSFunction, JSObject, JSSymbol

EXTENSION_PATH = library_path()
EXTENSION_NAME = EXTENSION_PATH.rpartition("/")[2]


def is_unicode(value: object) -> bool:
    """Whether the value is a string."""
    return isinstance(value, str)


__all__ = [
    "EXTENSION_NAME",
    "EXTENSION_PATH",
    "JSConversionException",
    "JSEvalException",
    "JSFunction",
    "JSOOMException",
    "JSObject",
    "JSParseException",
    "JSSymbol",
    "JSTimeoutException",
    "MiniRacer",
    "MiniRacerBaseException",
    "StrictMiniRacer",
    "WrongReturnTypeException",
    "is_unicode",
]
