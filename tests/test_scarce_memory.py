"""Starting where a limit leaves V8 too few addresses: an error that says so, and never the end of the process."""

from __future__ import annotations

import pytest

from tests.child import output_of

RUN = """
import resource, sys
limit = int(float(sys.argv[1]) * 2**20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
from py_mini_racer import JSOOMException, MiniRacer, MiniRacerBaseException

try:
    opened = [MiniRacer()]
except MiniRacerBaseException as error:
    assert "ulimit -v" in str(error), error
    print("an error")
else:
    try:
        while len(opened) < 30:
            opened.append(MiniRacer())
            assert opened[-1].eval("new ArrayBuffer(1e6).byteLength") == 1e6
    except JSOOMException as error:
        assert "addresses" in str(error), error
    assert opened[0].eval("6 * 7") == 42
    print("works")
"""


@pytest.mark.parametrize(
    "megabytes", [200, 500, 1000, 2000, 4000, 8000, 20_000, 100_000, 1_500_000, 1_600_000, 3_000_000]
)
def test_a_limit_on_addresses(megabytes):
    assert output_of(RUN, str(megabytes)) in ("an error", "works")


def test_enough_is_enough():
    assert output_of(RUN, "4e6") == "works"


def test_it_may_be_tried_again():
    code = """
    import resource
    from py_mini_racer import MiniRacer, MiniRacerBaseException
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (300 << 20, hard))
    try:
        MiniRacer()
    except MiniRacerBaseException as error:
        print(type(error).__name__)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    print(MiniRacer().eval("6 * 7"))
    """
    assert output_of(code) == "MiniRacerBaseException\n42"
