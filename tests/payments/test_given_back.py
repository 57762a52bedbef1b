"""Where no bank takes a refund the guest is given it in another way: two people say so, and the books count it once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from threading import Barrier

import pytest
from django.db import connection

from accounts.models import Approval, Restaurant, Role, User
from events.actors import GUEST, Actor
from events.models import AuditEntry
from failures.models import Case, CaseKind, CaseStatus, Outcome
from kernel import clock
from kernel.errors import ServiceError
from kernel.money import Money
from payments.gateways.contract import RefundFact
from payments.meanings import meaning_of_refund
from payments.models import Attempt, Capture, Limited, NextAction, Payment, Refund, RefundLimit, RefundOrigin
from payments.models import RefundStatus as Status
from payments.services.evidence import Evidence, Finding, Source
from payments.services.given_back import ask_to_record_given_back
from payments.services.made_again import make_refund_again
from payments.services.refund_requests import request_refund
from payments.services.refund_settlement import settle_refund
from payments.services.sweeps import sweep_refunds, sweep_watches
from payments.who_asked import who_agreed, who_asked, with_who_asked
from payments.whose_word import Whose, whose_word_of
from tests.factories import order_of, paid, staff
from tests.payments.test_ways_back import surplus
from tests.payments.words import DUE, INR, REFUSED, news, waiting
from tests.scripted import ScriptedGateway
from tests.time_machine import ShiftedClock
from tests.two_people import GAVE_IT, agreed_to, record_given_back

PART = 30_000


@pytest.fixture
def finance(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


@pytest.fixture
def refused(restaurant: Restaurant, provider_a: ScriptedGateway) -> Refund:
    """A part of a payment that the guest's bank did not take back."""
    payment = paid(order_of(restaurant))
    refund = request_refund(payment_id=payment.pk, amount_minor=PART, reason="cold food", actor=GUEST)
    provider_a.refunds.append(REFUSED)
    sweep_refunds(width=1)
    return Refund.objects.get(pk=refund.pk)


@pytest.fixture
def not_due(restaurant: Restaurant, provider_a: ScriptedGateway) -> Attempt:
    """Money that was never due, and that the guest's bank did not take back."""
    attempt = surplus(restaurant, provider_a)
    provider_a.refunds.append(REFUSED)
    sweep_refunds(width=1)
    return attempt


def given(refund: Refund, person: User, checker: User | None = None) -> Refund:
    return record_given_back(payment_id=refund.payment_id, subject_id=refund.pk, person=person, checker=checker)


def code_of(act: Callable[[], object]) -> str:
    with pytest.raises(ServiceError) as error:
        act()
    return error.value.code


def test_it_counts_as_given_back_and_nothing_is_sent(
    refused: Refund, finance: User, provider_a: ScriptedGateway
) -> None:
    sent = provider_a.count("refund")

    outside = given(refused, finance)
    sweep_refunds(width=1)
    sweep_watches(width=1)

    assert (outside.origin, outside.status, outside.next_action) == (
        *(RefundOrigin.OUTSIDE, Status.COMPLETED),
        NextAction.NONE,
    )
    assert (outside.total_minor, outside.again_of, outside.sends) == (PART, refused, 0)
    attempt = Attempt.objects.get(pk=refused.attempt_id)
    assert (attempt.refunded_minor, attempt.refunding_minor) == (PART, 0)
    assert provider_a.count("refund") == sent
    assert Refund.objects.get(pk=refused.pk).status == Status.FAILED
    case = Case.objects.get(kind=CaseKind.REFUND_FAILED)
    assert (case.status, case.outcome) == (CaseStatus.RESOLVED, Outcome.GIVEN_BACK_ELSEWHERE)
    assert waiting() == []


@pytest.mark.parametrize("of_refund", [True, False])
def test_of_a_surplus_all_of_it_and_both_its_cases_end(not_due: Attempt, finance: User, *, of_refund: bool) -> None:
    """From whichever of them somebody goes."""
    assert waiting() == [CaseKind.REFUND_FAILED, CaseKind.SURPLUS]
    subject = Refund.objects.get(attempt=not_due).pk if of_refund else not_due.pk

    record_given_back(payment_id=not_due.payment_id, subject_id=subject, person=finance)

    assert Attempt.objects.get(pk=not_due.pk).refunded_minor == 84_000
    assert Attempt.objects.get(capture=Capture.KEPT).refunded_minor == 0
    assert waiting() == []
    assert set(Case.objects.values_list("outcome", flat=True)) == {Outcome.GIVEN_BACK_ELSEWHERE}


def test_it_is_told_as_the_word_of_those_two(refused: Refund, finance: User, restaurant: Restaurant) -> None:
    lead = staff(restaurant, Role.FINANCE_LEAD)

    outside = with_who_asked(Refund.objects.all()).get(pk=given(refused, finance, lead).pk)

    assert (who_asked(outside), who_agreed(outside)) == (finance.username, lead.username)
    assert whose_word_of(outside) == Whose.PEOPLE
    assert whose_word_of(refused) == Whose.PROVIDER
    assert "no provider was told" in meaning_of_refund(outside, Whose.PEOPLE)
    deed = AuditEntry.objects.get(action="record_given_back")
    assert (deed.actor_id, deed.reason) == (str(lead.pk), GAVE_IT)
    assert [row["refunded_minor"] for row in (deed.before["attempts"][0], deed.after["attempts"][0])] == [0, PART]


