"""The provider's own books: charges, refunds and received requests. Nothing is ever changed in place or deleted."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from sandbox.behaviours import ChargeStatus, RefundStatus
from sandbox.journal import Journal


class Origin(StrEnum):
    API = "api"
    DASHBOARD = "dashboard"
    CHARGEBACK = "chargeback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    id: str
    key: str
    fingerprint: str  # Of the body that the key came with: another body is another charge.
    order_reference: str
    method: str
    token: str
    amount: int
    currency: str
    return_url: str
    notify_url: str
    created: float
    status: ChargeStatus
    moved_amount: int = 0
    moved_currency: str = ""
    moved_at: float | None = None
    failure_code: str = ""
    due_at: float | None = None  # When it changes by itself, and to what.
    due_status: ChargeStatus | None = None
    order_id: str = ""  # Where a guest tries to pay an order of this provider, perhaps several times.

    def __post_init__(self) -> None:
        _as_enum(self, "status", ChargeStatus)
        _as_enum(self, "due_status", ChargeStatus)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    id: str
    key: str  # Empty: made at the provider, not through its API.
    fingerprint: str
    charge_id: str
    amount: int
    currency: str
    origin: Origin
    created: float
    status: RefundStatus
    made_at: float | None = None
    due_at: float | None = None
    due_status: RefundStatus | None = None
    receipt: str = ""
    notes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _as_enum(self, "status", RefundStatus)
        _as_enum(self, "due_status", RefundStatus)
        _as_enum(self, "origin", Origin)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What some providers make first, to be paid in their own window."""

    id: str
    receipt: str
    order_reference: str
    amount: int
    currency: str
    created: float
    notes: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request for money or a look-up, whatever became of it."""

    at: float
    method: str
    path: str
    key: str


Entry = Charge | Refund | Order | Received
_KINDS: Mapping[str, type[Entry]] = {"charge": Charge, "refund": Refund, "order": Order, "request": Received}
_SENT_TO = ("/charges", "/orders", "/refunds", "/refund")
_NAMES = {kind: name for name, kind in _KINDS.items()}
_Moving = TypeVar("_Moving", Charge, Refund)


class Books:
    """All state of the provider that outlives its process. Without a directory it lives in memory only."""

    def __init__(self, directory: Path | None = None) -> None:
        self.charges: dict[str, Charge] = {}
        self.refunds: dict[str, Refund] = {}
        self.orders: dict[str, Order] = {}
        self.requests: list[Received] = []
        self._charges_of_order: dict[str, dict[str, None]] = defaultdict(dict)
        self._charges_of_key: dict[str, dict[str, None]] = defaultdict(dict)
        self._refunds_of_key: dict[str, dict[str, None]] = defaultdict(dict)
        self._refunds_of_charge: dict[str, dict[str, None]] = defaultdict(dict)
        self._sends: Counter[str] = Counter()
        self._due: dict[str, Charge | Refund] = {}
        self._journal = Journal(directory / "books.jsonl") if directory else None
        for line in self._journal.lines() if self._journal else ():
            self._remember(_KINDS[line["what"]](**line["entry"]))

    def write(self, entry: Entry) -> None:
        if self._journal:
            self._journal.append({"what": _NAMES[type(entry)], "entry": asdict(entry)})
        self._remember(entry)

    def sync(self) -> None:
        if self._journal:
            self._journal.sync()

    def close(self) -> None:
        if self._journal:
            self._journal.close()

    def charge_of_key(self, key: str) -> Charge | None:
        """The one that has the money, if a forgotten key was used twice; otherwise the latest."""
        found = [self.charges[one] for one in self._charges_of_key.get(key, ())]
        paid = [charge for charge in found if charge.moved_amount]
        return next(chain(paid, reversed(found)), None)

    def refund_of_key(self, key: str) -> Refund | None:
        found = [self.refunds[one] for one in self._refunds_of_key.get(key, ())]
        return found[-1] if found else None

    def refunds_of(self, charge: Charge) -> list[Refund]:
        return [self.refunds[one] for one in self._refunds_of_charge.get(charge.id, ())]

    def refundable(self, charge: Charge) -> int:
        taken = sum(refund.amount for refund in self.refunds_of(charge) if refund.status is not RefundStatus.FAILED)
        return charge.moved_amount - taken

    def charges_for(self, order: Order) -> list[Charge]:
        """Every try to pay it."""
        found = map(self.charges.__getitem__, self._charges_of_order.get(order.order_reference, ()))
        return [charge for charge in found if charge.order_id == order.id]

    def orders_with(self, receipt: str) -> list[Order]:
        return [order for order in self.orders.values() if order.receipt == receipt]

    def sends(self, key: str) -> int:
        """How often a charge or refund with this key was asked for."""
        return self._sends[key]

    def due(self, now: float) -> list[Charge | Refund]:
        ripe = [entry for entry in self._due.values() if entry.due_at is not None and entry.due_at <= now]
        return sorted(ripe, key=lambda entry: entry.due_at or 0.0)

    def order_references(self) -> list[str]:
        return list(self._charges_of_order)

    def charges_of_order(self, order_reference: str) -> list[Charge]:
        return [self.charges[one] for one in self._charges_of_order.get(order_reference, ())]

    def captured(self, order_reference: str) -> dict[str, int]:
        """All money that ever came in for an order, by currency."""
        total: Counter[str] = Counter()
        for charge in self.charges_of_order(order_reference):
            total[charge.moved_currency] += charge.moved_amount
        return {currency: amount for currency, amount in total.items() if currency}

    def refunded(self, order_reference: str) -> dict[str, int]:
        """What really went back: a refund that is pending, or that the bank returned, did not."""
        total: Counter[str] = Counter()
        for refund in chain.from_iterable(map(self.refunds_of, self.charges_of_order(order_reference))):
            total[refund.currency] += refund.amount if refund.status is RefundStatus.SUCCEEDED else 0
        return dict(total)

    def _remember(self, entry: Entry) -> None:
        if isinstance(entry, Received):
            self.requests.append(entry)
            self._sends[entry.key] += entry.method == "POST" and entry.path.endswith(_SENT_TO)
        elif isinstance(entry, Order):
            self.orders[entry.id] = entry
        elif isinstance(entry, Charge):
            self._charges_of_order[entry.order_reference][entry.id] = None
            self._charges_of_key[entry.key][entry.id] = None
            self._schedule(self.charges, entry)
        else:
            self._refunds_of_key[entry.key][entry.id] = None
            self._refunds_of_charge[entry.charge_id][entry.id] = None
            self._schedule(self.refunds, entry)

    def _schedule(self, shelf: dict[str, _Moving], entry: _Moving) -> None:
        shelf[entry.id] = entry
        if entry.due_at is None:
            self._due.pop(entry.id, None)
        else:
            self._due[entry.id] = entry


def _as_enum(entry: object, name: str, kind: type[StrEnum]) -> None:
    """A journal holds plain text; what is read back must be as good as what was written."""
    value: Any = getattr(entry, name)
    if value is not None:
        object.__setattr__(entry, name, kind(value))
