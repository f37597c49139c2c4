"""Every fast check of the repository, in one run with one table: `make check`. CI calls the same.

A check is a function that returns what is wrong, an empty text when nothing is, and raises Skip when there is nothing
to look at. All run, two at a time; the exit code is 1 when one fails.

    python helpers/check.py              # everything
    python helpers/check.py mypy header  # some
    python helpers/check.py --fix        # rewrite the sources in the formats that the checks want
"""

from __future__ import annotations

import argparse
import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

from native import cache_folder
from rich.console import Console
from rich.markup import escape
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
FRONTEND = ROOT / "src" / "v8_py_frontend"
FUZZ = ROOT / "tests" / "fuzz"
LIBRARY = ROOT / "py_mini_racer" / "libmini_racer.so"
PUBLIC_HEADERS = ("mini_racer.h", "mr_wire.h")
PYTHON_SOURCES = ("py_mini_racer", "helpers", "hatch_build.py", "examples", "benchmarks", "tests", "docs")
ACTIONLINT = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.7"

WARNINGS = [
    *("-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wconversion", "-Wsign-conversion", "-Wshadow", "-Wundef"),
    *("-Wcast-qual", "-Wcast-align", "-Wformat=2", "-Wredundant-decls", "-Wdouble-promotion", "-fsyntax-only"),
]
WARNINGS_C = ["-Wstrict-prototypes", "-Wmissing-prototypes", "-Wold-style-definition", "-Wc++-compat"]
WARNINGS_CXX = ["-Wold-style-cast", "-Wuseless-cast", "-Wzero-as-null-pointer-constant", "-Wextra-semi"]

# What may stand only in the bridge, and what may stand nowhere: both are walls of the design.
V8_NAMES = re.compile(r'\bv8::|#\s*include\s*[<"](?:v8[-.]|libplatform/|cppgc/|node)')
PYTHON_NAMES = re.compile(r'#\s*include\s*[<"]Python\.h')
CRASHES_ON_EMPTY = re.compile(r"\b(?:ToLocalChecked|ToChecked|FromJust|Check)\s*\(\s*\)")
# Paths and hosts of the machine that somebody happened to work on have no place in a repository for everybody.
MACHINE_WORDS = re.compile(
    r"(?<![\w.$}/-])/(?:root|work|home|Users|workspace)/|(?<![\w.])\.\./shared\b|"
    r"\b(?:pypi\.org|pythonhosted\.org|npmjs\.(?:org|com)|deb\.debian\.org|proxy\.golang\.org|static\.crates\.io)\b"
)
LONGEST_REPORT = 60
MAY_LOOK_AROUND = {".ci/run"}


class Skip(Exception):  # noqa: N818  (it is an outcome, not an error)
    """There is nothing to check; the text says why."""


class Outcome(NamedTuple):
    name: str
    state: str
    seconds: float
    detail: str


CHECKS: dict[str, Callable[[], str]] = {}


def check(function: Callable[[], str]) -> Callable[[], str]:
    """Adds a check under its function's name."""
    CHECKS[function.__name__.replace("_", "-")] = function
    return function


