"""Providers in the console: our accounts with them, the routes to them, and what they told us."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from kernel.console import ReadOnlyAdmin
from kernel.shown import Amount, Data, Listed, Moment, Said, State, Tone
from payments.models import InboundNotice, NoticeState, ProviderAccount, Route

_NOTICE_TONES = {
    NoticeState.APPLIED: Tone.GOOD,
    NoticeState.STORED: Tone.WAIT,
    NoticeState.PARKED: Tone.WAIT,
    NoticeState.ORPHANED: Tone.BAD,
    NoticeState.QUARANTINED: Tone.BAD,
}


def _is_used(row: ProviderAccount | Route) -> tuple[str, Tone]:
    return ("in use", Tone.GOOD) if row.enabled else ("switched off", Tone.QUIET)


@admin.register(ProviderAccount)
class ProviderAccountAdmin(ReadOnlyAdmin):
    """Credentials are written by whoever installs an account and shown to nobody."""

    called = "Accounts"
    about = "The restaurant's contracts with providers. Their credentials are shown to nobody."
    nothing = "No accounts yet. Whoever installs Steward adds a provider's account; docs/providers.md says how."
    list_display = ["label", "provider", "restaurant", "mode", "used", "fee"]
    list_select_related = ["restaurant"]
    ordering = ["restaurant", "mode", "label"]
    fieldsets = [(None, {"fields": ["used", "provider", "restaurant", "mode", "fee", "thresholds", "id"]})]

    used = Said(_is_used, "state", ordering="enabled")
    thresholds = Data("breaker", "thresholds of its own")

    @admin.display(description="fee", ordering="fee_bps")
    def fee(self, account: ProviderAccount) -> str:
        return f"{account.fee_bps // 100}.{account.fee_bps % 100:02} %"


@admin.register(Route)
class RouteAdmin(ReadOnlyAdmin):
    called = "Routes"
    about = "In which order providers are tried, and for what."
    nothing = "No routes yet: without one no provider is tried, and nobody can pay."
    list_display = [
        "position",
        "account",
        "restaurant",
        "mode",
        "for_methods",
        "for_currencies",
        "for_channels",
        "used",
    ]
    list_select_related = ["restaurant", "account"]
    ordering = ["restaurant", "mode", "position"]
    fieldsets = [
        (None, {"fields": ["used", "position", "account", "restaurant", "mode"]}),
        ("For what", {"fields": ["for_methods", "for_currencies", "for_channels", "least", "most"]}),
    ]

    used = Said(_is_used, "state", ordering="enabled")
    for_methods = Listed("methods", none="any")
    for_currencies = Listed("currencies", none="any")
    for_channels = Listed("channels", none="any")
    least = Amount("min_minor", "from", currency="restaurant.currency")
    most = Amount("max_minor", "up to", currency="restaurant.currency")

    def title_of(self, row: Any) -> str:
        return f"{row.account}, number {row.position}"


@admin.register(InboundNotice)
class InboundNoticeAdmin(ReadOnlyAdmin):
    called = "Notices"
    about = "Signed messages of providers, stored before anything is done about them."
    nothing = "No notices yet. A provider sends one when something happens to a payment."
    list_display = ["event_id", "received", "account", "how", "tries", "repeats"]
    list_filter = ["state", "mode"]
    search_fields = ["=event_id", "=subject_id"]
    search_help_text = "The provider's number of the message, or our key in it"
    ordering = ["-id"]
    list_select_related = ["account"]
    fieldsets = [
        (None, {"fields": ["how", "account", "received", "subject_id", "tries", "repeats", "due"]}),
        ("For support", {"classes": ["collapse"], "fields": ["id", "mode", "claims", "version"]}),
    ]

    how = State("state", tones=_NOTICE_TONES)
    received = Moment("received_at")
    due = Moment("next_action_at", "next try")

    def get_queryset(self, request: HttpRequest) -> QuerySet[InboundNotice]:
        """Raw messages are not even read for a list."""
        notices: QuerySet[InboundNotice] = super().get_queryset(request)
        return notices.defer("headers", "body", "content")
