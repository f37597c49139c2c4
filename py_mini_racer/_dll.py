"""The native library: where it is, its functions, its start.

FUNCTIONS and the structures below are the ctypes side of mini_racer.h; a test compares the two. Everything is bound through `ctypes.CDLL`, which lets go of the
GIL for the call: the functions wait for locks. Any thread.
"""

from __future__ import annotations

import atexit
import ctypes
import sys
from ctypes import (
    CFUNCTYPE,
    POINTER,
    c_char_p,
    c_double,
    c_int32,
    c_int64,
    c_size_t,
    c_ubyte,
    c_uint32,
    c_uint64,
    c_void_p,
)
from os import register_at_fork

from py_mini_racer._exc import (
    LibAlreadyInitializedError,
    LibIncompatibleError,
    LibNotFoundError,
    MiniRacerBaseException,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

ABI_VERSION = 1

# mr_status; tests/test_abi.py compares them with the header.
OK = 0
EXCEPTION = 1
TIMEOUT = -1
MEMORY_LIMIT = -2
TERMINATED = -3
CLOSED = -4
BAD_CONTEXT = -6
BAD_HANDLE = -7
ALREADY_INITIALIZED = -11
ICU_MISSING = -12
ICU_FOREIGN = -13
SNAPSHOT_MISSING = -14
SNAPSHOT_FOREIGN = -15

BAD_MESSAGE = -8
NO_MEMORY = -9
TOO_DEEP = -17
TOO_LARGE = -18
DEADLOCK = -19
CPU_TIME = -20
FORKED = -21
INTERRUPTED = -22
BUSY = -23
NO_SNAPSHOT = -24

LATIN1 = 1
UTF16 = 2

# mr_operation: what mr_submit() does.
DO_EVAL = 1
DO_CALL = 2
DO_AWAIT = 12
DO_PROMISE_SETTLE = 14

# Flags of mr_options.
COPY = 1
MAPS_AS_PAIRS = 2
CLASS_NAMES = 4
CODE_CACHE = 8
TRY = 16

# Events, and what a host function says.
EVENT_RELEASED = 1
EVENT_FULFILLED = 2
EVENT_REJECTED = 3
EVENT_UNHANDLED = 4
EVENT_UNCAUGHT = 5
EVENT_CODE_CACHE = 7
EVENT_DONE = 6
REPLY_RETURN = 0
REPLY_THROW = 1


class Number(ctypes.Union):
    """The number behind the tag of a short message."""

    _fields_ = (("int32", c_int32), ("double", c_double))
    _pack_ = 1


UNLIMITED = 2**63 - 1  # MR_UNLIMITED
INLINE_SIZE = 96  # bytes of a short message, at the end of a result


class Result(ctypes.Structure):
    """mr_result. The message's first bytes are laid open as `tag` and, behind it, `int32` or `double`."""

    _anonymous_ = ("number",)

    _fields_ = (
        ("struct_size", c_uint32),
        ("taken", c_uint32),
        ("data", c_void_p),
        ("size", c_uint64),
        ("capacity", c_uint64),
        ("tag", c_ubyte),
        ("number", Number),
        ("rest", c_ubyte * (INLINE_SIZE - 9)),
    )
    _pack_ = 1
    struct_size: int
    taken: int
    data: int
    size: int
    tag: int
    int32: int
    double: float


class InitOptions(ctypes.Structure):
    """mr_init_options."""

    _fields_ = (
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("flags", c_char_p),
        ("icu_path", c_char_p),
        ("snapshot_path", c_char_p),
        ("max_total_memory", c_uint64),
    )


# mr_host_call: data, context, function, message, its size, reply. mr_host_event: data, context, event, id, message, its size.
HostCall = CFUNCTYPE(None, c_void_p, c_uint64, c_uint64, c_void_p, c_uint64, c_void_p)
HostEvent = CFUNCTYPE(None, c_void_p, c_uint64, c_uint32, c_uint64, c_void_p, c_uint64)


class ContextOptions(ctypes.Structure):
    """mr_context_options."""

    _fields_ = (
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("max_memory", c_uint64),
        ("max_stack", c_uint64),
        ("call", HostCall),
        ("event", HostEvent),
        ("data", c_void_p),
        ("timeout", c_int64),
        ("cpu_time", c_int64),
        ("max_buffer_memory", c_uint64),
        ("console", c_uint64),
        ("snapshot", c_uint64),
        ("for_snapshot", c_uint64),
    )


class Slice(ctypes.Structure):
    """mr_slice."""

    _fields_ = (("data", c_void_p), ("size", c_uint64))
    data: int | None
    size: int


class Text(ctypes.Structure):
    """mr_text, which is the fast lane's: `release` comes in the middle of a collection, where nobody may wait for the GIL."""

    _fields_ = (
        ("data", c_void_p),
        ("size", c_uint64),
        ("encoding", c_uint32),
        ("taken", c_uint32),
        ("release", c_void_p),
        ("owner", c_void_p),
    )


class Options(ctypes.Structure):
    """mr_options."""

    _fields_ = (
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("timeout", c_int64),
        ("max_memory", c_uint64),
        ("max_bytes", c_uint64),
        ("max_depth", c_uint32),
        ("encoding", c_uint32),
        ("filename", c_char_p),
        ("line_offset", c_int32),
        ("column_offset", c_int32),
        ("buffers", POINTER(Slice)),
        ("buffer_count", c_uint64),
        ("call", c_uint64),
        ("cpu_time", c_int64),
        ("realm", c_uint64),
        ("max_stack", c_uint64),
        ("texts", POINTER(Text)),
        ("text_count", c_uint64),
    )


_OPTIONS = POINTER(Options)  # takes None and an Options as it is
_ON_CONTEXT = [c_uint64, _OPTIONS, c_void_p]
_ON_CONTEXT_WITH_INPUT = [c_uint64, c_char_p, c_size_t, _OPTIONS, c_void_p]
_ON_VALUE = [c_uint64, c_uint64, _OPTIONS, c_void_p]
_ON_VALUE_WITH_INPUT = [c_uint64, c_uint64, c_char_p, c_size_t, _OPTIONS, c_void_p]

# name: (type of the result, types of the arguments). Results go as c_void_p: a byref() made once costs nothing to pass.
FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "mr_abi_version": (c_uint32, []),
    "mr_v8_version": (c_char_p, []),
    "mr_build_id": (c_char_p, []),
    "mr_feature": (c_int32, [c_char_p]),
    "mr_status_name": (c_char_p, [c_int32]),
    "mr_status_text": (c_char_p, [c_int32]),
    "mr_address_space_needed": (c_uint64, []),
    "mr_init": (c_int32, [POINTER(InitOptions)]),
    "mr_result_free": (None, [c_void_p]),
    "mr_context_new": (c_int32, [POINTER(ContextOptions), POINTER(c_uint64)]),
    "mr_context_close": (c_int32, [c_uint64]),
    "mr_snapshot_take": (c_int32, [c_uint64, c_int32, _OPTIONS, c_void_p, POINTER(c_uint64)]),
    "mr_snapshot_data": (c_int32, [c_uint64, POINTER(Slice)]),
    "mr_snapshot_new": (c_int32, [c_char_p, c_size_t, POINTER(c_uint64)]),
    "mr_snapshot_release": (None, [c_uint64]),
    "mr_quiesce": (c_int32, [c_int64]),
    "mr_resume": (None, []),
    "mr_context_count": (c_uint64, []),
    "mr_handle_count": (c_int32, [c_uint64, POINTER(c_uint64)]),
    "mr_terminate": (c_int32, [c_uint64]),
    "mr_cancel": (c_int32, [c_uint64, c_uint64]),
    "mr_interrupt": (c_int32, [c_uint64]),
    "mr_interrupt_hook": (c_int32, [c_void_p, c_void_p, c_uint64]),
    "mr_wait": (c_int32, [c_uint64, POINTER(c_int32), c_int64]),
    "mr_running_call": (c_uint64, []),
    "mr_release": (None, [c_uint64, POINTER(c_uint64), c_size_t]),
    "mr_store_release": (None, [c_uint64]),
    "mr_store_release_now": (c_int32, [c_uint64]),
    "mr_soft_limit": (c_int32, [c_uint64, c_uint64]),
    "mr_soft_limit_reached": (c_int32, [c_uint64, POINTER(c_int32)]),
    "mr_eval": (c_int32, _ON_CONTEXT_WITH_INPUT),
    "mr_call": (c_int32, _ON_VALUE_WITH_INPUT),
    "mr_call_method": (c_int32, _ON_VALUE_WITH_INPUT),
    "mr_construct": (c_int32, _ON_VALUE_WITH_INPUT),
    "mr_get": (c_int32, _ON_VALUE_WITH_INPUT),
    "mr_set": (c_int32, _ON_VALUE_WITH_INPUT),
    "mr_get_now": (c_int32, [c_uint64, c_uint64, c_char_p, c_size_t, c_void_p]),
    "mr_set_now": (c_int32, [c_uint64, c_uint64, c_char_p, c_size_t]),
    "mr_delete": (c_int32, _ON_VALUE_WITH_INPUT),
    "mr_has": (c_int32, _ON_VALUE_WITH_INPUT),
    "mr_keys": (c_int32, _ON_VALUE),
    "mr_elements": (c_int32, _ON_VALUE_WITH_INPUT),
    "mr_changes": (c_int32, [c_uint64, POINTER(c_uint64)]),
    "mr_iterate": (c_int32, [c_uint64, c_uint64, c_int32, _OPTIONS, c_void_p]),
    "mr_next": (c_int32, _ON_VALUE),
    "mr_read": (c_int32, _ON_VALUE),
    "mr_compile": (c_int32, [c_uint64, c_char_p, c_size_t, _OPTIONS, c_void_p]),
    "mr_run": (c_int32, _ON_VALUE),
    "mr_code_cache": (c_int32, _ON_VALUE),
    "mr_realm_new": (c_int32, _ON_CONTEXT),
    "mr_globals": (c_int32, _ON_CONTEXT),
    "mr_await": (c_int32, _ON_VALUE),
    "mr_promise_new": (c_int32, _ON_CONTEXT),
    "mr_promise_settle": (c_int32, _ON_VALUE_WITH_INPUT),
    "mr_buffer_new": (c_int32, [c_uint64, c_uint32, c_uint64, _OPTIONS, c_void_p]),
    "mr_preview": (c_int32, _ON_VALUE),
    "mr_heap_stats": (c_int32, _ON_CONTEXT),
    "mr_stats": (c_int32, _ON_CONTEXT),
    "mr_heap_snapshot": (c_int32, _ON_CONTEXT),
    "mr_low_memory": (c_int32, _ON_CONTEXT),
    "mr_submit": (c_int32, [c_uint64, c_uint32, c_uint64, c_char_p, c_size_t, _OPTIONS]),
    "mr_module_compile": (c_int32, _ON_CONTEXT_WITH_INPUT),
    "mr_module_synthetic": (c_int32, _ON_CONTEXT_WITH_INPUT),
    "mr_module_link": (c_int32, _ON_CONTEXT_WITH_INPUT),
    "mr_module_evaluate": (c_int32, _ON_CONTEXT_WITH_INPUT),
    "mr_module_namespace": (c_int32, _ON_VALUE),
    "mr_module_hooks": (c_int32, _ON_CONTEXT_WITH_INPUT),
    "mr_reply_set": (c_int32, [c_void_p, c_uint32, c_char_p, c_size_t, POINTER(Slice), c_size_t]),
}

