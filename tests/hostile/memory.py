"""Memory bombs. All are functions: once they are stopped, what they made is garbage. The last ones keep it."""

from __future__ import annotations

from tests.hostile.case import ABORT, DEAF, NO_ROOM, PEAK, UNCOUNTED, Case, body, excused

_HEAP = {
    "array of numbers": "const a = []; for (;;) a.push(a.length);",
    "array of objects": "const a = []; for (;;) a.push({});",
    "array concatenated with itself": "let a = [1]; for (;;) a = a.concat(a);",
    "array of arrays": "let a = []; for (;;) a = [a, [1, 2, 3]];",
    "strings": "const a = []; for (let i = 0; ; i++) a.push(Array(1e4).fill(i).join());",
    "strings, concatenated one by one": "let s = ''; for (;;) s += 'abcdefghijklmnop' + s.length;",
    "strings, padded": "const a = []; for (let i = 1; ; i++) { const s = 'x'.padStart(1e5, i); s.at(5); a.push(s); }",
    "Map": "const m = new Map(); for (let i = 0; ; i++) m.set(i, {});",
    "Set": "const m = new Set(); for (let i = 0; ; i++) m.add(i + 0.5);",
    "WeakMap with keys that live": "const m = new WeakMap(), a = []; for (;;) { const k = {}; m.set(k, {}); a.push(k); }",
    "symbols as properties": "const o = {}; for (;;) o[Symbol()] = 1;",
    "JSON.parse": "const a = [], s = '[' + '{\"a\":[1,2,3]},'.repeat(1000) + '1]'; for (;;) a.push(JSON.parse(s));",
    "JSON.stringify": "const a = [], o = Array(1e4).fill(1); for (;;) { o[0]++; a.push(JSON.stringify(o)); }",
    "regular expression, matches": "const a = [], s = 'ab'.repeat(1e4); for (;;) a.push(s.match(/a(b)/g), [...s.matchAll(/a(b)/g)]);",
    "replace": "const a = []; for (let i = 0; ; i++) a.push('x'.repeat(1e4).replace(/x/g, () => i));",
    "sort": "const a = []; for (;;) a.push(Array.from({length: 1e5}, (_, i) => -i).sort());",
    "spread": "let a = [1, 2, 3]; for (;;) a = [...a, ...a];",
    "BigInt": "const a = []; for (let i = 0n; ; i++) a.push((1n << 100000n) + i);",
    "generators": "function* g() { yield [1, 2]; } const a = []; for (;;) { const i = g(); i.next(); a.push(i); }",
    "a generator without end, spread": "function* g() { for (let i = 0; ; i++) yield {i}; } [...g()];",
    "Array.from without end": "Array.from({[Symbol.iterator]: () => ({next: () => ({value: {}, done: false})})});",
    "closures": "const a = []; for (;;) { const x = {}; a.push(() => x); }",
    "new Function": "const a = []; for (let i = 0; ; i++) a.push(new Function('return ' + i + '+' + i));",
    "promises": "const a = []; for (;;) a.push(new Promise(() => {}).then(() => 1));",
    "async functions that wait": "const a = []; for (;;) a.push((async () => { await new Promise(() => {}); })());",
    "microtasks": "for (;;) Promise.resolve({}).then(() => 1);",
    "rejections": "for (;;) Promise.reject({});",
    "errors with stacks": "const a = []; for (;;) a.push(new Error('x' + a.length));",
    "proxies": "let p = {}; for (;;) p = new Proxy(p, {});",
    "bound functions": "let f = () => 1; for (;;) f = f.bind(null, {});",
    "weak references": "const a = []; for (;;) { const o = {}; a.push(o, new WeakRef(o)); }",
    "finalization registry": "const r = new FinalizationRegistry(() => {}), a = []; for (;;) { const o = {}; a.push(o); r.register(o, {}); }",
}

