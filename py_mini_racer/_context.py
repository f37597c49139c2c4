"""A context of the native library: calls into it, what comes back, and which Python object stands for which JavaScript one.

Any thread: the library itself puts the calls into one context in order.
"""

from __future__ import annotations

from ctypes import addressof, byref, c_int32, c_uint64, sizeof, string_at
from math import isnan
from operator import index as as_index
from time import monotonic

from py_mini_racer import _buffers, _dll, _host, _interrupt, _wire
from py_mini_racer._console import Console
from py_mini_racer._convert import Converters
from py_mini_racer._exc import (
    JSBusyError,
    JSClosedException,
    JSConversionException,
    JSCPUTimeException,
    JSDeadlockError,
    JSEvalException,
    JSForkedError,
    JSOOMException,
    JSParseException,
    JSPromiseError,
    JSTerminatedException,
    JSTimeoutException,
    JSValueError,
)
from py_mini_racer._interrupt import inside as _inside
from py_mini_racer._types import JSError, JSUndefined
from py_mini_racer._wire import CONSTANTS, DOUBLE, INT32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Sequence
    from ctypes import Array
    from logging import Logger
    from typing import Any, NoReturn

    from py_mini_racer._async import Inbox
    from py_mini_racer._console import ConsoleMessage
    from py_mini_racer._modules import Modules
    from py_mini_racer._objects import JSObjectImpl
    from py_mini_racer._scripts import CodeCache

    Native = Callable[..., int]

# Results that nobody uses now, with a reference to pass. A list's pop and append are atomic, so threads and callbacks each get one of their own.
_idle: list[tuple[_dll.Result, Any, memoryview]] = []


def _new_result() -> tuple[_dll.Result, Any, memoryview]:
    result = _dll.Result(struct_size=sizeof(_dll.Result))
    return result, byref(result), memoryview(result).cast("B")[-_dll.INLINE_SIZE :]


_STOPPED: dict[int, type[JSEvalException]] = {
    _dll.TIMEOUT: JSTimeoutException,
    _dll.CPU_TIME: JSCPUTimeException,
    _dll.MEMORY_LIMIT: JSOOMException,
    _dll.TERMINATED: JSTerminatedException,
    _dll.CLOSED: JSClosedException,
    _dll.BAD_CONTEXT: JSClosedException,
    _dll.INTERRUPTED: JSTerminatedException,
    _dll.DEADLOCK: JSDeadlockError,
    _dll.BUSY: JSBusyError,
}

# What limits are called in the library: what in Python, and how much of theirs is one of ours.
_LIMITS = {"timeout": ("timeout_sec", 1e9), "cpu_time": ("cpu_time_sec", 1e9)}

_RECORDS: dict[int, type[JSEvalException | JSPromiseError]] = {
    _wire.X_PARSE: JSParseException,
    _wire.X_REJECTED: JSPromiseError,
}

_NOT_CONVERTED = (_dll.TOO_DEEP, _dll.TOO_LARGE, _dll.BAD_MESSAGE)

_LONGEST = 2**33  # seconds: 272 years, and fewer nanoseconds than 2**63
_OFFSETS = 2**30  # V8 adds them to its own numbers, in 32 bits


def nanoseconds(seconds: float | None, name: str = "timeout_sec") -> int:
    """What the library takes as a time; 0 for None.

    Raises:
        JSTimeoutException: there is no time left.
        JSValueError: not a number.
        TypeError: nothing of that kind.
    """
    if seconds is None:
        return 0
    if not isinstance(seconds, int) and isnan(seconds):
        what = "a timeout" if name == "timeout_sec" else name
        raise JSValueError(f"{what} must be a number of seconds, not NaN")
    if seconds <= 0:
        error = JSTimeoutException() if name == "timeout_sec" else JSCPUTimeException()
        error.limit, error.limit_value, error.used = name, float(max(seconds, -_LONGEST)), 0.0
        raise error
    return _dll.UNLIMITED if seconds >= _LONGEST else max(1, int(seconds * 1e9))


