"""What JavaScript may ask of Python: host functions, errors that came from Python, and promises that Python waits for.

Each context has one Host. The two callbacks below are called by the library on the thread that runs JavaScript and holds the context's lock; they never raise:
what goes wrong is told to JavaScript, or to the logger `py_mini_racer`.
"""

from __future__ import annotations

from _thread import RLock
from ctypes import string_at
from itertools import count
from os import register_at_fork
from weakref import ref

from py_mini_racer import _dll, _interrupt, _wire
from py_mini_racer._exc import (
    JSClosedException,
    JSConversionException,
    JSEvalException,
    JSForkedError,
    JSPromiseError,
    JSTerminatedException,
    JSValueError,
)
from py_mini_racer._types import JSError, JSUndefined

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import Task
    from collections.abc import Callable, Sequence
    from typing import Any, Protocol

    from py_mini_racer._context import Context

    class Asked(Protocol):
        """What answers JavaScript: a function, a proxied object, an iterator."""

        key: object
        target: Any

        @property
        def plain(self) -> Callable[..., Any] | None:
            """To be called with the arguments alone; None: `ask` takes all that JavaScript says."""

        def ask(self, context: Context, values: list[Any]) -> Any:
            """Answers."""

    Waiter = Callable[[Any, BaseException | None], None]

# mini_racer.h: MR_EVENT_*, MR_REPLY_*
RELEASED, FULFILLED, REJECTED, UNHANDLED, UNCAUGHT, DONE, CODE_CACHE = range(1, 8)
TAKEN = 0x100
RETURN, THROW = 0, 1
CONSOLE = 0  # MR_HOST_CONSOLE

_PARENTS = "the process was forked while this was to be done by a thread of the library's, which is the parent's: do it again in the child"

_hosts: dict[int, ref[Host]] = {}  # by the context's id
_numbers = count(1)  # of functions, errors and calls; one counter, as the library tells of the first two in one way


def next_number() -> int:
    """A number for a call (mr_options.call), never used again."""
    return next(_numbers)


