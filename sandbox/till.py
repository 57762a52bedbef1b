"""Where money moves: charges and refunds are opened, settled and told about. It knows no request and no fault."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kernel import clock
from sandbox.behaviours import (
    CHARGES,
    SECONDS,
    ChargeStatus,
    Delay,
    RefundBehaviour,
    RefundStatus,
    WebhookHabit,
)
from sandbox.books import Books, Charge, Origin, Refund
from sandbox.notices import FORGER_SECRET, Webhook, webhook
from sandbox.terms import ChargeTerms
from sandbox.wire import charge_json, refund_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    name: str = "sandbox"
    api_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    admin_key: str = field(default="", repr=False)  # Empty: the API key.
    public_url: str = "http://127.0.0.1:9101"
    notify_url: str = ""
    fee_bps: int = 0
    seconds: Mapping[Delay, float] = field(default_factory=lambda: SECONDS)
    trouble_times: int = 1  # How many requests with one key meet its token's trouble.
    webhook_copies: int = 3  # How often a duplicated webhook arrives.
    hidden_look_ups: int = 1  # How many look-ups a hidden charge or refund escapes.
    key_lifetime_seconds: float | None = None  # None: keys are remembered for ever.
    key_id: str = ""  # Where a key has two halves, the public one.
    list_lag_seconds: float = 0.0  # How long a list does not show what is new.


class Till:
    def __init__(self, settings: Settings, books: Books) -> None:
        self.settings = settings
        self.books = books
        self.notify_url = settings.notify_url
        self.webhooks: list[Webhook] = []

    def open_charge(self, key: str, mark: str, terms: ChargeTerms, *, order_id: str = "") -> Charge:
        behaviour = CHARGES[terms.token]
        charge = Charge(
            id=self.new_charge_id(),
            key=key,
            fingerprint=mark,
            order_reference=terms.order_reference,
            method=terms.method,
            token=terms.token,
            amount=terms.amount,
            currency=terms.currency,
            return_url=terms.return_url,
            notify_url=terms.notify_url,
            created=timestamp(),
            status=behaviour.status,
            failure_code=behaviour.failure_code,
            order_id=order_id,
        )
        if behaviour.later:
            due_at = timestamp() + self.settings.seconds[behaviour.later_delay]
            charge = replace(charge, due_at=due_at, due_status=behaviour.later)
        return self._record_charge(charge)

    def settle_charge(self, charge: Charge, status: ChargeStatus, *, failure_code: str = "") -> Charge:
        code = failure_code or charge.failure_code
        return self._record_charge(replace(charge, status=status, failure_code=code, due_at=None, due_status=None))

    def approve_late(self, charge: Charge) -> Charge:
        """The guest approved, and the money takes its time."""
        due_at = timestamp() + self.settings.seconds[Delay.LATE]
        charge = replace(charge, due_at=due_at, due_status=ChargeStatus.SUCCEEDED)
        self.books.write(charge)
        return charge

    def open_refund(self, refund: Refund, behaviour: RefundBehaviour) -> Refund:
        refund = replace(refund, status=behaviour.status)
        if behaviour.later:
            due_at = timestamp() + self.settings.seconds[behaviour.later_delay]
            refund = replace(refund, due_at=due_at, due_status=behaviour.later)
        return self._record_refund(refund)

    def refund_here(self, charge: Charge, amount: int, origin: Origin) -> Refund:
        """A refund or chargeback that nobody asked for through the API."""
        refund = self.new_refund(charge, amount=amount, origin=origin)
        return self._record_refund(replace(refund, status=RefundStatus.SUCCEEDED))

    def tick(self) -> None:
        """Let everything happen that is due by now."""
        for entry in self.books.due(timestamp()):
            self.happen(entry)

    def happen(self, entry: Charge | Refund) -> None:
        if isinstance(entry, Charge) and entry.due_status is not None:
            self.settle_charge(entry, entry.due_status)
        elif isinstance(entry, Refund) and entry.due_status is not None:
            self._record_refund(replace(entry, status=entry.due_status, due_at=None, due_status=None))

    def show(self, entry: Charge | Refund) -> dict[str, Any]:
        if isinstance(entry, Refund):
            return refund_json(entry, self.books.charges[entry.charge_id])
        is_open = entry.status is ChargeStatus.PENDING and CHARGES[entry.token].has_page
        page_url = f"{self.settings.public_url}/pay/{entry.id}" if is_open else ""
        return charge_json(entry, self.books.refunds_of(entry), page_url=page_url, fee_bps=self.settings.fee_bps)

    def news_for_browser(self, charge: Charge) -> Webhook:
        """What a webhook would say now, for the guest's browser to carry."""
        kind = f"charge.{_TOLD_AS[charge.status]}"
        return self.new_webhook(kind, charge, self.show(charge), secret=self.settings.webhook_secret, wait=0.0)

    def new_refund(self, charge: Charge, *, amount: int, origin: Origin, key: str = "", mark: str = "") -> Refund:
        """Not in the books yet."""
        return Refund(
            id=self.new_refund_id(),
            key=key,
            fingerprint=mark,
            charge_id=charge.id,
            amount=amount,
            currency=charge.moved_currency,
            origin=origin,
            created=timestamp(),
            status=RefundStatus.PENDING,
        )

    def new_charge_id(self) -> str:
        return f"ch_{clock.new_id().hex}"

    def new_refund_id(self) -> str:
        return f"re_{clock.new_id().hex}"

    def tell_charge(self, charge: Charge) -> None:
        self.tell(f"charge.{_TOLD_AS[charge.status]}", charge, self.show(charge))

    def tell_refund(self, refund: Refund, charge: Charge) -> None:
        if refund.status is not RefundStatus.PENDING:
            self.tell(f"refund.{refund.status}", charge, {**self.show(refund), "charge": self.show(charge)})

    def lie_about(self, charge: Charge) -> tuple[str, Mapping[str, Any]]:
        """What a forger would say: that it was paid."""
        moved = {"amount": charge.amount, "currency": charge.currency}
        return "charge.succeeded", {**self.show(charge), "status": ChargeStatus.SUCCEEDED, "moved": moved}

    def _record_charge(self, charge: Charge) -> Charge:
        if charge.status is ChargeStatus.SUCCEEDED:
            charge = _captured(charge)
        self.books.write(charge)
        self.tell_charge(charge)
        return charge

    def _record_refund(self, refund: Refund) -> Refund:
        if refund.status is RefundStatus.SUCCEEDED:
            refund = replace(refund, made_at=timestamp())
        self.books.write(refund)
        self.tell_refund(refund, self.books.charges[refund.charge_id])
        return refund

    def tell(self, kind: str, charge: Charge, data: Mapping[str, Any]) -> None:
        habit = CHARGES[charge.token].webhook
        wait = self.settings.seconds[Delay.LATE_WEBHOOK] if habit is WebhookHabit.LATE else 0.0
        copies = {WebhookHabit.NEVER: 0, WebhookHabit.MANY: self.settings.webhook_copies}.get(habit, 1)
        notice = self.new_webhook(kind, charge, data, secret=self.settings.webhook_secret, wait=wait)
        self.webhooks += [replace(notice) for _ in range(copies)]
        if habit is WebhookHabit.FORGED and charge.status is ChargeStatus.PENDING:
            self.forge(charge)

    def forge(self, charge: Charge) -> None:
        kind, lie = self.lie_about(charge)
        self.webhooks.append(self.new_webhook(kind, charge, lie, secret=FORGER_SECRET, wait=0.0))

    def new_webhook(self, kind: str, charge: Charge, data: Mapping[str, Any], *, secret: str, wait: float) -> Webhook:
        url = charge.notify_url or self.notify_url
        return webhook(kind, data, url=url, secret=secret, due_at=timestamp() + wait)


_TOLD_AS = {
    ChargeStatus.PENDING: "pending",
    ChargeStatus.SUCCEEDED: "succeeded",
    ChargeStatus.FAILED: "failed",
    ChargeStatus.CANCELLED: "failed",
}


def timestamp() -> float:
    return clock.now().timestamp()


def _captured(charge: Charge) -> Charge:
    """What really moves, which some tokens make something else than what was asked."""
    behaviour = CHARGES[charge.token]
    other = "USD" if charge.currency != "USD" else "EUR"
    currency = other if behaviour.takes_other_currency else charge.currency
    amount = charge.amount + behaviour.surplus_minor
    return replace(charge, moved_amount=amount, moved_currency=currency, moved_at=timestamp())
