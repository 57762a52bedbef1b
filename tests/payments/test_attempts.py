"""A charge through the services, against scripted providers."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Restaurant
from orders.models import Order, PaymentState
from payments.gateways.contract import ErrorCode, Outcome
from payments.models import Attempt, AttemptStatus, Capture, NextAction, Payment, PaymentStatus
from tests.factories import order_of, paid
from tests.scripted import ScriptedGateway, outcome


def test_a_charge_that_succeeds_completes_the_payment_and_pays_the_order(
    restaurant: Restaurant, provider_a: ScriptedGateway, provider_b: ScriptedGateway
) -> None:
    order = order_of(restaurant)

    payment = paid(order, tip_minor=5_000)

    assert payment.status == PaymentStatus.COMPLETED
    attempt = Attempt.objects.get()
    assert (attempt.status, attempt.capture, attempt.captured_minor) == (AttemptStatus.SUCCEEDED, Capture.KEPT, 89_000)
    assert attempt.routing["chosen"] == "a"
    assert Order.objects.get().payment_state == PaymentState.PAID
    assert provider_a.count("charge") == 1
    assert provider_b.asked == []


def test_accepting_and_completing_costs_two_commits_and_at_most_15_statements(restaurant: Restaurant) -> None:
    order = order_of(restaurant)

    with CaptureQueriesContext(connection) as captured:
        payment = paid(order)

    assert payment.status == PaymentStatus.COMPLETED
    said = [query["sql"] for query in captured.captured_queries]
    statements = [sql for sql in said if sql not in {"BEGIN", "COMMIT"}]
    assert said.count("COMMIT") == 2
    assert len(statements) <= 15, "\n".join(statements)


def test_a_timeout_is_doubt_and_never_reaches_the_other_provider(
    restaurant: Restaurant, provider_a: ScriptedGateway, provider_b: ScriptedGateway
) -> None:
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))

    payment = paid(order_of(restaurant))

    assert payment.status == PaymentStatus.PROCESSING
    assert payment.in_doubt
    assert payment.next_action == NextAction.LOOK_UP
    assert Attempt.objects.get().status == AttemptStatus.UNKNOWN
    assert provider_b.asked == []


@pytest.mark.parametrize("code", [ErrorCode.UNREACHABLE, ErrorCode.CIRCUIT_OPEN, ErrorCode.RATE_LIMITED])
def test_what_was_provably_not_sent_goes_to_the_next_provider_at_once(
    restaurant: Restaurant, provider_a: ScriptedGateway, provider_b: ScriptedGateway, code: ErrorCode
) -> None:
    provider_a.charges.append(outcome(Outcome.NOT_SENT, code))

    payment = paid(order_of(restaurant))

    assert payment.status == PaymentStatus.COMPLETED
    assert [attempt.status for attempt in Attempt.objects.order_by("number")] == ["not_sent", "succeeded"]
    assert provider_b.count("charge") == 1


def test_a_decline_that_the_guest_can_act_on_fails_the_payment_and_opens_no_case(
    restaurant: Restaurant, provider_a: ScriptedGateway, provider_b: ScriptedGateway
) -> None:
    provider_a.charges.append(outcome(Outcome.DECLINED, ErrorCode.INSUFFICIENT_FUNDS))

    payment = paid(order_of(restaurant))

    assert (payment.status, payment.failure_code) == (PaymentStatus.FAILED, "insufficient_funds")
    assert payment.cases.count() == 0
    assert provider_b.asked == []
    assert Payment.objects.get().next_action == NextAction.NONE
