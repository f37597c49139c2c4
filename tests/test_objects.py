"""Handles of JavaScript objects in Python: mappings, sequences, functions, symbols; identity, previews, methods, globals; and objects that mean ill."""

from __future__ import annotations

import collections.abc
import contextlib
import gc
import sys
import threading
from typing import Any

import pytest

from py_mini_racer import (
    JSArray,
    JSArrayIndexError,
    JSClosedException,
    JSConversionException,
    JSEvalException,
    JSFunction,
    JSKeyError,
    JSMappedObject,
    JSObject,
    JSPromise,
    JSSymbol,
    JSTimeoutException,
    JSUndefined,
    MiniRacer,
)


@pytest.fixture
def ctx():
    with MiniRacer() as opened:
        yield opened


@pytest.fixture(autouse=True)
def every_handle_goes(ctx):
    yield
    gc.collect()
    ctx.eval("0")
    assert ctx._ctx.value_count() == 0


# --- mappings ---


def test_reading(ctx):
    obj = ctx.eval("({5: 'by number', name: 42, undefined: 'u', null: 'n'})")
    assert isinstance(obj, JSMappedObject)
    assert isinstance(obj, collections.abc.MutableMapping)
    assert sorted(obj, key=str) == [5, "name", "null", "undefined"]
    assert obj["5"] == obj[5] == obj[5.0] == "by number"
    assert (obj["name"], obj[None], obj[JSUndefined], len(obj)) == (42, "n", "u", 4)
    assert 5 in obj
    assert None in obj
    assert "missing" not in obj
    assert set(obj.values()) == {"by number", 42, "u", "n"}
    assert dict(obj.items())["name"] == 42
    assert obj.get("missing") is None
    assert obj.get("missing", 7) == 7
    with pytest.raises(JSKeyError, match="No such key found in object"):
        obj["missing"]
    with pytest.raises(KeyError):
        obj["missing"]


def test_keys_of_every_kind(ctx):
    echo = ctx.eval("new Proxy({}, {get: (t, k) => typeof k + ' ' + String(k), has: () => true})")
    assert echo["a\0b"] == "string a\0b"
    assert echo["\ud800"] == "string \ud800"
    assert echo[-1] == "string -1"
    assert echo[2**40] == "string 1099511627776"
    assert echo[10**30] == f"string {10**30}"
    assert echo[0.5] == "string 0.5"
    assert echo[True] == "string true"
    assert echo[ctx.eval("Symbol('s')")] == "symbol Symbol(s)"
    for wrong in ([], {}, b"x", (1,), object()):
        with pytest.raises(JSConversionException, match="the key of a property is a str, a number or a JSSymbol, not"):
            echo[wrong]


def test_writing(ctx):
    obj = ctx.eval("({})")
    obj.update({"a": 1, None: "n", JSUndefined: "u", 5: "x"})
    obj[5.0] = "y"
    assert sorted(obj.items(), key=str) == sorted([(5, "y"), ("a", 1), ("null", "n"), ("undefined", "u")], key=str)
    assert obj.pop(None) == "n"
    with pytest.raises(KeyError):
        obj.pop(None)
    with pytest.raises(JSKeyError):
        del obj["missing"]
    assert obj.setdefault("a", 2) == 1
    del obj["a"]
    obj.clear()
    assert not obj
    obj["list"] = [1, {"b": 2}]
    assert obj["list"][1]["b"] == 2
    symbol = ctx.eval("Symbol('key')")
    obj[symbol] = 3
    assert obj[symbol] == 3
    assert symbol not in list(obj)


def test_prototypes_are_met_as_by_for_in(ctx):
    obj = ctx.eval("Object.assign(Object.create({inherited: 1, 7: 2}), {own: 3})")
    assert sorted(obj, key=str) == [7, "inherited", "own"]
    assert obj["inherited"] == 1


def test_equality_compares_items(ctx):
    code = "({a: 1, b: 'x'})"
    assert ctx.eval(code) == ctx.eval(code)
    assert ctx.eval(code) == {"a": 1, "b": "x"}
    assert ctx.eval(code) != ctx.eval("({a: 1})")
    assert len({ctx.eval("globalThis.one = {}"), ctx.eval("globalThis.two = {}"), ctx.eval("one")}) == 2


def test_writing_that_javascript_refuses(ctx):
    frozen = ctx.eval("Object.freeze({a: 1})")
    with contextlib.suppress(JSEvalException):
        frozen["a"] = 2
    assert frozen["a"] == 1
    setter = ctx.eval("({set a(v) { throw new RangeError('told ' + v); }})")
    with pytest.raises(JSEvalException, match="RangeError: told 5"):
        setter["a"] = 5


