"""Whatever is refused is refused in one form, and each kind of refusal has a page that says what to do."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from django.urls import get_resolver

from api.problems import CATALOGUE, NextAction
from api.refusing import of_refusal
from kernel.errors import ServiceError
from orders import views as order_views
from payments.gateways.contract import ErrorCode
from payments.guest_words import WORDS, words_for
from payments.services.facts import FailureCode
from tests.api.conftest import Caller, code_of

ROOT = Path(__file__).resolve().parents[2]
FORM = {"type", "title", "status", "detail", "code", "errors", "request_id", "retryable", "next_action"}
# Said by the framework's fields inside `errors`, and by ours: a code of one field is no kind of problem.
WRITERS = ("accounts", "kernel", "orders", "payments", "failures")


def refusal_codes() -> Iterator[tuple[str, str]]:
    """Every code that a service may refuse with, as it stands in the source."""
    for app in WRITERS:
        for path in sorted((ROOT / app).rglob("*.py")):
            if {"migrations", "gateways", "views", "management"} & set(path.parts) or "serializers" in path.name:
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                yield from ((str(path), code) for code in _codes_of(node))


def _codes_of(node: ast.AST) -> Iterator[str]:
    """`raise …Refused(…, code="x")`, and the code that a class of refusals has by itself."""
    if isinstance(node, ast.Call) and getattr(node.func, "id", "").endswith(("Refused", "refusal")):
        for word in node.keywords:
            if word.arg == "code" and isinstance(word.value, ast.Constant):
                yield str(word.value.value)
    if isinstance(node, ast.ClassDef) and any(getattr(base, "id", "") == "ServiceError" for base in node.bases):
        for inner in node.body:
            if isinstance(inner, ast.Assign) and isinstance(inner.value, ast.Constant):
                yield str(inner.value.value)


def test_every_refusal_of_a_service_is_in_the_catalogue() -> None:
    found = {code: path for path, code in refusal_codes()}
    assert len(found) > 40

    assert {code: path for code, path in found.items() if code not in CATALOGUE.kinds} == {}


@pytest.mark.parametrize("code", sorted(CATALOGUE.kinds))
def test_every_kind_has_a_page_that_says_what_to_do(code: str) -> None:
    kind = CATALOGUE.kinds[code]

    answer = Client().get(f"/problems/{code}")

    page = answer.content.decode()
    assert answer.status_code == 200
    assert kind.url.endswith(f"/problems/{code}")
    assert "What to do" in page
    # What was answered once is shown as it was.
    assert "`" not in page.partition("What it looks like")[0]
    assert kind.remedy.count("`") % 2 == 0
    assert len(kind.remedy) > 15
    assert kind.remedy.endswith((".", "…`.", "?"))
    assert str(int(kind.status)) in page
    assert kind.next_action in NextAction


def test_a_page_shows_what_was_once_answered() -> None:
    page = Client().get("/problems/stale_version").content.decode()

    assert "What it looks like" in page
    assert "Read it again." in page


@pytest.mark.parametrize("code", ["attempt_live", "being_asked", "being_paid", "being_sent", "live_money"])
def test_what_will_have_ended_soon_says_when_to_come_back(code: str) -> None:
    kind = CATALOGUE.kinds[code]

    problem = of_refusal(ServiceError("Not now.", code=code))

    assert (kind.next_action, kind.retryable) == (NextAction.WAIT, True)
    assert 10 <= int(problem.headers["Retry-After"]) <= 60


def test_the_index_names_all_of_them() -> None:
    page = Client().get("/problems/").content.decode()

    assert set(re.findall(r'href="/problems/([a-z_]+)"', page)) == set(CATALOGUE.kinds)


def test_an_unknown_kind_has_no_page() -> None:
    assert Client().get("/problems/nothing_of_the_kind").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("get", "/nowhere", (404, "no_such_route")),
        ("post", "/payments/", (404, "no_such_route")),
        ("get", "/payments/not-an-id", (404, "no_such_route")),
        ("put", "/payments", (405, "method_not_allowed")),
        ("delete", "/orders", (405, "method_not_allowed")),
        ("delete", "/orders?force=true", (405, "method_not_allowed")),
        ("options", "/orders", (405, "method_not_allowed")),
        ("get", "/orders/0198a2b8-4359-7529-83b3-073eebce6d35", (404, "not_found")),
    ],
)
def test_what_is_not_there_is_a_problem_too(key: Caller, method: str, path: str, expected: tuple[int, str]) -> None:
    answer = key.send(method, path, b"")

    said = answer.json()
    assert code_of(answer) == expected
    assert set(said) == FORM
    assert said["status"] == answer.status_code
    assert said["type"] == f"http://testserver/problems/{said['code']}"
    assert said["request_id"] == answer.headers["x-request-id"]
    if answer.status_code == 405:
        assert "GET" in answer.headers["allow"]


def test_another_type_is_not_given(key: Caller) -> None:
    assert code_of(key.get("/orders", Accept="text/html")) == (406, "not_acceptable")
    assert key.get("/orders", Accept="application/json").status_code == 200
    assert key.get("/orders", Accept="*/*").status_code == 200
    assert key.get("/orders", Accept="").status_code == 200
    assert key.get("/orders", Accept="application/problem+json").headers["content-type"] == "application/json"


def test_a_fault_of_ours_tells_nothing_but_its_request(key: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: Any) -> None:
        raise ZeroDivisionError("the secret is 42")

    monkeypatch.setattr(order_views, "orders_of", broken)

    answer = key.get("/orders", X_Request_Id="broken-request-1")

    assert code_of(answer) == (500, "internal_error")
    assert "42" not in answer.content.decode()
    assert answer.json()["request_id"] == "broken-request-1"
    assert answer.json()["retryable"] is True


def test_without_a_database_it_is_said_when_to_come_back(key: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(**_: Any) -> None:
        raise OperationalError("connection refused: password=hunter2")

    monkeypatch.setattr(order_views, "orders_of", gone)

    answer = key.get("/orders")

    assert code_of(answer) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert "hunter2" not in answer.content.decode()


@pytest.mark.parametrize("brought", ["short", "with space", "x" * 129, "a;b", "новый-запрос"])
def test_a_request_id_that_a_log_could_misread_is_replaced(key: Caller, brought: str) -> None:
    answer = key.get("/orders", X_Request_Id=brought)

    assert answer.headers["x-request-id"] != brought
    assert re.fullmatch(r"[A-Za-z0-9._-]{8,128}", answer.headers["x-request-id"])


def test_a_bad_host_is_a_problem_too() -> None:
    answer = Client(raise_request_exception=False).get("/api/v1/orders", headers={"Host": "evil.example"})

    assert code_of(answer) == (400, "bad_request")


def test_elsewhere_people_are_given_pages() -> None:
    assert Client().get("/nowhere").headers["content-type"].startswith("text/html")


def test_a_guest_is_told_something_about_every_failure() -> None:
    told = {words_for(code) for code in (*ErrorCode, *FailureCode)}

    for words in told:
        assert words.en.endswith(".")
        assert words.hi.endswith("।")
        assert "charged" in words.en
    assert set(WORDS) <= {*map(str, ErrorCode), *map(str, FailureCode)}


def test_the_resolver_knows_the_problem_pages() -> None:
    assert get_resolver().resolve("/problems/not_found").url_name == "problem"
