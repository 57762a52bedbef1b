"""The audit: one entry for each deed of a person, in its transaction, and no way to change the story unseen."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError, connection, transaction
from pytest_django.fixtures import Settings

from events.actors import GUEST, SYSTEM, Actor, ActorKind
from events.audit import INSTALLATION, Deed, audited, verdicts
from events.models import AuditChain, AuditEntry
from kernel import clock

ASHA = Actor(kind=ActorKind.USER, id="asha", request_id="req-1")
THING = UUID(int=7)


class Shelf:
    """What is done to: a number."""

    def __init__(self) -> None:
        self.value = 0

    def deed(self, *, actor: Actor = ASHA, chain: UUID = INSTALLATION, action: str = "put") -> Deed:
        return Deed(
            actor=actor,
            action=action,
            subject_kind="shelf",
            subject_id=str(THING),
            picture=lambda: {"value": self.value},
            restaurant_id=chain,
            mode="test",
            reason="It was full.",
        )

    def put(self, value: int, **deed: Any) -> None:
        with audited(self.deed(**deed)):
            self.value = value


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def wrong() -> list[str]:
    return [sentence for verdict in verdicts() for sentence in verdict.wrong]


@contextmanager
def as_whoever_owns_the_database(*tables: str) -> Iterator[None]:
    """Triggers keep an application's slips out, not somebody who may switch them off."""
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def tamper(sql: str) -> None:
    with as_whoever_owns_the_database("events_auditentry", "events_auditchain"), connection.cursor() as cursor:
        cursor.execute(sql)


@pytest.mark.django_db
def test_an_entry_says_who_what_when_why_and_how_it_looked_before_and_after(shelf: Shelf) -> None:
    began = clock.now()

    shelf.put(5)

    entry = AuditEntry.objects.get()
    assert (entry.actor_kind, entry.actor_id, entry.request_id) == ("user", "asha", "req-1")
    assert (entry.action, entry.subject_kind, entry.subject_id) == ("put", "shelf", str(THING))
    assert (entry.reason, entry.mode, entry.number) == ("It was full.", "test", 1)
    assert (entry.before, entry.after) == ({"value": 0}, {"value": 5})
    assert began <= entry.at <= clock.now()


@pytest.mark.django_db
def test_what_is_done_on_the_way_is_part_of_the_deed(shelf: Shelf) -> None:
    with audited(shelf.deed(action="tidy")):
        shelf.put(1)
        shelf.put(2)

    assert [(entry.action, entry.after) for entry in AuditEntry.objects.all()] == [("tidy", {"value": 2})]


@pytest.mark.django_db
def test_a_refusal_leaves_no_entry_and_the_next_deed_has_its_own(shelf: Shelf) -> None:
    with pytest.raises(ValueError, match="refused"), audited(shelf.deed()):
        raise ValueError("refused")
    assert not AuditEntry.objects.exists()

    shelf.put(1)

    assert AuditEntry.objects.get().number == 1


@pytest.mark.django_db
@pytest.mark.parametrize("actor", [SYSTEM, GUEST])
def test_only_people_are_audited(shelf: Shelf, actor: Actor) -> None:
    shelf.put(1, actor=actor)

    assert shelf.value == 1
    assert not AuditEntry.objects.exists()


@pytest.mark.django_db
def test_each_restaurant_has_a_chain_of_its_own(shelf: Shelf) -> None:
    for chain in (UUID(int=1), UUID(int=2), UUID(int=1)):
        shelf.put(1, chain=chain)

    numbers = AuditEntry.objects.order_by("id").values_list("chain_id", "number")
    assert list(numbers) == [(UUID(int=1), 1), (UUID(int=2), 1), (UUID(int=1), 2)]
    assert not wrong()


@pytest.mark.django_db
def test_an_entry_is_neither_changed_nor_deleted(shelf: Shelf) -> None:
    shelf.put(1)

    for change in (lambda: AuditEntry.objects.update(reason="Nobody was here."), AuditEntry.objects.all().delete):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            "UPDATE events_auditentry SET reason = 'Nobody was here.' WHERE number = 2",
            "Entry 2 is not what was written",
        ),
        ("UPDATE events_auditentry SET actor_id = 'ravi' WHERE number = 3", "Entry 3 is not what was written"),
        ("UPDATE events_auditentry SET after = '{\"value\": 9}' WHERE number = 1", "Entry 1 is not what was written"),
        ("DELETE FROM events_auditentry WHERE number = 2", "Entry 2 is missing"),
        ("DELETE FROM events_auditentry WHERE number = 3", "3 entries were written, and 2 are there"),
        ("UPDATE events_auditchain SET number = 2", "Entry 2 is not the last one that was written"),
        (
            "UPDATE events_auditentry SET number = 6 WHERE number = 3; UPDATE events_auditchain SET number = 6",
            "Entry 3 is missing",
        ),
    ],
)
def test_whoever_changes_the_story_is_found_out(shelf: Shelf, change: str, sentence: str) -> None:
    for value in (1, 2, 3):
        shelf.put(value)
    assert not wrong()

    tamper(change)

    assert [said[: len(sentence)] for said in wrong()] == [sentence]


@pytest.mark.django_db(transaction=True)
def test_without_the_key_no_other_story_can_be_written(shelf: Shelf, settings: Settings) -> None:
    for value in (1, 2, 3):
        shelf.put(value)
    settings.STEWARD_HASH_KEY = "another key, as whoever has only the database must make up"

    tamper("DELETE FROM events_auditentry; UPDATE events_auditchain SET number = 0, seal = ''")
    shelf.put(3)
    assert not wrong()

    settings.STEWARD_HASH_KEY = "the key that the installation had all the time, and still has"
    assert wrong() == ["Entry 1 is not what was written, or its neighbour is not."]


@pytest.mark.django_db(transaction=True)
def test_two_at_once_stand_one_behind_the_other() -> None:
    def put(value: int) -> None:
        try:
            Shelf().put(value)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(40)))

    assert AuditChain.objects.get().number == 40
    assert list(AuditEntry.objects.order_by("number").values_list("number", flat=True)) == list(range(1, 41))
    assert not wrong()