# --- identity ---


def test_one_object_is_one_object(ctx):
    ctx.eval("globalThis.o = {inner: {}, f() { return this; }}; globalThis.s = Symbol()")
    obj = ctx.eval("o")
    assert ctx.eval("o") is obj
    assert obj["inner"] is ctx.eval("o.inner")
    assert obj.call_method("f") is obj
    assert ctx.eval("s") is ctx.eval("s")
    assert ctx.eval("[o]")[0] is obj
    assert ctx.eval("x => x")(obj) is obj
    assert hash(ctx.eval("o")) == hash(obj)
    first = id(obj)
    del obj
    gc.collect()
    assert ctx.eval("o") is not None or first


def test_identity_from_many_threads(ctx):
    ctx.eval("globalThis.o = {}")
    kept = ctx.eval("o")
    others = []

    def look():
        for _ in range(200):
            if ctx.eval("o") is not kept:
                others.append(1)
            ctx.eval("({})")

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert others == []


def test_handles_that_come_and_go_on_many_threads(ctx):
    """Each reference that has come is given back once, and none too early."""
    ctx.eval("globalThis.o = {x: 1}")
    wrong = []

    def look():
        try:
            for _ in range(1500):
                assert ctx.eval("o")["x"] == 1
        except Exception as error:
            wrong.append(repr(error))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=look) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert wrong == []


# --- arrays ---


def test_an_array_is_a_sequence(ctx):
    array = ctx.eval("['x', 42, undefined, null]")
    assert isinstance(array, JSArray)
    assert isinstance(array, collections.abc.MutableSequence)
    assert list(array) == ["x", 42, JSUndefined, None]
    assert (array[0], array[-3], len(array)) == ("x", 42, 4)
    assert JSUndefined in array
    assert "missing" not in array
    assert array.index(42) == 1
    assert next(reversed(array)) is None
    for index in (4, -5, 10**30):
        with pytest.raises(IndexError):
            array[index]
    wrongs: list[Any] = [slice(0, 1), "0", 0.0, None]
    for wrong in wrongs:
        with pytest.raises(TypeError):
            array[wrong]
        with pytest.raises(TypeError):
            array[wrong] = 1
        with pytest.raises(TypeError):
            del array[wrong]
    assert not ctx.eval("[]")
    gaps = ctx.eval("[, 1, ,]")
    assert list(gaps) == [JSUndefined, 1, JSUndefined]
    assert gaps[0] is JSUndefined


def test_an_array_is_mutable(ctx):
    array = ctx.eval("[]")
    array.append("x")
    array.append(JSUndefined)
    array.insert(1, 42)
    array.insert(-1, None)
    assert list(array) == ["x", 42, None, JSUndefined]
    del array[-1]
    del array[0]
    assert list(array) == [42, None]
    for index in (-3, 2):
        with pytest.raises(JSArrayIndexError, match="JSArray deletion out of range"):
            del array[index]
    array[0] = {"a": [1]}
    assert array[0]["a"][0] == 1
    array[5] = 1
    assert len(array) == 6
    array.extend([7, 8])
    assert array.pop() == 8
    array.reverse()
    assert array[0] == 7
    array.clear()
    assert len(array) == 0


def test_a_long_array_is_read_by_its_ends(ctx):
    array = ctx.eval("new Array(2 ** 32 - 1)")
    assert len(array) == 2**32 - 1
    assert [array[-1]] == [JSUndefined]
    array[2**32 - 2] = 5
    assert [array[2**32 - 2], array[-1]] == [5, 5]
    big = ctx.eval("Array.from({length: 1e7}, (_, i) => i)")
    assert (len(big), big[9_999_999]) == (10_000_000, 9_999_999)


# --- functions, classes, methods ---


def test_functions(ctx):
    function = ctx.eval("(function (a, b) { return [this === undefined || this === globalThis, a, b]; })")
    assert isinstance(function, JSFunction)
    assert list(function(1, "x")) == [True, 1, "x"]
    assert list(function(1)) == [True, 1, JSUndefined]
    owner = ctx.eval("({n: 3})")
    assert ctx.eval("(function () { return this.n; })")(this=owner) == 3
    assert ctx.eval("(function () { return this.n; })")(this={"n": 4}) == 4
    assert tuple(function.keys()) == ()
    assert function["length"] == 2
    with pytest.raises(JSTimeoutException):
        ctx.eval("() => { for (;;) {} }")(timeout_sec=0.05)
    with pytest.raises(JSEvalException, match="TypeError: .*new"):
        ctx.eval("class A {}; A")()


