"""The gate of the console: who has only half signed in, or whose session is over, is led to the page that helps."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from django.contrib import messages
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.console_session import Sitting, Standing, asks_by_itself, note_presence, sitting_of

CONSOLE: Final = "/admin/"
LOGIN, LOGOUT = "admin:login", "admin:logout"
# Where each goes on.
_DOORS: Final = {
    Standing.NOBODY: LOGIN,
    Standing.ENDED: LOGIN,
    Standing.CODE: "second_factor_code",
    Standing.ENROL: "second_factor",
}
_SAFE: Final = ("GET", "HEAD")
NOT_DONE: Final = "What you just sent was not done: look at the page again, and send it once more."


class ConsoleGateMiddleware:
    """Behind it `request.user` is whoever gave everything that is asked for, in the console and in the API alike."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        someone: Any = SimpleLazyObject(partial(_who, request))
        request.user = someone
        if request.path_info.startswith(CONSOLE):
            sitting = sitting_of(request)
            if sitting.person is not None:
                note_presence(request)
            if not _may_pass(request, sitting):
                return _told_only(request, sitting) if asks_by_itself(request) else _led_to_the_door(request, sitting)
        return self._get_response(request)


def way_back(request: HttpRequest) -> str:
    """Where the address says that somebody came from: a page of this console, or its front."""
    said = request.POST.get("next") or request.GET.get("next", "")
    return said if _is_ours(request, said) else reverse("admin:index")


def page_of(request: HttpRequest) -> str:
    """To come back to. What was sent came from a page, and may have been sent to an address that shows none."""
    if request.path_info == reverse(LOGIN):
        return way_back(request)
    if request.method in _SAFE:
        return request.get_full_path()
    came_from = urlsplit(request.headers.get("Referer", ""))
    path = came_from._replace(scheme="", netloc="").geturl()
    is_here = came_from.netloc == request.get_host() and _is_ours(request, path)
    return path if is_here else request.get_full_path()


def _who(request: HttpRequest) -> Any:
    """Half signed in one is oneself on the way in and out, and nobody elsewhere."""
    sitting = sitting_of(request)
    if sitting.standing is Standing.OPEN:
        return sitting.person
    on_the_way = (reverse(_DOORS[sitting.standing]), reverse(LOGOUT))
    return sitting.person if sitting.person and request.path_info in on_the_way else AnonymousUser()


def _may_pass(request: HttpRequest, sitting: Sitting) -> bool:
    if sitting.standing is Standing.OPEN:
        return True
    door = reverse(_DOORS[sitting.standing])
    is_signing_in = request.path_info == reverse(LOGIN) and request.method not in _SAFE
    if is_signing_in or request.path_info in {door, reverse(LOGOUT)}:
        return True
    # The console itself leads whoever is not known, and has sent nothing, to the sign-in.
    return sitting.standing is Standing.NOBODY and request.method in _SAFE


def _led_to_the_door(request: HttpRequest, sitting: Sitting) -> HttpResponseBase:
    if sitting.ending is not None:
        messages.warning(request, sitting.ending.sentence())
    if request.method not in _SAFE:
        messages.warning(request, NOT_DONE)
    said = urlencode({"next": page_of(request)})
    return redirect(f"{reverse(_DOORS[sitting.standing])}?{said}")


def _told_only(request: HttpRequest, sitting: Sitting) -> HttpResponseBase:
    """To a page that asks by itself: it says so to whoever reads it. Why is kept for the sign-in, where it is read."""
    if sitting.ending is not None:
        messages.warning(request, sitting.ending.sentence())
    return JsonResponse({"signed_out": True}, status=HTTPStatus.UNAUTHORIZED)


def _is_ours(request: HttpRequest, address: str) -> bool:
    """A path of the console and no other host, whatever a browser makes of the letters in between."""
    is_here = url_has_allowed_host_and_scheme(address, allowed_hosts=None, require_https=request.is_secure())
    return is_here and address.startswith(CONSOLE)
