"""What guests do: they order, pay, share, change their minds, press twice, and want their money back."""

from __future__ import annotations

from typing import Any

from accounts.services.idempotency import Call
from events.actors import GUEST
from kernel import clock
from kernel.modes import Mode
from orders.services import Amendment, LineDraft, OrderDraft, amend_order, cancel_order, place_order
from payments.models import Refund
from payments.services.acceptance import PaymentDraft
from payments.services.at_once import longest_request
from payments.services.payments import cancel_payment, create_payment, pay, reserve_share, retry_payment, start_payment
from payments.services.refund_requests import request_refund
from sandbox.behaviours import CHARGES, NO_TROUBLE, REFUNDS, ChargeStatus
from tests.sim.acting import any_of, any_row, enter, move
from tests.sim.faults import Fault
from tests.sim.providers import NAMES
from tests.sim.world import World

TOKENS = sorted(token for token in CHARGES if token)
# What most often goes wrong between two companies is drawn most often: lost answers, and money that comes late.
TROUBLED = [token for token in TOKENS if CHARGES[token].trouble is not NO_TROUBLE]
LATE = [token for token in TOKENS if CHARGES[token].later is not None]
UNHEARD_REFUNDS = sorted(name for name, refund in REFUNDS.items() if refund.trouble is not NO_TROUBLE)
LATE_REFUNDS = sorted(name for name, refund in REFUNDS.items() if refund.later is not None)
WRONG = ["sim_wrong_amount", "sim_wrong_currency"]
TOTALS = (5_000, 12_500, 84_000)
SECOND_TOKENS = ["sim_ok", "sim_late_success", "sim_timeout_after_effect", "sim_timeout_before_effect"]


@move(2)
def place(world: World) -> None:
    line = LineDraft(name="Thali", quantity=1, unit_minor=world.rng.choice(TOTALS))
    draft = OrderDraft(restaurant=world.house.restaurant, mode=Mode.TEST, currency="INR", lines=(line,))
    world.say(f"order {place_order(draft=draft, actor=GUEST).reference}")


