"""ES modules: loading, linking, evaluating, import(), import.meta, and all that can be wrong with them."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from py_mini_racer import (
    JSClosedException,
    JSEvalException,
    JSImportError,
    JSModule,
    JSOOMException,
    JSParseException,
    JSPromiseError,
    JSTerminatedException,
    JSTimeoutException,
    JSUndefined,
    JSValueError,
    MiniRacer,
    ModuleFolder,
    ModuleMap,
    ModuleSource,
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


# --- attributes, WebAssembly ---


@pytest.mark.needs("source")
def test_import_attributes():
    modules = {"d.json": '{"a": [1, 2]}', "bad.json": '{"a": \n}', "b.bin": b"\x00\xff", "main.js": "export default 1"}
    with MiniRacer(modules=modules) as ctx:
        main = ctx.eval_module("""
            import json from "./d.json" with { type: "json" };
            import text from "./d.json" with { type: "text" };
            import bytes from "./b.bin" with { type: "bytes" };
            const again = await import("./d.json", { with: { type: "json" } });
            export { json, text, bytes };
            export const same = again.default === json, kind = bytes.constructor.name;
        """)
        assert main.json.copy() == {"a": [1, 2]}
        assert main.text == '{"a": [1, 2]}'
        assert bytes(main.bytes) == b"\x00\xff"
        assert (main.same, main.kind) == (True, "Uint8Array")
        for code, text in {
            "import './d.json'": "JSON is imported with { type: 'json' }",
            "\nimport x from './bad.json' with { type: 'json' }": "cannot import './bad.json' imported by m.js:2: it is not JSON",
            "import x from './d.json' with { type: 'css' }": "modules of type 'css' are not supported",
            "import x from './d.json' with { mode: 'json' }": "the import attribute 'mode' is not supported",
            "import x from './b.bin'": "it is not UTF-8",
        }.items():
            assert text in str(error_of(ctx.eval_module, code, filename="m.js", kind=JSImportError)), code
        rejected = ctx.eval("import('./d.json', { with: { type: 'css' } })")
        assert "'css'" in error_of(rejected.get, kind=JSPromiseError).js_message


@pytest.mark.needs("webassembly")
def test_wasm_modules():
    modules = {
        "lib/calc.wasm": WASM,
        "lib/env.js": "export const twice = (n) => 2 * n;",
        "empty.wasm": EMPTY_WASM,
        "bad.wasm": EMPTY_WASM + b"x",
        "main.js": "import { run, seven } from './lib/calc.wasm'; export const value = run(seven);",
    }
    with MiniRacer(modules=modules) as ctx:
        assert ctx.import_module("main.js").value == 14
        assert sorted(ctx.import_module("empty.wasm")) == []
        assert error_of(ctx.import_module, "bad.wasm").name == "CompileError"
    with MiniRacer(modules={"calc.wasm": WASM}) as ctx:
        assert "cannot find module './env.js' imported by calc.wasm" in str(error_of(ctx.import_module, "calc.wasm"))
    with MiniRacer(modules={"calc.wasm": WASM, "env.js": "export const other = 1;"}) as ctx:
        assert error_of(ctx.import_module, "calc.wasm").name == "LinkError"


# --- loaders ---


def test_a_function_as_loader():
    asked = []

    def load(specifier, importer):
        asked.append((specifier, importer))
        if specifier == "named":
            return ModuleSource("export const u = import.meta.url; import './x.js';", name="https://x.org/lib/named.js")
        return {"./x.js": "export default 1;", "json": ModuleSource("[1]", kind="json")}.get(specifier)

    with MiniRacer(modules=load) as ctx:
        assert ctx.import_module("named").u == "https://x.org/lib/named.js"
        assert ctx.import_module("json").default[0] == 1
        assert asked == [("named", None), ("./x.js", "https://x.org/lib/named.js"), ("json", None)]
        assert str(error_of(ctx.import_module, "none", kind=JSImportError)) == "cannot find module 'none'"


def test_a_ready_object_as_loader():
    class Loader:
        def resolve(self, specifier, importer):
            return specifier.upper()

        def load(self, name):
            return f"export default {name!r};"

    with MiniRacer(modules=Loader()) as ctx:
        assert ctx.import_module("a").default == "A"
        assert ctx.import_module("A") is ctx.import_module("a")


@pytest.mark.parametrize("wrong", [5, 5.0, object(), [1], ModuleSource, b"bytes"])
def test_what_is_no_loader(wrong):
    with pytest.raises((TypeError, JSValueError)):
        MiniRacer(modules=wrong)


@pytest.mark.parametrize("answer", [5, [1], object(), True])
def test_a_loader_that_returns_the_wrong_type(answer):
    with MiniRacer(modules=lambda *_: answer) as ctx:
        assert "a loader must return" in str(error_of(ctx.import_module, "x", kind=TypeError))
        error = error_of(ctx.eval("import('x')").get, kind=JSPromiseError)
        assert (error.name, type(error.__cause__)) == ("TypeError", TypeError)

    class Loader:
        def resolve(self, *_):
            return answer

        load = resolve

    with MiniRacer(modules=Loader()) as ctx:
        assert "resolve() must return" in str(error_of(ctx.import_module, "x", kind=TypeError))


def test_a_loader_that_raises():
    problem = OSError("the disk is gone")

    def load(specifier, importer):
        raise problem

    with MiniRacer(modules=load) as ctx:
        assert error_of(ctx.import_module, "x", kind=OSError) is problem
        assert error_of(ctx.eval_module, "import 'x'", kind=OSError) is problem
        error = error_of(ctx.eval("import('x')").get, kind=JSPromiseError)
        assert error.__cause__ is problem
        assert ctx.eval("import('x').catch(e => e.name)").get() == "OSError"


def test_a_loader_that_is_slow():
    def load(specifier, importer):
        time.sleep(0.2)
        return "export const x = 1;"

    with MiniRacer(modules=load) as ctx:
        error_of(ctx.import_module, "x", timeout_sec=0.05, kind=JSTimeoutException)
        error_of(ctx.eval, "import('y'); 1", timeout_sec=0.05, kind=JSTimeoutException)
        assert ctx.import_module("x", timeout_sec=60).x == 1


def test_a_loader_that_uses_its_context():
    def load(specifier, importer):
        if specifier == "deep":
            return f"export const x = {ctx.import_module('other').x};"
        return f"export const x = {ctx.eval('6 * 7')};"

    ctx = MiniRacer(modules=load)
    with ctx:
        assert ctx.import_module("deep").x == 42
        assert ctx.eval("import('deep2').then(m => m.x)").get() == 42


def test_a_loader_that_closes_its_context():
    def load(specifier, importer):
        ctx.close()
        return "export const x = 1;"

    ctx = MiniRacer(modules=load)
    error_of(ctx.import_module, "x", kind=JSClosedException)
    ctx = MiniRacer(modules=load)
    error_of(ctx.eval, "import('x')", kind=JSClosedException)


def test_a_loader_without_end():
    def load(specifier, importer):
        number = int(specifier.lstrip("m"))
        return f"import 'm{number + 1}';"

    with MiniRacer(modules=load) as ctx:
        error_of(ctx.import_module, "m0", timeout_sec=0.3, kind=JSTimeoutException)
        assert ctx.eval("1") == 1


def test_transforms():
    def shout(text, name):
        return text.replace("NAME", name.partition(".")[0])

    transforms = {
        ".up": shout,
        ".two.up": lambda text, name: (text, '{"version": 3}'),
        ".bad": lambda text, name: 5,
        ".raise": lambda *_: 1 / 0,
    }
    files = {"a.up": "export default 'NAME';", "b.two.up": "export default 'b';", "c.bad": "", "d.raise": ""}
    with MiniRacer(modules=ModuleMap(files, transforms=transforms)) as ctx:
        assert ctx.import_module("a.up").default == "a"
        assert ctx.import_module("b.two.up").default == "b"
        assert "transform of .bad must return" in str(error_of(ctx.import_module, "c.bad", kind=TypeError))
        error_of(ctx.import_module, "d.raise", kind=ZeroDivisionError)
    wrongs: list[Any] = [{"ts": shout}, {".ts": 5}]
    for wrong in wrongs:
        with pytest.raises(JSValueError, match="transforms map suffixes"):
            ModuleMap({}, transforms=wrong)


def test_import_maps():
    files = {
        "main.js": "import a from 'a'; import b from 'lib/b.js'; import c from './old.js'; export default [a, b, c].join();",
        "scoped/main.js": "import a from 'a'; export default a;",
        "vendor/a.js": "export default 'a';",
        "vendor/lib/b.js": "export default 'b';",
        "new.js": "export default 'new';",
        "other.js": "export default 'other';",
    }
    table = {
        "imports": {"a": "./vendor/a.js", "lib/": "./vendor/lib/", "./old.js": "./new.js", "forbidden": None},
        "scopes": {"scoped/": {"a": "./other.js"}},
    }
    with MiniRacer(modules=ModuleMap(files, import_map=table)) as ctx:
        assert ctx.import_module("main.js").default == "a,b,new"
        assert ctx.import_module("scoped/main.js").default == "other"
        assert "the import map forbids it" in str(error_of(ctx.import_module, "forbidden", kind=JSImportError))
    wrongs: list[Any] = [
        {"import": {}},
        {"imports": 5},
        {"imports": {"a": 5}},
        {"imports": {"a/": "./b"}},
        {"scopes": {"x": []}},
    ]
    for wrong in wrongs:
        with pytest.raises(JSValueError, match="import map"):
            ModuleMap({}, import_map=wrong)


# --- folders ---


@pytest.fixture
def folder(tmp_path):
    for name, text in {
        "root/main.js": "import { x } from './lib/x.js'; import './lib/../lib/x.js'; import '/lib/x.js'; export { x };",
        "root/lib/x.js": "export const x = import.meta.url;",
        "root/a b/é.js": "export default 1;",
        "root/dir/index.js": "",
        "outside/secret.js": "export const secret = 1;",
        "root-sibling/secret.js": "",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "root" / "link.js").symlink_to(tmp_path / "outside" / "secret.js")
    (tmp_path / "root" / "linked").symlink_to(tmp_path / "outside")
    (tmp_path / "root" / "good.js").symlink_to("lib/x.js")
    (tmp_path / "root" / "loop.js").symlink_to("loop.js")
    return tmp_path / "root"


@pytest.mark.parametrize("kind", [str, Path, ModuleFolder])
def test_a_folder(folder, kind):
    with MiniRacer(modules=kind(folder)) as ctx:
        assert ctx.import_module("main.js").x == "file:///lib/x.js"
        assert ctx.import_module("./a%20b/%C3%A9.js").default == 1
        assert ctx.import_module("good.js").x == "file:///good.js"
        first, second = ctx.import_module("lib/x.js?a"), ctx.import_module("lib/x.js?b")
        assert first is not second
        assert first.x == "file:///lib/x.js?a"
        assert str(error_of(ctx.import_module, "none.js", kind=JSImportError)) == "cannot find module 'none.js'"
        for specifier, advice in {
            "./main": "'./main.js' exists",
            "./dir": "it is a folder",
            "https://x.org/": "no URLs",
        }.items():
            assert advice in str(error_of(ctx.import_module, specifier, kind=JSImportError))
        bare = error_of(ctx.eval_module, "import 'main.js'", filename="m.js", kind=JSImportError)
        assert "bare specifier: write './main.js'" in str(bare)


OUT = [
    *(
        "../outside/secret.js",
        "lib/../../outside/secret.js",
        "/../outside/secret.js",
        "./../root-sibling/secret.js",
        "../root-sibling/secret.js",
    ),
    *(
        "./link.js",
        "./linked/secret.js",
        "./loop.js",
        "%2e%2e/outside/secret.js",
        "./%2e%2e/outside/secret.js",
        "./lib%2f..%2f..%2foutside%2fsecret.js",
    ),
    *(
        "..\\outside\\secret.js",
        "./lib\\..\\..\\outside\\secret.js",
        "./lib%5c..%5cx.js",
        "./lib/x.js\0.txt",
        "./lib/x.js%00",
        "//outside/secret.js",
        ".",
    ),
    *(
        "file:///../outside/secret.js",
        "file://x/lib/x.js",
        "./%ff.js",
        "./x%3Fy.js",
        "",
        "./",
        "..",
        "/",
        "\ud800.js",
        "./" + "x" * 1_000_000,
        "x" * 1_000_000,
    ),
    *("./" + "a/" * 3000 + "x.js", "data:text/javascript,1", "node:fs", "./lib/x.js/", "./lib/x.js/../x.js/y"),
]


@pytest.mark.parametrize("specifier", OUT, ids=lambda specifier: repr(specifier[:30]))
def test_a_folder_is_not_left(folder, specifier):
    with MiniRacer(modules=folder) as ctx:
        ctx.globals["specifier"] = specifier
        error_of(ctx.import_module, specifier, kind=JSImportError)
        assert error_of(ctx.eval("import(specifier)").get, kind=JSPromiseError).name == "JSImportError"
        assert len(str(error_of(ctx.import_module, specifier, kind=JSImportError))) < 1000
        absolute = str(folder / "main.js")
        error_of(ctx.import_module, absolute, kind=JSImportError)
        error_of(ctx.import_module, f"file://{absolute}", kind=JSImportError)


def test_a_folder_that_is_none(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "none", tmp_path / "file", ""):
        if str(path):
            with pytest.raises(JSValueError, match="there is none at"):
                MiniRacer(modules=path)
    for wrong in (5, None, b"x"):
        with MiniRacer(modules={}) as ctx:
            error_of(ctx.import_module, wrong, kind=TypeError)


# --- errors ---


def test_errors_of_modules():
    modules = {
        "syntax.js": "\n  let let = 1;",
        "missing.js": "\nimport { zip } from './ok.js';",
        "default.js": "import it from './ok.js';",
        "ambiguous.js": "import { n } from './star.js';",
        "star.js": "export * from './ok.js'; export * from './ok2.js';",
        "ok.js": "export const n = 1;",
        "ok2.js": "export const n = 2;",
        "throws.js": "globalThis.runs = (globalThis.runs ?? 0) + 1;\nthrow new TypeError('no ' + runs);",
        "above.js": "import './throws.js';",
        "null.js": "throw null;",
    }
    with MiniRacer(modules=modules) as ctx:
        for _ in range(2):
            error = error_of(ctx.import_module, "syntax.js", kind=JSParseException)
            assert (error.filename, error.line) == ("syntax.js", 2)
            error = error_of(ctx.import_module, "missing.js")
            assert "'./ok.js' does not provide an export named 'zip'" in str(error)
            assert (error.name, error.filename, error.line) == ("SyntaxError", "missing.js", 2)
            assert "does not provide an export named 'default'" in str(error_of(ctx.import_module, "default.js"))
            assert "conflicting star exports" in str(error_of(ctx.import_module, "ambiguous.js"))
            for name in ("throws.js", "above.js"):
                error = error_of(ctx.import_module, name)
                assert (error.name, error.js_message, error.filename, error.line) == (
                    "TypeError",
                    "no 1",
                    "throws.js",
                    2,
                )
            assert error_of(ctx.import_module, "null.js").value is None
        assert ctx.import_module("ok.js").n == 1


def test_what_a_module_throws_is_the_same_object():
    def fail():
        raise problem

    problem = KeyError("mine")
    with MiniRacer(modules={"host": {"fail": fail}, "a.js": "import { fail } from 'host'; fail();"}) as ctx:
        first, second = error_of(ctx.import_module, "a.js"), error_of(ctx.import_module, "a.js")
        assert first.value is second.value
        assert first.__cause__ is second.__cause__ is problem


def test_nothing_is_unhandled():
    seen: list[JSPromiseError] = []
    modules = {"a.js": "await null; throw new Error('a');", "b.js": "import './a.js';", "c.js": "throw new Error('c')"}
    with MiniRacer(modules=modules, unhandled_rejection=seen.append) as ctx:
        for name in ("b.js", "a.js", "c.js"):
            error_of(ctx.import_module, name)
        ctx.eval("import('./c.js').catch(() => {})")
        assert seen == []
        ctx.eval("import('./c.js')")
        ctx.eval("1")
        assert [error.js_message for error in seen] == ["c"]


# --- limits ---


def test_a_timeout_in_a_module():
    modules = {
        "loop.js": "globalThis.runs = (globalThis.runs ?? 0) + 1; while (runs < 2) {}; export const n = runs;",
        "above.js": "import { n } from './loop.js'; export { n };",
        "later.js": "await null; while (true) {}",
    }
    with MiniRacer(modules=modules) as ctx:
        error_of(ctx.import_module, "above.js", timeout_sec=0.1, kind=JSTimeoutException)
        assert ctx.import_module("above.js", timeout_sec=60).n == 2  # loaded anew
        error_of(ctx.import_module, "later.js", timeout_sec=0.1, kind=JSTimeoutException)
        error_of(ctx.import_module, "later.js", timeout_sec=0.1, kind=JSTimeoutException)
        assert ctx.eval("1") == 1


def test_a_timeout_in_an_import():
    with MiniRacer(modules={"loop.js": "while (globalThis.stay ?? true) {}"}) as ctx:
        error_of(ctx.eval, "import('./loop.js')", timeout_sec=0.1, kind=JSTimeoutException)
        ctx.eval("var stay = false")
        assert ctx.eval("import('./loop.js').then(() => 'done')").get() == "done"


def test_a_default_timeout_holds():
    with MiniRacer(
        modules={"loop.js": "while (true) {}", "never.js": "await new Promise(() => {})"}, timeout_sec=0.1
    ) as ctx:
        error_of(ctx.import_module, "loop.js", kind=JSTimeoutException)
        error_of(ctx.import_module, "never.js", kind=JSTimeoutException)


def test_a_memory_limit_in_a_module():
    modules = {"a.js": "const all = []; while (true) all.push(new Array(1000).fill(all.length));"}
    with MiniRacer(modules=modules) as ctx:
        error_of(ctx.import_module, "a.js", max_memory=50_000_000, kind=JSOOMException)
        assert ctx.eval("1") == 1


def test_a_thread_that_terminates():
    with MiniRacer(modules={"loop.js": "started(); while (true) {}"}) as ctx:
        ctx.globals["started"] = lambda: threading.Timer(0.05, ctx.close).start()
        error_of(ctx.import_module, "loop.js", kind=JSTerminatedException)


def test_after_close():
    ctx = MiniRacer(modules={"a.js": "export const f = () => import('./b.js'); export let n = 1;", "b.js": ""})
    module = ctx.import_module("a.js")
    ctx.close()
    for action in (lambda: module.n, lambda: module.f, lambda: ctx.import_module("a.js"), lambda: ctx.eval_module("1")):
        error_of(action, kind=JSClosedException)


# --- size ---


def test_ten_thousand_modules():
    count = 10_000
    chain = {f"m{i}.js": f"import {{ n as up }} from './m{i + 1}.js'; export const n = up + 1;" for i in range(count)}
    chain[f"m{count}.js"] = "export const n = 0;"
    with MiniRacer(modules=chain) as ctx:
        assert ctx.import_module("m0.js").n == count
    with MiniRacer(modules={**chain, f"m{count}.js": "export const n = await 1;"}) as ctx:
        assert ctx.import_module("m0.js").n == count + 1
    wide = {f"m{i}.js": f"export const n{i} = {i};" for i in range(count)}
    wide["main.js"] = (
        "".join(f"import {{ n{i} }} from './m{i}.js';" for i in range(count)) + f"export const n = n{count - 1};"
    )
    with MiniRacer(modules=wide) as ctx:
        assert ctx.import_module("main.js").n == count - 1


def test_a_chain_that_fails_at_its_end():
    chain = {f"m{i}.js": f"import './m{i + 1}.js';" for i in range(3000)}
    chain["m3000.js"] = "throw new Error('at the end');"
    with MiniRacer(modules=chain) as ctx:
        for name in ("m0.js", "m1.js", "m2999.js", "m3000.js", "m0.js"):
            assert error_of(ctx.import_module, name).js_message == "at the end"


@pytest.mark.parametrize("body", ["", "await null;"])
def test_circles_of_many(body):
    def circle(count):
        return {f"m{i}.js": f"import './m{(i + 1) % count}.js'; {body} export const n = {i};" for i in range(count)}

    with MiniRacer(modules=circle(200)) as ctx:
        assert ctx.import_module("m0.js").n == 0
    with MiniRacer(modules=circle(20_000)) as ctx:
        assert error_of(ctx.import_module, "m0.js").name == "RangeError"
        assert ctx.eval("1") == 1


def test_deep_in_the_stack():
    modules = {f"m{i}.js": f"import './m{i + 1}.js'; await null;" for i in range(40)} | {"m40.js": "await null;"}
    with MiniRacer(modules=modules) as ctx:
        ctx.globals["load"] = lambda: ctx.import_module("m0.js")
        assert ctx.eval("function f() { try { f() } catch (e) { try { load() } catch (e) { return } } } f(); 1") == 1


def test_a_huge_module():
    text = "export const big = '" + "x" * 20_000_000 + "';"
    with MiniRacer(
        modules={"big.js": text, "many.js": "".join(f"export const n{i} = {i};" for i in range(20_000))}
    ) as ctx:
        assert len(ctx.import_module("big.js").big) == 20_000_000
        assert ctx.import_module("many.js").n19999 == 19_999


def test_evaluations_leave_nothing():
    with MiniRacer() as ctx:
        for i in range(50):
            ctx.eval_module(f"export const big = new Array(100_000).fill({i});")
        gc.collect()
        ctx.low_memory_notification()
        ctx.eval_module("1")
        ctx.low_memory_notification()
        assert ctx.heap_stats()["used_heap_size"] < 20_000_000


# --- within each other ---


def test_an_import_within_an_evaluation():
    modules = {
        "a.js": "export const inner = load('b.js');",
        "b.js": "export default 1;",
        "self.js": "load('self.js');",
        "up.js": "load('down.js');",
        "down.js": "import './up.js';",
        "wait.js": "load('tla.js');",
        "tla.js": "await new Promise(done => setTimeout(done, 1));",
    }
    with MiniRacer(modules=modules) as ctx:
        ctx.globals["load"] = ctx.import_module
        assert ctx.import_module("a.js").inner["default"] == 1
        for name in ("self.js", "up.js"):
            assert "still being evaluated" in str(error_of(ctx.import_module, name))
        assert "top-level await" in str(error_of(ctx.import_module, "wait.js"))
        assert ctx.eval("1") == 1


def test_threads_import_at_once():
    modules = {f"m{i}.js": f"import './m{i + 1}.js'; globalThis.n = (globalThis.n ?? 0) + 1;" for i in range(100)} | {
        "m100.js": ""
    }
    with MiniRacer(modules=modules) as ctx:
        problems = []

        def work(number):
            try:
                for i in range(number, 100, 7):
                    ctx.import_module(f"m{i}.js")
            except Exception as error:
                problems.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(7)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert problems == []
        assert ctx.eval("n") == 100


def test_scripts_cannot_trick_the_helpers():
    with MiniRacer(
        modules={
            "a.js": "export const { url } = import.meta; export const r = import.meta.resolve('./b.js');",
            "b.js": "export default 2",
        }
    ) as ctx:
        ctx.eval("""
            JSON.parse = Map.prototype.get = RegExp.prototype.test = globalThis.encodeURI = () => { throw 1 };
            Promise.prototype.then = Promise.resolve = () => { throw 2 };
            Object.defineProperty(Promise, Symbol.species, { get() { return class { constructor(f) { f(() => {}, () => {}) } } } });
            Object.defineProperty(Promise.prototype, 'constructor', { get() { return 5 } });
            Array.prototype[Symbol.iterator] = function* () { yield 66 };
        """)
        assert ctx.import_module("a.js").url == "file:///a.js"
        for _ in range(3):
            ctx.eval("import('./b.js'); import('./none.js'); 1")
            ctx.low_memory_notification()


# --- in event loops ---


def test_async_loaders():
    at_once, most = 0, 0

    async def load(specifier, importer):
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.01)
        at_once -= 1
        sources = {
            "main": "import a from 'a'; import b from 'b'; export default [a, b, await import('c').then(m => m.default)].join();"
        }
        if specifier == "raise":
            raise problem
        return sources.get(specifier, f"export default '{specifier}';") if specifier != "none" else None

    problem = OSError("no network")

    async def main():
        assert (await ctx.import_module_async("main")).default == "a,b,c"
        assert (await ctx.import_module_async("main")).default == "a,b,c"
        assert most == 2
        assert (await ctx.eval_module_async("export { default } from 'd'")).default == "d"
        with pytest.raises(OSError) as caught:
            await ctx.import_module_async("raise")
        assert caught.value is problem
        with pytest.raises(JSImportError, match="cannot find module 'none' imported by m.js:2"):
            await ctx.eval_module_async("import 'a';\nimport 'none';", filename="m.js")
        with pytest.raises(JSPromiseError) as rejected:
            await ctx.eval("import('raise')")
        assert rejected.value.__cause__ is problem
        assert (await ctx.eval("import('e')")).default == "e"

    with MiniRacer(modules=load) as ctx:
        for action in (ctx.import_module, lambda name: ctx.eval_module(f"import '{name}'")):
            assert "import_module_async" in str(error_of(action, "x", kind=JSImportError))
        error = error_of(ctx.eval("import('x')").get, kind=JSPromiseError)
        assert "no event loop" in error.js_message
        asyncio.run(main())
        error = error_of(ctx.eval("import('fresh')").get, kind=JSPromiseError)
        assert "no event loop" in error.js_message


def test_async_imports_are_cancelled():
    async def main():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(ctx.import_module_async("loop.js"), 0.1)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(ctx.import_module_async("never.js"), 0.1)
        assert (await ctx.import_module_async("ok.js")).x == 2
        assert ctx.import_module("ok.js").x == 2

    modules = {
        "loop.js": "while (true) {}",
        "never.js": "await new Promise(() => {})",
        "ok.js": "export const x = await 2;",
    }
    with MiniRacer(modules=modules) as ctx:
        asyncio.run(main())


def test_waiting_would_block_the_loop():
    async def main():
        with pytest.raises(RuntimeError, match="import_module_async"):
            ctx.import_module("later.js")
        await ctx.import_module_async("later.js")
        assert ctx.import_module("later.js").x == 1

    with MiniRacer(modules={"later.js": "export const x = await new Promise(done => setTimeout(done, 20, 1));"}) as ctx:
        asyncio.run(main())


def test_an_async_loader_and_a_closed_context():
    async def load(specifier, importer):
        ctx.close()
        return ""

    async def main():
        with pytest.raises(JSClosedException):
            await ctx.import_module_async("x")

    ctx = MiniRacer(modules=load)
    asyncio.run(main())
