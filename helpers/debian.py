"""Debian's packages without root and without touching the machine: apt with its own lists, cache and sources.

The mirrors and their keys are those that the machine itself is set up with; only the kind of entry (source packages)
or the suite is ours.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from native import BuildError, Progress, child, output_of

_SOURCES = Path("/etc/apt")
_MAIN_SUITES = {"bullseye", "bookworm", "trixie", "forky", "oldstable", "stable", "testing"}


@dataclass(frozen=True)
class Entry:
    """One line or stanza of the machine's apt sources."""

    types: tuple[str, ...]
    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str

    def stanza(self, types: str, suites: Iterable[str]) -> str:
        lines = [f"Types: {types}", f"URIs: {' '.join(self.uris)}", f"Suites: {' '.join(suites)}", "Components: main"]
        if self.signed_by:
            lines.append(f"Signed-By: {self.signed_by}")
        return "\n".join(lines) + "\n"


def _deb822_entries(text: str) -> Iterator[Entry]:
    text = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", text):
        # A value goes on in the lines that begin with a space (an inline key does).
        fields = {
            name.lower(): value.rstrip()
            for name, value in re.findall(r"^([A-Za-z-]+):[ \t]*(.*(?:\n[ \t].*)*)", stanza, re.MULTILINE)
        }
        if fields.get("enabled", "yes").lower() == "no" or "uris" not in fields:
            continue
        yield Entry(
            tuple(fields.get("types", "").split()),
            tuple(fields["uris"].split()),
            tuple(fields.get("suites", "").split()),
            tuple(fields.get("components", "").split()),
            fields.get("signed-by", ""),
        )


def _one_line_entries(text: str) -> Iterator[Entry]:
    for line in text.splitlines():
        match = re.match(r"(deb|deb-src)\s+(?:\[([^]]*)\]\s+)?(\S+)\s+(\S+)\s+(.+)", line)
        if match:
            signed = re.search(r"signed-by=(\S+)", match[2] or "")
            components = tuple(match[5].split())
            yield Entry((match[1],), (match[3],), (match[4],), components, signed[1] if signed else "")


def machine_entries(folder: Path = _SOURCES) -> list[Entry]:
    """The machine's own entries for Debian's main archive and its security updates."""
    entries: list[Entry] = []
    for path in sorted([folder / "sources.list", *folder.glob("sources.list.d/*")]):
        if path.suffix == ".sources" and path.is_file():
            entries += _deb822_entries(path.read_text())
        elif path.suffix == ".list" and path.is_file():
            entries += _one_line_entries(path.read_text())
    return [
        entry
        for entry in entries
        if "deb" in entry.types
        and "main" in entry.components
        and any(suite.partition("-")[0].partition("/")[0] in _MAIN_SUITES for suite in entry.suites)
    ]


@dataclass(frozen=True)
class Apt:
    """An apt configuration: the machine's own (no options), or a private one."""

    options: tuple[str, ...] = ()

    def output(self, *arguments: str, program: str = "apt-get") -> str:
        return output_of([program, *self.options, *arguments])


