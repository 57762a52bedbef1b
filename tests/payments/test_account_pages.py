"""The pages of accounts: added, switched and priced by an admin, looked at by the others."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Restaurant, Role, User
from events.models import AuditEntry
from payments.gateways.contract import ErrorCode, Outcome
from payments.models import ProviderAccount
from tests.factories import RestaurantFactory, order_of, paid, staff
from tests.failures.test_desk import MOST_QUERIES, desk_of
from tests.scripted import ScriptedGateway, outcome

LIST = "/admin/payments/provideraccount/"
WHY = "The contract ended."


@pytest.fixture
def admin(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.ADMIN)


@pytest.fixture
def desk(admin: User) -> Client:
    return desk_of(admin)


@pytest.fixture
def account(restaurant: Restaurant) -> ProviderAccount:
    return ProviderAccount.objects.get(provider="a")


def text_of(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def new(restaurant: Restaurant, **more: str) -> dict[str, str]:
    return {"restaurant": str(restaurant.pk), "mode": "test", "provider": "sandbox_a", "label": "Sandbox A", **more}


def address(account: ProviderAccount, verb: str) -> str:
    return f"{LIST}{account.pk}/{verb}/"


def test_an_admin_adds_an_account(desk: Client, restaurant: Restaurant) -> None:
    assert f'href="{LIST}new/"' in desk.get(LIST).content.decode()

    answer = desk.post(f"{LIST}new/", new(restaurant), follow=True)

    account = ProviderAccount.objects.get(label="Sandbox A")
    assert not account.enabled
    assert answer.redirect_chain[-1][0] == address(account, "change")
    assert "It cannot be switched on: nothing could be sent with its credentials." in text_of(answer)


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"label": "a"}, "Another account here is called so already."),
        ({"mode": "live"}, "A simulated provider takes no live payment."),
        ({"provider": "nobody"}, "Select a valid choice"),
        ({"label": ""}, "This field is required."),
    ],
)
def test_what_is_wrong_with_a_new_account_is_said(
    desk: Client, restaurant: Restaurant, typed: dict[str, str], sentence: str
) -> None:
    answer = desk.post(f"{LIST}new/", new(restaurant, **typed))

    assert answer.status_code == 400
    assert sentence in text_of(answer)
    assert ProviderAccount.objects.count() == 3


def test_an_admin_switches_an_account_off_and_on(
    desk: Client, restaurant: Restaurant, account: ProviderAccount, admin: User, provider_a: ScriptedGateway
) -> None:
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    paid(order_of(restaurant))
    assert "1 payment under way there is followed to the end" in text_of(desk.get(address(account, "change")))

    answer = desk.post(address(account, "switch"), {"enabled": "False", "reason": WHY}, follow=True)

    assert not ProviderAccount.objects.get(pk=account.pk).enabled
    assert "Switched off. 1 payment under way there is still followed to the end." in text_of(answer)
    desk.post(address(account, "switch"), {"enabled": "True", "reason": "A new one."})
    assert ProviderAccount.objects.get(pk=account.pk).enabled
    assert [(entry.action, entry.reason) for entry in AuditEntry.objects.order_by("id")] == [
        ("switch_account", WHY),
        ("switch_account", "A new one."),
    ]


def test_a_second_press_is_told_and_writes_nothing(desk: Client, account: ProviderAccount) -> None:
    said = {"enabled": "False", "reason": WHY}
    desk.post(address(account, "switch"), said)

    answer = desk.post(address(account, "switch"), said, follow=True)

    assert "This account is switched off already." in text_of(answer)
    assert AuditEntry.objects.count() == 1


def test_the_last_account_is_switched_off_only_on_purpose(desk: Client, account: ProviderAccount) -> None:
    ProviderAccount.objects.exclude(pk=account.pk).update(enabled=False)
    said = {"enabled": "False", "reason": WHY}

    answer = desk.post(address(account, "switch"), said)

    assert answer.status_code == 409
    assert 'name="nobody_can_pay"' in text_of(answer)
    assert WHY in text_of(answer)
    assert desk.post(address(account, "switch"), {**said, "nobody_can_pay": "on"}).status_code == 302
    assert not ProviderAccount.objects.filter(enabled=True).exists()


def test_a_fee_is_typed_as_people_write_it(desk: Client, account: ProviderAccount) -> None:
    for typed, stored in (("1.9", 190), ("2.35", 235), ("3", 300), ("0.05", 5)):
        desk.post(address(account, "fee"), {"fee": typed, "reason": WHY})
        account.refresh_from_db()
        assert account.fee_bps == stored

    for typed in ("", "two", "1.999", "-1", "200"):
        answer = desk.post(address(account, "fee"), {"fee": typed, "reason": WHY})
        assert answer.status_code in {400, 409}
    account.refresh_from_db()
    assert account.fee_bps == 5


@pytest.mark.parametrize("role", [Role.FINANCE, Role.FINANCE_LEAD, Role.AUDITOR])
def test_others_of_the_office_look_and_what_they_forge_is_refused(
    restaurant: Restaurant, account: ProviderAccount, role: Role
) -> None:
    looking = desk_of(staff(restaurant, role))

    assert "Only an admin of this restaurant changes it." in text_of(looking.get(address(account, "change")))
    assert f'href="{LIST}new/"' not in looking.get(LIST).content.decode()
    _refused(looking, restaurant, account, 403)


def test_a_waiter_is_refused_and_an_admin_elsewhere_finds_nothing(
    restaurant: Restaurant, account: ProviderAccount
) -> None:
    _refused(desk_of(staff(restaurant, Role.WAITER)), restaurant, account, 404, 403)
    _refused(desk_of(staff(RestaurantFactory.create(), Role.ADMIN)), restaurant, account, 404, 400)


def _refused(desk: Client, restaurant: Restaurant, account: ProviderAccount, status: int, new_status: int = 0) -> None:
    def stored() -> list[Any]:
        return list(ProviderAccount.objects.order_by("pk").values("pk", "enabled", "fee_bps"))

    before = stored()
    answers = [
        desk.post(address(account, "switch"), {"enabled": "False", "reason": WHY}),
        desk.post(address(account, "fee"), {"fee": "9", "reason": WHY}),
    ]
    assert [answer.status_code for answer in answers] == [status, status]
    assert desk.post(f"{LIST}new/", new(restaurant)).status_code == (new_status or status)
    assert stored() == before
    assert not AuditEntry.objects.exists()


def test_nothing_is_switched_by_following_a_link(desk: Client, account: ProviderAccount) -> None:
    assert desk.get(address(account, "switch")).status_code == 405
    assert desk.get(address(account, "fee")).status_code == 405


@pytest.mark.parametrize("where", ["list", "one"])
def test_a_page_asks_the_same_however_many_accounts_there_are(
    desk: Client, restaurant: Restaurant, account: ProviderAccount, where: str
) -> None:
    page = LIST if where == "list" else address(account, "change")
    desk.get(page)
    ProviderAccount.objects.bulk_create(
        ProviderAccount(restaurant=restaurant, mode="test", provider="a", label=f"a {number}") for number in range(20)
    )

    with CaptureQueriesContext(connection) as queries:
        desk.get(page)

    assert 0 < len(queries) <= MOST_QUERIES
