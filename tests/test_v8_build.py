"""The source provider, on a V8 checkout of a few files: real GN, real ninja, real kills.

The small checkout brings "its own compiler" (a folder third_party/llvm-build), so these tests need no clang of Debian.
"""

from __future__ import annotations

import json
import os
import re
import tarfile
import time
from pathlib import Path

import debian
import native
import pytest
import v8_build

from tests.providers import HAS_APT, HELPERS, Provider, path_without, write_frontend, write_script

STEPS = 6
ROOT_GN = """\
config("external_config") {
}
config("features") {
}
group("v8") {
  deps = [ ":blobs" ]
  foreach(i, [ "0", "1", "2", "3", "4", "5" ]) {
    deps += [ ":step_$i" ]
  }
}
group("v8_libplatform") {
}
foreach(i, [ "0", "1", "2", "3", "4", "5" ]) {
  action("step_$i") {
    script = "slow.py"
    inputs = [ "steps/$i" ]
    outputs = [ "$target_gen_dir/step_$i" ]
    args = rebase_path(inputs + outputs, root_build_dir)
  }
}
action("blobs") {
  script = "slow.py"
  inputs = [ "steps/blob" ]
  outputs = [ "$root_out_dir/icudtl.dat", "$root_out_dir/snapshot_blob.bin" ]
  args = rebase_path(inputs + outputs, root_build_dir)
}
"""
# Each step takes as long as its input says, fails when its input says so, and leaves a line in steps.log.
SLOW_PY = """\
import pathlib, sys, time
said = pathlib.Path(sys.argv[1]).read_text().split()
time.sleep(float(said[0]))
once = pathlib.Path("failed-" + pathlib.Path(sys.argv[1]).name)
if "fails" in said or ("fails-once" in said and not once.exists()):
    once.touch()
    sys.exit("the step failed")
for output in sys.argv[2:]:
    pathlib.Path(output).write_text(f"made from {said}")
with open("steps.log", "a") as log:
    log.write(pathlib.Path(sys.argv[1]).name + "\\n")
"""
VERSION_H = """\
#define V8_MAJOR_VERSION 15
#define V8_MINOR_VERSION 0
#define V8_BUILD_NUMBER 245
#define V8_PATCH_LEVEL 13
"""


# As `v8_build.py` applies them to a tree with a toolchain of its own.
PATCHES = v8_build.patch_files(v8_build.PATCHES, "bundled")


def before(patch: str) -> dict[str, str]:
    """The files that a patch changes, and the lines that it expects there."""
    files: dict[str, str] = {}
    name = ""
    for line in patch.splitlines():
        if line.startswith("--- a/"):
            name = line.removeprefix("--- a/")
            files[name] = ""
        elif name and (hunk := re.match(r"@@ -(\d+)", line)):
            files[name] += "\n" * (int(hunk[1]) - 1 - files[name].count("\n"))  # pieces may look alike
        elif name and line[:1] in (" ", "-"):
            files[name] += line[1:] + "\n"
    return files


def make_checkout(root: Path, seconds: float = 0.0) -> Path:
    for path in (HELPERS / "gn_system").rglob("*"):
        if path.is_file():
            native.write_if_changed(root / path.relative_to(HELPERS / "gn_system"), path.read_bytes())
    texts = {"BUILD.gn": ROOT_GN, "slow.py": SLOW_PY, "include/v8-version.h": VERSION_H, "LICENSE": "BSD\n"}
    texts.update({f"steps/{i}": str(seconds) for i in (*range(STEPS), "blob")})
    texts["third_party/llvm-build/README"] = "its own compiler\n"
    for patch in PATCHES:  # what our patches change
        for name, lines in before(patch.read_text()).items():
            in_gn = "if (false) {\n  if (false) {\n    defines = []\n" + lines + "}\n"
            texts[name] = texts.get(name, "") + (in_gn if name == "BUILD.gn" else lines)
    for name, text in texts.items():
        native.write_if_changed(root / name, text.encode())
    return root


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return make_checkout(tmp_path / "v8")


@pytest.fixture
def tool(tmp_path: Path, checkout: Path) -> Provider:
    frontend = write_frontend(tmp_path / "frontend")
    return Provider("v8_build.py", tmp_path, "--source", str(checkout), "--frontend", str(frontend), "--disk", "0")


