"""Many cases at once: what was chosen in the queue becomes a plan, and all plans stand in a list."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import Count, IntegerField, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.text import capfirst

from accounts.models import Membership, Role
from failures.admin.bulk_page import BulkPage
from failures.bulk.planning import MOST_CASES, plan_bulk
from failures.models import BulkRun, BulkStep, Case, StepStatus
from failures.services.facts import CaseRefused
from failures.showing.bulk import CHOICES, RUN_TONES, Choice, title_of
from kernel.console import ReadOnlyAdmin
from kernel.shown import Moment, State

# Who looks at what colleagues do, without having a hand in it.
_OVERSEEING = (Role.FINANCE_LEAD, Role.ADMIN, Role.AUDITOR)
_SEVERAL = "You chose cases of several restaurants, or tests and real ones: each of these is a plan of its own."


def pick(case: Case) -> str:
    """A box of the form that stands below the list. What it means is read aloud."""
    named = f"{capfirst(case.get_kind_display())}, {case.payment.reference if case.payment else 'no payment'}"
    return format_html(
        '<label class="desk-pick"><input type="checkbox" name="case" value="{}" form="desk-bulk">'
        '<span class="console-unseen">Choose: {}</span></label>',
        case.pk,
        named,
    )


def offered(shown: Any) -> dict[str, Any]:
    """What the bar below the list says: what can be done, and with how many."""
    is_all = shown.paginator.is_counted and shown.result_count <= MOST_CASES
    choices = [(value, title_of(choice)) for value, choice in CHOICES.items()]
    most = f"{MOST_CASES:,}"
    return {"bulk_choices": choices, "bulk_all": shown.result_count if is_all else None, "bulk_most": most}


def planned(page: Any, request: HttpRequest) -> HttpResponse:
    """Answered by leading to the plan's own page: to load that one again, or to go back to it, does nothing."""
    choice = CHOICES.get(request.POST.get("action", ""))
    if choice is None:
        return _back(request, "Say what to do with them.")
    try:
        chosen = _chosen(page, request)
    except IncorrectLookupParameters:
        return HttpResponseRedirect("../")
    return _planned(request, chosen, choice)


def _planned(request: HttpRequest, chosen: QuerySet[Case], choice: Choice) -> HttpResponse:
    person: Any = request.user
    try:
        runs = plan_bulk(cases=chosen, action=choice.action, outcome=choice.outcome, person=person)
    except CaseRefused as refused:
        # A superuser sees more than there is a role for.
        is_seen = refused.code == "nothing_chosen" and chosen.exists()
        return _back(request, "These are of restaurants where you do not work." if is_seen else refused.sentence)
    if len(runs) == 1:
        return redirect("admin:failures_bulkrun_change", runs[0].pk)
    messages.info(request, _SEVERAL)
    return redirect("admin:failures_bulkrun_changelist")


def _chosen(page: Any, request: HttpRequest) -> QuerySet[Case]:
    """All of the list as it is filtered, or those of which this person sees the row: others are not there."""
    if request.POST.get("which") == "all":
        listed: QuerySet[Case] = page.get_changelist_instance(request).queryset
        return listed
    mine: QuerySet[Case] = page.get_queryset(request)
    return mine.filter(pk__in=_ids(request))


def _ids(request: HttpRequest) -> list[UUID]:
    """Ticked on this page, and, where a script kept them, on others: in one field, however many they are."""
    ids = []
    for text in (*request.POST.getlist("case"), *request.POST.get("others", "").split()):
        try:
            ids.append(UUID(text))
        except ValueError:
            continue
    return ids[: MOST_CASES + 1]


def _back(request: HttpRequest, sentence: str) -> HttpResponse:
    messages.error(request, sentence)
    return HttpResponseRedirect(f"../?{request.GET.urlencode()}")


def _steps(status: StepStatus) -> Coalesce:
    """Looked up for the rows that are shown, and for no others."""
    mine = BulkStep.objects.filter(run=OuterRef("pk"), status=status).order_by()
    count = mine.values("run").annotate(count=Count("pk")).values("count")
    return Coalesce(Subquery(count), Value(0), output_field=IntegerField())


@admin.register(BulkRun)
class BulkRunAdmin(ReadOnlyAdmin):
    called = "Bulk work"
    about = "What is done to many cases at once: planned, under way, and what became of it."
    nothing = "Nothing yet. Tick cases in the failure queue, and see what would be done with them."
    list_display = ["what", "stands", "how_far", "restaurant", "mode", "who", "made"]
    list_filter = ["status", "mode"]
    list_select_related = ["person", "restaurant"]
    ordering = ["-id"]

    stands = State("status", "status", tones=RUN_TONES)
    made = Moment("created_at", "planned")

    @admin.display(description="what")
    def what(self, run: BulkRun) -> str:
        return title_of(run)

    @admin.display(description="how far")
    def how_far(self, run: Any) -> str:
        skipped = f", {run.skipped} skipped" if run.skipped else ""
        refused = f", {run.refused} refused" if run.refused else ""
        return f"{run.done} of {run.done + run.refused + run.waiting} done{refused}{skipped}"

    @admin.display(description="by", ordering="person__username")
    def who(self, run: BulkRun) -> str:
        return run.person.get_username()

    def title_of(self, row: Any) -> str:
        return title_of(row)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """One's own, and for whoever oversees a restaurant all of its."""
        runs: QuerySet[Any] = super().get_queryset(request)
        person: Any = request.user
        if not person.is_superuser:
            overseen = Membership.objects.filter(user=person, role__in=_OVERSEEING).values("restaurant")
            runs = runs.filter(Q(person=person.pk) | Q(restaurant__in=overseen))
        counts = {status.value: _steps(status) for status in StepStatus}
        counted: QuerySet[Any] = runs.annotate(**counts)
        return counted

    def get_urls(self) -> list[Any]:
        view, name = self.admin_site.admin_view, "failures_bulkrun"
        return [
            path("<uuid:run_id>/change/", view(self.one), name=f"{name}_change"),
            path("<uuid:run_id>/do/<slug:verb>/", view(self.do), name=f"{name}_do"),
            *super().get_urls(),
        ]

    def one(self, request: HttpRequest, run_id: UUID) -> HttpResponse:
        if request.method not in {"GET", "HEAD"}:
            raise PermissionDenied  # A plan has no form of its own: each of its buttons has an address.
        return self._page(request, run_id).shown()

    def do(self, request: HttpRequest, run_id: UUID, verb: str) -> HttpResponse:
        page = self._page(request, run_id)
        return page.done(verb) if request.method == "POST" else redirect("admin:failures_bulkrun_change", run_id)

    def _page(self, request: HttpRequest, run_id: UUID) -> BulkPage:
        run = self.get_queryset(request).select_related("person", "restaurant").filter(pk=run_id).first()
        if run is None:
            raise Http404
        person: Any = request.user
        frame = {**self.admin_site.each_context(request), **self.way_back(), "opts": self.opts, "media": self.media}
        address = reverse("admin:failures_bulkrun_change", args=[run.pk])
        return BulkPage(request=request, run=run, person=person, frame=frame, address=address)
