"""Scripts that replace what others rely on. Whatever Python asks for afterwards comes right, or is refused with an exception of ours."""

from __future__ import annotations

from tests.hostile.case import Case

_TRAP = "() => { throw new Error('trap'); }"
_LIE = "() => ({ then: 1, length: -1, done: false, value: null })"

_POLLUTION = {
    "Object.prototype, getters": "for (const k of ['x', '0', 'then', 'toJSON', 'length', 'name', 'message', 'stack', 'cause', 'value', 'get', 'set', 'done', 'next', 'raw'])"
    f" Object.defineProperty(Object.prototype, k, {{ __proto__: null, get: {_TRAP}, set() {{ throw 1; }}, configurable: true }});",
    "Object.prototype, values": "for (const k of ['x', '0', 'then', 'toJSON', 'length', 'get', 'set', 'value', 'writable', 'enumerable', 'constructor', 'buffers', 'handle'])"
    " Object.prototype[k] = 7;",
    "Object.prototype, numbered setters": "for (let i = 0; i < 20; i++) Object.defineProperty(Object.prototype, i, { __proto__: null, get() { throw 1; }, set() { throw 2; } });",
    "Array.prototype, numbered": f"for (let i = 0; i < 20; i++) Object.defineProperty(Array.prototype, i, {{ get: {_TRAP}, set: {_TRAP} }});",
    "Array.prototype, methods": f"for (const k of Object.getOwnPropertyNames(Array.prototype)) if (k !== 'length') try {{ Array.prototype[k] = {_TRAP}; }} catch {{}}",
    "Array.prototype, a proxy below": f"Object.setPrototypeOf(Array.prototype, new Proxy({{}}, {{ get: {_TRAP}, has: {_TRAP}, set: {_TRAP}, getPrototypeOf: {_TRAP} }}));",
    "Array.prototype, iterator": f"Array.prototype[Symbol.iterator] = {_LIE}; delete Array.prototype.values;",
    "iterators' next": f"Object.getPrototypeOf([][Symbol.iterator]()).next = {_TRAP}; Object.getPrototypeOf(new Map().entries()).next = {_TRAP}; Object.getPrototypeOf(new Set().values()).next = {_TRAP};",
    "Function.prototype": f"for (const k of ['call', 'apply', 'bind', 'toString', Symbol.hasInstance]) try {{ Object.defineProperty(Function.prototype, k, {{ value: {_TRAP} }}); }} catch {{}}",
    "Promise.prototype": f"for (const k of ['then', 'catch', 'finally', 'constructor']) Promise.prototype[k] = {_TRAP};",
    "Promise.prototype, endless": "Promise.prototype.then = () => { for (;;); };",
    "Promise": f"for (const k of ['resolve', 'reject', 'all', 'withResolvers']) Promise[k] = {_TRAP}; Promise = 1;",
    "Promise's species": f"Object.defineProperty(Promise, Symbol.species, {{ get: {_TRAP} }});",
    "String.prototype": f"for (const k of Object.getOwnPropertyNames(String.prototype)) if (k !== 'length') try {{ String.prototype[k] = {_TRAP}; }} catch {{}}",
    "Number and Boolean": f"Number.prototype.toString = Number.prototype.valueOf = Boolean.prototype.valueOf = BigInt.prototype.toString = {_TRAP};",
    "Symbol.prototype": f"Object.defineProperty(Symbol.prototype, Symbol.toPrimitive, {{ value: {_TRAP} }}); Object.defineProperty(Symbol.prototype, 'description', {{ get: {_TRAP} }});",
    "Date.prototype": f"for (const k of Object.getOwnPropertyNames(Date.prototype)) Date.prototype[k] = {_TRAP}; Date = 1;",
    "Map and Set": f"for (const C of [Map, Set, WeakMap]) for (const k of [...Object.getOwnPropertyNames(C.prototype), Symbol.iterator]) try {{ Object.defineProperty(C.prototype, k, {{ get: {_TRAP} }}); }} catch {{}}",
    "RegExp.prototype": f"for (const k of [...Object.getOwnPropertyNames(RegExp.prototype), Symbol.replace, Symbol.match]) try {{ Object.defineProperty(RegExp.prototype, k, {{ get: {_TRAP} }}); }} catch {{}}",
    "Error.prototype": f"for (const k of ['name', 'message', 'stack', 'toString', 'cause']) Object.defineProperty(Error.prototype, k, {{ get: {_TRAP} }}); Error.prepareStackTrace = {_TRAP};",
    "Error.stackTraceLimit": "Object.defineProperty(Error, 'stackTraceLimit', { get() { throw 1; } });",
    "Error, captureStackTrace and the rest": f"Error.captureStackTrace = {_TRAP}; Error.prepareStackTrace = (e, frames) => frames.map(f => [f.getThis(), f.getFunction()]); Error = TypeError = RangeError = null;",
    "typed arrays": f"for (const k of ['buffer', 'byteLength', 'byteOffset', 'length', Symbol.toStringTag]) Object.defineProperty(Object.getPrototypeOf(Uint8Array.prototype), k, {{ get: {_TRAP} }});"
    f" Object.defineProperty(ArrayBuffer.prototype, 'byteLength', {{ get: {_TRAP} }});",
    "JSON": f"JSON.stringify = JSON.parse = {_TRAP};",
    "JSON that lies": "JSON.stringify = () => '{\"a\": 1e999}'; JSON.parse = () => 7;",
    "JSON gone": "delete globalThis.JSON;",
    "Reflect and Proxy": f"for (const k of Object.getOwnPropertyNames(Reflect)) Reflect[k] = {_TRAP}; Proxy = 1;",
    "Object's functions": f"for (const k of Object.getOwnPropertyNames(Object)) if (k !== 'prototype') try {{ Object[k] = {_TRAP}; }} catch {{}}",
    "globals, one by one": "for (const k of Object.getOwnPropertyNames(globalThis)) try { delete globalThis[k]; } catch {}",
    "globals, frozen": "Object.freeze(globalThis); Object.freeze(Object.prototype); Object.freeze(Array.prototype); Object.freeze(Function.prototype);",
    "globals, getters": "for (const k of ['setTimeout', 'Object', 'Array', 'Promise', 'Error', 'JSON', 'undefined', 'NaN']) try { Object.defineProperty(globalThis, k, { get() { throw 1; } }); } catch {}",
    "globalThis, its prototype": f"Object.setPrototypeOf(globalThis, new Proxy({{}}, {{ has: {_TRAP}, get: {_TRAP}, set: {_TRAP} }}));",
    "globalThis, no prototype": "Object.setPrototypeOf(globalThis, null);",
    "timers": f"setTimeout = setInterval = clearTimeout = queueMicrotask = {_TRAP};",
    "Symbol's": "try { Symbol.iterator = 1; } catch {} Symbol = null;",
    "FinalizationRegistry and WeakRef": f"FinalizationRegistry.prototype.register = WeakRef.prototype.deref = {_TRAP}; FinalizationRegistry = WeakRef = null;",
    "everything that can be written": "const { ownKeys, defineProperty } = Reflect, all = [];"
    " for (const k of ownKeys(globalThis)) { const o = globalThis[k]; if (typeof o === 'function' || (typeof o === 'object' && o && o !== globalThis)) { all.push(o); if (o.prototype) all.push(o.prototype); } }"
    f" const trap = {_TRAP}, d = {{ __proto__: null, get: trap, set: trap }}; for (let i = 0; i < all.length; i++) {{ const keys = ownKeys(all[i]); for (let j = 0; j < keys.length; j++) try {{ defineProperty(all[i], keys[j], d); }} catch {{}} }}",
    "everything, endless": "const { ownKeys, defineProperty } = Reflect, all = [Object, Array, Function, Promise, Error, String, Map, Set, Date], d = { __proto__: null, get() { for (;;); }, set() { for (;;); } };"
    " for (let i = 0; i < 9; i++) { const p = all[i].prototype, keys = ownKeys(p); for (let j = 0; j < keys.length; j++) try { defineProperty(p, keys[j], d); } catch {} }",
}

CASES = [
    Case(name, f"(() => {{ {code} }})(); 1", "value", "pollute", timeout_sec=0.3) for name, code in _POLLUTION.items()
]
