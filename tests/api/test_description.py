"""The description of the API: it is what is served, it is valid, and it takes nothing back that it promised."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from api.management.commands.describe_api import as_text, described
from api.pages_for_people import DESCRIPTION
from api.promises import promises
from tests.api.test_permissions import PUBLIC, routes


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    return described()


def test_the_committed_description_is_that_of_the_routes() -> None:
    call_command("describe_api", "--check")


def test_what_is_served_is_what_is_committed(description: dict[str, Any]) -> None:
    answer = Client().get("/api/openapi.json")

    assert answer.headers["content-type"].startswith("application/vnd.oai.openapi+json")
    assert answer.content == DESCRIPTION.read_bytes() == as_text(description).encode()
    assert answer.json()["openapi"].startswith("3.1")


def operations(description: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    found = {}
    for path, methods in description["paths"].items():
        plain = path.removeprefix("/api/v1")
        for name in ("order_id", "payment_id", "refund_id", "case_id", "approval_id"):
            plain = plain.replace(f"{{{name}}}", "{id}")
        for method, operation in methods.items():
            found[method.upper(), plain] = operation
    return found


def test_every_route_is_described(description: dict[str, Any]) -> None:
    assert set(operations(description)) == set(routes())


def test_every_operation_says_what_can_go_wrong(description: dict[str, Any]) -> None:
    for (method, path), operation in operations(description).items():
        answers = operation["responses"]
        assert operation["description"], (method, path)
        assert any(status.startswith("2") for status in answers), (method, path)
        assert {"429", "500", "503"} <= set(answers), (method, path)
        if (method, path) not in PUBLIC:
            assert {"401", "403"} <= set(answers), (method, path)
        for status, answer in answers.items():
            if status >= "400":
                assert list(answer["content"]) == ["application/problem+json"], (method, path, status)
                assert answer["content"]["application/problem+json"]["examples"], (method, path, status)


def test_everything_is_described(description: dict[str, Any]) -> None:
    parts = description["components"]
    for name, shape in parts["schemas"].items():
        for field, inner in shape.get("properties", {}).items():
            assert inner.get("description"), (name, field)
    for name, each in (*parts["parameters"].items(), *parts["headers"].items(), *parts["securitySchemes"].items()):
        assert each["description"], name
    for (method, path), operation in operations(description).items():
        assert all(each.get("description") or "$ref" in each for each in operation["parameters"]), (method, path)
    assert {tag["name"] for tag in description["tags"] if tag["description"]} == {
        name for operation in operations(description).values() for name in operation["tags"]
    }


def test_every_reference_leads_somewhere(description: dict[str, Any]) -> None:
    references = set(re.findall(r'"#/([^"]+)"', json.dumps(description)))

    assert len(references) > 100
    for reference in references:
        found: Any = description
        for part in reference.split("/"):
            found = found[part]


def test_what_a_request_does_not_know_it_refuses(description: dict[str, Any]) -> None:
    taken = {name: shape for name, shape in description["components"]["schemas"].items() if name.endswith("In")}

    assert len(taken) >= 8
    assert all(shape["additionalProperties"] is False for shape in taken.values())


@pytest.mark.parametrize("path", ["/api/docs/", "/api/redoc/"])
def test_the_pages_load_nothing_from_elsewhere(path: str) -> None:
    page = Client().get(path).content.decode()

    assert "/api/openapi.json" in page
    assert "http://" not in page
    assert "https://" not in page


def without_operation(description: dict[str, Any]) -> None:
    del description["paths"]["/api/v1/payments"]["post"]


def without_answered_field(description: dict[str, Any]) -> None:
    del description["components"]["schemas"]["PaymentOut"]["properties"]["in_doubt"]


def without_taken_field(description: dict[str, Any]) -> None:
    del description["components"]["schemas"]["PaymentIn"]["properties"]["tip"]


def with_needed_field(description: dict[str, Any]) -> None:
    description["components"]["schemas"]["PaymentIn"]["required"].append("tip")


def with_another_kind(description: dict[str, Any]) -> None:
    description["components"]["schemas"]["PaymentOut"]["properties"]["version"]["type"] = "string"


def without_a_word(description: dict[str, Any]) -> None:
    description["components"]["schemas"]["PaymentStatus"]["enum"].pop()


def without_a_filter(description: dict[str, Any]) -> None:
    parameters = description["paths"]["/api/v1/payments"]["get"]["parameters"]
    parameters[:] = [each for each in parameters if each.get("name") != "status"]


def without_a_status(description: dict[str, Any]) -> None:
    del description["paths"]["/api/v1/payments"]["post"]["responses"]["202"]


def with_nothing_instead(description: dict[str, Any]) -> None:
    properties = description["components"]["schemas"]["PaymentOut"]["properties"]
    properties["tip"] = {"oneOf": [properties["tip"], {"type": "null"}]}


def without_a_header(description: dict[str, Any]) -> None:
    del description["paths"]["/api/v1/payments"]["post"]["responses"]["202"]["headers"]["Retry-After"]


@pytest.mark.parametrize(
    "harm",
    [
        *(without_operation, without_answered_field, without_taken_field, with_needed_field, with_another_kind),
        *(without_a_word, without_a_filter, without_a_status, without_a_header),
        with_nothing_instead,
    ],
)
def test_a_promise_that_is_taken_back_is_noticed(
    description: dict[str, Any], harm: Callable[[dict[str, Any]], None]
) -> None:
    harmed = copy.deepcopy(description)

    harm(harmed)

    assert set(promises(description)) - set(promises(harmed))


def test_something_more_breaks_nobody(description: dict[str, Any]) -> None:
    more = copy.deepcopy(description)
    more["components"]["schemas"]["PaymentOut"]["properties"]["colour"] = {"type": "string"}
    more["components"]["schemas"]["PaymentIn"]["properties"]["colour"] = {"type": "string"}

    assert set(promises(description)) < set(promises(more))


def test_the_command_takes_nothing_back_by_accident(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = described()
    without_answered_field(changed)
    monkeypatch.setattr("api.management.commands.describe_api.described", lambda: changed)

    with pytest.raises(CommandError, match="200 gives in_doubt: boolean"):
        call_command("describe_api")
    assert "in_doubt" in json.dumps(json.loads(DESCRIPTION.read_text(encoding="utf-8")))
