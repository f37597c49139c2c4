"""eval(): which Python value each JavaScript value is, and what may be in the code."""

from __future__ import annotations

import math
from datetime import datetime, timezone
from typing import Any

import pytest

from py_mini_racer import (
    JSArray,
    JSEvalException,
    JSFunction,
    JSMappedObject,
    JSObject,
    JSParseException,
    JSPromise,
    JSSymbol,
    JSUndefined,
    JSUndefinedType,
    JSValueError,
    MiniRacer,
    StrictMiniRacer,
)

HUNDRED_MB = 100_000_000


@pytest.fixture
def ctx():
    with MiniRacer() as opened:
        yield opened


def is_same(one: object, other: object) -> bool:
    """Equal, of one type, of one sign, and NaN is NaN."""
    if isinstance(one, float) and isinstance(other, float):
        return (math.isnan(one) and math.isnan(other)) or (
            one == other and math.copysign(1, one) == math.copysign(1, other)
        )
    return type(one) is type(other) and one == other


def utf16_units(text: str) -> list[int]:
    return list(memoryview(text.encode("utf-16-le", "surrogatepass")).cast("H"))


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("0", 0),
        ("-1", -1),
        ("1.0", 1),
        ("2147483647", 2147483647),
        ("-2147483648", -2147483648),
        ("2147483648", 2147483648.0),
        ("-2147483649", -2147483649.0),
        ("-3000000000", -3000000000.0),
        ("-0", -0.0),
        ("1.5", 1.5),
        ("0.1 + 0.2", 0.1 + 0.2),
        ("Number.MAX_SAFE_INTEGER", float(2**53 - 1)),
        ("2 ** 53", float(2**53)),
        ("1e308", 1e308),
        ("Number.MAX_VALUE", 1.7976931348623157e308),
        ("5e-324", 5e-324),
        ("NaN", math.nan),
        ("Infinity", math.inf),
        ("-Infinity", -math.inf),
    ],
)
def test_numbers(ctx, code, value):
    assert is_same(ctx.eval(code), value)


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("0n", 0),
        ("-1n", -1),
        ("2n ** 31n", 2**31),
        ("2n ** 53n + 1n", 2**53 + 1),
        ("2n ** 64n - 1n", 2**64 - 1),
        ("-(2n ** 64n)", -(2**64)),
        ("10n ** 399n + 7n", 10**399 + 7),
        ("-(10n ** 399n)", -(10**399)),
    ],
)
def test_bigints(ctx, code, value):
    assert is_same(ctx.eval(code), value)


def test_booleans_null_and_undefined(ctx):
    assert ctx.eval("1 === 1") is True
    assert ctx.eval("1 === 2") is False
    assert ctx.eval("null") is None
    assert ctx.eval("undefined") is JSUndefined
    assert ctx.eval("var unused = 5") is JSUndefined
    assert not JSUndefined
    assert repr(JSUndefined) == "JSUndefined"
    assert isinstance(JSUndefined, JSUndefinedType)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        "Größe, ÿ",
        "中文",
        "mixed é中",
        "nul\x00inside",
        "\x00",
        "\x00中",
        "astral 😀𒀀",
        "\ud800",
        "\udfff alone",
        "backwards \ude00\ud83d",
        "\ufeffbom\ufffe\uffff",
        "line\u2028separator",
        "é" * 70_000,
        "中" * 70_000,
    ],
    ids=ascii,
)
def test_strings(ctx, text):
    escaped = "".join(f"\\u{unit:04x}" for unit in utf16_units(text))
    assert ctx.eval(f"'{escaped}'") == text
    assert ctx.eval(f"({{text: '{escaped}'}})")["text"] == text


@pytest.mark.parametrize(
    "text", ["plain", "Größe", "中文", "nul\x00inside", "\x00", "😀", "\ud800", "a\udfff\x00é"], ids=ascii
)
def test_strings_that_stand_in_the_code(ctx, text):
    assert ctx.eval(f"'{text}'") == text
    assert ctx.eval(f"'{text}'.length") == len(utf16_units(text))


