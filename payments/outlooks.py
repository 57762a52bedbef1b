"""Whose payments somebody looks at: of which restaurants, and in which mode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q

from accounts.models import Restaurant
from kernel.modes import Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    restaurants: Sequence[Restaurant]
    mode: Mode

    @property
    def ids(self) -> list[UUID]:
        return [restaurant.pk for restaurant in self.restaurants]

    @property
    def asked(self) -> Q:
        """Of any row that has a restaurant and a mode."""
        return Q(restaurant_id__in=self.ids, mode=self.mode)
