"""Fuzzes the library with libFuzzer: builds the targets with clang, runs them, and prints what they reached.

    python tests/fuzz/run.py --minutes 5                 # all targets, five minutes each
    python tests/fuzz/run.py --target wire --minutes 60
    python tests/fuzz/run.py --target wire --seconds 30 --seed 7
    python tests/fuzz/run.py --minimize                  # the smallest corpus that reaches as much goes to tests/fuzz/corpus/

    wire      bytes as messages, for every function that takes one        real library, the system's V8
    abi       bytes as a program of calls, on several contexts            real library, the system's V8
    core      the same                                                    the core on the fake bridge
    python    bytes as messages, for both of the Python package's codecs  the fast lane's C

Our own files are compiled with the address and the undefined-behaviour sanitizer and with coverage counters. V8 is
Debian's: neither sanitized nor counted. An input that crashes is kept in build/fuzz/crashes/; it belongs into
tests/fuzz/regressions/TARGET/, which tests/test_fuzz.py replays, as it does the corpus.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple, NoReturn

import seeds

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "tests" / "fuzz"
NATIVE = ROOT / "tests" / "native"
FRONTEND = ROOT / "src" / "v8_py_frontend"
BUILD = ROOT / "build" / "fuzz"
LIBRARY = BUILD / "library"
SANITIZE = "address,undefined"
CFLAGS = f"-std=c11 -D_GNU_SOURCE -g -O1 -pthread -Wall -Wextra -Wmissing-prototypes -I{FRONTEND} -I{NATIVE} -I{HERE} -I{BUILD}"
INSTRUMENTED = f"-fsanitize={SANITIZE},fuzzer-no-link -fno-sanitize-recover=all -fno-omit-frame-pointer"
OPTIONS = {
    # libnode is not instrumented: what it allocates in one way and frees in another is not ours to judge.
    "ASAN_OPTIONS": "allocator_may_return_null=1:alloc_dealloc_mismatch=0:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "MINI_RACER_LANE": "ctypes",  # of the package that the target "python" compares with
}
LONGEST = {"wire": 400, "abi": 400, "core": 400, "python": 600}  # bytes of an input
# Seconds that one process gets: under the address sanitizer each isolate of V8 10.2 leaves 0.4 MB behind in the process, without it nothing.
LONGEST_PROCESS = {"abi": 20}
# A corpus that is added to the inputs of a sibling: what it has found is worth a try here.
RELATED = {"abi": "core", "core": "abi"}


class Found(NamedTuple):
    """What a run has come to."""

    target: str
    executions: int
    edges: int
    all_edges: int
    features: int
    inputs: int
    seconds: int
    crashed: bool


def fail(text: str) -> NoReturn:
    """Ends with a message that says what to do."""
    print(f"fuzz: {text}", file=sys.stderr)
    raise SystemExit(1)


def find_clang() -> str:
    """The newest clang that links libFuzzer."""
    for name in [*(f"clang-{version}" for version in range(30, 13, -1)), "clang"]:
        if shutil.which(name) and shutil.which(name.replace("clang", "clang++")) and runtime(name, "fuzzer").is_file():
            return name
    fail("no clang here has libFuzzer. On Debian: apt-get install clang libclang-rt-dev")


def runtime(clang: str, name: str) -> Path:
    """One of clang's own libraries."""
    line = [clang, f"-print-file-name=libclang_rt.{name}-x86_64.a"]
    listed = Path(subprocess.run(line, capture_output=True, text=True, check=True).stdout.strip())
    if listed.is_file():
        return listed
    folder = subprocess.run([clang, "-print-runtime-dir"], capture_output=True, text=True, check=True).stdout.strip()
    return Path(folder, f"libclang_rt.{name}-x86_64.a")


def shared_sanitizer(clang: str) -> Path:
    return runtime(clang, "asan").with_suffix(".so")


def make_header() -> None:
    """mr_build.h, for the core on the fake bridge."""
    version = BUILD / "v8-version.h"
    parts = ("MAJOR_VERSION", "MINOR_VERSION", "BUILD_NUMBER", "PATCH_LEVEL")
    version.write_text("".join(f"#define V8_{part} {number}\n" for number, part in enumerate(parts, 1)))
    made = BUILD / "mr_build.h.new"
    subprocess.run([sys.executable, FRONTEND / "build_id.py", made, version], check=True)
    header = BUILD / "mr_build.h"
    if not header.exists() or header.read_bytes() != made.read_bytes():  # else nothing has to be compiled again
        made.replace(header)


