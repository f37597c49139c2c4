"""Real JavaScript at work inside MiniRacer: `make demo`.

Babel compiles a modern TSX file to ES5, React renders the result, marked turns this repository's README.md into HTML,
Terser minifies Babel itself, and the README's own examples run as doctests. Nothing is taken on trust: every task is
checked by something that had no part in it, and the table says by what. The results stay in the cache folder.
"""

from __future__ import annotations

import doctest
import json
import platform
import re
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

import py_mini_racer
from examples import npm
from examples.commonjs import new_context
from py_mini_racer import JSEvalException, LibNotFoundError, MiniRacer

ROOT = Path(__file__).resolve().parent.parent
PAGE = Path(__file__).with_name("page.tsx")
TASK_SECONDS = 600

COMPILE = """
const compile = (source, filename) => require("@babel/standalone").transform(source, {
  filename,
  presets: [["env", { targets: { ie: "11" }, modules: "commonjs" }], "react", "typescript"],
}).code;
"""
MINIFY = """
let minified = {};
const minify = (source) => {
  require("terser").minify(source, { compress: true, mangle: true }).then(
    ({ code }) => { minified = { code }; },
    (error) => { minified = { error: String(error) }; });
  return "pending";
};
"""
RENDER = """
const { Page, total } = require("page");
let page = {};
const render = (title, libraries) => {
  total(libraries).then((sum) => {
    const element = require("react").createElement(Page, { title, libraries, sum });
    page = { html: require("react-dom/server").renderToStaticMarkup(element) };
  }).catch((error) => { page = { error: String(error) }; });
  return "pending";
};
"""


class DemoError(Exception):
    """A task's result is wrong; the message says how."""


@dataclass(frozen=True)
class Result:
    """What a task took in and gave out, and what says that it is right."""

    source: str
    source_bytes: int
    product: str
    product_text: str
    checked: str


def size(text: str) -> int:
    """The bytes of a text in UTF-8."""
    return len(text.encode())


def library_files(folders: dict[str, Path]) -> dict[str, Path]:
    """Which file of each package to load, by the name JavaScript requires it under."""
    dom, react = folders["react-dom"] / "cjs", folders["react"] / "cjs"
    return {
        "@babel/standalone": folders["@babel/standalone"] / "babel.js",
        "acorn": folders["acorn"] / "dist" / "acorn.js",
        "marked": folders["marked"] / "lib" / "marked.umd.js",
        "react": react / "react.production.js",
        "react/jsx-runtime": react / "react-jsx-runtime.production.js",
        "react-dom": dom / "react-dom.production.js",
        "react-dom/server": dom / "react-dom-server-legacy.browser.production.js",
        "terser": folders["terser"] / "dist" / "bundle.min.js",
    }


def compile_tsx(babel: Path | str, source: str, filename: str) -> str:
    """TSX to ES5, by Babel in a fresh context. `babel` is its file, or its source text."""
    with new_context({"@babel/standalone": babel}) as context:
        context.eval(COMPILE)
        code = context.call("compile", source, filename, timeout_sec=TASK_SECONDS)
    if not isinstance(code, str):
        raise DemoError(f"Babel returned {code!r} for {filename} where JavaScript was due")
    return code


def compile_page(files: dict[str, Path], page: Path) -> Result:
    """Compile a TSX file; acorn, set to ES5, accepts the result and refuses the source."""
    source = page.read_text(encoding="utf-8")
    code = compile_tsx(files["@babel/standalone"], source, page.name)
    with new_context({"acorn": files["acorn"]}) as context:
        context.eval("""
            const isES5 = (source) => {
              try { return Boolean(require("acorn").parse(source, { ecmaVersion: 5 })); }
              catch (error) { return error.message; }
            };
        """)
        verdict = context.call("isES5", code, timeout_sec=TASK_SECONDS)
        if verdict is not True:
            raise DemoError(f"the compiled {page.name} is not ES5: {verdict}")
        if context.call("isES5", source) is True:
            raise DemoError(f"{page.name} is ES5 already, so that compiling it shows nothing")
    return Result(page.name, size(source), f"{page.stem}.js", code, "acorn parses it as ES5")


def render_page(files: dict[str, Path], code: str, libraries: list[dict[str, Any]]) -> Result:
    """Run the compiled page, asynchronous parts included, and let React render it."""
    title = "Libraries & friends"
    reacts = {name: file for name, file in files.items() if name.startswith("react")}
    with new_context({**reacts, "page": code}) as context:
        context.eval(RENDER)
        context.call("render", title, libraries, timeout_sec=TASK_SECONDS)
        outcome = context.execute("page")
    if "html" not in outcome:
        raise DemoError(f"the page did not render: {outcome or 'its promise is pending'}")
    html = str(outcome["html"])
    outline = Outline(html)
    if outline.headings != [title]:
        raise DemoError(f"the page's headings are {outline.headings}, not {[title]}")
    rows = [row[1:4] for row in outline.rows]
    ranking = sorted(libraries, key=lambda library: -int(library["bytes"]))
    due = [[library["name"], library["version"], library["license"]["name"]] for library in ranking]
    if rows != due:
        raise DemoError(f"the page's table has {rows}, not {due}")
    data = json.dumps(libraries)
    return Result("page.js + data", size(code) + size(data), "page.html", html, "same table as Python makes")


