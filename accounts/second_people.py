"""Who answers what one person asked for: a lead or an admin, else a colleague of finance, else who asked, later."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, Value
from django.db.models.functions import Coalesce

from accounts.independence import Ties, who_asked_took_others_away
from accounts.models import ALONE_AFTER, CHECKERS, OFFICE, Membership, Role, User
from kernel import clock

_A_PROGRAM = UUID(int=0)  # Nobody's id.


def roles_that_agree(*, restaurant_id: UUID, maker_id: UUID | None) -> Collection[Role]:
    """Of whoever else works there. Of nobody: the maker is alone."""
    others = Membership.objects.filter(restaurant=restaurant_id, role__in=OFFICE, user__is_active=True)
    roles = {Role(role) for role in others.exclude(user=maker_id).values_list("role", flat=True)}
    return CHECKERS if roles.intersection(CHECKERS) else roles


def may_be_answered_by(person: User) -> Q:
    """Of approvals. The same rule as the service's, for lists: a colleague's, or one's own where nobody else could."""
    ties, here = Ties(person), Membership.objects.filter(user=person)
    at_work = Membership.objects.filter(restaurant=OuterRef("restaurant"), role__in=OFFICE, user__is_active=True)
    maker = Coalesce(OuterRef("maker"), Value(_A_PROGRAM))  # Nothing differs from no value.
    checkers = at_work.filter(role__in=CHECKERS).exclude(user=maker)
    by_checker = Q(restaurant__in=here.filter(role__in=CHECKERS).values("restaurant"))
    in_office = Q(restaurant__in=here.filter(role__in=OFFICE).values("restaurant"))
    by_hand = Q(ties.took_others_away()) | Q(who_asked_took_others_away())
    by_colleague = in_office & ~Exists(checkers) & ~by_hand
    of_others = ~Q(maker=person) & ~ties.to_who_asked() & (by_checker | by_colleague)
    ones_own = in_office & Q(maker=person, created_at__lte=clock.now() - ALONE_AFTER)
    return of_others | (ones_own & ~Exists(at_work.exclude(user=person)) & ~ties.took_others_away())
