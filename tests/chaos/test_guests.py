"""A crowd in which somebody broke, or who never leave, is no crowd that a run may rest on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos import guests
from tests.chaos.guests import Crowd, Guest, House
from tests.chaos.journal import Journal
from tests.chaos.room import Doors

PATIENCE_SECONDS = 10.0
# Long enough for a guest who goes, short where one stays.
SHORT_SECONDS = 0.2


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    journal = Journal(tmp_path / "clients.jsonl")
    yield House(doors=Doors(ports={}), journal=journal, seed=7)
    journal.close()


def _crowd(house: House, monkeypatch: pytest.MonkeyPatch, *, first: guests.Visit) -> Crowd:
    """Whose first guest makes this visit; the others do nothing."""
    monkeypatch.setattr(guests, "VISITS", {lambda guest: guest.name == "guest 1" and first(guest): 1})
    monkeypatch.setattr(guests, "PAUSE_SECONDS", (0.01, 0.01))
    return Crowd(house)


def test_guests_go_home_when_the_house_closes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    visited = threading.Event()
    crowd = _crowd(house, monkeypatch, first=lambda _: visited.set())

    crowd.come()
    assert visited.wait(PATIENCE_SECONDS)
    crowd.close()

    crowd.go(seconds=PATIENCE_SECONDS)


def test_what_a_guest_raised_ends_the_run_when_the_crowd_goes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(_: Guest) -> None:
        raise KeyError("payments")

    crowd = _crowd(house, monkeypatch, first=break_down)
    crowd.come()
    crowd.close()

    with pytest.raises(ExceptionGroup) as raised:
        crowd.go(seconds=PATIENCE_SECONDS)

    (error,) = raised.value.exceptions
    assert isinstance(error, KeyError)
    assert error.__notes__ == ["It was guest 1."]


def test_what_one_of_two_at_a_table_raised_is_heard_as_well(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down() -> None:
        raise KeyError("payments")

    crowd = _crowd(house, monkeypatch, first=lambda guest: guest.at_once(break_down, lambda: None))
    crowd.come()
    crowd.close()

    with pytest.raises(ExceptionGroup) as raised:
        crowd.go(seconds=PATIENCE_SECONDS)

    assert isinstance(raised.value.exceptions[0], KeyError)


def test_a_guest_who_never_leaves_ends_the_run_too(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    let_go = threading.Event()
    crowd = _crowd(house, monkeypatch, first=lambda _: let_go.wait())
    crowd.come()
    crowd.close()

    with pytest.raises(ExceptionGroup) as raised:
        crowd.go(seconds=SHORT_SECONDS)
    let_go.set()

    assert [str(error) for error in raised.value.exceptions] == ["guest 1 is still there after 0.2 s."]
