"""What second persons are asked: a list, and each on a page of its own, where it is answered as in its case."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import JSONObject
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html

from accounts.models import Approval, ApprovalStatus
from failures.admin.case_page import CasePage
from failures.admin.cells import table_in_words
from failures.models import Case
from failures.selectors import approvals_for, pending_approvals
from failures.showing.approvals import amount_of, changes_of, title_of
from kernel.console import ReadOnlyAdmin
from kernel.filters import OneOf
from kernel.shown import NOTHING, Column, Data, Moment, State, Tone, before_and_after
from kernel.totals import Adds
from payments.admin.by_reference import ByReference

_TONES = {
    ApprovalStatus.PENDING: Tone.WAIT,
    ApprovalStatus.DONE: Tone.GOOD,
    ApprovalStatus.REJECTED: Tone.BAD,
}


# Whoever asks for one of them means all that stand so, and not what still waits.
_STATUS = "status__exact"
_ANSWERED, _ANSWER = "The answer", ["answers", "words", "decided", "alone"]
_SUPPORT = ("For support", {"classes": ["collapse"], "fields": ["id", "action", "subject_id", "mode", "said"]})


class Answer(OneOf):
    """Without a choice: what waits for an answer."""

    title = "answer"
    parameter_name = "answer"

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        return [("mine", "mine to give"), ("all", "all")]

    def choices(self, changelist: Any) -> Iterator[Any]:
        said = self.value()
        for value, title in ((None, "waited for"), *self.lookup_choices):
            address = changelist.get_query_string({self.parameter_name: value} if value else {}, [self.parameter_name])
            yield {"selected": said == value, "query_string": address, "display": title}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Approval]) -> QuerySet[Approval]:
        person: Any = request.user
        if self.value() == "mine":
            return queryset.filter(pk__in=approvals_for(person))
        is_all = self.value() == "all" or (self.value() is None and _STATUS in request.GET)
        return queryset if is_all else pending_approvals(queryset)


@admin.register(Approval)
class ApprovalAdmin(ByReference, ReadOnlyAdmin):
    raw = ("data",)
    called = "Approvals"
    about = "What one person asked for and a second one has to agree to."
    nothing = "Nobody is being asked. What needs two people is asked for in its case, and is listed here until then."
    # How many they are. An amount is a part of what is asked, and of no two in the same sense.
    adds = Adds(minor=Value(0), currency=Value(""))
    list_display = ["what", "of_case", "amount", "asks", "asked", "until", "stands"]
    list_filter = [Answer, "status", "mode"]
    list_select_related = ["maker", "checker", "restaurant"]
    ordering = ["-created_at", "id"]
    fieldsets = [
        (None, {"fields": ["stands", "of_case", "amount", "why", "asks", "asked", "until"]}),
        ("What it changes", {"fields": ["changes"]}),
        (_ANSWERED, {"fields": _ANSWER}),
        _SUPPORT,
    ]
    change_form_template = "failures/approval.html"

    asked = Moment("created_at", "asked")
    until = Moment("expires_at", "good until")
    decided = Moment("decided_at", "answered")
    stands = State("status", "status", tones=_TONES)
    why = Column("reason", "why")
    answers = Column("checker", "answered by")
    words = Column("answer", "in these words")
    said = Data("data", "how")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Approval]:
        """With what people call the payment by, where its case is about one."""
        approvals: QuerySet[Approval] = super().get_queryset(request)
        called = JSONObject(reference="payment__reference", table="payment__order__table")
        cases = Case.objects.filter(pk=OuterRef("asked_from")).order_by()
        return approvals.annotate(about=Subquery(cases.values(called=called)[:1]))

    @admin.display(description="what")
    def what(self, approval: Approval) -> str:
        return title_of(approval)

    @admin.display(description="amount")
    def amount(self, approval: Approval) -> str:
        return format_html('<span class="amount">{}</span>', amount_of(approval, approval.restaurant.currency) or "–")

    @admin.display(description="asked by", ordering="maker__username")
    def asks(self, approval: Approval) -> str:
        return approval.maker.get_username() if approval.maker else "a program, with its key"

    @admin.display(description="case")
    def of_case(self, approval: Any) -> str:
        """Where it is answered, by the payment that it is about."""
        address = reverse("admin:failures_case_change", args=[approval.asked_from])
        named = filter(None, (_reference(approval), table_in_words((approval.about or {}).get("table") or "")))
        return format_html('<a class="link" href="{}">{}</a>', address, ", ".join(named) or "Open the case")

    @admin.display(description="before and after")
    def changes(self, approval: Approval) -> str:
        rows = [(each.what, each.before, each.after) for each in changes_of(approval)]
        return before_and_after(rows) if rows else NOTHING

    @admin.display(description="by how many")
    def alone(self, approval: Approval) -> str:
        is_by_one = "One: nobody else could agree, so it was done later and with a second factor."
        return is_by_one if approval.is_alone else "Two people."

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """While it waits, who asks, why and what changes stands beside the answer. By how many it was decided is said
        once somebody has.
        """
        if obj is not None and obj.is_pending:
            return [(None, {"fields": ["stands", "of_case", "amount"]}), _SUPPORT]
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or obj.checker_id is not None:
            return fieldsets
        without = [each for each in _ANSWER if each != "alone"]
        return [(title, {"fields": without} if title == _ANSWERED else said) for title, said in fieldsets]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> HttpResponse:
        asked = _answering(request, obj) if obj is not None and obj.is_pending else {}
        return super().render_change_form(request, {**context, **asked}, *args, obj=obj, **kwargs)

    def title_of(self, row: Any) -> str:
        return ", ".join(filter(None, (title_of(row), _reference(row))))


def _answering(request: HttpRequest, approval: Approval) -> dict[str, Any]:
    """As the case's page has it: there the answer goes, and whoever gave it sees what came of it."""
    case = Case.objects.select_related("payment__order", "restaurant", "owner").get(pk=approval.asked_from)
    person: Any = request.user
    back = reverse("admin:failures_case_change", args=[case.pk])
    return CasePage(request=request, case=case, person=person, frame={}, back=back).answering(approval.pk)


def _reference(approval: Any) -> str:
    return str((approval.about or {}).get("reference") or "")
