"""Every answer has a content policy: strict, and looser only on the pages that need it."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from config.content_policy import LOOSER
from tests.architecture.source import ROOT

UNSAFE = ("'unsafe-inline'", "'unsafe-eval'", "data:", "blob:")


def policy_at(path: str) -> dict[str, list[str]]:
    answer = Client().get(path)
    header = answer.headers["Content-Security-Policy"]
    answer.close()  # A static file's is open until it is sent.
    return {words[0]: words[1:] for words in (directive.split() for directive in header.split("; "))}


def unsafe(policy: dict[str, list[str]]) -> dict[str, set[str]]:
    found = {name: set(values) & set(UNSAFE) for name, values in policy.items()}
    return {name: values for name, values in found.items() if values}


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/nowhere", "/problems/", "/api/openapi.json", "/api/v1/orders", "/static/api/pages.css"]
)
def test_it_is_strict(db: None, path: str) -> None:
    policy = policy_at(path)

    assert policy["default-src"] == ["'none'"]
    assert (policy["frame-ancestors"], policy["base-uri"]) == (["'none'"], ["'none'"])
    assert policy["script-src"] == policy["style-src"] == ["'self'"]
    assert unsafe(policy) == {}


@pytest.mark.parametrize(
    ("path", "looser"),
    [
        ("/admin/login/", {"script-src": {"'unsafe-eval'"}, "style-src": {"'unsafe-inline'"}}),
        ("/admin/nowhere/", {"script-src": {"'unsafe-eval'"}, "style-src": {"'unsafe-inline'"}}),
        ("/api/docs/", {"img-src": {"data:"}}),
        ("/api/redoc/", {"style-src": {"'unsafe-inline'"}, "img-src": {"data:"}, "worker-src": {"blob:"}}),
    ],
)
def test_it_is_looser_as_far_as_a_page_needs(db: None, path: str, looser: dict[str, set[str]]) -> None:
    assert unsafe(policy_at(path)) == looser


def test_no_script_in_a_page_is_ever_run() -> None:
    assert not any("'unsafe-inline'" in directives.get("script-src", []) for _, directives in LOOSER)


def test_no_page_of_ours_has_a_script_or_a_style_in_it() -> None:
    """Where the policy is loose no browser would say so."""
    templates = [*ROOT.glob("*/templates/**/*.html"), *ROOT.glob("templates/**/*.html")]
    inline = re.compile(r"<style|<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=", re.IGNORECASE)

    assert len(templates) > 20
    assert [str(page) for page in templates if inline.search(page.read_text(encoding="utf-8"))] == []
