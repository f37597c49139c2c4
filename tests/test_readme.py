"""The examples of the README, of the site and of the docstrings run, and say what comes out."""

from __future__ import annotations

import doctest
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MORE_PAGES = [ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", ROOT / "src" / "v8_py_frontend" / "README.md"]
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


def examples(page: Path) -> doctest.DocTest:
    return doctest.DocTestParser().get_doctest(page.read_text().replace("```", ""), {}, page.name, str(page), 0)


@pytest.mark.parametrize("page", [page for page in PAGES if ">>> " in page.read_text()], ids=lambda page: page.name)
def test_examples_of_a_page(page):
    # Text after an example's output would be taken for output: each ends with an empty line, or with the fence.
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    report: list[str] = []
    runner.run(examples(page), out=report.append)
    assert not runner.failures, "".join(report)
    assert runner.tries


def test_examples_of_the_docstrings():
    tried = 0
    for path in sorted((ROOT / "py_mini_racer").glob("*.py")):
        failures, tries = doctest.testmod(importlib.import_module(f"py_mini_racer.{path.stem}"))
        assert not failures, path.name
        tried += tries
    assert tried


def test_the_readme_has_examples():
    assert len(examples(ROOT / "README.md").examples) >= 12


@pytest.mark.parametrize("page", [*PAGES, *MORE_PAGES], ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    made = {"c-abi.md", "changes.md"}  # by helpers/docs_hooks.py
    for link in LINK.findall(re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)):
        assert link in made or (page.parent / link).exists(), f"{page.name} links to {link}"


def test_the_page_of_the_library_names_every_file():
    """Each by itself; a header also by the file that it belongs to."""
    page = ROOT / "src" / "v8_py_frontend" / "README.md"
    named = set(re.findall(r"\w+\.\w+", page.read_text()))
    named |= {f"{Path(name).stem}.h" for name in named}
    assert {path.name for path in page.parent.iterdir() if path.is_file()} - {page.name} <= named


def test_commands_exist():
    """The commands that README and CONTRIBUTING name are targets of the Makefile."""
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        named = set(re.findall(r"(?:`|^)make ([a-z][a-z-]*)", page.read_text(), re.MULTILINE))
        assert named <= targets, f"{page.name}: {named - targets}"
