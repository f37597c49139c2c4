"""Writes mr_build.h: the identity of this build, and the sizes and fingerprints of the files that its V8 starts from.

usage: build_id.py OUTPUT V8_VERSION_HEADER [ICU_DATA SNAPSHOT]

Run by GN. mr_library.c computes the same fingerprints before V8 sees the files.
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

PART = 512 * 1024


def fingerprint(data: bytes) -> int:
    """FNV-1a by little-endian words of 8 bytes, of the whole file or of its first and last part."""
    value = 0xCBF29CE484222325
    for part in [data] if len(data) <= 2 * PART else [data[:PART], data[-PART:]]:
        padded = part + bytes(-len(part) % 8)
        for word in memoryview(padded).cast("Q"):
            value = ((value ^ word) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def main(output: str, version_header: str, *blobs: str) -> None:
    header = Path(version_header).read_text()
    numbers = dict(re.findall(r"#define V8_(\w+?)(?:_NUMBER|_VERSION|_LEVEL)?\s+(\d+)\b", header))
    version = ".".join(numbers[part] for part in ("MAJOR", "MINOR", "BUILD", "PATCH"))
    lines = ["/* Made by build_id.py. */", f"#define MR_BUILD_HAS_BLOBS {int(bool(blobs))}"]
    digest = hashlib.sha256(version.encode())
    for name, path in zip(("ICU", "SNAPSHOT"), blobs, strict=False):
        data = Path(path).read_bytes()
        digest.update(data)
        lines.append(f"#define MR_BUILD_{name}_SIZE UINT64_C({len(data)})")
        lines.append(f"#define MR_BUILD_{name}_FINGERPRINT UINT64_C(0x{fingerprint(data):016x})")
    lines.append(f'#define MR_BUILD_ID "{version}-{digest.hexdigest()[:12]}"')
    Path(output).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
