"""What JavaScript throws: the exception's exact text, its attributes, and throws that are meant to hurt."""

from __future__ import annotations

import gc
from typing import Any

import pytest

import py_mini_racer
from py_mini_racer import (
    JSArrayIndexError,
    JSClosedException,
    JSConversionException,
    JSEvalException,
    JSKeyError,
    JSMappedObject,
    JSOOMException,
    JSParseException,
    JSPromiseError,
    JSSymbol,
    JSTerminatedException,
    JSTimeoutException,
    JSUndefined,
    JSValueError,
    LibAlreadyInitializedError,
    LibIncompatibleError,
    LibNotFoundError,
    MiniRacer,
    MiniRacerBaseException,
    WrongReturnTypeException,
)


@pytest.fixture
def ctx():
    with MiniRacer() as opened:
        yield opened


def thrown_by(ctx: MiniRacer, code: str, **options: Any) -> JSEvalException:
    with pytest.raises(JSEvalException) as caught:
        ctx.eval(code, **options)
    return caught.value


TEXTS = {
    "missing": (
        "<anonymous>:1: ReferenceError: missing is not defined\nmissing\n^\n\n"
        "ReferenceError: missing is not defined\n    at <anonymous>:1:1\n"
    ),
    "throw 'x'": "<anonymous>:1: x\nthrow 'x'\n^\n",
    "throw 5": "<anonymous>:1: 5\nthrow 5\n^\n",
    "throw 5n": "<anonymous>:1: 5\nthrow 5n\n^\n",
    "throw true": "<anonymous>:1: true\nthrow true\n^\n",
    "throw null": "<anonymous>:1: null\nthrow null\n^\n",
    "throw undefined": "<anonymous>:1: undefined\nthrow undefined\n^\n",
    "throw ''": "<anonymous>:1: \nthrow ''\n^\n",
    "throw Symbol('q')": "<anonymous>:1: <string conversion failed>\nthrow Symbol('q')\n^\n",
    "throw {a: 1}": "<anonymous>:1: [object Object]\nthrow {a: 1}\n^\n",
    "throw [1, 2]": "<anonymous>:1: 1,2\nthrow [1, 2]\n^\n",
    "throw {toString() { return 'said' }}": "<anonymous>:1: said\nthrow {toString() { return 'said' }}\n^\n",
    "throw Object.create(null)": "<anonymous>:1: <string conversion failed>\nthrow Object.create(null)\n^\n",
    "throw new Error('boom')": (
        "<anonymous>:1: Error: boom\nthrow new Error('boom')\n^\n\nError: boom\n    at <anonymous>:1:7\n"
    ),
    "throw new Error('a\\nb')": (
        "<anonymous>:1: Error: a\nb\nthrow new Error('a\\nb')\n^\n\nError: a\nb\n    at <anonymous>:1:7\n"
    ),
    "throw 'é 中 😀 \\ud800'": "<anonymous>:1: é 中 😀 \ud800\nthrow 'é 中 😀 \\ud800'\n^\n",
    "throw 'a\\0b'": "<anonymous>:1: a\0b\nthrow 'a\\0b'\n^\n",
    "function fail(arg) {\n  throw 'error: ' + arg }\nfail(42)": (
        "<anonymous>:2: error: 42\n  throw 'error: ' + arg }\n  ^\n"
    ),
    "\n\n  (function () { throw new TypeError('deep') })()": (
        "<anonymous>:3: TypeError: deep\n  (function () { throw new TypeError('deep') })()\n                 ^\n\n"
        "TypeError: deep\n    at <anonymous>:3:24\n    at <anonymous>:3:48\n"
    ),
    "class Mine extends Error { constructor(m) { super(m); this.name = 'Mine' } }; throw new Mine('hey')": (
        "<anonymous>:1: Mine: hey\n"
        "class Mine extends Error { constructor(m) { super(m); this.name = 'Mine' } }; throw new Mine('hey')\n"
        + " " * 78
        + "^\n\nMine: hey\n    at <anonymous>:1:85\n"
    ),
    "eval('1+')": (
        "undefined:1: SyntaxError: Unexpected end of input\n1+\n  ^\n\n"
        "SyntaxError: Unexpected end of input\n    at <anonymous>:1:1\n"
    ),
}


