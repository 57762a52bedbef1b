"""What can happen at any moment: guests, staff, workers, providers, mail and accidents."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TypeVar

from events.actors import GUEST, Actor
from failures.models import Case, CaseKind
from kernel.modes import Mode as TenantMode
from orders.models import Order, OrderStatus
from orders.services import LineDraft, OrderDraft, cancel_order, place_order
from payments.gateways.breaker import BreakerState
from payments.gateways.guard import Operation
from payments.models import Attempt, AttemptStatus, Payment, PaymentStatus, Refund, RefundStatus
from payments.services import sweeps
from payments.services.acceptance import PaymentDraft
from payments.services.cash import (
    CashTaken,
    confirm_cash,
    hand_over_refund,
    record_cash_refund,
    take_cash_against_doubt,
)
from payments.services.circuit_overrides import force_circuit
from payments.services.leases import claim_notices, claim_payments, claim_refunds, claim_watched_attempts
from payments.services.notices import apply_notice, receive_notice
from payments.services.operators import MismatchChoice, record_charged, record_not_charged, resolve_mismatch
from payments.services.payments import (
    cancel_payment,
    create_payment,
    pay,
    reserve_share,
    retry_payment,
    start_payment,
)
from payments.services.refund_requests import request_refund
from sandbox.behaviours import CHARGES, LOOK_UPS, NO_TROUBLE, REFUNDS, ChargeStatus, Mode
from tests.sim.world import World

TOKENS = sorted(token for token in CHARGES if token)
# What most often goes wrong between two companies is drawn most often: lost answers, and money that comes late.
TROUBLED = [token for token in TOKENS if CHARGES[token].trouble is not NO_TROUBLE]
LATE = [token for token in TOKENS if CHARGES[token].later is not None]
TOTALS = (5_000, 12_500, 84_000)
MANY_MINUTES, MANY_DAYS = 90 * 60, 3 * 24 * 3600


def place(world: World) -> None:
    line = LineDraft(name="Thali", quantity=1, unit_minor=world.rng.choice(TOTALS))
    draft = OrderDraft(restaurant=world.restaurant, mode=TenantMode.TEST, currency="INR", lines=(line,))
    world.say(f"order {place_order(draft=draft, actor=GUEST).reference}")


def begin_to_pay(world: World) -> None:
    """A guest pays now, or leaves it to the clock, or is still choosing; the whole, or a share of it."""
    order = _one(world, [order for order in Order.objects.order_by("id") if order.status != OrderStatus.CANCELLED])
    if order is None:
        place(world)
        return
    how = world.rng.choice([pay, pay, pay, create_payment, reserve_share])
    token = world.rng.choice(world.rng.choice([TOKENS, TROUBLED, TROUBLED, LATE])) if world.fails(1.0) else "sim_ok"
    draft = PaymentDraft(
        order_id=order.pk,
        method="cash" if world.rng.random() < 0.15 else "card",
        amount_minor=None if world.rng.random() < 0.6 else world.rng.choice([1_000, 2_500, order.total_minor // 2]),
        tip_minor=world.rng.choice([0, 0, 500]),
        instrument=token,
    )
    _enter(world, f"{how.__name__} {order.reference} {draft.method} {draft.amount_minor} {token}",
           lambda: how(draft=draft, actor=GUEST))  # fmt: skip


def choose(world: World) -> None:
    payment = _one(world, Payment.objects.filter(status=PaymentStatus.PENDING).order_by("id"))
    if payment:
        _enter(world, f"start {payment.reference}", lambda: start_payment(payment_id=payment.pk, actor=GUEST))


def try_again(world: World) -> None:
    payment = _one(world, Payment.objects.filter(status=PaymentStatus.FAILED).order_by("id"))
    if payment:
        token = world.rng.choice(["sim_ok", "sim_late_success", "sim_timeout_after_effect"])
        _enter(world, f"retry {payment.reference} {token}",
               lambda: retry_payment(payment_id=payment.pk, actor=GUEST, instrument=token))  # fmt: skip


def withdraw(world: World) -> None:
    payment = _one(world, Payment.objects.order_by("id"))
    if payment:
        _enter(world, f"cancel {payment.reference}", lambda: cancel_payment(payment_id=payment.pk, actor=GUEST))


def cancel_whole_order(world: World) -> None:
    order = _one(world, Order.objects.order_by("id"))
    if order and world.rng.random() < 0.3:
        _enter(world, f"cancel order {order.reference}", lambda: cancel_order(order_id=order.pk, actor=GUEST))


def take_cash(world: World) -> None:
    attempt = _one(world, Attempt.objects.filter(status=AttemptStatus.PENDING, account__provider="cash").order_by("id"))
    if attempt:
        taken = CashTaken(amount_minor=attempt.amount_minor, added_tip_minor=world.rng.choice([0, 300]))
        _enter(world, f"cash for attempt {attempt.pk}",
               lambda: confirm_cash(payment_id=attempt.payment_id, waiter=world.waiter, taken=taken))  # fmt: skip


def cash_against_doubt(world: World) -> None:
    attempt = _one(world, Attempt.objects.filter(status=AttemptStatus.UNKNOWN, mismatch=False).order_by("id"))
    if attempt:
        taken = CashTaken(amount_minor=attempt.amount_minor)
        _enter(world, f"cash against doubt {attempt.pk}",
               lambda: take_cash_against_doubt(
                   payment_id=attempt.payment_id, person=world.waiter, reason="The guest has to go.", taken=taken
               ))  # fmt: skip


def ask_back(world: World) -> None:
    payment = _one(world, Payment.objects.filter(status=PaymentStatus.COMPLETED).order_by("id"))
    if payment is None:
        return
    amount = None if world.rng.random() < 0.4 else world.rng.choice([500, 1_000, payment.amount_minor])
    reopens = world.rng.random() < 0.3
    if world.rng.random() < 0.2:
        work: Callable[[], object] = lambda: record_cash_refund(  # noqa: E731  One of two ways to do it.
            payment_id=payment.pk, person=world.waiter, reason="cold food", amount_minor=amount
        )
    else:
        work = lambda: request_refund(  # noqa: E731  As above.
            payment_id=payment.pk, amount_minor=amount, reason="cold food", actor=GUEST, reopens_order=reopens
        )
    if world.fails(0.5):
        provider = world.rng.choice(sorted(world.providers))
        world.providers[provider].sandbox.provider.steering.add_refunds(world.rng.choice(sorted(REFUNDS)), times=1)
    _enter(world, f"refund {payment.reference} {amount} reopens {reopens}", work)


def hand_over(world: World) -> None:
    waiting = Refund.objects.filter(status=RefundStatus.REQUESTED, account__provider="cash").order_by("id")
    refund = _one(world, waiting)
    if refund:
        _enter(world, f"hand over {refund.pk}", lambda: hand_over_refund(refund_id=refund.pk, person=world.waiter))


def decide(world: World) -> None:
    """A person of finance says what the provider's own books say, and decides about undecided amounts."""
    attempt = _one(world, Attempt.objects.filter(status=AttemptStatus.UNKNOWN).order_by("id"))
    if attempt is None or attempt.account.provider not in world.providers:
        return
    if attempt.mismatch:
        choice = world.rng.choice(list(MismatchChoice))
        _enter(world, f"decide {attempt.pk} {choice}",
               lambda: resolve_mismatch(
                   payment_id=attempt.payment_id, choice=choice, person=world.finance, reason="as agreed"
               ))  # fmt: skip
        return
    charge = world.providers[attempt.account.provider].sandbox.provider.books.charge_of_key(str(attempt.pk))
    if charge is None and (world.clock.now() - attempt.send_before).total_seconds() > 60:
        _enter(world, f"nothing was charged {attempt.pk}",
               lambda: record_not_charged(
                   payment_id=attempt.payment_id, person=world.finance, reason="Their books have nothing."
               ))  # fmt: skip
    elif charge is not None and charge.status is ChargeStatus.SUCCEEDED and charge.moved_currency == "INR":
        _enter(world, f"it was charged {attempt.pk}",
               lambda: record_charged(
                   payment_id=attempt.payment_id,
                   captured_minor=charge.moved_amount,
                   person=world.finance,
                   reason="Their books show it.",
               ))  # fmt: skip


