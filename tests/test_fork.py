"""Forks: what a child can use, what it is told it cannot, and that nothing hangs. MINI_RACER_FORKS=2000 makes the long run."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from py_mini_racer import MiniRacer
from tests.child import output_of

FORKS = int(os.environ.get("MINI_RACER_FORKS") or 40)

# What a child does, and how its end is judged: 0 it worked, 3 it was told that it cannot, anything else is wrong.
CHILD = """
import os, signal, sys, threading, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 and later: "use of fork() may lead to deadlocks"
from py_mini_racer import JSForkedError, MiniRacer, init_mini_racer

def in_child(work):
    sys.stdout.flush()
    child = os.fork()
    if not child:
        signal.alarm(30)
        try:
            work()
            code = 0
        except JSForkedError:
            code = 3
        sys.stdout.flush()
        sys.exit(code)
    return os.waitpid(child, 0)[1]
"""

BUSY = """
init_mini_racer(flags=FLAGS)
idle = MiniRacer()
idle.eval("var y = 7")
stop = False

def work(size):
    ctx, done = MiniRacer(), 0
    while not stop:
        ctx.eval(f"var a = []; for (let i = 0; i < {size}; i++) a.push({{x: [i]}}); a.length")
        done += 1
        if done % 50 == 0:
            ctx.close()
            ctx = MiniRacer()

threads = [threading.Thread(target=work, args=(size,)) for size in (300, 1_000, 20_000, 100_000)]
for thread in threads:
    thread.start()

def child():
    assert idle.eval("y") == 7
    assert idle.eval("var b = []; for (let i = 0; i < 30000; i++) b.push({x: [i]}); b.length") == 30000
    with MiniRacer() as new:
        assert new.eval("[1, 2, 3].map(x => x * 2).join()") == "2,4,6"

ends = {}
for _ in range(FORKS):
    end = in_child(child)
    ends[end] = ends.get(end, 0) + 1
stop = True
for thread in threads:
    thread.join()
print(sum(ends.get(code, 0) for code in (0, 3 << 8)), ends.get(0, 0) > 0, ends)
"""


@pytest.mark.needs("fork")
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("flags", [(), ("--single-threaded",)], ids=["pool", "single-threaded"])
def test_children_of_a_process_with_four_busy_threads(flags):
    code = CHILD + f"FLAGS, FORKS = {flags!r}, {FORKS}\n" + BUSY
    assert output_of(code, timeout=60 + 2 * FORKS).startswith(f"{FORKS} True"), (
        "a child hung, crashed or computed wrongly"
    )


@pytest.mark.needs("fork")
def test_children_of_a_process_whose_threads_open_their_first_contexts():
    for _ in range(10):
        code = (
            CHILD
            + """
stop = False
def work():
    with MiniRacer() as ctx:
        while not stop:
            ctx.new_realm().close()
threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads:
    thread.start()
def child():
    with MiniRacer() as ctx:
        assert ctx.new_realm().eval("1 + 1") == 2
print([in_child(child) for _ in range(3)])
stop = True
for thread in threads:
    thread.join()
"""
        )
        assert output_of(code, timeout=200) == "[0, 0, 0]"


@pytest.mark.needs("fork")
def test_a_context_that_another_thread_is_in_is_forked_and_others_are_not():
    code = (
        CHILD
        + """
from contextlib import suppress
running, calling, idle = MiniRacer(), MiniRacer(), MiniRacer()
threading.Thread(target=lambda: running.eval("while (true);"), daemon=True).start()
threading.Thread(target=lambda: calling.eval("f => f()")(lambda: time.sleep(1000)), daemon=True).start()
time.sleep(0.3)

def work():
    for ctx in (running, calling):
        for _ in range(2):
            try:
                ctx.eval("1")
            except JSForkedError as error:
                assert "another thread was in this context" in str(error)
            else:
                raise AssertionError
        ctx.close()
    assert idle.eval("1 + 1") == 2
    assert MiniRacer().eval("2 + 2") == 4
    print("fine")

print(in_child(work))
os._exit(0)
"""
    )
    assert output_of(code).split() == ["fine", "0"]


@pytest.mark.needs("fork")
def test_a_thread_that_forks_in_a_callback_goes_on_in_both():
    code = (
        CHILD
        + """
ctx = MiniRacer()
child = []
assert ctx.eval("f => [f(), 'back'].join()")(lambda: child.append(os.fork()) or "called") == "called,back"
assert ctx.eval("1 + 1") == 2
if child[0]:
    print(os.waitpid(child[0], 0)[1])
"""
    )
    assert output_of(code) == "0"


@pytest.mark.needs("fork")
def test_timers_and_deadlines_go_on_in_the_child():
    code = (
        CHILD
        + """
ctx = MiniRacer()
ctx.eval("var ticks = 0; setInterval(() => ticks++, 5)")
times = []
ctx.eval("f => setInterval(() => f(), 5)")(lambda: times.append(time.monotonic()))

def work():
    times.clear()
    end = time.monotonic() + 20
    while not times and time.monotonic() < end:  # without a call into JavaScript
        time.sleep(0.01)
    assert times
    try:
        ctx.eval("while (true);", timeout_sec=0.05)
    except TimeoutError:
        print("stopped")

print(in_child(work))
ctx.close()
"""
    )
    assert output_of(code).split() == ["stopped", "0"]


@pytest.mark.lacks("fork")
def test_a_v8_that_does_not_follow_says_so():
    code = (
        CHILD
        + """
ctx = MiniRacer()
ctx.eval("var x = {}; setInterval(() => {}, 1)")

def work():
    for act in (lambda: ctx.eval("x"), MiniRacer):
        try:
            act()
        except JSForkedError as error:
            assert "does not follow into children" in str(error)
        else:
            raise AssertionError
    ctx.close()
    print("told")

print(in_child(work))
"""
    )
    assert output_of(code).split() == ["told", "0"]


@pytest.mark.needs("fork")
@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_multiprocessing(method, tmp_path):
    script = tmp_path / "pools.py"
    script.write_text(f"""
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor
from py_mini_racer import MiniRacer

ctx = MiniRacer()
double = ctx.eval("x => x * 2")

def work(number):
    return double(number) + MiniRacer().eval("1")

if __name__ == "__main__":
    kind = multiprocessing.get_context("{method}")
    with kind.Pool(2) as pool:
        print(pool.map(work, range(4)))
    with ProcessPoolExecutor(2, mp_context=kind) as pool:
        print(list(pool.map(work, range(4))))
""")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["[1, 3, 5, 7]"] * 2


def test_subprocess_while_javascript_runs():
    with MiniRacer() as ctx:
        thread = threading.Thread(target=lambda: ctx.eval("const end = Date.now() + 500; while (Date.now() < end);"))
        thread.start()
        for _ in range(5):
            assert subprocess.run([sys.executable, "-c", "print(1)"], capture_output=True, check=True).stdout == b"1\n"
        thread.join()
