"""What JavaScript may ask of Python: host functions, errors that came from Python, and promises that Python waits for.

Each context has one Host. The two callbacks below are called by the library on the thread that runs JavaScript and holds the context's lock; they never raise:
what goes wrong is told to JavaScript, or to the logger `py_mini_racer`.
"""

from __future__ import annotations

from ctypes import string_at
from itertools import count
from weakref import ref

from py_mini_racer import _dll, _wire
from py_mini_racer._exc import (
    JSClosedException,
    JSConversionException,
    JSEvalException,
    JSPromiseError,
    JSTerminatedException,
    JSValueError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from py_mini_racer._context import Context

    Waiter = Callable[[Any, BaseException | None], None]

# mini_racer.h: MR_EVENT_*, MR_REPLY_*
RELEASED, FULFILLED, REJECTED, UNHANDLED, UNCAUGHT = range(1, 6)
RETURN, THROW = 0, 1

_hosts: dict[int, ref[Host]] = {}  # by the context's id
_numbers = count(1)  # of functions, errors and calls; one counter, as the library tells of the first two in one way


def next_number() -> int:
    """A number for a call (mr_options.call), never used again."""
    return next(_numbers)


class Host:
    """A context's side of what JavaScript holds of Python."""

    def __init__(self, context: Context) -> None:
        self._context = ref(context)  # the context owns us
        self._functions: dict[int, Callable[..., Any]] = {}
        self._errors: dict[int, BaseException] = {}
        self._waiting: dict[int, Waiter] = {}  # by mr_options.call of mr_await()
        self.fatal: BaseException | None = (
            None  # a KeyboardInterrupt or the like that a callback raised: it ends the script and goes on
        )
        self.depth: dict[int, int] = {}  # callbacks running, by thread

    def register(self, function: Callable[..., Any]) -> tuple[int, str]:
        """The id and the name of a function that is about to be handed to JavaScript."""
        number = next(_numbers)
        self._functions[number] = function
        return number, str(getattr(function, "__name__", type(function).__name__))

    def error(self, number: int) -> BaseException | None:
        """The Python exception that a JavaScript error stands for."""
        return self._errors.get(number)

    def close(self) -> None:
        """Nothing of the context is going to come any more: whoever waits is told so."""
        for number in list(self._waiting):
            waiter = self._waiting.pop(number, None)
            if waiter is not None:
                waiter(None, JSClosedException())
        self._functions.clear()
        self._errors.clear()

    # --- waiting for promises ---

    def wait(self, waiter: Waiter) -> int:
        """Calls `waiter(value, error)`, on any thread, when the library tells of the call of mr_await() with this number. Before that call."""
        number = next(_numbers)
        self._waiting[number] = waiter
        return number

    def forget(self, number: int) -> None:
        """Nobody waits any more, or the library is not going to tell, as the promise was settled already."""
        self._waiting.pop(number, None)

    # --- what the library calls ---

    def call(self, number: int, message: bytes, reply: int) -> None:
        """JavaScript calls a function."""
        context = self._context()
        function = self._functions.get(number)
        if context is None or function is None:
            return
        from _thread import get_ident

        thread = get_ident()
        self.depth[thread] = self.depth.get(thread, 0) + 1
        try:
            _this, *arguments = _wire.decode(message, context)
            outcome, answer = RETURN, _wire.encode(function(*arguments), context)
        except BaseException as error:  # noqa: BLE001 (it goes on through JavaScript)
            outcome, answer = THROW, self._thrown(error, context)
        finally:
            self.depth[thread] -= 1
            if not self.depth[thread]:
                del self.depth[thread]
        context.reply(reply, outcome, answer)

    def event(self, what: int, number: int, message: bytes) -> None:
        """Something has come about in JavaScript."""
        context = self._context()
        if context is None:
            return
        if what == RELEASED:
            self._functions.pop(number, None)
            self._errors.pop(number, None)
        elif what in (FULFILLED, REJECTED):
            self._settled(context, what, number, message)
        elif what == UNHANDLED:
            context.unhandled(context.thrown(message))
        elif what == UNCAUGHT:
            context.uncaught(context.stopped(_signed(number), message) if number else context.thrown(message))

    def _settled(self, context: Context, what: int, number: int, message: bytes) -> None:
        value: Any = None
        error: Exception | None = None
        try:
            if what == FULFILLED:
                value = _wire.decode(message, context)
            elif not message:
                error = JSTerminatedException()
            elif message[0] == _wire.EXCEPTION:
                error = context.thrown(message)
            else:
                error = JSConversionException(_wire.decode(message, context))
        except Exception as problem:  # noqa: BLE001 (who waits shall have it)
            error = problem
        waiter = self._waiting.pop(number, None)
        if waiter is not None:
            waiter(value, error)

    def _thrown(self, error: BaseException, context: Context) -> _wire.Message:
        """What JavaScript catches: what JavaScript itself threw, if that came by, else an Error that stands for the Python exception."""
        if (
            isinstance(error, (JSEvalException, JSPromiseError))
            and error.has_value
            and not isinstance(error, JSClosedException)
        ):
            from contextlib import suppress

            with suppress(JSValueError):  # of another context: then it is a Python exception like any other
                return _wire.encode(error.value, context)
        if not isinstance(error, Exception):
            self.fatal = error
            context.terminate()
        number = next(_numbers)
        message = _wire.encode_host_error(number, type(error).__name__, _text_of(error))
        self._errors[number] = error
        return message


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as problem:  # noqa: BLE001 (a __str__ may raise anything)
        return f"(its text cannot be made: {type(problem).__name__})"


def _signed(number: int) -> int:
    return number - 2**64 if number >= 2**63 else number


def _on_call(_data: int, context: int, number: int, message: int, size: int, reply: int) -> None:
    try:
        host = _host(context)
        if host is not None:
            host.call(number, string_at(message, size), reply)
    except Exception:  # noqa: BLE001 (no room on Python's stack, as a rule)
        return  # without an answer: JavaScript gets an error that says so


def _on_event(_data: int, context: int, what: int, number: int, message: int, size: int) -> None:
    host = _host(context)
    if host is None:
        return
    try:
        host.event(what, number, string_at(message, size) if size else b"")
    except Exception:
        from logging import getLogger

        getLogger("py_mini_racer").exception("an event of a JavaScript context could not be handled")


def _host(context: int) -> Host | None:
    known = _hosts.get(context)
    return known() if known else None


ON_CALL = _dll.HostCall(_on_call)
ON_EVENT = _dll.HostEvent(_on_event)


def add(context: int, host: Host) -> None:
    """From now on the host gets what the library tells of the context."""
    _hosts[context] = ref(host, lambda _: _hosts.pop(context, None))


__all__ = ["ON_CALL", "ON_EVENT", "Host", "add"]
