"""TypeScript: a transform for the loaders of modules, that runs a compiler from npm in a MiniRacer of its own. Any thread.

A compiler is started when the first file needs it, once for a process and path, and is closed when Python ends. What it makes has the lines of what it was
given, so that errors and stack traces name the right ones.
"""

from __future__ import annotations

import json
from _thread import RLock
from collections.abc import Mapping
from os import fspath, register_at_fork
from os.path import isfile, realpath

from py_mini_racer._exc import JSEvalException, JSForkedError, JSParseException, JSValueError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from os import PathLike
    from typing import Any

    from py_mini_racer._loaders import Transform

# The packages that are known: the file that is the compiler, which one it is, and the files that it can read.
_PACKAGES = {
    "typescript": ("lib/typescript.js", "typescript", (".ts", ".mts", ".tsx")),
    "amaro": ("lib/wasm.js", "swc", (".ts", ".mts")),
    "@swc/wasm-typescript": ("wasm.js", "swc", (".ts", ".mts")),
}
_MODES = ("strip-only", "transform")
_MOST_RESULTS = 1000  # files whose JavaScript is kept

# What the official compiler is told when nobody says otherwise. Comments would be in the way of keeping lines.
_DEFAULTS = {"target": "es2022", "module": "esnext", "jsx": "react"}
_ALWAYS = {
    "sourceMap": True,
    "removeComments": True,
    "isolatedModules": True,
    "inlineSourceMap": False,
    "declaration": False,
}

# Puts each line of generated code where its source is: after as many line ends as it takes, or, where there are too many already, behind the line before.
# It does so only where the code of a line begins with something that has a place in the source: within a template only its `${` and its end have one. Before
# any is `seen`, there are the compiler's own helpers.
_KEEP_LINES = r"""
const digits = new Map([...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'].map((c, i) => [c, i]));
function firstPlaces(mappings) {
  let source = 0;
  return mappings.split(';').map(line => {
    let column = 0, first = null;
    for (const segment of line.split(',')) {
      const fields = [];
      let value = 0, shift = 0;
      for (const c of segment) {
        const digit = digits.get(c);
        value |= (digit & 31) << shift;
        shift += 5;
        if (digit & 32) continue;
        fields.push(value & 1 ? -(value >>> 1) : value >>> 1);
        value = shift = 0;
      }
      if (!fields.length) continue;
      column += fields[0];
      if (fields.length < 4) continue;
      source += fields[2];
      first ??= {column, source};
    }
    return first;
  });
}
function keepLines(code, map) {
  const places = firstPlaces(JSON.parse(map).mappings);
  const lines = code.replace(/\n?\/\/# sourceMappingURL=.*\s*$/, '').split('\n');
  const parts = [];
  let at = 0, seen = code.startsWith('#!'), comment = false;
  lines.forEach((text, i) => {
    const start = Math.max(0, text.search(/\S/)), place = places[i];
    const known = place && place.column === start && !/^(?:`|\$\{)/.test(text.slice(start));
    let ends = i && (seen || comment) ? 1 : 0;
    if (known) {
      ends = Math.max(place.source - at, comment ? 1 : 0);
      seen = true;
    }
    parts.push(i && !ends ? ' ' : '\n'.repeat(ends), text);
    at += ends;
    comment = text.includes('//');
  });
  return parts.join('');
}
"""

# Each is called with the compiler's exports and the options, and gives a function from (code, name) to [JavaScript] or [null, message, line, column].
_TRANSFORMS = {
    "typescript": r"""(ts, options) => {
  const {options: compilerOptions, errors} = ts.convertCompilerOptionsFromJson(JSON.parse(options), '/');
  const textOf = each => ts.flattenDiagnosticMessageText(each.messageText, ' ');
  if (errors.length) throw new TypeError(errors.map(textOf).join(' '));
  return (code, name) => {
    const made = ts.transpileModule(code, {fileName: name, reportDiagnostics: true, compilerOptions});
    const bad = made.diagnostics.find(each => each.category === ts.DiagnosticCategory.Error);
    if (!bad) return [keepLines(made.outputText, made.sourceMapText)];
    const place = bad.file ? bad.file.getLineAndCharacterOfPosition(bad.start) : {line: 0, character: 0};
    return [null, `${textOf(bad)} (TS${bad.code})`, place.line + 1, place.character + 1];
  };
}""",
    "swc": r"""(swc, text) => {
  const options = JSON.parse(text);
  return (code, filename) => {
    try {
      const made = swc.transformSync(code, {...options, filename, sourceMap: options.mode === 'transform'});
      return [made.map ? keepLines(made.code, made.map) : made.code];
    } catch (error) {
      if (!error || !error.message || error instanceof WebAssembly.RuntimeError) throw error;
      return [null, error.message, error.startLine ?? 0, (error.startColumn ?? -1) + 1];
    }
  };
}""",
}

