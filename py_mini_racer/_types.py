"""The public types that stand for JavaScript's. `_objects.py` holds what they do."""

from __future__ import annotations

from collections.abc import MutableMapping, MutableSequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any


class JSUndefinedType:
    """The type of `JSUndefined`, JavaScript's `undefined`. `null` is `None`."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "JSUndefined"


JSUndefined = JSUndefinedType()


class JSDate(float):
    """A Date that no `datetime` can hold: an invalid one (NaN), or one before the year 1 or after 9999.

    As a number it is the milliseconds since 1970-01-01T00:00Z. Passed to JavaScript, it is a Date again.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"JSDate({float.__repr__(self)})"


class JSError(Exception):
    """A JavaScript Error as a value, in what `copy()` gives: nobody has thrown it. Passed to JavaScript, it is an Error again.

    Attributes:
        name: such as "TypeError".
        message: its text.
        stack: where it was made, as JavaScript writes it; None when there is none.
        cause: JavaScript's `cause`, `JSUndefined` when there is none. When it is a JSError, it is `__cause__` as well.
    """

    def __init__(
        self, message: str = "", *, name: str = "Error", stack: str | None = None, cause: Any = JSUndefined
    ) -> None:
        super().__init__(message)
        self.name = name
        self.message = message
        self.stack = stack
        self.cause = cause
        if isinstance(cause, BaseException):
            self.__cause__ = cause

    def __str__(self) -> str:
        return f"{self.name}: {self.message}" if self.message else self.name

    def __repr__(self) -> str:
        return f"<JSError {self}>"


class JSObject:
    """A JavaScript object, alive in its context. The same object is the same one in Python while one is held."""

    def copy(
        self,
        *,
        max_depth: int | None = None,
        max_bytes: int | None = None,
        maps: str = "dict",
        timeout_sec: float | None = None,
    ) -> Any:
        """The whole value as plain Python: dicts, lists, sets, strings, numbers. What is shared or cyclic stays so.

        Args:
            max_depth: how deep it may be nested; 400 by default.
            max_bytes: how large it may be, with 8 bytes for each value; 1 GiB by default.
            maps: "dict" for dicts and sets in place of Maps and Sets, "pairs" for lists, which can hold any keys.
            timeout_sec: seconds after which it is given up; getters and proxies run.

        Raises:
            JSConversionException: it is too deep or too large, or holds what Python cannot. The text names the place.
            JSEvalException: a getter or a proxy threw; JSTimeoutException, JSOOMException: it was stopped.
        """
        raise NotImplementedError

    def call_method(self, name: str | JSSymbol, *args: Any, timeout_sec: float | None = None) -> Any:
        """Calls a method of the object, with the object as its `this`. Raises what calling a function raises."""
        raise NotImplementedError


class JSMappedObject(MutableMapping, JSObject):  # type: ignore[type-arg]
    """An object as a mapping of its properties, those of its prototypes included, as a for-in loop sees them."""


class JSArray(MutableSequence, JSObject):  # type: ignore[type-arg]
    """An array as a sequence."""


class JSFunction(JSMappedObject):
    """A function: call it."""

    def __call__(
        self,
        *args: Any,
        this: JSObject | JSUndefinedType = JSUndefined,
        timeout_sec: float | None = None,
        copy: bool = False,
        max_depth: int | None = None,
        max_bytes: int | None = None,
        maps: str = "dict",
    ) -> Any:
        """Calls the function.

        Args:
            args: its arguments.
            this: what `this` is in it.
            timeout_sec: seconds after which it is stopped.
            copy: the result comes whole, as from `JSObject.copy`, which says what the other three are.
            max_depth: with `copy`.
            max_bytes: with `copy`.
            maps: with `copy`.

        Raises:
            JSEvalException: it threw; JSTimeoutException, JSOOMException: it was stopped.
            JSConversionException: an argument has no counterpart in JavaScript. The text names the place.
        """
        raise NotImplementedError

    def new(self, *args: Any, timeout_sec: float | None = None) -> Any:
        """Makes an object with the function as its constructor, as `new` does. Raises what calling it raises."""
        raise NotImplementedError

    def cancelable(self) -> CancelableJSFunction:
        """The same function, to be awaited: each call runs on a thread and stops when the task that awaits it is cancelled."""
        raise NotImplementedError


class CancelableJSFunction(JSMappedObject):
    """A function whose calls are awaited; from `JSFunction.cancelable()`."""

    async def __call__(self, *args: Any, this: JSObject | JSUndefinedType = JSUndefined) -> Any:
        """Calls the function on a thread. Cancelled, the script is stopped. Raises what calling a function raises."""
        raise NotImplementedError


class JSSymbol(JSMappedObject):
    """A symbol."""


class JSPromise(JSObject):
    """A promise: `get()` it in a thread, or `await` it in any event loop."""

    def get(self, *, timeout: float | None = None) -> Any:
        """Waits until it is settled, for at most `timeout` seconds, and returns its value.

        Raises:
            JSPromiseError: it was rejected. JSTimeoutException: it is still pending.
            RuntimeError: it is pending, and waiting here would keep it so: in a thread that runs an event loop (write `await promise`), or in a callback that
                JavaScript of the same context waits for.
        """
        raise NotImplementedError

    def __await__(self) -> Generator[Any, None, Any]:
        raise NotImplementedError
