"""What leaves the house as a list: who took it, which rows, and by which choice, is written down before it goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Prefetch, QuerySet

from accounts.models import OFFICE, Membership, Role, User
from events.actors import Actor
from events.audit import Deed, audited
from failures.models import Case
from failures.selectors import with_attempts
from failures.services.facts import CaseRefused
from payments.models import Refund

# Whoever decides about money, and whoever checks them.
EXPORTING = (*OFFICE, Role.AUDITOR)
# A page or two of memory at a time, however long the list is.
ROWS_AT_A_TIME = 500
# A year of a large chain. A longer list is no list that somebody reads, and would hold a worker for minutes.
MOST_ROWS = 200_000


class ListDeed(StrEnum):
    EXPORT = "export"


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """Its rows are fixed when it is written down: what is counted in the audit is what leaves."""

    ids: tuple[UUID, ...]

    def cases(self) -> Iterator[Case]:
        """In their order, some at a time: neither a transaction nor a cursor stays open while somebody downloads."""
        refunds = Prefetch("payment__refunds", Refund.objects.only("payment_id", "provider_reference").order_by("pk"))
        rows = with_attempts(Case.objects.all()).prefetch_related(refunds)
        for start in range(0, len(self.ids), ROWS_AT_A_TIME):
            ids = self.ids[start : start + ROWS_AT_A_TIME]
            by_id = {case.pk: case for case in rows.filter(pk__in=ids)}
            yield from (by_id[case_id] for case_id in ids)


def may_export(person: User) -> bool:
    return _restaurants_for(person).exists()


def export_cases(*, cases: QuerySet[Case], chosen: Mapping[str, Any], person: User) -> Export:
    """`chosen` says in words by what the list was narrowed, without anything that is personal."""
    with transaction.atomic():
        if not may_export(person):
            raise CaseRefused("Only finance staff and auditors take lists away.", code="not_finance_here")
        mine = cases.filter(restaurant__in=_restaurants_for(person)).prefetch_related(None)
        rows = list(mine.values_list("pk", "restaurant")[: MOST_ROWS + 1])
        if len(rows) > MOST_ROWS:
            raise CaseRefused(f"A list has at most {MOST_ROWS} rows. Choose fewer.", code="too_many")
        for restaurant_id, count in sorted(Counter(restaurant_id for _, restaurant_id in rows).items()):
            _write_down(restaurant_id, {"list": "cases", "chosen": dict(chosen), "rows": count}, person)
    return Export(ids=tuple(case_id for case_id, _ in rows))


def _restaurants_for(person: User) -> QuerySet[Membership, UUID]:
    """Asked anew, as for each decision: a role may have been taken away since the page was drawn."""
    memberships = Membership.objects.filter(user=person, user__is_active=True, role__in=EXPORTING)
    return memberships.values_list("restaurant", flat=True)


def _write_down(restaurant_id: UUID, picture: Mapping[str, Any], person: User) -> None:
    """In the chain of each restaurant of which rows leave. Nothing is changed by it: both pictures are the same."""
    deed = Deed(
        actor=Actor.user(person),
        action=ListDeed.EXPORT,
        subject_kind="restaurant",
        subject_id=str(restaurant_id),
        picture=lambda: picture,
        restaurant_id=restaurant_id,
    )
    with audited(deed):
        pass
