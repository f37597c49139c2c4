"""Pinned npm packages, for programs that run them inside MiniRacer.

Owns the folder `npm` in the cache (MINI_RACER_CACHE): one folder per package and pin. `npm pack` downloads a tarball,
and it counts only when its SHA-512 is the one in packages.json: what the registry or npm claim is not asked. A
package appears in the cache whole or not at all, so an interrupted run goes on with the packages that are missing,
and a complete cache needs neither npm nor a network.

    python examples/npm.py           fetch everything in packages.json, print where it is
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

PINS = Path(__file__).with_name("packages.json")
NPM_SECONDS = 600
LARGEST_PACKAGE = 200_000_000
STALE_SECONDS = 3600
INSTALL_NPM = "apt-get install --yes --no-install-recommends npm"
SYSTEM_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
NETWORK_ERRORS = {
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ECONNRESET",
    "EHOSTUNREACH",
    "ENETUNREACH",
    "ENOTFOUND",
    "ERR_SOCKET_TIMEOUT",
    "ETIMEDOUT",
}


class NpmError(Exception):
    """A package cannot be had; the message says which one, why, and what to do."""


@dataclass(frozen=True)
class Pin:
    """One package at one version, with the hash of its tarball in npm's notation (`sha512-` and base64)."""

    name: str
    version: str
    integrity: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def folder(self) -> str:
        """The name in the cache. It depends on the hash: a changed pin is never served by an old folder."""
        digest = hashlib.sha256(self.integrity.encode()).hexdigest()[:12]
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}-{digest}"


def load_pins(path: Path = PINS) -> dict[str, Pin]:
    """The pins of a packages.json, by package name."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return {name: Pin(name, entry["version"], entry["integrity"]) for name, entry in entries.items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise NpmError(
            f"{path}: {error!r}; correct the file: it maps package names to objects with `version` and `integrity`"
        ) from error


def default_cache() -> Path:
    """MINI_RACER_CACHE, or the user's own cache folder."""
    if chosen := os.environ.get("MINI_RACER_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mini-racer"


def fetch(pin: Pin, cache: Path | None = None, say: Callable[[str], None] = print, place: str = "") -> Path:
    """The folder with the contents of a package, from the cache or else by `npm pack`.

    `say` receives a line before anything slow happens, with `place` at its end. Raises NpmError.
    """
    shelf = (cache or default_cache()) / "npm"
    folder = shelf / pin.folder
    try:
        if folder.is_dir():
            return folder
        shelf.mkdir(parents=True, exist_ok=True)
        sweep(shelf)
    except OSError as error:
        raise NpmError(
            f"{pin}: the cache cannot be used ({error}); set MINI_RACER_CACHE to a writable folder"
        ) from error
    npm = find_npm(pin, say)
    say(f"fetching {pin}{place}")
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=shelf) as staging:
        tarball = pack(npm, pin, Path(staging))
        verify(tarball, pin)
        unpacked = Path(staging, "unpacked")
        unpack(tarball, unpacked, pin)
        try:
            unpacked.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was quicker, and its folder is as good as ours
                raise
    return folder


def fetch_all(cache: Path | None = None, say: Callable[[str], None] = print) -> dict[str, Path]:
    """The folders of everything in packages.json, by package name."""
    pins = load_pins()
    return {
        pin.name: fetch(pin, cache, say, f" ({number} of {len(pins)})") for number, pin in enumerate(pins.values(), 1)
    }