def build(targets: list[str], clang: str) -> None:
    """Compiles what changed."""
    BUILD.mkdir(parents=True, exist_ok=True)
    if {"wire", "abi"} & set(targets):
        print("fuzz: our library with sanitizers, against the system's V8", flush=True)
        line = [
            sys.executable,
            str(ROOT / "helpers" / "v8_system.py"),
            "--sanitize",
            f"{SANITIZE},fuzzer-no-link",
            "--into",
            str(LIBRARY),
        ]
        environment = {**os.environ, "CC": clang, "CXX": clang.replace("clang", "clang++")}
        done = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            fail(f"it does not build:\n{done.stdout}{done.stderr}")
    make_header()
    lines = [
        "builddir = .",
        "rule cc",
        f"  command = {clang} $flags -MD -MF $out.d -c $in -o $out",
        "  depfile = $out.d",
        "  deps = gcc",
    ]
    lines += ["rule link", f"  command = {clang.replace('clang', 'clang++')} $flags $in -o $out $libraries"]

    def compile_all(folder: str, sources: list[Path], flags: str) -> str:
        for source in sources:
            lines.extend([f"build {folder}/{source.stem}.o: cc {source}", f"  flags = {CFLAGS} {INSTRUMENTED} {flags}"])
        return " ".join(f"{folder}/{source.stem}.o" for source in sources)

    core = sorted(path for path in FRONTEND.glob("mr_*.c") if not path.stem.startswith("mr_python"))
    fake = [*core, NATIVE / "fake_bridge.c"]
    for target in targets:
        if target in {"wire", "abi"}:
            objects = compile_all(target, [HERE / f"fuzz_{target}.c"], "")
            flags = f"-fsanitize={SANITIZE},fuzzer"
            libraries = f"{LIBRARY}/libmini_racer.so -Wl,-rpath,{LIBRARY} -Wl,--allow-shlib-undefined"
            depends = f" | {LIBRARY}/libmini_racer.so"
        elif target == "core":
            objects = compile_all(target, [*fake, HERE / "fuzz_abi.c"], "-DFUZZ_FAKE")
            flags, libraries, depends = f"-pthread -fsanitize={SANITIZE},fuzzer", "", ""
        else:
            objects = compile_all(target, [*fake, *sorted(FRONTEND.glob("mr_python*.c"))], "-fPIC")
            flags = f"-shared -pthread -fsanitize={SANITIZE} -shared-libasan -Wl,-Bsymbolic"
            libraries = f"-Wl,--whole-archive {runtime(clang, 'fuzzer_no_main')} -Wl,--no-whole-archive"
            depends = ""
        lines += [
            f"build {program(target).name}: link {objects}{depends}",
            f"  flags = {flags}",
            f"  libraries = {libraries}",
        ]
    (BUILD / "build.ninja").write_text(
        "\n".join([*lines, f"default {' '.join(program(target).name for target in targets)}", ""])
    )
    ninja = [sys.executable, "-m", "ninja"] if importlib.util.find_spec("ninja") else [shutil.which("ninja") or ""]
    if not ninja[0]:
        fail("ninja is missing: pip install ninja")
    made = subprocess.run([*ninja, "-C", BUILD], capture_output=True, text=True, check=False)
    if made.returncode or "warning:" in made.stdout:
        print(made.stdout + made.stderr)
    if made.returncode:
        fail("the targets do not compile; the lines above say why.")


def program(target: str) -> Path:
    return BUILD / ("libfuzz_python.so" if target == "python" else f"fuzz_{target}")


def command(target: str, clang: str) -> tuple[list[str], dict[str, str]]:
    """How to run a target, but for what libFuzzer is to do; and in which environment."""
    environment = {**os.environ, **OPTIONS}
    if target != "core":  # there, all memory is the core's
        environment["ASAN_OPTIONS"] += ":detect_leaks=0"
    if target != "python":
        return [str(program(target))], environment
    environment["LD_PRELOAD"] = str(shared_sanitizer(clang))
    environment["PYTHONPATH"] = str(ROOT)
    environment["PYTHONMALLOC"] = "malloc"  # so that the sanitizer sees its objects, too
    return [sys.executable, str(HERE / "fuzz_python.py"), str(program(target))], environment