def test_new(ctx):
    point = ctx.eval(
        "class Point { constructor(x, y) { this.x = x; this.y = y; } sum() { return this.x + this.y; } }; Point"
    )
    made = point.new(3, 4)
    assert made.call_method("sum") == 7
    assert made.copy() == {"x": 3, "y": 4}
    assert ctx.eval("p => p instanceof Point")(made) is True
    assert ctx.eval("Date").new(0).year == 1970
    assert ctx.eval("Map").new([["a", 1]]).copy() == {"a": 1}
    assert list(ctx.eval("Array").new(1, 2)) == [1, 2]
    with pytest.raises(JSEvalException, match="TypeError"):
        ctx.eval("() => 1").new()
    with pytest.raises(JSEvalException, match="RangeError: told"):
        ctx.eval("class Bad { constructor() { throw new RangeError('told'); } }; Bad").new()
    with pytest.raises(JSTimeoutException):
        ctx.eval("class Slow { constructor() { for (;;) {} } }; Slow").new(timeout_sec=0.05)
    assert ctx.eval("class N { constructor() { this.t = new.target === N; } }; N").new()["t"] is True


def test_call_method(ctx):
    obj = ctx.eval("({n: 2, add(x) { return this.n + x; }, [Symbol.iterator]: function* () { yield 1; }, not: 3})")
    assert obj.call_method("add", 5) == 7
    assert isinstance(obj.call_method(ctx.eval("Symbol.iterator")), JSObject)
    assert ctx.eval("[3, 1, 2]").call_method("sort").copy() == [1, 2, 3]
    assert ctx.eval("new Map([['a', {b: 1}]])").call_method("get", "a")["b"] == 1
    assert ctx.eval("/b+/").call_method("test", "abbc") is True
    for name in ("not", "missing", ""):
        with pytest.raises(JSEvalException, match="TypeError"):
            obj.call_method(name)
    with pytest.raises(JSTimeoutException):
        ctx.eval("({f() { for (;;) {} }})").call_method("f", timeout_sec=0.05)


def test_globals(ctx):
    ctx.eval("var declared = 1; function f() { return 2; }")
    world = ctx.globals
    assert world is ctx.globals
    assert world["declared"] == 1
    assert world["f"]() == 2
    world["given"] = {"deep": [1]}
    assert ctx.eval("given.deep[0]") == 1
    assert "missing" not in world
    assert isinstance(world["Math"], JSMappedObject)
    del world["given"]
    assert ctx.eval("typeof given") == "undefined"


def test_symbols_and_promises(ctx):
    symbol, promise = ctx.eval("Symbol('s')"), ctx.eval("Promise.resolve(1)")
    assert isinstance(symbol, JSSymbol)
    assert isinstance(promise, JSPromise)
    assert hash(symbol)
    assert hash(promise)
    assert tuple(symbol.keys()) == ()


# --- repr ---


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("({a: 1, b: 'x', c: [1]})", "<JSMappedObject Object {a: 1, b: 'x', c: Array}>"),
        ("[1, 'a', null]", "<JSArray Array(3) [1, 'a', null]>"),
        ("new (class Point { x = 1 })", "<JSMappedObject Point {x: 1}>"),
        ("Symbol('s')", "<JSSymbol Symbol(s)>"),
        ("(function named() {})", "<JSFunction function named>"),
    ],
)
def test_a_repr_shows_constructor_and_content(ctx, code, text):
    assert repr(ctx.eval(code)).replace('"', "'") == text


@pytest.mark.parametrize(
    "code",
    [
        "({get a() { for (;;) {} }})",
        "new Proxy({}, new Proxy({}, {get() { for (;;) {} }}))",
        "(() => { const r = Proxy.revocable({}, {}); r.revoke(); return r.proxy; })()",
        "Object.create(null)",
        "({constructor: {get name() { for (;;) {} }}})",
        "({toString() { for (;;) {} }, [Symbol.toStringTag]: 'x'})",
        "Object.defineProperty({}, Symbol.toStringTag, {get() { for (;;) {} }})",
        "'x'.repeat(1e6).split('')",
        "({['k'.repeat(1e6)]: 'v'.repeat(1e6)})",
        "new Array(2 ** 32 - 1)",
        "Array.from({length: 1e6}, (_, i) => i)",
        "new Error('x')",
        "new Map([[1, 2]])",
        "Promise.reject(1).catch(() => 1)",
        "/x/g",
        "globalThis",
        "({a: '\\ud800'})",
    ],
)
def test_a_repr_is_short_and_runs_nothing(ctx, code):
    text = repr(ctx.eval(f"({code})"))
    assert text.startswith("<JS")
    assert len(text) < 300


