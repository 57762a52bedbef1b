"""The base of every address of the API: who may call which method of it, and how often. Default: nobody."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from io import BytesIO
from typing import Any, ClassVar, NoReturn

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import unauthenticated
from accounts.permissions import MayCall
from accounts.principals import Principal
from accounts.problems import NOT_ALLOWED
from accounts.scopes import Scope
from api.addresses import address_of
from api.limits import Counted, Policy, check, of_addresses, of_callers
from api.parsing import MAX_BODY_BYTES, bounded, streamed_body
from api.problems import NOT_FOUND, Problem
from api.queries import values_of
from api.refusing import request_id_of
from api.serializers import StrictSerializer
from events.actors import Actor


class NothingIn(StrictSerializer):
    """An empty object, or no body at all."""


class Route(APIView):
    """Says per method which scopes open it: one of them is enough."""

    scopes: ClassVar[Mapping[str, tuple[Scope, ...]]] = {}
    is_public: ClassVar[bool] = False
    permission_classes = [MayCall]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Who calls, and whether they may; only then is anything read of what they say."""
        super().initial(request, *args, **kwargs)
        if request.method in set(self.allowed_methods) - {"GET", "HEAD", "OPTIONS"}:
            values_of(request.GET, ())  # A change says all that it says in its body.
        body = streamed_body(request._request, limit=MAX_BODY_BYTES)
        if body is not None:
            request._stream = BytesIO(bounded(body))  # As the framework makes one of other bodies.

    def nothing_said(self) -> None:
        """For what is asked by its address alone: whoever says more meant something that would be ignored."""
        NothingIn(data=self.request.data).is_valid(raise_exception=True)

    def strangers_policy(self) -> Policy:
        return of_addresses()

    @property
    def principal(self) -> Principal:
        caller: Any = self.request.user  # The stubs know Django's users only.
        if not isinstance(caller, Principal):
            raise unauthenticated(self.request._request)
        return caller

    @property
    def request_id(self) -> str:
        return request_id_of(self.request._request)

    @property
    def actor(self) -> Actor:
        return self.principal.actor(request_id=self.request_id)

    def permission_denied(self, request: Request, message: str | None = None, code: str | None = None) -> NoReturn:
        caller: Any = request.user
        if not isinstance(caller, Principal):
            raise unauthenticated(request._request)
        self.check_throttles(request)  # The framework counts whom it lets in: whoever is refused calls just as often.
        wanted = self.scopes.get(request.method or "", ())
        if not wanted:
            raise Problem(NOT_ALLOWED, "Nobody may do this here.")
        raise Problem(NOT_ALLOWED, f"This needs the scope {' or '.join(scope.value for scope in wanted)}.")

    def check_throttles(self, request: Request) -> None:
        """Counted before a body is read: by caller, or by address where nobody is known."""
        caller: Any = request.user
        if isinstance(caller, Principal):
            self._counted: Counted | None = check(of_callers(), caller.name)
        else:
            self._counted = check(self.strangers_policy(), address_of(request._request))

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        answer = super().finalize_response(request, response, *args, **kwargs)
        counted = getattr(self, "_counted", None)
        if counted is not None:
            for name, value in counted.headers().items():
                answer.headers.setdefault(name, value)
        if answer.status_code != HTTPStatus.METHOD_NOT_ALLOWED:
            del answer.headers["Allow"]  # The framework says it everywhere; it is news where a method is refused.
        if "Cache-Control" not in answer.headers:
            answer.headers["Cache-Control"] = "private, no-cache" if request.method in {"GET", "HEAD"} else "no-store"
        return answer

    def options(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        """A browser's preflight is answered before it comes here; nothing else is told."""
        return self.http_method_not_allowed(request, *args, **kwargs)


def nothing_here(what: str) -> Problem:
    """The same words for what is not there and for what is somebody else's."""
    return Problem(NOT_FOUND, f"There is no such {what}.")
