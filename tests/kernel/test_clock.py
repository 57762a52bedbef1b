"""Time, randomness and ids come from one source; in production its time is the database's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from time import CLOCK_BOOTTIME, clock_gettime
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from kernel import clock, database_clock
from kernel.clock import SystemSource
from kernel.database_clock import DatabaseClock
from tests.time_machine import ShiftedClock

MISREAD_AT_A_TABLE = set("ILOU")
MOST_WRONG = timedelta(seconds=database_clock.USUAL_ERROR_SECONDS)


class StandingStill(SystemSource):
    """A source of which a test knows every answer."""

    def __init__(self, bits: int = 0) -> None:
        self.bits = bits
        self.asked_for: list[int] = []
        self.slept: list[float] = []

    def now(self) -> datetime:
        return datetime(2026, 3, 1, 12, 30, 0, 123_456, tzinfo=UTC)

    def monotonic(self) -> float:
        return 77.0

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def random(self) -> float:
        return 0.25

    def random_bits(self, count: int) -> int:
        self.asked_for.append(count)
        return self.bits & ((1 << count) - 1)


@pytest.mark.parametrize("bits", [0, -1], ids=["all zero", "all one"])
def test_an_id_is_a_uuid_of_version_7_whatever_the_dice_say(bits: int) -> None:
    clock.install(StandingStill(bits))

    made = clock.new_id()

    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert made.int >> 80 == int(StandingStill().now().timestamp() * 1000)
    assert made.int & (2**62 - 1) == bits & (2**62 - 1)


def test_an_id_takes_74_random_bits() -> None:
    source = StandingStill()
    clock.install(source)

    clock.new_id()

    assert source.asked_for == [12, 62]


def test_ids_sort_by_the_millisecond_of_their_creation(time: ShiftedClock) -> None:
    made = []
    for _ in range(200):
        made.append(clock.new_id())
        time.advance(milliseconds=1)

    assert sorted(made) == made
    assert sorted(made, key=str) == made


def test_no_id_of_a_moment_is_smaller_than_its_earliest(time: ShiftedClock) -> None:
    before = clock.new_id()
    time.advance(milliseconds=5)
    earliest = clock.earliest_id(clock.now())

    assert before < earliest <= min(clock.new_id() for _ in range(200))
    assert str(before) < str(earliest)


def test_ids_of_one_millisecond_are_different(time: ShiftedClock) -> None:
    made = {clock.new_id() for _ in range(20_000)}

    assert len(made) == 20_000


def test_a_reference_has_its_prefix_and_eight_letters_that_nobody_misreads() -> None:
    made = [clock.new_reference("P") for _ in range(2_000)]

    assert all(reference.startswith("P-") and len(reference) == 10 for reference in made)
    letters = set("".join(reference.removeprefix("P-") for reference in made))
    assert letters == set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")
    assert not letters & MISREAD_AT_A_TABLE
    assert len(set(made)) == 2_000


@pytest.mark.parametrize(
    ("bits", "reference"),
    [(0, "O-00000000"), (2**40 - 1, "O-ZZZZZZZZ"), (1, "O-10000000"), (31 << 35, "O-0000000Z")],
)
def test_a_reference_spells_all_its_40_bits(bits: int, reference: str) -> None:
    source = StandingStill(bits)
    clock.install(source)

    assert clock.new_reference("O") == reference
    assert source.asked_for == [40]


def test_whatever_is_installed_answers_every_question_until_the_one_before_is_put_back(time: ShiftedClock) -> None:
    source = StandingStill()

    previous = clock.install(source)
    clock.sleep(1_000_000)

    assert previous is time
    assert (clock.now(), clock.monotonic(), clock.random()) == (source.now(), 77.0, 0.25)
    assert source.slept == [1_000_000]
    assert clock.install(previous) is source
    assert clock.now() > source.now()


def test_the_systems_own_source_knows_utc_and_does_not_repeat_itself() -> None:
    source = SystemSource()

    assert source.now().tzinfo is UTC
    assert abs(source.now() - datetime.now(UTC)) < timedelta(seconds=5)
    assert len({source.random_bits(62) for _ in range(100)}) == 100
    assert all(0 <= source.random() < 1 for _ in range(100))
    before = source.monotonic()
    source.sleep(0.001)
    assert source.monotonic() - before >= 0.001


def test_the_production_clock_tells_the_databases_time(db: None) -> None:
    theirs = DatabaseClock()

    before = _database_time()
    now = theirs.now()
    after = _database_time()

    assert before - MOST_WRONG <= now <= after + MOST_WRONG
    assert now.utcoffset() == timedelta()


def test_a_machine_with_another_idea_of_the_time_follows_the_database(db: None) -> None:
    _let_the_database_live_in(datetime(2031, 5, 4, 3, 2, 1, tzinfo=UTC))

    theirs = DatabaseClock()

    assert timedelta() <= theirs.now() - datetime(2031, 5, 4, 3, 2, 1, tzinfo=UTC) < timedelta(seconds=5)


def test_the_database_is_asked_once_and_then_the_boot_clock_carries_on(db: None) -> None:
    theirs = DatabaseClock()
    with CaptureQueriesContext(connection) as first:
        before = clock_gettime(CLOCK_BOOTTIME)
        started = theirs.now()
        began = clock_gettime(CLOCK_BOOTTIME)

    with CaptureQueriesContext(connection) as later:
        told = [theirs.now() for _ in range(100)]
        at_least = timedelta(seconds=clock_gettime(CLOCK_BOOTTIME) - began)
        told.append(theirs.now())
        at_most = timedelta(seconds=clock_gettime(CLOCK_BOOTTIME) - before)

    assert (len(first), len(later)) == (1, 0)
    assert told == sorted(told)
    assert timedelta() < at_least - timedelta(microseconds=2) <= told[-1] - started <= at_most


def test_the_production_clock_counts_the_time_that_a_machine_sleeps() -> None:
    assert database_clock._BOOT_CLOCK == CLOCK_BOOTTIME
    before = clock_gettime(CLOCK_BOOTTIME)

    assert before <= DatabaseClock().monotonic() <= clock_gettime(CLOCK_BOOTTIME)


def test_refreshing_takes_the_databases_time_anew(db: None) -> None:
    theirs = DatabaseClock()
    theirs.refresh()
    _let_the_database_live_in(datetime(2031, 1, 1, tzinfo=UTC))
    assert theirs.now() < datetime(2030, 1, 1, tzinfo=UTC)

    anchor = theirs.refresh()

    assert anchor.moment == datetime(2031, 1, 1, tzinfo=UTC)
    assert anchor.at <= clock_gettime(CLOCK_BOOTTIME)
    assert timedelta() <= theirs.now() - anchor.moment < timedelta(seconds=5)


class PausedClock(DatabaseClock):
    """A boot clock that a test moves, and a machine that is paused before or after the database says its time."""

    def __init__(self, pauses: Iterable[tuple[float, float]]) -> None:
        super().__init__()
        self.seconds = 1_000.0
        self.pauses = iter(pauses)
        self.reads = 0

    def monotonic(self) -> float:
        return self.seconds

    def pause(self, execute: Callable[..., Any], *said: Any) -> Any:
        before, after = next(self.pauses)
        self.reads += 1
        self.seconds += before
        row = execute(*said)
        self.seconds += after
        return row


def told_by(paused: PausedClock) -> timedelta:
    """How far from the database's time the paused clock is, which is at `NOON` until the last answer."""
    _let_the_database_live_in(NOON)
    with connection.execute_wrapper(paused.pause):
        return paused.now() - NOON


