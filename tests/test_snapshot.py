"""Snapshots: what is in them, what is not, and that nothing of either ends the process."""

from __future__ import annotations

import pickle
import struct
import subprocess
import sys
from ctypes import byref, c_uint64
from threading import Thread
from typing import Any

import pytest

from py_mini_racer import (
    JSClosedException,
    JSEvalException,
    JSOOMException,
    JSParseException,
    JSTimeoutException,
    JSValueError,
    MiniRacer,
    Snapshot,
    _dll,
    _snapshot,
)

# A script, and what an expression is in a context that begins with the snapshot.
KEPT = {
    "var n = 1; const c = 2; let l = 3; class K {}": ("`${n}${c}${l}${typeof K}`", "123function"),
    "var m = new Map([[1, { a: 2 }]]), w = new WeakMap(), k = {}; w.set(k, 5)": ("m.get(1).a + w.get(k)", 7),
    "var c = (() => { let n = 0; return () => ++n })(); c()": ("c()", 2),
    "class A { #p = 3; get p() { return this.#p } } var a = new A()": ("a.p", 3),
    "function* g() { yield 1; yield 2 } var it = g(); it.next()": ("it.next().value", 2),
    "var go, done; (async () => { await new Promise(r => go = r); done = 1 })(); 0": (
        "go(); Promise.resolve().then(() => done)",
        1,
    ),
    "var t = new Uint8Array(10), big = new Float64Array(1e6), v = new DataView(t.buffer); t[3] = 7; big[9] = 2": (
        "v.getInt8(3) + big[9]",
        9,
    ),
    "var r = /a(b+)/g; r.exec('xabb')": ("r.lastIndex + r.source", "4a(b+)"),
    "var s = Symbol.for('y'), b = 2n ** 70n": ("s === Symbol.for('y') && b === 2n ** 70n", True),
    "var p = new Proxy({}, { get: () => 7 })": ("p.x", 7),
    "var wr = new WeakRef(globalThis), me = this": ("wr.deref() === globalThis && me === this", True),
    "var f = eval('(function () { return 4 })'), h = new Function('return 5')": ("f() + h()", 9),
    "var e; try { null.x } catch (x) { e = x }": ("e.message.length > 5 && e instanceof TypeError", True),
    "var old = setTimeout; setTimeout = (f, ...a) => old(f, ...a)": ("new Promise(r => setTimeout(r, 1, 8))", 8),
    "Intl = undefined; globalThis.WebAssembly = 3": ("`${typeof Intl} ${WebAssembly}`", "undefined 3"),
    "for (const k of Object.getOwnPropertyNames(globalThis)) try { delete globalThis[k] } catch {}": ("6 * 7", 42),
    "(123).toLocaleString('de'); new Date().toLocaleString(); 'a'.localeCompare('b')": ("typeof Intl", "object"),
}


@pytest.mark.parametrize("code", KEPT)
def test_what_scripts_have_set_up_is_there(code: str) -> None:
    expression, expected = KEPT[code]
    snapshot = Snapshot.create(code)
    for made in (snapshot, Snapshot(snapshot.data)):
        with MiniRacer(snapshot=made) as ctx:
            value: Any = ctx.eval(expression)
            assert (
                value.get(timeout=10) if hasattr(value, "get") and not isinstance(value, int) else value
            ) == expected


def test_contexts_of_a_snapshot_share_nothing_and_stand_beside_plain_ones() -> None:
    snapshot = Snapshot.create("var list = [1]; function add(x) { list.push(x); return list.length }")
    first, second, plain = MiniRacer(snapshot=snapshot), MiniRacer(snapshot=snapshot), MiniRacer()
    del snapshot  # the contexts keep what they need
    assert first.eval("add(1); add(2)") == 3
    assert second.eval("list.length") == 1
    assert plain.eval("typeof add") == "undefined"
    realm = first.new_realm()
    assert realm.eval("add(5)") == 2
    assert first.eval("list.length") == 3


def test_everything_works_in_a_context_of_a_snapshot() -> None:
    snapshot = Snapshot.create("var base = 40")
    ctx = MiniRacer(snapshot=snapshot, timeout_sec=20, modules={"m.js": "export const two = base + 2;"})
    ctx.globals["twice"] = lambda value: 2 * value
    ctx.globals["shown"] = ctx.proxy({"a": 1})
    assert ctx.eval("twice(base) + shown.a") == 81
    assert ctx.import_module("m.js").two == 42
    assert ctx.eval("new Promise(resolve => setTimeout(resolve, 1, base))").get(timeout=10) == 40
    assert ctx.eval("typeof Intl + typeof WebAssembly + typeof FinalizationRegistry") == "objectobjectfunction"
    assert ctx.eval("new Intl.NumberFormat('en').format(1234)") == "1,234"
    assert ctx.eval("Object.getOwnPropertyDescriptor(globalThis, 'Intl').enumerable") is False
    assert ctx.compile("base + 1").run() == 41
    with pytest.raises(JSTimeoutException):
        ctx.eval("for (;;) {}", timeout_sec=0.05)
    with pytest.raises(JSOOMException):
        ctx.eval("var hoard = []; for (;;) hoard.push(new Array(1000).fill(1.5))", max_memory=50_000_000)
    assert ctx.eval("base") == 40


