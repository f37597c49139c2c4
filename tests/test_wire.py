"""The codec of the wire format: against a small reader and writer of its own here, by properties, by records, and against bytes that are no messages."""

from __future__ import annotations

import contextlib
import datetime as dt
import math
import struct
import subprocess
import sys
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from py_mini_racer import JSConversionException, JSDate, JSError, JSUndefined, _context, _lane, _wire
from py_mini_racer._convert import Converters


class FakeHandle:
    def __init__(self, kind, number):
        self.kind, self.number = kind, number


class Context(_context.Context):
    """What the codec asks of a context, without V8."""

    def __init__(self):
        self.converters = Converters()
        self.handles = []

    def wrap(self, kind, number):
        self.handles.append(number)
        return FakeHandle(kind, number)

    def view(self, *buffer):
        return memoryview(bytearray(buffer[4] % 1000))

    def forget_functions(self, numbers):
        pass

    def host_error(self, number):
        return None

    def host_object(self, number):
        return FakeHandle("host", number)

    def function_id(self, function):
        return id(function) % 2**64, function.__name__


@pytest.fixture(
    scope="module", autouse=True, params=["ctypes", pytest.param("fast", marks=pytest.mark.needs("fast lane"))]
)
def codec(request):
    """All of this for both codecs: the one in Python, and the one in C where there is one."""
    names = ("encode", "encode_array", "decode")
    before = {name: getattr(_wire, name) for name in names}
    for name in names:
        setattr(_wire, name, (_lane.plain if request.param == "ctypes" else _lane.offers or {})[name])
    yield request.param
    for name in names:
        setattr(_wire, name, before[name])


@pytest.fixture
def context():
    return Context()


# --- a reader, by the letter of mr_wire.h ---


class Reader:
    """Recursive, one branch a tag; answers plain tuples for what has no Python value."""

    def __init__(self, message, buffers=()):
        self.message, self.buffers, self.at = message, buffers, 0
        self.keys, self.containers = [], []

    def take(self, form):
        values = struct.unpack_from("<" + form, self.message, self.at)
        self.at += struct.calcsize("<" + form)
        return values if len(values) != 1 else values[0]

    def bytes(self, count):
        assert self.at + count <= len(self.message)
        self.at += count
        return self.message[self.at - count : self.at]

    def text(self, tag):
        count = self.take("I")
        if tag == "s":
            return self.bytes(count).decode("latin-1")
        assert tag == "S"
        return self.bytes(2 * count).decode("utf-16-le", "surrogatepass")

    def container(self, value):
        self.containers.append(value)
        return value

    def key(self):
        tag = chr(self.take("B"))
        if tag == "K":
            return self.keys[self.take("I")]
        self.keys.append(self.text(tag))
        return self.keys[-1]

    def value(self):
        tag = chr(self.take("B"))
        simple = {"u": JSUndefined, "n": None, "t": True, "f": False, "h": "hole"}
        if tag in simple:
            return simple[tag]
        if tag in "sS":
            return self.text(tag)
        if tag in "id":
            return self.take(tag)
        if tag == "D":
            return "date", self.take("d")
        if tag == "b":
            negative, count = self.take("BI")
            magnitude = int.from_bytes(self.bytes(count), "little")
            return -magnitude if negative else magnitude
        if tag == "H":
            return "handle", *self.take("BQ")
        if tag == "p":
            return "function", self.take("Q"), self.value()
        if tag == "R":
            return self.containers[self.take("I")]
        if tag in "IF":
            count = self.take("I")
            return self.container([self.take("i" if tag == "I" else "d") for _ in range(count)])
        if tag == "V":
            element, count = self.take("BQ")
            return self.container(("typed", element, self.bytes(count)))
        if tag == "W":
            element, index = self.take("BI")
            return self.container(("typed", element, bytes(self.buffers[index])))
        if tag == "E":
            made = self.container(["error"])
            made += [self.value() for _ in range(4)]
            return made
        if tag == "a":
            made = self.container([])
            for _ in range(self.take("I")):
                made.append(self.value())
            return made
        if tag == "e":
            made = self.container(["set"])
            for _ in range(self.take("I")):
                made.append(self.value())
            return made
        assert tag == "o", tag
        made = self.container({})
        for _ in range(self.take("I")):
            key = self.key()
            made[key] = self.value()
        return made

    @classmethod
    def read(cls, encoded):
        message, buffers = encoded
        reader = cls(message, buffers or ())
        value = reader.value()
        assert reader.at == len(message)
        return value


