"""Routes in the console: all of them in one list, and each restaurant's chain on a page where it is changed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse

from accounts.models import Restaurant
from kernel.console import ReadOnlyAdmin, restaurants_seen_by
from kernel.modes import Mode
from kernel.shown import Amount, Listed, Said, Tone
from kernel.totals import TotalledList
from payments.admin.chain_page import ChainPage
from payments.models import ProviderAccount, Route

# Above the list stands a way to each chain, also to one without a route. Whoever has more finds them by the accounts.
MOST_CHAINS = 8


class ChainList(TotalledList):
    """A route is one place in a chain, and is looked at there."""

    def url_for_result(self, result: Any) -> str:
        return chain_address(result.restaurant_id, result.mode)


def chain_address(restaurant_id: UUID, mode: str) -> str:
    return reverse("admin:payments_route_chain", args=[restaurant_id, mode])


def _is_used(route: Route) -> tuple[str, Tone]:
    if not route.account.enabled:
        return "its account is switched off", Tone.QUIET
    return ("in use", Tone.GOOD) if route.enabled else ("switched off", Tone.QUIET)


@admin.register(Route)
class RouteAdmin(ReadOnlyAdmin):
    called = "Routes"
    about = "In which order providers are tried, and for what."
    nothing = "No routes yet: without one no provider is tried, and nobody can pay."
    change_list_template = "payments/routes.html"
    list_display = [
        *("position", "account", "restaurant", "mode", "for_methods", "for_currencies", "for_channels"),
        *("least", "most", "used"),
    ]
    list_select_related = ["restaurant", "account"]
    list_filter = ["mode"]
    ordering = ["restaurant", "mode", "position"]

    used = Said(_is_used, "state", ordering="enabled")
    for_methods = Listed("methods", "methods", none="any")
    for_currencies = Listed("currencies", "currencies", none="any")
    for_channels = Listed("channels", "channels", none="any")
    least = Amount("min_minor", "from", currency="restaurant.currency")
    most = Amount("max_minor", "up to", currency="restaurant.currency")

    class Media:
        css = {"all": ["payments/providers.css"]}

    def get_changelist(self, request: HttpRequest, **_: Any) -> type[TotalledList]:
        return ChainList

    def get_urls(self) -> list[Any]:
        chain = self.admin_site.admin_view(self.chain)
        name = "payments_route_chain"
        return [path("chain/<uuid:restaurant_id>/<slug:mode>/", chain, name=name), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return super().changelist_view(request, {"chains": _chains(request), **(extra_context or {})})

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """Where somebody comes from an old address. A route has no form of its own."""
        if request.method not in {"GET", "HEAD"}:
            raise PermissionDenied
        route = self.get_object(request, object_id)
        if route is None or not self.has_view_permission(request, route):
            raise Http404
        return redirect(chain_address(route.restaurant_id, route.mode))

    def chain(self, request: HttpRequest, restaurant_id: UUID, mode: str) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        restaurant = restaurants_seen_by(request).filter(pk=restaurant_id).first()
        if restaurant is None or mode not in Mode.values:
            raise Http404
        page = self._page(request, restaurant, Mode(mode))
        return page.done() if request.method == "POST" else page.shown()

    def _page(self, request: HttpRequest, restaurant: Restaurant, mode: Mode) -> ChainPage:
        frame = {**self.admin_site.each_context(request), **self.way_back(), "opts": self.opts, "media": self.media}
        return ChainPage(request=request, restaurant=restaurant, mode=mode, frame=frame)

    def title_of(self, row: Any) -> str:
        return f"{row.account}, number {row.position}"


def _chains(request: HttpRequest) -> list[dict[str, str]]:
    """Of the restaurants that have an account in that mode."""
    accounts = ProviderAccount.objects.filter(restaurant__in=restaurants_seen_by(request))
    rows = accounts.order_by("restaurant__name", "mode").values_list("restaurant_id", "restaurant__name", "mode")
    found = list(rows.distinct()[: MOST_CHAINS + 1])
    if len(found) > MOST_CHAINS:
        return []
    return [{"title": f"{name}, {mode}", "url": chain_address(key, mode)} for key, name, mode in found]
