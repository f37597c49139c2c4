"""Memory of JavaScript as memoryviews, and memory of Python on its way to JavaScript. Any thread.

A view of a script's memory exports from a ctypes array at its address. That array holds the store, which keeps the memory alive as long as the
view, or what was made of it, lives: after a garbage collection, after the script detached the buffer, and after the context is closed.
"""

from __future__ import annotations

import ctypes

from py_mini_racer import _dll
from py_mini_racer._exc import JSValueError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from py_mini_racer._context import Context

_COPY = 1  # MR_BUFFER_COPY

# The format of each element (MR_ELEMENT_*): of the 14, ArrayBuffer is the first and DataView the last.
_FORMATS = ("B", "b", "B", "B", "h", "H", "i", "I", "q", "Q", "e", "f", "d", "B")
_SIZES = (1, 1, 1, 1, 2, 2, 4, 4, 8, 8, 2, 4, 8, 1)
_UINT8 = 2

# Names that numpy has for them.
_NAMES = {
    "int8": "b", "uint8": "B", "int16": "h", "uint16": "H", "int32": "i", "uint32": "I",
    "int64": "q", "uint64": "Q", "float16": "e", "float32": "f", "float64": "d",
}  # fmt: skip

_SIGNED = {1: 1, 2: 4, 4: 6, 8: 8}  # size of an integer: its element
_UNSIGNED = {1: 2, 2: 5, 4: 7, 8: 9}
_FLOATS = {"e": 10, "f": 11, "d": 12}


class _Byte(ctypes.Structure):
    """One byte. An array of c_ubyte would export the format "<B", which memoryview.cast() does not take."""

    _fields_ = (("byte", ctypes.c_ubyte),)
    _pack_ = 1
    _layout_ = "ms"


class _Memory:
    """The hold on one buffer: on its memory, and on the JavaScript object that has it."""

    def __init__(self, context: Context, store: int, handle: int, size: int) -> None:
        self.context = context
        self.handle = handle
        self.element: int | None = None  # of the typed array that has the view's elements
        self.size = size
        self._store = store
        self._release = _dll.library().mr_store_release

    def __del__(self) -> None:
        self._release(self._store)
        if self.handle:
            self.context.release((ctypes.c_uint64 * 1)(self.handle))


def make_view(
    context: Context, element: int, flags: int, store: int, address: int, size: int, handle: int
) -> memoryview:
    """A writable memoryview of a script's memory, in the format of its typed array. One of an object whose memory is elsewhere is a copy."""
    if flags & _COPY and handle:
        context.release((ctypes.c_uint64 * 1)(handle))
        handle = 0
    memory = _Memory(context, store, handle, size)
    kind, step = _FORMATS[element], _SIZES[element]
    # memoryview casts nothing that is empty: an element of our own, and then none of it.
    exporter = (_Byte * size).from_address(address) if size else (_Byte * step)()
    exporter.memory = memory  # type: ignore[attr-defined]
    view = memoryview(exporter).cast("B")
    if kind != "B":
        try:
            view = view.cast(kind)  # type: ignore[call-overload]
        except ValueError:  # Python before 3.12 knows no half floats: their bits, then
            view = view.cast("H")
    memory.element = element_of(view)
    return view if size else view[:0]


def element_of(view: memoryview) -> int | None:
    """The typed array (MR_ELEMENT_*) that has the elements of a memoryview; None when there is none."""
    kind = view.format
    if kind[:1] in "@=<|" and len(kind) == 2:
        kind = kind[1]
    if kind[:1] in ">!" and len(kind) == 2 and view.itemsize == 1:
        kind = kind[1]
    if kind in ("c", "?"):
        return _UINT8
    if kind in _FLOATS:
        return _FLOATS[kind]
    if kind in ("b", "h", "i", "l", "q", "n"):
        return _SIGNED.get(view.itemsize)
    if kind in ("B", "H", "I", "L", "Q", "N"):
        return _UNSIGNED.get(view.itemsize)
    return None


def own_handle(value: Any, view: memoryview, context: Context) -> int | None:
    """The handle of the buffer that `value` is a view of, if it is one of this context's, as a whole and with its own elements; a slice is not."""
    from py_mini_racer._lane import Memory

    # numpy.asarray(view) and what was reshaped from it have the memoryview at the end of their chain.
    base = value
    for _ in range(8):
        if isinstance(base, memoryview):
            break
        base = getattr(base, "base", None)
    else:
        return None
    memory: Any = getattr(base.obj, "memory", base.obj)
    if not isinstance(memory, (_Memory, Memory)) or memory.context is not context:
        return None
    # As many bytes, without gaps or turns, is all of it.
    whole = view.nbytes == memory.size and view.c_contiguous and element_of(view) == memory.element
    return memory.handle if whole else None


def slices(buffers: list[memoryview]) -> ctypes.Array[_dll.Slice]:
    """What mr_options.buffers points to: where the buffers are. They live, and keep their size, as long as the answer does."""
    made = (_dll.Slice * len(buffers))()
    held: list[object] = []
    for one, buffer in zip(made, buffers, strict=True):
        one.size = buffer.nbytes
        if buffer.readonly:
            whole = isinstance(buffer.obj, bytes) and len(buffer.obj) == buffer.nbytes
            data: Any = buffer.obj if whole else buffer.tobytes()
            one.data = ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value
            held.append(data)
        else:
            exporter = (ctypes.c_char * buffer.nbytes).from_buffer(buffer)
            one.data = ctypes.addressof(exporter)
            held.append(exporter)
    made.held = held  # type: ignore[attr-defined]
    return made


def new_buffer(context: Context, kind: Any, shape: Any) -> memoryview:
    """See MiniRacer.buffer."""
    if isinstance(kind, tuple) and shape is None and len(kind) == 2:
        kind, shape = kind
    if shape is None:
        element, dimensions = 0, [_length(kind)]
    else:
        element = _element_named(kind)
        dimensions = [_length(one) for one in (shape if isinstance(shape, (tuple, list)) else (shape,))]
    size = _SIZES[element]
    for one in dimensions:
        size *= one
    if size > 2**53 - 1:
        msg = f"a buffer of {size} bytes is more than JavaScript can have: at most 2**53 - 1, and what the machine has memory for"
        raise JSValueError(msg)
    view: memoryview = context.run(context.library.mr_buffer_new, element, size, None)
    if len(dimensions) < 2 or not size:
        return view
    return view.cast("B").cast(view.format, dimensions)  # type: ignore[call-overload, no-any-return]


def _length(value: Any) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        msg = f"the size of a buffer is an int of bytes, or a format and a shape such as ('f', (rows, columns)), not {value!r}"
        raise TypeError(msg)
    number: int = value.__index__()
    if number < 0:
        msg = f"a buffer cannot have a size of {number}: sizes are 0 or more"
        raise JSValueError(msg)
    return number


def _element_named(kind: Any) -> int:
    name = getattr(kind, "char", kind)  # of a numpy.dtype
    kind = _NAMES.get(name, name) if isinstance(name, str) else ""
    kind = {"l": "q", "L": "Q"}.get(kind, kind)  # what numpy calls an int64 on Linux
    if kind == "B":
        return _UINT8
    if not kind or kind not in _FORMATS:
        msg = f"{name!r} is no format that JavaScript has a typed array for; there are: {', '.join(sorted(set(_FORMATS)))}"
        raise JSValueError(msg)
    return _FORMATS.index(kind)
