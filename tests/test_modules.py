"""ES modules: loading, linking, evaluating, import(), import.meta, and all that can be wrong with them."""

from __future__ import annotations

import pytest

from py_mini_racer import (
    JSEvalException,
    JSImportError,
    JSModule,
    JSParseException,
    JSPromiseError,
    JSTimeoutException,
    JSUndefined,
    MiniRacer,
)

EMPTY_WASM = b"\0asm\1\0\0\0"
# (module (import "./env.js" "twice" (func (param i32) (result i32))) (global (export "seven") i32 (i32.const 7))
#   (func (export "run") (param i32) (result i32) (call 0 (local.get 0))))
WASM = (
    b"\0asm\1\0\0\0\1\6\1`\1\x7f\1\x7f\2\x12\1\x08./env.js\5twice\0\0\3\2\1\0\6\6\1\x7f\0\x41\7\x0b"
    b"\7\x0f\2\5seven\3\0\3run\0\1\n\x08\1\6\0 \0\x10\0\x0b"
)


def error_of(action, *arguments, kind=JSEvalException, **options):
    with pytest.raises(kind) as caught:
        action(*arguments, **options)
    return caught.value


# --- importing ---


def test_static_imports_and_live_bindings():
    modules = {
        "main.js": "import { n, next } from './lib/counter.js'; export { n, next }; export default n;",
        "lib/counter.js": "export { n } from './state.js'; import { add } from './state.js'; export const next = () => add(1);",
        "lib/state.js": "export let n = 1; export function add(more) { return n += more; }",
    }
    with MiniRacer(modules=modules) as ctx:
        main = ctx.import_module("main.js")
        assert isinstance(main, JSModule)
        assert (main.n, main["n"], main.default) == (1, 1, 1)
        assert main.next() == 2
        assert (main.n, main["n"], main.default) == (2, 2, 1)
        assert sorted(main) == ["default", "n", "next"]
        assert "next" in dir(main)
        assert ctx.import_module("./main.js") is main
        with pytest.raises(AttributeError, match="exports no 'zip'"):
            _ = main.zip
        with pytest.raises(KeyError):
            _ = main["zip"]
        with pytest.raises(JSEvalException, match="read only|Cannot"):
            ctx.eval("(m) => { 'use strict'; m.n = 5 }")(main)


def test_a_module_is_evaluated_once():
    with MiniRacer(
        modules={"a.js": "globalThis.count = (globalThis.count ?? 0) + 1;", "b.js": "import './a.js';"}
    ) as ctx:
        for name in ("a.js", "b.js", "a.js"):
            ctx.import_module(name)
        assert ctx.eval("count") == 1


def test_the_order_of_evaluation():
    modules = {
        "a.js": "import './b.js'; import './c.js'; log.push('a');",
        "b.js": "import './d.js'; import './a.js'; log.push('b');",
        "c.js": "import './d.js'; log.push('c');",
        "d.js": "log.push('d');",
    }
    with MiniRacer(modules=modules) as ctx:
        ctx.eval("var log = []")
        ctx.import_module("a.js")
        assert ctx.eval("log.join('')") == "dbca"


def test_cycles():
    modules = {
        "a.js": "import { b } from './b.js'; export function a() { return 'a' } export const both = () => a() + b();",
        "b.js": "import { a } from './a.js'; export const b = () => 'b'; export const early = a();",
        "tdz.js": "import { later } from './tdz2.js'; export const now = 1;",
        "tdz2.js": "import { now } from './tdz.js'; export const later = now;",
    }
    with MiniRacer(modules=modules) as ctx:
        assert ctx.import_module("a.js").both() == "ab"
        assert ctx.import_module("b.js").early == "a"
        for _ in range(2):
            assert error_of(ctx.import_module, "tdz.js").name == "ReferenceError"


def test_top_level_await():
    modules = {
        "a.js": "import { b } from './b.js'; export const a = b + await new Promise(done => setTimeout(done, 5, 1));",
        "b.js": "export const b = await Promise.resolve(41);",
        "bad.js": "await null; throw new TypeError('late');",
        "never.js": "export const x = 1; await new Promise(() => {});",
    }
    with MiniRacer(modules=modules) as ctx:
        assert ctx.import_module("a.js", timeout_sec=20).a == 42
        for _ in range(2):
            error = error_of(ctx.import_module, "bad.js")
            assert (error.name, error.js_message, error.filename) == ("TypeError", "late", "bad.js")
        for _ in range(2):
            error_of(ctx.import_module, "never.js", timeout_sec=0.05, kind=JSTimeoutException)
        assert ctx.eval("1") == 1


