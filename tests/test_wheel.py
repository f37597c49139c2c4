"""The wheel and the sdist: tags, contents, what the build hook says when something is wrong, an install that works.

The wheels are built from the native set at hand, by hatchling itself, in this process's Python.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import platform_tag
import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "py_mini_racer"
VERSION = "0.15.0"


def hatchling(folder: Path, target: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Builds a wheel or an sdist of the checkout into the folder."""
    line = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    variables = {name: value for name, value in os.environ.items() if name != "MINI_RACER_V8"} | environment
    return subprocess.run(line, cwd=ROOT, env=variables, capture_output=True, text=True, check=False, timeout=250)


def built(folder: Path, target: str, **environment: str) -> Path:
    done = hatchling(folder, target, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = folder.iterdir()
    return made


@pytest.fixture(scope="module")
def manifest():
    return json.loads((PACKAGE / "native.json").read_text())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return built(tmp_path_factory.mktemp("wheel"), "wheel")


@pytest.fixture
def native_set(tmp_path):
    """A copy of the native set at hand, to be broken."""
    manifest = json.loads((PACKAGE / "native.json").read_text())
    folder = tmp_path / "set"
    folder.mkdir()
    for name in ["native.json", *manifest["files"]]:
        shutil.copy(PACKAGE / name, folder / name)
    shutil.copytree(PACKAGE / "licenses", folder / "licenses")
    return folder


def test_the_name_says_what_the_wheel_is(wheel, manifest):
    name, version, python, abi, platform = wheel.stem.split("-")
    assert (name, python, abi) == ("mini_racer", "py3", "none")
    assert version == VERSION + ("+system" if manifest["provider"] == "system" else "")
    assert platform == platform_tag.platform_tag(PACKAGE / name for name in manifest["files"] if ".so" in name)


def test_what_is_inside(wheel, manifest):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata,) = (archive.read(name).decode() for name in names if name.endswith("METADATA"))
        (about,) = (archive.read(name).decode() for name in names if name.endswith("/WHEEL"))
    expected = {f"py_mini_racer/{name}" for name in ["native.json", "py.typed", "__init__.py", *manifest["files"]]}
    assert expected <= names
    assert any(name.startswith("py_mini_racer/licenses/") for name in names)
    assert any(name.endswith("dist-info/licenses/LICENSE") for name in names)
    outside = {name.split("/")[0] for name in names} - {"py_mini_racer"}
    assert all(name.endswith(".dist-info") for name in outside)
    assert f"\nVersion: {wheel.stem.split('-')[1]}\n" in metadata
    assert "Requires-Python: >=3.10" in metadata
    assert "Requires-Dist" not in metadata
    assert "Root-Is-Purelib: false" in about


