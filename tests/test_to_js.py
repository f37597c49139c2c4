"""Python to JavaScript: what each type becomes, wherever a value goes in; the registry; and values that cannot go."""

from __future__ import annotations

import array
import collections
import contextlib
import ctypes
import dataclasses
import datetime as dt
import decimal
import enum
import functools
import json
import math
import sys
import threading
import types
import uuid
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from py_mini_racer import (
    JSConversionException,
    JSDate,
    JSError,
    JSEvalException,
    JSUndefined,
    JSValueError,
    MiniRacer,
    _wire,
)


@pytest.fixture
def ctx():
    with MiniRacer() as opened:
        yield opened


@pytest.fixture
def show(ctx):
    """The value as JavaScript source, as far as there is such."""
    return ctx.eval("""
        (function show(v) {
            if (typeof v === 'bigint') return v + 'n';
            if (Object.is(v, -0)) return '-0';
            if (v instanceof Date) return 'Date(' + v.getTime() + ')';
            if (ArrayBuffer.isView(v)) return v.constructor.name + '[' + Array.from(v) + ']';
            if (v instanceof ArrayBuffer) return 'ArrayBuffer(' + v.byteLength + ')';
            if (v instanceof Set) return 'Set' + show([...v].sort());
            if (Array.isArray(v)) return '[' + v.map(show).join() + ']';
            if (v instanceof Error) return v.name + ': ' + v.message;
            if (typeof v === 'object' && v) return '{' + Object.entries(v).map(([k, x]) => k + ':' + show(x)).join() + '}';
            if (typeof v === 'function') return 'function ' + v.name;
            return JSON.stringify(v) ?? String(v);
        })
    """)


class Colour(enum.Enum):
    RED = "red"
    PAIR = (1, 2)


class Level(enum.IntEnum):
    HIGH = 3


class Text(str):
    __slots__ = ()

    def __str__(self):
        return "another"


class Number(int):
    def __int__(self):
        return 0


class Items(list[int]):
    pass


Pair = collections.namedtuple("Pair", "left right")  # noqa: PYI024 (the old kind, too)


@dataclasses.dataclass
class Row:
    id: int
    tags: list[str] = dataclasses.field(default_factory=list)
    kind: dataclasses.InitVar[int] = 0
    shared = "of the class"


