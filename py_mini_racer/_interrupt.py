"""Signals, and exceptions that no script may catch: on their way from a callback, or a signal's handler, to the call that they end.

The library ends the call with MR_INTERRUPTED, and the exception waits for the thread to come out of it; each thread has its own. On CPython the library calls
Python through mr_python_signals.c, which never loses one. Elsewhere callbacks are ctypes', a signal's handler runs between calls, and `get()` wakes for it.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from ctypes import PyDLL, c_int, c_uint64, cast, py_object

from py_mini_racer import _dll
from py_mini_racer._exc import JSBusyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_kept: dict[int, BaseException] = {}  # by thread: what `end_call` was told
inside: dict[int, None] = {}  # the threads that are in a callback; the library's
_take: Callable[[], BaseException | None] | None = None
_may_enter: Callable[[], int] | None = None


def start(call: Callable[..., object], event: Callable[..., object]) -> tuple[Any, Any] | None:
    """Hands signals to the library, once. The two functions that are to be its callbacks, which call these; None: not on this Python."""
    global _take, _may_enter
    if not _dll.STABLE_ABI:
        return None
    library = _dll.library()
    python = PyDLL(library._name)
    python.mr_python_signals.argtypes = [py_object, py_object, py_object, c_uint64]
    python.mr_python_signals.restype = c_int
    threading = sys.modules.get("threading")
    main_thread = threading.main_thread().ident if threading else get_ident()
    if python.mr_python_signals(call, event, inside, main_thread) != 1:
        return None
    python.mr_python_take.restype = py_object
    python.mr_python_may_enter.restype = c_int
    _take, _may_enter = python.mr_python_take, python.mr_python_may_enter
    return cast(library.mr_python_call, _dll.HostCall), cast(library.mr_python_event, _dll.HostEvent)


def has_hook() -> bool:
    """Whether the library itself sees to signals while it waits."""
    return _take is not None


def check_greenlet() -> None:
    """Refuses a call, on a thread that is in a callback, by another greenlet than the callback's."""
    if _may_enter is not None and not _may_enter():
        raise JSBusyError


def end_call(context: int, error: BaseException) -> None:
    """In a callback: ends the call that it belongs to, which then raises the error."""
    _kept[get_ident()] = error
    _dll.library().mr_interrupt(context)


def take() -> BaseException | None:
    """The exception that this thread's call ended with; None when there is none."""
    kept = _kept.pop(get_ident(), None)
    return (_take() if _take is not None else None) or kept


__all__ = ["check_greenlet", "end_call", "has_hook", "inside", "start", "take"]
