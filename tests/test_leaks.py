"""What is left behind by very many of a thing: no memory, no handle, no buffer, no callback, no thread, no context.

Each kind has a process of its own, which does it in three rounds and looks at its size after each. By default the rounds are short;
MINI_RACER_LEAKS=full makes them those of the tables: 100,000 where a thing is quick.
"""

from __future__ import annotations

import json
import os
from typing import NamedTuple

import pytest

from py_mini_racer import _dll
from tests.child import run_python

FULL = os.environ.get("MINI_RACER_LEAKS") == "full"


class Kind(NamedTuple):
    """A thing that is done again and again.

    Attributes:
        work: one statement, with the names of SETUP.
        times: how often, by default.
        full: how often with MINI_RACER_LEAKS=full.
    """

    work: str
    times: int
    full: int = 100_000


SETUP = """
import asyncio, gc, json, threading
from contextlib import suppress
from pathlib import Path
from py_mini_racer import JSConversionException, JSEvalException, JSOOMException, JSPromiseError, JSTimeoutException, MiniRacer
from py_mini_racer import _dll

def fails():
    raise ValueError("x")

def swallow(function, *arguments, **options):
    with suppress(JSEvalException, JSPromiseError, JSConversionException):
        function(*arguments, **options)

def in_thread(function):
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()

def another():
    with MiniRacer() as other:
        other.eval("x = [1, 2, 3]")

async def in_loop(count):
    await asyncio.gather(*(ctx.eval_async("[1, {}]") for _ in range(count)))

ctx = MiniRacer(max_memory=64 << 20, unhandled_rejection=lambda _: None, uncaught_exception=lambda _: None)
same, call, add = ctx.eval("x => x"), ctx.eval("f => f(1, 'a', {})"), ctx.eval("(a, b) => a + b")
endless, thrower = ctx.eval("() => { for (;;); }"), ctx.eval("x => { throw new Error(x); }")
BOMB = "(() => { const a = []; for (;;) a.push(Array(1000).fill(a.length)); })()"
"""

# What comes after the rounds: the numbers.
MEASURE = """
def settle():
    for _ in range(2):
        gc.collect()
        ctx.low_memory_notification()
        ctx.eval("0")

def size():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

settle()
before = ctx.stats()["handles"]
sizes = []
for _ in range(3):
    for _ in range(ROUND):
        WORK
    settle()
    sizes.append(size())
stats, host = ctx.stats(), ctx._ctx.host
threads = len(list(Path("/proc/self/task").iterdir()))
left = {"handles": stats["handles"] - before, "stores": stats["stores"], "timers": stats["timers"], "contexts": stats["contexts"] - 1}
left.update({name: len(held) - (0 in held) for name, held in vars(host).items() if isinstance(held, (dict, list, set))})  # 0 is the console
del same, call, add, endless, thrower
gc.collect()
left["handles in the end"] = ctx.stats()["handles"]
ctx.close()
left["contexts in the end"] = _dll.library().mr_context_count()
print(json.dumps({"sizes": sizes, "left": left, "threads": threads}))
"""

