"""The circuit breaker as its callers see it, with and without Redis, over threads and over processes."""

from __future__ import annotations

import logging
import multiprocessing
import threading
import time
from collections import Counter
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier

import pybreaker
import pytest
from prometheus_client import REGISTRY

from payments.gateways.breaker import Breaker, BreakerBoard, BreakerSettings, BreakerState
from tests.gateways.conftest import ManualClock, RedisServer

KEY = "acme:test:charge"
SETTINGS = BreakerSettings(
    window_seconds=60, failure_rate=0.5, minimum_calls=5, cool_down_seconds=30, probe_lease_seconds=15
)
# On a busy machine a thread may be late; serialised, the four calls would take 0.8 s.
PARALLEL_SECONDS = 0.5


@pytest.fixture(params=["memory", "redis"])
def breaker(request: pytest.FixtureRequest, manual_clock: ManualClock) -> Breaker:
    url = request.getfixturevalue("redis_server").url if request.param == "redis" else ""
    return BreakerBoard(redis_url=url).breaker(KEY, settings=SETTINGS)


def call(breaker: Breaker, *outcomes: bool | None) -> None:
    for success in outcomes:
        permit = breaker.acquire()
        assert permit.allowed
        breaker.record(permit, success=success)


def test_fewer_failures_than_the_minimum_open_nothing(breaker: Breaker) -> None:
    call(breaker, False, False, False, False)
    assert breaker.peek() is BreakerState.CLOSED


def test_the_minimum_of_failures_opens(breaker: Breaker) -> None:
    call(breaker, False, False, False, False, False)
    assert breaker.peek() is BreakerState.OPEN
    assert not breaker.acquire().allowed
    assert not breaker.would_allow()


def test_eighty_per_cent_failures_open_although_they_never_come_in_a_row_of_five(breaker: Breaker) -> None:
    call(breaker, False, False, False, False, True, False)
    assert breaker.peek() is BreakerState.OPEN


def test_declines_do_not_reset_the_count(breaker: Breaker) -> None:
    """A decline is a success here. In pybreaker 67 % failures with a decline between them stay closed for ever."""
    call(breaker, False, False, True, False, False)
    assert breaker.peek() is BreakerState.OPEN


def test_failures_below_the_rate_open_nothing(breaker: Breaker) -> None:
    call(breaker, *[True, True, True, False] * 20)
    assert breaker.peek() is BreakerState.CLOSED


def test_exactly_the_rate_is_enough(breaker: Breaker) -> None:
    call(breaker, True, True, True, False, False)
    assert breaker.peek() is BreakerState.CLOSED
    call(breaker, False)
    assert breaker.peek() is BreakerState.OPEN


def test_results_without_information_are_not_counted(breaker: Breaker) -> None:
    call(breaker, *[None] * 20, False, False, False, False)
    assert breaker.peek() is BreakerState.CLOSED


@pytest.mark.parametrize(
    ("later", "state"), [(59.9, BreakerState.OPEN), (60, BreakerState.CLOSED), (-1, BreakerState.CLOSED)]
)
def test_failures_leave_the_window_and_none_lies_in_the_future(
    breaker: Breaker, manual_clock: ManualClock, later: float, state: BreakerState
) -> None:
    call(breaker, False, False, False, False)
    manual_clock.advance(later)
    call(breaker, False)
    assert breaker.peek() is state


def test_one_probe_after_the_cool_down_and_not_before(breaker: Breaker, manual_clock: ManualClock) -> None:
    breaker.trip()
    manual_clock.advance(29.9)
    assert not breaker.acquire().allowed
    manual_clock.advance(0.1)
    assert breaker.peek() is BreakerState.HALF_OPEN
    assert breaker.would_allow()
    first, second = breaker.acquire(), breaker.acquire()
    assert (first.allowed, first.probe) == (True, True)
    assert not second.allowed
    assert breaker.peek() is BreakerState.HALF_OPEN
    assert not breaker.would_allow()


def test_a_probe_that_succeeds_closes_and_clears_the_window(breaker: Breaker, manual_clock: ManualClock) -> None:
    call(breaker, *[False] * 5)
    manual_clock.advance(30)
    call(breaker, True)
    assert breaker.peek() is BreakerState.CLOSED
    call(breaker, *[False] * 4)
    assert breaker.peek() is BreakerState.CLOSED


