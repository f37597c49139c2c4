"""The hostile scripts as tests. Each has a process of its own; two run at a time: ahead of the tests that look at what came, or each in its turn on workers of pytest-xdist."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.hostile.run import AT_ONCE, Row, cases, run

ALL = list(cases())
NAMES = [f"{group}-{case.name}".encode("ascii", "replace").decode() for group, _, case in ALL]
Rows = dict[int, "Future[Row]"]


@pytest.fixture(scope="session")
def rows(request: pytest.FixtureRequest) -> Iterator[Rows]:
    """What comes of those scripts that were asked for."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        yield {}
        return
    pool = ThreadPoolExecutor(AT_ONCE)
    asked = {
        item.callspec.id
        for item in request.session.items
        if isinstance(item, pytest.Function) and hasattr(item, "callspec")
    }
    yield {place: pool.submit(run, *ALL[place]) for place, name in enumerate(NAMES) if name in asked}
    pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize(
    "place",
    [pytest.param(place, marks=pytest.mark.needs(*case.needs)) for place, (_, _, case) in enumerate(ALL)],
    ids=NAMES,
)
def test_the_host_and_other_contexts_go_on(rows: Rows, place: int) -> None:
    row = rows[place].result() if place in rows else run(*ALL[place])
    if row.state == "known":
        pytest.xfail(f"{row.excuse}: {row.wrong[:300]}")
    assert not row.wrong


def test_there_are_enough() -> None:
    assert len(ALL) >= 80
    assert len({(group, case.name) for group, _, case in ALL}) == len(ALL)
