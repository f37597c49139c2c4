"""JavaScript to Python, whole: what each type becomes, in `eval`, in calls and in `copy()`; limits; and scripts that mean ill."""

from __future__ import annotations

import datetime as dt
import gc
import math
import time

import pytest

from py_mini_racer import (
    JSArray,
    JSClosedException,
    JSConversionException,
    JSDate,
    JSError,
    JSEvalException,
    JSFunction,
    JSMappedObject,
    JSPromise,
    JSSymbol,
    JSTimeoutException,
    JSUndefined,
    JSValueError,
    MiniRacer,
    MiniRacerBaseException,
)


@pytest.fixture
def ctx():
    with MiniRacer() as opened:
        yield opened


@pytest.fixture
def copy(ctx):
    return lambda code, **options: ctx.eval(f"({code})", copy=True, **options)


UTC = dt.timezone.utc


# --- what each type becomes ---


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("1", 1),
        ("'x'", "x"),
        ("{}", {}),
        ("[]", []),
        ("[1, 2, 3]", [1, 2, 3]),
        ("[0.5, 1]", [0.5, 1]),
        ("[1, 'a', null, undefined, true, 1.5]", [1, "a", None, JSUndefined, True, 1.5]),
        ("{a: 1, 'b c': [{}], 5: {x: null}}", {"5": {"x": None}, "a": 1, "b c": [{}]}),
        ("new Map([['a', 1], [2, new Map()], [null, [3]]])", {"a": 1, 2: {}, None: [3]}),
        ("new Set([1, 'a', null, undefined])", {1, "a", None, JSUndefined}),
        ("new Map([[undefined, 1]])", {JSUndefined: 1}),
        ("[10n ** 30n, -1n, 0n]", [10**30, -1, 0]),
        ("[new Date(0)]", [dt.datetime(1970, 1, 1, tzinfo=UTC)]),
        ("[-0, NaN, Infinity][2]", math.inf),
        ("['\\ud83d', 'ä', '😀', 'a\\0b']", ["\ud83d", "ä", "😀", "a\0b"]),
        ("{'\\ud800': '\\udfff'}", {"\ud800": "\udfff"}),
        ("[, 1, , 2, ,]", [JSUndefined, 1, JSUndefined, 2, JSUndefined]),
        ("new (class Point { constructor() { this.x = 1; } get y() { return 2; } })", {"x": 1}),
        ("Object.create({inherited: 1}, {own: {value: 2, enumerable: true}, hidden: {value: 3}})", {"own": 2}),
        ("Object.create(null)", {}),
        ("Object.assign(Object.create(null), {a: 1})", {"a": 1}),
        ("{get a() { return [1]; }}", {"a": [1]}),
        ("{[Symbol('s')]: 1, t: 2}", {"t": 2}),
        ("{__proto__: {a: 1}, ['__proto__']: 2}", {"__proto__": 2}),
        ("new Proxy({a: 1, b: 2}, {get: (t, k) => t[k] * 10})", {"a": 10, "b": 20}),
        ("new Proxy([1, 2], {})", [1, 2]),
        ("[[], [[]], {}]", [[], [[]], {}]),
        ("[new Map(), new Set()]", [{}, set()]),
        ("Object.assign([1, 2], {extra: 3})", [1, 2]),
    ],
)
def test_what_it_becomes(copy, code, value):
    made = copy(code)
    assert made == value
    assert type(made) is type(value)


def test_numbers_keep_their_kind(copy):
    made = copy("[1, 1.5, 2 ** 31, -(2 ** 31), -0, 2 ** 53, NaN]")
    assert [type(one) for one in made] == [int, float, float, int, float, float, float]
    assert math.copysign(1, made[4]) == -1
    assert math.isnan(made[6])
    assert [type(one) for one in copy("[0.5, -0.5]")] == [float, float]
    assert copy("[0.5, NaN]")[0] == 0.5


def test_the_order_of_keys_is_javascript_s(copy):
    assert list(copy("{z: 1, b: 2, 7: 3, a: 4, 0: 5}")) == ["0", "7", "z", "b", "a"]