@pytest.mark.parametrize("code", TEXTS, ids=ascii)
def test_texts(ctx, code):
    error = thrown_by(ctx, code)
    assert type(error) is JSEvalException
    assert str(error) == TEXTS[code]
    assert error.args == (TEXTS[code],)


PARSE_TEXTS = {
    "var f = function(\\": (
        "<anonymous>:1: SyntaxError: Invalid or unexpected token\nvar f = function(\\\n                 ^\n\n"
        "SyntaxError: Invalid or unexpected token\n"
    ),
    "let a = 1;\nlet a = 2;": (
        "<anonymous>:2: SyntaxError: Identifier 'a' has already been declared\nlet a = 2;\n    ^\n\n"
        "SyntaxError: Identifier 'a' has already been declared\n"
    ),
    "1+": "<anonymous>:1: SyntaxError: Unexpected end of input\n1+\n  ^\n\nSyntaxError: Unexpected end of input\n",
    "a\0b": (
        "<anonymous>:1: SyntaxError: Invalid or unexpected token\na\0b\n ^\n\n"
        "SyntaxError: Invalid or unexpected token\n"
    ),
}


@pytest.mark.parametrize("code", PARSE_TEXTS, ids=ascii)
def test_texts_of_syntax_errors(ctx, code):
    error = thrown_by(ctx, code)
    assert type(error) is JSParseException
    assert str(error) == PARSE_TEXTS[code]


def test_every_column_is_marked(ctx):
    """V8 words the error differently from version to version; the marks below the source line are ours."""
    lines = str(thrown_by(ctx, "   foo bar")).split("\n")
    assert lines[0].startswith("<anonymous>:1: SyntaxError: Unexpected identifier")
    assert lines[1:4] == ["   foo bar", "       ^^^", ""]


def test_only_code_that_does_not_compile_is_a_parse_exception(ctx):
    for code in ("eval('1 +')", "new Function('return (')", "JSON.parse('{')", "throw new SyntaxError('thrown')"):
        error = thrown_by(ctx, code)
        assert type(error) is JSEvalException
        assert error.name == "SyntaxError"


# --- attributes ---


def test_attributes_of_an_error(ctx):
    code = "function f() { throw new RangeError('deep') }\nfunction g() { f() }\ng()"
    error = thrown_by(ctx, code, filename="a.js")
    assert (error.name, error.js_message) == ("RangeError", "deep")
    assert (error.filename, error.line, error.column) == ("a.js", 1, 16)
    assert error.frames == (("f", "a.js", 1, 22), ("g", "a.js", 2, 16), (None, "a.js", 3, 1))
    assert isinstance(error.value, JSMappedObject)
    assert error.value["message"] == "deep"


STACKS = """
class Thing {
    constructor(deep) { if (deep) new Thing(deep - 1); else this.fail() }
    fail() { [1].forEach(() => { throw new Error("here") }) }
}
function stackOf() { try { new Thing(2) } catch (error) { return error.stack } }
function sitesOf() {
    const old = Error.prepareStackTrace;
    Error.prepareStackTrace = (_, sites) => sites.map(site => `${site.getLineNumber()}:${site.getColumnNumber()}`).join();
    try { return stackOf() } finally { Error.prepareStackTrace = old }
}
"""


@pytest.mark.parametrize("limit", [2, 9, 200])
def test_where_the_frames_of_a_stack_are(ctx, limit):
    ctx.eval(STACKS + f"Error.stackTraceLimit = {limit}")
    frames = thrown_by(ctx, "new Thing(2)").frames
    assert [frame[2:] for frame in frames] == [(4, 40), (4, 18), (3, 66), (3, 35), (3, 35), (1, 1)]
    places = ["4:40", None, "4:18", "3:66", "3:35", "3:35", "6:28"][:limit]
    for _ in range(3):  # interpreted, and then compiled
        lines = ctx.eval("stackOf()").splitlines()[1:][: len(places)]
        assert [line.rstrip(")").partition("<anonymous>:")[2] or None for line in lines] == places
        assert ctx.eval("sitesOf()").replace("null:null", "").split(",")[: len(places)] == [p or "" for p in places]
        ctx.eval("for (let i = 0; i < 3000; i++) { stackOf(); sitesOf() }")


