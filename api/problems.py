"""Problems (RFC 9457): every kind of refusal is one row of a catalogue, and has a page that says what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Any

from django.conf import settings


class NextAction(StrEnum):
    """What a program, or the person in front of it, does now."""

    NONE = "none"
    FIX_REQUEST = "fix_request"
    RETRY_SAME = "retry_same"  # The same request with the same idempotency key, after `Retry-After`.
    TRY_AGAIN = "try_again"  # A new try, by whoever wants it.
    READ_AGAIN = "read_again"  # It is not what you thought: read its state first.
    SIGN_IN = "sign_in"
    ASK_FOR_ACCESS = "ask_for_access"
    OTHER_METHOD = "other_method"
    CONTACT_BANK = "contact_bank"
    WAIT = "wait"
    CALL_STAFF = "call_staff"


NEXT_ACTIONS = [each.value for each in NextAction]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    code: str
    status: HTTPStatus
    title: str
    remedy: str  # What to do about it, for its page.
    next_action: NextAction = NextAction.FIX_REQUEST
    retryable: bool = False  # The same request may succeed later, as it is.
    retry_after_seconds: int = 0  # Where the kind alone says when.

    @property
    def url(self) -> str:
        return f"{settings.STEWARD_PUBLIC_URL}/problems/{self.code}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """One thing that is wrong, and where: a JSON pointer into the body, `?name` of the query, or a header's name."""

    pointer: str
    code: str
    detail: str

    def as_json(self) -> dict[str, str]:
        return {"pointer": self.pointer, "code": self.code, "detail": self.detail}


class Problem(Exception):
    """Raised where a request ends without an effect."""

    def __init__(
        self,
        kind: Kind,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})

    def as_json(self, *, request_id: str) -> dict[str, Any]:
        return {
            "type": self.kind.url,
            "title": self.kind.title,
            "status": int(self.kind.status),
            "detail": self.detail,
            "code": self.kind.code,
            "errors": [error.as_json() for error in self.errors],
            "request_id": request_id,
            "retryable": self.kind.retryable,
            "next_action": self.kind.next_action.value,
        }


@dataclass(slots=True)
class Catalogue:
    """All kinds by their codes. Each app adds its own when it is loaded."""

    kinds: dict[str, Kind] = field(default_factory=dict)

    def add(
        self,
        code: str,
        status: HTTPStatus,
        title: str,
        *,
        remedy: str,
        next_action: NextAction = NextAction.FIX_REQUEST,
        retryable: bool = False,
        retry_after_seconds: int = 0,
    ) -> Kind:
        kind = Kind(
            retry_after_seconds=retry_after_seconds,
            code=code,
            status=status,
            title=title,
            remedy=remedy,
            next_action=next_action,
            retryable=retryable,
        )
        if self.kinds.setdefault(code, kind) != kind:
            raise ValueError(f"Two kinds of problem are called {code}.")
        return kind


CATALOGUE = Catalogue()
_add = CATALOGUE.add

MALFORMED = _add(
    "malformed_request",
    HTTPStatus.BAD_REQUEST,
    "The body cannot be read",
    remedy="Send one JSON object as UTF-8, without repeated names, NaN or deep nesting.",
)
BAD_QUERY = _add(
    "bad_query",
    HTTPStatus.BAD_REQUEST,
    "A query parameter is wrong",
    remedy=(
        "`errors` names each parameter and what it may be. Unknown parameters are refused, so that a typing "
        "error is not taken for a filter."
    ),
)
INVALID = _add(
    "invalid_request",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "Something in the body is wrong",
    remedy=(
        "`errors` points at each field and says what it may be. Nothing was written: correct the body and send "
        "it again; the same idempotency key may be used."
    ),
)
TOO_LARGE = _add(
    "too_large",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "The body is too large",
    remedy="A body has at most 64 KiB.",
)
UNSUPPORTED_MEDIA = _add(
    "unsupported_media_type",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "The body is of another type",
    remedy="Send `Content-Type: application/json`.",
)
NOT_ACCEPTABLE = _add(
    "not_acceptable",
    HTTPStatus.NOT_ACCEPTABLE,
    "Another type was asked for",
    remedy="This API answers in JSON: leave `Accept` out, or send `application/json`.",
)
NOT_FOUND = _add(
    "not_found",
    HTTPStatus.NOT_FOUND,
    "There is nothing here for you",
    remedy=(
        "Check the address and the id. What belongs to another restaurant, another customer or the other mode "
        "(test, live) is not found either."
    ),
)
NO_SUCH_ROUTE = _add(
    "no_such_route",
    HTTPStatus.NOT_FOUND,
    "There is no such address",
    remedy="The addresses are in the API's description at /api/docs/. They have no slash at their end.",
)
METHOD_NOT_ALLOWED = _add(
    "method_not_allowed",
    HTTPStatus.METHOD_NOT_ALLOWED,
    "This address does not take this method",
    remedy="The `Allow` header of the answer says which methods it takes.",
)
RATE_LIMITED = _add(
    "rate_limited",
    HTTPStatus.TOO_MANY_REQUESTS,
    "Too many requests",
    remedy=(
        "Wait for as many seconds as `Retry-After` says, then send the same request again, with the same "
        "idempotency key. Nothing was done."
    ),
    next_action=NextAction.RETRY_SAME,
    retryable=True,
)
UNAVAILABLE = _add(
    "unavailable",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "The database cannot be reached",
    remedy=(
        "Send the same request again with the same idempotency key, after `Retry-After`: it has one effect, "
        "whether this one had it or not."
    ),
    next_action=NextAction.RETRY_SAME,
    retryable=True,
)
INTERNAL = _add(
    "internal_error",
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "Something broke here",
    remedy=(
        "Send the same request again with the same idempotency key: it has one effect, whether this one had it "
        "or not. If it goes on, tell the operator the `request_id`."
    ),
    next_action=NextAction.RETRY_SAME,
    retryable=True,
)
BAD_REQUEST = _add(
    "bad_request",
    HTTPStatus.BAD_REQUEST,
    "The request cannot be read",
    remedy="Its address, host or headers are malformed.",
)
FORBIDDEN_HERE = _add(
    "forbidden",
    HTTPStatus.FORBIDDEN,
    "This is not allowed",
    remedy="A page of the console sends its CSRF token with each change; a program sends its key instead of a session.",
    next_action=NextAction.ASK_FOR_ACCESS,
)