FEATURES = ("blobs", "sandbox", "intl", "webassembly", "temporal", "source", "fork")

# The name is mini-racer's, where these were the default. Here the default is none: V8's threads pay, and stand still for forks.
DEFAULT_V8_FLAGS = ("--single-threaded",)
"""Flags for `init_mini_racer` with which V8 starts no threads of its own: it compiles and collects on the caller's thread alone.
Without them it has up to three, which start when there is work for them and end after five idle seconds."""

# Whether the library may call Python by itself (mr_python_abi.h). Objects of a free-threaded build look different, and it has no stable ABI.
STABLE_ABI = sys.implementation.name == "cpython" and "t" not in sys.abiflags

_LIBRARY = "libmini_racer.so"
_ICU_DATA = "icudtl.dat"
_SNAPSHOT = "snapshot_blob.bin"

# Nanoseconds that callbacks may still take when Python ends. Then it ends each thread that asks for the GIL, wherever that is.
_LAST_CALLBACKS = 50_000_000

_library: ctypes.CDLL | None = None
_initialized = False
v8_flags = ""  # that V8 was started with


def _folder() -> str:
    """Where the native files are: beside this file, or where PyInstaller has unpacked them."""
    unpacked = getattr(sys, "_MEIPASS", None)
    here = __file__.rpartition("/")[0] or "."
    return f"{unpacked}/py_mini_racer" if unpacked else here


