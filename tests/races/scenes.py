"""The scenes: starting positions of a race, each with what its actors have in their hands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from unittest import mock
from uuid import UUID

from events.actors import GUEST
from orders.models import Order
from payments.gateways.contract import Outcome
from payments.models import Attempt, Method, NextAction, Payment
from payments.services import attempts, refunds, timing
from payments.services.attempts import Sending, begin_attempt, resend_attempt, send_charge
from payments.services.cash import CashTaken, confirm_cash
from payments.services.evidence import Evidence, Finding, Source
from payments.services.notices import receive_notice
from payments.services.payments import reserve_share, retry_payment
from payments.services.refund_requests import request_refund
from payments.services.refunds import send_refund
from payments.services.settlement import settle_attempt
from sandbox.behaviours import ChargeStatus
from sandbox.notices import Webhook
from tests.factories import accepted, draft_for, order_of, paid
from tests.races.ground import Ground
from tests.races.rest import work_until

TOTAL = 84_000
TIP = 1_000
SHARE = 50_000  # Of an order that two guests pay.
PART = 40_000  # Of a capture that is refunded in parts.
WAITER_IS_CALLED = Evidence(source=Source.CHARGE, finding=Finding.PENDING)


@dataclass
class Scene:
    """What the race is about. Whoever acts knows it beforehand: reading it would be one more cut."""

    ground: Ground
    order: Order
    payment: Payment
    attempt: UUID | None = None
    refund: UUID | None = None
    sending: Sending | None = None  # Of a sender that is about to send.
    answer: Evidence | None = None  # In the hands of a sender that has not settled it yet.
    news: tuple[str, Webhook] | None = None  # A signed message on its way.
    told: list[tuple[str, str]] = field(default_factory=list)  # Under which key clients heard of what, in one trial.

    @property
    def attempt_id(self) -> UUID:
        assert self.attempt is not None
        return self.attempt

    @property
    def refund_id(self) -> UUID:
        assert self.refund is not None
        return self.refund

    @property
    def given_answer(self) -> Evidence:
        assert self.answer is not None
        return self.answer


Build = Callable[[Ground], Scene]
SCENES: dict[str, Build] = {}


def scene(build: Build) -> Build:
    SCENES[build.__name__] = build
    return build


@scene
def accepted_by_the_clock(ground: Ground) -> Scene:
    """Its first attempt is due now."""
    order = order_of(ground.restaurant, TOTAL)
    return Scene(ground, order, accepted(order, instrument="sim_ok"))


@scene
def about_to_send(ground: Ground) -> Scene:
    """The attempt is committed; not a byte has left."""
    found = accepted_by_the_clock(ground)
    sending = begin_attempt(payment_id=found.payment.pk)
    assert sending is not None
    found.sending, found.attempt = sending, sending.attempt.pk
    return found


@scene
def sent(ground: Ground) -> Scene:
    """The provider charged; its answer is in the sender's hands, its message on the way."""
    found = about_to_send(ground)
    assert found.sending is not None
    found.answer = _unsettled(found.sending)
    found.news = _latest_news(ground)
    return found


@scene
def sender_stalled(ground: Ground) -> Scene:
    """As before, but the sender slept until its lease was over."""
    found = sent(ground)
    ground.clock.advance(_lease() + 1)
    return found


@scene
def doubt(ground: Ground) -> Scene:
    """Charged, and the answer was lost. The first look-up is due."""
    order = order_of(ground.restaurant, TOTAL)
    found = _of(ground, order, paid(order, instrument="sim_5xx_after_effect"))
    found.news = _latest_news(ground)
    _until_due(found)
    return found


@scene
def sent_again(ground: Ground) -> Scene:
    """Sent twice with one key; the second sender has its answer, and its lease is over: everybody may act."""
    found = not_there(ground)
    work_until(ground, lambda: _next_action(found) == NextAction.RESEND)
    ground.clock.jump_to(_due(found))
    sending = resend_attempt(payment_id=found.payment.pk)
    assert sending is not None
    found.answer = _unsettled(sending)
    found.news = _latest_news(ground)
    ground.clock.advance(_lease() + 1)
    return found


@scene
def not_there(ground: Ground) -> Scene:
    """In doubt, never charged, not found once: the next look-up leads to another send."""
    order = order_of(ground.restaurant, TOTAL)
    found = _of(ground, order, paid(order, instrument="sim_timeout_before_effect"))
    work_until(ground, lambda: Attempt.objects.get(pk=found.attempt_id).not_found_count == 1)
    _until_due(found)
    return found


@scene
def cash_waits(ground: Ground) -> Scene:
    """A waiter may come, the guest's time is over, and the rest of the bill is still free."""
    order = order_of(ground.restaurant, TOTAL)
    found = _of(ground, order, paid(order, method="cash", amount_minor=SHARE))
    _until_due(found)
    return found


@scene
def on_the_page(ground: Ground) -> Scene:
    """The guest sits before the provider's page, and the time is over."""
    order = order_of(ground.restaurant, TOTAL)
    found = _of(ground, order, paid(order, instrument="sim_action_required"))
    work_until(ground, lambda: _next_action(found) == NextAction.CANCEL)
    _until_due(found)
    return found


