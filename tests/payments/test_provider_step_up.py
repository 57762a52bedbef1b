"""A code once more before anything is changed that decides where money goes; what was typed comes along."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.models import Restaurant
from payments.models import BreakerOverride, ProviderAccount, Route
from payments.services.circuit_overrides import NOTHING_SAID
from payments.services.routes import mark_of
from tests.accounts.signing_in import signed_in, somebody, text_of
from tests.factors import Phone, with_factor
from tests.time_machine import ShiftedClock

WHY = "Their status page says so."


@pytest.fixture
def account(restaurant: Restaurant) -> ProviderAccount:
    return ProviderAccount.objects.get(provider="a")


def sendings(restaurant: Restaurant, account: ProviderAccount) -> dict[str, dict[str, str]]:
    """By the addresses that take them."""
    word = {"mode": "test", "provider": "a", "operation": "charge", "seen": str(NOTHING_SAID), "minutes": "60"}
    chain = {"form-TOTAL_FORMS": "1", "form-INITIAL_FORMS": "1", "form-0-place": "1", "form-0-enabled": "on"}
    seen = mark_of(Route.objects.filter(restaurant=restaurant))
    return {
        "/admin/payments/breakeroverride/say/": {**word, "word": "open", "reason": WHY},
        f"/admin/payments/route/chain/{restaurant.pk}/test/": {
            **chain,
            "form-0-account": str(account.pk),
            "seen": seen,
            "reason": WHY,
        },
        f"/admin/payments/provideraccount/{account.pk}/switch/": {"enabled": "False", "reason": WHY},
        f"/admin/payments/provideraccount/{account.pk}/fee/": {"fee": "1.9", "reason": WHY},
        "/admin/payments/provideraccount/new/": {
            "restaurant": str(restaurant.pk),
            "mode": "test",
            "provider": "sandbox_a",
            "label": "Sandbox A",
        },
    }


def standing() -> list[Any]:
    accounts = ProviderAccount.objects.order_by("pk").values_list("label", "enabled", "fee_bps")
    return [BreakerOverride.objects.count(), Route.objects.count(), list(accounts)]


@pytest.mark.parametrize("which", range(5))
def test_an_old_code_is_asked_for_again_and_then_it_is_done(
    restaurant: Restaurant, account: ProviderAccount, time: ShiftedClock, which: int
) -> None:
    browser, phone = _signed_in()
    address, said = list(sendings(restaurant, account).items())[which]
    before = standing()
    time.advance(minutes=11)

    asked = browser.post(address, said)
    assert "Confirm that it is you" in text_of(asked)
    assert standing() == before

    done = browser.post(address, {**said, "second_factor_code": phone.shows()})
    assert done.status_code == 302
    assert standing() != before


def _signed_in() -> tuple[Client, Phone]:
    person = somebody("asha")
    phone = with_factor(person)
    return signed_in(person, phone), phone