def test_attributes_of_a_syntax_error(ctx):
    error = thrown_by(ctx, "1;\n2 +* 3")
    assert (error.name, error.filename, error.line, error.column) == ("SyntaxError", "<anonymous>", 2, 4)
    assert error.js_message
    assert error.js_message in str(error)
    assert error.frames == ()
    assert isinstance(error.value, JSMappedObject)


@pytest.mark.parametrize(
    ("code", "value"),
    [("'text'", "text"), ("5", 5), ("1.5", 1.5), ("10n ** 30n", 10**30), ("true", True), ("null", None), ("''", "")],
)
def test_a_scalar_that_is_thrown(ctx, code, value):
    error = thrown_by(ctx, f"throw {code}")
    assert error.value == value
    assert type(error.value) is type(value)
    assert (error.name, error.js_message) == (None, None)
    assert (error.filename, error.line, error.column) == ("<anonymous>", 1, 1)
    assert error.frames == ((None, "<anonymous>", 1, 1),)


def test_a_symbol_that_is_thrown(ctx):
    error = thrown_by(ctx, "var symbol = Symbol('q'); throw symbol")
    assert isinstance(error.value, JSSymbol)
    assert error.value is ctx.eval("symbol")


def test_the_object_that_was_thrown_is_the_same_one(ctx):
    error = thrown_by(ctx, "var thrown = {code: 7}; throw thrown")
    assert error.value["code"] == 7
    ctx.eval("thrown.code = 8")
    assert error.value["code"] == 8


def test_name_and_message_are_those_of_any_object(ctx):
    error = thrown_by(ctx, "throw {name: 'A', message: 'B'}")
    assert (error.name, error.js_message) == ("A", "B")
    error = thrown_by(ctx, "throw Object.assign(new Error('m'), {name: 5, message: {}})")
    assert (error.name, error.js_message) == (None, None)


def test_an_exception_without_a_script_has_no_place():
    error = JSEvalException("text")
    assert (error.name, error.js_message, error.filename, error.line, error.column) == (None,) * 5
    assert error.frames == ()
    assert error.value is None


def test_errors_of_getters_setters_and_functions(ctx):
    victim = ctx.eval("({ get g() { throw new Error('got') }, set g(v) { throw new Error('set ' + v) } })")
    with pytest.raises(JSEvalException) as caught:
        _ = victim["g"]
    assert (caught.value.js_message, caught.value.frames[0][0]) == ("got", "get g")
    with pytest.raises(JSEvalException) as caught:
        victim["g"] = 5
    assert caught.value.js_message == "set 5"
    with pytest.raises(JSEvalException) as caught:
        ctx.eval("(function named(x) { throw new Error(x) })")("argument")
    assert (caught.value.js_message, caught.value.frames[0][0]) == ("argument", "named")


def test_a_missing_key(ctx):
    with pytest.raises(JSKeyError) as caught:
        _ = ctx.eval("({})")["missing"]
    assert caught.value.args == ("No such key found in object",)
    assert ctx.eval("({present: undefined})")["present"] is JSUndefined


# --- throws that are meant to hurt ---