def test_what_made_the_order_payable_again_does_so_in_another_way_as_well(
    restaurant: Restaurant, finance: User, provider_a: ScriptedGateway
) -> None:
    payment = paid(order_of(restaurant))
    request_refund(
        payment_id=payment.pk, amount_minor=PART, reason="another guest pays this", actor=GUEST, reopens_order=True
    )
    provider_a.refunds.append(REFUSED)
    sweep_refunds(width=1)

    given(Refund.objects.get(), finance)

    assert Attempt.objects.get().reopened_minor == PART
    assert Payment.objects.get().order.payment_state == "part_paid"


def test_neither_is_it_sent_again_nor_recorded_twice(refused: Refund, finance: User) -> None:
    given(refused, finance)

    assert code_of(lambda: given(refused, finance)) == "given_back_since"
    again = {"failed_id": refused.pk, "reason": "Once more.", "actor": Actor.user(finance)}
    assert code_of(lambda: make_refund_again(**again)) == "given_back_since"  # type: ignore[arg-type]  # Named above.
    assert Attempt.objects.get().refunded_minor == PART


def test_of_a_surplus_that_is_on_its_way_again_nothing_is_left_to_record(not_due: Attempt, finance: User) -> None:
    mine = {"payment_id": not_due.payment_id, "subject_id": not_due.pk, "person": finance}
    request_refund(
        payment_id=not_due.payment_id, attempt_id=not_due.pk, reason="a new account", actor=Actor.user(finance)
    )

    assert code_of(lambda: record_given_back(**mine)) == "nothing_to_refund"  # type: ignore[arg-type]  # Named above.


def test_one_that_was_made_meanwhile_is_not_agreed_to(refused: Refund, finance: User) -> None:
    asked = ask_to_record_given_back(
        payment_id=refused.payment_id,
        subject_id=refused.pk,
        person=finance,
        reason=GAVE_IT,
        asked_from=clock.new_id(),
    )
    by_hand = RefundFact(reference="by-hand", money=Money(PART, INR), succeeded=True)
    news(Attempt.objects.get(), refunds=(by_hand,))

    assert code_of(lambda: agreed_to(asked)) == "given_back_since"
    assert Attempt.objects.get().refunded_minor == PART
    assert Approval.objects.get(pk=asked.pk).is_pending


def test_of_two_who_do_both_at_once_one_is_told_and_it_goes_back_once(refused: Refund, finance: User) -> None:
    asked = ask_to_record_given_back(
        payment_id=refused.payment_id,
        subject_id=refused.pk,
        person=finance,
        reason=GAVE_IT,
        asked_from=clock.new_id(),
    )
    acts: list[Callable[[], object]] = [
        partial(agreed_to, asked, staff(refused.restaurant, Role.FINANCE_LEAD)),
        partial(make_refund_again, failed_id=refused.pk, reason="A new account.", actor=Actor.user(finance)),
    ]
    together = Barrier(len(acts))

    def do(act: Callable[[], object]) -> str:
        try:
            together.wait()
            act()
        except ServiceError as error:
            return error.code
        finally:
            connection.close()
        return "done"

    with ThreadPoolExecutor(len(acts)) as pool:
        said = sorted(pool.map(do, acts))

    assert said in (["being_recorded", "done"], ["done", "given_back_since"])
    attempt = Attempt.objects.get()
    assert attempt.refunded_minor + attempt.refunding_minor == PART


def test_nor_while_the_provider_is_asked_whether_it_made_it_after_all(refused: Refund, finance: User) -> None:
    refused.ask_again()
    refused.save()

    assert code_of(lambda: given(refused, finance)) == "being_asked"


def test_a_provider_that_made_it_after_all_is_believed_and_people_are_told(refused: Refund, finance: User) -> None:
    given(refused, finance)

    late = Evidence(source=Source.LOOK_UP, finding=Finding.SUCCEEDED, money=Money(PART, INR))
    settle_refund(refund_id=refused.pk, evidence=late)

    assert Refund.objects.get(pk=refused.pk).status == Status.COMPLETED
    assert Attempt.objects.get().refunded_minor == 2 * PART
    assert waiting() == [CaseKind.CONTRADICTION]


def test_a_whole_one_that_was_made_after_all_is_more_than_came_in_and_people_are_told(
    not_due: Attempt, finance: User
) -> None:
    record_given_back(payment_id=not_due.payment_id, subject_id=not_due.pk, person=finance)

    late = Evidence(source=Source.LOOK_UP, finding=Finding.SUCCEEDED, money=DUE)
    settle_refund(refund_id=Refund.objects.get(origin=RefundOrigin.SURPLUS).pk, evidence=late)
    news(not_due, refunds=(RefundFact(reference="by-hand", money=DUE, succeeded=True),))

    assert Attempt.objects.get(pk=not_due.pk).refunded_minor == 84_000
    assert waiting() == [CaseKind.CONTRADICTION] * 2


def test_it_counts_against_the_limit_of_whoever_gives_back_next(
    refused: Refund, finance: User, restaurant: Restaurant, time: ShiftedClock
) -> None:
    RefundLimit.objects.create(restaurant=restaurant, who=Limited.FINANCE, currency=INR, most_minor=PART)
    given(refused, finance)
    time.advance(seconds=timedelta(hours=25).total_seconds())

    more = request_refund(payment_id=refused.payment_id, amount_minor=1, reason="more", actor=Actor.user(finance))

    assert more.status == Status.WAITING_APPROVAL


def test_a_waiter_does_not_say_so_and_nobody_without_a_reason(refused: Refund, restaurant: Restaurant) -> None:
    mine = {"payment_id": refused.payment_id, "subject_id": refused.pk, "asked_from": clock.new_id()}
    for person, reason in ((staff(restaurant, Role.WAITER), GAVE_IT), (staff(restaurant, Role.FINANCE), " ")):
        with pytest.raises(ServiceError):
            ask_to_record_given_back(person=person, reason=reason, **mine)
    assert not Approval.objects.exists()