KINDS = {
    "evals": Kind("ctx.eval('1 + 1')", 12_000),
    "evals of new code": Kind("ctx.eval(f'{id(object())} + {before}')", 3000),
    "calls": Kind("add(1, 2)", 12_000),
    "calls with whole values": Kind("same({'a': [1, 2.5, 'x', None], 'b': {'c': b'1'}})", 1500),
    "objects": Kind("same([{}])[0]['x'] = {}", 3000),
    "copies": Kind("ctx.eval('({a: [1, {b: \"x\"}], c: new Map([[1, 2]])})', copy=True)", 3000),
    "execute": Kind("ctx.execute('[1, {a: 2}]')", 3000),
    "callbacks": Kind("call(lambda *_: 1)", 3000),
    "one callback": Kind("swallow(call, fails)", 2000),
    "exceptions": Kind("swallow(thrower, 'x')", 3000),
    "exceptions with objects": Kind("swallow(ctx.eval, 'throw {a: [1]}')", 3000),
    "syntax errors": Kind("swallow(ctx.eval, '(')", 3000),
    "exceptions of callbacks": Kind("swallow(call, lambda *_: fails())", 2000),
    "what cannot be converted": Kind("swallow(same, [lambda: 1, object()])", 2000),
    "buffers from JavaScript": Kind("ctx.eval('new Uint8Array(1000)')[0]", 2000),
    "buffers to JavaScript": Kind("same(b'x' * 1000)", 2000),
    "shared buffers": Kind("same(ctx.buffer('d', 100))[0]", 2000),
    "promises": Kind("ctx.eval('Promise.resolve({})').get()", 2000),
    "promises that reject": Kind("swallow(ctx.eval('Promise.reject(new Error(1))').get)", 1500),
    "waits that time out": Kind("swallow(ctx.eval('new Promise(() => {})').get, timeout=1e-4)", 1000, 10_000),
    "rejections that nobody handles": Kind("ctx.eval('Promise.reject({}); 1')", 2000),
    "timers": Kind("ctx.eval('const id = setTimeout(() => {}, 1e6); clearTimeout(id)'.replace('const ', 'var '))", 3000),
    "timers that throw": Kind("ctx.eval('new Promise(r => { setTimeout(() => { r(); throw 1; }, 0); })').get()", 300, 10_000),
    "asyncio": Kind("asyncio.run(in_loop(100))", 20, 1000),
    "timeouts": Kind("swallow(endless, timeout_sec=0.001)", 200, 10_000),
    "memory limits": Kind("swallow(ctx.eval, BOMB)", 2, 50),
    "threads": Kind("in_thread(lambda: add(1, 2))", 400, 10_000),
    "contexts": Kind("another()", 30, 1000),
    "contexts on threads": Kind("in_thread(another)", 20, 1000),
}  # fmt: skip

# Room for what malloc and V8 keep for later, beside the 5 %.
SLACK = 2 << 20


@pytest.mark.timeout(1900 if FULL else 300)
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_very_many_leave_nothing_behind(kind: Kind) -> None:
    times = kind.full if FULL else kind.times
    script = SETUP + MEASURE.replace("ROUND", str(max(1, times // 3))).replace("WORK", kind.work)
    done = run_python(script, timeout=1800)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert set(found["left"].values()) == {0}, found["left"]
    plateau = max(found["sizes"][:2])
    assert found["sizes"][2] <= plateau * 1.05 + SLACK, [size / 1e6 for size in found["sizes"]]
    assert found["threads"] <= 24  # those of the library that wait for work, of asyncio's executor, and this one


def test_a_thousand_contexts_cost_no_threads_and_little_memory() -> None:
    script = """
        import json, time
        from pathlib import Path
        from py_mini_racer import MiniRacer, _dll
        def status(name):
            lines = Path("/proc/self/status").read_text().splitlines()
            return int(next(line for line in lines if line.startswith(name)).split()[1])
        with MiniRacer() as first:
            first.eval("1")
        before = status("VmRSS"), status("Threads")
        contexts = [MiniRacer() for _ in range(1000)]
        assert [ctx.eval(f"({number} + 1)") for number, ctx in enumerate(contexts)] == list(range(1, 1001))
        after = status("VmRSS"), status("Threads")
        used = time.process_time()
        time.sleep(0.5)
        used = time.process_time() - used
        for ctx in contexts:
            ctx.close()
        print(json.dumps({"MB": (after[0] - before[0]) / 1024 / 1000, "threads": after[1] - before[1], "cpu": used, "left": _dll.library().mr_context_count()}))
    """
    done = run_python(script, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    print(found)
    assert found["MB"] <= (0.8 if "source" in _dll.features() else 1.0)  # V8 of 2022 takes more
    assert found["threads"] <= 8
    assert found["cpu"] < 0.1
    assert found["left"] == 0
