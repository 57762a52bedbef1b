"""How an operation is described: what it takes and gives, and every way in which it says no."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers

from api import problems
from api.idempotency import HEADER, KEY_MISSING, KEY_REUSED, MAX_LENGTH, REPLAYED, STILL_RUNNING
from api.problems import NEXT_ACTIONS, Kind
from api.queries import Parameter
from api.refusing import CONTENT_TYPE

View = TypeVar("View", bound=Callable[..., Any])
JSON = "application/json"
# The description is the same wherever it is served.
EXAMPLE_URL = "https://pay.example.com"
# What was really answered, as a test recorded it.
EXAMPLES = Path(__file__).with_name("examples.json")

# Set on a method, for whoever enforces what is described.
_NEEDS_KEY = "needs_key"

_ALWAYS = (problems.RATE_LIMITED, problems.INTERNAL, problems.UNAVAILABLE)
_WITH_QUERY = (problems.BAD_QUERY,)
_WITH_BODY = (problems.MALFORMED, problems.TOO_LARGE, problems.UNSUPPORTED_MEDIA, problems.INVALID)
_MAKING = (KEY_MISSING, STILL_RUNNING, KEY_REUSED)


class FieldErrorOut(serializers.Serializer[Any]):
    pointer = serializers.CharField(help_text="A JSON pointer into the body, `?name` of the query, or a header.")
    code = serializers.CharField()
    detail = serializers.CharField()


class ProblemOut(serializers.Serializer[Any]):
    """RFC 9457. Its media type is application/problem+json."""

    type = serializers.URLField(help_text="The page that explains this kind.")
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField(help_text="The kind, for programs.")
    errors = FieldErrorOut(many=True)  # type: ignore[assignment]  # The framework takes declared fields off the class.
    request_id = serializers.CharField(help_text="Also in the header X-Request-Id and in every log line.")
    retryable = serializers.BooleanField(help_text="The same request may succeed later, as it is.")
    next_action = serializers.ChoiceField(NEXT_ACTIONS)


class PageOut(serializers.Serializer[Any]):
    limit = serializers.IntegerField(help_text="How many rows may be on this page.")
    offset = serializers.IntegerField(allow_null=True)
    next_cursor = serializers.CharField(allow_null=True)
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
    refuses: Iterable[Kind] = (),
    makes: bool = False,
    needs_caller: bool = True,
) -> Callable[[View], View]:
    """For a method of a route. Its docstring is the description."""
    query = tuple(query)
    kinds = [*refuses, *_ALWAYS, *(_WITH_QUERY if query else ()), *(_WITH_BODY if takes else ())]
    kinds += [*(_MAKING if makes else ()), *(_callers_kinds() if needs_caller else ())]
    recorded = _examples().get(operation, {})
    description = extend_schema(
        operation_id=operation,
        summary=summary,
        tags=[tag],
        parameters=[*map(_in_query, query), *headers, *(_KEY if makes else ())],
        request=takes,
        examples=_request_examples(recorded) if takes else [],
        responses={**_answers(gives, says or {}, recorded), **_refusals(kinds)},
        auth=None if needs_caller else [],
    )

    def describe(method: View) -> View:
        described = description(method)
        vars(described)[_NEEDS_KEY] = makes
        return described

    return describe


def needs_key(method: object) -> bool:
    return bool(getattr(method, _NEEDS_KEY, False))


def page_of(item: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    name = f"{item.__name__.removesuffix('Out').removesuffix('Summary')}Page"
    return inline_serializer(name, {"items": item(many=True), "page": PageOut()})


def _callers_kinds() -> tuple[Kind, ...]:
    """They are `accounts`' own, which stands above: found by name once everything is loaded."""
    return tuple(problems.CATALOGUE.kinds[code] for code in ("unauthenticated", "bad_credentials", "not_allowed"))


def _in_query(parameter: Parameter) -> OpenApiParameter:
    return OpenApiParameter(
        name=parameter.name,
        type=dict(parameter.schema),
        location=OpenApiParameter.QUERY,
        description=parameter.meaning,
    )


_KEY = (
    OpenApiParameter(
        name=HEADER,
        type={"type": "string", "minLength": 1, "maxLength": MAX_LENGTH, "pattern": "^[!-~]+$"},
        location=OpenApiParameter.HEADER,
        required=True,
        description=(
            "New for each thing that a person wants to happen once; the same with every retry. Kept for 30 days."
        ),
    ),
    OpenApiParameter(
        name=REPLAYED,
        type={"type": "string", "enum": ["true"]},
        location=OpenApiParameter.HEADER,
        response=[200, 201, 202],
        description="There when this is the answer to an earlier request with the same key.",
    ),
)


