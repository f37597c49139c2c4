"""Exceptions that no script may catch: on their way from a callback, or a signal's handler, to the call that they end.

The library ends the call with MR_INTERRUPTED, and the exception waits here for the thread to come out of it. Each thread has its own.
"""

from __future__ import annotations

from _thread import get_ident

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ctypes import CDLL

_kept: dict[int, BaseException] = {}  # by thread


def end_call(library: CDLL, context: int, error: BaseException) -> None:
    """In a callback: ends the call that it belongs to, which then raises the error."""
    _kept[get_ident()] = error
    library.mr_interrupt(context)


def take() -> BaseException | None:
    """The exception that this thread's call ended with; None when there is none."""
    return _kept.pop(get_ident(), None)


__all__ = ["end_call", "take"]
