"""Timeouts: what they stop, what they count, and that the context goes on."""

from __future__ import annotations

import math
import threading
import time

import pytest

from py_mini_racer import JSEvalException, JSTimeoutException, JSValueError, MiniRacer

TEXT = "JavaScript was terminated by timeout"
# A script stops within milliseconds; this is for machines that are busy.
SLACK = 5.0


@pytest.fixture
def ctx():
    with MiniRacer() as opened:
        yield opened


ENDLESS = {
    "empty loop": "for (;;) {}",
    "allocating loop": "for (;;) { [1, 2, 3].map(String) }",
    "catching loop": "for (;;) { try { for (;;); } catch {} finally {} }",
    "finally": "try { for (;;); } finally { for (;;); }",
    "regexp": "/(a+)+b/.test('a'.repeat(64))",
    "getter": "({ get x() { for (;;); } }).x",
    "toString": "`${{ toString() { for (;;); } }}`",
    "valueOf": "1 + { valueOf() { for (;;); } }",
    "toJSON": "JSON.stringify({ toJSON() { for (;;); } })",
    "proxy": "new Proxy({}, { get() { for (;;); } }).x",
    "comparison": "[2, 1].sort(() => { for (;;); })",
    "microtask": "Promise.resolve().then(() => { for (;;); }); 1",
    "chain of microtasks": "(function again() { Promise.resolve().then(again); })(); 1",
    "async function": "(async () => { for (;;) await 1; })(); 1",
    "thrown toString": "throw { toString() { for (;;); } }",
    "thrown name": "throw { get name() { for (;;); } }",
    "thrown message": "throw { get message() { for (;;); } }",
    "thrown stack": "throw { get stack() { for (;;); } }",
    "thrown error's name": "throw Object.defineProperty(new Error('x'), 'name', { get() { for (;;); } })",
    "thrown error's message": "throw Object.defineProperty(new Error('x'), 'message', { get() { for (;;); } })",
    "thrown proxy": "throw new Proxy({}, { get() { for (;;); } })",
    "thrown proxy's prototype": "throw new Proxy(function () {}, { getPrototypeOf() { for (;;); }, get() { for (;;); } })",
    "throwing in a microtask after throwing": "Promise.resolve().then(() => { for (;;); }); throw new Error('x')",
    "prepareStackTrace": "Error.prepareStackTrace = () => { for (;;); }; throw new Error('x')",
}


@pytest.mark.parametrize("code", [pytest.param(code, id=name) for name, code in ENDLESS.items()])
def test_eval_is_stopped(ctx, code):
    ctx.eval("var kept = 'kept'")
    start = time.monotonic()
    with pytest.raises(JSTimeoutException) as caught:
        ctx.eval(code, timeout_sec=0.05)
    assert 0.05 <= time.monotonic() - start < SLACK
    assert str(caught.value) == TEXT
    assert ctx.eval("kept") == "kept"
    assert ctx.eval("[1, 2].map(x => x * 2).join()", timeout_sec=SLACK) == "2,4"


def test_the_exception_is_a_timeout_error(ctx):
    with pytest.raises(TimeoutError):
        ctx.eval("for (;;);", timeout_sec=0.01)
    with pytest.raises(JSEvalException):
        ctx.eval("for (;;);", timeout_sec=0.01)


def test_microtasks_of_a_stopped_script_do_not_come_back(ctx):
    ctx.eval("var runs = 0; function again() { runs++; return Promise.resolve().then(again); }")
    with pytest.raises(JSTimeoutException):
        ctx.eval("again(); 1", timeout_sec=0.05)
    runs = ctx.eval("runs")
    assert runs > 1
    assert ctx.eval("runs") == runs


def test_a_function_is_stopped(ctx):
    function = ctx.eval("(function (x) { for (;;) { if (x) return x; } })")
    with pytest.raises(JSTimeoutException, match=f"^{TEXT}$"):
        function(0, timeout_sec=0.05)
    assert function(7, timeout_sec=SLACK) == 7


def test_a_getter_that_a_function_reads_is_stopped(ctx):
    read = ctx.eval("(object => object.endless)")
    victim = ctx.eval("({ get endless() { for (;;); }, other: 1 })")
    with pytest.raises(JSTimeoutException):
        read(victim, timeout_sec=0.05)
    assert victim["other"] == 1


def test_a_getter_that_python_reads_is_stopped_from_outside(ctx):
    victim = ctx.eval("({ get endless() { for (;;); } })")
    closer = threading.Timer(0.1, ctx.close)
    closer.start()
    with pytest.raises(JSEvalException, match="closed"):
        _ = victim["endless"]
    closer.join()


