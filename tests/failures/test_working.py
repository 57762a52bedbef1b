"""What people do with cases: taken, given back, put off and ended, once each, by who may, on a page that is true."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from accounts.models import Membership, Restaurant, Role, User
from events.models import AuditEntry, Event, Transition
from failures.models import Case, CaseKind, CaseStatus, Outcome
from failures.reasons import outcomes_for
from failures.services.facts import CaseEvent, CaseRefused
from failures.services.working import (
    LONGEST_SNOOZE,
    assign_case,
    dismiss_case,
    give_back_case,
    resolve_case,
    snooze_case,
    take_next_case,
)
from kernel import clock
from kernel.modes import Mode
from payments.models import Payment
from payments.services.facts import PaymentEvent
from tests.factories import RestaurantFactory, accepted, order_of, routed, staff
from tests.failures.test_services import REASON, happened

pytestmark = pytest.mark.django_db
SOON = timedelta(hours=1)


@pytest.fixture
def finance(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


@pytest.fixture
def case(payment: Payment) -> Case:
    return case_about(payment)


def case_about(payment: Payment, event: PaymentEvent = PaymentEvent.CONTRADICTED) -> Case:
    happened(event, payment)
    return Case.objects.latest("id")


def in_an_hour(case: Case, person: User, **said: Any) -> Case:
    return snooze_case(case_id=case.pk, person=person, until=clock.now() + SOON, reason=REASON, **said)


WORK: dict[str, Callable[..., Case]] = {
    "assign": lambda case, person, **said: assign_case(case_id=case.pk, person=person, **said),
    "give back": lambda case, person, **said: give_back_case(case_id=case.pk, person=person, reason=REASON, **said),
    "snooze": in_an_hour,
    "resolve": lambda case, person, **said: resolve_case(case_id=case.pk, person=person, reason=REASON, **said),
    "dismiss": lambda case, person, **said: dismiss_case(case_id=case.pk, person=person, reason=REASON, **said),
}


@pytest.fixture(params=WORK)
def work(request: pytest.FixtureRequest) -> Callable[..., Case]:
    return WORK[request.param]


def test_each_piece_of_work_is_audited_once(case: Case, finance: User, work: Callable[..., Case]) -> None:
    case = assign_case(case_id=case.pk, person=finance)
    before = AuditEntry.objects.count()

    work(case, finance)

    entry = AuditEntry.objects.latest("id")
    assert AuditEntry.objects.count() == before + 1
    assert (entry.actor_id, entry.subject_id) == (str(finance.pk), str(case.pk))
    assert entry.chain_id == case.restaurant_id
    assert entry.after["payment"]["status"] == "pending"


@pytest.mark.parametrize("role", [Role.WAITER, Role.CUSTOMER, Role.AUDITOR])
def test_only_the_office_works_on_cases(
    restaurant: Restaurant, case: Case, finance: User, work: Callable[..., Case], role: Role
) -> None:
    case = assign_case(case_id=case.pk, person=finance)
    entries = AuditEntry.objects.count()

    with pytest.raises(CaseRefused) as refused:
        work(case, staff(restaurant, role))

    assert refused.value.code == "not_finance_here"
    assert Case.objects.get().version == case.version
    assert AuditEntry.objects.count() == entries


def test_nobody_works_on_cases_of_another_restaurant(case: Case, finance: User, work: Callable[..., Case]) -> None:
    case = assign_case(case_id=case.pk, person=finance)

    with pytest.raises(CaseRefused) as refused:
        work(case, staff(RestaurantFactory.create(), Role.ADMIN))

    assert refused.value.code == "not_finance_here"


def test_an_old_page_changes_nothing(case: Case, finance: User, work: Callable[..., Case]) -> None:
    seen = assign_case(case_id=case.pk, person=finance)
    in_an_hour(seen, finance)

    with pytest.raises(CaseRefused) as refused:
        work(seen, finance, version=seen.version)

    assert refused.value.code == "stale"
    assert Case.objects.get().status == CaseStatus.ASSIGNED


def test_a_true_page_is_as_good_as_none(case: Case, finance: User, work: Callable[..., Case]) -> None:
    case = assign_case(case_id=case.pk, person=finance, version=case.version)

    work(case, finance, version=case.version)


def test_a_case_that_has_ended_is_nobodys_work(case: Case, finance: User, work: Callable[..., Case]) -> None:
    resolve_case(case_id=case.pk, person=finance, reason=REASON)

    with pytest.raises(CaseRefused) as refused:
        work(case, finance)

    assert refused.value.code == "already_ended"
    assert REASON in refused.value.sentence


def test_a_colleague_is_given_a_case_who_may_work_on_it(restaurant: Restaurant, case: Case, finance: User) -> None:
    colleague, waiter = staff(restaurant, Role.FINANCE_LEAD), staff(restaurant, Role.WAITER)

    case = assign_case(case_id=case.pk, person=finance, to=colleague)

    assert case.owner == colleague
    step = Transition.objects.filter(subject_id=case.pk).latest("id")
    assert (step.actor_id, step.reason) == (str(finance.pk), "Given to a colleague.")
    with pytest.raises(CaseRefused) as refused:
        assign_case(case_id=case.pk, person=finance, to=waiter)
    assert (refused.value.code, refused.value.field) == ("not_finance_here", "to")


def test_what_is_given_back_is_anybodys(case: Case, finance: User) -> None:
    assign_case(case_id=case.pk, person=finance)

    case = give_back_case(case_id=case.pk, person=finance, reason="My shift is over.")

    assert (case.status, case.owner) == (CaseStatus.OPEN, None)
    assert Event.objects.latest("id").type == CaseEvent.GIVEN_BACK
    with pytest.raises(CaseRefused) as refused:
        give_back_case(case_id=case.pk, person=finance, reason="My shift is over.")
    assert refused.value.code == "nobody_has_it"


@pytest.mark.parametrize("until", [timedelta(0), timedelta(seconds=-1), LONGEST_SNOOZE + timedelta(minutes=1)])
def test_a_case_is_put_off_to_a_time_that_comes_soon(case: Case, finance: User, until: timedelta) -> None:
    with pytest.raises(CaseRefused) as refused:
        snooze_case(case_id=case.pk, person=finance, until=clock.now() + until, reason=REASON)

    assert (refused.value.code, refused.value.field) == ("bad_time", "until")


def test_news_of_a_case_wakes_it(payment: Payment, case: Case, finance: User) -> None:
    in_an_hour(case, finance)

    happened(PaymentEvent.CONTRADICTED, payment, reason="Another thing.")

    assert Case.objects.get().snoozed_until is None


def test_how_it_ended_is_kept_until_it_is_opened_again(payment: Payment, case: Case, finance: User) -> None:
    resolve_case(case_id=case.pk, person=finance, reason=REASON, outcome=Outcome.REPAIRED)
    assert Case.objects.get().outcome == Outcome.REPAIRED

    happened(PaymentEvent.CONTRADICTED, payment, reason="Another thing.")

    case = Case.objects.get()
    assert (case.status, case.outcome, case.resolution) == (CaseStatus.REOPENED, "", "")


def test_a_case_ends_only_as_one_of_its_kind_can(payment: Payment, finance: User) -> None:
    happened(PaymentEvent.COMPLETED_LATE, payment)
    late = Case.objects.get(kind=CaseKind.LATE_SUCCESS)

    with pytest.raises(CaseRefused) as refused:
        resolve_case(case_id=late.pk, person=finance, reason=REASON, outcome=Outcome.REPAIRED)

    assert (refused.value.code, refused.value.field) == ("does_not_fit", "outcome")
    fitting = refused.value.sentence.partition("What fits: ")[2].rstrip(".").split(", ")
    assert fitting == [each.label for each in outcomes_for(late, [])]
    assert "given back to the guest" not in fitting  # Nothing went back.


class TestTheNextCase:
    @pytest.fixture
    def doubt(self, restaurant: Restaurant) -> Case:
        return case_about(accepted(order_of(restaurant)), PaymentEvent.DOUBT_PROLONGED)

    @staticmethod
    def taken(restaurant: Restaurant, person: User) -> Case | None:
        return take_next_case(restaurant_ids=[restaurant.pk], mode=Mode.TEST, person=person)

    def test_is_the_one_that_matters_most(self, restaurant: Restaurant, case: Case, doubt: Case, finance: User) -> None:
        small = case_about(accepted(order_of(restaurant, total_minor=500)))
        Case.objects.filter(kind=CaseKind.CONTRADICTION).update(opened_at=clock.now() - timedelta(hours=1))

        assert [self.taken(restaurant, finance) for _ in range(4)] == [doubt, case, small, None]
        assert {each.owner for each in Case.objects.all()} == {finance}

    def test_is_none_that_was_put_off_or_that_somebody_has_or_that_has_ended(
        self, restaurant: Restaurant, case: Case, doubt: Case, finance: User
    ) -> None:
        ended = case_about(accepted(order_of(restaurant)))
        in_an_hour(case, finance)
        assign_case(case_id=doubt.pk, person=finance)
        resolve_case(case_id=ended.pk, person=finance, reason=REASON)

        assert self.taken(restaurant, finance) is None

    def test_is_awake_again_when_its_time_has_come(self, restaurant: Restaurant, case: Case, finance: User) -> None:
        in_an_hour(case, finance)
        Case.objects.update(snoozed_until=clock.now() - timedelta(seconds=1))

        taken = self.taken(restaurant, finance)

        assert taken == case
        assert taken.snoozed_until is None

    def test_is_of_this_restaurant_and_mode(self, restaurant: Restaurant, case: Case, finance: User) -> None:
        assert take_next_case(restaurant_ids=[UUID(int=1)], mode=Mode.TEST, person=finance) is None
        assert take_next_case(restaurant_ids=[restaurant.pk], mode=Mode.LIVE, person=finance) is None

    def test_of_several_restaurants_is_the_one_that_matters_most(
        self, restaurant: Restaurant, case: Case, finance: User
    ) -> None:
        routed(other := RestaurantFactory.create(), "a")
        Membership.objects.create(user=finance, restaurant=other, role=Role.FINANCE)
        doubt = case_about(accepted(order_of(other)), PaymentEvent.DOUBT_PROLONGED)

        houses = [restaurant.pk, other.pk]
        assert take_next_case(restaurant_ids=houses, mode=Mode.TEST, person=finance) == doubt

    def test_is_also_one_that_came_back_to_nobody(self, restaurant: Restaurant, case: Case, finance: User) -> None:
        """Whoever ended it yesterday is not here tonight."""
        assign_case(case_id=case.pk, person=finance)
        dismiss_case(case_id=case.pk, person=finance, reason=REASON)
        assert case.payment is not None
        happened(PaymentEvent.CONTRADICTED, case.payment, reason="Once more.")

        assert Case.objects.get().owner is None
        assert self.taken(restaurant, staff(restaurant, Role.FINANCE)) == case

    def test_is_not_for_everybody(self, restaurant: Restaurant, case: Case) -> None:
        with pytest.raises(CaseRefused) as refused:
            self.taken(restaurant, staff(restaurant, Role.WAITER))

        assert refused.value.code == "not_finance_here"


@pytest.mark.django_db(transaction=True)
def test_whoever_presses_at_once_gets_a_case_of_his_own(restaurant: Restaurant) -> None:
    cases = {case_about(accepted(order_of(restaurant))).pk for _ in range(6)}
    people = [staff(restaurant, Role.FINANCE) for _ in range(6)]

    def take(person: User) -> UUID | None:
        try:
            case = take_next_case(restaurant_ids=[restaurant.pk], mode=Mode.TEST, person=person)
            return case.pk if case else None
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        taken = list(pool.map(take, people))

    assert set(taken) == cases


@pytest.mark.django_db(transaction=True)
def test_of_two_opposite_endings_one_wins_and_the_other_is_told(payment: Payment) -> None:
    case = case_about(payment)
    people = [staff(payment.restaurant, Role.FINANCE) for _ in range(2)]

    def end(which: int) -> str:
        ending = (resolve_case, dismiss_case)[which]
        try:
            ended = ending(case_id=case.pk, person=people[which], reason=f"Ending {which}.", version=case.version)
            return str(ended.status)
        except CaseRefused as refused:
            return refused.sentence
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(end, range(2)))

    case = Case.objects.get()
    winner = 0 if case.status == CaseStatus.RESOLVED else 1
    assert said[winner] == case.status
    told = said[1 - winner]
    assert told.startswith(f"This case has ended already: {people[winner].username} closed it")
    assert told.endswith(f": Ending {winner}.")
    assert AuditEntry.objects.filter(action__in=["resolve", "dismiss"]).count() == 1
