"""Compiled scripts, and caches of what was compiled: of one script, of the process, on disk. Any thread.

A cache of V8's says little of what it was made of and nothing of damage, and a wrong one ends the process. So what leaves the process has a head: the build,
the script, and the content, each by its hash. It is trusted input all the same, like a pickle: whoever can write it can run code.
"""

from __future__ import annotations

from _thread import allocate_lock
from collections import OrderedDict
from contextlib import suppress
from ctypes import c_char_p, c_void_p, py_object
from os import fspath

from py_mini_racer import _buffers, _dll
from py_mini_racer._context import make_options, script_of
from py_mini_racer._exc import JSValueError
from py_mini_racer._objects import JSObjectImpl, copy_options
from py_mini_racer._types import JSScript

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

    from py_mini_racer._context import Context

    Key = tuple[
        str, bytes | None, int, int
    ]  # code, filename, line_offset, column_offset; or code, nothing, the id of sealed bytes, _SEALED

_SEALED = -(1 << 40)  # where a script's key has its column, for caches that were given to `compile`
_MOST = 64 << 20  # characters and bytes of scripts and caches together that the process keeps
_MAGIC = b"mrcc\x02\0\0\0"  # V8 reads what is at a multiple of 8, and copies what is not
DIGEST = 16  # bytes of each of the head's three hashes
_HEAD = len(_MAGIC) + 3 * DIGEST


def digest(data: bytes | memoryview) -> bytes:
    """The hash of something: SHA-256, which processors have instructions for, cut to 128 bits."""
    from hashlib import sha256

    return sha256(data).digest()[:DIGEST]


def build() -> bytes:
    """The hash of the library's build."""
    text: bytes = _dll.library().mr_build_id()
    return digest(text)


if _dll.STABLE_ABI:
    from ctypes import PYFUNCTYPE, pythonapi

    _ascii_at = PYFUNCTYPE(c_void_p, py_object, c_void_p)(("PyUnicode_AsUTF8AndSize", pythonapi))


def _text_of(code: str, options: _dll.Options) -> tuple[bytes | c_char_p, int, Any]:
    """A script as the library takes it, for as long as the string is there: where Python has it, if it can be; a copy of 3 MB takes a millisecond."""
    if _dll.STABLE_ABI and type(code) is str and code.isascii():
        return c_char_p(_ascii_at(code, None)), len(code), options
    data, options = script_of(code, options)
    return data, len(data), options


def _bytes_of(code: str) -> bytes:
    return script_of(code, None)[0]


def _head(cache: bytes | memoryview, code: bytes) -> bytes:
    return b"".join((_MAGIC, build(), digest(code), digest(cache)))


def _seal(cache: bytes, code: str) -> bytes:
    """A cache with its head."""
    return _head(cache, _bytes_of(code)) + cache


def _unseal(data: bytes, code: str) -> memoryview | None:
    """The cache of a sealed one, when it is whole, of this build and of this code."""
    cache = memoryview(data)[_HEAD:]
    return cache if cache and data[:_HEAD] == _head(cache, _bytes_of(code)) else None


def _unseal_again(sealed: bytes, code: str) -> memoryview | None:
    """Likewise, for one that may have been here before: bytes do not change, so they are only looked at once."""
    key = code, None, id(sealed), _SEALED
    if _find(key) is sealed:
        return memoryview(sealed)[_HEAD:]
    cache = _unseal(sealed, code)
    if cache is not None:
        _keep(key, sealed)
    return cache


class JSScriptImpl(JSObjectImpl, JSScript):
    """A compiled script: `run()` it."""

    def __init__(self, context: Context, handle: int) -> None:
        super().__init__(context, handle)
        self.cache_rejected = False
        self._code = ""

    def run(
        self,
        *,
        timeout_sec: float | None = None,
        cpu_time_sec: float | None = None,
        max_stack: int | None = None,
        max_memory: int | None = None,
        copy: bool = False,
        max_depth: int | None = None,
        max_bytes: int | None = None,
        maps: str = "dict",
    ) -> Any:
        """Runs it: see `JSScript.run`."""
        context = self._context
        if copy:
            options = copy_options(
                context, max_depth, max_bytes, maps, timeout_sec, cpu_time_sec, max_memory, max_stack
            )
        else:
            options = make_options(
                timeout_sec=timeout_sec,
                cpu_time_sec=cpu_time_sec,
                max_memory=max_memory or context.max_memory,
                max_stack=max_stack,
            )
        return context.run(context.library.mr_run, self._wire_handle, options)

    @property
    def cache(self) -> bytes:
        """What to compile it with the next time: see `JSScript.cache`."""
        return _seal(bytes(self._context.on("mr_code_cache", self._wire_handle)), self._code)