def private_apt(folder: Path, stanzas: Sequence[str]) -> Apt:
    """An apt of our own in `folder`, with its lists fetched."""
    text = "\n".join(stanzas)
    parts = folder / "parts"
    for name in ("parts", "lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (parts / "mini-racer.sources").write_text(text)
    settings = {
        "Dir::Etc::SourceList": "/dev/null",
        "Dir::Etc::SourceParts": str(parts),
        "Dir::State::Lists": str(folder / "lists"),
        "Dir::Cache": str(folder / "cache"),
    }
    if os.geteuid() == 0:
        settings["APT::Sandbox::User"] = "root"
    apt = Apt(tuple(word for name, value in settings.items() for word in ("-o", f"{name}={value}")))
    try:
        apt.output("update", "--error-on=any")
    except BuildError as error:
        raise BuildError(f"apt cannot fetch Debian's package lists. {error}") from error
    return apt


def private_source_apt(folder: Path, suite: str) -> Apt:
    """A private apt that serves the source packages of a suite from the machine's own mirror."""
    mains = [entry for entry in machine_entries() if any("-" not in suite for suite in entry.suites)]
    if not mains:
        raise BuildError(
            "this machine's apt has no entry for Debian's main archive: "
            "use --source gclient (with depot_tools and the open internet) or --source PATH"
        )
    return private_apt(folder, [mains[0].stanza("deb-src", [suite])])


def private_binary_apt(folder: Path) -> Apt:
    """A private apt with the machine's own Debian entries, for a machine whose lists are missing or old."""
    entries = machine_entries()
    if not entries:
        raise BuildError("this machine's apt has no entry for Debian's archive")
    return private_apt(folder, [entry.stanza("deb", entry.suites) for entry in entries])


@dataclass(frozen=True)
class ArchiveFile:
    """A file of Debian's archive, as the signed lists describe it."""

    name: str
    size: int
    sha256: str

    def is_whole(self, folder: Path) -> bool:
        path = folder / self.name
        if not path.is_file() or path.stat().st_size != self.size:
            return False
        with path.open("rb") as stream:
            digest = hashlib.sha256()
            while block := stream.read(1 << 20):
                digest.update(block)
        return digest.hexdigest() == self.sha256


def source_files(apt: Apt, package: str, version: str) -> list[ArchiveFile]:
    """The files of a source package with the sizes and digests of Debian's signed lists."""
    try:
        listing = apt.output("--print-uris", "--download-only", "source", f"{package}={version}")
    except BuildError as error:
        raise BuildError(
            f"the machine's Debian mirror has no source package {package} {version}: "
            f"use --source gclient (with depot_tools and the open internet) or --source PATH. {error}"
        ) from error
    found = re.findall(r"^'\S+' (\S+) (\d+) SHA256:([0-9a-f]{64})$", listing, re.MULTILINE)
    return [ArchiveFile(name, int(size), digest) for name, size, digest in found]


def download_source(
    apt: Apt, package: str, version: str, files: Sequence[ArchiveFile], folder: Path, lock: int
) -> None:
    """Download what is missing of a source package. apt goes on with a file that an interruption cut."""
    for file in files:
        path = folder / file.name
        if path.is_file() and path.stat().st_size >= file.size and not file.is_whole(folder):
            path.unlink()  # as long as it should be, or longer, and wrong: apt could not go on with it
    total = sum(file.size for file in files) / 1e6
    command = ["apt-get", *apt.options, "--quiet=2", "--download-only", "source", f"{package}={version}"]
    with (
        Progress("download", " MB") as progress,
        (folder / "apt.log").open("w") as log,
        subprocess.Popen(child(command), cwd=folder, stdout=log, stderr=log, pass_fds=[lock]) as process,
    ):
        while True:
            try:
                process.wait(0.5)
                break
            except subprocess.TimeoutExpired:
                sizes = [(folder / file.name).stat().st_size for file in files if (folder / file.name).exists()]
                progress.update(sum(sizes) / 1e6, total)
    wrong = [file.name for file in files if not file.is_whole(folder)]
    if process.returncode or wrong:
        said = (folder / "apt.log").read_text().strip()
        raise BuildError(f"the download of {package} {version} failed ({', '.join(wrong)}): run it again. {said}")


def download_binary(apt: Apt, package: str, folder: Path) -> Path:
    """A binary package (NAME or NAME=VERSION) in `folder`, checked against the lists; not installed."""
    listing = apt.output("--print-uris", "download", package)
    match = re.search(r"^'\S+' (\S+) (\d+) SHA256:([0-9a-f]{64})$", listing, re.MULTILINE)
    if not match:
        raise BuildError(f"apt does not know the package {package}")
    file = ArchiveFile(match[1], int(match[2]), match[3])
    if not file.is_whole(folder):
        (folder / file.name).unlink(missing_ok=True)
        output_of(["apt-get", *apt.options, "--quiet=2", "download", package], cwd=folder)
        if not file.is_whole(folder):
            raise BuildError(f"the download of {file.name} is not what the lists say: run it again")
    return folder / file.name
