"""JavaScript for event loops: what is awaited is submitted to the library, whose threads run it and tell of its end.

Nothing here waits for a context. What comes of a submission is handed to its loop by `call_soon_threadsafe`, on whatever thread it came. asyncio is imported
when it is first needed.
"""

from __future__ import annotations

from contextvars import copy_context
from math import inf

from py_mini_racer import _dll
from py_mini_racer._exc import JSTimeoutException
from py_mini_racer._types import JSPromise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future
    from collections.abc import Callable
    from typing import Any

    from py_mini_racer._context import Context
    from py_mini_racer._promises import JSPromiseImpl


class _Wait:
    """One await of a submission. Called with its outcome on any thread, or never when the loop is gone."""

    __slots__ = ("_loop", "future", "over", "variables")

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self.future: Future[tuple[Any, BaseException | None]] = loop.create_future()
        self.over = False
        self.variables = copy_context()

    def __call__(self, value: Any, error: BaseException | None) -> None:
        try:
            self._loop.call_soon_threadsafe(self.settle, value, error)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return

    def settle(self, value: Any, error: BaseException | None) -> None:
        self.over = True
        if not self.future.done():
            self.future.set_result((value, error))  # an exception that nobody came for would be logged

    async def until_over(self) -> None:
        """For who was cancelled: waits until nothing runs any more."""
        while not self.over:
            self.future = self._loop.create_future()
            await self.future


async def submitted(context: Context, options: _dll.Options, submit: Callable[[_dll.Options], None]) -> Any:
    """Submits with the options and waits for the outcome. Cancelled, it stops the script and waits for its end; cancelled once more, it does not."""
    from asyncio import CancelledError, get_running_loop

    wait = _Wait(get_running_loop())
    host = context.host
    options.call = number = host.wait(wait)
    try:
        submit(options)
    except BaseException:
        host.forget(number)
        raise
    try:
        value, error = await wait.future
    except CancelledError:
        context.cancel(number)
        try:
            await wait.until_over()
        finally:
            host.forget(number)
        raise
    except BaseException:  # nobody awaits any more
        context.cancel(number)
        host.forget(number)
        raise
    if error is not None:
        try:
            raise error
        finally:
            del error, wait  # as in Context.run
    return value


async def awaited(
    promise: JSPromiseImpl, options: _dll.Options, until: tuple[float, BaseException] | None = None
) -> Any:
    """What the promise comes to; or, at that time of the loop's clock, that exception. Cancelled, it is left alone."""
    from asyncio import get_running_loop

    loop = get_running_loop()
    wait = _Wait(loop)
    context = promise._context
    options.call = number = context.host.wait(wait)
    timer = loop.call_at(until[0], wait.settle, None, until[1]) if until else None
    try:
        context.submit(_dll.DO_AWAIT, promise._wire_handle, None, options)
        value, error = await wait.future
    except BaseException:
        context.cancel(number)
        raise
    finally:
        context.host.forget(number)
        if timer is not None:
            timer.cancel()
    if error is not None:
        try:
            raise error
        finally:
            del error, wait, timer, until
    return value


async def flattened(
    context: Context,
    make: Callable[[], _dll.Options],
    submit: Callable[[_dll.Options], None],
    timeout_sec: float | None,
) -> Any:
    """The outcome of a submission; if that is a promise, what this comes to in what is left of the time. `make` makes the options of each."""
    from asyncio import get_running_loop

    loop = get_running_loop()
    started = loop.time()
    value = await submitted(context, make(), submit)
    if not isinstance(value, JSPromise):
        return value
    options = make()
    options.timeout = 0
    promise: Any = value
    if timeout_sec is None or timeout_sec == inf:
        return await awaited(promise, options)
    timeout = JSTimeoutException()
    timeout.limit, timeout.limit_value, timeout.used = "timeout_sec", float(timeout_sec), float(timeout_sec)
    return await awaited(promise, options, (started + timeout_sec, timeout))


__all__ = ["awaited", "flattened", "submitted"]
