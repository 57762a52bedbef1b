"""A process may die anywhere in a run: each step is done once all the same, and nobody charges anybody by it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from accounts.models import Restaurant, Role, User
from failures.bulk import running
from failures.bulk.running import MOST_CLAIMS, work_on_bulk
from failures.models import BulkAction, Case, CaseStatus, StepStatus
from kernel import crashpoints
from kernel.crashpoints import CrashPoint
from payments.services import providers
from tests.factories import staff
from tests.failures.bulking import begun, contradicted, deeds, doubtful, now, results
from tests.scripted import ScriptedGateway, provider_of
from tests.time_machine import ShiftedClock

pytestmark = pytest.mark.django_db(transaction=True)
DONE = (StepStatus.DONE, "")
WAITING = (StepStatus.WAITING, "")


class Died(BaseException):
    """What no code of ours catches, as nobody catches a killed process."""


@pytest.fixture
def gateway(restaurant: Restaurant, monkeypatch: pytest.MonkeyPatch) -> ScriptedGateway:
    gateway = ScriptedGateway()
    monkeypatch.setitem(providers.PROVIDERS, "a", provider_of(gateway))
    return gateway


@pytest.fixture
def finance(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


@pytest.fixture
def cases(restaurant: Restaurant) -> list[Case]:
    return [contradicted(restaurant) for _ in range(4)]


@pytest.fixture
def dying() -> Iterator[Callable[[CrashPoint, int], None]]:
    """At which point, and at which hit of it."""
    before = crashpoints.install(None)

    def arm(point: CrashPoint, hit: int) -> None:
        hits = iter(range(1, 100))

        def die(at: CrashPoint) -> None:
            if at == point and next(hits) == hit:
                raise Died

        crashpoints.install(die)

    yield arm
    crashpoints.install(before)


@pytest.mark.parametrize("hit", [1, 3])
def test_a_death_after_a_claim_leaves_the_step_to_the_next_one(
    finance: User,
    cases: list[Case],
    time: ShiftedClock,
    dying: Callable[[CrashPoint, int], None],
    hit: int,
) -> None:
    run = begun(BulkAction.TAKE, finance, cases)
    dying(CrashPoint.TURN_AFTER_COMMIT, hit)

    with pytest.raises(Died):
        work_on_bulk()
    assert results(run).count(DONE) == hit - 1
    crashpoints.install(None)
    work_on_bulk()
    assert results(run).count(WAITING) == 1  # Its lease is not over.
    time.advance(minutes=1)
    work_on_bulk()

    assert results(run) == [DONE] * 4
    assert len(deeds(finance)) == 4


def test_a_death_before_the_mark_undoes_what_was_done_with_it(
    finance: User, cases: list[Case], time: ShiftedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun(BulkAction.RESOLVE, finance, cases)
    with monkeypatch.context() as patch:
        patch.setattr(running, "_mark", _die)
        with pytest.raises(Died):
            work_on_bulk()
    assert [now(case).status for case in cases] == [CaseStatus.OPEN] * 4

    time.advance(minutes=1)
    work_on_bulk()

    assert results(run) == [DONE] * 4
    assert len(deeds(finance)) == 4


def test_a_death_behind_a_question_asks_again_and_moves_no_money(
    restaurant: Restaurant,
    finance: User,
    gateway: ScriptedGateway,
    time: ShiftedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = begun(BulkAction.ASK, finance, [doubtful(restaurant)])
    with monkeypatch.context() as patch:
        patch.setattr(running, "_end_step", _die)
        with pytest.raises(Died):
            work_on_bulk()

    time.advance(minutes=1)
    work_on_bulk()

    assert results(run) == [DONE]
    assert (gateway.count("look_up") >= 2, gateway.count("charge"), gateway.count("refund")) == (True, 0, 0)


def test_deaths_again_and_again_leave_the_step_alone_and_are_told(
    finance: User, cases: list[Case], time: ShiftedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun(BulkAction.TAKE, finance, cases[:1])
    with monkeypatch.context() as patch:
        patch.setattr(running, "_write", _die)
        for _ in range(MOST_CLAIMS):
            with pytest.raises(Died):
                work_on_bulk()
            time.advance(minutes=1)

    work_on_bulk()

    assert results(run) == [(StepStatus.REFUSED, "broke")]
    assert now(cases[0]).owner is None


def test_a_slow_holder_whose_lease_is_over_changes_nothing_when_it_wakes(
    finance: User, cases: list[Case], time: ShiftedClock
) -> None:
    begun(BulkAction.TAKE, finance, cases[:1])
    slow = running._claim_next()
    assert slow is not None
    time.advance(minutes=1)
    work_on_bulk()

    running._do_or_log(slow)

    assert len(deeds(finance)) == 1


def _die(*_: object, **__: object) -> None:
    raise Died
