"""Runs one case, in a process of its own, and prints what came of it as a line of JSON.

    python -m tests.hostile.drive GROUP NUMBER

Each function below is a way in which Python comes to run a script. It raises what the library raises, or returns what came.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import inspect
import json
import logging
import resource
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from py_mini_racer import JSEvalException, JSPromiseError, MiniRacer, MiniRacerBaseException, _dll
from tests.hostile.case import Case

# What the process may have of data at all: beyond it malloc fails, and V8 ends the process. Far above what any case may need.
NET = 3 << 29
# A case that takes longer hangs, however busy the machine is; one of which that is known is not waited for.
HANGS, KNOWN_HANGS = 40.0, 8.0


def opened(case: Case) -> MiniRacer:
    """A context with the case's limits, as far as there are such."""
    limits = {name: getattr(case, name) for name in ("timeout_sec", "max_memory", "max_buffer_memory")}
    known = inspect.signature(MiniRacer).parameters
    return MiniRacer(**{name: limit for name, limit in limits.items() if limit and name in known})


# --- ways to run a script ---


def evaluate(ctx: MiniRacer, script: str) -> Any:
    return ctx.eval(script)


def copy(ctx: MiniRacer, script: str) -> Any:
    return ctx.eval(script, copy=True)


def copy_and_forget(ctx: MiniRacer, script: str) -> Any:
    return len(copy(ctx, script))


def copy_of_a_megabyte(ctx: MiniRacer, script: str) -> Any:
    return ctx.eval(script, copy=True, max_bytes=1 << 20)


def copy_of_any_depth(ctx: MiniRacer, script: str) -> Any:
    return ctx.eval(script, copy=True, max_depth=2**31)


def execute(ctx: MiniRacer, script: str) -> Any:
    return ctx.execute(script)


def get(ctx: MiniRacer, script: str) -> Any:
    return ctx.eval(script)["x"]


def put(ctx: MiniRacer, script: str) -> None:
    ctx.eval(script)["x"] = 1


def delete(ctx: MiniRacer, script: str) -> None:
    del ctx.eval(script)["x"]


def contains(ctx: MiniRacer, script: str) -> Any:
    return "x" in ctx.eval(script)


def keys(ctx: MiniRacer, script: str) -> Any:
    return len(list(ctx.eval(script)))


def length(ctx: MiniRacer, script: str) -> Any:
    return len(ctx.eval(script))


def last(ctx: MiniRacer, script: str) -> Any:
    return ctx.eval(script)[-1]


def append(ctx: MiniRacer, script: str) -> None:
    ctx.eval(script).append(1)


def insert(ctx: MiniRacer, script: str) -> None:
    ctx.eval(script).insert(0, 1)


def delete_first(ctx: MiniRacer, script: str) -> None:
    del ctx.eval(script)[0]


def call(ctx: MiniRacer, script: str) -> Any:
    return ctx.eval(script)()


def call_method(ctx: MiniRacer, script: str) -> Any:
    return ctx.eval(script).call_method("x")


def construct(ctx: MiniRacer, script: str) -> Any:
    return ctx.eval(script).new()


def text(ctx: MiniRacer, script: str) -> Any:
    return repr(ctx.eval(script))


def exception_text(ctx: MiniRacer, script: str) -> Any:
    try:
        return ctx.eval(script)
    except MiniRacerBaseException as error:
        str(error), repr(error)
        raise


def wait(ctx: MiniRacer, script: str) -> Any:
    return ctx.eval(script).get(timeout=0.3)


def read_global(ctx: MiniRacer, script: str) -> Any:
    ctx.eval(script)
    return ctx.globals["x"]


def collect(ctx: MiniRacer, script: str) -> Any:
    ctx.eval(script)
    ctx.low_memory_notification()
    return ctx.eval("1")


def timer(ctx: MiniRacer, script: str) -> Any:
    """A timer runs on a thread of the library: what stops it, the context's hook is told."""
    told: list[Exception] = []
    assert ctx._ctx is not None
    ctx._ctx.on_uncaught = told.append
    ctx.eval(script)
    end = time.monotonic() + HANGS / 2
    while not told and time.monotonic() < end:
        time.sleep(0.01)
    if told:
        raise told[0]
    return "nobody was told"