@pytest.mark.parametrize(
    ("milliseconds", "moment"),
    [
        (0, datetime(1970, 1, 1, tzinfo=timezone.utc)),
        (-1, datetime(1969, 12, 31, 23, 59, 59, 999000, tzinfo=timezone.utc)),
        (1_600_000_000_123, datetime(2020, 9, 13, 12, 26, 40, 123000, tzinfo=timezone.utc)),
        (-62_135_596_800_000, datetime(1, 1, 1, tzinfo=timezone.utc)),
        (253_402_300_799_999, datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=timezone.utc)),
    ],
)
def test_dates(ctx, milliseconds, moment):
    value = ctx.eval(f"new Date({milliseconds})")
    assert is_same(value, moment)
    assert value.utcoffset() == moment.utcoffset()


@pytest.mark.parametrize("year", [10_000, 275_760, -1, -271_821])
def test_dates_that_python_has_not_are_their_milliseconds(ctx, year):
    milliseconds = ctx.eval(f"var date = new Date(Date.UTC({year}, 5, 1)); date.getTime()")
    assert isinstance(milliseconds, float)
    assert is_same(ctx.eval("date"), milliseconds)


def test_the_date_that_is_none_is_nan(ctx):
    assert is_same(ctx.eval("new Date(NaN)"), math.nan)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("({a: 1})", JSMappedObject),
        ("Object.create(null)", JSMappedObject),
        ("new Proxy({}, {})", JSMappedObject),
        ("new String('a')", JSMappedObject),
        ("new Number(5)", JSMappedObject),
        ("Object(5n)", JSMappedObject),
        ("/x/", JSMappedObject),
        ("globalThis", JSMappedObject),
        ("[1, 2]", JSArray),
        ("(() => 1)", JSFunction),
        ("class C {}; C", JSFunction),
        ("Math.max", JSFunction),
        ("Symbol('a')", JSSymbol),
        ("Symbol.iterator", JSSymbol),
        ("Promise.resolve(1)", JSPromise),
    ],
)
def test_what_has_an_identity_is_a_handle(ctx, code, kind):
    value = ctx.eval(code)
    assert isinstance(value, kind)
    assert isinstance(value, JSObject)


def test_globals_stay(ctx):
    ctx.eval("var counter = 0; let step = 2; function next() { return counter += step; }")
    assert [ctx.eval("next()") for _ in range(3)] == [2, 4, 6]


def test_two_contexts_share_nothing(ctx):
    with MiniRacer() as other:
        ctx.eval("var shared = 1; Object.prototype.mark = 2")
        assert other.eval("typeof shared") == "undefined"
        assert other.eval("({}).mark") is JSUndefined


def test_strict_mini_racer_is_the_old_name():
    assert StrictMiniRacer is MiniRacer


def test_version(ctx):
    assert ctx.v8_version.split(".")[0].isdigit()


# --- the code ---


@pytest.mark.parametrize("code", ["", " ", "\n", ";", "// comment", "/* comment */", "#!shebang"])
def test_empty_code(ctx, code):
    assert ctx.eval(code) is JSUndefined


@pytest.mark.parametrize(
    "code",
    [b"1", bytearray(b"1"), memoryview(b"1"), None, 5, 1.5, ["1"], object()],
    ids=lambda code: type(code).__name__,
)
@pytest.mark.parametrize("options", [{}, {"timeout_sec": 5}, {"filename": "a.js"}], ids=ascii)
def test_what_is_not_a_string(ctx, code, options):
    with pytest.raises(JSEvalException) as caught:
        ctx.eval(code, **options)
    assert type(caught.value) is JSEvalException
    assert str(caught.value) == "code is not a string"
    assert ctx.eval("1") == 1


def test_a_subclass_of_str_is_a_string(ctx):
    class Code(str):
        __slots__ = ()

    assert ctx.eval(Code("6 * 7")) == 42


@pytest.mark.parametrize(
    "code",
    ["1 +", "var 1", "a b", "'unclosed", "{", "return 1", "await 1", "\x00", "1 \x00 2", "\ud800", "`${", "\\"],
    ids=ascii,
)
def test_syntax_errors(ctx, code):
    with pytest.raises(JSParseException) as caught:
        ctx.eval(code)
    assert str(caught.value).startswith("<anonymous>:1: SyntaxError: ")
    assert caught.value.name == "SyntaxError"
    assert ctx.eval("1") == 1