def test_dates(copy):
    made = copy("[new Date(Date.UTC(2014, 0, 2, 3, 4, 5, 678)), new Date(-1), new Date(NaN), new Date(8.64e15)]")
    assert made[0] == dt.datetime(2014, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
    assert made[1] == dt.datetime(1969, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)
    assert type(made[2]) is JSDate
    assert math.isnan(made[2])
    assert made[3] == 8.64e15


def test_errors_are_values_with_their_cause(copy):
    error = copy("new TypeError('bad', {cause: new RangeError('far', {cause: {deep: 1}})})")
    assert type(error).__name__ == "JSError"
    assert (error.name, error.message) == ("TypeError", "bad")
    assert error.stack.startswith("TypeError: bad\n    at ")
    assert id(error.__cause__) == id(error.cause)
    assert (error.cause.name, error.cause.message, error.cause.cause) == ("RangeError", "far", {"deep": 1})
    assert copy("new Error('x')").cause is JSUndefined
    assert copy("new (class Mine extends Error { name = 'Mine' })('y')").name == "Mine"
    with pytest.raises(JSError, match="TypeError: bad"):
        raise error
    itself = copy("(() => { const e = new Error('me'); e.cause = e; return e; })()")
    assert itself.cause is itself


def test_what_stays_a_handle(ctx, copy):
    made = copy("[/a+/g, () => 3, Symbol('s'), Promise.resolve(4), new WeakMap(), function* () {}]")
    regexp, function, symbol, promise, *_rest = made
    assert isinstance(regexp, JSMappedObject)
    assert regexp.call_method("test", "caat") is True
    assert isinstance(function, JSFunction)
    assert function() == 3
    assert isinstance(symbol, JSSymbol)
    assert isinstance(promise, JSPromise)
    assert copy("globalThis.f = () => 1") is ctx.eval("f")


def test_a_handle_is_given_back(ctx):
    before = ctx._ctx.value_count()
    made = ctx.eval("Array.from({length: 100}, () => () => 1)", copy=True)
    again = ctx.eval("[[() => 1, () => 2], {a: () => 3}]", copy=True)
    assert ctx._ctx.value_count() == before + 103
    del made, again
    gc.collect()
    ctx.eval("1")
    assert ctx._ctx.value_count() == before


def test_cycles_and_what_is_shared(copy):
    made = copy("(() => { const o = {list: []}; o.me = o; o.list.push(o, o.list); o.same = o.list; return o; })()")
    assert made["me"] is made
    assert made["list"][0] is made
    assert made["list"][1] is made["list"] is made["same"]
    by_map = copy("(() => { const m = new Map(); m.set('me', m); return m; })()")
    assert by_map["me"] is by_map
    buffers = copy("(() => { const b = new Float64Array(2); return [b, b]; })()")
    assert buffers[0] is buffers[1]


def test_the_same_from_calls_and_copy(ctx):
    function = ctx.eval("(n) => ({n, list: [n]})")
    assert function(3, copy=True) == {"n": 3, "list": [3]}
    assert function(3).copy() == {"n": 3, "list": [3]}
    assert isinstance(function(3), JSMappedObject)
    array = ctx.eval("[1, [2]]")
    assert isinstance(array, JSArray)
    assert array.copy() == [1, [2]]
    symbol = ctx.eval("Symbol('x')")
    assert symbol.copy() is symbol
    assert function(2, copy=True, maps="pairs") == {"n": 2, "list": [2]}


def test_maps_as_pairs(copy):
    code = "new Map([[{a: 1}, 'object'], [1, 'one'], [true, new Set([[1], [1]])]])"
    assert copy(code, maps="pairs") == [[{"a": 1}, "object"], [1, "one"], [True, [[1], [1]]]]
    for wrong in ("list", "", None):
        with pytest.raises(JSValueError, match='"dict".*"pairs"'):
            copy("1", maps=wrong)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("new Map([[{}, 1]])", r"^\$: a key of the Map: dict cannot be a key"),
        ("{rows: [0, {tags: new Set([[1]])}]}", r"^\$\.rows\[1\]\.tags: a member of the Set: list cannot"),
        ("new Map([[1, 'x'], [true, 'y']])", "True and another one, which are different in JavaScript"),
        ("new Set([0, false])", "False and another one"),
        ("new Set([1, 1n])", "1 and another one"),
        ("new Set([new Uint8Array(1)])", "memoryview cannot be"),
    ],
)
def test_keys_that_python_cannot_hold(copy, code, error):
    with pytest.raises(JSConversionException, match=error):
        copy(code)


