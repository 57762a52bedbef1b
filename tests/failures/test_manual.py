"""The desk's manual tells what to do with each case and who may, in the words of the screens."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.utils.text import capfirst

from accounts.models import Role
from failures.models import CaseKind
from failures.services.saved_views import MOST_OF_ONE, MOST_SHARED
from failures.showing.choices import WORDS
from kernel.downloads import MOST_ROWS_AT_ONCE
from payments.circuit_words import STANDINGS

MANUAL = (Path(__file__).resolve().parents[2] / "docs" / "desk.md").read_text()


@pytest.mark.parametrize("kind", CaseKind)
def test_each_kind_of_case_has_its_row(kind: CaseKind) -> None:
    assert f"\n| {capfirst(kind.label)} | " in MANUAL


@pytest.mark.parametrize("title", [words.title for words in WORDS.values()])
def test_each_choice_is_named_as_on_the_page(title: str) -> None:
    assert title in MANUAL


@pytest.mark.parametrize("words", [words for words, _ in STANDINGS.values()])
def test_each_light_is_explained(words: str) -> None:
    assert f"**{words.partition(':')[0]}**" in MANUAL


@pytest.mark.parametrize("role", [role for role in Role if role != Role.CUSTOMER])
def test_each_role_of_the_house_has_its_row(role: Role) -> None:
    assert f"\n| {role.label} | " in MANUAL


@pytest.mark.parametrize(
    "bound",
    [f"keep {MOST_OF_ONE} of a restaurant, and it shares {MOST_SHARED}.", f"up to {MOST_ROWS_AT_ONCE:,} rows"],
)
def test_each_bound_is_that_of_the_code(bound: str) -> None:
    assert bound in " ".join(MANUAL.split())