def test_code_with_nul_in_a_comment_and_a_regexp(ctx):
    assert ctx.eval("/* \x00 */ 1 // \x00") == 1
    assert ctx.eval("/a\x00b/.test('a\\0b')") is True


def test_hundred_megabytes_of_code(ctx):
    assert ctx.eval(f"'{'x' * HUNDRED_MB}'.length") == HUNDRED_MB
    assert ctx.eval(f"/*{' ' * HUNDRED_MB}*/ 42") == 42


def test_hundred_megabytes_of_code_in_error(ctx):
    with pytest.raises(JSParseException, match="SyntaxError"):
        ctx.eval(f"/*{' ' * HUNDRED_MB}*/\n 42 +* 1")
    assert ctx.eval("1") == 1


# --- filename, line_offset, column_offset ---


def thrown_by(ctx: MiniRacer, code: str, **options: Any) -> JSEvalException:
    with pytest.raises(JSEvalException) as caught:
        ctx.eval(code, **options)
    return caught.value


def test_the_file_is_anonymous(ctx):
    error = thrown_by(ctx, "throw new Error('a')")
    assert (error.filename, error.line, error.column) == ("<anonymous>", 1, 1)


@pytest.mark.parametrize("filename", ["a.js", "with space.js", "https://example.org/größe/中.js", "", "😀.js"])
def test_filename(ctx, filename):
    error = thrown_by(ctx, "function f() { throw new Error('a') }\nf()", filename=filename)
    assert error.filename == filename
    assert str(error).startswith(f"{filename}:1: Error: a\nfunction f()")
    assert [frame[1] for frame in error.frames] == [filename, filename]


def test_lone_surrogates_in_a_filename_become_question_marks(ctx):
    assert thrown_by(ctx, "throw 1", filename="\ud800.js").filename == "?.js"


def test_functions_keep_their_file(ctx):
    function = ctx.eval("(function f() {\n  throw new Error('a')\n})", filename="defined.js", line_offset=100)
    with pytest.raises(JSEvalException) as caught:
        function()
    assert (caught.value.filename, caught.value.line) == ("defined.js", 102)
    assert caught.value.frames == (("f", "defined.js", 102, 9),)


def test_line_offset(ctx):
    error = thrown_by(ctx, "\n  throw new Error('a')", filename="page.html", line_offset=10)
    assert str(error) == ("page.html:12: Error: a\n  throw new Error('a')\n  ^\n\nError: a\n    at page.html:12:9\n")
    assert (error.line, error.column) == (12, 3)
    assert error.frames == ((None, "page.html", 12, 9),)


def test_column_offset_is_of_the_first_line(ctx):
    first = thrown_by(ctx, "throw new Error('a')", line_offset=4, column_offset=30)
    assert first.frames == ((None, "<anonymous>", 5, 37),)
    second = thrown_by(ctx, "\nthrow new Error('a')", line_offset=4, column_offset=30)
    assert second.frames == ((None, "<anonymous>", 6, 7),)


def test_offsets_in_syntax_errors(ctx):
    error = thrown_by(ctx, "\n1 +* 2", filename="bad.js", line_offset=7)
    assert isinstance(error, JSParseException)
    assert (error.filename, error.line) == ("bad.js", 9)
    assert error.frames == ()


@pytest.mark.parametrize("option", ["line_offset", "column_offset"])
def test_offsets_that_v8_cannot_hold(ctx, option):
    for offset in (2**31, -(2**31) - 1, 2**40, 2**31 - 1):
        with pytest.raises(JSValueError, match=option):
            ctx.eval("1", **{option: offset})
    with pytest.raises(TypeError, match=option):
        ctx.eval("1", **{option: "1"})
    assert thrown_by(ctx, "throw 1", **{option: 2**20}).line is not None


def test_filenames_that_are_none(ctx):
    with pytest.raises(TypeError, match="filename"):
        ctx.eval("1", filename=b"a.js")
    with pytest.raises(JSValueError, match="NUL"):
        ctx.eval("1", filename="a\x00b.js")


