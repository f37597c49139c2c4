"""A pool of contexts: so many at most, a clean one for each user, first come first served. Any thread, any event loop; no threads of its own.

What several threads touch is in a `_Rack`, under its lock, under which nothing of JavaScript's or of the user's runs. A forked child gets a new rack.
"""

from __future__ import annotations

from _thread import allocate_lock
from collections import deque
from functools import partial
from operator import index
from os import getpid, register_at_fork
from time import monotonic
from weakref import WeakSet

from py_mini_racer._context import make_options
from py_mini_racer._exc import JSClosedException, JSEvalException, JSTimeoutException, JSValueError
from py_mini_racer._mini_racer import MiniRacer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import AsyncGenerator, Callable, Generator
    from contextlib import AbstractAsyncContextManager, AbstractContextManager
    from types import TracebackType
    from typing import Any

    from typing_extensions import Self

    from py_mini_racer._snapshot import Snapshot

_PATIENCE = 0.1  # seconds that what a user has left running may take to end before its heap is given up
_LONGEST = 2**31  # seconds that a lock can wait


class _Slot:
    """A place in the pool, with the MiniRacer that is there now."""

    def __init__(self) -> None:
        self.home: MiniRacer | None = None
        self.uses = 0


class _Waiter:
    """Who waits for a slot: a thread, or a task of an event loop."""

    def __init__(self, loop: AbstractEventLoop | None = None) -> None:
        self.slot: _Slot | None = None
        self._loop = loop
        if loop is None:
            self.gate = allocate_lock()
            self.gate.acquire()
        else:
            self.future = loop.create_future()

    def wake(self) -> bool:
        """Tells it that there is news. False: its loop is gone."""
        if self._loop is None:
            self.gate.release()
            return True
        try:
            self._loop.call_soon_threadsafe(self._tell)
        except RuntimeError:
            return False
        return True

    def _tell(self) -> None:
        if not self.future.done():
            self.future.set_result(None)


class _Rack:
    """The slots, who waits for one, and the numbers, in one process."""

    def __init__(self, size: int) -> None:
        self.process = getpid()
        self.lock = allocate_lock()
        self.closed = False
        self.idle: list[_Slot] = []  # the one used last is used first
        self.unused = size  # slots that nobody has asked for yet
        self.waiters: deque[_Waiter] = deque()
        self.in_use = self.checkouts = self.made = self.replaced = self.timeouts = 0
        self.wait_time = 0.0

    def take(self, loop: AbstractEventLoop | None) -> _Slot | _Waiter:
        """A slot, or a place in the queue."""
        with self.lock:
            if self.closed:
                raise JSClosedException("the pool is closed")
            if (self.idle or self.unused) and not self.waiters:
                self.in_use += 1
                if self.idle:
                    return self.idle.pop()
                self.unused -= 1
                return _Slot()
            waiter = _Waiter(loop)
            self.waiters.append(waiter)
            return waiter

    def give_back(self, slot: _Slot) -> bool:
        """Hands the slot to who has waited longest. False: the pool is closed, and the slot's MiniRacer is the caller's to close."""
        with self.lock:
            while self.waiters:
                first = self.waiters.popleft()
                first.slot = slot
                if first.wake():
                    return True
            self.in_use -= 1
            if not self.closed:
                self.idle.append(slot)
            return not self.closed

    def leave(self, waiter: _Waiter) -> _Slot | None:
        """The waiter waits no longer. The slot that it has been given meanwhile."""
        with self.lock:
            if waiter.slot is None and not self.closed:
                self.waiters.remove(waiter)
            return waiter.slot


