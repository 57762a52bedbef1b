"""The only writers of orders: place, amend, confirm, fulfil, cancel, and the derived payment state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django_fsm import can_proceed

from accounts.models import Restaurant
from accounts.services.idempotency import Call, claim
from accounts.services.people import is_guest_of
from events.actors import Actor
from events.audit import Deed, audited
from events.services import Journal
from kernel import clock
from kernel.errors import ServiceError
from kernel.modes import Mode
from kernel.money import MAX_MINOR, Money
from kernel.statements import Insertion
from kernel.texts import check_text
from orders.models import Channel, Order, OrderLine, OrderStatus, PaymentState

MAX_LINES = 200  # A banquet. More is a mistake in a client.
MAX_QUANTITY = 10_000
MAX_LINE_NAME, MAX_TABLE = 120, 20  # The columns' sizes.
MAX_CLIENT_REFERENCE = 64  # The column's size. Reference fields are not read for card numbers.
MAX_CUSTOMER_TEXT = 200
CUSTOMER_FIELDS = ("name", "phone", "email")

_ORDERS, _LINES = Insertion(Order), Insertion(OrderLine)


class OrderEvent(StrEnum):
    PLACED = "order.placed"
    AMENDED = "order.amended"
    CONFIRMED = "order.confirmed"
    FULFILLED = "order.fulfilled"
    CANCELLED = "order.cancelled"
    PAID = "order.paid"
    PAYMENT_STATE_CHANGED = "order.payment_state_changed"


class OrderRefused(ServiceError):
    code = "order_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineDraft:
    name: str
    quantity: int
    unit_minor: int
    currency: str = ""  # Empty: the order's.


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderDraft:
    restaurant: Restaurant
    mode: Mode
    currency: str
    lines: tuple[LineDraft, ...]
    channel: Channel = Channel.DINE_IN
    table: str = ""
    client_reference: str = ""
    customer: dict[str, str] = field(default_factory=dict)  # name, phone, email
    owner_id: UUID | None = None  # A guest who is known here, and sees the order.


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """New lines instead of all old ones, for somebody who has seen this version."""

    lines: tuple[LineDraft, ...]
    version: int
    refund_surplus: bool = False  # What is paid already above the new total goes back.


def place_order(*, draft: OrderDraft, actor: Actor, call: Call | None = None) -> Order:
    _check_draft(draft)
    order = Order(
        restaurant=draft.restaurant,
        mode=draft.mode,
        reference=clock.new_reference("O"),
        client_reference=draft.client_reference,
        channel=draft.channel,
        table=draft.table,
        owner_id=draft.owner_id,
        currency=draft.currency,
        total_minor=_total(draft.lines),
        **{f"customer_{name}": value for name, value in draft.customer.items()},
    )
    try:
        with transaction.atomic():
            if call is not None:
                order.pk = claim(call)
            _insert(order, draft, actor)
    except IntegrityError as error:
        raise _already_placed(draft, error) from error
    return order


def amend_order(*, order_id: UUID, amendment: Amendment, actor: Actor) -> Order:
    """Payments hear of it in the same transaction: they refuse a total below their money, or give it back."""
    clock.keep_true()
    with transaction.atomic():
        order = lock_order(order_id)
        _check_amendable(order, amendment)
        _check_lines(amendment.lines, order.currency)
        with audited(_deed(order, "amend_order", _bill_of, actor)):
            _amend(order, amendment, actor)
        # Whoever knows its money may have changed it meanwhile.
        return Order.objects.get(pk=order_id)


def confirm_order(*, order_id: UUID, actor: Actor) -> Order:
    return _step(order_id=order_id, name="confirm", target=OrderStatus.CONFIRMED, actor=actor)


def fulfil_order(*, order_id: UUID, actor: Actor) -> Order:
    return _step(order_id=order_id, name="fulfil", target=OrderStatus.FULFILLED, actor=actor)


def cancel_order(*, order_id: UUID, actor: Actor, may_refund: bool = True) -> Order:
    """Payments hear of it in the same transaction: open requests are withdrawn, kept money goes back.

    Or they refuse, where money is kept and whoever cancels may not give it back.
    """
    clock.keep_true()  # They ask whether somebody's lease still lasts.
    with transaction.atomic():
        order = lock_order(order_id)
        if order.status == OrderStatus.CANCELLED:
            return order
        with audited(_deed(order, "cancel_order", _picture_of, actor)):
            return _step(
                order_id=order_id, name="cancel", target=OrderStatus.CANCELLED, actor=actor, may_refund=may_refund
            )


def lock_order(order_id: UUID) -> Order:
    """The first lock of every change to an order or its money. Then payments, then attempts."""
    return Order.objects.select_for_update().get(pk=order_id)


def set_payment_state(*, order: Order, state: PaymentState, journal: Journal, money_came: bool) -> bool:
    """For an order that the caller has locked; the caller saves the row and writes the journal."""
    if order.payment_state == state:
        return False
    before, order.payment_state = order.payment_state, state
    # A refund that the bank returned leaves an order paid, too, but nobody has paid it anew.
    event = OrderEvent.PAID if state == PaymentState.PAID and money_came else OrderEvent.PAYMENT_STATE_CHANGED
    journal.happened(event, order, payment_state=state.value, before=str(before))
    return True


def _amend(order: Order, amendment: Amendment, actor: Actor) -> None:
    before, order.total_minor = order.total_minor, _total(amendment.lines)
    journal = Journal(actor)
    old = order.lines.order_by("position").values("name", "quantity", "unit_minor")
    was, is_now = (Money(minor, order.currency).display() for minor in (before, order.total_minor))
    reason = f"The total was {was} and is {is_now}."
    journal.note(order, step="amend", reason=reason, evidence={"lines_before": list(old)})
    journal.happened(
        OrderEvent.AMENDED,
        order,
        total_minor=order.total_minor,
        before_minor=before,
        currency=order.currency,
        refund_surplus=amendment.refund_surplus,
    )
    order.save(update_fields=["total_minor", "version"])
    OrderLine.objects.filter(order=order).delete()
    _LINES.write(_lines_of(order, amendment.lines))
    journal.write()


def _deed(order: Order, action: str, picture: Callable[[UUID], dict[str, Any]], actor: Actor) -> Deed:
    return Deed(
        actor=actor,
        action=action,
        subject_kind="order",
        subject_id=str(order.pk),
        picture=partial(picture, order.pk),
        restaurant_id=order.restaurant_id,
        mode=order.mode,
    )


def _picture_of(order_id: UUID) -> dict[str, Any]:
    shown = ("status", "payment_state", "total_minor", "currency")
    return {"order": Order.objects.values(*shown).get(pk=order_id)}


def _bill_of(order_id: UUID) -> dict[str, Any]:
    """Its lines by what they cost: their names are free text, which may name a person."""
    lines = OrderLine.objects.filter(order=order_id).order_by("position")
    return {**_picture_of(order_id), "lines": list(lines.values("quantity", "unit_minor"))}


_TAKEN = {
    OrderStatus.CONFIRMED: OrderEvent.CONFIRMED,
    OrderStatus.FULFILLED: OrderEvent.FULFILLED,
    OrderStatus.CANCELLED: OrderEvent.CANCELLED,
}


def _step(*, order_id: UUID, name: str, target: OrderStatus, actor: Actor, **said: Any) -> Order:
    """Asked for again it is done already, by whoever was faster: nothing changes. Only the lock tells."""
    with transaction.atomic():
        order = lock_order(order_id)
        if order.status == target:
            return order
        step, event = getattr(order, name), _TAKEN[target]
        if not can_proceed(step):
            raise OrderRefused(
                f"Order {order.reference} is {OrderStatus(order.status).label} and cannot be changed like that.",
                code=f"cannot_{name}",
            )
        journal = Journal(actor)
        journal.move(order, step, reason=event.value)
        journal.happened(event, order, reference=order.reference, **said)
        order.save(update_fields=["status", "version"])
        journal.write()
    return order


def _insert(order: Order, draft: OrderDraft, actor: Actor) -> None:
    journal = Journal(actor)
    journal.created(order, reason="placed")
    journal.happened(OrderEvent.PLACED, order, total_minor=order.total_minor, currency=order.currency)
    _ORDERS.write([order])
    _LINES.write(_lines_of(order, draft.lines))
    journal.write()


def _lines_of(order: Order, lines: tuple[LineDraft, ...]) -> list[OrderLine]:
    return [
        OrderLine(
            order=order,
            position=position,
            name=line.name,
            quantity=line.quantity,
            unit_minor=line.unit_minor,
            total_minor=line.unit_minor * line.quantity,
        )
        for position, line in enumerate(lines, start=1)
    ]


def _total(lines: tuple[LineDraft, ...]) -> int:
    return sum(line.unit_minor * line.quantity for line in lines)


def _check_amendable(order: Order, amendment: Amendment) -> None:
    if order.version != amendment.version:
        raise OrderRefused(
            f"Order {order.reference} is at version {order.version}, not {amendment.version}. Read it again.",
            field="version",
            code="stale_version",
        )
    if order.status not in {OrderStatus.PLACED, OrderStatus.CONFIRMED}:
        raise OrderRefused(
            f"Order {order.reference} is {OrderStatus(order.status).label}: its lines stay as they are.",
            code="cannot_amend",
        )


def _check_draft(draft: OrderDraft) -> None:
    if draft.currency != draft.restaurant.currency:
        raise OrderRefused(
            f"{draft.restaurant.name} takes {draft.restaurant.currency}, not {draft.currency}.",
            field="currency",
            code="wrong_currency",
        )
    _check_lines(draft.lines, draft.currency)
    _check_texts(draft)
    if draft.owner_id is not None and not is_guest_of(draft.owner_id, restaurant_id=draft.restaurant.pk):
        raise OrderRefused(f"No guest of {draft.restaurant.name} has this id.", field="owner", code="unknown_guest")


def _check_lines(lines: tuple[LineDraft, ...], currency: str) -> None:
    if not 1 <= len(lines) <= MAX_LINES:
        raise OrderRefused(f"An order has 1 to {MAX_LINES} lines.", field="lines", code="line_count")
    for place, line in enumerate(lines):
        _check_line(place, line)
        if line.currency not in {"", currency}:
            where = f"lines[{place}].unit_price.currency"
            raise OrderRefused(f"This order is in {currency}, not {line.currency}.", field=where, code="wrong_currency")
        check_text(line.name, field=f"lines[{place}].name", longest=MAX_LINE_NAME, refusal=OrderRefused)
    if not 0 < _total(lines) <= MAX_MINOR:
        raise OrderRefused("The total must be above zero and below the limit.", field="lines", code="total_range")


def _check_line(place: int, line: LineDraft) -> None:
    if type(line.unit_minor) is not int or type(line.quantity) is not int:
        raise OrderRefused("Amounts and quantities are whole numbers.", field=f"lines[{place}]", code="not_an_integer")
    if not 1 <= line.quantity <= MAX_QUANTITY or line.unit_minor < 0 or not line.name.strip():
        raise OrderRefused(
            f"A line needs a name, a quantity from 1 to {MAX_QUANTITY} and a price that is not negative.",
            field=f"lines[{place}]",
            code="bad_line",
        )


def _check_texts(draft: OrderDraft) -> None:
    check_text(draft.table, field="table", longest=MAX_TABLE, refusal=OrderRefused)
    for name, text in draft.customer.items():
        if name not in CUSTOMER_FIELDS:
            known = ", ".join(CUSTOMER_FIELDS)
            raise OrderRefused(f"A customer has {known}, not {name}.", field=name, code="unknown_field")
        check_text(text, field=name, longest=MAX_CUSTOMER_TEXT, refusal=OrderRefused)
    if len(draft.client_reference) > MAX_CLIENT_REFERENCE or "\x00" in draft.client_reference:
        raise OrderRefused(
            f"A reference has at most {MAX_CLIENT_REFERENCE} characters.", field="client_reference", code="bad_text"
        )


def _already_placed(draft: OrderDraft, error: IntegrityError) -> Exception:
    if "one_order_per_client_reference" not in str(error):
        return error
    return OrderRefused(
        f"An order with the reference {draft.client_reference} exists already.",
        field="client_reference",
        code="client_reference_taken",
    )