def test_a_probe_that_fails_opens_for_a_fresh_cool_down(breaker: Breaker, manual_clock: ManualClock) -> None:
    breaker.trip()
    manual_clock.advance(40)
    call(breaker, False)
    manual_clock.advance(29)
    assert breaker.peek() is BreakerState.OPEN
    manual_clock.advance(1)
    assert breaker.acquire().probe


def test_a_probe_that_learned_nothing_is_given_back(breaker: Breaker, manual_clock: ManualClock) -> None:
    breaker.trip()
    manual_clock.advance(30)
    call(breaker, None)
    assert breaker.acquire().probe


def test_a_prober_that_died_blocks_no_longer_than_its_lease(breaker: Breaker, manual_clock: ManualClock) -> None:
    breaker.trip()
    manual_clock.advance(30)
    dead = breaker.acquire()
    manual_clock.advance(14)
    assert not breaker.acquire().allowed
    manual_clock.advance(1)
    alive = breaker.acquire()
    assert alive.probe
    breaker.record(dead, success=True)
    assert breaker.peek() is BreakerState.HALF_OPEN
    breaker.record(alive, success=False)
    assert breaker.peek() is BreakerState.OPEN


def test_results_of_calls_that_began_before_the_trip_change_nothing(
    breaker: Breaker, manual_clock: ManualClock
) -> None:
    early = [breaker.acquire() for _ in range(12)]
    breaker.trip()
    for permit in early[:6]:
        breaker.record(permit, success=True)
    assert breaker.peek() is BreakerState.OPEN
    manual_clock.advance(30)
    call(breaker, True)
    for permit in early[6:]:
        breaker.record(permit, success=False)
    breaker.trip(permit=early[0])
    assert breaker.peek() is BreakerState.CLOSED


def test_a_late_failure_does_not_prolong_the_cool_down(breaker: Breaker, manual_clock: ManualClock) -> None:
    early = breaker.acquire()
    breaker.trip()
    manual_clock.advance(20)
    breaker.record(early, success=False)
    breaker.trip(permit=early)
    manual_clock.advance(10)
    assert breaker.peek() is BreakerState.HALF_OPEN


def test_a_trip_may_bring_its_own_cool_down(breaker: Breaker, manual_clock: ManualClock) -> None:
    breaker.trip(cool_down_seconds=300, permit=breaker.acquire())
    manual_clock.advance(299)
    assert breaker.peek() is BreakerState.OPEN
    manual_clock.advance(1)
    assert breaker.peek() is BreakerState.HALF_OPEN


def test_close_lets_everybody_through_and_forgets_calls_under_way(breaker: Breaker) -> None:
    early = breaker.acquire()
    breaker.trip()
    breaker.close()
    assert breaker.acquire().allowed
    breaker.trip(permit=early)
    assert breaker.peek() is BreakerState.CLOSED


def test_a_clock_that_ran_ahead_does_not_keep_a_circuit_open(breaker: Breaker, manual_clock: ManualClock) -> None:
    manual_clock.advance(36_000)
    breaker.trip()
    manual_clock.advance(-36_000)
    assert not breaker.acquire().allowed
    manual_clock.advance(30)
    assert breaker.acquire().probe


def test_a_cheap_permit_is_good_for_closed_circuits_only(breaker: Breaker, manual_clock: ManualClock) -> None:
    assert breaker.acquire_cheaply().allowed
    breaker.trip(permit=breaker.acquire_cheaply())
    assert not breaker.acquire_cheaply().allowed
    manual_clock.advance(30)
    assert breaker.acquire_cheaply().probe
    assert not breaker.acquire_cheaply().allowed


