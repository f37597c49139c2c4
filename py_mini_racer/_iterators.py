"""Iteration across the border: Python's iterators as JavaScript's, and JavaScript's as Python's generators.

What JavaScript asks comes on the thread that runs it and has the context's lock; async iterators go on in their event loop.
"""

from __future__ import annotations

from contextlib import suppress

from py_mini_racer import _wire
from py_mini_racer._context import make_options
from py_mini_racer._exc import JSEvalException
from py_mini_racer._functions import promise_of, running_loop
from py_mini_racer._types import JSMappedObject, JSObject, JSPromise, JSUndefined

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future
    from collections.abc import AsyncGenerator, Generator
    from typing import Any

    from py_mini_racer._context import Context
    from py_mini_racer._objects import JSObjectImpl

# mr_wire.h: MR_HOST_*, MR_ASK_*
ITERATOR, ASYNC_ITERATOR = 3, 4
NEXT, RETURN, THROW = 8, 9, 10

_CLOSING_SEC = 1.0  # what return() of an iterator that was dropped may take, waiting for other threads' calls included


def host_iterator(value: Any, context: Context) -> tuple[int, int]:
    """The number and the flags of an iterator, or of an async iterator or iterable, on its way to JavaScript."""
    if hasattr(type(value), "__next__"):
        return context.host.register(("iterator", id(value)), lambda: IteratorInJS(value)), ITERATOR
    loop = running_loop() or context.event_loop
    return context.host.register(("async", id(value), id(loop)), lambda: AsyncIteratorInJS(value, loop)), ASYNC_ITERATOR


class IteratorInJS:
    """A Python iterator that JavaScript steps through. What it holds is what comes back to Python."""

    __slots__ = ("ended", "key", "target")
    plain = None

    def __init__(self, target: Any) -> None:
        self.target = target
        self.ended = False
        self.key: object = None

    def ask(self, _context: Context, values: list[Any]) -> Any:
        """Answers next(), return() and throw(): a value, or HOLE_VALUE at the end."""
        operation, *arguments = values
        if operation == NEXT and not self.ended:
            try:
                if arguments and arguments[0] is not JSUndefined and hasattr(self.target, "send"):
                    return self.target.send(arguments[0])
                return next(self.target)
            except StopIteration:
                self.ended = True
        elif operation == RETURN:
            self.ended = True
            close = getattr(self.target, "close", None)
            if close is not None:
                close()
        elif operation == THROW:
            error = thrown_into(arguments)
            throw = getattr(self.target, "throw", None)
            if throw is None or self.ended:
                self.ended = True
                raise error
            try:
                return throw(error)
            except StopIteration:
                self.ended = True
        return _wire.HOLE_VALUE


def thrown_into(arguments: list[Any]) -> Exception:
    """The Python exception for what a script throws into an iterator."""
    value = arguments[0] if arguments else JSUndefined
    if isinstance(value, Exception):
        return value
    error = JSEvalException("JavaScript threw into the iterator")
    error.value, error.has_value = value, True
    return error


class AsyncIteratorInJS:
    """A Python async iterator that JavaScript steps through: each answer is a promise. Steps go one after the other, as a script may ask for more than one."""

    __slots__ = ("ended", "iterator", "key", "last", "loop", "target")
    plain = None

    def __init__(self, target: Any, loop: AbstractEventLoop | None) -> None:
        self.target = target
        self.loop = loop
        self.iterator: Any = None
        self.ended = False
        self.key: object = None
        self.last: Future[None] | None = None  # ends with the step before

    def ask(self, context: Context, values: list[Any]) -> Any:
        """Answers next(), return() and throw() with a promise of {value, done}."""
        operation, *arguments = values
        return promise_of(self._in_turn(operation, arguments), context, self.loop)

    async def _in_turn(self, operation: int, arguments: list[Any]) -> dict[str, Any]:
        from asyncio import get_running_loop, wait

        before, mine = self.last, get_running_loop().create_future()
        self.last = mine
        try:
            if before is not None:
                await wait([before])
            done, value = await self._step(operation, arguments)
        except BaseException:
            self.ended = True
            raise
        finally:
            mine.set_result(None)
            if self.last is mine:
                self.last = None
        return {"value": value, "done": done}

    async def _step(self, operation: int, arguments: list[Any]) -> tuple[bool, Any]:
        """Whether it is at its end, and the value."""
        if self.iterator is None:
            self.iterator = aiter_of(self.target)
        iterator = self.iterator
        value: Any = arguments[0] if arguments else JSUndefined
        if operation == RETURN:
            self.ended = True
            close = getattr(iterator, "aclose", None)
            if close is not None:
                await close()
            return True, value
        throw = getattr(iterator, "athrow", None) if operation == THROW and not self.ended else None
        if operation == THROW and throw is None:
            raise thrown_into(arguments)
        if self.ended:
            return True, JSUndefined
        try:
            if throw is not None:
                return False, await throw(thrown_into(arguments))
            if value is not JSUndefined and hasattr(iterator, "asend"):
                return False, await iterator.asend(value)
            return False, await iterator.__anext__()
        except StopAsyncIteration:
            self.ended = True
            return True, JSUndefined