@scene
def approved(ground: Ground) -> Scene:
    """The guest has approved on the page, the money has moved, and nobody here knows it."""
    found = on_the_page(ground)
    provider = ground.providers["sandbox_a"].sandbox.provider
    charge = provider.books.charge_of_key(str(found.attempt))
    assert charge is not None
    provider.till.settle_charge(charge, ChargeStatus.SUCCEEDED)
    found.news = _latest_news(ground)
    return found


@scene
def completed(ground: Ground) -> Scene:
    """Paid, with a tip; the provider's message is stored and waits to be applied."""
    order = order_of(ground.restaurant, TOTAL)
    with mock.patch.object(attempts, "settle_attempt", wraps=settle_attempt) as door:
        found = _of(ground, order, paid(order, instrument="sim_ok", tip_minor=TIP))
    found.answer = door.call_args.kwargs["evidence"]
    found.news = _latest_news(ground)
    provider, news = found.news
    receive_notice(account=ground.accounts[provider], headers=news.headers, body=news.body)
    return found


@scene
def late_money(ground: Ground) -> Scene:
    """Declined, failed; then it was charged all the same, and the watch is due."""
    order = order_of(ground.restaurant, TOTAL)
    found = _of(ground, order, paid(order, instrument="sim_late_success"))
    watch_at = Attempt.objects.get(pk=found.attempt_id).watch_at
    assert watch_at is not None
    ground.clock.jump_to(watch_at)
    found.news = _latest_news(ground)
    return found


@scene
def late_money_while_cash_waits(ground: Ground) -> Scene:
    """A share was declined, and its guest pays in cash; then the card was charged all the same. The bill has room."""
    order = order_of(ground.restaurant, TOTAL)
    found = _of(ground, order, paid(order, instrument="sim_late_success", amount_minor=SHARE))
    watch_at = Attempt.objects.get(pk=found.attempt_id).watch_at
    assert watch_at is not None
    ground.clock.jump_to(watch_at)
    found.news = _latest_news(ground)
    retry_payment(payment_id=found.payment.pk, actor=GUEST, method=Method.CASH)
    begin_attempt(payment_id=found.payment.pk)
    settle_attempt(attempt_id=Attempt.objects.get(number=2).pk, evidence=WAITER_IS_CALLED)
    return found


@scene
def other_amount(ground: Ground) -> Scene:
    """A hundred too much was captured: a human decides."""
    order = order_of(ground.restaurant, TOTAL)
    found = _of(ground, order, paid(order, instrument="sim_wrong_amount"))
    found.news = _latest_news(ground)
    return found


@scene
def refund_is_due(ground: Ground) -> Scene:
    """A part goes back and makes the order payable again; it is not sent yet."""
    order = order_of(ground.restaurant, TOTAL)
    found = _of(ground, order, paid(order, instrument="sim_ok"))
    refund = request_refund(
        payment_id=found.payment.pk, amount_minor=PART, reason="cold food", actor=GUEST, reopens_order=True
    )
    found.refund = refund.pk
    return found


@scene
def refund_was_sent(ground: Ground) -> Scene:
    """The provider made it; the answer is in its sender's hands, and the sender's lease is over."""
    found = refund_is_due(ground)
    with mock.patch.object(refunds, "settle_refund") as door:
        send_refund(refund_id=found.refund_id)
    found.answer = door.call_args.kwargs["evidence"]
    found.news = _latest_news(ground)
    ground.clock.advance(_lease() + 1)
    return found


@scene
def cash_goes_back(ground: Ground) -> Scene:
    """Paid in cash; a part of it waits for somebody who hands it over."""
    order = order_of(ground.restaurant, TOTAL)
    found = _of(ground, order, paid(order, method="cash"))
    confirm_cash(payment_id=found.payment.pk, waiter=ground.waiter, taken=CashTaken(amount_minor=TOTAL))
    found.refund = request_refund(
        payment_id=found.payment.pk, amount_minor=PART, reason="cold food", actor=GUEST, reopens_order=True
    ).pk
    return found


@scene
def share_on_hold(ground: Ground) -> Scene:
    """An order that two guests pay; one holds a share and is still choosing, and the hold just ended."""
    order = order_of(ground.restaurant, TOTAL)
    held = reserve_share(draft=draft_for(order, amount_minor=SHARE, instrument="sim_ok"), actor=GUEST)
    ground.clock.jump_to(held.hold_until)
    return Scene(ground, order, held)


def _of(ground: Ground, order: Order, payment: Payment) -> Scene:
    order = Order.objects.get(pk=order.pk)  # Its version counts what happened to its payments.
    return Scene(ground, order, payment, attempt=Attempt.objects.get(payment=payment).pk)


def _unsettled(sending: Sending) -> Evidence:
    """The provider was asked; its answer went no further than to whoever asked."""
    with mock.patch.object(attempts, "settle_attempt") as door:
        send_charge(sending)
    evidence: Evidence = door.call_args.kwargs["evidence"]
    assert evidence.finding == Outcome.SUCCEEDED.value
    return evidence


def _latest_news(ground: Ground) -> tuple[str, Webhook]:
    return ground.take_mail()[-1]


def _next_action(found: Scene) -> str:
    return Payment.objects.get(pk=found.payment.pk).next_action


def _due(found: Scene) -> datetime:
    at = Payment.objects.get(pk=found.payment.pk).next_action_at
    assert at is not None
    return at


def _until_due(found: Scene) -> None:
    found.ground.clock.jump_to(_due(found))


def _lease() -> float:
    return timing.lease().total_seconds()