def steps_run(checkout: Path) -> list[str]:
    log = checkout / "out.gn/release/steps.log"
    return log.read_text().split() if log.exists() else []


# --- the whole way --------------------------------------------------------------------------------------------------


def test_all_steps_install_library_blobs_licences_and_manifest(tool, checkout):
    shown = tool.works()
    assert "installed: V8 15.0.245.13 (source) in " in shown
    manifest = json.loads((tool.into / native.MANIFEST).read_text())
    assert manifest["provider"] == "source"
    assert manifest["v8_version"] == "15.0.245.13"
    assert set(manifest["files"]) == {native.LIBRARY, "icudtl.dat", "snapshot_blob.bin"}
    assert manifest["flags"]["v8_use_external_startup_data"] == "true"
    assert manifest["patches"] == [patch.name for patch in PATCHES]
    assert native.exported_symbols(tool.into / native.LIBRARY) == ["mr_version"]
    assert "BSD" in (tool.into / "licenses/v8-LICENSE.txt").read_text()
    assert sorted(steps_run(checkout)) == ["0", "1", "2", "3", "4", "5", "blob"]


def test_a_second_build_does_nothing_and_a_changed_frontend_only_itself(tool, checkout, tmp_path):
    tool.works()
    assert "already up to date" in tool.works()
    frontend = tmp_path / "frontend" / "frontend.cc"
    frontend.write_text(frontend.read_text().replace("none", "another"))
    assert "installed: " in tool.works()
    assert b"another" in (tool.into / native.LIBRARY).read_bytes()
    assert len(steps_run(checkout)) == STEPS + 1


def test_each_step_stops_where_it_says(tool, checkout):
    tool.works("fetch")
    assert not (checkout / "out.gn").exists()
    assert "gn: Done." in tool.works("gen")
    assert (checkout / "custom_deps/mini_racer/frontend.cc").exists()
    assert steps_run(checkout) == []
    tool.works("build")
    assert (checkout / "out.gn/release" / native.LIBRARY).exists()
    assert tool.has_nothing()
    tool.works("install")
    assert not tool.has_nothing()


# --- what goes wrong ------------------------------------------------------------------------------------------------


def test_a_killed_build_goes_on_where_it_was(tool, checkout):
    make_checkout(checkout, seconds=0.4)
    tool.kill_when(lambda: len(steps_run(checkout)) >= 2, "--jobs", "1")
    assert tool.has_nothing()
    shown = tool.works()
    assert "installed: " in shown
    # No step that had ended ran again; at most the one that was running did.
    assert sorted(set(steps_run(checkout))) == ["0", "1", "2", "3", "4", "5", "blob"]
    assert len(steps_run(checkout)) <= STEPS + 2


def test_a_killed_build_leaves_an_installed_library_in_place(tool, checkout):
    tool.works()
    before = (tool.into / native.MANIFEST).read_bytes()
    make_checkout(checkout, seconds=0.4)
    tool.kill_when(lambda: len(steps_run(checkout)) >= STEPS + 3, "--jobs", "1")
    assert (tool.into / native.MANIFEST).read_bytes() == before


def test_a_step_that_fails_once_is_tried_again(tool, checkout):
    (checkout / "steps/3").write_text("0 fails-once")
    shown = tool.works()
    assert "ninja failed; trying once more" in shown
    assert "the step failed" in shown


def test_a_step_that_fails_ends_the_build_and_the_next_run_goes_on(tool, checkout):
    (checkout / "steps/3").write_text("0 fails")
    done = tool.run()
    assert done.returncode == 1
    assert "the step failed" in done.stdout
    assert "build: stopped after" in done.stdout
    assert "The same command goes on from here" in done.stderr
    assert tool.has_nothing()
    (checkout / "steps/3").write_text("0")
    tool.works()


def test_an_error_in_our_sources_is_shown_and_not_tried_twice(tool, tmp_path):
    tool.works()
    before = (tool.into / native.MANIFEST).read_bytes()
    (tmp_path / "frontend/frontend.cc").write_text("this is no C++;\n")
    done = tool.run()
    assert done.returncode == 1
    assert "frontend.cc:1" in done.stdout
    assert "trying once more" not in done.stdout
    assert (tool.into / native.MANIFEST).read_bytes() == before


