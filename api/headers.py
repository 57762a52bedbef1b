"""The headers of the API: what a request may bring along, and what an answer says about itself beside its body."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

from drf_spectacular.utils import OpenApiParameter

from api.idempotency import HEADER, MAX_LENGTH, REPLAYED

RESTAURANT = "Steward-Restaurant"
MODE = "Steward-Mode"


def _asked(name: str, meaning: str, *, example: str) -> OpenApiParameter:
    """One that no request needs. A text that means nothing is as if it had not been said."""
    shape = {"type": "string", "examples": [example]}
    return OpenApiParameter(name=name, type=shape, location=OpenApiParameter.HEADER, description=meaning)


REQUEST_ID = _asked(
    "X-Request-Id",
    "Your own name for this request: 8 to 128 letters, digits, dots, dashes or underscores. It comes back in the "
    "answer and stands in every log line. Anything else is replaced.",
    example="web-4f1c2ab8",
)
OF_A_CALLER = (
    _asked(
        RESTAURANT,
        "The slug of the restaurant that is meant. Needed where a key or a session may speak for several; a name that "
        "it may not speak for is refused with `restaurant_needed`.",
        example="saffron-table",
    ),
    _asked(
        MODE,
        "`test` or `live`. A session of the console says it, and means `live` where it does not. Keys and tokens have "
        "their mode: another one is refused with `restaurant_needed`.",
        example="test",
    ),
)
LANGUAGE = _asked(
    "Accept-Language",
    "The language of `user_message`: `en`, which is the default, or `hi`.",
    example="hi-IN, en;q=0.8",
)
KNOWN_TAG = _asked(
    "If-None-Match",
    "The `ETag` of the answer that you have. While it says the same the answer is 304, without a body.",
    example='W/"9f2c51c7d0b84a3e8f6a1d2c3b4e5f60"',
)
PREFER = _asked(
    "Prefer",
    "`respond-async`: accept and answer 202 at once; the first attempt begins within seconds. Other preferences are as "
    "if they had not been said.",
    example="respond-async",
)
LAST_EVENT = _asked(
    "Last-Event-ID",
    "The version that was heard last: the stream goes on behind it. What is no version is as if it had not been said.",
    example="3",
)
KEY = OpenApiParameter(
    name=HEADER,
    type={
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_LENGTH,
        "pattern": "^[!-~]+$",
        "examples": ["0b9c2a5e-6f0d-4c7a-9d57-2f6d3c1e8a10"],
    },
    location=OpenApiParameter.HEADER,
    required=True,
    description="New for each thing that a person wants to happen once; the same with every retry. Kept for 30 days.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One header of answers, and the statuses on which it is: all of them, where none is named."""

    name: str
    meaning: str
    on: Collection[int] = ()
    never_on: Collection[int] = ()
    is_always_there: bool = False
    schema: dict[str, Any] = field(default_factory=lambda: {"type": "string"})
    example: str | int = ""
    role: str = ""  # Where the same name says different things.

    @property
    def component(self) -> str:
        return f"{self.name}.{self.role}" if self.role else self.name

    def is_on(self, status: int) -> bool:
        return status not in self.never_on and (not self.on or status in self.on)

    def as_component(self) -> dict[str, Any]:
        needed = {"required": True} if self.is_always_there else {}
        return {"description": self.meaning, **needed, "schema": self.schema, "example": self.example}


_SECONDS = {"type": "integer", "minimum": 1}
_MADE = (HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED)

