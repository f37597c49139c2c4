"""Scripts that look for the host: for anything that was not handed in. The value of each is the list of what it found."""

from __future__ import annotations

from tests.hostile.case import Case

_NAMES = (
    "process require module exports Buffer global window self document Deno Bun fetch XMLHttpRequest WebSocket Worker importScripts navigator location "
    "print printErr write read readbuffer readline load quit version os Realm d8 performance python __python__ __builtins__ builtins pyimport gc "
    "__dirname __filename std scriptArgs Packages java console_host open exec system escape_host mr_eval miniRacer"
)

_LOOKS = {
    "names of other hosts": f"'{_NAMES}'.split(' ').filter(n => n in globalThis || (() => {{ try {{ return eval(`typeof ${{n}}`) !== 'undefined'; }} catch {{ return false; }} }})())",
    "names that are not ECMAScript's": "Object.getOwnPropertyNames(globalThis).filter(n => !/^[A-Z]/.test(n) && !['globalThis', 'undefined', 'eval', 'isFinite', 'isNaN', 'parseFloat', 'parseInt', 'decodeURI',"
    " 'decodeURIComponent', 'encodeURI', 'encodeURIComponent', 'escape', 'unescape', 'console', 'setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'queueMicrotask'].includes(n))",
    "symbols of the global object": "Object.getOwnPropertySymbols(globalThis).filter(s => s !== Symbol.toStringTag).map(String)",
    "the Function constructor": "const F = (() => {}).constructor, found = []; for (const n of ['process', 'require', 'module', 'Deno', 'python']) if (F(`return typeof ${n}`)() !== 'undefined') found.push(n); found",
    "the constructors of generators and async functions": "[function* () {}, async () => {}, async function* () {}].map(f => f.constructor).filter(C => { try { const f = C('return typeof process + typeof require'); return !f; } catch { return true; } })",
    "the global object, by this": "const g = (function () { return this; })(); g === globalThis ? [] : ['another global object']",
    "V8's natives": "const found = []; for (const n of ['%GetHeapUsage()', '%SystemBreak()', '%DebugPrint(1)', '%AbortJS(\"x\")']) try { eval(n); found.push(n); } catch (e) { if (!(e instanceof SyntaxError)) found.push(n); } found",
    "caller and callee": "function f() { try { return f.caller ? [String(f.caller)] : []; } catch { return []; } } f()",
    "call sites of stack traces": "const found = []; Error.prepareStackTrace = (e, sites) => { for (const s of sites) { const t = s.getThis(); if (t && t !== globalThis) found.push(String(t));"
    " const n = s.getFileName(); if (n && n !== '<anonymous>') found.push(n); } }; new Error().stack; found",
    "shared memory of others": "Object.getOwnPropertyNames(globalThis).filter(n => globalThis[n] instanceof (globalThis.SharedArrayBuffer || function () {}))",
    "stack traces": "new Error().stack.split('\\n').slice(1).filter(l => !/<anonymous>/.test(l))",
}

_IMPORTS = {
    "import() of a file": "import('/etc/passwd')",
    "import() of a module of Node": "import('fs')",
    "import() of a URL": "import('data:text/javascript,export default 1')",
    "import() with attributes": "import('/etc/passwd', { with: { type: 'json' } })",
}

_CALLBACK = {
    "a host function's properties": "f => Reflect.ownKeys(f).filter(k => !['length', 'name', 'prototype', 'arguments', 'caller'].includes(k)).map(String)",
    "a host function's prototype": "f => Object.getPrototypeOf(f) === Function.prototype ? [] : ['another prototype']",
    "a host function's source": "f => /native code/.test(Function.prototype.toString.call(f)) ? [] : [Function.prototype.toString.call(f)]",
    "a host function's dunders": "f => ['__globals__', '__code__', '__closure__', '__builtins__', '__self__', '__class__', '__dict__', '__module__', 'im_func', 'func_globals'].filter(n => f[n] !== undefined)",
    "a host function's error": "f => { try { f('raise'); } catch (e) { return [...Reflect.ownKeys(e).filter(k => !['stack', 'message', 'name', 'cause'].includes(k)).map(String),"
    " ...['__traceback__', '__context__', '__cause__', 'args', 'with_traceback', 'tb_frame', '__class__'].filter(n => e[n] !== undefined),"
    " .../\\.py\\b|\\/usr|line \\d+, in/.test(e.stack + e.message) ? [e.stack] : []]; } return ['nothing was raised']; }",
    "a host function as a constructor": "f => { try { const o = new f(); return typeof o === 'object' && Object.getPrototypeOf(o) !== Object.prototype && Object.getPrototypeOf(o) !== f.prototype ? ['a foreign object'] : []; } catch { return []; } }",
    "a host function's receiver": "f => { 'use strict'; const found = f.call({ secret: 1 }); return found === 5 ? [] : [String(found)]; }",
}

CASES = [
    *(Case(name, code, "value", "copy", "[]") for name, code in _LOOKS.items()),
    *(
        Case(name, code, "JSPromiseError|TypeError|Error|JSParseException", "wait", timeout_sec=2.0)
        for name, code in _IMPORTS.items()
    ),
    *(Case(name, code, "value", "look_at_host_function", "[]") for name, code in _CALLBACK.items()),
    Case("the stack of a host function's caller", "f => f('stack')", "value", "look_at_host_function"),
    Case("a handle of another context", "({})", "JSConversionException|JSValueError|JSEvalException", "foreign_handle"),
    Case(
        "an object that pretends to be a promise",
        "({ then: f => f(7), [Symbol.toStringTag]: 'Promise' })",
        "value",
        "text",
    ),
    Case("an object that pretends to be a date", "Object.setPrototypeOf({}, Date.prototype)", "value", "copy"),
    Case(
        "an object that pretends to be a buffer",
        "Object.setPrototypeOf({ length: 1e9, buffer: {} }, Uint8Array.prototype)",
        "value|TypeError",
        "copy",
    ),
    Case(
        "an error that pretends to be Python's",
        "throw Object.assign(new Error('KeyboardInterrupt'), { name: 'SystemExit', __cause__: 1 })",
        "SystemExit",
        "evaluate",
    ),
    Case("import as a statement", "import fs from 'fs'", "JSParseException"),
    Case("an HTML comment and a hashbang", "#!/bin/sh\n<!-- x\n[]", "value", "copy", "[]"),
]
