"""What counts as recovery: an action on a row that the kill could have hurt, from the restart on."""

from __future__ import annotations

import pytest

from tests.chaos.recovery import Fingerprint, Kill, Sighting

ROW, OTHER = "row", "other"


def _kill(hurt: dict[str, Fingerprint], seen: dict[str, Fingerprint]) -> Kill:
    kill = Kill(what="test", at=100.0, hurt=hurt, seen=seen)
    kill.restarted_at = 103.0
    return kill


def test_it_runs_from_the_restart_to_the_first_action_on_a_row_that_was_hurt() -> None:
    kill = _kill(hurt={ROW: ("processing", 1)}, seen={ROW: ("processing", 1), OTHER: ("processing", 1)})

    kill.look(Sighting(at=105.0, rows={ROW: ("processing", 1), OTHER: ("processing", 2)}))
    assert kill.recovery_seconds is None
    kill.look(Sighting(at=110.0, rows={ROW: ("processing", 2)}))

    assert kill.recovery_seconds == pytest.approx(7.0)


def test_a_row_that_ended_was_acted_on() -> None:
    kill = _kill(hurt={ROW: ("processing", 1)}, seen={ROW: ("processing", 1)})

    kill.look(Sighting(at=104.0))

    assert kill.recovery_seconds == pytest.approx(1.0)


def test_the_last_row_is_waited_for() -> None:
    rows: dict[str, Fingerprint] = {ROW: ("processing", 1), OTHER: ("processing", 1)}
    kill = _kill(hurt=rows, seen=rows)

    kill.look(Sighting(at=104.0, rows={OTHER: ("processing", 1)}))
    assert kill.last_row_seconds is None
    kill.look(Sighting(at=120.0, rows={}))

    assert kill.last_row_seconds == pytest.approx(17.0)


def test_where_others_went_on_meanwhile_there_is_nothing_to_recover() -> None:
    kill = _kill(hurt={ROW: ("processing", 1)}, seen={ROW: ("processing", 1)})

    kill.look(Sighting(at=101.0))

    assert kill.recovery_seconds == 0.0


def test_where_no_row_was_hurt_any_action_counts() -> None:
    kill = _kill(hurt={}, seen={OTHER: ("pending", 1)})

    kill.look(Sighting(at=104.0, rows={OTHER: ("pending", 1)}))
    assert kill.recovery_seconds is None
    kill.look(Sighting(at=105.0, rows={OTHER: ("pending", 1), "new": ("pending", 0)}))

    assert kill.recovery_seconds == pytest.approx(2.0)
