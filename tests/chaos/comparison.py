"""Three books laid side by side: every sentence that comes out is something that must not be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import chain
from typing import Final

from tests.chaos.books import Attempt, Event, Order, Ours, Payment, Refund, TheirCharge, Told
from tests.chaos.cases import MISMATCH, OF_A_DOUBT

UNDER_WAY: Final = frozenset({"pending", "processing"})
REFUND_UNDER_WAY: Final = frozenset({"requested", "waiting_approval", "processing"})
LIVE: Final = frozenset({"sent", "pending", "unknown"})
CASH: Final = "cash"
# A doubt that is older needs a human (design, §4), and a next action may be late by this much (I10).
DOUBT_BOUND: Final = timedelta(minutes=15)
OVERDUE: Final = timedelta(seconds=60)


@dataclass(frozen=True)
class Comparison:
    told: Told
    ours: Ours
    theirs: tuple[TheirCharge, ...]

    # --- Indexes --------------------------------------------------------------------------------------------------

    @cached_property
    def orders(self) -> dict[str, Order]:
        return {order.id: order for order in self.ours.orders}

    @cached_property
    def payments(self) -> dict[str, Payment]:
        return {payment.id: payment for payment in self.ours.payments}

    @cached_property
    def attempts(self) -> dict[str, Attempt]:
        return {attempt.id: attempt for attempt in self.ours.attempts}

    @cached_property
    def refunds(self) -> dict[str, Refund]:
        return {refund.id: refund for refund in self.ours.refunds}

    @cached_property
    def _case_kinds_of(self) -> dict[str, set[str]]:
        """What a human was told about each payment, attempt and refund itself: what is about another is no excuse."""
        found: dict[str, set[str]] = defaultdict(set)
        for case in self.ours.cases:
            found[case.subject_id].add(case.kind)
        return found

    @cached_property
    def _refunds_of(self) -> dict[str, list[Refund]]:
        found: dict[str, list[Refund]] = defaultdict(list)
        for refund in self.ours.refunds:
            found[refund.attempt_id].append(refund)
        return found

    @cached_property
    def _payments_of(self) -> dict[str, list[Payment]]:
        found: dict[str, list[Payment]] = defaultdict(list)
        for payment in self.ours.payments:
            found[self.orders[payment.order_id].reference].append(payment)
        return found

    @cached_property
    def _charges_of(self) -> dict[str, list[TheirCharge]]:
        found: dict[str, list[TheirCharge]] = defaultdict(list)
        for charge in self.theirs:
            found[charge.order_reference].append(charge)
        return found

    @cached_property
    def _cash_of(self) -> dict[str, list[Attempt]]:
        found: dict[str, list[Attempt]] = defaultdict(list)
        for attempt in self.ours.attempts:
            if attempt.provider == CASH and attempt.captured_minor:
                order = self.orders[self.payments[attempt.payment_id].order_id]
                found[order.reference].append(attempt)
        return found

    @cached_property
    def _kept_of(self) -> dict[str, list[int]]:
        """What each payment keeps, charge by charge, by the providers' books and the till."""
        found: dict[str, list[int]] = defaultdict(list)
        for charge in self.theirs:
            attempt = self.attempts.get(charge.key)
            if attempt is not None and (kept := self._kept(charge)):
                found[attempt.payment_id].append(kept)
        for attempt in chain.from_iterable(self._cash_of.values()):
            found[attempt.payment_id].append(attempt.captured_minor)
        return found

    # --- Charged twice --------------------------------------------------------------------------------------------

    def charged_twice(self) -> Iterator[str]:
        """By the providers' books and the till: a guest paid more than bill and tips, and it did not come back.

        Where the bill has room for it, each payment is looked at: it keeps one charge, of its share and its tip.
        What a guest got back of a charge that we keep does not count: it must not hide a second one. A charge that we
        call surplus counts with what did not go back. Where another amount was captured than asked for, a human
        decides about the difference: it has an open case, or it counts. Of a cancelled order nothing is kept.
        """
        for order in self.ours.orders:
            is_cancelled = order.status == "cancelled"
            taken = self._left(order) if is_cancelled else self._taken(order)
            allowed = 0 if is_cancelled else self._allowed(order)
            if taken > allowed:
                yield f"order {order.reference} ({order.status}): {taken} taken and kept of {allowed}"
            else:
                yield from self._shares_charged_twice(order)

    def _shares_charged_twice(self, order: Order) -> Iterator[str]:
        for payment in self._payments_of[order.reference]:
            kept, asked = self._kept_of[payment.id], payment.amount_minor + payment.tip_minor
            if len(kept) > 1 or sum(kept) > asked:
                yield f"payment {payment.id} of order {order.reference}: {kept} taken and kept, {asked} asked for"

    def _left(self, order: Order) -> int:
        """What did not go back and is on no human's desk."""
        charges = [charge for charge in self._charges_of[order.reference] if not self._is_a_humans(charge)]
        return sum(charge.moved_minor - charge.refunded_minor for charge in charges)

    def _is_a_humans(self, charge: TheirCharge) -> bool:
        """The doubt about it, its surplus, or one of its refunds."""
        attempt = self.attempts.get(charge.key)
        if attempt is None:
            return False
        doubted = attempt.status in LIVE and self._is_with_a_human(self.payments[attempt.payment_id])
        known = [attempt.id, *(refund.id for refund in self._refunds_of[attempt.id])]
        return doubted or any(self._case_kinds_of[row] for row in known)

    def _taken(self, order: Order) -> int:
        cash = sum(attempt.captured_minor for attempt in self._cash_of[order.reference])
        return cash + sum(self._kept(charge) for charge in self._charges_of[order.reference])

    def _kept(self, charge: TheirCharge) -> int:
        attempt = self.attempts.get(charge.key)
        if attempt is not None and attempt.capture == "surplus":
            return charge.moved_minor - charge.refunded_minor
        undecided = attempt is not None and attempt.capture == "undecided"
        if attempt is not None and undecided and MISMATCH in self._case_kinds_of[attempt.payment_id]:
            return 0
        return charge.moved_minor

    def _allowed(self, order: Order) -> int:
        payments = self._payments_of[order.reference]
        return order.total_minor + sum(payment.tip_minor for payment in payments if payment.status != "failed")

    def rescued(self) -> Iterator[str]:
        """Taken although it was not due, found out, and given back in full."""
        for charge in self.theirs:
            attempt = self.attempts.get(charge.key)
            is_surplus = attempt is not None and attempt.capture == "surplus"
            if is_surplus and charge.moved_minor and charge.refunded_minor == charge.moved_minor:
                yield f"charge {charge.key} of order {charge.order_reference}: {charge.moved_minor}"

    # --- Lost -----------------------------------------------------------------------------------------------------

    def lost(self) -> Iterator[str]:
        """Something that a client was told of and we have not, or money that a provider has and we know nothing of."""
        yield from self._lost_rows()
        yield from self._lost_words()
        for charge in self.theirs:
            attempt = self.attempts.get(charge.key)
            if attempt is None:
                yield f"charge {charge.key} at {charge.provider}: no attempt of ours"
            elif charge.moved_minor > attempt.captured_minor and not self._is_being_asked_about(attempt):
                yield f"charge {charge.key} at {charge.provider}: {charge.moved_minor} moved, we are {attempt.status}"

    def _lost_rows(self) -> Iterator[str]:
        rows = (("order", self.told.orders, self.orders), ("payment", self.told.payments, self.payments))
        for kind, told, ours in (*rows, ("refund", self.told.refunds, self.refunds)):
            for row in told - ours.keys():
                yield f"{kind} {row}: a client was told of it, and it is not there"

    def _lost_words(self) -> Iterator[str]:
        """No provider of this run takes a refund back that it called done, nor a charge."""
        for kind, rows in (("payment", self.payments), ("refund", self.refunds)):
            for row in self.told.completed & rows.keys():
                if rows[row].status != "completed":
                    yield f"{kind} {row}: a client was told completed, it is {rows[row].status}"

    def books_differ(self) -> Iterator[str]:
        """Every other difference, charge by charge: what we say moved and went back, and what they say."""
        theirs = {charge.key: charge for charge in self.theirs}
        for attempt in self.ours.attempts:
            charge = theirs.get(attempt.id) or TheirCharge(key=attempt.id, provider="", order_reference="")
            if attempt.provider == CASH or self._is_being_asked_about(attempt):
                continue
            ours = (attempt.captured_minor, attempt.captured_currency, attempt.refunded_minor)
            known = (charge.moved_minor, charge.moved_currency, charge.refunded_minor)
            if ours != known and charge.moved_minor <= attempt.captured_minor and not self._refund_is_open(attempt):
                yield f"attempt {attempt.id} ({attempt.status}): ours {ours}, theirs {known}"

    def _is_being_asked_about(self, attempt: Attempt) -> bool:
        """In doubt, and within the bound of a doubt or with a human: not lost, but not found yet."""
        payment = self.payments[attempt.payment_id]
        return attempt.status in LIVE and (self._is_with_a_human(payment) or not self._is_past_bound(payment))

    def _refund_is_open(self, attempt: Attempt) -> bool:
        return any(refund.status in REFUND_UNDER_WAY for refund in self._refunds_of[attempt.id])

    # --- In doubt -------------------------------------------------------------------------------------------------

    def in_doubt_past_bound(self) -> Iterator[str]:
        """Under way with nobody who knows: no case about it, and no next action in time, or a doubt that is too old."""
        return (_said_of(row) for row in self._nobody_knows() if self._is_past_bound(row))

    def in_doubt_within_bound(self) -> Iterator[str]:
        return (_said_of(row) for row in self._nobody_knows() if not self._is_past_bound(row))

    def moved_with_a_human(self) -> Iterator[str]:
        """Money of which we do not know that it moved, and a human was told that we do not.

        It need not be zero: after that the next look may be an hour away, and this run does not wait for it.
        """
        for charge in self.theirs:
            attempt = self.attempts.get(charge.key)
            if attempt is None or attempt.status not in LIVE or charge.moved_minor <= attempt.captured_minor:
                continue
            if self._is_with_a_human(self.payments[attempt.payment_id]):
                yield f"charge {charge.key} at {charge.provider}: {charge.moved_minor} moved, we are {attempt.status}"

    def _nobody_knows(self) -> Iterator[Payment | Refund]:
        rows = chain[Payment | Refund](self.ours.payments, self.ours.refunds)
        under_way = UNDER_WAY | REFUND_UNDER_WAY
        return (row for row in rows if row.status in under_way and not self._is_with_a_human(row))

    def _is_with_a_human(self, row: Payment | Refund) -> bool:
        kinds = self._case_kinds_of[row.id]
        return bool(kinds if isinstance(row, Refund) else kinds.intersection(OF_A_DOUBT))

    def _is_past_bound(self, row: Payment | Refund) -> bool:
        since = row.doubt_since if isinstance(row, Payment) else row.created_at
        too_old = since is not None and self.ours.now > since + DOUBT_BOUND + OVERDUE
        return too_old or self._is_overdue(row.next_action_at, row.lease_until)

    def _is_overdue(self, next_action_at: datetime | None, lease_until: datetime | None) -> bool:
        due = max((at for at in (next_action_at, lease_until) if at is not None), default=None)
        return next_action_at is None or due is None or due + OVERDUE < self.ours.now

    # --- Refunds and events ---------------------------------------------------------------------------------------

    def refunds_above_captured(self) -> Iterator[str]:
        for charge in self.theirs:
            back = charge.refunded_minor + charge.refunding_minor
            if back > charge.moved_minor:
                yield f"charge {charge.key} at {charge.provider}: {back} back of {charge.moved_minor}"
        for attempt in self.ours.attempts:
            back = attempt.refunded_minor + attempt.refunding_minor
            if back > attempt.captured_minor:
                yield f"attempt {attempt.id}: {back} back of {attempt.captured_minor} in our own books"

    def events_missing(self) -> Iterator[str]:
        """Per stream the versions are 1, 2, 3 … up to the row's; each end and each refund has its event."""
        streams: dict[str, list[Event]] = defaultdict(list)
        for event in self.ours.events:
            streams[event.stream_id].append(event)
        rows: tuple[Order | Payment, ...] = (*self.ours.orders, *self.ours.payments)
        for row in rows:
            versions = sorted(event.version for event in streams[row.id])
            if versions != list(range(1, row.version + 1)):
                yield f"{type(row).__name__.lower()} {row.id} at version {row.version} has events {versions}"
        for payment in self.ours.payments:
            types = {event.type for event in streams[payment.id]}
            yield from (f"payment {payment.id} has no {each}" for each in sorted(_events_of(payment) - types))
        facts = {(event.refund_id, event.type) for event in self.ours.events if event.refund_id}
        for refund in self.ours.refunds:
            missing = [each for each in _events_of_refund(refund) if (refund.id, each) not in facts]
            yield from (f"refund {refund.id} has no {each}" for each in missing)


def _said_of(row: Payment | Refund) -> str:
    return f"{type(row).__name__.lower()} {row.id} is {row.status}, next action {row.next_action_at}"


def _events_of(payment: Payment) -> set[str]:
    ends = {"completed": {"payment.completed"}, "failed": {"payment.failed"}}
    return {"payment.created"} | ends.get(payment.status, set())


def _events_of_refund(refund: Refund) -> list[str]:
    ends = {"completed": ["refund.completed"], "failed": ["refund.failed"]}
    return ["refund.created", *ends.get(refund.status, [])]