# What the compilers expect of Node.
_REQUIRE = r"""
(decodeBase64, decode, encode) => {
  const util = {
    TextDecoder: class { decode(bytes) { return bytes ? decode(bytes) : ''; } },
    TextEncoder: class { encode(text) { return new Uint8Array(encode(text)); } },
  };
  const modules = {util, 'node:util': util, 'node:buffer': {Buffer: {from: decodeBase64}}};
  return name => modules[name];
}"""


class TypeScript(Mapping[str, "Transform"]):
    """Makes JavaScript of TypeScript when it is imported: `transforms=` of the loaders of modules.

        ctx = MiniRacer(modules=ModuleFolder("src", transforms=TypeScript("node_modules/typescript")))
        ctx.import_module("main.ts")

    Types are taken away, not checked. Line numbers stay what they are in the source. It is a mapping of suffixes to functions, so that others can be added:
    `{**TypeScript(path), ".css": as_module}`.

    Args:
        path: the folder of one of these npm packages: `typescript` (up to version 5: all of the language, and JSX), `amaro` or `@swc/wasm-typescript`.
        options: with `typescript`: compiler options as in a tsconfig.json, such as `{"jsx": "react-jsx", "jsxImportSource": "preact"}`.
        mode: with the two others: "strip-only", which blanks out types and keeps columns as well, and refuses what is more than types (`enum`, `namespace`,
            parameter properties), or "transform", which compiles these, too.

    Raises:
        JSValueError: there is no such package at the path, or the options or the mode are none.
    """

    def __init__(
        self, path: str | PathLike[str], *, options: Mapping[str, Any] | None = None, mode: str = "strip-only"
    ) -> None:
        root = realpath(fspath(path))
        name = _name_of(root)
        if name not in _PACKAGES or not isfile(f"{root}/{_PACKAGES[name][0]}"):
            known = ", ".join(_PACKAGES)
            newer = ": from version 7 on it is no JavaScript" if name == "typescript" else ""
            raise JSValueError(
                f"TypeScript needs the folder of one of the npm packages {known}, and {path} is none{newer}"
            )
        file, self._kind, self._suffixes = _PACKAGES[name]
        if self._kind == "typescript":
            self._options = json.dumps({**_DEFAULTS, **(options or {}), **_ALWAYS})
        elif options is not None:
            raise JSValueError(f"options are those of the npm package typescript: {name} has a mode")
        if mode not in _MODES or (mode != "strip-only" and self._kind == "typescript"):
            raise JSValueError(
                f"mode must be one of {', '.join(_MODES)}, and is for amaro and @swc/wasm-typescript, not {mode!r}"
            )
        if self._kind == "swc":
            self._options = json.dumps({"mode": mode})
        self._path = f"{root}/{file}"
        self._name = name

    def __repr__(self) -> str:
        return f"TypeScript({self._name!r} at {self._path!r})"

    def __getitem__(self, suffix: str) -> Transform:
        if suffix not in self._suffixes:
            raise KeyError(suffix)
        return self.transform

    def __iter__(self) -> Iterator[str]:
        return iter(self._suffixes)

    def __len__(self) -> int:
        return len(self._suffixes)

    def transform(self, code: str, name: str = "main.ts") -> str:
        """The JavaScript of TypeScript.

        Args:
            code: what is in the file.
            name: the file's name; its suffix says whether JSX is allowed.

        Raises:
            JSParseException: a syntax error, with the file and the line.
        """
        return _compiler(self._path, self._kind).transform(self._options, code, name)


