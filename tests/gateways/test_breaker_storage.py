"""A Redis that is absent, dies, hangs, forgets or returns nonsense: payments go on, and nothing closes silently."""

from __future__ import annotations

import logging
import time

import pytest

from payments.gateways.breaker import Breaker, BreakerBoard, BreakerSettings, BreakerState
from payments.gateways.breaker_storage import REDIS_PAUSE_SECONDS, REDIS_TIMEOUT_SECONDS, WARNING_INTERVAL_SECONDS
from tests.gateways.conftest import ManualClock, RedisServer

KEY = "acme:test:charge"
SETTINGS = BreakerSettings(minimum_calls=5, cool_down_seconds=30, probe_lease_seconds=15)
NOBODY_LISTENS = "redis://127.0.0.1:1/0"
# What fifty payments may lose to a Redis that is gone: one time-out, and slack for a busy machine.
MOST_SECONDS = REDIS_TIMEOUT_SECONDS + 0.3


def a_process(url: str) -> Breaker:
    """A board of its own is what another process would have."""
    return BreakerBoard(redis_url=url).breaker(KEY, settings=SETTINGS)


def pay(breaker: Breaker, *outcomes: bool) -> None:
    for success in outcomes:
        permit = breaker.acquire()
        assert permit.allowed
        breaker.record(permit, success=success)


def seconds_for_fifty_payments(breaker: Breaker) -> float:
    started = time.monotonic()
    for _ in range(50):
        breaker.peek()
        pay(breaker, True)
    return time.monotonic() - started


def after_the_pause(manual_clock: ManualClock) -> None:
    manual_clock.advance(REDIS_PAUSE_SECONDS)


def test_without_redis_from_the_start_the_circuit_works_in_this_process(manual_clock: ManualClock) -> None:
    breaker = a_process(NOBODY_LISTENS)
    assert seconds_for_fifty_payments(breaker) < MOST_SECONDS
    manual_clock.advance(300)
    pay(breaker, *[False] * 5)
    assert breaker.peek() is BreakerState.OPEN
    manual_clock.advance(30)
    assert [breaker.acquire().allowed for _ in range(3)] == [True, False, False]


def test_people_are_told_that_nobody_knows_while_redis_is_away(manual_clock: ManualClock) -> None:
    alone = BreakerBoard().breaker(KEY, settings=SETTINGS)
    assert alone.known() is BreakerState.CLOSED

    assert a_process(NOBODY_LISTENS).known() is None


def test_the_warning_comes_once_a_minute(manual_clock: ManualClock, caplog: pytest.LogCaptureFixture) -> None:
    breaker = a_process(NOBODY_LISTENS)
    for _ in range(int(WARNING_INTERVAL_SECONDS) * 2):
        breaker.peek()
        manual_clock.advance(1)
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2
    assert "Redis does not answer (ConnectionError)" in warnings[0].getMessage()


def test_redis_killed_mid_run_slows_nothing_and_fails_nothing(
    mortal_redis: RedisServer, manual_clock: ManualClock
) -> None:
    breaker = a_process(mortal_redis.url)
    pay(breaker, True, False)
    permit = breaker.acquire()
    mortal_redis.kill()
    breaker.record(permit, success=True)
    assert seconds_for_fifty_payments(breaker) < MOST_SECONDS


def test_a_redis_that_hangs_costs_one_time_out(mortal_redis: RedisServer, manual_clock: ManualClock) -> None:
    breaker = a_process(mortal_redis.url)
    pay(breaker, True)
    mortal_redis.hang()
    started = time.monotonic()
    assert breaker.acquire().allowed
    assert REDIS_TIMEOUT_SECONDS * 0.9 < time.monotonic() - started < MOST_SECONDS
    assert seconds_for_fifty_payments(breaker) < 0.1
    mortal_redis.resume()
    after_the_pause(manual_clock)
    breaker.trip()
    assert a_process(mortal_redis.url).peek() is BreakerState.OPEN


def test_a_circuit_that_was_open_stays_open_when_redis_dies(
    mortal_redis: RedisServer, manual_clock: ManualClock
) -> None:
    breaker, other = a_process(mortal_redis.url), a_process(mortal_redis.url)
    breaker.trip()
    assert not other.acquire().allowed
    mortal_redis.kill()
    for each in (breaker, other):
        assert not each.acquire().allowed
    manual_clock.advance(30)
    assert [other.acquire().probe for _ in range(3)] == [True, False, False]


def test_flushed_while_open_it_stays_open_for_everybody(mortal_redis: RedisServer, manual_clock: ManualClock) -> None:
    breaker, newcomer = a_process(mortal_redis.url), a_process(mortal_redis.url)
    breaker.trip()
    manual_clock.advance(10)
    mortal_redis.flush()
    assert not breaker.acquire().allowed
    assert breaker.peek() is BreakerState.OPEN
    assert not newcomer.acquire().allowed
    manual_clock.advance(19)
    assert not newcomer.acquire().allowed
    manual_clock.advance(1)
    assert [newcomer.acquire().probe, breaker.acquire().probe] == [True, False]


