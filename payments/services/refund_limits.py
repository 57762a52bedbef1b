"""How many refunds one caller may ask for, and how much alone: counted in the database, never in what can be down."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import OuterRef, Q, QuerySet, Subquery

from accounts.deeds import KeyDeed, PersonDeed
from accounts.independence import set_up_by, tied_to, who_set_up
from accounts.models import Membership
from events.actors import SHELL, Actor, ActorKind
from events.models import AuditEntry
from kernel import clock
from kernel.money import Money
from kernel.statements import Statement
from payments.models import Attempt, Capture, Limited, Refund, RefundLimit, RefundOrigin, RefundStatus
from payments.services.refusals import RefundRefused

WINDOW = timedelta(hours=1)
# As long as two people who depend on each other do not agree with one another.
OWN_HAND_AFTER = timedelta(hours=24)
SET_LIMIT = "set_refund_limit"
_ROLES = (PersonDeed.GIVE_ROLE, PersonDeed.CHANGE_ROLE)
_KEYS = (KeyDeed.ISSUE, KeyDeed.ROTATE)
# Until the transaction ends: two that count at once would both see room for one. It is taken after the order's lock,
# always: whoever waits for it holds nothing that its holder still needs.
_ONE_AT_A_TIME = Statement("SELECT pg_advisory_xact_lock(hashtext(%s))")


def check_how_often(actor: Actor) -> None:
    """For whoever asks over HTTP, by whatever way money goes back; what the system does by itself is not counted."""
    if not (actor.id and actor.request_id):
        return
    _ONE_AT_A_TIME.read([f"refunds of {actor.id}"])
    most = settings.STEWARD_REFUNDS_PER_HOUR
    now = clock.now()
    lately = Refund.objects.filter(requested_by=actor.id, created_at__gt=now - WINDOW).order_by("-created_at")
    # The last one that there was room for: there is room again once it is an hour old.
    last = lately.values_list("created_at", flat=True)[most - 1 : most].first()
    if last is not None:
        raise RefundRefused(
            f"{most} refunds in an hour by one caller are enough. Go on later, or let a colleague look.",
            code="too_many_refunds",
            retry_after_seconds=math.ceil((last + WINDOW - now).total_seconds()),
        )


# The clock, a provider and a guest decide about no amount.
_LIMITED = (ActorKind.USER, ActorKind.API_KEY)
_BY_PEOPLE = (RefundOrigin.PERSON, RefundOrigin.OUTSIDE)


def is_above_limit(actor: Actor, attempt: Attempt, total_minor: int, *, can_wait: bool = True) -> bool:
    """With what was given back of the same payment before, or waits to be, whoever did: in two halves it is as much.

    What cannot wait for a second person is refused: cash across the table, the cancelling of a paid order.
    """
    limit = limit_of(actor, attempt)
    if limit is None or not limit.is_passed_by(total_minor):
        return False
    if not can_wait:
        raise RefundRefused(
            "This gives back more than you may alone. Ask for the refund first: a second person agrees to it.",
            field="amount",
            code="above_limit",
        )
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How much of one payment somebody gives back alone, and how much of that others and they have given back."""

    most_minor: int
    used_minor: int
    currency: str

    @property
    def most(self) -> Money:
        return Money(self.most_minor, self.currency)

    @property
    def used(self) -> Money:
        return Money(self.used_minor, self.currency)

    def is_passed_by(self, more_minor: int) -> bool:
        return self.used_minor + more_minor > self.most_minor


def limit_of(actor: Actor, attempt: Attempt, refunds: Iterable[Refund] | None = None) -> Limit | None:
    """None: there is none. A surplus was never ours: it goes back at any height.

    `refunds` are those of its payment, where a page has read them already.
    """
    if actor.kind not in _LIMITED or attempt.capture == Capture.SURPLUS:
        return None
    most = _most_alone(actor, attempt)
    if most is None:
        return None
    used = _given_back(_refunds_of(attempt) if refunds is None else refunds, *_BY_PEOPLE)
    return Limit(most_minor=most, used_minor=used, currency=attempt.captured_currency)


def is_past_limit(actor: Actor, refund: Refund) -> bool:
    """Of one that was made where no limit holds, on the provider's own pages: with all others of its payment."""
    most = _most_alone(actor, refund.attempt)
    return most is not None and _given_back(_refunds_of(refund.attempt), *_BY_PEOPLE, RefundOrigin.PROVIDER) > most


def _most_alone(actor: Actor, attempt: Attempt) -> int | None:
    """None: nobody has set a limit."""
    who, standing = _limit_of(actor, attempt)
    held = [each for each in (standing, *_held_for_a_day(actor, attempt, who)) if each is not None]
    return min(held, default=None)