def compile_script(context: Context, code: str, options: _dll.Options, cache: bytes | None) -> JSScriptImpl:
    """Compiles a script; with the cache of an earlier compilation, if there is one."""
    data, size, options = _text_of(code, options)
    found = None
    if cache is not None:
        if not isinstance(cache, (bytes, bytearray, memoryview)):
            msg = f"cache must be bytes, not {type(cache).__name__}: what JSScript.cache gave"  # type: ignore[unreachable]
            raise TypeError(msg)
        found = _unseal_again(cache, code) if type(cache) is bytes else _unseal(bytes(cache), code)
    script, rejected = _with(context, context.library.mr_compile, data, size, options, found)
    made: JSScriptImpl = script
    made._code = code
    made.cache_rejected = rejected or (cache is not None and found is None)
    return made


def _with(
    context: Context,
    function: Any,
    data: bytes | c_char_p,
    size: int,
    options: _dll.Options,
    cache: bytes | memoryview | None,
) -> Any:
    if cache is not None:
        options.buffers = slices = _buffers.slices([memoryview(cache)])
        options.buffer_count = len(slices)
    return context.run(function, data, size, options)


# --- of the process ---

_lock = allocate_lock()
_caches: OrderedDict[Key, bytes] = OrderedDict()  # the one used last at the end
_size = 0


def _find(key: Key) -> bytes | None:
    with _lock:
        cache = _caches.get(key)
        if cache is not None:
            _caches.move_to_end(key)
        return cache


def _keep(key: Key, cache: bytes) -> None:
    global _size
    with _lock:
        old = _caches.pop(key, None)
        _size += len(cache) - len(old) if old is not None else len(cache) + len(key[0])
        _caches[key] = cache
        while _size > _MOST:
            gone, cache = _caches.popitem(last=False)
            _size -= len(gone[0]) + len(cache)


def eval_large(context: Context, code: str, options: _dll.Options) -> Any:
    """Evaluates a large script, with the cache of whoever evaluated it first in this process, or in another one that has the same folder.

    The options are the caller's to change.
    """
    data, size, options = _text_of(code, options)
    key = code, options.filename, options.line_offset, options.column_offset
    cache = _find(key)
    folder = context.code_cache
    if cache is None and folder is not None:
        found = folder.read(key)
        if found is not None:
            cache = bytes(found)
            _keep(key, cache)
    if cache is not None:
        return _with(context, context.library.mr_eval, data, size, options, cache)
    made: list[bytes] = []
    options.flags |= _dll.CODE_CACHE
    number = options.call = context.host.wait(lambda cache, _: made.append(cache))
    try:
        return context.run(context.library.mr_eval, data, size, options)
    finally:
        context.host.forget(number)
        if made:
            _keep(key, made[0])
            if folder is not None:
                folder.write(key, made[0])


# --- on disk ---


class CodeCache:
    """A folder with the caches of large scripts, one file each. Several processes may share it."""

    def __init__(self, folder: str | PathLike[str]) -> None:
        from pathlib import Path

        self._folder = Path(fspath(folder))
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JSValueError(f"code_cache: {self._folder} cannot be made: {error}") from error

    def _path(self, key: Key) -> Any:
        code, filename, line, column = key
        name = digest(b"\0".join((build(), digest(_bytes_of(code)), filename or b"", b"%d %d" % (line, column))))
        return self._folder / f"{name.hex()}.mrcc"

    def read(self, key: Key) -> memoryview | None:
        """The cache of a script; None when there is none, or what there is is damaged."""
        try:
            return _unseal(self._path(key).read_bytes(), key[0])
        except OSError:
            return None

    def write(self, key: Key, cache: bytes) -> None:
        """Puts it there, in one step. A folder that cannot be written to is no cache, and no error."""
        from os import getpid, replace
        from secrets import token_hex

        path = self._path(key)
        passing = path.with_name(f"{path.name}.{getpid()}.{token_hex(4)}")
        try:
            passing.write_bytes(_seal(cache, key[0]))
            replace(passing, path)
        except OSError:
            with suppress(OSError):
                passing.unlink()


__all__ = ["DIGEST", "CodeCache", "JSScriptImpl", "build", "compile_script", "digest", "eval_large"]
