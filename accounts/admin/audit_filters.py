"""What the audit can be narrowed to: by whom, when, and what was done."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.models import User
from accounts.showing_audit import in_words
from events.actors import SHELL
from events.models import AuditEntry
from kernel import clock
from kernel.console import LOOKING_ROLES, restaurants_seen_by
from kernel.filters import OneOf

# A choice among more is no choice but a search.
MOST_PEOPLE = 50
_DAYS = {"1": "the last 24 hours", "7": "the last 7 days", "30": "the last 30 days", "365": "the last year"}
# Enough for every name of a deed to be among them, and read by index.
_LATEST_READ = 5_000


class Who(OneOf):
    """Whoever works in these restaurants, by name; others are found by their id."""

    title = "who"
    parameter_name = "who"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        here = {"memberships__role__in": LOOKING_ROLES, "memberships__restaurant__in": restaurants_seen_by(request)}
        people = User.objects.filter(**here).distinct().order_by("username")[:MOST_PEOPLE]
        return [(str(key), name) for key, name in people.values_list("pk", "username")] + [(SHELL.id, "the shell")]

    def queryset(self, _: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        return queryset.filter(actor_id=self.value()) if self.value() else queryset


class Lately(OneOf):
    title = "when"
    parameter_name = "days"

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        return list(_DAYS.items())

    def queryset(self, _: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        days = self.value()
        return queryset.filter(at__gte=clock.now() - timedelta(days=int(days))) if days else queryset


class Done(admin.SimpleListFilter):
    """What was done lately. Anything else may stand in the address."""

    title = "what was done"
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        latest = model_admin.get_queryset(request).order_by("-id").values("action")[:_LATEST_READ]
        actions = {entry["action"] for entry in latest}
        return [(action, in_words(action)) for action in sorted(actions)]

    def queryset(self, _: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        return queryset.filter(action=self.value()) if self.value() else queryset
