# ruff: noqa: RUF001
"""console: what each method says, where it goes, and scripts that try to make it do harm."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import re
import threading

import pytest

from py_mini_racer import (
    ConsoleMessage,
    JSClosedException,
    JSOOMException,
    JSTimeoutException,
    JSUndefined,
    JSValueError,
    MiniRacer,
)


@pytest.fixture
def said():
    return []


@pytest.fixture
def ctx(said):
    with MiniRacer(console=said.append) as opened:
        yield opened


@pytest.fixture
def text(ctx, said):
    """The text of console.log(CODE)."""

    def log(code, setup=""):
        ctx.eval(f"{{{setup};\nconsole.log({code})}}", timeout_sec=20)
        assert len(said) == 1
        return said.pop().text

    return log


# --- where it goes ---


def test_a_message_has_the_place_and_the_arguments(ctx, said):
    ctx.eval("\n  console.log('n is', 3, {a: [1]}, null, undefined)", filename="app.js")
    (message,) = said
    assert isinstance(message, ConsoleMessage)
    assert (message.method, message.level, message.text) == ("log", "info", "n is 3 {a: [1]} null undefined")
    assert (message.filename, message.line, message.column) == ("app.js", 2, 11)
    assert (message.group, message.stack) == (0, None)
    assert message.args[:2] == ("n is", 3)
    assert message.args[2].copy() == {"a": [1]}
    assert message.args[3:] == (None, JSUndefined)
    assert repr(message) == "<ConsoleMessage log 'n is 3 {a: [1]} null undefined' at app.js:2:11>"


def test_the_logger_is_the_default(caplog):
    caplog.set_level(logging.DEBUG, "py_mini_racer.console")
    with MiniRacer() as ctx:
        ctx.eval("\nconsole.log('100%% of %s', 'it', {a: 1}, '%d')", filename="app.js")
        for method in ("debug", "info", "warn", "error"):
            ctx.eval(f"console.{method}('m')")
        ctx.eval("console.assert(false); console.clear()")
    first, *others = caplog.records
    assert first.getMessage() == "100% of it {a: 1} %d"
    assert (first.name, first.filename, first.lineno) == ("py_mini_racer.console", "app.js", 2)
    assert (first.js_method, first.js_filename, first.js_line, first.js_column) == ("log", "app.js", 2, 9)
    assert first.js_args[:2] == ("100%% of %s", "it")
    assert first.js_stack is None
    assert [each.levelname for each in others] == ["DEBUG", "INFO", "WARNING", "ERROR", "ERROR"]


def test_a_level_that_is_off_reaches_no_handler(caplog):
    caplog.set_level(logging.WARNING, "py_mini_racer.console")
    with MiniRacer(console=True) as ctx:
        ctx.eval("console.log({}); console.warn(1)")
        gc.collect()
        assert ctx.stats()["handles"] == 0
    assert [each.getMessage() for each in caplog.records] == ["1"]


def test_groups_tables_and_traces_in_a_log(caplog):
    caplog.set_level(logging.INFO, "py_mini_racer.console")
    with MiniRacer() as ctx:
        ctx.eval("console.group('G'); console.log('a\\nb'); console.trace('T'); console.groupEnd(); console.log('c')")
    texts = [each.getMessage() for each in caplog.records]
    assert texts == ["G", "  a\n  b", "  T\n      at <anonymous>:1:50", "c"]


def test_off():
    with MiniRacer(console=False) as ctx:
        assert ctx.eval("console.log({}, 1); typeof console.table") == "function"


def test_what_console_may_be():
    with pytest.raises(JSValueError, match="console must be a function"):
        MiniRacer(console=5)  # type: ignore[arg-type]
    with MiniRacer() as ctx, pytest.raises(JSValueError, match="console belongs to"):
        MiniRacer(ctx._ctx, console=print)


# --- what it says ---

SCALARS = [
    ("'a', 1, -1.5, -0, NaN, 2**53, 5n, true", "a 1 -1.5 -0 NaN 9007199254740992 5n true"),
    ("null, undefined, Symbol('s'), Symbol()", "null undefined Symbol(s) Symbol()"),
    ("['a\\n\\t\\'\\\\\\x01']", "['a\\n\\t\\'\\\\\\x01']"),
    ("new Number(5), new String('x'), Object(1n), Object(Symbol('s')), new Boolean(false)", None),
    ("new Date(0), new Date(NaN)", "1970-01-01T00:00:00.000Z Invalid Date"),
    ("new Date(8.64e15), new Date(-8.64e15)", "+275760-09-13T00:00:00.000Z -271821-04-20T00:00:00.000Z"),
    ("/a\\/b/dgimsuy", "/a\\/b/dgimsuy"),
    ("function f() {}, class A {}, () => 1, async function g() {}", "ƒ f() class A ƒ (anonymous)() ƒ g()"),
]


@pytest.mark.parametrize(("code", "expected"), SCALARS)
def test_scalars_and_leaves(text, code, expected):
    boxed = "Number {5} String {'x'} BigInt {1n} Symbol {Symbol(s)} Boolean {false}"
    assert text(code) == (boxed if expected is None else expected)


def test_dates_are_those_of_to_iso_string(ctx, said):
    times = [0, 951782400000, 951868799999, -1, -62135596800000, -62198755200000, 1e14, -1e14, 1709164800000]
    ctx.globals["times"] = times
    ctx.eval("for (const t of times) console.log(new Date(t))")
    assert [each.text for each in said] == ctx.eval("times.map(t => new Date(t).toISOString())", copy=True)


CONTAINERS = [
    ("{}, [], [1], [1, 2]", "{} [] [1] (2) [1, 2]"),
    ("{a: 1, 'b c': {d: [1, {e: [1], f: {}}]}}", "{a: 1, b c: {d: (2) [1, {…}]}}"),
    ("[[[[1, 2]]]]", "[[[Array(2)]]]"),
    ("[1, , , 4], [,], new Array(3), Object.assign([1], {x: 2})", "(4) [1, empty × 2, 4] [empty] (3) [empty × 3] [1, x: 2]"),
    ("new Map([[1, {a: 2}], ['k', new Set([1])]]), new Set, new Map", "Map(2) {1 => {a: 2}, 'k' => Set(1) {1}} Set(0) {} Map(0) {}"),
    ("new class P { x = 1 }, new class Q extends Array {}(2)", "P {x: 1} Q(2) [empty × 2]"),
    ("Object.create(null), Object.create({inherited: 1})", "{} {}"),
    ("{get a() { throw 1 }, set b(_) {}, [Symbol('s')]: 1}", "{a: (...), b: (...), [Symbol(s)]: 1}"),
    ("new Uint8Array([1, 2]), new Float64Array([.5]), new ArrayBuffer(8), new DataView(new ArrayBuffer(2))",
     "Uint8Array(2) [1, 2] Float64Array(1) [0.5] ArrayBuffer(8) DataView(2)"),
    ("Promise.resolve([1]), new Promise(() => {})", "Promise {<fulfilled>: [1]} Promise {<pending>}"),
    ("new WeakMap, new WeakSet, globalThis.JSON", "WeakMap {} WeakSet {} JSON {}"),
    ("new Proxy({a: 1}, {}), new Proxy([1], {}), new Proxy(() => 1, {})", "Proxy({a: 1}) Proxy([1]) Proxy(ƒ (anonymous)())"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "expected"), CONTAINERS)
def test_containers(text, code, expected):
    assert text(code) == expected


def test_circles_and_what_is_shared(text):
    assert text("a", "const a = {n: 1}; a.self = a; a.list = [a]") == "{n: 1, self: [Circular], list: [[Circular]]}"
    assert text("[s, s]", "const s = {}") == "(2) [{}, {}]"
    assert text("m", "const m = new Map; m.set(m, m)") == "Map(1) {[Circular] => [Circular]}"


def test_errors_have_their_stack(ctx, said):
    ctx.eval(
        "class MyError extends Error { name = 'MyError' }\n"
        "function fail() { return new MyError('bad', {cause: new TypeError('inner')}) }\n"
        "console.log('it', Object.assign(fail(), {code: 5}));\nconsole.log([fail()], new RangeError)",
        filename="e.js",
    )
    assert said[0].text == (
        "it MyError: bad\n    at fail (e.js:2:26)\n    at e.js:3:33 {name: 'MyError', code: 5}\n"
        "[cause]: TypeError: inner\n    at fail (e.js:2:53)\n    at e.js:3:33"
    )
    assert said[1].text.startswith(
        "[[MyError: bad] {name: 'MyError'} [cause]: [TypeError: inner]] RangeError\n    at e.js:4:"
    )


FORMATS = [
    ("'%s|%s', 'a', {b: 1}", "a|{b: 1}"),
    ("'%d %i %d %d %d', 42.9, '17px', 'x', 5n, Symbol()", "42 17 NaN 5n NaN"),
    ("'%f %f %d', '1.5e1z', '0x10', -0.5", "15 0 0"),
    ("'%o %O %c.', [1], {a: 1}, 'color: red'", "[1] {a: 1} ."),
    ("'%% %q %', 1", "% %q % 1"),
    ("'%s %s', 1", "1 %s"),
    ("'%s', 1, 2, 'three'", "1 2 three"),
    ("'100%'", "100%"),
    ("'%%'", "%%"),
    ("1, '%s', 2", "1 %s 2"),
    ("", ""),
]


@pytest.mark.parametrize(("code", "expected"), FORMATS)
def test_formats(text, code, expected):
    assert text(code) == expected


def test_count_and_time(ctx, said):
    ctx.eval(
        "console.count(); console.count('x'); console.count(); console.countReset(); console.count(); console.countReset('no');"
        "console.time(); console.timeLog(undefined, {a: 1}); console.timeEnd(); console.timeEnd(); console.time('t'); console.time('t')"
    )
    texts = [f"{each.level} {re.sub(r'[0-9.]+ ms', 'N ms', each.text)}" for each in said]
    assert texts == [
        "info default: 1",
        "info x: 1",
        "info default: 2",
        "info default: 1",
        "warning no: there is no such counter",
        "info default: N ms {a: 1}",
        "info default: N ms",
        "warning default: there is no such timer",
        "warning t: this timer runs already",
    ]


def test_groups(ctx, said):
    ctx.eval(
        "console.groupEnd(); console.group('a'); console.groupCollapsed('b'); console.log(1); console.groupEnd(); console.log(2);"
        "console.groupEnd(); console.groupEnd(); console.log(3)"
    )
    assert [(each.text, each.group) for each in said] == [("a", 0), ("b", 1), ("1", 2), ("2", 1), ("3", 0)]


def test_assert_trace_dir_clear(ctx, said):
    ctx.eval(
        "console.assert(true, 'no'); console.assert(0, 'why %s', 1); console.assert();\n"
        "function inner() { console.trace('T', 5) }\n(function outer() { inner() })(); console.trace();\n"
        "console.dir({a: {b: {c: {d: {}}}}}, {depth: null}); console.dir({a: {b: 1}}, {depth: 0}); console.dirxml([1]); console.clear()",
        filename="t.js",
    )
    texts = [(each.method, each.level, each.text) for each in said]
    assert texts == [
        ("assert", "error", "Assertion failed: why 1"),
        ("assert", "error", "Assertion failed"),
        ("trace", "info", "T 5"),
        ("trace", "info", "console.trace"),
        ("dir", "info", "{a: {b: {c: {d: {}}}}}"),
        ("dir", "info", "{a: {…}}"),
        ("dirxml", "info", "[1]"),
        ("clear", "info", ""),
    ]
    assert said[2].stack == "    at inner (t.js:2:28)\n    at outer (t.js:3:21)\n    at t.js:3:31"


def test_table(ctx, said):
    ctx.eval(
        "console.table([{a: 1, b: 'x'}, 7, {get c() { throw 1 }}]); console.table([{a: 1, b: 2}], ['b', 'z']); console.table(5); console.table()"
    )
    assert said[0].text.splitlines() == [
        "┌─────────┬───┬─────┬───┬───────┐",
        "│ (index) │ a │ b   │ c │ Value │",
        "├─────────┼───┼─────┼───┼───────┤",
        "│ 0       │ 1 │ 'x' │   │       │",
        "│ 1       │   │     │   │ 7     │",
        "│ 2       │   │     │   │       │",
        "└─────────┴───┴─────┴───┴───────┘",
    ]
    assert said[1].text.splitlines()[1] == "│ (index) │ b │ z │"
    assert [each.text for each in said[2:]] == ["5", ""]


def test_all_methods_are_there(ctx, said):
    names = ctx.eval("Object.keys(console).join(' ')")
    assert names == (
        "assert clear count countReset debug dir dirxml error group groupCollapsed groupEnd info log profile profileEnd table time timeEnd "
        "timeLog timeStamp trace warn"
    )
    ctx.eval(
        "console.profile('p'); console.profileEnd('p'); console.timeStamp('s'); const {log} = console; log(1); log.call(null, 2)"
    )
    assert [(each.method, each.text) for each in said] == [
        ("profile", "p"), ("profileEnd", "p"), ("timeStamp", "s"), ("log", "1"), ("log", "2"),
    ]  # fmt: skip
    assert ctx.eval("String(console) + Object.keys(globalThis).includes('console')") == "[object console]false"


# --- from everywhere ---


def test_realms_have_consoles_of_their_own(ctx, said):
    realm = ctx.new_realm()
    assert realm.eval("console.count(); console instanceof Object")
    ctx.eval("console.count(); console.group()")
    realm.eval("console.count()", filename="realm.js")
    assert [(each.text, each.group) for each in said] == [
        ("default: 1", 0),
        ("default: 1", 0),
        ("", 0),
        ("default: 2", 0),
    ]
    assert said[-1].filename == "realm.js"


def test_a_console_read_from_another_realm_belongs_to_its_own(ctx, said):
    realm = ctx.new_realm()
    ctx.globals["other"] = realm.globals
    assert ctx.eval("other.console.log instanceof other.Function && !(other.console.log instanceof Function)")
    ctx.eval("other.console.log(1)")
    assert said[0].text == "1"


def test_timers_microtasks_promises(said):
    done = threading.Event()

    def take(message):
        said.append(message.text)
        if len(said) == 3:
            done.set()

    with MiniRacer(console=take) as ctx:
        ctx.eval(
            "setTimeout(console.log, 1, 'timer'); Promise.resolve('promise').then(console.log); queueMicrotask(() => console.log('micro'))"
        )
        assert done.wait(20)
    assert said == ["promise", "micro", "timer"]


def test_without_a_script_there_is_no_place(ctx, said):
    ctx.eval("console.log")(1)
    assert (said[0].filename, said[0].line, said[0].column) == (None, None, None)


def test_modules_and_eval_async(said):
    with MiniRacer(
        console=said.append,
        modules={"m.js": "\nconsole.log(import.meta.url, ns); import * as ns from 'm.js'; export let late = 1"},
    ) as ctx:
        ctx.import_module("m.js")
        asyncio.run(ctx.eval_async("console.log('async')"))
    assert (said[0].filename, said[0].line) == ("m.js", 2)
    assert said[0].text.endswith("Module {late: <no value yet>}")
    assert said[1].text == "async"


# --- what the callable does ---


def test_the_callable_uses_the_arguments_and_evaluates(said):
    def take(message):
        said.append((message.args[0].copy(), own.eval("n += 1"), message.args[1](20)))
        if len(said) < 5:
            own.eval("console.log({n}, x => x * n)")

    with MiniRacer(console=take) as own:
        own.eval("var n = 0; console.log({n}, x => x * n)")
    assert said[0] == ({"n": 0}, 1, 20)
    assert len(said) == 5


def test_the_callable_closes_the_context():
    own = MiniRacer(console=lambda _: own.close())
    with pytest.raises(JSClosedException):
        own.eval("console.log(1); 2")


def test_what_the_callable_raises_is_logged_and_not_thrown(caplog):
    def fail(_):
        raise ValueError("no disk")

    with MiniRacer(console=fail) as ctx:
        assert ctx.eval("try { console.log(1); 'fine' } catch (e) { String(e) }") == "fine"
    (record,) = caplog.records
    assert record.name == "py_mini_racer"
    assert "no disk" in str(record.exc_info[1])


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, type("Mine", (BaseException,), {})])
def test_what_is_no_exception_ends_the_call(kind):
    error = kind("stop")

    def stop(_):
        raise error

    with MiniRacer(console=stop) as ctx:
        with pytest.raises(kind) as caught:
            ctx.eval("try { console.log(1) } catch {} for (;;) {}", timeout_sec=20)
        assert caught.value is error
        assert ctx.eval("1 + 1") == 2


def test_a_handler_that_fails(caplog):
    class Failing(logging.Handler):
        def emit(self, record):
            raise ValueError(record)

    logger = logging.getLogger("py_mini_racer.console")
    handler = Failing()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        with MiniRacer() as ctx:
            assert ctx.eval("console.log('x'); 5") == 5
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    assert any("could not be delivered" in each.getMessage() for each in caplog.records)


# --- scripts that mean harm ---

THROWING = [
    ("{get a() { throw 1 }, get b() { for (;;); }}", "{a: (...), b: (...)}"),
    ("new Proxy({a: 1}, new Proxy({}, {get() { throw 1 }}))", "Proxy({a: 1})"),
    ("(r => (r.revoke(), r.proxy))(Proxy.revocable({}, {}))", "Proxy(revoked)"),
    ("{toString() { throw 1 }, [Symbol.toPrimitive]() { for (;;); }, inspect() { throw 1 }}", None),
    (
        "'%s %d %f', {toString() { throw 1 }}, {valueOf() { throw 1 }}, {valueOf() { for (;;); }}",
        "{toString: ƒ toString()} NaN NaN",
    ),
    ("{[Symbol.for('nodejs.util.inspect.custom')]() { throw 1 }}", None),
    ("Object.create(new Proxy({}, {get() { throw 1 }, getPrototypeOf() { throw 2 }}))", "{}"),
    ("Object.create({get constructor() { throw 1 }, get [Symbol.toStringTag]() { throw 1 }})", "{}"),
    ("Object.defineProperty([], 0, {get() { throw 1 }, enumerable: true})", "[(...)]"),
    ("Object.defineProperty(new Error('m'), 'name', {get() { throw 1 }})", None),
    ("Object.setPrototypeOf(new Error('m'), new Proxy({}, {get() { throw 1 }}))", None),
    ("Object.defineProperty(function f() {}, 'name', {get() { throw 1 }})", None),
    ("Object.defineProperty(new Map, 'size', {get() { throw 1 }})", "Map(0) {}"),
]


@pytest.mark.parametrize(("code", "expected"), THROWING)
def test_no_code_of_the_script_runs(text, code, expected):
    shown = text(code)
    assert expected is None or shown == expected


def test_prepare_stack_trace_is_not_asked(text, ctx):
    ctx.eval("Error.prepareStackTrace = () => { for (;;); }")
    assert text("new Error('m')").startswith("Error: m\n    at ")


def test_pollution(text, ctx):
    ctx.eval(
        "const define = Object.defineProperty, evil = k => Object.assign(Object.create(null),"
        "  {get() { throw new Error('polluted ' + k) }, set() { throw new Error('set ' + k) }, configurable: true});"
        "for (const o of [Object.prototype, Array.prototype, Function.prototype, Map.prototype, String.prototype])"
        " for (const k of ['get', 'set', 'value', '0', '1', 'toString', 'join', 'has', 'then', 'depth', 'cause']) define(o, k, evil(k))"
    )
    assert text("{a: [1, {b: 2}]}, new Map, '%s', 'x'") == "{a: (2) [1, {b: 2}]} Map(0) {} %s x"
    ctx.eval(
        "console.count(); console.group(); console.time(); console.timeEnd(); console.trace(); console.dir({}, {})"
    )


def test_pollution_of_tables(ctx, said):
    ctx.eval(
        "Object.defineProperty(Array.prototype, 'toJSON', {get() { throw 1 }}); Object.prototype.x = 5; console.table([{a: 1}])"
    )
    assert said[0].text.splitlines()[3] == "│ 0       │ 1 │"


def test_overwritten_deleted_frozen(ctx, said):
    ctx.eval("console.log = () => { throw 1 }")
    assert ctx.eval("try { console.log(1) } catch (e) { e }") == 1
    ctx.eval("delete console.warn; Object.freeze(console); console.error('still')")
    assert ctx.eval("typeof console.warn") == "undefined"
    assert [each.text for each in said] == ["still"]
    for code in (
        "console = 5; console",
        "delete globalThis.console; typeof console",
        "'use strict'; globalThis.console = null; String(console)",
    ):
        with MiniRacer(console=said.append) as fresh:
            assert fresh.eval(code) in (5, "undefined", "null")
    with MiniRacer(console=said.append) as fresh:
        assert fresh.eval(
            "const before = Object.getOwnPropertyDescriptor(globalThis, 'console'); before.writable && before.configurable"
        )


def test_huge_values_are_cut(text, ctx):
    assert text("new Array(1e9)") == "(1000000000) [empty × 1000, … 999999000 more]"
    assert text("Array.from({length: 300}, (_, i) => i)").endswith(", 99, … 200 more]")
    assert text("new Uint8Array(1e8)").startswith("Uint8Array(100000000) [0, 0, ")
    many = text("o", "const o = {}; for (let i = 0; i < 200; i++) o['k' + i] = i")
    assert many.endswith("k99: 99, … 100 more}")
    assert text("new Map(Array.from({length: 150}, (_, i) => [i, i]))").endswith("99 => 99, … 50 more}")
    assert text("new Set(Array.from({length: 150000}, (_, i) => i))") == "Set(150000) {…}"
    assert text("2n ** 100000n") == "BigInt(100032 bits)"
    wide = text("w", "const row = Array(100).fill(1), w = Array(100).fill(Array(100).fill(row))")
    assert wide.count("1") < 20_000
    assert wide.endswith("…]]]")


def test_a_string_of_half_a_gigabyte(said):
    with MiniRacer(console=said.append, max_memory=1 << 30) as ctx:
        ctx.eval("const s = 'x'.repeat(2 ** 29 - 24); console.log(s); console.log([s], s)")
    assert [len(each.text) < 2**20 + 20000 for each in said] == [True, True]
    assert said[0].args[0] == "x" * 2**20 + "…"


def test_deep_and_long_chains(text):
    assert text("a", "let a = {}; for (let i = 0; i < 1e5; i++) a = {a}") == "{a: {a: {a: {…}}}}"
    assert (
        text("p", "let p = {}; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {})") == "Proxy(Proxy(Proxy(Proxy(…))))"
    )
    assert (
        text("e", "let e = new Error('0'); for (let i = 0; i < 1000; i++) e = new Error('m', {cause: e})").count(
            "[cause]"
        )
        < 30
    )
    assert len(text("f", "const f = Array(1e5).fill('%s').join('')")) == 2 * 10**5


def test_a_stack_that_is_full(ctx, said):
    ctx.eval(
        "let depth = 0; function down() { depth++; try { console.log({a: [1]}) } catch {} down() } try { down() } catch {}",
        timeout_sec=60,
    )
    assert len(said) > 10
    assert said[0].text == "{a: [1]}"
    said.clear()
    ctx.eval("console.log('after')")
    assert said[0].text == "after"


def test_a_timeout_while_it_is_shown(ctx, said):
    with pytest.raises(JSTimeoutException):
        ctx.eval(
            "const big = Array(100).fill(Array(100).fill(Array(100).fill(1))); for (;;) console.log(big)",
            timeout_sec=0.3,
        )
    assert said
    assert ctx.eval("1 + 1") == 2


def test_what_it_remembers_is_in_the_scripts_heap(said):
    with MiniRacer(console=lambda _: None, max_memory=16 << 20) as ctx:
        with pytest.raises(JSOOMException):
            ctx.eval("for (let i = 0;; i++) console.time('a timer with a long, long label ' + i)", timeout_sec=60)
        assert ctx.eval("1 + 1") == 2


def test_a_hundred_thousand_messages():
    count = 0

    def take(message):
        nonlocal count
        count += len(message.text) == 5

    with MiniRacer(console=take) as ctx:
        ctx.eval("for (let i = 0; i < 1e5; i++) console.log('hello', ...(i % 10 ? [] : []))")
        ctx.eval("for (let i = 0; i < 1e4; i++) console.log([], {})")
        gc.collect()
        assert ctx.stats()["handles"] == 0
    assert count == 110_000


def test_many_arguments(ctx, said):
    ctx.eval("console.log(...Array(50000).fill(7))")
    assert len(said[0].args) == 50000
    assert said[0].text.startswith("7 7 7 ")


def test_from_several_threads(said):
    with MiniRacer(console=said.append) as ctx:
        threads = [
            threading.Thread(target=ctx.eval, args=(f"for (let i = 0; i < 200; i++) console.log({n}, {{}})",))
            for n in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(said) == 800


def test_messages_outlive_the_context(said):
    with MiniRacer(console=said.append) as ctx:
        ctx.eval("console.log('text', {a: 1})")
    assert said[0].args[0] == "text"
    with pytest.raises(JSClosedException):
        said[0].args[1].copy()


def test_python_objects_and_errors_in_it(ctx, said):
    def fail():
        raise KeyError("gone")

    ctx.globals["fail"] = fail
    ctx.globals["proxy"] = ctx.proxy({"a": 1})
    ctx.eval("console.log(proxy, fail); try { fail() } catch (e) { console.error(e) }")
    assert said[0].text == "[Python object] ƒ fail()"
    assert said[1].text.startswith("KeyError: 'gone'")
    assert isinstance(said[1].level, str)
    assert json.dumps(said[1].text)
