"""The inbox: one row for one piece of news, however often and under whatever id it comes."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from accounts.models import Restaurant
from kernel.money import Money
from payments.gateways.contract import Answer, ErrorCode, LookUpResult, Notice, Outcome, Subject
from payments.models import Attempt, InboundNotice, Payment, PaymentStatus, ProviderAccount
from payments.services.notices import apply_notice, receive_notice
from tests.factories import order_of, paid
from tests.scripted import ScriptedGateway, outcome

DUE = Money(84_000, "INR")


@pytest.fixture
def doubtful(restaurant: Restaurant, provider_a: ScriptedGateway) -> Attempt:
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    return Attempt.objects.get(payment=paid(order_of(restaurant)))


def came(monkeypatch: pytest.MonkeyPatch, provider: ScriptedGateway, notice: Notice) -> InboundNotice:
    monkeypatch.setattr(provider, "read_notice", lambda headers, body: notice)
    received = receive_notice(account=ProviderAccount.objects.get(provider="a"), headers={}, body=b"{}")
    apply_notice(notice_id=received.notice_id)
    return InboundNotice.objects.get(pk=received.notice_id)


def news(attempt: Attempt, answer: Answer, **said: object) -> Notice:
    result = LookUpResult(answer=answer, **said)  # type: ignore[arg-type]  # As the tests below say it.
    return Notice(id="evt_1", subject=Subject.CHARGE, key=str(attempt.pk), result=result)


def test_a_repetition_is_one_row_also_when_it_says_how_often_it_was_tried(
    doubtful: Attempt, provider_a: ScriptedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    notice = news(doubtful, Answer.SUCCEEDED, money=DUE)

    for tries in range(3):
        again = replace(notice.result, raw={"tries": tries}, message=f"Delivery {tries}.")
        came(monkeypatch, provider_a, replace(notice, result=again))

    assert InboundNotice.objects.get().repeats == 2


def test_other_news_under_the_same_id_is_not_dropped(
    doubtful: Attempt, provider_a: ScriptedGateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    came(monkeypatch, provider_a, news(doubtful, Answer.PENDING))

    with caplog.at_level(logging.WARNING, logger="steward.security"):
        for _ in range(3):
            came(monkeypatch, provider_a, news(doubtful, Answer.SUCCEEDED, money=DUE))

    assert Payment.objects.get().status == PaymentStatus.COMPLETED
    assert sorted(InboundNotice.objects.values_list("repeats", flat=True)) == [0, 2]
    assert "notice_id_reused" in caplog.text
