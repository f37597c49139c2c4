"""Runs hostile scripts, each in a process of its own and two at a time, and makes the table of what came.

python -m tests.hostile.run                     # all of them
python -m tests.hostile.run memory loops        # some groups
python -m tests.hostile.run --only "sort"       # rows whose name has this in it
python -m tests.hostile.run --table build/hostile.md
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.hostile.case import FACTOR, MB, Case, Defect

ROOT = Path(__file__).resolve().parent.parent.parent
GROUPS = {
    "memory": "Memory bombs",
    "loops": "Loops without end",
    "stacks": "Stacks that run out",
    "pollution": "Built-ins replaced",
    "sizes": "Huge and sparse things",
    "host": "Looking for the host",
}
INTRODUCTION = """\
# Hostile scripts

Scripts that are out to harm their host: {count} of them, {good} of which come to what they should, {known} do not yet (in bold, with the reason); {skipped} need
what this V8 lacks. `make hostile` runs them and writes this page; the tests run the same ones.

Each has a process of its own, and a context with a timeout of 20 s (0.2 s for loops), 64 MB of heap and 64 MB of buffers. The *limit* is the argument whose value
stopped it, *seconds* what the call took on the machine that wrote this page, *peak* what the process was larger at most than with an idle context: not
more than {factor} times the limit of memory. After it, an evaluation in the *same context* and in the *next context* of the process has to work.
"""
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
AT_ONCE = 2
# A process hangs, then, however busy the machine is. It says itself where, before that.
LONGEST = 80.0


@dataclass(frozen=True)
class Row:
    """A case and what came of it."""

    group: str
    number: int
    case: Case
    provider: str
    outcome: str
    detail: str
    limit: str
    seconds: float
    peak: int
    same: str
    following: str
    wrong: str

    @property
    def ended(self) -> bool:
        """Whether the process came to an end."""
        return self.outcome.startswith("ends")

    @property
    def defect(self) -> Defect | None:
        """What is known to be wrong with this case on this V8."""
        return self.case.known.get(self.provider)

    @property
    def state(self) -> str:
        """How it went."""
        if self.outcome == "skipped":
            return "skipped"
        if not self.wrong:
            return "fixed" if self.defect else "ok"
        return "known" if self.defect and re.fullmatch(self.defect.wrong, self.wrong, re.DOTALL) else "WRONG"

    @property
    def excuse(self) -> str:
        """Why it went wrong, where that is known."""
        return self.defect.reason if self.defect and self.state == "known" else self.wrong


def cases() -> Iterator[tuple[str, int, Case]]:
    """All of them, with their places."""
    for group in GROUPS:
        for number, case in enumerate(importlib.import_module(f"tests.hostile.{group}").CASES):
            yield group, number, case


def wrongs(case: Case, answer: dict[str, Any]) -> Iterator[str]:
    """What is not as it should be."""
    outcome = answer["outcome"]
    if outcome not in case.expect.split("|"):
        yield f"{outcome} came, not {case.expect}: {answer['detail']}"
    if outcome == "value" and case.value is not None and answer["detail"] != case.value:
        yield f"the value is {answer['detail']}, not {case.value}"
    if answer["peak"] > FACTOR * (case.max_memory or 64 * MB):
        yield f"the peak was {answer['peak'] / MB:.0f} MB above the idle process, more than {FACTOR} times {case.max_memory // MB} MB"
    if answer["same"] != "yes" and case.survives:
        yield f"the context is not usable afterwards: {answer['same']}"
    if answer["next"] != "yes":
        yield f"another context is not usable afterwards: {answer['next']}"
    if answer["closing"] > 5:
        yield f"closing took {answer['closing']:.1f} s"
    if answer["left"]:
        yield f"{answer['left']} contexts are left"


def run(group: str, number: int, case: Case) -> Row:
    """Runs one case."""
    command = [sys.executable, "-m", "tests.hostile.drive", group, str(number)]
    begun = time.monotonic()
    with subprocess.Popen(
        command, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace"
    ) as process:
        try:
            out, err = process.communicate(timeout=LONGEST)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
    seconds = time.monotonic() - begun
    lines = out.splitlines()
    provider = "source" if lines and "source" in json.loads(lines[0])["features"] else "system"
    if process.returncode == 0 and len(lines) == 2:
        answer = json.loads(lines[1])
        if answer["outcome"] == "skipped":
            return Row(group, number, case, provider, "skipped", answer["detail"], "", 0, 0, "", "", "")
        wrong = "; ".join(wrongs(case, answer))
        return Row(
            group, number, case, provider, answer["outcome"], answer["detail"], answer["limit"], answer["seconds"], answer["peak"], answer["same"], answer["next"], wrong
        )  # fmt: skip
    how = signal.Signals(-process.returncode).name if process.returncode < 0 else f"exit code {process.returncode}"
    said = " ".join(line.strip() for line in err.splitlines() if line.strip("# \t"))
    return Row(
        group, number, case, provider, f"ends: {how}", said[:2000], "", seconds, 0, "no", "no", f"{how}: {said[:2000]}"
    )


def cell(text: str) -> str:
    """Text within a cell of a Markdown table."""
    return text.replace("|", "\\|").replace("\n", " ")


def table(rows: Iterable[Row]) -> str:
    """The rows as Markdown, group by group."""
    rows = list(rows)
    states = Counter(row.state for row in rows)
    lines = [
        INTRODUCTION.format(
            count=len(rows), good=states["ok"], skipped=states["skipped"], known=states["known"], factor=FACTOR
        )
    ]
    for group, title in GROUPS.items():
        mine = [row for row in rows if row.group == group]
        if not mine:
            continue
        lines += [
            f"## {title}",
            "",
            "| script | outcome | limit | seconds | peak, MB | same context | next context |",
            "|---|---|---|--:|--:|---|---|",
        ]
        for row in mine:
            if row.outcome == "skipped":
                lines.append(f"| {cell(row.case.name)} | needs {row.detail} | | | | | |")
            elif row.ended:
                lines.append(
                    f"| {cell(row.case.name)} | **{row.outcome}** ({cell(row.excuse)}) | | {row.seconds:.1f} | | | |"
                )
            else:
                defect = f" (**{cell(row.excuse)}**)" if row.wrong else ""
                lines.append(
                    f"| {cell(row.case.name)} | {row.outcome}{defect} | {row.limit} | {row.seconds:.2f} | {row.peak / MB:.0f} | {row.same} | {row.following} |"
                )
        lines.append("")
    return "\n".join(lines)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="*", choices=[[], *GROUPS], help="which groups; all by default")
    parser.add_argument("--only", default="", help="rows whose name has this in it")
    parser.add_argument("--table", type=Path, help="write the table to this file")
    options = parser.parse_args()
    wanted = [
        place
        for place in cases()
        if (not options.groups or place[0] in options.groups) and options.only in place[2].name
    ]
    begun, rows = time.monotonic(), []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for row in pool.map(lambda place: run(*place), wanted):
            rows.append(row)
            print(
                f"[{len(rows)}/{len(wanted)}] {row.state:7} {row.group}: {row.case.name}: {row.outcome}, {row.seconds:.2f} s, {row.peak / MB:.0f} MB",
                flush=True,
            )
            if row.wrong:
                print(f"      {row.wrong[:600]}", flush=True)
    if options.table:
        options.table.parent.mkdir(exist_ok=True)
        options.table.write_text(table(rows))
    states = Counter(row.state for row in rows)
    print(
        f"{len(rows)} scripts in {time.monotonic() - begun:.0f} s: "
        + ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        + f"; {sum(row.ended for row in rows)} ended their process"
    )
    return states["WRONG"] > 0


if __name__ == "__main__":
    sys.exit(main())
