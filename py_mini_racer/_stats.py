"""The numbers of a context. Imported when somebody first asks for them: it needs typing."""

from __future__ import annotations

from typing import TypedDict, cast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from py_mini_racer._context import Context


class HeapSpace(TypedDict):
    """One of V8's heap spaces, in bytes.

    Attributes:
        size: what V8 has taken for it.
        used: what objects take.
        available: what is free in it.
        physical: what of it is in memory.
    """

    size: int
    used: int
    available: int
    physical: int


class LimitHits(TypedDict):
    """How many calls each limit has stopped, by the keyword argument that sets it; `max_memory` counts all limits of memory.

    Attributes:
        timeout_sec: by the clock.
        cpu_time_sec: by the CPU.
        max_memory: by memory.
    """

    timeout_sec: int
    cpu_time_sec: int
    max_memory: int


class Stats(TypedDict):
    """What `MiniRacer.stats()` returns: a dict of these. Bytes are ints, seconds floats.

    Attributes:
        contexts: contexts open in this process, or still closing.
        stores: buffers, of any context in this process, that Python has views of.
        handles: JavaScript objects that Python holds.
        timers: timers that are to run.
        awaited: promises that are waited for.
        waiting: calls that wait for those of other threads, now.
        calls: calls so far: evaluations, calls, reads and writes of properties, timers' callbacks, calls made in callbacks; this one, too.
        js_sec: seconds that the outermost of them took, Python callbacks included, waiting not. By a clock that ticks every few milliseconds: right in sum.
        wait_sec: seconds that calls have waited for those of other threads.
        gcs: garbage collections.
        gc_sec: seconds that they have taken, as part of `js_sec`.
        limit_hits: calls that a limit stopped.
        used_heap_size: bytes of the heap that objects take, garbage included.
        total_heap_size: bytes that V8 has taken for the heap.
        total_physical_size: bytes of these that are in memory.
        heap_size_limit: bytes that the heap may grow to.
        malloced_memory: bytes that V8 has taken beside the heap.
        external_memory: bytes that the heap's objects hold outside of it, such as those of buffers.
        buffer_memory: bytes of ArrayBuffers and of what else `max_buffer_memory` counts.
        buffer_memory_limit: what `max_buffer_memory` is.
        buffers_refused: how often more than that was asked for.
        heap_spaces: the spaces of the heap, by V8's names.
    """

    contexts: int
    stores: int
    handles: int
    timers: int
    awaited: int
    waiting: int
    calls: int
    js_sec: float
    wait_sec: float
    gcs: int
    gc_sec: float
    limit_hits: LimitHits
    used_heap_size: int
    total_heap_size: int
    total_physical_size: int
    heap_size_limit: int
    malloced_memory: int
    external_memory: int
    buffer_memory: int
    buffer_memory_limit: int
    buffers_refused: int
    heap_spaces: dict[str, HeapSpace]


_SECONDS = {"js_time": "js_sec", "wait_time": "wait_sec", "gc_time": "gc_sec"}
_HITS = {"timeouts": "timeout_sec", "cpu_timeouts": "cpu_time_sec", "memory_stops": "max_memory"}


def stats(context: Context) -> Stats:
    """The numbers of a context, by one call of the library."""
    numbers = context.run(context.library.mr_stats, None)
    spaces = numbers.pop("heap_spaces")
    answer = {_SECONDS[name]: numbers.pop(name) / 1e9 for name in _SECONDS}
    hits = {_HITS[name]: int(numbers.pop(name)) for name in _HITS}
    answer.update((name, int(number)) for name, number in numbers.items())
    return cast(
        "Stats",
        answer
        | {
            "limit_hits": hits,
            "heap_spaces": {name: {part: int(size) for part, size in space.items()} for name, space in spaces.items()},
        },
    )