def _answers(
    gives: Mapping[HTTPStatus, Any], says: Mapping[HTTPStatus, str], recorded: Mapping[str, Any]
) -> dict[Any, Any]:
    return {
        int(status) if shape is None else (int(status), JSON): OpenApiResponse(
            response=shape,
            description=says.get(status, status.phrase),
            examples=[
                OpenApiExample(name, value=each["answer"], response_only=True, status_codes=[str(int(status))])
                for name, each in recorded.items()
                if each["status"] == status and each["answer"] is not None
            ],
        )
        for status, shape in gives.items()
    }


def _refusals(kinds: Iterable[Kind]) -> dict[Any, OpenApiResponse]:
    by_status: dict[int, dict[str, Kind]] = defaultdict(dict)
    for kind in kinds:
        by_status[int(kind.status)][kind.code] = kind
    return {
        (status, CONTENT_TYPE): OpenApiResponse(
            response=ProblemOut,
            description="; ".join(each.title for each in named.values()),
            examples=[
                OpenApiExample(code, value={}, response_only=True, status_codes=[str(status)])
                for code, each in named.items()
            ],
        )
        for status, named in sorted(by_status.items())
    }


def _example_of(kind: Kind) -> dict[str, Any]:
    """What was answered where a test recorded it; else what each answer of this kind has in common."""
    for recorded in _examples().values():
        if kind.code in recorded:
            answer: dict[str, Any] = recorded[kind.code]["answer"]
            return answer
    return {
        "type": f"{EXAMPLE_URL}/problems/{kind.code}",
        "title": kind.title,
        "status": int(kind.status),
        "detail": kind.remedy,
        "code": kind.code,
        "errors": [],
        "request_id": "req-4K7M2Q9X-9B3TZ0AW",
        "retryable": kind.retryable,
        "next_action": kind.next_action.value,
    }


def _request_examples(recorded: Mapping[str, Any]) -> list[OpenApiExample]:
    return [
        OpenApiExample(name, value=each["body"], request_only=True)
        for name, each in recorded.items()
        if each["body"] is not None and each["status"] < HTTPStatus.BAD_REQUEST
    ]


@lru_cache(maxsize=1)
def _examples() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(EXAMPLES.read_text(encoding="utf-8")) if EXAMPLES.exists() else {}
    return found


class CallerScheme(OpenApiAuthenticationExtension):
    target_class = "accounts.authentication.CallerAuthentication"
    name = "caller"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        said = "An API key (`test_…`, `live_…`), a person's token (`user_…`) or a payment's client token (`pay_…`)."
        return {"type": "http", "scheme": "bearer", "description": said}


def tidied(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A hook of the generator: what a request does not know it refuses, and the description says so."""
    for name, schema in result.get("components", {}).get("schemas", {}).items():
        if name.endswith("In"):
            schema["additionalProperties"] = False
    result["components"]["examples"] = {code: {"value": _example_of(kind)} for code, kind in _sorted_kinds()}
    tidy: dict[str, Any] = _without_marks(result)
    for methods in tidy["paths"].values():
        for operation in methods.values():
            _share_examples(operation["responses"])
            _linked(operation)
    return tidy


# Where an answer's id leads: a client, or a test, follows them.
_LINKS: dict[str, tuple[str, tuple[str, ...]]] = {
    "place_order": (
        "order_id",
        ("read_order", "amend_order", "confirm_order", "fulfil_order", "cancel_order", "list_payment_methods"),
    ),
    "create_payment": (
        "payment_id",
        (
            *("read_payment", "list_attempts", "start_payment", "retry_payment", "cancel_payment", "extend_hold"),
            *("refresh_payment", "make_client_token", "confirm_cash", "create_refund"),
        ),
    ),
    "create_refund": ("refund_id", ("read_refund", "refresh_refund")),
}


def _linked(operation: dict[str, Any]) -> None:
    parameter, targets = _LINKS.get(operation["operationId"], ("", ()))
    for status, answer in operation["responses"].items():
        if targets and status.startswith("2"):
            answer["links"] = {
                target: {"operationId": target, "parameters": {parameter: "$response.body#/id"}} for target in targets
            }


def _sorted_kinds() -> list[tuple[str, Kind]]:
    return sorted(problems.CATALOGUE.kinds.items())


def _share_examples(responses: dict[str, Any]) -> None:
    """The same problem looks the same everywhere."""
    for answer in responses.values():
        content = answer.get("content", {}).get(CONTENT_TYPE, {})
        for code in content.get("examples", {}):
            content["examples"][code] = {"$ref": f"#/components/examples/{code}"}


def _without_marks(value: Any) -> Any:
    """Marks of the generator for itself."""
    if isinstance(value, dict):
        return {name: _without_marks(each) for name, each in value.items() if name != "x-spec-enum-id"}
    return [_without_marks(each) for each in value] if isinstance(value, list) else value
