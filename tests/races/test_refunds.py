"""Racing refunds: whatever is asked at once, no more goes back than was captured, and not one unit less is counted."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice

import pytest

from tests.proof.records import record
from tests.proof.size import GROUPS
from tests.races.refund_groups import MOST_THREADS, Group, Groups, groups
from tests.races.sabotages import sabotaged

# So many of them in one test: enough to make the building of captures cheap, few enough for two processes to share.
BATCH = 500
FEW = 200
DOZENS = 24


@pytest.fixture
def storm(transactional_db: None) -> Iterator[Groups]:
    with groups() as storm:
        yield storm


def test_a_few_racing_refunds(storm: Groups) -> None:
    _judge([storm.run(seed) for seed in range(FEW)])


@pytest.mark.parametrize("name", ["nobody_locks_rows", "what_is_left_is_checked_before_the_lock"])
def test_a_sabotage_is_found_by_racing_refunds(storm: Groups, name: str) -> None:
    """By each group that asks for too much, where all have read before one writes; with the lock by none."""
    contested = list(islice(filter(storm.is_contested, count()), DOZENS))

    with sabotaged(name):
        ran = [storm.run(seed) for seed in contested]
    ran_well = [storm.run(seed) for seed in contested]

    assert [group.told() for group in ran if not group.has_met] == []
    assert [group.told() for group in ran if not group.violations] == []
    assert [group.told() for group in ran_well if group.violations] == []


@pytest.mark.proof
@pytest.mark.parametrize("first", range(0, GROUPS, BATCH))
def test_ten_thousand_racing_refunds(storm: Groups, first: int) -> None:
    ran = [storm.run(seed) for seed in range(first, first + BATCH)]
    record("races", what="refunds", **_figures(ran))

    _judge(ran)


def _figures(ran: list[Group]) -> dict[str, int]:
    return {
        "trials": len(ran),
        "violations": sum(bool(group.violations) for group in ran),
        "accepted": sum(len(group.accepted) for group in ran),
        "refused": sum(len(group.refused) for group in ran),
    }


def _judge(ran: list[Group]) -> None:
    assert [group.told() for group in ran if group.violations] == []
    assert max(group.size for group in ran) == MOST_THREADS
    assert {"more_than_left", "nothing_to_refund"} <= {code for group in ran for code in group.refused}
