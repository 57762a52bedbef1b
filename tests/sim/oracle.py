"""What the providers' books say about each conclusion that we draw, at the moment at which we draw it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from payments.models import AttemptStatus
from sandbox.behaviours import CHARGES, ChargeStatus
from sandbox.behaviours import RefundStatus as Made
from sandbox.books import Charge
from tests.sim.database import Reader
from tests.sim.providers import SimProvider

# What may be sent, and until when.
_SENT = {
    "/v1/charges": "SELECT send_before, key_expires_at FROM payments_attempt WHERE id::text = %s",
    "/v1/refunds": "SELECT NULL::timestamptz, key_expires_at FROM payments_refund WHERE id::text = %s",
}
# Conclusions that nothing was charged. EXPIRED is none: the guest may approve while we let it go, and it is watched.
_CONCLUSIONS = [
    AttemptStatus.DECLINED.value,
    AttemptStatus.NOT_SENT.value,
    AttemptStatus.NOT_CHARGED.value,
    AttemptStatus.CANCELLED.value,
]
# Both in one question: it is asked after every step.
_CONCLUDED = """
    SELECT 'attempt', a.id::text, a.status, pa.provider
      FROM payments_attempt a JOIN payments_provideraccount pa ON pa.id = a.account_id
     WHERE a.status = ANY(%s)
     UNION ALL
    SELECT 'refund', r.id::text, r.status, pa.provider
      FROM payments_refund r JOIN payments_provideraccount pa ON pa.id = r.account_id
     WHERE r.status = 'failed' ORDER BY 2"""
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
_ASKED = """
    SELECT a.id::text, a.status, pa.provider
      FROM payments_attempt a JOIN payments_provideraccount pa ON pa.id = a.account_id
      JOIN payments_payment p ON p.id = a.payment_id
     WHERE a.status IN ('unknown', 'pending', 'sent') AND NOT a.mismatch AND p.next_action <> '' ORDER BY a.id"""
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
        self._judged: set[tuple[str, str]] = set()
        self._read: dict[str, int] = dict.fromkeys(providers, 0)
        self._last_taken = 0

    def contradictions(self) -> list[str]:
        """After every step."""
        return [*self._wrong_conclusions(), *self._wrong_sends(), *self._shares_taken_twice()]

    def unrest(self) -> list[str]:
        """When nothing has gone wrong for days: what is still open, and no human knows, or no human is needed."""
        untold = [f"I10: {what}, and nobody was told" for (what,) in self._reader.rows(_UNKNOWN_TO_ALL)]
        return [*untold, *self._lasting_doubts()]

    def remains(self) -> list[str]:
        """When people have decided what only people can decide: nothing is open, and no book differs."""
        return [*self._unfinished(), *self._differences()]

    def _unfinished(self) -> Iterator[str]:
        for what, key, provider in self._reader.rows(_UNFINISHED):
            theirs = self._providers[provider].books.refund_of_key(key) if provider in self._providers else None
            if theirs is None or theirs.status is not Made.PENDING:
                yield f"I10: {what}, whatever people do"

    def _wrong_conclusions(self) -> Iterator[str]:
        for kind, key, status, provider in self._reader.rows(_CONCLUDED, [_CONCLUSIONS]):
            if provider not in self._providers or not self._is_new(key, status):
                continue
            books = self._providers[provider].books
            charge, refund = books.charge_of_key(key), books.refund_of_key(key)
            if kind == "attempt" and charge is not None and _has_moved_at_once(charge):
                yield f"I11: attempt {key} is {status}, and its money moved"
            elif refund is not None and refund.status is Made.SUCCEEDED and refund.due_status is None:
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
            requests = provider.books.requests
            fresh, self._read[name] = requests[self._read[name] :], len(requests)
            for request in fresh:
                if request.method == "POST" and request.path in _SENT:
                    yield from self._judge(request.path, request.key, datetime.fromtimestamp(request.at, tz=UTC))

    def _judge(self, path: str, key: str, at: datetime) -> Iterator[str]:
        rows = self._reader.rows(_SENT[path], [key])
        if not rows:
            yield f"I9: {path} was asked for under the key {key}, which is no row's"
        for send_before, key_expires_at in rows:
            if send_before is not None and at > send_before:
                yield f"I12: {key} was sent after its sender's time"
            if key_expires_at is None or at > key_expires_at:
                yield f"I5: {key} was sent when the provider may have forgotten the key"

    def _lasting_doubts(self) -> Iterator[str]:
        """A case is no excuse where the provider could have told us all the time."""
        for key, status, provider in self._reader.rows(_ASKED):
            charge = self._providers[provider].charge_of(key) if provider in self._providers else None
            if charge is not None and charge.status is not ChargeStatus.PENDING:
                yield f"I10: attempt {key} is {status} for days, and the provider's books say {charge.status}"

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

    def _is_new(self, row: str, status: str) -> bool:
        known = (row, status) in self._judged
        self._judged.add((row, status))
        return not known


def _has_moved_at_once(charge: Charge) -> bool:
    """Money that the provider itself moved after it had said no is late, and no wrong conclusion."""
    return bool(charge.moved_amount) and CHARGES[charge.token].later is None and not CHARGES[charge.token].has_page
