"""The fuzz targets of tests/fuzz/ on the inputs that are known: each corpus, and what has crashed once. Without libFuzzer; `make fuzz` looks for new ones."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from ctypes import addressof, c_char
from pathlib import Path

import pytest

from py_mini_racer import _lane
from tests.child import PACKAGE

ROOT = Path(__file__).resolve().parents[1]
FUZZ = ROOT / "tests" / "fuzz"


def load(path: Path):
    """A module that is no part of a package."""
    spec = importlib.util.spec_from_file_location(f"fuzz_{path.stem}", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


native = load(ROOT / "tests" / "native" / "run.py")


def inputs(target):
    """The folders of a target's inputs, and how many there are."""
    folders = [folder for kind in ("corpus", "regressions") if (folder := FUZZ / kind / target).is_dir()]
    return folders, sum(1 for folder in folders for _ in folder.iterdir())


def replay(program, target, **environment):
    """Runs the program on all of a target's inputs; all of them have to come to their end."""
    folders, count = inputs(target)
    assert count
    line = [program, *map(str, folders)]
    done = subprocess.run(
        line,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, f"{count} inputs\n"), done.stderr[-3000:]


@pytest.mark.timeout(300)
def test_programs_of_calls_on_the_core():
    """Under the sanitizers that the C tests use, from the same objects."""
    native.make_headers()
    plan = native.Plan()
    program = plan.add_fuzz_replay(FUZZ / "fuzz_abi.c", FUZZ / "replay.c")
    plan.build()
    replay(program, "core", **native.SANITIZER_OPTIONS)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("target", ["wire", "abi"])
def test_inputs_on_the_library(target, tmp_path):
    program = tmp_path / target
    library = PACKAGE / "libmini_racer.so"
    flags = [*native.CFLAGS.split(), f"-I{native.FRONTEND}", f"-I{native.HERE}", f"-I{FUZZ}"]
    link = [f"{library}", f"-Wl,-rpath,{PACKAGE}", "-Wl,--allow-shlib-undefined"]
    sources = [FUZZ / f"fuzz_{target}.c", FUZZ / "replay.c"]
    subprocess.run([native.compiler_for(""), *flags, *sources, *link, "-o", program], check=True)
    blobs = {}
    if json.loads((PACKAGE / "native.json").read_text())["provider"] == "source":
        blobs = {"MR_ICU": str(PACKAGE / "icudtl.dat"), "MR_SNAPSHOT": str(PACKAGE / "snapshot_blob.bin")}
    replay(program, target, **blobs)


@pytest.mark.needs("fast lane")
def test_messages_for_both_codecs():
    python = load(FUZZ / "fuzz_python.py")
    folders, count = inputs("python")
    offers = _lane.offers
    assert count
    assert offers
    for file in (file for folder in folders for file in folder.iterdir()):
        message = file.read_bytes()
        held = (c_char * len(message)).from_buffer_copy(message) if message else None
        address = addressof(held) if held else 0
        python.compare(lambda context: offers["decode_at"](address, len(message), context), message)  # noqa: B023