@dataclasses.dataclass(frozen=True)
class Frozen:
    __slots__ = ("x",)
    x: float


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "null"),
        (JSUndefined, "undefined"),
        (True, "true"),
        (5, "5"),
        (2**31, "2147483648"),
        (-3_000_000_000, "-3000000000"),
        (2**53 - 1, "9007199254740991"),
        (2**53, "9007199254740992n"),
        (-(2**53), "-9007199254740992n"),
        (10**400, "1" + "0" * 400 + "n"),
        (0.5, "0.5"),
        (-0.0, "-0"),
        (math.inf, "null"),
        ("a\0ä😀", '"a\\u0000ä😀"'),
        ("\ud83d", '"\\ud83d"'),
        ([], "[]"),
        ([1, "a", None], '[1,"a",null]'),
        ([1, 2, 2**40], "[1,2,1099511627776]"),
        ((1, (2.5, 1)), "[1,[2.5,1]]"),
        ({}, "{}"),
        ({"a": 1, "b c": {"x": [True]}}, "{a:1,b c:{x:[true]}}"),
        ({"__proto__": 1}, "{__proto__:1}"),
        ({1: "a", "x": 2}, '{1:"a",x:2}'),
        ({2**64: 0}, "{18446744073709551616:0}"),
        ({3, 1, 2}, "Set[1,2,3]"),
        (frozenset({"a"}), 'Set["a"]'),
        (dt.datetime(1970, 1, 1, 0, 0, 1, 2999, tzinfo=dt.timezone.utc), "Date(1002)"),
        (dt.datetime(1970, 1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1))), "Date(0)"),
        (dt.datetime(1, 1, 1, tzinfo=dt.timezone.utc), "Date(-62135596800000)"),
        (dt.date(1970, 1, 2), "Date(86400000)"),
        (JSDate(math.nan), "Date(NaN)"),
        (JSDate(8.64e15), "Date(8640000000000000)"),
        (Colour.RED, '"red"'),
        (Colour.PAIR, "[1,2]"),
        (Level.HIGH, "3"),
        (Text("mine"), '"mine"'),
        (Number(7), "7"),
        (Items([1]), "[1]"),
        (Pair(1, "r"), '[1,"r"]'),
        (collections.OrderedDict(z=1, a=2), "{z:1,a:2}"),
        (collections.defaultdict(list, {"a": [1]}), "{a:[1]}"),
        (Row(1, ["x"]), '{id:1,tags:["x"]}'),
        (Frozen(0.5), "{x:0.5}"),
        (b"ab", "Uint8Array[97,98]"),
        (b"", "Uint8Array[]"),
        (bytearray(b"\xff"), "Uint8Array[255]"),
        (memoryview(b"abc")[1:], "Uint8Array[98,99]"),
        (memoryview(b"abcd")[::-2], "Uint8Array[100,98]"),
        (array.array("d", [0.5]), "Float64Array[0.5]"),
        (array.array("l", [-1]), "BigInt64Array[-1]"),
        (array.array("H", [65535]), "Uint16Array[65535]"),
        (np.arange(3, dtype="int16"), "Int16Array[0,1,2]"),
        (np.array([[1, 2], [3, 4]], dtype="f4"), "Float32Array[1,2,3,4]"),
        (np.array([[1, 2], [3, 4]], dtype="i4").T, "Int32Array[1,3,2,4]"),
        (np.array([True, False]), "Uint8Array[1,0]"),
        (np.array([], dtype="f8"), "Float64Array[]"),
        (np.int64(5), "5"),
        (np.float32(0.5), "0.5"),
        (np.float64(0.5), "0.5"),
        (np.bool_(True), "true"),
        (np.array(7), "7"),
        (JSError("far", name="RangeError"), "RangeError: far"),
        (JSError("odd", name="Mine"), "Mine: odd"),
    ],
)
def test_what_it_becomes(ctx, show, value, shown):
    assert show(value) == shown
    assert ctx.eval("f => x => f(x)")(show)(value) == shown
    holder = ctx.eval("({})")
    holder["x"] = value
    assert show(holder) == "{x:" + shown + "}"
    listed = ctx.eval("[]")
    listed.append(value)
    assert show(listed) == f"[{shown}]"
    listed[0] = [value]
    assert show(listed) == f"[[{shown}]]"


def test_a_naive_datetime_is_local_time(ctx):
    moment = dt.datetime(2020, 7, 1, 12)  # noqa: DTZ001
    assert ctx.eval("d => d.getTime()")(moment) == moment.timestamp() * 1000
    assert ctx.eval("d => d")(moment) == moment.astimezone()


def test_milliseconds_survive(ctx):
    identity = ctx.eval("d => d")
    for ms in range(0, 1000, 7):
        moment = dt.datetime(2024, 5, 17, 3, 4, 5, ms * 1000, tzinfo=dt.timezone.utc)
        assert identity(moment) == moment
        before = dt.datetime(1901, 5, 17, 3, 4, 5, ms * 1000, tzinfo=dt.timezone.utc)
        assert identity(before) == before


def test_errors_with_a_cause(ctx):
    error = JSError("bad", name="TypeError", cause=JSError("inner"))
    assert (
        ctx.eval("e => e instanceof Error && e.name === 'TypeError' && e.cause instanceof Error && e.cause.message")(
            error
        )
        == "inner"
    )
    made = ctx.eval("e => e")(error).copy()
    assert (made.name, made.message, made.cause.message) == ("TypeError", "bad", "inner")


def test_handles_by_identity(ctx):
    ctx.eval("globalThis.o = {}; globalThis.s = Symbol('s')")
    same = ctx.eval("x => x === o || x === s")
    assert same(ctx.eval("o")) is True
    assert same(ctx.eval("s")) is True
    assert ctx.eval("x => x.deep[0] === o")({"deep": [ctx.eval("o")]}) is True


def test_what_only_an_argument_or_a_container_refers_to(ctx):
    def alone(row):
        same = ctx.eval("(a, b, c) => [a === b, c[0] === a, a.x.y === b.x.y, a.x !== a.z]")
        return list(same(row, row, [row]))

    assert alone({"x": {"y": [1.5]}, "z": {"y": [1.5]}}) == [True, True, True, True]
    inner: list[Any] = []
    inner.append({"self": inner})
    assert ctx.eval("a => a[0].self === a && a.length")(inner) == 1
    pair: list[Any] = [{"a": []}, None]
    pair[1] = pair[0]["a"]
    assert ctx.eval("p => p[0].a === p[1]")(pair) is True


