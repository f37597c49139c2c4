"""MiniRacer.stats(): numbers that move when something happens, and only then."""

from __future__ import annotations

import threading
import time
from typing import get_type_hints

import pytest

import py_mini_racer
from py_mini_racer import JSClosedException, JSCPUTimeException, JSOOMException, JSTimeoutException, MiniRacer

PATIENCE = 30.0


@pytest.fixture
def ctx():
    with MiniRacer() as opened:
        yield opened


def test_they_are_what_the_type_says(ctx):
    stats = ctx.stats()
    hints = get_type_hints(py_mini_racer.Stats)
    assert set(stats) == set(hints)
    for name, kind in hints.items():
        value = stats[name]
        if kind in (int, float):
            assert type(value) is kind, name
            assert value >= 0, name
    assert set(stats["limit_hits"]) == {"timeout_sec", "cpu_time_sec", "max_memory"}
    assert "old_space" in stats["heap_spaces"]
    for space in stats["heap_spaces"].values():
        assert set(space) == {"size", "used", "available", "physical"}
        assert all(type(size) is int and size >= 0 for size in space.values())


def test_the_heap_is_the_one_of_heap_stats(ctx):
    stats, heap = ctx.stats(), ctx.heap_stats()
    for name in ("heap_size_limit", "total_heap_size"):
        assert stats[name] == heap[name]
    used = sum(space["used"] for space in stats["heap_spaces"].values())
    assert 0 < used <= stats["total_heap_size"]


def test_calls_are_counted(ctx):
    before = ctx.stats()["calls"]
    function = ctx.eval("(f => f ? f() : 1)")
    function()
    function(lambda: ctx.eval("2"))  # two
    assert ctx.stats()["calls"] == before + 5


def test_handles_timers_and_waits_come_and_go(ctx):
    before = ctx.stats()
    objects = [ctx.eval("({})") for _ in range(10)]
    ctx.eval("var timers = [1, 2, 3].map(() => setTimeout(() => {}, 1e6)); 1")
    promise = ctx.eval("var settle; new Promise(resolve => { settle = resolve })")
    waiter = threading.Thread(target=promise.get)
    waiter.start()
    end = time.monotonic() + PATIENCE
    while ctx.stats()["awaited"] != before["awaited"] + 1:
        assert time.monotonic() < end
        time.sleep(0.005)
    stats = ctx.stats()
    assert stats["handles"] == before["handles"] + 11
    assert stats["timers"] == before["timers"] + 3
    ctx.eval("timers.forEach(clearTimeout); settle(1)")
    waiter.join()
    objects.clear()
    del promise, waiter
    stats = ctx.stats()
    assert stats["handles"] == before["handles"]
    assert stats["timers"] == before["timers"]
    assert stats["awaited"] == before["awaited"]


def test_time_in_javascript_is_counted(ctx):
    before = ctx.stats()
    start = time.monotonic()
    ctx.eval("var end = Date.now() + 200; while (Date.now() < end); 1")
    took = time.monotonic() - start
    used = ctx.stats()["js_sec"] - before["js_sec"]
    assert 0.18 <= used <= took + 0.02  # by a clock of some milliseconds


def test_short_calls_add_up(ctx):
    """Each is far shorter than a tick of the clock."""
    function = ctx.eval("() => { let sum = 0; for (let i = 0; i < 20000; i++) sum += i; return sum }")
    before = ctx.stats()["js_sec"]
    start = time.monotonic()
    while time.monotonic() - start < 0.5:
        function()
    took = time.monotonic() - start
    assert 0.1 * took < ctx.stats()["js_sec"] - before < 1.2 * took


def test_waiting_is_counted(ctx):
    started = threading.Event()
    function = ctx.eval("f => f()")

    def occupy() -> None:
        started.set()
        time.sleep(0.3)

    before = ctx.stats()["wait_sec"]
    assert ctx.stats()["waiting"] == 0
    thread = threading.Thread(target=function, args=(occupy,))
    thread.start()
    started.wait()
    assert ctx.eval("1") == 1
    thread.join()
    assert 0.1 <= ctx.stats()["wait_sec"] - before < PATIENCE


def test_collections_are_counted(ctx):
    before = ctx.stats()
    ctx.eval("for (let i = 0; i < 300; i++) new Array(10000).fill(i); 1")
    stats = ctx.stats()
    assert stats["gcs"] > before["gcs"]
    assert before["gc_sec"] < stats["gc_sec"] < stats["js_sec"] + 0.05
    ctx.low_memory_notification()
    assert ctx.stats()["gcs"] > stats["gcs"]


def test_limits_that_stopped_something_are_counted():
    with MiniRacer(max_memory=64 << 20) as ctx:
        bomb = "(() => { var kept = []; for (;;) kept.push(new Array(1000).fill(kept.length)) })()"
        assert set(ctx.stats()["limit_hits"].values()) == {0}
        for _ in range(3):
            with pytest.raises(JSTimeoutException):
                ctx.eval("for (;;);", timeout_sec=0.01)
        for _ in range(2):
            with pytest.raises(JSCPUTimeException):
                ctx.eval("for (;;);", cpu_time_sec=0.01)
        for limit in (10_000_000, None):
            with pytest.raises(JSOOMException):
                ctx.eval(bomb, max_memory=limit)
        assert ctx.stats()["limit_hits"] == {"timeout_sec": 3, "cpu_time_sec": 2, "max_memory": 2}


def test_buffers_are_counted():
    with MiniRacer(max_buffer_memory=10_000_000) as ctx:
        assert ctx.stats()["buffer_memory_limit"] == 10_000_000
        before = ctx.stats()
        ctx.eval("var kept = new ArrayBuffer(1e6); 1")
        stats = ctx.stats()
        assert stats["buffer_memory"] == before["buffer_memory"] + 1_000_000
        assert stats["buffers_refused"] == before["buffers_refused"] == 0


def test_contexts_are_counted():
    with MiniRacer() as ctx:
        before = ctx.stats()["contexts"]
        others = [MiniRacer() for _ in range(3)]
        assert ctx.stats()["contexts"] == before + 3
        for other in others:
            other.close()
        assert ctx.stats()["contexts"] == before


def test_in_a_callback_and_from_other_threads(ctx):
    function = ctx.eval("f => f()")
    function(lambda: ctx.stats()["calls"])
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(ctx.stats()["calls"])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(answers)) == 8


def test_a_closed_context_has_none(ctx):
    ctx.close()
    with pytest.raises(JSClosedException):
        ctx.stats()
