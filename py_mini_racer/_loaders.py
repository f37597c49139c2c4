"""Where modules come from: folders, mappings; import maps; transforms. No thread of its own: a loader is called by whoever imports.

A loader answers two questions. `resolve(specifier, importer)`: which module does this mean, as a name that is always the same for the same module?
`load(name)`: what is in it? Names are paths below the loader's root ("lib/x.js"), or URLs, and are what stack traces show.
"""

from __future__ import annotations

from os import fspath
from os.path import isdir, isfile, realpath
from posixpath import dirname, normpath
from posixpath import join as join_path

from py_mini_racer._exc import JSValueError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from os import PathLike
    from typing import Any

    Transform = Callable[[str, str], Any]

KINDS = ("module", "commonjs", "json", "text", "bytes", "wasm", "exports")


class NotResolvedError(Exception):
    """A loader of ours says why it does not: `JSImportError` is made of it, with the place of the import."""


class ModuleSource:
    """What a loader may return in place of a bare `str`, `bytes` or mapping.

        def load(specifier, importer):
            return ModuleSource(fetch(specifier), name=f"https://example.org/{specifier}")

    Args:
        code: JavaScript as text; bytes; or a mapping of exports, whose values are converted as a function's arguments are.
        name: what the module is called in stack traces and for the modules that it imports, and by which it is known; without one, the specifier's.
        kind: "module", "commonjs" (with `NodeModules`), "json", "text", "bytes", "wasm" or "exports"; by default what the type of `code` and the import's
            `with { type: ... }` say.

    Raises:
        JSValueError: there is no such kind.
    """

    __slots__ = ("code", "kind", "name")

    def __init__(
        self, code: str | bytes | Mapping[str, Any], *, name: str | None = None, kind: str | None = None
    ) -> None:
        if kind is not None and kind not in KINDS:
            raise JSValueError(f"no kind of module is called {kind!r}: there are {', '.join(KINDS)}")
        self.code, self.name, self.kind = code, name, kind

    def __repr__(self) -> str:
        return f"ModuleSource(name={self.name!r}, kind={self.kind!r})"


def has_scheme(name: str) -> bool:
    """Whether it is a URL: "https://...", "node:fs", "data:..."."""
    scheme, colon, _ = name.partition(":")
    return bool(colon) and scheme[:1].isalpha() and all(c.isalnum() or c in "+-." for c in scheme) and scheme.isascii()


def is_path(specifier: str) -> bool:
    """Whether it names a file by its place: "./x.js", "../x.js", "/x.js"."""
    return specifier.startswith(("./", "../", "/")) or specifier in (".", "..")


def join(specifier: str, importer: str | None) -> str:
    """The name that a specifier has by its place alone; bare ones and URLs stay what they are.

    Raises:
        NotResolvedError: it leads out of the root.
    """
    if has_scheme(specifier) or not is_path(specifier):
        return specifier
    if importer is not None and has_scheme(importer):
        from urllib.parse import urljoin

        return urljoin(importer, specifier)
    path, mark, query = split_query(specifier)
    folder = "" if importer is None or specifier.startswith("/") else dirname(split_query(importer)[0])
    name = normpath(join_path(folder, path.lstrip("/") or "."))
    if name == ".." or name.startswith("../"):
        msg = "it leads out of the loader's root"
        raise NotResolvedError(msg)
    return name + mark + query


def split_query(specifier: str) -> tuple[str, str, str]:
    """A specifier without its query and fragment, and these."""
    ends = [at for at in (specifier.find("?"), specifier.find("#")) if at >= 0]
    if not ends:
        return specifier, "", ""
    return specifier[: min(ends)], specifier[min(ends)], specifier[min(ends) + 1 :]


def decode_path(specifier: str) -> str:
    """A specifier that names a file by its place, without percent signs; any other as it is. "file:///" is the root.

    Raises:
        NotResolvedError: it has something in it that no name of a file has, or that is there to deceive.
    """
    specifier = specifier.removeprefix("file://") if specifier.startswith("file:///") else specifier
    if not is_path(specifier):
        return specifier
    path, mark, query = split_query(specifier)
    if "%" in path:
        from urllib.parse import unquote

        lowered = path.lower()
        if "%2f" in lowered or "%5c" in lowered:
            msg = "it has an encoded slash or backslash in it"
            raise NotResolvedError(msg)
        try:
            path = unquote(path, errors="strict")
        except UnicodeDecodeError:
            msg = "its percent signs are not UTF-8"
            raise NotResolvedError(msg) from None
        if "?" in path or "#" in path:
            msg = "files with ? or # in their names cannot be imported"
            raise NotResolvedError(msg)
    if path.endswith("/"):
        msg = "it names a folder, not a file"
        raise NotResolvedError(msg)
    if "\\" in path:
        msg = "it has a backslash in it: write /"
        raise NotResolvedError(msg)
    if "\0" in path:
        msg = "it has a NUL in it"
        raise NotResolvedError(msg)
    return path + mark + query


