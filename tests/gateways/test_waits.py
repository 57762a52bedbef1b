"""The schedules, to the second, and the one repeat inside a process."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel import clock
from payments.gateways.contract import Answer, ErrorCode, LookUpResult
from payments.gateways.waits import (
    BACKOFF_MOST_SECONDS,
    DAY,
    HOUR,
    MINUTE,
    backoff_seconds,
    look_up_patiently,
    look_up_wait_seconds,
    watch_wait_seconds,
)
from tests.gateways.conftest import ManualClock

NO_ANSWER = LookUpResult(answer=Answer.NO_ANSWER, code=ErrorCode.CONNECTION_LOST)
FOUND = LookUpResult(answer=Answer.SUCCEEDED)


class ExtremeClock(ManualClock):
    def __init__(self, value: float) -> None:
        super().__init__()
        self._value = value

    def random(self) -> float:
        return self._value


@pytest.mark.parametrize(
    ("tries", "most"), [(0, 2), (1, 2), (2, 4), (3, 8), (4, 16), (8, 256), (9, 300), (50, 300), (10**6, 300)]
)
def test_backoff_doubles_up_to_its_cap_with_full_jitter(tries: int, most: float) -> None:
    for value in (0.0, 0.25, 1.0):
        previous = clock.install(ExtremeClock(value))
        try:
            assert backoff_seconds(tries) == pytest.approx(value * most)
        finally:
            clock.install(previous)


@given(tries=st.integers(0, 10_000), asked=st.floats(0, 86_400))
def test_what_a_provider_asked_for_is_kept_in_full(tries: int, asked: float) -> None:
    assert asked <= backoff_seconds(tries, at_least_seconds=asked) <= asked + BACKOFF_MOST_SECONDS


def test_backoff_does_not_gather_what_was_spread() -> None:
    waits = sorted(backoff_seconds(9) for _ in range(2000))
    assert waits[0] < 5
    assert waits[-1] > 295
    assert max(later - earlier for earlier, later in pairwise(waits)) < 5


def test_look_ups_run_as_promised() -> None:
    waits = [look_up_wait_seconds(number, jitter=False) for number in range(127)]
    assert waits[:6] == [3, 10, 30, MINUTE, 5 * MINUTE, 15 * MINUTE]
    assert waits[6:126] == [HOUR] * 120
    assert waits[126] is None
    assert look_up_wait_seconds(10**9) is None


def test_watching_slows_down_to_once_a_day_and_does_not_end() -> None:
    waits = [watch_wait_seconds(number, jitter=False) for number in (0, 1, 2, 3, 4, 1000)]
    assert waits == [15 * MINUTE, HOUR, 6 * HOUR, DAY, DAY, DAY]


@given(number=st.integers(0, 125))
def test_jitter_is_a_tenth_either_way(number: int) -> None:
    plain, jittered = look_up_wait_seconds(number, jitter=False), look_up_wait_seconds(number)
    assert plain is not None
    assert jittered is not None
    assert 0.9 * plain <= jittered <= 1.1 * plain
    assert 0.9 <= watch_wait_seconds(number) / watch_wait_seconds(number, jitter=False) <= 1.1


def asked(*answers: LookUpResult, seconds_each: float = 0.1, until: float = 2) -> tuple[LookUpResult, int, float]:
    left = list(answers)

    def look_up() -> LookUpResult:
        clock.sleep(seconds_each)
        return left.pop(0)

    result = look_up_patiently(look_up, until=until)
    return result, len(answers) - len(left), clock.monotonic()


def test_a_lost_answer_is_asked_for_once_more(manual_clock: ManualClock) -> None:
    result, calls, seconds = asked(NO_ANSWER, FOUND)
    assert (result, calls) == (FOUND, 2)
    assert 0.4 < seconds < 0.5


def test_the_last_answer_is_returned_and_nothing_is_raised(manual_clock: ManualClock) -> None:
    assert asked(NO_ANSWER, NO_ANSWER, FOUND)[:2] == (NO_ANSWER, 2)


@pytest.mark.parametrize(
    "answer",
    [
        FOUND,
        LookUpResult(answer=Answer.NOT_FOUND),
        LookUpResult(answer=Answer.PENDING),
        LookUpResult(answer=Answer.NO_ANSWER, code=ErrorCode.CIRCUIT_OPEN),
        LookUpResult(answer=Answer.NO_ANSWER, code=ErrorCode.RATE_LIMITED),
        LookUpResult(answer=Answer.NO_ANSWER, code=ErrorCode.CREDENTIALS_REFUSED),
    ],
)
def test_an_answer_and_a_refusal_to_answer_are_not_repeated(manual_clock: ManualClock, answer: LookUpResult) -> None:
    assert asked(answer, FOUND)[:2] == (answer, 1)


@pytest.mark.parametrize(("seconds_each", "calls"), [(0.1, 2), (1.6, 2), (1.8, 1), (10, 1)])
def test_only_a_quick_failure_is_repeated(manual_clock: ManualClock, seconds_each: float, calls: int) -> None:
    """A repeat may take a whole deadline of its own, and both have to end well inside the lease."""
    assert asked(NO_ANSWER, NO_ANSWER, seconds_each=seconds_each, until=2)[1] == calls
