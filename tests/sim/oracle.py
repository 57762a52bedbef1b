"""What the providers' books say about each conclusion that we draw, at the moment at which we draw it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from payments.models import AttemptStatus, RefundStatus
from sandbox.behaviours import CHARGES, ChargeStatus
from sandbox.behaviours import RefundStatus as Made
from sandbox.books import Charge, Refund
from tests.sim.database import Reader
from tests.sim.providers import Arrival, SimProvider

# What may be sent, and until when.
_SENT = {
    "/v1/charges": "SELECT send_before, key_expires_at FROM payments_attempt WHERE id::text = %s",
    "/v1/refunds": "SELECT NULL::timestamptz, key_expires_at FROM payments_refund WHERE id::text = %s",
}
# Conclusions that nothing moved. EXPIRED is none: the guest may approve while we let it go, and it is watched.
_CONCLUSIONS = [
    f"attempt {AttemptStatus.DECLINED}",
    f"attempt {AttemptStatus.NOT_SENT}",
    f"attempt {AttemptStatus.NOT_CHARGED}",
    f"attempt {AttemptStatus.CANCELLED}",
    f"refund {RefundStatus.FAILED}",
]
# As they were drawn, also where one was drawn twice, or was corrected within the same step.
_CONCLUDED = """
    SELECT t.id, t.subject_kind, t.subject_id::text, t.to_status, pa.provider, t.at
      FROM events_transition t
      LEFT JOIN payments_attempt a ON t.subject_kind = 'attempt' AND a.id = t.subject_id
      LEFT JOIN payments_refund r ON t.subject_kind = 'refund' AND r.id = t.subject_id
      JOIN payments_provideraccount pa ON pa.id = COALESCE(a.account_id, r.account_id)
     WHERE t.id > %s AND t.from_status <> t.to_status
       AND (t.subject_kind || ' ' || t.to_status) = ANY(%s)
     ORDER BY t.id"""
# Whoever accepts a share, or tries it again, has looked at what is free. That more comes later is the providers' doing.
_TAKEN = """
    SELECT t.id, p.reference, t.step,
           p.status IN ('pending', 'processing')
           AND o.total_minor
               < (SELECT sum(s.amount_minor) FROM payments_payment s
                   WHERE s.order_id = o.id AND s.status IN ('pending', 'processing'))
               + (SELECT COALESCE(sum(GREATEST(0, a.captured_minor - a.tip_minor - a.reopened_minor)), 0)
                    FROM payments_attempt a JOIN payments_payment s ON s.id = a.payment_id
                   WHERE s.order_id = o.id AND a.capture = 'kept')
      FROM events_transition t
      JOIN payments_payment p ON p.id = t.subject_id
      JOIN orders_order o ON o.id = p.order_id
     WHERE t.id > %s AND t.step IN ('create', 'retry') ORDER BY t.id"""
# Only what was set aside is not asked about, and that is another case than a doubt.
_ASKED = """
    SELECT q.* FROM (
        SELECT 'attempt', a.id::text, a.status, pa.provider, a.payment_id
          FROM payments_attempt a JOIN payments_provideraccount pa ON pa.id = a.account_id
         WHERE a.status IN ('unknown', 'pending', 'sent') AND NOT a.mismatch
         UNION ALL
        SELECT 'refund', r.id::text, r.status, pa.provider, r.payment_id
          FROM payments_refund r JOIN payments_provideraccount pa ON pa.id = r.account_id
         WHERE r.status = 'processing') AS q(kind, id, status, provider, payment_id)
     WHERE NOT EXISTS (SELECT 1 FROM failures_case c
                        WHERE c.payment_id = q.payment_id AND c.kind = 'quarantined' AND c.closed_at IS NULL)
     ORDER BY q.id"""
_STILL_DUE = """
    SELECT 'payment ' || reference || ' is ' || status || ', next ' || next_action FROM payments_payment
     WHERE next_action_at IS NOT NULL
     UNION ALL
    SELECT 'refund ' || id || ' is ' || status || ', next ' || next_action FROM payments_refund
     WHERE next_action_at IS NOT NULL AND status <> 'processing'
     UNION ALL
    SELECT 'attempt ' || id || ' is ' || status || ', watched' FROM payments_attempt WHERE watch_at IS NOT NULL
     UNION ALL
    SELECT 'notice ' || event_id || ' is ' || state FROM payments_inboundnotice WHERE next_action_at IS NOT NULL"""
_UNKNOWN_TO_ALL = """
    SELECT 'payment ' || p.reference || ' is ' || p.status FROM payments_payment p
     WHERE p.status IN ('pending', 'processing')
       AND NOT EXISTS (SELECT 1 FROM failures_case c WHERE c.payment_id = p.id AND c.closed_at IS NULL)
     UNION ALL
    SELECT 'refund ' || r.id || ' is ' || r.status FROM payments_refund r
     WHERE r.status IN ('requested', 'waiting_approval', 'processing')
       AND NOT EXISTS (SELECT 1 FROM failures_case c WHERE c.payment_id = r.payment_id AND c.closed_at IS NULL)"""
_UNFINISHED = """
    SELECT 'payment ' || p.reference || ' is ' || p.status, p.id::text, '' FROM payments_payment p
     WHERE p.status IN ('pending', 'processing')
     UNION ALL
    SELECT 'refund ' || r.id || ' is ' || r.status, r.id::text, pa.provider
      FROM payments_refund r JOIN payments_provideraccount pa ON pa.id = r.account_id
     WHERE r.status IN ('requested', 'waiting_approval', 'processing')"""
_OURS = """
    SELECT o.reference, pa.provider, a.captured_currency, sum(a.captured_minor - a.refunded_minor)::bigint
      FROM payments_attempt a
      JOIN payments_provideraccount pa ON pa.id = a.account_id
      JOIN payments_payment p ON p.id = a.payment_id
      JOIN orders_order o ON o.id = p.order_id
     WHERE a.captured_minor > 0 GROUP BY 1, 2, 3"""


class Oracle:
    """Late rescue is no excuse here: a wrong conclusion is wrong also where its surplus is found and given back."""

    def __init__(self, providers: Mapping[str, SimProvider], reader: Reader) -> None:
        self._providers, self._reader = providers, reader
        self._read: dict[str, int] = dict.fromkeys(providers, 0)
        self._last_taken = self._last_concluded = 0

    def contradictions(self) -> list[str]:
        """After every step."""
        return [*self._wrong_conclusions(), *self._wrong_sends(), *self._shares_taken_twice()]

    def unrest(self) -> list[str]:
        """When nothing has gone wrong for days: what is still open, and no human knows, or no human is needed."""
        untold = [f"I10: {what}, and nobody was told" for (what,) in self._reader.rows(_UNKNOWN_TO_ALL)]
        return [*untold, *self._lasting_doubts()]

    def remains(self) -> list[str]:
        """When people have decided what only people can decide: nothing is open or due, and no book differs."""
        due = [f"I10: {what}, for ever" for (what,) in self._reader.rows(_STILL_DUE)]
        return [*self._unfinished(), *due, *self._differences()]

    def _unfinished(self) -> Iterator[str]:
        for what, key, provider in self._reader.rows(_UNFINISHED):
            theirs = self._providers[provider].books.refund_of_key(key) if provider in self._providers else None
            if theirs is None or theirs.status is not Made.PENDING:
                yield f"I10: {what}, whatever people do"

    def _wrong_conclusions(self) -> Iterator[str]:
        for number, kind, key, status, provider, at in self._reader.rows(
            _CONCLUDED, [self._last_concluded, _CONCLUSIONS]
        ):
            self._last_concluded = number
            if provider not in self._providers:
                continue
            books = self._providers[provider].books
            charge, refund = books.charge_of_key(key), books.refund_of_key(key)
            if kind == "attempt" and charge is not None and _had_moved(charge, at):
                yield f"I11: attempt {key} is {status}, and its money moved"
            elif kind == "refund" and refund is not None and _was_made(refund, at):
                yield f"I5: refund {key} is {status}, and it was made"

    def _shares_taken_twice(self) -> Iterator[str]:
        """Also where all that is too much is found and given back: the guest was charged twice for a while (I1)."""
        for number, payment, step, is_too_much in self._reader.rows(_TAKEN, [self._last_taken]):
            self._last_taken = number
            if is_too_much:
                yield f"I1: {step} of payment {payment} took a share that was not free"

    def _wrong_sends(self) -> Iterator[str]:
        """Whatever reached a provider has a committed row for its key, and came in time."""
        for name, provider in self._providers.items():
            fresh, self._read[name] = provider.arrivals[self._read[name] :], len(provider.arrivals)
            for arrival in fresh:
                yield from self._judge(arrival)

    def _judge(self, arrival: Arrival) -> Iterator[str]:
        path, key = arrival.request.path, arrival.request.key
        rows = self._reader.rows(_SENT[path], [key])
        if not rows:
            yield f"I9: {path} was asked for under the key {key}, which is no row's"
        if arrival.send_before is None or arrival.at > arrival.send_before:
            yield f"I12: {key} was sent by somebody whose time was over, or without an end"
        for send_before, key_expires_at in rows:
            if send_before is not None and arrival.at > send_before:
                yield f"I12: {key} was sent after its sender's time"
            if key_expires_at is None or arrival.at > key_expires_at:
                yield f"I5: {key} was sent when the provider may have forgotten the key"

    def _lasting_doubts(self) -> Iterator[str]:
        """A case is no excuse where the provider could have told us all the time."""
        for kind, key, status, provider, _ in self._reader.rows(_ASKED):
            if provider not in self._providers:
                continue
            books = self._providers[provider].books
            theirs = books.charge_of_key(key) if kind == "attempt" else books.refund_of_key(key)
            if theirs is not None and theirs.status not in {ChargeStatus.PENDING, Made.PENDING}:
                yield f"I10: {kind} {key} is {status} for days, and the provider's books say {theirs.status}"

    def _differences(self) -> Iterator[str]:
        """Our books against the providers', order by order and currency by currency (I7)."""
        ours: dict[tuple[str, str], dict[str, int]] = {}
        for order, provider, currency, net in self._reader.rows(_OURS):
            ours.setdefault((order, provider), {})[currency] = net
        for (order,) in self._reader.rows("SELECT reference FROM orders_order ORDER BY id"):
            for name, provider in self._providers.items():
                mine, theirs = ours.get((order, name), {}), provider.net_of(order)
                if mine != theirs:
                    yield f"I7: order {order} at {name}: ours {mine}, theirs {theirs}"


def _had_moved(charge: Charge, at: datetime) -> bool:
    """Money that the provider itself moved after it had said no is late, and no wrong conclusion."""
    said_no = CHARGES[charge.token].status is ChargeStatus.FAILED
    return not said_no and charge.moved_at is not None and charge.moved_at <= at.timestamp()


def _was_made(refund: Refund, at: datetime) -> bool:
    """And will not come back: a bank's return is a failure that comes later."""
    lasts = refund.status is Made.SUCCEEDED and refund.due_status is None
    return lasts and refund.made_at is not None and refund.made_at <= at.timestamp()
