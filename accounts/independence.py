"""Who is somebody else: not whom one has lately set up or could sign in as, and nobody who shut all others out.

Everything is read from the audit: what is not in it (the shell, the database) ties nobody.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from django.db.models import CharField, Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Cast

from accounts.deeds import PERSON, SETTING_UP, TAKING_OVER, PersonDeed
from accounts.models import CHECKERS, OFFICE, Role, User
from events.actors import ActorKind
from events.models import AuditEntry, Transition
from kernel import clock

# Who was set up for just this decision has no time to wait for it. It counts from the asking.
INDEPENDENT_AFTER = timedelta(hours=24)
# What the oldest request that can still be decided looks back to: it lasts as long.
_LOOKING_BACK = 2 * INDEPENDENT_AFTER
_Reach = tuple[str, str, datetime]  # Whose hand reached whom, and when.


class Ties:
    """One person's, as the audit has them now. Both questions are about a row of approvals."""

    def __init__(self, person: User) -> None:
        self._me = str(person.pk)
        self._until = _tied_until(self._me)

    def to_who_asked(self) -> Exists:
        """A person or a program. Either may have set up the other, over others in between too."""
        tied = Q(pk__in=[])
        for who, until in self._until.items():
            tied |= Q(actor_id=who, at__lt=until)
        return Exists(Transition.objects.filter(tied, subject_id=OuterRef("pk"), step="create"))

    def took_others_away(self) -> Exists:
        """Who is alone by their own hand is not alone. Whom they shut out counts wherever that one worked."""
        return Exists(_taken_away(OFFICE).filter(actor_id__in=[self._me, *self._until]))


def who_asked_took_others_away() -> Exists:
    """Of approvals: whoever took away the leads and admins does not ask a colleague of finance instead of them."""
    return Exists(_taken_away(CHECKERS).filter(actor_id=Cast(OuterRef("maker"), CharField())))


def _taken_away(roles: Collection[Role]) -> QuerySet[AuditEntry]:
    """Those deeds of the last day before the request by which somebody with such a role could not agree any more."""
    lately = AuditEntry.objects.filter(subject_kind=PERSON, at__gt=OuterRef("created_at") - INDEPENDENT_AFTER)
    of_these = Q(chain=OuterRef("restaurant"), before__role__in=roles)
    gone = of_these & Q(action__in=(PersonDeed.TAKE_ROLE, PersonDeed.CHANGE_ROLE))
    return lately.filter(gone | Q(action=PersonDeed.SHUT_OUT))


def tied_to(person: str) -> Collection[str]:
    """Those with whom this person, by id, does not agree today."""
    now = clock.now()
    return [each for each, until in _tied_until(person).items() if until > now]


def set_up_by(person: str) -> Collection[str]:
    """Whom this one could act as today, over others in between too."""
    return _lately(_reached_from(person, _reaches()))


def who_set_up(person: str) -> Collection[str]:
    """Those who could act as this one."""
    return _lately(_reached_from(person, _turned(_reaches())))


def _lately(found: Mapping[str, datetime]) -> Collection[str]:
    now = clock.now()
    return [each for each, at in found.items() if at + INDEPENDENT_AFTER > now]


def _turned(reaches: Iterable[_Reach]) -> list[_Reach]:
    return [(whom, who, at) for who, whom, at in reaches]


def _tied_until(person: str) -> Mapping[str, datetime]:
    """Whoever asked before that time, by id, is not independent of this person."""
    reaches = _reaches()
    reached = _reached_from(person, reaches)
    reaching = _reached_from(person, _turned(reaches))
    last = {each: max(found[each] for found in (reached, reaching) if each in found) for each in {*reached, *reaching}}
    return {each: at + INDEPENDENT_AFTER for each, at in last.items()}


def _reaches() -> list[_Reach]:
    """The newest first. Of whoever has the password it cannot be said which of the two it is: that goes both ways."""
    deeds = AuditEntry.objects.filter(action__in=SETTING_UP, actor_kind=ActorKind.USER)
    lately = deeds.filter(at__gt=clock.now() - _LOOKING_BACK).order_by("-at")
    reaches: list[_Reach] = []
    for who, whom, action, at in lately.values_list("actor_id", "subject_id", "action", "at"):
        reaches.append((who, whom, at))
        if action in TAKING_OVER:
            reaches.append((whom, who, at))
    return reaches


def _reached_from(person: str, reaches: Iterable[_Reach]) -> dict[str, datetime]:
    """With the time of the oldest step on the way, of the ways the one where that is the youngest."""
    hands: defaultdict[str, set[str]] = defaultdict(set)
    found: dict[str, datetime] = {}
    for who, whom, at in reaches:
        hands[who].add(whom)
        ahead = [who] if who == person or who in found else []
        while ahead:
            for each in hands[ahead.pop()] - found.keys() - {person}:
                found[each] = at
                ahead.append(each)
    return found
