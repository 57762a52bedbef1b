"""Money that went back past this house: who may put its case away alone, and who needs a second person."""

from __future__ import annotations

import pytest

from accounts.models import Restaurant, Role, User
from failures.decisions import Action
from failures.models import BulkAction, Case, CaseKind, CaseStatus, Outcome
from failures.reasons import CHARGEBACK, PAST_LIMIT
from failures.services.working import dismiss_case, resolve_case
from kernel.money import Money
from payments.gateways.contract import RefundFact, Theirs
from payments.models import Attempt, Capture, Limited, Refund, RefundLimit
from payments.services.evidence import Evidence, Finding, Source
from payments.services.refund_settlement import settle_refund
from payments.services.refunds import begin_refund
from tests.factories import order_of, staff
from tests.failures.bulking import plan, results
from tests.failures.deciding import WHY, agree, ask, refused
from tests.failures.test_desk import desk_of, page_of
from tests.failures.world import attempted, paid_twice, told

pytestmark = pytest.mark.django_db
LIMIT = 50_000


@pytest.fixture
def finance(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


@pytest.fixture
def limited(restaurant: Restaurant) -> None:
    RefundLimit.objects.create(restaurant=restaurant, who=Limited.FINANCE, currency="INR", most_minor=LIMIT)


@pytest.fixture
def kept(restaurant: Restaurant) -> Attempt:
    return attempted(order_of(restaurant), Finding.SUCCEEDED, minor=84_000)


def taken_back(attempt: Attempt, *sums: int, what: Theirs = Theirs.CHARGEBACK) -> list[Case]:
    facts = tuple(fact_of(number, minor, what) for number, minor in enumerate(sums))
    told(attempt, Finding.SUCCEEDED, minor=84_000, refunds=facts)
    return list(Case.objects.filter(kind=CaseKind.PROVIDER_REFUND).order_by("id"))


def fact_of(number: int, minor: int, what: Theirs, *, succeeded: bool = True) -> RefundFact:
    return RefundFact(reference=f"r_{number}", money=Money(minor, "INR"), succeeded=succeeded, theirs=what)


def close(case: Case, person: User, outcome: Outcome | str = "") -> Case:
    return resolve_case(case_id=case.pk, person=person, reason=WHY, outcome=outcome)


def dismiss(case: Case, person: User) -> Case:
    return dismiss_case(case_id=case.pk, person=person, reason=WHY)


def shown(person: User, case: Case) -> str:
    text: str = desk_of(person).get(page_of(case)).content.decode()
    return text


class TestChargeback:
    @pytest.mark.parametrize("outcome", ["", Outcome.GIVEN_BACK, Outcome.NOTHING_WRONG])
    def test_is_closed_by_nobody_alone_whatever_it_is_called(
        self, kept: Attempt, finance: User, outcome: Outcome | str
    ) -> None:
        (case,) = taken_back(kept, 1)

        assert refused(lambda: close(case, finance, outcome)) == "needs_two"
        assert refused(lambda: dismiss(case, finance)) == "needs_two"
        assert Case.objects.get(pk=case.pk).status == CaseStatus.OPEN

    def test_is_written_off_by_two(self, restaurant: Restaurant, kept: Attempt, finance: User) -> None:
        (case,) = taken_back(kept, 30_000)

        approval = ask(case, finance, Action.WRITE_OFF)
        agree(approval, staff(restaurant, Role.FINANCE_LEAD))

        assert Case.objects.get(pk=case.pk).outcome == Outcome.WRITTEN_OFF

    def test_that_was_won_is_closed_by_one(self, kept: Attempt, finance: User) -> None:
        (case,) = taken_back(kept, 30_000)
        told(kept, Finding.SUCCEEDED, minor=84_000, refunds=(fact_of(0, 30_000, Theirs.CHARGEBACK, succeeded=False),))

        assert close(case, finance, Outcome.NOTHING_WRONG).status == CaseStatus.RESOLVED

    def test_of_money_that_was_never_ours_is_no_loss(self, restaurant: Restaurant, finance: User) -> None:
        surplus = paid_twice(order_of(restaurant))
        assert surplus.capture == Capture.SURPLUS
        ours = Refund.objects.get(attempt=surplus)
        begin_refund(refund_id=ours.pk)
        settle_refund(refund_id=ours.pk, evidence=Evidence(source=Source.CHARGE, finding=Finding.DECLINED))
        told(surplus, Finding.SUCCEEDED, minor=84_000, refunds=(fact_of(0, 30_000, Theirs.CHARGEBACK),))
        case = Case.objects.get(kind=CaseKind.PROVIDER_REFUND)

        assert close(case, finance).status == CaseStatus.RESOLVED

    def test_says_on_its_page_why_it_is_not_closed_and_what_writing_off_does(
        self, kept: Attempt, finance: User
    ) -> None:
        (case,) = taken_back(kept, 30_000)

        page = shown(finance, case)

        assert page.count(CHARGEBACK) == len(("resolve", "dismiss"))
        assert "What went back counts as lost" in page
        assert "still pay" not in page

    def test_is_skipped_where_many_are_closed(self, kept: Attempt, finance: User) -> None:
        cases = taken_back(kept, 30_000)

        for action in (BulkAction.RESOLVE, BulkAction.DISMISS):
            assert results(plan(action, finance, cases)) == [("skipped", "needs_two")]


class TestRefundOnTheProvidersPages:
    def test_is_closed_by_who_could_have_made_it_here(self, limited: None, kept: Attempt, finance: User) -> None:
        (case,) = taken_back(kept, LIMIT, what=Theirs.REFUND)

        assert dismiss(case, finance).status == CaseStatus.DISMISSED

    def test_above_the_limit_takes_two(self, limited: None, kept: Attempt, finance: User) -> None:
        (case,) = taken_back(kept, LIMIT + 1, what=Theirs.REFUND)

        assert refused(lambda: dismiss(case, finance)) == "needs_two"
        assert PAST_LIMIT in shown(finance, case)

    def test_in_two_halves_is_as_much(self, limited: None, kept: Attempt, finance: User) -> None:
        first, second = taken_back(kept, LIMIT, 1, what=Theirs.REFUND)

        assert refused(lambda: dismiss(first, finance)) == "needs_two"
        assert refused(lambda: dismiss(second, finance)) == "needs_two"

    def test_is_anybodys_where_nobody_has_set_a_limit(self, kept: Attempt, finance: User) -> None:
        (case,) = taken_back(kept, 84_000, what=Theirs.REFUND)

        assert close(case, finance, Outcome.GIVEN_BACK).status == CaseStatus.RESOLVED

    def test_did_not_pay_anybody(self, kept: Attempt, finance: User) -> None:
        (case,) = taken_back(kept, 1, what=Theirs.REFUND)

        assert refused(lambda: close(case, finance, Outcome.PAID)) == "does_not_fit"
