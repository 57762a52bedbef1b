"""The hands do what was drawn: what misses is tried again until it hits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from tests.chaos import hands as the_hands
from tests.chaos.hands import Hands
from tests.chaos.journal import Journal, lines
from tests.chaos.monkey import Blow, Draw
from tests.chaos.proxy import Network
from tests.chaos.recovery import Watch
from tests.chaos.room import Part, Room


class SleepyRoom:
    """Its parts are down at the first looks, and then up."""

    def __init__(self, *, looks: int) -> None:
        self.looks = looks
        self.done: list[str] = []

    def is_up(self, _: Part) -> bool:
        self.looks -= 1
        return self.looks < 0

    def kill(self, part: Part, **_: Any) -> None:
        self.done.append(f"killed {part}")

    def start_again(self, part: Part) -> None:
        self.done.append(f"started {part}")

    def tend(self) -> None: ...


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "monkey.jsonl")
    yield journal
    journal.close()


def _hands(room: SleepyRoom, log: Journal) -> Hands:
    return Hands(room=cast("Room", room), network=cast("Network", None), watch=Watch("", log=log), log=log)


def test_a_blow_whose_aim_is_down_is_tried_again(log: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(the_hands, "AGAIN_SECONDS", 0.1)
    room = SleepyRoom(looks=2)
    hands = _hands(room, log)

    hands.play([Draw(at_seconds=0.0, blow=Blow.KILL_BEAT)], seconds=1.0)
    hands.finish()

    assert room.done == ["killed beat", "started beat"]
    assert hands.kills == {"beat": 1}
    assert [line["what"] for line in lines(tmp_path / "monkey.jsonl")] == ["missed", "missed", "hit"]


def test_what_never_hits_is_not_counted(log: Journal) -> None:
    hands = _hands(SleepyRoom(looks=1_000), log)

    hands.play([Draw(at_seconds=0.0, blow=Blow.KILL_BEAT)], seconds=0.2)

    assert not hands.kills
