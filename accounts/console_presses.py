"""A press of the console that does something once: what it is known by, and what another one of its page is told."""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

from django.http import HttpRequest, QueryDict

from accounts.second_factor_pages import CODE_FIELD
from accounts.services.idempotency import CONSOLE, Call, PageUsed
from api.idempotency import body_hash
from kernel import clock
from kernel.errors import ServiceError

DONE_ALREADY: Final = "It was done already, by your first press."
# What a press decides is written at once; what has to be sent the clock sends.
_AT_WORK = timedelta(seconds=10)
# What the page adds to what somebody says on it.
_OF_THE_PAGE = {"csrfmiddlewaretoken", "press", "version", CODE_FIELD}
_STALE = "stale"


def call_of_press(
    request: HttpRequest, *, press: UUID, restaurant_id: UUID, mode: str, subject_id: UUID | None = None
) -> Call:
    """By what was typed, as it was typed: which fields a form still has depends on what happened meanwhile."""
    said = {name: values for name, values in request.POST.lists() if name not in _OF_THE_PAGE}
    return Call(
        principal=f"{CONSOLE}{request.user.pk}",
        key=str(press),
        operation=f"POST {request.path}",
        body_hash=body_hash(said),
        restaurant_id=restaurant_id,
        mode=mode,
        runs_for=_AT_WORK,
        subject_id=subject_id,
    )


def said_anew(request: HttpRequest, refused: ServiceError, *, version: int) -> QueryDict:
    """What was typed, for the form in which it stands again: its next press is a decision about what is shown now, and
    where its page was used already, a press of its own.
    """
    said = request.POST.copy()
    if refused.code in {_STALE, PageUsed.code}:
        said["version"] = str(version)
    if refused.code == PageUsed.code:
        said["press"] = str(clock.new_id())
    return said
