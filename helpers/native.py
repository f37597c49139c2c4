"""What both V8 providers need, once: the cache folder, locks, checks of the machine, progress, ninja, the install.

The install is the part with a promise: whoever kills it, whenever, finds in the target folder the old set of native
files, the new set, or no native.json, which the loader reads as "not built". Nothing here knows about V8's sources.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from typing_extensions import Self

CHECKOUT = Path(__file__).resolve().parent.parent
LIBRARY = "libmini_racer.so"
MANIFEST = "native.json"
_OLD_MANIFEST = ".native-old.json"
_STAGE = ".native-new"
_LICENCES = "licenses"


class BuildError(Exception):
    """What was wrong and what to do about it, fit to be printed as it is."""


def say(text: str) -> None:
    print(text, flush=True)


def run_main(main: Callable[[], None]) -> int:
    """Run a tool's main function; turn a BuildError or Ctrl-C into a line on stderr and an exit code."""
    try:
        main()
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: run the same command again to go on from here", file=sys.stderr)
        return 130
    return 0


# --- the machine -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Machine:
    """A platform that we build for. `gn_cpu` is GN's word for the processor, `triplet` Debian's for its libraries."""

    name: str
    gn_cpu: str
    triplet: str


_MACHINES = {
    ("Linux", "x86_64"): Machine("linux-x86_64", "x64", "x86_64-linux-gnu"),
    ("Linux", "aarch64"): Machine("linux-aarch64", "arm64", "aarch64-linux-gnu"),
}


def this_machine() -> Machine:
    key = (platform.system(), platform.machine())
    if key not in _MACHINES:
        names = " and ".join(machine.name for machine in _MACHINES.values())
        raise BuildError(
            f"unsupported platform {key[0].lower()}-{key[1]}: the native library builds on {names}. "
            "Build on one of these, or install a wheel made there."
        )
    return _MACHINES[key]


def cache_folder() -> Path:
    """The folder for trees, downloads, objects and the compile cache: MINI_RACER_CACHE, else below the user's cache."""
    chosen = os.environ.get("MINI_RACER_CACHE")
    if not chosen:
        chosen = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "mini-racer")
    folder = Path(chosen).expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BuildError(f"cannot make the cache folder {folder}: {error.strerror}. Set MINI_RACER_CACHE.") from error
    return folder


def check_disk(folder: Path, gigabytes: float) -> None:
    free = shutil.disk_usage(folder).free / 1e9
    if free < gigabytes:
        raise BuildError(
            f"too little disk: {folder} has {free:.1f} GB free and {gigabytes:g} GB are needed. "
            "Free some, or set MINI_RACER_CACHE to a folder on a larger disk."
        )


