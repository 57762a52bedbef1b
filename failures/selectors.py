"""Reads for edges: the cases of a restaurant."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from failures.models import WAITING, Case
from kernel.modes import Mode


def cases_of(*, restaurant_id: UUID, mode: Mode) -> QuerySet[Case]:
    return Case.objects.filter(restaurant_id=restaurant_id, mode=mode).select_related("payment", "owner")


def waiting_cases(cases: QuerySet[Case]) -> QuerySet[Case]:
    return cases.filter(status__in=WAITING)