def test_a_repr_does_not_wait_for_another_thread(ctx):
    obj = ctx.eval("({a: 1})")
    started = threading.Event()
    ctx.globals["started"] = started.set

    def work():
        with pytest.raises(JSTimeoutException):
            ctx.eval("started(); for (;;) {}", timeout_sec=2)

    thread = threading.Thread(target=work)
    thread.start()
    started.wait(5)
    assert "timeout" in repr(obj)
    thread.join()
    assert repr(obj) == "<JSMappedObject Object {a: 1}>"
    del ctx.globals["started"]
    ctx.low_memory_notification()


# --- objects that mean ill ---


@pytest.mark.parametrize(
    "code",
    [
        "new Proxy({a: 1}, new Proxy({}, {get(t, k) { throw new RangeError('told'); }}))",
        "({get a() { throw new RangeError('told'); }, set a(v) { throw new RangeError('told'); }})",
    ],
)
def test_what_traps_and_getters_throw_comes_out(ctx, code):
    obj = ctx.eval(code)
    with pytest.raises(JSEvalException, match="RangeError: told"):
        obj["a"]
    with pytest.raises(JSEvalException, match="RangeError: told"):
        obj["a"] = 1
    assert ctx.eval("1 + 1") == 2


def test_every_use_of_a_revoked_proxy_is_an_error(ctx):
    for target in ("{}", "[]", "function () {}"):
        proxy = ctx.eval(f"(() => {{ const r = Proxy.revocable({target}, {{}}); r.revoke(); return r.proxy; }})()")
        uses = [
            lambda p=proxy: p["a"] if isinstance(p, JSMappedObject) else p[0],
            lambda p=proxy: p.__setitem__(0, 1),
            lambda p=proxy: len(p),
            lambda p=proxy: list(p),
            lambda p=proxy: p.call_method("a"),
            lambda p=proxy: p.copy() if not isinstance(p, JSFunction) else p(),
        ]
        for use in uses:
            with pytest.raises(JSEvalException, match="TypeError"):
                use()
        del proxy, uses, use


def test_traps_that_lie_or_loop(ctx):
    lies = ctx.eval(
        "new Proxy({}, {ownKeys: () => ['ghost'], getOwnPropertyDescriptor: () => ({enumerable: true, configurable: true})})"
    )
    assert "ghost" in list(lies)
    chain = ctx.eval("(() => { const p = new Proxy({}, {getPrototypeOf: () => p}); return Object.create(p); })()")
    with contextlib.suppress(JSEvalException):
        ctx.eval("o => { for (const k in o) {} }")(chain, timeout_sec=5)
    with contextlib.suppress(JSEvalException):
        list(chain)
    strange = ctx.eval("new Proxy([], {get: (t, k) => k === 'length' ? {} : undefined})")
    assert len(strange) == 0
    assert ctx.eval("1 + 1") == 2


def test_handles_after_close():
    ctx = MiniRacer()
    obj, array, function = ctx.eval("({a: 1})"), ctx.eval("[1]"), ctx.eval("() => 1")
    ctx.close()
    uses = [
        lambda: obj["a"],
        lambda: obj.update(a=1),
        lambda: obj.__delitem__("a"),
        lambda: len(obj),
        lambda: list(obj),
        lambda: array[0],
        lambda: len(array),
        lambda: array.append(1),
        function,
        function.new,
        lambda: obj.call_method("a"),
        obj.copy,
    ]
    for use in uses:
        with pytest.raises(JSClosedException):
            use()
    for one in (obj, array, function):
        assert "closed" in repr(one)
        assert isinstance(hash(one), int)
    with pytest.raises(JSClosedException):
        _ = ctx.globals


def test_objects_outlive_their_mini_racer():
    obj = MiniRacer().eval("({a: {b: 1}})")
    gc.collect()
    with pytest.raises(JSClosedException):
        obj["a"]
    del obj
    gc.collect()


# --- loops over arrays ---


