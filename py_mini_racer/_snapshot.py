"""Snapshots: a heap that scripts have set up, to begin new contexts with. Any thread.

V8 looks at the version of one that it gets and at little else, and a wrong one ends the process. So what leaves the process has a head: the build with
V8's flags, and the content, each by its hash. It is trusted input all the same, like a pickle: whoever can write it can run code, and worse.
"""

from __future__ import annotations

from ctypes import byref, c_uint64, sizeof, string_at

from py_mini_racer import _dll, _wire
from py_mini_racer._context import Context, make_options
from py_mini_racer._exc import JSOOMException, JSValueError
from py_mini_racer._mini_racer import MiniRacer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from py_mini_racer._console import ConsoleMessage

_DIGEST = 16  # bytes of each of the head's two hashes
_MAGIC = b"mrsn\x01"  # the last byte: the version of the head
_HEAD = len(_MAGIC) + 2 * _DIGEST
_HARMLESS = ("--single-threaded", "--stack-size", "--stack_size")  # flags that a snapshot has nothing of


def _head(content: bytes) -> bytes:
    from py_mini_racer._scripts import build, digest  # what it imports starts V8, and flags may still be set

    flags = sorted(flag for flag in _dll.v8_flags.split() if not flag.startswith(_HARMLESS))
    return b"".join((_MAGIC, digest(b"\0".join((build(), " ".join(flags).encode()))), digest(content)))