def return_refused_surplus(world: World) -> None:
    """Whose refund failed is asked for again by whoever works on the queue."""
    case = _one(world, Case.objects.filter(kind=CaseKind.SURPLUS, closed_at=None).order_by("id"))
    if case and case.payment_id:
        attempt_id, payment_id = case.subject_id, case.payment_id
        _enter(world, f"return surplus {attempt_id}",
               lambda: request_refund(
                   payment_id=payment_id, attempt_id=attempt_id, reason="once more", actor=Actor.user(world.finance)
               ))  # fmt: skip


def work(world: World) -> None:
    """A worker takes one row of what is due."""
    kind = world.rng.choice(["payments", "payments", "refunds", "watches", "notices"])
    _enter(world, f"worker {kind}", WORK[kind])


def _payments() -> None:
    for claim in claim_payments(limit=1):
        sweeps.act_on_payment(claim)


def _refunds() -> None:
    for claim in claim_refunds(limit=1):
        sweeps.act_on_refund(claim)


def _watches() -> None:
    for turn in claim_watched_attempts(limit=1):
        sweeps.act_on_watch(turn)


def _notices() -> None:
    for turn in claim_notices(limit=1):
        sweeps.act_on_notice(turn)


WORK: dict[str, Callable[[], None]] = {
    "payments": _payments,
    "refunds": _refunds,
    "watches": _watches,
    "notices": _notices,
}