@contextlib.contextmanager
def locked(path: Path) -> Iterator[int]:
    """Hold the lock file `path`. The descriptor goes to long-running children (run_step), so that the lock outlives
    a killed tool for as long as its ninja does: two builds can never write into one folder."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "?"
            say(f"waiting for another build (process {holder}) to release {path}")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


# --- programs --------------------------------------------------------------------------------------------------------


def find_programs(name: str) -> list[Path]:
    """The programs of that name: the running environment's first (a virtual one need not be activated), then PATH's."""
    folders = [sysconfig.get_path("scripts"), *os.environ.get("PATH", os.defpath).split(os.pathsep)]
    paths = [Path(folder) / name for folder in dict.fromkeys(folders) if folder]
    return [path for path in paths if path.is_file() and os.access(path, os.X_OK)]


def find_program(name: str) -> Path | None:
    return next(iter(find_programs(name)), None)


@dataclass(frozen=True)
class Tool:
    """One thing that a build needs: a file, and for a program the oldest version that will do."""

    name: str
    package: str
    path: Path | None
    minimum: tuple[int, ...] = ()
    version_args: tuple[str, ...] = ("--version",)
    from_pip: bool = False

    def version(self) -> tuple[int, ...] | None:
        if self.path is None:
            return None
        try:
            shown = subprocess.run(
                [self.path, *self.version_args], capture_output=True, text=True, check=False, timeout=60
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        match = re.search(r"\d+(?:\.\d+)*", shown.stdout or shown.stderr)
        return tuple(int(part) for part in match.group().split(".")) if match else None

    def problem(self) -> str | None:
        if self.path is None or not self.path.exists():
            return f"{self.name} is missing"
        if not self.minimum:
            return None
        version = self.version()
        wanted = ".".join(map(str, self.minimum))
        if version is None:
            return f"{self.name}: {self.path} does not tell its version; {wanted} or newer is needed"
        if version < self.minimum:
            return f"{self.name} {'.'.join(map(str, version))} ({self.path}) is too old: {wanted} or newer is needed"
        return None


def check_tools(needed: Callable[[], Iterable[Tool]], *, install: bool) -> None:
    """Raise with all problems and the one command that solves them, or run that command when asked to and look again."""
    wrong = [(tool, problem) for tool in needed() if (problem := tool.problem())]
    if not wrong:
        return
    apt = sorted({tool.package for tool, _ in wrong if not tool.from_pip})
    pip = sorted({tool.package for tool, _ in wrong if tool.from_pip})
    commands: list[list[str]] = []
    if apt:
        sudo = [] if os.geteuid() == 0 else ["sudo"]
        commands.append([*sudo, "apt-get", "install", "--yes", "--no-install-recommends", *apt])
    if pip:
        commands.append([sys.executable, "-m", "pip", "install", *pip])
    problems = "".join(f"\n  {problem}" for _, problem in wrong)
    if not install or (apt and os.geteuid() != 0):
        line = " && ".join(shlex.join(command) for command in commands)
        raise BuildError(f"this machine lacks what the build needs:{problems}\ninstall it with this line:\n  {line}")
    if apt:
        commands.insert(0, ["apt-get", "update", "--quiet"])
    for command in commands:
        say("+ " + shlex.join(command))
        if subprocess.run(command, check=False).returncode:
            raise BuildError(f"the install failed: {shlex.join(command)}")
    still = [problem for tool in needed() if (problem := tool.problem())]
    if still:
        raise BuildError("installed, but still: " + "; ".join(still))


def output_of(command: Sequence[str | Path], cwd: Path | None = None, search: Path | None = None) -> str:
    """The standard output of a quick command that must succeed. The loader looks for libraries in `search` first."""
    variables = {**os.environ, "LC_ALL": "C", **({"LD_LIBRARY_PATH": str(search)} if search else {})}
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=variables)
    except OSError as error:
        raise BuildError(f"cannot run {command[0]}: {error.strerror}") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise BuildError(f"{shlex.join(map(str, command))} failed with code {done.returncode}: {said}")
    return done.stdout


def child(command: Sequence[str | Path]) -> list[str]:
    """The command, changed to end when this process does: a killed tool leaves no ninja behind."""
    setpriv = shutil.which("setpriv")
    return [*([setpriv, "--pdeathsig", "TERM"] if setpriv else []), *map(str, command)]


# --- progress --------------------------------------------------------------------------------------------------------


def clock_text(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole} s" if whole < 90 else f"{whole // 60} min {whole % 60:02d} s"


class TimeLeft:
    """The time left, from the mean of the pace so far and the pace of the last minute: a build's steps come in
    stretches of one kind, so either alone jumps."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float]] = deque()
        self._start: tuple[float, float] | None = None

    def update(self, now: float, done: float, total: float) -> float | None:
        if self._start is None:
            self._start = (now, done)
        self._samples.append((now, done))
        while self._samples[0][0] < now - 60:
            self._samples.popleft()
        paces = []
        for began, had in (self._start, self._samples[0]):
            if now - began >= 2 and done > had:
                paces.append((now - began) / (done - had))
        return (total - done) * sum(paces) / len(paces) if paces else None


class Progress:
    """A bar with the time left on a terminal, a plain line every five seconds elsewhere."""

    def __init__(self, what: str, unit: str = "") -> None:
        self._what, self._unit = what, unit
        self._left = TimeLeft()
        self._began = time.monotonic()
        self._spoke = self._began
        self._bar: RichProgress | None = None
        self.failed = False

    def __enter__(self) -> Self:
        if sys.stdout.isatty():
            with contextlib.suppress(ImportError):
                from rich.progress import BarColumn, TextColumn
                from rich.progress import Progress as RichProgress

                text = TextColumn("{task.percentage:3.0f}%  {task.fields[text]}")
                self._bar = RichProgress(TextColumn("{task.description}"), BarColumn(), text)
                self._task = self._bar.add_task(self._what, total=None, text="")
                self._bar.start()
        return self

    def update(self, done: float, total: float) -> None:
        now = time.monotonic()
        left = self._left.update(now, done, total)
        text = f"{done:.0f}/{total:.0f}{self._unit}" + (f"  {clock_text(left)} left" if left is not None else "")
        if self._bar:
            self._bar.update(self._task, completed=done, total=total, text=text)
        elif now - self._spoke >= 5:
            self._spoke = now
            say(f"{self._what}: {100 * done / max(total, 1):.0f} %  {text}")

    def say(self, text: str) -> None:
        """Print beside the bar."""
        if self._bar:
            self._bar.console.print(text, markup=False, highlight=False)
        else:
            say(text)

    def __exit__(self, raised: object, *_: object) -> None:
        if self._bar:
            self._bar.stop()
        took = clock_text(time.monotonic() - self._began)
        say(f"{self._what}: {'stopped after' if raised or self.failed else 'done in'} {took}")