HOSTILE = {
    "toString throws": "throw {toString() { throw 1 }}",
    "toString is no function": "throw {toString: 5, valueOf: 5}",
    "toString returns an object": "throw {toString() { return {} }, valueOf() { return {} }}",
    "toString throws itself": "var o = {toString() { throw o }}; throw o",
    "name throws": "throw {get name() { throw 1 }}",
    "message throws": "throw {get message() { throw 1 }}",
    "stack throws": "throw {get stack() { throw 1 }}",
    "all throw": "throw new Proxy({}, new Proxy({}, {get() { throw new Error('trap') }}))",
    "proxy of a function": "throw new Proxy(function () {}, {get() { throw 1 }})",
    "revoked proxy": "var r = Proxy.revocable({}, {}); r.revoke(); throw r.proxy",
    "null prototype": "throw Object.create(null)",
    "error without prototype": "throw Object.setPrototypeOf(new Error('x'), null)",
    "error's prototype is broken": "Object.defineProperty(Error.prototype, 'name', {get() { throw 1 }}); throw new Error('x')",
    "toString of Error is broken": "Error.prototype.toString = () => { throw 1 }; throw new Error('x')",
    "stack is no string": "throw Object.assign(new Error('x'), {stack: {toString() { throw 1 }}})",
    "stack is long": "throw Object.assign(new Error('x'), {stack: 'y'.repeat(1e6)})",
    "name is long": "throw Object.assign(new Error('x'), {name: 'y'.repeat(1e6)})",
    "prepareStackTrace throws": "Error.prepareStackTrace = () => { throw 1 }; throw new Error('x')",
    "prepareStackTrace returns undefined": "Error.prepareStackTrace = () => undefined; throw new Error('x')",
    "stackTraceLimit is NaN": "Error.stackTraceLimit = NaN; throw new Error('x')",
    "endless recursion": "(function f() { f() })()",
    "endless recursion in toString": "throw {toString() { return `${this}` }}",
    "endless recursion in a getter": "throw {get name() { return this.name }, get message() { return this.message }}",
    "throws in finally": "try { throw 1 } finally { throw 2 }",
    "undefined rejected in a microtask": "Promise.reject(); throw new Error('x')",
    "global object": "throw globalThis",
    "very long line": "/*" + " " * 1_000_000 + "*/ throw 1",
}


@pytest.mark.parametrize("code", [pytest.param(code, id=name) for name, code in HOSTILE.items()])
def test_hostile_throws(ctx, code):
    error = thrown_by(ctx, code, timeout_sec=30)
    assert type(error) is JSEvalException
    assert str(error).startswith("<anonymous>:1: ")
    assert ctx.eval("1 + 1") == 2


def test_a_recursion_without_end_is_a_range_error(ctx):
    for _ in range(3):
        error = thrown_by(ctx, "(function f() { f() })()")
        assert error.name == "RangeError"
        assert "call stack" in str(error.js_message)
        assert 0 < len(error.frames) <= 100


def test_hundreds_of_errors_leave_nothing(ctx):
    for _ in range(300):
        thrown_by(ctx, "throw {some: 'object'}")
    gc.collect()
    assert ctx._ctx.value_count() == 0


# --- the tree ---


def test_the_tree_of_exceptions():
    ours: tuple[type[Exception], ...] = (
        JSEvalException,
        JSPromiseError,
        JSArrayIndexError,
        JSConversionException,
        WrongReturnTypeException,
        LibNotFoundError,
        LibIncompatibleError,
        LibAlreadyInitializedError,
    )
    assert all(issubclass(error, MiniRacerBaseException) for error in ours)
    thrown: tuple[type[Exception], ...] = (
        JSParseException,
        JSTimeoutException,
        JSOOMException,
        JSTerminatedException,
        JSKeyError,
        JSValueError,
    )
    assert all(issubclass(error, JSEvalException) for error in thrown)
    assert issubclass(JSTimeoutException, TimeoutError)
    assert issubclass(JSKeyError, KeyError)
    assert issubclass(JSValueError, ValueError)
    assert issubclass(JSArrayIndexError, IndexError)
    assert issubclass(JSClosedException, JSTerminatedException)


def test_texts_that_programs_look_for():
    assert str(JSTimeoutException()) == "JavaScript was terminated by timeout"
    assert str(JSOOMException()) == "JavaScript memory limit reached"
    assert str(JSTerminatedException()) == "JavaScript was terminated"
    assert str(JSArrayIndexError()) == "JSArray deletion out of range"
    assert str(WrongReturnTypeException(int)) == "Unexpected return value type <class 'int'>"
    assert str(JSPromiseError("why")) == "JavaScript rejected promise with reason: why\n"
    assert JSPromiseError("why").reason == "why"
    assert str(LibNotFoundError("/a/b.so")).startswith("Native library or dependency not available at /a/b.so")
    assert str(LibAlreadyInitializedError()) == ("MiniRacer was already initialized before the call to init_mini_racer")


def test_every_exception_is_public():
    from py_mini_racer import _exc

    defined = {name for name, value in vars(_exc).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert {name for name in defined if not name.startswith("_")} <= set(py_mini_racer.__all__)
