"""Today: the console's first page, for whoever may see cases. It only looks."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from accounts.console_session import asks_by_itself
from accounts.models import Restaurant
from failures.admin import open_pages
from failures.showing.deadlines import in_words
from failures.showing.today import first_mode, today_of
from kernel import clock
from kernel.console import restaurants_seen_by
from kernel.modes import Mode
from payments.outlooks import Outlook

MODES = (Mode.LIVE, Mode.TEST)  # Real money first.


def today(request: HttpRequest) -> HttpResponse:
    request.current_app = admin.site.name
    restaurants = list(restaurants_seen_by(request).order_by("name"))
    if asks_by_itself(request):
        return _looked_at_again(request, restaurants)
    frame = {**admin.site.each_context(request), **open_pages.of_today(request), "title": "Today"}
    if not restaurants:
        return TemplateResponse(request, "failures/nothing_today.html", frame)
    return TemplateResponse(request, "failures/today.html", {**frame, **_shown(request, restaurants)})


def _looked_at_again(request: HttpRequest, restaurants: list[Restaurant]) -> HttpResponse:
    """By a page that is open. Without the frame: no menu is asked for, and no message read that is for another page."""
    if not restaurants:
        raise Http404
    parts = {**_shown(request, restaurants), "frame": "failures/today_parts.html"}
    return TemplateResponse(request, "failures/today.html", parts)


def _shown(request: HttpRequest, restaurants: list[Restaurant]) -> dict[str, Any]:
    said = request.GET.get("mode")
    mode = Mode(said) if said in Mode.values else first_mode(restaurants)
    person: Any = request.user
    shown = today_of(Outlook(restaurants=restaurants, mode=mode), person=person)
    return {
        "today": shown,
        "mode": mode,
        "modes": MODES,
        "waited": in_words(clock.now() - shown.oldest) if shown.oldest else "",
        "where": _where(restaurants),
        "when": _when(restaurants),
    }


def _where(restaurants: list[Restaurant]) -> str:
    return restaurants[0].name if len(restaurants) == 1 else f"{len(restaurants)} restaurants"


def _when(restaurants: list[Restaurant]) -> str:
    """By the clock on the wall where there is one; several restaurants may have several."""
    zones = {restaurant.time_zone for restaurant in restaurants}
    return f"{clock.now().astimezone(ZoneInfo(zones.pop() if len(zones) == 1 else 'UTC')):%d %b %Y, %H:%M %Z}"
