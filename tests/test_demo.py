"""The demo and what it stands on: pinned packages, fetched by the real npm, and the tasks on small input.

npm talks to a registry on this machine wherever what counts is how fetching fails; only the libraries themselves come
from the network, once, into the cache that `make demo` uses too.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from examples import demo, npm
from examples.commonjs import new_context
from examples.npm import NpmError, Pin
from py_mini_racer import JSEvalException

ROOT = Path(__file__).resolve().parent.parent
needs_npm = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")


def tarball(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """A .tgz with these members."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz") as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return sink.getvalue()


def plain(name: str, content: bytes = b"x") -> tuple[tarfile.TarInfo, bytes]:
    return tarfile.TarInfo(name), content


def special(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member, b""


def package(name: str) -> bytes:
    about = json.dumps({"name": name, "version": "1.0.0"}).encode()
    return tarball(plain("package/package.json", about), plain("package/lib/index.js", b"exports.x = 1;"))


def pin_of(name: str, content: bytes) -> Pin:
    return Pin(name, "1.0.0", "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode())


class Registry:
    """A registry for npm on this machine: package names and tarballs, without integrity, as a liar would do it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.packages: dict[str, bytes] = {}
        self.asked: list[str] = []

    def add(self, name: str, content: bytes) -> Pin:
        self.packages[name] = content
        return pin_of(name, content)

    def answer(self, path: str) -> bytes | None:
        name = path.strip("/").replace("%2f", "/").removesuffix(".tgz")
        self.asked.append(path.strip("/"))
        if name not in self.packages:
            return None
        if path.endswith(".tgz"):
            return self.packages[name]
        version = {"name": name, "version": "1.0.0", "dist": {"tarball": f"{self.url}/{name}.tgz"}}
        return json.dumps({"name": name, "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}).encode()


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = there.answer(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """The lines would end up in the test's output."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        there = Registry(f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("npm_config_registry", there.url)
        monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm-own-cache"))
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield there
        server.shutdown()
        thread.join()


def leftovers(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / "npm").iterdir())


def test_every_pin_is_exact() -> None:
    pins = npm.load_pins()
    assert {"@babel/standalone", "marked", "terser"} <= set(pins)
    for pin in pins.values():
        assert re.fullmatch(r"\d+\.\d+\.\d+", pin.version), pin
        assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", pin.integrity), pin


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}', '{"a": {"version": "1.0.0"}}'])
def test_bad_pins_are_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "packages.json"
    path.write_text(text)
    with pytest.raises(NpmError, match=r"packages\.json.*correct the file"):
        npm.load_pins(path)


