"""Every state of money has a sentence, and none of them says more than is known."""

from __future__ import annotations

import pytest

from payments.meanings import meaning_of_attempt, meaning_of_payment, meaning_of_refund
from payments.models import Attempt, AttemptStatus, Payment, PaymentStatus, Refund, RefundOrigin, RefundStatus
from payments.services import providers
from tests.failures.world import make_world
from tests.scripted import ScriptedGateway, provider_of


@pytest.mark.parametrize("status", PaymentStatus)
def test_each_state_of_a_payment_has_a_sentence(status: PaymentStatus) -> None:
    assert meaning_of_payment(Payment(status=status)).endswith(".")


@pytest.mark.parametrize("status", AttemptStatus)
def test_each_state_of_an_attempt_has_a_sentence(status: AttemptStatus) -> None:
    assert meaning_of_attempt(Attempt(status=status)).endswith(".")


@pytest.mark.parametrize("status", RefundStatus)
def test_each_state_of_a_refund_has_a_sentence(status: RefundStatus) -> None:
    assert meaning_of_refund(Refund(status=status)).endswith(".")


def test_who_started_a_refund_is_said_where_it_was_nobody_here() -> None:
    by_bank = Refund(status=RefundStatus.COMPLETED, origin=RefundOrigin.PROVIDER)

    assert "Nobody here asked for it" in meaning_of_refund(by_bank)


@pytest.mark.django_db
def test_a_doubt_about_an_amount_is_another_one_than_about_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(providers.PROVIDERS, "a", provider_of(ScriptedGateway()))
    world = make_world()

    def said(attempt: Attempt) -> str:
        return meaning_of_payment(Payment.objects.get(pk=attempt.payment_id))

    assert said(world.doubtful).startswith("Nobody knows whether the money moved.")
    assert said(world.mismatched).startswith("Another amount came in than was asked for.")
    assert meaning_of_attempt(world.mismatched) == said(world.mismatched)
    assert said(world.failed).startswith("Nothing was charged, and that is certain.")