NOON = datetime(2031, 5, 4, 12, tzinfo=UTC)


@pytest.mark.parametrize("pause", [(40.0, 0.0), (0.0, 40.0), (0.6, 0.6)])
def test_a_reading_with_a_pause_in_it_is_repeated(db: None, pause: tuple[float, float]) -> None:
    paused = PausedClock([pause, (0.0, 0.0)])

    assert told_by(paused) == timedelta()

    assert paused.reads == 2


@pytest.mark.parametrize("pause", [(1.0, 0.0), (0.0, 1.0), (0.5, 0.5), (0.2, 0.0)])
def test_the_clock_is_wrong_by_half_of_what_a_reading_took_at_most(db: None, pause: tuple[float, float]) -> None:
    before, after = pause
    paused = PausedClock([pause])

    # When we are answered it is `after` later there than it said.
    assert told_by(paused) - timedelta(seconds=after) == timedelta(seconds=(before + after) / 2 - after)
    assert timedelta(seconds=abs(before - after) / 2) <= MOST_WRONG


def test_where_all_readings_are_slow_the_clock_goes_on_as_it_was(db: None) -> None:
    """A slow database stops nobody: what was read well a minute ago is wrong by less."""
    paused = PausedClock([(0.0, 0.0)] + [(0.0, 3.0)] * database_clock.READ_TRIES)
    told_by(paused)

    with connection.execute_wrapper(paused.pause):
        paused.refresh()
        paused.keep_true()

    assert paused.now() == NOON + timedelta(seconds=3.0 * database_clock.READ_TRIES)
    assert paused.reads == 1 + database_clock.READ_TRIES