def read(value, context):
    return Reader.read(_wire.encode(value, context))


# --- a writer of what comes from JavaScript ---


def u32(number):
    return struct.pack("<I", number)


def text(value):
    data = value.encode("utf-16-le", "surrogatepass")
    return b"S" + u32(len(data) // 2) + data


def i32(number):
    return b"i" + struct.pack("<i", number)


def handle(number):
    return b"H" + struct.pack("<BQ", 0, number)


def some(tag, *items):
    return tag + u32(len(items)) + b"".join(items)


def entries(tag, *items):
    return tag + u32(len(items) // 2) + b"".join(items)


# --- there and back ---

scalars = (  # lone surrogates are among the keys
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**1400), 2**1400)
    | st.floats(allow_nan=False)
    | st.text()
    | st.text(st.characters(max_codepoint=255))
    | st.just(JSUndefined)
)
keys = st.text(st.sampled_from("abcé€\ud800\0"), max_size=3) | st.text()
values = st.recursive(scalars, lambda inside: st.lists(inside) | st.dictionaries(keys, inside), max_leaves=60)


def same(left, right):
    """Equal, types and zeros' signs included."""
    stack = [(left, right)]
    while stack:
        one, other = stack.pop()
        if type(one) is not type(other):
            # An int beyond 32 bits travels as a double, as JavaScript holds it; a float in a list of floats comes back as an int where it is one.
            assert {type(one), type(other)} == {int, float}
            assert one == other
            assert abs(one) < 2**53
        elif isinstance(one, list):
            assert len(one) == len(other)
            stack += zip(one, other, strict=True)
        elif isinstance(one, dict):
            assert list(one) == list(other)
            stack += zip(one.values(), other.values(), strict=True)
        elif isinstance(one, float):
            assert struct.pack("d", one) == struct.pack("d", other)
        else:
            assert one == other


@given(values)
@settings(max_examples=300, deadline=None)
def test_what_is_encoded_is_decoded_again(value):
    context = Context()
    message, buffers = _wire.encode(value, context)
    assert buffers is None
    same(value, _wire.decode(message, context))


@given(values)
@settings(max_examples=300, deadline=None)
def test_the_encoder_writes_what_the_table_says(value):
    same(value, read(value, Context()))


@pytest.mark.needs("fast lane")
@given(values)
@settings(deadline=None)
def test_both_codecs_are_one(value):
    context = Context()
    in_c, in_python = _lane.offers or {}, _lane.plain
    message = in_python["encode"](value, context)[0]
    same(in_python["decode"](message, context), in_c["decode"](message, context))
    same(in_python["decode"](in_c["encode"](value, context)[0], context), value)


@given(st.lists(values, max_size=4))
@settings(max_examples=100, deadline=None)
def test_an_array_of_arguments_is_an_array(arguments):
    context = Context()
    message, _ = _wire.encode_array(arguments, context, 1)
    same(arguments, Reader.read((message, None)))


@given(
    st.sets(st.integers() | st.text()), st.lists(st.floats(), min_size=2), st.lists(st.integers(-(2**31), 2**31 - 1))
)
@settings(max_examples=60, deadline=None)
def test_sets_and_blocks_of_numbers(members, floats, ints):
    context = Context()
    assert set(_wire.decode(_wire.encode(members, context)[0], context)) == members
    message, _ = _wire.encode(floats, context)
    assert message[:1] == b"F"
    assert struct.pack(f"{len(floats)}d", *floats) == struct.pack(f"{len(floats)}d", *_wire.decode(message, context))
    assert [type(one) for one in _wire.decode(_wire.encode([0.5, 1.0, -0.0, 2.0**31], context)[0], context)] == [
        float,
        int,
        float,
        float,
    ]
    assert _wire.decode(_wire.encode(ints, context)[0], context) == ints


@given(st.binary(max_size=200))
@settings(max_examples=1500, deadline=None)
def test_random_bytes_are_a_value_or_a_clear_error(data):
    with contextlib.suppress(JSConversionException):
        _wire.decode(data, Context())


