"""What counts as recovery: the next action on a row whose lease outlasted its holder, from the restart on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.chaos import recovery
from tests.chaos.journal import Journal
from tests.chaos.recovery import Kill, Lease, Sighting, Watch, sighting_of

ROW, OTHER = "row", "other"
HELD, TAKEN_OVER = Lease("its holder's", until=130.0), Lease("a sweep's", until=165.0)
RESTARTED = 103.0


def _kill(**leases: Lease) -> Kill:
    """With what the first look after it saw."""
    kill = Kill(what="test")
    kill.look(Sighting(at=100.2, leases=leases))
    kill.restarted_at = RESTARTED
    return kill


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    log = Journal(tmp_path / "log.jsonl")
    yield Watch("", log=log)
    log.close()


def test_it_runs_from_the_restart_to_the_next_lease_of_a_row_that_was_left_behind() -> None:
    kill = _kill(row=HELD)

    kill.look(Sighting(at=131.0, leases={ROW: HELD}))
    assert kill.recovery_seconds is None
    kill.look(Sighting(at=132.0, leases={ROW: TAKEN_OVER}))

    assert kill.recovery_seconds == pytest.approx(29.0)
    assert kill.last_row == ROW


def test_a_row_that_ended_was_acted_on() -> None:
    kill = _kill(row=HELD)

    kill.look(Sighting(at=133.0))

    assert kill.recovery_seconds == pytest.approx(30.0)


def test_the_row_that_waits_longest_is_the_one_that_counts() -> None:
    kill = _kill(row=HELD, other=HELD)

    kill.look(Sighting(at=131.0, leases={OTHER: HELD}))
    kill.look(Sighting(at=150.0))

    assert kill.recovery_seconds == pytest.approx(47.0)
    assert kill.last_row == OTHER


def test_a_lease_that_its_living_holder_ends_leaves_nothing_behind() -> None:
    kill = _kill(row=HELD, other=HELD)

    kill.look(Sighting(at=104.0, leases={OTHER: HELD}))
    kill.look(Sighting(at=129.0, leases={OTHER: TAKEN_OVER}))
    kill.look(Sighting(at=200.0))

    assert kill.recovery_seconds is None
    assert kill.leases == 2


def test_a_lease_that_begins_after_the_kill_is_none_of_it() -> None:
    kill = _kill()

    kill.look(Sighting(at=100.5, leases={ROW: HELD}))
    kill.look(Sighting(at=131.0))

    assert kill.recovery_seconds is None


def test_where_others_went_on_before_the_process_was_back_it_is_nothing() -> None:
    kill = _kill(row=Lease("its holder's", until=101.0))

    kill.look(Sighting(at=102.0))

    assert kill.recovery_seconds == 0.0


def test_what_nobody_acted_on_has_waited_until_the_end() -> None:
    kill = _kill(row=HELD, other=TAKEN_OVER)

    kill.ends(160.0)

    assert kill.recovery_seconds == pytest.approx(57.0)
    assert kill.last_row == ROW


def test_a_sighting_is_read_from_the_rows_under_way() -> None:
    seen = sighting_of([(ROW, "token", 12.0, -12.0), (OTHER, None, None, 7.5), ("a guest's", None, None, None)])

    assert seen.leases == {ROW: Lease("token", seen.at + 12.0)}
    assert (seen.latest_row, seen.latest_seconds) == (OTHER, 7.5)


def test_a_watch_that_broke_is_no_clean_watch(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise psycopg.errors.UndefinedColumn("lease_token")

    monkeypatch.setattr(psycopg, "connect", broken)
    watch.start()

    with pytest.raises(psycopg.errors.UndefinedColumn):
        watch.stop()


def test_a_database_that_is_down_is_waited_for(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[float] = []

    def down(*_: Any, **__: Any) -> None:
        tries.append(time.monotonic())
        raise psycopg.OperationalError("refused")

    monkeypatch.setattr(psycopg, "connect", down)
    monkeypatch.setattr(recovery, "LOOK_SECONDS", 0.01)
    watch.start()
    while len(tries) < 2:
        time.sleep(0.01)

    assert watch.stop() == []