def test_cycles_and_what_is_shared(ctx):
    value: Any = {"list": [1]}
    value["me"] = value
    value["again"] = value["list"]
    assert ctx.eval("v => v.me === v && v.again === v.list")(value) is True
    rows = [value, value]
    assert ctx.eval("(a, b) => a[0] === a[1] && b === a")(rows, rows) is True
    member = Row(1)
    assert ctx.eval("v => v[0] === v[1]")([member, member]) is True
    data = bytearray(3)
    assert ctx.eval("v => v[0] === v[1]")([data, data]) is True
    assert ctx.eval("v => v[0] === v[1]")([b"x", b"x"]) is False
    laughs: Any = ["ha"]
    for _ in range(100):
        laughs = [laughs, laughs]
    assert ctx.eval("v => v[0] === v[1]")(laughs) is True


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 1_000_000])
def test_memory_of_every_size(ctx, size):
    data = bytes(range(256)) * (size // 256 + 1)
    echo = ctx.eval("a => a")
    for kind in (bytes, bytearray, memoryview):
        assert bytes(echo(kind(data[:size]))) == data[:size]
    assert bytes(echo(memoryview(bytearray(data))[:size])) == data[:size]
    assert bytes(echo(memoryview(data)[1 : size + 1])) == data[1 : size + 1]
    inside = echo([data[:size], {"x": bytearray(data[:size])}]).copy()
    assert bytes(inside[0]) == bytes(inside[1]["x"]) == data[:size]
    holder = ctx.eval("({})")
    holder["x"] = bytearray(data[:size])
    assert bytes(holder["x"]) == data[:size]


def test_memory_is_a_copy(ctx):
    data = bytearray(10_000)
    held = ctx.eval("a => a")(data)
    held[0] = 1
    assert data[0] == 0
    data.append(1)  # nothing holds on to it
    read_only = np.zeros(10_000)
    read_only.flags.writeable = False
    assert ctx.eval("a => a.length")(read_only) == 10_000


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
def test_numpy_there_and_back(ctx, dtype):
    values = np.arange(1, 3001, dtype=dtype).reshape(3, 1000)
    back = np.asarray(ctx.eval("a => a")(values))
    assert back.dtype == values.dtype
    assert np.array_equal(back, values.ravel())


def test_functions(ctx):
    assert ctx.eval("f => f(2, 3)")(lambda a, b: a + b) == 5
    assert ctx.eval("f => typeof f + f.name")(len) == "functionlen"
    assert ctx.eval("o => o.f('x')")({"f": str.upper}) == "X"
    assert ctx.eval("f => f(1)")(functools.partial(max, 3)) == 3
    assert ctx.eval("f => f('12')")(int) == 12
    assert ctx.eval("f => f()")([1].copy).copy() == [1]


def test_functions_of_a_value_that_cannot_go_are_let_go(ctx):
    take = ctx.eval("x => x")

    def function():
        return 1

    count = sys.getrefcount(function)
    for _ in range(10):
        with pytest.raises(JSConversionException):
            take([function, {"f": function}, Opaque()])
    assert sys.getrefcount(function) == count


# --- what cannot go ---


@dataclasses.dataclass
class Holder:
    inside: object


class Opaque:
    pass


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (Opaque(), r"^\$\[0\]: .*Opaque cannot be converted to a JavaScript value.*register_type"),
        ({"rows": [1, 2, {"when": Opaque()}]}, r"^\$\[0\]\.rows\[2\]\.when: .*Opaque"),
        (Holder([Opaque()]), r"^\$\[0\]\.inside\[0\]: .*Opaque"),
        ({"a b": {"": Opaque()}}, r"^\$\[0\]\['a b'\]\[''\]: "),
        (decimal.Decimal(1), r"decimal\.Decimal cannot"),
        (uuid.uuid4(), r"uuid\.UUID cannot"),
        (1j, "complex cannot"),
        (range(3), "range cannot"),
        (range(2), "range cannot"),
        (types.MappingProxyType({}), "mappingproxy cannot"),
        (dt.timedelta(1), r"datetime\.timedelta cannot"),
        (dt.time(1), r"datetime\.time cannot"),
        ({(1, 2): 3}, r"^\$\[0\]: a dict with the key \(1, 2\) \(tuple\)"),
        ([{1.5: 3}], r"^\$\[0\]\[0\]: a dict with the key 1.5 \(float\)"),
        ({None: 1}, r"key None \(NoneType\)"),
        ({True: 1}, r"key True \(bool\)"),
        ({b"x": 1}, r"key b'x' \(bytes\)"),
        ({1: 1, "1": 2}, "the key '1' twice"),
        (np.array([1j]), r"numpy\.ndarray with elements of format 'Zd'"),
        (np.array(["a"]), "numpy.ndarray with elements of format"),
        (np.array([{}]), "numpy.ndarray with elements of format 'O'"),
        (np.array([1], dtype=">i4"), "format '>i'"),
        (np.array(["2020-01-01"], dtype="M8[D]"), "numpy.ndarray cannot be converted"),
        ((ctypes.c_wchar * 2)(), "format"),
        (JSError(cast("str", Opaque())), r"^\$\[0\]\.message: "),
    ],
)
def test_what_cannot_be_converted_names_path_and_type(ctx, value, error):
    take = ctx.eval("(...all) => all.length")
    with pytest.raises(JSConversionException, match=error):
        take(value)
    with pytest.raises(JSConversionException, match=r"^\$\[1\]"):
        take(1, value)
    assert take(1, 2) == 2