def library_path() -> str:
    """Where the native library is, or would be."""
    return f"{_folder()}/{_LIBRARY}"


def open_library(path: str) -> ctypes.CDLL:
    """Loads the library at `path` and binds its functions.

    Raises:
        LibNotFoundError: there is none, or it cannot be loaded.
        LibIncompatibleError: it speaks another version of the ABI.
    """
    if not sys.platform.startswith("linux"):
        msg = f"mini-racer has no native library for {sys.platform}: it runs on Linux (x86_64, aarch64) as of now"
        raise LibIncompatibleError(msg)
    from os.path import exists

    if not exists(path):
        raise LibNotFoundError(path)
    try:
        library = ctypes.CDLL(path)
        version = library.mr_abi_version
    except (OSError, AttributeError) as error:
        msg = f"{path} cannot be used as mini-racer's native library ({error}): install a wheel for this platform"
        raise LibIncompatibleError(msg) from error
    version.restype = c_uint32
    if version() != ABI_VERSION:
        msg = (
            f"{path} speaks version {version()} of the ABI, this package version {ABI_VERSION}: "
            "install both from one wheel, or run `make build`"
        )
        raise LibIncompatibleError(msg)
    for name, (result, arguments) in FUNCTIONS.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library


def _start(library: ctypes.CDLL, flags: Iterable[str], max_total_memory: int | None) -> None:
    blobs = library.mr_feature(b"blobs")
    folder = _folder()
    icu, snapshot = f"{folder}/{_ICU_DATA}", f"{folder}/{_SNAPSHOT}"
    text = flags if isinstance(flags, str) else " ".join(flags)
    options = InitOptions(
        ctypes.sizeof(InitOptions),
        0,
        text.encode(),
        icu.encode() if blobs else None,
        snapshot.encode() if blobs else None,
        max_total_memory or 0,
    )
    status = library.mr_init(options)
    if status in (ICU_MISSING, SNAPSHOT_MISSING):
        raise LibNotFoundError(icu if status == ICU_MISSING else snapshot)
    if status in (ICU_FOREIGN, SNAPSHOT_FOREIGN):
        msg = (
            f"{icu if status == ICU_FOREIGN else snapshot} is cut, damaged or of another build than the library beside "
            "it: install mini-racer again, or run `make build`"
        )
        raise LibIncompatibleError(msg)
    if status == NO_MEMORY:
        needed = library.mr_address_space_needed() / 2**30
        msg = (
            f"V8 could not be started: it reserves {needed:g} GiB of addresses, which are not memory, and the process has a limit "
            "that leaves it fewer: raise it, or lift it with `ulimit -v unlimited`"
        )
        raise MiniRacerBaseException(msg)
    if status != OK:
        raise MiniRacerBaseException(f"V8 could not be started: {library.mr_status_text(status).decode()}")
    global v8_flags
    v8_flags = text


