"""Money that moved twice without our doing: two captures of one attempt, two refunds of one key, one made by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from accounts.models import Restaurant, Role
from events.actors import GUEST
from failures.models import Case, CaseKind
from kernel.money import Money
from payments.gateways.contract import Answer, LookUpResult, RefundFact, Result
from payments.models import Attempt, Payment, Refund, RefundStatus
from payments.services.evidence import Evidence, Finding, Source
from payments.services.refund_requests import request_refund
from payments.services.refund_settlement import settle_refund
from payments.services.settlement import settle_attempt
from payments.services.sweeps import sweep_refunds, sweep_watches
from tests.factories import order_of, paid, staff
from tests.payments.words import DUE, INR, TIMED_OUT, UNREACHABLE, news, waiting
from tests.scripted import ScriptedGateway
from tests.time_machine import ShiftedClock
from tests.two_people import record_refund_not_made

PART = Money(30_000, INR)
NOT_FOUND = LookUpResult(answer=Answer.NOT_FOUND)


@pytest.fixture
def payment(restaurant: Restaurant) -> Payment:
    return paid(order_of(restaurant))


def asked_back(payment: Payment) -> Refund:
    return request_refund(payment_id=payment.pk, amount_minor=PART.minor, reason="cold food", actor=GUEST)


def until(time: ShiftedClock, status: RefundStatus, refund: Refund) -> None:
    for _ in range(20):
        due = Refund.objects.get(pk=refund.pk)
        if due.status == status or due.next_action_at is None:
            return
        time.jump_to(due.next_action_at)
        sweep_refunds(width=1)


def test_a_second_capture_of_one_attempt_is_shown_to_a_human(
    restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    """A guest may try several times under one attempt, and two of the tries may be paid."""
    provider_a.charges.append(TIMED_OUT)
    paid(order_of(restaurant))
    attempt = Attempt.objects.get()
    told = Evidence(source=Source.NOTICE, finding=Finding.SUCCEEDED, money=DUE)

    for reference in ("pay_1", "pay_1", "pay_2"):
        settle_attempt(attempt_id=attempt.pk, evidence=replace(told, reference=reference))

    assert waiting() == [CaseKind.CONTRADICTION]
    assert Attempt.objects.get().captured_minor == DUE.minor


def test_money_goes_back_to_the_try_that_was_paid(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    provider_a.charges.append(replace(TIMED_OUT, reference="pay_1"))
    payment = paid(order_of(restaurant))
    told = Evidence(source=Source.NOTICE, finding=Finding.SUCCEEDED, money=DUE, reference="pay_2")
    settle_attempt(attempt_id=Attempt.objects.get().pk, evidence=told)

    asked_back(payment)
    sweep_refunds(width=1)

    (request,) = [said for verb, said in provider_a.asked if verb == "refund"]
    assert request.charge_reference == "pay_2"


def test_two_refunds_of_one_key_are_both_counted(payment: Payment, provider_a: ScriptedGateway) -> None:
    """Sent twice with the same key, and a provider that forgot it made both."""
    refund = asked_back(payment)
    sweep_refunds(width=1)
    reference = Refund.objects.get().provider_reference
    both = tuple(
        RefundFact(reference=each, money=PART, succeeded=True, key=str(refund.pk)) for each in (reference, "re_2")
    )

    for _ in range(2):
        news(Attempt.objects.get(), refunds=both)

    assert Attempt.objects.get().refunded_minor == 2 * PART.minor
    assert waiting() == [CaseKind.PROVIDER_REFUND]


def test_a_message_about_the_second_refund_of_one_key_makes_us_look(
    payment: Payment, provider_a: ScriptedGateway
) -> None:
    refund = asked_back(payment)
    sweep_refunds(width=1)
    ours, other = Refund.objects.get().provider_reference, "re_2"
    both = tuple(RefundFact(reference=each, money=PART, succeeded=True, key=str(refund.pk)) for each in (ours, other))
    provider_a.look_ups.append(LookUpResult(answer=Answer.SUCCEEDED, money=DUE, refunds=both))

    told = Evidence(source=Source.NOTICE, finding=Finding.SUCCEEDED, money=PART, reference=other)
    settle_refund(refund_id=refund.pk, evidence=told)
    sweep_watches(width=1)

    assert Attempt.objects.get().refunded_minor == 2 * PART.minor
    assert any("re_2 beside" in case.data["reason"] for case in Case.objects.filter(kind=CaseKind.CONTRADICTION))


@pytest.mark.parametrize("first", [TIMED_OUT, UNREACHABLE])
def test_a_refund_that_somebody_made_by_hand_meanwhile_is_not_sent_again(
    restaurant: Restaurant, payment: Payment, provider_a: ScriptedGateway, time: ShiftedClock, first: Result
) -> None:
    refund = asked_back(payment)
    provider_a.refunds.append(first)
    sweep_refunds(width=1)
    news(Attempt.objects.get(), refunds=(RefundFact(reference="dashboard-1", money=PART, succeeded=True),))
    provider_a.look_ups.extend([NOT_FOUND] * 40)

    until(time, RefundStatus.COMPLETED, refund)

    assert provider_a.count("refund") == 1
    assert CaseKind.CONTRADICTION in waiting()
    record_refund_not_made(refund_id=refund.pk, person=staff(restaurant, Role.FINANCE), reason="Made by hand.")
    assert Attempt.objects.get().refunded_minor == PART.minor


def test_nor_is_one_that_was_never_sent(payment: Payment, provider_a: ScriptedGateway, time: ShiftedClock) -> None:
    refund = asked_back(payment)
    news(Attempt.objects.get(), refunds=(RefundFact(reference="dashboard-1", money=PART, succeeded=True),))

    until(time, RefundStatus.COMPLETED, refund)

    assert provider_a.count("refund") == 0
    assert CaseKind.CONTRADICTION in waiting()


def test_a_refund_of_another_amount_at_the_provider_holds_nothing_back(
    payment: Payment, provider_a: ScriptedGateway
) -> None:
    asked_back(payment)
    other = RefundFact(reference="dashboard-1", money=Money(10_000, INR), succeeded=True)
    news(Attempt.objects.get(), refunds=(other,))

    sweep_refunds(width=1)

    assert Attempt.objects.get().refunded_minor == PART.minor + 10_000
