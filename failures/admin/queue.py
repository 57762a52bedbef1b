"""The queue: what waits for a person, in the order in which it matters."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.text import capfirst

from accounts.console_presses import call_of_press
from accounts.models import OFFICE
from accounts.services.idempotency import Call, PageUsed
from failures.admin import bulk, cells, open_pages, saved_views
from failures.admin.case_page import CasePage
from failures.admin.cells import Cell
from failures.admin.export import file_of
from failures.admin.filters import OfRestaurant, Owner, TimeLeft, Which
from failures.admin.giving import giving
from failures.models import WAITING, Case
from failures.searching import SEARCHED, cases_found
from failures.selectors import by_risk, with_attempts
from failures.services.exporting import may_export
from failures.services.taking import take_next_once
from failures.sums import OF_CASES
from kernel import clock
from kernel.console import ReadOnlyAdmin, holds_one_of, restaurants_seen_by
from kernel.modes import Mode

# Beyond that nobody needs the number.
_MOST_TOLD = 100


@admin.register(Case)
class CaseAdmin(ReadOnlyAdmin):
    called = "Failure queue"
    adds = OF_CASES
    about = "What needs a person, most urgent first."
    nothing = "Nothing needs a person. Cases come here by themselves, in the moment in which something goes wrong."
    list_display = ["what", "step", "waits", "amount", "sure", "tries", "of_payment", "has"]
    list_display_links = ["what"]
    list_filter = [Which, TimeLeft, Owner, "kind", "mode", OfRestaurant]
    # That there is a box. What is looked for, and where, is in `failures/searching.py`.
    search_fields = ["payment__reference"]
    search_help_text = SEARCHED
    widest = {"which": "all"}  # Offered to whoever searches among what waits, and does not find it there.
    list_select_related = ["payment", "owner", "restaurant"]
    change_list_template = "failures/queue.html"
    list_after_template = "failures/bulk_bar.html"

    @admin.display(description="what happened", ordering="kind")
    def what(self, case: Case) -> str:
        return str(capfirst(case.get_kind_display()))

    pick = Cell(bulk.pick, "choose")
    step = Cell(cells.step, "do this")
    waits = Cell(cells.waits, "time left", ordering="opened_at")
    amount = Cell(cells.amount, "amount")
    sure = Cell(cells.sure, "how sure it is")
    tries = Cell(cells.tries, "tries")
    of_payment = Cell(cells.payment, "payment")
    has = Cell(cells.has, "who has it", ordering="owner__username")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Case]:
        """In this order, unless somebody asks for another one."""
        cases: QuerySet[Case] = super().get_queryset(request)
        return with_attempts(by_risk(cases))

    def get_list_display(self, request: HttpRequest) -> list[str]:
        """Boxes are for whoever may do something with them."""
        return [*(["pick"] if holds_one_of(request, OFFICE) else []), *super().get_list_display(request)]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Case], search_term: str
    ) -> tuple[QuerySet[Case], bool]:
        if not search_term.strip():
            return queryset, False
        return cases_found(queryset, search_term, currencies=self.currencies_of(request)), False

    def currencies_of(self, request: HttpRequest) -> dict[UUID, str]:
        """Of each restaurant whose cases this person sees."""
        return dict(restaurants_seen_by(request).values_list("pk", "currency"))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Whoever sees a restaurant's list by a role there may take it away. A superuser needs such a role for that."""
        person: Any = request.user
        may = {
            "may_export": not person.is_superuser or may_export(person),
            "may_bulk": holds_one_of(request, OFFICE),
            "press": clock.new_id(),
        }
        said = {**may, **(extra_context or {})}
        answer = super().changelist_view(request, said)
        if getattr(answer, "context_data", None):
            shown = answer.context_data["cl"]
            answer.context_data |= saved_views.offered(request, shown, said.get("refused"))
            answer.context_data |= open_pages.of_list(request, list(shown.result_list))
            answer.context_data |= bulk.offered(shown) if may["may_bulk"] else {}
        return answer

    def elsewhere(self, shown: Any) -> str:
        """Nothing needs a person right now, and this will."""
        later = shown.root_queryset.filter(status__in=WAITING, snoozed_until__gt=clock.now())
        count = len(later.order_by().values_list("pk", flat=True)[: _MOST_TOLD + 1])
        if not count:
            return ""
        told = f"{count}" if count <= _MOST_TOLD else f"More than {_MOST_TOLD}"
        many = "1 case is put off." if count == 1 else f"{told} cases are put off."
        return format_html('{} <a class="link" href="?which=put_off">Look at what was put off</a>', many)

    def title_of(self, row: Any) -> str:
        return str(capfirst(row.get_kind_display()))

    def get_urls(self) -> list[Any]:
        view, name = self.admin_site.admin_view, "failures_case"
        return [
            path("next/", view(self.take_next), name=f"{name}_next"),
            path("export/", view(self.export), name=f"{name}_export"),
            path("bulk/", view(self.bulk), name=f"{name}_bulk"),
            path("news/", view(self.list_news), name=f"{name}_list_news"),
            path("views/keep/", view(self.keep_view), name=f"{name}_keep_view"),
            path("views/remove/", view(self.remove_view), name=f"{name}_remove_view"),
            path("<uuid:case_id>/change/", view(self.one), name=f"{name}_change"),
            path("<uuid:case_id>/give/", view(self.give), name=f"{name}_give"),
            path("<uuid:case_id>/news/", view(self.news), name=f"{name}_news"),
            path("<uuid:case_id>/do/<slug:verb>/", view(self.do), name=f"{name}_do"),
            path("<uuid:case_id>/files/<uuid:file_id>/", view(self.file), name=f"{name}_file"),
            *super().get_urls(),
        ]

    def take_next(self, request: HttpRequest) -> HttpResponse:
        """The most urgent case of the restaurants where this person works, real money first."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        person: Any = request.user
        houses = list(person.memberships.filter(role__in=OFFICE).values_list("restaurant_id", flat=True))
        if not houses:
            self.message_user(
                request, "You may look. Only finance staff of a restaurant take its cases.", messages.ERROR
            )
            return redirect("admin:failures_case_changelist")
        try:
            case_id = take_next_once(restaurant_ids=houses, person=person, call=_press(request, houses))
        except PageUsed as refused:
            self.message_user(request, refused.sentence, messages.ERROR)
            return redirect("admin:failures_case_changelist")
        if case_id is not None:
            return redirect("admin:failures_case_change", case_id)
        self.message_user(request, "There is no case that nobody has.", messages.SUCCESS)
        return redirect("admin:failures_case_changelist")

    def export(self, request: HttpRequest) -> HttpResponseBase:
        """Written down, so never by following a link."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        person: Any = request.user
        if not may_export(person):
            raise PermissionDenied
        return file_of(self, request, person)

    def bulk(self, request: HttpRequest) -> HttpResponse:
        """What was ticked becomes a plan. Nothing is done by it, but it is written down."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not holds_one_of(request, OFFICE):
            raise PermissionDenied
        return bulk.planned(self, request)

    def list_news(self, request: HttpRequest) -> HttpResponse:
        """Asked by a list that is open, and by nobody's press."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        return open_pages.list_news(request, super().get_queryset(request))

    def news(self, request: HttpRequest, case_id: UUID) -> HttpResponse:
        """Asked by a page that is open. It is sent, as nobody is said to be here by following a link."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        return open_pages.case_news(request, super().get_queryset(request).filter(pk=case_id))

    def keep_view(self, request: HttpRequest) -> HttpResponse:
        """Where a refused one stands, its links lead here: they are those of the list."""
        return saved_views.kept(self, request) if request.method == "POST" else saved_views.back(request.GET)

    def remove_view(self, request: HttpRequest) -> HttpResponse:
        return saved_views.removed(request) if request.method == "POST" else saved_views.back(request.GET)

    def one(self, request: HttpRequest, case_id: UUID) -> HttpResponse:
        if request.method not in {"GET", "HEAD"}:
            raise PermissionDenied  # A case has no form of its own: each of its buttons has an address.
        return self._page(request, case_id).opened()

    def do(self, request: HttpRequest, case_id: UUID, verb: str) -> HttpResponse:
        page = self._page(request, case_id)
        return page.done(verb) if request.method == "POST" else redirect("admin:failures_case_change", case_id)

    def give(self, request: HttpRequest, case_id: UUID) -> HttpResponse:
        return giving(self._page(request, case_id))

    def file(self, request: HttpRequest, case_id: UUID, file_id: UUID) -> HttpResponse:
        return self._page(request, case_id).file(file_id)

    def _page(self, request: HttpRequest, case_id: UUID) -> CasePage:
        rows = super().get_queryset(request).select_related("payment__order", "restaurant", "owner")
        case = rows.filter(pk=case_id).first()
        if case is None:
            raise Http404
        person: Any = request.user
        frame = {
            **self.admin_site.each_context(request),
            **self.way_back(request),
            "opts": self.opts,
            "media": self.media,
        }
        return CasePage(
            request=request,
            case=case,
            person=person,
            frame=frame,
            back=reverse("admin:failures_case_change", args=[case.pk]),
        )


def _press(request: HttpRequest, houses: list[UUID]) -> Call:
    """A second press of the same page's button is the first one. Without its number it is a press of its own."""
    try:
        press = UUID(request.POST.get("press", ""))
    except ValueError:
        press = clock.new_id()
    # Until the case is found that says which restaurant, and in which mode.
    return call_of_press(request, press=press, restaurant_id=houses[0], mode=Mode.LIVE)
