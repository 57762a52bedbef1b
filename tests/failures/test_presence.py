"""Who has a case open: those who could work on it are told to the others, for a minute, and by no row of a table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from accounts.models import User
from failures import presence
from failures.presence import BEAT_SECONDS, GONE_AFTER, Here, others_at
from failures.showing.others import others_in_words
from kernel import clock
from kernel.clock import new_id
from tests.factories import UserFactory
from tests.time_machine import ShiftedClock

pytestmark = pytest.mark.django_db


@pytest.fixture
def asha() -> User:
    return UserFactory.create(username="asha")


@pytest.fixture
def meera() -> User:
    return UserFactory.create(username="meera")


def names(case_id: UUID, person: User, *, works_here: bool = True) -> list[str]:
    return [each.name for each in others_at(case_id, person, works_here=works_here)]


def test_two_see_each_other_and_nobody_themselves(asha: User, meera: User) -> None:
    case = new_id()

    assert names(case, asha) == []
    assert names(case, meera) == ["asha"]
    assert names(case, asha) == ["meera"]
    assert names(new_id(), meera) == []  # Of another case.


def test_it_goes_out_without_a_word_and_stays_as_long_as_there_is_one(
    asha: User, meera: User, time: ShiftedClock
) -> None:
    case, opened = new_id(), clock.now()
    for _ in range(10):
        names(case, asha)
        time.advance(seconds=BEAT_SECONDS)

    (here,) = others_at(case, meera, works_here=True)
    assert (here.since - opened).total_seconds() < BEAT_SECONDS  # Since it was opened, not since the last word.
    time.advance(seconds=GONE_AFTER.total_seconds())
    assert names(case, meera) == []


def test_whoever_only_looks_hears_and_is_not_told_of(asha: User, meera: User) -> None:
    case = new_id()
    names(case, asha)

    assert names(case, meera, works_here=False) == ["asha"]
    assert names(case, asha) == []


def test_more_than_a_wall_is_not_kept(monkeypatch: pytest.MonkeyPatch, asha: User) -> None:
    monkeypatch.setattr(presence, "MOST_KEPT", 2)
    case, others = new_id(), UserFactory.create_batch(3)
    for each in others:
        names(case, each)

    assert names(case, asha) == [each.username for each in others[:2]]


def test_it_is_said_in_one_sentence_by_the_clock_on_the_wall() -> None:
    at = datetime(2026, 11, 28, 8, 32, tzinfo=UTC)
    here = [Here(name=name, since=at + timedelta(minutes=late)) for late, name in enumerate("abcde")]

    assert [others_in_words(here[:many], zone="Asia/Kolkata") for many in (0, 1, 2, 3, 5)] == [
        "",
        "a has this page open, since 14:02.",
        "a (since 14:02) and b (since 14:03) have this page open.",
        "a (since 14:02), b (since 14:03) and c (since 14:04) have this page open.",
        "a (since 14:02), b (since 14:03), c (since 14:04) and 2 more have this page open.",
    ]
