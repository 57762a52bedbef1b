"""The queue as a list that leaves the house: by whom it may be taken, and which cases are in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Prefetch, QuerySet

from accounts.models import LOOKING, User
from accounts.services.taking_lists import ListForm, restaurants_where, write_down
from failures.models import Case
from failures.selectors import with_attempts
from failures.services.facts import CaseRefused
from kernel.downloads import MOST_ROWS, MOST_ROWS_AT_ONCE, ROWS_AT_A_TIME, in_their_order
from payments.models import Refund

# What the programs of an accountant read.
FORMS = (ListForm.CSV, ListForm.XLSX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """Its rows are fixed when it is written down: what is counted in the audit is what leaves."""

    ids: tuple[UUID, ...]

    def cases(self) -> Iterator[Case]:
        refunds = Prefetch("payment__refunds", Refund.objects.only("payment_id", "provider_reference").order_by("pk"))
        rows = with_attempts(Case.objects.all()).prefetch_related(refunds)
        yield from in_their_order(rows, self.ids, at_a_time=ROWS_AT_A_TIME)


def may_export(person: User) -> bool:
    return restaurants_where(person, LOOKING).exists()


def export_cases(*, cases: QuerySet[Case], form: ListForm, chosen: Mapping[str, Any], person: User) -> Export:
    """`chosen` says in words by what the list was narrowed, without anything that is personal."""
    with transaction.atomic():
        if not may_export(person):
            raise CaseRefused("Only finance staff and auditors take lists away.", code="not_finance_here")
        houses = set(restaurants_where(person, LOOKING))
        rows = list(cases.prefetch_related(None).values_list("pk", "restaurant")[: MOST_ROWS + 1])
        if any(house not in houses for _, house in rows):
            raise CaseRefused(
                "A file holds exactly the list, and this one shows restaurants where you have no role. Choose one "
                "where you have.",
                code="not_finance_here",
            )
        _check_length(len(rows), form)
        write_down(name="cases", form=form, chosen=chosen, rows=Counter(house for _, house in rows), person=person)
    return Export(ids=tuple(case_id for case_id, _ in rows))


def _check_length(rows: int, form: ListForm) -> None:
    if rows > MOST_ROWS:
        raise CaseRefused(f"A list has at most {MOST_ROWS} rows. Choose fewer.", code="too_many")
    if form == ListForm.XLSX and rows > MOST_ROWS_AT_ONCE:
        raise CaseRefused(
            f"As XLSX a list has at most {MOST_ROWS_AT_ONCE:,} rows. Choose fewer, or take it as CSV.", code="too_many"
        )
