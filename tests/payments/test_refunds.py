"""Refunds: reserved before any call, one key for ever, never above what was captured."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Restaurant, Role
from events.actors import Actor, ActorKind
from failures.models import Case, CaseKind, CaseStatus
from kernel import clock
from kernel.money import Money
from kernel.shown import in_words
from orders.models import Order, PaymentState
from payments.gateways.contract import Answer, ErrorCode, LookUpResult, Outcome
from payments.models import Attempt, NextAction, Payment, Refund, RefundStatus
from payments.refund_outlooks import refund_outlook_of
from payments.services.evidence import Evidence, Finding, Source
from payments.services.refund_requests import request_refund
from payments.services.refund_settlement import settle_refund
from payments.services.refusals import RefundRefused
from payments.services.sweeps import sweep_refunds
from tests.factories import accepted, order_of, paid, staff
from tests.scripted import ScriptedGateway, outcome
from tests.time_machine import ShiftedClock


@pytest.fixture
def payment(restaurant: Restaurant) -> Payment:
    return paid(order_of(restaurant), tip_minor=6_000)


@pytest.fixture
def finance(restaurant: Restaurant) -> Actor:
    return Actor.user(staff(restaurant, Role.FINANCE))


def asked_for(payment: Payment, actor: Actor, amount: int | None = None, **more: Any) -> Refund:
    return request_refund(payment_id=payment.pk, amount_minor=amount, reason="cold food", actor=actor, **more)


def swept(time: ShiftedClock, times: int = 1) -> Refund:
    for _ in range(times):
        due = Refund.objects.get().next_action_at
        assert due is not None
        time.jump_to(due)
        sweep_refunds(width=1)
    return Refund.objects.get()


def test_a_full_refund_gives_everything_back_with_the_tip(payment: Payment, finance: Actor) -> None:
    refund = asked_for(payment, finance)
    assert (refund.amount_minor, refund.tip_minor) == (84_000, 6_000)
    assert Attempt.objects.get().refunding_minor == 90_000

    sweep_refunds(width=1)

    attempt = Attempt.objects.get()
    assert (attempt.refunded_minor, attempt.refunding_minor) == (90_000, 0)
    assert Refund.objects.get().status == RefundStatus.COMPLETED
    assert Order.objects.get().payment_state == PaymentState.REFUNDED


@pytest.mark.parametrize(
    ("amount", "tip", "code"),
    [(90_001, 0, "more_than_left"), (0, 0, "bad_amount"), (-1, 0, "bad_amount"), (1, -1, "bad_amount")],
)
def test_bad_refunds_are_refused_and_nothing_is_written(
    payment: Payment, finance: Actor, amount: int, tip: int, code: str
) -> None:
    with pytest.raises(RefundRefused) as refused:
        asked_for(payment, finance, amount, tip_minor=tip)

    assert (refused.value.code, refused.value.field) == (code, "amount")
    assert Refund.objects.count() == 0
    assert Attempt.objects.get().refunding_minor == 0


def test_a_refund_needs_a_reason_without_a_card_number(payment: Payment, finance: Actor) -> None:
    for reason, code in ((" ", "no_reason"), ("card 4111 1111 1111 1111", "card_number")):
        with pytest.raises(RefundRefused) as refused:
            request_refund(payment_id=payment.pk, reason=reason, actor=finance)
        assert refused.value.code == code


def test_a_refund_in_doubt_is_asked_about_and_sent_again_with_the_same_key(
    payment: Payment, finance: Actor, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    provider_a.refunds.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    refund = asked_for(payment, finance, 10_000)
    refund = swept(time)
    assert (refund.status, refund.in_doubt) == (RefundStatus.PROCESSING, True)
    assert refund.invisible_until is not None

    time.jump_to(refund.invisible_until)
    provider_a.look_ups.extend([LookUpResult(answer=Answer.NOT_FOUND)] * 2)
    refund = swept(time, times=2)

    assert refund.status == RefundStatus.COMPLETED
    assert [request.key for verb, request in provider_a.asked if verb == "refund"] == [str(refund.pk)] * 2


def test_after_its_keys_lifetime_nothing_is_sent_and_a_human_is_told(
    payment: Payment, finance: Actor, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    provider_a.refunds.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    asked_for(payment, finance, 10_000)
    swept(time)
    time.advance(hours=24)
    provider_a.look_ups.extend([LookUpResult(answer=Answer.NOT_FOUND)] * 4)

    refund = swept(time, times=4)

    assert (refund.status, refund.in_doubt, refund.next_action) == ("processing", True, NextAction.LOOK_UP)
    assert provider_a.count("refund") == 1
    assert Case.objects.get().kind == CaseKind.REFUND_IN_DOUBT


def test_a_refund_that_provably_never_left_is_sent_again(
    payment: Payment, finance: Actor, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    provider_a.refunds.extend([outcome(Outcome.NOT_SENT, ErrorCode.UNREACHABLE)] * 2)
    asked_for(payment, finance, 10_000)

    while (due := Refund.objects.get().next_action_at) is not None:
        time.jump_to(due)
        sweep_refunds(width=1)

    refund = Refund.objects.get()
    assert (refund.status, refund.sends, refund.failed_sends) == (RefundStatus.COMPLETED, 3, 2)


def test_a_refused_refund_frees_its_reservation_and_opens_a_case(
    payment: Payment, finance: Actor, provider_a: ScriptedGateway
) -> None:
    provider_a.refunds.append(outcome(Outcome.DECLINED, ErrorCode.REFUND_REFUSED))
    asked_for(payment, finance)

    sweep_refunds(width=1)

    assert Refund.objects.get().status == RefundStatus.FAILED
    assert Attempt.objects.get().refunding_minor == 0
    assert Case.objects.get().kind == CaseKind.REFUND_FAILED
    assert asked_for(payment, finance).total_minor == 90_000


def test_a_refund_that_bounces_days_later_counts_as_money_we_hold_again(
    payment: Payment, finance: Actor, provider_a: ScriptedGateway
) -> None:
    refund = asked_for(payment, finance, 10_000)
    sweep_refunds(width=1)
    bounced = Evidence(source=Source.NOTICE, finding=Finding.DECLINED, code=ErrorCode.REFUND_REFUSED)
    provider_a.look_ups.append(LookUpResult(answer=Answer.DECLINED, code=ErrorCode.REFUND_REFUSED))

    settle_refund(refund_id=refund.pk, evidence=bounced)
    assert Refund.objects.get().status == RefundStatus.COMPLETED  # On a message's word alone nothing is taken back.
    sweep_refunds(width=1)

    assert Attempt.objects.get().refunded_minor == 0
    case = Case.objects.get()
    assert (case.kind, case.status) == (CaseKind.REFUND_FAILED, CaseStatus.OPEN)


def test_a_bounced_refund_that_had_reopened_its_order_is_owed_not_kept(restaurant: Restaurant, finance: Actor) -> None:
    order = order_of(restaurant)
    payment = paid(order)
    refund = asked_for(payment, finance, 84_000, reopens_order=True)
    sweep_refunds(width=1)
    paid(order)
    bounced = Evidence(source=Source.LOOK_UP, finding=Finding.DECLINED, code=ErrorCode.REFUND_REFUSED)

    settle_refund(refund_id=refund.pk, evidence=bounced)

    assert Attempt.objects.get(payment=payment).refundable_minor == 84_000
    assert Order.objects.get().payment_state == PaymentState.PAID
    assert Case.objects.get().kind == CaseKind.REFUND_FAILED


def test_another_amount_than_asked_completes_no_refund(
    payment: Payment, finance: Actor, provider_a: ScriptedGateway
) -> None:
    provider_a.refunds.append(outcome(Outcome.SUCCEEDED, money=Money(9_999, "INR")))
    asked_for(payment, finance, 10_000)

    sweep_refunds(width=1)

    assert Refund.objects.get().status == RefundStatus.PROCESSING
    assert Case.objects.get().kind == CaseKind.CONTRADICTION


def test_only_a_refund_that_says_so_makes_the_order_payable_again(restaurant: Restaurant, finance: Actor) -> None:
    order = order_of(restaurant)
    payment = paid(order)
    asked_for(payment, finance, 20_000)
    sweep_refunds(width=1)
    with pytest.raises(Exception, match="paid already"):
        accepted(order)

    asked_for(payment, finance, 30_000, reopens_order=True)
    sweep_refunds(width=1)

    assert accepted(order).amount_minor == 30_000


def statements(captured: CaptureQueriesContext) -> int:
    return sum(query["sql"] not in {"BEGIN", "COMMIT"} for query in captured.captured_queries)


def test_a_refund_by_name_is_written_down_with_a_few_statements_more(payment: Payment, finance: Actor) -> None:
    """How the payment looked is read twice, and the entry is put behind the last one of its chain. Whoever asks by name
    is asked for a role and may have a limit, and what was given back before counts."""
    asked_for(payment, finance, 1_000)

    with CaptureQueriesContext(connection) as asking:
        asked_for(payment, finance, 2_000)

    assert statements(asking) <= 10 + 13


def test_statements_of_asking_for_and_completing_a_refund(payment: Payment) -> None:
    with CaptureQueriesContext(connection) as asking:
        asked_for(payment, Actor(kind=ActorKind.API_KEY, id=str(clock.new_id())))
    with CaptureQueriesContext(connection) as sweeping:
        sweep_refunds(width=1)

    # One of them asks whether an earlier refund may have moved after all, and one how much its caller may give back.
    assert statements(asking) <= 10
    assert statements(sweeping) <= 24


def test_while_an_earlier_one_is_asked_about_nothing_goes_back_and_the_page_says_until_when(
    payment: Payment, finance: Actor
) -> None:
    first, second = asked_for(payment, finance, 100), asked_for(payment, finance, 200)
    for refund in (first, second):
        declined = Evidence(source=Source.LOOK_UP, finding=Finding.DECLINED)
        settle_refund(refund_id=refund.pk, evidence=declined)
    assert refund_outlook_of(payment, zone="UTC").locked == ""
    soon, later = (datetime(2099, 1, 1, hour, tzinfo=UTC) for hour in (9, 10))
    Refund.objects.filter(pk=first.pk).update(next_action=NextAction.LOOK_UP, next_action_at=later)
    Refund.objects.filter(pk=second.pk).update(next_action=NextAction.LOOK_UP, next_action_at=soon)

    assert refund_outlook_of(payment, zone="UTC").locked.endswith(f"is asked about it next at {in_words(soon, 'UTC')}.")
    with pytest.raises(RefundRefused) as refused:
        asked_for(payment, finance, 300)
    assert refused.value.code == "being_asked"
