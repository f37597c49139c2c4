"""Pages of the site that are made from the sources, so that nothing is written twice: the C ABI from mini_racer.h,
the changes from CHANGELOG.md. mkdocs calls this module (`hooks` in mkdocs.yml).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
HEADER = ROOT / "src" / "v8_py_frontend" / "mini_racer.h"

# A block of the header: its comment and, up to the next empty line, the declarations that it is about.
COMMENT = re.compile(r"/\*(?P<text>.*?)\*/", re.DOTALL)
SECTION = re.compile(r"/\* --- (?P<title>.+?) --- \*/")
NAMES = {"typedef": r"^(?:\}|typedef .*?\b)\s*(mr_\w+);", "#define": r"^#define (MR_\w+)", "MR_API": r"\b(mr_\w+)\("}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the made pages to those in docs/."""
    files.append(File.generated(config, "c-abi.md", content=c_abi(HEADER.read_text())))
    files.append(File.generated(config, "changes.md", content=(ROOT / "CHANGELOG.md").read_text()))
    return files


def prose(comment: str) -> str:
    """A C comment as Markdown: its paragraphs, `Threads:` and the like as a list, names of code as code."""
    lines = [re.sub(r"^ ?\*? ?", "", line).rstrip() for line in comment.strip().splitlines()]
    text = re.sub(r"\*(?=\w)", r"\\*", "\n".join(lines))
    text = re.sub(r"^ *(Threads|Runs JS|Frees|Errors): +", r"\n- **\1:** ", text, flags=re.MULTILINE)
    text = re.sub(r"(?<=[.;] )(Errors|Threads|Runs JS|Frees): ", r"**\1:** ", text)
    text = re.sub(r"^ {3,}", "  ", text, flags=re.MULTILINE)
    return re.sub(r"(?<![`\w\[])((?:mr|MR|mini)_\w+(?:\(\)|\.h)?|struct_size|NULL)(?![`\w])", r"`\1`", text)


def names(code: str) -> list[str]:
    """What a block of code declares, in order."""
    pattern = NAMES.get(code.split(" ", 1)[0])
    return re.findall(pattern, code, re.MULTILINE) if pattern else []


def statuses(code: str) -> str:
    """The X-macro of the statuses as a table."""
    rows = re.findall(r'X\((\w+), (-?\d+), "([^"]*)"\)', code)
    return "\n".join(["| name | value | text |", "|---|---|---|", *(f"| `{n}` | {v} | {t} |" for n, v, t in rows)])


def blocks(header: str) -> Iterator[tuple[str, str]]:
    """The header's blocks: a comment, which may be empty, and its code, which may be empty."""
    for chunk in re.split(r"\n\s*\n", header):
        text, comments = chunk.strip(), ""
        while match := COMMENT.match(text):
            section = SECTION.match(match[0])
            comments += f"\0{section['title']}\0" if section else match["text"]
            text = text[match.end() :].lstrip()
        yield comments, text


def c_abi(header: str) -> str:
    """The page about the C ABI."""
    page = ["# C ABI", ""]
    for number, (comment, code) in enumerate(blocks(header)):
        for title in re.findall("\0(.+?)\0", comment):
            page += [f"## {title[0].upper()}{title[1:]}", ""]
        text = re.sub("\0.+?\0", "", comment)
        if number == 0:
            page += [prose(text), "", "## Types and constants", ""]
            continue
        declared = names(code)
        if declared:
            page += [f"### {', '.join(declared)}", "", prose(text), ""]
            page += [statuses(code) if declared == ["MR_STATUSES"] else f"```c\n{code}\n```", ""]
        elif text.strip() and not code:
            page += [prose(text), ""]
    return "\n".join(page) + "\n"