# Memory that is not V8's heap.
_BUFFERS = {
    "ArrayBuffers": "const a = []; for (;;) a.push(new ArrayBuffer(1e6));",
    "ArrayBuffers of no size to speak of": "const a = []; for (;;) a.push(new ArrayBuffer(100));",
    "typed arrays": "const a = []; for (;;) a.push(new Float64Array(1e5).fill(1));",
    "one ArrayBuffer": "new ArrayBuffer(2 ** 31).byteLength;",
    "ArrayBuffers, sliced": "const a = [], b = new ArrayBuffer(1e6); for (;;) a.push(b.slice(0));",
    "ArrayBuffers of no size": "const a = []; for (;;) a.push(new ArrayBuffer(0));",
}

_GROWING = {
    "a resizable ArrayBuffer": "const a = []; for (;;) { const b = new ArrayBuffer(1, {maxByteLength: 1e7}); b.resize(1e7); new Uint8Array(b).fill(1); a.push(b); }",
    "ArrayBuffers, transferred": "const a = []; for (;;) a.push(new ArrayBuffer(1e3).transfer(1e6));",
}

_WASM = {
    "WebAssembly memory that grows": "const m = new WebAssembly.Memory({initial: 1, maximum: 65536}); for (;;) { m.grow(16); new Uint8Array(m.buffer).fill(1); }",
    "WebAssembly memories": "const a = []; for (;;) { const m = new WebAssembly.Memory({initial: 16}); new Uint8Array(m.buffer).fill(1); a.push(m); }",
    "WebAssembly table": "const t = new WebAssembly.Table({initial: 1, element: 'externref'}); for (;;) t.grow(1e5, {});",
}

_INTL = {
    "Intl objects": "const a = []; for (;;) a.push(new Intl.DateTimeFormat('de', {dateStyle: 'full'}), new Intl.Collator('sv'));",
    "Intl objects that know ranges": "const a = []; for (;;) { const f = new Intl.DateTimeFormat('de', {dateStyle: 'full'}); f.formatRange(0, 1e11); a.push(f); }",
    "texts in segmenters": "const a = [], s = 'ab '.repeat(3e5), g = new Intl.Segmenter('de'); for (;;) a.push(g.segment(s));",
}

# One step that wants more than there can be: V8 has to refuse it, or to be told to.
_AT_ONCE = {
    "'y'.repeat(1.5e8).split('')": "'y'.repeat(1.5e8).split('').length;",
    "Array.from('y'.repeat(1.5e8))": "Array.from('y'.repeat(1.5e8)).length;",
    "'y'.repeat(1.5e8).match(/y/g)": "'y'.repeat(1.5e8).match(/y/g).length;",
    "'y'.repeat(1.5e8).replace(/y/g, 'zz')": "'y'.repeat(1.5e8).replace(/y/g, 'zz').length;",
    "'y'.repeat(1.5e8).replaceAll('y', 'zz')": "'y'.repeat(1.5e8).replaceAll('y', 'zz').length;",
    "JSON.parse of 140 million numbers": "JSON.parse('[' + '1,'.repeat(1.4e8) + '1]').length;",
    "a huge string, flattened": "let s = 'xy'.repeat(2 ** 27); s += 'z'; s.charCodeAt(1e6);",
    "a huge string, in upper case": "'y'.repeat(2 ** 28).toUpperCase().length;",
    "JSON.stringify of a huge string": "JSON.stringify('\\u0001'.repeat(1e8)).length;",
    "new Array(2 ** 25 + 1).fill(0)": "new Array(2 ** 25 + 1).fill(0).length;",
    "Array(2 ** 32 - 1).join('xy')": "Array(2 ** 32 - 1).join('xy').length;",
    "a BigInt beyond all": "1n << (2n ** 30n);",
    "2n ** 2n ** 30n": "2n ** (2n ** 40n);",
    "String.fromCharCode of 10 million": "String.fromCharCode(...new Uint16Array(1e7)).length;",
    "Array.apply of 100 million": "Array.apply(null, {length: 1e8}).length;",
    "a regular expression of 20 million characters": "new RegExp('a'.repeat(2e7)).test('a');",
    "a string of 2 ** 25 for Python": "return 'y'.repeat(2 ** 25);",
    "encodeURIComponent of a huge string": "encodeURIComponent('\\u20ac'.repeat(1e8)).length;",
}

