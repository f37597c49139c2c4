"""Stacks that run out: of JavaScript, of V8's own C++ functions, of ours, on large stacks and on small ones."""

from __future__ import annotations

from tests.hostile.case import TOO_MUCH, Case, Defect, excused

_DEEP = 200_000
RANGE = "RangeError"

_RECURSIONS = {
    "a function": "(function f() { return f() + 1; })()",
    "a function with many locals": f"(function f(a) {{ const {', '.join(f'x{i} = a' for i in range(300))}; return f(x0) + x299; }})(1)",
    "an arrow function in map": "const f = x => [x].map(f); f(1)",
    "a getter": "({ get x() { return this.x; } }).x",
    "a setter": "({ set x(v) { this.x = v; } }).x = 1",
    "a proxy of itself": "const p = new Proxy({}, { get: (t, k, r) => r[k] }); p.x",
    "a chain of proxies": f"let p = {{}}; for (let i = 0; i < {_DEEP}; i++) p = new Proxy(p, {{}}); p.x",
    "a chain of proxies, as prototype": f"let p = {{}}; for (let i = 0; i < {_DEEP}; i++) p = new Proxy(p, {{}}); Object.create(p) instanceof Array",
    "a chain of proxies, asked whether it is an array": f"let p = []; for (let i = 0; i < {_DEEP}; i++) p = new Proxy(p, {{}}); Array.isArray(p)",
    "toString": "const o = { toString() { return `${o}`; } }; `${o}`",
    "Symbol.toPrimitive": "const o = { [Symbol.toPrimitive]() { return +o; } }; +o",
    "toJSON": "const o = { toJSON() { return JSON.stringify(o); } }; JSON.stringify(o)",
    "JSON.stringify of what is nested": f"let a = []; for (let i = 0; i < {_DEEP}; i++) a = [a]; JSON.stringify(a).length",
    "JSON.parse with a reviver of what is nested": f"JSON.parse('['.repeat({_DEEP}) + ']'.repeat({_DEEP}), (k, v) => v).length",
    "regular expression, groups": "new RegExp('('.repeat(1e6) + ')'.repeat(1e6))",
    "regular expression, lookaheads": "new RegExp('(?='.repeat(1e5) + ')'.repeat(1e5)).test('a')",
    "regular expression, class": "new RegExp('(?:a|'.repeat(1e5) + ')'.repeat(1e5)).test('b')",
    "parser, brackets": "eval('['.repeat(1e6))",
    "parser, parentheses": "eval('('.repeat(1e6) + '1' + ')'.repeat(1e6))",
    "parser, braces": "eval('{'.repeat(1e6) + '}'.repeat(1e6))",
    "parser, operators": "eval('-'.repeat(1) + '~'.repeat(1e6) + '1')",
    "parser, functions": "eval('(function(){'.repeat(1e5) + '})'.repeat(1e5))",
    "parser, arrows": "eval('a=>'.repeat(1e6) + '1')",
    "parser, templates": "eval('`${'.repeat(1e5) + '1' + '}`'.repeat(1e5))",
    "parser, ternaries": "eval('1?'.repeat(1e6) + '1' + ':1'.repeat(1e6))",
    "parser, destructuring": "eval('var ' + '['.repeat(1e5) + 'a' + ']'.repeat(1e5) + '=1')",
    "parser, a sum": "eval('1' + '+x'.repeat(1e6))",
    "parser, a comma list": "eval('x=1' + ',x'.repeat(1e6))",
    "parser, else if": "eval('if(0);' + 'else if(0);'.repeat(1e5))",
    "parser, member calls": "eval('x' + '.a()'.repeat(1e6))",
    "a chain of bound functions": f"let f = () => 1; for (let i = 0; i < {_DEEP}; i++) f = f.bind(null); f()",
    "a chain of bound functions, constructed": f"let f = class {{}}; for (let i = 0; i < {_DEEP}; i++) f = f.bind(null); new f(); 1",
    "Array.flat": f"let a = []; for (let i = 0; i < {_DEEP}; i++) a = [a]; a.flat(Infinity).length",
    "Array.toString": f"let a = []; for (let i = 0; i < {_DEEP}; i++) a = [a]; String(a)",
    "eval in eval": "const f = () => eval('f()'); f()",
    "new Function in new Function": "globalThis.f = () => Function('return f()')(); f()",
    "comparator": "const f = (a, b) => { [2, 1].sort(f); return 0; }; [2, 1].sort(f)",
    "replacer": "const f = () => 'x'.replace(/x/, f); f()",
    "reviver": "const f = (k, v) => JSON.parse('1', f); JSON.parse('1', f)",
    "iterator": "const o = { [Symbol.iterator]() { return [...o]; } }; [...o]",
    "generators in generators": "function* g() { yield* g(); } [...g()]",
    "instanceof": "const o = { [Symbol.hasInstance](x) { return x instanceof o; } }; 1 instanceof o",
    "Reflect.construct": "function f() { return Reflect.construct(f, []); } f()",
    "a class and its parents": f"let C = class {{}}; for (let i = 0; i < {_DEEP}; i++) C = class extends C {{}}; new C(); 1",
    "a chain of prototypes": f"let o = {{}}; for (let i = 0; i < {_DEEP}; i++) o = Object.create(o); o.x",
    "too many arguments": "Math.max(...Array(1e7).fill(1))",
    "too many arguments, by apply": "(function () { return arguments.length; }).apply(null, Array(1e7).fill(1))",
    "too many characters": "String.fromCharCode.apply(null, Array(1e7).fill(65))",
    "a deep rope of strings": "let s = 'a'; for (let i = 0; i < 1e6; i++) s = 'b' + s + 'c'; s.indexOf('a')",
    "prepareStackTrace": "Error.prepareStackTrace = () => new Error().stack; new Error().stack",
    "what is thrown throws": "throw { toString() { throw { toString: () => String(new Error()) }; } }",
    "a chain of causes": f"let e = new Error('0'); for (let i = 0; i < {_DEEP}; i++) e = new Error(i, {{ cause: e }}); throw e",
    "a circle of causes": "const a = new Error('a'), b = new Error('b', { cause: a }); a.cause = b; throw a",
    "AggregateErrors": f"let e = new Error('0'); for (let i = 0; i < {_DEEP}; i++) e = new AggregateError([e]); throw e",
    "a chain of promises": f"let p = Promise.resolve(1); for (let i = 0; i < {_DEEP}; i++) {{ const q = p; p = new Promise(r => r(q)); }} 1",
    "thenables in thenables": "const t = { then(r) { r(t); } }; Promise.race([t]); (async () => { for (let i = 0; i < 1e4; i++) await 1; })(); let n = 0; t.then = r => { if (n++ < 1e5) r(t); else r(1); }; 1",
}

