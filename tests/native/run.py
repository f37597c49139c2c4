"""Compiles and runs the C tests: the core on a fake bridge, under sanitizers, and the built library from C.

Every test_<topic>.c is a program of its own, on cmocka. All but test_library are linked with the core and
fake_bridge.c, once for the address and undefined-behaviour sanitizers and once for the thread sanitizer. test_library
is linked with libmini_racer.so as a client would be, and runs with and without V8's own threads.

    python tests/native/run.py                       # everything
    python tests/native/run.py --only lock           # the programs whose name has this in it
    python tests/native/run.py --library DIR         # another library than the one in py_mini_racer/
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, NoReturn

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "tests" / "native"
FRONTEND = ROOT / "src" / "v8_py_frontend"
BUILD = ROOT / "build" / "native-tests"
PACKAGE = ROOT / "py_mini_racer"
# The core, but for what the build is known by.
CORE = [
    path
    for path in sorted(FRONTEND.glob("mr_*.c"))
    if path.stem != "mr_library" and not path.stem.startswith("mr_python")
]

CFLAGS = "-std=c11 -D_GNU_SOURCE -g -O1 -pthread -Wall -Wextra -Wmissing-prototypes"
SANITIZERS = {
    "address": "-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer",
    "thread": "-fsanitize=thread",
}
LONGEST_RUN = 120  # seconds; a program that takes longer hangs
JOBS = 2
# cmocka catches faults to go on with the next test; the sanitizer's report says more.
SANITIZER_OPTIONS = {
    "ASAN_OPTIONS": "allocator_may_return_null=1:handle_segv=2:handle_sigbus=2:detect_leaks=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "handle_segv=2:handle_sigbus=2:allocator_may_return_null=1:halt_on_error=0:exitcode=66:die_after_fork=0",
}
# Made-up files that test_init.c has V8 start from: one is hashed as a whole, one by its first and last part.
BLOBS = {"icudtl.dat": 3001, "snapshot_blob.bin": 1_500_003}
LIBRARY_MODES = {"library": "", "library, one thread": "--single-threaded"}


class Program(NamedTuple):
    """One run of one executable."""

    name: str
    mode: str
    line: list[str]


class Outcome(NamedTuple):
    program: Program
    passed: int
    failed: int
    skipped: int
    seconds: float
    output: str


def fail(text: str) -> NoReturn:
    """Ends with a message that says what to do."""
    print(f"native: {text}", file=sys.stderr)
    raise SystemExit(1)


def compiles(compiler: str, flags: str) -> bool:
    """Does it make a program of cmocka with these flags, and does that run? The thread sanitizer is at odds with some kernels."""
    probe = BUILD / "probe"
    code = (
        "#include <stdarg.h>\n#include <stddef.h>\n#include <stdint.h>\n#include <setjmp.h>\n#include <cmocka.h>\n"
        "int main(void) { return cmocka_run_group_tests(((const struct CMUnitTest[]){{0}}), NULL, NULL) != 0; }\n"
    )
    line = [compiler, "-x", "c", "-", "-o", str(probe), *flags.split(), "-lcmocka"]
    made = subprocess.run(line, input=code, text=True, capture_output=True, check=False)
    return made.returncode == 0 and subprocess.run([probe], capture_output=True, check=False).returncode in {0, 1}


def compiler_for(flags: str) -> str:
    """A compiler that can do it: the machine's cc, else a clang."""
    clangs = [f"clang-{version}" for version in range(30, 13, -1)]
    for compiler in [os.environ.get("CC", "cc"), "gcc", "clang", *clangs]:
        if shutil.which(compiler) and compiles(compiler, flags):
            return compiler
    fail(
        f"no C compiler here makes a working program with {flags or 'cmocka'}. On Debian: apt-get install gcc libc6-dev libcmocka-dev"
    )


def make_headers() -> None:
    """mr_build.h for a V8 that carries its data, and for one that starts from files; and those files."""
    BUILD.mkdir(parents=True, exist_ok=True)
    version = BUILD / "v8-version.h"
    parts = ("MAJOR_VERSION", "MINOR_VERSION", "BUILD_NUMBER", "PATCH_LEVEL")
    version.write_text("".join(f"#define V8_{part} {number}\n" for number, part in enumerate(parts, 1)))
    for folder, blobs in (("plain", {}), ("blobs", BLOBS)):
        (BUILD / folder).mkdir(exist_ok=True)
        for name, size in blobs.items():
            (BUILD / folder / name).write_bytes(bytes(i * 31 % 251 for i in range(size)))
        made = BUILD / folder / "new.h"
        files = [str(BUILD / folder / name) for name in blobs]
        subprocess.run([sys.executable, FRONTEND / "build_id.py", made, version, *files], check=True)
        header = BUILD / folder / "mr_build.h"
        if not header.exists() or header.read_bytes() != made.read_bytes():  # else nothing has to be compiled again
            made.replace(header)