def test_the_best_of_slow_readings_is_taken_where_nothing_is_known(db: None) -> None:
    paused = PausedClock([(0.0, 40.0), (0.0, 3.0), (0.0, 40.0)])

    assert told_by(paused) == timedelta(seconds=40.0 + 3.0 / 2)


def test_a_clock_that_was_carried_on_for_long_is_worth_less_than_a_slow_reading(db: None) -> None:
    paused = PausedClock([(0.0, 0.0)] + [(0.0, 3.0)] * database_clock.READ_TRIES)
    told_by(paused)
    paused.seconds += 3_600

    with connection.execute_wrapper(paused.pause):
        assert paused.refresh().error_seconds == pytest.approx(1.5)


def test_only_a_stale_clock_asks_the_database_again(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    clock.install(DatabaseClock())

    with CaptureQueriesContext(connection) as asked:
        clock.keep_true()
        clock.keep_true()
        assert len(asked) == 1
        monkeypatch.setattr(database_clock, "REFRESH_AFTER_SECONDS", 0.0)
        clock.keep_true()

    assert len(asked) == 2


def test_an_id_is_never_the_reason_to_ask_the_database(db: None) -> None:
    _let_the_database_live_in(datetime(2031, 1, 1, tzinfo=UTC))
    theirs = DatabaseClock()
    clock.install(theirs)

    with CaptureQueriesContext(connection) as asked:
        early = clock.new_id()
    theirs.refresh()
    late = clock.new_id()

    assert len(asked) == 0
    assert abs(_made_at(early) - datetime.now(UTC)) < timedelta(seconds=5)
    assert abs(_made_at(late) - datetime(2031, 1, 1, tzinfo=UTC)) < timedelta(seconds=5)


def _made_at(made: UUID) -> datetime:
    return datetime.fromtimestamp((made.int >> 80) / 1000, UTC)


def _database_time() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        row = cursor.fetchone()
    moment: datetime = row[0]
    return moment


def _let_the_database_live_in(moment: datetime) -> None:
    """For this transaction: a function of our own stands before PostgreSQL's."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA another_time")
        cursor.execute(
            "CREATE FUNCTION another_time.clock_timestamp() RETURNS timestamptz LANGUAGE sql"
            f" AS $$ SELECT '{moment.isoformat()}'::timestamptz $$"
        )
        cursor.execute("SET LOCAL search_path = another_time, pg_catalog, public")