class Snapshot:
    """What scripts have set up in a context, to begin others with: `MiniRacer(snapshot=snapshot)`, in this process or another one.

    A context that begins with a snapshot has its globals, objects, closures and compiled functions, and has run none of its code.

        >>> from py_mini_racer import MiniRacer, Snapshot
        >>> snapshot = Snapshot.create("const table = Array.from({ length: 1000 }, (_, i) => i * i); function square(i) { return table[i]; }")
        >>> MiniRacer(snapshot=Snapshot(bytes(snapshot))).eval("square(12)")
        144

    Args:
        data: what `bytes(snapshot)` or `snapshot.data` gave. It is trusted, as a pickle is: take it from nobody who may not run code here.

    Raises:
        JSValueError: it is cut, damaged, or was made by another build of mini-racer or with other flags of V8.
        TypeError: it is no bytes.
    """

    _id = 0

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        if not isinstance(data, (bytes, bytearray, memoryview)):
            msg = f"data must be bytes, not {type(data).__name__}: what bytes(snapshot) gave"  # type: ignore[unreachable]
            raise TypeError(msg)
        library = _dll.library()
        data = bytes(data)
        content, head = data[_HEAD:], data[:_HEAD]
        if head[: len(_MAGIC)] != _MAGIC:
            raise JSValueError("this is no snapshot of this version of mini-racer: make it with Snapshot.create")
        expected = _head(content)
        if head[:-_DIGEST] != expected[:-_DIGEST]:
            msg = "the snapshot was made by another build of mini-racer, or with other flags of V8: make it again, here"
            raise JSValueError(msg)
        if head != expected:
            raise JSValueError("the snapshot is cut or damaged: make it again, or copy it again")
        number = c_uint64()
        status = library.mr_snapshot_new(content, len(content), byref(number))
        self._adopt(status, number.value)

    def _adopt(self, status: int, number: int) -> None:
        if status == _dll.NO_MEMORY:
            raise JSOOMException("there is no memory for the snapshot")
        if status != _dll.OK:
            raise JSValueError(f"the snapshot cannot be used: {_dll.library().mr_status_text(status).decode()}")
        self._id = number
        self._release = _dll.library().mr_snapshot_release

    def __del__(self) -> None:
        if self._id:
            self._release(self._id)

    @classmethod
    def create(
        cls,
        prepare: str | Callable[[MiniRacer], object],
        *,
        warm_up: str | Callable[[MiniRacer], object] | None = None,
        timeout_sec: float | None = None,
        cpu_time_sec: float | None = None,
        max_memory: int | None = None,
        max_buffer_memory: int | None = None,
        console: Callable[[ConsoleMessage], object] | bool | None = None,
    ) -> Snapshot:
        """Sets up a context of its own and takes a snapshot of it.

            >>> from py_mini_racer import MiniRacer, Snapshot
            >>> def prepare(ctx):
            ...     ctx.eval("var settings = {}; var render = name => `Hello ${name}, ${settings.mood}`;")
            ...     ctx.globals["settings"]["mood"] = "fine"
            >>> snapshot = Snapshot.create(prepare, warm_up="settings.mood = 'bad'; render('nobody')")
            >>> MiniRacer(snapshot=snapshot).eval("render('world')")
            'Hello world, fine'

        While it is set up, scripts have no `FinalizationRegistry`, `Intl`, `SharedArrayBuffer`, `Temporal` or `WebAssembly`: objects of these cannot be in a
        snapshot. Contexts that begin with it have them. Pending promises are kept; what Python awaits of them, handles, and limits are not.

        Args:
            prepare: a script, or a function that is given the MiniRacer. That is closed when it returns, and its handles with it.
            warm_up: a script that is run, or a function that is called with a MiniRacer, so that V8 compiles what it uses. Its effects are thrown away.
            timeout_sec: seconds that each script may take, and looking the context over in the end.
            cpu_time_sec: likewise, seconds of CPU.
            max_memory: bytes of heap, as of a `MiniRacer`.
            max_buffer_memory: bytes of ArrayBuffers, likewise.
            console: what hears what scripts say to `console` meanwhile, as of a `MiniRacer`. False: contexts that begin with it have V8's console, too, which
                says nothing.

        Raises:
            JSValueError: the context holds what no snapshot can: Python functions, proxies or errors that scripts can reach, timers, modules, further realms,
                asm.js, more than 1 GiB.
            JSOOMException: there is no memory for it.

        And what the scripts raise, and `prepare` and `warm_up`.
        """

        def taken(run: str | Callable[[MiniRacer], object], base: int, *, fresh: bool) -> Snapshot:
            context = Context(
                timeout_sec=timeout_sec,
                cpu_time_sec=cpu_time_sec,
                max_memory=max_memory,
                max_buffer_memory=max_buffer_memory,
                console=console,
                snapshot=base,
                for_snapshot=True,
            )
            try:
                ctx = MiniRacer(context)
                if callable(run):
                    run(ctx)
                else:
                    ctx.eval(run)
                return _take(cls, context, fresh=fresh)
            finally:
                context.close()

        made = taken(prepare, 0, fresh=False)
        return made if warm_up is None else taken(warm_up, made._id, fresh=True)

    @property
    def data(self) -> bytes:
        """The snapshot's bytes, for `Snapshot(data)`: of the same build of mini-racer, and with the same flags of V8."""
        piece = _dll.Slice()
        _dll.library().mr_snapshot_data(self._id, byref(piece))
        content = string_at(piece.data, piece.size) if piece.data else b""
        return _head(content) + content

    def __bytes__(self) -> bytes:
        return self.data

    def __reduce__(self) -> tuple[type[Snapshot], tuple[bytes]]:
        return type(self), (self.data,)


def _take(cls: type[Snapshot], context: Context, *, fresh: bool) -> Snapshot:
    result = _dll.Result(struct_size=sizeof(_dll.Result))
    number = c_uint64()
    library = context.library
    try:
        status = library.mr_snapshot_take(context._id, fresh, make_options(), byref(result), byref(number))
        message = string_at(result.data, result.size) if result.size else b""
    finally:
        library.mr_result_free(byref(result))
    if status == _dll.NO_SNAPSHOT:
        why = _wire.decode(message, context) if message else "something in it cannot be written"
        raise JSValueError(f"this context cannot become a snapshot: {why}")
    if status not in (_dll.OK, _dll.NO_MEMORY):
        context.failed(status, message)
    made = cls.__new__(cls)
    made._adopt(status, number.value)
    return made


def number_of(snapshot: object) -> int:
    """What the library knows the snapshot by."""
    if not isinstance(snapshot, Snapshot):
        msg = f"snapshot must be a Snapshot, not {type(snapshot).__name__}: make one with Snapshot(bytes) or Snapshot.create"
        raise TypeError(msg)
    return snapshot._id


__all__ = ["Snapshot"]