@pytest.mark.parametrize("method", ["execute", "call"])
@pytest.mark.parametrize(
    "options", [{"timeout_sec": 0.05}, {"timeout": 50}, {"timeout": 50, "timeout_sec": 60}], ids=str
)
def test_execute_and_call_are_stopped(ctx, method, options):
    ctx.eval("function endless() { for (;;); }")
    start = time.monotonic()
    with pytest.raises(JSTimeoutException, match=f"^{TEXT}$"):
        getattr(ctx, method)("endless()" if method == "execute" else "endless", **options)
    assert time.monotonic() - start < SLACK
    assert ctx.execute("[1]") == [1]


def test_milliseconds_have_an_old_name(ctx):
    start = time.monotonic()
    with pytest.raises(JSTimeoutException):
        ctx.eval("for (;;);", timeout=100)
    assert 0.1 <= time.monotonic() - start < SLACK
    assert ctx.eval("1", timeout=0) == 1  # always was: no limit


def test_what_ends_in_time_is_not_touched(ctx):
    for _ in range(200):
        assert (
            ctx.eval(
                "let sum = 0; for (let i = 0; i < 100; i++) sum += i; sum".replace("let sum", "var sum"), timeout_sec=60
            )
            == 4950
        )


def test_a_timeout_does_not_outlive_its_call(ctx):
    assert ctx.eval("1", timeout_sec=0.2) == 1
    assert ctx.eval("var end = Date.now() + 400; while (Date.now() < end); 2") == 2


def test_hundreds_of_timeouts(ctx):
    for _ in range(200):
        with pytest.raises(JSTimeoutException):
            ctx.eval("for (;;);", timeout_sec=0.001)
    assert ctx.eval("1") == 1


def test_many_contexts_run_out_of_time_together():
    outcomes = []

    def run(seconds: float) -> None:
        with MiniRacer() as own:
            start = time.monotonic()
            try:
                own.eval("for (;;);", timeout_sec=seconds)
            except JSTimeoutException:
                outcomes.append(time.monotonic() - start >= seconds)

    threads = [threading.Thread(target=run, args=(0.05 * (1 + number % 3),)) for number in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [True] * 9


def test_waiting_for_another_thread_counts(ctx):
    started = threading.Event()

    def occupy() -> None:
        started.set()
        ctx.eval("var end = Date.now() + 600; while (Date.now() < end); 1")

    thread = threading.Thread(target=occupy)
    thread.start()
    started.wait()
    time.sleep(0.1)
    start = time.monotonic()
    with pytest.raises(JSTimeoutException, match=f"^{TEXT}$"):
        ctx.eval("1", timeout_sec=0.1)
    assert time.monotonic() - start < 0.45
    assert thread.is_alive()
    thread.join()
    assert ctx.eval("1") == 1


def test_the_loser_of_a_wait_leaves_the_winner_alone(ctx):
    results = []
    thread = threading.Thread(
        target=lambda: results.append(
            ctx.eval("var end = Date.now() + 300; while (Date.now() < end); 'done'", timeout_sec=60)
        )
    )
    thread.start()
    time.sleep(0.1)
    with pytest.raises(JSTimeoutException):
        ctx.eval("1", timeout_sec=0.05)
    thread.join()
    assert results == ["done"]


@pytest.mark.parametrize("seconds", [0, 0.0, -0.0, -1, -1e300, -math.inf, -(10**400), False])
def test_no_time_left_is_a_timeout_at_once(ctx, seconds):
    with pytest.raises(JSTimeoutException, match=f"^{TEXT}$"):
        ctx.eval("touched = true", timeout_sec=seconds)
    function = ctx.eval("(() => 1)")
    with pytest.raises(JSTimeoutException, match=f"^{TEXT}$"):
        function(timeout_sec=seconds)
    assert ctx.eval("typeof touched") == "undefined"


def test_the_shortest_timeout_stops_a_loop(ctx):
    with pytest.raises(JSTimeoutException):
        ctx.eval("for (;;);", timeout_sec=1e-12)


@pytest.mark.parametrize("seconds", [None, math.inf, 1e300, 10**400, 60, 60.5, True])
def test_long_timeouts(ctx, seconds):
    assert ctx.eval("6 * 7", timeout_sec=seconds) == 42


def test_no_number_is_a_value_error(ctx):
    with pytest.raises(JSValueError, match="^a timeout must be a number of seconds, not NaN$"):
        ctx.eval("1", timeout_sec=math.nan)
    with pytest.raises(ValueError):
        ctx.eval("1", timeout=math.nan)
    assert ctx.eval("1") == 1


@pytest.mark.parametrize("seconds", ["1", b"1", [], {}, object()], ids=lambda value: type(value).__name__)
def test_no_number_at_all_is_a_type_error(ctx, seconds):
    with pytest.raises(TypeError):
        ctx.eval("1", timeout_sec=seconds)
    with pytest.raises(TypeError):
        ctx.eval("(() => 1)")(timeout_sec=seconds)
    assert ctx.eval("1") == 1