# What still fits, and the one step that does not. All are stopped, at least by the limit: none comes to a value.
_ALMOST = {
    "what fits, in upper case": "'y'.repeat(6e7).toUpperCase().length;",
    "what fits, in lower case": "'\\u0100'.repeat(2e7).toLowerCase().length;",
    "what fits, normalized": "'\\u00e9'.repeat(3e7).normalize('NFD').length;",
    "what fits, as JSON": "JSON.stringify('\\u0001'.repeat(3e7)).length;",
    "what fits, as JSON, two-byte": "JSON.stringify(['\\u0001'.repeat(1e7), '\\u0100\\n'.repeat(1e7)]).length;",
    "what fits, as JSON, often": "JSON.stringify(Array(1e4).fill('y'.repeat(1e5))).length;",
    "numbers as JSON, often": "const b = Array(3e3).fill(-1.2345678901234567e-100); JSON.stringify(Array(3e3).fill(Array(10).fill(b))).length;",
    "what fits, with indents, as JSON": "JSON.stringify(Array(1e4).fill('y'.repeat(1e5)), null, 1).length;",
    "JSON.parse of 25 million numbers": "JSON.parse('[' + '1,'.repeat(2.5e7) + '1]').length;",
    "JSON.parse of 25 million fractions": "JSON.parse('[' + '.5,'.repeat(1.2e7).replaceAll('.', '0.') + '1]').length;",
    "JSON.parse of 12 million nulls": "JSON.parse('[' + 'null,'.repeat(1.2e7) + '1]').length;",
    "what fits, encoded": "encodeURIComponent('\\u20ac'.repeat(1.5e7)).length;",
    "what fits, escaped": "escape('\\u20ac'.repeat(1.5e7)).length;",
    "what fits, split": "'y'.repeat(6e7).split('').length;",
    "what fits, split by itself": "'yz'.repeat(3e7).split('z').length;",
    "what fits, matched": "'y'.repeat(6e7).match(/y/g).length;",
    "what fits, replaced": "'y'.repeat(6e7).replace(/y/g, 'zz').length;",
    "what fits, replaced by a function": "'y'.repeat(6e7).replace(/y/g, () => 'zz').length;",
    "what fits, replaced by all of it": "let s = 'y'.repeat(1e7); for (;;) s = s.replace('y', s);",
    "what fits, joined": "Array(100).fill('y'.repeat(1e6)).join().length;",
    "what fits, added to in a loop that is hot": "const f = (a, b) => a + b; for (let i = 0; i < 2e6; i++) f('abcdefghijkl', 'nopqrstu' + i); let s = 'y'.repeat(1e6); for (;;) s = f(s, s);",
    "two-byte, added to in a loop that is hot": "const f = (a, b) => a.concat(b); for (let i = 0; i < 2e6; i++) f('abcdefghijkl', 'nopqrstu' + i); let s = '\\u0100'.repeat(1e6); for (;;) { s = f(s, s); s.charCodeAt(1e6); }",
    "arguments of 60 million": "Array.apply(null, new Uint8Array(6e7)).length;",
    "arguments from an array": "Reflect.ownKeys.apply(null, Array(1.5e7).fill(0)).concat(Array(1.5e7)).length;",
    "entries of 60 million bytes": "Object.entries(new Uint8Array(6e7)).length;",
    "an array that is pushed to, hot": "const f = (a, x) => a.push(x); for (let i = 0, a = []; i < 1e6; i++) f(a, i); for (let i = 0, a = []; ; i++) f(a, i);",
    "an array that is stored to, hot": "const f = (a, i) => { a[i] = i + 0.5; }; for (let i = 0, a = []; i < 1e6; i++) f(a, i); for (let i = 0, a = []; ; i++) f(a, i);",
}

_BIG = "value|RangeError|JSOOMException|JSTimeoutException|TypeError|SyntaxError|JSConversionException"

