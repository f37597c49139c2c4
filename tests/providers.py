"""What the tests of the two V8 providers share: running the tools as a user does, and a frontend of one small file."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

HELPERS = Path(__file__).resolve().parent.parent / "helpers"

FRONTEND_GN = """\
declare_args() {
  mini_racer_system_v8 = false
}

shared_library("mini_racer") {
  sources = [ "frontend.cc" ]
  deps = [ "//:v8", "//:v8_libplatform" ]
  configs += [ "//:external_config", "//:features" ]
  ldflags = [ "-Wl,--version-script=" + rebase_path("exports.lds", root_build_dir) ]
}
"""
EXPORTS = "{ global: mr_*; local: *; };\n"
VISIBLE = '__attribute__((visibility("default")))'
PLAIN_SOURCE = f'extern "C" {VISIBLE} const char *mr_version() {{ return "none"; }}\n'
V8_SOURCE = f'#include <v8.h>\nextern "C" {VISIBLE} const char *mr_version() {{ return v8::V8::GetVersion(); }}\n'


def write_frontend(folder: Path, source: str = PLAIN_SOURCE, exports: str = EXPORTS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "BUILD.gn").write_text(FRONTEND_GN)
    (folder / "frontend.cc").write_text(source)
    (folder / "exports.lds").write_text(exports)
    return folder


def write_script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return path


def path_without(folder: Path, names: Iterable[str]) -> str:
    """A PATH with every program of this one, but for some."""
    folder.mkdir()
    for directory in os.environ["PATH"].split(os.pathsep):
        for program in Path(directory).glob("*"):
            link = folder / program.name
            if program.name not in names and not link.is_symlink():
                link.symlink_to(program)
    return str(folder)


class Provider:
    """One of the tools, with a cache folder and a target folder of its own."""

    def __init__(self, script: str, tmp_path: Path, *options: str) -> None:
        self.cache, self.into = tmp_path / "cache", tmp_path / "into"
        self.options = options
        self.script = HELPERS / script

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, str(self.script), *self.options, *arguments, "--into", str(self.into)]

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        return {**os.environ, "MINI_RACER_CACHE": str(self.cache), **(extra or {})}

    def run(self, *arguments: str, before: Iterable[str] = (), **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*before, *self.command(*arguments)],
            env=self.environment(environment),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def works(self, *arguments: str, **environment: str) -> str:
        """The output of a run that must succeed."""
        done = self.run(*arguments, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def fails(self, *arguments: str, before: Iterable[str] = (), **environment: str) -> str:
        """The error message of a run that must fail as a tool should: one message, no traceback."""
        done = self.run(*arguments, before=before, **environment)
        assert done.returncode == 1, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        assert done.stderr.startswith("error: ")
        return done.stderr

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments),
            env=self.environment(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def kill_when(self, reached: Callable[[], bool], *arguments: str, **environment: str) -> None:
        """Start a run and SIGKILL it, and it alone, as soon as the condition holds."""
        process = self.start(*arguments, **environment)
        deadline = time.monotonic() + 60
        while not reached():
            assert process.poll() is None, f"ended before the moment came: {process.communicate()[0]}"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()

    def has_nothing(self) -> bool:
        """Whether no part of a library is in place."""
        return not self.into.exists() or not any(self.into.iterdir())


HAS_APT = bool(shutil.which("apt-get") and shutil.which("dpkg"))
