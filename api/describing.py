"""How an operation is described: what it takes and gives, and every way in which it says no."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers

from api import headers as of_http
from api import problems
from api.headers import Sent
from api.idempotency import KEY_MISSING, KEY_REUSED, STILL_RUNNING
from api.problems import NEXT_ACTIONS, Kind
from api.queries import Parameter
from api.recorded import answers_in, recorded_of, requests_in
from api.refusing import CONTENT_TYPE

View = TypeVar("View", bound=Callable[..., Any])
JSON = "application/json"
EVENT_STREAM = "text/event-stream"

# Set on a method, for whoever enforces what is described.
_NEEDS_KEY = "needs_key"

_ALWAYS = (problems.BAD_QUERY, problems.NOT_ACCEPTABLE, problems.RATE_LIMITED, problems.INTERNAL, problems.UNAVAILABLE)
# A body is read where nothing has to be said as well: what it says would else be ignored.
_WITH_BODY = (problems.MALFORMED, problems.TOO_LARGE, problems.UNSUPPORTED_MEDIA, problems.INVALID)
_MAKING = (KEY_MISSING, STILL_RUNNING, KEY_REUSED)
# Who calls is `accounts`' business, which stands above: found by name once everything is loaded.
_OF_CALLERS = ("restaurant_needed", "unauthenticated", "bad_credentials", "not_allowed")
_WITH_A_BODY = frozenset({"post", "patch"})
_READING = frozenset({"get"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What its decorator says of an operation and the generator has no words for."""

    kinds: tuple[Kind, ...]
    sends: tuple[Sent, ...]


# By the operation's name.
DESCRIBED: dict[str, Described] = {}


class FieldErrorOut(serializers.Serializer[Any]):
    pointer = serializers.CharField(help_text="A JSON pointer into the body, `?name` of the query, or a header.")
    code = serializers.CharField(help_text="What is wrong there, for programs.")
    detail = serializers.CharField(help_text="What is wrong there, for people.")


class ProblemOut(serializers.Serializer[Any]):
    """RFC 9457. Its media type is application/problem+json."""

    type = serializers.URLField(help_text="The page that explains this kind.")
    title = serializers.CharField(help_text="The kind in words: the same each time.")
    status = serializers.IntegerField(help_text="That of the answer.")
    detail = serializers.CharField(help_text="What is wrong with this request.")
    code = serializers.CharField(help_text="The kind, for programs.")
    errors = FieldErrorOut(many=True, help_text="Each thing that is wrong, and where.")  # type: ignore[assignment]  # The framework takes declared fields off the class.
    request_id = serializers.CharField(help_text="Also in the header X-Request-Id and in every log line.")
    retryable = serializers.BooleanField(help_text="The same request may succeed later, as it is.")
    next_action = serializers.ChoiceField(NEXT_ACTIONS, help_text="What helps now.")


class PageOut(serializers.Serializer[Any]):
    limit = serializers.IntegerField(help_text="How many rows may be on this page.")
    offset = serializers.IntegerField(allow_null=True, help_text="Rows before this page. Null: it was asked by cursor.")
    next_cursor = serializers.CharField(allow_null=True, help_text="For the next page. Null on the last one.")
    total = serializers.IntegerField(allow_null=True, help_text="Only with `total=exact`.")


def documented(
    operation: str,
    summary: str,
    *,
    tag: str,
    gives: Mapping[HTTPStatus, Any],
    says: Mapping[HTTPStatus, str] | None = None,
    takes: type[serializers.Serializer[Any]] | None = None,
    query: Iterable[Parameter] = (),
    headers: Iterable[OpenApiParameter] = (),
    sends: Iterable[Sent] = (),
    refuses: Iterable[Kind] = (),
    makes: bool = False,
    needs_caller: bool = True,
) -> Callable[[View], View]:
    """For a method of a route. Its docstring is the description."""
    recorded = recorded_of(operation)
    of_callers = of_http.OF_A_CALLER if needs_caller else ()
    parameters = [*map(_in_query, query), *headers, of_http.REQUEST_ID, *of_callers]

    def describe(method: View) -> View:
        kinds = (*refuses, *_kinds_of(method.__name__, makes=makes, needs_caller=needs_caller))
        DESCRIBED[operation] = Described(
            kinds=kinds,
            sends=(
                *of_http.EVERYWHERE,
                *sends,
                *(of_http.MAKING if makes else ()),
                *([of_http.COME_BACK] if any(map(_is_over_soon, kinds)) else []),
            ),
        )
        described = extend_schema(
            operation_id=operation,
            summary=summary,
            tags=[tag],
            parameters=[*parameters, *([of_http.KEY] if makes else [])],
            request=takes,
            examples=requests_in(recorded) if takes else [],
            responses={**_answers(gives, says or {}, operation), **_refusals(kinds)},
            auth=None if needs_caller else [],
        )(method)
        vars(described)[_NEEDS_KEY] = makes
        return described

    return describe


def needs_key(method: object) -> bool:
    return bool(getattr(method, _NEEDS_KEY, False))


def page_of(item: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    name = f"{item.__name__.removesuffix('Out').removesuffix('Summary')}Page"
    rows = item(many=True, help_text="The rows of this page.")
    return inline_serializer(name, {"items": rows, "page": PageOut(help_text="Where this page is in the list.")})


def event_stream(meaning: str) -> dict[str, Any]:
    """For `gives`: no object, but a text without an end."""
    return {"type": "string", "description": meaning}


def _is_over_soon(kind: Kind) -> bool:
    return kind == STILL_RUNNING or (kind.status == HTTPStatus.CONFLICT and kind.retry_after_seconds > 0)


def _kinds_of(method: str, *, makes: bool, needs_caller: bool) -> Iterable[Kind]:
    yield from _ALWAYS
    yield from _WITH_BODY if method in _WITH_A_BODY else ()
    yield from _MAKING if makes else ()
    if needs_caller:
        yield from (problems.CATALOGUE.kinds[code] for code in _OF_CALLERS)
        yield from () if method in _READING else (problems.FORBIDDEN_HERE,)


def _in_query(parameter: Parameter) -> OpenApiParameter:
    return OpenApiParameter(
        name=parameter.name,
        type=dict(parameter.schema),
        location=OpenApiParameter.QUERY,
        description=parameter.meaning,
    )


def _answers(gives: Mapping[HTTPStatus, Any], says: Mapping[HTTPStatus, str], operation: str) -> dict[Any, Any]:
    return {
        _key(status, shape): OpenApiResponse(
            response=shape,
            description=says.get(status, status.phrase),
            examples=answers_in(recorded_of(operation), status),
        )
        for status, shape in gives.items()
    }


def _key(status: HTTPStatus, shape: Any) -> Any:
    if shape is None:
        return int(status)
    return (int(status), EVENT_STREAM if isinstance(shape, dict) else JSON)


def _refusals(kinds: Iterable[Kind]) -> dict[Any, OpenApiResponse]:
    """Their examples are put in when everything is generated: most of them are shared."""
    by_status: dict[int, dict[str, None]] = defaultdict(dict)
    for kind in kinds:
        by_status[int(kind.status)][kind.title] = None
    return {
        (status, CONTENT_TYPE): OpenApiResponse(response=ProblemOut, description="; ".join(titles))
        for status, titles in sorted(by_status.items())
    }
