"""Addresses that do not exist: programs are answered in JSON, people with a page."""

from __future__ import annotations

import pytest
from django.test import Client

ACCOUNT = "01a20ab8-4359-7529-83b3-073eebce6d35"


@pytest.mark.parametrize(
    "path",
    [
        "/webhooks/",
        "/webhooks/sandbox_a",
        "/webhooks/sandbox_a/not-a-uuid",
        f"/webhooks/sandbox_a/{ACCOUNT.upper()}",
        f"/webhooks/sandbox_a/{ACCOUNT}/",
    ],
)
def test_below_webhooks_it_is_json(path: str) -> None:
    answer = Client().post(path, data=b"{}", content_type="application/json")

    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
    assert answer.json() == {"detail": "There is nothing at this address."}


@pytest.mark.parametrize("path", ["/nowhere", "/webhooksandmore"])
def test_elsewhere_it_is_a_page(path: str) -> None:
    answer = Client().get(path)

    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("path", "page"), [("/api/", "/api/docs/"), ("/api/docs", "/api/docs/"), ("/api/redoc", "/api/redoc/")]
)
def test_whoever_types_an_address_of_the_api_finds_its_pages(path: str, page: str) -> None:
    answer = Client().get(path)

    assert (answer.status_code, answer.headers["location"]) == (302, page)
    assert Client().get(page).status_code == 200
