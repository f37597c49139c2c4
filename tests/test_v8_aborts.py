"""What ended the process: sizes that a script chooses and that V8 cannot have are exceptions. Each script runs in a process of its own."""

from __future__ import annotations

import signal

import pytest

from tests.child import output_of, run_python

# A process that takes more memory than this is ended by its own watch, so that the machine survives a test that fails.
RUN = """
import os, sys, threading, time
from py_mini_racer import JSEvalException, JSOOMException, MiniRacer

def watch():
    while True:
        with open("/proc/self/statm") as numbers:
            if int(numbers.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") > 3_000_000_000:
                os._exit(77)
        time.sleep(0.02)

threading.Thread(target=watch, daemon=True).start()
ctx = MiniRacer(max_memory=int(sys.argv[2]) << 20)
try:
    ctx.eval(sys.argv[1])
except JSOOMException:
    print("memory")
except JSEvalException as error:
    print(error.name, error.js_message)
else:
    print("a value")
assert ctx.eval("[1, 2, 3].map(x => x * 2).join()") == "2,4,6"
"""

LENGTH = "RangeError Invalid array length"
SIZES = {
    "split into characters": ("'y'.repeat(5e8).split('')", 1000, LENGTH),
    "match": ("'y'.repeat(5e8).match(/y/g)", 1000, LENGTH),
    "spread of a string": ("[...'y'.repeat(5e8)]", 100, "memory"),
    "JSON.parse": ("JSON.parse('[' + '1,'.repeat(1.4e8) + '1]')", 2000, LENGTH),
    "apply": (
        "Math.max.apply(null, new Array(1.5e8))",
        100,
        "RangeError Invalid array length|RangeError Maximum call stack size exceeded|memory",
    ),
    "an iterator's array": ("Iterator.from('y'.repeat(5e8)).toArray()", 100, "memory"),
}


@pytest.mark.needs("source")
@pytest.mark.parametrize(("code", "megabytes", "outcome"), [pytest.param(*row, id=name) for name, row in SIZES.items()])
def test_a_size_that_cannot_be(code, megabytes, outcome):
    done = run_python(RUN, code, str(megabytes), timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() in outcome.split("|")


@pytest.mark.needs("source")
def test_a_script_can_catch_it():
    code = "var caught; try { 'y'.repeat(2e8).split('') } catch (error) { caught = error } if (!(caught instanceof RangeError)) throw caught"
    assert output_of(RUN, code, "1000") == "a value"


@pytest.mark.parametrize("megabytes", [100_000_000, 2**20 + 1, 3_333_333, 65_432_101])
def test_odd_limits(megabytes):
    code = (
        "import sys; from py_mini_racer import MiniRacer; print(MiniRacer(max_memory=int(sys.argv[1])).eval('6 * 7'))"
    )
    assert output_of(code, str(megabytes)) == "42"


@pytest.mark.needs("source")  # an older V8 fails a check there, which it tells nobody of
@pytest.mark.parametrize(
    "script",
    ["var all = []; for (;;) all.push([all.length])", "encodeURIComponent('\\u20ac'.repeat(2e7))"],
    ids=["heap", "beside the heap"],
)
def test_what_still_ends_the_process_says_so(script):
    code = """
    import resource, sys
    from py_mini_racer import MiniRacer
    ctx = MiniRacer(max_memory=1 << 30)
    ctx.eval("1")
    resource.setrlimit(resource.RLIMIT_DATA, (200 << 20, 200 << 20))
    ctx.eval(sys.argv[1])
    """
    done = run_python(code, script)
    assert done.returncode == -signal.SIGABRT
    line = next(line for line in done.stderr.splitlines() if line.startswith("mini-racer: "))
    assert line.startswith("mini-racer: V8 ends this process: ")
    assert "with a heap limit of 1024 MB" in line
