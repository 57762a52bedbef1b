"""What routing would do now with each route of a chain: which one comes first, and why another is passed by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import models

from kernel.modes import Mode
from payments.gateways.breaker import Breaker, BreakerState
from payments.gateways.guard import Operation
from payments.models import BreakerOverride, Route
from payments.services.provider_lights import lasting_words
from payments.services.providers import PROVIDERS, circuits_of, facts_of, is_usable, own_circuits_of


class Turn(models.TextChoices):
    """In the words that complete "this route is"."""

    FIRST = "first", "the first choice"
    LATER = "later", "tried if those above cannot"
    SWITCHED_OFF = "switched_off", "skipped: switched off"
    ACCOUNT_OFF = "account_off", "skipped: its account is switched off"
    OTHER_MONEY = "other_money", "skipped for the restaurant's own currency"
    NOT_KNOWN = "not_known", "skipped: no such provider is installed"
    STOPPED = "stopped", "skipped: a person stopped it"
    RESTS = "rests", "skipped: its circuit is open"
    ACCOUNT_RESTS = "account_rests", "skipped: its account rests, because its credentials or its limit were refused"
    UNUSABLE = "unusable", "passed by: nothing can be sent with its credentials"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteOutlook:
    route: Route
    turn: Turn
    until: datetime | None = None  # Until when it is skipped, where that is known.


def chain_outlook(*, restaurant_id: UUID, mode: Mode) -> list[RouteOutlook]:
    routes = list(Route.objects.filter(restaurant=restaurant_id, mode=mode).select_related("account", "restaurant"))
    words = lasting_words({route.account.provider for route in routes}, mode=mode)
    told: list[RouteOutlook] = []
    for route in routes:
        has_first = any(each.turn is Turn.FIRST for each in told)
        word = words.get((route.account.provider, Operation.CHARGE.value))
        told.append(_why_not(route, word) or RouteOutlook(route=route, turn=Turn.LATER if has_first else Turn.FIRST))
    return told


def _why_not(route: Route, word: BreakerOverride | None) -> RouteOutlook | None:
    """None: it is tried. In the order in which routing and the guard would see it."""
    turn = _switched_off(route)
    if turn is not None:
        return RouteOutlook(route=route, turn=turn)
    if facts_of(route.account).is_manual:
        return None
    if word is not None and word.state:
        is_stopped = word.state == BreakerState.OPEN
        return RouteOutlook(route=route, turn=Turn.STOPPED, until=word.expires_at) if is_stopped else None
    circuits = {Turn.ACCOUNT_RESTS: own_circuits_of(route.account), Turn.RESTS: circuits_of(route.account)}
    resting = ((turn, each[Operation.CHARGE]) for turn, each in circuits.items())
    return next((_resting(route, turn, breaker) for turn, breaker in resting if not breaker.would_allow()), None)


def _switched_off(route: Route) -> Turn | None:
    """By a person, or by what is missing."""
    if not route.enabled:
        return Turn.SWITCHED_OFF
    if not route.account.enabled:
        return Turn.ACCOUNT_OFF
    if route.account.provider not in PROVIDERS:
        return Turn.NOT_KNOWN
    if route.currencies and route.restaurant.currency not in route.currencies:
        return Turn.OTHER_MONEY
    return None if is_usable(route.account) else Turn.UNUSABLE


def _resting(route: Route, turn: Turn, breaker: Breaker) -> RouteOutlook:
    rest = breaker.rest()
    return RouteOutlook(route=route, turn=turn, until=rest.until if rest else None)
