"""This library beside its peers from PyPI, in one run: `make bench`. Writes results.md and plots beside this file.

Each library lives in an environment of its own under build/bench, made with the same Python; one that does not install is shown with the reason. Every row runs
on all of them in one go: each is set up in a process of its own (worker.py), then they take turns, round after round, each for some hundredths of a second
while the others are stopped. So what else happens on the machine meets all, and ratios are taken within a round. A turn in which a library was kept from the
cores for more than a tenth of its time is repeated, and the page says how many stayed so.

    make bench                                             everything
    make bench ROWS="eval call" PEERS="jsrun" ROUNDS=3     some of it: results go to build/bench/results.md
    make bench QUICK=1                                     everything, in a quarter of the time
"""

from __future__ import annotations

import argparse
import json
import os
import re
import select
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import report  # noqa: E402  (the checkout is no installed package)
from benchmarks.rows import CROWDED, FRESH, ONCE, OUTSIDE, PEERS, ROWS, SLOW, Peer, Row  # noqa: E402
from examples import demo, npm  # noqa: E402
from examples.commonjs import REQUIRE  # noqa: E402

BUILD = ROOT / "build" / "bench"
SETUP_SECONDS = 60  # for a worker to set its row up, and to answer
AT_ONCE = 2  # workers that set their rows up
INSTALL_SECONDS = 600
BABEL = npm.Pin(
    "@babel/standalone",
    "7.29.10",
    "sha512-Hw4VoSA8lWuYPfYlzfKP3W44F166NEQJbgJRkzZSn1lAqNPq0nVlOEfBKTLckQDs6X3cUcAq2Nh6vopUMvkk3g==",
)
CLOCKED = "import time; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"
MEMORY = "{first}; print(open('/proc/self/status').read().split('VmRSS:')[1].split()[0])"
LEAVE = "; import os, sys; sys.stdout.flush(); os._exit(0)"


class Pace(NamedTuple):
    """How long is measured."""

    rounds: int
    slow_rounds: int
    seconds: float  # for each library in a round
    processes: int  # for each library in a round, of rows that measure whole processes
    patience: float  # seconds for turns that are repeated, as other work disturbed them


class Turn(NamedTuple):
    """A library's turn: wall and CPU seconds of each operation, and the part of its time in which it could have run and had no core."""

    wall: list[float]
    cpu: list[float]
    lost: float


DISTURBED = 0.1  # of a turn
TURNS = 3  # at most, of which the calmest counts