def _name_of(root: str) -> str:
    try:
        with open(f"{root}/package.json", "rb") as file:
            return str(json.load(file)["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


class _Compiler:
    """A compiler in its MiniRacer."""

    def __init__(self, path: str, kind: str) -> None:
        self._path, self._kind = path, kind
        self.lock = RLock()
        self._ctx: Any = None
        self._exports: Any = None
        self._transforms: dict[str, Any] = {}  # by the options
        self._results: dict[tuple[str, str, bytes], str] = {}

    def transform(self, options: str, code: str, name: str) -> str:
        """The JavaScript of `code`."""
        from hashlib import sha256

        suffix = name.partition("?")[0].rpartition(".")[2]
        key = (options, suffix, sha256(code.encode("utf-8", "surrogatepass")).digest())
        with self.lock:
            known = self._results.get(key)
            if known is not None:
                return known
            try:
                made = self._make(options, code, name)
            except JSForkedError:  # another thread was compiling as this process was forked
                made = self._make(options, code, name)
            if made[0] is None:
                raise _syntax_error(name, code, *made[1:])
            while len(self._results) >= _MOST_RESULTS:
                del self._results[next(iter(self._results))]
            self._results[key] = made[0]
            return str(made[0])

    def _make(self, options: str, code: str, name: str) -> list[Any]:
        try:
            made: list[Any] = self._transform(options)(code, name).copy()
        except BaseException as error:
            if not (isinstance(error, JSEvalException) and error.has_value):
                self.close()  # it was stopped in the middle of something
            raise
        return made

    def _transform(self, options: str) -> Callable[..., Any]:
        if self._ctx is None:
            self._start()
        function = self._transforms.get(options)
        if function is None:
            maker = self._ctx.eval(f"(() => {{ {_KEEP_LINES} return {_TRANSFORMS[self._kind]} }})()")
            function = self._transforms[options] = maker(self._exports, options)
        return function  # type: ignore[no-any-return]

    def _start(self) -> None:
        import atexit
        from base64 import b64decode

        from py_mini_racer._mini_racer import MiniRacer

        with open(self._path, encoding="utf-8") as file:
            code = file.read()
        ctx = MiniRacer(console=False)
        try:
            require = ctx.eval(_REQUIRE)(
                lambda text, _encoding: b64decode(text),
                lambda data: bytes(data).decode("utf-8", "replace"),
                lambda text: text.encode("utf-8", "replace"),
            )
            wrapper = ctx.eval(
                f"(function (module, exports, require) {{{code}\nreturn module.exports; }})", filename=self._path
            )
            module = ctx.eval("({exports: {}})")
            self._exports = wrapper(module, module["exports"], require)
        except BaseException:
            ctx.close()
            raise
        self._ctx = ctx
        atexit.register(self.close)

    def close(self) -> None:
        """Lets go of the MiniRacer; the next file starts another one."""
        with self.lock:
            ctx, self._ctx, self._exports = self._ctx, None, None
            self._transforms.clear()
        if ctx is not None:
            import atexit

            atexit.unregister(self.close)
            ctx.close()


def _syntax_error(name: str, code: str, message: str, line: int, column: int) -> JSParseException:
    lines = code.splitlines()
    source = lines[line - 1] if 0 < line <= len(lines) else ""
    mark = f"\n{source}\n{' ' * (column - 1)}^" if source and column > 0 else ""
    error = JSParseException(f"{name}:{line}: SyntaxError: {message}{mark}\n")
    error.name, error.js_message, error.filename = "SyntaxError", message, name
    error.line, error.column = line or None, column or None
    return error


_compilers: dict[tuple[str, str], _Compiler] = {}
_lock = RLock()


def _compiler(path: str, kind: str) -> _Compiler:
    with _lock:
        compiler = _compilers.get((path, kind))
        if compiler is None:
            compiler = _compilers[path, kind] = _Compiler(path, kind)
        return compiler


def _after_fork() -> None:
    global _lock
    _lock = RLock()  # a thread that is not here may have had them
    for compiler in _compilers.values():
        compiler.lock = RLock()


register_at_fork(after_in_child=_after_fork)

__all__ = ["TypeScript"]
