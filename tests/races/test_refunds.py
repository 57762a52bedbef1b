"""Racing refunds: whatever is asked at once, no more goes back than was captured, and not one unit less is counted."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.proof.records import record
from tests.races.refund_groups import MOST_THREADS, Groups, groups

TRIALS = 10_000
# So many of them in one test: enough to make the building of captures cheap, few enough for two processes to share.
BATCH = 500
FEW = 200


@pytest.fixture
def storm(transactional_db: None) -> Iterator[Groups]:
    with groups() as storm:
        yield storm


def test_a_few_racing_refunds(storm: Groups) -> None:
    _race(storm, range(FEW))


@pytest.mark.proof
@pytest.mark.parametrize("first", range(0, TRIALS, BATCH))
def test_ten_thousand_racing_refunds(storm: Groups, first: int) -> None:
    began = time.monotonic()
    figures = _race(storm, range(first, first + BATCH))
    record("races", what="refunds", seconds=round(time.monotonic() - began, 1), **figures)


def _race(storm: Groups, seeds: range) -> dict[str, object]:
    ran = [storm.run(seed) for seed in seeds]
    wrong = [group.told() for group in ran if group.violations]
    refusals = Counter(code for group in ran for code in group.refused)

    assert wrong == [], "\n\n".join(wrong)
    assert max(group.size for group in ran) == MOST_THREADS
    assert {"more_than_left", "bad_amount"} <= set(refusals)
    return {
        "trials": len(ran),
        "violations": len(wrong),
        "longest_group": max(group.size for group in ran),
        "accepted": sum(len(group.accepted) for group in ran),
        "refused": refusals.total(),
    }