def test_this_is_named_in_errors(ctx):
    with pytest.raises(JSConversionException, match=r"^this\.x: .*Opaque"):
        ctx.eval("() => 1")(this={"x": Opaque()})


def test_a_released_memoryview(ctx):
    view = memoryview(b"abc")
    view.release()
    with pytest.raises(JSConversionException, match="released"):
        ctx.eval("x => x")(view)


def test_another_context_s_objects(ctx):
    with MiniRacer() as other:
        for code in ("({})", "() => 1", "Symbol()", "[1]", "Promise.resolve()"):
            foreign = other.eval(code)
            for value in (foreign, [foreign], {"a": foreign}):
                with pytest.raises(JSValueError, match="of one MiniRacer cannot be used in another"):
                    ctx.eval("x => x")(value)
        with pytest.raises(JSValueError):
            ctx.eval("({})")[other.eval("Symbol()")]
        del foreign, value  # type: ignore[possibly-undefined]
        view = other.eval("new Uint8Array([1, 2])")
        assert ctx.eval("x => x[1]")(view) == 2  # memory is copied
        assert ctx.eval("x => x.a[0]")(other.eval("({a: [3]})").copy()) == 3


@pytest.mark.parametrize("depth", [401, 3000, 1_000_000])
def test_a_value_too_deep_is_a_clear_error(ctx, depth):
    value: list[Any] = []
    inner = value
    for _ in range(depth):
        inner.append([])
        inner = inner[0]
    with pytest.raises(JSConversionException, match=r"^\$(\[0\])+ \.\.\. (\[0\])+: .*deeper than 400"):
        ctx.eval("x => x")(value)
    while value:
        value = value.pop()
    # the deepest that goes, from within a Python stack that is nearly full
    deep: Any = None
    for _ in range(398):
        deep = {"k": deep}

    def at_depth(frames):
        return at_depth(frames - 1) if frames else ctx.eval("x => 'taken'")(deep)

    assert at_depth(sys.getrecursionlimit() - 200) == "taken"


def test_values_that_change_while_they_are_converted(ctx):
    class Growing(dict[str, int]):
        def items(self):
            self[f"k{len(self)}"] = 1
            return super().items()

    assert ctx.eval("o => Object.keys(o).length")(Growing(a=1)) >= 2

    class Shrinking:
        pass

    rows = [Shrinking(), 1, 2, 3]

    def shrink(value):
        rows.clear()
        return "gone"

    ctx.register_type(Shrinking, to_js=shrink)
    assert ctx.eval("r => r")(rows).copy() == ["gone", 1, 2, 3]
    table = {"a": Shrinking(), "b": 1}
    ctx2_rows = table

    def drop(value):
        ctx2_rows.clear()
        return "gone"

    ctx.register_type(Shrinking, to_js=drop)
    assert ctx.eval("r => r")(table).copy() == {"a": "gone", "b": 1}

    data = bytearray(5000)

    def cut(value):
        del data[10:]
        return "cut"

    ctx.register_type(Shrinking, to_js=cut)
    with pytest.raises(JSConversionException, match="BufferError"):
        ctx.eval("r => r")([data, Shrinking()])
    assert ctx.eval("a => a[0].length")([data, 1]) == 5000