def let_time_pass(world: World) -> None:
    span = world.rng.choice([1, 3, 5, 20, 40, 120, 1_000, MANY_MINUTES])
    if world.fails(0.05):
        span = MANY_DAYS
    world.clock.advance(span)
    world.say(f"{span} s pass")


def deliver(world: World) -> None:
    """In any order, twice, never, or as it should be."""
    world.collect_mail()
    if not world.mailbox:
        return
    place = world.rng.randrange(len(world.mailbox))
    provider, webhook = world.mailbox[place]
    if world.fails(0.3):
        del world.mailbox[place]
        world.say(f"lost {webhook.type} {webhook.key}")
        return
    if not world.fails(0.4):
        del world.mailbox[place]
    account = world.account(provider)

    def receive() -> None:
        received = receive_notice(account=account, headers=webhook.headers, body=webhook.body)
        apply_notice(notice_id=received.notice_id)

    _enter(world, f"notice {webhook.type} {webhook.key}", receive)


def provider_trouble(world: World) -> None:
    name = world.rng.choice(sorted(world.providers))
    steering = world.providers[name].sandbox.provider.steering
    mode, look_up = world.rng.choice(list(Mode)), world.rng.choice(sorted(LOOK_UPS))
    seconds = world.rng.choice([5, 60, 900])
    if world.fails(0.8):
        steering.set_mode(mode, seconds=seconds)
        steering.set_look_ups(look_up, times=world.rng.choice([0, 1, 4]))
        world.say(f"{name} is {mode} for {seconds} s; look-ups {look_up}")


def guest_at_the_provider(world: World) -> None:
    """On the provider's page, or with money that takes its time."""
    provider = world.providers[world.rng.choice(sorted(world.providers))].sandbox.provider
    charge = _one(world, [each for each in provider.books.charges.values() if each.status is ChargeStatus.PENDING])
    if charge is None:
        return
    status = world.rng.choice([ChargeStatus.SUCCEEDED, ChargeStatus.FAILED])
    provider.till.settle_charge(charge, status)
    world.say(f"at the provider {charge.key} becomes {status}")


def force(world: World) -> None:
    state = world.rng.choice([BreakerState.OPEN, BreakerState.CLOSED, None])
    world.finance.is_staff = True
    _enter(world, f"circuit {state}", lambda: force_circuit(
        provider=world.rng.choice(sorted(world.providers)),
        mode=TenantMode.TEST,
        operation=world.rng.choice(list(Operation)),
        state=state,
        person=world.finance,
        reason="by hand",
        lasts=timedelta(minutes=5),
    ))  # fmt: skip


ACTIONS: dict[Callable[[World], None], int] = {
    place: 2,
    begin_to_pay: 12,
    choose: 1,
    try_again: 4,
    withdraw: 1,
    cancel_whole_order: 1,
    take_cash: 2,
    cash_against_doubt: 1,
    ask_back: 5,
    hand_over: 1,
    decide: 1,
    return_refused_surplus: 1,
    work: 10,
    let_time_pass: 6,
    deliver: 6,
    provider_trouble: 2,
    guest_at_the_provider: 2,
    force: 1,
}


Row = TypeVar("Row")


def _one(world: World, rows: Iterable[Row]) -> Row | None:
    """Any of them, as the seed says."""
    found = list(rows)
    return world.rng.choice(found) if found else None


def _enter(world: World, name: str, work: Callable[[], object]) -> None:
    world.say(name)
    world.stage.enter(name, work)
