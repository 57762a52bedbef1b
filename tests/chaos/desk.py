"""How a client reaches the front desk: one request, written down before and after, and what it knows then."""

from __future__ import annotations

import http.client
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final

from config.local.ports import LOOPBACK
from tests.chaos.journal import Journal

# More than the request budget of 12 s: whoever waits this long hears everything that is ever said.
PATIENT_SECONDS: Final = 15.0
# A phone's app that gives up early, and whose user presses again.
IMPATIENT_SECONDS: Final = 3.0
ANSWER_BYTES: Final = 1024 * 1024
# Requests that try to pay; what a client hears of the others is journalled in the same way.
PAYING: Final = frozenset({"pay_now", "pay_later", "pay_again"})


class Result(StrEnum):
    OK = "ok"
    REFUSED = "refused"  # Answered, with a reason: nothing was done.
    DONT_KNOW = "dont_know"  # A time-out, a broken connection, an error page: perhaps it was done.


@dataclass(frozen=True, slots=True)
class Answer:
    result: Result
    said: Mapping[str, Any] = field(default_factory=dict)


class Desk:
    """One guest's way to the front desk, through the network."""

    _numbers = itertools.count(1)

    def __init__(self, *, port: int, journal: Journal, guest: str) -> None:
        self._port = port
        self._journal = journal
        self._guest = guest

    def ask(self, act: str, *, seconds: float = PATIENT_SECONDS, **said: Any) -> Answer:
        number = next(self._numbers)
        self._journal.append(n=number, what="ask", guest=self._guest, act=act, said=said)
        answer = self._answer(act, said, seconds)
        self._journal.append(n=number, what="told", act=act, result=answer.result, answer=answer.said)
        return answer

    def _answer(self, act: str, said: Mapping[str, Any], seconds: float) -> Answer:
        connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=seconds)
        try:
            body = json.dumps(said, default=str)
            connection.request("POST", f"/storefront/{act}", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return _understood(response.status, response.read(ANSWER_BYTES))
        except (OSError, http.client.HTTPException):
            return Answer(Result.DONT_KNOW)
        finally:
            connection.close()


def _understood(status: int, body: bytes) -> Answer:
    results = {HTTPStatus.OK: Result.OK, HTTPStatus.CONFLICT: Result.REFUSED}
    try:
        said = json.loads(body)
    except ValueError:
        return Answer(Result.DONT_KNOW)
    if status not in results or not isinstance(said, dict):
        return Answer(Result.DONT_KNOW)
    return Answer(results[HTTPStatus(status)], said)
