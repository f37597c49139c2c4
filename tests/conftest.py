"""What every Python test gets: features that a test may ask for, and a look at the contexts that it left open.

MINI_RACER_V8_FLAGS="--single-threaded" runs the suite with V8's flags of one's choice, here and in the processes that tests start (tests/child.py).
"""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from py_mini_racer import _dll
from tests.child import V8_FLAGS

if V8_FLAGS:
    (_dll.init_mini_racer.__kwdefaults__ or {})["flags"] = V8_FLAGS


def pytest_runtest_setup(item: pytest.Item) -> None:
    """`@pytest.mark.needs("temporal")`: skips the test where the V8 at hand lacks the feature."""
    wanted = {feature for mark in item.iter_markers("needs") for feature in mark.args}
    if unknown := wanted - set(_dll.FEATURES):
        pytest.fail(f"no such feature: {', '.join(sorted(unknown))}; there are: {', '.join(_dll.FEATURES)}")
    if wanted and (missing := wanted - _dll.features()):
        pytest.skip(f"V8 {_dll.v8_version()} here lacks: {', '.join(sorted(missing))}")


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
