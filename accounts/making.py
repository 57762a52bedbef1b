"""Routes that make something: one effect for one idempotency key, whatever dies and however often it is sent (I15)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from rest_framework.request import Request

from accounts.models import IdempotentCall
from accounts.routes import Route
from accounts.services.idempotency import Call, KeyTaken, earlier_call, end_call, is_same, keep_final
from api.answers import rendered
from api.describing import needs_key
from api.idempotency import KEY_REUSED, REPLAYED, STILL_RUNNING, body_hash, key_of
from api.problems import Problem
from kernel import clock
from kernel.crashpoints import CrashPoint, crashpoint
from kernel.fields import UnreadableText

# What is made without asking a provider is made at once.
AT_ONCE = timedelta(seconds=10)
# Long enough for most of what is still at work to be done, short enough for whoever waits.
LONGEST_RETRY_AFTER_SECONDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An answer about what was made."""

    status: HTTPStatus
    body: Mapping[str, Any]
    is_kept: bool  # From now on this is the answer to its key, whatever becomes of what was made.
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return rendered(self.body).decode()


class MakingRoute(Route):
    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """What is described as needing a key is refused without one before anything is looked for."""
        super().initial(request, *args, **kwargs)
        if needs_key(getattr(self, (request.method or "").lower(), None)):
            key_of(request._request)

    def once(
        self,
        *,
        make: Callable[[Call], UUID],
        tell: Callable[[UUID], Told],
        runs_for: timedelta = AT_ONCE,
        about: UUID | None = None,
    ) -> HttpResponse:
        """`make` claims the call in its transaction; a refusal writes nothing, and the key is as new."""
        call = self._call(runs_for, about)
        earlier = earlier_call(call)
        if earlier is None:
            try:
                made = make(call)
            except KeyTaken:
                earlier = earlier_call(call)
            else:
                crashpoint(CrashPoint.ANSWER_BEFORE_KEPT)
                answer = self._first_answer(call, tell(made))
                crashpoint(CrashPoint.ANSWER_AFTER_KEPT)
                return answer
        if earlier is None:
            raise self._still_running(1)
        return self._replay(call, earlier, tell)

    def as_answer(self, told: Told, headers: Mapping[str, str] | None = None) -> HttpResponse:
        """For what needs no key, because it does the same however often it is asked for."""
        return _answer(told.status, told.text, {**told.headers, **(headers or {})})

    def _call(self, runs_for: timedelta, about: UUID | None) -> Call:
        request, principal = self.request, self.principal
        return Call(
            principal=principal.name,
            key=key_of(request._request),
            operation=f"{request.method} {request.path}",
            body_hash=body_hash(request.data),
            restaurant_id=principal.restaurant.pk,
            mode=principal.mode,
            runs_for=runs_for,
            subject_id=about,
        )

    def _first_answer(self, call: Call, told: Told) -> HttpResponse:
        if not told.is_kept:
            end_call(call=call)
            return _answer(told.status, told.text, told.headers)
        status, text = keep_final(call=call, status=told.status, body=told.text)
        return _answer(status, text, told.headers)

    def _replay(self, call: Call, earlier: IdempotentCall, tell: Callable[[UUID], Told]) -> HttpResponse:
        if not is_same(call, earlier):
            raise Problem(KEY_REUSED, "This key was used for another request, or with another body.")
        replayed = {REPLAYED: "true"}
        # Kept under a field key that is gone, it is told anew: what it is about can be read still.
        if earlier.answer_status is not None and not isinstance(earlier.answer, UnreadableText):
            return _answer(earlier.answer_status, earlier.answer, {**_location(earlier.answer), **replayed})
        left = (earlier.runs_until - clock.now()).total_seconds()
        if left > 0:
            raise self._still_running(left)
        told = tell(earlier.subject_id)
        if not told.is_kept:
            return _answer(told.status, told.text, {**told.headers, **replayed})
        status, text = keep_final(call=call, status=told.status, body=told.text)
        return _answer(status, text, {**told.headers, **replayed})

    def _still_running(self, seconds: float) -> Problem:
        wait = min(LONGEST_RETRY_AFTER_SECONDS, max(1, round(seconds)))
        return Problem(
            STILL_RUNNING,
            f"The first request with this key is still at work. Send it again in {wait} s.",
            headers={"Retry-After": str(wait)},
        )


def _location(text: str) -> dict[str, str]:
    """As the first answer had it, where it says itself where it is."""
    links = json.loads(text).get("links", {})
    return {"Location": links["self"]} if "self" in links else {}


def _answer(status: int, text: str, headers: Mapping[str, str]) -> HttpResponse:
    answer = HttpResponse(text, status=status, content_type="application/json")
    for name, value in headers.items():
        answer.headers[name] = value
    return answer