def test_every_nan_is_a_key_of_its_own_only_once(copy):
    assert len(copy("new Set([NaN, NaN])")) == 1


# --- limits ---


def test_depth(ctx, copy):
    nested = "(n => { let v = 'end'; while (n--) v = n % 2 ? [v] : {k: v}; return v; })"
    assert copy(f"{nested}(399)")
    with pytest.raises(JSConversionException, match=r"^\$.*\[0\].*: .*nested deeper than max_depth"):
        copy(f"{nested}(1e6)")
    with pytest.raises(JSConversionException, match=r"^\$\.k\[0\]: "):
        copy(f"{nested}(4)", max_depth=2)
    assert copy(f"{nested}(2)", max_depth=2) == {"k": ["end"]}
    for wrong in (0, -1):
        with pytest.raises(JSValueError, match="max_depth must be at least 1"):
            copy("[]", max_depth=wrong)
    with pytest.raises(TypeError):
        copy("[]", max_depth=1.5)
    assert ctx.eval("1 + 1") == 2


def test_a_depth_beyond_the_stack_is_an_error_or_a_value(ctx):
    """Whatever max_depth allows: never the end of the process, never a RecursionError."""
    code = "(() => { let v = null; for (let i = 0; i < 1e6; i++) v = [v]; return v; })()"
    try:
        made = ctx.eval(code, copy=True, max_depth=2**31)
    except (JSConversionException, JSEvalException):
        pass
    else:
        while made:
            (made,) = made
    assert ctx.eval("1 + 1") == 2


def test_size(ctx, copy):
    with pytest.raises(JSConversionException, match="max_bytes"):
        copy("['x'.repeat(2000)]", max_bytes=1000)
    with pytest.raises(JSConversionException, match=r"^\$\.list"):
        copy("{list: new Array(1000).fill('some text')}", max_bytes=1000)
    assert len(copy("['x'.repeat(2000)]", max_bytes=3000)[0]) == 2000
    with pytest.raises(JSValueError, match="max_bytes must be at least 1"):
        copy("[]", max_bytes=0)
    assert ctx.eval("1 + 1") == 2


def test_time(ctx, copy):
    started = time.monotonic()
    with pytest.raises(JSTimeoutException):
        copy("{get a() { for (;;) {} }}", timeout_sec=0.05)
    with pytest.raises(JSTimeoutException):
        ctx.eval("({get a() { for (;;) {} }})").copy(timeout_sec=0.05)
    assert time.monotonic() - started < 5
    assert ctx.eval("1 + 1") == 2


# --- scripts that mean ill ---


@pytest.mark.parametrize(
    "code",
    [
        "{get a() { throw new RangeError('told'); }}",
        "[1, {get a() { throw new RangeError('told'); }}]",
        "Object.defineProperty([1, 2], 1, {get() { throw new RangeError('told'); }})",
        "new Proxy({}, {ownKeys() { throw new RangeError('told'); }})",
        "new Proxy({a: 1}, {get() { throw new RangeError('told'); }})",
        "new Proxy({a: 1}, {getOwnPropertyDescriptor() { throw new RangeError('told'); }})",
        "new Proxy([1], {get() { throw new RangeError('told'); }})",
        "new Proxy({}, new Proxy({}, {get() { throw new RangeError('told'); }}))",
        "Object.defineProperty(new Error('x'), 'cause', {get() { throw new RangeError('told'); }})",
        "Object.defineProperty(new Error('x'), 'message', {get() { throw new RangeError('told'); }})",
    ],
)
def test_what_a_getter_or_a_trap_throws_comes_out(ctx, code):
    with pytest.raises(JSEvalException, match="RangeError: told"):
        ctx.eval(f"({code})", copy=True)
    assert ctx.eval("1 + 1") == 2


@pytest.mark.parametrize(
    "code",
    [
        # ownKeys lies: a key that is none, one twice, more than there are
        "new Proxy({}, {ownKeys: () => [1]})",
        "new Proxy({}, {ownKeys: () => ['a', 'a']})",
        "new Proxy({}, {ownKeys: () => ({length: 2 ** 53})})",
        "new Proxy({}, {ownKeys: () => 3})",
        "new Proxy(Object.freeze({a: 1}), {ownKeys: () => []})",
        # revoked
        "(() => { const r = Proxy.revocable({}, {}); r.revoke(); return r.proxy; })()",
        "[1, (() => { const r = Proxy.revocable([], {}); r.revoke(); return r.proxy; })()]",
    ],
)
def test_proxies_that_break_the_rules_are_errors(ctx, code):
    with pytest.raises(JSEvalException):
        ctx.eval(f"({code})", copy=True, timeout_sec=20)
    assert ctx.eval("1 + 1") == 2


