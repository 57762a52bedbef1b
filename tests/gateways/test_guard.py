"""The guard beyond its circuits: time to send, bugs in adapters, what leaves it, what is measured."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY

from kernel import clock
from payments.gateways.contract import (
    Answer,
    CancelAnswer,
    CancelResult,
    ErrorCode,
    InvalidNotice,
    LookUpResult,
    Notice,
    Outcome,
    RefundFact,
    Result,
    Subject,
)
from payments.gateways.guard import Operation
from tests.gateways.conftest import ManualClock
from tests.gateways.scripted import (
    CANCEL,
    CARD,
    FACTS,
    LOOK_UP,
    MONEY,
    NO_ANSWER,
    SECRET,
    SUCCEEDED,
    Shop,
    charge_request,
    open_shop,
    refund_request,
)

# Before anything is sent.


@pytest.mark.parametrize("late", [0, 1])
def test_after_send_before_nothing_is_sent_and_nothing_learned(shop: Shop, late: int) -> None:
    moment = clock.now() - timedelta(seconds=late)
    charge = shop.guard.charge(replace(charge_request(), send_before=moment))
    refund = shop.guard.refund(replace(refund_request(), send_before=moment))
    for result in (charge, refund):
        assert (result.outcome, result.code) == (Outcome.NOT_SENT, ErrorCode.TOO_LATE_TO_SEND)
    assert shop.provider.calls == []


def test_too_late_takes_no_probe(shop: Shop, manual_clock: ManualClock) -> None:
    shop.breakers[Operation.CHARGE].trip()
    manual_clock.advance(30)
    shop.guard.charge(replace(charge_request(), send_before=clock.now()))
    assert shop.breakers[Operation.CHARGE].acquire().probe


def test_an_open_transaction_is_a_bug_that_is_not_hidden(manual_clock: ManualClock) -> None:
    def refuse() -> None:
        raise AssertionError("a transaction is open")

    shop = open_shop(assert_outside_transaction=refuse)
    verbs: list[Callable[[], object]] = [
        shop.charge,
        lambda: shop.guard.refund(refund_request()),
        lambda: shop.guard.look_up(LOOK_UP),
        lambda: shop.guard.cancel(CANCEL),
    ]
    for verb in verbs:
        with pytest.raises(AssertionError, match="transaction"):
            verb()
    assert shop.provider.calls == []
    shop.provider.answer = Notice(id="e", subject=Subject.CHARGE, key="", result=LookUpResult(answer=Answer.PENDING))
    assert shop.guard.read_notice({}, b"").id == "e"


# Bugs in an adapter.


def explode() -> Result:
    raise KeyError(f"Illegal header value b'{SECRET}', card {CARD}")


@pytest.mark.parametrize("answer", [explode, "not a result", LookUpResult(answer=Answer.SUCCEEDED), RecursionError()])
def test_a_bug_in_an_adapter_is_unknown_never_not_sent(shop: Shop, answer: Any) -> None:
    shop.provider.answer = answer
    assert shop.charge().outcome is Outcome.UNKNOWN
    assert shop.guard.refund(refund_request()).outcome is Outcome.UNKNOWN
    if not isinstance(answer, LookUpResult):
        assert shop.guard.look_up(LOOK_UP).answer is Answer.NO_ANSWER
    assert shop.guard.cancel(CANCEL).answer is CancelAnswer.NO_ANSWER


def test_a_bug_is_logged_with_its_place_and_without_its_text(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    shop.charge(explode)
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    text = logging.Formatter().format(record)
    assert "scripted failed in charge: KeyError" in text
    assert "in explode" in text
    assert "cnpwX2" not in text
    assert CARD not in text


def test_what_is_no_exception_passes_and_gives_the_probe_back(shop: Shop, manual_clock: ManualClock) -> None:
    shop.breakers[Operation.CHARGE].trip()
    manual_clock.advance(30)
    with pytest.raises(KeyboardInterrupt):
        shop.charge(KeyboardInterrupt())
    assert shop.charge(SUCCEEDED) == SUCCEEDED


def test_a_notice_is_refused_by_its_gateway_or_by_a_bug_in_it(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    shop.provider.answer = InvalidNotice("wrong signature")
    with pytest.raises(InvalidNotice, match="wrong signature"):
        shop.guard.read_notice({}, b"")
    shop.provider.answer = explode
    with pytest.raises(InvalidNotice) as caught:
        shop.guard.read_notice({}, b"")
    assert SECRET not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"
    assert "failed in read_notice: KeyError" in caplog.text


# What leaves the guard.


def test_results_are_redacted_and_references_are_not(shop: Shop) -> None:
    result = shop.charge(
        Result(
            outcome=Outcome.PENDING,
            message="Card 4111 1111 1111 1111 of ravi@example.com",
            reference="403993715521889530",
            next_step={"kind": "redirect", "url": "https://pay.example/?token=EC-1", "client_secret": "s"},
            raw={"id": "pay_1", "card": {"number": "4111111111111111"}, "headers": {"Authorization": SECRET}},
        )
    )
    assert result == Result(
        outcome=Outcome.PENDING,
        message="Card [card number] of [address]",
        reference="403993715521889530",
        next_step={"kind": "redirect", "url": "https://pay.example/?token=EC-1", "client_secret": "[redacted]"},
        raw={"id": "pay_1", "card": {"number": "[redacted]"}, "headers": {"Authorization": "[redacted]"}},
    )


def test_look_ups_notices_and_cancellations_are_redacted_too(shop: Shop) -> None:
    refund = RefundFact(reference="r\x00f", money=MONEY, succeeded=True, key="k")
    dirty = LookUpResult(answer=Answer.SUCCEEDED, message="a@example.com", raw={"cvv": "1"}, refunds=(refund,))
    clean = replace(
        dirty, message="[address]", raw={"cvv": "[redacted]"}, refunds=(replace(refund, reference="r\ufffdf"),)
    )
    shop.provider.answer = dirty
    assert shop.guard.look_up(LOOK_UP) == clean
    shop.provider.answer = Notice(id="e", subject=Subject.REFUND, key="k", result=dirty)
    assert shop.guard.read_notice({}, b"") == Notice(id="e", subject=Subject.REFUND, key="k", result=clean)
    shop.provider.answer = CancelResult(answer=CancelAnswer.TOO_LATE, message="a@example.com", raw={"pin": "1"})
    assert shop.guard.cancel(CANCEL).raw == {"pin": "[redacted]"}


# What is measured.


def count(operation: str, outcome: str) -> float:
    labels = {"provider": "scripted", "operation": operation, "outcome": outcome}
    return REGISTRY.get_sample_value("steward_gateway_calls_total", labels) or 0.0


def test_each_call_is_counted_once_and_timed_if_it_was_made(manual_clock: ManualClock) -> None:
    heard: list[tuple[Operation, Any, float]] = []
    shop = open_shop(on_call=lambda operation, answer, seconds: heard.append((operation, answer, seconds)))
    before = [count("charge", "succeeded"), count("charge", "not_sent"), count("look_up", "no_answer")]

    def slow() -> Result:
        manual_clock.advance(1.5)
        return SUCCEEDED

    shop.charge(slow)
    shop.breakers[Operation.CHARGE].trip()
    shop.charge()
    shop.provider.answer = NO_ANSWER
    shop.guard.look_up(LOOK_UP)
    after = [count("charge", "succeeded"), count("charge", "not_sent"), count("look_up", "no_answer")]
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1, 1]
    assert heard == [(Operation.CHARGE, SUCCEEDED, 1.5), (Operation.LOOK_UP, NO_ANSWER, 0.0)]


def test_an_observer_that_fails_costs_no_answer(manual_clock: ManualClock) -> None:
    def fail(operation: Operation, answer: object, seconds: float) -> None:
        raise RuntimeError

    assert open_shop(on_call=fail).charge(SUCCEEDED) == SUCCEEDED


def test_the_facts_are_the_gateways_own(shop: Shop) -> None:
    assert shop.guard.facts is FACTS
