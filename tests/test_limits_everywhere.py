"""Limits of time hold wherever a script's code can run, whoever runs it."""

from __future__ import annotations

import gc
import threading
import time
from typing import Any

import pytest

from py_mini_racer import (
    JSClosedException,
    JSCPUTimeException,
    JSEvalException,
    JSPromiseError,
    JSTerminatedException,
    JSTimeoutException,
    MiniRacer,
)

PATIENCE = 30.0  # for machines that are busy
LOOP = "for (;;);"

PLACES = {
    "getter": f"({{ get x() {{ {LOOP} }} }}).x",
    "setter": f"({{ set x(value) {{ {LOOP} }} }}).x = 1",
    "regexp": "/(a*)*b/.test('a'.repeat(40))",
    "regexp, many alternatives": "/^(([a-z])+.)+[A-Z]([a-z])+$/.test('a'.repeat(60))",
    "replace with a function": f"'aaa'.replace(/a/g, () => {{ {LOOP} }})",
    "proxy's get": f"new Proxy({{}}, {{ get() {{ {LOOP} }} }}).x",
    "proxy's ownKeys": f"Object.keys(new Proxy({{}}, {{ ownKeys() {{ {LOOP} }} }}))",
    "proxy's getPrototypeOf": f"new Proxy({{}}, {{ getPrototypeOf() {{ {LOOP} }} }}) instanceof Object",
    "sort comparator": f"[3, 1, 2].sort(() => {{ {LOOP} }})",
    "sort of much": "var a = []; for (let i = 0; i < 3e6; i++) a.push((i * 7919) % 3000017); for (;;) a.slice().sort()",
    "toJSON": f"JSON.stringify({{ toJSON() {{ {LOOP} }} }})",
    "replacer": f"JSON.stringify({{ a: 1 }}, () => {{ {LOOP} }})",
    "reviver": f"JSON.parse('[1]', () => {{ {LOOP} }})",
    "generator": f"[...(function* () {{ {LOOP} }})()]",
    "endless generator": "for (const x of (function* () { for (;;) yield 1; })());",
    "iterator": f"for (const x of {{ [Symbol.iterator]() {{ {LOOP} }} }});",
    "Array.from": f"Array.from({{ length: 1 }}, () => {{ {LOOP} }})",
    "Symbol.toPrimitive": f"+{{ [Symbol.toPrimitive]() {{ {LOOP} }} }}",
    "Symbol.species": f"class A extends Array {{ static get [Symbol.species]() {{ {LOOP} }} }}; new A(1, 2).map(x => x)",
    "tagged template": f"(() => {{ {LOOP} }})`x`",
    "with": f"with (new Proxy({{}}, {{ has() {{ {LOOP} }} }})) x",
    "new Function": f"new Function('{LOOP}')()",
    "eval in eval": f"eval('{LOOP}')",
    "class field": f"new (class {{ x = (() => {{ {LOOP} }})() }})()",
    "default argument": f"((x = (() => {{ {LOOP} }})()) => x)()",
    "finally": f"try {{ {LOOP} }} finally {{ {LOOP} }}",
    "microtask": f"Promise.resolve().then(() => {{ {LOOP} }}); 1",
    "chain of microtasks": "(function again() { Promise.resolve().then(again) })(); 1",
    "queueMicrotask": f"queueMicrotask(() => {{ {LOOP} }}); 1",
    "then": f"({{ then() {{ {LOOP} }} }}), Promise.resolve({{ then() {{ {LOOP} }} }}); 1",
    "async generator": "(async () => { for await (const x of (async function* () { for (;;) yield 1; })()); })(); 1",
    "thrown toString": f"throw {{ toString() {{ {LOOP} }} }}",
    "thrown cause": f"throw new Error('x', {{ cause: Object.defineProperty(new Error('y'), 'name', {{ get() {{ {LOOP} }} }}) }})",
    "thrown name's microtasks": f"throw {{ get name() {{ Promise.resolve().then(() => {{ {LOOP} }}); return 'n' }} }}",
    "BigInt": "var x = 3n; for (;;) x = x * x % (2n ** 4000n - 1n) + 3n",
    "string search": "var s = 'a'.repeat(1e6); for (;;) s.indexOf('b')",
    "typed arrays": "var a = new Uint8Array(1e7); for (;;) a.fill(1)",
}  # fmt: skip

