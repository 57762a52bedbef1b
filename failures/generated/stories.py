"""Evenings without trouble, and some that are under way right now: how often each comes among a thousand payments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from events.actors import GUEST
from failures.generated.telling import PART, TIP, Teller
from orders.models import Channel
from payments.models import Attempt, Payment
from payments.services.acceptance import PaymentDraft
from payments.services.evidence import Finding, Source
from payments.services.payments import reserve_share, retry_payment

Tell = Callable[[Teller], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """`takes`: how often it is told, with other people, latencies and reasons, before it is copied."""

    name: str
    tell: Tell
    share: int
    takes: int = 2
    within: timedelta | None = None  # It began at most so long ago: it is about now.
    payments: int = 1
    cases: int = 0  # That are still open at its end.


_UNREACHABLE: dict[str, Any] = {"code": "unreachable", "message": "Connection refused."}
_DECLINES = (
    ("insufficient_funds", "Not enough money on this card."),
    ("insufficient_funds", "Not enough money on this card."),
    ("card_declined", "The bank said no."),
    ("expired_card", "This card has expired."),
    ("incorrect_details", "The security code is wrong."),
    ("authentication_failed", "The guest did not pass the bank's question."),
    ("limit_exceeded", "Above the limit of this account."),
    ("fraud_suspected", "The bank suspects fraud."),
)
_REASONS = ("The food was cold.", "The wrong dish came.", "Waited for an hour.", "One dish was not there any more.")
_CHANNELS = (Channel.DINE_IN, Channel.DINE_IN, Channel.TAKEAWAY, Channel.DELIVERY)


def _charged(method: str, *, tip: int = 0) -> Tell:
    def tell(t: Teller) -> None:
        order = t.order(t.dice.one_of(_CHANNELS), is_known=t.dice.below(3) > 0)
        t.later(minutes=t.dice.between(12, 70))
        t.serve(order)
        t.later(minutes=t.dice.between(2, 25))
        t.charge(t.pay(order, method=method, tip=tip), Finding.SUCCEEDED)

    return tell


def _paid_before_it_is_served(t: Teller) -> None:
    order = t.order(t.dice.one_of((Channel.TAKEAWAY, Channel.DELIVERY)))
    t.later(seconds=t.dice.between(20, 90))
    t.charge(t.pay(order, method="upi"), Finding.SUCCEEDED)
    t.later(minutes=t.dice.between(15, 45))
    t.serve(order)


def _cash(*, added_tip: int = 0) -> Tell:
    def tell(t: Teller) -> None:
        order = t.order(is_known=False)
        t.later(minutes=t.dice.between(25, 90))
        t.serve(order)
        t.later(minutes=5)
        t.take_cash(t.pay(order, method="cash"), added_tip=added_tip)

    return tell


def _declined(t: Teller) -> None:
    code, message = t.dice.one_of(_DECLINES)
    t.charge(_waiting(t), Finding.DECLINED, code=code, message=message)


def _declined_then_paid(t: Teller) -> None:
    code, message = t.dice.one_of(_DECLINES[:6])
    payment = _waiting(t)
    t.charge(payment, Finding.DECLINED, code=code, message=message)
    t.later(seconds=t.dice.between(25, 200))
    payment = retry_payment(payment_id=payment.pk, actor=GUEST)
    t.charge(payment, Finding.SUCCEEDED)


def _rescued(finding: Finding, **told: Any) -> Tell:
    """The first provider took nothing, and the second one did."""

    def tell(t: Teller) -> None:
        payment = _waiting(t, tip=TIP)
        t.charge(payment, finding, **told)
        t.charge(payment, Finding.SUCCEEDED)

    return tell


def _after_a_step(t: Teller) -> None:
    """The guest confirms in the bank's app, and the provider's message brings the news."""
    attempt = t.charge(_waiting(t), Finding.PENDING, next_step={"kind": "redirect"})
    t.later(seconds=t.dice.between(8, 90))
    t.tell(attempt, Finding.SUCCEEDED, source=Source.NOTICE)


def _doubt_that_ended(t: Teller) -> None:
    attempt = t.charge(_waiting(t), Finding.UNKNOWN, slow=True, code="timed_out", message="No answer within 10 s.")
    payment = Payment.objects.get(pk=attempt.payment_id)
    t.go_to(payment.next_action_at or t.now)
    t.tell(attempt, Finding.SUCCEEDED)


def expired(t: Teller) -> Attempt:
    """The guest never finished, and the provider closed it when it was asked to."""
    attempt = t.charge(_waiting(t), Finding.PENDING, next_step={"kind": "redirect"})
    t.go_to(attempt.expires_at)
    t.later(seconds=3)
    return t.tell(attempt, Finding.CANCELLED, source=Source.CANCEL)


def _expired(t: Teller) -> None:
    expired(t)


def _cancelled(t: Teller) -> None:
    order = t.order()
    t.later(minutes=4)
    t.pay(order)
    t.later(seconds=1)
    t.call_off(order)


def _refunded(amount: int | None) -> Tell:
    def tell(t: Teller) -> None:
        payment = paid(t)
        t.later(minutes=t.dice.between(10, 2_000))
        refund = t.ask_refund(payment, t.dice.one_of(_REASONS), amount=amount)
        t.later(seconds=2)
        t.send_refund(refund, Finding.SUCCEEDED)

    return tell


def paid(t: Teller, *, tip: int = TIP) -> Payment:
    """What much trouble begins with: a payment that went well."""
    payment = _waiting(t, tip=tip)
    t.charge(payment, Finding.SUCCEEDED)
    return Payment.objects.get(pk=payment.pk)


def _waiting(t: Teller, *, tip: int = 0) -> Payment:
    order = t.order(t.dice.one_of(_CHANNELS))
    t.later(minutes=t.dice.between(15, 80))
    return t.pay(order, method=t.dice.one_of(("card", "card", "upi")), tip=tip)


def _split(t: Teller) -> None:
    """Two guests, one bill."""
    order = t.order()
    t.later(minutes=t.dice.between(25, 80))
    t.charge(t.pay(order, amount=PART), Finding.SUCCEEDED)
    t.later(seconds=t.dice.between(20, 100))
    first = t.anchor
    t.charge(t.pay(order, method="upi"), Finding.SUCCEEDED)
    t.anchor = first


def _held(t: Teller) -> None:
    order = t.order()
    t.later(minutes=20)
    t.mark()
    reserve_share(draft=PaymentDraft(order_id=order.pk, method="", is_to_be_chosen=True), actor=GUEST)


def _step_to_take(t: Teller) -> None:
    t.charge(_waiting(t), Finding.PENDING, next_step={"kind": "redirect"})


def _waiter_is_called(t: Teller) -> None:
    order = t.order(is_known=False)
    t.later(minutes=40)
    payment = t.pay(order, method="cash")
    t.tell(t.begin(payment).attempt, Finding.PENDING, next_step={"kind": "wait_for_waiter"})


def _in_doubt(t: Teller) -> None:
    t.charge(_waiting(t), Finding.UNKNOWN, slow=True, code="connection_lost", message="The connection was lost.")


ORDINARY = (
    Story(name="card", tell=_charged("card"), share=270, takes=16),
    Story(name="card and tip", tell=_charged("card", tip=TIP), share=150, takes=12),
    Story(name="upi", tell=_charged("upi"), share=110, takes=12),
    Story(name="to take away", tell=_paid_before_it_is_served, share=130, takes=12),
    Story(name="cash", tell=_cash(), share=100, takes=8),
    Story(name="cash and tip", tell=_cash(added_tip=TIP), share=45, takes=6),
    Story(name="declined", tell=_declined, share=62, takes=16),
    Story(name="declined, then paid", tell=_declined_then_paid, share=24, takes=8),
    Story(name="unreachable, rescued", tell=_rescued(Finding.NOT_SENT, **_UNREACHABLE), share=20, takes=6),
    Story(
        name="refused, rescued",
        tell=_rescued(Finding.DECLINED, code="issuer_unavailable", message="The bank does not answer."),
        share=14,
        takes=6,
    ),
    Story(name="step taken", tell=_after_a_step, share=32, takes=8),
    Story(name="doubt that ended", tell=_doubt_that_ended, share=8, takes=4),
    Story(name="expired", tell=_expired, share=14, takes=4),
    Story(name="cancelled", tell=_cancelled, share=6),
    Story(name="refunded", tell=_refunded(None), share=8, takes=6),
    Story(name="part refunded", tell=_refunded(PART), share=7, takes=6),
)
# Two payments each: counted apart, so that the number that was asked for is met.
SPLIT = Story(name="split", tell=_split, share=1, takes=4, payments=2)
SPLIT_AMONG = 50  # One order in so many payments.

_A_MOMENT = timedelta(minutes=4)
UNDER_WAY = (
    Story(name="held share", tell=_held, share=1, within=_A_MOMENT),
    Story(name="step to take", tell=_step_to_take, share=1, within=_A_MOMENT, takes=4),
    Story(name="in doubt just now", tell=_in_doubt, share=1, within=timedelta(minutes=12), takes=4),
    Story(name="waiter is called", tell=_waiter_is_called, share=1, within=timedelta(minutes=40)),
)
# Each of those once, and once more for so many payments: a large evening has more tables.
UNDER_WAY_AMONG = 50_000