def blobs_of(library: Path) -> list[str]:
    """The files that the library starts from, where there are any."""
    files = [library / name for name in BLOBS]
    manifest = library / "native.json"
    system = manifest.exists() and json.loads(manifest.read_text())["provider"] == "system"
    return [] if system else [str(file) for file in files]


class Plan:
    """The programs to run, and the ninja file that makes them."""

    def __init__(self) -> None:
        self.programs: list[Program] = []
        self._lines = [
            "builddir = .",
            "rule cc",
            "  command = $cc $flags -MD -MF $out.d -c $in -o $out",
            "  depfile = $out.d",
            "  deps = gcc",
            "  description = $out",
            "rule link",
            "  command = $cc $flags $in -o $out $libraries -lcmocka",
            "  description = $out",
        ]
        self._known: set[str] = set()

    def _object(self, source: Path, variant: str, cc: str, flags: str) -> str:
        """The object of a source in one variant, made once."""
        name = f"{variant}/{source.stem}.o"
        if name not in self._known:
            self._known.add(name)
            self._lines += [
                f"build {name}: cc {source}",
                f"  cc = {cc}",
                f"  flags = {CFLAGS} -I{FRONTEND} -I{HERE} {flags}",
            ]
        return name

    def _executable(
        self, name: str, objects: list[str], cc: str, flags: str, libraries: str = "", depends: str = ""
    ) -> str:
        self._lines += [
            f"build {name}: link {' '.join(objects)} {depends}",
            f"  cc = {cc}",
            f"  flags = -pthread {flags}",
        ]
        self._lines.append(f"  libraries = {libraries}")
        return str(BUILD / name)

    def add_core_tests(self, sources: list[Path], mode: str, sanitizer: str) -> None:
        """Tests of the core on the fake bridge; test_init once for each way that V8 gets its data."""
        cc = compiler_for(sanitizer)
        for source in sources:
            for data in ("plain", "blobs") if source.stem == "test_init" else ("plain",):
                flags = f"{sanitizer} -I{BUILD / data}"
                objects = [self._object(path, mode, cc, sanitizer) for path in (*CORE, HERE / "fake_bridge.c")]
                objects += [
                    self._object(path, f"{mode}/{data}", cc, flags) for path in (FRONTEND / "mr_library.c", source)
                ]
                executable = self._executable(f"{mode}/{data}/{source.stem}", objects, cc, sanitizer)
                name = source.stem.removeprefix("test_") + (", blobs" if data == "blobs" else "")
                self.programs.append(Program(name, mode, [executable, str(BUILD / "blobs")]))

    def add_fuzz_replay(self, *sources: Path) -> str:
        """A fuzz target on the core with the fake bridge, that runs the inputs it is given."""
        sanitizer = SANITIZERS["address"]
        cc = compiler_for(sanitizer)
        flags = f"{sanitizer} -I{BUILD / 'plain'}"
        objects = [self._object(path, "address", cc, sanitizer) for path in (*CORE, HERE / "fake_bridge.c")]
        objects.append(self._object(FRONTEND / "mr_library.c", "address/plain", cc, flags))
        objects += [self._object(path, "address/fuzz", cc, f"{flags} -DFUZZ_FAKE") for path in sources]
        return self._executable("address/fuzz/replay", objects, cc, sanitizer)

    def add_library_tests(self, source: Path, library: Path) -> None:
        """Tests of the real library, in each mode of its threads."""
        cc = compiler_for("")
        file = library / "libmini_racer.so"
        objects = [self._object(source, "library", cc, "")]
        libraries = f"{file} -Wl,-rpath,{library} -Wl,--allow-shlib-undefined"
        executable = self._executable(f"library/{source.stem}", objects, cc, "", libraries, f"| {file}")
        for name, flags in LIBRARY_MODES.items():
            self.programs.append(Program(name, "as built", [executable, flags, *blobs_of(library)]))

    def build(self) -> None:
        """Runs ninja; its warnings are shown, its progress is not."""
        (BUILD / "build.ninja").write_text("\n".join([*self._lines, ""]))
        ninja = [sys.executable, "-m", "ninja"] if importlib.util.find_spec("ninja") else [shutil.which("ninja") or ""]
        if not ninja[0]:
            fail("ninja is missing. `make test` installs it into .venv, or: pip install ninja")
        made = subprocess.run([*ninja, "-C", BUILD, "-j", str(JOBS)], capture_output=True, text=True, check=False)
        if made.returncode or "warning:" in made.stdout:
            print(made.stdout + made.stderr)
        if made.returncode:
            fail("the tests do not compile; the lines above say why.")


