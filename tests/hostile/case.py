"""What a hostile script is: a row of the suite's tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

MB = 1 << 20

# What the peak of a process may be above its size with an idle context, as a multiple of the memory limit.
FACTOR = 3


@dataclass(frozen=True)
class Defect:
    """Something that is known not to be right.

    Attributes:
        reason: why, for the table.
        wrong: a regular expression: all that may be wrong with the row, as run.py says it.
    """

    reason: str
    wrong: str


TOO_HIGH = r"the peak was [^;]*"
# A process that takes too much ends, or is ended because it takes too long, or comes to an end with too much: the machine decides.
TOO_MUCH = rf"(SIGABRT|SIGTRAP|SIGSEGV|exit code 1: Timeout).*|{TOO_HIGH}"
PEAK = Defect("a large step goes beyond the limit", TOO_HIGH)
UNCOUNTED = Defect("the C library's part of a buffer is not counted", TOO_MUCH)
ABORT = Defect("V8 ends the process", TOO_MUCH)
NO_ROOM = Defect("V8 ends the process where the machine has no more memory", TOO_MUCH)
DEAF = Defect("V8's builtin looks at no limit: it is not stopped", TOO_MUCH)


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
        known: what is not right with it as of now, by the V8: "system", "source".
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
    known: Mapping[str, Defect] = field(default_factory=dict)


def body(code: str) -> str:
    """The code as a function that is called: what it has made is garbage afterwards."""
    return f"(() => {{ {code} }})()"


def excused(cases: Iterable[Case], system: Mapping[str, Defect], source: Mapping[str, Defect]) -> list[Case]:
    """The cases, those of them that have a known defect with it."""
    cases = list(cases)
    known = {"system": system, "source": source}
    if unknown := {*system, *source} - {case.name for case in cases}:
        raise ValueError(f"no such cases: {unknown}")
    return [
        replace(case, known={v8: defects[case.name] for v8, defects in known.items() if case.name in defects})
        for case in cases
    ]