class Patience:
    """Repeats turns that other work on the machine has disturbed, for so many seconds of a run."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds
        self.turns = self.disturbed = 0

    def calmest(self, take: Callable[[], Turn]) -> Turn:
        """Of up to three turns."""
        best = take()
        for _ in range(TURNS - 1):
            if best.lost <= DISTURBED or self.left <= 0:
                break
            start = time.monotonic()
            best = min(best, take(), key=lambda turn: turn.lost)
            self.left -= time.monotonic() - start
        self.turns += 1
        self.disturbed += best.lost > DISTURBED
        return best


class Failed(Exception):  # noqa: N818  (it is an outcome, not an error)
    """A library has no figure in this row; the text is the reason."""


# --- what the libraries need ---


def python_of(peer: Peer) -> Path:
    """The Python that has the library."""
    return Path(sys.executable) if not peer.requirement else BUILD / peer.adapter / "bin" / "python"


def install(peer: Peer) -> str:
    """Makes the library's environment where there is none; returns why it could not be made, or nothing."""
    python, stamp = python_of(peer), BUILD / peer.adapter / "installed"
    wanted = f"{peer.requirement} {sys.version}"
    if not peer.requirement or (stamp.exists() and stamp.read_text() == wanted):
        return ""
    print(f"bench: installing {peer.requirement}", flush=True)
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(python.parent.parent)], check=True)
        line = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", peer.requirement]
        done = subprocess.run(line, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        return f"it does not install: {error}"
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or [
            f"exit code {done.returncode}"
        ]
        return f"it does not install: {errors[0].removeprefix('ERROR: ')}"[:160]
    stamp.write_text(wanted)
    return ""


def prepare_files() -> None:
    """The JavaScript that rows load: Babel, a file to transform, a page for React with its data."""
    files = BUILD / "files"
    files.mkdir(parents=True, exist_ok=True)
    folders = npm.fetch_all()
    shutil.copy(npm.fetch(BABEL) / "babel.min.js", files)
    shutil.copy(folders["react-dom"] / "cjs" / "react-dom-server.node.development.js", files)
    sources = {
        name: file.read_text(encoding="utf-8")
        for name, file in demo.library_files(folders).items()
        if name.startswith("react")
    }
    babel = demo.library_files(folders)["@babel/standalone"]
    sources["page"] = demo.compile_tsx(babel, demo.PAGE.read_text(encoding="utf-8"), demo.PAGE.name)
    parts = [
        f"require.define({json.dumps(name)}, function (module, exports, require) {{ {text}\n}});"
        for name, text in sources.items()
    ]
    render = """
        globalThis.render = (data) => require("react-dom/server").renderToStaticMarkup(
            require("react").createElement(require("page").Page, JSON.parse(data)));
    """
    (files / "page.bundle.js").write_text("\n".join((REQUIRE, *parts, render)), encoding="utf-8")
    libraries = [
        {"name": f"library-{i}", "version": f"1.{i}", "bytes": 1000 * i, "license": {"name": "ISC"}} for i in range(200)
    ]
    (files / "page.json").write_text(
        json.dumps({"title": "Libraries", "libraries": libraries, "sum": "20 MB"}), encoding="utf-8"
    )


def environment(peer: Peer, folder: Path) -> dict[str, str]:
    """The environment of a library's process: this checkout is on the path of ours only."""
    path = [str(folder), *([str(ROOT)] if not peer.requirement else [])]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MINI_RACER_LANE"))}
    return {**kept, **peer.environ, "PYTHONPATH": os.pathsep.join(path), "BENCH_FILES": str(BUILD / "files")}


def check_that_they_differ(peers: list[Peer], folder: Path) -> None:
    """Some share an import name: each must get its own."""
    for peer in peers:
        line = [str(python_of(peer)), "-c", f"import {peer.module} as p; print(p.__file__)"]
        done = subprocess.run(
            line, cwd=folder, env=environment(peer, folder), capture_output=True, text=True, check=False
        )
        home = ROOT / "py_mini_racer" if not peer.requirement else BUILD / peer.adapter
        if not Path(done.stdout.strip() or "/").is_relative_to(home):
            raise SystemExit(
                f"bench: {peer.name} would be {done.stdout.strip() or done.stderr}: remove {BUILD}, then try again."
            )


# --- one library's process ---


class Worker:
    """A process that sets a row up, and then answers. It stands still while it is not asked."""

    def __init__(self, peer: Peer, row: Row, folder: Path) -> None:
        line = [str(python_of(peer)), "-m", "benchmarks.worker", peer.adapter, row.name]
        self._process = subprocess.Popen(
            line,
            cwd=folder,
            env=environment(peer, folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._buffer = b""

    def ready(self) -> None:
        """Waits until it is."""
        try:
            self._answer(SETUP_SECONDS)
        except Failed:
            self.end()
            raise
        self._stop()

    def _stop(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def _answer(self, seconds: float) -> dict[str, Any]:
        """The next line that it prints."""
        assert self._process.stdout is not None
        end = time.monotonic() + seconds
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                raise Failed(f"no answer within {seconds:.0f} s")
            chunk = os.read(self._process.stdout.fileno(), 1 << 20)
            if not chunk:
                code = self._process.wait()
                raise Failed(f"the process ended: {signal.Signals(-code).name if code < 0 else f'exit code {code}'}")
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        if "cannot" in answer:
            raise Failed(str(answer["cannot"]))
        return answer

    def turn(self, seconds: float) -> Turn:
        """One of so many seconds."""
        assert self._process.stdin is not None
        self._process.send_signal(signal.SIGCONT)
        try:
            self._process.stdin.write(f"{seconds}\n".encode())
            self._process.stdin.flush()
            answer = self._answer(SETUP_SECONDS + seconds)
        except BrokenPipeError:
            raise Failed("the process ended") from None
        self._stop()
        return Turn(answer["wall"], answer["cpu"], answer["lost"])

    def finish(self) -> None:
        """Lets it do its last check."""
        assert self._process.stdin is not None
        self._process.send_signal(signal.SIGCONT)
        self._process.stdin.close()
        self._answer(SETUP_SECONDS)

    def end(self) -> None:
        """Ends it, whatever it does."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()


# --- measuring ---


class Cell:
    """What a library took in a row: for each round the medians of wall and CPU time, in the row's unit; or why there is nothing."""

    def __init__(self) -> None:
        self.wall: list[float] = []
        self.cpu: list[float] = []
        self.reason = ""

    def add(self, turn: Turn, scale: float) -> None:
        """A round's turn."""
        self.wall.append(statistics.median(turn.wall) * scale)
        if turn.cpu:
            self.cpu.append(statistics.median(turn.cpu) * scale)

    def fail(self, reason: str) -> None:
        """No figure."""
        self.wall, self.cpu, self.reason = [], [], reason


SCALES = {"us": 1e6, "ms": 1e3, "MB": 1.0, "x": 1.0}


def process_seconds(peer: Peer, code: str, folder: Path) -> tuple[float, float, float, str]:
    """Wall and CPU seconds of a whole process, those that its main thread had no core, and what it printed."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [str(python_of(peer)), "-c", code],
        cwd=folder,
        env=environment(peer, folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    printed = process.stdout.read().decode()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    wall = time.perf_counter() - start
    lost = 0.0
    with suppress(OSError):
        lost = int(Path(f"/proc/{process.pid}/schedstat").read_text().split()[1]) / 1e9
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    if process.returncode:
        raise Failed(f"the process ended with {process.returncode}")
    return wall, usage.ru_utime + usage.ru_stime, lost, printed


def outside(peer: Peer, row: Row, folder: Path) -> Turn:
    """A turn of a row that is measured from outside."""
    if row.name == "rss":
        printed = process_seconds(peer, MEMORY.format(first=peer.first) + LEAVE, folder)[3]
        return Turn([float(printed) / 1024], [], 0.0)
    if row.name == "import":
        wall, _, lost, printed = process_seconds(peer, CLOCKED.format(module=peer.module) + LEAVE, folder)
        return Turn([float(printed)], [], lost / wall)
    nothing = process_seconds(peer, "pass", folder)
    something = process_seconds(peer, peer.first, folder)
    lost = (nothing[2] + something[2]) / (nothing[0] + something[0])
    return Turn([something[0] - nothing[0]], [something[1] - nothing[1]], lost)


def take(peer: Peer, row: Row, pace: Pace, folder: Path, worker: Worker | None, patience: Patience) -> Turn:
    """A library's turn in a round."""
    if row.name in OUTSIDE:
        count = 1 if row.name == "rss" else pace.processes
        turns = [patience.calmest(lambda: outside(peer, row, folder)) for _ in range(count)]
        return Turn([turn.wall[0] for turn in turns], [cpu for turn in turns for cpu in turn.cpu], 0.0)
    if worker is None:
        return once(peer, row, folder)
    if row.name in CROWDED:
        return worker.turn(0)
    return patience.calmest(lambda: worker.turn(0 if row.name in ONCE else pace.seconds))


@contextmanager
def workers(
    row: Row, peers: list[Peer], cells: dict[str, Cell], folder: Path, progress: Progress, task: Any
) -> Iterator[dict[str, Worker]]:
    """A process for each library that can do the row."""
    started: dict[str, Worker] = {}
    coming: list[str] = []

    def await_first() -> None:
        name = coming.pop(0)
        try:
            started[name].ready()
        except Failed as reason:
            del started[name]
            cells[name].fail(str(reason))

    try:
        for peer in peers:
            if not cells[peer.name].reason and row.name not in OUTSIDE | FRESH:
                started[peer.name] = Worker(peer, row, folder)
                coming.append(peer.name)
                if len(coming) == AT_ONCE:
                    await_first()
            progress.advance(task)
        while coming:
            await_first()
        yield started
    finally:
        for worker in started.values():
            worker.end()


def measure(
    row: Row,
    peers: list[Peer],
    missing: dict[str, str],
    pace: Pace,
    patience: Patience,
    folder: Path,
    progress: Progress,
    task: Any,
) -> dict[str, Cell]:
    """One row on all libraries, in turn."""
    cells = {peer.name: Cell() for peer in peers}
    for name, reason in missing.items():
        cells[name].fail(reason)
    rounds, scale = rounds_of(row, pace), SCALES[row.unit]
    with workers(row, peers, cells, folder, progress, task) as ready:
        for number in range(rounds):
            # Each round begins with another one.
            for peer in [*peers[number % len(peers) :], *peers[: number % len(peers)]]:
                cell = cells[peer.name]
                if not cell.reason:
                    try:
                        cell.add(take(peer, row, pace, folder, ready.get(peer.name), patience), scale)
                    except Failed as reason:
                        cell.fail(str(reason))
                progress.advance(task)
        for name, worker in ready.items():
            if not cells[name].reason:
                try:
                    worker.finish()
                except Failed as reason:
                    cells[name].fail(str(reason))
    return cells


def once(peer: Peer, row: Row, folder: Path) -> Turn:
    """One figure of a process of its own."""
    worker = Worker(peer, row, folder)
    try:
        worker.ready()
        return worker.turn(0)
    finally:
        worker.end()


def rounds_of(row: Row, pace: Pace) -> int:
    """How many rounds a row gets."""
    return pace.slow_rounds if row.name in SLOW | ONCE | OUTSIDE else pace.rounds


def steps_of(row: Row, peers: list[Peer], pace: Pace) -> int:
    """How many steps of the progress bar it is."""
    return len(peers) * (1 + rounds_of(row, pace))


def chosen(words: str, known: dict[str, Any], what: str) -> list[Any]:
    """The rows or peers that were named; all, when none were."""
    names = re.split(r"[,\s]+", words.strip()) if words.strip() else []
    if unknown := [name for name in names if name not in known]:
        raise SystemExit(f"bench: no {what} {', '.join(unknown)}; there are: {', '.join(known)}")
    return [value for name, value in known.items() if not names or name in names]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Measures this library beside its peers from PyPI.")
    parser.add_argument("--rows", default="", help="only these, by name")
    parser.add_argument("--peers", default="", help="only these beside ours, by adapter (jsrun, mini_racer, ...)")
    parser.add_argument("--rounds", type=int, default=0, help="rounds of every row (default: 9, with --quick 5)")
    parser.add_argument("--quick", action="store_true", help="shorter rounds, and fewer")
    arguments = parser.parse_args()
    pace = Pace(5, 3, 0.03, 2, 40.0) if arguments.quick else Pace(9, 5, 0.08, 4, 240.0)
    patience = Patience(pace.patience)
    if arguments.rounds:
        pace = pace._replace(rounds=arguments.rounds, slow_rounds=arguments.rounds)
    rows: list[Row] = chosen(arguments.rows, {row.name: row for row in ROWS}, "row")
    others: list[Peer] = chosen(arguments.peers, {peer.adapter: peer for peer in PEERS if peer.requirement}, "peer")
    peers = [*(peer for peer in PEERS if not peer.requirement), *others]
    everything = not arguments.rows and not arguments.peers
    missing = {peer.name: reason for peer in peers if (reason := install(peer))}
    prepare_files()
    started, found = time.monotonic(), {}
    console = Console()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "benchmarks").symlink_to(ROOT / "benchmarks")
        check_that_they_differ([peer for peer in peers if peer.name not in missing], folder)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:.0f}%"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console, transient=True) as progress:
            total = sum(steps_of(row, peers, pace) for row in rows)
            task = progress.add_task("measuring", total=total)
            for row in rows:
                progress.update(task, description=row.name)
                found[row.name] = measure(row, peers, missing, pace, patience, folder, progress, task)
                done = progress.tasks[0].completed
                left = (time.monotonic() - started) * (total - done) / max(1.0, done)
                console.print(
                    f"bench: {report.line(row, found[row.name], peers)}; {left / 60:.1f} min left",
                    highlight=False,
                    markup=False,
                    soft_wrap=True,
                )
    target = ROOT / "benchmarks" if everything else BUILD
    took = f"{(time.monotonic() - started) / 60:.0f} minutes, {pace.rounds} rounds"
    disturbed = patience.disturbed / max(1, patience.turns)
    written = report.write(target, rows, peers, found, took, disturbed)
    console.print(
        f"bench: wrote {', '.join(str(path.relative_to(ROOT)) for path in written)}", highlight=False, soft_wrap=True
    )


if __name__ == "__main__":
    main()