# (module (func (export "f") (loop (br 0))))
WASM = """new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(
  [0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0, 10, 9, 1, 7, 0, 3, 64, 12, 0, 11, 11]
))).exports.f()"""

LIMITS = {"timeout_sec": JSTimeoutException, "cpu_time_sec": JSCPUTimeException}


@pytest.fixture(scope="module", params=LIMITS)
def limited(request):
    limits: dict[str, Any] = {request.param: 0.04}
    with MiniRacer(**limits) as ctx:
        yield ctx, LIMITS[request.param]


@pytest.mark.parametrize("code", [pytest.param(code, id=name) for name, code in PLACES.items()])
def test_the_contexts_limit_holds(limited, code):
    ctx, kind = limited
    with pytest.raises(kind) as caught:
        ctx.eval(code)
    assert type(caught.value) is kind
    assert ctx.eval("6 * 7") == 42
    assert ctx.eval("6 * 7", timeout_sec=PATIENCE) == 42  # nothing of it is left to run


def test_webassembly(limited):
    ctx, kind = limited
    with pytest.raises(kind):
        ctx.eval(WASM)
    assert ctx.eval("6 * 7") == 42


def test_a_wait_is_over_when_the_time_is():
    with MiniRacer(timeout_sec=0.05) as ctx:
        with pytest.raises(JSTimeoutException):
            ctx.eval("Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)")
        assert ctx.eval("1") == 1


READS = {
    "item": (f"({{ get x() {{ {LOOP} }} }})", lambda value: value["x"]),
    "missing item of a proxy": (f"new Proxy({{}}, {{ has() {{ {LOOP} }} }})", lambda value: value["x"]),
    "keys": (f"new Proxy({{}}, {{ ownKeys() {{ {LOOP} }} }})", list),
    "keys' descriptors": (
        f"new Proxy({{ a: 1 }}, {{ getOwnPropertyDescriptor() {{ {LOOP} }} }})",
        list,
    ),
    "length": (f"new Proxy([], {{ get() {{ {LOOP} }} }})", lambda value: value["length"]),
    "set": (f"({{ set x(value) {{ {LOOP} }} }})", lambda value: value.__setitem__("x", 1)),
    "delete": (
        f"new Proxy({{ x: 1 }}, {{ deleteProperty() {{ {LOOP} }} }})",
        lambda value: value.__delitem__("x"),
    ),
    "copy": (f"({{ get x() {{ {LOOP} }} }})", lambda value: value.copy()),
    "copy's prototype": (
        f"new Proxy({{}}, {{ getPrototypeOf() {{ {LOOP} }}, ownKeys() {{ {LOOP} }} }})",
        lambda value: value.copy(),
    ),
    "method": (f"({{ get m() {{ {LOOP} }} }})", lambda value: value.call_method("m")),
    "constructor": (f"(class {{ constructor() {{ {LOOP} }} }})", lambda value: value.new()),
    "equality": (f"({{ get x() {{ {LOOP} }} }})", lambda value: value == {"x": 1}),
    "values": (f"({{ get x() {{ {LOOP} }} }})", lambda value: list(value.values())),
}


@pytest.mark.parametrize("name", READS)
def test_what_python_reads_is_limited(limited, name):
    ctx, kind = limited
    code, read = READS[name]
    value = ctx.eval(code)
    with pytest.raises(kind):
        read(value)
    assert ctx.eval("6 * 7") == 42


