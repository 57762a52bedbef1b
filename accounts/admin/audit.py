"""The audit in the console: what people did, to look at and to take away."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.apps import apps
from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import IGNORED_PARAMS
from django.core.exceptions import PermissionDenied
from django.db.models import Case as If
from django.db.models import OuterRef, Q, QuerySet, Subquery, UUIDField, When
from django.db.models.functions import Cast
from django.http import HttpRequest, HttpResponseBase, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import NoReverseMatch, path, reverse
from django.utils.html import format_html

from accounts.admin.audit_filters import Done, Lately, Who
from accounts.deeds import PERSON
from accounts.models import Approval, Restaurant
from accounts.names import name_now, name_then
from accounts.searching_audit import SEARCHED, called
from accounts.selectors import entries_about
from accounts.services.exporting_audit import AuditRefused, export_audit, may_export_audit
from accounts.showing_audit import amount_of, changes_in, in_words
from events.actors import SHELL
from events.models import AuditEntry
from kernel import clock
from kernel.console import ReadOnlyAdmin, restaurants_seen_by
from kernel.downloads import streamed
from kernel.shown import Data, Moment, Worth, Written

# Where what an entry is about has a page. Named, not imported: some of them are further up in the house.
_PAGES = {
    "case": "failures_case",
    "payment": "payments_payment",
    "notice": "payments_inboundnotice",
    "order": "orders_order",
    "approval": "accounts_approval",
    "person": "accounts_user",
    "restaurant": "accounts_restaurant",
    "permission_group": "auth_group",
}
# What people call it by: the reference of the payment or order, as it is read aloud.
_REFERENCES = {
    "payment": ("payments.Payment", "reference"),
    "order": ("orders.Order", "reference"),
    "case": ("failures.Case", "payment__reference"),
}


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    tenant = "chain_id"
    called = "Audit"
    about = "What people decided: who, when, why, and how it looked before and after. Sealed, entry to entry."
    nothing = (
        "No entries yet. Each decision of a person about money, cases, keys, circuits, people or roles writes one."
    )
    list_display = ["number", "when", "person", "did", "amount", "subject", "where", "because"]
    list_display_links = ["number", "did"]
    list_filter = [Who, Lately, Done, "mode"]
    search_fields = found_by = ("subject_id", "request_id", "actor_id")
    search_help_text = SEARCHED
    ordering = ["-id"]
    change_list_template = "accounts/audit.html"
    fieldsets = [
        (None, {"fields": ["when", "person", "did", "amount", "subject", "where", "reason"]}),
        ("What changed", {"fields": ["changes"]}),
        ("How it looked", {"classes": ["collapse"], "fields": ["before_said", "after_said"]}),
        (
            "For support",
            {
                "classes": ["collapse"],
                "fields": ["number", "subject_id", "actor_id", "mode", "request_id", "transaction_id", "seal"],
            },
        ),
    ]

    when = Moment("at", "when", ordering="id")
    amount = Worth(amount_of, "amount")
    because = Written("reason")
    before_said = Data("before", "before")
    after_said = Data("after", "after")

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEntry]:
        """Entries keep ids. People are called as they were then; restaurants, as they are now."""
        who, whom = Cast(OuterRef("actor_id"), UUIDField()), OuterRef("whom_id")
        names = {"name": name_then(who), "name_now": name_now(who), "whom": name_then(whom)}
        house = Restaurant.objects.filter(pk=OuterRef("chain")).values("name")[:1]
        # Only a person's id is one for certain: what others are known by may be anything.
        whom_id = If(When(subject_kind=PERSON, then=Cast("subject_id", UUIDField())), default=None)
        entries: QuerySet[AuditEntry] = super().get_queryset(request).annotate(whom_id=whom_id)
        return entries.annotate(**names, house=Subquery(house), called=_called())

    def seen_in(self, restaurants: list[UUID]) -> Q:
        """Also what is about their people, although it stands in the installation's chain."""
        return entries_about(restaurants)

    def named_by(self, term: str, request: HttpRequest) -> Q:
        """Also by what stands in the list in the place of an id."""
        restaurants = list(restaurants_seen_by(request).values_list("pk", flat=True))
        return super().named_by(term, request) | called(term, restaurants=restaurants)

    def changelist_view(self, request: Any, extra_context: dict[str, Any] | None = None) -> Any:
        may = {"may_export": may_export_audit(request.user)}
        return super().changelist_view(request, {**may, **(extra_context or {})})

    def get_urls(self) -> list[Any]:
        export = path("export/", self.admin_site.admin_view(self.export), name="events_auditentry_export")
        return [export, *super().get_urls()]

    def export(self, request: Any) -> HttpResponseBase:
        """Written down, so never by following a link."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not may_export_audit(request.user):
            raise PermissionDenied
        try:
            shown = self.get_changelist_instance(request)
        except IncorrectLookupParameters:
            return HttpResponseRedirect("../")
        filters = {name: said for name, said in shown.filter_params.items() if name not in IGNORED_PARAMS}
        chosen = {"filters": filters, "searched": bool(shown.query)}
        try:
            export = export_audit(entries=shown.queryset, chosen=chosen, person=request.user)
        except AuditRefused as refused:
            messages.error(request, refused.sentence)
            return HttpResponseRedirect(f"../{shown.get_query_string()}")
        name = f"audit-{clock.now():%Y-%m-%d-%H%M}.jsonl"
        return streamed(export.lines(), name=name, content_type="application/jsonl; charset=utf-8")

    @admin.display(description="who")
    def person(self, entry: Any) -> str:
        if entry.actor_id == SHELL.id:
            return "somebody at the shell"
        is_renamed = entry.name != entry.name_now
        return f"{entry.name} (now {entry.name_now})" if is_renamed else str(entry.name or entry.actor_id)

    @admin.display(description="did", ordering="action")
    def did(self, entry: AuditEntry) -> str:
        return in_words(entry.action)

    @admin.display(description="where", ordering="chain")
    def where(self, entry: Any) -> str:
        return str(entry.house or "the installation")

    @admin.display(description="about")
    def subject(self, entry: Any) -> str:
        """Its page, where it has one."""
        kind = " ".join(filter(None, (entry.whom or in_words(entry.subject_kind).lower(), entry.called)))
        try:
            address = reverse(f"admin:{_PAGES.get(entry.subject_kind, '')}_change", args=[entry.subject_id])
        except NoReverseMatch:
            return kind
        return format_html('<a class="link" href="{}">{}</a>', address, kind)

    @admin.display(description="before and after")
    def changes(self, entry: AuditEntry) -> str:
        return changes_in(entry)

    def title_of(self, row: Any) -> str:
        return f"{' '.join(filter(None, (in_words(row.action), row.called)))}, no. {row.number}"


def _called() -> If:
    """By the kind of what it is about, with the list's own question. An approval is called by its case's payment."""
    subject = Cast(OuterRef("subject_id"), UUIDField())
    known = {kind: (model, name, Q(pk=subject)) for kind, (model, name) in _REFERENCES.items()}
    asked_from = Approval.objects.filter(pk=subject).values("asked_from")
    known["approval"] = (*_REFERENCES["case"], Q(pk=Subquery(asked_from)))
    return If(
        *(
            When(subject_kind=kind, then=Subquery(_rows(model).filter(which).values(name)[:1]))
            for kind, (model, name, which) in known.items()
        ),
        default=None,
    )


def _rows(model: str) -> QuerySet[Any]:
    rows: QuerySet[Any] = apps.get_model(model)._default_manager.order_by()
    return rows