def test_flushed_while_a_peek_is_due_it_stays_open(mortal_redis: RedisServer, manual_clock: ManualClock) -> None:
    breaker = a_process(mortal_redis.url)
    breaker.trip()
    mortal_redis.flush()
    manual_clock.advance(1)
    assert breaker.peek() is BreakerState.OPEN
    assert a_process(mortal_redis.url).peek() is BreakerState.OPEN


def test_flushed_after_the_cool_down_there_is_still_one_probe(
    mortal_redis: RedisServer, manual_clock: ManualClock
) -> None:
    breaker = a_process(mortal_redis.url)
    breaker.trip()
    manual_clock.advance(60)
    mortal_redis.flush()
    assert [breaker.acquire().probe for _ in range(2)] == [True, False]
    assert not a_process(mortal_redis.url).acquire().allowed


def test_flushed_after_it_closed_it_stays_closed(mortal_redis: RedisServer, manual_clock: ManualClock) -> None:
    breaker, other = a_process(mortal_redis.url), a_process(mortal_redis.url)
    breaker.trip()
    other.close()
    assert breaker.acquire().allowed
    mortal_redis.flush()
    assert breaker.acquire().allowed
    assert other.acquire().allowed


def test_what_opened_while_redis_was_away_is_told_when_it_is_back(
    mortal_redis: RedisServer, manual_clock: ManualClock
) -> None:
    breaker, other = a_process(mortal_redis.url), a_process(mortal_redis.url)
    other.trip()
    other.close()  # Redis holds a closed state with a generation, not just nothing.
    pay(breaker, True)
    mortal_redis.hang()
    pay(breaker, *[False] * 5)
    assert breaker.peek() is BreakerState.OPEN
    mortal_redis.resume()
    after_the_pause(manual_clock)
    assert not breaker.acquire().allowed
    assert not other.acquire().allowed


def test_what_opened_alone_long_ago_is_not_news(mortal_redis: RedisServer, manual_clock: ManualClock) -> None:
    breaker, other = a_process(mortal_redis.url), a_process(mortal_redis.url)
    other.trip()
    other.close()
    mortal_redis.hang()
    breaker.trip()
    mortal_redis.resume()
    manual_clock.advance(31)
    assert [breaker.acquire().allowed for _ in range(3)] == [True, True, True]


@pytest.mark.parametrize("outage", ["hang", "kill"])
def test_a_probe_granted_during_an_outage_counts_after_it(
    mortal_redis: RedisServer, manual_clock: ManualClock, outage: str
) -> None:
    breaker = a_process(mortal_redis.url)
    breaker.trip()
    getattr(mortal_redis, outage)()
    manual_clock.advance(30)
    probe = breaker.acquire()
    assert probe.probe
    mortal_redis.resume() if outage == "hang" else mortal_redis.start()
    after_the_pause(manual_clock)
    assert not breaker.acquire().allowed
    breaker.record(probe, success=True)
    assert breaker.peek() is BreakerState.CLOSED
    assert a_process(mortal_redis.url).peek() is BreakerState.CLOSED


def test_results_from_before_an_outage_do_not_close_what_opened_within(
    mortal_redis: RedisServer, manual_clock: ManualClock
) -> None:
    breaker = a_process(mortal_redis.url)
    early = breaker.acquire()
    mortal_redis.kill()
    pay(breaker, *[False] * 5)
    mortal_redis.start()
    after_the_pause(manual_clock)
    breaker.record(early, success=True)
    manual_clock.advance(1)
    assert breaker.peek() is BreakerState.OPEN
    assert a_process(mortal_redis.url).peek() is BreakerState.OPEN


def test_a_restarted_redis_is_used_again(mortal_redis: RedisServer, manual_clock: ManualClock) -> None:
    breaker = a_process(mortal_redis.url)
    pay(breaker, True)
    mortal_redis.kill()
    pay(breaker, True)
    mortal_redis.start()
    after_the_pause(manual_clock)
    breaker.trip()
    assert a_process(mortal_redis.url).peek() is BreakerState.OPEN


@pytest.mark.parametrize("verb", ["trip", "close", "acquire", "peek"])
def test_nonsense_in_redis_is_no_exception(mortal_redis: RedisServer, manual_clock: ManualClock, verb: str) -> None:
    with mortal_redis.client() as client:
        client.set(f"steward:breaker:{{{KEY}}}:state", "nonsense")
        client.set(f"steward:breaker:{{{KEY}}}:window", "nonsense")
    breaker = a_process(mortal_redis.url)
    getattr(breaker, verb)()
    assert breaker.peek() is (BreakerState.OPEN if verb == "trip" else BreakerState.CLOSED)


def test_a_redis_that_takes_no_writes_is_no_exception(mortal_redis: RedisServer, manual_clock: ManualClock) -> None:
    with mortal_redis.client() as client:
        client.config_set("maxmemory", 1)
    breaker = a_process(mortal_redis.url)
    pay(breaker, *[False] * 5)
    assert breaker.peek() is BreakerState.OPEN


def test_everything_in_redis_expires(redis_server: RedisServer, manual_clock: ManualClock) -> None:
    breaker = a_process(redis_server.url)
    pay(breaker, False)
    a_process(redis_server.url).trip()
    pay(BreakerBoard(redis_url=redis_server.url).breaker("other"), True)
    with redis_server.client() as client:
        keys = client.keys("*")
        assert len(keys) == 2
        assert all(client.ttl(key) > 0 for key in keys)