class ImportMap:
    """An import map, as HTML has it: `{"imports": {...}, "scopes": {...}}`. Addresses are specifiers as seen from the root.

    Raises:
        JSValueError: it is none.
    """

    def __init__(self, given: Mapping[str, Any]) -> None:
        unknown = set(given) - {"imports", "scopes"}
        if unknown:
            raise JSValueError(f'an import map has "imports" and "scopes", not {sorted(map(str, unknown))}')
        self._imports = _entries("imports", given.get("imports", {}))
        self._scopes = [
            (_normal(prefix), _entries(f"scopes[{prefix!r}]", entries))
            for prefix, entries in sorted(given.get("scopes", {}).items(), key=lambda item: -len(item[0]))
        ]

    def apply(self, specifier: str, importer: str | None) -> tuple[str, bool]:
        """What the specifier stands for, and whether the map says so: then it is seen from the root.

        Raises:
            NotResolvedError: the map forbids it.
        """
        normal = _normal(join(specifier, importer)) if is_path(specifier) else specifier
        for prefix, entries in self._scopes:
            if importer is not None and (importer == prefix or (prefix.endswith("/") and importer.startswith(prefix))):
                address = _look_up(entries, normal)
                if address is not None:
                    return address, True
        address = _look_up(self._imports, normal)
        return (specifier, False) if address is None else (address, True)


def _normal(specifier: str) -> str:
    return specifier.removeprefix("./").removeprefix("/") if not has_scheme(specifier) else specifier


def _entries(where: str, given: Any) -> list[tuple[str, str | None]]:
    if not hasattr(given, "items"):
        raise JSValueError(f"{where} of an import map must be a mapping, not {type(given).__name__}")
    entries = []
    for key, address in given.items():
        if not isinstance(key, str) or not (address is None or isinstance(address, str)):
            raise JSValueError(f"{where} of an import map must map str to str or None: {key!r}: {address!r}")
        if key.endswith("/") and address is not None and not address.endswith("/"):
            raise JSValueError(f"{where} of an import map: {key!r} ends with /, and so must its address {address!r}")
        entries.append((_normal(key) if is_path(key) else key, address))
    return sorted(entries, key=lambda entry: -len(entry[0]))


def _look_up(entries: list[tuple[str, str | None]], specifier: str) -> str | None:
    for key, address in entries:
        if specifier == key or (key.endswith("/") and specifier.startswith(key)):
            if address is None:
                msg = "the import map forbids it"
                raise NotResolvedError(msg)
            return address + specifier[len(key) :]
    return None


class Loader:
    """What the ready loaders have in common: import maps and transforms."""

    def __init__(
        self,
        *,
        import_map: Mapping[str, Any] | None = None,
        transforms: Mapping[str, Transform] | None = None,
    ) -> None:
        self._import_map = None if import_map is None else ImportMap(import_map)
        self._transforms = sorted((transforms or {}).items(), key=lambda item: -len(item[0]))
        for suffix, transform in self._transforms:
            if not suffix.startswith(".") or not callable(transform):
                msg = f"transforms map suffixes such as '.ts' to functions: {suffix!r}: {transform!r}"
                raise JSValueError(msg)

    def mapped(self, specifier: str, importer: str | None) -> tuple[str, str | None]:
        """The specifier and its importer after the import map; the importer is None when it is seen from the root."""
        if self._import_map is None:
            return specifier, importer
        address, found = self._import_map.apply(specifier, importer)
        return (address, None) if found else (address, importer)

    def transformed(self, name: str, content: bytes | str) -> ModuleSource | bytes | str:
        """The JavaScript of a file with a transform; any other file as it is."""
        path = split_query(name)[0]
        for suffix, transform in self._transforms:
            if path.endswith(suffix):
                text = content if isinstance(content, str) else text_of(content)
                made = transform(text, name)
                code, source_map = made if isinstance(made, tuple) else (made, None)
                if not isinstance(code, str):
                    msg = f"the transform of {suffix} must return a str, or a str and a source map, not {type(code).__name__}"
                    raise TypeError(msg)
                return ModuleSource(code if source_map is None else _with_map(code, source_map), kind="module")
        return content


def text_of(content: bytes) -> str:
    """The text of a file.

    Raises:
        NotResolvedError: it is none.
    """
    try:
        return bytes(content).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotResolvedError(f"it is not UTF-8 (at byte {error.start})") from None


def _with_map(code: str, source_map: str) -> str:
    from base64 import b64encode

    data = b64encode(source_map.encode()).decode()
    return f"{code}\n//# sourceMappingURL=data:application/json;base64,{data}"


