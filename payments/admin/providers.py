"""Providers in the console: our accounts with them, and what they told us."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Case as If
from django.db.models import OuterRef, Q, QuerySet, Subquery, UUIDField, When
from django.db.models.functions import Cast, Coalesce, JSONObject
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from kernel.console import ReadOnlyAdmin, restaurants_seen_by
from kernel.shown import NOTHING, Data, Moment, Said, State, Tone
from payments.admin.account_pages import AccountPages
from payments.admin.credentials import CredentialPages
from payments.admin.routes import chain_address
from payments.models import Attempt, InboundNotice, NoticeState, ProviderAccount, Refund
from payments.services.accounts import percent_of

_NOTICE_TONES = {
    NoticeState.APPLIED: Tone.GOOD,
    NoticeState.STORED: Tone.WAIT,
    NoticeState.PARKED: Tone.WAIT,
    NoticeState.ORPHANED: Tone.BAD,
    NoticeState.QUARANTINED: Tone.BAD,
}
_OUR_KEY = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"


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
    list_display = ["event_id", "received", "of_payment", "account", "how", "tries", "repeats"]
    list_filter = ["state", "mode"]
    search_fields = found_by = ("subject_id",)
    search_help_text = "The provider's number of the message, or our key in it"
    ordering = ["-id"]
    list_select_related = ["account"]
    fieldsets = [
        (None, {"fields": ["how", "of_payment", "account", "received", "subject_id", "tries", "repeats", "due"]}),
        ("For support", {"classes": ["collapse"], "fields": ["id", "mode", "claims", "version"]}),
    ]

    how = State("state", tones=_NOTICE_TONES)
    received = Moment("received_at")
    due = Moment("next_action_at", "next try")

    def get_queryset(self, request: HttpRequest) -> QuerySet[InboundNotice]:
        """Raw messages are not even read for a list. Whose payment it is, the charge or refund with its key knows."""
        notices: QuerySet[InboundNotice] = super().get_queryset(request)
        whose = JSONObject(pk="payment_id", reference="payment__reference")
        key = Cast(OuterRef("subject_id"), UUIDField())
        # Only the account that a notice came from can speak of what it took.
        mine = {"pk": key, "account": OuterRef("account")}
        found = [Subquery(rows.filter(**mine).values(whose=whose)) for rows in (Attempt.objects, Refund.objects)]
        # A provider repeats our key, or says anything else: PostgreSQL is asked about what can be one.
        about = If(When(subject_id__regex=_OUR_KEY, then=Coalesce(*found)), default=None)
        return notices.defer("headers", "body", "content").annotate(about=about)

    def named_by(self, term: str, request: HttpRequest) -> Q:
        """A provider's number is its own within one contract, which is how it is kept."""
        accounts = ProviderAccount.objects.filter(restaurant__in=restaurants_seen_by(request))
        keys = list(accounts.values_list("pk", flat=True))
        return super().named_by(term, request) | Q(account__in=keys, event_id=term)

    @admin.display(description="payment")
    def of_payment(self, notice: Any) -> str:
        if not notice.about:
            return NOTHING
        address = reverse("admin:payments_payment_change", args=[notice.about["pk"]])
        return format_html('<a class="link" href="{}">{}</a>', address, notice.about["reference"])