NAME = Sent(
    name="X-Request-Id",
    meaning="The name of this request: yours, where you brought one. It leads the operator to its log lines.",
    is_always_there=True,
    example="req-4K7M2Q9X-9B3TZ0AW",
)
EVERYWHERE = (
    NAME,
    Sent(
        name="RateLimit-Policy",
        meaning="How many requests (`q`) in how many seconds (`w`) you may send. Not there while nobody can count.",
        # Another type is refused before anybody has looked who calls.
        never_on=(HTTPStatus.NOT_ACCEPTABLE,),
        example='"caller";q=1200;w=60',
    ),
    Sent(
        name="RateLimit",
        meaning="How many are left (`r`), and in how many seconds all of them are back (`t`).",
        never_on=(HTTPStatus.NOT_ACCEPTABLE,),
        example='"caller";r=1187;t=42',
    ),
    Sent(
        name="Retry-After",
        role="refused",
        meaning="Seconds to wait before the same request is sent again.",
        on=(HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE),
        is_always_there=True,
        schema=_SECONDS,
        example=2,
    ),
    Sent(
        name="WWW-Authenticate",
        meaning="How to say who calls.",
        on=(HTTPStatus.UNAUTHORIZED,),
        is_always_there=True,
        example='Bearer realm="Steward"',
    ),
)
MAKING = (
    Sent(
        name=REPLAYED,
        meaning="There when this is the answer to an earlier request with the same key.",
        on=_MADE,
        schema={"type": "string", "enum": ["true"]},
        example="true",
    ),
)
COME_BACK = Sent(
    name="Retry-After",
    role="busy",
    meaning="Where somebody else is at work on the same thing: seconds until the same request may succeed.",
    on=(HTTPStatus.CONFLICT,),
    schema=_SECONDS,
    example=1,
)
LOOK_AGAIN = Sent(
    name="Retry-After",
    role="look_again",
    meaning=(
        "Seconds until it is worth looking again. Not there where no clock moves it: at its end, or while a person "
        "has to act."
    ),
    on=(HTTPStatus.ACCEPTED,),
    schema=_SECONDS,
    example=2,
)
LOOK_AGAIN_WHILE_READING = replace(LOOK_AGAIN, on=(HTTPStatus.OK, HTTPStatus.NOT_MODIFIED))
PROVIDER_ASKED = Sent(
    name="Provider-Asked",
    meaning=(
        "`yes` and what it answered; or `no` and why not: `in_hand` (somebody sends or asks right now), `sent_first`, "
        "`being_closed`, `not_begun`, `waits_for_person`, `over`, `stopped_by_hand` (an operator stopped look-ups), "
        "`resting` (they failed too often), `unusable` (the account's credentials). And until when, if "
        "that is known."
    ),
    on=(HTTPStatus.OK, HTTPStatus.ACCEPTED),
    is_always_there=True,
    example="no; why=stopped_by_hand; until=2026-11-27T16:40:00+00:00",
)
TAG = Sent(
    name="ETag",
    meaning="Of what the answer says. Send it back as `If-None-Match`.",
    on=(HTTPStatus.OK, HTTPStatus.NOT_MODIFIED),
    is_always_there=True,
    example='W/"9f2c51c7d0b84a3e8f6a1d2c3b4e5f60"',
)
PLACE = Sent(
    name="Location",
    meaning="Where it is read from now on.",
    on=_MADE,
    is_always_there=True,
    schema={"type": "string", "format": "uri"},
    example="https://pay.example.com/api/v1/payments/019c8a4e-0000-7000-8000-000000000004",
)
NEXT_PAGE = Sent(
    name="Link",
    meaning='The next page, as `rel="next"`. Not there on the last one.',
    on=(HTTPStatus.OK,),
    example='<https://pay.example.com/api/v1/payments?cursor=WyItY3JlYXRlZF9hdCJd>; rel="next"',
)
APPLIED = Sent(
    name="Preference-Applied",
    meaning="There when the request preferred `respond-async`.",
    on=(HTTPStatus.CREATED, HTTPStatus.ACCEPTED),
    schema={"type": "string", "enum": ["respond-async"]},
    example="respond-async",
)
METHODS = Sent(
    name="Allow",
    meaning="The methods that this address takes.",
    on=(HTTPStatus.METHOD_NOT_ALLOWED,),
    is_always_there=True,
    example="GET, POST, HEAD, OPTIONS",
)
