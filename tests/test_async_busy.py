"""The event loop goes on while another thread is in the context, and its executor is the user's alone."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from py_mini_racer import JSPromiseError, MiniRacer, MiniRacerPool

if TYPE_CHECKING:
    from typing_extensions import Self

HELD = 0.6  # seconds that another thread stays in the context


class Held:
    """Another thread is in the context, in a Python function."""

    def __init__(self, ctx: MiniRacer) -> None:
        self.begun, self.end = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=lambda: ctx.eval("f => f()")(self._stay))

    def _stay(self) -> None:
        self.begun.set()
        self.end.wait(60)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self.begun.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self.end.set()
        self._thread.join()


async def turns_while_held(held: Held, work: Callable[[], Coroutine[Any, Any, Any]]) -> tuple[int, Any]:
    """How often the loop goes round while the context is held and the work waits for it; and what comes of the work."""
    task = asyncio.ensure_future(work())
    turns, until = 0, time.monotonic() + HELD
    while time.monotonic() < until:
        await asyncio.sleep(0.005)
        assert not held.end.is_set()
        turns += 1
    assert not task.done()
    held.end.set()
    return turns, await asyncio.wait_for(task, 60)


def test_settling_a_promise_waits_elsewhere():
    with MiniRacer() as ctx:

        async def answer(value: int, fails: bool) -> int:
            await begun[0].wait()
            if fails:
                raise ValueError("no")
            return value

        async def main() -> None:
            begun.append(asyncio.Event())
            ctx.globals["answer"] = answer
            async with ctx.wrap_py_function(answer) as wrapped:
                ctx.globals["wrapped"] = wrapped
                promises = [
                    ctx.eval(f"{name}(5, {fails})") for name in ("answer", "wrapped") for fails in ("false", "true")
                ]
                with Held(ctx) as held:

                    async def work() -> list[Any]:
                        begun[0].set()
                        return await asyncio.gather(*promises, return_exceptions=True)

                    turns, ends = await turns_while_held(held, work)
            assert turns > 5
            assert ends[::2] == [5, 5]
            assert [type(end) for end in ends[1::2]] == [JSPromiseError] * 2
            assert isinstance(ends[1].__cause__, ValueError)

        begun: list[asyncio.Event] = []
        asyncio.run(main())
        assert ctx._ctx is not None
        assert not ctx._ctx.host.waiting


def test_wrapping_a_function_waits_elsewhere():
    with MiniRacer() as ctx:

        async def answer() -> int:
            return 42

        async def main() -> None:
            with Held(ctx) as held:

                async def work() -> Any:
                    async with ctx.wrap_py_function(answer) as wrapped:
                        return await wrapped.call_async()

                turns, end = await turns_while_held(held, work)
            assert (turns > 5, end) == (True, 42)

        asyncio.run(main())


@pytest.mark.parametrize("what", ["module", "pool"])
def test_an_executor_that_is_full_does_not_matter(what):
    full = threading.Event()

    async def main() -> Any:
        loop = asyncio.get_running_loop()
        executor = ThreadPoolExecutor(1)
        loop.set_default_executor(executor)
        blocked = loop.run_in_executor(None, full.wait, 60)
        try:
            if what == "module":
                with MiniRacer(modules={"./answer.js": "export const answer = 42"}) as ctx:
                    return (await asyncio.wait_for(ctx.import_module_async("./answer.js"), 30))["answer"]
            with MiniRacerPool(1) as pool:
                async with pool.checkout_async() as ctx:
                    return await ctx.eval_async("42")
        finally:
            full.set()
            await blocked
            executor.shutdown()

    assert asyncio.run(main()) == 42
