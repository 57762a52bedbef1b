"""What the queue can be narrowed to. Each choice stands in the address, and a value that is none is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.models import OFFICE, User
from failures.models import DONE, WAITING, Case
from failures.narrowing import ME, NOBODY, TIME, WHICH
from failures.showing.deadlines import is_overdue
from kernel import clock
from kernel.console import restaurants_seen_by
from kernel.filters import OneOf

# A choice among more is no choice but a search.
MOST_COLLEAGUES = 50
MOST_RESTAURANTS = 50


class Which(OneOf):
    """Without a choice: what waits. That is what somebody comes for."""

    title = "which"
    parameter_name = "which"

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        return list(WHICH.items())

    def choices(self, changelist: Any) -> Iterator[Any]:
        said = self.value()
        for value, title in ((None, "waiting"), *self.lookup_choices):
            address = changelist.get_query_string({self.parameter_name: value} if value else {}, [self.parameter_name])
            yield {"selected": said == value, "query_string": address, "display": title}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Case]) -> QuerySet[Case]:
        waiting = queryset.filter(status__in=WAITING)
        now = clock.now()
        which = {
            "mine": waiting.filter(owner_id=request.user.pk),
            "free": waiting.filter(owner=None).exclude(snoozed_until__gt=now),
            "put_off": waiting.filter(snoozed_until__gt=now),
            "ended": queryset.filter(status__in=DONE),
            "all": queryset,
        }
        return which.get(self.value() or "", waiting.exclude(snoozed_until__gt=now))


class TimeLeft(OneOf):
    title = "time left"
    parameter_name = "time"

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        return list(TIME.items())

    def queryset(self, _: HttpRequest, queryset: QuerySet[Case]) -> QuerySet[Case]:
        return queryset.filter(is_overdue(clock.now())) if self.value() else queryset


class Owner(OneOf):
    """Whoever works on cases of these restaurants, by name."""

    title = "who has it"
    parameter_name = "owner"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        here = {"memberships__role__in": OFFICE, "memberships__restaurant__in": restaurants_seen_by(request)}
        people = User.objects.filter(**here).distinct().order_by("username")
        names = people.values_list("pk", "username")[:MOST_COLLEAGUES]
        return [(ME, "me"), (NOBODY, "nobody"), *((str(key), name) for key, name in names)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Case]) -> QuerySet[Case]:
        value = self.value()
        if value is None:
            return queryset
        if value == NOBODY:
            return queryset.filter(owner=None)
        return queryset.filter(owner=request.user.pk if value == ME else UUID(value))


class OfRestaurant(OneOf):
    """Not there for whoever works in one only."""

    title = "restaurant"
    parameter_name = "restaurant"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        names = restaurants_seen_by(request).order_by("name").values_list("pk", "name")[:MOST_RESTAURANTS]
        return [(str(key), name) for key, name in names] if len(names) > 1 else []

    def queryset(self, _: HttpRequest, queryset: QuerySet[Case]) -> QuerySet[Case]:
        value = self.value()
        return queryset.filter(restaurant=UUID(value)) if value else queryset
