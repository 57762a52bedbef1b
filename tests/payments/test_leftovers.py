"""What is still live when its payment has ended: watched, closed, or shown to a human, and never kept twice."""

from __future__ import annotations

import pytest

from accounts.models import Restaurant, Role
from events.actors import GUEST
from events.models import Event
from failures.models import CaseKind
from kernel.money import Money
from payments.gateways.contract import Answer, CancelAnswer, CancelResult, ErrorCode, LookUpResult, Outcome, Result
from payments.models import Attempt, AttemptStatus, Capture, Payment, PaymentStatus, Refund, RefundStatus
from payments.services import timing
from payments.services.attempts import begin_attempt
from payments.services.evidence import Evidence, Finding, Source
from payments.services.facts import PaymentEvent
from payments.services.mismatches import MismatchChoice
from payments.services.operators import resolve_mismatch
from payments.services.payments import retry_payment
from payments.services.settlement import settle_attempt
from payments.services.sweeps import sweep_payments, sweep_refunds, sweep_watches
from tests.factories import order_of, paid, staff
from tests.payments.words import DUE, INR, waiting
from tests.scripted import ScriptedGateway, outcome, succeeded
from tests.time_machine import ShiftedClock
from tests.two_people import record_charged, record_not_charged


def tried_again(restaurant: Restaurant, provider: ScriptedGateway) -> tuple[Payment, Attempt]:
    """Declined and tried again by the guest: the payment, and its first attempt, on which money may still arrive."""
    provider.charges.append(outcome(Outcome.DECLINED, ErrorCode.CARD_DECLINED))
    payment = paid(order_of(restaurant))
    return retry_payment(payment_id=payment.pk, actor=GUEST), Attempt.objects.get()


def arrives_late(attempt: Attempt) -> None:
    settle_attempt(attempt_id=attempt.pk, evidence=Evidence(source=Source.NOTICE, finding=Finding.SUCCEEDED, money=DUE))


def outrun(restaurant: Restaurant, provider: ScriptedGateway, *answers: Result) -> Attempt:
    """The second attempt is still live, and the late money of the first has completed the payment."""
    _, first = tried_again(restaurant, provider)
    provider.charges.extend(answers)
    sweep_payments(width=1)
    arrives_late(first)
    assert Payment.objects.get().status == PaymentStatus.COMPLETED
    return Attempt.objects.exclude(pk=first.pk).get()


def watched(time: ShiftedClock) -> Attempt:
    due = Attempt.objects.filter(watch_at__isnull=False).order_by("watch_at").first()
    assert due is not None
    assert due.watch_at is not None
    time.jump_to(due.watch_at)
    sweep_watches(width=1)
    return Attempt.objects.get(pk=due.pk)


def test_another_amount_on_an_attempt_that_was_outrun_goes_back_by_itself(
    restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    attempt = outrun(restaurant, provider_a, outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))

    other = Evidence(source=Source.NOTICE, finding=Finding.SUCCEEDED, money=Money(90_000, INR))
    settle_attempt(attempt_id=attempt.pk, evidence=other)
    sweep_refunds(width=1)

    attempt = Attempt.objects.get(pk=attempt.pk)
    assert (attempt.capture, attempt.mismatch, attempt.refunded_minor) == (Capture.SURPLUS, False, 90_000)
    assert waiting() == [CaseKind.LATE_SUCCESS]


