"""How anything that ends a request becomes a problem: of ours, of the framework's, or one that nobody expected."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from psycopg_pool import PoolTimeout
from rest_framework import exceptions
from rest_framework.response import Response

from api import problems
from api.problems import CATALOGUE, FieldError, Kind, Problem
from kernel.errors import ServiceError

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
API = "/api/"
# A database that restarts is back within this.
DATABASE_RETRY_SECONDS = 2


def problem_response(problem: Problem, request: HttpRequest | None) -> HttpResponse:
    body = problem.as_json(request_id=request_id_of(request))
    answer = JsonResponse(body, status=int(problem.kind.status), content_type=CONTENT_TYPE)
    for name, value in problem.headers.items():
        answer.headers[name] = value
    answer.headers.setdefault("Cache-Control", "no-store")
    return answer


def request_id_of(request: HttpRequest | None) -> str:
    return str(request.META.get("HTTP_X_REQUEST_ID", "")) if request is not None else ""


def handle(error: Exception, context: Mapping[str, Any]) -> Response | HttpResponse:
    """The framework's hook. Whatever it is, somebody is answered in one form."""
    return problem_response(as_problem(error), context["request"]._request)


def as_problem(error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    for kind, translate in _TRANSLATIONS:
        if isinstance(error, kind):
            return translate(error)
    logger.error("request_failed", exc_info=error)
    return Problem(problems.INTERNAL, "Something broke here, and was written down for the operator.")


def of_refusal(error: ServiceError) -> Problem:
    """A service's refusal: its code is a kind of problem, its field is where it is."""
    kind = CATALOGUE.kinds.get(error.code, problems.INVALID)
    pointer = pointer_of(error.field)
    errors = [FieldError(pointer=pointer, code=error.code, detail=error.sentence)] if pointer else []
    seconds = error.retry_after_seconds or kind.retry_after_seconds
    wait = {"Retry-After": str(seconds)} if seconds else {}
    return Problem(kind, error.sentence, errors=errors, headers=wait)


def pointer_of(field: str) -> str:
    """`lines[3]` as services say it, `/lines/3` as clients read it."""
    return "/" + field.replace("[", "/").replace("]", "").replace(".", "/") if field else ""


def _of_validation(error: Exception) -> Problem:
    errors = list(_field_errors(getattr(error, "detail", {}), ""))
    first = errors[0] if errors else None
    detail = f"{first.pointer}: {first.detail}" if first else "Something in the body is wrong."
    more = f" And {len(errors) - 1} more." if len(errors) > 1 else ""
    return Problem(problems.INVALID, detail + more, errors=errors)


def _field_errors(detail: Any, pointer: str) -> Iterator[FieldError]:
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            whole = name == "non_field_errors"
            yield from _field_errors(inner, pointer if whole else f"{pointer}/{_escaped(str(name))}")
    elif isinstance(detail, list):
        for place, inner in enumerate(detail):
            nested = isinstance(inner, Mapping | list)
            yield from _field_errors(inner, f"{pointer}/{place}" if nested else pointer)
    else:
        yield FieldError(pointer=pointer or "/", code=str(getattr(detail, "code", "invalid")), detail=str(detail))


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _of_method(error: Exception) -> Problem:
    return Problem(problems.METHOD_NOT_ALLOWED, str(getattr(error, "detail", error)))


def _of_database(error: Exception) -> Problem:
    logger.error("database_unavailable", exc_info=error)
    return Problem(
        problems.UNAVAILABLE,
        "The database cannot be reached at the moment.",
        headers={"Retry-After": str(DATABASE_RETRY_SECONDS)},
    )


def _as(kind: Kind, sentence: str) -> Callable[[Any], Problem]:
    return lambda _: Problem(kind, sentence)


_TRANSLATIONS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], Callable[[Any], Problem]], ...] = (
    (ServiceError, of_refusal),
    (exceptions.ValidationError, _of_validation),
    (exceptions.MethodNotAllowed, _of_method),
    (exceptions.ParseError, _as(problems.MALFORMED, "The body cannot be read.")),
    (exceptions.UnsupportedMediaType, _as(problems.UNSUPPORTED_MEDIA, "A body is of type application/json.")),
    (exceptions.NotAcceptable, _as(problems.NOT_ACCEPTABLE, "This API answers in application/json.")),
    ((Http404, exceptions.NotFound), _as(problems.NOT_FOUND, "There is nothing with this id.")),
    (RequestDataTooBig, _as(problems.TOO_LARGE, "The body is too large.")),
    ((PermissionDenied, exceptions.PermissionDenied), _as(problems.FORBIDDEN_HERE, "This is not allowed.")),
    ((OperationalError, InterfaceError, PoolTimeout), _of_database),
)

# Where no view of ours is reached: an address that is not there, a request that the framework refuses, a fault.
_OUTSIDE: dict[HTTPStatus, tuple[Kind, str]] = {
    HTTPStatus.NOT_FOUND: (problems.NO_SUCH_ROUTE, "There is nothing at this address."),
    HTTPStatus.BAD_REQUEST: (problems.BAD_REQUEST, "This request cannot be read."),
    HTTPStatus.FORBIDDEN: (problems.FORBIDDEN_HERE, "This is not allowed."),
    HTTPStatus.INTERNAL_SERVER_ERROR: (problems.INTERNAL, "Something broke here, and was written down."),
}


def outside_views(request: HttpRequest, status: HTTPStatus) -> HttpResponse | None:
    """None: it is a person's page."""
    if not f"{request.path}/".startswith(API):
        return None
    kind, sentence = _OUTSIDE[status]
    return problem_response(Problem(kind, sentence), request)