@pytest.mark.parametrize(
    "code",
    [
        "new Proxy({}, {ownKeys: () => ['ghost'], getOwnPropertyDescriptor: () => ({value: 1, enumerable: true, configurable: true})})",
        "new Proxy([], {get: (t, k) => k === 'length' ? 3 : t[k]})",
        "new Proxy([1, 2, 3], {get: (t, k) => k === 'length' ? {valueOf: () => 2} : t[k]})",
        "(() => { const p = new Proxy({}, {getPrototypeOf: () => p}); return p; })()",
        "(() => { const p = new Proxy({}, {get: (t, k, r) => new Proxy({}, {}), ownKeys: () => []}); return Object.create(p); })()",
        "{constructor: Object.defineProperty({}, 'name', {get() { throw 1; }}), a: 1}",
        "{toJSON() { throw 1; }, a: 1}",
        "{toString() { for (;;) {} }, a: 1}",
    ],
)
def test_strange_objects_come_as_what_they_say(ctx, code):
    ctx.eval(f"({code})", copy=True, timeout_sec=20)
    assert ctx.eval("1 + 1") == 2


def test_an_array_proxy_of_an_impossible_length(copy):
    for length in ("-1", "2 ** 53", "NaN"):
        with pytest.raises(JSConversionException, match=r"^\$"):
            copy(f"new Proxy([1], {{get: (t, k) => k === 'length' ? {length} : t[k]}})")


def test_an_endless_chain_of_proxies_ends(ctx):
    endless = "const h = {get: () => new Proxy({}, h), ownKeys: () => ['a'], getOwnPropertyDescriptor: () => ({enumerable: true, configurable: true})};"
    with pytest.raises(JSConversionException, match=r"\.a.*max_depth"):
        ctx.eval(f"{endless} new Proxy({{}}, h)", copy=True)
    wide = "const w = {get a() { return {...w, __proto__: w}; }}; w"
    with pytest.raises((JSConversionException, JSEvalException)):
        ctx.eval(
            f"{wide}; ({{get a() {{ return Object.defineProperty({{}}, 'a', Object.getOwnPropertyDescriptor(w, 'a')); }} }})",
            copy=True,
            timeout_sec=20,
        )


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("(() => { const a = [1, {get x() { a.length = 0; return 1; }}, 3, 4]; return a; })()", [1, {"x": 1}]),
        ("(() => { const a = [{get x() { a.push(1); return 1; }}]; return a; })()", [{"x": 1}]),
        ("(() => { const o = {get a() { delete o.b; return 1; }, b: 2, c: 3}; return o; })()", {"a": 1, "c": 3}),
        ("(() => { const o = {get a() { o.z = 2; return 1; }}; return o; })()", {"a": 1}),
    ],
)
def test_objects_that_change_while_they_are_copied(copy, code, value):
    made = copy(code)
    if isinstance(value, list):
        assert made[: len(value)] == value
        assert all(one is JSUndefined for one in made[len(value) :])
    else:
        made = {key: one for key, one in made.items() if one is not JSUndefined}
        assert made == value


def test_maps_and_sets_that_change_while_they_are_copied(ctx, copy):
    assert "a" in copy(
        "(() => { const m = new Map(); m.set('a', {get x() { m.clear(); return 1; }}); m.set('b', 2); return m; })()"
    )
    grown = copy(
        "(() => { const s = new Set(); const o = {get x() { if (s.size < 1e4) s.add('n' + s.size); return 1; }};"
        " return new Map([['a', o], ['b', s]]); })()"
    )
    assert grown["a"] == {"x": 1}
    assert ctx.eval("1 + 1") == 2


def test_to_json_is_for_json_alone(ctx, copy):
    assert "toJSON" in copy("{toJSON() { return 1; }, a: 2}")
    with pytest.raises(JSTimeoutException):
        ctx.execute("{toJSON() { for (;;) {} }}", timeout_sec=0.05)
    with pytest.raises(JSEvalException, match="RangeError"):
        ctx.execute("(() => { const o = {toJSON() { return {a: {...o}}; }}; return o; })()", timeout_sec=20)
    assert ctx.eval("1 + 1") == 2