def memory(name: str, size: int | None) -> int:
    """A number of bytes, as the library takes it; 0 for None.

    Raises:
        JSValueError: it is less than 1.
        TypeError: it is no int.
    """
    if size is None:
        return 0
    if as_index(size) < 1:
        raise JSValueError(f"{name} must be at least 1 byte, not {size}: None is the default")
    return min(size, 2**63)


def _between(name: str, size: int | None, least: int, most: int) -> int:
    """A number of bytes that has its bounds; 0 for None."""
    if size is not None and not least <= as_index(size) <= most:
        raise JSValueError(f"{name} must be from {least} to {most} bytes, not {size}: None is the default")
    return size or 0


_LEAST_STACK = 64 * 1024

_NO_ROOM = (
    "a context could not be opened: the heaps of all contexts have reached max_total_memory (see init_mini_racer), or the process has "
    "no memory or addresses left: close contexts that are no longer needed"
)


def _default_time(name: str, seconds: float | None) -> int:
    """A context's own limit: 0 or less would stop every call."""
    if seconds is not None and seconds <= 0:
        raise JSValueError(f"{name} of a MiniRacer must be more than 0, not {seconds}: None is no limit")
    return nanoseconds(seconds, name)


def _offset(name: str, value: object) -> int:
    if not isinstance(value, int):
        msg = f"{name} must be an int, not {type(value).__name__}"
        raise TypeError(msg)
    if not -_OFFSETS < value < _OFFSETS:
        msg = f"{name} must be between -2**30 and 2**30, not {value}"
        raise JSValueError(msg)
    return value


def _filename(value: object) -> bytes:
    if not isinstance(value, str):
        msg = f"filename must be a str, not {type(value).__name__}"
        raise TypeError(msg)
    if "\0" in value:
        msg = "filename must not contain NUL"
        raise JSValueError(msg)
    return value.encode("utf-8", "replace")


def at_least_one(name: str, number: int | None) -> int:
    """A limit as the library takes it; 0 for none of one's own.

    Raises:
        JSValueError: it is less than 1.
        TypeError: it is no int.
    """
    if number is None:
        return 0
    if as_index(number) < 1:
        raise JSValueError(f"{name} must be at least 1, not {number}: None is the default")
    return min(number, 2**63)


def make_options(
    *,
    timeout_sec: float | None = None,
    cpu_time_sec: float | None = None,
    max_memory: int | None = None,
    filename: str | None = None,
    line_offset: int = 0,
    column_offset: int = 0,
    flags: int = 0,
    max_bytes: int | None = None,
    max_depth: int | None = None,
    max_stack: int | None = None,
) -> _dll.Options:
    """The options of one call, as the library wants them."""
    return _dll.Options(
        struct_size=sizeof(_dll.Options),
        timeout=nanoseconds(timeout_sec),
        cpu_time=nanoseconds(cpu_time_sec, "cpu_time_sec"),
        max_memory=memory("max_memory", max_memory),
        filename=None if filename is None else _filename(filename),
        line_offset=_offset("line_offset", line_offset),
        column_offset=_offset("column_offset", column_offset),
        flags=flags,
        max_bytes=at_least_one("max_bytes", max_bytes),
        max_depth=min(at_least_one("max_depth", max_depth), 0xFFFFFFFF),
        max_stack=_between("max_stack", max_stack, _LEAST_STACK, 2**32),
    )


def script_of(code: str, options: _dll.Options | None) -> tuple[bytes, Any]:
    """A script's bytes, and options that say how they are encoded."""
    try:
        return code.encode(), options
    except UnicodeEncodeError:  # lone surrogates, which UTF-8 has no bytes for
        options = _copy_of(options)
        options.encoding = _dll.UTF16
        return code.encode("utf-16-le", "surrogatepass"), options
    except AttributeError:
        msg = "code is not a string"
        raise JSEvalException(msg) from None