def test_settling_a_promise_is_limited(limited):
    ctx, kind = limited
    promise = ctx.eval(f"({{ get then() {{ {LOOP} }} }})")
    resolve = ctx.eval("value => Promise.resolve(value)")
    with pytest.raises(kind):
        resolve(promise)
    assert ctx.eval("6 * 7") == 42


def test_a_promises_reason_is_limited(limited):
    ctx, kind = limited
    promise = ctx.eval(f"Promise.reject({{ toString() {{ {LOOP} }} }})")
    with pytest.raises(kind):
        promise.get(timeout=PATIENCE)
    assert ctx.eval("6 * 7") == 42


def test_a_rejection_that_is_described_late_has_a_limit_of_its_own():
    """Nobody asked for a limit here: the description of what a script left behind has one all the same."""
    stops: list[JSEvalException] = []
    told: list[JSPromiseError] = []
    with MiniRacer(uncaught_exception=stops.append, unhandled_rejection=told.append) as ctx:
        promise = ctx.eval(f"Promise.reject({{ get stack() {{ {LOOP} }} }})", timeout_sec=PATIENCE)
        assert ctx.eval("1") == 1
        assert not stops
        del promise
        gc.collect()
        assert ctx.eval("2") == 2
        assert [isinstance(stop, JSTimeoutException) for stop in stops] == [True]
        assert not told
        assert ctx.eval("3") == 3
        assert len(stops) == 1


def test_the_contexts_limit_goes_before_that():
    stops: list[Any] = []
    with MiniRacer(timeout_sec=0.05, uncaught_exception=stops.append) as ctx:
        assert ctx.eval(f"Promise.reject({{ get stack() {{ {LOOP} }} }}); 1") == 1
        assert [(stop.limit, stop.limit_value) for stop in stops] == [("timeout_sec", 0.05)]


def test_errors_that_tell_of_themselves_again_and_again_come_to_an_end():
    told: list[JSPromiseError] = []
    with MiniRacer(unhandled_rejection=told.append) as ctx:
        ctx.eval(
            "function bad() { Promise.reject({ get stack() { bad(); return 's' }, get name() { return 'n' } }) } bad(); 1"
        )
        for _ in range(20):
            assert ctx.eval("1") == 1
        assert len(told) >= 20


def test_what_an_exception_leaves_behind_runs_in_its_own_call():
    with MiniRacer() as ctx:
        with pytest.raises(JSTimeoutException):
            ctx.eval(f"throw {{ get name() {{ Promise.resolve().then(() => {{ {LOOP} }}) }} }}", timeout_sec=0.05)
        assert ctx.eval("1") == 1
        with pytest.raises(JSTimeoutException):
            ctx.eval(
                f"({{ get x() {{ Promise.resolve().then(() => {{ {LOOP} }}); return 1 }} }})",
                copy=True,
                timeout_sec=0.05,
            )
        assert ctx.eval("1") == 1


ENDLESS = {
    "eval": lambda ctx: ctx.eval(LOOP),
    "getter": lambda ctx: ctx.eval(f"({{ get x() {{ {LOOP} }} }})")["x"],
    "regexp": lambda ctx: ctx.eval("/(a*)*b/.test('a'.repeat(40))"),
    "wait": lambda ctx: ctx.eval("Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)"),
    "microtasks": lambda ctx: ctx.eval("(function again() { Promise.resolve().then(again) })(); 1"),
    "description": lambda ctx: ctx.eval(f"throw {{ toString() {{ {LOOP} }} }}"),
    "webassembly": lambda ctx: ctx.eval(WASM),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_closing_stops_it_too(name):
    ctx = MiniRacer()
    errors: list[BaseException] = []

    def run() -> None:
        try:
            ENDLESS[name](ctx)
        except JSTerminatedException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.1)
    ctx.close()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert [type(error) for error in errors] == [JSClosedException]