def test_values_that_another_thread_changes(ctx):
    table = {f"k{n}": n for n in range(1000)}
    rows: list[Any] = list(range(1000))
    stop = threading.Event()

    def change():
        n = 0
        while not stop.is_set():
            n += 1
            table[f"x{n % 500}"] = n
            table.pop(f"x{n % 333}", None)
            rows.append("s")
            if len(rows) > 2000:
                del rows[1000:]

    thread = threading.Thread(target=change)
    thread.start()
    try:
        count = ctx.eval("o => Object.keys(o).length")
        for _ in range(200):
            assert count(table) >= 1000
            assert count(rows) >= 1000
    finally:
        stop.set()
        thread.join()


def test_objects_that_raise_while_they_are_looked_at(ctx):
    class Nosy:
        def __getattr__(self, name):
            raise RuntimeError(name)

    class Mute:
        def __repr__(self):
            raise RuntimeError

        def __eq__(self, other):
            raise RuntimeError

        __hash__ = None  # type: ignore[assignment]

    for value in (Nosy(), Mute()):
        with pytest.raises(JSConversionException):
            ctx.eval("x => x")(value)

    class Key:
        def __repr__(self):
            raise RuntimeError

    with pytest.raises(JSConversionException, match="its repr fails"):
        ctx.eval("x => x")({Key(): 1})


def test_strings_and_ints_that_are_too_large_for_javascript(ctx):
    with pytest.raises((JSConversionException, JSEvalException)):
        ctx.eval("x => x.length")("x" * 600_000_000)
    with pytest.raises((JSConversionException, JSEvalException)):
        ctx.eval("x => x")(1 << 2**31)
    assert ctx.eval("1 + 1") == 2


def test_large_lists(ctx):
    total = ctx.eval("(a) => a.reduce((x, y) => x + y, 0)")
    assert total(list(range(200_000))) == sum(range(200_000))
    assert total([n / 2 for n in range(200_000)]) == sum(range(200_000)) / 2
    rows = [{"id": n, "name": f"user {n}", "score": n / 2, "active": n % 2 == 0, "tag": None} for n in range(20_000)]
    assert ctx.eval("rows => rows")(rows).copy() == rows
    assert ctx.eval("a => a.length")([None] * 3_000_000) == 3_000_000


# --- messages that are none, into the library ---

CONTENT = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(2**60, 2**90)
    | st.floats()
    | st.text()
    | st.binary()
    | st.sets(st.integers())
    | st.just(JSDate(0))
    | st.builds(JSError, st.text()),
    lambda inside: st.lists(inside) | st.dictionaries(st.text(), inside),
    max_leaves=20,
)


@pytest.fixture(scope="module")
def take():
    with MiniRacer() as opened:
        yield opened.eval("(...all) => all.length")


def send(take, message):
    context = take._context
    with contextlib.suppress(JSConversionException, JSEvalException):
        context.run(context.call, take._wire_handle, message, len(message), None)


@given(st.lists(CONTENT, max_size=4), st.data())
@settings(max_examples=400, deadline=None)
def test_a_message_cut_or_changed_harms_nothing(take, value, data):
    message, buffers = _wire.encode_array([None, *value], take._context)
    assert not buffers
    send(take, message[: data.draw(st.integers(0, len(message)))])
    for _ in range(5):
        at = data.draw(st.integers(0, len(message) - 1))
        message = message[:at] + bytes([data.draw(st.integers(0, 255))]) + message[at + 1 :]
        send(take, message)


@given(st.binary(max_size=64))
@settings(max_examples=600, deadline=None)
def test_random_bytes_harm_nothing(take, data):
    send(take, data)
    send(take, b"a\x02\0\0\0u" + data)


@pytest.mark.parametrize("tag", list(b"untfidbsSDhHaIFoOmeERvVWpYXK\0\xff"))
def test_every_tag_with_the_largest_numbers(take, tag):
    for rest in (b"", b"\0" * 40, b"\xff" * 40, b"\x7f" * 40, b"\2" + b"\xff" * 39, b"\0" + b"\xff" * 39):
        send(take, b"a\x02\0\0\0u" + bytes([tag]) + rest)
        send(take, b"a\x02\0\0\0uo\1\0\0\0" + bytes([tag]) + rest)
    assert take(1) == 1