class Host:
    """A context's side of what JavaScript holds of Python."""

    def __init__(self, context: Context, console: Asked | None = None) -> None:
        self._context = ref(context)  # the context owns us
        # What JavaScript holds, by number; how many messages have brought it there; and its number by what it is, so that one thing is one thing there as well.
        self._held: dict[int, Asked | _Raised] = {} if console is None else {CONSOLE: console}
        self._sent: dict[int, int] = {}
        self._numbers: dict[object, int] = {}
        self._lock = RLock()  # of these three; a finalizer may come in between
        # By mr_options.call: what submissions that have not ended hand over, by number.
        self.brought: dict[int, Sequence[int]] = {}
        self.plain: dict[int, Callable[..., Any]] = {}  # of `_held`; the fast lane calls these itself
        if console is not None and console.plain is not None:
            self.plain[CONSOLE] = console.plain
        self.closed = False
        self.tasks: set[Task[None]] = set()  # coroutines that JavaScript waits for
        self.waiting: dict[int, Waiter] = {}  # by mr_options.call of mr_await()

    def register(self, key: object, make: Callable[[], Asked | _Raised]) -> int:
        """The number of what is about to be handed to JavaScript: of what is known by this key, else of what `make` makes."""
        with self._lock:
            number = self._numbers.get(key)
            if number is not None:
                self._sent[number] += 1
                return number
            made = make()
            made.key = key
            number = next(_numbers)
            self._held[number] = made
            plain = made.plain
            if plain is not None:
                self.plain[number] = plain
            self._sent[number] = 1
            self._numbers[key] = number
            return number

    def release(self, number: int) -> None:
        """JavaScript has let go of what one message has brought, or that message has not arrived."""
        with self._lock:
            left = self._sent.get(number, 0) - 1
            if left > 0:
                self._sent[number] = left
                return
            self._sent.pop(number, None)
            self.plain.pop(number, None)
            gone = self._held.pop(number, None)
            if gone is not None:
                self._numbers.pop(gone.key, None)
        del gone  # what its end brings about is not under the lock

    def function(self, function: Callable[..., Any]) -> tuple[int, str, int]:
        """The number, the name and the length of a function that is about to be handed to JavaScript."""
        from py_mini_racer._functions import Callback, running_loop

        context = self._context()
        if isinstance(function, Callback):
            made, loop, target = function, function.loop, function.target
            what: tuple[object, ...] = (made.this, made.keywords)
        else:
            made, loop, target = None, running_loop() or (context.event_loop if context else None), function
            what = (False, False)
        owner, method = getattr(target, "__self__", None), getattr(target, "__func__", None)
        # Each obj.method is a new object.
        key = (id(target), id(loop), *what) if method is None else (id(owner), id(method), id(loop), *what)
        number = self.register(key, lambda: made or Callback(target, loop))
        held: Any = self._held.get(number)
        return number, *(held.shown if held else ("", 0))  # closed meanwhile: the message does not arrive

    def error(self, number: int) -> BaseException | None:
        """The Python exception that a JavaScript error stands for."""
        held = self._held.get(number)
        return held.error if isinstance(held, _Raised) else None

    def object(self, number: int) -> Any:
        """The Python object that a proxy or an iterator stands for; JSUndefined after the context was closed."""
        held = self._held.get(number)
        return JSUndefined if held is None or isinstance(held, _Raised) else held.target

    def held(self) -> int:
        """How many functions, objects and errors of Python JavaScript holds."""
        return len(self._held) - (CONSOLE in self._held)

    def close(self) -> None:
        """Nothing of the context is going to come any more: whoever waits is told so."""
        self.closed = True
        while self.tasks:
            task = self.tasks.pop()
            try:
                task.get_loop().call_soon_threadsafe(task.cancel)
            except RuntimeError:
                continue
        for number in list(self.waiting):
            waiter = self.waiting.pop(number, None)
            if waiter is not None:
                waiter(None, JSClosedException())
        with self._lock:
            gone = self._held, self._sent, self._numbers
            self._held, self._sent, self._numbers = {}, {}, {}
            self.plain.clear()
        del gone  # as in release()

    def forked(self) -> None:
        """In a child: what was submitted is the parent's, and whoever waits for it is told so. Promises go on, where the context does."""
        self._lock = RLock()  # a thread that is not here may have had it
        context = self._context()
        if context is None or not self.waiting:
            return
        if context.inbox is not None:
            context.inbox.forked()
        over = list(self.waiting) if context.is_lost() else list(self.brought)
        for number in over:
            for gone in self.brought.pop(number, ()):
                self.release(gone)
            waiter = self.waiting.pop(number, None)
            if waiter is not None:
                waiter(None, JSForkedError(_PARENTS))

    # --- waiting for promises ---

    def wait(self, waiter: Waiter) -> int:
        """Calls `waiter(value, error)`, on any thread, when the library tells of the call of mr_await() with this number. Before that call."""
        number = next(_numbers)
        self.waiting[number] = waiter
        return number

    def forget(self, number: int) -> None:
        """Nobody waits any more, or the library is not going to tell, as the promise was settled already."""
        self.waiting.pop(number, None)

    # --- what the library calls ---

    def call(self, number: int, message: bytes, reply: int) -> None:
        """JavaScript calls a function."""
        context = self._context()
        asked = self._held.get(number)
        if context is None or asked is None or isinstance(asked, _Raised):
            return
        try:
            values = _wire.decode_call(message, context)
            plain = asked.plain
            variables = self._variables(context) if self.waiting else None
            if variables is not None:
                value = variables.run(asked.ask, context, values)
            elif plain:
                del values[0]
                value = plain(*values)
            else:
                value = asked.ask(context, values)
            encoder = _wire.SCALARS.get(type(value))
            if encoder:
                data = encoder(value)
                context.reply_set(reply, RETURN, data, len(data), None, 0)
                return
        except BaseException as error:  # noqa: BLE001 (it goes on through JavaScript)
            self.raised(reply, error)
        else:
            self.answer(number, reply, value)

    def answer(self, number: int, reply: int, value: Any) -> None:
        """A function has returned that; the fast lane calls plain ones itself."""
        context = self._context()
        if context is None:
            return
        try:
            answer = self._answer(value, self._held.get(number), context)
        except BaseException as error:  # noqa: BLE001 (it goes on through JavaScript)
            self.raised(reply, error)
        else:
            context.reply(reply, RETURN, answer)

    def raised(self, reply: int, error: BaseException) -> None:
        """A function has raised that."""
        context = self._context()
        if context is not None:
            context.reply(reply, THROW, self._thrown(error, context))

    def _variables(self, context: Context) -> Any:
        """The context variables of the task that awaits what runs on this thread; None: no task does."""
        variables = getattr(self.waiting.get(context.library.mr_running_call()), "variables", None)
        return None if variables is None else variables.copy()  # one can be entered once at a time

    def _answer(self, value: Any, asked: Any, context: Context) -> _wire.Message:
        from py_mini_racer._functions import is_awaitable, promise_of

        if is_awaitable(value):
            value = promise_of(value, context, getattr(asked, "loop", None))
        return _wire.encode(value, context)

    def event(self, what: int, number: int, message: bytes) -> None:
        """Something has come about in JavaScript."""
        context = self._context()
        if context is None:
            return
        if what == RELEASED:
            self.release(number)
        elif what in (FULFILLED, REJECTED):
            self._settled(context, what, number, message)
        elif what & 0xFF == DONE:
            self._done(context, what, number, message)
        elif what == CODE_CACHE:
            waiter = self.waiting.pop(number, None)
            if waiter is not None:
                waiter(message, None)
        elif what == UNHANDLED:
            context.unhandled(context.thrown(message))
        elif what == UNCAUGHT:
            error = context.stopped(_signed(number), message) if number else context.thrown(message)
            context.uncaught(_interrupt.take() or error)

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
        waiter = self.waiting.pop(number, None)
        if waiter is not None:
            waiter(value, error)

    def _done(self, context: Context, what: int, number: int, message: bytes) -> None:
        """A submission has come to its end. A hole is a promise that is pending: its own event comes later, or came before."""
        status = what >> 16
        brought = self.brought.pop(number, ())
        if not what & TAKEN:
            for gone in brought:
                self.release(gone)
        value: Any = None
        error: BaseException | None = None
        try:
            if status == _dll.OK:
                value = _wire.decode(message, context)
            else:
                error = context.failure(status - 0x10000 if status >= 0x8000 else status, message)
        except Exception as problem:  # noqa: BLE001 (who waits shall have it)
            error = problem
        if value is _wire.HOLE_VALUE:
            found = self.waiting.get(number)
            if found is not None:
                found(value, None)
            return
        if isinstance(error, JSTerminatedException):
            error = _interrupt.take() or error
        waiter = self.waiting.pop(number, None)
        if waiter is not None:
            waiter(value, error)

    def _thrown(self, error: BaseException, context: Context) -> _wire.Message:
        if not isinstance(error, Exception):
            context.end_call(error)
        return self.thrown(error, context)

    def thrown(self, error: BaseException, context: Context) -> _wire.Message:
        """What JavaScript catches: what JavaScript itself threw, if that came by, else an Error that stands for the Python exception."""
        if (
            isinstance(error, (JSEvalException, JSPromiseError))
            and error.has_value
            and not isinstance(error, JSClosedException)
        ):
            from contextlib import suppress

            with suppress(JSValueError):  # of another context: then it is a Python exception like any other
                return _wire.encode(error.value, context)
        if isinstance(error, RefusedError):
            return _wire.encode(JSError(str(error), name="TypeError"), context)
        number = self.register(("error", id(error)), lambda: _Raised(error))
        return _wire.encode_host_error(number, type(error).__name__, _text_of(error))