def timers_meanwhile(ctx: MiniRacer, script: str) -> Any:
    """While timers are at work, calls get in."""
    ctx.eval(script)
    end = time.monotonic() + 1
    calls = 0
    while time.monotonic() < end:
        calls += ctx.eval("1", timeout_sec=10)
    assert calls > 1
    return "calls get in"


def callback(ctx: MiniRacer, script: str) -> Any:
    return ctx.eval(script)(lambda *_: {"a": [1, 2]})


def raising_callback(ctx: MiniRacer, script: str) -> Any:
    def fail() -> None:
        raise ValueError("x" * 100)

    return ctx.eval(script)(fail)


def callback_of_functions(ctx: MiniRacer, script: str) -> Any:
    return ctx.eval(script)(lambda: lambda: 1)


def callback_that_nests(ctx: MiniRacer, script: str) -> Any:
    run = ctx.eval(script)

    def down() -> Any:
        return run(down)

    return down()


def on_small_thread(function: Callable[[MiniRacer, str], Any], ctx: MiniRacer, script: str) -> Any:
    threading.stack_size(512 * 1024)
    outcome: list[Any] = []

    def work() -> None:
        try:
            outcome.append(function(ctx, script))
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


def small_thread(ctx: MiniRacer, script: str) -> Any:
    return on_small_thread(evaluate, ctx, script)


def copy_on_small_thread(ctx: MiniRacer, script: str) -> Any:
    return on_small_thread(copy, ctx, script)


def nest_on_small_thread(ctx: MiniRacer, script: str) -> Any:
    return on_small_thread(callback_that_nests, ctx, script)


def look_at_host_function(ctx: MiniRacer, script: str) -> Any:
    def host(*what: str) -> Any:
        if what == ("raise",):
            raise ValueError("told")
        return 5

    found = ctx.eval(script)(host)
    return found.copy() if hasattr(found, "copy") else found


def foreign_handle(ctx: MiniRacer, script: str) -> Any:
    with MiniRacer() as other:
        return ctx.eval("x => x")(other.eval(script))


# --- what Python asks for in a context where nothing can be relied on ---


def _await(ctx: MiniRacer) -> Any:
    import asyncio

    async def main() -> Any:
        return await asyncio.wait_for(ctx.eval("(async () => 7)()").get_async(), 1)

    return asyncio.run(main())


PROBES: dict[str, tuple[Callable[[MiniRacer], Any], Any]] = {
    "eval": (lambda ctx: ctx.eval("6 * 7"), 42),
    "string": (lambda ctx: ctx.eval("'abc' + 1"), "abc1"),
    "execute": (lambda ctx: ctx.execute("[1, {a: 2}]"), [1, {"a": 2}]),
    "call": (lambda ctx: ctx.call("(function (a, b) { return a + b; })", 1, 2), 3),
    "function": (lambda ctx: ctx.eval("(a, b) => a + b")(1, 2), 3),
    "copy": (lambda ctx: ctx.eval("({a: [1, 2, 'x'], b: null})", copy=True), {"a": [1, 2, "x"], "b": None}),
    "copy of a Map": (lambda ctx: ctx.eval("const m = new Map(); m", copy=True), {}),
    "into JavaScript": (
        lambda ctx: ctx.eval("x => x")({"a": [1, {"b": 2}], "c": {1, 2}}).copy(),
        {"a": [1, {"b": 2}], "c": {1, 2}},
    ),
    "items": (lambda ctx: ctx.eval("({a: {b: 5}})")["a"]["b"], 5),
    "elements": (lambda ctx: list(ctx.eval("[1, 2, 3]")), [1, 2, 3]),
    "append": (lambda ctx: ctx.eval("[]").append(1), None),
    "keys": (lambda ctx: sorted(ctx.eval("({__proto__: null, k: 1, l: 2})")), ["k", "l"]),
    "globals": (lambda ctx: ctx.globals.get("answer", 0), 0),
    "callback": (lambda ctx: ctx.eval("f => f(1)")(lambda x: x + 1), 2),
    "callback that raises": (lambda ctx: ctx.eval("f => { try { f(); } catch (e) { return 'caught'; } }")(lambda: 1 / 0), "caught"),
    "promise": (lambda ctx: ctx.eval("(async () => 7)()").get(timeout=1), 7),
    "await": (_await, 7),
    "thrown": (lambda ctx: ctx.eval("try { null.x } catch (e) { 'caught' }"), "caught"),
    "buffer": (lambda ctx: bytes(ctx.eval("b => { b[0] = 7; return b; }")(ctx.buffer("B", 2))), b"\7\0"),
    "bytes": (lambda ctx: ctx.eval("b => b[1]")(b"\1\2"), 2),
    "date": (lambda ctx: str(ctx.eval("new (Object.getPrototypeOf(async () => {}) && (() => {}).constructor('return Date')())(0)")), "1970-01-01 00:00:00+00:00"),
    "heap_stats": (lambda ctx: ctx.heap_stats()["heap_size_limit"] > 0, True),
    "repr of an object": (lambda ctx: type(repr(ctx.eval("({a: 1})"))), str),
    "repr of a function": (lambda ctx: type(repr(ctx.eval("(function f() {})"))), str),
    "repr of an array": (lambda ctx: type(repr(ctx.eval("[1, 'x', {}]"))), str),
    "collection": (lambda ctx: ctx.low_memory_notification(), None),
    "set, delete": (lambda ctx: ctx.globals.pop("z") if ctx.globals.update(z=1) is None else 0, 1),
}  # fmt: skip


