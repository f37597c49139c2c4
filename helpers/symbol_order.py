"""In which order the functions of libmini_racer lie: `python helpers/symbol_order.py build/.../libmini_racer.so` writes src/v8_py_frontend/mr_order.txt.

V8 is 20 MB of code, of which a small script takes 150 KB, strewn over hundreds of pages; to have these beside each other takes a tenth off what
runs much code once, as a compiler does, and 6 MB off a process that has evaluated something. The linker lays out first what the file names: what is called
often in the work below, then what else a start takes. A name that a V8 does not have is passed over, so that the file need not be new; make it anew now and
then. Takes valgrind, and the library before it was stripped, beside whose stripped self the package works.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ORDER = ROOT / "src/v8_py_frontend/mr_order.txt"
OFTEN = 300

START = """
import os
from py_mini_racer import MiniRacer
for _ in range(3):
    with MiniRacer() as ctx:
        ctx.eval("1+1")
        ctx.eval("[1, 2].map(x => x + 1)")
ctx = MiniRacer()
realms = [ctx.new_realm() for _ in range(40)]
for realm in realms:
    realm.eval("1+1")
os._exit(0)
"""

WORK = """
import asyncio, os
from py_mini_racer import JSEvalException, MiniRacer
ctx = MiniRacer()
run = ctx.eval
run("var counter = 0, floats = new Float64Array(1000)")
f, size, field = run("((a, b) => a + b)"), run("(s => s.length)"), run("(d => d.key7)")
row, thing, array = {f"key{i}": i for i in range(10)}, run("({x: 5})"), run("Array.from({length: 500}, (_, i) => i)")
rows = run("Array.from({length: 60}, (_, i) => ({id: i, name: 'name ' + i, value: i / 3, on: i % 2 == 0, tags: ['a', 'b']}))")
ctx.globals["increment"] = lambda n: n + 1
loop = run("(function (times) { var n = 0; for (var i = 0; i < times; i++) n = increment(n); })")
for n in range(OFTEN):
    run(f"counter += 1; {n}")
    run("(function (a, b) { let s = 'x' + a; for (const c of [b, %d]) s += c; return {s, b}; })(1, 'two')" % n)
    run("1+1"), run("floats")
    f(5, 7), f(5, 7, timeout_sec=10), size("x" * 1000), field(row), thing["x"]
    thing["x"] = n
    if n % 20 == 0:
        loop(100), sum(array), field(rows.copy())
    if n % 10 == 0:
        for wrong in (f"null.x{n}", f"let 1x{n}"):
            try:
                run(wrong)
            except JSEvalException:
                pass
        with ctx.new_realm() as realm:
            realm.eval("1+1")

async def wait():
    for _ in range(100):
        await run("Promise.resolve(1)")
    await asyncio.gather(*(run("new Promise(done => setTimeout(done, 1))") for _ in range(50)))

asyncio.run(wait())
run("var kept = []; for (let i = 0; i < 40000; i++) kept.push({i, s: 's' + i}); kept.filter(o => o.i % 7 == 0).length")
ctx.low_memory_notification()
os._exit(0)
"""


def calls(code: str, package: Path) -> Counter[str]:
    """How often each function is called; in the order in which callgrind tells of them."""
    out, environment = package / "calls", {**os.environ, "PYTHONPATH": str(package)}
    tool = ["valgrind", "--tool=callgrind", "--smc-check=all", "--demangle=no", f"--callgrind-out-file={out}"]
    subprocess.run([*tool, sys.executable, "-c", code], cwd=package, env=environment, check=True)
    names: dict[str, str] = {}
    counts: Counter[str] = Counter()
    called = ""
    for line in out.read_text(errors="replace").splitlines():
        if found := re.match(r"(c?)fn=\((\d+)\)(?: (\S+))?", line):
            is_callee, number, name = found.groups()
            if name:
                names[number] = name.partition("'")[0]  # 'name'2: the same function within itself
            counts[names[number]] += 0
            if is_callee:
                called = names[number]
        elif found := re.match(r"calls=(\d+)", line):
            counts[called] += int(found[1])
    return counts


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description="Writes the order of the library's functions.")
    parser.add_argument("library", type=Path, help="libmini_racer.so before it was stripped")
    library = parser.parse_args().library
    listed = subprocess.run(["nm", str(library)], capture_output=True, text=True, check=True).stdout
    ours = {line.split()[-1] for line in listed.splitlines() if re.search(r" [tTwW] (?!Builtins_)", line)}
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "py_mini_racer", Path(folder) / "py_mini_racer")
        shutil.copy(library, Path(folder) / "py_mini_racer")
        work, start = (calls(code.replace("OFTEN", str(OFTEN)), Path(folder)) for code in (WORK, START))
    often = [name for name, count in work.items() if count >= OFTEN and name in ours]
    rest = [name for name in start if name in ours and name not in set(often)]
    ORDER.write_text("".join(f"{name}\n" for name in often + rest))
    print(f"{ORDER}: {len(often)} functions that are called often, {len(rest)} of a start")


if __name__ == "__main__":
    main()
