"""The console's base: pages in the users' words, and rows that only services write, looked at by their staff."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.apps import apps
from django.contrib import admin, messages
from django.contrib.admin.views.main import ERROR_FLAG
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import F, Model, OuterRef, Q, QuerySet, Subquery, UUIDField
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.text import capfirst
from unfold.admin import ModelAdmin, TabularInline
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from kernel.pages import BoundedPaginator
from kernel.stale_forms import knowing_what_it_showed
from kernel.statements import Statement
from kernel.totals import Adds, TotalledList

# What the roles are called where memberships are kept.
LOOKING_ROLES = ("finance", "finance_lead", "admin", "auditor")
# Two screens of a notebook. More is not read, and each row costs its share of the page.
ROWS_PER_PAGE = 50
# Named, not imported: the ground knows no app. It is the table that every row's `restaurant_id` points into.
_RESTAURANT = "accounts.Restaurant"
# It is taken before any lock of a service, so that nobody waits in a circle.
_ONE_AT_A_TIME = Statement("SELECT pg_advisory_xact_lock(hashtext(%s))")
_NOT_THERE = "That address asked for something that is not there, so the list is shown without its filters and search."


class ConsoleAdmin(ModelAdmin):  # type: ignore[misc]  # Unfold has no types: it is `Any` to the checker.
    """Any page of the console."""

    called = ""  # What people call these rows, on the menu and above the list; empty: the model's own name.
    called_one = ""  # What they call one of them; empty: the model's own name.
    about = ""  # One line that says what somebody finds here.
    has_log = True  # What was done here, and by whom, stands on a page of its own.
    nothing = "There is nothing here yet."  # Said by an empty list, which is where somebody new begins.
    adds: Adds | None = None  # What its rows add up to, where they are money and somebody has filtered them.

    paginator = BoundedPaginator
    list_per_page = ROWS_PER_PAGE
    list_max_show_all = 0  # "All" of a busy restaurant's payments is not a page.
    list_disable_select_all = True  # What is not on the screen is not acted on.
    show_full_result_count = False  # A count over millions of rows, on every page.
    show_facets = admin.ShowFacets.NEVER  # One more count for each choice of each filter.
    compressed_fields = True
    change_form_before_template = "console/marks_shown.html"

    @property
    def list_title(self) -> str:
        return self.called or capfirst(str(self.opts.verbose_name_plural))

    @property
    def name_of_one(self) -> str:
        return self.called_one or str(self.opts.verbose_name)

    def title_of(self, row: Any) -> str:
        return str(row)

    def elsewhere(self, _: Any) -> str:
        """What an empty list, which is given, does not show and somebody should know of. No other list is asked."""
        return ""

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Of two who save one row at once the second one reads what the first one left, and is told of it."""
        if request.method == "POST" and connection.in_atomic_block:
            self.wait_for_others(object_id)
        return super().get_object(request, object_id, from_field)

    def wait_for_others(self, object_id: str) -> None:
        """Until whoever saves this row is done. An address may write its key in several ways, or wrongly."""
        with suppress(ValidationError):
            _ONE_AT_A_TIME.read([f"{self.opts.label} {self.opts.pk.to_python(object_id)}"])

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002  Django's own.
        """Of two who change one row at once the second one is told of the first."""
        form = super().get_form(request, obj, change=change, **kwargs)
        return knowing_what_it_showed(form) if change and form.base_fields else form

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Boxes to tick: read aloud right, and usable without a script and without holding a key down."""
        kwargs.setdefault("widget", UnfoldAdminCheckboxSelectMultipleWidget())
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """What a filter of this list asks for. Django would let an address try any field of a row, and in any way."""
        return any(lookup in _lookups_of(each) for each in self.list_filter)

    def get_changelist(self, request: HttpRequest, **_: Any) -> type[TotalledList]:
        return TotalledList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """The mark of a wrong address stands alone: beside anything else Django takes it for a fault of ours."""
        if ERROR_FLAG in request.GET and len(request.GET) > 1:
            return redirect(f"{request.path}?{ERROR_FLAG}=1")
        page = super().changelist_view(request, {"title": self.list_title, **(extra_context or {})})
        if ERROR_FLAG in request.GET and isinstance(page, TemplateResponse):
            self.message_user(request, _NOT_THERE, messages.WARNING)
        return page

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> HttpResponse:
        """Above the form stands what the row is called, not what may be done with it."""
        title = self.title_of(obj) if obj else f"Add {self.name_of_one}"
        context.update({**self.way_back(request), "title": title, "subtitle": None, "show_history": self.has_log})
        page: HttpResponse = super().render_change_form(request, context, *args, obj=obj, **kwargs)
        return page

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> Any:
        named = {"title": f"Delete {self.name_of_one}", "object_name": self.name_of_one}
        return super().delete_view(request, object_id, {**self.way_back(), **named, **(extra_context or {})})

    def get_action_choices(self, request: HttpRequest, *choices: Any) -> list[tuple[str, str]]:
        """Django's own action has the table's name in its words."""
        table, called = str(self.opts.verbose_name_plural), self.list_title.lower()
        return [
            (name, str(said).replace(table, called)) for name, said in super().get_action_choices(request, *choices)
        ]

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        page: HttpResponse = super().history_view(request, object_id, {**self.way_back(), **(extra_context or {})})
        return page

    def way_back(self, request: HttpRequest | None = None) -> dict[str, str]:
        """From one row to the list, for the heading: as it was narrowed, where somebody came from one."""
        name = f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_changelist"
        narrowed = request.GET.get("_changelist_filters", "") if request is not None else ""
        return {"list_title": self.list_title, "list_url": f"{reverse(name)}?{narrowed}" if narrowed else reverse(name)}


class ReadOnlyAdmin(ConsoleAdmin):
    """Money rows are never edited here: changes go through services, with a name and a reason."""

    has_log = False  # Their one history are the transitions.
    tenant = "restaurant_id"  # Where a row says whose it is.
    found_by: tuple[str, ...] = ()  # Ids that a search is compared with, whole: letter by letter no index helps.

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.is_superuser or bool(_restaurants_of(request))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Nobody sees another restaurant's rows (I20). Each knows the time on its restaurant's wall."""
        rows: QuerySet[Any] = super().get_queryset(request).annotate(console_zone=_zone(self.model, self.tenant))
        if request.user.is_superuser:
            return rows
        return rows.filter(self.seen_in(_restaurants_of(request)))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not (self.found_by and search_term.strip()):
            found: tuple[QuerySet[Any], bool] = super().get_search_results(request, queryset, search_term)
            return found
        return queryset.filter(self.named_by(search_term.strip(), request)), False

    def named_by(self, term: str, request: HttpRequest) -> Q:
        """Which rows have it for one of their ids. One of ours may be typed in capitals, or without its dashes."""
        key = _uuid_of(term)
        found = Q(pk__in=[])
        for name in self.found_by:
            is_ours = isinstance(self.opts.get_field(name), UUIDField)
            found |= Q(**{f"{name}__in": {key} - {None} if is_ours else {term, str(key or term)}})
        return found

    def seen_in(self, restaurants: list[Any]) -> Q:
        """Which rows whoever looks at these restaurants sees."""
        return Q(**{f"{self.tenant}__in": restaurants})

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyInline(TabularInline):  # type: ignore[misc]  # Unfold has no types: it is `Any` to the checker.
    """Rows of a row, on its page: who may see that one sees these."""

    can_delete = False
    extra = 0
    hide_title = True  # Its columns say what it is.

    def has_view_permission(self, *_: Any) -> bool:
        return True

    def has_add_permission(self, *_: Any) -> bool:
        return False

    def has_change_permission(self, *_: Any) -> bool:
        return False


