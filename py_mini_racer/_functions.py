"""Python functions as JavaScript sees them: how they are called, and what becomes of coroutines. Called on the thread that runs JavaScript and has the
context's lock; coroutines run in their event loop.
"""

from __future__ import annotations

from contextlib import suppress
from sys import modules
from types import FunctionType, MethodType

from py_mini_racer._exc import JSClosedException, JSValueError
from py_mini_racer._types import JSMappedObject, JSObject, JSUndefined
from py_mini_racer._wire import OBJECT_KIND

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Awaitable, Callable
    from typing import Any

    from py_mini_racer._context import Context
    from py_mini_racer._promises import JSPromiseImpl


class Callback:
    """A Python function that JavaScript can call.

    Attributes:
        plain: the function, when it is called with the arguments alone.
        target: the function.
        loop: where its coroutines run; None: where it is called.
    """

    __slots__ = ("key", "keywords", "loop", "plain", "shown", "target", "this")

    def __init__(
        self,
        target: Callable[..., Any],
        loop: AbstractEventLoop | None,
        *,
        this: bool = False,
        keywords: bool = False,
    ) -> None:
        self.target = target
        self.loop = loop
        self.this = this
        self.keywords = keywords
        self.plain = None if this or keywords else target
        self.key: object = None
        self.shown = name_of(target), length_of(target)

    def __call__(self) -> None:
        """It goes to JavaScript as any callable does; nobody calls it here."""
        raise NotImplementedError

    def ask(self, _context: Context, values: list[Any]) -> Any:
        """Calls it with [this, arguments...] as its options say."""
        named: dict[str, Any] = {}
        this, *arguments = values
        if self.keywords and arguments and _is_plain(arguments[-1]):
            options = arguments.pop()
            named = {str(name): options[name] for name in options}
        if self.this:
            named["this"] = this
        return self.target(*arguments, **named)


def _is_plain(value: object) -> bool:
    """Whether it is an object, and no array, function, Map, Set, RegExp, Error, promise or the like."""
    return getattr(value, "_wire_kind", None) == OBJECT_KIND


def name_of(function: object) -> str:
    """What JavaScript calls it."""
    functools = modules.get("functools")
    while functools is not None and isinstance(function, functools.partial):
        function = function.func
    name = getattr(function, "__name__", None)
    return name if isinstance(name, str) else type(function).__name__


def length_of(function: object) -> int:
    """How many arguments it needs, as far as its code says so."""
    bound = 0
    if type(function) is not FunctionType:
        own = type(function) is MethodType
        function = function.__func__ if own else getattr(type(function), "__call__", None)  # type: ignore[attr-defined]  # noqa: B004 (it is asked for its code)
        bound = 1
    if type(function) is not FunctionType:
        return 0
    return max(0, function.__code__.co_argcount - bound - len(function.__defaults__ or ()))


def running_loop() -> AbstractEventLoop | None:
    """The event loop that runs on this thread."""
    asyncio = modules.get("asyncio")
    if asyncio is None:
        return None
    loop: AbstractEventLoop | None = asyncio._get_running_loop()
    return loop


# --- coroutines ---


def is_awaitable(value: object) -> bool:
    """Whether it is a coroutine or a future of Python's."""
    return hasattr(type(value), "__await__") and not isinstance(value, JSObject)


def promise_of(awaitable: Awaitable[Any], context: Context, loop: AbstractEventLoop | None) -> JSPromiseImpl:
    """A JavaScript promise of what the awaitable comes to in the loop; without one, in the loop that runs here.

    Raises:
        RuntimeError: there is no such loop, or it is closed.
    """
    here = running_loop()
    own: AbstractEventLoop | None = getattr(awaitable, "get_loop", lambda: None)()
    where = own or loop or here or context.event_loop
    if where is None or where.is_closed():
        _abandon(awaitable)
        msg = (
            "a coroutine function was called from JavaScript, and "
            + ("its event loop is closed" if where else "there is no event loop to run it in")
            + ": pass it to JavaScript, or call JavaScript, while the loop runs, or open the context with MiniRacer(event_loop=)"
        )
        raise RuntimeError(msg)
    promise: JSPromiseImpl = context.new_promise()
    if where is here:
        _start(awaitable, promise, context, where)
        return promise
    try:
        where.call_soon_threadsafe(_start, awaitable, promise, context, where)
    except RuntimeError:  # it was closed this moment
        _abandon(awaitable)
        raise
    return promise


def _abandon(awaitable: Awaitable[Any]) -> None:
    close = getattr(awaitable, "close", None)
    if close is not None:  # a coroutine that is never awaited warns
        close()


def _start(awaitable: Awaitable[Any], promise: JSPromiseImpl, context: Context, loop: AbstractEventLoop) -> None:
    if context.host.closed:
        _abandon(awaitable)
        return
    task = loop.create_task(_settle(awaitable, promise, context))
    context.host.tasks.add(task)
    task.add_done_callback(context.host.tasks.discard)


async def _settle(awaitable: Awaitable[Any], promise: JSPromiseImpl, context: Context) -> None:
    from py_mini_racer._async import settled

    try:
        value = await awaitable
    except BaseException as error:
        reason = error
        with suppress(JSClosedException):  # then there is nobody to tell
            await settled(context, promise, lambda: context.rejection(reason))
        if not isinstance(error, Exception):
            raise
    else:
        with suppress(JSClosedException):
            await settled(context, promise, lambda: context.settlement(fulfilled=True, value=value))


# --- MiniRacer.function ---


def put(context: Context, name: str, function: Any, *, replace: bool) -> None:
    """Makes `function` what the dotted name means in JavaScript, with the objects on the way to it.

    Raises:
        JSValueError: something of this name is there already; or on the way to it, and is no object.
    """
    *path, last = name.split(".")
    if not all((*path, last)):
        msg = f"{name!r} is no name for a function in JavaScript: write it as 'name', or as 'object.name'"
        raise JSValueError(msg)
    holder: Any = context.run(context.library.mr_globals, None)
    for number, step in enumerate(path, 1):
        found = holder.get(step)
        if found is None or found is JSUndefined:
            holder[step] = {}
            found = holder[step]
        if not isinstance(found, JSMappedObject):
            msg = f"{'.'.join(path[:number])} is no object in this context: {name} cannot be put there"
            raise JSValueError(msg)
        holder = found
    if not replace and last in holder:
        msg = f"{name} is there already: choose another name, or pass replace=True"
        raise JSValueError(msg)
    holder[last] = function
