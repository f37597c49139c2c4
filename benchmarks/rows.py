"""What is measured: the libraries, the rows, and the goal of each row. No code runs here."""

from __future__ import annotations

from typing import NamedTuple


class Peer(NamedTuple):
    """A library: its requirement on PyPI (none for this checkout), adapter, environment, and the shortest program that evaluates."""

    name: str
    requirement: str
    adapter: str
    module: str
    first: str
    environ: dict[str, str]


def _ours(name: str, lane: str) -> Peer:
    first = "from py_mini_racer import MiniRacer; MiniRacer().eval('1+1')"
    return Peer(name, "", "ours", "py_mini_racer", first, {"MINI_RACER_LANE": lane})


OURS = "ours"
CTYPES = "ours, ctypes"
PEERS = (
    _ours(OURS, "fast"),
    _ours(CTYPES, "ctypes"),
    Peer(
        *("mini-racer", "mini-racer==0.14.1", "mini_racer", "py_mini_racer"),
        "from py_mini_racer import MiniRacer; MiniRacer().eval('1+1')",
        {},
    ),
    Peer("jsrun", "jsrun==0.3.0", "jsrun", "jsrun", "import jsrun; jsrun.Runtime().eval('1+1')", {}),
    Peer(
        *("stpyv8", "stpyv8==13.1.201.22", "stpyv8", "STPyV8"),
        "import STPyV8; c = STPyV8.JSContext(); c.enter(); c.eval('1+1')",
        {},
    ),
    Peer(
        *("pythonmonkey", "pythonmonkey==1.4.1", "pythonmonkey", "pythonmonkey"),
        "import pythonmonkey; pythonmonkey.eval('1+1')",
        {},
    ),
    Peer("quickjs", "quickjs==1.19.4", "quickjs", "quickjs", "import quickjs; quickjs.Context().eval('1+1')", {}),
    Peer("dukpy", "dukpy==0.6.0", "dukpy", "dukpy", "import dukpy; dukpy.JSInterpreter().evaljs('1+1')", {}),
    Peer(
        *("py-mini-racer 0.6", "py-mini-racer==0.6.0", "py_mini_racer_06", "py_mini_racer"),
        "from py_mini_racer import MiniRacer; MiniRacer().eval('1+1')",
        {},
    ),
)


class Goal(NamedTuple):
    """A bound: of the ratio to the best peer, to one peer or to one other row of ours, or of the value itself. `least` turns it round."""

    bound: float
    against: str = ""  # "best", a peer, "row <name>", "probe <us>", or "" for the value
    least: bool = False
    lane: str = OURS


class Row(NamedTuple):
    """A line of the tables."""

    name: str
    title: str
    unit: str  # us, ms, MB, x
    group: str
    goals: tuple[Goal, ...] = ()
    more: bool = False  # more is better


CALLS, AWAITING, DATA, CONTEXTS, LARGE, THREADS = (
    "Evaluating and calling",
    "Promises and timers",
    "Data",
    "Processes, contexts, memory",
    "Large scripts, and what they compute",
    "Threads",
)

# What a ctypes probe of 100 lines over the same V8 took, with nothing round it, on a machine where the peers took the microseconds below:
# as these differ here, so would the probe.
PROBE_PEERS: dict[str, dict[str, float]] = {
    "eval": {
        "mini-racer": 118,
        "jsrun": 9.6,
        "stpyv8": 1.55,
        "pythonmonkey": 3.0,
        "quickjs": 1.5,
        "dukpy": 31,
        "py-mini-racer 0.6": 4.7,
    },
    "call": {"mini-racer": 221, "jsrun": 10.5, "stpyv8": 1.93, "pythonmonkey": 0.88, "quickjs": 0.13},
}

