"""TypeScript on import, by the compilers from npm."""

from __future__ import annotations

import json
import os
import shutil
import threading
from pathlib import Path

import pytest

from examples import npm
from py_mini_racer import (
    JSEvalException,
    JSParseException,
    JSTimeoutException,
    JSValueError,
    MiniRacer,
    ModuleFolder,
    ModuleMap,
    NodeModules,
    TypeScript,
    _typescript,
)

PINS = Path(__file__).with_name("typescript_packages.json")
TYPESCRIPT, AMARO, SWC = "typescript", "amaro", "@swc/wasm-typescript"


@pytest.fixture(scope="module")
def packages():
    """The folders of the compilers, from the cache, else from npm; closes what was started."""
    try:
        folders = {name: npm.fetch(pin) for name, pin in npm.load_pins(PINS).items()}
    except npm.NpmError as error:
        if "no network" in str(error):
            pytest.skip(f"npm's packages are not in the cache, and there is no network: {error}")
        raise
    for folder in folders.values():
        TypeScript(folder).transform("")  # it lives longer than one test
    yield folders
    for compiler in _typescript._compilers.values():
        compiler.close()


def everything(packages):
    return {
        "typescript": TypeScript(packages[TYPESCRIPT]),
        "amaro": TypeScript(packages[AMARO]),
        "amaro, transform": TypeScript(packages[AMARO], mode="transform"),
        "swc": TypeScript(packages[SWC]),
        "swc, transform": TypeScript(packages[SWC], mode="transform"),
    }


KINDS = ["typescript", "amaro", "amaro, transform", "swc", "swc, transform"]
WHOLE = ["typescript", "amaro, transform", "swc, transform"]


@pytest.fixture
def compiler(packages, request):
    return everything(packages)[request.param]


def imported(compiler, files, entry="main.ts"):
    """A context, and the namespace of the entry."""
    ctx = MiniRacer(modules=ModuleMap(files, transforms=compiler))
    return ctx, ctx.import_module(entry)


PLAIN = {
    "main.ts": "import { area, type Shape } from './lib/shape.mts';\nimport type { Nothing } from './nowhere.ts';\n"
    "interface Named<T> { name: T }\nconst shape: Shape & Named<string> = { width: 2, height: 3, name: 'x' };\n"
    "export const result: number = area(shape)!;\nexport const loud = <T,>(value: T): T => value as T;\n"
    "export default class Box { private content?: string = 'full'; open(this: Box): string { return this.content!; } }\n"
    "export const text = `Grüße 🎉 ${result satisfies number}\n  two`;\n",
    "lib/shape.mts": "export interface Shape { width: number; height: number }\nexport function area(s: Shape): number;\n"
    "export function area(s: Shape) { return s.width * s.height }\n",
}


@pytest.mark.parametrize("compiler", KINDS, indirect=True)
def test_types_go(compiler):
    ctx, main = imported(compiler, PLAIN)
    with ctx:
        assert main.result == 6
        assert main.text == "Grüße 🎉 6\n  two"
        assert main.loud("x") == "x"
        assert main.default.new().call_method("open") == "full"


FAILING = """interface Wide {
  a: number;

  b: string;
}

type Alias = Wide | null;
/* a comment
   of two lines */
// and one more
export function fail(x: number): never {
  const text = `a
  ${x as number}
b`;

  throw new Error(text);
}
export function deep(
  x: number,
): never {
  return fail(x);
}
"""


@pytest.mark.parametrize("compiler", KINDS, indirect=True)
def test_errors_name_the_lines_of_the_source(compiler):
    ctx, main = imported(compiler, {"main.ts": FAILING})
    with ctx, pytest.raises(JSEvalException) as caught:
        main.deep(7)
    assert caught.value.js_message == "a\n  7\nb"
    assert [(frame[0], frame[1], frame[2]) for frame in caught.value.frames] == [
        ("fail", "main.ts", 16),
        ("deep", "main.ts", 21),
    ]


MORE = """import { E as Other } from './other.ts';
export enum Color {
  Red,
  Green = 'g',
}

export namespace Shapes {
  export const sides = 4;
}
export class Point {
  constructor(private readonly x: number, public y = 2) {}
  sum() {
    return this.x + this.y;
  }
}
export const other = Other.B;
export function fail(): never {
  throw new Error('here');
}
"""