def run(*words: str | Path, **environment: str) -> str:
    """Runs a command; what it printed when it failed, else nothing."""
    line = [str(word) for word in words]
    variables = {**os.environ, "NO_COLOR": "1", **environment}
    # The tools of .venv are found whether it is activated or not.
    variables["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{variables['PATH']}"
    line[0] = shutil.which(line[0], path=variables["PATH"]) or line[0]
    try:
        done = subprocess.run(line, cwd=ROOT, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True)  # noqa: PLW1510
    except FileNotFoundError:
        return f"{line[0]} is missing: `make check` installs it."
    return (done.stdout + done.stderr).strip() or f"exit code {done.returncode}" if done.returncode else ""


@functools.cache
def repository() -> tuple[Path, ...]:
    """The files of the repository: tracked ones, and new ones that are not ignored."""
    line = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        raise Skip("this is no git checkout")
    return tuple(path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file())


def native(*suffixes: str) -> list[Path]:
    """Our C and C++ files."""
    folders = (FRONTEND, ROOT / "tests" / "native", FUZZ)
    found = [path for folder in folders for path in sorted(folder.rglob("*")) if path.suffix in suffixes]
    if not found:
        raise Skip("there are no such files")
    return found


def matches(files: list[Path], pattern: re.Pattern[str], why: str) -> Iterator[str]:
    """One line of report for each match outside of comments."""
    for path in files:
        text = re.sub(
            r"/\*.*?\*/|//[^\n]*", lambda found: re.sub(r"[^\n]", " ", found[0]), path.read_text(), flags=re.DOTALL
        )
        for number, line in enumerate(text.splitlines(), 1):
            if found := pattern.search(line):
                yield f"{path.relative_to(ROOT)}:{number}: {found[0].strip()}: {why}"


# --- Python ---


@check
def ruff() -> str:
    return run("ruff", "check", "--quiet", "--output-format=concise", ".")


@check
def ruff_format() -> str:
    return run("ruff", "format", "--check", "--quiet", "--diff", ".")


@check
def mypy() -> str:
    return run("mypy", *(name for name in PYTHON_SOURCES if name.endswith(".py") or any((ROOT / name).rglob("*.py"))))


# --- C ---


@check
def clang_format() -> str:
    """Layout. What it finds is not listed in full: `make format` mends it."""
    wrong = [file for file in native(".c", ".h", ".cc") if run("clang-format", "--dry-run", "--Werror", file)]
    return "\n".join(f"{file.relative_to(ROOT)}: `make format` lays it out" for file in wrong)


@check
def clang_tidy() -> str:
    """The C core, as it is compiled but for the V8 that its build id names."""
    with tempfile.TemporaryDirectory() as folder:
        version, build_id = Path(folder, "v8-version.h"), Path(folder, "mr_build.h")
        parts = ("MAJOR_VERSION", "MINOR_VERSION", "BUILD_NUMBER", "PATCH_LEVEL")
        version.write_text("".join(f"#define V8_{part} 1\n" for part in parts))
        if wrong := run(sys.executable, FRONTEND / "build_id.py", build_id, version):
            return wrong
        sources = [path for path in native(".c") if path.parent == FRONTEND]
        flags = ["-std=c11", "-D_GNU_SOURCE", f"-I{FRONTEND}", f"-I{folder}"]
        return run("clang-tidy", "--quiet", "--warnings-as-errors=*", *sources, "--", *flags)


@check
def cppcheck() -> str:
    """The bridge: it cannot be compiled without V8's headers, and cppcheck reads it without them."""
    sources = [path for path in native(".cc") if path.parent == FRONTEND]
    kinds = ["--enable=warning,performance,portability", "--suppress=missingInclude"]
    kinds += [
        "--suppress=uninitMemberVarNoCtor",
        "--inline-suppr",
        "--error-exitcode=1",
    ]  # plain structs are filled by name
    return run("cppcheck", "--quiet", "--language=c++", "--std=c++20", *kinds, f"-I{FRONTEND}", *sources)


@check
def header() -> str:
    """Each public header alone, as C11 and as C++17, with the strictest warnings."""
    wrong = []
    for name in PUBLIC_HEADERS:
        program = f'#include "{name}"\nint main(void);\nint main(void) {{ return 0; }}\n'
        with tempfile.TemporaryDirectory() as folder:
            for compiler, suffix, flags in (("cc", ".c", WARNINGS_C), ("c++", ".cc", WARNINGS_CXX)):
                standard = "-std=c11" if suffix == ".c" else "-std=c++17"
                source = Path(folder, f"alone{suffix}")
                source.write_text(program)
                wrong.append(run(compiler, standard, *WARNINGS, *flags, f"-I{FRONTEND}", source))
    return "\n".join(filter(None, wrong))


@check
def exports() -> str:
    """The built library offers mr_* and nothing else."""
    if not LIBRARY.exists():
        raise Skip("no library is built")
    listed = subprocess.run(["nm", "-D", "--defined-only", LIBRARY], capture_output=True, text=True, check=True).stdout
    names = [line.split()[-1].partition("@")[0] for line in listed.splitlines()]
    foreign = [name for name in names if not name.startswith("mr_")]
    return f"{len(foreign)} symbols are not mr_*: {', '.join(foreign[:10])}" if foreign else ""


@check
def abi() -> str:
    """The header and the ctypes table say the same; with a library, its symbols, too."""
    return run(sys.executable, "helpers/abi.py")


@check
def walls() -> str:
    """V8 only in the bridge, Python's headers nowhere."""
    files = native(".c", ".h", ".cc")
    core = [path for path in files if not path.name.startswith("mrv8_")]
    wrong = [
        *matches(core, V8_NAMES, "V8 belongs into mrv8_* alone"),
        *matches(files, PYTHON_NAMES, "the library is free of Python's headers"),
    ]
    return "\n".join(wrong)


@check
def crash_on_empty() -> str:
    """No call of V8 that ends the process when a script made it fail."""
    files = [path for path in native(".c", ".h", ".cc") if path.parent == FRONTEND]
    return "\n".join(matches(files, CRASHES_ON_EMPTY, "ends the process when it is empty: use ToLocal, To, FromMaybe"))


# --- the rest ---


@check
def docs() -> str:
    with tempfile.TemporaryDirectory() as folder:
        return run("mkdocs", "build", "--strict", "--site-dir", folder, NO_MKDOCS_2_WARNING="1")


@check
def workflows() -> str:
    files = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    if not files:
        raise Skip("there are no workflows")
    return run(actionlint(), "-no-color", *files)


def actionlint() -> Path:
    """The linter on the PATH; else upstream's, built once by Go, whose checksum database vouches for it."""
    built = cache_folder() / "bin" / "actionlint"
    found = shutil.which("actionlint")
    if found or built.exists():
        return Path(found or built)
    if not shutil.which("go"):
        raise RuntimeError("neither actionlint nor Go is here. Install one of them, or run `make check` as root.")
    if wrong := run("go", "install", ACTIONLINT, GOBIN=str(built.parent), GOFLAGS="-mod=mod", GOTOOLCHAIN="local"):
        raise RuntimeError(f"go install {ACTIONLINT} failed:\n{wrong}")
    return built


@check
def shell() -> str:
    return run("shellcheck", ROOT / ".ci" / "run")


@check
def texts() -> str:
    """No machine's paths and hosts, no stray blanks, a newline at the end."""
    wrong = []
    for path in repository():
        name, data = str(path.relative_to(ROOT)), path.read_bytes()
        if (
            b"\0" in data
            or not data
            or path.is_relative_to(FUZZ / "corpus")
            or path.is_relative_to(FUZZ / "regressions")
        ):
            continue
        text = data.decode(errors="replace")
        if not text.endswith("\n") or text.endswith("\n\n"):
            wrong.append(f"{name}: ends without exactly one newline")
        for number, line in enumerate(text.splitlines(), 1):
            if line != line.rstrip() and path.suffix != ".patch":
                wrong.append(f"{name}:{number}: blanks at the end of the line")
            if name not in MAY_LOOK_AROUND and (found := MACHINE_WORDS.search(line)):
                wrong.append(f"{name}:{number}: {found[0]} is of one machine only")
    return "\n".join(wrong)


def outcome(name: str) -> Outcome:
    """Runs one check."""
    started = time.monotonic()
    try:
        wrong = CHECKS[name]()
        state = "failed" if wrong else "passed"
    except Skip as skip:
        wrong, state = str(skip), "skipped"
    except Exception as error:  # noqa: BLE001  (a check that breaks has failed, and the others go on)
        wrong, state = f"{type(error).__name__}: {error}", "failed"
    return Outcome(name, state, time.monotonic() - started, wrong)


def fix() -> None:
    """Rewrites the sources in the formats that the checks want."""
    for words in (["ruff", "check", "--fix", "--quiet", "."], ["ruff", "format", "."]):
        if text := run(*words):
            print(text)
    print(run("clang-format", "-i", *native(".c", ".h", ".cc")))


def report(outcomes: list[Outcome], seconds: float, console: Console) -> None:
    """The table, and before it what the failed checks said."""
    for bad in outcomes:
        if bad.state == "failed":
            lines = bad.detail.splitlines()
            console.rule(f"[red]{bad.name}")
            console.print(escape("\n".join(lines[:LONGEST_REPORT])), highlight=False, soft_wrap=True)
            if len(lines) > LONGEST_REPORT:
                console.print(f"... {len(lines) - LONGEST_REPORT} more lines")
    table = Table("check", "outcome", "seconds", "")
    colors = {"passed": "green", "failed": "red", "skipped": "yellow"}
    for name, state, took, detail in outcomes:
        note = escape(detail.splitlines()[0][:70]) if detail else ""
        table.add_row(name, f"[{colors[state]}]{state}", f"{took:.1f}", note)
    console.print(table)
    counts = {state: sum(one.state == state for one in outcomes) for state in colors}
    console.print(", ".join(f"{count} {state}" for state, count in counts.items()) + f", {seconds:.0f} s")


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="Runs the fast checks of the repository.")
    parser.add_argument("checks", nargs="*", metavar="CHECK", help=f"only these, of: {', '.join(CHECKS)}")
    parser.add_argument("--fix", action="store_true", help="rewrite the sources in the formats that the checks want")
    arguments = parser.parse_args()
    if unknown := set(arguments.checks) - set(CHECKS):
        parser.error(f"there is no check {', '.join(sorted(unknown))}; there are: {', '.join(CHECKS)}")
    if arguments.fix:
        fix()
        return 0
    console = Console(width=None if sys.stdout.isatty() else 120)
    started = time.monotonic()
    names = arguments.checks or list(CHECKS)
    done: dict[str, Outcome] = {}
    with ThreadPoolExecutor(2) as pool, console.status("checking") as status:
        futures = [pool.submit(outcome, name) for name in names]
        for future in as_completed(futures):
            one = future.result()
            done[one.name] = one
            status.update(f"checking: {len(done)} of {len(names)} done")
            if not console.is_terminal:
                print(f"check: {one.name} {one.state} ({one.seconds:.1f} s)", flush=True)
    outcomes = [done[name] for name in names]
    report(outcomes, time.monotonic() - started, console)
    return int(any(one.state == "failed" for one in outcomes))


if __name__ == "__main__":
    sys.exit(main())