@given(values, st.data())
@settings(max_examples=300, deadline=None)
def test_a_message_cut_or_changed_is_a_clear_error(value, data):
    context = Context()
    message, _ = _wire.encode(value, context)
    cut = message[: data.draw(st.integers(0, len(message) - 1))]
    with pytest.raises(JSConversionException):
        _wire.decode(cut, context)
    at = data.draw(st.integers(0, len(message) - 1))
    changed = message[:at] + bytes([data.draw(st.integers(0, 255))]) + message[at + 1 :]
    with contextlib.suppress(JSConversionException):
        _wire.decode(changed, context)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"?",
        b"\0",
        b"i\0\0",
        b"ii",
        b"nn",
        b"s\xff\xff\xff\xffabc",
        b"S\xff\xff\xff\x7fab",
        b"a\xff\xff\xff\xff",
        b"I\xff\xff\xff\xff",
        b"F\xff\xff\xff\x7f",
        b"o\x01\0\0\0K\0\0\0\0n",
        b"o\x01\0\0\0nn",
        b"m\xff\xff\xff\xffn",
        b"R\0\0\0\0",
        b"a\x01\0\0\0R\x01\0\0\0",
        b"V\x02\x01\0\0\0\0\0\0\0a",
        b"W\x02\0\0\0\0",
        b"p" + b"\0" * 8 + b"s\0\0\0\0",
        b"X\0",
        b"b\x02\xff\xff\xff\xff",
        b"v\xff",
        b"O\x01",
        b"E",
    ],
)
def test_what_is_no_message(message, context):
    with pytest.raises(JSConversionException, match="wire format"):
        _wire.decode(message, context)


# --- scalars ---


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, b"n"),
        (JSUndefined, b"u"),
        (True, b"t"),
        (False, b"f"),
        (0, b"i\0\0\0\0"),
        (-(2**31), b"i\0\0\0\x80"),
        (2**31, b"d" + struct.pack("<d", 2**31)),
        (-3_000_000_000, b"d" + struct.pack("<d", -3e9)),
        (2**53 - 1, b"d" + struct.pack("<d", 2**53 - 1)),
        (2**53, b"b\0\x07\0\0\0" + (2**53).to_bytes(7, "little")),
        (-(2**53), b"b\x01\x07\0\0\0" + (2**53).to_bytes(7, "little")),
        (-0.0, b"d" + struct.pack("<d", -0.0)),
        (1.0, b"d" + struct.pack("<d", 1)),
        ("", b"s\0\0\0\0"),
        ("a\0ÿ", b"s\x03\0\0\0a\0\xff"),
        ("\ud800", b"S\x01\0\0\0\0\xd8"),
        ("😀", b"S\x02\0\0\0\x3d\xd8\0\xde"),
        (JSDate(math.nan), b"D" + struct.pack("<d", math.nan)),
    ],
)
def test_scalars_byte_for_byte(value, message, context):
    assert _wire.encode(value, context) == (message, None)


def test_ints_of_400_digits(context):
    for number in (10**400, -(10**400), 2**4096):
        assert _wire.decode(_wire.encode(number, context)[0], context) == number


def test_dates(context):
    def date(milliseconds):
        return _wire.decode(b"D" + struct.pack("<d", milliseconds), context)

    utc = dt.timezone.utc
    assert date(0) == dt.datetime(1970, 1, 1, tzinfo=utc)
    assert date(1388631845006) == dt.datetime(2014, 1, 2, 3, 4, 5, 6000, tzinfo=utc)
    assert date(-62135596800000) == dt.datetime(1, 1, 1, tzinfo=utc)
    for outside in (math.nan, 8.64e15, -8.64e15, 253402300800000, -62135596800001, math.inf):
        value = date(outside)
        assert type(value) is JSDate
        assert value == outside or (math.isnan(outside) and math.isnan(value))
        message = _wire.encode(value, context)[0]
        assert message[:1] == b"D"
        assert struct.unpack("<d", message[1:]) == (pytest.approx(outside, nan_ok=True),)
    assert repr(JSDate(8.64e15)) == "JSDate(8640000000000000.0)"


def test_calls_with_numbers_cost_little(context):
    arguments = (JSUndefined, 5, 7)
    best = math.inf
    for _ in range(20):
        started = time.thread_time()
        for _ in range(1000):
            _wire.encode_array(arguments, context, 1)
        best = min(best, time.thread_time() - started)
    assert best / 1000 < 5e-6  # 0.7 us on a laptop; a busy CI machine has room


# --- containers ---


def test_cycles_and_what_is_shared(context):
    row = [1, "x"]
    value: Any = {"a": row, "b": row, "t": (row, row)}
    value["self"] = value
    row.append(value)
    for made in (read(value, context), _wire.decode(_wire.encode(value, context)[0], context)):
        assert made["a"] is made["b"] is made["t"][0] is made["t"][1]
        assert made["self"] is made
        assert made["a"][2] is made
    assert _wire.encode_array((value, row, [row]), context)[0].count(b"R") == 7