@pytest.mark.parametrize("compiler", WHOLE, indirect=True)
def test_what_is_more_than_types(compiler):
    ctx, main = imported(compiler, {"main.ts": MORE, "other.ts": "export enum E { A, B }"})
    with ctx:
        assert main.Color.copy() == {"0": "Red", "Red": 0, "Green": "g"}
        assert main.Shapes["sides"] == 4
        ctx.globals["Point"] = main.Point
        assert ctx.eval("new Point(1).sum()") == 3
        assert main.other == 1
        with pytest.raises(JSEvalException) as caught:
            main.fail()
        assert caught.value.line == 18


@pytest.mark.parametrize("compiler", ["amaro", "swc"], indirect=True)
def test_stripping_refuses_what_is_more_than_types(compiler):
    with pytest.raises(
        JSParseException, match=r"a\.ts:2: SyntaxError: TypeScript enum is not supported in strip-only mode"
    ) as caught:
        compiler.transform("\nenum A { B }", "a.ts")
    assert (caught.value.filename, caught.value.line, caught.value.column) == ("a.ts", 2, 1)


def test_stripping_keeps_columns(packages):
    code = "const x: number = (1 as any), y = <T,>(a: T) => a;"
    made = TypeScript(packages[AMARO]).transform(code)
    assert len(made) == len(code)
    assert made.index("y =") == code.index("y =")


def test_jsx_and_decorators(packages):
    files = {
        "main.tsx": "import { h } from './h.ts';\ninterface Props {\n  name: string\n}\n"
        "const Hello = ({ name }: Props) => <b class='x'>\n  hi {name}\n</b>;\n"
        "export const made = <Hello name='you' />;\nexport const line = new Error('x').stack;",
        "h.ts": "export const h = (tag: any, props: object | null, ...rest: any[]): string =>\n"
        "  typeof tag === 'function' ? tag(props) : `<${tag}>${rest.join('')}</${tag}>`;",
        "decorated.ts": "function twice(method: any, context: ClassMethodDecoratorContext) {\n"
        "  return function (this: any) { return 2 * method.call(this); };\n}\n"
        "class C {\n  @twice\n  n() { return 21; }\n}\nexport const n = new C().n();",
    }
    compiler = TypeScript(packages[TYPESCRIPT], options={"jsxFactory": "h"})
    ctx, main = imported(compiler, files, "main.tsx")
    with ctx:
        assert main.made == "<b>hi you</b>"
        assert "main.tsx:9:" in main.line
        assert ctx.import_module("decorated.ts").n == 42


@pytest.mark.parametrize("compiler", KINDS, indirect=True)
def test_syntax_errors_name_file_and_line(compiler):
    ctx = MiniRacer(
        modules=ModuleMap(
            {"main.ts": "import './lib/bad.ts';", "lib/bad.ts": "let a = 1;\nlet b: number = ;\n"}, transforms=compiler
        )
    )
    with ctx, pytest.raises(JSParseException) as caught:
        ctx.import_module("main.ts")
    error = caught.value
    assert str(error).startswith("lib/bad.ts:2: SyntaxError: Expression expected")
    assert "\nlet b: number = ;\n                ^\n" in str(error)
    assert (error.name, error.filename, error.line, error.column) == ("SyntaxError", "lib/bad.ts", 2, 17)


@pytest.mark.parametrize("compiler", KINDS, indirect=True)
@pytest.mark.parametrize("code", ["{", "`${", "class", "let a = 'x"])
def test_sources_that_end_too_early(compiler, code):
    with pytest.raises(JSParseException) as caught:
        compiler.transform(code, "x.ts")
    assert caught.value.filename == "x.ts"


@pytest.mark.parametrize("compiler", KINDS, indirect=True)
def test_strange_sources(compiler):
    assert compiler.transform("").strip() in ("", "export {};")
    assert compiler.transform("#!/usr/bin/env node\nlet a: number = 1;").startswith("#!/usr/bin/env node\nlet a")
    assert compiler.transform("let a: string = '\ud800';") != ""
    assert compiler.transform("\n\nconst a: number = 1;").count("\n") >= 2