def pollute(ctx: MiniRacer, script: str) -> str:
    """How many of the probes answer, and what the others raise. An answer that is wrong is a failure."""
    ctx.eval(script)
    answers, refusals, lies = 0, [], []
    for name, (probe, right) in PROBES.items():
        try:
            answer = probe(ctx)
        except (JSEvalException, JSPromiseError, MiniRacerBaseException) as error:
            str(error), repr(error)
            refusals.append(name)
        else:
            if answer == right and type(answer) is type(right):
                answers += 1
            else:
                lies.append(f"{name}: {answer!r}"[:80])
    if lies and "JSON that lies" not in script and "JSON.stringify = () =>" not in script:
        raise AssertionError("; ".join(lies))
    return f"{answers} answer, {len(refusals)} refuse" + (f": {', '.join(refusals)}" if refusals else "")


# --- one case ---


def status(name: str) -> int:
    """A number of /proc/self/status, in bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name + ":"))
    return int(line.split()[1]) * 1024


def outcome_of(error: BaseException) -> str:
    """The name that the tables use."""
    if type(error) is JSEvalException and getattr(error, "name", None):
        return str(error.name)[:40]
    return type(error).__name__


def works(ctx: MiniRacer) -> str:
    """Whether a context answers."""
    try:
        assert ctx.eval("6 * 7", timeout_sec=10) == 42
    except Exception as error:
        return outcome_of(error)
    return "yes"


def run(case: Case) -> dict[str, Any]:
    """What comes of a case."""
    with MiniRacer() as warm:
        warm.eval("1")
    ctx = opened(case)
    ctx.eval("1")
    base = status("VmRSS")
    drive: Callable[[MiniRacer, str], Any] = globals()[case.drive]
    detail = limit = ""
    begun = time.monotonic()
    try:
        value = drive(ctx, case.script)
        outcome, detail = (
            "value",
            "an int" if isinstance(value, int) and value.bit_length() > 999 else repr(value)[:300],
        )
        del value
    except Exception as error:
        outcome, detail = outcome_of(error), f"{type(error).__name__}: {str(error)[:200]}"
        limit = getattr(error, "limit", None) or ""
    seconds = time.monotonic() - begun
    peak = status("VmHWM") - base
    same = works(ctx)
    begun = time.monotonic()
    ctx.close()
    closing = time.monotonic() - begun
    with MiniRacer() as another:
        following = works(another)
    return {
        "outcome": outcome,
        "detail": detail,
        "limit": limit,
        "seconds": seconds,
        "peak": peak,
        "same": same,
        "next": following,
        "closing": closing,
        "left": _dll.library().mr_context_count(),
    }


def main() -> None:
    """Runs the case that the arguments name."""
    group, number = sys.argv[1], int(sys.argv[2])
    case: Case = importlib.import_module(f"tests.hostile.{group}").CASES[number]
    resource.setrlimit(resource.RLIMIT_DATA, (NET, NET))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.enable()
    logging.disable()
    v8 = "source" if "source" in _dll.features() else "system"
    faulthandler.dump_traceback_later(KNOWN_HANGS if v8 in case.known else HANGS, exit=True)
    print(json.dumps({"features": sorted(_dll.features())}), flush=True)
    missing = [feature for feature in case.needs if feature not in _dll.features()]
    answer = {"outcome": "skipped", "detail": ", ".join(missing)} if missing else run(case)
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
