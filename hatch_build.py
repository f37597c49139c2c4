"""The wheel: one `py3-none-<platform>` for every Python, with the native library, its blobs and its licences inside.

It takes the native set that MINI_RACER_V8 names:

    (not set)   what is built in py_mini_racer/; where nothing is, the system's V8 is built, with a warning
    system      built by helpers/v8_system.py against the machine's V8
    source      built by helpers/v8_build.py, the way releases are made
    PATH        a folder with a finished native set (libmini_racer.so, native.json, ...)

A wheel on the system's V8 leans on a library of the machine that built it. So that it cannot be taken for a release,
its version ends in `+system`. An editable install (`pip install -e .`) uses the checkout's native set in place.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, Any

from hatchling.build import build_editable, build_sdist, build_wheel
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# pyproject.toml names this module as the build backend: hatchling's, but for the shortcut that gives metadata without a
# build. The version says which V8 is inside, and that is known when it is built. (hatchling offers no shortcut to pip.)
__all__ = ["NativeBuildHook", "build_editable", "build_sdist", "build_wheel"]

ROOT = Path(__file__).resolve().parent
PACKAGE = ROOT / "py_mini_racer"
MANIFEST = "native.json"
PROVIDERS = {"system": "v8_system.py", "source": "v8_build.py"}


class NativeBuildHook(BuildHookInterface[Any]):
    """Adds the native set to a wheel, and names the wheel for what the set needs."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before a wheel is put together."""
        if self.target_name != "wheel":
            return
        if sys.platform != "linux":
            raise SystemExit(f"mini-racer: wheels can be built on Linux, and this is {sys.platform}.")
        wanted = os.environ.get("MINI_RACER_V8", "")
        if version == "editable":
            if wanted in PROVIDERS or not (PACKAGE / MANIFEST).exists():
                build(wanted or "system", PACKAGE)
            return
        self.scratch = tempfile.TemporaryDirectory(prefix="mini-racer-wheel-")
        folder, manifest = self.native_set(wanted)
        files = carried(folder, manifest)
        build_data["force_include"].update({str(file): f"py_mini_racer/{file.relative_to(folder)}" for file in files})
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{tag(folder, manifest)}"
        if manifest["provider"] == "system":
            # hatchling asks the hook after it has read the version, and offers no other way to change it.
            version = f"{self.metadata.version}+system"
            self.metadata._version = self.metadata._original_version = version  # noqa: SLF001
        self.app.display_info(f"mini-racer: V8 {manifest['v8_version']} ({manifest['provider']}), {build_data['tag']}")

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Called by hatchling when the wheel is written."""
        if self.target_name == "wheel" and version != "editable":
            self.scratch.cleanup()

    def native_set(self, wanted: str) -> tuple[Path, dict[str, Any]]:
        """The folder that holds the native set, and its manifest."""
        if not wanted:
            if (PACKAGE / MANIFEST).exists():
                return PACKAGE, read_manifest(PACKAGE)
            self.app.display_warning(
                "mini-racer: no native library is built here, so the system's V8 is used: an old one, without our "
                "patches. MINI_RACER_V8=source builds the V8 of a release; docs/building.md says what that takes."
            )
            wanted = "system"
        if wanted not in PROVIDERS:
            folder = Path(wanted).expanduser().resolve()
            return folder, read_manifest(folder)
        folder = Path(self.scratch.name)
        build(wanted, folder)
        return folder, read_manifest(folder)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Reads native.json of a native set."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text())
        return {"provider": manifest["provider"], "v8_version": manifest["v8_version"], **manifest}
    except FileNotFoundError:
        raise SystemExit(
            f"mini-racer: {folder} holds no native set: {MANIFEST} is missing. MINI_RACER_V8 is `source`, `system`, or "
            "a folder that helpers/v8_build.py --into or helpers/v8_system.py --into filled."
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise SystemExit(f"mini-racer: {path} is damaged ({error}). Build the native set again: make build.") from None


def carried(folder: Path, manifest: dict[str, Any]) -> list[Path]:
    """Every file of the native set, checked against its manifest."""
    for name, about in manifest["files"].items():
        file, size = folder / name, about["size"]
        found = file.stat().st_size if file.exists() else None
        if found != size:
            state = "is missing" if found is None else f"has {found:,} bytes and should have {size:,}"
            raise SystemExit(f"mini-racer: {file} {state}. Build the native set again: make build.")
    licences = [file for file in sorted((folder / "licenses").rglob("*")) if file.is_file()]
    if not licences:
        raise SystemExit(f"mini-racer: {folder / 'licenses'} is empty: a wheel carries the licences of what it links.")
    return [folder / MANIFEST, *(folder / name for name in manifest["files"]), *licences]


def tag(folder: Path, manifest: dict[str, Any]) -> str:
    """The platform tag, from the symbols of every library that the wheel carries, and of a V8 that it leans on."""
    sys.path.insert(0, str(ROOT / "helpers"))  # hatchling runs this file outside of any package
    from platform_tag import find_needed, platform_tag  # noqa: PLC0415

    libraries = [folder / name for name in manifest["files"] if ".so" in name]
    try:
        return platform_tag(libraries + find_needed(folder / "libmini_racer.so", "libnode.so", {*manifest["files"]}))
    except (OSError, ValueError) as error:
        raise SystemExit(f"mini-racer: no platform tag can be computed: {error}") from None


def terminal() -> IO[str] | None:
    """The person's terminal, when the installer keeps our output to itself."""
    try:
        return None if sys.stdout.isatty() or "CI" in os.environ else Path("/dev/tty").open("w")
    except OSError:
        return None


def build(provider: str, folder: Path) -> None:
    """Runs a provider's helper. pip keeps minutes of work to itself, so what it prints also goes to the terminal."""
    line = [sys.executable, "-u", str(ROOT / "helpers" / PROVIDERS[provider]), "--into", str(folder)]
    watched = terminal()
    with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as helper:
        assert helper.stdout is not None
        pump = threading.Thread(target=copy, args=(helper.stdout, watched))
        pump.start()
        pump.join()
    if watched:
        watched.close()
    if helper.returncode:
        raise SystemExit(f"mini-racer: building V8 ({provider}) failed; the lines above say why and what to do.")


def copy(source: IO[str], watched: IO[str] | None) -> None:
    """Copies lines to our output and, where there is one, to the terminal."""
    for text in source:
        for target in (sys.stdout, watched):
            if target:
                target.write(text)
                target.flush()