def test_it_works_where_there_is_no_checkout(wheel, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    install = [python, "-m", "pip", "install", "-q", "--no-index", "--disable-pip-version-check", str(wheel)]
    subprocess.run(install, check=True)
    code = "import py_mini_racer as p; print(p.__file__); print(p.MiniRacer().eval('[1, 2, 3].at(-1)'))"
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    where, answer = done.stdout.split()
    assert where.startswith(str(tmp_path))
    assert answer == "3"


def test_a_folder_with_a_set(native_set, tmp_path):
    out = tmp_path / "out"
    assert built(out, "wheel", MINI_RACER_V8=str(native_set)).suffix == ".whl"


def broken(native_set: Path, tmp_path: Path) -> str:
    done = hatchling(tmp_path / "out", "wheel", MINI_RACER_V8=str(native_set))
    assert done.returncode != 0
    assert not list(tmp_path.glob("out/*.whl"))
    return done.stdout + done.stderr


def test_a_folder_without_a_set(tmp_path):
    (tmp_path / "set").mkdir()
    assert "holds no native set: native.json is missing" in broken(tmp_path / "set", tmp_path)


def test_a_cut_library(native_set, tmp_path):
    library = native_set / "libmini_racer.so"
    content = library.read_bytes()
    library.write_bytes(content[:1000])
    text = broken(native_set, tmp_path)
    assert f"libmini_racer.so has 1,000 bytes and should have {len(content):,}" in text


def test_a_missing_file(native_set, tmp_path):
    (native_set / "libmini_racer.so").unlink()
    assert "libmini_racer.so is missing" in broken(native_set, tmp_path)


def test_a_damaged_manifest(native_set, tmp_path):
    (native_set / "native.json").write_text('{"provider": "system"')
    text = broken(native_set, tmp_path)
    assert "native.json is damaged" in text
    assert "make build" in text


def test_no_licences(native_set, tmp_path):
    shutil.rmtree(native_set / "licenses")
    assert "carries the licences of what it links" in broken(native_set, tmp_path)


def test_the_sdist_holds_all_that_a_build_needs(tmp_path):
    sdist = built(tmp_path / "out", "sdist")
    assert sdist.name == f"mini_racer-{VERSION}.tar.gz"
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    line = ["git", "ls-files", "src", "helpers", "py_mini_racer", "tests", "examples", "docs"]
    listed = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    assert set(listed) <= names
    assert {"pyproject.toml", "hatch_build.py", "Makefile", "README.md", "LICENSE", "PKG-INFO"} <= names
    assert not [name for name in names if ".so" in name or name.endswith((".dat", ".bin", "native.json"))]


# --- the tag ---


def shared_library(folder: Path, code: str, *flags: str) -> Path:
    library = folder / "lib.so"
    line = ["cc", "-shared", "-fPIC", "-o", str(library), "-x", "c", "-", "-x", "none", *flags]
    subprocess.run(line, input=code, text=True, check=True)
    return library


def machine() -> str:
    return os.uname().machine


def test_a_library_that_needs_nothing_runs_on_the_oldest_glibc(tmp_path):
    library = shared_library(tmp_path, "int mr_x(void) { return 1; }", "-nostdlib")
    major, minor = platform_tag.OLDEST_GLIBC[machine()]
    assert platform_tag.platform_tag([library]) == f"manylinux_{major}_{minor}_{machine()}"


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the symbol's version is another one elsewhere")
def test_the_newest_symbol_decides(tmp_path):
    code = "#define _GNU_SOURCE\n#include <unistd.h>\n#include <sys/random.h>\nint mr_x(void) { char b; return (int)getrandom(&b, 1, 0); }"
    assert platform_tag.platform_tag([shared_library(tmp_path, code)]) == "manylinux_2_25_x86_64"


def test_what_is_no_library(tmp_path):
    (tmp_path / "lib.so").write_text("#!/bin/sh\n")
    with pytest.raises(ValueError, match="is not an ELF library"):
        platform_tag.platform_tag([tmp_path / "lib.so"])


def test_libraries_of_two_machines(tmp_path):
    library = shared_library(tmp_path, "int mr_x(void) { return 1; }")
    foreign = bytearray(library.read_bytes())
    foreign[18:20] = (183 if machine() != "aarch64" else 62).to_bytes(2, "little")  # e_machine
    (tmp_path / "foreign.so").write_bytes(foreign)
    with pytest.raises(ValueError, match="one wheel is for one machine"):
        platform_tag.platform_tag([library, tmp_path / "foreign.so"])


def test_a_library_that_the_loader_does_not_find(tmp_path):
    other = tmp_path / "libnode.so.999"
    shared_library(tmp_path, "int node_x(void) { return 1; }", "-Wl,-soname,libnode.so.999").rename(other)
    library = shared_library(tmp_path, "int node_x(void); int mr_x(void) { return node_x(); }", str(other))
    with pytest.raises(ValueError, match=r"needs libnode\.so\.999, which the loader does not find"):
        platform_tag.find_needed(library, "libnode.so", set())
    assert platform_tag.find_needed(library, "libnode.so", {"libnode.so.999"}) == []
