"""The one door: evidence in any order and any repetition, and what it may and may not do."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Restaurant
from events.actors import GUEST
from events.models import Event
from failures.models import Case, CaseKind, CaseStatus
from kernel import clock
from kernel.money import Money
from orders.models import Order, PaymentState
from orders.services import cancel_order
from payments.gateways.contract import Answer, ErrorCode, LookUpResult, Outcome, RefundFact
from payments.models import Attempt, AttemptStatus, Capture, NextAction, Payment, PaymentStatus, Refund, RefundOrigin
from payments.services.evidence import Evidence, Finding, Source
from payments.services.facts import PaymentEvent
from payments.services.settlement import settle_attempt
from payments.services.sweeps import sweep_payments, sweep_refunds, sweep_watches
from tests.factories import accepted, order_of, paid
from tests.scripted import ScriptedGateway, outcome
from tests.time_machine import ShiftedClock

INR = "INR"


def in_doubt(restaurant: Restaurant, provider: ScriptedGateway, *, total: int = 84_000) -> tuple[Payment, Attempt]:
    provider.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    payment = paid(order_of(restaurant, total))
    return payment, Attempt.objects.get(payment=payment)


def told(finding: Finding, *, minor: int | None = None, currency: str = INR, **more: Any) -> Evidence:
    money = Money(minor, currency) if minor else None
    return Evidence(source=Source.LOOK_UP, finding=finding, money=money, **more)


def settled(attempt: Attempt, evidence: Evidence) -> tuple[Payment, Attempt]:
    settle_attempt(attempt_id=attempt.pk, evidence=evidence)
    return Payment.objects.get(pk=attempt.payment_id), Attempt.objects.get(pk=attempt.pk)


def test_the_same_success_ten_times_is_one_completion(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    _, attempt = in_doubt(restaurant, provider_a)

    for _ in range(10):
        payment, attempt = settled(attempt, told(Finding.SUCCEEDED, minor=84_000))

    assert (payment.status, payment.in_doubt) == (PaymentStatus.COMPLETED, False)
    assert (attempt.status, attempt.captured_minor) == (AttemptStatus.SUCCEEDED, 84_000)
    assert Refund.objects.count() == 0
    assert Case.objects.count() == 0


@pytest.mark.parametrize("finding", [Finding.NO_ANSWER, Finding.UNKNOWN, Finding.NOT_SENT])
def test_silence_ends_no_doubt(restaurant: Restaurant, provider_a: ScriptedGateway, finding: Finding) -> None:
    _, attempt = in_doubt(restaurant, provider_a)

    payment, attempt = settled(attempt, told(finding))

    assert attempt.status == AttemptStatus.UNKNOWN
    assert payment.in_doubt
    assert payment.next_action == NextAction.LOOK_UP


ORDERINGS = list(
    permutations(
        [
            told(Finding.PENDING),
            told(Finding.NO_ANSWER),
            told(Finding.SUCCEEDED, minor=84_000),
            told(Finding.DECLINED, code=ErrorCode.CARD_DECLINED),
        ]
    )
)


@pytest.mark.parametrize("story", ORDERINGS)
def test_whatever_the_order_of_the_news_money_that_moved_is_kept(
    restaurant: Restaurant, provider_a: ScriptedGateway, story: tuple[Evidence, ...]
) -> None:
    _, attempt = in_doubt(restaurant, provider_a)

    for evidence in story:
        payment, attempt = settled(attempt, evidence)

    assert payment.status == PaymentStatus.COMPLETED
    assert attempt.capture == Capture.KEPT
    assert Order.objects.get().payment_state == PaymentState.PAID


def test_another_amount_than_asked_completes_nothing_and_opens_a_case(
    restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    _, attempt = in_doubt(restaurant, provider_a)

    payment, attempt = settled(attempt, told(Finding.SUCCEEDED, minor=90_000))

    assert payment.status == PaymentStatus.PROCESSING
    assert (attempt.status, attempt.mismatch, attempt.capture) == (AttemptStatus.UNKNOWN, True, Capture.UNDECIDED)
    assert attempt.captured_minor == 90_000
    assert Case.objects.get().kind == CaseKind.AMOUNT_MISMATCH


def test_late_money_for_an_unpaid_order_is_kept(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    provider_a.charges.append(outcome(Outcome.DECLINED, ErrorCode.CARD_DECLINED))
    attempt = Attempt.objects.get(payment=paid(order_of(restaurant)))

    payment, attempt = settled(attempt, told(Finding.SUCCEEDED, minor=84_000))

    assert payment.status == PaymentStatus.COMPLETED
    assert (attempt.status, attempt.capture) == (AttemptStatus.LATE_SUCCESS, Capture.KEPT)
    assert Case.objects.get().kind == CaseKind.LATE_SUCCESS


def test_late_money_for_a_paid_order_goes_back_once(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    provider_a.charges.append(outcome(Outcome.DECLINED, ErrorCode.CARD_DECLINED))
    order = order_of(restaurant)
    late = Attempt.objects.get(payment=paid(order))
    paid(order)

    for _ in range(3):
        payment, late = settled(late, told(Finding.SUCCEEDED, minor=84_000))
    sweep_refunds(width=1)

    assert payment.status == PaymentStatus.FAILED
    late = Attempt.objects.get(pk=late.pk)
    assert (late.capture, late.refunded_minor, late.refunding_minor) == (Capture.SURPLUS, 84_000, 0)
    assert Refund.objects.get().origin == RefundOrigin.SURPLUS
    case = Case.objects.get(kind=CaseKind.SURPLUS)
    assert case.status == CaseStatus.RESOLVED
    assert provider_a.count("refund") == 1


def test_money_for_a_cancelled_order_goes_back(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    payment, attempt = in_doubt(restaurant, provider_a)
    cancel_order(order_id=payment.order_id, actor=GUEST)
    assert Attempt.objects.get().status == AttemptStatus.UNKNOWN

    payment, attempt = settled(attempt, told(Finding.SUCCEEDED, minor=84_000))

    assert attempt.capture == Capture.SURPLUS
    assert Refund.objects.get().total_minor == 84_000


def test_not_found_is_believed_late_and_twice_and_then_the_same_key_is_sent_again(
    restaurant: Restaurant, provider_a: ScriptedGateway, provider_b: ScriptedGateway, time: ShiftedClock
) -> None:
    payment, attempt = in_doubt(restaurant, provider_a)

    for _ in range(5):
        payment, attempt = settled(attempt, told(Finding.NOT_FOUND))
    assert (attempt.not_found_count, payment.next_action) == (0, NextAction.LOOK_UP)

    time.jump_to(attempt.invisible_until)
    for _ in range(3):
        payment, attempt = settled(attempt, told(Finding.NOT_FOUND))
    assert (attempt.not_found_count, payment.next_action) == (1, NextAction.LOOK_UP)  # One glance, however often said.
    time.advance(seconds=3)
    payment, attempt = settled(attempt, told(Finding.NOT_FOUND))
    assert payment.next_action == NextAction.RESEND
    sweep_payments(width=1)

    payment = Payment.objects.get()
    assert payment.status == PaymentStatus.COMPLETED
    keys = [request.key for verb, request in provider_a.asked if verb == "charge"]
    assert keys == [str(attempt.pk), str(attempt.pk)]
    assert provider_b.asked == []


def test_a_send_again_that_never_left_proves_nothing_about_the_first_send(
    restaurant: Restaurant, provider_a: ScriptedGateway, provider_b: ScriptedGateway, time: ShiftedClock
) -> None:
    _, attempt = in_doubt(restaurant, provider_a)
    time.jump_to(attempt.invisible_until)
    settled(attempt, told(Finding.NOT_FOUND))
    settled(attempt, told(Finding.NOT_FOUND))
    provider_a.charges.append(outcome(Outcome.NOT_SENT, ErrorCode.UNREACHABLE))

    sweep_payments(width=1)

    assert Attempt.objects.get().status == AttemptStatus.UNKNOWN
    assert Payment.objects.get().in_doubt
    assert provider_b.asked == []


def test_a_key_is_not_sent_again_after_its_lifetime(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    _, attempt = in_doubt(restaurant, provider_a)
    time.advance(hours=24)

    settled(attempt, told(Finding.NOT_FOUND))
    payment, attempt = settled(attempt, told(Finding.NOT_FOUND))

    assert attempt.status == AttemptStatus.UNKNOWN
    assert payment.next_action == NextAction.LOOK_UP


def test_a_doubt_that_nobody_ends_has_a_case_at_its_bound_and_never_fails(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    in_doubt(restaurant, provider_a)
    began = clock.now()

    for _ in range(40):
        payment = Payment.objects.get()
        assert payment.next_action_at is not None
        time.jump_to(payment.next_action_at)
        sweep_payments(width=1)
        if Case.objects.exists():
            break

    assert (clock.now() - began).total_seconds() == pytest.approx(15 * 60, abs=5)
    assert Case.objects.get().kind == CaseKind.IN_DOUBT
    for _ in range(30):
        payment = Payment.objects.get()
        assert payment.next_action_at is not None
        time.jump_to(payment.next_action_at)
        sweep_payments(width=1)
    assert Payment.objects.get().status == PaymentStatus.PROCESSING
    assert Case.objects.count() == 1


def test_a_declined_attempt_is_watched_until_its_window_ends(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    provider_a.charges.append(outcome(Outcome.DECLINED, ErrorCode.CARD_DECLINED))
    paid(order_of(restaurant))
    times = 0

    while (watch_at := Attempt.objects.get().watch_at) is not None:
        time.jump_to(watch_at)
        provider_a.look_ups.append(LookUpResult(answer=Answer.DECLINED))
        assert sweep_watches(width=1) == 1
        times += 1

    assert 5 <= times <= 9
    assert Payment.objects.get().status == PaymentStatus.FAILED


def test_a_sender_that_lost_its_lease_cannot_commit(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    _, attempt = in_doubt(restaurant, provider_a)
    stale = Evidence(
        source=Source.CHARGE, finding=Finding.NOT_SENT, code=ErrorCode.UNREACHABLE, lease_token=clock.new_id()
    )

    result = settle_attempt(attempt_id=attempt.pk, evidence=stale)

    assert result.fenced
    assert Attempt.objects.get().status == AttemptStatus.UNKNOWN


def test_a_refund_that_we_did_not_start_is_recorded_once_and_shown(
    restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    attempt = Attempt.objects.get(payment=paid(order_of(restaurant)))
    fact = RefundFact(reference="dashboard-1", money=Money(10_000, INR), succeeded=True)

    for _ in range(3):
        _, attempt = settled(attempt, told(Finding.SUCCEEDED, minor=84_000, refunds=(fact,)))

    assert (attempt.refunded_minor, attempt.captured_minor) == (10_000, 84_000)
    assert Refund.objects.get().origin == RefundOrigin.PROVIDER
    assert Case.objects.get().kind == CaseKind.PROVIDER_REFUND


def test_the_first_of_two_shares_to_settle_is_kept_and_the_other_goes_back(
    restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    provider_a.charges.append(outcome(Outcome.DECLINED, ErrorCode.CARD_DECLINED))
    order = order_of(restaurant)
    late = Attempt.objects.get(payment=paid(order, amount_minor=50_000))
    paid(order, amount_minor=60_000)

    _, late = settled(late, told(Finding.SUCCEEDED, minor=50_000))

    assert late.capture == Capture.SURPLUS
    assert Order.objects.get().payment_state == PaymentState.PART_PAID


def test_settling_costs_a_bounded_number_of_statements(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    _, attempt = in_doubt(restaurant, provider_a)

    with CaptureQueriesContext(connection) as settling:
        settled(attempt, told(Finding.SUCCEEDED, minor=84_000))

    statements = [query["sql"] for query in settling.captured_queries if query["sql"] not in {"BEGIN", "COMMIT"}]
    assert len(statements) <= 8 + 2 + 2, "\n".join(statements)  # 8, two look for cases to end, two read the result.


def test_a_payment_without_a_provider_left_fails_with_a_case(
    restaurant: Restaurant, provider_a: ScriptedGateway, provider_b: ScriptedGateway, time: ShiftedClock
) -> None:
    refused = outcome(Outcome.NOT_SENT, ErrorCode.UNREACHABLE)
    provider_a.charges.extend([refused] * 3)
    provider_b.charges.extend([refused] * 3)
    payment = paid(order_of(restaurant))

    while payment.next_action_at is not None:
        time.jump_to(payment.next_action_at)
        sweep_payments(width=1)
        payment = Payment.objects.get()

    assert (payment.status, payment.failure_code) == (PaymentStatus.FAILED, "exhausted")
    assert (provider_a.count("charge"), provider_b.count("charge")) == (3, 3)
    assert Case.objects.get().kind == CaseKind.EXHAUSTED


def test_an_accepted_payment_waits_for_the_clock(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    payment = accepted(order_of(restaurant))
    assert (payment.status, provider_a.asked) == (PaymentStatus.PENDING, [])

    assert sweep_payments(width=1) == 1

    assert Payment.objects.get().status == PaymentStatus.COMPLETED


def test_a_reference_that_belongs_to_another_attempt_decides_nothing(
    restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    provider_a.charges.append(outcome(Outcome.SUCCEEDED, money=Money(84_000, INR), reference="same"))
    paid(order_of(restaurant))
    provider_a.charges.append(outcome(Outcome.SUCCEEDED, money=Money(84_000, INR), reference="same"))

    payment = paid(order_of(restaurant))

    assert (payment.status, payment.in_doubt, payment.next_action) == ("processing", True, NextAction.LOOK_UP)
    assert Case.objects.get(payment=payment).kind == CaseKind.CONTRADICTION


def test_a_long_reference_is_no_obstacle(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    provider_a.charges.append(outcome(Outcome.SUCCEEDED, money=Money(84_000, INR), reference="r" * 400))

    assert paid(order_of(restaurant)).status == PaymentStatus.COMPLETED


@pytest.mark.parametrize("finding", [Finding.CANCELLED, Finding.DECLINED])
def test_a_no_about_captured_money_is_a_human_s(restaurant: Restaurant, finding: Finding) -> None:
    """Some providers void a captured payment that way: nothing of ours would ever tell."""
    paid(order_of(restaurant))

    payment, attempt = settled(Attempt.objects.get(), told(finding))

    assert (payment.status, attempt.capture) == (PaymentStatus.COMPLETED, Capture.KEPT)
    assert Case.objects.get().kind == CaseKind.CONTRADICTION


def test_the_guest_s_link_is_not_in_an_event(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    """It pays for whoever has it, and an event is for ever."""
    step = {"kind": "redirect", "url": "https://pay.example/s3cret"}
    provider_a.charges.append(outcome(Outcome.PENDING, next_step=step))
    paid(order_of(restaurant))

    event = Event.objects.get(type=PaymentEvent.ACTION_REQUIRED)
    assert event.data == {"attempt": str(Attempt.objects.get().pk), "kind": "redirect"}
    assert Attempt.objects.get().next_step == step
