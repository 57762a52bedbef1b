"""What somebody of the staff is told where the console shows no page: what it is, why, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views import csrf

from accounts.console_gate import CONSOLE, page_of
from kernel.card_numbers import contains_card_number

_CARD_NUMBER: Final = "Not shown again, because there is a card number in it."
# What is shown again after a refused form. Anything else may be a password, a code or a key, and is not even read.
_SHOWN_AGAIN: Final = {"reason": "Reason", "text": "Note", "note": "Note", "begun_note": "Note", "amount": "Amount"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    title: str
    why: str
    next: str
    leads_to_queue: bool = False


_TOLD: Final = {
    HTTPStatus.BAD_REQUEST: Told(
        title="This cannot be read",
        why="Something in the address, or in what was sent, is not as this console writes it. Nothing was changed.",
        next="Begin at Today, and open the page from there.",
    ),
    HTTPStatus.FORBIDDEN: Told(
        title="This page is not open to you",
        why="It takes a role or a permission that you do not have, or that somebody has just taken away. "
        "Nothing was changed.",
        next="Go on at Today. If this is your work, ask an admin of your restaurant for the role.",
    ),
    HTTPStatus.NOT_FOUND: Told(
        title="There is nothing here",
        why="The address may have been cut short when it was copied, or it is of a restaurant where you have no role.",
        next="Look for it by its reference: the failure queue and the list of payments find whatever you may see.",
        leads_to_queue=True,
    ),
    HTTPStatus.INTERNAL_SERVER_ERROR: Told(
        title="Something broke here",
        why="It is not your fault, and it was written down for the operator.",
        next="If you had just sent something, look first whether it was done. Then open the page again; "
        "if it breaks again, tell the operator the number below.",
    ),
}
_OLD_PAGE: Final = Told(
    title="This page is out of date",
    why="It was opened before the last sign-in, as in another tab. What you sent from it was not accepted, "
    "and nothing was changed.",
    next="Open the page again, and send it once more. "
    "If it ends here again, let the browser keep this address's cookies.",
)


def console_page(request: HttpRequest, status: HTTPStatus) -> HttpResponse | None:
    """None: it is no page of the console. It asks no database, which may be what broke."""
    if not f"{request.path}/".startswith(CONSOLE):
        return None
    number = request.META.get("HTTP_X_REQUEST_ID", "") if status is HTTPStatus.INTERNAL_SERVER_ERROR else ""
    return _answer(_TOLD[status], status, number=number)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form from before the last sign-in. What was typed into it is shown again: it is lost nowhere else."""
    if not request.path.startswith(CONSOLE):
        return csrf.csrf_failure(request, reason)
    return _answer(_OLD_PAGE, HTTPStatus.FORBIDDEN, typed=_typed(request), page=page_of(request))


def _typed(request: HttpRequest) -> list[tuple[str, str]]:
    """A card number is shown nowhere (I18), neither to whoever typed it."""
    said = [(title, request.POST.get(name, "")) for name, title in _SHOWN_AGAIN.items()]
    return [(title, _CARD_NUMBER if contains_card_number(text) else text) for title, text in said if text.strip()]


def _answer(told: Told, status: HTTPStatus, **more: Any) -> HttpResponse:
    answer = HttpResponse(render_to_string("console/plain.html", {"told": told, **more}), status=status)
    answer.headers["Cache-Control"] = "no-store"
    return answer