# --- the registry ---


def test_registered_types_go_in(ctx, show):
    ctx.register_type(decimal.Decimal, to_js=str)
    ctx.register_type(uuid.UUID, to_js=str)
    ctx.register_type(complex, to_js=lambda z: [z.real, z.imag])
    number = uuid.UUID(int=5)
    assert show({"d": decimal.Decimal("0.10"), "u": [number], "z": 1 + 2j}) == f'{{d:"0.10",u:["{number}"],z:[1,2]}}'

    class Own(decimal.Decimal):
        pass

    assert show(Own("2.0")) == '"2.0"'


def test_registered_types_that_become_others(ctx, show):
    ctx.register_type(Opaque, to_js=lambda _: [decimal.Decimal(1), Colour.RED])
    ctx.register_type(decimal.Decimal, to_js=float)
    assert show(Opaque()) == '[1,"red"]'
    ctx.eval("class Point { constructor(x) { this.x = x; } }")
    point = ctx.eval("Point")
    ctx.register_type(Row, to_js=lambda row: point.new(row.id))
    assert ctx.eval("p => p instanceof Point && p.x")(Row(4)) == 4


def test_what_a_message_names_lives_until_it_has_arrived(ctx):
    """The dict is emptied while it is converted, so that nothing else holds the object."""
    table: dict[str, Any] = {}

    def empty(_):
        table.clear()
        return 1

    ctx.register_type(Opaque, to_js=empty)
    for _ in range(50):
        table.update(object=ctx.eval("({x: 5})"), memory=ctx.eval("new Uint8Array(3)"), last=Opaque())
        assert ctx.eval("o => o.object.x + o.memory.length")(table) == 8


def test_registered_types_before_what_they_would_be(ctx, show):
    ctx.register_type(Row, to_js=lambda row: row.id)
    ctx.register_type(dt.date, to_js=lambda day: day.isoformat())
    ctx.register_type(Colour, to_js=lambda colour: colour.name)
    ctx.register_type(np.ndarray, to_js=lambda a: a.tolist())
    assert show([Row(3), dt.date(2020, 1, 2), Colour.RED, np.arange(2)]) == '[3,"2020-01-02","RED",[0,1]]'


def test_converters_that_fail(ctx):
    ctx.register_type(Opaque, to_js=lambda _: 1 // 0)
    with pytest.raises(
        JSConversionException, match=r"^\$\[0\]\.x: .*to_js of .*Opaque raised ZeroDivisionError"
    ) as caught:
        ctx.eval("x => x")({"x": Opaque()})
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    ctx.register_type(Opaque, to_js=lambda value: value)
    with pytest.raises(JSConversionException, match="without end"):
        ctx.eval("x => x")(Opaque())
    ctx.register_type(Opaque, to_js=lambda value: [value])
    assert ctx.eval("x => x === x[0]")(Opaque()) is True  # shared by its identity: a cycle
    ctx.register_type(Opaque, to_js=lambda _: [Opaque()])
    with pytest.raises(JSConversionException, match="deeper than 400"):
        ctx.eval("x => x")(Opaque())


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({}, "needs to_js="),
        ({"js_class": "A"}, "go together"),
        ({"from_js": str}, "go together"),
        ({"to_js": str, "js_class": "A"}, "go together"),
    ],
)
def test_registering_by_halves(ctx, arguments, error):
    with pytest.raises(JSValueError, match=error):
        ctx.register_type(Opaque, **arguments)


def test_what_has_its_place_already(ctx):
    for kind in (int, str, bool, float, list, dict, type(None), object, type(ctx.eval("[]"))):
        with pytest.raises(JSValueError, match="has its place in JavaScript already"):
            ctx.register_type(kind, to_js=str)
    with pytest.raises(TypeError, match="takes a type"):
        ctx.register_type("Decimal", to_js=str)


def test_registries_are_apart(ctx):
    ctx.register_type(decimal.Decimal, to_js=str)
    with MiniRacer() as other, pytest.raises(JSConversionException):
        other.eval("x => x")(decimal.Decimal(1))


