"""Each behaviour of the sandbox provider, over real services, tasks, sockets and webhooks, until all is at rest."""

from __future__ import annotations

import time as real_time
from collections.abc import Iterable
from dataclasses import dataclass

import pytest

from accounts.models import Restaurant
from events.actors import GUEST
from failures.models import Case
from orders.models import Order
from payments.models import Attempt, Payment, PaymentStatus, Refund, RefundStatus
from payments.services.refund_requests import request_refund
from sandbox.behaviours import CHARGES
from tests.factories import order_of, paid
from tests.scenarios.conftest import World
from tests.scenarios.sandbox_process import SandboxProcess


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How it has to end when everything came to rest."""

    status: PaymentStatus
    code: str = ""
    cases: frozenset[str] = frozenset()
    in_doubt_first: bool = False
    reaches_b: bool = False


PAID = End(status=PaymentStatus.COMPLETED)
PAID_AFTER_DOUBT = End(status=PaymentStatus.COMPLETED, in_doubt_first=True)
MISMATCH = End(status=PaymentStatus.PROCESSING, cases=frozenset({"amount_mismatch"}), in_doubt_first=True)


def failed(code: str, *, reaches_b: bool = False, cases: frozenset[str] = frozenset()) -> End:
    return End(status=PaymentStatus.FAILED, code=code, reaches_b=reaches_b, cases=cases)


ENDS: dict[str, End] = {
    "sim_ok": PAID,
    "sim_decline_insufficient_funds": failed("insufficient_funds"),
    "sim_decline_expired_card": failed("expired_card"),
    "sim_decline_incorrect_cvc": failed("incorrect_details"),
    "sim_decline_do_not_honor": failed("card_declined"),
    "sim_decline_fraud": failed("fraud_suspected"),
    "sim_decline_stolen_card": failed("stolen_card"),
    "sim_decline_issuer_unavailable": failed("exhausted", reaches_b=True, cases=frozenset({"exhausted"})),
    "sim_timeout_before_effect": PAID_AFTER_DOUBT,
    "sim_timeout_after_effect": PAID_AFTER_DOUBT,
    "sim_5xx_before_effect": PAID_AFTER_DOUBT,
    "sim_5xx_after_effect": PAID_AFTER_DOUBT,
    "sim_slow_8s": PAID,
    "sim_slow_loris": PAID_AFTER_DOUBT,
    "sim_reset_before_effect": PAID_AFTER_DOUBT,
    "sim_reset": PAID_AFTER_DOUBT,
    "sim_garbage": PAID_AFTER_DOUBT,
    "sim_truncated": PAID_AFTER_DOUBT,
    "sim_huge_body": PAID_AFTER_DOUBT,
    "sim_html_403": PAID_AFTER_DOUBT,
    "sim_pending_then_ok": PAID,
    "sim_pending_then_declined": failed("card_declined"),
    "sim_pending_for_ever": failed("expired"),
    "sim_pending_not_cancellable": failed("expired"),
    "sim_late_success": End(status=PaymentStatus.COMPLETED, cases=frozenset({"late_success"})),
    "sim_pending_late_success": PAID,
    "sim_wrong_amount": MISMATCH,
    "sim_wrong_currency": MISMATCH,
    "sim_duplicate_webhook": PAID,
    "sim_late_webhook": PAID,
    "sim_forged_webhook": failed("expired"),
    "sim_no_webhook": PAID,
    "sim_action_required": failed("expired"),
    "sim_not_found_then_found": PAID_AFTER_DOUBT,
}
# Steered by the charge's token, seen in a refund of it.
REFUND_ENDS = {
    "sim_refund_timeout_after_effect": "completed",
    "sim_refund_timeout_before_effect": "completed",
    "sim_refund_declined": "failed",
    "sim_refund_pending_then_ok": "completed",
    "sim_refund_ok_then_failed": "failed",
    "sim_refund_5xx_after_effect": "completed",
    "sim_refund_not_found_then_found": "completed",
}


def test_every_behaviour_of_the_sandbox_has_its_scenario() -> None:
    assert {*ENDS, *REFUND_ENDS} == {token for token in CHARGES if token}


@pytest.mark.parametrize("webhooks", ["webhooks", "no_webhooks"])
@pytest.mark.parametrize("token", ENDS)
def test_charge(restaurant: Restaurant, world: World, b: SandboxProcess, token: str, webhooks: str) -> None:
    """A lost webhook changes how soon we know, never what we know."""
    order = order_of(restaurant)
    end = ENDS[token]
    if webhooks == "no_webhooks":
        world.lose_webhooks()

    payment = paid(order, instrument=token)
    if webhooks == "no_webhooks":
        assert payment.in_doubt == end.in_doubt_first
    _let_the_provider_catch_up(world, Attempt.objects.filter(payment=payment))
    world.rest()

    payment = Payment.objects.get()
    assert (payment.status, payment.failure_code) == (end.status, end.code)
    assert frozenset(Case.objects.values_list("kind", flat=True)) == end.cases
    assert b.is_untouched_by(order.reference) != end.reaches_b
    world.assert_books_agree()
    if end.status == PaymentStatus.COMPLETED:
        captured = world.sandboxes["sandbox_a"].books()[order.reference]["captured"]
        assert captured == {"INR": order.total_minor}


@pytest.mark.parametrize("token", REFUND_ENDS)
def test_refund(restaurant: Restaurant, world: World, token: str) -> None:
    payment = paid(order_of(restaurant), instrument=token)
    # On a machine under load the answer may come after its deadline: then it is asked for.
    while Payment.objects.get().status != PaymentStatus.COMPLETED:
        assert world.go_on()

    refund = request_refund(payment_id=payment.pk, amount_minor=30_000, reason="cold food", actor=GUEST)
    # Not to rest yet: the last look is days ahead, and what the sandbox says would be too old by then.
    while Refund.objects.get().status not in {RefundStatus.COMPLETED, RefundStatus.FAILED}:
        assert world.go_on()
    world.sandboxes["sandbox_a"].happen_now(str(refund.pk))
    real_time.sleep(0.3)  # The webhook that tells of it.
    world.rest()

    assert Refund.objects.get().status == REFUND_ENDS[token]
    world.assert_books_agree()
    assert Attempt.objects.get().refunding_minor == 0
    assert Order.objects.get().payment_state == "paid"


def _let_the_provider_catch_up(world: World, attempts: Iterable[Attempt]) -> None:
    """What the sandbox does by itself, it does in real time: all of it within its longest wait at this scale."""
    for attempt in attempts:
        world.sandboxes[attempt.account.provider].happen_now(str(attempt.pk))
    real_time.sleep(0.1)