def _limit_of(actor: Actor, attempt: Attempt) -> tuple[str, int | None]:
    """Whose it is, and how high: by the role that somebody has there; a program has none."""
    if actor.kind is ActorKind.API_KEY:
        return Limited.PROGRAM, _limit_for(Limited.PROGRAM, attempt)
    roles = Membership.objects.filter(user=UUID(actor.id), restaurant=attempt.restaurant_id)
    of_role = _limits(attempt).filter(who=OuterRef("role")).values("most_minor")
    return roles.values_list("role", Subquery(of_role)).first() or ("", None)


def _limits(attempt: Attempt) -> QuerySet[RefundLimit]:
    return RefundLimit.objects.filter(restaurant=attempt.restaurant_id, currency=attempt.captured_currency)


def _limit_for(who: str, attempt: Attempt) -> int | None:
    """Whoever has no role there is held to the lowest of all roles."""
    limits = _limits(attempt)
    of_it = limits.filter(who=who) if who else limits.exclude(who=Limited.PROGRAM)
    return of_it.order_by("most_minor").values_list("most_minor", flat=True).first()


def _held_for_a_day(actor: Actor, attempt: Attempt, who: str) -> Iterator[int | None]:
    """Nobody sets the limit of what they give back a moment later: not the limit itself, nor a role that has another
    one, nor a program whose key they have in hand.
    """
    deeds = _deeds_of_a_day(actor, attempt, who)
    if not deeds:
        return
    yield _limit_before(deeds, attempt, who, hands={actor.id, *tied_to(actor.id)})
    yield from (_limit_for(was, attempt) for was in _roles_before(deeds, actor))
    yield from (_limit_for(_role_of(each, attempt), attempt) for each in _who_has_the_key(deeds, actor))


def _deeds_of_a_day(actor: Actor, attempt: Attempt, who: str) -> list[AuditEntry]:
    """By their subjects, to which an index leads: the order is locked meanwhile."""
    here = Q(chain=attempt.restaurant_id, action__in=[SET_LIMIT, *_ROLES])
    about = [limit_named(who, attempt.captured_currency), actor.id]
    lately = AuditEntry.objects.filter(subject_id__in=about, at__gt=clock.now() - OWN_HAND_AFTER)
    return list(lately.filter(here | Q(action__in=_KEYS)).order_by("id"))


def _limit_before(deeds: Iterable[AuditEntry], attempt: Attempt, who: str, hands: Collection[str]) -> int | None:
    """A program's key is in anybody's hand."""
    limits = [deed for deed in deeds if deed.action == SET_LIMIT]
    changes = [
        (deed.actor_id, was)
        for deed in limits
        if (was := _limit_in(deed.before, who, attempt)) != _limit_in(deed.after, who, attempt)
    ]
    if who == Limited.PROGRAM:
        return changes[0][1] if changes else None
    return next((was for by, was in changes if by in hands), None)


def _roles_before(deeds: Iterable[AuditEntry], actor: Actor) -> Iterator[str]:
    """By one's own hand, or that of somebody as whom one could act. Empty: none."""
    changes = [deed for deed in deeds if deed.action in _ROLES and deed.before["role"] != deed.after["role"]]
    hands = {actor.id, *set_up_by(actor.id)} if changes else ()
    return (deed.before["role"] or "" for deed in changes if deed.actor_id in hands)


def _who_has_the_key(deeds: Iterable[AuditEntry], actor: Actor) -> Collection[str]:
    """Who made it, and whoever could act as they do. Of those who have the server's shell none needs one."""
    makers = {deed.actor_id for deed in deeds if deed.action in _KEYS} - {SHELL.id}
    return makers.union(*(who_set_up(each) for each in makers)) - {actor.id}


def _role_of(person_id: str, attempt: Attempt) -> str:
    roles = Membership.objects.filter(user=UUID(person_id), restaurant=attempt.restaurant_id)
    return roles.values_list("role", flat=True).first() or ""


def limit_named(who: str, currency: str) -> str:
    """What the audit calls it."""
    return f"{who} {currency}"


def _limit_in(picture: Mapping[str, Any], who: str, attempt: Attempt) -> int | None:
    mine = (who, attempt.captured_currency)
    limits = (each for each in picture["limits"] if (each["who"], each["currency"]) == mine)
    return next((int(each["most_minor"]) for each in limits), None)


def _refunds_of(attempt: Attempt) -> Iterable[Refund]:
    return Refund.objects.filter(attempt__payment=attempt.payment_id).exclude(status=RefundStatus.FAILED)


def _given_back(refunds: Iterable[Refund], *origins: RefundOrigin) -> int:
    """Or waits to be: what a second person will agree to is not there any more for a third one."""
    counted = (each for each in refunds if each.origin in origins and each.status != RefundStatus.FAILED)
    return sum(each.total_minor for each in counted)
