"""Providers in the console: our accounts with them, and what they told us."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from kernel.console import ReadOnlyAdmin, restaurants_seen_by
from kernel.shown import Data, Moment, Said, State, Tone
from payments.admin.account_pages import AccountPages
from payments.admin.credentials import CredentialPages
from payments.admin.provider_forms import percent_of
from payments.admin.routes import chain_address
from payments.models import InboundNotice, NoticeState, ProviderAccount

_NOTICE_TONES = {
    NoticeState.APPLIED: Tone.GOOD,
    NoticeState.STORED: Tone.WAIT,
    NoticeState.PARKED: Tone.WAIT,
    NoticeState.ORPHANED: Tone.BAD,
    NoticeState.QUARANTINED: Tone.BAD,
}


def _is_used(row: ProviderAccount) -> tuple[str, Tone]:
    return ("in use", Tone.GOOD) if row.enabled else ("switched off", Tone.QUIET)


@admin.register(ProviderAccount)
class ProviderAccountAdmin(AccountPages, CredentialPages):
    """Credentials are entered by one person, agreed to by a second one, and shown to nobody."""

    called = "Accounts"
    about = "The restaurant's contracts with providers. Their credentials are shown to nobody."
    nothing = "No accounts yet. An admin of the restaurant adds one for each provider that it has a contract with."
    list_display = ["label", "provider", "restaurant", "mode", "used", "fee", "chain"]
    list_select_related = ["restaurant"]
    ordering = ["restaurant", "mode", "label"]
    fieldsets = [(None, {"fields": ["used", "provider", "restaurant", "mode", "fee", "thresholds", "id"]})]

    used = Said(_is_used, "state", ordering="enabled")
    thresholds = Data("breaker", "thresholds of its own")

    @admin.display(description="fee", ordering="fee_bps")
    def fee(self, account: ProviderAccount) -> str:
        return f"{percent_of(account.fee_bps)} %"

    @admin.display(description="chain")
    def chain(self, account: ProviderAccount) -> str:
        """In which order it is tried."""
        address = chain_address(account.restaurant_id, account.mode)
        return format_html('<a class="link" href="{}">Open the chain</a>', address)


@admin.register(InboundNotice)
class InboundNoticeAdmin(ReadOnlyAdmin):
    called = "Notices"
    about = "Signed messages of providers, stored before anything is done about them."
    nothing = "No notices yet. A provider sends one when something happens to a payment."
    list_display = ["event_id", "received", "account", "how", "tries", "repeats"]
    list_filter = ["state", "mode"]
    search_fields = found_by = ("subject_id",)
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

    def named_by(self, term: str, request: HttpRequest) -> Q:
        """A provider's number is its own within one contract, which is how it is kept."""
        accounts = ProviderAccount.objects.filter(restaurant__in=restaurants_seen_by(request))
        keys = list(accounts.values_list("pk", flat=True))
        return super().named_by(term, request) | Q(account__in=keys, event_id=term)