def test_cycles_with_top_level_await():
    modules = {
        "a.js": "import { b } from './b.js'; await null; export const a = () => 1 + b; await null;",
        "b.js": "import { a } from './a.js'; export const b = await 41; export const sum = () => a();",
        "x.js": "import './y.js'; await null;",
        "y.js": "import './x.js'; await null; throw new Error('in the circle');",
    }
    with MiniRacer(modules=modules) as ctx:
        assert ctx.import_module("a.js").a() == 42
        assert ctx.import_module("b.js").sum() == 42
        for name in ("x.js", "y.js", "x.js"):
            assert error_of(ctx.import_module, name).js_message == "in the circle"


def test_eval_module():
    with MiniRacer(modules={"lib/x.js": "export const x = 7;"}) as ctx:
        assert ctx.eval_module("import { x } from './x.js'; export const y = x * 6;", filename="lib/main.js").y == 42
        assert ctx.eval_module("export default this").default is JSUndefined
        first, second = ctx.eval_module("export const n = {}"), ctx.eval_module("export const n = {}")
        assert first is not second
        error = error_of(ctx.eval_module, "\nimport './no.js'", filename="main.js", kind=JSImportError)
        assert str(error) == "cannot find module './no.js' imported by main.js:2"
        assert error_of(ctx.eval_module, "export export", kind=JSParseException).filename == "<module 4>"
        error_of(ctx.eval_module, 5, kind=JSEvalException)


def test_without_modules():
    with MiniRacer() as ctx:
        assert ctx.eval_module("export const x = '\ud800'; export { x as 'any name' };")["any name"] == "\ud800"
        error = error_of(ctx.import_module, "x", kind=JSImportError)
        assert "MiniRacer(modules=...)" in str(error)
        assert "MiniRacer(modules=...)" in error_of(ctx.eval("import('x')").get, kind=JSPromiseError).js_message


def test_dynamic_import():
    modules = {
        "a.js": "export const load = () => import('./b.js'); export const early = log.join();",
        "b.js": "log.push('b'); export default 42;",
        "then.js": "export const then = (resolve) => resolve('taken over');",
    }
    with MiniRacer(modules=modules) as ctx:
        ctx.eval("var log = []")
        assert ctx.import_module("a.js").load().get().default == 42
        ctx.eval("log = []; var got = import('./then.js'); log.push('first')")
        assert ctx.eval("got").get() == "taken over"
        assert ctx.eval("Promise.all([import('./b.js'), import('b.js')]).then(([a, b]) => a === b)").get() is True
        error = error_of(ctx.eval("\n\n  import('./none.js')", filename="dir/s.js").get, kind=JSPromiseError)
        assert error.js_message == "cannot find module './none.js' imported by dir/s.js:3"
        assert isinstance(error.__cause__, JSImportError)


def test_an_import_begins_after_the_script():
    with MiniRacer(modules={"b.js": "log.push('module');"}) as ctx:
        ctx.eval("var log = []; import('./b.js').then(() => log.push('then')); log.push('script')")
        assert ctx.eval("log.join()") == "script,module,then"


def test_import_meta():
    with MiniRacer(
        modules={
            "a b/é.js": "export const { url } = import.meta, r = import.meta.resolve;",
            "a b/c.js": "",
            "https://x.org/m.js": "export const u = import.meta.url",
        }
    ) as ctx:
        meta = ctx.import_module("a b/é.js")
        assert meta.url == "file:///a%20b/%C3%A9.js"
        assert meta.r("./c.js") == "file:///a%20b/c.js"
        assert "cannot find module './d.js' imported by a b/é.js" in str(error_of(meta.r, "./d.js"))
        assert ctx.import_module(meta.url) is meta
        assert ctx.import_module("https://x.org/m.js").u == "https://x.org/m.js"


def test_hosts_exports():
    def add(a, b):
        return a + b

    with MiniRacer(modules={"bank": {"add": add, "rates": {"EUR": 1}, "default": 7, "a-b": [1]}}) as ctx:
        main = ctx.eval_module(
            "import seven, { add, rates, 'a-b' as list } from 'bank'; export { seven, rates, list }; export const five = add(2, 3);"
        )
        assert (main.seven, main.five, main.rates["EUR"], main.list[0]) == (7, 5, 1, 1)