def run(program: Program) -> Outcome:
    """Runs a program and counts what cmocka says."""
    started = time.monotonic()
    environment = {**os.environ, **SANITIZER_OPTIONS}
    process = subprocess.Popen(
        program.line, env=environment, cwd=BUILD, text=True, errors="replace", stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        output, _ = process.communicate(timeout=LONGEST_RUN)
    except subprocess.TimeoutExpired:
        process.kill()
        output = process.communicate()[0] + f"\nit hung: killed after {LONGEST_RUN} s\n"
    counts = re.search(r"^\[=+\] Running (\d+) test", output, re.MULTILINE)
    total = int(counts[1]) if counts else 1
    passed = len(re.findall(r"^\[ +OK \]", output, re.MULTILINE))
    skipped = len(set(re.findall(r"^\[  SKIPPED \] (\w+)$", output, re.MULTILINE)))
    failed = total - passed - skipped
    if process.returncode and not failed:  # a sanitizer's report at the end
        failed = 1
    if process.returncode:
        output += f"\nexit code {process.returncode}\n"
    return Outcome(program, passed, failed, skipped, time.monotonic() - started, output)


def report(outcomes: list[Outcome], seconds: float, note: str) -> int:
    """What failed in full, a table, one closing line."""
    for bad in outcomes:
        if bad.failed:
            print(f"--- {bad.program.name} ({bad.program.mode}): {' '.join(bad.program.line)}\n{bad.output.strip()}\n")
    width = max((len(one.program.name) for one in outcomes), default=0)
    for one in outcomes:
        verdict = f"{one.failed} FAILED" if one.failed else "ok"
        skipped = f", {one.skipped} skipped" if one.skipped else ""
        print(
            f"{one.program.name:{width}}  {one.program.mode:8}  {one.passed:3} passed{skipped}  {one.seconds:5.1f} s  {verdict}"
        )
    passed, failed = sum(one.passed for one in outcomes), sum(one.failed for one in outcomes)
    missing = sum(one.skipped for one in outcomes)
    more = f", {missing} skipped" if missing else ""
    print(f"native: {passed} passed, {failed} failed{more}{note} ({seconds:.0f} s)")
    return int(failed > 0)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="Compiles and runs the C tests.")
    parser.add_argument("--only", default="", metavar="NAME", help="only the programs with this in their name")
    parser.add_argument("--no-sanitizers", action="store_true", help="the core as it is, for a debugger")
    parser.add_argument("--library", type=Path, default=PACKAGE, metavar="DIR", help="folder of libmini_racer.so")
    arguments = parser.parse_args()
    started = time.monotonic()
    sources = [path for path in sorted(HERE.glob("test_*.c")) if arguments.only in path.stem]
    if not sources:
        fail(
            f"no program has {arguments.only!r} in its name; there are: {', '.join(sorted(path.stem for path in HERE.glob('test_*.c')))}"
        )
    make_headers()
    plan = Plan()
    core_tests = [path for path in sources if path.stem != "test_library"]
    if core_tests:
        for mode, flags in ({"plain": ""} if arguments.no_sanitizers else SANITIZERS).items():
            plan.add_core_tests(core_tests, mode, flags)
    note = ""
    if HERE / "test_library.c" in sources:
        if (arguments.library / "libmini_racer.so").exists():
            plan.add_library_tests(HERE / "test_library.c", arguments.library.resolve())
        else:
            note = f"; test_library skipped: nothing is built in {arguments.library} (`make build` does)"
    plan.build()
    with ThreadPoolExecutor(JOBS) as pool:
        outcomes = list(pool.map(run, plan.programs))
    return report(outcomes, time.monotonic() - started, note)


if __name__ == "__main__":
    sys.exit(main())