def test_a_function_may_prepare_the_context() -> None:
    handles = []

    def prepare(ctx: MiniRacer) -> None:
        ctx.eval("var settings = {}")
        handles.append(ctx.eval("settings"))
        handles[0]["mood"] = "fine"
        ctx.globals["passing"] = len  # a Python function may come, if it goes
        ctx.eval("delete globalThis.passing")

    snapshot = Snapshot.create(prepare)
    assert MiniRacer(snapshot=snapshot).eval("settings.mood") == "fine"
    with pytest.raises(JSClosedException):
        handles[0]["mood"]


def test_the_effects_of_warming_up_are_thrown_away() -> None:
    code = "var runs = 0; function work(n) { runs++; let sum = 0; for (let i = 0; i < n; i++) sum += i; return sum }"
    cold, warm = Snapshot.create(code), Snapshot.create(code, warm_up="work(100); var left = 1; runs = 99")
    assert len(warm.data) > len(cold.data)  # the function's bytecode
    with MiniRacer(snapshot=warm) as ctx:
        assert ctx.eval("`${runs} ${typeof left} ${work(4)}`") == "0 undefined 6"


def large(name: str, note: str = "-") -> str:
    """A script of more than 1 MB of ASCII: a lot of functions that are compiled when they are first called."""
    return "".join(f"function {name}{i}(x) {{ return x + {i} }} // {note * 80}\n" for i in range(10_000))


def test_large_scripts_are_beside_the_heap() -> None:
    code = large("f")
    snapshot = Snapshot.create(code, warm_up=large("g"))
    with MiniRacer() as plain:
        assert plain.eval(code + ";f9(1)") == 10
    for made in (snapshot, Snapshot(bytes(snapshot))):
        with MiniRacer(snapshot=made) as ctx:
            assert ctx.stats()["heap_spaces"]["large_object_space"]["used"] < len(code) // 2
            for one in (ctx, ctx.new_realm(), ctx):
                assert one.eval("f9999(1) + f1(1) + f5000(1)") == 15003
                assert (
                    one.eval("f7.toString() + f9998")
                    == "function f7(x) { return x + 7 }function f9998(x) { return x + 9998 }"
                )
                assert one.eval("typeof g1") == "undefined"
                ctx.low_memory_notification()
            assert ctx.eval("f123(0)") == 123


def test_many_large_scripts() -> None:
    def prepare(ctx: MiniRacer) -> None:
        for i in range(70):  # more than there are places for
            ctx.eval(f"function f{i}() {{ return {i} }} // {str(i % 10) * 70_000}")
        ctx.eval(f"function two() {{ return 'Ł' }} // {'Ł' * 70_000}")
        ctx.eval(f"var latin = function () {{ return 'é' }} // {'é' * 70_000}")

    snapshot = Snapshot.create(prepare)
    del prepare
    contexts = [MiniRacer(snapshot=made) for made in (snapshot, Snapshot(snapshot.data))]
    del snapshot
    for ctx in contexts:
        assert [ctx.eval(f"f{i}() + f{i}.toString()") for i in range(70)] == [
            f"{i}function f{i}() {{ return {i} }}" for i in range(70)
        ]
        assert ctx.eval("two() + two + latin() + latin") == "Łfunction two() { return 'Ł' }éfunction () { return 'é' }"


def test_a_large_script_that_nothing_needs_is_left_out() -> None:
    def prepare(ctx: MiniRacer) -> None:
        for i in range(3):
            ctx.eval(f"globalThis.n = {i}; // {'-' * 2_000_000}")
        ctx.eval(f"function kept() {{ return n }} // {'+' * 100_000}")

    snapshot = Snapshot.create(prepare)
    assert len(snapshot.data) < 2_000_000
    with MiniRacer(snapshot=Snapshot(snapshot.data)) as ctx:
        assert ctx.eval("kept() + kept") == "2function kept() { return n }"


