"""New credentials are compared with the old ones, by a payment that the provider has to know."""

from __future__ import annotations

import pytest

from accounts.models import Restaurant, User
from failures.approvals import Verdict
from kernel.money import Money
from payments.gateways.contract import LookUpRequest, LookUpResult, Outcome, Result
from payments.models import Attempt, CredentialChange, ProviderAccount
from tests.factories import order_of, paid
from tests.payments.test_credential_changes import (
    FOUND,
    NOT_FOUND,
    PRESENT,
    account,
    admin,
    answer,
    ask,
    gateway,
    in_use,
    lead,
    refused,
)
from tests.payments.words import TIMED_OUT
from tests.scripted import ScriptedGateway, succeeded

__all__ = ["account", "admin", "gateway", "lead"]


def test_credentials_of_another_contract_are_refused(
    account: ProviderAccount, restaurant: Restaurant, gateway: ScriptedGateway, admin: User
) -> None:
    """What was sent with the old ones is asked about with the new ones: not found would be taken for not charged."""
    gateway.charges.append(Result(outcome=Outcome.SUCCEEDED, money=None, reference="ch_1"))
    attempt = Attempt.objects.get(payment=paid(order_of(restaurant)), account=account)
    assert attempt.provider_reference == "ch_1"

    assert refused(lambda: ask(account, admin)) == "another_contract"
    asked = gateway.asked[-1][1]
    assert (asked.key, asked.reference) == (str(attempt.pk), "ch_1")

    gateway.look_ups.append(FOUND)
    ask(account, admin)


def test_while_nothing_can_be_compared_and_money_may_move_they_wait(
    account: ProviderAccount, restaurant: Restaurant, gateway: ScriptedGateway, admin: User
) -> None:
    gateway.charges.append(TIMED_OUT)
    paid(order_of(restaurant))

    assert refused(lambda: ask(account, admin)) == "nothing_to_compare"
    assert not CredentialChange.objects.exists()


def test_what_began_since_the_trial_is_not_asked_about_with_credentials_that_nobody_compared(
    account: ProviderAccount, restaurant: Restaurant, gateway: ScriptedGateway, admin: User, lead: User
) -> None:
    """A doubt at the old ones would be "not found" at another contract's, and be charged there once more."""
    ask(account, admin)
    gateway.charges.append(TIMED_OUT)
    paid(order_of(restaurant))

    assert refused(lambda: answer(lead)) == "stale"
    assert in_use(account) == PRESENT
    answer(lead, Verdict.REJECT)


@pytest.mark.parametrize(
    ("charge", "code"),
    [(succeeded(Money(84_000, "INR"), reference="pay_1"), "stale"), (TIMED_OUT, "nothing_to_compare")],
)
def test_what_is_charged_during_the_trial_was_compared_with_nothing(
    account: ProviderAccount, gateway: ScriptedGateway, admin: User, charge: Result, code: str
) -> None:
    """There was nothing to ask about when it began, and there is when it has ended."""

    def look_up(_: LookUpRequest) -> LookUpResult:
        patch.undo()
        gateway.charges.append(charge)
        paid(order_of(account.restaurant))
        return NOT_FOUND

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gateway, "look_up", look_up)
        assert refused(lambda: ask(account, admin)) == code
    assert not CredentialChange.objects.exists()


def test_what_was_charged_since_the_trial_was_compared_with_nothing(
    account: ProviderAccount, restaurant: Restaurant, gateway: ScriptedGateway, admin: User, lead: User
) -> None:
    ask(account, admin)
    gateway.charges.append(succeeded(Money(84_000, "INR"), reference="pay_1"))
    paid(order_of(restaurant))

    assert refused(lambda: answer(lead)) == "stale"
    assert in_use(account) == PRESENT
