"""A context of the native library: calls into it, what comes back, and which Python object stands for which JavaScript one.

Any thread: the library itself puts the calls into one context in order.
"""

from __future__ import annotations

from ctypes import byref, c_uint64, sizeof, string_at
from math import isnan

from py_mini_racer import _dll, _wire
from py_mini_racer._exc import (
    JSClosedException,
    JSEvalException,
    JSOOMException,
    JSParseException,
    JSTerminatedException,
    JSTimeoutException,
    JSValueError,
)
from py_mini_racer._types import JSUndefined

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from ctypes import Array
    from typing import Any

    from py_mini_racer._objects import JSObjectImpl

    Native = Callable[..., int]

# Results that nobody uses now, with a reference to pass. A list's pop and append are atomic, so threads and callbacks each get one of their own.
_idle: list[tuple[_dll.Result, Any]] = []


def _new_result() -> tuple[_dll.Result, Any]:
    result = _dll.Result(struct_size=sizeof(_dll.Result))
    return result, byref(result)


_STOPPED: dict[int, type[JSEvalException]] = {
    _dll.TIMEOUT: JSTimeoutException,
    _dll.MEMORY_LIMIT: JSOOMException,
    _dll.TERMINATED: JSTerminatedException,
    _dll.CLOSED: JSClosedException,
    _dll.BAD_CONTEXT: JSClosedException,
}

_LONGEST = 2**33  # seconds: 272 years, and fewer nanoseconds than 2**63
_OFFSETS = 2**30  # V8 adds them to its own numbers, in 32 bits


def nanoseconds(seconds: float | None) -> int:
    """What the library takes as a timeout; 0 for none.

    Raises:
        JSTimeoutException: there is no time left.
        JSValueError: not a number.
        TypeError: nothing of that kind.
    """
    if seconds is None:
        return 0
    if not isinstance(seconds, int) and isnan(seconds):
        msg = "a timeout must be a number of seconds, not NaN"
        raise JSValueError(msg)
    if seconds <= 0:
        raise JSTimeoutException
    return 0 if seconds >= _LONGEST else max(1, int(seconds * 1e9))


def _offset(name: str, value: object) -> int:
    if not isinstance(value, int):
        msg = f"{name} must be an int, not {type(value).__name__}"
        raise TypeError(msg)
    if not -_OFFSETS <= value <= _OFFSETS:
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


def make_options(
    *,
    timeout_sec: float | None = None,
    max_memory: int | None = None,
    filename: str | None = None,
    line_offset: int = 0,
    column_offset: int = 0,
) -> _dll.Options:
    """The options of one call, as the library wants them."""
    return _dll.Options(
        struct_size=sizeof(_dll.Options),
        timeout=nanoseconds(timeout_sec),
        max_memory=max_memory or 0,
        filename=None if filename is None else _filename(filename),
        line_offset=_offset("line_offset", line_offset),
        column_offset=_offset("column_offset", column_offset),
    )


class Context:
    """One isolate with one set of globals."""

    def __init__(self, max_memory: int | None = None) -> None:
        library = _dll.library()
        options = _dll.ContextOptions(struct_size=sizeof(_dll.ContextOptions), max_memory=max_memory or 0)
        number = c_uint64()
        status = library.mr_context_new(byref(options), byref(number))
        if status != _dll.OK:
            raise JSEvalException(f"a context could not be opened: {library.mr_status_text(status).decode()}")
        self._id: int = number.value
        self._library = library
        self._release = library.mr_release
        self._eval = library.mr_eval
        self.call = library.mr_call
        self.get = library.mr_get
        self._objects: dict[int, Any] = {}  # handle: a weak reference to the Python object

    def close(self) -> None:
        """Ends what runs in it, and frees it. Once is enough; more does nothing."""
        self._library.mr_context_close(self._id)

    def on(self, name: str, handle: int, message: bytes | None = None) -> Any:
        """Calls the native function of that name on a value; with the message that it takes, if it takes one."""
        function = getattr(self._library, name)
        return self.run(function, handle, None) if message is None else self.run(function, handle, message, len(message), None)

    def run(self, function: Native, *arguments: object) -> Any:
        """Calls a native function whose last parameter is a result, and returns its value or raises what it says. Options go as they are."""
        try:
            pair = _idle.pop()
        except IndexError:
            pair = _new_result()
        result, reference = pair
        status = function(self._id, *arguments, reference)
        if status == 0:
            tag = result.tag
            if tag == _wire.INT32:
                value: Any = result.int32
            elif tag == _wire.DOUBLE:
                value = result.double
            else:
                value = _wire.decode(string_at(result.data, result.size), 0, self._wrap)[0]
            _idle.append(pair)
            return value
        error = self._error(status, result)
        _idle.append(pair)
        raise error

    def eval(self, code: str, options: _dll.Options | None) -> Any:
        """Evaluates a script."""
        try:
            data = code.encode()
        except UnicodeEncodeError:  # lone surrogates, which UTF-8 has no bytes for
            data = code.encode("utf-16-le", "surrogatepass")
            options = options or make_options()
            options.encoding = _dll.UTF16
        except AttributeError:
            msg = "code is not a string"
            raise JSEvalException(msg) from None
        return self.run(self._eval, data, len(data), options)

    def value_count(self) -> int:
        """How many handles Python holds."""
        count = c_uint64()
        status = self._library.mr_handle_count(self._id, byref(count))
        return count.value if status == _dll.OK else 0

    def terminate(self) -> None:
        """Ends the innermost call that runs in the context now, if there is one."""
        self._library.mr_terminate(self._id)

    # --- objects ---

    def _wrap(self, kind: int, handle: int) -> JSObjectImpl:
        """The Python object of a handle: the one that is alive, else a new one."""
        from py_mini_racer._objects import wrap

        return wrap(self, self._objects, kind, handle)

    def release(self, handles: Array[c_uint64]) -> None:
        """Takes references away. Never waits; fit for `__del__`."""
        self._release(self._id, handles, len(handles))

    # --- errors ---

    def _error(self, status: int, result: _dll.Result) -> Exception:
        if status == _dll.EXCEPTION:
            return self._thrown(string_at(result.data, result.size))
        stopped = _STOPPED.get(status)
        if stopped:
            return stopped()
        text = self._library.mr_status_text(status).decode()
        return JSValueError(text) if status == _dll.BAD_HANDLE else JSEvalException(text)

    def _thrown(self, data: bytes) -> JSEvalException:
        """The exception of mr_wire.h's record 'X'."""
        flags, at = data[1], 2
        fields = []
        for _ in range(9):
            field, at = _wire.decode(data, at, self._wrap)
            fields.append(None if field is JSUndefined else field)
        text, name, message, filename, line, column, frames, value, _stack = fields
        error = (JSParseException if flags & _wire.X_PARSE else JSEvalException)(text)
        error.name, error.js_message, error.filename = name, message, filename
        error.line, error.column = line or None, column or None
        error.frames = tuple(
            (None if function is JSUndefined else function, None if file is JSUndefined else file, row, col)
            for function, file, row, col in frames
        )
        error.value = value
        return error


def context_count() -> int:
    """How many contexts are open in this process, or still closing."""
    count: int = _dll.library().mr_context_count()
    return count
