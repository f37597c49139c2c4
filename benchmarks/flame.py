"""A flame graph of one row: `python benchmarks/flame.py call [--lane ctypes] [--seconds 4] [--out call.svg] [--symbols libmini_racer.so]`.

perf samples a process that does the row's work and nothing else. Its frames are Python's (by the trampolines of Python 3.12 and later, where there are), the
library's with V8's, and JavaScript's, whose names V8 writes to a map (`--perf-basic-prof`, `--interpreted-frames-native-stack`). What was built without frame
pointers shows as a leaf. The library that is installed has no symbols: `--symbols` names the one that it was stripped from. Widths are shares of the samples;
the page is one SVG that needs nothing else, readable on light and dark.
"""

from __future__ import annotations

import argparse
import html
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WIDTH, HEIGHT, LEAST = 1200, 18, 1.0  # of the page and of a frame in pixels; frames that would be narrower are left out
# Where a frame belongs, and its colour.
KINDS = (
    ("JavaScript", "#d9a514"),
    ("V8", "#5b8def"),
    ("mini-racer", "#e6550d"),
    ("Python", "#3aa76d"),
    ("system", "#8d96a0"),
)
COLOURS = dict(KINDS)
CHILD = """
import gc, os, sys, time
import py_mini_racer
py_mini_racer.init_mini_racer(flags=("--perf-basic-prof", "--interpreted-frames-native-stack"))
if hasattr(sys, "activate_stack_trampoline"):
    sys.activate_stack_trampoline("perf")
from benchmarks.worker import prepare
row, seconds, answers = sys.argv[1], float(sys.argv[2]), int(sys.argv[4])
orders = open(int(sys.argv[3]), "w", buffering=1)
work = prepare("ours", row)
print("ready", flush=True)
sys.stdin.readline()
def perf(order):
    print(order, file=orders)
    os.read(answers, 16)
end = time.perf_counter() + seconds
while time.perf_counter() < end:
    if work.timed.before:
        work.timed.before()
    gc.collect()
    perf("enable")
    work.timer.timeit(work.times if work.timed.single else work.times * 100)
    perf("disable")
os._exit(0)
"""


@dataclass
class Frame:
    """A box: how many samples, of what kind, and what was above it."""

    name: str
    kind: str
    samples: int = 0
    children: dict[str, Frame] = field(default_factory=dict)


def kind_of(name: str, module: str) -> str:
    """Whose code a frame is, by its symbol and the file it is in."""
    if name.startswith("py::") or "python" in module.lower():
        return "Python"
    if module.startswith("/tmp/perf-") or re.match(r"(JS|LazyCompile|Function|Script|Eval|Builtin):", name):
        return "JavaScript"
    if "libmini_racer" in module:
        ours = (
            re.match(r"_?(mr_|mr__|mrv8_|mapped_|function_call|crossing_|send|decode|encode)", name) or "mrv8" in name
        )
        return "mini-racer" if ours else "V8"
    return "system"


def short(name: str) -> str:
    """A symbol without its arguments and hashes."""
    name = re.sub(r"\+0x[0-9a-f]+$", "", name)
    return re.sub(r"\((?:[^()]|\([^()]*\))*\)( const)?$", "", name) or name


def is_script(frame: tuple[str, str]) -> bool:
    """Whether a frame is JavaScript, or a builtin that it calls or is called by."""
    name, kind = frame
    return kind == "JavaScript" or name.startswith("Builtins_")


def path_of(stack: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """A stack from the outermost frame to the innermost, without what recursion repeats, which would be a tower that hides what is on top of it.
    JavaScript that calls JavaScript is its innermost frame; a function of V8 that comes again above itself, and V8 alone between, is there once.
    """
    path: list[tuple[str, str]] = []
    for scripts, run in groupby(reversed(stack), is_script):
        for name, kind in list(run)[-1 if scripts else 0 :]:
            for place in range(len(path) - 1, -1, -1):
                if path[place][1] != kind:
                    break
                if path[place][0] == name:
                    del path[place:]
                    break
            path.append((name, kind))
    return path


def fold(lines: Iterable[str]) -> Frame:
    """The tree of what `perf script` prints: a head line with the thread's name, frames from the innermost to the outermost, an empty line."""
    root, stack, thread = Frame("all", "system"), list[tuple[str, str]](), ""
    for line in [*lines, ""]:
        if frame := re.match(r"\s+[0-9a-f]+ (.+) \((.*)\)$", line):
            name, module = short(frame[1]), frame[2]
            stack.append((Path(module).name if name == "[unknown]" else name, kind_of(name, module)))
        elif line.strip():
            thread = line.split()[0]
        elif stack:
            place = root
            place.samples += 1
            for name, kind in [(thread, "system"), *path_of(stack)]:
                place = place.children.setdefault(name, Frame(name, kind))
                place.samples += 1
            stack = []
    return root


def depth_of(frame: Frame) -> int:
    """How many boxes are above each other."""
    return 1 + max((depth_of(child) for child in frame.children.values()), default=0)


def boxes(frame: Frame, left: float, level: int, scale: float, total: int, depth: int) -> list[str]:
    """The boxes of a frame and of what it called, the outermost at the bottom."""
    width = frame.samples * scale
    if width < LEAST:
        return []
    top = (depth - level) * HEIGHT + 44
    label = html.escape(frame.name.replace("v8::internal::", "")[: int(width / 6.8)]) if width > 20 else ""
    title = html.escape(f"{frame.name} ({frame.kind}): {frame.samples / total:.1%}")
    box = f'x="{left:.1f}" y="{top}" width="{max(width - 0.5, 0.5):.1f}" height="{HEIGHT - 1}" fill="{COLOURS[frame.kind]}" rx="2"'
    lines = [f'<g><title>{title}</title><rect {box}/><text x="{left + 3:.1f}" y="{top + 12.5}">{label}</text></g>']
    for child in sorted(frame.children.values(), key=lambda child: child.name):
        lines += boxes(child, left, level + 1, scale, total, depth)
        left += child.samples * scale
    return lines


def svg(root: Frame, title: str) -> str:
    """The page. Its ground is its own, so that it is readable wherever it is shown."""
    depth = depth_of(root)
    height = depth * HEIGHT + 76
    legend = "".join(
        f'<rect x="{520 + 130 * place}" y="12" width="12" height="12" fill="{colour}" rx="2"/><text class="t" x="{537 + 130 * place}" y="22">{name}</text>'
        for place, (name, colour) in enumerate(KINDS)
    )
    drawn = "\n".join(boxes(root, 10, 0, (WIDTH - 20) / max(root.samples, 1), max(root.samples, 1), depth))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">\n'
        "<style>text { font: 11px monospace; fill: #101418 } text.t { font: 13px sans-serif; fill: #24292f } .g { fill: #f6f8fa }"
        " @media (prefers-color-scheme: dark) { text.t { fill: #e6edf3 } .g { fill: #161b22 } }</style>\n"
        f'<rect class="g" width="100%" height="100%" rx="6"/><text class="t" x="12" y="23">{html.escape(title)}</text>{legend}\n{drawn}\n</svg>\n'
    )