@pytest.mark.parametrize("code", ["'xy'.repeat(1e7) + 'z'", "new Array(2e7)", "Array.from({ length: 1e6 }, () => [])"])
def test_a_snapshot_that_is_larger_than_the_limit(code: str) -> None:
    snapshot = Snapshot.create(f"var large = {code}; JSON.stringify([large.length, large[0]])")
    with MiniRacer(snapshot=snapshot, max_memory=8_000_000) as ctx, pytest.raises(JSOOMException):
        ctx.eval("const more = []; for (;;) more.push([more.length])")
    with MiniRacer(snapshot=snapshot, max_memory=300_000_000) as ctx:
        assert ctx.eval("large.length") >= 1_000_000


REFUSED = {
    "setTimeout(() => 0, 1e6)": "timers",
    "(function () { 'use asm'; function f() { return 1 } return { f } })()": "asm.js",
    "Object.freeze(globalThis)": "global object",
    "Object.preventExtensions(Error); var Error = class {}": "Error",
}


@pytest.mark.parametrize("code", REFUSED)
def test_what_a_snapshot_cannot_hold_is_named(code: str) -> None:
    with pytest.raises(JSValueError, match=f"cannot become a snapshot: .*{REFUSED[code]}"):
        Snapshot.create(code)
    with pytest.raises(JSValueError, match=REFUSED[code]):
        Snapshot.create("1", warm_up=code)


def _function(ctx: MiniRacer) -> None:
    ctx.globals["f"] = len


def _proxy(ctx: MiniRacer) -> None:
    ctx.globals["p"] = ctx.proxy({"a": 1})


def _error(ctx: MiniRacer) -> None:
    def fail() -> None:
        raise KeyError

    ctx.globals["f"] = fail
    ctx.eval("try { f() } catch (e) { var kept = e } delete globalThis.f")


def _module(ctx: MiniRacer) -> None:
    from py_mini_racer._modules import Modules, loader_of

    assert ctx._ctx is not None
    ctx._ctx.modules = Modules(ctx._ctx, loader_of({"m.js": "export default 1"}))
    ctx.import_module("m.js")


def _realm(ctx: MiniRacer) -> None:
    ctx.new_realm().eval("1")


@pytest.mark.parametrize(
    ("prepare", "why"),
    [(_function, "host"), (_proxy, "host"), (_error, "host"), (_module, "modules"), (_realm, "realms")],
)
def test_what_is_not_of_javascript_is_named(prepare: Any, why: str) -> None:
    with pytest.raises(JSValueError, match=f"cannot become a snapshot: .*{why}"):
        Snapshot.create(prepare)


@pytest.mark.parametrize("name", ["FinalizationRegistry", "Intl", "SharedArrayBuffer", "WebAssembly"])
def test_what_makes_objects_that_cannot_be_kept_is_not_there(name: str) -> None:
    with pytest.raises(JSEvalException, match=f"{name} is not defined"):
        Snapshot.create(f"var kept = new {name}(() => 0)")
    assert (
        MiniRacer(snapshot=Snapshot.create(f"var there = typeof {name}"))
        .eval(f"there + typeof {name}")
        .startswith("undefined")
    )


