"""Markdown to HTML with marked: `python examples/markdown.py FILE.md > FILE.html`."""

from __future__ import annotations

import sys
from pathlib import Path

from examples import npm
from examples.commonjs import new_context


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: python examples/markdown.py FILE.md > FILE.html", file=sys.stderr)
        return 2
    try:
        source = Path(sys.argv[1]).read_text(encoding="utf-8")
        marked = npm.fetch(npm.load_pins()["marked"], say=lambda line: print(line, file=sys.stderr))
    except (OSError, UnicodeDecodeError, npm.NpmError) as error:
        print(f"markdown.py: {error}", file=sys.stderr)
        return 1
    with new_context({"marked": marked / "lib" / "marked.umd.js"}) as context:
        print(context.call("require('marked').parse", source), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