_CASES = [
    *(Case(name, body(code), "JSOOMException") for name, code in _HEAP.items()),
    *(Case(name, body(code), "RangeError|JSOOMException") for name, code in _BUFFERS.items()),
    *(Case(name, body(code), "RangeError|JSOOMException", needs=("source",)) for name, code in _GROWING.items()),
    *(Case(name, body(code), "RangeError|JSOOMException", needs=("webassembly",)) for name, code in _WASM.items()),
    *(Case(name, body(code), "JSOOMException|RangeError", needs=("intl",)) for name, code in _INTL.items()),
    *(Case(name, body(code), _BIG) for name, code in _AT_ONCE.items()),
    *(Case(name, body(code), "JSOOMException|RangeError", needs=("source",)) for name, code in _ALMOST.items()),
    Case(
        "an error whose message is huge",
        body("throw new Error('y'.repeat(2 ** 28));"),
        "Error|RangeError|JSOOMException",
    ),
    Case("globals that keep all of it", "var a = []; for (;;) a.push([]);", "JSOOMException", survives=False),
    Case(
        "JSON.parse with a reviver that keeps",
        body("const a = []; JSON.parse('[' + '1,'.repeat(1e5) + '1]', (k, v) => { for (;;) a.push({}); });"),
        "JSOOMException",
    ),
    Case("a getter that hoards", "({ get x() { const a = []; for (;;) a.push({}); } })", "JSOOMException", "get"),
    Case(
        "a getter of what is copied", "({ get x() { const a = []; for (;;) a.push({}); } })", "JSOOMException", "copy"
    ),
    Case("toString of what is thrown", "throw { toString() { const a = []; for (;;) a.push({}); } }", "JSOOMException"),
    Case(
        "timers", body("for (;;) setTimeout(() => {}, 1e6, {});"), "JSTimeoutException|JSOOMException", timeout_sec=1.0
    ),
    Case("a bomb in a timer", "setTimeout(() => { const a = []; for (;;) a.push({}); }, 0)", "JSOOMException", "timer"),
    Case(
        "host errors that are kept",
        "f => { const a = []; for (;;) try { f(); } catch (e) { a.push(e, Array(1000).fill(a.length)); } }",
        "JSOOMException",
        "raising_callback",
    ),
    Case(
        "host functions that are kept",
        "f => { const a = []; for (;;) a.push(f(), Array(100).fill(a.length)); }",
        "JSOOMException",
        "callback_of_functions",
    ),
    Case(
        "a copy without end",
        "const a = []; for (let i = 0; i < 3e5; i++) a.push([i]); a.push(a); a",
        "value",
        "copy_and_forget",
    ),
    Case(
        "a copy that is larger than allowed",
        "Array(1e6).fill('x'.repeat(1e6))",
        "JSConversionException|JSOOMException",
        "copy_of_a_megabyte",
    ),
]

CASES = excused(
    _CASES,
    system={
        "array of numbers": PEAK,
        "array concatenated with itself": PEAK,
        "ArrayBuffers of no size to speak of": UNCOUNTED,
        "ArrayBuffers of no size": UNCOUNTED,
        "Intl objects": NO_ROOM,
        "Intl objects that know ranges": NO_ROOM,
        "texts in segmenters": NO_ROOM,
        "'y'.repeat(1.5e8).split('')": ABORT,
        "'y'.repeat(1.5e8).match(/y/g)": ABORT,
        "'y'.repeat(1.5e8).replace(/y/g, 'zz')": DEAF,
        "'y'.repeat(1.5e8).replaceAll('y', 'zz')": DEAF,
        "JSON.parse of 140 million numbers": NO_ROOM,
        "an error whose message is huge": ABORT,
        "a huge string, flattened": PEAK,
        "a huge string, in upper case": PEAK,
        "JSON.stringify of a huge string": DEAF,
        "new Array(2 ** 25 + 1).fill(0)": ABORT,
        "Array.apply of 100 million": NO_ROOM,
        "encodeURIComponent of a huge string": NO_ROOM,
    },
    source={},
)