# --- large ---


def test_ten_million_elements(ctx):
    made = ctx.eval("Array.from({length: 1e7}, (_, i) => i)", copy=True, timeout_sec=60)
    assert len(made) == 10_000_000
    assert made[-1] == 9_999_999


def test_a_sparse_array_of_the_greatest_length(ctx, copy):
    started = time.monotonic()
    for code in (
        "new Array(2 ** 32 - 1)",
        "{a: [new Array(2 ** 32 - 1)]}",
        "(() => { const a = []; a[2 ** 32 - 2] = 1; return a; })()",
    ):
        with pytest.raises(JSConversionException, match=r"^\$.*max_bytes"):
            copy(code)
    assert time.monotonic() - started < 10
    assert len(ctx.eval("new Array(1e5)", copy=True)) == 100_000


def test_twenty_thousand_records(copy):
    made = copy(
        "Array.from({length: 20000}, (_, i) => ({id: i, name: 'user ' + i, score: i / 2, active: i % 2 == 0, tag: null}))"
    )
    assert len(made) == 20_000
    assert made[7] == {"id": 7, "name": "user 7", "score": 3.5, "active": False, "tag": None}
    assert list(made[0]) == list(made[19_999]) == ["id", "name", "score", "active", "tag"]


def test_strings_and_numbers_of_great_length(copy):
    assert len(copy("['x'.repeat(5e7)]")[0]) == 50_000_000
    assert copy("[10n ** 400n, -(10n ** 400n)]") == [10**400, -(10**400)]


# --- instances ---


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __eq__(self, other):
        return (self.x, self.y) == (other.x, other.y)

    __hash__ = None  # type: ignore[assignment]


def test_instances_of_a_registered_class(ctx):
    ctx.eval("class Point { constructor(x, y) { this.x = x; this.y = y; } }; class Other { a = 1 }")
    ctx.register_type(Point, js_class="Point", from_js=lambda made: Point(**made))
    made = ctx.eval("[new Point(1, 2), {at: new Point(3, 4)}, new Other()]", copy=True)
    assert made == [Point(1, 2), {"at": Point(3, 4)}, {"a": 1}]
    assert ctx.eval("new Point(5, 6)").copy() == Point(5, 6)
    shared = ctx.eval("var p = new Point(0, 0); [p, p]", copy=True)
    assert shared[0] is shared[1]


def test_a_converter_that_fails_names_the_path(ctx):
    ctx.eval("class Point { z = 1 }")
    ctx.register_type(Point, js_class="Point", from_js=lambda made: Point(**made))
    before = ctx._ctx.value_count()
    with pytest.raises(JSConversionException, match=r"^\$\[1\]\.at: the converter from_js raised TypeError") as caught:
        ctx.eval("[0, {at: new Point()}, () => 1]", copy=True)
    assert isinstance(caught.value.__cause__, TypeError)
    del caught
    gc.collect()
    ctx.eval("0")
    assert ctx._ctx.value_count() == before
    with pytest.raises(JSConversionException, match=r"^\$\.self: .*refers to itself"):
        ctx.eval("const p = new Point(); p.self = p; p", copy=True)


# --- after close ---


def test_a_handle_after_close():
    ctx = MiniRacer()
    array, inner = ctx.eval("[[1], {a: 1}]"), ctx.eval("({a: 1})")
    ctx.close()
    for use in (array.copy, inner.copy, lambda: array[0], lambda: len(inner), lambda: inner.call_method("a")):
        with pytest.raises(JSClosedException):
            use()
    assert "closed" in repr(array)
    with pytest.raises(JSClosedException):
        ctx.eval("1", copy=True)


@pytest.mark.parametrize(
    "failing",
    [
        "{get x() { throw new Error('no'); }}",
        "{get x() { while (true); }}",
        "Array.from({length: 2000}, (_, i) => ({i}))",
    ],
)
def test_what_a_failed_copy_has_held_is_given_back(ctx, failing):
    make = ctx.eval(f"() => [() => {{}}, new Uint8Array(8), Symbol('s'), {failing}]")
    before = ctx.stats()
    for _ in range(5):
        value = make()
        with pytest.raises(MiniRacerBaseException):
            value.copy(timeout_sec=0.05, max_bytes=10_000)
        del value
    after = ctx.stats()
    assert (after["handles"], after["stores"]) == (before["handles"], before["stores"])


