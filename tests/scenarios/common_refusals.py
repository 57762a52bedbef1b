"""What any operation may refuse, and what an outage answers: provoked on the live server, once or for each of them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg

from api.problems import Problem
from failures.problems import ACTING, ANSWERING
from orders.problems import AMENDING
from payments.problems import RETRYING, TOO_MANY_WAITING
from tests.scenarios.recorder import NO_ID, PASSWORD, REQUEST, Recorder, Said
from tests.scenarios.refusals import sql

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
BACK_SECONDS = 20.0
TOO_MUCH = b" " * (64 * 1024) + b"{}"
# A guest's token opens these, too: another key is refused there.
_FOR_GUESTS = {"read_payment", "stream_payment", "start_payment", "retry_payment", "extend_hold", "verify_handshake"}
# Whoever is known may ask these.
_FOR_ALL = {"read_caller", "sign_in", "sign_out"}
# What only a race or days lead to, each in the words of the service that says it. Rendered as every other problem is.
_NOT_PROVOKED = {
    "attempt_live": "An earlier attempt is not closed yet.",
    "no_mismatch": "No amount is waiting for a decision here.",
    "captured": "Money was captured here: decide about its amount instead.",
    "too_little": "Less than asked was captured: there is no difference to give back.",
    "known_already": (
        "The provider's own books brought refund re_0123456789abcdef of this amount already. If that is what you see "
        "there, record this one as not made."
    ),
    "not_set_aside": "Payment P-00000001 is not set aside.",
    "not_open": "Payment P-00000001 is completed: nothing is open.",
    "tried_too_often": "It was tried 30 times already.",
    "already_asked": "A second person is being asked about this already.",
    "factor_too_new": "Your second factor was set up after you asked for this: take it back, and ask again.",
    "too_early": "Nobody else works here who could agree, so you may, but not at once: in 60 minutes.",
    "above_limit": ("This gives back more than you may alone. Ask for the refund first: a second person agrees to it."),
    "too_many_waiting": "As many streams as this process can hold are open. Read the payment itself.",
}


def record_common_refusals(r: Recorder) -> None:
    issued = r.stack.manage("api_key", "issue", "counter", *_COUNTERS)
    r.know("counter", re.search(r"test_\S+", issued.stdout)[0])  # type: ignore[index]  # It fails here if there is none.
    for operation, said in r.succeeded.items():
        _each(r, operation, said)
    _unknown_callers(r)
    _bodies(r)
    _elsewhere(r)
    _too_often(r)
    kinds = {kind.code: kind for kind in (*ACTING, *ANSWERING, *AMENDING, *RETRYING, TOO_MANY_WAITING)}
    for code, sentence in _NOT_PROVOKED.items():
        answer = Problem(kinds[code], sentence).as_json(request_id=REQUEST)
        r.problems[code] = {"status": answer["status"], "body": None, "answer": answer}
    _broken(r)
    _without_database(r)


_COUNTERS = ("--restaurant", "saffron-table", "--mode", "test", "--scopes", "reports:read")


def _each(r: Recorder, operation: str, said: Said) -> None:
    """The same request with one thing wrong: who asks, which parameter, which field, which id."""
    method, _, path = said.request.partition(" ")

    def refuse(code: str, request: str, body: Any, expected: int, caller: str = said.caller) -> None:
        r.refuse(operation, code, request, body, caller=caller, expected=expected)

    if operation in _FOR_GUESTS:
        refuse("not_allowed", said.request, said.body, 403, "counter")
    elif operation not in _FOR_ALL:
        refuse("not_allowed", said.request, said.body, 403, "browser")
    if operation == "sign_out":
        refuse("not_allowed", said.request, said.body, 403, "key")
        return
    refuse("bad_query", f"{method} {path.partition('?')[0]}?colour=red", said.body, 400)
    if method in {"POST", "PATCH"}:
        refuse("invalid_request", said.request, {"colour": "red"}, 422)
    if _ID.search(path.partition("?")[0]):
        refuse("not_found", f"{method} {_ID.sub(NO_ID, path)}", said.body, 404)


def _unknown_callers(r: Recorder) -> None:
    def refuse(code: str, expected: int, caller: str = "nobody", **headers: str) -> None:
        r.refuse("read_caller", code, "GET /caller", caller=caller, expected=expected, headers=headers)

    refuse("unauthenticated", 401)
    refuse("bad_credentials", 401, Authorization="Bearer test_unknown")
    refuse("restaurant_needed", 400, caller="key", **{"Steward-Restaurant": "elsewhere"})
    refuse("not_acceptable", 406, caller="key", Accept="text/html")
    with httpx.Client(base_url=r.stack.record["addresses"]["web"], trust_env=False) as browser:
        browser.get("/admin/login/")
        form = {"username": "admin", "password": PASSWORD, "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        browser.post("/admin/login/", data=form)
        cookie = {"Cookie": f"sessionid={browser.cookies['sessionid']}"}
    r.refuse("sign_out", "forbidden", "DELETE /tokens/current", caller="nobody", expected=403, headers=cookie)


def _bodies(r: Recorder) -> None:
    for code, content, expected in (
        ("malformed_request", b'{"lines": [', 400),
        ("too_large", TOO_MUCH, 413),
        ("unsupported_media_type", b"table=4", 415),
    ):
        kind = "application/x-www-form-urlencoded" if expected == 415 else "application/json"
        headers = {"Content-Type": kind}
        r.refuse("place_order", code, "POST /orders", content=content, expected=expected, headers=headers)


def _elsewhere(r: Recorder) -> None:
    """Of no operation."""
    r.refuse("", "no_such_route", "GET /payment", expected=404)
    r.refuse("", "method_not_allowed", "PUT /payments", expected=405)


def _too_often(r: Recorder) -> None:
    said = r.succeeded["refresh_payment"]
    while r.send(said.request).status_code != 429:
        pass
    r.refuse("refresh_payment", "rate_limited", said.request, expected=429)


def _broken(r: Recorder) -> None:
    """A fault as real as one can be: a table is gone."""
    sql(r, "ALTER TABLE failures_case RENAME TO failures_case_away")
    try:
        r.refuse("list_cases", "internal_error", "GET /cases", caller="finance", expected=500)
    finally:
        sql(r, "ALTER TABLE failures_case_away RENAME TO failures_case")


def _without_database(r: Recorder) -> None:
    with _closed(r):
        r.refuse("list_orders", "unavailable", "GET /orders", expected=503)
    until = time.monotonic() + BACK_SECONDS
    while r.send("GET /orders").status_code != 200:
        assert time.monotonic() < until, "The database does not come back."
        time.sleep(0.2)


@contextmanager
def _closed(r: Recorder) -> Iterator[None]:
    """Everybody is sent away, and nobody is let in."""
    base, _, name = r.stack.record["database_url"].rpartition("/")
    with psycopg.connect(f"{base}/postgres", autocommit=True) as door:
        door.execute(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS false')
        try:
            door.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
            yield
        finally:
            door.execute(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS true')
