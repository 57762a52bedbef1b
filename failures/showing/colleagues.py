"""To whom a case can be given: who works on cases in its restaurant, and how much each has at hand."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, Q

from accounts.models import OFFICE, Membership, User
from failures.models import WAITING, Case


@dataclass(frozen=True, slots=True, kw_only=True)
class Colleague:
    key: UUID
    words: str


def colleagues_of(case: Case, *, person: User) -> list[Colleague]:
    """Neither whoever asks, who takes it, nor whoever has it. The idlest first."""
    at_hand = Count("user__cases", filter=Q(user__cases__status__in=WAITING))
    here = Membership.objects.filter(restaurant=case.restaurant_id, role__in=OFFICE, user__is_active=True)
    rows = here.exclude(user__in=[key for key in (person.pk, case.owner_id) if key])
    some = rows.select_related("user").annotate(at_hand=at_hand).order_by("at_hand", "user__username")
    return [Colleague(key=row.user_id, words=_words(row, row.at_hand)) for row in some]


def _words(row: Membership, at_hand: int) -> str:
    cases = "no case" if not at_hand else "1 case" if at_hand == 1 else f"{at_hand} cases"
    return f"{row.user.get_username()}, {row.get_role_display()}: has {cases}"
