"""V8's platform: its own threads, what it wants done later, and that contexts in which nothing happens cost neither threads nor time."""

from __future__ import annotations

from textwrap import dedent

import pytest

from tests.child import output_of

MODES = pytest.mark.parametrize("flags", ["", "--single-threaded"], ids=["pool", "single-threaded"])

START = """
import os, sys, threading, time
from pathlib import Path
from py_mini_racer import MiniRacer, init_mini_racer
init_mini_racer(flags=sys.argv[1])

def threads():
    return [int(name) for name in os.listdir("/proc/self/task") if int(name) != os.getpid()]

def names():
    return [Path(f"/proc/self/task/{thread}/comm").read_text().strip() for thread in threads()]

def wait_until_alone(seconds):
    end = time.monotonic() + seconds
    while threads() and time.monotonic() < end:
        time.sleep(0.05)
    return not threads()

def on_a_thread(work):
    # On the main one, the watchdog looks after signals.
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

GARBAGE = "{ const kept = []; for (let i = 0; i < 3e5; i++) kept.push({x: [i, {}]}); kept.length }"
"""


@MODES
def test_idle_contexts_cost_no_thread_and_no_time(flags):
    code = """
        assert not threads()
        contexts = [MiniRacer() for _ in range(1000)]
        for ctx in contexts:
            ctx.eval("1 + 1")
        alone = wait_until_alone(60)  # what had something to do ends after five idle seconds
        used = time.process_time()
        time.sleep(2)
        used = time.process_time() - used
        print(alone, not threads(), used < 0.1)
        try:
            contexts[0].eval("while (true);", timeout_sec=0.05)
        except TimeoutError:
            print("stopped")  # the watchdog is back
    """
    assert output_of(START + dedent(code), flags, timeout=200).split() == ["True", "True", "True", "stopped"]


def test_the_pool_starts_when_there_is_work_blocks_signals_and_ends():
    code = """
        seen = []
        def work():
            with MiniRacer() as ctx:
                ctx.eval("1")
                assert "mr-v8" not in names()
                end = time.monotonic() + 60
                while "mr-v8" not in names() and time.monotonic() < end:
                    ctx.eval(GARBAGE)
                for thread in threads():
                    status = Path(f"/proc/self/task/{thread}/status").read_text()
                    if "mr-v8" in status:
                        blocked = int(status.partition("SigBlk:")[2].split()[0], 16)
                        seen.append(bool((blocked >> 1) & 1 and (blocked >> 14) & 1))  # SIGINT, SIGTERM

        on_a_thread(work)
        print(1 <= len(seen) <= 3, all(seen), wait_until_alone(90))  # V8 looks after its heap for up to half a minute
    """
    assert output_of(START + dedent(code), "", timeout=200) == "True True True"


def test_single_threaded_has_no_thread_of_v8s():
    code = """
        def work():
            with MiniRacer() as ctx:
                for _ in range(5):
                    ctx.eval(GARBAGE)
                print("mr-v8" in names())

        on_a_thread(work)
    """
    assert output_of(START + dedent(code), "--single-threaded") == "False"


LATER = {
    "WebAssembly": "WebAssembly.compile(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])).then(tell, tell); 0",
    "streams of modules": "WebAssembly.instantiate(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])).then(tell, tell); 0",
    "FinalizationRegistry": "var registry = new FinalizationRegistry(tell); (() => registry.register({}, 1))(); gc(); 0",
    "waitAsync, woken": (
        "var shared = new Int32Array(new SharedArrayBuffer(8)); Atomics.waitAsync(shared, 0, 0).value.then(tell);"
        "setTimeout(() => Atomics.notify(shared, 0), 10); 0"
    ),
    "waitAsync, timed out": (
        "var shared = new Int32Array(new SharedArrayBuffer(8)); Atomics.waitAsync(shared, 0, 0, 20).value.then(tell); 0"
    ),
}


@MODES
@pytest.mark.parametrize("script", LATER.values(), ids=LATER)
def test_what_v8_does_later_is_done_in_a_context_that_nobody_calls(flags, script):
    code = """
        told = threading.Event()
        ctx = MiniRacer()
        ctx.eval("f => { globalThis.tell = () => f() }")(lambda: told.set())
        ctx.eval(SCRIPT)
        print(told.wait(30))
        ctx.close()
    """
    assert output_of(f"{START}\nSCRIPT = {script!r}\n{dedent(code)}", f"{flags} --expose-gc") == "True"


@MODES
def test_a_context_that_is_closed_takes_what_was_to_be_done_later_along(flags):
    code = """
        for script in SCRIPTS:
            for _ in range(20):
                ctx = MiniRacer()
                ctx.eval("f => { globalThis.tell = () => f() }")(lambda: None)
                ctx.eval(script)
                ctx.close()
        print("closed")
    """
    assert output_of(f"{START}\nSCRIPTS = {list(LATER.values())!r}\n{dedent(code)}", f"{flags} --expose-gc") == "closed"
