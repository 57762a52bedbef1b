"""How a plan and what became of it are told: counted right, in the singular and the plural, reasons by frequency."""

from __future__ import annotations

import pytest

from failures.bulk.work import WORKS
from failures.models import BulkAction, BulkRun, BulkStatus, StepStatus
from failures.showing.bulk import RUN_TONES, STEP_TONES, WORDS, Tally, sentences_of

PLANNED, RUNNING, DONE = BulkStatus.PLANNED, BulkStatus.RUNNING, BulkStatus.DONE
TOLD: list[tuple[BulkAction, BulkStatus, Tally, str]] = [
    (
        BulkAction.ASK,
        PLANNED,
        Tally(waiting=38, skipped={"already_ended": 2, "waits_for_approval": 1}),
        "38 will be asked. 3 are skipped: 2 have ended already, 1 waits for a second person.",
    ),
    (BulkAction.RESOLVE, PLANNED, Tally(waiting=1), "1 will be closed."),
    (
        BulkAction.RETRY,
        PLANNED,
        Tally(skipped={"not_failed": 1}),
        ("None will be tried again. 1 is skipped: 1 has a payment that did not fail."),
    ),
    (BulkAction.ASK, RUNNING, Tally(done=1, waiting=37), "1 was asked. 37 are left."),
    (BulkAction.ASK, RUNNING, Tally(waiting=1), "1 is left."),
    (BulkAction.ASK, DONE, Tally(refused={"stale": 1}), "None were asked. 1 is refused: 1 changed since you looked."),
    (
        BulkAction.TAKE,
        DONE,
        Tally(done=5, refused={"stale": 1, "broke": 2}, skipped={"already_ended": 1}),
        "5 were taken. 3 are refused: 2 broke, 1 changed since you looked. 1 is skipped: 1 has ended already.",
    ),
    (BulkAction.SNOOZE, BulkStatus.GIVEN_UP, Tally(done=2, waiting=3), "2 were put off. 3 were given up."),
    (
        BulkAction.SNOOZE,
        PLANNED,
        Tally(waiting=2, skipped={"some_code": 1, "another": 1}),
        "2 will be put off. 2 are skipped: 2 have other reasons.",
    ),
]


@pytest.mark.parametrize(("action", "status", "tally", "said"), TOLD)
def test_a_run_is_told_in_a_few_sentences(action: BulkAction, status: BulkStatus, tally: Tally, said: str) -> None:
    assert " ".join(sentences_of(BulkRun(action=action, status=status), tally)) == said


def test_what_is_counted_adds_up() -> None:
    groups = [
        ("waiting", "", 3),
        ("done", "", 2),
        ("refused", "stale", 1),
        ("refused", "broke", 1),
        ("skipped", "x", 4),
    ]

    tally = Tally.of(groups)

    assert (tally.waiting, tally.done, tally.ended, tally.to_do, tally.total) == (3, 2, 4, 7, 11)


def test_nothing_is_without_words() -> None:
    assert set(WORDS) == set(WORKS) == set(BulkAction)
    assert set(STEP_TONES) == set(StepStatus)
    assert set(RUN_TONES) == set(BulkStatus)
    assert {action for action, words in WORDS.items() if words.moves_money} == {BulkAction.RETRY}