def test_numbers_of_containers_include_blocks_buffers_and_the_array_of_arguments(context):
    shared = [None]
    message, buffers = _wire.encode_array(
        ([1, 2], b"x", [0.5, 1.5], {1, "a"}, shared, shared, bytearray(9999)), context
    )
    made = Reader.read((message, buffers))
    assert made[0] == [1, 2]
    assert made[1] == ("typed", 2, b"x")
    assert made[4] is made[5] == [None]


def test_what_cannot_change_is_not_shared_by_accident(context):
    made = read([(), (), b"", b"", frozenset(), frozenset()], context)
    assert made[0] is not made[1]
    assert made[2] is not made[3]
    assert made[4] is not made[5]


def test_a_value_that_shares_without_end_stays_small(context):
    value: Any = ("x",)
    for _ in range(200):
        value = (value, value)
    message, _ = _wire.encode(value, context)
    assert len(message) < 5000
    made = _wire.decode(message, context)
    assert made[0] is made[1]


def test_keys_are_written_once(context):
    message, _ = _wire.encode([{"alpha": 1, "beta": 2}] * 2 + [{"alpha": {"beta": 3}, "gamma": 4}], context)
    assert message.count(b"alpha") == message.count(b"beta") == 1
    assert _wire.decode(message, context)[2] == {"alpha": {"beta": 3}, "gamma": 4}


def test_deep_values_name_their_path_and_never_recurse(context):
    value: Any = "end"
    for _ in range(399):
        value = [value]
    assert read([value], context)
    for depth in (401, 1_000_000):
        value = None
        for _ in range(depth):
            value = [value] if depth < 1000 else {"k": value}
        with pytest.raises(JSConversionException, match=r"^\$(\[0\]|\.k){12} \.\.\. .*nested deeper than 400"):
            _wire.encode(value, context)
        while value:  # taken apart by hand: freeing it whole would recurse in C on old Pythons
            value = value[0] if isinstance(value, list) else value.pop("k")


def test_deep_messages_do_not_recurse(context):
    depth = 100_000
    made = _wire.decode(some(b"a", b"n")[:-1] * depth + b"n", context)
    for _ in range(depth):
        (made,) = made
    assert made is None


def test_a_hole_is_undefined_inside_and_nothing_outside(context):
    assert _wire.decode(b"h", context) is _wire.HOLE_VALUE
    assert _wire.decode(some(b"a", b"h", b"u"), context) == [JSUndefined, JSUndefined]


def test_map_and_set(context):
    message = entries(b"m", i32(1), text("one"), text("1"), some(b"e", text("x"), b"n"), b"n", i32(0))
    assert _wire.decode(message, context) == {1: "one", "1": {"x", None}, None: 0}


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (entries(b"m", i32(1), b"n", b"t", b"n"), r"^\$: a key of the Map: True and another one"),
        (entries(b"m", b"f", b"n", i32(0), b"n"), "0 and another one"),
        (some(b"e", b"t", b"d" + struct.pack("<d", 1)), r"^\$: a member of the Set: 1.0 and another one"),
        (entries(b"m", some(b"a", b"n"), b"n"), "list cannot be a key of a dict"),
        (entries(b"m", some(b"a"), b"n"), "list cannot be a key of a dict"),
        (
            some(b"a", b"n", entries(b"o", text("tags"), some(b"e", entries(b"o")))),
            r"^\$\[1\]\.tags: .* dict cannot be",
        ),
        (entries(b"m", text("x"), some(b"a", b"n", some(b"e", some(b"I")))), r"^\$\.x\[1\]: a member"),
        (entries(b"m", i32(4), some(b"e", entries(b"m", b"n", b"n"))), r"^\$\[4\]: a member"),
    ],
)
def test_keys_that_python_cannot_hold(message, error, context):
    with pytest.raises(JSConversionException, match=error) as caught:
        _wire.decode(message, context)
    assert 'maps="pairs"' in str(caught.value)


def test_nan_members_are_different_ones(context):
    nan = b"d" + struct.pack("<d", math.nan)
    assert len(_wire.decode(some(b"e", nan, i32(1), nan), context)) == 3


def test_handles_after_a_mistake_are_still_counted(context):
    message = some(b"a", some(b"e", some(b"a", handle(7))), handle(8))
    with pytest.raises(JSConversionException):
        _wire.decode(message, context)
    assert context.handles == [7, 8]