class Outline(HTMLParser):
    """The headings, code blocks and table rows of an HTML text. A tag left open or closed twice is a DemoError."""

    VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"})
    HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.headings: list[str] = []
        self.code_blocks: list[str] = []
        self.rows: list[list[str]] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        if self._open:
            raise DemoError(f"tags left open at the end of the HTML: {self._open}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        if tag in self.HEADINGS:
            self.headings.append("")
        elif tag == "pre":
            self.code_blocks.append("")
        elif tag == "tr":
            self.rows.append([])
        elif tag == "td":
            self.rows[-1].append("")
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag like <br/> has no contents."""

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1] != tag:
            raise DemoError(f"HTML line {self.getpos()[0]}: </{tag}> where {self._open} are open")
        self._open.pop()

    def handle_data(self, data: str) -> None:
        if self.HEADINGS.intersection(self._open):
            self.headings[-1] += data
        elif "pre" in self._open:
            self.code_blocks[-1] += data
        elif "td" in self._open:
            self.rows[-1][-1] += data


FENCE = re.compile(r"^ {0,3}(```+|~~~+)")


def fenced_blocks(markdown: str) -> list[tuple[int, list[str]]]:
    """The fenced code blocks of a Markdown text: the number of the first line inside, counted from 0, and the lines."""
    blocks: list[tuple[int, list[str]]] = []
    closing = ""
    for number, line in enumerate(markdown.splitlines()):
        fence = FENCE.match(line)
        if closing and fence and fence[1].startswith(closing) and line.strip() == fence[1]:
            closing = ""
        elif closing:
            blocks[-1][1].append(line)
        elif fence:
            closing = fence[1]
            blocks.append((number + 1, []))
    return blocks


def render_markdown(files: dict[str, Path], document: Path) -> Result:
    """Markdown to HTML by marked; every heading and every code block of the Markdown must be there again."""
    source = document.read_text(encoding="utf-8")
    with new_context({"marked": files["marked"]}) as context:
        html = str(context.call("require('marked').parse", source, timeout_sec=TASK_SECONDS))
    outline = Outline(html)
    blocks = fenced_blocks(source)
    got = [block.splitlines() for block in outline.code_blocks]
    if not all(lines in got for _, lines in blocks):
        raise DemoError(f"the HTML of {document.name} lost or changed a code block")
    inside = {first + offset for first, lines in blocks for offset in range(len(lines))}
    headings = sum(line.startswith("#") for number, line in enumerate(source.splitlines()) if number not in inside)
    if not 0 < headings <= len(outline.headings):
        raise DemoError(f"{document.name} has {headings} headings, its HTML {len(outline.headings)}")
    checked = f"{headings} headings, {len(blocks)} code blocks kept"
    return Result(document.name, size(source), f"{document.stem}.html", html, checked)


def minify(files: dict[str, Path], source: Path) -> Result:
    """Minify a JavaScript file with Terser, whose API is a promise: it settles before `call` returns."""
    text = source.read_text(encoding="utf-8")
    with new_context({"@jridgewell/source-map": "", "terser": files["terser"]}) as context:
        context.eval(MINIFY)
        context.call("minify", text, timeout_sec=TASK_SECONDS)
        outcome = context.execute("minified")
    if "code" not in outcome:
        raise DemoError(f"Terser did not minify {source.name}: {outcome or 'its promise is pending'}")
    return Result(source.name, size(text), f"{source.stem}.min.js", str(outcome["code"]), "Terser reports no error")


def minify_babel(files: dict[str, Path], page: Path, compiled: str) -> Result:
    """Minify Babel; the minified one, in a fresh context, compiles the page just the same."""
    result = minify(files, files["@babel/standalone"])
    if (left := size(result.product_text)) > 0.7 * result.source_bytes:
        raise DemoError(f"Terser left {left:,} of {result.source_bytes:,} bytes of {result.source}")
    again = compile_tsx(result.product_text, page.read_text(encoding="utf-8"), page.name)
    if again != compiled:
        raise DemoError(f"the minified Babel compiles {page.name} to something else than Babel does")
    return replace(result, checked="compiles the page just the same")


def run_examples(document: Path) -> Result:
    """Run the `>>>` examples of a Markdown file as doctests, all in one namespace, and only those in code blocks."""
    source = document.read_text(encoding="utf-8")
    lines = [""] * len(source.splitlines())  # line numbers in a failure are those of the file, and fences are no output
    for first, block in fenced_blocks(source):
        lines[first : first + len(block)] = block
    test = doctest.DocTestParser().get_doctest("\n".join(lines), {}, document.name, str(document), 0)
    report: list[str] = []
    failed, tried = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=report.append)
    if not tried:
        raise DemoError(f"{document.name} has no >>> examples in its code blocks")
    if failed:
        raise DemoError(f"{failed} of {tried} examples of {document.name} fail:\n{''.join(report)}")
    examples = "".join(example.source for example in test.examples)
    wanted = "".join(example.want for example in test.examples)
    return Result(f"{tried} examples", size(examples), f"{document.stem}.out", wanted, "doctest finds the same output")


def describe(folders: dict[str, Path], files: dict[str, Path]) -> list[dict[str, Any]]:
    """What the page shows: the libraries, with the sizes of the files that were loaded."""
    libraries = []
    for name, folder in folders.items():
        package = json.loads((folder / "package.json").read_text(encoding="utf-8"))
        loaded = sum(file.stat().st_size for file in files.values() if folder in file.parents)
        about = {"name": name, "version": package["version"], "license": {"name": package["license"]}}
        libraries.append({**about, "bytes": loaded})
    return libraries


def provider() -> str:
    """Which provider built the native library in use: `source`, `system`, or that it does not say."""
    manifest = Path(py_mini_racer.__file__).with_name("native.json")
    try:
        return str(json.loads(manifest.read_text(encoding="utf-8"))["provider"])
    except (OSError, ValueError, KeyError):
        return f"unknown (no {manifest.name})"


def human(number: int) -> str:
    """Bytes as people read them."""
    return f"{number:,} B" if number < 10_000 else f"{number / 1000:,.0f} KB"


class Demo:
    """Runs the tasks one after the other, with a live clock, and keeps the table."""

    def __init__(self, console: Console, out: Path) -> None:
        self.console = console
        self.out = out
        self.table = Table("task, and what says it is right", "input", "output", box=SIMPLE_HEAD, show_lines=True)
        self.table.add_column("time", justify="right", no_wrap=True)

    def say(self, line: str) -> None:
        self.console.print(line, highlight=False, markup=False)

    def run(self, name: str, task: Callable[[], Result]) -> Result:
        """Run a task. On a terminal a spinner and a clock turn meanwhile; elsewhere a line says that it starts."""
        started = time.perf_counter()
        with ExitStack() as stack:
            if self.console.is_terminal:
                columns = (SpinnerColumn("line"), TextColumn("{task.description}"), TimeElapsedColumn())
                progress = stack.enter_context(Progress(*columns, console=self.console, transient=True))
                progress.add_task(name, total=None)
            else:
                self.say(f"{name} ...")
            try:
                result = task()
            except (DemoError, JSEvalException) as error:
                raise DemoError(f"{name}: {error}") from error
        seconds = time.perf_counter() - started
        product = result.product_text
        (self.out / result.product).write_text(product, encoding="utf-8")
        self.table.add_row(
            f"{name}\n[dim]{result.checked}[/dim]",
            f"{result.source}\n[dim]{human(result.source_bytes)}[/dim]",
            f"{result.product}\n[dim]{human(size(product))}[/dim]",
            f"{seconds:.2f} s",
        )
        self.say(f"ok: {name}, {seconds:.2f} s")
        return result


def run_all(demo: Demo) -> None:
    """Fetch the libraries and run every task."""
    folders = npm.fetch_all(say=demo.say)
    files, readme = library_files(folders), ROOT / "README.md"
    page = demo.run("compile TSX to ES5 (Babel)", lambda: compile_page(files, PAGE)).product_text
    demo.run("render it (React)", lambda: render_page(files, page, describe(folders, files)))
    demo.run("README to HTML (marked)", lambda: render_markdown(files, readme))
    demo.run("the README's own examples", lambda: run_examples(readme))
    demo.run("minify Babel itself (Terser)", lambda: minify_babel(files, PAGE, page))


def main() -> int:
    """Run the demo; the exit status says whether everything was right."""
    out = npm.default_cache() / "demo"
    try:
        out.mkdir(parents=True, exist_ok=True)
        demo = Demo(Console(), out)
        run_all(demo)
    except (DemoError, npm.NpmError, LibNotFoundError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    with MiniRacer() as context:
        version = context.v8_version
    demo.console.print(demo.table)
    python = f"{platform.python_implementation()} {platform.python_version()}"
    demo.say(f"V8 {version}, provider {provider()}, {python}, {platform.machine()}")
    demo.say(f"The results are in {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