def init_mini_racer(
    *,
    flags: Iterable[str] = (),
    ignore_duplicate_init: bool = False,
    max_total_memory: int | None = None,
) -> ctypes.CDLL:
    """Starts V8, with flags of your choice, once in a process. The first `MiniRacer` does it by itself, with none. Any thread.

        init_mini_racer(flags=[*DEFAULT_V8_FLAGS, "--stack-size=500"])

    Args:
        flags: V8's flags, such as `["--max-lazy"]`; or all of them in one string. V8 says on standard error which ones it does not know.
        ignore_duplicate_init: say nothing when V8 runs already.
        max_total_memory: bytes of JavaScript heap that all contexts together may hold. Beyond it, the largest calls that run are stopped with
            `JSOOMException`, and no more contexts are opened. None: 3 GiB where all heaps share one range of 4 GiB (V8 from source), which also is
            the most; else no limit.

    Returns:
        The loaded library.

    Raises:
        LibAlreadyInitializedError: V8 runs already; flags can only be set once in a process.
        LibNotFoundError: the native library, or a file that it needs, is missing.
        LibIncompatibleError: one of these is of another build.
        MiniRacerBaseException: the process may not reserve the addresses that V8 needs (`ulimit -v`).
    """
    global _library, _initialized
    with _lock:
        if _initialized:
            if not ignore_duplicate_init:
                raise LibAlreadyInitializedError
        else:
            _library = _library or open_library(library_path())
            _start(_library, flags, max_total_memory)
            atexit.register(_library.mr_quiesce, _LAST_CALLBACKS)
            register_at_fork(after_in_child=_library.mr_resume)  # pthread_atfork(3) does the rest
            _initialized = True
        assert _library is not None
        return _library


def library() -> ctypes.CDLL:
    """The started library; starts it when nobody has."""
    if _initialized and _library is not None:
        return _library
    return init_mini_racer(ignore_duplicate_init=True)


def features() -> frozenset[str]:
    """What this build of the library can do: the names that mr_feature() knows and says yes to."""
    feature: Callable[[bytes], int] = library().mr_feature
    return frozenset(name for name in FEATURES if feature(name.encode()))


def v8_version() -> str:
    """V8's version, such as "15.0.245.13"."""
    version: bytes = library().mr_v8_version()
    return version.decode()


def _new_lock() -> Any:
    from _thread import allocate_lock

    return allocate_lock()


def _imported_now() -> list[str]:
    """What some thread imports at this moment, of the package's modules, which are imported when they are first needed, and of Python's."""
    return [
        name
        for name in list(_importlib._module_locks)
        if name.startswith("py_mini_racer.") or name.partition(".")[0] in sys.stdlib_module_names
    ]


def _before_fork() -> None:
    """Takes the lock when no import is half done: in the child its thread is not there, and who needs the module next would wait for ever."""
    while True:
        waited = _imported_now()
        for name in waited:
            _importlib._lock_unlock_module(name)  # waits for who is at it, unless that is this thread
        _lock.acquire()
        if not set(_imported_now()) - set(waited):
            return
        _lock.release()


_importlib: Any = sys.modules["_frozen_importlib"]
_lock = _new_lock()
register_at_fork(before=_before_fork, after_in_parent=_lock.release, after_in_child=_lock.release)