def test_an_undecided_amount_that_was_outrun_can_still_be_given_back(
    restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    attempt = outrun(restaurant, provider_a, succeeded(Money(90_000, INR)))
    assert (attempt.mismatch, CaseKind.AMOUNT_MISMATCH in waiting()) == (True, True)

    resolve_mismatch(
        payment_id=attempt.payment_id,
        choice=MismatchChoice.REFUND_ALL,
        person=staff(restaurant, Role.FINANCE),
        reason="The other capture is kept.",
    )
    sweep_refunds(width=1)

    attempt = Attempt.objects.get(pk=attempt.pk)
    assert (attempt.status, attempt.capture, attempt.refunded_minor) == ("succeeded", Capture.SURPLUS, 90_000)
    assert waiting() == [CaseKind.LATE_SUCCESS]


def test_an_undecided_amount_is_not_cancelled_by_the_watch(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    outrun(restaurant, provider_a, succeeded(Money(90_000, INR)))

    assert watched(time).mismatch
    assert provider_a.count("cancel") == 0


def test_a_doubt_that_was_outrun_is_asked_about_tells_a_human_and_can_be_ended_by_one(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    provider_a.cancels.extend([CancelResult(answer=CancelAnswer.NO_ANSWER)] * 50)
    attempt = outrun(restaurant, provider_a, outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    since = attempt.doubt_since
    assert since is not None

    while time.now() < since + timing.DOUBT_BOUND:
        attempt = watched(time)
    assert attempt.status == AttemptStatus.UNKNOWN
    assert waiting() == [CaseKind.IN_DOUBT, CaseKind.LATE_SUCCESS]

    record_not_charged(
        payment_id=attempt.payment_id, person=staff(restaurant, Role.FINANCE), reason="Their books have nothing."
    )
    assert Attempt.objects.get(pk=attempt.pk).status == AttemptStatus.NOT_CHARGED
    assert Payment.objects.get().status == PaymentStatus.COMPLETED
    assert waiting() == [CaseKind.LATE_SUCCESS]


def test_a_sender_that_died_after_its_payment_was_completed_is_asked_about(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    payment, first = tried_again(restaurant, provider_a)
    sending = begin_attempt(payment_id=payment.pk)
    assert sending is not None
    arrives_late(first)

    sweep_watches(width=1)
    assert provider_a.count("cancel") == 0  # Its sender may be at it right now.
    time.advance(seconds=timing.lease().total_seconds())
    provider_a.look_ups.append(LookUpResult(answer=Answer.SUCCEEDED, money=DUE))
    provider_a.cancels.append(CancelResult(answer=CancelAnswer.TOO_LATE))
    sweep_watches(width=1)

    attempt = Attempt.objects.get(pk=sending.attempt.pk)
    assert (attempt.status, attempt.capture) == (AttemptStatus.SUCCEEDED, Capture.SURPLUS)
    sweep_refunds(width=1)
    assert Refund.objects.get().status == RefundStatus.COMPLETED


def test_a_sender_that_died_after_its_payment_was_completed_is_closed_by_a_confirmed_cancel(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    payment, first = tried_again(restaurant, provider_a)
    sending = begin_attempt(payment_id=payment.pk)
    assert sending is not None
    arrives_late(first)

    time.advance(seconds=timing.lease().total_seconds())
    sweep_watches(width=1)

    assert Attempt.objects.get(pk=sending.attempt.pk).status == AttemptStatus.NOT_CHARGED


def test_the_case_of_a_doubt_ends_with_the_doubt_and_not_with_the_payment(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    _, first = tried_again(restaurant, provider_a)
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    sweep_payments(width=1)
    for _ in range(8):
        due = Payment.objects.get().next_action_at
        assert due is not None
        time.jump_to(due)
        sweep_payments(width=1)
    assert waiting() == [CaseKind.IN_DOUBT]

    arrives_late(first)
    assert waiting() == [CaseKind.IN_DOUBT, CaseKind.LATE_SUCCESS]

    doubtful = Attempt.objects.exclude(pk=first.pk).get()
    no = Evidence(source=Source.LOOK_UP, finding=Finding.DECLINED)
    for _ in range(2):
        settle_attempt(attempt_id=doubtful.pk, evidence=no)
    assert waiting() == [CaseKind.LATE_SUCCESS]
    assert Event.objects.filter(type=PaymentEvent.DOUBT_ENDED).count() == 1


@pytest.mark.parametrize(
    ("captured", "status"), [(84_000, PaymentStatus.COMPLETED), (90_000, PaymentStatus.PROCESSING)]
)
def test_a_named_person_who_saw_the_money_at_the_provider_ends_the_doubt(
    restaurant: Restaurant, provider_a: ScriptedGateway, captured: int, status: PaymentStatus
) -> None:
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    payment = paid(order_of(restaurant))

    record_charged(
        payment_id=payment.pk,
        captured_minor=captured,
        person=staff(restaurant, Role.FINANCE),
        reason="Their dashboard shows it.",
    )

    assert Payment.objects.get().status == status
    assert waiting() == ([] if status == PaymentStatus.COMPLETED else [CaseKind.AMOUNT_MISMATCH])