@move(12)
def begin_to_pay(world: World) -> None:
    """A guest pays now, or leaves it to the clock, or is still choosing; the whole, or a share of it."""
    order = any_row(
        world, "SELECT id, reference, total_minor FROM orders_order WHERE status <> 'cancelled' ORDER BY id"
    )
    if order is None:
        return
    order_id, reference, total = order
    how = world.rng.choice([pay, pay, pay, create_payment, reserve_share])
    draft = PaymentDraft(
        order_id=order_id,
        method="cash" if world.rng.random() < 0.15 else "card",
        amount_minor=None if world.rng.random() < 0.6 else world.rng.choice([1_000, 2_500, total // 2]),
        tip_minor=world.rng.choice([0, 0, 500]),
        instrument=_token(world),
    )
    asked = f"{how.__name__} {reference} {draft.method} {draft.amount_minor or 'all'} {draft.instrument}"
    for _ in range(world.rng.choice([1, 1, 1, 2])):  # Some press twice.
        enter(world, asked, lambda: how(draft=draft, actor=GUEST))


@move(2)
def press_twice_under_one_key(world: World) -> None:
    """As a client does that was not answered: whatever dies in between, it is one payment (I15)."""
    order = any_row(world, "SELECT id, reference FROM orders_order WHERE status <> 'cancelled' ORDER BY id")
    if order is None:
        return
    (order_id, reference), token = order, _token(world)
    draft = PaymentDraft(order_id=order_id, method="card", amount_minor=1_000, instrument=token)
    call = Call(
        principal="platform",
        key=str(clock.new_id()),
        operation="pay",
        body_hash="",
        restaurant_id=world.house.restaurant.pk,
        mode=Mode.TEST,
        runs_for=longest_request(),
    )
    for _ in range(2):
        enter(world, f"press {reference} {token} {call.key}", lambda: pay(draft=draft, actor=GUEST, call=call))


@move(2)
def change_the_bill(world: World) -> None:
    """A dish more or less, by somebody who has seen this bill; what is paid too much goes back, or all stays."""
    order = any_row(world, "SELECT id, reference, version FROM orders_order ORDER BY id")
    if order is None:
        return
    order_id, reference, version = order
    total, gives_back = world.rng.choice([1_500, 5_000, 12_500, 90_000]), world.rng.random() < 0.7
    line = LineDraft(name="Thali", quantity=1, unit_minor=total)
    amendment = Amendment(lines=(line,), version=version, refund_surplus=gives_back)
    trouble_the_next_refund(world)
    enter(
        world,
        f"amend {reference} to {total}{' giving back' if gives_back else ''}",
        lambda: amend_order(order_id=order_id, amendment=amendment, actor=GUEST),
    )


def _token(world: World) -> str:
    kinds = world.rng.choice([TOKENS, TROUBLED, TROUBLED, LATE, WRONG])
    token = world.rng.choice(kinds)
    return token if world.fails(Fault.TROUBLED_CHARGE) else "sim_ok"


@move(1)
def choose(world: World) -> None:
    if payment := _payment(world, "status = 'pending'"):
        payment_id, reference, _ = payment
        enter(world, f"start {reference}", lambda: start_payment(payment_id=payment_id, actor=GUEST))


@move(4)
def try_again(world: World) -> None:
    if payment := _payment(world, "status = 'failed'"):
        (payment_id, reference, _), token = payment, world.rng.choice(SECOND_TOKENS)
        provider = world.rng.choice(["", "", *NAMES])
        enter(
            world,
            f"retry {reference} {token} {provider}".rstrip(),
            lambda: retry_payment(payment_id=payment_id, actor=GUEST, instrument=token, provider=provider),
        )


@move(2)
def withdraw(world: World) -> None:
    if payment := _payment(world, "TRUE"):
        payment_id, reference, _ = payment
        enter(world, f"cancel {reference}", lambda: cancel_payment(payment_id=payment_id, actor=GUEST))


@move(1)
def cancel_whole_order(world: World) -> None:
    order = any_row(world, "SELECT id, reference FROM orders_order ORDER BY id")
    if order and world.rng.random() < 0.4:
        order_id, reference = order
        enter(world, f"cancel order {reference}", lambda: cancel_order(order_id=order_id, actor=GUEST))


@move(6)
def ask_back(world: World) -> None:
    """The whole or a part, once or by two people at once."""
    payment = _payment(world, "status = 'completed'")
    if payment is None:
        return
    payment_id, reference, whole = payment
    amount = None if world.rng.random() < 0.4 else world.rng.choice([500, 1_000, whole])
    reopens = world.rng.random() < 0.3
    trouble_the_next_refund(world)

    def ask() -> Refund:
        return request_refund(
            payment_id=payment_id, amount_minor=amount, reason="cold food", actor=GUEST, reopens_order=reopens
        )

    for _ in range(world.rng.choice([1, 1, 2])):
        enter(world, f"refund {reference} {amount or 'all'}{' reopens' if reopens else ''}", ask)


def _payment(world: World, which: str) -> tuple[Any, ...] | None:
    return any_row(
        world,
        f"SELECT id, reference, amount_minor FROM payments_payment WHERE {which} ORDER BY id",  # noqa: S608  Ours.
    )


def trouble_the_next_refund(world: World) -> None:
    """Wherever it is made: who asks does not know which of the providers has the money."""
    behaviour = world.rng.choice(world.rng.choice([sorted(REFUNDS), UNHEARD_REFUNDS, LATE_REFUNDS]))
    if world.fails(Fault.TROUBLED_REFUND):
        for provider in world.providers.values():
            provider.steering.add_refunds(behaviour, times=1)
        world.say(f"the next refund is {behaviour}")


@move(2)
def act_at_the_provider(world: World) -> None:
    """On the provider's page, or with money that takes its time: no longer than the provider says that it may."""
    provider = world.providers[world.rng.choice(sorted(world.providers))]
    earliest = world.clock.now().timestamp() - provider.facts.late_money_window.total_seconds()
    pending = [each for each in provider.books.charges.values() if each.status is ChargeStatus.PENDING]
    charge = any_of(world, [each for each in pending if each.created > earliest])
    if charge is None:
        return
    status = world.rng.choice([ChargeStatus.SUCCEEDED, ChargeStatus.FAILED])
    provider.till.settle_charge(charge, status)
    world.writes.note()
    world.say(f"at the provider {charge.key} becomes {status}")
