"""What the providers' books say about each conclusion that we draw, at the moment at which we draw it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from payments.models import AttemptStatus, RefundStatus
from payments.services import timing
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
# Conclusions that nothing moved.
_NOTHING_MOVED = [
    f"attempt {AttemptStatus.DECLINED}",
    f"attempt {AttemptStatus.NOT_SENT}",
    f"attempt {AttemptStatus.NOT_CHARGED}",
    f"attempt {AttemptStatus.CANCELLED}",
    f"attempt {AttemptStatus.EXPIRED}",
    f"refund {RefundStatus.FAILED}",
]
# And that it did: too early is wrong as well, also where it comes true later.
_MOVED = [
    f"attempt {AttemptStatus.SUCCEEDED}",
    f"attempt {AttemptStatus.LATE_SUCCESS}",
    f"refund {RefundStatus.COMPLETED}",
]
# As they were drawn, also where one was drawn twice, or was corrected within the same step.
_CONCLUDED = """
    SELECT t.id, t.subject_kind, t.subject_id::text, t.to_status, pa.provider, t.at
      FROM events_transition t
      LEFT JOIN payments_attempt a ON t.subject_kind = 'attempt' AND a.id = t.subject_id
      LEFT JOIN payments_refund r ON t.subject_kind = 'refund' AND r.id = t.subject_id
      JOIN payments_provideraccount pa ON pa.id = COALESCE(a.account_id, r.account_id)
     WHERE t.id > %s AND t.from_status <> t.to_status
       AND (t.subject_kind || ' ' || t.to_status) = ANY(%s) AND COALESCE(r.origin, '') NOT IN ('provider', 'outside')
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
       AND NOT EXISTS (SELECT 1 FROM failures_case c WHERE c.payment_id = p.id AND c.closed_at IS NULL
                          AND c.kind IN ('in_doubt', 'amount_mismatch', 'quarantined'))
     UNION ALL
    SELECT 'refund ' || r.id || ' is ' || r.status FROM payments_refund r
     WHERE r.status IN ('requested', 'waiting_approval', 'processing')
       AND NOT EXISTS (SELECT 1 FROM failures_case c WHERE c.subject_id = r.id AND c.closed_at IS NULL)"""
_UNFINISHED = """
    SELECT 'payment ' || p.reference || ' is ' || p.status, p.id::text, '' FROM payments_payment p
     WHERE p.status IN ('pending', 'processing')
     UNION ALL
    SELECT 'refund ' || r.id || ' is ' || r.status, r.id::text, pa.provider
      FROM payments_refund r JOIN payments_provideraccount pa ON pa.id = r.account_id
     WHERE r.status IN ('requested', 'waiting_approval', 'processing')"""
# What may be held of an order: what it may keep, and what is on its way back for ever, as people know. And whether they
# know of money that could not be given back.
_BILLS = """
    SELECT o.reference,
           (CASE WHEN o.status = 'cancelled' THEN 0 ELSE o.total_minor + COALESCE(sum(a.tip_minor), 0) END
            + (SELECT COALESCE(sum(r.amount_minor + r.tip_minor), 0)
                 FROM payments_refund r
                 JOIN payments_payment q ON q.id = r.payment_id AND q.order_id = o.id
                WHERE r.status = 'processing'
                  AND r.id IN (SELECT subject_id FROM failures_case WHERE closed_at IS NULL)))::bigint,
           EXISTS (SELECT 1 FROM failures_case c JOIN payments_payment p ON p.id = c.payment_id
                    WHERE p.order_id = o.id AND c.kind IN ('refund_failed', 'surplus') AND c.closed_at IS NULL)
      FROM orders_order o
      LEFT JOIN payments_payment p ON p.order_id = o.id
      LEFT JOIN payments_attempt a ON a.payment_id = p.id AND a.capture = 'kept'
     GROUP BY o.id ORDER BY o.id"""
_CASH = """
    SELECT COALESCE(sum(a.captured_minor - a.refunded_minor), 0)::bigint FROM payments_attempt a
      JOIN payments_provideraccount pa ON pa.id = a.account_id AND pa.provider = 'cash'
      JOIN payments_payment p ON p.id = a.payment_id
      JOIN orders_order o ON o.id = p.order_id AND o.reference = %s"""
# What people gave back past every provider no provider knows of.
_OUTSIDE = """
    SELECT COALESCE(sum(r.amount_minor + r.tip_minor), 0)::bigint FROM payments_refund r
      JOIN payments_payment p ON p.id = r.payment_id
      JOIN orders_order o ON o.id = p.order_id AND o.reference = %s
     WHERE r.origin = 'outside'"""
_OURS = """
    SELECT o.reference, pa.provider, a.captured_currency,
           sum(a.captured_minor - a.refunded_minor
               + (SELECT COALESCE(sum(r.amount_minor + r.tip_minor), 0) FROM payments_refund r
                   WHERE r.attempt_id = a.id AND r.origin = 'outside'))::bigint
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

    @property
    def has_arrivals(self) -> bool:
        """Something reached a provider, whether or not anybody wrote it down."""
        return any(len(provider.arrivals) > self._read[name] for name, provider in self._providers.items())

    def contradictions(self) -> list[str]:
        """After every step."""
        return [*self._wrong_sends(), *self._wrong_conclusions(), *self._shares_taken_twice()]

    def unrest(self) -> list[str]:
        """When nothing has gone wrong for days: what is still open, and no human knows, or no human is needed."""
        untold = [f"I10: {what}, and nobody was told" for (what,) in self._reader.rows(_UNKNOWN_TO_ALL)]
        return [*untold, *self._lasting_doubts()]

    def remains(self) -> list[str]:
        """When people have decided what only people can decide: nothing is open or due, and no book differs."""
        due = [f"I10: {what}, for ever" for (what,) in self._reader.rows(_STILL_DUE)]
        return [*self._unfinished(), *due, *self._differences(), *self._held_too_much()]

    def _unfinished(self) -> Iterator[str]:
        for what, key, provider in self._reader.rows(_UNFINISHED):
            theirs = self._providers[provider].books.refund_of_key(key) if provider in self._providers else None
            if theirs is None or theirs.status is not Made.PENDING:
                yield f"I10: {what}, whatever people do"

    def _wrong_conclusions(self) -> Iterator[str]:
        words = [self._last_concluded, [*_NOTHING_MOVED, *_MOVED]]
        for number, kind, key, status, provider, at in self._reader.rows(_CONCLUDED, words):
            self._last_concluded = number
            if provider not in self._providers:
                continue
            books, says_moved = self._providers[provider].books, f"{kind} {status}" in _MOVED
            charge, refund = books.charge_of_key(key), books.refund_of_key(key)
            moved_at = (charge and charge.moved_at) if kind == "attempt" else (refund and refund.made_at)
            # The guest may approve while we let it go, and it is watched; what had moved before that was there to see.
            seen = at - timing.lease() if status == AttemptStatus.EXPIRED else at
            had_moved = moved_at is not None and moved_at <= seen.timestamp()
            if says_moved and not had_moved:
                yield f"I7: {kind} {key} is {status}, and nothing had moved"
            elif not says_moved and had_moved and charge is not None and _never_said_no(charge):
                yield f"I11: attempt {key} is {status}, and its money moved"
            elif not says_moved and had_moved and refund is not None and _lasts(refund):
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

    def _held_too_much(self) -> Iterator[str]:
        """By the providers' books and the till: what we and they agree on may still be the guest's (I1)."""
        for order, allowed, is_known in self._reader.rows(_BILLS):
            ((cash,),), ((outside,),) = (self._reader.rows(asked, [order]) for asked in (_CASH, _OUTSIDE))
            at_providers = sum(sum(provider.net_of(order).values()) for provider in self._providers.values())
            held = cash + at_providers - outside
            if held > allowed and not is_known:
                yield f"I1: {held} is held of order {order}, which may keep {allowed}, and no case is open"


def _never_said_no(charge: Charge) -> bool:
    """Money that the provider itself moved after it had said no is late, and no wrong conclusion."""
    return CHARGES[charge.token].status is not ChargeStatus.FAILED


def _lasts(refund: Refund) -> bool:
    """It will not come back: a bank's return is a failure that comes later."""
    return refund.status is Made.SUCCEEDED and refund.due_status is None
