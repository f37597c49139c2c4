"""Sets the checkout up: `.venv`, the Python packages of a dependency group, the machine's tools that the group needs.

Runs with the system's Python and its standard library alone, because it is the first thing that runs on a bare machine.
`make` calls it once for each group, and again only when pyproject.toml or this file changed. As root on a Debian system
it installs missing tools with apt; for others it prints the line that does.

    python3 helpers/setup_env.py build test
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
OLDEST_PYTHON = (3, 10)
PIP_WITH_GROUPS = "pip>=25.1"  # the first that reads [dependency-groups]


class Tool(NamedTuple):
    """Something that PyPI does not carry: how to see that it is here, and Debian's packages that bring it."""

    what: str
    is_here: Callable[[], bool]
    packages: tuple[str, ...]


def command(*names: str) -> Callable[[], bool]:
    """Is one of these commands on the PATH?"""
    return lambda: any(shutil.which(name) for name in names)


def compiles(code: str, *flags: str) -> Callable[[], bool]:
    """Does the C compiler take this program, and the linker these flags?"""

    def check() -> bool:
        compiler = shutil.which("cc") or shutil.which("gcc")
        if not compiler:
            return False
        line = [compiler, "-x", "c", "-", "-o", os.devnull, *flags]
        return subprocess.run(line, input=code, text=True, capture_output=True, check=False).returncode == 0

    return check


C_COMPILER = Tool("a C compiler", compiles("#include <stdio.h>\nint main(void) { return 0; }\n"), ("gcc", "libc6-dev"))
CXX_COMPILER = Tool("a C++ compiler", command("c++", "g++", "clang++"), ("g++",))
BINUTILS = Tool("nm and readelf", lambda: all(map(shutil.which, ("nm", "readelf"))), ("binutils",))
CMOCKA_PROGRAM = (
    "#include <stdarg.h>\n#include <stddef.h>\n#include <stdint.h>\n#include <setjmp.h>\n#include <cmocka.h>\n"
    "int main(void) { return cmocka_run_group_tests(((const struct CMUnitTest[]){{0}}), NULL, NULL); }\n"
)
CMOCKA = Tool("the C test library cmocka", compiles(CMOCKA_PROGRAM, "-lcmocka"), ("libcmocka-dev",))
PATCH_AND_XZ = Tool("patch and xz", lambda: all(map(shutil.which, ("patch", "xz"))), ("patch", "xz-utils"))
GO = Tool("actionlint (or Go to build it)", command("actionlint", "go"), ("golang-go",))

# What a dependency group of pyproject.toml needs besides Python packages.
TOOLS = {
    "build": (C_COMPILER, CXX_COMPILER, BINUTILS),
    "test": (C_COMPILER, CXX_COMPILER, BINUTILS, CMOCKA, PATCH_AND_XZ),
    "check": (C_COMPILER, CXX_COMPILER, BINUTILS, CMOCKA, GO),
}


def say(text: str) -> None:
    """Prints one line of progress at once, also into a pipe."""
    print(f"setup: {text}", flush=True)


def fail(text: str) -> NoReturn:
    """Ends with a message that says what to do."""
    print(f"setup: {text}", file=sys.stderr)
    raise SystemExit(1)


def run(*line: str | Path, quiet: bool = False) -> None:
    """Runs a command; when it fails, shows what it printed and ends."""
    words = [str(word) for word in line]
    done = subprocess.run(words, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=quiet, text=True, check=False)
    if done.returncode:
        if quiet:
            print(done.stdout, done.stderr, sep="\n", file=sys.stderr)
        fail(f"`{shlex.join(words)}` failed with exit code {done.returncode}; the lines above say why.")


def apt_install(packages: list[str], why: str) -> None:
    """Installs Debian packages as root, or prints the line that would and ends."""
    line = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    if not shutil.which("apt-get"):
        fail(f"{why} missing. Install with your package manager what Debian calls: {' '.join(packages)}.")
    if os.geteuid() != 0:
        fail(f"{why} missing. Run this, then the same make command again:\n\n    sudo {shlex.join(line)}\n")
    say(f"{why} missing: installing {' '.join(packages)} with apt")
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    run("apt-get", "update", "-q", quiet=True)
    run(*line, quiet=True)


def install_tools(groups: list[str]) -> None:
    """Installs the machine's tools that the groups need."""
    missing = {tool.what: tool for group in groups for tool in TOOLS.get(group, ()) if not tool.is_here()}
    if not missing:
        return
    packages = sorted({package for tool in missing.values() for package in tool.packages})
    apt_install(packages, f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'}")
    still = [tool.what for tool in missing.values() if not tool.is_here()]
    if still:
        fail(f"{', '.join(still)}: installed, but still not usable. Is another one in front on the PATH?")


def can_make_venv() -> bool:
    """Debian splits ensurepip from Python: without its package, venv makes a folder without pip."""
    probe = [sys.executable, "-c", "import ensurepip, venv"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def make_venv(venv: Path) -> Path:
    """Makes the environment where there is none, with a pip that knows groups, and returns its python."""
    python = venv / "bin" / "python"
    answers = python.exists() and subprocess.run(
        [str(python), "-m", "pip", "--version"], capture_output=True, check=False
    )
    if not answers or answers.returncode:
        if not can_make_venv():
            apt_install(["python3-venv"], "Python's venv module is")
        say(f"making {venv.name} with Python {sys.version.split()[0]}")
        run(sys.executable, "-m", "venv", "--clear", venv)
        run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", PIP_WITH_GROUPS, quiet=True)
    # A path file in place of an editable install: that would build the library, and would fix which one is used.
    where = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = subprocess.run(where, capture_output=True, text=True, check=True).stdout.strip()
    Path(packages, "mini_racer_checkout.pth").write_text(f"{ROOT}\n")
    return python


def install_groups(python: Path, groups: list[str]) -> None:
    """Installs dependency groups of pyproject.toml into the environment."""
    started = time.monotonic()
    say(f"installing Python packages for {', '.join(groups)} into {python.parent.parent.name}")
    options = [word for group in groups for word in ("--group", group)]
    run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *options, quiet=True)
    say(f"{', '.join(groups)} ready after {time.monotonic() - started:.0f} s")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Sets the checkout up for the named dependency groups.")
    parser.add_argument("groups", nargs="+", metavar="GROUP", help="a dependency group of pyproject.toml")
    parser.add_argument("--venv", type=Path, default=VENV, help="the environment (default: .venv of this checkout)")
    arguments = parser.parse_args()
    groups = arguments.groups
    if sys.version_info < OLDEST_PYTHON:
        wanted = ".".join(map(str, OLDEST_PYTHON))
        fail(f"Python {sys.version.split()[0]} is too old: {wanted} or newer is needed (`make PYTHON=python3.12 ...`).")
    install_tools(groups)
    install_groups(make_venv(arguments.venv), groups)


if __name__ == "__main__":
    main()