def test_errors_as_values(context):
    inner = b"E" + text("RangeError") + text("far") + b"u" + b"h"
    made = _wire.decode(
        some(b"a", b"E" + text("TypeError") + text("bad") + text("at x") + inner, b"R" + u32(2)), context
    )
    outer, cause = made
    assert outer.__class__ is JSError
    assert (outer.name, outer.message, outer.stack, str(outer)) == ("TypeError", "bad", "at x", "TypeError: bad")
    assert id(outer.cause) == id(outer.__cause__) == id(cause)
    assert (cause.name, cause.message, cause.stack, cause.cause) == ("RangeError", "far", None, JSUndefined)
    assert read(outer, context) == [
        "error",
        "TypeError",
        "bad",
        "at x",
        ["error", "RangeError", "far", JSUndefined, "hole"],
    ]
    own = JSError("x")
    own.cause = own
    made = read(own, context)
    assert made[4] is made
    itself = _wire.decode(b"E" + text("E") + b"u" + b"u" + b"R" + u32(0), context)
    assert itself.cause is itself


def test_an_error_in_a_map_and_its_cause_in_a_list(context):
    bare = b"E" + b"u" * 3
    made = _wire.decode(entries(b"m", bare + some(b"a", i32(3)), bare + b"h"), context)
    ((key, value),) = made.items()
    assert key.cause == [3]
    assert value.cause is JSUndefined


def test_the_exception_message(context):
    fields = [text("boom\n"), text("E"), text("boom"), b"u", i32(1), i32(2), some(b"a"), handle(5), b"u", b"h"]
    flags, number, made = _wire.decode_exception(b"X\x01" + struct.pack("<Q", 9) + b"".join(fields), context)
    assert (flags, number, made[:3], made[9]) == (1, 9, ["boom\n", "E", "boom"], _wire.HOLE_VALUE)
    for wrong in (b"", b"X", b"s" + b"\0" * 20, b"X\x01" + b"\0" * 8 + b"n" * 9):
        with pytest.raises(JSConversionException, match="library and package"):
            _wire.decode_exception(wrong, context)


# --- instances ---


def instance(name, *items):
    return b"O" + text(name) + u32(len(items) // 2) + b"".join(items)


def test_instances_become_what_is_registered(context):
    context.converters.register(complex, js_class="Complex", from_js=lambda made: complex(made["re"], made["im"]))
    one = instance("Complex", text("re"), i32(1), text("im"), i32(2))
    assert _wire.decode(one, context) == 1 + 2j
    assert _wire.decode(some(b"a", one, b"R" + u32(1)), context) == [1 + 2j, 1 + 2j]
    key = b"K" + u32(0)
    two = instance("Complex", key, i32(3), text("im2"), b"n")[:-1]
    assert _wire.decode(some(b"e", one), context) == {1 + 2j}
    assert _wire.decode(
        entries(b"m", one, one.replace(text("re"), b"K" + u32(0)).replace(text("im"), b"K" + u32(1))), context
    )
    assert _wire.decode(instance("Other", text("re"), i32(1)), context) == {"re": 1}
    assert two


def test_a_converter_that_raises_names_the_path(context):
    context.converters.register(complex, js_class="Complex", from_js=lambda made: made["missing"])
    message = some(b"a", b"n", entries(b"o", text("z"), instance("Complex")), handle(3))
    with pytest.raises(
        JSConversionException, match=r"^\$\[1\]\.z: the converter from_js raised KeyError\('missing'\)"
    ) as caught:
        _wire.decode(message, context)
    assert isinstance(caught.value.__cause__, KeyError)
    assert context.handles == [3]


def test_an_instance_that_holds_itself_cannot_be_converted(context):
    context.converters.register(complex, js_class="Complex", from_js=lambda made: 0)
    with pytest.raises(JSConversionException, match=r"^\$\.me\[0\]: .* refers to itself"):
        _wire.decode(instance("Complex", text("me"), some(b"a", b"R" + u32(0))), context)


# --- import ---


def test_the_codec_imports_nothing_that_it_does_not_need():
    code = """
import sys
before = set(sys.modules)
import py_mini_racer._wire
heavy = {"json", "asyncio", "typing", "re", "dataclasses", "enum", "datetime", "array", "numpy", "uuid", "decimal", "inspect"}
print(sorted((set(sys.modules) - before) & heavy))
"""
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, timeout=60, cwd="."
    )
    assert done.stdout == "[]\n", done.stdout
