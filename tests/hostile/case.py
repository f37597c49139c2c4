"""What a hostile script is: a row of the suite's tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

MB = 1 << 20

# What the peak of a process may be above its size with an idle context, as a multiple of the memory limit.
FACTOR = 3


@dataclass(frozen=True)
class Case:
    """One script, how Python comes to run it, and what must come of it.

    Attributes:
        name: of the row.
        script: JavaScript.
        expect: the outcomes that are right, separated by "|": the name of the Python exception; of a JavaScript error, its own name (`RangeError`); `value`.
        drive: the name of a function in drive.py.
        value: what `repr` of the value must be, where it matters.
        timeout_sec, max_memory, max_buffer_memory: the limits that it runs under; 0: none.
        needs: features of V8 without which there is nothing to try.
        survives: False: the context is not usable after it, and that is right.
        known: what is not right with it as of now, and why; the table shows that.
        known_on: the V8s of which that is said: "system", "source".
    """

    name: str
    script: str
    expect: str
    drive: str = "evaluate"
    value: str | None = None
    timeout_sec: float = 20.0
    max_memory: int = 64 * MB
    max_buffer_memory: int = 64 * MB
    needs: tuple[str, ...] = ()
    survives: bool = True
    known: str = ""
    known_on: tuple[str, ...] = ("system", "source")


def body(code: str) -> str:
    """The code as a function that is called: what it has made is garbage afterwards."""
    return f"(() => {{ {code} }})()"


def excused(cases: Iterable[Case], known: Mapping[str, str | tuple[str, tuple[str, ...]]]) -> list[Case]:
    """The cases, those of them that have a known defect with its reason."""
    cases = list(cases)
    if unknown := set(known) - {case.name for case in cases}:
        raise ValueError(f"no such cases: {unknown}")
    made = []
    for case in cases:
        reason = known.get(case.name, "")
        text, providers = reason if isinstance(reason, tuple) else (reason, case.known_on)
        made.append(replace(case, known=text, known_on=providers))
    return made
