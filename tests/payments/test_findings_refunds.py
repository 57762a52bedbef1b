"""What a second reader found about refunds, so that it stays found: each of these was once false."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from accounts.models import Restaurant, Role
from events.actors import GUEST
from failures.invariants import offences
from failures.models import CaseKind
from kernel import clock
from kernel.money import Money
from orders.models import Order
from payments.gateways.contract import (
    Answer,
    LookUpResult,
    RefundFact,
)
from payments.models import Attempt, NextAction, Refund, RefundStatus
from payments.services.evidence import Evidence, Finding, Source
from payments.services.payments import retry_payment
from payments.services.refund_requests import request_refund
from payments.services.refund_settlement import MAX_REFUND_SENDS, settle_refund
from payments.services.refusals import PaymentRefused, RefundRefused
from payments.services.sweeps import sweep_payments, sweep_refunds, sweep_watches
from tests.factories import order_of, paid, staff
from tests.payments.words import DECLINED, DUE, INR, REFUSED, TIMED_OUT, UNREACHABLE, news, waiting
from tests.scripted import ScriptedGateway
from tests.time_machine import ShiftedClock
from tests.two_people import record_refund_made, record_refund_not_made

FOR_DAYS = 400  # Answers: more than anybody asks for in the days of these tests.


def step(time: ShiftedClock) -> bool:
    """To the refund that is due next, and through it."""
    refund = Refund.objects.filter(next_action_at__isnull=False).order_by("next_action_at").first()
    if refund is None or refund.next_action_at is None:
        return False
    time.jump_to(refund.next_action_at)
    sweep_refunds(width=1)
    return True


def test_a_surplus_that_the_provider_gave_back_already_is_not_given_back_again(
    restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    provider_a.charges.append(DECLINED)
    payment = paid(order_of(restaurant))
    first = Attempt.objects.get()
    retry_payment(payment_id=payment.pk, actor=GUEST)
    sweep_payments(width=1)
    back = RefundFact(reference="auto-1", money=DUE, succeeded=True)

    news(first, refunds=(back,))
    sweep_refunds(width=1)

    assert provider_a.count("refund") == 0
    assert Attempt.objects.get(pk=first.pk).refunded_minor == 84_000


def _bounced(restaurant: Restaurant) -> tuple[Order, Refund]:
    """40k went back and reopened the order, somebody paid them anew, then the refund bounced: 84k + 40k are held."""
    order = order_of(restaurant)
    payment = paid(order)
    refund = request_refund(
        payment_id=payment.pk, amount_minor=40_000, reason="wrong card", actor=GUEST, reopens_order=True
    )
    sweep_refunds(width=1)
    paid(order)
    settle_refund(refund_id=refund.pk, evidence=Evidence(source=Source.LOOK_UP, finding=Finding.DECLINED))
    assert Refund.objects.get().status == RefundStatus.FAILED
    return order, refund


def test_a_refund_that_bounced_and_came_through_reopens_its_order_once(restaurant: Restaurant) -> None:
    order, refund = _bounced(restaurant)

    back = Evidence(source=Source.LOOK_UP, finding=Finding.SUCCEEDED, money=Money(40_000, INR))
    settle_refund(refund_id=refund.pk, evidence=back)

    assert sum(a.captured_minor - a.refunded_minor for a in Attempt.objects.all()) == 84_000
    assert Order.objects.get().payment_state == "paid"
    with pytest.raises(PaymentRefused):
        paid(order)


def test_a_refund_that_bounced_and_is_asked_for_again_reopens_its_order_once(restaurant: Restaurant) -> None:
    order, refund = _bounced(restaurant)

    request_refund(payment_id=refund.payment_id, amount_minor=40_000, reason="again", actor=GUEST, reopens_order=True)
    sweep_refunds(width=1)
    assert sum(a.captured_minor - a.refunded_minor for a in Attempt.objects.all()) == 84_000

    with pytest.raises(PaymentRefused):
        paid(order)


@pytest.mark.parametrize("answer", [Answer.NOT_FOUND, Answer.PENDING])
def test_a_completed_refund_that_the_provider_does_not_know_becomes_a_case(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock, answer: Answer
) -> None:
    payment = paid(order_of(restaurant))
    refund = request_refund(payment_id=payment.pk, reason="cold food", actor=GUEST)
    sweep_refunds(width=1)
    provider_a.look_ups.extend([LookUpResult(answer=answer)] * FOR_DAYS)
    settle_refund(refund_id=refund.pk, evidence=Evidence(source=Source.NOTICE, finding=Finding.DECLINED))
    until = time.now() + timedelta(days=3)

    while time.now() < until and step(time):
        pass

    assert waiting() != []


def test_a_surplus_whose_refund_bounced_has_a_case_again(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    provider_a.charges.append(DECLINED)
    payment = paid(order_of(restaurant))
    first = Attempt.objects.get()
    retry_payment(payment_id=payment.pk, actor=GUEST)
    sweep_payments(width=1)
    news(first)
    sweep_refunds(width=1)
    refund = Refund.objects.get()
    assert (refund.status, waiting()) == (RefundStatus.COMPLETED, [])

    settle_refund(refund_id=refund.pk, evidence=Evidence(source=Source.LOOK_UP, finding=Finding.DECLINED))

    assert list(offences(now=clock.now())) == []


def test_a_refund_under_a_key_that_is_not_ours_is_recorded(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    paid(order_of(restaurant))
    strange = RefundFact(reference="r-9", money=Money(30_000, INR), succeeded=True, key="another-system-17")

    news(Attempt.objects.get(), refunds=(strange,))

    assert Attempt.objects.get().refunded_minor == 30_000


@pytest.mark.parametrize(
    ("end", "status"),
    [(record_refund_made, RefundStatus.COMPLETED), (record_refund_not_made, RefundStatus.FAILED)],
)
def test_a_failed_refund_that_is_asked_about_for_days_can_be_ended_by_a_person(
    restaurant: Restaurant,
    provider_a: ScriptedGateway,
    time: ShiftedClock,
    end: Callable[..., Refund],
    status: RefundStatus,
) -> None:
    payment = paid(order_of(restaurant))
    refund = request_refund(payment_id=payment.pk, amount_minor=30_000, reason="cold food", actor=GUEST)
    provider_a.refunds.append(REFUSED)
    sweep_refunds(width=1)
    news(
        Attempt.objects.get(),
        refunds=(RefundFact(reference="r-1", money=Money(30_000, INR), succeeded=True, key=str(refund.pk)),),
    )
    until = time.now() + timedelta(days=9)
    while time.now() < until and step(time):
        pass

    finance = staff(restaurant, Role.FINANCE)
    end(refund_id=refund.pk, person=finance, reason="Their dashboard shows it.")

    assert Refund.objects.get().status == status
    request_refund(payment_id=payment.pk, amount_minor=10_000, reason="another dish", actor=GUEST)


def test_one_not_found_does_not_overrule_the_charge_s_books(
    restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    payment = paid(order_of(restaurant))
    refund = request_refund(payment_id=payment.pk, amount_minor=30_000, reason="cold food", actor=GUEST)
    provider_a.refunds.append(REFUSED)
    sweep_refunds(width=1)
    news(
        Attempt.objects.get(),
        refunds=(RefundFact(reference="r-1", money=Money(30_000, INR), succeeded=True, key=str(refund.pk)),),
    )
    provider_a.look_ups.append(LookUpResult(answer=Answer.NOT_FOUND))
    sweep_refunds(width=1)

    assert CaseKind.CONTRADICTION in waiting() or Refund.objects.get().next_action == NextAction.LOOK_UP


def test_an_unanswered_look_up_after_a_refused_refund_is_repeated(
    restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    payment = paid(order_of(restaurant))
    request_refund(payment_id=payment.pk, reason="cold food", actor=GUEST)
    provider_a.refunds.append(REFUSED)
    sweep_refunds(width=1)
    sweep_watches(width=1)  # NO_ANSWER

    assert Attempt.objects.get().watch_at is not None


def test_sends_that_never_left_do_not_use_up_those_that_a_doubt_may_have(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    payment = paid(order_of(restaurant))
    request_refund(payment_id=payment.pk, reason="cold food", actor=GUEST)
    provider_a.refunds.extend([UNREACHABLE] * 20 + [TIMED_OUT])
    provider_a.look_ups.extend([LookUpResult(answer=Answer.NOT_FOUND)] * FOR_DAYS)
    until = time.now() + timedelta(days=3)
    while time.now() < until and step(time):
        pass

    assert Refund.objects.get().status == RefundStatus.COMPLETED


def test_a_refund_that_a_person_made_at_the_provider_is_counted_once(
    restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    payment = paid(order_of(restaurant))
    refund = request_refund(payment_id=payment.pk, amount_minor=30_000, reason="cold food", actor=GUEST)
    provider_a.refunds.extend([UNREACHABLE] * MAX_REFUND_SENDS)  # However soon it is tried again.
    sweep_refunds(width=1)
    made = RefundFact(reference="dashboard-1", money=Money(30_000, INR), succeeded=True)
    news(Attempt.objects.get(), refunds=(made,))  # The webhook of what the person did in the provider's dashboard.

    with pytest.raises(RefundRefused) as refused:
        record_refund_made(refund_id=refund.pk, person=staff(restaurant, Role.FINANCE), reason="Made it by hand.")

    assert refused.value.code == "known_already"
    assert Attempt.objects.get().refunded_minor == 30_000