def test_errors_and_limits_hold_while_it_is_made() -> None:
    with pytest.raises(JSParseException):
        Snapshot.create("(")
    with pytest.raises(JSEvalException, match="no"):
        Snapshot.create("throw new Error('no')")
    with pytest.raises(ZeroDivisionError):
        Snapshot.create(lambda _: 1 // 0)
    with pytest.raises(JSTimeoutException):
        Snapshot.create("for (;;) {}", timeout_sec=0.1)
    with pytest.raises(JSOOMException):
        Snapshot.create("var a = []; for (;;) a.push(new Array(1000).fill(1.5))", max_memory=100_000_000)
    with pytest.raises(JSTimeoutException):
        Snapshot.create("1", warm_up="for (;;) {}", timeout_sec=0.1)


def test_bytes_that_are_no_snapshot() -> None:
    data = Snapshot.create("var x = 1").data
    for bad, why in (
        (b"", "no snapshot"),
        (b"mrsn\x01", "another build"),
        (b"x" * 100_000, "no snapshot"),
        (data[:60], "damaged"),
        (data[:-1], "damaged"),
        (data + b"\0", "damaged"),
        (data[:5000] + bytes([data[5000] ^ 1]) + data[5001:], "damaged"),
        (data[:6] + bytes([data[6] ^ 1]) + data[7:], "another build"),
    ):
        with pytest.raises(JSValueError, match=why):
            Snapshot(bad)
    with pytest.raises(TypeError, match="must be bytes"):
        Snapshot("text")  # type: ignore[arg-type]
    assert MiniRacer(snapshot=Snapshot(memoryview(data))).eval("x") == 1
    assert MiniRacer(snapshot=pickle.loads(pickle.dumps(Snapshot(data)))).eval("x") == 1


def test_bytes_that_no_snapshot_ends_with() -> None:
    content = Snapshot.create(f"var x = 1 // {'-' * 100_000}").data[_snapshot._HEAD :]
    library, number = _dll.library(), c_uint64()
    texts, size = struct.unpack("<QQ", content[-16:])
    assert texts == 1
    for bad in (
        content[:-1],
        content[:-8],
        content[:4000],
        content[:-16] + struct.pack("<QQ", texts + 1, size),
        content[:-16] + struct.pack("<QQ", 2**61 - 1, size),
        content[:-16] + struct.pack("<QQ", texts, size + 1),
        content[:-16] + struct.pack("<QQ", texts, 2**64 - 1),
        content[:-32] + struct.pack("<QQQQ", 2**64 - 1, 0, texts, size),
        bytes(10_000),
    ):
        assert library.mr_snapshot_new(bad, len(bad), byref(number)) == _dll.SNAPSHOT_FOREIGN
        assert number.value == 0


def test_one_process_makes_it_and_another_one_uses_it() -> None:
    program = (
        "import sys; from py_mini_racer import MiniRacer, Snapshot\n"
        "if sys.argv[1] == 'plain': MiniRacer().eval('1')\n"
        "snapshot = Snapshot(sys.stdin.buffer.read())\n"
        "first, plain, second = MiniRacer(snapshot=snapshot), MiniRacer(), MiniRacer(snapshot=snapshot)\n"
        "print(first.eval('f(1)'), plain.eval('typeof f'), second.eval('f(2)'), first.eval('Math.max(...[1, 9])'))"
    )
    maker = (
        "import sys; from py_mini_racer import Snapshot; sys.stdout.buffer.write("
        "Snapshot.create('const table = {\"key one\": 10}; function f(x) { return table[\"key one\"] + x }', warm_up='f(1)').data)"
    )
    data = subprocess.run([sys.executable, "-c", maker], capture_output=True, check=True).stdout
    for order in ("plain", "snapshot"):
        done = subprocess.run([sys.executable, "-c", program, order], input=data, capture_output=True, check=True)
        assert done.stdout.split() == [b"11", b"undefined", b"12", b"9"]


def test_the_code_cache_does_not_end_the_process() -> None:
    refused = []

    def prepare(ctx: MiniRacer) -> None:
        ctx.eval("/*" + " " * 100_000 + "*/ var large = 1")
        with pytest.raises(JSEvalException) as caught:
            ctx.compile("1").cache  # noqa: B018
        refused.append(caught.value)
        ctx.heap_snapshot()
        ctx.stats()

    assert MiniRacer(snapshot=Snapshot.create(prepare)).eval("large") == 1
    assert refused


def test_threads() -> None:
    snapshots: list[Snapshot] = []
    threads = [Thread(target=lambda n=n: snapshots.append(Snapshot.create(f"var n = {n}"))) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers: list[int] = []

    def use(snapshot: Snapshot) -> None:
        with MiniRacer(snapshot=snapshot) as ctx:
            answers.append(ctx.eval("n"))

    threads = [Thread(target=use, args=(snapshot,)) for snapshot in snapshots]
    snapshots.clear()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [0, 1, 2, 3]


def test_it_is_refused_where_it_cannot_be_made() -> None:
    class TakenError(Exception):
        pass

    def prepare(ctx: MiniRacer) -> None:
        ctx.close()  # shared: closes nothing
        raise TakenError

    with pytest.raises(TakenError):
        Snapshot.create(prepare)
    with pytest.raises(JSValueError, match="snapshots belong"):
        MiniRacer(MiniRacer()._ctx, snapshot=Snapshot.create("1"))


def test_the_console_of_a_snapshot_speaks_to_whom_the_context_belongs() -> None:
    making: list[str] = []
    snapshot = Snapshot.create(
        "const log = console.log; console.log('made'); function say(x) { log(x); console.warn(x) }",
        console=lambda message: making.append(message.text),
    )
    heard: list[str] = []
    ctx = MiniRacer(snapshot=snapshot, console=lambda message: heard.append(message.text))
    ctx.eval("say('hello')")
    ctx.new_realm().eval("say('there')")
    assert (making, heard) == (["made"], ["hello", "hello", "there", "there"])
    MiniRacer(snapshot=snapshot, console=False).eval("say('nobody')")
    assert len(heard) == 4
    silent = Snapshot.create("1", console=False)
    assert MiniRacer(snapshot=silent).eval("typeof console") == "object"


def test_importing_it_does_not_start_v8() -> None:
    program = (
        "from py_mini_racer import MiniRacer, MiniRacerPool, Snapshot, init_mini_racer; init_mini_racer(flags=[]); "
        "print(MiniRacer(snapshot=Snapshot.create('var a = 1')).eval('a'))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"1\n"
