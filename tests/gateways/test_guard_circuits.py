"""The guard and its circuits: they refuse and learn, and no answer changes its meaning because of them."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pybreaker
import pytest

from payments.gateways.breaker import BreakerBoard, BreakerState
from payments.gateways.contract import (
    Answer,
    CancelAnswer,
    CancelResult,
    ErrorCode,
    LookUpResult,
    Notice,
    Outcome,
    Result,
    Subject,
)
from payments.gateways.guard import CREDENTIALS_COOL_DOWN_SECONDS, MAX_REST_SECONDS, Operation, circuits
from tests.gateways.conftest import ManualClock, RedisServer
from tests.gateways.scripted import (
    CANCEL,
    LOOK_UP,
    MONEY,
    REFUSED,
    SUCCEEDED,
    TIMED_OUT,
    Shop,
    open_shop,
    refund_request,
)

# The gate: a call that trips the circuit keeps its own outcome.


def test_the_charge_that_trips_the_circuit_stays_unknown(shop: Shop) -> None:
    """It may have moved money. Read as "not sent", the payment would be charged again elsewhere."""
    answers = [shop.charge(TIMED_OUT) for _ in range(6)]
    assert [answer.outcome for answer in answers] == [Outcome.UNKNOWN] * 5 + [Outcome.NOT_SENT]
    assert [answer.code for answer in answers] == [ErrorCode.TIMED_OUT] * 5 + [ErrorCode.CIRCUIT_OPEN]
    assert len(shop.provider.calls) == 5


def test_the_probe_that_fails_stays_unknown(shop: Shop, manual_clock: ManualClock) -> None:
    shop.breakers[Operation.CHARGE].trip()
    manual_clock.advance(30)
    assert shop.charge(TIMED_OUT) == TIMED_OUT
    assert shop.state() is BreakerState.OPEN


def test_pybreaker_itself_would_say_that_the_tripping_call_was_never_made() -> None:
    """Why its `call` is shut. When this fails, pybreaker has changed, and breaker.py may be worth a second look."""
    effects = []

    def charge() -> None:
        effects.append("money moved")
        raise TimeoutError

    with pytest.raises(pybreaker.CircuitBreakerError):
        pybreaker.CircuitBreaker(fail_max=1).call(charge)
    assert effects == ["money moved"]


# What an open circuit answers, and whom it does not concern.


def test_an_open_circuit_refuses_in_each_verbs_own_words(shop: Shop) -> None:
    for breaker in shop.breakers.values():
        breaker.trip()
    for result in (shop.charge(), shop.guard.refund(refund_request())):
        assert (result.outcome, result.code) == (Outcome.NOT_SENT, ErrorCode.CIRCUIT_OPEN)
    look_up = shop.guard.look_up(LOOK_UP)
    assert (look_up.answer, look_up.code) == (Answer.NO_ANSWER, ErrorCode.CIRCUIT_OPEN)
    assert shop.guard.cancel(CANCEL).answer is CancelAnswer.NO_ANSWER
    assert shop.provider.calls == []


def test_an_open_charge_circuit_concerns_charges_only(shop: Shop) -> None:
    shop.breakers[Operation.CHARGE].trip()
    assert shop.guard.refund(refund_request()) == SUCCEEDED
    shop.provider.answer = LookUpResult(answer=Answer.SUCCEEDED, money=MONEY)
    assert shop.guard.look_up(LOOK_UP).answer is Answer.SUCCEEDED
    shop.provider.answer = CancelResult(answer=CancelAnswer.CANCELLED)
    assert shop.guard.cancel(CANCEL).answer is CancelAnswer.CANCELLED
    shop.provider.answer = Notice(id="e", subject=Subject.CHARGE, key="k", result=LookUpResult(answer=Answer.PENDING))
    assert shop.guard.read_notice({}, b"").id == "e"


def test_without_breakers_nothing_is_refused(manual_clock: ManualClock) -> None:
    shop = open_shop(breakers={})
    assert [shop.charge(TIMED_OUT).outcome for _ in range(20)] == [Outcome.UNKNOWN] * 20


# What counts.

OPENS = BreakerState.OPEN
STAYS = BreakerState.CLOSED


@pytest.mark.parametrize(
    ("outcome", "code", "state"),
    [
        (Outcome.SUCCEEDED, ErrorCode.NONE, STAYS),
        (Outcome.PENDING, ErrorCode.NONE, STAYS),
        (Outcome.DECLINED, ErrorCode.CARD_DECLINED, STAYS),
        (Outcome.DECLINED, ErrorCode.PROVIDER_ERROR, STAYS),
        (Outcome.UNKNOWN, ErrorCode.TIMED_OUT, OPENS),
        (Outcome.UNKNOWN, ErrorCode.SERVER_ERROR, OPENS),
        (Outcome.UNKNOWN, ErrorCode.NONE, OPENS),
        (Outcome.UNKNOWN, ErrorCode.RATE_LIMITED, STAYS),
        (Outcome.NOT_SENT, ErrorCode.UNREACHABLE, OPENS),
        (Outcome.NOT_SENT, ErrorCode.TIMED_OUT, OPENS),
        (Outcome.NOT_SENT, ErrorCode.RATE_LIMITED, STAYS),
        (Outcome.NOT_SENT, ErrorCode.REQUEST_REFUSED, STAYS),
        (Outcome.NOT_SENT, ErrorCode.NOT_SUPPORTED, STAYS),
        (Outcome.NOT_SENT, ErrorCode.TOO_LATE_TO_SEND, STAYS),
    ],
)
def test_what_twenty_of_the_same_answer_do(shop: Shop, outcome: Outcome, code: ErrorCode, state: BreakerState) -> None:
    for _ in range(20):
        shop.charge(Result(outcome=outcome, code=code))
    assert shop.state() is state
    assert shop.state(Operation.REFUND) is BreakerState.CLOSED


@pytest.mark.parametrize("code", [ErrorCode.RATE_LIMITED, ErrorCode.TOO_LATE_TO_SEND])
def test_answers_without_information_neither_open_nor_dilute(shop: Shop, code: ErrorCode) -> None:
    for _ in range(4):
        shop.charge(TIMED_OUT)
    for _ in range(50):
        shop.charge(Result(outcome=Outcome.NOT_SENT, code=code))
    assert shop.state() is BreakerState.CLOSED
    shop.charge(TIMED_OUT)
    assert shop.state() is BreakerState.OPEN


def test_declines_keep_the_circuit_closed_but_do_not_reset_it(shop: Shop) -> None:
    declined = Result(outcome=Outcome.DECLINED, code=ErrorCode.CARD_DECLINED)
    for answer in (TIMED_OUT, TIMED_OUT, declined, TIMED_OUT, TIMED_OUT):
        shop.charge(answer)
    assert shop.state() is BreakerState.OPEN


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (LookUpResult(answer=Answer.NO_ANSWER, code=ErrorCode.SERVER_ERROR), OPENS),
        (LookUpResult(answer=Answer.NO_ANSWER, code=ErrorCode.RATE_LIMITED), STAYS),
        (LookUpResult(answer=Answer.NOT_FOUND), STAYS),
        (LookUpResult(answer=Answer.DECLINED), STAYS),
    ],
)
def test_look_ups_have_their_own_health(shop: Shop, answer: LookUpResult, state: BreakerState) -> None:
    shop.provider.answer = answer
    for _ in range(10):
        shop.guard.look_up(LOOK_UP)
    assert (shop.state(Operation.LOOK_UP), shop.state()) == (state, BreakerState.CLOSED)


@pytest.mark.parametrize(("answer", "state"), [(CancelAnswer.NO_ANSWER, OPENS), (CancelAnswer.NOT_POSSIBLE, STAYS)])
def test_cancellations_have_their_own_health(shop: Shop, answer: CancelAnswer, state: BreakerState) -> None:
    shop.provider.answer = CancelResult(answer=answer)
    for _ in range(10):
        shop.guard.cancel(CANCEL)
    assert (shop.state(Operation.CANCEL), shop.state()) == (state, BreakerState.CLOSED)


def test_a_rate_limited_probe_is_given_back(shop: Shop, manual_clock: ManualClock) -> None:
    shop.breakers[Operation.CHARGE].trip()
    manual_clock.advance(30)
    shop.charge(Result(outcome=Outcome.NOT_SENT, code=ErrorCode.RATE_LIMITED))
    assert shop.charge(SUCCEEDED) == SUCCEEDED
    assert shop.state() is BreakerState.CLOSED


# Refused credentials.


def test_refused_credentials_open_at_once_and_for_longer(shop: Shop, manual_clock: ManualClock) -> None:
    assert shop.charge(REFUSED) == REFUSED
    manual_clock.advance(CREDENTIALS_COOL_DOWN_SECONDS - 1)
    assert shop.charge().code is ErrorCode.CIRCUIT_OPEN
    manual_clock.advance(1)
    assert shop.charge(REFUSED) == REFUSED  # The probe.
    assert shop.charge().code is ErrorCode.CIRCUIT_OPEN
    manual_clock.advance(CREDENTIALS_COOL_DOWN_SECONDS)
    assert shop.charge(SUCCEEDED) == SUCCEEDED
    assert shop.state() is BreakerState.CLOSED


def test_one_accounts_refused_credentials_close_nobody_elses_till(manual_clock: ManualClock) -> None:
    board = BreakerBoard()
    accounts = [circuits(board, f"scripted:test:{name}", is_measured=False) for name in ("ours", "theirs")]
    ours, theirs = (open_shop(board, account=account) for account in accounts)
    assert ours.charge(REFUSED) == REFUSED
    assert ours.charge().code is ErrorCode.CIRCUIT_OPEN
    assert theirs.charge(SUCCEEDED) == SUCCEEDED
    manual_clock.advance(CREDENTIALS_COOL_DOWN_SECONDS)
    assert ours.charge(TIMED_OUT) == TIMED_OUT  # Says nothing about credentials: the probe is given back.
    assert ours.charge(REFUSED) == REFUSED
    assert ours.charge().code is ErrorCode.CIRCUIT_OPEN
    manual_clock.advance(CREDENTIALS_COOL_DOWN_SECONDS)
    assert ours.charge(SUCCEEDED) == SUCCEEDED
    assert accounts[0][Operation.CHARGE].peek() is BreakerState.CLOSED
    assert ours.state() is BreakerState.CLOSED


def test_a_provider_that_asks_for_a_pause_gets_it_from_this_account_alone(manual_clock: ManualClock) -> None:
    board = BreakerBoard()
    accounts = [circuits(board, f"scripted:test:{name}", is_measured=False) for name in ("ours", "theirs")]
    ours, theirs = (open_shop(board, account=account) for account in accounts)
    limited = Result(outcome=Outcome.NOT_SENT, code=ErrorCode.RATE_LIMITED, retry_after_seconds=20)
    assert ours.charge(limited) == limited
    manual_clock.advance(19)
    assert ours.charge().code is ErrorCode.CIRCUIT_OPEN
    assert theirs.charge(SUCCEEDED) == SUCCEEDED
    manual_clock.advance(1)
    assert ours.charge(replace(limited, retry_after_seconds=10**6)).code is ErrorCode.RATE_LIMITED
    manual_clock.advance(MAX_REST_SECONDS)
    assert ours.charge(SUCCEEDED) == SUCCEEDED
    assert accounts[0][Operation.CHARGE].peek() is BreakerState.CLOSED


def test_a_provider_that_is_down_gives_the_accounts_probe_back(manual_clock: ManualClock) -> None:
    board = BreakerBoard()
    account = circuits(board, "scripted:test:ours", is_measured=False)
    shop = open_shop(board, account=account)
    account[Operation.CHARGE].trip()
    manual_clock.advance(30)
    shop.breakers[Operation.CHARGE].trip()
    assert shop.charge().code is ErrorCode.CIRCUIT_OPEN
    assert account[Operation.CHARGE].acquire().probe


def test_a_refusal_of_old_credentials_does_not_stop_the_new_ones(manual_clock: ManualClock) -> None:
    account = circuits(BreakerBoard(), "scripted:test:ours")
    shop = open_shop(account=account)

    def replaced_meanwhile() -> Result:
        account[Operation.CHARGE].close()
        return REFUSED

    assert shop.charge(replaced_meanwhile) == REFUSED
    assert account[Operation.CHARGE].peek() is BreakerState.CLOSED


# The operator's word.


def test_forced_open_refuses_and_leaves_other_operations_alone(manual_clock: ManualClock) -> None:
    shop = open_shop(forced={Operation.CHARGE: BreakerState.OPEN})
    assert shop.charge().code is ErrorCode.CIRCUIT_OPEN
    assert shop.guard.refund(refund_request()) == SUCCEEDED
    assert shop.provider.calls == ["refund"]


def test_forced_closed_calls_without_probing_or_counting(manual_clock: ManualClock) -> None:
    shop = open_shop(forced={Operation.CHARGE: BreakerState.CLOSED})
    breaker = shop.breakers[Operation.CHARGE]
    breaker.trip()
    assert [shop.charge(answer) for answer in (TIMED_OUT, REFUSED, SUCCEEDED)] == [TIMED_OUT, REFUSED, SUCCEEDED]
    manual_clock.advance(30)
    assert shop.charge(SUCCEEDED) == SUCCEEDED
    assert breaker.peek() is BreakerState.HALF_OPEN
    assert breaker.acquire().probe


def test_half_open_cannot_be_ordered(shop: Shop) -> None:
    with pytest.raises(ValueError, match="half-open"):
        replace(shop.guard, forced={Operation.CHARGE: BreakerState.HALF_OPEN})


# Redis and threads.


def test_a_redis_that_dies_in_the_middle_fails_no_payment(mortal_redis: RedisServer, system_clock: None) -> None:
    shop = open_shop(BreakerBoard(redis_url=mortal_redis.url))

    def die() -> Result:
        mortal_redis.kill()
        return SUCCEEDED

    assert shop.charge(die) == SUCCEEDED
    started = time.monotonic()
    assert [shop.charge(SUCCEEDED).outcome for _ in range(50)] == [Outcome.SUCCEEDED] * 50
    assert time.monotonic() - started < 0.5


def test_charges_in_parallel_do_not_wait_for_each_other(redis_server: RedisServer, system_clock: None) -> None:
    shop = open_shop(BreakerBoard(redis_url=redis_server.url))

    def slow() -> Result:
        time.sleep(0.2)
        return SUCCEEDED

    shop.provider.answer = slow
    threads = [threading.Thread(target=shop.charge) for _ in range(4)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - started < 0.5
    assert shop.provider.calls == ["charge"] * 4
