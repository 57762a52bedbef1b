"""How a client reaches the API: one request, written down before and after, and what it knows then."""

from __future__ import annotations

import hashlib
import http.client
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final

from config.local.ports import LOOPBACK
from tests.chaos.journal import Journal
from tests.chaos.room import Doors, Line
from tests.clients import KEY_HEADER, STILL_RUNNING, Asked, Tells, rows_of

# More than the request budget of 12 s: whoever waits this long hears everything that is ever said.
PATIENT_SECONDS: Final = 15.0
# A phone's app that gives up early, and whose user presses again.
IMPATIENT_SECONDS: Final = 3.0
ANSWER_BYTES: Final = 1024 * 1024
# Requests that try to pay; what a client hears of the others is journalled in the same way.
PAYING: Final = frozenset({"pay", "pay_again"})
WAITING: Final = "wait_for_payment"
DONE: Final = frozenset({HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED})
REFUSING: Final = frozenset({HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.TOO_MANY_REQUESTS})


class Result(StrEnum):
    OK = "ok"
    REFUSED = "refused"  # Answered, with a reason: nothing was done.
    DONT_KNOW = "dont_know"  # A time-out, a broken connection, a server that cannot say: perhaps it was done.
    STRANGE = "strange"  # What no client of ours has to expect: a fault, or that it is not known here.


@dataclass(frozen=True, slots=True)
class Answer:
    result: Result
    rows: tuple[Mapping[str, Any], ...] = ()
    status: int = 0
    code: str = ""  # Of a problem.
    digest: str = ""  # Of a row that is completed, byte for byte.

    def told(self) -> dict[str, Any]:
        """As it is written down."""
        rows = [{name: row[name] for name in ("id", "status")} for row in self.rows]
        return {"result": self.result, "rows": rows, "status": self.status, "code": self.code, "digest": self.digest}


class Desk:
    """One guest's way to the API, through the network."""

    _numbers = itertools.count(1)

    def __init__(self, *, doors: Doors, journal: Journal, guest: str) -> None:
        self._doors = doors
        self._journal = journal
        self._guest = guest

    def ask(self, asked: Asked, *, at: str, key: str = "", seconds: float = PATIENT_SECONDS) -> Answer:
        number = next(self._numbers)
        known = {"n": number, "act": asked.act, "key": key}
        self._journal.append(**known, what="ask", guest=self._guest, path=asked.path, said=asked.body)
        answer = self._answer(asked, at, key, seconds)
        self._journal.append(**known, what="told", tells=asked.tells, **answer.told())
        return answer

    def _answer(self, asked: Asked, at: str, key: str, seconds: float) -> Answer:
        line = Line.WAITING if asked.waits else Line.GUESTS
        connection = http.client.HTTPConnection(LOOPBACK, self._doors.ports[line], timeout=seconds)
        headers = {**asked.headers, "Authorization": f"Bearer {self._doors.secrets[at][asked.caller]}"}
        headers |= {KEY_HEADER: key} if key else {}
        headers |= {"Content-Type": "application/json"} if asked.body is not None else {}
        try:
            body = None if asked.body is None else json.dumps(asked.body)
            connection.request(asked.method, f"/api/v1{asked.path}", body, headers)
            response = connection.getresponse()
            return understood(response.status, response.read(ANSWER_BYTES), asked.tells)
        except (OSError, http.client.HTTPException):
            return Answer(Result.DONT_KNOW)
        finally:
            connection.close()


def understood(status: int, body: bytes, tells: Tells) -> Answer:
    try:
        said = json.loads(body)
    except ValueError:
        return Answer(Result.DONT_KNOW, status=status)  # Cut on its way.
    if status in DONE:
        rows = tuple(rows_of(said))
        is_done = "items" not in said and tells != Tells.ORDER and said["status"] == "completed"
        return Answer(Result.OK, rows, status, digest=hashlib.sha256(body).hexdigest() if is_done else "")
    return Answer(_result_of(status, said["code"]), status=status, code=said["code"])


def _result_of(status: int, code: str) -> Result:
    if status == HTTPStatus.SERVICE_UNAVAILABLE or code == STILL_RUNNING:
        return Result.DONT_KNOW
    return Result.REFUSED if status in REFUSING else Result.STRANGE
