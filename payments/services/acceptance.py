"""What is accepted for payment: amounts, texts and methods are checked under the lock, before a row is made."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from kernel.money import MAX_MINOR
from kernel.texts import check_text
from orders.models import Order
from orders.services import MAX_CUSTOMER_TEXT
from payments.models import Method, Payment
from payments.services import routing
from payments.services.bill import Bill
from payments.services.refusals import PaymentRefused

MAX_INSTRUMENT = 500  # The longest token of a provider is half of it.
MAX_TIP_TO_TOTAL = 10  # Generous with a coffee; above it somebody typed an amount into the wrong field.
MAX_METADATA = 8_000  # Somebody else's notes, not somebody else's database.
MAX_RETURN_URL = 500
MAX_PROVIDER = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentDraft:
    order_id: UUID
    method: str
    amount_minor: int | None = None  # None: all that is free.
    tip_minor: int = 0
    currency: str = ""  # Empty: the order's.
    instrument: str = field(default="", repr=False)
    provider: str = ""
    return_url: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    customer: Mapping[str, str] = field(default_factory=dict, repr=False)  # name, phone, email
    is_to_be_chosen: bool = False  # A share is held, and the guest chooses the method later.


def check_texts(draft: PaymentDraft) -> None:
    """A token is a provider's word for a card; whoever sends the card itself is stopped here (I18)."""
    check_instrument(draft.instrument)
    for name, text in draft.customer.items():
        check_text(text, field=f"customer.{name}", longest=MAX_CUSTOMER_TEXT, refusal=PaymentRefused)
    check_text(json.dumps(dict(draft.metadata)), field="metadata", longest=MAX_METADATA, refusal=PaymentRefused)
    if len(draft.return_url) > MAX_RETURN_URL:
        raise PaymentRefused("This address is too long.", field="return_url", code="bad_text")


def check_instrument(instrument: str) -> None:
    check_text(instrument, field="instrument", longest=MAX_INSTRUMENT, refusal=PaymentRefused)


def check_amounts(bill: Bill, draft: PaymentDraft, amount: int) -> None:
    order = bill.order
    if not bill.is_payable:
        raise PaymentRefused(f"Order {order.reference} is cancelled.", field="order", code="order_cancelled")
    if draft.currency and draft.currency != order.currency:
        raise PaymentRefused(
            f"Order {order.reference} is in {order.currency}, not {draft.currency}.",
            field="currency",
            code="wrong_currency",
        )
    if type(amount) is not int or type(draft.tip_minor) is not int:
        raise PaymentRefused("Amounts are whole numbers of minor units.", field="amount", code="not_an_integer")
    check_what_is_left(bill)
    if amount <= 0 or not 0 <= draft.tip_minor <= MAX_MINOR:
        raise PaymentRefused("The amount must be above zero, and a tip not below.", field="amount", code="bad_amount")
    if amount > bill.free_minor:
        raise PaymentRefused(
            f"{bill.shown(amount)} is more than the {bill.shown(bill.free_minor)} that is left to pay.",
            field="amount",
            code="more_than_due",
        )
    if draft.tip_minor > MAX_TIP_TO_TOTAL * order.total_minor:
        raise PaymentRefused(
            f"A tip of {bill.shown(draft.tip_minor)} for an order of {bill.shown(order.total_minor)} "
            "must be a slip of the finger.",
            field="tip",
            code="tip_too_high",
        )


def check_what_is_left(bill: Bill) -> None:
    order = bill.order
    if bill.due_minor <= 0:
        raise PaymentRefused(f"Order {order.reference} is paid already.", field="order", code="already_covered")
    if bill.free_minor <= 0:
        raise PaymentRefused(
            f"What is left of order {order.reference} is being paid right now.", field="order", code="being_paid"
        )


def wish_for(order: Order, method: str, charge_minor: int, provider: str) -> routing.Wish:
    return routing.Wish(
        method=method, currency=order.currency, amount_minor=charge_minor, channel=order.channel, provider=provider
    )


def wish_of(order: Order, payment: Payment) -> routing.Wish:
    """What a round was asked for goes before what the client wished for."""
    return wish_for(order, payment.method, payment.charge_minor, payment.round_provider or payment.wanted_provider)


def check_provider(name: str, candidates: Sequence[routing.Candidate]) -> None:
    if name and all(candidate.account.provider != name for candidate in candidates):
        raise PaymentRefused(
            f"This restaurant has no provider {name!r}. Leave it out, and one is chosen.",
            field="provider",
            code="unknown_provider",
        )


def check_method(wish: routing.Wish, candidates: Sequence[routing.Candidate]) -> None:
    if not wish.method:
        raise PaymentRefused("Say how it is paid.", field="method", code="unknown_method")
    check_provider(wish.provider, candidates)
    if wish.method not in Method.values:
        known = ", ".join(Method.values)
        raise PaymentRefused(f"{wish.method!r} is not one of: {known}.", field="method", code="unknown_method")
    if not any(routing.fits(candidate, wish) for candidate in candidates):
        raise PaymentRefused(
            f"This restaurant has no provider for {wish.method} in {wish.currency} at this amount.",
            field="method",
            code="no_provider",
        )
