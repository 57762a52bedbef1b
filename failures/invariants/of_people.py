"""Invariants of what people decided: each by name, and where it takes two, by two."""

from __future__ import annotations

from failures.invariants.questions import Invariant

OF_PEOPLE: tuple[Invariant, ...] = (
    Invariant(
        id="I16",
        sentence="What a person decided about a case, a bill or money is in the audit.",
        # Since there is one.
        question="""
            SELECT MIN(t.id), string_agg(t.step || ' of ' || t.subject_kind || ' ' || t.subject_id, ', ')
                              || ' by ' || t.actor_id
              FROM events_transition t
             WHERE t.actor_kind = 'user' AND t.at > (SELECT MIN(at) FROM events_auditentry)
               AND (t.subject_kind = 'case' AND t.step = ANY(%(decisions)s)
                    OR t.subject_kind = 'order' AND t.step IN ('amend', 'cancel')
                    OR t.evidence ->> 'source' = ANY(%(people)s))
               AND NOT EXISTS (SELECT 1 FROM events_auditentry e
                                WHERE e.transaction_id = t.transaction_id AND e.actor_id = t.actor_id)
             GROUP BY t.transaction_id, t.actor_id""",
    ),
    Invariant(
        id="I16",
        sentence="What a person saw and no provider said is recorded with the consent of a second person.",
        # Where another amount was captured the provider said it, and people only decide what becomes of it.
        question="""
            SELECT t.id, t.step || ' of ' || t.subject_kind || ' ' || t.subject_id || ' by ' || t.actor_id
              FROM events_transition t
              LEFT JOIN accounts_approval a ON a.id::text = t.evidence ->> 'approval' AND a.status = 'done'
             WHERE t.evidence ->> 'source' = %(operator)s
               AND (t.evidence ->> 'finding' = 'not_charged' OR t.evidence -> 'money' IS NOT NULL)
               AND (a.id IS NULL OR a.checker_id = a.maker_id AND NOT a.is_alone)""",
    ),
    Invariant(
        id="I16",
        sentence="Where something waits for a second person, one is being asked.",
        question="""
            SELECT w.id, w.what FROM (
                   SELECT id, id AS subject_id, NULL::uuid AS asked_from, 'refund' AS what
                     FROM payments_refund WHERE status = 'waiting_approval'
                    UNION ALL
                   SELECT id, id, NULL::uuid, 'new credentials' FROM payments_credentialchange WHERE status = 'waiting'
                    UNION ALL
                   SELECT id, NULL::uuid, id, 'case' FROM failures_case WHERE status = 'waiting_second_person') w
             WHERE NOT EXISTS (SELECT 1 FROM accounts_approval a
                                WHERE a.status = 'pending'
                                  AND (a.subject_id = w.subject_id OR a.asked_from = w.asked_from))""",
    ),
    Invariant(
        id="I16",
        sentence="New credentials came into use with the consent of a second person.",
        question="""
            SELECT c.id, c.status FROM payments_credentialchange c
             WHERE c.status = 'in_use' AND NOT EXISTS (
                   SELECT 1 FROM accounts_approval a
                    WHERE a.subject_id = c.id AND a.status = 'done' AND (a.checker_id <> a.maker_id OR a.is_alone))""",
    ),
    Invariant(
        id="I16",
        sentence="What was written off, given back past every provider or opened again has a second person's consent.",
        question="""
            SELECT d.id, d.what FROM (
                   SELECT id, id AS subject_id, 'write_off' AS action, 'written off' AS what
                     FROM failures_case WHERE outcome = 'written_off'
                    UNION ALL
                   SELECT id, id, 'record_given_back', 'given back' FROM payments_refund WHERE origin = 'outside'
                    UNION ALL
                   SELECT subject_id, subject_id, 'reopen', 'opened again' FROM events_transition
                    WHERE subject_kind = 'case' AND step = 'reopen' AND actor_kind = 'user') d
             WHERE NOT EXISTS (SELECT 1 FROM accounts_approval a
                                WHERE a.subject_id = d.subject_id AND a.action = d.action AND a.status = 'done'
                                  AND (a.checker_id <> a.maker_id OR a.is_alone))""",
    ),
    Invariant(
        id="I16",
        sentence="A refund that waited for a second person was sent with their consent, or because it was owed.",
        # Owed is what is not the house's any more: the order was cancelled or made smaller.
        question="""
            SELECT r.id, r.status FROM payments_refund r
              JOIN events_transition t ON t.subject_id = r.id AND t.from_status = 'waiting_approval'
                                      AND t.to_status = 'requested' AND t.reason <> ALL(%(owed)s)
             WHERE NOT EXISTS (SELECT 1 FROM accounts_approval a
                                WHERE a.subject_id = r.id AND a.action = 'request_refund' AND a.status = 'done'
                                  AND (a.maker_id IS NULL OR a.checker_id <> a.maker_id OR a.is_alone))""",
    ),
    Invariant(
        id="I17",
        sentence="Kept cash was confirmed once, by a named person.",
        question="""
            SELECT a.id, 'confirmed ' || COUNT(t.id) || ' times'
              FROM payments_attempt a
              JOIN payments_provideraccount pa ON pa.id = a.account_id AND pa.provider = ANY(%(manual)s)
              LEFT JOIN events_transition t
                ON t.subject_id = a.id AND t.to_status = 'succeeded' AND t.actor_kind = 'user' AND t.actor_id <> ''
             WHERE a.capture = 'kept' GROUP BY a.id HAVING COUNT(t.id) <> 1""",
    ),
)
