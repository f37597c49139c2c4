"""How far limits are missed, with bounds that a busy machine keeps. The figures are in docs/limits.md, by benchmarks/limits.py."""

from __future__ import annotations

import re
import subprocess
import sys
import time

import pytest

from py_mini_racer import JSCPUTimeException, MiniRacer

BOMBS = {
    "arrays": "var kept = []; for (;;) kept.push(new Array(1000).fill(kept.length))",
    "objects": "var kept = []; for (;;) kept.push({ a: kept.length, b: [kept.length] })",
    "strings": "var kept = []; for (;;) kept.push('x'.repeat(5000) + kept.length)",
    "map": "var kept = new Map(); for (let i = 0; ; i++) kept.set(i, [i])",
}
CHILD = """
import re
from py_mini_racer import JSOOMException, MiniRacer
def size(name):
    return int(re.search(name + r":\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024
ctx = MiniRacer(max_memory={limit})
ctx.eval("1")
before = size("VmRSS")
try:
    ctx.eval({code!r}, max_memory={call})
except JSOOMException:
    print(size("VmHWM") - before, ctx.eval("kept = null; 6 * 7"))
"""


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("limits", [(32 << 20, None), (128 << 20, None), (256 << 20, 32 << 20)], ids=str)
def test_memory_stays_near_its_limit(name, limits):
    script = CHILD.format(limit=limits[0], call=limits[1], code=BOMBS[name])
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    peak = re.fullmatch(r"(\d+) 42\n", done.stdout)
    assert peak, done.stdout + done.stderr
    assert int(peak[1]) < 2 * (limits[1] or limits[0]) + (
        96 << 20
    )  # twice while V8 moves things, and the room to end in


@pytest.mark.parametrize("budget", [0.02, 0.2])
def test_cpu_time_is_missed_by_little(budget):
    """The thread's own clock does not mind what else the machine does; that the watchdog comes late it does. So the best of several counts."""
    with MiniRacer() as ctx:
        used: list[float] = []
        for _ in range(8):
            start = time.thread_time()
            with pytest.raises(JSCPUTimeException):
                ctx.eval("for (;;);", cpu_time_sec=budget)
            used.append(time.thread_time() - start)
        assert min(used) >= budget
        assert min(used) < budget + 0.1