def test_listeners_hear_of_each_change_once_and_may_fail(
    breaker: Breaker, manual_clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(pybreaker.CircuitBreakerListener):
        def state_change(self, cb, old_state, new_state):
            raise RuntimeError("broken listener")

    breaker.add_listener(Broken())
    caplog.set_level(logging.INFO, logger="payments.gateways.breaker")
    breaker.trip()
    breaker.peek()
    assert REGISTRY.get_sample_value("steward_breaker_state", {"breaker": KEY}) == 2
    manual_clock.advance(30)
    breaker.peek()
    breaker.peek()
    assert REGISTRY.get_sample_value("steward_breaker_state", {"breaker": KEY}) == 1
    call(breaker, True)
    assert REGISTRY.get_sample_value("steward_breaker_state", {"breaker": KEY}) == 0
    told = [record.getMessage() for record in caplog.records if record.getMessage().startswith("Circuit ")]
    assert told == [
        f"Circuit {KEY}: {change}" for change in ("closed -> open", "open -> half-open", "half-open -> closed")
    ]


def test_pybreakers_own_ways_to_call_and_to_change_are_shut(breaker: Breaker) -> None:
    for use in (breaker.call, breaker.call_async, breaker(lambda: None)):
        with pytest.raises(TypeError):
            use(lambda: None)
    with pytest.raises(TypeError), breaker.calling():
        pass
    with pytest.raises(TypeError):
        breaker.half_open()


def test_pybreakers_views_agree_with_ours(breaker: Breaker) -> None:
    assert breaker.current_state == "closed"
    assert breaker.open() is False
    assert (breaker.current_state, breaker.state.name, breaker.name) == ("open", "open", KEY)
    assert (breaker.fail_counter, breaker.success_counter) == (0, 0)


def test_a_board_keeps_its_breakers_and_takes_new_settings(manual_clock: ManualClock) -> None:
    board = BreakerBoard()
    breaker = board.breaker(KEY, settings=SETTINGS)
    call(breaker, False)
    assert board.breaker(KEY, settings=BreakerSettings(minimum_calls=2)) is breaker
    call(breaker, False)
    assert breaker.peek() is BreakerState.OPEN


def test_keys_and_namespaces_are_apart(redis_server: RedisServer, manual_clock: ManualClock) -> None:
    BreakerBoard(redis_url=redis_server.url, namespace="a").breaker(KEY).trip()
    for namespace, key, state in [
        ("a", KEY, BreakerState.OPEN),
        ("a", "acme:test:refund", BreakerState.CLOSED),
        ("b", KEY, BreakerState.CLOSED),
    ]:
        assert BreakerBoard(redis_url=redis_server.url, namespace=namespace).breaker(key).peek() is state


def test_calls_of_several_threads_do_not_wait_for_each_other(redis_server: RedisServer, system_clock: None) -> None:
    """pybreaker holds a lock during the call: four calls of 0.2 s would take 0.8 s."""
    breaker = BreakerBoard(redis_url=redis_server.url).breaker(KEY)

    def one_call() -> None:
        permit = breaker.acquire()
        time.sleep(0.2)
        breaker.record(permit, success=True)

    threads = [threading.Thread(target=one_call) for _ in range(4)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - started < PARALLEL_SECONDS


def test_many_threads_get_one_probe(breaker: Breaker, manual_clock: ManualClock) -> None:
    breaker.trip()
    manual_clock.advance(30)
    barrier, permits = threading.Barrier(8), []

    def ask() -> None:
        barrier.wait()
        permits.append(breaker.acquire())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [permit.probe for permit in permits if permit.allowed] == [True]


PROCESSES = 4
ROUNDS = 25


def ask_from_a_process(url: str, barrier: Barrier, answers: Queue[tuple[int, bool, bool]]) -> None:
    board = BreakerBoard(redis_url=url)
    for number in range(ROUNDS):
        breaker = board.breaker(f"round-{number}")
        barrier.wait(timeout=30)
        permit = breaker.acquire()
        answers.put((number, permit.allowed, permit.probe))


def test_four_processes_that_ask_at_once_get_one_probe(redis_server: RedisServer, system_clock: None) -> None:
    """With pybreaker's own Redis storage all of them would probe at once."""
    for number in range(ROUNDS):
        BreakerBoard(redis_url=redis_server.url).breaker(f"round-{number}").trip(cool_down_seconds=0.001)
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(PROCESSES), context.Queue()
    processes = [
        context.Process(target=ask_from_a_process, args=(redis_server.url, barrier, answers)) for _ in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    heard = [answers.get(timeout=60) for _ in range(PROCESSES * ROUNDS)]
    for process in processes:
        process.join(timeout=30)
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    assert Counter(number for number, allowed, _ in heard if allowed) == dict.fromkeys(range(ROUNDS), 1)
    assert all(probe is allowed for _, allowed, probe in heard)