@needs_npm
@pytest.mark.parametrize("name", ["small", "@scope/small"])
def test_fetched_once_then_offline(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    pin = registry.add(name, package(name))
    said: list[str] = []
    folder = npm.fetch(pin, tmp_path, said.append)
    assert (folder / "lib" / "index.js").read_text() == "exports.x = 1;"
    assert said == [f"fetching {name} 1.0.0"]
    monkeypatch.setenv("PATH", str(tmp_path))
    registry.asked.clear()
    assert npm.fetch(pin, tmp_path, said.append) == folder
    assert (registry.asked, len(said)) == ([], 1)
    assert leftovers(tmp_path) == [pin.folder]


@needs_npm
def test_an_interrupted_run_goes_on(registry: Registry, tmp_path: Path) -> None:
    content = package("second")
    first, second = registry.add("first", package("first")), pin_of("second", content)
    npm.fetch(first, tmp_path)
    with pytest.raises(NpmError, match=r"second 1\.0\.0: the registry does not have this version"):
        npm.fetch(second, tmp_path)
    registry.add("second", content)
    registry.asked.clear()
    npm.fetch(first, tmp_path)
    npm.fetch(second, tmp_path)
    assert set(registry.asked) == {"second", "second.tgz"}
    assert leftovers(tmp_path) == sorted([first.folder, second.folder])


@needs_npm
def test_another_tarball_than_the_pinned_one(registry: Registry, tmp_path: Path) -> None:
    pin = registry.add("small", package("small"))
    registry.packages["small"] = package("evil")
    with pytest.raises(NpmError, match=r"small 1\.0\.0: integrity mismatch.*cache clean.*do not use") as caught:
        npm.fetch(pin, tmp_path)
    assert pin.integrity in str(caught.value)
    assert leftovers(tmp_path) == []


@needs_npm
def test_a_changed_pin_is_not_served_from_the_cache(registry: Registry, tmp_path: Path) -> None:
    pin = registry.add("small", package("small"))
    npm.fetch(pin, tmp_path)
    with pytest.raises(NpmError, match="integrity mismatch"):
        npm.fetch(replace(pin, integrity=pin_of("small", b"other").integrity), tmp_path)


@pytest.mark.parametrize("integrity", ["", "sha1-abc", "sha512-", "sha512-" + "A" * 86])
def test_an_integrity_that_is_none(tmp_path: Path, integrity: str) -> None:
    path = tmp_path / "small.tgz"
    path.write_bytes(package("small"))
    with pytest.raises(NpmError, match=r"small 1\.0\.0: .*not a SHA-512.*npm view small@1\.0\.0"):
        npm.verify(path, Pin("small", "1.0.0", integrity))


@needs_npm
def test_a_cut_download(registry: Registry, tmp_path: Path) -> None:
    whole = package("small")
    pin = registry.add("small", whole)
    registry.packages["small"] = whole[: len(whole) // 2]
    with pytest.raises(NpmError, match=r"^small 1\.0\.0: "):
        npm.fetch(pin, tmp_path)
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("keep", [0, 1, 40, 50_000, -30])
def test_a_cut_tarball_does_not_unpack(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "small.tgz"
    path.write_bytes(tarball(plain("package/data", os.urandom(100_000)))[:keep])
    with pytest.raises(NpmError, match=r"small 1\.0\.0: its tarball cannot be unpacked.*run again"):
        npm.unpack(path, tmp_path / "unpacked", pin_of("small", b""))


@pytest.mark.parametrize(
    "member",
    [
        plain("../outside"),
        plain("package/../../outside"),
        plain("/outside"),
        plain("package\\..\\..\\outside"),
        plain("c:/outside"),
        plain("outside"),
        special("package/link", tarfile.SYMTYPE, "/etc"),
        special("package/link", tarfile.LNKTYPE, "package/a"),
        special("package/pipe", tarfile.FIFOTYPE),
        special("package/device", tarfile.CHRTYPE),
    ],
    ids=lambda member: f"{member[0].name}-{member[0].type.decode()}",
)
def test_a_tarball_that_leads_out(tmp_path: Path, member: tuple[tarfile.TarInfo, bytes]) -> None:
    path = tmp_path / "small.tgz"
    path.write_bytes(tarball(plain("package/a"), member))
    with pytest.raises(NpmError, match=r"small 1\.0\.0: its tarball has .*do not use it"):
        npm.unpack(path, tmp_path / "unpacked", pin_of("small", b""))
    assert not list(tmp_path.rglob("outside"))


def test_a_tarball_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npm, "LARGEST_PACKAGE", 1000)
    path = tmp_path / "small.tgz"
    path.write_bytes(tarball(plain("package/a", bytes(999)), plain("package/b", bytes(2))))
    with pytest.raises(NpmError, match=r"small 1\.0\.0: its tarball unpacks to more than 1,000 bytes"):
        npm.unpack(path, tmp_path / "unpacked", pin_of("small", b""))


@pytest.mark.parametrize(
    ("apt_get", "root", "message"),
    [
        (None, True, "install Node.js and npm with your system's package manager"),
        ("/bin/true", False, r"sudo apt-get update && sudo apt-get install .* npm"),
        ("/bin/false", True, "`apt-get update` failed"),
        ("/bin/true", True, "installed, but not on PATH"),
    ],
)
def test_no_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, apt_get: str | None, root: bool, message: str) -> None:
    if apt_get:
        (tmp_path / "apt-get").symlink_to(apt_get)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1000)
    with pytest.raises(NpmError, match=r"small 1\.0\.0: .*" + message):
        npm.fetch(pin_of("small", b""), tmp_path)


@needs_npm
def test_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm-own-cache"))
    with pytest.raises(NpmError, match=r"small 1\.0\.0: no network: .*\(ECONNREFUSED\); check the network"):
        npm.fetch(pin_of("small", b""), tmp_path)
    assert leftovers(tmp_path) == []


def test_a_cache_that_is_no_folder(tmp_path: Path) -> None:
    path = write(tmp_path / "file", "")
    with pytest.raises(NpmError, match=r"small 1\.0\.0: the cache cannot be used .*; set MINI_RACER_CACHE"):
        npm.fetch(pin_of("small", b""), path)


@pytest.mark.parametrize("prefix", ["npm ERR!", "npm error"])
def test_old_and_new_npm_say_it_differently(prefix: str) -> None:
    assert "no network" in npm.explain(f"{prefix} code ENOTFOUND\n{prefix} more")
    assert "NODE_EXTRA_CA_CERTS" in npm.explain(f"{prefix} code SELF_SIGNED_CERT_IN_CHAIN\n{prefix} more")
    assert "EWHATEVER" in npm.explain(f"{prefix} code EWHATEVER\n{prefix} more")


@needs_npm
def test_what_killed_runs_left_is_swept(registry: Registry, tmp_path: Path) -> None:
    shelf = tmp_path / "npm"
    for name, age in (("old", 2 * npm.STALE_SECONDS), ("new", 0)):
        (shelf / f".partial-{name}").mkdir(parents=True)
        os.utime(shelf / f".partial-{name}", (time.time() - age,) * 2)
    pin = registry.add("small", package("small"))
    npm.fetch(pin, tmp_path)
    assert leftovers(tmp_path) == [".partial-new", pin.folder]


@needs_npm
def test_two_at_once(registry: Registry, tmp_path: Path) -> None:
    pin = registry.add("small", package("small"))
    with ThreadPoolExecutor(2) as pool:
        folders = list(pool.map(lambda _: npm.fetch(pin, tmp_path), range(2)))
    assert folders[0] == folders[1]
    assert leftovers(tmp_path) == [pin.folder]


