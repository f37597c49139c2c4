"""What every Python test gets: features that a test may ask for, and a look at the contexts that it left open.

MINI_RACER_V8_FLAGS="--single-threaded" runs the suite with V8's flags of one's choice, here and in the processes that tests start (tests/child.py).
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from functools import cache

import pytest

from py_mini_racer import MiniRacer, _dll, _interrupt, _lane
from tests.child import V8_FLAGS

if V8_FLAGS:
    (_dll.init_mini_racer.__kwdefaults__ or {})["flags"] = V8_FLAGS


# What this Python may lack: the functions of the fast lane, and a look at signals while JavaScript runs. Both are CPython's.
OF_PYTHON = ("fast lane", "hook")


@cache
def features() -> frozenset[str]:
    """What the V8 and the Python at hand have, of _dll.FEATURES and OF_PYTHON."""
    MiniRacer().close()  # the first one sets the hook
    of_python = {"fast lane": _lane.offers is not None, "hook": _interrupt.has_hook()}
    return _dll.features() | {name for name, there in of_python.items() if there}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """`@pytest.mark.needs("temporal")` skips the test where the V8 or the Python at hand lacks the feature, `lacks("fork")` where it has it."""
    needs, lacks = (
        {feature for mark in item.iter_markers(name) for feature in mark.args} for name in ("needs", "lacks")
    )
    if not needs | lacks:
        return
    known = (*_dll.FEATURES, *OF_PYTHON)
    if unknown := (needs | lacks) - set(known):
        pytest.fail(f"no such feature: {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
    there = features()
    if missing := needs - there:
        pytest.skip(f"V8 {_dll.v8_version()} or Python here lacks: {', '.join(sorted(missing))}")
    if present := lacks & there:
        pytest.skip(f"V8 {_dll.v8_version()} or Python here has: {', '.join(sorted(present))}")


@pytest.fixture(autouse=True)
def no_context_is_left() -> Iterator[None]:
    """A context that nobody refers to any more must go. Those that live on purpose were open before the test."""
    if not _dll._initialized:
        yield
        return
    count = _dll.library().mr_context_count
    before = count()
    yield
    if count() > before:
        gc.collect()
    if count() > before:
        pytest.fail(f"the test left {count() - before} contexts open", pytrace=False)