def test_a_set_in_a_set_has_no_counterpart(ctx):
    with pytest.raises(JSConversionException, match="set cannot be a key of a dict or a member of a set"):
        ctx.eval("new Set([new Set([1])])").copy()


# --- keys that are remembered by hidden classes ---

MAKERS = """
const makers = [
    () => ({}),
    () => Object.create(null),
    () => ({a: 1, b: 2}),
    () => JSON.parse('{"a": 1, "b": 2, "c": 3}'),
    () => new (class { constructor() { this.a = 1; this.b = 2; } })(),
    () => new (class { get own() { return 1; } a = 5; })(),
    () => Object.create({inherited: 1}, {hidden: {value: 1}, shown: {value: 2, enumerable: true}}),
    () => Object.fromEntries(Array.from({length: 40}, (_, i) => ["k" + i, i])),
    () => ({...makers[2](), z: 1}),
    () => { const o = {}; for (const c of "qrstuvwxyz") o[c] = c; return o; },
];
const changes = [
    o => { o.a = 1; }, o => { o.b = [1]; }, o => { o.c = "x"; }, o => { o[0] = 1; }, o => { o[7] = 2; },
    o => { delete o.a; }, o => { delete o.b; }, o => { delete o[0]; },
    o => { Object.defineProperty(o, "a", {enumerable: false, value: 9, configurable: true, writable: true}); },
    o => { Object.defineProperty(o, "d", {enumerable: true, configurable: true, get() { return this.b ?? null; }}); },
    o => { Object.freeze(o); }, o => { Object.setPrototypeOf(o, {d: 1}); }, o => { o[Symbol()] = 1; },
    o => { for (let i = 0; i < 20; i++) o["p" + i] = i; }, o => { o.inner = {a: 1, b: 2}; },
];
"""


@pytest.mark.parametrize("seed", range(20))
def test_objects_of_many_shapes(seed):
    with MiniRacer() as ctx:
        ctx.eval(MAKERS)
        ctx.eval(f"""
            let state = {seed + 1};
            const random = n => (state = state * 48271 % 2147483647) % n;
            var rows = Array.from({{length: 300}}, () => {{
                const o = makers[random(makers.length)]();
                for (let i = random(5); i > 0; i--) try {{ changes[random(changes.length)](o); }} catch {{}}
                return o;
            }}); 0""")
        copied, expected = ctx.eval("rows", copy=True), ctx.execute("rows")
        assert copied == expected
        assert [list(row) for row in copied] == [list(row) for row in expected]


def test_getters_that_change_others_of_their_shape():
    with MiniRacer() as ctx:
        code = """
            const make = () => ({get first() { others.forEach(o => { o.added = 1; delete o.gone; }); return 1; }, gone: 2});
            var others = Array.from({length: 5}, make), rows = [make(), ...others, make()]; rows"""
        copied = ctx.eval(code, copy=True)
        assert copied == [{"first": 1, "gone": 2}, *[{"first": 1, "added": 1}] * 5, {"first": 1, "gone": 2}]
        itself = "const turns = {get a() { this.b = 1; return 2; }}; [turns, turns, {get a() { return 0; }}, turns]"
        assert ctx.eval(itself, copy=True)[0] == {"a": 2}


def test_shapes_in_shapes():
    with MiniRacer() as ctx:
        nested = "let list = null; for (let i = 0; i < 200; i++) list = {value: i, next: list, extra: {['k' + i % 50]: i}}; list"
        copied = ctx.eval(nested, copy=True)
        for i in reversed(range(200)):
            assert (copied["value"], copied["extra"]) == (i, {f"k{i % 50}": i})
            copied = copied["next"]
        assert copied is None


def test_a_collection_in_the_middle_of_a_walk():
    code = "Array.from({length: 3000}, (_, i) => ({a: i, get b() { return Array(500).fill(i).length; }, c: [i]}))"
    with MiniRacer() as ctx:
        assert ctx.eval(code, copy=True) == [{"a": i, "b": 500, "c": [i]} for i in range(3000)]