class MiniRacerPool:
    """So many MiniRacers at most, shared by threads and event loops: each user gets a clean one.

        >>> from py_mini_racer import MiniRacerPool
        >>> with MiniRacerPool(2, init="function greet(name) { return `Hello ${name}`; }") as pool:
        ...     with pool.checkout(timeout_sec=1) as ctx:
        ...         ctx.eval("greet('world')")
        'Hello world'

    Whoever comes first is served first, threads and tasks alike. What is made for a user is made on the thread that asks (for a task, on one of its
    own). After a fork the child's pool is empty, and fills again; what the parent has checked out stays the parent's.

    Args:
        size: how many may be in use at once.
        init: a script to run in each new context or realm, or a function that is called with it.
        snapshot: what they begin as; see `Snapshot`. With one, no code is run.
        isolation: "context": each user has a heap of its own, made for it. "realm": globals of its own, on a heap that others have used before: faster, and
            for scripts that trust each other; see `MiniRacer.new_realm`.
        max_uses: with "realm": how many users a heap may have, one after the other. None: any number.
        limits: what `MiniRacer` takes: `timeout_sec`, `max_memory`, `modules`, ...

    Raises:
        JSValueError: `size` or `max_uses` is less than 1, or `isolation` is neither.
    """

    def __init__(
        self,
        size: int = 4,
        *,
        init: str | Callable[[MiniRacer], object] | None = None,
        snapshot: Snapshot | None = None,
        isolation: str = "context",
        max_uses: int | None = None,
        **limits: Any,
    ) -> None:
        if index(size) < 1 or (max_uses is not None and index(max_uses) < 1):
            raise JSValueError("size and max_uses must be at least 1")
        if isolation not in ("context", "realm"):
            raise JSValueError(f'isolation must be "context" or "realm", not {isolation!r}')
        self._size = size
        self._init = init
        self._realms = isolation == "realm"
        self._max_uses = max_uses if self._realms else 1
        self._options = {**limits, "snapshot": snapshot}
        self._rack = _Rack(size)
        _pools.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        self.close()

    def checkout(self, timeout_sec: float | None = None) -> AbstractContextManager[MiniRacer]:
        """A clean context for a with statement. When that ends, the context is closed, and what still runs in it is stopped.

        Args:
            timeout_sec: seconds to wait for one that is free. None: as long as it takes.

        Raises:
            JSTimeoutException: none has become free in time.
            JSClosedException: the pool is closed, or was while this waited.

        And what opening a MiniRacer, and `init`, raise.
        """
        from contextlib import contextmanager

        return contextmanager(self._checkout)(timeout_sec)

    def checkout_async(self, timeout_sec: float | None = None) -> AbstractAsyncContextManager[MiniRacer]:
        """The same for `async with`, in any event loop. A task that is cancelled while it waits leaves the queue."""
        from contextlib import asynccontextmanager

        return asynccontextmanager(self._checkout_async)(timeout_sec)

    def stats(self) -> dict[str, float]:
        """Numbers for monitoring.

        size, idle, in_use, waiting: places, those that are free, those that are taken, and users that wait for one. checkouts, timeouts: users that were
        served, and that waited in vain. made, replaced: MiniRacers that were opened, and that were given up though they could have been used again: a limit was
        hit, something was left running, they were closed or had their `max_uses`. wait_time: seconds that all users have waited.
        """
        rack = self._rack
        with rack.lock:
            return {
                "size": self._size,
                "idle": len(rack.idle) + rack.unused,
                "in_use": rack.in_use,
                "waiting": len(rack.waiters),
                "checkouts": rack.checkouts,
                "timeouts": rack.timeouts,
                "made": rack.made,
                "replaced": rack.replaced,
                "wait_time": rack.wait_time,
            }

    def close(self) -> None:
        """Closes what is idle; what is in use when it comes back. Whoever waits gets `JSClosedException`. May be called more than once."""
        rack = self._rack
        with rack.lock:
            rack.closed = True
            slots, rack.idle, rack.unused = rack.idle, [], 0
            waiters = list(rack.waiters)
            rack.waiters.clear()
        for waiter in waiters:
            waiter.wake()
        for slot in slots:
            if slot.home is not None:
                slot.home.close()

    def _checkout(self, timeout_sec: float | None) -> Generator[MiniRacer, None, None]:
        rack, start = self._rack, monotonic()
        slot = rack.take(None)
        if isinstance(slot, _Waiter):
            waiter = slot
            left = -1 if timeout_sec is None else min(max(0.0, timeout_sec), _LONGEST)
            try:
                waiter.gate.acquire(timeout=left)
            except BaseException:
                self._abandon(rack, waiter)
                raise
            slot = self._served(rack, rack.leave(waiter), timeout_sec)
        ctx = self._lend(rack, slot, start)
        try:
            yield ctx
        finally:
            self._return(rack, slot, ctx)

    async def _checkout_async(self, timeout_sec: float | None) -> AsyncGenerator[MiniRacer, None]:
        from asyncio import get_running_loop, shield, wait

        from py_mini_racer._async import on_thread

        loop = get_running_loop()
        rack, start = self._rack, monotonic()
        slot = rack.take(loop)
        if isinstance(slot, _Waiter):
            waiter = slot
            try:
                await wait([waiter.future], timeout=None if timeout_sec is None else max(0.0, timeout_sec))
            except BaseException:
                self._abandon(rack, waiter)
                raise
            slot = self._served(rack, rack.leave(waiter), timeout_sec)
        place = slot
        making = on_thread(partial(self._lend, rack, place, start))
        try:
            ctx = await shield(making)
        except BaseException:
            if not making.done():  # cancelled: what is made goes back when it is there
                making.add_done_callback(
                    lambda made: (
                        None if made.cancelled() or made.exception() else self._return(rack, place, made.result())
                    )
                )
            elif not making.cancelled() and making.exception() is None:
                self._return(rack, place, making.result())
            raise
        try:
            yield ctx
        finally:
            self._return(rack, place, ctx)

    def _abandon(self, rack: _Rack, waiter: _Waiter) -> None:
        slot = rack.leave(waiter)
        if slot is not None:
            self._put(rack, slot)

    def _served(self, rack: _Rack, slot: _Slot | None, timeout_sec: float | None) -> _Slot:
        if slot is not None:
            return slot
        if rack.closed:
            raise JSClosedException("the pool is closed")
        with rack.lock:
            rack.timeouts += 1
            waiting = len(rack.waiters)
        msg = f"no context of the pool became free within {timeout_sec} s: all {self._size} are in use, and {waiting} others wait"
        raise JSTimeoutException(msg)

    def _lend(self, rack: _Rack, slot: _Slot, start: float) -> MiniRacer:
        """What the user of a slot gets. When that cannot be made, the slot goes back."""
        waited = monotonic() - start
        made = slot.home is None
        try:
            if slot.home is None:
                slot.home, slot.uses = MiniRacer(**self._options), 0
            slot.uses += 1
            ctx: MiniRacer = slot.home.new_realm() if self._realms else slot.home
            if isinstance(self._init, str):
                ctx.eval(self._init)
            elif self._init is not None:
                self._init(ctx)
        except BaseException:
            self._drop(slot)
            self._put(rack, slot)
            raise
        with rack.lock:
            rack.checkouts += 1
            rack.made += made
            rack.wait_time += waited
        return ctx

    def _return(self, rack: _Rack, slot: _Slot, ctx: MiniRacer) -> None:
        if rack.process != getpid():  # of a parent: nobody here waits for it
            ctx.close()
            return
        if self._realms:
            ctx.close()
        if not self._is_clean(slot):
            self._drop(slot)
            with rack.lock:
                rack.replaced += self._realms
        self._put(rack, slot)

    def _is_clean(self, slot: _Slot) -> bool:
        """Whether another user may have a realm of the slot's MiniRacer."""
        home = slot.home
        if home is None or home._ctx is None or slot.uses == self._max_uses:
            return False
        home.interrupt()
        try:
            numbers = home._ctx.run(home._ctx.library.mr_stats, make_options(timeout_sec=_PATIENCE))
        except JSEvalException:
            return False
        left = ("timeouts", "cpu_timeouts", "memory_stops", "timers", "awaited")
        return not any(numbers[name] for name in left)

    def _drop(self, slot: _Slot) -> None:
        home, slot.home = slot.home, None
        if home is not None:
            home.close()

    def _put(self, rack: _Rack, slot: _Slot) -> None:
        if not rack.give_back(slot):
            self._drop(slot)


_pools: WeakSet[MiniRacerPool] = WeakSet()


def _after_fork() -> None:
    for pool in list(_pools):
        closed, pool._rack = pool._rack.closed, _Rack(pool._size)
        pool._rack.closed = closed


register_at_fork(after_in_child=_after_fork)

__all__ = ["MiniRacerPool"]
