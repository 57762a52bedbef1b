"""The audit as a file: it verifies without the database, in any order, and whatever was done to it is found."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from pytest_django.fixtures import Settings

from events import audit_files
from events.audit import INSTALLATION, seal_of
from events.audit_files import lines_of, read_file, with_previous
from events.models import AuditEntry
from tests.events.test_audit import Shelf

pytestmark = pytest.mark.django_db
HOUSE = UUID(int=5)


@pytest.fixture
def file() -> list[str]:
    """Five entries of one chain, among which are two of another."""
    shelf = Shelf()
    for value, chain in enumerate((HOUSE, INSTALLATION, HOUSE, HOUSE, INSTALLATION, HOUSE, HOUSE)):
        shelf.put(value, chain=chain)
    return list(lines_of(with_previous(AuditEntry.objects.order_by("id"))))


def changed(line: str, **change: Any) -> str:
    return json.dumps({**json.loads(line), **change})


def of_house(file: list[str]) -> list[str]:
    return [line for line in file if json.loads(line)["chain"] == str(HOUSE)]


def test_what_was_written_verifies_and_says_how_far_it_goes(file: list[str]) -> None:
    last = AuditEntry.objects.filter(chain=HOUSE).latest("number")

    read = read_file(file)

    assert read.wrong == []
    assert read.spans[HOUSE] == (1, 5, last.seal)
    assert read.spans[INSTALLATION][:2] == (1, 2)


def test_its_order_does_not_matter_and_a_part_of_it_is_a_file(file: list[str]) -> None:
    assert read_file(reversed(file)).wrong == []
    part = read_file(of_house(file)[1:4])
    assert (part.wrong, part.spans[HOUSE][:2]) == ([], (2, 4))


def test_without_the_database_it_verifies_as_well(file: list[str], django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert read_file(file).wrong == []


@pytest.mark.parametrize(
    "change",
    [
        {"reason": "Nobody was here."},
        {"actor_id": "ravi"},
        {"at": "2020-01-01T00:00:00+00:00"},
        {"after": {"value": 9}},
        {"number": 9},
        {"chain": str(INSTALLATION)},
        {"previous": "0" * 64},
        {"seal": "0" * 64},
        {"seal": "é" * 64},
    ],
)
def test_whatever_was_changed_is_found(file: list[str], change: dict[str, Any]) -> None:
    lines = of_house(file)
    lines[2] = changed(lines[2], **change)

    read = read_file(lines)

    assert read.wrong[0].startswith("Line 3")
    assert read.wrong[1:] == [f"{HOUSE}: Entries 3 to 3 are missing."]


def test_what_was_taken_out_is_found_unless_the_list_was_filtered(file: list[str]) -> None:
    lines = of_house(file)
    del lines[1:3]

    assert read_file(lines).wrong == [f"{HOUSE}: Entries 2 to 3 are missing."]
    assert read_file(lines, may_have_gaps=True).wrong == []


def test_what_stands_there_twice_is_found(file: list[str]) -> None:
    lines = of_house(file)

    assert read_file([*lines, lines[1]]).wrong == [f"{HOUSE}: Entry 2 is there twice."]


def test_two_stories_do_not_make_one(file: list[str], settings: Settings) -> None:
    """Whoever has the key could seal another beginning: what follows it still names the true one."""
    lines = of_house(file)
    entry = AuditEntry.objects.get(chain=HOUSE, number=2)
    entry.reason = "Another one."
    entry.seal = seal_of(entry, previous=json.loads(lines[1])["previous"])
    lines[1] = changed(lines[1], reason=entry.reason, seal=entry.seal)

    assert read_file(lines).wrong == [f"{HOUSE}: Entry 3 does not follow the one before it."]


@pytest.mark.parametrize("line", ["", "[]", "null", "{}", "no json", '{"chain": 1}'])
def test_what_is_no_entry_is_said_to_be_none(file: list[str], line: str) -> None:
    assert read_file([line, *file]).wrong == ["Line 1 is no entry of an audit."]


def test_with_another_key_nothing_verifies(file: list[str], settings: Settings) -> None:
    settings.STEWARD_HASH_KEY = "another key, as whoever has only the file must make up"

    assert len(read_file(file).wrong) == len(file)


def test_a_file_that_is_wrong_throughout_is_not_read_to_its_end(file: list[str], monkeypatch: Any) -> None:
    monkeypatch.setattr(audit_files, "MOST_SENTENCES", 3)

    assert len(read_file(["nothing"] * 50).wrong) == 3
