"""The audit as a list that leaves the house: by whom it may be taken, and which entries are in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import Role, User
from accounts.selectors import entries_about
from accounts.services.taking_lists import ListForm, restaurants_where, write_down
from events.audit_files import lines_of, with_previous
from events.models import AuditEntry
from kernel.downloads import MOST_ROWS, ROWS_AT_A_TIME, in_their_order
from kernel.errors import ServiceError

# Whoever checks what others did. Those who are checked read it on its page.
EXPORTING = (Role.FINANCE_LEAD, Role.ADMIN, Role.AUDITOR)


class AuditRefused(ServiceError):
    code = "not_allowed"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditExport:
    """Its entries are fixed when it is written down; the entry about it comes after them."""

    ids: tuple[int, ...]

    def lines(self) -> Iterator[str]:
        entries = with_previous(AuditEntry.objects.all())
        yield from lines_of(in_their_order(entries, self.ids, at_a_time=ROWS_AT_A_TIME))


def may_export_audit(person: User) -> bool:
    return restaurants_where(person, EXPORTING).exists()


def export_audit(*, entries: QuerySet[AuditEntry], chosen: Mapping[str, Any], person: User) -> AuditExport:
    with transaction.atomic():
        houses = list(restaurants_where(person, EXPORTING))
        if not houses:
            raise AuditRefused("Finance leads, admins and auditors take the audit away.")
        mine = entries.filter(entries_about(houses))
        rows = list(mine.values_list("pk", "chain")[: MOST_ROWS + 1])
        if len(rows) > MOST_ROWS:
            raise AuditRefused(f"A list has at most {MOST_ROWS} rows. Choose fewer.", code="too_many")
        houses_of_rows = Counter(chain for _, chain in rows)
        write_down(name="audit", form=ListForm.JSONL, chosen=chosen, rows=houses_of_rows, person=person)
    return AuditExport(ids=tuple(key for key, _ in rows))
