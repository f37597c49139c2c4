"""Limits of memory: of the heap from 1 MB on, of buffers, of all heaps together. Bombs run in processes of their own."""

from __future__ import annotations

import json

import pytest

from py_mini_racer import JSEvalException, JSOOMException, JSValueError, MiniRacer, init_mini_racer
from tests.child import output_of

BOMBS = {
    "objects": "var a = []; for (;;) a.push({})",
    "numbers": "var a = []; for (;;) a.push(1.5)",
    "strings": "var a = []; for (let i = 0; ; i++) a.push('x'.repeat(1000) + i)",
    "concatenation": "var s = []; for (let t = 'x'; ; ) { t = t.length < 1e6 ? t + t : 'x'; s.push((t + 'y').split('x').length, [...t]) }",
    "map": "var m = new Map; for (let i = 0; ; i++) m.set(i, i)",
    "set": "var m = new Set; for (let i = 0; ; i++) m.add('k' + i)",
    "properties": "var o = {}; for (let i = 0; ; i++) o['k' + i] = i",
    "JSON": "var a = []; for (;;) a.push(JSON.parse('[1,2,[3,{\"a\":4}]]'))",
    "regexp": "var a = []; for (;;) a.push(/(.)(.)/.exec('xyz'))",
    "sort": "var a = []; for (;;) a.push([3, 1, 2].sort())",
    "spread": "var a = [1]; for (;;) a = [...a, ...a]",
    "BigInt": "var a = []; for (let b = 1n; ; b++) a.push(b << 1000n)",
    "generators": "var a = []; for (;;) { let g = (function* () { yield 1 })(); g.next(); a.push(g) }",
    "closures": "var a = []; for (let i = 0; ; i++) a.push(() => i)",
    "code": "var a = []; for (let i = 0; ; i++) a.push(new Function('return ' + i))",
    "symbols": "var a = []; for (let i = 0; ; i++) a.push(Symbol('s' + i))",
    "WeakRefs": "var a = []; for (;;) a.push(new WeakRef({}), {})",
    "promises": "var a = []; for (;;) a.push(new Promise(() => 0))",
    "typed arrays": "var a = []; for (;;) a.push(new Uint8Array(8))",
}

RUN = """
import json, sys
from py_mini_racer import JSOOMException, MiniRacer

ctx = MiniRacer(max_memory=int(sys.argv[2]) << 20)
said = []
for _ in range(2):
    try:
        ctx.eval("(() => { 'use strict';" + sys.argv[1] + "})()")
    except JSOOMException as error:
        said.append(error.limit)
    said.append(ctx.eval("[1, 2, 3].map(x => x * 2).join()"))
with open("/proc/self/status") as status:  # getrusage() begins with what the parent had
    peak = int(status.read().split("VmHWM:")[1].split()[0])
print(json.dumps([said, peak >> 10]))
"""
# A process with Python and V8 in it, and the room that a stopped script unwinds in.
MOST_BESIDE = 60 + 64 + 64


@pytest.mark.parametrize("megabytes", [1, 24])
@pytest.mark.parametrize(
    "code",
    [
        pytest.param(code, id=name, marks=[pytest.mark.needs("source")] * (name == "properties"))
        for name, code in BOMBS.items()
    ],
)
def test_a_bomb_is_an_exception(code, megabytes):
    said, peak = json.loads(output_of(RUN, code, str(megabytes)))
    assert said == ["max_memory", "2,4,6"] * 2
    assert peak < megabytes + MOST_BESIDE


def test_what_stays_after_a_bomb_counts():
    with MiniRacer(max_memory=16 << 20) as ctx:
        with pytest.raises(JSOOMException):
            ctx.eval("var kept = []; for (;;) kept.push({})")
        with pytest.raises(JSOOMException):
            ctx.eval("for (let i = 0; i < 1e7; i++) kept.push({})")
        ctx.eval("kept = undefined")
        assert ctx.eval("let few = []; for (let i = 0; i < 1000; i++) few.push({}); few.length") == 1000


@pytest.mark.needs("source")
@pytest.mark.parametrize(("flag", "full"), [("--trace-gc", False), ("--preconfigured-old-space-size=0", True)])
def test_the_first_full_collection_waits(flag, full):
    """By V8's own rule it comes early where young objects die, as soon as some stay."""
    code = "for (let i = 0; i < 5e6; i++) [i]; for (var kept = [], i = 0; i < 6e5; i++) kept.push([i, i, i, i, i, i])"
    printed = output_of(f"""
        from py_mini_racer import MiniRacer, init_mini_racer
        init_mini_racer(flags=["--trace-gc", "{flag}"])
        ctx = MiniRacer(max_memory=256 << 20)
        ctx.eval("{code}")
    """)
    assert "Scavenge" in printed
    assert ("Mark-Compact" in printed) == full