def aiter_of(target: Any) -> Any:
    """The async iterator of an async iterable ."""
    return type(target).__aiter__(target) if hasattr(type(target), "__aiter__") else target


# --- JavaScript's iterators in Python ---


def _begin(obj: JSObjectImpl, *, is_async: bool, timeout_sec: float | None) -> Any:
    context = obj._context
    options = None if timeout_sec is None else make_options(timeout_sec=timeout_sec, max_memory=context.max_memory)
    return context.run(context.library.mr_iterate, obj._wire_handle, is_async, options or context.options)


def iterate(obj: JSObjectImpl, timeout_sec: float | None) -> Generator[Any, None, None]:
    """The values of an iterable: see `JSObject.iterate`."""
    iterator = _begin(obj, is_async=False, timeout_sec=timeout_sec)
    if iterator is _wire.HOLE_VALUE:
        msg = f"{obj!r} is not iterable: it has no [Symbol.iterator]"
        raise TypeError(msg)
    if not hasattr(iterator, "_wire_handle"):  # a Python iterator has come back
        return iter_python(iterator)
    return _values(iterator, timeout_sec)


def iter_python(iterator: Any) -> Generator[Any, None, None]:
    """The values of an iterator that was Python's all the while."""
    yield from iterator


def _values(iterator: JSObjectImpl, timeout_sec: float | None) -> Generator[Any, None, None]:
    context, handle, step = iterator._context, iterator._wire_handle, iterator._context.library.mr_next
    left = False  # by a loop that does not want more; not after a throw, when the iterator has ended itself
    try:
        while True:
            options = (
                None if timeout_sec is None else make_options(timeout_sec=timeout_sec, max_memory=context.max_memory)
            )
            value = context.run(step, handle, options or context.options)
            if value is _wire.HOLE_VALUE:
                return
            left = True
            yield value
            left = False
    finally:
        if left:
            _leave(iterator, _CLOSING_SEC if timeout_sec is None else timeout_sec)


def _leave(iterator: JSObjectImpl, timeout_sec: float | None) -> Any:
    """Calls return(), if the iterator has one. What that throws is nobody's business any more."""
    with suppress(JSEvalException):
        if "return" in iterator:  # type: ignore[operator]
            return iterator.call_method("return", timeout_sec=timeout_sec)
    return None


async def iterate_async(obj: JSObjectImpl) -> AsyncGenerator[Any, None]:
    """The values of an async iterable, or of an iterable whose promises are awaited: see `JSObject.__aiter__`."""
    iterator: Any = _begin(obj, is_async=True, timeout_sec=None)
    if iterator is _wire.HOLE_VALUE:
        for value in iterate(obj, None):
            yield await value if is_promise(value) else value
        return
    if not hasattr(iterator, "_wire_handle"):
        async for value in iterator:
            yield value
        return
    left = False
    try:
        while True:
            result: Any = iterator.call_method("next")
            if is_promise(result):
                result = await result
            if not isinstance(result, JSMappedObject):
                msg = f"the async iterator's next() has come to {result!r}, which is no object"
                raise TypeError(msg)
            done = result.get("done")
            if done if not isinstance(done, JSObject) else True:
                return
            left = True
            yield result.get("value", JSUndefined)
            left = False
    finally:
        if left:
            ended = _leave(iterator, None)
            if is_promise(ended):
                with suppress(Exception):
                    await ended


def is_promise(value: object) -> bool:
    """Whether it is a JavaScript promise."""
    return isinstance(value, JSPromise)


__all__ = ["AsyncIteratorInJS", "IteratorInJS", "host_iterator", "iterate", "iterate_async"]