def record(row: str, lane: str, seconds: float, symbols: Path | None, folder: Path) -> list[str]:
    """What perf saw while the row's work was done: the lines of `perf script`."""
    environ = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "MINI_RACER_LANE": lane,
        "BENCH_FILES": str(ROOT / "build" / "bench" / "files"),
    }
    data = folder / "perf.data"
    (obeys, orders), (answers, answering) = os.pipe(), os.pipe()
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, row, str(seconds), str(orders), str(answers)],
        env=environ,
        cwd=folder,
        pass_fds=(orders, answers),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    if child.stdout.readline() != "ready\n":
        raise SystemExit(f"flame: the row {row} could not be set up")
    # It waits until it is told to begin (-D -1), and pauses while the child prepares its next sample.
    line = ["perf", "record", "-q", "-e", "cpu-clock:u", "-F", "2500", "--call-graph", "fp", "-D", "-1"]
    line += ["--control", f"fd:{obeys},{answering}", "-o", str(data), "-p", str(child.pid)]
    with subprocess.Popen(line, pass_fds=(obeys, answering)):
        child.stdin.write("\n")
        child.stdin.close()
        child.wait()
    perf = ["perf", "--buildid-dir", str(folder / "symbols")]
    if symbols is not None:
        subprocess.run([*perf, "buildid-cache", "-a", str(symbols)], check=True)
    done = subprocess.run(
        [*perf, "script", "-i", str(data), "-F", "comm,tid,ip,sym,dso"], capture_output=True, text=True, check=True
    )
    Path(f"/tmp/perf-{child.pid}.map").unlink(missing_ok=True)
    return done.stdout.splitlines()


def leaves(root: Frame) -> list[tuple[str, str, float]]:
    """Where the time was spent itself, by symbol: name, kind, share."""
    own: dict[tuple[str, str], int] = {}

    def walk(frame: Frame) -> None:
        inside = sum(child.samples for child in frame.children.values())
        own[frame.name, frame.kind] = own.get((frame.name, frame.kind), 0) + frame.samples - inside
        for child in frame.children.values():
            walk(child)

    walk(root)
    return [
        (name, kind, count / max(root.samples, 1))
        for (name, kind), count in sorted(own.items(), key=lambda item: -item[1])
    ]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Draws a flame graph of one row of the benchmark.")
    parser.add_argument("row", help="a row of benchmarks/rows.py")
    parser.add_argument("--lane", choices=("fast", "ctypes"), default="fast")
    parser.add_argument("--seconds", type=float, default=4.0, help="how long to watch (default: 4)")
    parser.add_argument("--out", type=Path, help="where to (default: build/bench/ROW.svg)")
    parser.add_argument("--symbols", type=Path, help="the library before it was stripped")
    arguments = parser.parse_args()
    if not shutil.which("perf"):
        raise SystemExit("flame: perf is missing; on Debian it is in the package linux-perf")
    out: Path = arguments.out or ROOT / "build" / "bench" / f"{arguments.row}.svg"
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        root = fold(record(arguments.row, arguments.lane, arguments.seconds, arguments.symbols, Path(folder)))
    out.write_text(svg(root, f"{arguments.row}, {arguments.lane} lane: {root.samples:,} samples"), encoding="utf-8")
    own = leaves(root)
    for kind, _ in KINDS:
        print(f"{kind:12} {sum(share for _, of, share in own if of == kind):6.1%}")
    for name, kind, share in own[:25]:
        print(f"{share:6.1%}  {kind:10}  {name[:110]}")
    print(f"flame: wrote {out}")


if __name__ == "__main__":
    main()
