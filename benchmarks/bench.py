"""This library beside the mini-racer of PyPI, in one run: `make bench`. Writes results.md beside this file.

The two share an import name, so the other one lives in an environment of its own (build/bench-peer), made with the same
Python. Every row is measured in rounds, theirs and ours in turn, so that what else happens on the machine meets both;
pyperf does the timing, in processes of its own. Memory is read from /proc by a process that did just that one thing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import pyperf
from rich.console import Console
from rich.markdown import Markdown
from rich.progress import Progress

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).with_name("results.md")
PEER = "mini-racer==0.14.1"
PEER_VENV = ROOT / "build" / "bench-peer"

OPEN = "from py_mini_racer import MiniRacer; ctx = MiniRacer(); ctx.eval('1')"
FIRST = "from py_mini_racer import MiniRacer; MiniRacer().eval('1 + 1')"
CLOCKED = f"import time; start = time.perf_counter(); {FIRST}; print(time.perf_counter() - start)"
MEMORY = "print(open('/proc/self/status').read().split('VmRSS:')[1].split()[0])"


class Row(NamedTuple):
    """One line of the table. `code` is timed after `setup` (timeit), or is a whole process (command, prints, rss)."""

    name: str
    unit: str
    scale: float
    kind: str
    code: str
    setup: str = "pass"


ROWS = (
    Row("import and first eval", "ms", 1e3, "prints", CLOCKED),
    Row("whole process, over `python -c pass`", "ms", 1e3, "command", FIRST),
    Row("memory after the first eval (RSS)", "MB", 1e-3, "rss", FIRST),
    Row("a further context: open, eval, close", "ms", 1e3, "timeit", "c = MiniRacer(); c.eval('1'); c.close()", OPEN),
    Row('`eval("1+1")`', "us", 1e6, "timeit", "run('1+1')", f"{OPEN}; run = ctx.eval"),
    Row("`f(5, 7)`, a function's handle", "us", 1e6, "timeit", "f(5, 7)", f"{OPEN}; f = ctx.eval('(a, b) => a + b')"),
    Row(
        '`call("f", 5, 7)`',
        "us",
        1e6,
        "timeit",
        "run('f', 5, 7)",
        f"{OPEN}; ctx.eval('f = (a, b) => a + b'); run = ctx.call",
    ),
    Row("read a property", "us", 1e6, "timeit", "o['x']", f"{OPEN}; o = ctx.eval('({{x: 5}})')"),
    Row(
        "fib(30)",
        "ms",
        1e3,
        "timeit",
        "fib(30)",
        f"{OPEN}; fib = ctx.eval('var g = n => n < 2 ? n : g(n-1) + g(n-2); g')",
    ),
)


def peer_python() -> Path:
    """The Python of the other mini-racer's environment, made when it is not there."""
    python = PEER_VENV / "bin" / "python"
    asked = [
        str(python),
        "-c",
        "import pyperf, importlib.metadata as m; print('mini-racer==' + m.version('mini-racer'))",
    ]
    if not python.exists() or subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() != PEER:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(PEER_VENV)], check=True)
        install = [
            str(python),
            "-m",
            "pip",
            "install",
            "-q",
            "--disable-pip-version-check",
            PEER,
            f"pyperf=={pyperf.__version__}",
        ]
        subprocess.run(install, check=True)
    return python


def run(python: Path, *words: str) -> str:
    """What a Python prints. It starts in an empty folder: in the checkout both would import what lies there."""
    with tempfile.TemporaryDirectory() as empty:
        return subprocess.run([str(python), *words], cwd=empty, capture_output=True, text=True, check=True).stdout


def check_that_they_differ(mine: Path, theirs: Path) -> None:
    """The two share an import name: each must get its own."""
    where = [
        Path(run(python, "-c", "import py_mini_racer as p; print(p.__file__)").strip()) for python in (mine, theirs)
    ]
    if not where[0].is_relative_to(ROOT / "py_mini_racer") or not where[1].is_relative_to(PEER_VENV):
        raise SystemExit(
            f"bench: would measure {where[0]} beside {where[1]}: remove build/ and .venv/, then try again."
        )


def perf(python: Path, kind: str, *words: str) -> list[float]:
    """Seconds, as often as pyperf measured."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "values.json")
        options = ["--quiet", "--processes=2", "--values=3", "--min-time=0.05", f"--output={file}"]
        run(python, "-m", "pyperf", kind, *options, *words)
        return list(pyperf.Benchmark.load(str(file)).get_values())


def measure(row: Row, python: Path) -> list[float]:
    """One round of one row on one of the two, in the row's unit."""
    if row.kind == "timeit":
        values = perf(python, "timeit", "--setup", row.setup, row.code)
    elif row.kind == "prints":
        values = [float(run(python, "-c", row.code)) for _ in range(5)]
    elif row.kind == "rss":
        values = [float(run(python, "-c", f"{row.code}; {MEMORY}"))]
    else:
        nothing = statistics.median(perf(python, "command", "--", str(python), "-c", "pass"))
        values = [value - nothing for value in perf(python, "command", "--", str(python), "-c", row.code)]
    return [value * row.scale for value in values]


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def report(found: dict[str, tuple[float, float, float]], rounds: int) -> str:
    """The table as Markdown."""
    native = json.loads((ROOT / "py_mini_racer" / "native.json").read_text())
    ours = f"this one, V8 {native['v8_version']} ({native['provider']})"
    about = (
        f"Written by `make bench` on {time.strftime('%Y-%m-%d', time.gmtime())}: {platform.system()} "
        f"{platform.machine()}, {os.cpu_count()} cores, {platform.python_implementation()} {platform.python_version()}. "
        f"Medians of {rounds} rounds, the two in turn; spread is the widest distance of a round's median of ours from it."
    )
    lines = [
        "# Beside mini-racer of PyPI",
        "",
        about,
        "",
        f"| | {ours} | {PEER.replace('==', ' ')} | theirs / ours | spread |",
        "|---|---|---|---|---|",
    ]
    for row in ROWS:
        mine, theirs, spread = found[row.name]
        lines.append(
            f"| {row.name} | {number(mine)} {row.unit} | {number(theirs)} {row.unit} | {theirs / mine:.1f} | {spread:.0%} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Measures this library beside the mini-racer of PyPI.")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of every row (default: 3)")
    rounds: int = parser.parse_args().rounds
    peer, found = peer_python(), {}
    check_that_they_differ(Path(sys.executable), peer)
    with Progress(transient=True) as progress:
        task = progress.add_task("measuring", total=len(ROWS) * rounds)
        for row in ROWS:
            progress.update(task, description=row.name)
            mine, theirs = [], []
            for _ in range(rounds):
                theirs.append(statistics.median(measure(row, peer)))
                mine.append(statistics.median(measure(row, Path(sys.executable))))
                progress.advance(task)
            middle = statistics.median(mine)
            spread = max(abs(value - middle) for value in mine) / middle
            found[row.name] = (middle, statistics.median(theirs), spread)
            print(f"bench: {row.name}: {number(middle)} {row.unit}, theirs {number(found[row.name][1])}", flush=True)
    text = report(found, rounds)
    RESULTS.write_text(text)
    Console().print(Markdown(text))


if __name__ == "__main__":
    main()