def test_two_builds_at_once_wait_for_each_other(tool, checkout):
    make_checkout(checkout, seconds=0.3)
    first = tool.start()
    while not steps_run(checkout):
        assert first.poll() is None
        time.sleep(0.02)
    second = tool.works()
    assert f"waiting for another build (process {first.pid})" in second
    assert "already up to date" in second
    assert first.communicate(timeout=60)[0].count("installed: ") == 1
    assert len(steps_run(checkout)) == STEPS + 1


def test_a_library_that_exports_more_is_refused(tool, tmp_path):
    source = 'extern "C" __attribute__((visibility("default"))) int mr_a() { return 1; }\n'
    source += 'extern "C" __attribute__((visibility("default"))) int other() { return 2; }\n'
    write_frontend(tmp_path / "frontend", source, "{ global: *; };\n")
    assert "exports 1 symbols that do not begin with mr_ (other)" in tool.fails()
    assert tool.has_nothing()


def test_too_little_disk(tool):
    assert "too little disk: " in tool.fails("--disk", "9999999")


def test_a_folder_that_is_no_checkout(tool, tmp_path):
    assert "there is no such folder" in tool.fails("--source", str(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/third_party/llvm-build").mkdir(parents=True)
    assert "is no V8 checkout" in tool.fails("--source", str(tmp_path / "empty"))


def test_a_missing_tool_is_named_with_the_line_that_installs_it(tool, tmp_path):
    message = tool.fails(PATH=path_without(tmp_path / "bin", ["patch"]))
    assert "patch is missing" in message
    assert "apt-get install --yes --no-install-recommends patch" in message


def test_a_clang_that_is_too_old_is_told_with_all_else(tmp_path):
    for name in ("clang++", "ld.lld"):
        write_script(tmp_path / "llvm/bin" / name, 'echo "Debian clang version 14.0.6"')
    message = Provider("v8_build.py", tmp_path, "--clang", str(tmp_path / "llvm")).fails()
    assert "clang 14.0.6" in message
    assert "22 or newer is needed" in message
    assert "libc++ (headers) is missing" in message
    [line] = [line for line in message.splitlines() if "apt-get install" in line]
    assert {"clang-22", "lld-22", "libc++-22-dev", "libc++abi-22-dev", "libclang-rt-22-dev"} <= set(line.split())


# --- the compile cache ----------------------------------------------------------------------------------------------


def fake_sccache(folder: Path, version: str) -> str:
    write_script(folder / "sccache", f'echo "sccache {version}"')
    return str(folder)


def test_the_sccache_that_hits_wins(tmp_path, monkeypatch):
    new, old = fake_sccache(tmp_path / "new", "0.16.0"), fake_sccache(tmp_path / "old", "0.4.0-pre.6")
    monkeypatch.setenv("PATH", f"{new}:{old}")
    assert v8_build.find_sccache() == (tmp_path / "old/sccache", "")
    monkeypatch.setenv("PATH", new)
    path, remark = v8_build.find_sccache()
    assert path == tmp_path / "new/sccache"
    assert "sccache 0.16.0" in remark
    assert "does not hit a cache that 0.4 filled" in remark
    monkeypatch.setenv("PATH", "/nowhere")
    path, remark = v8_build.find_sccache()
    assert path is None
    assert "no sccache" in remark


# --- patches --------------------------------------------------------------------------------------------------------

ONE_TWO = "--- a/src/one.cc\n+++ b/src/one.cc\n@@ -1,3 +1,3 @@\n first\n-one\n+two\n last\n"
TWO_THREE = "--- a/src/one.cc\n+++ b/src/one.cc\n@@ -1,3 +1,3 @@\n first\n-two\n+three\n last\n"
ADD = "Why it is there.\n\n--- /dev/null\n+++ b/src/new.cc\n@@ -0,0 +1 @@\n+added\n"
REMOVE = "--- a/src/gone.cc\n+++ /dev/null\n@@ -1 +0,0 @@\n-gone\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in {"one": "first\none\nlast\n", "gone": "gone\n", "other": "other\n"}.items():
        native.write_if_changed(tmp_path / f"tree/src/{name}.cc", text.encode())
    return tmp_path / "tree"


def apply(tree: Path, **patches: str) -> None:
    folder = tree.parent / "patches"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for name, text in patches.items():
        (folder / f"{name}.patch").write_text(text)
    v8_build.apply_patches(tree, v8_build.patch_files(folder, "debian"))


def sources(tree: Path) -> dict[str, str]:
    return {path.stem: path.read_text() for path in (tree / "src").iterdir()}


def test_patches_apply_in_the_order_of_their_names(tree):
    apply(tree, b_second=TWO_THREE, a_first=ONE_TWO)
    assert sources(tree)["one"] == "first\nthree\nlast\n"


def test_a_changed_set_of_patches_applies_to_the_pristine_files(tree):
    pristine = sources(tree)
    apply(tree, a=ONE_TWO, b=ADD, c=REMOVE)
    assert sources(tree) == {"one": "first\ntwo\nlast\n", "new": "added\n", "other": "other\n"}
    apply(tree, a=ONE_TWO.replace("+two", "+four"))
    assert sources(tree) == {**pristine, "one": "first\nfour\nlast\n"}
    apply(tree)
    assert sources(tree) == pristine


def test_only_files_whose_content_changes_are_written(tree):
    apply(tree, a=ONE_TWO, b=ADD)
    times = {path: path.stat().st_mtime_ns for path in (tree / "src").iterdir()}
    apply(tree, a=ONE_TWO, b=ADD, c=REMOVE)
    assert all(path.stat().st_mtime_ns == time for path, time in times.items() if path.stem != "gone")


def test_a_patch_that_does_not_apply_is_named_and_changes_nothing(tree):
    apply(tree, a=ONE_TWO)
    before = sources(tree)
    with pytest.raises(native.BuildError, match=r"(?s)the patch \S+b.patch does not apply: .*is as it was"):
        apply(tree, a=ONE_TWO, b=ONE_TWO)
    assert sources(tree) == before
    apply(tree, a=ONE_TWO, b=TWO_THREE)
    assert sources(tree)["one"] == "first\nthree\nlast\n"


def test_a_patch_that_is_none_or_leaves_the_tree_is_refused(tree):
    with pytest.raises(native.BuildError, match="changes no file"):
        apply(tree, a="no diff\n")
    with pytest.raises(native.BuildError, match="outside of the tree"):
        apply(tree, a=ONE_TWO.replace("src/one.cc", "../../../etc/one.cc"))


# --- fetching -------------------------------------------------------------------------------------------------------


def debian_package(folder: Path) -> None:
    """A chromium source package with one file in each folder that is wanted, and one that is not."""
    top = folder / f"chromium-{v8_build.CHROMIUM}"
    wanted = ["v8", "build", "base/allocator/partition_allocator", "tools/clang", "tools/rust"]
    wanted += [f"third_party/{name}/src" for name in v8_build.THIRD_PARTY.split()]
    for name in [*wanted, "chrome/browser"]:
        native.write_if_changed(top / name / "file", f"{name}\n".encode())
    (top / ".gn").write_text("")
    for name in ("build/config", "v8/custom_deps", "v8/third_party", "v8/tools"):
        (top / name).mkdir()
    original = folder / f"chromium_{v8_build.CHROMIUM}.orig.tar.xz"
    with tarfile.open(original, "w:xz") as archive:
        archive.add(top, top.name)
    packaging = folder / "packaging/debian"
    series = {
        "first.patch": "--- /dev/null\n+++ b/stringhash.py\n@@ -0,0 +1 @@\n+hash\n",
        "half.patch": "--- a/v8/file\n+++ b/v8/file\n@@ -1 +1 @@\n-v8\n+patched\n"
        "--- a/chrome/browser/file\n+++ b/chrome/browser/file\n@@ -1 +1 @@\n-chrome\n+patched\n",
        "trixie/adler1.patch": "--- a/build/file\n+++ b/build/file\n@@ -1 +1 @@\n-build\n+patched\n",
    }
    for name, text in series.items():
        native.write_if_changed(packaging / "patches" / name, text.encode())
    (packaging / "patches/series").write_text("# comment\n" + "\n".join(series) + "\n")
    native.write_if_changed(folder / "deb/DEBIAN/control", b"Package: bindgen\nVersion: 1\nArchitecture: all\n"
                            b"Maintainer: nobody <nobody@example.org>\nDescription: none\n")  # fmt: skip
    write_script(folder / "deb/usr/bin/bindgen", "true")
    (packaging / "bindgen").mkdir()
    architecture = native.output_of(["dpkg", "--print-architecture"]).strip()
    native.output_of(["dpkg-deb", "-b", folder / "deb", packaging / f"bindgen/bindgen_1_{architecture}.deb"])
    with tarfile.open(folder / f"chromium_{v8_build.CHROMIUM}-{v8_build.REVISION}.debian.tar.xz", "w:xz") as archive:
        archive.add(packaging, "debian")


@pytest.fixture
def plan(tmp_path: Path) -> v8_build.Plan:
    """A plan for a debian tree whose downloads are small and whole."""
    downloads = tmp_path / "cache/downloads"
    downloads.mkdir(parents=True)
    debian_package(tmp_path)
    files = []
    for path in tmp_path.glob("chromium_*.tar.xz"):
        path.rename(downloads / path.name)
        record = native._record(downloads / path.name)
        files.append({"name": path.name, "size": record["size"], "sha256": record["sha256"]})
    (downloads / f"chromium_{v8_build.CHROMIUM}-{v8_build.REVISION}.json").write_text(json.dumps(files))
    root = tmp_path / "cache/v8-tree/v8"
    machine = native.this_machine()
    nowhere = tmp_path / "nowhere"
    cache = tmp_path / "cache"
    return v8_build.Plan("fetch", "debian", root, root / "out.gn/x", nowhere, nowhere, nowhere, machine, cache, None)


@pytest.mark.skipif(not HAS_APT, reason="needs dpkg")
def test_debians_package_becomes_a_v8_root(plan):
    with native.locked(plan.cache / "lock") as lock:
        v8_build.fetch(plan, lock)
    assert plan.is_fetched()
    assert (plan.root / "file").read_text() == "patched\n"  # what of a patch applies is applied
    assert (plan.root / "build/file").resolve().read_text() == "build\n"  # a patch that is left out
    assert (plan.root / "stringhash.py").read_text() == "hash\n"
    for name in ("third_party/icu/src/file", "third_party/highway/src/file", "third_party/partition_alloc/file"):
        assert (plan.root / name).is_file()
    assert not (plan.tree / "chrome").exists()
    assert v8_build.bindgen_prefix(plan) == plan.tree / "bindgen/usr"


@pytest.mark.skipif(not HAS_APT, reason="needs dpkg")
def test_an_extraction_that_was_cut_starts_again(plan):
    part = plan.tree.with_name(plan.tree.name + ".part")
    (part / "v8").mkdir(parents=True)
    (part / "v8/half").write_text("half")
    plan.tree.mkdir()  # a tree without its mark: made by an older version of the tool
    (plan.tree / "old").write_text("old")
    with native.locked(plan.cache / "lock") as lock:
        v8_build.fetch(plan, lock)
        assert not part.exists()
        assert not (plan.tree / "old").exists()
        assert not (plan.root / "half").exists()
        before = (plan.root / "file").stat()
        v8_build.fetch(plan, lock)
    assert (plan.root / "file").stat() == before


@pytest.mark.skipif(not HAS_APT, reason="needs dpkg")
def test_a_broken_archive_leaves_no_tree(plan):
    [archive] = (plan.cache / "downloads").glob("*.orig.tar.xz")
    archive.write_bytes(archive.read_bytes()[:-200])
    with native.locked(plan.cache / "lock") as lock, pytest.raises(native.BuildError, match="cannot extract"):
        v8_build.extract(archive, plan.cache, lock)
    assert not plan.tree.exists()


def test_a_damaged_download_is_noticed(tmp_path):
    (tmp_path / "file").write_text("whole")
    record = native._record(tmp_path / "file")
    file = debian.ArchiveFile("file", record["size"], record["sha256"])
    assert file.is_whole(tmp_path)
    (tmp_path / "file").write_text("whale")
    assert not file.is_whole(tmp_path)
    (tmp_path / "file").write_text("who")
    assert not file.is_whole(tmp_path)
    (tmp_path / "file").unlink()
    assert not file.is_whole(tmp_path)


def test_the_machines_own_entries_are_found_in_both_formats(tmp_path):
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (tmp_path / "sources.list").write_text("# deb http://off.example/debian bookworm main\n"
                                           "deb [arch=amd64 signed-by=/k.gpg] http://one.example/debian bookworm main\n"
                                           "deb http://other.example/apt stable-tools main\n")  # fmt: skip
    (parts / "debian.sources").write_text("Types: deb\n# a comment\nURIs: http://two.example/debian\n"
                                          "Suites: bookworm bookworm-updates\nComponents: main contrib\n"
                                          "Signed-By: /usr/share/keyrings/k.gpg\n\n"
                                          "Types: deb\nURIs: http://three.example/x\nSuites: nodistro\nComponents: main\n\n"
                                          "Enabled: no\nTypes: deb\nURIs: http://four.example/debian\n"
                                          "Suites: bookworm\nComponents: main\n")  # fmt: skip
    one, two = debian.machine_entries(tmp_path)[0], debian.machine_entries(tmp_path)[-1]
    assert (one.uris, one.signed_by) == (("http://one.example/debian",), "/k.gpg")
    assert two.stanza("deb-src", ["bookworm"]) == (
        "Types: deb-src\nURIs: http://two.example/debian\nSuites: bookworm\nComponents: main\n"
        "Signed-By: /usr/share/keyrings/k.gpg\n"
    )


GCLIENT = """
test "$1" = sync || exit 2
grep -q '"\\?v8/test/test262/data"\\?' .gclient || grep -q "v8/test/test262/data" .gclient || exit 3
cp -r "{tree}/." v8
"""


def test_gclient_makes_the_tree_of_the_pinned_revision(tmp_path):
    make_checkout(tmp_path / "upstream")
    write_script(tmp_path / "bin/gclient", GCLIENT.format(tree=tmp_path / "upstream"))
    frontend = write_frontend(tmp_path / "frontend")
    provider = Provider("v8_build.py", tmp_path, "--source", "gclient", "--frontend", str(frontend), "--disk", "0")
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    assert "installed: V8 15.0.245.13" in provider.works(PATH=path)
    [configured] = provider.cache.glob("v8-*-gclient/.gclient")
    assert f"v8.git@{v8_build.V8_VERSION}'" in configured.read_text()
    write_script(tmp_path / "bin/gclient", "exit 9")  # not asked again
    assert "already up to date" in provider.works(PATH=path)


def test_gclient_that_is_not_there_or_fails(tmp_path):
    provider = Provider("v8_build.py", tmp_path, "--source", "gclient", "--disk", "0")
    assert "needs depot_tools (gclient) on PATH" in provider.fails()
    write_script(tmp_path / "bin/gclient", "exit 9")
    message = provider.fails(PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    assert "gclient sync failed" in message


@pytest.mark.skipif(not HAS_APT, reason="needs dpkg")
def test_the_arguments_of_both_toolchains_are_filled_in(plan):
    with native.locked(plan.cache / "lock") as lock:
        v8_build.fetch(plan, lock)
    arguments = v8_build.gn_args(plan, Path("/usr/bin/sccache"))
    assert arguments["rust_bindgen_root"] == f'"{plan.tree}/bindgen/usr"'
    assert arguments["cc_wrapper"] == '"/usr/bin/sccache"'
    (plan.root / "third_party/llvm-build").mkdir()
    bundled = v8_build.gn_args(plan, None)
    assert bundled["cc_wrapper"] == '""'
    assert "clang_base_path" not in bundled
    for values in (arguments, bundled):
        assert values["v8_enable_temporal_support"] == "true"
        assert values["target_cpu"] == f'"{plan.machine.gn_cpu}"'
        assert not any("@" in value for value in values.values())


def test_a_folder_is_built_on_by_the_ninja_that_built_it(tmp_path, monkeypatch):
    """Another version would not read its log and begin again."""
    for version in ("1.11.1", "1.13.2"):
        write_script(tmp_path / version / "ninja", f"echo {version}")
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path / "1.13.2"))
    monkeypatch.setenv("PATH", f"{tmp_path / '1.11.1'}:{os.environ['PATH']}")
    first, second = tmp_path / "first", tmp_path / "second"
    native.write_if_changed(first / "ninja-version", b"1.11.1\n")
    assert native.choose_ninja(first) == tmp_path / "1.11.1/ninja"
    assert native.choose_ninja(second) == tmp_path / "1.13.2/ninja"
    assert (second / "ninja-version").read_text() == "1.13.2\n"