# --- ninja -----------------------------------------------------------------------------------------------------------

_STATUS = re.compile(r"\[(\d+)/(\d+)\] (.*)")
FRONTEND_IN_TREE = Path("custom_deps/mini_racer")


def choose_ninja(out: Path) -> Path:
    """The ninja that built this folder before, if it is still here: ninjas of other versions cannot read its log, and
    would build everything again."""
    programs = find_programs("ninja")
    if not programs:
        raise BuildError("ninja is missing: install it with this line:\n  python -m pip install ninja")
    versions = [output_of([program, "--version"]) for program in programs]
    record = out / "ninja-version"
    used = record.read_text() if record.is_file() else ""
    chosen = versions.index(used) if used in versions else 0
    write_if_changed(record, versions[chosen].encode())
    return programs[chosen]


def ninja(out: Path, target: str, environment: Mapping[str, str], lock: int, jobs: int | None = None) -> None:
    """Run ninja with progress. A failure outside the frontend is tried once more: a Rust step has been seen to lose
    a race. What every command printed is kept in OUT/build.log."""
    command = [str(choose_ninja(out)), "-C", str(out), *(["-j", str(jobs)] if jobs else []), target]
    for attempt in (1, 2):
        failed = _ninja_once(command, out / "build.log", environment, lock)
        if failed is None:
            return
        ours = any(FRONTEND_IN_TREE.name in line for line in failed if line.startswith("FAILED:"))
        if ours or attempt == 2:
            break
        say("ninja failed; trying once more")
    raise BuildError(f"the build in {out} failed: see above, or build.log there. The same command goes on from here.")


