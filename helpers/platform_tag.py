"""The platform tag of a wheel, computed from what its native libraries ask of the machine.

A tag is a promise: pip installs the wheel wherever the tag fits. So it is read from the symbol versions in the ELF
files themselves, and not from the machine that happens to build.

    python helpers/platform_tag.py py_mini_racer/libmini_racer.so      # manylinux_2_29_x86_64
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, cast

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

MACHINES = {"EM_X86_64": "x86_64", "EM_AARCH64": "aarch64", "EM_ARM": "armv7l", "EM_RISCV": "riscv64", "EM_386": "i686"}
OLDEST_GLIBC = {"x86_64": (2, 5), "i686": (2, 5), "aarch64": (2, 17), "armv7l": (2, 17), "riscv64": (2, 31)}


class Needs(NamedTuple):
    """What one ELF file asks for."""

    machine: str
    libraries: frozenset[str]
    glibc: tuple[int, int] | None

    @property
    def musl(self) -> bool:
        return any("musl" in library for library in self.libraries)


def read(library: Path) -> Needs:
    """Reads what a shared library needs; a ValueError says what is wrong with the file."""
    try:
        with library.open("rb") as stream:
            elf = ELFFile(stream)
            machine = elf["e_machine"]
            needed: set[str] = set()
            glibc: list[tuple[int, int]] = []
            for section in elf.iter_sections():
                if isinstance(section, DynamicSection):
                    needed |= {cast("Any", tag).needed for tag in section.iter_tags("DT_NEEDED")}
                elif isinstance(section, GNUVerNeedSection):
                    names = [version.name for _, versions in section.iter_versions() for version in versions]
                    matches = (re.fullmatch(r"GLIBC_(\d+)\.(\d+)(?:\.\d+)?", name) for name in names)
                    glibc += [(int(match[1]), int(match[2])) for match in matches if match]
    except ELFError as error:
        raise ValueError(f"{library} is not an ELF library ({error}): only Linux wheels can be built here.") from error
    if machine not in MACHINES:
        known = ", ".join(MACHINES.values())
        raise ValueError(f"{library} is for the machine {machine}, which has no wheel tag here; known are {known}.")
    return Needs(MACHINES[machine], frozenset(needed), max(glibc, default=None))


def find_needed(library: Path, start: str, carried: set[str]) -> list[Path]:
    """The libraries with names like this that the machine's loader would add, because they are not carried along."""
    wanted = [name for name in read(library).libraries if name.startswith(start) and name not in carried]
    if not wanted:
        return []
    shown = subprocess.run(["ldd", library], capture_output=True, text=True, check=False).stdout
    places = dict(re.findall(r"(\S+) => (/\S+)", shown))
    if lost := [name for name in wanted if name not in places]:
        raise ValueError(f"{library.name} needs {', '.join(lost)}, which the loader does not find: build it again.")
    return [Path(places[name]) for name in wanted]


def musl_version(machine: str) -> tuple[int, int]:
    """The musl of this machine: its symbols carry no versions, so the build machine's is the promise."""
    loader = Path(f"/lib/ld-musl-{machine}.so.1")
    if not loader.exists():
        raise ValueError(f"the library needs musl, but {loader} is not here: build musl wheels on a musl machine.")
    text = subprocess.run([loader], capture_output=True, text=True, check=False).stderr
    found = re.search(r"Version (\d+)\.(\d+)", text)
    if not found:
        raise ValueError(f"{loader} does not say its version: it printed {text!r}.")
    return int(found[1]), int(found[2])


def platform_tag(libraries: Iterable[Path]) -> str:
    """The tag of a wheel that carries, or leans on, all of these libraries."""
    needs = {library: read(library) for library in libraries}
    machines = {need.machine for need in needs.values()}
    if len(machines) != 1:
        found = ", ".join(f"{library.name}: {need.machine}" for library, need in needs.items())
        raise ValueError(f"one wheel is for one machine, but its libraries are for {sorted(machines)} ({found}).")
    (machine,) = machines
    if any(need.musl for need in needs.values()):
        major, minor = musl_version(machine)
        return f"musllinux_{major}_{minor}_{machine}"
    major, minor = max([OLDEST_GLIBC[machine], *(need.glibc for need in needs.values() if need.glibc)])
    return f"manylinux_{major}_{minor}_{machine}"


def main() -> None:
    """Command line."""
    if not sys.argv[1:]:
        raise SystemExit("usage: platform_tag.py LIBRARY...")
    try:
        print(platform_tag(Path(name) for name in sys.argv[1:]))
    except (OSError, ValueError) as error:
        raise SystemExit(f"platform_tag: {error}") from None


if __name__ == "__main__":
    main()
