"""What routing would do with each route now, in the order in which it would see it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from accounts.models import Restaurant
from kernel import clock
from kernel.modes import Mode
from payments.gateways.breaker import BreakerState
from payments.gateways.guard import Operation
from payments.models import BreakerOverride, ProviderAccount, Route
from payments.services import providers
from payments.services.chain_outlooks import Turn, chain_outlook
from payments.services.providers import circuits_of, own_circuits_of


@pytest.fixture
def account(restaurant: Restaurant) -> ProviderAccount:
    return ProviderAccount.objects.get(provider="a")


def turns(restaurant: Restaurant) -> list[Turn]:
    return [outlook.turn for outlook in chain_outlook(restaurant_id=restaurant.pk, mode=Mode.TEST)]


def force(state: BreakerState) -> BreakerOverride:
    return BreakerOverride.objects.create(
        provider="a",
        mode=Mode.TEST,
        operation=Operation.CHARGE,
        state=state,
        reason="Outage.",
        actor_id="",
        expires_at=clock.now() + timedelta(hours=1),
    )


def test_the_first_that_works_is_the_first_choice(restaurant: Restaurant) -> None:
    assert turns(restaurant) == [Turn.FIRST, Turn.LATER, Turn.LATER]


def test_what_is_switched_off_is_skipped(restaurant: Restaurant, account: ProviderAccount) -> None:
    Route.objects.filter(account=account).update(enabled=False)
    assert turns(restaurant) == [Turn.SWITCHED_OFF, Turn.FIRST, Turn.LATER]

    Route.objects.filter(account=account).update(enabled=True)
    ProviderAccount.objects.filter(pk=account.pk).update(enabled=False)
    assert turns(restaurant) == [Turn.ACCOUNT_OFF, Turn.FIRST, Turn.LATER]


def test_an_open_circuit_is_skipped_until_it_may_be_tried_again(
    restaurant: Restaurant, account: ProviderAccount
) -> None:
    circuits_of(account)[Operation.CHARGE].trip(cool_down_seconds=600)

    first = chain_outlook(restaurant_id=restaurant.pk, mode=Mode.TEST)[0]

    assert first.turn is Turn.RESTS
    assert first.until is not None
    assert abs(first.until - clock.now() - timedelta(minutes=10)) < timedelta(seconds=5)


def test_an_account_rests_alone(restaurant: Restaurant, account: ProviderAccount) -> None:
    own_circuits_of(account)[Operation.CHARGE].trip(cool_down_seconds=300)

    assert turns(restaurant) == [Turn.ACCOUNT_RESTS, Turn.FIRST, Turn.LATER]


def test_a_word_stands_above_a_circuit(restaurant: Restaurant, account: ProviderAccount) -> None:
    word = force(BreakerState.OPEN)
    first = chain_outlook(restaurant_id=restaurant.pk, mode=Mode.TEST)[0]
    assert (first.turn, first.until) == (Turn.STOPPED, word.expires_at)

    circuits_of(account)[Operation.CHARGE].trip(cool_down_seconds=600)
    own_circuits_of(account)[Operation.CHARGE].trip(cool_down_seconds=600)
    force(BreakerState.CLOSED)
    assert turns(restaurant) == [Turn.FIRST, Turn.LATER, Turn.LATER]


def test_what_cannot_be_asked_is_passed_by(
    restaurant: Restaurant, account: ProviderAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(providers.PROVIDERS, "a", providers.PROVIDERS["sandbox_a"])
    assert turns(restaurant)[0] is Turn.UNUSABLE

    monkeypatch.delitem(providers.PROVIDERS, "a")
    assert turns(restaurant)[0] is Turn.NOT_KNOWN