class ModuleFolder(Loader):
    """The modules of a folder: `import "./lib/x.js"`. What is outside of it cannot be reached, by links neither.

        ctx = MiniRacer(modules=ModuleFolder("web", import_map={"imports": {"vue": "./vendor/vue.js"}}))

    `MiniRacer(modules="web")` is the same without options. Specifiers are relative to the importing file, or begin with `/`, which is the folder; from
    Python they are relative to the folder. Files are UTF-8; their names are complete, with the suffix.

    Args:
        path: the folder.
        import_map: what bare specifiers mean: `{"imports": {"name": "./file.js", "prefix/": "./folder/"}, "scopes": {...}}`.
        transforms: functions by suffix, called with a file's text and name when it is imported, that return JavaScript, or that and a source map.

    Raises:
        JSValueError: there is no such folder, or the import map or the transforms are none.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        import_map: Mapping[str, Any] | None = None,
        transforms: Mapping[str, Transform] | None = None,
    ) -> None:
        super().__init__(import_map=import_map, transforms=transforms)
        self._root = realpath(fspath(path))
        if not isdir(self._root):
            raise JSValueError(f"modules must come from a folder, and there is none at {path}")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._root!r})"

    def resolve(self, specifier: str, importer: str | None) -> str | None:
        """The path below the folder."""
        specifier, importer = self.mapped(specifier, importer)
        if importer is None and not has_scheme(specifier) and not is_path(specifier):
            specifier = f"./{specifier}"
        specifier = decode_path(specifier)
        if has_scheme(specifier):
            msg = "a folder has no URLs"
            raise NotResolvedError(msg)
        if not is_path(specifier):
            msg = f"it is a bare specifier: write './{specifier}', or say in an import map what it means"
            raise NotResolvedError(msg)
        name = join(specifier, importer)
        if self.find(name) is None:
            advice = self._advice(specifier, name)
            if advice:
                raise NotResolvedError(advice)
            return None
        return name

    def load(self, name: str) -> Any:
        """The file's content, transformed if there is a transform for it."""
        path = self.find(name)
        if path is None:
            return None
        with open(path, "rb") as file:
            return self.transformed(name, file.read())

    def find(self, name: str) -> str | None:
        """Where the file of that name really is; None when there is none in the folder."""
        try:
            path = realpath(f"{self._root}/{split_query(name)[0]}")
            inside = path.startswith(self._root.rstrip("/") + "/")
            return path if inside and isfile(path) else None
        except (OSError, ValueError):  # a name that is too long, or has something in it that no name has
            return None

    def _advice(self, specifier: str, name: str) -> str | None:
        if len(name) > _LONGEST_NAME:
            return None
        path = realpath(f"{self._root}/{split_query(name)[0]}")
        if not path.startswith(self._root.rstrip("/") + "/") and path != self._root:
            return "a link leads out of the folder"
        if isdir(path):
            return "it is a folder, not a file"
        for suffix in (".js", ".mjs", ".ts"):
            if self.find(name + suffix):
                return f"there is no such file; '{specifier}{suffix}' exists"
        return None


_LONGEST_NAME = 4096


class ModuleMap(Loader):
    """Modules from a mapping: names to JavaScript, to bytes, to a mapping of exports, or to a `ModuleSource`.

        ctx = MiniRacer(modules=ModuleMap({"main.js": "import { rate } from 'bank'; export const x = rate('CHF')", "bank": {"rate": rate}}))

    `MiniRacer(modules={...})` is the same without options. The mapping is asked at each first import, so that it may grow.

    Args:
        modules: the mapping. "lib/x.js" and "./lib/x.js" are one name.
        import_map: as `ModuleFolder` has it.
        transforms: likewise.
    """

    def __init__(
        self,
        modules: Mapping[str, Any],
        *,
        import_map: Mapping[str, Any] | None = None,
        transforms: Mapping[str, Transform] | None = None,
    ) -> None:
        super().__init__(import_map=import_map, transforms=transforms)
        self._modules = modules

    def resolve(self, specifier: str, importer: str | None) -> str | None:
        """The key in the mapping, without "./"."""
        specifier, importer = self.mapped(specifier, importer)
        name = join(decode_path(specifier), importer)
        return None if self._key(name) is None else name

    def load(self, name: str) -> Any:
        """What the mapping has."""
        key = self._key(name)
        content = None if key is None else self._modules[key]
        return self.transformed(name, content) if isinstance(content, (str, bytes)) else content

    def _key(self, name: str) -> str | None:
        for key in (name, f"./{name}", f"/{name}"):
            if key in self._modules:
                return key
        return None


__all__ = ["ImportMap", "Loader", "ModuleFolder", "ModuleMap", "ModuleSource", "NotResolvedError"]