def _ninja_once(command: Sequence[str], log: Path, environment: Mapping[str, str], lock: int) -> list[str] | None:
    """The lines of the failed steps, or None when ninja succeeded."""
    shown: list[str] = []
    show = False
    with (
        log.open("w") as kept,
        Progress("build", " steps") as progress,
        subprocess.Popen(
            child(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**environment, "NINJA_STATUS": "[%f/%t] ", "TERM": "dumb"},
            pass_fds=[lock],
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            kept.write(line)
            step = _STATUS.match(line)
            if step:
                progress.update(int(step[1]), int(step[2]))
                # Warnings are shown for our own files only; V8's are V8's.
                show = FRONTEND_IN_TREE.name in step[3]
            elif line.startswith(("FAILED:", "ninja: error:")):
                show = True
            if show and not step:
                progress.say(line.rstrip())
                shown.append(line)
        progress.failed = process.wait() != 0
    return shown if process.returncode else None


def sync_folder(source: Path, target: Path) -> None:
    """Make `target` hold what `source` does, writing only files that differ, so that ninja rebuilds only those."""
    if not source.is_dir():
        raise BuildError(f"there is no folder {source}")
    wanted = {path.relative_to(source) for path in source.rglob("*") if path.is_file()}
    for path in sorted(target.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(target) not in wanted:
            path.unlink()
    for name in wanted:
        write_if_changed(target / name, (source / name).read_bytes())


def write_if_changed(path: Path, content: bytes) -> None:
    if path.is_file() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".new~")
    temporary.write_bytes(content)
    temporary.replace(path)


# --- V8's headers ----------------------------------------------------------------------------------------------------


def header_version(headers: Path) -> str | None:
    """The version that a folder of V8 headers is of, such as 15.0.245.13; None when it holds none."""
    header = headers / "v8-version.h"
    if not header.is_file():
        return None
    numbers = dict(re.findall(r"^#define V8_(\w+?)_(?:VERSION|NUMBER|LEVEL) (\d+)$", header.read_text(), re.MULTILINE))
    return ".".join(numbers.get(name, "0") for name in ("MAJOR", "MINOR", "BUILD", "PATCH"))


# --- the install -----------------------------------------------------------------------------------------------------


class FileRecord(TypedDict):
    size: int
    sha256: str


@dataclass
class NativeSet:
    """The files that go into the package, by the name they have there, and what native.json says of them."""

    provider: str
    v8_version: str
    machine: str
    flags: dict[str, str]
    files: dict[str, Path] = field(default_factory=dict)
    licences: dict[str, str] = field(default_factory=dict)
    patches: list[str] = field(default_factory=list)


def exported_symbols(library: Path) -> list[str]:
    names = []
    for line in output_of(["nm", "-D", "--defined-only", "--format=posix", library]).splitlines():
        name, kind = line.split()[:2]
        if kind != "A":  # a version node, not a symbol
            names.append(name.partition("@")[0])
    return names


def check_exports(library: Path) -> None:
    symbols = exported_symbols(library)
    foreign = [name for name in symbols if not name.startswith("mr_")]
    if foreign:
        some = ", ".join(foreign[:5]) + (", ..." if len(foreign) > 5 else "")
        raise BuildError(
            f"{library} exports {len(foreign)} symbols that do not begin with mr_ ({some}): "
            "give the shared library its version script (mr_exports.lds)"
        )
    if not symbols:
        raise BuildError(f"{library} exports no mr_* symbol: is mr_init marked for export?")


def strip_library(library: Path, stripped: Path) -> None:
    output_of(["strip", "--strip-unneeded", "-o", stripped, library])


def _record(path: Path) -> FileRecord:
    content = path.read_bytes()
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _listed_files(into: Path) -> set[str]:
    """The files of the set that is in place, or of the one that an interrupted install was replacing."""
    names: set[str] = set()
    for manifest in (into / MANIFEST, into / _OLD_MANIFEST):
        with contextlib.suppress(OSError, ValueError, AttributeError, TypeError):
            names.update(json.loads(manifest.read_text())["files"])
    return {name for name in names if name == Path(name).name}


def install_native(into: Path, native: NativeSet) -> bool:
    """Put the set into `into`; False when the very same set is there already."""
    into.mkdir(parents=True, exist_ok=True)
    stage = into / _STAGE
    directory = os.open(into, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        shutil.rmtree(stage, ignore_errors=True)
        (stage / _LICENCES).mkdir(parents=True)
        for name, source in native.files.items():
            shutil.copyfile(source, stage / name)
        for name, text in native.licences.items():
            (stage / _LICENCES / name).write_text(text)
        manifest = {
            "provider": native.provider,
            "v8_version": native.v8_version,
            "machine": native.machine,
            "files": {name: _record(stage / name) for name in native.files},
            # Paths are this machine's business, and would make wheels of two machines differ.
            "flags": {name: value for name, value in native.flags.items() if not re.match('"/[^/]', value)},
            "patches": native.patches,
        }
        (stage / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
        if _same(into, stage):
            return False
        _replace_set(into, stage, directory)
        return True
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        os.close(directory)


def _same(into: Path, stage: Path) -> bool:
    """Whether every staged file is in place, byte for byte."""
    for path in stage.rglob("*"):
        there = into / path.relative_to(stage)
        if path.is_file() and not (there.is_file() and there.read_bytes() == path.read_bytes()):
            return False
    return not (into / _OLD_MANIFEST).exists()


def _replace_set(into: Path, stage: Path, directory: int) -> None:
    """The order is the promise: everything is on the disk before the old manifest goes, and the new one comes last."""
    for path in stage.rglob("*"):
        _flush(path)
    _flush(stage)
    before = _listed_files(into)
    if (into / MANIFEST).exists():
        (into / MANIFEST).replace(into / _OLD_MANIFEST)
        os.fsync(directory)
    staged = {path.name for path in stage.iterdir() if path.is_file()} - {MANIFEST}
    for name in sorted(staged):
        (stage / name).replace(into / name)
    for name in sorted(before - staged):
        (into / name).unlink(missing_ok=True)
    shutil.rmtree(into / _LICENCES, ignore_errors=True)
    (stage / _LICENCES).replace(into / _LICENCES)
    os.fsync(directory)
    (stage / MANIFEST).replace(into / MANIFEST)
    os.fsync(directory)
    (into / _OLD_MANIFEST).unlink(missing_ok=True)
    os.fsync(directory)


def report_install(into: Path, native: NativeSet, changed: bool) -> None:
    sizes = ", ".join(f"{name} {(into / name).stat().st_size / 1e6:.1f} MB" for name in native.files)
    state = "installed" if changed else "already up to date"
    say(f"{state}: V8 {native.v8_version} ({native.provider}) in {into}: {sizes}")


def licence_texts(folder: Path) -> dict[str, str]:
    """The licence files that lie directly in a folder, by name."""
    pattern = re.compile(r"(licen[cs]e|copying|notice|copyright)", re.IGNORECASE)
    return {
        path.name: path.read_text(errors="replace")
        for path in sorted(folder.iterdir())
        if path.is_file() and pattern.match(path.name) and path.suffix not in {".py", ".h", ".cc"}
    }


def merge_licences(components: Mapping[str, str]) -> dict[str, str]:
    """One file for each distinct text, headed by the components that it covers."""
    covers: dict[str, list[str]] = {}
    for component, text in sorted(components.items()):
        covers.setdefault(text.strip(), []).append(component)
    merged = {}
    for text, names in covers.items():
        file_name = re.sub(r"[^A-Za-z0-9.+-]+", "-", names[0]).removesuffix(".txt") + ".txt"
        merged[file_name] = "This text covers: " + ", ".join(names) + "\n\n" + text + "\n"
    return merged
