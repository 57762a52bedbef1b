"""The hands do what was drawn: what misses is tried again until it hits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from config.local.processes import Handle
from tests.chaos import hands as the_hands
from tests.chaos.hands import Hands
from tests.chaos.journal import Journal, lines
from tests.chaos.monkey import Blow, Draw
from tests.chaos.proxy import Infection, Link, Network, Toxic
from tests.chaos.recovery import Watch
from tests.chaos.room import Part, Room


class SleepyRoom:
    """A part is down for as many looks as it is named."""

    def __init__(self, *, down: list[Part]) -> None:
        self.down = down
        self.done: list[str] = []

    def is_up(self, part: Part) -> bool:
        if part not in self.down:
            return True
        self.down.remove(part)
        return False

    def kill(self, part: Part, **_: Any) -> None:
        self.done.append(f"killed {part}")

    def workers_of(self, _: Part) -> list[Handle]:
        return []

    def start_again(self, part: Part) -> None:
        self.done.append(f"started {part}")

    def tend(self) -> None: ...


class QuietNetwork:
    """Nobody meets as many of its bad times as it is told."""

    def __init__(self, *, unmet: int) -> None:
        self.unmet = unmet
        self.done: list[str] = []

    def infect(self, name: str, toxic: Toxic) -> Infection:
        self.done.append(f"{toxic} on {name}")
        self.unmet -= 1
        return Infection(toxic, links=set() if self.unmet >= 0 else {cast("Link", object())})

    def heal(self, name: str) -> None:
        self.done.append(f"healed {name}")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "monkey.jsonl")
    yield journal
    journal.close()


def _hands(room: SleepyRoom, log: Journal, *, network: QuietNetwork | None = None) -> Hands:
    return Hands(room=cast("Room", room), network=cast("Network", network), watch=Watch("", log=log), log=log)


def test_a_kill_whose_aim_is_down_hits_somebody_else_and_is_tried_again(
    log: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(the_hands, "AGAIN_SECONDS", 0.1)
    room = SleepyRoom(down=[Part.BEAT, Part.BEAT])
    hands = _hands(room, log)

    hands.play([Draw(at_seconds=0.0, blow=Blow.KILL_BEAT)], seconds=1.0)
    hands.finish()

    assert room.done == ["killed sandbox_a", "started sandbox_a", "killed beat", "started beat"]
    assert hands.kills == {"beat": 1, "sandbox provider": 1}
    tried = [line["what"] for line in lines(tmp_path / "monkey.jsonl") if line["kind"] == "beat"]
    assert tried == ["missed", "missed", "hit"]


def test_what_never_hits_is_not_counted(log: Journal) -> None:
    hands = _hands(SleepyRoom(down=[Part.BEAT] * 100), log)

    hands.play([Draw(at_seconds=0.0, blow=Blow.KILL_BEAT)], seconds=0.2)

    assert "beat" not in hands.kills


def test_a_bad_network_that_nobody_met_is_no_hit_and_comes_again(
    log: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(the_hands, "AGAIN_SECONDS", 0.1)
    network = QuietNetwork(unmet=2)
    hands = _hands(SleepyRoom(down=[]), log, network=network)

    hands.play([Draw(at_seconds=0.0, blow=Blow.NETWORK, where="webhooks", how="reset")], seconds=1.5)
    hands.finish()

    assert network.done == ["reset on webhooks", "healed webhooks"] * 3
    assert hands.faults == {"network, reset": 1}
    tried = [line["what"] for line in lines(tmp_path / "monkey.jsonl")]
    assert tried == ["began", "missed", "began", "missed", "began", "hit"]


def test_a_bad_network_that_nobody_ever_met_is_not_counted(log: Journal) -> None:
    hands = _hands(SleepyRoom(down=[]), log, network=QuietNetwork(unmet=100))

    hands.play([Draw(at_seconds=0.0, blow=Blow.NETWORK, where="webhooks", how="reset", for_seconds=0.1)], seconds=0.2)
    hands.finish()

    assert not hands.faults
