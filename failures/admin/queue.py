"""The queue: what waits for a person, in the order in which it matters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils.text import capfirst

from accounts.models import OFFICE
from failures.admin.case_page import CasePage
from failures.models import DONE, WAITING, Case, CaseStatus
from failures.selectors import by_risk
from failures.services.working import take_next_case
from failures.showing.deadlines import waiting_of
from failures.sums import OF_CASES
from kernel import clock
from kernel.console import ReadOnlyAdmin
from kernel.modes import Mode
from kernel.shown import Amount, Link, Moment, Said, State, Tone

_TONES = {
    CaseStatus.REOPENED: Tone.WAIT,
    CaseStatus.WAITING_SECOND_PERSON: Tone.WAIT,
    CaseStatus.ASSIGNED: Tone.GOOD,
}


def _waits(case: Case) -> tuple[str, Tone]:
    waiting = waiting_of(case, now=clock.now())
    return waiting.words, waiting.tone


class Which(admin.SimpleListFilter):
    """Without a choice: what waits. That is what somebody comes for."""

    title = "which"
    parameter_name = "which"

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        return [("mine", "mine"), ("free", "nobody's"), ("put_off", "put off"), ("ended", "ended"), ("all", "all")]

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


@admin.register(Case)
class CaseAdmin(ReadOnlyAdmin):
    called = "Failure queue"
    adds = OF_CASES
    about = "What needs a person, most urgent first."
    nothing = "Nothing needs a person. Cases come here by themselves, in the moment in which something goes wrong."
    list_display = ["what", "amount", "waits", "of_payment", "table", "has", "opened", "state"]
    list_filter = [Which, "kind", "mode"]
    search_fields = ["payment__reference", "payment__order__reference", "=payment__order__table", "=subject_id"]
    search_help_text = "A payment's or order's reference, or a table"
    list_select_related = ["payment__order", "owner", "restaurant"]
    change_list_template = "failures/queue.html"

    amount = Amount("payment.charge_minor", "amount", currency="payment.currency", ordering=None)
    waits = Said(_waits, "time left", ordering="opened_at")
    of_payment = Link("payment", ordering=None)
    opened = Moment("opened_at", "opened")
    state = State("status", "status", tones=_TONES)

    @admin.display(description="what happened", ordering="kind")
    def what(self, case: Case) -> str:
        return str(capfirst(case.get_kind_display()))

    @admin.display(description="table")
    def table(self, case: Case) -> str:
        return (case.payment.order.table if case.payment else "") or "–"

    @admin.display(description="who has it", ordering="owner__username")
    def has(self, case: Case) -> str:
        return case.owner.get_username() if case.owner else "nobody"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Case]:
        """In this order, unless somebody asks for another one."""
        cases: QuerySet[Case] = super().get_queryset(request)
        return by_risk(cases)

    def title_of(self, row: Any) -> str:
        return str(capfirst(row.get_kind_display()))

    def get_urls(self) -> list[Any]:
        view, name = self.admin_site.admin_view, "failures_case"
        return [
            path("next/", view(self.take_next), name=f"{name}_next"),
            path("<uuid:case_id>/change/", view(self.one), name=f"{name}_change"),
            path("<uuid:case_id>/do/<slug:verb>/", view(self.do), name=f"{name}_do"),
            path("<uuid:case_id>/files/<uuid:file_id>/", view(self.file), name=f"{name}_file"),
            *super().get_urls(),
        ]

    def take_next(self, request: HttpRequest) -> HttpResponse:
        """The most urgent case of the restaurants where this person works, real money first."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        person: Any = request.user
        for restaurant_id in person.memberships.filter(role__in=OFFICE).values_list("restaurant_id", flat=True):
            for mode in (Mode.LIVE, Mode.TEST):
                case = take_next_case(restaurant_id=restaurant_id, mode=mode, person=person)
                if case is not None:
                    return redirect("admin:failures_case_change", case.pk)
        self.message_user(request, "There is no case that nobody has.", messages.SUCCESS)
        return redirect("admin:failures_case_changelist")

    def one(self, request: HttpRequest, case_id: UUID) -> HttpResponse:
        if request.method not in {"GET", "HEAD"}:
            raise PermissionDenied  # A case has no form of its own: each of its buttons has an address.
        return self._page(request, case_id).shown()

    def do(self, request: HttpRequest, case_id: UUID, verb: str) -> HttpResponse:
        page = self._page(request, case_id)
        return page.done(verb) if request.method == "POST" else redirect("admin:failures_case_change", case_id)

    def file(self, request: HttpRequest, case_id: UUID, file_id: UUID) -> HttpResponse:
        return self._page(request, case_id).file(file_id)

    def _page(self, request: HttpRequest, case_id: UUID) -> CasePage:
        rows = super().get_queryset(request).select_related("payment__order", "restaurant", "owner")
        case = rows.filter(pk=case_id).first()
        if case is None:
            raise Http404
        person: Any = request.user
        frame = {**self.admin_site.each_context(request), **self.way_back(), "opts": self.opts, "media": self.media}
        return CasePage(
            request=request,
            case=case,
            person=person,
            frame=frame,
            back=reverse("admin:failures_case_change", args=[case.pk]),
        )
