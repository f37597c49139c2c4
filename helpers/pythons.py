"""Runs the Python tests on every CPython that the machine has, and PyPy: `make test-pythons`.

Each gets an environment of its own in build/. What it is started with goes to pytest: `helpers/pythons.py -k timeout`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
WANTED = ("CPython 3.10", "CPython 3.11", "CPython 3.12", "CPython 3.13", "CPython 3.14", "PyPy 3.11")


def interpreters() -> dict[str, Path]:
    """The Pythons of this machine that we run on, by name and version: those on the PATH, and pyenv's."""
    names = [f"python3.{minor}" for minor in range(10, 15)] + ["pypy3"]
    places = [Path(found) for name in names if (found := shutil.which(name))]
    places += sorted(Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob("versions/*/bin/python"))
    code = "import platform as p; print(p.python_implementation(), '.'.join(p.python_version_tuple()[:2]))"
    known: dict[str, Path] = {}
    for place in places:
        shown = subprocess.run([str(place), "-c", code], capture_output=True, text=True, check=False).stdout.strip()
        if shown in WANTED:
            known.setdefault(shown, place)
    return known


def run_tests(name: str, python: Path, arguments: list[str]) -> str:
    """The closing line of pytest, or what went wrong before."""
    venv = ROOT / "build" / name.lower().replace(" ", "")
    setup = [str(python), "helpers/setup_env.py", "--venv", str(venv), "test"]
    if subprocess.run(setup, cwd=ROOT, check=False).returncode:
        return "no environment"
    line = [str(venv / "bin" / "python"), "-m", "pytest", "-q", *arguments]
    done = subprocess.run(line, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    sys.stdout.write(done.stdout)
    closing = re.findall(r"^.*\b(?:passed|failed|error|no tests ran)\b.* in [\d.]+s.*$", done.stdout, re.MULTILINE)
    return closing[-1].strip("= ") if closing else f"pytest ended with exit code {done.returncode}"


def main() -> int:
    """Command line."""
    table = Table("Python", "tests", "seconds")
    bad, here = 0, interpreters()
    for name in WANTED:
        if name not in here:
            table.add_row(name, "not on this machine", "")
            continue
        print(f"pythons: {name}: {here[name]}", flush=True)
        started = time.monotonic()
        closing = run_tests(name, here[name], sys.argv[1:])
        fine = "passed" in closing and "failed" not in closing and "error" not in closing
        bad += not fine
        table.add_row(name, closing, f"{time.monotonic() - started:.0f}", style="" if fine else "red")
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