def _lookups_of(list_filter: Any) -> tuple[str, ...]:
    """A filter class says its own; a field has those of Django's filter for its kind."""
    return (f"{list_filter}__exact",) if isinstance(list_filter, str) else (list_filter.parameter_name,)


def _uuid_of(term: str) -> UUID | None:
    try:
        return UUID(term)
    except ValueError:
        return None


def _zone(model: type[Model], tenant: str) -> F | Subquery:
    """A join where there is a foreign key; some tables keep the bare id."""
    if any(field.name == "restaurant" for field in model._meta.get_fields()):
        return F("restaurant__time_zone")
    restaurants = apps.get_model(_RESTAURANT)._default_manager
    return Subquery(restaurants.filter(pk=OuterRef(tenant)).values("time_zone")[:1])


def restaurants_seen_by(request: HttpRequest) -> QuerySet[Any]:
    """Where this person may look at money: everywhere, if it is a superuser."""
    restaurants: QuerySet[Any] = apps.get_model(_RESTAURANT)._default_manager.all()
    return restaurants if request.user.is_superuser else restaurants.filter(pk__in=_restaurants_of(request))


def role_at(request: HttpRequest, restaurant_id: Any) -> str:
    """For what a page shows. What is then decided asks anew, under its lock."""
    return str(_roles_of(request).get(restaurant_id, ""))


def holds_one_of(request: HttpRequest, roles: Collection[str]) -> bool:
    """In any restaurant. For what a page shows, as well."""
    return any(role in roles for role in _roles_of(request).values())


def houses_where(request: HttpRequest, roles: Collection[str]) -> dict[Any, str]:
    """The restaurants in which this person holds one of them, with their names. For what a page shows, as well."""
    return {restaurant: name for restaurant, role, name in _memberships_of(request) if role in roles}


def _restaurants_of(request: HttpRequest) -> list[Any]:
    return [restaurant for restaurant, role in _roles_of(request).items() if role in LOOKING_ROLES]


def _roles_of(request: HttpRequest) -> dict[Any, str]:
    return {restaurant: role for restaurant, role, _ in _memberships_of(request)}


def _memberships_of(request: HttpRequest) -> list[tuple[Any, str, str]]:
    """Asked once for each request: the menu asks for every page it may show."""
    user: Any = request.user
    if not (user.is_active and user.is_staff):
        return []
    known: dict[str, Any] = request.__dict__
    if "console_memberships" not in known:
        rows = user.memberships.order_by("restaurant__name")
        known["console_memberships"] = list(rows.values_list("restaurant_id", "role", "restaurant__name"))
    found: list[tuple[Any, str, str]] = known["console_memberships"]
    return found