@pytest.fixture(scope="module")
def folders() -> dict[str, Path]:
    return npm.fetch_all()


@pytest.fixture(scope="module")
def files(folders: dict[str, Path]) -> dict[str, Path]:
    return demo.library_files(folders)


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_the_page_compiles_and_renders(folders: dict[str, Path], files: dict[str, Path]) -> None:
    compiled = demo.compile_page(files, demo.PAGE)
    assert "=>" not in compiled.product_text
    libraries = demo.describe(folders, files)
    html = demo.render_page(files, compiled.product_text, libraries).product_text
    assert f"<p>{len(libraries)} libraries, " in html
    assert "Libraries &amp; friends" in html


def test_a_wrong_page_is_noticed(files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(JSEvalException, match=r"broken\.tsx: .*\(1:\d+\)"):
        demo.compile_page(files, write(tmp_path / "broken.tsx", "const = ;"))
    with pytest.raises(demo.DemoError, match="ES5 already"):
        demo.compile_page(files, write(tmp_path / "plain.tsx", "var a = 1;"))
    silent = "exports.total = () => new Promise(() => {}); exports.Page = () => null;"
    with pytest.raises(demo.DemoError, match="promise is pending"):
        demo.render_page(files, silent, [])
    failing = "exports.total = async () => { throw new Error('no total'); }; exports.Page = () => null;"
    with pytest.raises(demo.DemoError, match="no total"):
        demo.render_page(files, failing, [])
    heading = "({ title }) => require('react').createElement('h1', {}, title)"
    empty = f"exports.total = async () => 0; exports.Page = {heading};"
    with pytest.raises(demo.DemoError, match="table"):
        demo.render_page(files, empty, [{"name": "a", "version": "1", "bytes": 1, "license": {"name": "MIT"}}])


MARKDOWN = """# Title & more

Text with `code`, <br> and an image ![x](y.png).

```python
>>> 6 * 7
42
>>> print("a\\n# b")
a
# b
```

## Two

~~~~
```
# no heading
~~~~
"""


def test_markdown_renders(files: dict[str, Path], tmp_path: Path) -> None:
    result = demo.render_markdown(files, write(tmp_path / "small.md", MARKDOWN))
    assert result.checked == "2 headings, 2 code blocks kept"
    assert "<h1>Title &amp; more</h1>" in result.product_text


def test_markdown_as_a_program(files: dict[str, Path], tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "examples" / "markdown.py")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run: Callable[..., subprocess.CompletedProcess[str]] = subprocess.run
    path = write(tmp_path / "small.md", MARKDOWN)
    done = run([*command, str(path)], env=environment, capture_output=True, text=True, check=True)
    assert "<h2>Two</h2>" in done.stdout
    missing = run([*command, str(tmp_path / "none.md")], env=environment, capture_output=True, text=True, check=False)
    assert (missing.returncode, "none.md" in missing.stderr) == (1, True)
    assert run(command, env=environment, capture_output=True, text=True, check=False).returncode == 2


@pytest.mark.parametrize("html", ["<p><b>x</p></b>", "<ul><li>x</ul>", "<p>", "</p>"])
def test_broken_html_is_noticed(html: str) -> None:
    with pytest.raises(demo.DemoError, match="open"):
        demo.Outline(html)


def test_examples_run(tmp_path: Path) -> None:
    assert demo.run_examples(write(tmp_path / "small.md", MARKDOWN)).source == "2 examples"
    with pytest.raises(demo.DemoError, match=r"(?s)1 of 2 examples of wrong\.md fail:.*Expected:\n    43"):
        demo.run_examples(write(tmp_path / "wrong.md", MARKDOWN.replace("42", "43")))
    with pytest.raises(demo.DemoError, match="has no >>> examples"):
        demo.run_examples(write(tmp_path / "none.md", "# Title\n\n>>> 1\n"))


def test_minified_library_works(files: dict[str, Path], tmp_path: Path) -> None:
    small = demo.minify(files, files["acorn"])
    assert len(small.product_text) < 0.7 * small.source_bytes
    with new_context({"acorn": small.product_text}) as context:
        assert context.call("((code) => require('acorn').parse(code, { ecmaVersion: 5 }).type)", "a = 1") == "Program"
    with pytest.raises(demo.DemoError, match=r"did not minify broken\.js"):
        demo.minify(files, write(tmp_path / "broken.js", "const = ;"))


def test_a_module_that_is_not_there() -> None:
    with new_context({"a": "exports.b = require('b');"}) as context, pytest.raises(JSEvalException) as caught:
        context.eval("require('a')")
    assert "no module named b; define it first" in str(caught.value)


def test_errors_name_the_module_and_its_line() -> None:
    with new_context({"lib/a": "\n\nnull.x;"}) as context, pytest.raises(JSEvalException, match=r"lib/a:3"):
        context.eval("require('lib/a')")


@pytest.mark.timeout(600)
def test_make_demo(files: dict[str, Path], tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"}
    script = ROOT / "examples" / "demo.py"
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    for text in ("page.tsx", "README.html", "babel.min.js", "compiles the page just the same", "provider "):
        assert text in done.stdout
