"""execute() and call(): values through JSON, in both directions."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pytest

from py_mini_racer import JSEvalException, JSParseException, JSUndefinedType, MiniRacer, WrongReturnTypeException


@pytest.fixture
def ctx():
    with MiniRacer() as opened:
        yield opened


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("{a: 1, b: [1.5, null, true, 'x'], c: {}}", {"a": 1, "b": [1.5, None, True, "x"], "c": {}}),
        ("[]", []),
        ("'é中😀\\0'", "é中😀\0"),
        ("'\\ud800'", "\ud800"),
        ("5", 5),
        ("2 ** 40", 2**40),
        ("null", None),
        ("NaN", None),
        ("[undefined, () => 1]", [None, None]),
        ("{gone: undefined, kept: 1}", {"kept": 1}),
        ("new Date(0)", "1970-01-01T00:00:00.000Z"),
        ("{toJSON() { return 'own' }}", "own"),
        ("1, 2", 2),
        ("function () { return 1 }()", 1),
    ],
)
def test_execute(ctx, expression, value):
    assert ctx.execute(expression) == value


def test_execute_sees_globals(ctx):
    ctx.eval("var rows = [1, 2, 3]; function twice(x) { return x.map(y => 2 * y) }")
    assert ctx.execute("twice(rows)") == [2, 4, 6]


@pytest.mark.parametrize("expression", ["undefined", "(() => 1)", "Symbol('s')", "{toJSON() {}}"])
def test_what_json_has_not(ctx, expression):
    with pytest.raises(WrongReturnTypeException) as caught:
        ctx.execute(expression)
    assert str(caught.value) == f"Unexpected return value type {JSUndefinedType}"
    with pytest.raises(WrongReturnTypeException):
        ctx.call(f"(function () {{ return {expression} }})" if expression[0] != "{" else f"(() => ({expression}))")


def test_a_json_that_is_not_the_language_s_own(ctx):
    ctx.eval("JSON.stringify = () => 5")
    with pytest.raises(WrongReturnTypeException) as caught:
        ctx.execute("1")
    assert str(caught.value) == "Unexpected return value type <class 'int'>"


def test_execute_takes_an_expression_only(ctx):
    for code in ("1; 2", "var x = 1", "1 +", "return 1", ""):
        with pytest.raises(JSParseException):
            ctx.execute(code)
    with pytest.raises(JSEvalException, match="circular"):
        ctx.execute("(() => { const a = {}; a.a = a; return a })()")
    with pytest.raises(JSEvalException, match="BigInt"):
        ctx.execute("1n")


@pytest.mark.parametrize("code", [5, None, b"1"])
def test_execute_of_what_is_not_a_string(ctx, code):
    with pytest.raises(JSEvalException) as caught:
        ctx.execute(code)
    assert str(caught.value) == "code is not a string"


def test_the_text_of_an_error(ctx):
    with pytest.raises(JSEvalException) as caught:
        ctx.call("nope", 1)
    assert str(caught.value) == (
        "<anonymous>:1: ReferenceError: nope is not defined\n"
        "JSON.stringify((function(){return (nope.apply(this, [1]))})())\n"
        "                           ^\n\n"
        "ReferenceError: nope is not defined\n    at <anonymous>:1:28\n    at <anonymous>:1:60\n"
    )


# --- call ---


@pytest.mark.parametrize(
    "value",
    [
        0,
        -(2**31) - 1,
        2**53,
        1.5,
        -0.5,
        True,
        None,
        "",
        "é中😀",
        "\0",
        "\ud800",
        "\u2028\u2029",
        "</script>\"'`${}\\",
        [],
        [[1], {"a": [None]}],
        {"": {"nested": {"key with space": "v"}}},
        {"__proto__": {"polluted": True}},
        {"a": [{"__proto__": 1}], "constructor": 2},
        '"__proto__"',
    ],
    ids=ascii,
)
def test_arguments_arrive_and_come_back(ctx, value):
    ctx.eval("function echo(x) { return x }")
    returned = ctx.call("echo", value)
    assert returned == value
    assert type(returned) is type(value)


def test_a_key_called_proto_is_no_prototype(ctx):
    ctx.eval("function keys(x) { return [Object.keys(x), x.polluted === undefined] }")
    assert ctx.call("keys", {"__proto__": {"polluted": True}, "b": 1}) == [["__proto__", "b"], True]
    assert ctx.eval("({}).polluted === undefined") is True


def test_arguments_are_counted(ctx):
    ctx.eval("function count() { return arguments.length }")
    assert [ctx.call("count", *range(n)) for n in (0, 1, 2, 500)] == [0, 1, 2, 500]


def test_call_of_a_method_and_of_an_expression(ctx):
    assert ctx.call("Math.max", 3, 5) == 5
    assert ctx.call("(x => x.length)", "four") == 4
    assert ctx.call("(function () { return this === globalThis })") is True


def test_a_function_that_is_none(ctx):
    ctx.eval("var number = 5")
    with pytest.raises(JSEvalException, match="TypeError"):
        ctx.call("number")
    with pytest.raises(JSEvalException, match="ReferenceError: nope is not defined"):
        ctx.call("nope")
    with pytest.raises(JSParseException):
        ctx.call("a b")


def test_what_json_cannot_write(ctx):
    for value in (object(), {1, 2}, b"bytes", Decimal(1), datetime.now(timezone.utc)):
        with pytest.raises(TypeError, match="not JSON serializable"):
            ctx.call("(x => x)", value)
    circle: list[object] = []
    circle.append(circle)
    with pytest.raises(ValueError):
        ctx.call("(x => x)", circle)


def test_encoder(ctx):
    class Moments(json.JSONEncoder):
        def default(self, o: object) -> object:
            return o.isoformat() if isinstance(o, datetime) else super().default(o)

    moment = datetime(2026, 1, 2, tzinfo=timezone.utc)
    assert ctx.call("(x => x.at)", {"at": moment}, encoder=Moments) == "2026-01-02T00:00:00+00:00"
    with pytest.raises(TypeError):
        ctx.call("(x => x)", object(), encoder=Moments)


class CountingJson:
    """A JSON module of the user's own."""

    def __init__(self) -> None:
        self.written = self.read = 0

    def dumps(self, value: object, **options: Any) -> str:
        self.written += 1
        return json.dumps(value, **options)

    def loads(self, text: str) -> object:
        self.read += 1
        return json.loads(text, parse_float=Decimal)


def test_json_impl_of_a_subclass():
    implementation = CountingJson()

    class Racer(MiniRacer):
        json_impl = implementation

    with Racer() as ctx:
        assert ctx.call("(x => x + 0.25)", 1) == Decimal("1.25")
        assert isinstance(ctx.execute("1.5"), Decimal)
    assert (implementation.written, implementation.read) == (1, 2)


def test_json_impl_of_an_instance(ctx):
    ctx.json_impl = CountingJson()
    assert isinstance(ctx.execute("1.5"), Decimal)
    assert ctx.json_impl.read == 1
    with MiniRacer() as other:
        assert isinstance(other.execute("1.5"), float)


def test_json_impl_is_json():
    assert MiniRacer.json_impl is json


def test_large_values(ctx):
    rows = [{"id": number, "name": f"row {number}"} for number in range(5000)]
    ctx.eval("function reversed(x) { return x.reverse() }")
    assert ctx.call("reversed", rows) == rows[::-1]
