"""The `Idempotency-Key` header: required where a request makes something or moves money."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from api.problems import CATALOGUE, FieldError, NextAction, Problem

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
MAX_LENGTH = 255
# What is seen on a screen and survives every proxy and log.
_ACCEPTABLE = re.compile(r"[\x21-\x7e]{1,255}")

KEY_MISSING = CATALOGUE.add(
    "idempotency_key_missing",
    HTTPStatus.BAD_REQUEST,
    "This request needs an idempotency key",
    remedy=(
        "Make a new random key (a UUID, for example) for each thing that a person wants to happen once, store it "
        "before you send, and send it again with every retry: `Idempotency-Key: 0b9c…`."
    ),
)
KEY_REUSED = CATALOGUE.add(
    "idempotency_key_reused",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "This idempotency key belongs to another request",
    remedy=(
        "A key stands for one request with one body, for 30 days. To change the request, read what the first one "
        "did; for another payment make another key."
    ),
    next_action=NextAction.READ_AGAIN,
)
STILL_RUNNING = CATALOGUE.add(
    "idempotency_key_in_use",
    HTTPStatus.CONFLICT,
    "The first request with this key still runs",
    remedy=(
        "Wait for as many seconds as `Retry-After` says and send the same request with the same key: you are "
        "given what the first one did."
    ),
    next_action=NextAction.RETRY_SAME,
    retryable=True,
)


def key_of(request: HttpRequest) -> str:
    key = request.headers.get(HEADER, "")
    if not key:
        raise _wrong(f"This request needs a header such as `{HEADER}: {_EXAMPLE}`, new for each wish.", missing=True)
    if not _ACCEPTABLE.fullmatch(key):
        raise _wrong(f"A key has 1 to {MAX_LENGTH} visible ASCII characters.", missing=False)
    return key


_EXAMPLE = "0b9c2a5e-6f0d-4c7a-9d57-2f6d3c1e8a10"


def body_hash(said: Any) -> str:
    """Of what it says: a client that writes its names in another order next time means the same. Keyed, for a body may
    be little more than a phone number.
    """
    text = json.dumps(said, sort_keys=True).encode()
    return hmac.new(settings.STEWARD_HASH_KEY.encode(), text, hashlib.sha256).hexdigest()


def _wrong(sentence: str, *, missing: bool) -> Problem:
    code = "missing" if missing else "bad_key"
    return Problem(KEY_MISSING, sentence, errors=[FieldError(pointer=HEADER, code=code, detail=sentence)])