_ANY = "RangeError|value|SyntaxError|InternalError|Error|AggregateError|JSOOMException|JSParseException|JSTimeoutException|ReferenceError|JSEvalException"

_WASM_RECURSION = (
    "new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0,"
    " 10, 6, 1, 4, 0, 16, 0, 11]))).exports.f()"
)

# On a thread with a stack of 512 KB, as musl's are small and a service's may be.
_SMALL = (
    "a function",
    "a function with many locals",
    "a getter",
    "a chain of proxies",
    "toString",
    "JSON.stringify of what is nested",
    "regular expression, groups",
    "parser, parentheses",
    "parser, functions",
    "Array.flat",
    "Array.toString",
    "eval in eval",
    "comparator",
    "too many arguments",
    "a deep rope of strings",
    "a class and its parents",
)

_EXACT = {
    "a function", "a function with many locals", "an arrow function in map", "a getter", "a setter", "toString", "Symbol.toPrimitive",
    "Array.toString", "eval in eval", "comparator", "too many arguments", "generators in generators",
}  # fmt: skip

_CASES = [
    *(Case(name, code, RANGE if name in _EXACT else _ANY, max_memory=256 << 20) for name, code in _RECURSIONS.items()),
    *(
        Case(
            f"{name}, 512 KB",
            _RECURSIONS[name],
            RANGE if name in _EXACT else _ANY,
            "small_thread",
            max_memory=256 << 20,
        )
        for name in _SMALL
    ),
    Case("WebAssembly recursion", _WASM_RECURSION, RANGE, needs=("webassembly",)),
    Case("WebAssembly recursion, 512 KB", _WASM_RECURSION, RANGE, "small_thread", needs=("webassembly",)),
    Case(
        "a copy of what is nested",
        f"let a = []; for (let i = 0; i < {_DEEP}; i++) a = [a]; a",
        "JSConversionException",
        "copy",
        max_memory=256 << 20,
    ),
    Case(
        "a copy of what is nested, 512 KB",
        f"let a = []; for (let i = 0; i < {_DEEP}; i++) a = [a]; a",
        "JSConversionException",
        "copy_on_small_thread",
        max_memory=256 << 20,
    ),
    Case(
        "a copy of nested Maps",
        f"let a = new Map(); for (let i = 0; i < {_DEEP}; i++) a = new Map([[1, a]]); a",
        "JSConversionException",
        "copy",
        max_memory=256 << 20,
    ),
    Case(
        "a copy as deep as can be asked for",
        f"let a = []; for (let i = 0; i < {_DEEP}; i++) a = [a]; a",
        "JSConversionException|RangeError|RecursionError",
        "copy_of_any_depth",
        max_memory=256 << 20,
    ),
    Case(
        "repr of what is nested",
        f"let a = []; for (let i = 0; i < {_DEEP}; i++) a = [a]; a",
        "value",
        "text",
        max_memory=256 << 20,
    ),
    Case(
        "callbacks that call back",
        "f => f()",
        "value|RangeError|RecursionError|JSConversionException",
        "callback_that_nests",
    ),
    Case(
        "callbacks that call back, 512 KB",
        "f => f()",
        "value|RangeError|RecursionError|Error|JSConversionException",
        "nest_on_small_thread",
    ),
    Case("code that is nested, from Python", "(" * 1_000_000, "JSParseException|RangeError"),
    Case("code of many lines, from Python", "x = [\n" * 100_000, "JSParseException|RangeError"),
    Case(
        "execute of what is nested",
        "[" * 50_000 + "]" * 50_000,
        "JSParseException|RangeError|RecursionError|value",
        "execute",
    ),
]

_COMPILER = Defect("V8 ends where it compiles a regular expression that is nested so deep", TOO_MUCH)

CASES = excused(
    _CASES,
    system={"regular expression, lookaheads": _COMPILER, "regular expression, class": _COMPILER},
    source={},
)