PROCESS = "process"  # rows that the driver measures itself, from outside
ROWS = (
    Row("import", "import", "ms", CONTEXTS),
    Row(PROCESS, "whole process: import, first eval, over `python -c pass`", "ms", CONTEXTS, (Goal(1.15, "quickjs"),)),
    Row("rss", "RSS after the first eval", "MB", CONTEXTS, (Goal(0.8, "jsrun"),)),
    Row(
        "eval",
        '`eval("1+1")`',
        "us",
        CALLS,
        (Goal(0.75, "best"), Goal(1 / 90, "mini-racer"), Goal(1.5, "probe 1.9", lane=CTYPES)),
    ),
    Row("eval_different", "eval of a source that differs each time", "us", CALLS),
    Row("eval_10k", "eval of 10 KB of code", "us", CALLS),
    Row(
        "call",
        "call `f(5, 7)`",
        "us",
        CALLS,
        (Goal(0.65, "pythonmonkey"), Goal(1 / 300, "mini-racer"), Goal(2.5, "probe 1.27", lane=CTYPES)),
    ),
    Row("call_string", "call with a string of 1 KB", "us", CALLS, (Goal(1, "best"),)),
    Row("call_dict", "call with a dict of 10", "us", CALLS),
    Row("get", "read a property", "us", CALLS, (Goal(1, "best"),)),
    Row("set", "set a property", "us", CALLS),
    Row("callback", "sync callback, int to int, in a JavaScript loop", "us", CALLS, (Goal(0.6, "pythonmonkey"),)),
    Row("wasm", "call of a WASM function", "us", CALLS),
    Row("eval_timeout", '`eval("1+1")` with a timeout of its own', "us", CALLS),
    Row("call_timeout", "call `f(5, 7)` with a timeout of its own", "us", CALLS),
    Row("call_context_timeout", "call `f(5, 7)` under the context's timeout", "us", CALLS),
    Row("promise", "promise there and back: `await` of a resolved one", "us", AWAITING),
    Row("callback_async", "JavaScript awaits a Python coroutine", "us", AWAITING),
    Row("timers", "a timer, of 1,000 at once", "us", AWAITING),
    Row("pending", "asyncio: 1,000 pending promises, 2 ms each", "ms", AWAITING),
    Row("records_out", "20,000 records out, best way", "ms", DATA, (Goal(0.6, "best"),)),
    Row("records_in", "20,000 records in, best way", "ms", DATA, (Goal(0.45, "best"),)),
    Row("records_copy", "20,000 records out by `copy()`", "ms", DATA),
    Row("records_argument", "20,000 records in as an argument", "ms", DATA),
    Row("iterate", "iterate an array of 10,000", "ms", DATA),
    Row("string_in", "call with a string of 10 MB, the same one again", "us", DATA, (Goal(1, "best"),)),
    Row("string_in_different", "the same with another one each time, of eight", "us", DATA),
    Row("floats", "typed array out, 1 M doubles", "us", DATA, (Goal(100),)),
    Row("floats_100mb", "typed array out, 100 MB", "us", DATA, (Goal(2, "row floats"),)),
    Row("buffer_in", "`ctx.buffer` of 100 MB as an argument", "us", DATA, (Goal(100),)),
    Row("buffer_out", "`ctx.buffer` of 100 MB back", "us", DATA, (Goal(100),)),
    Row("context", "context: open, eval, close", "ms", CONTEXTS, (Goal(1.2),)),
    Row("realm", "realm: open, eval, close", "ms", CONTEXTS, (Goal(1, "stpyv8"),)),
    Row("pool", "pool: a clean context, checked out and in", "ms", CONTEXTS),
    Row("rss_context", "RSS of a further context", "MB", CONTEXTS, (Goal(0.6),)),
    Row("rss_realm", "RSS of a further realm", "MB", CONTEXTS, (Goal(0.09),)),
    Row("babel_source", "a context with Babel (3 MB), from source", "ms", LARGE),
    Row("babel_process_cache", "a further one, by the process's cache", "ms", LARGE),
    Row("babel_code_cache", "the same, with a code cache", "ms", LARGE, (Goal(30),)),
    Row("babel_snapshot", "the same, from a snapshot", "ms", LARGE, (Goal(14),)),
    Row("transform", "Babel's first transform of 459 KB", "ms", LARGE, (Goal(0.9, "best"),)),
    Row("transform_single", "the same with `--single-threaded`", "ms", LARGE),
    Row("page", "React renders a page of 200 rows", "ms", LARGE),
    Row("fib", "fib(30)", "ms", LARGE),
    Row("threads2", "two threads' work beside one's, own contexts", "x", THREADS, (Goal(1.9, least=True),), more=True),
    Row("threads4", "one thread's calls to those of four, on one context", "x", THREADS, (Goal(2),)),
    Row("threads4_least", "the least of the four's calls, of a fair share", "x", THREADS, more=True),
)
OUTSIDE = {"import", PROCESS, "rss"}
SLOW = {"transform", "transform_single"}  # rows of a second for each sample
CROWDED = SLOW | {
    "threads4",
    "threads4_least",
}  # rows with more threads than some machines have cores: they disturb themselves
ONCE = {"threads2", "threads4", "threads4_least", "rss_context", "rss_realm"}  # rows of a figure for each round
FRESH = {"rss_context", "rss_realm"}  # rows whose every round is another process
