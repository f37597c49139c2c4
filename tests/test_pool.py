"""MiniRacerPool: clean contexts, in turn, for threads, tasks and children."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from threading import Barrier, Event, Thread
from time import monotonic, sleep
from typing import Any

import pytest

from py_mini_racer import (
    JSClosedException,
    JSEvalException,
    JSTimeoutException,
    JSValueError,
    MiniRacer,
    MiniRacerPool,
    Snapshot,
)
from tests.child import output_of

KINDS = pytest.mark.parametrize("isolation", ["context", "realm"])


@KINDS
def test_each_user_gets_a_clean_one(isolation: str) -> None:
    with MiniRacerPool(1, init="var n = 1", isolation=isolation) as pool:
        with pool.checkout() as ctx:
            assert ctx.eval("n += 1; var left = 5; globalThis.__proto__.seen = 1; n") == 2
        with pytest.raises(JSClosedException):
            ctx.eval("1")
        with pool.checkout() as ctx:
            assert ctx.eval("`${n} ${typeof left} ${typeof seen}`") == "1 undefined undefined"
    with pytest.raises(JSClosedException, match="pool is closed"), pool.checkout():
        pass


@KINDS
def test_of_a_snapshot_or_by_a_function(isolation: str) -> None:
    def init(ctx: MiniRacer) -> None:
        ctx.globals["twice"] = lambda x: 2 * x

    with MiniRacerPool(2, init=init, snapshot=Snapshot.create("var base = 20"), isolation=isolation) as pool:
        for _ in range(3):
            with pool.checkout() as ctx:
                assert ctx.eval("base++; twice(base)") == 42


def test_heaps_of_realms_are_used_again_until_they_are_not_clean() -> None:
    with MiniRacerPool(1, isolation="realm", max_uses=3) as pool:

        def use(code: str, **limits: Any) -> int:
            with pool.checkout() as ctx, suppress(JSEvalException):
                ctx.eval(code, **limits)
            return int(pool.stats()["made"])

        assert [use("1"), use("throw 1"), use("1"), use("1")] == [1, 1, 1, 2]
        assert [use("for (;;) {}", timeout_sec=0.05), use("1")] == [2, 3]
        assert [use("setInterval(() => 0, 1e6)"), use("1")] == [3, 4]
        assert pool.stats()["replaced"] == 3


def test_a_failing_init_is_raised_and_costs_no_place() -> None:
    answers = iter([1 / 1, 0, 0])

    def init(ctx: MiniRacer) -> None:
        1 / next(answers)

    with MiniRacerPool(1, init=init) as pool:
        with pool.checkout(), pytest.raises(JSTimeoutException), pool.checkout(timeout_sec=0):
            pass
        for _ in range(2):
            with pytest.raises(ZeroDivisionError), pool.checkout():
                pass
        numbers = pool.stats()
        assert (numbers["idle"], numbers["in_use"], numbers["timeouts"], numbers["checkouts"]) == (1, 0, 1, 1)


def test_who_comes_first_is_served_first() -> None:
    order: list[int] = []
    with MiniRacerPool(1) as pool:

        def use(number: int) -> None:
            with pool.checkout() as ctx:
                order.append(ctx.eval(str(number)))

        async def use_async(number: int) -> None:
            async with pool.checkout_async() as ctx:
                order.append(await ctx.eval_async(str(number)))

        threads: list[Thread] = []
        with pool.checkout():
            for number in range(6):
                target = (lambda n=number: asyncio.run(use_async(n))) if number % 2 else (lambda n=number: use(n))
                threads.append(Thread(target=target))
                threads[-1].start()
                until = monotonic() + 10
                while pool.stats()["waiting"] <= number and monotonic() < until:
                    sleep(0.001)
        for thread in threads:
            thread.join()
        assert order == list(range(6))
        assert pool.stats()["wait_time"] > 0


def test_timeouts_say_what_is_wrong() -> None:
    async def wait_in_vain() -> None:
        async with pool.checkout_async(timeout_sec=0.02):
            pass

    with MiniRacerPool(1) as pool:
        with pool.checkout():
            with pytest.raises(JSTimeoutException, match=r"within 0.02 s: all 1 are in use"), pool.checkout(0.02):
                pass
            with pytest.raises(JSTimeoutException, match=r"within 0.02 s"):
                asyncio.run(wait_in_vain())
        numbers = pool.stats()
        assert (numbers["waiting"], numbers["idle"], numbers["timeouts"]) == (0, 1, 2)


def test_cancelled_tasks_leave_the_queue() -> None:
    async def main() -> None:
        async def use() -> None:
            async with pool.checkout_async() as ctx:
                await ctx.eval_async("1")

        async with pool.checkout_async():
            tasks = [asyncio.create_task(use()) for _ in range(5)]
            while pool.stats()["waiting"] < 5:  # noqa: ASYNC110 (nobody tells)
                await asyncio.sleep(0.001)
            for task in tasks[:3]:
                task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(end) for end in ended] == [asyncio.CancelledError] * 3 + [type(None)] * 2
        for delay in range(20):  # in the middle of being made, too
            task = asyncio.create_task(use())
            await asyncio.sleep(delay / 5000)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        while pool.stats()["in_use"]:  # noqa: ASYNC110 (nobody tells)
            await asyncio.sleep(0.001)
        async with pool.checkout_async(timeout_sec=10):
            pass

    with MiniRacerPool(1) as pool:
        asyncio.run(main())
        assert pool.stats()["idle"] == 1


@KINDS
def test_closing_while_it_is_used(isolation: str) -> None:
    pool = MiniRacerPool(1, isolation=isolation)
    ended: list[BaseException] = []

    def wait() -> None:
        try:
            with pool.checkout():
                pass
        except JSClosedException as error:
            ended.append(error)

    with pool.checkout() as ctx:
        thread = Thread(target=wait)
        thread.start()
        until = monotonic() + 10
        while not pool.stats()["waiting"] and monotonic() < until:
            sleep(0.001)
        pool.close()
        pool.close()
        thread.join()
        assert ctx.eval("6 * 7") == 42
    assert len(ended) == 1
    with pytest.raises(JSClosedException):
        ctx.eval("1")
    numbers = pool.stats()
    assert (numbers["idle"], numbers["in_use"]) == (0, 0)


@KINDS
def test_many_threads(isolation: str) -> None:
    barrier, failed = Barrier(8), Event()
    with MiniRacerPool(3, isolation=isolation, init="var n = 0", max_uses=7) as pool:

        def use() -> None:
            barrier.wait()
            for _ in range(10):
                with pool.checkout(timeout_sec=60) as ctx:
                    if ctx.eval("n += 1") != 1:
                        failed.set()

        threads = [Thread(target=use) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        numbers = pool.stats()
        assert not failed.is_set()
        assert (numbers["checkouts"], numbers["in_use"], numbers["idle"]) == (80, 0, 3)


def test_what_a_user_leaves_running_is_stopped() -> None:
    with MiniRacerPool(1, isolation="realm") as pool:
        stopped = Event()
        with pool.checkout() as ctx:
            begun = Event()
            ctx.globals["begun"] = begun.set

            def run() -> None:
                try:
                    ctx.eval("begun(); for (;;) {}")
                except JSEvalException:
                    stopped.set()

            thread = Thread(target=run)
            thread.start()
            assert begun.wait(10)
        thread.join()
        assert stopped.is_set()
        with pool.checkout(timeout_sec=10) as ctx:
            assert ctx.eval("1") == 1


def test_a_child_has_a_pool_of_its_own() -> None:
    program = """
    import os
    from py_mini_racer import JSForkedError, MiniRacerPool
    pool = MiniRacerPool(1, init="var n = 1")
    with pool.checkout() as ctx:
        child = os.fork()
        if not child:
            try:
                with pool.checkout(timeout_sec=5) as mine:
                    print(mine.eval("n"), end=" ", flush=True)
            except JSForkedError:  # the system's V8
                print(1, end=" ", flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        print(ctx.eval("n + 1"), end=" ")
    with pool.checkout(timeout_sec=5) as ctx:
        print(ctx.eval("n + 2"), int(pool.stats()["in_use"]))
    """
    assert output_of(program) == "1 2 3 1"


def test_bad_arguments() -> None:
    with pytest.raises(JSValueError, match="at least 1"):
        MiniRacerPool(0)
    with pytest.raises(JSValueError, match="at least 1"):
        MiniRacerPool(max_uses=0)
    with pytest.raises(JSValueError, match="isolation must be"):
        MiniRacerPool(isolation="process")
    with pytest.raises(TypeError), MiniRacerPool(nonsense=1).checkout():
        pass
