"""The exceptions of the package.

MiniRacerBaseException
├── JSEvalException                  JavaScript threw, or was stopped
│   ├── JSParseException             the code does not compile
│   ├── JSTimeoutException           (also TimeoutError) the time was up
│   │   └── JSCPUTimeException       the CPU time was used up
│   ├── JSOOMException               the memory limit was reached
│   ├── JSTerminatedException        somebody stopped it
│   │   └── JSClosedException        the MiniRacer is closed, or was while the call ran
│   ├── JSForkedError                it was left behind in another process by a fork
│   ├── JSImportError                (also ImportError) a module cannot be found or loaded
│   ├── JSDeadlockError              (also RuntimeError) the call would wait for its own thread
│   ├── JSBusyError                  (also RuntimeError) the context cannot be entered from here
│   ├── JSKeyError                   (also KeyError) an object has no such property
│   └── JSValueError                 (also ValueError) a value that cannot be used here
├── JSPromiseError                   a promise was rejected
├── JSArrayIndexError                (also IndexError)
├── JSConversionException            a value has no counterpart on the other side
├── WrongReturnTypeException         `execute` and `call`: no JSON came back
├── LibNotFoundError                 the native library, or a file of it, is missing
├── LibIncompatibleError             the native library, or a file of it, is not this package's
└── LibAlreadyInitializedError       `init_mini_racer` came too late
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any


class MiniRacerBaseException(Exception):
    """What every exception of this package derives from."""


class _ThrownException(MiniRacerBaseException):
    """What JavaScript threw, as far as it can be told; see `JSEvalException`."""

    name: str | None = None
    js_message: str | None = None
    filename: str | None = None
    line: int | None = None
    column: int | None = None
    frames: tuple[tuple[str | None, str | None, int, int], ...] = ()
    value: Any = None
    has_value = False  # whether JavaScript threw at all


class JSEvalException(_ThrownException):
    """JavaScript threw an exception, or could not be run.

    Attributes:
        name: the error's `name` in JavaScript, such as `"TypeError"`; None where what was thrown has none.
        js_message: the error's `message`; None likewise.
        filename: the script in which it was thrown; None when there is none.
        line: the line there, from 1; None likewise.
        column: the column there, from 1; None likewise.
        frames: the JavaScript stack, innermost first: tuples of function, file, line and column.
        value: what was thrown: a scalar, or a handle of the object.
    """


class JSParseException(JSEvalException):
    """The code is not valid JavaScript."""


class JSTimeoutException(JSEvalException, TimeoutError):
    """The call took longer than its timeout and was stopped.

    Attributes:
        limit: the keyword argument that says how long it may take, such as "timeout_sec". It may be that of a call around this one, or of the `MiniRacer`.
        limit_value: what it says, in seconds.
        used: how much was used when the limit was seen to be reached, in seconds; None when nobody knows.
    """

    limit: str | None = None
    limit_value: float | None = None
    used: float | None = None

    def __init__(self, message: str = "JavaScript was terminated by timeout") -> None:
        super().__init__(message)


class JSCPUTimeException(JSTimeoutException):
    """The call used up the CPU time that it may use and was stopped. It has the attributes of `JSTimeoutException`."""

    def __init__(self, message: str = "JavaScript used up its CPU time") -> None:
        super().__init__(message)


class JSOOMException(JSEvalException):
    """The call hit the memory limit and was stopped.

    Attributes:
        limit: the keyword argument that says how much there may be, such as "max_memory"; of this call, of one around it, or of the `MiniRacer`.
        limit_value: what it says, in bytes.
        used: how much was used when the limit was seen to be reached, in bytes; None when nobody knows.
    """

    limit: str | None = None
    limit_value: float | None = None
    used: float | None = None

    def __init__(self, message: str = "JavaScript memory limit reached") -> None:
        super().__init__(message)


class JSTerminatedException(JSEvalException):
    """The call was stopped from outside."""

    def __init__(self, message: str = "JavaScript was terminated") -> None:
        super().__init__(message)


class JSClosedException(JSTerminatedException):
    """The MiniRacer is closed, or was closed while this call ran or waited."""

    def __init__(self, message: str = "this MiniRacer is closed: open another one for further work") -> None:
        super().__init__(message)


class JSForkedError(JSEvalException):
    """The process was forked, and this MiniRacer cannot be used in the child: another thread ran JavaScript in it just then; or, for all of them,
    V8 could not be brought to a stop, or is one that does not follow into children.
    """


class JSImportError(JSEvalException, ImportError):
    """A module cannot be found or loaded. The text names the specifier, the importing file and its line."""


class JSDeadlockError(JSEvalException, RuntimeError):
    """The call would wait for something that cannot come about before it returns.

    In a callback: another thread runs JavaScript in the context, and waits for one that this thread is in; or what a promise waits for
    needs this thread.
    """

    def __init__(self, message: str = "this would wait for ever: it needs what only this thread can do") -> None:
        super().__init__(message)


class JSBusyError(JSEvalException, RuntimeError):
    """The context cannot be entered from here.

    A signal's handler has interrupted a script of this context; or the thread is in a callback, and this is another greenlet than that of the callback.
    """

    def __init__(
        self,
        message: str = (
            "the context cannot be entered from here: this is a signal handler that interrupts a script of it, "
            "or another greenlet of a thread that is in a callback"
        ),
    ) -> None:
        super().__init__(message)


class JSKeyError(JSEvalException, KeyError):
    """The object has no such property."""


class JSValueError(JSEvalException, ValueError):
    """A value cannot be used for this."""


class JSPromiseError(_ThrownException):
    """A promise was rejected.

    Attributes:
        reason: what it was rejected with, as text: an Error's stack, anything else as `String()` has it.
        name, js_message, filename, line, column, frames, value: as in `JSEvalException`; `value` is what it was rejected with.
    """

    def __init__(self, reason: Any) -> None:
        super().__init__(f"JavaScript rejected promise with reason: {reason}\n")
        self.reason = reason


class JSArrayIndexError(IndexError, MiniRacerBaseException):
    """An element beyond the end of a JavaScript array was to be deleted."""

    def __init__(self) -> None:
        super().__init__("JSArray deletion out of range")


class JSConversionException(MiniRacerBaseException):
    """A value has no counterpart on the other side. The text names the path to it and its type."""


class WrongReturnTypeException(MiniRacerBaseException):
    """`execute` or `call` met a value that JSON does not know, such as undefined or a function."""

    def __init__(self, typ: type) -> None:
        super().__init__(f"Unexpected return value type {typ}")


class LibNotFoundError(MiniRacerBaseException):
    """The native library, or a file that it needs, is not there."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(
            f"Native library or dependency not available at {path}: install a wheel of mini-racer for this platform, "
            "or run `make build` in a checkout"
        )


class LibIncompatibleError(MiniRacerBaseException):
    """The native library, or a file that it needs, is of another build than this package."""


class LibAlreadyInitializedError(MiniRacerBaseException):
    """V8 runs already, so that its flags can no longer be set."""

    def __init__(self) -> None:
        super().__init__("MiniRacer was already initialized before the call to init_mini_racer")
