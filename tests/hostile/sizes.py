"""Huge and sparse things, and things whose size is a lie, read from Python."""

from __future__ import annotations

from tests.hostile.case import ABORT, DEAF, MB, Case, excused

_ANY = "value|RangeError|TypeError|JSOOMException|JSTimeoutException|JSConversionException"
_CONVERSION = "JSConversionException"

_CASES = [
    Case("a sparse array, its length", "const a = []; a[2 ** 32 - 2] = 1; a", "value", "length", "4294967295"),
    Case("a sparse array, an element", "const a = []; a[2 ** 32 - 2] = 7; a", "value", "last", "7"),
    Case("a sparse array, copied", "const a = []; a[2 ** 32 - 2] = 1; a", _CONVERSION, "copy"),
    Case("an empty array of 4 billion, copied", "const a = []; a.length = 2 ** 32 - 1; a", _CONVERSION, "copy"),
    Case("a sparse array, printed", "const a = []; a[2 ** 32 - 2] = 1; a", "value", "text"),
    Case("a sparse array, joined", "const a = []; a[2 ** 32 - 2] = 1; a.join().length", _ANY, timeout_sec=2.0),
    Case("a sparse array, sorted", "const a = []; a[2 ** 32 - 2] = 1; a.sort().length", _ANY, timeout_sec=2.0),
    Case("a sparse array, reversed", "const a = []; a[2 ** 32 - 2] = 1; a.reverse().length", _ANY, timeout_sec=2.0),
    Case(
        "a sparse array, appended to from Python",
        "const a = []; a.length = 2 ** 32 - 1; a",
        "TypeError|RangeError",
        "append",
    ),
    Case("a sparse array, inserted into", "const a = []; a.length = 2 ** 32 - 1; a", _ANY, "insert", timeout_sec=2.0),
    Case("a sparse array, deleted from", "const a = []; a[2 ** 31] = 1; a", _ANY, "delete_first", timeout_sec=2.0),
    Case("a sparse array, spread", "const a = []; a[2 ** 32 - 2] = 1; Math.max(...a)", _ANY, timeout_sec=5.0),
    Case("a sparse array, concatenated", "const a = []; a[2 ** 32 - 2] = 1; a.concat(a).length", _ANY, timeout_sec=5.0),
    Case(
        "a sparse array, its keys",
        "const a = []; a[2 ** 32 - 2] = 1; a[7] = 1; Object.keys(a).length",
        "value",
        value="2",
    ),
    Case(
        "a sparse array in an object, copied",
        "({ rows: [1, { deep: Object.assign([], { length: 4e9 }) }] })",
        _CONVERSION,
        "copy",
    ),
    Case(
        "a proxy that lies about its length",
        "new Proxy([], { get: (t, k) => k === 'length' ? 2 ** 53 : t[k] })",
        _ANY,
        "length",
    ),
    Case(
        "a proxy that lies about its length, copied",
        "new Proxy([], { get: (t, k) => k === 'length' ? -5 : 1 })",
        _ANY,
        "copy",
    ),
    Case(
        "a proxy whose length is no number",
        "new Proxy([], { get: (t, k) => k === 'length' ? Symbol() : 1 })",
        _ANY,
        "length",
    ),
    Case(
        "a proxy that names a million keys, copied",
        "new Proxy({}, { ownKeys: () => Array.from({length: 1e6}, (_, i) => 'k' + i), getOwnPropertyDescriptor: () => ({ value: 1, enumerable: true, configurable: true }) })",
        _ANY,
        "copy",
        max_memory=256 << 20,
    ),
    Case("a revoked proxy, copied", "const r = Proxy.revocable({}, {}); r.revoke(); r.proxy", _ANY, "copy"),
    Case("a revoked proxy, its keys", "const r = Proxy.revocable({}, {}); r.revoke(); r.proxy", "TypeError", "keys"),
    Case(
        "an array that shrinks while it is copied",
        "const a = Array(1000).fill(1); Object.defineProperty(a, 0, { get() { a.length = 1; return 2; }, enumerable: true }); a",
        _ANY,
        "copy",
    ),
    Case(
        "an array that grows while it is copied",
        "const a = [1, 2, 3]; Object.defineProperty(a, 0, { get() { for (let i = 0; i < 1e5; i++) a.push(i); return 2; }, enumerable: true }); a",
        _ANY,
        "copy",
    ),
    Case(
        "a Map that grows while it is copied",
        "const m = new Map([[{ get x() { for (let i = 0; i < 1000; i++) m.set(i + Math.random(), 1); return 1; } }, 1]]); m",
        _ANY,
        "copy",
    ),
    Case(
        "a buffer that is detached while it is copied",
        "const b = new Uint8Array(1e5); [b, { get x() { b.buffer.transfer && b.buffer.transfer(); return 1; } }, b]",
        _ANY,
        "copy",
    ),
    Case(
        "a buffer of 8 GiB", "new Uint8Array(2 ** 33).length", "RangeError|JSOOMException", max_buffer_memory=64 << 20
    ),
    Case("a typed array of 2 ** 53 elements", "new Float64Array(2 ** 53 - 1)", "RangeError"),
    Case("a view of a view of a buffer", "new DataView(new ArrayBuffer(8), 8)", "value"),
    Case(
        "an array of 50 million, filled",
        "(() => { const a = new Array(5e7); for (let i = 0; i < 5e7; i++) a[i] = i; return a.length; })()",
        "JSOOMException|value",
        timeout_sec=30.0,
    ),
    Case(
        "an object of a million properties, copied",
        "(() => { const o = {}; for (let i = 0; i < 1e6; i++) o['key' + i] = i; return o; })()",
        _ANY,
        "copy",
    ),
    Case(
        "a string of 2 ** 29 - 24 characters, twice",
        "(() => { const s = 'x'.repeat(2 ** 29 - 24); return s + s; })()",
        "RangeError",
        max_memory=1536 * MB,
    ),
    Case("a property whose name is huge", "({ ['x'.repeat(1e7)]: 1 })", _ANY, "keys"),
    Case(
        "a function whose name is huge",
        "Object.defineProperty(() => 1, 'name', { value: 'x'.repeat(2 ** 27) })",
        "value",
        "text",
        max_memory=256 * MB,
    ),
    Case(
        "an error whose stack is huge",
        "const e = new Error('x'); e.stack = 'y'.repeat(1e8); throw e",
        "Error|JSOOMException",
    ),
    Case(
        "an error whose name is huge",
        "const e = new Error('x'); e.name = 'y'.repeat(1e7); throw e",
        "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy|Error|JSOOMException",
        "exception_text",
    ),
    Case("a symbol whose description is huge", "Symbol('y'.repeat(1e8))", "value", "text", max_memory=128 * MB),
    Case("a BigInt of a million digits, for Python", "10n ** 100000n", "value|JSConversionException"),
    Case("a date beyond all dates", "[new Date(8.64e15), new Date(-8.64e15), new Date(NaN)]", "value", "copy"),
    Case(
        "lone surrogates, everywhere",
        "({ ['\\ud800']: '\\udfff', a: [Symbol('\\udc00')] })",
        "value|JSConversionException",
        "copy",
    ),
]

CASES = excused(
    _CASES,
    system={
        "a sparse array, joined": DEAF,
        "a sparse array, sorted": DEAF,
        "a sparse array, reversed": DEAF,
        "a sparse array, inserted into": DEAF,
        "a sparse array, deleted from": DEAF,
        "an array of 50 million, filled": ABORT,
    },
    source={},
)
