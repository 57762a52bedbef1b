"""New credentials at a provider that is really there: the right key, a wrong one, another one's books, and silence."""

from __future__ import annotations

import pytest

from accounts.models import Approval, Restaurant, Role
from failures.approvals import Reply, Verdict, decide_approval
from kernel.errors import ServiceError
from payments.models import CredentialChange, PaymentStatus, ProviderAccount
from payments.services.account_trials import Finding, try_account
from payments.services.credential_changes import ask_to_change_credentials
from payments.services.credential_entries import Entered
from tests.factories import order_of, paid, staff
from tests.scenarios.conftest import World
from tests.scenarios.sandbox_process import SandboxProcess

WHY = "Rotated, as every quarter."
SECRET = "the-next-signing-secret-of-the-sandbox"


@pytest.fixture(autouse=True)
def _short_deadlines() -> None:
    """Nobody waits for silence here, so the product's own deadlines hold."""


@pytest.fixture
def account(restaurant: Restaurant) -> ProviderAccount:
    return ProviderAccount.objects.get(provider="sandbox_a")


def entered(account: ProviderAccount, **values: str) -> CredentialChange:
    admin = staff(account.restaurant, Role.ADMIN)
    return ask_to_change_credentials(account_id=account.pk, entered=Entered(values=values), person=admin, reason=WHY)


def test_a_secret_is_rotated_while_guests_pay(restaurant: Restaurant, account: ProviderAccount, world: World) -> None:
    """The provider still signs with the old one for a while: its notices are taken all the same."""
    paid(order_of(restaurant), instrument="sim_ok")
    entered(account, webhook_secrets=SECRET)
    reply = Reply(verdict=Verdict.APPROVE)
    decide_approval(approval_id=Approval.objects.get().pk, reply=reply, person=staff(restaurant, Role.FINANCE_LEAD))

    payment = paid(order_of(restaurant), instrument="sim_ok")
    world.rest()

    assert payment.status == PaymentStatus.COMPLETED
    assert ProviderAccount.objects.get(pk=account.pk).credentials["webhook_secrets"][0] == SECRET
    world.assert_books_agree()


def test_a_wrong_key_is_found_out_before_anybody_is_asked(restaurant: Restaurant, account: ProviderAccount) -> None:
    with pytest.raises(ServiceError) as no:
        entered(account, api_key="a-key-that-the-sandbox-never-gave")

    assert no.value.code == "credentials_refused"
    assert paid(order_of(restaurant), instrument="sim_ok").status == PaymentStatus.COMPLETED


def test_another_ones_books_are_another_contract(
    restaurant: Restaurant, account: ProviderAccount, b: SandboxProcess
) -> None:
    paid(order_of(restaurant), instrument="sim_ok")

    with pytest.raises(ServiceError) as no:
        entered(account, base_url=b.url)

    assert no.value.code == "another_contract"


def test_a_provider_that_is_silent_proves_nothing(account: ProviderAccount, a: SandboxProcess) -> None:
    a.steer_look_ups("refuse", times=5)

    with pytest.raises(ServiceError) as no:
        entered(account, webhook_secrets=SECRET)

    assert no.value.code == "no_answer"


def test_the_trial_call_tells_what_the_provider_knows(restaurant: Restaurant, account: ProviderAccount) -> None:
    payment = paid(order_of(restaurant), instrument="sim_ok")

    trial = try_account(account_id=account.pk, person=staff(restaurant, Role.FINANCE))

    assert (trial.finding, trial.asked_about) == (Finding.WORKS, payment.reference)