def test_many_lines_stay(packages):
    """Each line of the source says its own number."""
    code = "".join(
        f"interface I{i} {{\n  a: {i}\n}}\nenum E{i} {{ A, B }}\nlines.push([{5 * i + 5}, new Error().stack.split('main.ts:')[1].split(':')[0]]);\n"
        for i in range(200)
    )
    ctx, main = imported(TypeScript(packages[TYPESCRIPT]), {"main.ts": f"export const lines: any[] = [];{code}"})
    with ctx:
        assert [int(said) for _, said in main.lines.copy()] == [at for at, _ in main.lines.copy()]


def test_from_folders_and_npm(packages, tmp_path):
    for name, content in PLAIN.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")
    for loader in (ModuleFolder, NodeModules):
        with MiniRacer(modules=loader(tmp_path, transforms=TypeScript(packages[AMARO]))) as ctx:
            assert ctx.import_module("./main.ts").result == 6


def test_one_compiler_for_all(packages):
    first, second = TypeScript(packages[AMARO]), TypeScript(Path(packages[AMARO]))
    first.transform("let a: 1")
    before = len(_typescript._compilers)
    second.transform("let b: 1")
    assert len(_typescript._compilers) == before
    assert dict(first).keys() == {".ts", ".mts"}
    assert ".css" in {**first, ".css": str.upper}
    assert "amaro" in repr(first)
    with pytest.raises(KeyError):
        first[".tsx"]


def test_results_are_kept_by_source(packages):
    compiler = TypeScript(packages[AMARO])
    code = "export const kept: number = 1;"
    made = compiler.transform(code, "a.ts")
    inner = _typescript._compiler(compiler._path, "swc")
    count = len(inner._results)
    assert compiler.transform(code, "b.ts") == made
    assert len(inner._results) == count
    for number in range(20):
        compiler.transform(f"let x{number}: 1", "a.ts")
    assert len(inner._results) == count + 20


def test_from_threads(packages):
    compiler = TypeScript(packages[SWC], mode="transform")
    made = {}

    def run(number):
        ctx, main = imported(compiler, {"main.ts": f"enum E {{ A = {number} }}\nexport const a: number = E.A;"})
        with ctx:
            made[number] = main.a

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == {number: number for number in range(8)}


def test_a_timeout_while_it_starts(packages):
    compiler = TypeScript(packages[TYPESCRIPT])
    _typescript._compiler(compiler._path, "typescript").close()
    with MiniRacer(modules=ModuleMap({"main.ts": "export const a: number = 1;"}, transforms=compiler)) as ctx:
        with pytest.raises(JSTimeoutException):
            ctx.import_module("main.ts", timeout_sec=0.02)
        assert ctx.import_module("main.ts").a == 1


@pytest.mark.needs("fork")
def test_in_a_child(packages):
    compiler = TypeScript(packages[AMARO])
    compiler.transform("let warm: 1")
    child = os.fork()
    if not child:
        status = 1
        try:
            status = 0 if compiler.transform("let inChild: 1").startswith("let inChild") else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_what_is_no_compiler(packages, tmp_path):
    with pytest.raises(JSValueError, match="TypeScript needs the folder of one of the npm packages"):
        TypeScript(tmp_path)
    (tmp_path / "package.json").write_text(json.dumps({"name": "typescript", "version": "7.0.2"}))
    with pytest.raises(JSValueError, match="from version 7 on"):
        TypeScript(tmp_path)
    with pytest.raises(JSValueError, match="options are those of"):
        TypeScript(packages[AMARO], options={})
    for name, mode in ((AMARO, "all"), (TYPESCRIPT, "transform")):
        with pytest.raises(JSValueError, match="mode must be one of"):
            TypeScript(packages[name], mode=mode)
    with pytest.raises(JSEvalException, match="Unknown compiler option|must be"):
        TypeScript(packages[TYPESCRIPT], options={"target": "es1900"}).transform("let a: 1")


def test_a_broken_compiler(packages, tmp_path):
    shutil.copytree(packages[SWC], tmp_path / "swc")
    (tmp_path / "swc" / "wasm.js").write_text("throw new Error('broken')")
    compiler = TypeScript(tmp_path / "swc")
    for _ in range(2):
        with pytest.raises(JSEvalException, match="broken"):
            compiler.transform("let a: 1")
