"""The fast lane's reader of JSON: against json.loads, by properties and on damaged texts."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from py_mini_racer import MiniRacer, _lane

pytestmark = pytest.mark.needs("fast lane")

numbers = st.integers() | st.floats(allow_nan=False) | st.floats(-1e6, 1e6).map(lambda number: round(number, 3))
texts = st.text() | st.text(alphabet='a"\\/\b\n\x00\x1f\x7fé€😀\ud800\udc00')
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inside: st.lists(inside) | st.dictionaries(texts | st.sampled_from(["id", "name"]), inside),
    max_leaves=30,
)


class Loads:
    """json.loads, counted."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, text: str) -> Any:
        self.calls += 1
        return json.loads(text)


def written(value: Any, *, ascii_only: bool = False) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=ascii_only)


def outcome(read: Any, text: str) -> str:
    """What comes of it, by its repr: that tells int and float, and zeros, apart."""
    try:
        return repr(read(text))
    except (ValueError, RecursionError) as error:
        return f"{type(error)} {error}"


@settings(max_examples=300)
@given(values, st.booleans())
def test_the_same_as_json_loads(value, ascii_only):
    text = written(value, ascii_only=ascii_only)
    assert repr(_lane.from_json(text, json.loads)) == repr(json.loads(text))


@settings(max_examples=500)
@given(
    values,
    st.integers(0, 200),
    st.sampled_from([*'{}[],:"\\019.eE-+untf \0\x01é', "\\u12", "\\ud800", "\\q", ""]),
    st.integers(0, 3),
)
def test_damaged_texts(value, place, put, gone):
    text = written(value, ascii_only=True)
    text = text[:place] + put + text[place + gone :]
    assert outcome(lambda it: _lane.from_json(it, json.loads), text) == outcome(json.loads, text)


@pytest.mark.parametrize(
    "text",
    [
        '[{"id":1,"name":"x"},{"id":-2,"name":"é😀"}]',
        '["\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\u00e9\\ud83d\\ude00","\\ud800","\\udc00\\ud800"]',
        "[0,-0,0.5,-0.0,1e3,1E+3,1e-3,5e-324,1.7976931348623157e308,123456789012345678,0.1,1e400,3.14159265358979312]",
        "[[],{},[[]],true,false,null]",
        '"' + "long " * 1000 + '"',
        "[" * 150 + "]" * 150,
        '{"a":1,"a":2}',
        '{"' + "k" * 100 + '":1}',
        "9007199254740993.0",
    ],
)
def test_c_reads_what_json_stringify_writes(text):
    loads = Loads()
    assert repr(_lane.from_json(text, loads)) == repr(json.loads(text))
    assert loads.calls == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 1",
        "[1, 2]",
        "NaN",
        "1234567890123456789",
        "[" * 201 + "]" * 201,
        '"\ud800"',
        "[1]x",
        "01",
        "1.",
        "-",
        "[1,]",
        '{"a"}',
    ],
)
def test_what_c_leaves_to_python(text):
    loads = Loads()
    assert outcome(lambda it: _lane.from_json(it, loads), text) == outcome(json.loads, text)
    assert loads.calls == 1


def test_equal_keys_are_one_object():
    first, second = _lane.from_json('[{"some key":1},{"some key":2}]', json.loads)
    assert next(iter(first)) is next(iter(second))


def test_nothing_is_leaked():
    def references() -> int:
        return sys.getrefcount(None)

    text = written([{"key": [None, {"inner": None}]}] * 50)
    _lane.from_json(text, json.loads)
    before = references()
    for _ in range(50):
        _lane.from_json(text, json.loads)
        with pytest.raises(ValueError, match="Expecting"):
            _lane.from_json(text[:-3], json.loads)
    assert abs(references() - before) < 50


def test_a_json_impl_of_ones_own_is_asked():
    class Own:
        dumps = staticmethod(json.dumps)

        @staticmethod
        def loads(text: str) -> str:
            return f"read {text}"

    class Context(MiniRacer):
        json_impl = Own

    with Context() as ctx:
        assert ctx.execute("[1, 2]") == "read [1,2]"


def test_wrong_arguments():
    assert _lane.offers
    with pytest.raises(TypeError, match=r"json\.loads"):
        _lane.offers["from_json"](b"[]", json.loads)