def find_npm(pin: Pin, say: Callable[[str], None]) -> str:
    """The path of npm. Where there is none, root gets Debian's; everybody else gets the line that installs it."""
    if npm := shutil.which("npm"):
        return npm
    apt = shutil.which("apt-get")
    if not apt:
        raise NpmError(f"{pin}: npm is not on PATH; install Node.js and npm with your system's package manager")
    if os.geteuid() != 0:
        raise NpmError(f"{pin}: npm is not on PATH; install it: sudo apt-get update && sudo {INSTALL_NPM}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in ("apt-get update", INSTALL_NPM):
        say(f"npm is not on PATH: {command}")
        if subprocess.run(command.split(), env=environment, stdout=subprocess.DEVNULL, check=False).returncode:
            raise NpmError(f"{pin}: npm is not on PATH and `{command}` failed (see above); install npm by hand")
    if npm := shutil.which("npm"):
        return npm
    raise NpmError(f"{pin}: Debian's npm is installed, but not on PATH ({os.environ.get('PATH', '')}); correct PATH")


def pack(npm: str, pin: Pin, staging: Path) -> Path:
    """Let npm download the tarball of a package into the folder `staging`."""
    command = [npm, "pack", f"{pin.name}@{pin.version}", "--ignore-scripts", "--loglevel=error"]
    command += ["--fetch-retries=2", "--fetch-retry-mintimeout=500", "--fetch-retry-factor=2"]
    environment = dict(os.environ)
    if SYSTEM_CERTIFICATES.is_file():  # Node brings a list of its own, and fails where the machine's owner added one
        environment.setdefault("NODE_EXTRA_CA_CERTS", str(SYSTEM_CERTIFICATES))
    try:
        done = subprocess.run(
            command,
            cwd=staging,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=NPM_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise NpmError(f"{pin}: npm pack took more than {NPM_SECONDS} s; check the network and run again") from error
    except OSError as error:
        raise NpmError(f"{pin}: {npm} does not run ({error}); reinstall npm") from error
    if done.returncode:
        raise NpmError(f"{pin}: {explain(done.stderr)}")
    tarballs = list(staging.glob("*.tgz"))
    if len(tarballs) != 1:
        raise NpmError(f"{pin}: npm pack left {len(tarballs)} tarballs where one was due; update npm and run again")
    return tarballs[0]


def explain(stderr: str) -> str:
    """What npm's error output means, in a line."""
    found = re.search(r"^npm (?:ERR!|error) code (\S+)", stderr, re.MULTILINE)
    code = found[1] if found else "unknown"
    if code in NETWORK_ERRORS:
        return (
            f"no network: npm does not reach its registry ({code}); check the network, the proxy settings and "
            "`npm config get registry`, then run again (what is fetched already stays)"
        )
    if "CERT" in code:
        return (
            f"npm does not trust the registry's certificate ({code}); where a proxy opens TLS, name its certificate "
            "authority in NODE_EXTRA_CA_CERTS, a PEM file"
        )
    if code in {"E404", "ETARGET"}:
        return (
            f"the registry does not have this version ({code}); check `npm config get registry`, or pin a version "
            f"that `npm view` shows in {PINS.name}"
        )
    lines = [line for line in stderr.splitlines() if line.strip()]
    return f"npm pack failed ({code}); run it by hand to see more. It said:\n" + "\n".join(lines[:8])


def verify(tarball: Path, pin: Pin) -> None:
    """Refuse a tarball that is not, byte for byte, the one that was pinned."""
    if not re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", pin.integrity):
        raise NpmError(
            f"{pin}: its integrity {pin.integrity!r} is not a SHA-512 in npm's notation; take it from "
            f"`npm view {pin.name}@{pin.version} dist.integrity`"
        )
    content = tarball.read_bytes()
    got = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
    if got != pin.integrity:
        raise NpmError(
            f"{pin}: integrity mismatch, nothing was unpacked: {len(content):,} bytes with {got}, pinned is "
            f"{pin.integrity}; the download was cut or the registry serves something else: run "
            "`npm cache clean --force` and try again, and if it stays, do not use this registry"
        )


def unpack(tarball: Path, folder: Path, pin: Pin) -> None:
    """Write the files of a package into the new folder `folder`, without the leading `package/`.

    Only plain files and folders are taken, and only below `folder`: npm's tarballs have nothing else, so a link, a
    device or a path that leads out is an attack and ends it. This is stricter than tarfile's own `data` filter, and
    that one is missing in early releases of Python 3.10.
    """
    folder.mkdir()
    left = LARGEST_PACKAGE
    try:
        with tarfile.open(tarball, "r:gz") as archive:
            for member in archive:
                path = PurePosixPath(member.name)
                if path.is_absolute() or ".." in path.parts or "\\" in member.name or ":" in member.name:
                    raise NpmError(f"{pin}: its tarball has a path that leads out, {member.name!r}; do not use it")
                if member.isdir():
                    continue
                source = archive.extractfile(member) if member.isreg() else None
                if source is None or len(path.parts) < 2:
                    raise NpmError(f"{pin}: its tarball has {member.name!r}, not a plain file; do not use it")
                left -= member.size
                if left < 0:
                    raise NpmError(f"{pin}: its tarball unpacks to more than {LARGEST_PACKAGE:,} bytes; do not use it")
                target = folder.joinpath(*path.parts[1:])
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as sink:
                    shutil.copyfileobj(source, sink)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise NpmError(
            f"{pin}: its tarball cannot be unpacked ({error}); it is cut or damaged, or the disk is full: run again"
        ) from error


def sweep(shelf: Path) -> None:
    """Remove what killed runs left behind; fresh staging folders may belong to a process that is at work."""
    for staging in shelf.glob(".partial-*"):
        try:
            stale = time.time() - staging.stat().st_mtime > STALE_SECONDS
        except FileNotFoundError:
            continue
        if stale:
            shutil.rmtree(staging, ignore_errors=True)


def main() -> int:
    """Fetch everything and print `package version folder` lines."""
    try:
        folders = fetch_all(say=lambda line: print(line, file=sys.stderr))
        for pin in load_pins().values():
            print(pin, folders[pin.name])
    except NpmError as error:
        print(f"npm.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