_LARGE_SCRIPT = 65536  # bytes from which on what was compiled is kept for the next time; as in mr_python_lane.c


def _copy_of(options: _dll.Options | None) -> _dll.Options:
    return make_options() if options is None else _dll.Options.from_buffer_copy(options)


class Context:
    """One isolate with one set of globals."""

    def __init__(
        self,
        *,
        timeout_sec: float | None = None,
        cpu_time_sec: float | None = None,
        max_memory: int | None = None,
        max_stack: int | None = None,
        max_buffer_memory: int | None = None,
        console: Callable[[ConsoleMessage], object] | bool | None = None,
        snapshot: int = 0,
        for_snapshot: bool = False,
    ) -> None:
        target = None if console is False else Console(None if console is True else console)
        library = _dll.library()
        from py_mini_racer import _lane

        self._decode_at = _lane.decode_at
        self._drop_texts = _lane.drop_texts
        call, event = _host.callbacks()
        options = _dll.ContextOptions(
            struct_size=sizeof(_dll.ContextOptions),
            max_memory=_between("max_memory", max_memory, 2**20, 2**32),
            max_stack=_between("max_stack", max_stack, _LEAST_STACK, 2**32),
            call=call,
            event=event,
            timeout=_default_time("timeout_sec", timeout_sec),
            cpu_time=_default_time("cpu_time_sec", cpu_time_sec),
            max_buffer_memory=_between("max_buffer_memory", max_buffer_memory, 1, 2**53),
            console=target is not None,
            snapshot=snapshot,
            for_snapshot=for_snapshot,
        )
        number = c_uint64()
        status = library.mr_context_new(byref(options), byref(number))
        if status != _dll.OK:
            if status == _dll.NO_MEMORY:
                raise JSOOMException(_NO_ROOM)
            error = JSForkedError if status == _dll.FORKED else JSEvalException
            raise error(f"a context could not be opened: {library.mr_status_text(status).decode()}")
        self._id: int = number.value
        self.library = library
        self._release = library.mr_release
        self._eval = library.mr_eval
        self.call = library.mr_call
        self.get = library.mr_get
        self.reply_set = library.mr_reply_set
        self.converters = Converters()
        self._objects: dict[int, Any] = {}  # handle: a weak reference to the Python object
        self.max_memory: int | None = None  # bytes; of calls that have no limit of their own
        self.memory_limit_reached = False
        self.options: _dll.Options | None = None  # of calls that have none of their own
        self.event_loop: AbstractEventLoop | None = None  # of coroutines that are called where no loop runs
        self.host = _host.Host(self, target)
        self.timeout_sec = timeout_sec
        self.modules: Modules | None = None  # made when they are first needed
        self.code_cache: CodeCache | None = None
        self._kept: list[_dll.Options] = []  # that the crossing may read
        self.crossing = _lane.crossing(self, self._id)
        if self.crossing:
            self.crossing.take_callbacks(self.host.plain, self.host.waiting)
        self.eval_plain: Callable[[str, int], Any] = self.crossing.eval if self.crossing else self.eval_slowly
        self.on_unhandled: Callable[[Any], object] | None = None
        self.on_uncaught: Callable[[Any], object] | None = None
        self.inbox: Inbox | None = None  # of _async
        _host.add(self._id, self.host)

    def close(self) -> None:
        """Ends what runs in it, and frees it. Once is enough; more does nothing."""
        status = self.library.mr_context_close(self._id)
        self._drop_texts()
        self.host.close()
        self.modules = None
        if status == _dll.INTERRUPTED:
            self.failed(status, b"")

    def on(
        self, name: str, handle: int, message: _wire.Message | None = None, options: _dll.Options | None = None
    ) -> Any:
        """Calls the native function of that name on a value; with the message that it takes, if it takes one."""
        function = getattr(self.library, name)
        options = options or self.options
        if message is None:
            return self.run(function, handle, options)
        data, buffers = message
        if buffers:
            options = _copy_of(options)
            options.buffers = slices = _buffers.slices(buffers)
            options.buffer_count = len(slices)
        return self.run(function, handle, data, len(data), options)

    def run(self, function: Native, *arguments: object) -> Any:
        """Calls a native function whose last parameter is a result, and returns its value or raises what it says. Options go as they are."""
        try:
            idle = _idle.pop()
        except IndexError:
            idle = _new_result()
        result, reference, short = idle
        if _inside:
            _interrupt.check_greenlet()
        status = function(self._id, *arguments, reference)
        if status == 0:
            tag = result.tag
            if tag == INT32:
                value: Any = result.int32
            elif tag == DOUBLE:
                value = result.double
            elif tag in CONSTANTS:
                value = CONSTANTS[tag]
            elif result.size <= len(short):
                value = _wire.decode(short[: result.size].tobytes(), self)
            else:
                value = self._decode_at(result.data, result.size, self)
            _idle.append(idle)
            return value
        if not result.taken:
            for argument in arguments:
                self.forget_functions(_wire.numbers_in(argument))
        message = string_at(result.data, result.size) if result.size else b""
        _idle.append(idle)
        return self.failed(status, message)

    def failed(self, status: int, message: bytes) -> NoReturn:
        """Raises what a call has failed with; the message is the error's, or names the place."""
        error: BaseException = self.failure(status, message)
        kept = _interrupt.take() if status == _dll.INTERRUPTED else None
        if kept is not None:
            error = kept
        try:
            raise error
        finally:
            # A Python exception that went through JavaScript remembers this frame, and this frame the error that it became, which holds on to JavaScript's.
            del error, kept

    def eval(self, code: str, options: _dll.Options | None) -> Any:
        """Evaluates a script."""
        data = None
        if type(code) is not str or len(code) < _LARGE_SCRIPT:
            data, options = script_of(code, options)
        if data is None or len(data) >= _LARGE_SCRIPT:
            from py_mini_racer._scripts import eval_large

            return eval_large(self, code, _copy_of(options or self.options))
        return self.run(self._eval, data, len(data), options or self.options)

    def submit_eval(self, code: str, options: _dll.Options) -> None:
        """Has a script evaluated: see `submit`."""
        data, options = script_of(code, options)
        self.submit(_dll.DO_EVAL, 0, (data, None), options)

    def submit(self, operation: int, handle: int, message: _wire.Message | None, options: _dll.Options) -> None:
        """Has it done on a thread of the library's. The host is going to be told, with the options' number; unless this raises."""
        data, buffers = message or (b"", None)
        if buffers:
            options.buffers = slices = _buffers.slices(buffers)
            options.buffer_count = len(slices)
        self.host.brought[options.call] = _wire.numbers_in(data)
        status = self.library.mr_submit(self._id, operation, handle, data, len(data), options)
        if status != _dll.OK:
            self.forget_functions(self.host.brought.pop(options.call, ()))
            raise self.failure(status)

    def eval_slowly(self, code: str, timeout: int) -> Any:
        """Evaluates a script with the context's own options; and the timeout, in nanoseconds, where it is not 0."""
        if not timeout:
            return self.eval(code, None)
        options = _copy_of(self.options)
        options.timeout = timeout
        return self.eval(code, options)

    def value_count(self) -> int:
        """How many handles Python holds."""
        count = c_uint64()
        status = self.library.mr_handle_count(self._id, byref(count))
        return count.value if status == _dll.OK else 0

    def is_lost(self) -> bool:
        """In a child: whether it was somebody's when the process was forked, so that nobody gets into it here."""
        status: int = self.library.mr_handle_count(self._id, byref(c_uint64()))
        return status == _dll.FORKED

    def changes(self) -> int:
        """How often JavaScript may have changed something; -1 when the context is closed."""
        count = c_uint64()
        status = self.library.mr_changes(self._id, byref(count))
        return count.value if status == _dll.OK else -1

    def v8_is_using_sandbox(self) -> bool:
        """Whether V8's sandbox is on; mini-racer 0.14 has it here."""
        return "sandbox" in _dll.features()

    def terminate(self) -> None:
        """Ends what runs in the context now, if anything does."""
        self.library.mr_terminate(self._id)

    def end_call(self, error: BaseException) -> None:
        """In a callback: ends the call that it belongs to, which then raises the error."""
        _interrupt.end_call(self._id, error)

    def wait(self, done: c_int32, timeout: float | None) -> None:
        """Waits until an event has set `done`; `timeout` in seconds."""
        until = None if timeout is None else monotonic() + timeout
        step = (
            None if _interrupt.has_hook() else 0.05
        )  # where the library cannot see to signals, Python does so in between
        status = _dll.TIMEOUT
        while status == _dll.TIMEOUT and not done.value:
            left = None if until is None else until - monotonic()
            if left is not None and left <= 0:
                break
            status = self.library.mr_wait(
                self._id, done, nanoseconds(left if step is None or (left is not None and left < step) else step)
            )
        if not done.value:
            self.failed(status, b"")
        if status == _dll.INTERRUPTED:
            self.failed(status, b"")

    def cancel(self, call: int) -> None:
        """Ends the call whose options have this number, if it runs now."""
        self.library.mr_cancel(self._id, call)

    def collect_garbage(self) -> None:
        """Makes V8 give back what it can."""
        self.run(self.library.mr_low_memory, None)
        self._drop_texts()

    def limit_memory(self, number: int) -> None:
        """Sets the heap size in bytes that stops calls which have no limit of their own; 0: none."""
        options = make_options(max_memory=number) if number else None
        self.max_memory = number or None
        self.memory_limit_reached = False
        self.options = options
        if self.crossing and self.options:
            self._kept.append(self.options)  # a call on another thread may be about to read it
        if self.crossing:
            self.crossing.options = addressof(self.options) if self.options else 0

    def soft_limit(self, number: int) -> None:
        """Sets the heap size in bytes above which V8 collects with more zeal; 0: none."""
        self.library.mr_soft_limit(self._id, memory("limit", number or None))

    def soft_limit_reached(self) -> bool:
        """Whether the heap was that large since."""
        reached = c_int32()
        self.library.mr_soft_limit_reached(self._id, byref(reached))
        return bool(reached.value)

    # --- the host's side ---

    def function_id(self, function: Callable[..., Any]) -> tuple[int, str, int]:
        """What stands for a Python function in a message."""
        return self.host.function(function)

    def forget_functions(self, numbers: Sequence[int]) -> None:
        """These have not been handed to JavaScript after all: their message could not be made, or has not arrived."""
        for number in numbers:
            self.host.release(number)

    def host_object(self, number: int) -> Any:
        """The Python object that a proxy or an iterator in a message stands for."""
        return self.host.object(number)

    def host_error(self, number: int) -> BaseException | None:
        """The Python exception that an error in a message stands for; None when it is gone."""
        return self.host.error(number)

    def as_function(self, function: Callable[..., Any]) -> Any:
        """The JavaScript function that calls a Python one."""
        return self.eval("(function (f) { return f; })", None)(function)

    def reply(self, reply: int, outcome: int, answer: _wire.Message) -> None:
        """Says what a host function returns or throws."""
        data, buffers = answer
        slices = _buffers.slices(buffers) if buffers else None
        if self.reply_set(reply, outcome, data, len(data), slices, len(slices) if slices else 0):
            self.forget_functions(_wire.numbers_in(data))

    def new_promise(self) -> Any:
        """A pending promise, for `settle`."""
        return self.run(self.library.mr_promise_new, None)

    def settlement(self, *, fulfilled: bool, value: Any) -> _wire.Message:
        """What settles a promise."""
        try:
            return _wire.encode_array((fulfilled, value), self, 1)
        except Exception as error:  # noqa: BLE001 (what cannot be converted is a reason, too)
            return self.rejection(error)

    def rejection(self, error: BaseException) -> _wire.Message:
        """What rejects one with what a Python exception is in JavaScript."""
        return _wire.encode_rejection(self.host.thrown(error, self))

    def stack(self) -> str:
        """The JavaScript stack of the callback that runs now, without a heading."""
        text: str = self.eval("new Error().stack", None)
        return text.partition("\n")[2].partition("\n")[2]

    def unhandled(self, error: Exception) -> None:
        """A promise was rejected and nobody has taken notice."""
        if self.on_unhandled is not None:
            self.on_unhandled(error)
        else:
            _logger().error("a JavaScript promise was rejected, and nothing handles that: %s", error)

    def uncaught(self, error: BaseException) -> None:
        """A timer's callback threw, or was stopped."""
        if self.on_uncaught is not None:
            self.on_uncaught(error)
        else:
            _logger().error("a JavaScript callback, of a timer or queueMicrotask, failed: %s", error)

    # --- objects ---

    def wrap(self, kind: int, handle: int) -> JSObjectImpl:
        """The Python object of a handle: the one that is alive, else a new one."""
        from py_mini_racer._objects import wrap

        return wrap(self, self._objects, kind, handle)

    def view(self, *buffer: int) -> memoryview:
        """A view of a script's memory: see `_buffers.make_view`."""
        return _buffers.make_view(self, *buffer)

    def release(self, handles: Array[c_uint64]) -> None:
        """Takes references away. Never waits; fit for `__del__`."""
        self._release(self._id, handles, len(handles))

    # --- errors ---

    def failure(self, status: int, data: bytes = b"") -> Exception:
        """The exception of a call that was none of a success, with what its result holds."""
        if status == _dll.EXCEPTION:
            return self.thrown(data)
        if status in _STOPPED:
            return self.stopped(status, data)
        text = self.library.mr_status_text(status).decode()
        if status in _NOT_CONVERTED:
            return JSConversionException(f"{_wire.decode(data, self)}: {text}" if data else text)
        if status == _dll.FORKED:
            return JSForkedError(text)
        return JSValueError(text) if status == _dll.BAD_HANDLE else JSEvalException(text)

    def stopped(self, status: int, message: bytes = b"") -> Exception:
        """The exception of a status without a record; the message says which limit it was."""
        self.memory_limit_reached |= status == _dll.MEMORY_LIMIT
        known = _STOPPED.get(status)
        error = known() if known else JSEvalException(self.library.mr_status_text(status).decode())
        if message and isinstance(error, (JSTimeoutException, JSOOMException)):
            name, value, used = _wire.decode(message, self)
            known_as, unit = _LIMITS.get(name, (name, 1))
            error.limit, error.limit_value, error.used = (
                known_as,
                value / unit,
                None if used is JSUndefined else used / unit,
            )
        return error

    def thrown(self, data: bytes) -> JSEvalException | JSPromiseError:
        """The exception of mr_wire.h's record 'X'."""
        flags, number, fields = _wire.decode_exception(data, self)
        text, name, message, filename, line, column, frames, value, _stack, cause = fields
        error = _RECORDS.get(flags, JSEvalException)(text)
        error.name, error.js_message, error.filename = _none(name), _none(message), _none(filename)
        error.line, error.column = line or None, column or None
        error.frames = tuple((_none(function), _none(file), row, col) for function, file, row, col in frames)
        error.value = value
        error.has_value = True
        passed = self.host.error(number)
        if passed is not None:
            error.__cause__ = passed
        elif isinstance(cause, BaseException):
            error.__cause__ = cause
        elif cause is not _wire.HOLE_VALUE:
            error.__cause__ = JSError(str(cause), name="cause", cause=cause)
        return error


def _none(field: Any) -> Any:
    return None if field is JSUndefined else field


def _logger() -> Logger:
    from logging import getLogger

    return getLogger("py_mini_racer")


def context_count() -> int:
    """How many contexts are open in this process, or still closing."""
    count: int = _dll.library().mr_context_count()
    return count
