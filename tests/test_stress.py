"""What only shows under load, or at the end: exits with JavaScript at work, many threads at once, and what is left behind by ten thousand of a thing."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from py_mini_racer import (
    JSConversionException,
    JSEvalException,
    JSObject,
    JSPromise,
    JSTerminatedException,
    JSTimeoutException,
    MiniRacer,
)
from py_mini_racer._context import Context
from tests.child import output_of
from tests.stress import Round


def context_of(ctx: MiniRacer) -> Context:
    assert ctx._ctx is not None
    return ctx._ctx


EXITS = {
    "an interval of JavaScript alone": """
        ctx.eval("setInterval(() => { for (let i = 0; i < 1e5; i++); }, 1)")
    """,
    "a timer that never ends": """
        ctx.eval("setTimeout(() => { while (true); }, 0)")
    """,
    "intervals that call Python": """
        ctx.eval("f => { for (let i = 0; i < 2; i++) setInterval(() => { f(); }, 0); }")(lambda: None)
    """,
    "an interval that throws": """
        logging.disable()
        ctx.eval("setInterval(() => { Promise.reject(1); throw {get message() { throw 1; }}; }, 0)")
    """,
    "a thread that calls Python again and again": """
        work = ctx.eval("f => { while (true) f(); }")
        threading.Thread(target=work, args=(lambda: None,), daemon=True).start()
    """,
    "a callback that never returns": """
        work = ctx.eval("f => f()")
        threading.Thread(target=work, args=(lambda: time.sleep(1000),), daemon=True).start()
    """,
    "a thread that waits for a promise": """
        promise = ctx.eval("new Promise(() => {})")
        threading.Thread(target=promise.get, daemon=True).start()
    """,
    "a context that nobody will ever close": """
        builtins.kept = ctx
        ctx.eval("f => { setInterval(() => { f(); }, 0); setInterval(() => {}, 0); }")(lambda: None)
    """,
    "objects and callbacks in a circle": """
        builtins.kept = [ctx.eval("x => x")({"f": [lambda: ctx]}), ctx.eval("new Uint8Array(1000)"), ctx.eval("Promise.resolve(1)")]
    """,
}


@pytest.mark.parametrize("work", EXITS.values(), ids=EXITS)
def test_an_exit_with_javascript_at_work_is_clean_and_fast(work: str) -> None:
    script = "import builtins, logging, threading, time\nfrom py_mini_racer import MiniRacer\nctx = MiniRacer()\n"
    lines = [line.strip() for line in work.strip().splitlines()]
    script += "\n".join([*lines, "time.sleep(0.03)", "print('done', end='')"])
    for _ in range(4):
        begun = time.monotonic()
        assert output_of(script) == "done"
        assert time.monotonic() - begun < 3  # a process starts in 0.1 s when the machine has nothing else to do


def test_javascript_can_be_used_until_the_end() -> None:
    script = """
        import atexit
        def late():  # runs after what the package has registered
            print(ctx.eval("1 + 1"))
            try:
                call()
            except JSEvalException as error:
                print("too late:", error.js_message)
        atexit.register(late)
        from py_mini_racer import JSEvalException, MiniRacer
        ctx = MiniRacer()
        call = ctx.eval("f => () => f()")(lambda: 5)
        print(call())
    """
    assert output_of(script).splitlines() == ["5", "2", "too late: the host function gave no answer"]


# --- waiting ---


def test_many_threads_wait_for_one_promise() -> None:
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with MiniRacer() as ctx:
            for _ in range(150):
                promise = ctx.eval("var settle; new Promise(resolve => { settle = resolve; })")
                values: list[object] = []
                threads = [
                    threading.Thread(target=lambda p=promise, v=values: v.append(p.get(timeout=10))) for _ in range(4)
                ]
                for thread in threads:
                    thread.start()
                ctx.eval("settle({})")
                for thread in threads:
                    thread.join()
                assert len(values) == 4
                del promise, values, threads
            gc.collect()
            assert context_of(ctx).value_count() == 0
    finally:
        sys.setswitchinterval(switch)


def test_a_copy_and_a_handle_of_one_promise_do_not_get_mixed_up() -> None:
    with MiniRacer() as ctx:
        for _ in range(50):
            promise = ctx.eval("var settle; new Promise(resolve => { settle = resolve; })")
            kinds: dict[bool, object] = {}

            def wait(copy: bool, promise: JSPromise = promise, kinds: dict[bool, object] = kinds) -> None:
                kinds[copy] = promise.get(timeout=10, copy=copy)

            threads = [threading.Thread(target=wait, args=(copy,)) for copy in (True, False)]
            for thread in threads:
                thread.start()
            ctx.eval("settle({})")
            for thread in threads:
                thread.join()
            assert isinstance(kinds[True], dict)
            assert isinstance(kinds[False], JSObject)


@pytest.mark.parametrize(
    "code", ["queueMicrotask(() => { while (true); }); settle(1)", "fail({get message() { while (true); }})"]
)
def test_who_waits_hears_of_it_when_the_news_is_stopped_on_its_way(code: str) -> None:
    with MiniRacer() as ctx:
        promise = ctx.eval("var settle, fail; new Promise((resolve, reject) => { settle = resolve; fail = reject; })")
        raised: list[BaseException] = []

        def wait() -> None:
            try:
                promise.get(timeout=10)
            except JSEvalException as error:
                raised.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        while not context_of(ctx).host.waiting:
            time.sleep(0.001)
        time.sleep(0.01)
        with pytest.raises(JSTimeoutException):
            ctx.eval(code, timeout_sec=0.05)
        thread.join()
        assert type(raised[0]) is JSTerminatedException


# --- what is left behind ---


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise ValueError


def fails(error: Exception) -> None:
    raise error


LEFT_BEHIND = {
    "errors of callbacks": "try_call(lambda: fails(ValueError('x')))",
    "errors of callbacks without a text": "try_call(lambda: fails(UnspeakableError()))",
    "answers that cannot be converted": "try_call(lambda: [print, object()])",
    "arguments that cannot be converted": "swallow(same, [print, object()])",
    "calls that come too late": "swallow(same, lambda: 1, timeout_sec=0)",
    "functions": "same(lambda: 1)",
    "promises": "ctx.eval('Promise.resolve({})').get()",
    "copies": "ctx.eval('({a: [1, {b: () => 1}, Symbol()], c: new Uint8Array(10)})', copy=True)",
    "copies that fail": "swallow(ctx.eval, '[Symbol(), new Map([[{}, () => 1]])]', copy=True)",
    "exceptions": "swallow(ctx.eval, 'throw {a: 1}')",
}


@pytest.mark.parametrize("work", LEFT_BEHIND.values(), ids=LEFT_BEHIND)
def test_ten_thousand_leave_nothing_behind(work: str) -> None:
    def swallow(function: Callable[..., object], *arguments: object, **options: object) -> None:
        with suppress(JSEvalException, JSConversionException):
            function(*arguments, **options)

    def try_call(callback: Callable[[], object]) -> None:
        swallow(call, callback)

    with MiniRacer() as ctx:
        same, call = ctx.eval("x => undefined"), ctx.eval("f => f()")
        names = {
            "ctx": ctx,
            "same": same,
            "swallow": swallow,
            "try_call": try_call,
            "fails": fails,
            "UnspeakableError": UnspeakableError,
        }
        code = compile(work, "<work>", "eval")
        sizes = []
        for _ in range(2):
            for _ in range(5000):
                eval(code, names)
            gc.collect()
            for _ in range(2):
                ctx.low_memory_notification()
                ctx.eval("0")
            sizes.append(int(Path("/proc/self/statm").read_text().split()[1]) * 4096)
        host = context_of(ctx).host
        assert (context_of(ctx).value_count(), host.held(), len(host.waiting)) == (2, 0, 0)
        assert sizes[1] - sizes[0] < 12e6


# --- all at once ---


def test_threads_that_do_everything_at_once() -> None:
    """A round of `make stress`, within this process."""
    seed = int(os.environ.get("STRESS_SEED") or time.time_ns() % 10**6)
    print("seed", seed)
    stress = Round(seed, float(os.environ.get("STRESS_SECONDS") or 5), forks=False)
    stress.run(lambda _: None)
    assert stress.steps.total() > 100


# --- forks ---


@pytest.mark.needs("source")  # Node's V8 keeps its heaps from children (MADV_DONTFORK)
def test_a_child_uses_idle_contexts_and_new_ones_while_the_parent_has_timers() -> None:
    script = """
        import os, signal, time
        from py_mini_racer import JSTimeoutException, MiniRacer
        busy, idle = MiniRacer(), MiniRacer()
        busy.eval("setInterval(() => {}, 1)")
        idle.eval("var y = 7")
        for i in range(20):
            time.sleep(0.002)
            child = os.fork()
            if not child:
                signal.alarm(20)
                assert idle.eval("y") == 7
                with MiniRacer() as new:
                    assert new.eval("new Promise(resolve => setTimeout(() => resolve(3), 1))").get() == 3
                    try:
                        new.eval("while (true);", timeout_sec=0.01)
                    except JSTimeoutException:
                        if i % 2:
                            raise SystemExit(0)
                        os._exit(0)
                os._exit(1)
            status = os.waitpid(child, 0)[1]
            if status:
                print("child", i, "ended with", status)
    """
    assert output_of(script) == ""