class _Raised:
    """A Python exception that JavaScript holds an Error of."""

    __slots__ = ("error", "key")
    plain = None

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.key: object = None


class RefusedError(Exception):
    """What a script wants of a proxy is not allowed: it catches a TypeError of its own world."""


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as problem:  # noqa: BLE001 (a __str__ may raise anything)
        return f"(its text cannot be made: {type(problem).__name__})"


def _signed(number: int) -> int:
    return number - 2**64 if number >= 2**63 else number


def _on_call(context: int, number: int, reply: int, message: bytes) -> None:
    host = _host(context)
    if host is not None:
        host.call(number, message, reply)


def on_answer(context: int, number: int, reply: int, value: Any) -> None:
    """For the fast lane, which has called a function: it returned what is no scalar."""
    host = _host(context)
    if host is not None:
        host.answer(number, reply, value)


def on_raised(context: int, _number: int, reply: int, error: BaseException) -> None:
    """Likewise: it raised."""
    host = _host(context)
    if host is not None:
        host.raised(reply, error)


def _on_event(context: int, number: int, what: int, message: bytes) -> None:
    host = _host(context)
    if host is None:
        return
    try:
        host.event(what, number, message)
    except Exception:
        from logging import getLogger

        getLogger("py_mini_racer").exception("an event of a JavaScript context could not be handled")


def _ctypes_call(_data: int, context: int, number: int, message: int, size: int, reply: int) -> None:
    try:
        _on_call(context, number, reply, string_at(message, size))
    except Exception:  # noqa: BLE001 (no room on Python's stack, as a rule)
        return  # without an answer: JavaScript gets an error that says so
    except BaseException as error:  # noqa: BLE001 (a signal's handler came in between)
        _interrupt.end_call(context, error)


def _ctypes_event(_data: int, context: int, what: int, number: int, message: int, size: int) -> None:
    try:
        _on_event(context, number, what, string_at(message, size) if size else b"")
    except BaseException as error:  # noqa: BLE001 (likewise)
        _interrupt.end_call(context, error)


def _host(context: int) -> Host | None:
    known = _hosts.get(context)
    return known() if known else None


_callbacks: tuple[Any, Any] | None = None
_starting = RLock()


def callbacks() -> tuple[Any, Any]:
    """What the library is to call: for a function, and for an event."""
    global _callbacks
    with _starting:
        if _callbacks is None:
            in_ctypes = _dll.HostCall(_ctypes_call), _dll.HostEvent(_ctypes_event)
            _callbacks = _interrupt.start(_on_call, _on_event) or in_ctypes
        return _callbacks


def _after_fork() -> None:
    global _starting
    _starting = RLock()
    for known in list(_hosts.values()):
        host = known()
        if host is not None:
            host.forked()


register_at_fork(after_in_child=_after_fork)


def add(context: int, host: Host) -> None:
    """From now on the host gets what the library tells of the context."""
    _hosts[context] = ref(host, lambda _: _hosts.pop(context, None))


__all__ = ["Host", "add", "callbacks", "on_answer", "on_raised"]
