"""Invariants of money: what is kept, what is under way, what came back, and what protects the rows."""

from __future__ import annotations

from failures.invariants.questions import Invariant

OF_MONEY: tuple[Invariant, ...] = (
    Invariant(
        id="I1",
        sentence="An order keeps no more than its total and its tips.",
        question="""
            SELECT o.id, 'keeps ' || k.kept || ' of ' || o.total_minor || ' and tips of ' || p.tips
              FROM orders_order o
              JOIN (SELECT p.order_id,
                           SUM(a.captured_minor
                               - GREATEST(a.refunded_minor + a.refunding_minor, a.reopened_minor)) AS kept
                      FROM payments_attempt a JOIN payments_payment p ON p.id = a.payment_id
                     WHERE a.capture = 'kept' GROUP BY p.order_id) k ON k.order_id = o.id
              JOIN (SELECT order_id, SUM(tip_minor) AS tips FROM payments_payment GROUP BY order_id) p
                ON p.order_id = o.id
             WHERE k.kept > o.total_minor + p.tips""",
    ),
    Invariant(
        id="I1",
        sentence="A payment has at most one attempt that may hold money.",
        question="""
            SELECT payment_id, COUNT(*) || ' attempts' FROM payments_attempt
             WHERE status = ANY(%(holding)s) GROUP BY payment_id HAVING COUNT(*) > 1""",
    ),
    Invariant(
        id="I1",
        sentence="A payment keeps one capture, however much room its bill has.",
        question="""
            SELECT payment_id, 'keeps ' || COUNT(*) FROM payments_attempt
             WHERE capture = 'kept' GROUP BY payment_id HAVING COUNT(*) > 1""",
    ),
    Invariant(
        id="I2",
        sentence="No attempt begins while an earlier one of its payment is live.",
        question="""
            SELECT later.id, 'began before attempt ' || earlier.number || ' was closed'
              FROM payments_attempt later
              JOIN payments_attempt earlier
                ON earlier.payment_id = later.payment_id AND earlier.number < later.number
             WHERE NOT EXISTS (SELECT 1 FROM events_transition t
                                WHERE t.subject_id = earlier.id AND t.at <= later.created_at
                                  AND NOT t.to_status = ANY(%(live)s))""",
    ),
    Invariant(
        id="I3",
        sentence="A surplus has its one refund and its case; where that failed, the case is open.",
        question="""
            SELECT a.id, 'under way: ' || r.under_way || ', of ' || r.ever || ' refunds'
              FROM payments_attempt a
              JOIN LATERAL (SELECT COUNT(*) AS ever,
                                   COUNT(*) FILTER (WHERE origin = 'provider') AS theirs,
                                   COUNT(*) FILTER (WHERE origin = 'surplus'
                                                      AND status = ANY(%(reserving)s)) AS under_way
                              FROM payments_refund WHERE attempt_id = a.id) r ON TRUE
              JOIN LATERAL (SELECT COUNT(*) AS ever, COUNT(*) FILTER (WHERE status = ANY(%(waiting)s)) AS waiting
                              FROM failures_case WHERE subject_id = a.id AND kind = 'surplus') c ON TRUE
             WHERE a.capture = 'surplus'
               AND (r.ever = 0 OR r.under_way > 1 OR (c.ever = 0 AND r.theirs = 0)
                    OR (r.under_way = 0 AND c.waiting = 0 AND a.refunded_minor < a.captured_minor))""",
    ),
    Invariant(
        id="I3",
        sentence="What is kept of a cancelled order, or is a guest's, is on its way back or in an open case.",
        question="""
            SELECT a.id, 'going back: ' || (a.refunded_minor + a.refunding_minor) || ' of ' || a.captured_minor
              FROM payments_attempt a
              JOIN payments_payment p ON p.id = a.payment_id
              JOIN orders_order o ON o.id = p.order_id
             WHERE a.capture = 'kept'
               AND a.refunded_minor + a.refunding_minor
                   < CASE WHEN o.status = 'cancelled' THEN a.captured_minor ELSE a.reopened_minor END
               AND NOT EXISTS (SELECT 1 FROM failures_case c
                                JOIN payments_refund r ON r.id = c.subject_id AND r.attempt_id = a.id
                                WHERE c.kind = 'refund_failed' AND c.status = ANY(%(waiting)s))""",
    ),
    Invariant(
        id="I4",
        sentence="What an attempt counts as refunded and reserved is what its refunds say, within what it captured.",
        question="""
            SELECT a.id, 'refunded ' || a.refunded_minor || ', reserved ' || a.refunding_minor
                         || ', captured ' || a.captured_minor
              FROM payments_attempt a
              LEFT JOIN LATERAL (
                   SELECT COALESCE(SUM(amount_minor + tip_minor) FILTER (WHERE status = 'completed'), 0) AS done,
                          COALESCE(SUM(amount_minor + tip_minor) FILTER (WHERE status = ANY(%(reserving)s)), 0) AS open
                     FROM payments_refund WHERE attempt_id = a.id) r ON TRUE
             WHERE a.refunded_minor <> r.done OR a.refunding_minor <> r.open
                OR a.refunded_minor + a.refunding_minor > a.captured_minor""",
    ),
    Invariant(
        id="I6",
        sentence="Kept money has the currency of its attempt, and an undecided amount has an open case.",
        question="""
            SELECT a.id, a.captured_minor || ' ' || a.captured_currency || ' for ' || a.amount_minor
              FROM payments_attempt a
             WHERE (a.capture = 'kept' AND a.captured_currency <> a.currency)
                OR (a.capture = 'undecided' AND NOT EXISTS (
                        SELECT 1 FROM failures_case c WHERE c.payment_id = a.payment_id
                           AND c.kind = 'amount_mismatch' AND c.status = ANY(%(waiting)s)))""",
    ),
    Invariant(
        id="I10",
        sentence="A payment that is under way has a next action that is not overdue, or people decide.",
        question="""
            SELECT p.id, 'next action ' || COALESCE(p.next_action_at::text, 'none') FROM payments_payment p
             WHERE p.status IN ('pending', 'processing')
               AND (p.next_action_at IS NULL
                    OR GREATEST(p.next_action_at, COALESCE(p.lease_until, p.next_action_at))
                       < %(now)s::timestamptz - %(overdue)s::interval)
               AND NOT EXISTS (SELECT 1 FROM failures_case c
                                WHERE c.payment_id = p.id AND c.kind = ANY(%(stopped)s)
                                  AND c.status = ANY(%(waiting)s))""",
    ),
    Invariant(
        id="I10",
        sentence="An attempt that may still hold money after its payment ended is being watched, or people decide.",
        question="""
            SELECT a.id, a.status || ' while its payment is ' || p.status
              FROM payments_attempt a JOIN payments_payment p ON p.id = a.payment_id
             WHERE a.status = ANY(%(live)s) AND p.status IN ('completed', 'failed')
               AND (a.watch_at IS NULL OR a.watch_at < %(now)s::timestamptz - %(overdue)s::interval)
               AND NOT EXISTS (SELECT 1 FROM failures_case c
                                WHERE c.payment_id = p.id AND c.kind = ANY(%(stopped)s)
                                  AND c.status = ANY(%(waiting)s))""",
    ),
    Invariant(
        id="I10",
        sentence="A refund that is under way has a next action, a person who hands it over, or people decide.",
        question="""
            SELECT r.id, 'status ' || r.status FROM payments_refund r
              JOIN payments_provideraccount a ON a.id = r.account_id
             WHERE r.status IN ('requested', 'processing') AND NOT a.provider = ANY(%(manual)s)
               AND (r.next_action_at IS NULL
                    OR GREATEST(r.next_action_at, COALESCE(r.lease_until, r.next_action_at))
                       < %(now)s::timestamptz - %(overdue)s::interval)
               AND NOT EXISTS (SELECT 1 FROM failures_case c
                                WHERE c.subject_id = r.id AND c.kind = ANY(%(stopped)s)
                                  AND c.status = ANY(%(waiting)s))""",
    ),
    Invariant(
        id="I10",
        sentence="What broke its workers again and again is set aside, and a human was told.",
        question="""
            SELECT id, 'payment: ' || claims || ' claims that never came back' FROM payments_payment
             WHERE claims > %(claims)s AND next_action_at IS NOT NULL
             UNION ALL
            SELECT id, 'refund: ' || claims || ' claims that never came back' FROM payments_refund
             WHERE claims > %(claims)s AND next_action_at IS NOT NULL
             UNION ALL
            SELECT id, 'attempt: ' || watch_claims || ' watches that never came back' FROM payments_attempt
             WHERE watch_claims > %(claims)s AND watch_at IS NOT NULL
             UNION ALL
            SELECT id, 'notice: ' || claims || ' claims that never came back' FROM payments_inboundnotice
             WHERE claims > %(claims)s AND next_action_at IS NOT NULL""",
    ),
    Invariant(
        id="I11",
        sentence="A failed payment has evidence of non-charge for each attempt, or gave late money back.",
        question="""
            SELECT p.id, 'attempt ' || a.number || ' is ' || a.status
              FROM payments_payment p JOIN payments_attempt a ON a.payment_id = p.id
             WHERE p.status = 'failed'
               AND NOT (a.status = ANY(%(not_charged)s) OR (a.status = 'late_success' AND a.capture = 'surplus'))""",
    ),
    Invariant(
        id="I11",
        sentence="Silence is no evidence: a time-out, a refusal to answer or an exhausted retry closes no attempt.",
        question="""
            SELECT t.subject_id, t.step || ' on ' || COALESCE(t.evidence->>'finding', 'nothing')
              FROM events_transition t
             WHERE t.subject_kind = 'attempt' AND t.to_status = ANY(%(not_charged)s) AND t.from_status <> t.to_status
               AND COALESCE(t.evidence->>'finding', 'unknown') IN ('unknown', 'no_answer')""",
    ),
    Invariant(
        id="I13",
        sentence="A stream's events are numbered without a gap, up to the version of its row.",
        question="""
            SELECT e.stream_id, e.stream_kind || ': ' || COUNT(*) || ' events, highest ' || MAX(e.version)
              FROM events_event e GROUP BY e.stream_id, e.stream_kind
            HAVING COUNT(*) <> MAX(e.version)
            UNION ALL
            SELECT p.id, 'payment at version ' || p.version FROM payments_payment p
             WHERE p.version <> (SELECT COUNT(*) FROM events_event e WHERE e.stream_id = p.id)
            UNION ALL
            SELECT o.id, 'order at version ' || o.version FROM orders_order o
             WHERE o.version <> (SELECT COUNT(*) FROM events_event e WHERE e.stream_id = o.id)""",
    ),
    Invariant(
        id="I14",
        sentence="A notice is settled, or it is on its way, or a human was told.",
        question="""
            SELECT n.id, 'notice is ' || n.state FROM payments_inboundnotice n
             WHERE (n.state IN ('stored', 'parked') AND n.next_action_at IS NULL)
                OR (n.state IN ('orphaned', 'quarantined')
                    AND NOT EXISTS (SELECT 1 FROM failures_case c WHERE c.subject_id = n.id))""",
    ),
    Invariant(
        id="I15",
        sentence="What was done under an idempotency key is there.",
        question="""
            SELECT c.id, c.operation FROM accounts_idempotentcall c
             WHERE NOT EXISTS (SELECT 1 FROM orders_order WHERE id = c.subject_id)
               AND NOT EXISTS (SELECT 1 FROM payments_payment WHERE id = c.subject_id)
               AND NOT EXISTS (SELECT 1 FROM payments_refund WHERE id = c.subject_id)
               AND NOT EXISTS (SELECT 1 FROM failures_case WHERE id = c.subject_id)
               AND NOT EXISTS (SELECT 1 FROM accounts_approval WHERE id = c.subject_id)""",
    ),
    Invariant(
        id="I20",
        sentence="An attempt is at an account of its own restaurant and mode.",
        question="""
            SELECT a.id, a.mode || ' at ' || pa.mode FROM payments_attempt a
              JOIN payments_payment p ON p.id = a.payment_id
              JOIN payments_provideraccount pa ON pa.id = a.account_id
             WHERE (a.restaurant_id, a.mode) <> (pa.restaurant_id, pa.mode)
                OR (a.restaurant_id, a.mode) <> (p.restaurant_id, p.mode)""",
    ),
    Invariant(
        id="I20",
        sentence="No live money is said to have moved at a simulated provider.",
        question="""
            SELECT a.id, a.captured_minor || ' at ' || pa.provider FROM payments_attempt a
              JOIN payments_provideraccount pa ON pa.id = a.account_id
             WHERE a.mode = 'live' AND pa.provider = ANY(%(simulated)s) AND a.captured_minor > 0""",
    ),
    Invariant(
        id="I19",
        sentence="The triggers that protect money rows, and what is written once, are there and enabled.",
        question="""
            SELECT needed.name, 'no enabled trigger ' || needed.word
              FROM (SELECT * FROM unnest(%(machines)s::text[]) AS t(name),
                                  unnest(ARRAY['never_deleted', 'creation_in_history', 'step_in_history']) AS w(word)
                     UNION ALL
                    SELECT name, 'immutable' FROM unnest(%(written_once)s::text[]) AS t(name)) AS needed
             WHERE NOT EXISTS (SELECT 1 FROM pg_trigger g WHERE g.tgrelid = needed.name::regclass
                                 AND g.tgname LIKE 'pgtrigger_' || needed.word || '%%' AND g.tgenabled = 'O')""",
    ),
)