@pytest.mark.parametrize("name", ["RangeError", "ReferenceError", "SyntaxError", "TypeError", "Error"])
def test_an_error_is_of_its_class(name):
    with MiniRacer() as ctx:
        assert (
            ctx.eval(f"e => e instanceof {name} && e.name === '{name}' && e.message === 'm'")(JSError("m", name=name))
            is True
        )


# --- objects of the same names, again and again ---

DESCRIBE = """(o) => JSON.stringify([Object.getOwnPropertyNames(o), Object.values(o).map(v => v && typeof v === 'object' ? 'object' : v),
    Object.getPrototypeOf(o) === Object.prototype, Object.isExtensible(o),
    Object.values(Object.getOwnPropertyDescriptors(o)).every(d => d.writable && d.enumerable && d.configurable)])"""


@pytest.mark.parametrize(
    "names",
    [
        ["a"],
        ["a", "b", "c"],
        ["c", "b", "a"],
        [f"key{i}" for i in range(32)],
        [f"key{i}" for i in range(33)],
        ["a", "7", "b"],
        ["7up", ""],
        ["4294967294", "4294967295", "-1", "1.5"],
        ["__proto__", "constructor", "toString"],
        ["\u00e4", "a"],
        ["\u4e2d", "a"],
        ["a" * 300, "b" * 23, "c" * 24],
        ["a\x00b", "a"],
    ],
    ids=lambda names: ",".join(names)[:20],
)
def test_objects_of_the_same_names(ctx, names):
    """However often they come, and whatever their values are: objects as any others."""
    describe = ctx.eval(DESCRIBE)
    is_index = [name.isdigit() and str(int(name)) == name and int(name) < 2**32 - 1 for name in names]
    order = [n for n, i in zip(names, is_index, strict=True) if i] + [
        n for n, i in zip(names, is_index, strict=True) if not i
    ]
    values = [1, 2.5, "text", True, None, -7, 2**40, "", {"x": 1}, [1]]
    for turn in range(40):
        given = {name: values[(turn // 7 * index + turn) % len(values)] for index, name in enumerate(names)}
        shown = ["object" if isinstance(given[name], (dict, list)) else given[name] for name in order]
        assert json.loads(describe(given)) == [order, shown, True, True, True]


def test_what_scripts_do_to_such_objects_stays_with_these(ctx):
    spoil = ctx.eval("""(o, n) => [
        () => { delete o.a }, () => { o.z = 1 }, () => Object.freeze(o), () => Object.setPrototypeOf(o, null), () => { o.b = { deep: o } },
        () => Object.defineProperty(o, 'a', { get() { return 'getter' } }), () => { o.a = 1.5 }, () => { for (let i = 0; i < 100; i++) o['n' + i] = i },
        () => Object.preventExtensions(Object.prototype),
    ][n]()""")
    describe = ctx.eval(DESCRIBE)
    for turn in range(60):
        spoil({"a": turn, "b": "text"}, turn % 8)
        assert json.loads(describe({"a": turn, "b": "text"})) == [["a", "b"], [turn, "text"], True, True, True]
    ctx.eval(
        "Object.defineProperty(Object.prototype, 'a', { set() { throw new Error('a setter ran') }, configurable: true })"
    )
    for turn in range(10):
        assert json.loads(describe({"a": turn, "b": "text"}))[1] == [turn, "text"]
    realm = ctx.new_realm()
    there = realm.eval(DESCRIBE)
    for turn in range(10):
        assert json.loads(there({"a": turn, "b": "text"})) == [["a", "b"], [turn, "text"], True, True, True]


def test_such_objects_that_hold_each_other(ctx):
    check = ctx.eval(
        "(o) => o.self === o && o.list[0] === o && o.list[1].up === o && o.twice[0] === o.twice[1] && o.twice[0].n"
    )
    for turn in range(1, 12):
        given: dict[str, Any] = {"n": turn}
        twice = {"n": turn}
        given |= {"self": given, "list": [given, {"up": given}], "twice": [twice, twice]}
        assert check(given) == turn


def test_a_message_may_name_a_property_twice(ctx):
    """Python's never does; the last one counts, as always."""
    f = ctx.eval("(o) => JSON.stringify(o)")
    key = b"s\1\0\0\0k"
    message = b"a\2\0\0\0u" + b"o\2\0\0\0" + key + b"i\1\0\0\0" + key + b"i\2\0\0\0"
    for _ in range(10):
        assert ctx._ctx.on("mr_call", f._wire_handle, (message, None)) == '{"k":2}'
