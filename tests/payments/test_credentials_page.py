"""The page on which credentials are entered: who may, what it shows, and what it keeps to itself."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import Approval, Restaurant, Role, User
from payments.gateways.contract import Answer, LookUpResult
from payments.models import CredentialChange, ProviderAccount
from tests.accounts.signing_in import PASSWORD, signed_in
from tests.factories import RestaurantFactory, staff
from tests.factors import with_factor
from tests.failures.test_desk import desk_of
from tests.payments.test_credential_changes import (
    NEW_KEY,
    NEW_SECRET,
    NOT_FOUND,
    OLD_KEY,
    OLD_SECRET,
    PRESENT,
    REFUSED,
    WHY,
    account,
    admin,
    gateway,
    lead,
)
from tests.scripted import ScriptedGateway
from tests.time_machine import ShiftedClock

__all__ = ["account", "admin", "gateway", "lead"]
TYPED = {"merchant": "M-1", "api_key": NEW_KEY, "webhook_secrets": NEW_SECRET, "reason": WHY}


@pytest.fixture
def desk(admin: User) -> Client:
    return desk_of(admin)


def page_of(account: ProviderAccount, name: str = "credentials") -> str:
    return f"/admin/payments/provideraccount/{account.pk}/{name}/"


def test_it_shows_what_is_there_and_no_secret(desk: Client, account: ProviderAccount) -> None:
    page = desk.get(page_of(account)).content.decode()
    own = desk.get(page_of(account, "change")).content.decode()

    for shown in (page, own):
        assert "…1111" in shown
        assert "…3333" in shown
    assert f"/webhooks/a/{account.pk}" in own
    page += own
    assert OLD_KEY not in page
    assert OLD_SECRET not in page


def test_what_is_entered_waits_for_a_second_person(desk: Client, account: ProviderAccount, admin: User) -> None:
    answer = desk.post(page_of(account), TYPED, follow=True)

    assert "A second person is asked" in answer.content.decode()
    approval = Approval.objects.get()
    assert (approval.maker, approval.reason) == (admin, WHY)
    assert ProviderAccount.objects.get(pk=account.pk).credentials == PRESENT
    assert "wait for a second person already" in desk.get(page_of(account)).content.decode()


def test_the_second_person_sees_what_changes_and_agrees(desk: Client, account: ProviderAccount, lead: User) -> None:
    desk.post(page_of(account), TYPED)
    second = desk_of(lead)
    case = f"/admin/failures/case/{Approval.objects.get().asked_from}/"

    page = second.get(f"{case}change/").content.decode()
    assert f"Use the new credentials: a (a, test) of {account.restaurant.name}" in page
    assert "…1111" in page
    assert "…2222" in page
    assert NEW_KEY not in page


def test_a_refusal_says_why_and_shows_no_secret_again(
    desk: Client, account: ProviderAccount, gateway: ScriptedGateway
) -> None:
    gateway.look_ups.clear()
    gateway.look_ups.append(REFUSED)

    answer = desk.post(page_of(account), TYPED)

    page = answer.content.decode()
    assert answer.status_code == 200
    assert "a refuses these credentials. Nothing was changed." in page
    assert WHY in page
    assert NEW_KEY not in page
    assert NEW_SECRET not in page
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"api_key": "two words"}, "without blanks"),
        ({"webhook_secrets": "short"}, "at least 16 characters"),
        ({"reason": ""}, "This field is required"),
        ({"reason": "x"}, "Say in a few words why"),
        ({"api_key": "k" * 400}, "at most 300 characters"),
    ],
)
def test_what_is_typed_wrong_is_said_beside_its_field(
    desk: Client, account: ProviderAccount, wrong: dict[str, str], sentence: str
) -> None:
    answer = desk.post(page_of(account), {**TYPED, **wrong})

    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert not CredentialChange.objects.exists()


def test_a_second_press_is_told(desk: Client, account: ProviderAccount, gateway: ScriptedGateway) -> None:
    desk.post(page_of(account), TYPED)
    gateway.look_ups.append(NOT_FOUND)

    assert "is being asked about new credentials" in desk.post(page_of(account), TYPED).content.decode()
    assert CredentialChange.objects.count() == 1


@pytest.mark.parametrize("role", [role for role in Role if role != Role.ADMIN])
def test_nobody_but_an_admin_gets_there(
    account: ProviderAccount, restaurant: Restaurant, gateway: ScriptedGateway, role: Role
) -> None:
    client = desk_of(staff(restaurant, role))
    gateway.asked.clear()

    assert client.get(page_of(account)).status_code in {302, 403, 404}
    assert client.post(page_of(account), TYPED).status_code in {302, 403, 404}
    assert not CredentialChange.objects.exists()
    assert gateway.asked == []


def test_an_admin_of_another_restaurant_does_not_learn_that_it_exists(account: ProviderAccount) -> None:
    client = desk_of(staff(RestaurantFactory.create(), Role.ADMIN))

    for name in ("credentials", "try"):
        assert client.post(page_of(account, name), TYPED).status_code == 404
    assert not CredentialChange.objects.exists()


def test_with_a_code_that_is_too_long_ago_no_secret_goes_through_another_page(
    account: ProviderAccount, admin: User, time: ShiftedClock
) -> None:
    admin.is_staff = True
    admin.set_password(PASSWORD)
    admin.save()
    phone = with_factor(admin)
    browser = signed_in(admin, phone)
    time.advance(minutes=11)

    asked = browser.post(page_of(account), TYPED)

    assert asked.status_code == 302
    confirm = browser.get(asked.headers["Location"])
    assert confirm.status_code == 302
    page = browser.get(confirm.headers["Location"]).content.decode()
    assert "type it again" in page
    assert NEW_KEY not in page
    assert not CredentialChange.objects.exists()


def test_the_trial_call_is_told_in_words(
    account: ProviderAccount, restaurant: Restaurant, gateway: ScriptedGateway
) -> None:
    finance = desk_of(staff(restaurant, Role.FINANCE))
    gateway.look_ups.clear()
    gateway.look_ups.extend([LookUpResult(answer=Answer.NOT_FOUND), REFUSED])

    assert finance.get(page_of(account, "try")).status_code == 405
    assert "No money was moved" in finance.post(page_of(account, "try"), follow=True).content.decode()
    assert "refuses this account" in finance.post(page_of(account, "try"), follow=True).content.decode()


def test_cash_has_no_credentials(desk: Client, restaurant: Restaurant, account: ProviderAccount) -> None:
    cash = ProviderAccount.objects.get(provider="cash", restaurant=restaurant)

    assert desk.get(page_of(cash)).status_code == 403
    assert "a person takes it" in desk.post(page_of(cash, "try"), follow=True).content.decode()