def make_seeds(target: str) -> Path:
    """The folder of the inputs that seeds.py knows."""
    made = BUILD / "seeds" / target
    made.mkdir(parents=True, exist_ok=True)
    for seed in {"wire": seeds.of_wire, "python": seeds.of_python}.get(target, seeds.of_none)():
        (made / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    return made


def folders(target: str) -> list[str]:
    """Where inputs are: what earlier runs on this machine have found, then the repository's, then those that can be made."""
    named = [BUILD / "corpus" / target, HERE / "corpus" / target, HERE / "regressions" / target, make_seeds(target)]
    related = RELATED.get(target)
    named += [HERE / "corpus" / related] if related else []
    (BUILD / "corpus" / target).mkdir(parents=True, exist_ok=True)
    return [str(folder) for folder in named if folder.is_dir()]


def fuzz(target: str, seconds: int, seed: int, clang: str) -> Found:
    """One run; its output goes to build/fuzz/TARGET.log."""
    line, environment = command(target, clang)
    (BUILD / "crashes").mkdir(exist_ok=True)
    line += [
        f"-max_total_time={seconds}", f"-seed={seed}", f"-max_len={LONGEST[target]}", "-print_final_stats=1", "-timeout=30", "-rss_limit_mb=3000",
        "-reload=0", f"-detect_leaks={int(target == 'core')}", f"-artifact_prefix={BUILD / 'crashes'}/{target}-", "-verbosity=1",
    ]  # fmt: skip
    if target in {"wire", "python"}:
        line.append(f"-dict={HERE / 'wire.dict'}")
    log = BUILD / f"{target}.log"
    with log.open("w") as output:
        done = subprocess.run(
            [*line, *folders(target)], env=environment, stdout=output, stderr=subprocess.STDOUT, check=False
        )
    text = log.read_text(errors="replace")
    status = re.findall(r"^#(\d+)\s.* cov: (\d+) ft: (\d+) corp: (\d+)", text, re.MULTILINE)
    loaded = re.search(r"Loaded \d+ PC tables \((\d+) PCs\)", text)
    last = tuple(map(int, status[-1])) if status else (0, 0, 0, 0)
    if done.returncode:
        print(f"--- {target}: the end of {log}\n" + "\n".join(text.splitlines()[-60:]))
    executed = re.search(r"number_of_executed_units: (\d+)", text)
    return Found(
        target,
        int(executed[1]) if executed else last[0],
        last[1],
        int(loaded[1]) if loaded else 0,
        last[2],
        last[3],
        seconds,
        done.returncode != 0,
    )


def fuzz_in_parts(target: str, seconds: int, seed: int, clang: str) -> Found:
    """As `fuzz`, by as many processes as it takes; each has a seed of its own."""
    most = LONGEST_PROCESS.get(target, seconds)
    found = fuzz(target, min(most, seconds), seed, clang)
    while found.seconds < seconds and not found.crashed:
        seed += 1
        more = fuzz(target, min(most, seconds - found.seconds), seed, clang)
        found = more._replace(
            executions=found.executions + more.executions,
            edges=max(found.edges, more.edges),
            features=max(found.features, more.features),
            seconds=found.seconds + more.seconds,
        )
    return found


def minimize(target: str, clang: str) -> None:
    """Replaces the repository's corpus by the smallest one that reaches what all known inputs reach."""
    line, environment = command(target, clang)
    corpus, made = HERE / "corpus" / target, BUILD / "minimized" / target
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    with (BUILD / f"{target}-minimize.log").open("w") as output:
        subprocess.run(
            [*line, "-set_cover_merge=1", "-detect_leaks=0", made, *folders(target)],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=True,
        )
    shutil.rmtree(corpus, ignore_errors=True)
    shutil.copytree(made, corpus)
    files = list(corpus.iterdir())
    print(f"{target}: {len(files)} inputs, {sum(file.stat().st_size for file in files)} bytes")


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="Fuzzes the library with libFuzzer.")
    parser.add_argument("--target", choices=LONGEST, action="append", help="which (default: all)")
    parser.add_argument("--minutes", type=float, default=5, help="for each target")
    parser.add_argument("--seconds", type=int, help="instead of minutes")
    parser.add_argument("--seed", type=int, help="of the random numbers (default: a new one, which is printed)")
    parser.add_argument(
        "--minimize", action="store_true", help="make the corpus of the repository from all inputs that are known here"
    )
    arguments = parser.parse_args()
    targets = arguments.target or list(LONGEST)
    clang = find_clang()
    build(targets, clang)
    if arguments.minimize:
        for target in targets:
            minimize(target, clang)
        return 0
    seconds = arguments.seconds or max(1, round(arguments.minutes * 60))
    seed = arguments.seed or random.randrange(1, 2**31)
    print(
        f"fuzz: {', '.join(targets)}: {seconds} s each, seed {seed}; V8 itself is neither sanitized nor counted",
        flush=True,
    )
    crashed = 0
    for target in targets:
        found = fuzz_in_parts(target, seconds, seed, clang)
        share = 100 * found.edges / found.all_edges if found.all_edges else 0
        print(
            f"{target:6}  {found.executions:9} executions ({found.executions // seconds}/s)  edges {found.edges} of {found.all_edges} ({share:.0f} %)  "
            f"features {found.features}  corpus {found.inputs}  {'CRASHED: see build/fuzz/crashes/' if found.crashed else 'ok'}",
            flush=True,
        )
        crashed += found.crashed
    print(f"fuzz: {len(targets) - crashed} passed, {crashed} failed (seed {seed})")
    return int(crashed > 0)


if __name__ == "__main__":
    sys.exit(main())
