"""The cases of a payment, on the payment's own page: whoever looks there gets to what asks for a decision."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import capfirst

from failures.models import Case
from failures.showing.aftermath import CASE_TONES
from kernel.console import ReadOnlyAdmin, ReadOnlyInline
from kernel.shown import Itself, Moment, State
from payments.admin.money import PaymentAdmin


class CaseInline(ReadOnlyInline):
    model = Case
    verbose_name_plural = "Cases: what of it needs a person"
    fields = readonly_fields = ["itself", "stands", "has", "opened"]

    itself = Itself(lambda case: capfirst(case.get_kind_display()), "case")
    stands = State("status", tones=CASE_TONES)
    opened = Moment("opened_at", "opened")

    @admin.display(description="who has it")
    def has(self, case: Case) -> str:
        return case.owner.get_username() if case.owner else "nobody"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Case]:
        """With the zone of their restaurant, as on their own pages. The newest first."""
        cases: QuerySet[Case] = ReadOnlyAdmin.get_queryset(self.admin_site.get_model_admin(Case), request)
        return cases.select_related("owner").order_by("-opened_at")


# First, above the attempts: a doubt is ended there.
PaymentAdmin.inlines = [CaseInline, *PaymentAdmin.inlines]
