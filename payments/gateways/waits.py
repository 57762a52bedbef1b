"""How long to wait before asking again: schedules as pure functions, and the one repeat inside a process."""

from __future__ import annotations

from collections.abc import Callable

from tenacity import RetryCallState, Retrying, retry_if_result, stop_after_attempt
from tenacity.stop import stop_base
from tenacity.wait import wait_base, wait_chain, wait_exponential, wait_fixed

from kernel import clock
from payments.gateways.contract import Answer, ErrorCode, LookUpResult

MINUTE = 60.0
HOUR = 3600.0
DAY = 24 * HOUR

# The first repeat of a send comes within seconds: the guest is still at the table.
BACKOFF_FIRST_SECONDS = 2.0
# Longer makes no provider healthier, and the payment's own deadline ends it first.
BACKOFF_MOST_SECONDS = 5 * MINUTE

# Most answers are there at once; what is not there after a quarter of an hour is a human's case as well.
LOOK_UP_FIRST_SECONDS = (3.0, 10.0, 30.0, 1 * MINUTE, 5 * MINUTE, 15 * MINUTE)
# Banks report late authorisations for up to five days.
LOOK_UP_HOURLY_COUNT = 5 * 24
# A closed attempt is watched for money that arrives late, until its gateway's window is over.
WATCH_FIRST_SECONDS = (15 * MINUTE, 1 * HOUR, 6 * HOUR)

# Rows that fell due in the same outage must not come back in the same second.
JITTER = 0.1

# Two tries bridge a lost packet. More would be a second retry layer on top of the schedule above.
QUICK_TRIES = 2
# Long enough for a connection to be made anew, short enough that a guest does not notice.
QUICK_WAIT_SECONDS = 0.25
# For these the provider was not asked or said that it does not want to be: the next look-up's time is the answer.
_NOT_WORTH_REPEATING = frozenset(
    {ErrorCode.CIRCUIT_OPEN, ErrorCode.RATE_LIMITED, ErrorCode.CREDENTIALS_REFUSED, ErrorCode.REQUEST_REFUSED}
)


class WaitFullJitter(wait_base):
    """Anything between nothing and the inner wait. tenacity's own jitter does not use our clock's randomness."""

    def __init__(self, inner: wait_base) -> None:
        self._inner = inner

    def __call__(self, retry_state: RetryCallState) -> float:
        return self._inner(retry_state) * clock.random()


class WaitAround(wait_base):
    """The inner wait, give or take a tenth."""

    def __init__(self, inner: wait_base) -> None:
        self._inner = inner

    def __call__(self, retry_state: RetryCallState) -> float:
        return self._inner(retry_state) * (1 + JITTER * (2 * clock.random() - 1))


class StopAfter(stop_base):
    """Stop when the wait would end after this. tenacity's own reads another clock."""

    def __init__(self, until: float) -> None:
        self._until = until

    def __call__(self, retry_state: RetryCallState) -> bool:
        return clock.monotonic() + retry_state.upcoming_sleep > self._until


def _chain(*seconds: float) -> wait_base:
    return wait_chain(*(wait_fixed(each) for each in seconds))


_BACKOFF = WaitFullJitter(wait_exponential(multiplier=BACKOFF_FIRST_SECONDS, max=BACKOFF_MOST_SECONDS))
_LOOK_UP = _chain(*LOOK_UP_FIRST_SECONDS, HOUR)
_WATCH = _chain(*WATCH_FIRST_SECONDS, DAY)


def backoff_seconds(tries: int, *, at_least_seconds: float = 0.0) -> float:
    """The wait after `tries` sends. What a provider asked for (Retry-After) is kept in full, jitter comes on top."""
    return at_least_seconds + _wait(_BACKOFF, tries)


def look_up_wait_seconds(look_ups: int, *, jitter: bool = True) -> float | None:
    """The wait before the next look-up of an unknown attempt, after so many. None: the clock asks no more."""
    if look_ups >= len(LOOK_UP_FIRST_SECONDS) + LOOK_UP_HOURLY_COUNT:
        return None
    return _wait(WaitAround(_LOOK_UP) if jitter else _LOOK_UP, look_ups + 1)


def watch_wait_seconds(look_ups: int, *, jitter: bool = True) -> float:
    """The wait before a closed attempt is looked up again; its gateway's late-money window says until when."""
    return _wait(WaitAround(_WATCH) if jitter else _WATCH, look_ups + 1)


def look_up_patiently(look_up: Callable[[], LookUpResult], *, until: float) -> LookUpResult:
    """Ask, and ask once more if that failed quickly. Only look-ups are safe to repeat like this.

    `until` is monotonic: no repeat begins after it, because each may take a whole deadline of its own. The last
    answer is returned whatever it is; nothing is raised for it.
    """
    repeat = Retrying(
        retry=retry_if_result(_is_worth_repeating),
        stop=stop_after_attempt(QUICK_TRIES) | StopAfter(until),
        wait=WaitAround(wait_fixed(QUICK_WAIT_SECONDS)),
        sleep=clock.sleep,
        # Without these two tenacity wraps the last answer, or an exception, in a RetryError.
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
        reraise=True,
    )
    return repeat(look_up)


def _is_worth_repeating(result: LookUpResult) -> bool:
    return result.answer is Answer.NO_ANSWER and result.code not in _NOT_WORTH_REPEATING


def _wait(strategy: wait_base, number: int) -> float:
    state = RetryCallState(Retrying(), None, (), {})
    state.attempt_number = max(1, number)
    return strategy(state)
