"""JavaScript for event loops: what is awaited is submitted to the library, whose threads run it and tell of its end.

Nothing here waits for a context. A promise is asked at once, on the loop's thread, where its context is free, and answers there if it is settled. What comes
later, on whatever thread, is handed to its loop in batches: one `call_soon_threadsafe` for all that has come since the loop last looked. asyncio is imported
when it is first needed.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from contextvars import copy_context
from math import inf

from py_mini_racer import _dll, _wire
from py_mini_racer._context import make_options
from py_mini_racer._exc import JSBusyError, JSTimeoutException
from py_mini_racer._types import JSPromise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future
    from collections.abc import Callable
    from typing import Any

    from py_mini_racer._context import Context
    from py_mini_racer._promises import JSPromiseImpl


class Inbox:
    """What has come for one loop, and it has not looked at yet."""

    __slots__ = ("_due", "_news", "loop")

    def __init__(self, loop: AbstractEventLoop) -> None:
        self.loop = loop
        self._news: deque[tuple[_Wait, Any, BaseException | None]] = deque()
        self._due = False  # the loop was told that there is something

    def put(self, wait: _Wait, value: Any, error: BaseException | None) -> None:
        """Any thread."""
        self._news.append((wait, value, error))
        if self._due:
            return
        self._due = True
        try:
            self.loop.call_soon_threadsafe(self._look)
        except RuntimeError:  # the loop is closed: nobody waits any more
            self._news.clear()

    def forked(self) -> None:
        """In a child: the thread that was about to wake the loop may not be here."""
        self._due = False
        if self._news:
            self.put(*self._news.popleft())

    def _look(self) -> None:
        self._due = False  # before: what comes from now on is told again, or seen below
        news = self._news
        while news:
            wait, value, error = news.popleft()
            wait.settle(value, error)


def _inbox_of(context: Context, loop: AbstractEventLoop) -> Inbox:
    """The context's inbox for the loop. It has one, as most are used in one loop."""
    inbox = context.inbox
    if inbox is None or inbox.loop is not loop:
        inbox = context.inbox = Inbox(loop)
    return inbox


class _Wait:
    """One await of a submission. Called with its outcome on any thread, or never when the loop is gone."""

    __slots__ = ("_inbox", "future", "over", "pending", "variables")

    def __init__(self, context: Context, loop: AbstractEventLoop) -> None:
        self._inbox = _inbox_of(context, loop)
        self.future: Future[tuple[Any, BaseException | None]] = loop.create_future()
        self.pending = False  # the promise was found to be, and has a listener
        self.over = False
        self.variables = copy_context()

    def __call__(self, value: Any, error: BaseException | None) -> None:
        if value is _wire.HOLE_VALUE:
            self.pending = True
        else:
            self._inbox.put(self, value, error)

    def settle(self, value: Any, error: BaseException | None) -> None:
        self.over = True
        if not self.future.done():
            self.future.set_result((value, error))  # an exception that nobody came for would be logged

    async def until_over(self) -> None:
        """For who was cancelled: waits until nothing runs any more."""
        while not self.over:
            self.future = self._inbox.loop.create_future()
            await self.future


async def submitted(context: Context, options: _dll.Options, submit: Callable[[_dll.Options], None]) -> Any:
    """Submits with the options and waits for the outcome. Cancelled, it stops the script and waits for its end; cancelled once more, it does not."""
    from asyncio import CancelledError, get_running_loop

    wait = _Wait(context, get_running_loop())
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
    context = promise._context
    wait = _Wait(context, loop)
    promise._begin_wait(wait, options)
    timer = None
    try:
        value = _asked(promise, options, wait)
        if value is not _wire.HOLE_VALUE:
            return value
        timer = loop.call_at(until[0], wait.settle, None, until[1]) if until else None
        try:
            value, error = await wait.future
        except BaseException:
            context.cancel(options.call)
            raise
    finally:
        promise._end_wait(options, given_up=wait.pending and not wait.over)
        if timer is not None:
            timer.cancel()
    if error is not None:
        try:
            raise error
        finally:
            del error, wait, timer, until
    return value


def _asked(promise: JSPromiseImpl, options: _dll.Options, wait: _Wait) -> Any:
    """The value of a settled promise. HOLE_VALUE: the wait is going to be told."""
    context = promise._context
    if not options.flags & _dll.COPY:  # a copy may take long, and call the script's getters
        options.flags |= _dll.TRY
        try:
            value = context.on("mr_await", promise._wire_handle, None, options)
        except JSBusyError:  # another thread is in the context
            pass
        else:
            wait.pending = value is _wire.HOLE_VALUE
            return value
    context.submit(_dll.DO_AWAIT, promise._wire_handle, None, options)
    return _wire.HOLE_VALUE


async def settled(context: Context, promise: JSPromiseImpl, message: Callable[[], _wire.Message]) -> None:
    """Settles a promise of Python's: at once, on the loop's thread, where nobody is in the context, else on a thread of the library's. Cancelled, it is settled
    all the same. `message` may be asked for twice, as what has not arrived is given back.
    """
    from asyncio import get_running_loop

    try:
        context.on(
            "mr_promise_settle",
            promise._wire_handle,
            message(),
            make_options(flags=_dll.TRY, max_memory=context.max_memory),
        )
    except JSBusyError:
        pass
    else:
        return
    wait = _Wait(context, get_running_loop())
    options = make_options(max_memory=context.max_memory)
    options.call = context.host.wait(wait)
    try:
        context.submit(_dll.DO_PROMISE_SETTLE, promise._wire_handle, message(), options)
        _, error = await wait.future
    finally:
        context.host.forget(options.call)
    if error is not None:
        try:
            raise error
        finally:
            del error, wait  # as in Context.run


def on_thread(work: Callable[[], Any]) -> Future[Any]:
    """A future of the running loop for what is done on a thread of its own. The loop's executor is the user's, and may be full of what waits for this."""
    from asyncio import get_running_loop
    from threading import Thread

    loop = get_running_loop()
    future: Future[Any] = loop.create_future()

    def end(value: Any, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)

    def run() -> None:
        try:
            outcome: tuple[Any, BaseException | None] = work(), None
        except BaseException as error:  # noqa: BLE001 (who awaits it shall have it)
            outcome = None, error
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(end, *outcome)
        del outcome  # the error remembers this frame

    Thread(target=run, name="mini-racer", daemon=True).start()
    return future


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


__all__ = ["awaited", "flattened", "on_thread", "settled", "submitted"]