def numbers_of(ctx: MiniRacer, count: int) -> Any:
    return ctx.eval(f"Array.from({{ length: {count} }}, (_, i) => i)")


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 40, 41, 3000])
def test_a_loop_over_an_array(ctx, count):
    array = numbers_of(ctx, count)
    assert list(array) == list(range(count))
    assert [ctx.eval("1") and number for number in array] == list(range(count))
    assert list(zip(array, array, strict=True)) == [(number, number) for number in range(count)]


def test_a_loop_sees_what_it_changes(ctx):
    """As a loop of JavaScript's does, and one over a list."""
    array = numbers_of(ctx, 100)
    seen = []
    for index, number in enumerate(array):
        seen.append(number)
        if index < 50:
            array[index + 1] = -index
    assert seen == [0, *range(0, -50, -1), *range(51, 100)]
    seen = []
    for number in array:
        seen.append(number)
        if len(seen) == 10:
            ctx.eval("(array) => { array.length = 12 }")(array)
    assert seen == list(array)
    assert len(seen) == 12
    seen = []
    for number in array:
        seen.append(number)
        if len(array) < 30:
            array.append("more")
    assert seen == list(array)
    assert len(seen) == 30


def test_a_loop_sees_what_others_change(ctx):
    """The script that it is in, when that goes on; another thread."""
    array = numbers_of(ctx, 20)
    steps = iter(array)
    ctx.globals["step"] = lambda: next(steps)
    changed = ctx.eval(
        "(array) => { let got = []; for (let i = 0; i < 20; i++) { got.push(step()); array[i + 1] = -i } return got }"
    )
    assert changed(array, copy=True) == [0, *range(0, -19, -1)]
    assert next(steps) == -19  # the last one made the array longer
    with pytest.raises(StopIteration):
        next(steps)
    with pytest.raises(StopIteration):
        next(steps)
    array = numbers_of(ctx, 20)
    steps = iter(array)
    assert next(steps) == 0
    worker = threading.Thread(target=lambda: ctx.eval("array => array.fill('new')")(array))
    worker.start()
    worker.join()
    assert list(steps) == ["new"] * 19


def test_nothing_runs_before_its_turn(ctx):
    """What is read ahead stops where code would run: getters, holes with something in a prototype, functions of the host's."""
    log: list[str] = []

    def note(*_: object) -> str:
        log.append("host")
        return "host's"

    ctx.globals["note"] = note
    array = ctx.eval("""
        const array = [0, 1, 2, , 4, 5, 6, , 8]
        Object.defineProperty(array, 5, { get() { array[6] = 'got'; return 'getter' } })
        Object.defineProperty(array, 6, { value: 6, writable: true })
        Object.defineProperty(array, 2, { get: note })
        Object.setPrototypeOf(array, new Proxy(Array.prototype, { get(target, key, self) {
            if (key === '7') note()
            return key === '7' ? 'proxy' : Reflect.get(target, key, self) } }))
        array""")
    assert [(value, len(log)) for value in array] == [
        (0, 0),
        (1, 0),
        ("host's", 1),
        (JSUndefined, 1),
        (4, 1),
        ("getter", 1),
        ("got", 1),
        ("proxy", 2),
        (8, 2),
    ]
    thrower = ctx.eval("Object.defineProperty([1, 2, 3], 1, { get() { throw new RangeError('no') } })")
    steps = iter(thrower)
    assert next(steps) == 1
    with pytest.raises(JSEvalException, match="RangeError: no"):
        next(steps)
    assert list(steps) == []
    logger = ctx.eval("Object.defineProperty([1, 2, 3], 1, { get: console.log })")
    assert list(logger) == [1, JSUndefined, 3]


def test_a_loop_over_what_is_large(ctx):
    array = ctx.eval("Array.from({ length: 40 }, (_, i) => i % 3 ? ({ i }) : 'x'.repeat(30000 * i))")
    for number, value in enumerate(array):
        assert value == "x" * 30000 * number if number % 3 == 0 else value["i"] == number
    assert next(iter(ctx.eval("new Array(2 ** 32 - 1)"))) is JSUndefined


def test_a_loop_that_is_left(ctx):
    array = ctx.eval("Array.from({ length: 400 }, () => ({}))")
    gc.collect()
    ctx.eval("1")
    held = ctx._ctx.value_count()
    for first, _ in zip(array, range(100), strict=False):
        assert first == {}
    for found in array:
        assert found is next(iter(array))
        break
    del found, first
    gc.collect()
    ctx.eval("1")
    assert ctx._ctx.value_count() <= held + 1
    del array, _
    with MiniRacer() as other:
        steps = iter(numbers_of(other, 3))
        next(steps)
    with pytest.raises(JSClosedException):
        next(steps)