def test_a_source_url_wins(ctx):
    error = thrown_by(ctx, "throw new Error('a')\n//# sourceURL=other.js", filename="a.js")
    assert error.frames[0][1] == "other.js"


# --- a short code that is evaluated again and again ---


def test_each_evaluation_of_a_code_is_one(ctx):
    """What is kept of a code is what it was compiled to, and never what came of it."""
    ctx.eval("var n = 0; function thrower() { throw new Error('no ' + n) }")
    assert [ctx.eval("n += 1") for _ in range(5)] == [1, 2, 3, 4, 5]
    boxes = [ctx.eval("[{ n }, /a/g, () => n]") for _ in range(5)]
    assert len({hash(part) for box in boxes for part in (box, *box)}) == 20
    for number in range(6, 10):
        ctx.eval("n += 1")
        error = thrown_by(ctx, "\n  thrower()")
        assert f"no {number}" in str(error)
        assert error.frames[-1][2:] == (2, 3)


def test_what_a_code_declares_is_declared_each_time(ctx):
    ctx.eval("let once = 1")
    for _ in range(4):
        with pytest.raises(JSEvalException, match="already been declared"):
            ctx.eval("let once = 1")
    for number in range(4):
        ctx.eval("function f() { return 'first' }")
        assert ctx.eval("f()") == "first"
        ctx.eval(f"f = () => {number}")
        assert ctx.eval("f()") == number


def test_codes_of_the_same_bytes_are_not_the_same(ctx):
    """By their encoding: `'AB'` in UTF-16 is another code in UTF-8; with lone surrogates the library gets the former."""
    wide = "'\ud800'"
    narrow = wide.encode("utf-16-le", "surrogatepass").decode("latin-1")
    for _ in range(4):
        assert ctx.eval(wide) == "\ud800"
        with pytest.raises(JSParseException):
            ctx.eval(narrow)
    for number in range(200):  # more than are kept, in turns
        for _ in range(3):
            assert ctx.eval(f"'{number}' + 1") == f"{number}1"


def test_a_kept_code_has_the_options_of_its_call(ctx):
    code = "new Error('here').stack"
    for _ in range(4):
        assert "<anonymous>:1:1" in ctx.eval(code)
        assert "a.js:8:1" in ctx.eval(code, filename="a.js", line_offset=7)
    realm = ctx.new_realm()
    ctx.eval("var where = 'context'")
    realm.eval("var where = 'realm'")
    for _ in range(4):
        assert (ctx.eval("where"), realm.eval("where")) == ("context", "realm")


def test_errors_of_a_code_are_the_same_each_time(ctx):
    """At first V8 forgets the code, then it remembers it, and then it is kept."""
    ctx.eval("function fail() { throw new Error('failed') }")
    for code, line in (("\n\n  let 1x = 2", 3), ("\n  fail()", 2), ("'use strict'\nundeclared = 1", 2)):
        for offset in (0, 10):
            seen = [thrown_by(ctx, code, line_offset=offset) for _ in range(5)]
            assert len({(type(error), str(error), error.column, tuple(error.frames)) for error in seen}) == 1
            for error in seen:
                at = error.line if isinstance(error, JSParseException) else error.frames[-1][2]
                assert at == line + offset


def test_codes_that_come_back_after_many_others(ctx):
    """More than one remembers, twice over; the second time in another realm, and as functions that are called later."""
    realm = ctx.new_realm()
    numbers = range(3000)
    for place in (ctx, realm, ctx):
        place.eval("var n = 0, functions = []")
        for number in numbers:
            assert place.eval(f"functions.push(() => {number} + n); n += 1") == number + 1
        assert place.eval("functions.length") == len(numbers)
        assert place.eval("functions.every((f, i) => f() === i + n)") is True


def test_a_kept_code_evaluates_itself(ctx):
    def again(number: int) -> Any:
        return ctx.eval("again(--depth < 0 ? 0 : depth)") if number else ctx.eval("'bottom'")

    ctx.globals["again"] = again
    for _ in range(4):
        ctx.eval("var depth = 5")
        assert ctx.eval("again(--depth < 0 ? 0 : depth)") == "bottom"
