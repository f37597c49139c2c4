"""Promises in Python, and Python's coroutines in JavaScript.

A promise can be waited for by any thread and in any event loop: the library tells its context's Host on whatever thread the promise was settled, and the Host
hands the news to who waits. asyncio is imported when it is first needed; it takes longer to import than V8 to start.
"""

from __future__ import annotations

from contextlib import suppress
from ctypes import c_int32
from sys import modules

from py_mini_racer import _dll, _wire
from py_mini_racer._async import awaited, settled, submitted
from py_mini_racer._context import make_options
from py_mini_racer._exc import JSClosedException
from py_mini_racer._objects import JSMappedObjectImpl, JSObjectImpl, copy_options
from py_mini_racer._types import CancelableJSFunction, JSError, JSPromise, JSUndefined, JSUndefinedType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
    from typing import Any

    from py_mini_racer._context import Context
    from py_mini_racer._types import JSFunction, JSObject


class JSPromiseImpl(JSObjectImpl, JSPromise):
    """A promise: `get()` it, or `await` it."""

    _given_up: dict[tuple[int, int, int], list[int]] | None = None  # waits that JavaScript still has a listener of

    def _begin_wait(self, waiter: Callable[[Any, BaseException | None], None], options: _dll.Options) -> None:
        """Gives the options, with which mr_await() is going to be called, their number: of a wait of their kind that was given up, else a new one."""
        host, kind = self._context.host, _kind_of(options)
        try:
            options.call = (self._given_up or {})[kind].pop()
        except (KeyError, IndexError):
            options.call = host.wait(waiter)
        else:
            host.waiting[options.call] = waiter

    def _end_wait(self, options: _dll.Options, *, given_up: bool) -> None:
        self._context.host.forget(options.call)
        if given_up:  # the next one needs no listener of its own
            if self._given_up is None:
                self._given_up = {}
            self._given_up.setdefault(_kind_of(options), []).append(options.call)

    def get(
        self,
        *,
        timeout: float | None = None,
        copy: bool = False,
        max_depth: int | None = None,
        max_bytes: int | None = None,
        maps: str = "dict",
    ) -> Any:
        """Waits for the value: see `JSPromise.get`."""
        context = self._context
        done = c_int32()
        answer: list[Any] = []

        def waiter(value: Any, error: BaseException | None) -> None:
            answer.extend((value, error))
            done.value = 1

        options = (
            copy_options(context, max_depth, max_bytes, maps, timeout) if copy else make_options(timeout_sec=timeout)
        )
        self._begin_wait(waiter, options)
        pending = True  # a call that was stopped may have found it so
        try:
            value = context.on("mr_await", self._wire_handle, None, options)
            pending = value is _wire.HOLE_VALUE
            if not pending:
                return value
            _refuse_to_block()
            context.wait(done, timeout)
        finally:
            self._end_wait(options, given_up=pending and not done.value)
        value, error = answer
        if error is not None:
            try:
                raise error
            finally:
                del error, answer[:]  # as in Context.run
        return value

    async def get_async(
        self, *, copy: bool = False, max_depth: int | None = None, max_bytes: int | None = None, maps: str = "dict"
    ) -> Any:
        """Waits for the value in the running event loop: see `JSPromise.get_async`."""
        context = self._context
        options = (
            copy_options(context, max_depth, max_bytes, maps, None)
            if copy
            else make_options(max_memory=context.max_memory)
        )
        return await awaited(self, options)

    def __await__(self) -> Generator[Any, None, Any]:
        return self.get_async().__await__()


def _kind_of(options: _dll.Options) -> tuple[int, int, int]:
    """What a listener does with the value."""
    return options.flags & ~_dll.TRY, options.max_depth, options.max_bytes


def _refuse_to_block() -> None:
    """Waiting here would keep from running what the promise may wait for."""
    asyncio = modules.get("asyncio")
    if asyncio is not None and asyncio._get_running_loop() is not None:
        msg = (
            "the promise is pending, and get() would block the event loop that runs here: write `await promise` instead"
        )
        raise RuntimeError(msg)


class CancelableJSFunctionImpl(JSMappedObjectImpl, CancelableJSFunction):
    """A function whose calls are awaited, and stop when the task that awaits them is cancelled."""

    def __init__(self, function: JSMappedObjectImpl) -> None:
        self._function = function  # it owns the handle
        self._context = function._context
        self._wire_handle = function._wire_handle

    async def __call__(self, *args: Any, this: JSObject | JSUndefinedType = JSUndefined) -> Any:
        """Calls the function on a thread of the library's. Cancelled, the script is stopped."""
        context = self._context
        message = _wire.encode_array((this, *args), context, 1)
        options = make_options(max_memory=context.max_memory)
        return await submitted(
            context, options, lambda options: context.submit(_dll.DO_CALL, self._wire_handle, message, options)
        )


async def wrap_py_function(
    context: Context, function: Callable[..., Awaitable[Any]]
) -> AsyncGenerator[JSFunction, None]:
    """Yields a JavaScript function that starts the coroutine function in this event loop and returns a promise of what it returns."""
    from asyncio import Task, get_running_loop

    loop = get_running_loop()
    tasks: set[Task[None]] = set()
    closed = False

    def start(*arguments: Any) -> Any:
        promise = context.new_promise()
        where = context.stack()
        loop.call_soon_threadsafe(begin, promise, where, arguments)
        return promise

    def begin(promise: JSPromiseImpl, where: str, arguments: tuple[Any, ...]) -> None:
        ending = _reject(context, promise, _GONE) if closed else _finish(context, promise, where, function, arguments)
        task = loop.create_task(ending)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    start.__name__ = getattr(function, "__name__", "wrapped")
    limits = make_options(max_memory=context.max_memory)
    identity = await submitted(
        context, limits, lambda limits: context.submit_eval("(function (f) { return f; })", limits)
    )
    wrapped: JSFunction = await identity.call_async(start)
    try:
        yield wrapped
    finally:
        closed = True
        for task in list(tasks):
            task.cancel()


async def _finish(
    context: Context,
    promise: JSPromiseImpl,
    where: str,
    function: Callable[..., Awaitable[Any]],
    arguments: tuple[Any, ...],
) -> None:
    """Settles the promise with what the coroutine comes to. `where`: the JavaScript stack of the call."""
    from asyncio import CancelledError

    try:
        value = await function(*arguments)
        await settled(context, promise, lambda: context.settlement(fulfilled=True, value=value))
    except CancelledError:
        await _reject(context, promise, _GONE)
        raise
    except Exception:  # noqa: BLE001 (it goes on as the promise's reason)
        from traceback import format_exc

        message = f"Error running Python function:\n{format_exc()}"
        await _reject(context, promise, message, f"Error: {message}\n{where}")


_GONE = "the Python function was cancelled, or is no longer there to be called"


async def _reject(context: Context, promise: JSPromiseImpl, message: str, stack: str | None = None) -> None:
    with suppress(JSClosedException):  # then there is nobody to tell
        await settled(
            context, promise, lambda: context.settlement(fulfilled=False, value=JSError(message, stack=stack))
        )


__all__ = ["CancelableJSFunctionImpl", "JSPromiseImpl", "wrap_py_function"]