@pytest.mark.needs("source")
def test_one_large_object():
    """It is larger than the room that a stopped script is given at a time."""
    code = """
    from py_mini_racer import JSOOMException, MiniRacer
    ctx = MiniRacer(max_memory=16 << 20)
    for script in ("new Array(5e7).fill(0)", "'y'.repeat(1e8).split('')"):
        try:
            ctx.eval(f"var kept = {script}; for (;;);", timeout_sec=60)
        except JSOOMException:
            print(ctx.eval("kept = 1; 'usable'"))
    """
    assert output_of(code) == "usable\nusable"


# --- buffers ---


@pytest.fixture
def small():
    with MiniRacer(max_buffer_memory=10_000_000) as opened:
        yield opened


def outcome(ctx: MiniRacer, code: str) -> object:
    try:
        return ctx.eval(code)
    except JSEvalException as error:
        return error.name


@pytest.mark.parametrize("kind", ["ArrayBuffer", "Uint8Array", "SharedArrayBuffer"])
def test_buffers_are_refused(small, kind):
    small.eval("var held = []")
    for _ in range(3):
        small.eval(f"held.push(new {kind}(3e6)); 0")
    assert outcome(small, f"held.push(new {kind}(3e6)); 0") == "RangeError"
    assert outcome(small, f"held = []; new {kind}(9e6); 0") == 0  # V8 looks for garbage first


def test_a_script_can_catch_the_refusal(small):
    assert small.eval(
        "var caught; try { new ArrayBuffer(2e7) } catch (error) { caught = error } caught instanceof RangeError"
    )


@pytest.mark.needs("source")
@pytest.mark.parametrize(
    "code",
    [
        "new WebAssembly.Memory({initial: 200})",
        "new WebAssembly.Memory({initial: 1, maximum: 1000}).grow(500)",
        "new ArrayBuffer(2e7, {maxByteLength: 1e8})",
        "new ArrayBuffer(1, {maxByteLength: 1e8}).resize(2e7)",
        "new SharedArrayBuffer(1, {maxByteLength: 1e8}).grow(2e7)",
    ],
)
def test_memory_in_pages_is_refused(small, code):
    assert outcome(small, code) == "RangeError"
    assert outcome(small, code.replace("2e7", "2e6").replace("200", "20").replace("500", "50") + "; 0") == 0


@pytest.mark.needs("source")
def test_pages_that_are_given_back_can_be_had_again(small):
    for _ in range(20):
        assert (
            outcome(
                small,
                "var b = new ArrayBuffer(8e6, {maxByteLength: 1e7}); b.resize(1); b.resize(9e6); b = undefined; 0",
            )
            == 0
        )


@pytest.mark.needs("source")  # an older V8 collects later
def test_what_python_holds_counts(small):
    view = small.buffer(6_000_000)
    with pytest.raises(JSEvalException):
        small.buffer(6_000_000)
    small.eval("for (let i = 0; i < 100; i++) new ArrayBuffer(1e6)")
    view[0] = 7
    del view
    assert len(small.buffer(6_000_000)) == 6_000_000


def test_bytes_that_come_in_count(small):
    take = small.eval("x => x.byteLength")
    assert take(bytes(5_000_000)) == 5_000_000
    with pytest.raises(JSEvalException):
        take(bytes(11_000_000))


def test_each_context_has_its_own_limit(small):
    small.buffer(9_000_000)
    with MiniRacer(max_buffer_memory=10_000_000) as other:
        assert len(other.buffer(9_000_000)) == 9_000_000


@pytest.mark.parametrize("size", [0, -1, 2**60])
def test_a_limit_of_buffers_has_bounds(size):
    with pytest.raises(JSValueError, match="max_buffer_memory"):
        MiniRacer(max_buffer_memory=size)


# --- all heaps together ---

TOGETHER = """
import json, sys, threading
from py_mini_racer import JSOOMException, MiniRacer, init_mini_racer

init_mini_racer(max_total_memory=200 << 20)
opened, outcomes = [], []

def fill() -> None:
    try:
        ctx = MiniRacer()
        opened.append(ctx)
        outcomes.append(ctx.eval("var kept = []; for (let i = 0; i < 6e5; i++) kept.push({i, s: 'x' + i}); 'full'"))
    except JSOOMException as error:
        outcomes.append("refused" if "max_total_memory" in str(error) else error.limit)

threads = [threading.Thread(target=fill) for _ in range(12)]
for thread in threads:
    thread.start()
    if sys.argv[1] == "in turn":
        thread.join()
for thread in threads:
    thread.join()
for ctx in opened:
    ctx.close()
print(json.dumps([sorted(set(outcomes)), MiniRacer().eval("6 * 7")]))
"""


@pytest.mark.parametrize("how", ["in turn", "at once"])
def test_heaps_that_are_too_large_together(how):
    outcomes, answer = json.loads(output_of(TOGETHER, how))
    assert answer == 42
    assert set(outcomes) & {"max_total_memory", "refused"}
    assert set(outcomes) <= {"full", "max_total_memory", "refused"}


def test_the_library_runs_already():
    assert init_mini_racer(ignore_duplicate_init=True, max_total_memory=1) is not None
