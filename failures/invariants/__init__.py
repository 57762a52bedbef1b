"""Every invariant of the design that the database can answer, as a question that must return no row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from accounts.models import Approval
from events.models import AuditEntry, Event, Transition
from failures.decisions import Action
from failures.invariants.of_money import OF_MONEY
from failures.invariants.of_people import OF_PEOPLE
from failures.invariants.questions import Invariant
from failures.models import WAITING, BulkRun, BulkStep, Case, CaseFile, CaseKind, CaseNote
from failures.services.deeds import CaseDeed
from orders.models import Order
from payments.models import Attempt, CredentialChange, Payment, Refund
from payments.models.attempt import HOLDING, LIVE, NOT_CHARGED
from payments.models.refund import RESERVING
from payments.services.evidence import Source
from payments.services.providers import PROVIDERS
from payments.services.refund_approvals import OWED_BY_CANCELLING, OWED_BY_NOW
from payments.services.timing import MAX_CLAIMS

# A next action may be late by this much before somebody has to look at the clock (I10).
MAX_OVERDUE_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Offence:
    invariant: str
    sentence: str
    row: str
    what: str


def offences(*, now: datetime) -> Iterator[Offence]:
    words = words_at(now)
    with connection.cursor() as cursor:
        for invariant in INVARIANTS:
            cursor.execute(invariant.question, words)
            for row, what in cursor.fetchall():
                yield Offence(invariant=invariant.id, sentence=invariant.sentence, row=str(row), what=str(what))


def words_at(now: datetime) -> dict[str, Any]:
    """What the questions below leave open."""
    facts = [(name, provider.facts) for name, provider in PROVIDERS.items()]
    manual = [name for name, each in facts if each.is_manual]
    simulated = [name for name, each in facts if each.is_simulated]
    return {**_WORDS, "now": now, "manual": manual, "simulated": simulated}


_NO_DECISIONS = {CaseDeed.RESOLVE, CaseDeed.NOT_ASKED, CaseDeed.ANSWERED}
_MACHINES = {
    "order": Order,
    "payment": Payment,
    "attempt": Attempt,
    "refund": Refund,
    "case": Case,
    "approval": Approval,
    "change of credentials": CredentialChange,
    "bulk run": BulkRun,
    "bulk step": BulkStep,
}
_WRITTEN_ONCE = (Event, Transition, AuditEntry, CaseNote, CaseFile)

_WORDS: dict[str, list[Any] | str | int] = {
    "holding": list(HOLDING),
    "live": list(LIVE),
    "not_charged": list(NOT_CHARGED),
    "reserving": list(RESERVING),
    "waiting": list(WAITING),
    "machines": [model._meta.db_table for model in _MACHINES.values()],
    "written_once": [model._meta.db_table for model in _WRITTEN_ONCE],
    # A case may be resolved by what happened; whoever resolves it by a word has a row for the decision.
    # What came of asking is no decision; the press before it is one.
    "decisions": [each.value for each in (*CaseDeed, *Action) if each not in _NO_DECISIONS],
    "operator": Source.OPERATOR.value,
    "owed": [OWED_BY_NOW, OWED_BY_CANCELLING],
    "people": [Source.OPERATOR.value, Source.WAITER.value],
    # What no clock goes on with, until people decide. Whatever other case is open, the clock goes on.
    "stopped": [CaseKind.AMOUNT_MISMATCH.value, CaseKind.QUARANTINED.value],
    # Whoever came to set it aside may be killed as well, by a deployment and not by the row; then the next one comes.
    "claims": 2 * MAX_CLAIMS,
    "overdue": f"{MAX_OVERDUE_SECONDS} seconds",
}


INVARIANTS: tuple[Invariant, ...] = (
    *OF_MONEY,
    *OF_PEOPLE,
    *(
        Invariant(
            id="I13",
            sentence=f"The last step in the history of each {name} leads to the status it has.",
            question=f"""
                SELECT m.id, m.status || ', but the history ends at ' || COALESCE(last.to_status, 'nothing')
                  FROM {model._meta.db_table} m
                  LEFT JOIN LATERAL (SELECT t.to_status FROM events_transition t WHERE t.subject_id = m.id
                                      ORDER BY t.id DESC LIMIT 1) last ON TRUE
                 WHERE last.to_status IS DISTINCT FROM m.status""",  # noqa: S608  A table's name, not a value.
        )
        for name, model in _MACHINES.items()
    ),
)
