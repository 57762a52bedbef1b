"""Which provider takes an attempt: the first of the chain that fits, works and was not tried; and why."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.models import Restaurant
from kernel import clock
from kernel.modes import Mode
from orders.models import Channel
from payments.gateways import simulated
from payments.gateways.breaker import BreakerState
from payments.gateways.guard import Operation
from payments.models import Attempt, PaymentStatus, ProviderAccount, Route
from payments.services.refusals import PaymentRefused
from payments.services.routing import Candidate, Wish, choose, fits
from tests.factories import ProviderAccountFactory, RestaurantFactory, order_of, paid, routed
from tests.scripted import ScriptedGateway

# Two cores may be shared by many: how long an example takes says nothing about it.
unhurried = settings(deadline=None)
WISH = Wish(method="card", currency="INR", amount_minor=84_000, channel="dine_in")
RUPEES_AND_DOLLARS = replace(simulated.FACTS, currencies=frozenset({"INR", "USD"}))


def candidate(position: int = 1, provider: str = "a", **more: Any) -> Candidate:
    account = ProviderAccount(id=clock.new_id(), provider=provider)
    return Candidate(position=position, account=account, **{"facts": simulated.FACTS, **more})


def chosen(*candidates: Candidate, wish: Wish = WISH, tried: tuple[UUID, ...] = ()) -> str:
    choice = choose(candidates=candidates, wish=wish, tried=tried)
    return choice.account.provider if choice.account else ""


def reason(of: Candidate, wish: Wish = WISH, tried: tuple[UUID, ...] = ()) -> str:
    skipped = choose(candidates=[of], wish=wish, tried=tried).why["candidates"][0]["skipped"]
    return str(skipped)


def test_the_first_position_is_chosen_however_the_chain_was_read() -> None:
    first, second, third = candidate(1, "a"), candidate(2, "b"), candidate(3, "c")

    assert chosen(third, first, second) == "a"
    assert chosen(third, second) == "b"


MISFITS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {"provider": "b"}, "another provider was asked for"),
    ({}, {"method": "wallet"}, "method"),
    ({"methods": ("upi",)}, {}, "method"),
    ({"methods": ("wallet",)}, {"method": "wallet"}, "method"),
    ({"currencies": ("USD",)}, {}, "currency"),
    ({"facts": RUPEES_AND_DOLLARS}, {"currency": "EUR"}, "currency"),
    ({"channels": ("delivery", "takeaway")}, {}, "channel"),
    ({"min_minor": 84_001}, {}, "amount"),
    ({"max_minor": 83_999}, {}, "amount"),
]
FITS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({}, {"provider": "a"}),
    ({"methods": ("upi", "card")}, {}),
    ({}, {"method": "upi"}),
    ({"currencies": ("USD", "INR")}, {}),
    ({}, {"currency": "EUR"}),
    ({"facts": RUPEES_AND_DOLLARS}, {"currency": "USD"}),
    ({"channels": ("dine_in",)}, {}),
    ({"min_minor": 84_000, "max_minor": 84_000}, {}),
    ({"min_minor": 1}, {}),
]


@pytest.mark.parametrize(("route", "wish", "why"), MISFITS)
def test_what_does_not_fit_is_skipped_with_its_reason(route: dict[str, Any], wish: dict[str, Any], why: str) -> None:
    of, wanted = candidate(**route), replace(WISH, **wish)

    assert reason(of, wanted) == why
    assert not fits(of, wanted)


@pytest.mark.parametrize(("route", "wish"), FITS)
def test_empty_lists_and_bounds_mean_any(route: dict[str, Any], wish: dict[str, Any]) -> None:
    of, wanted = candidate(**route), replace(WISH, **wish)

    assert reason(of, wanted) == ""
    assert fits(of, wanted)


def test_a_route_cannot_promise_more_than_its_provider_can() -> None:
    wider = candidate(methods=("card", "wallet"), currencies=("INR", "EUR"))

    assert reason(wider, replace(WISH, method="wallet")) == "method"
    assert reason(wider, replace(WISH, currency="USD")) == "currency"


def test_what_was_tried_in_this_round_is_not_tried_again() -> None:
    first, second = candidate(1, "a"), candidate(2, "b")

    assert chosen(first, second, tried=(first.account.pk,)) == "b"
    assert chosen(first, second, tried=(first.account.pk, second.account.pk)) == ""
    assert reason(first, tried=(first.account.pk,)) == "tried already"


@pytest.mark.parametrize(
    ("state", "why"), [({"breaker_open": True}, "breaker open"), ({"paused": True}, "the account rests")]
)
def test_what_rests_is_skipped_and_may_help_later(state: dict[str, bool], why: str) -> None:
    resting = candidate(1, "a", **state)

    assert chosen(resting, candidate(2, "b")) == "b"
    assert reason(resting) == why
    assert fits(resting, WISH)
    assert choose(candidates=[resting], wish=WISH, tried=()).may_help_later


def test_what_never_fits_and_what_was_tried_does_not_help_later_either() -> None:
    tried, misfit = candidate(1, "a", breaker_open=True), candidate(2, "b", methods=("upi",), breaker_open=True)

    choice = choose(candidates=[tried, misfit], wish=WISH, tried=[tried.account.pk])

    assert choice.account is None
    assert not choice.may_help_later


def test_the_choice_says_who_was_looked_at_and_why() -> None:
    skipped, taken, unseen = candidate(2, "a", breaker_open=True), candidate(5, "b"), candidate(7, "c")

    choice = choose(candidates=[unseen, taken, skipped], wish=WISH, tried=[])

    assert (choice.account, choice.facts) == (taken.account, simulated.FACTS)
    assert choice.why == {
        "candidates": [
            {"position": 2, "provider": "a", "skipped": "breaker open"},
            {"position": 5, "provider": "b", "skipped": ""},
        ],
        "chosen": "b",
        "rule": "position 5",
    }


def test_no_candidate_is_an_answer_too() -> None:
    choice = choose(candidates=[], wish=WISH, tried=[])

    assert (choice.account, choice.facts, choice.may_help_later) == (None, None, False)
    assert choice.why == {"candidates": [], "chosen": "", "rule": "no candidate is left"}


def test_an_operators_word_travels_with_the_choice() -> None:
    word = {Operation.CHARGE: BreakerState.CLOSED}

    assert choose(candidates=[candidate(forced=word)], wish=WISH, tried=[]).forced == word


chains = st.lists(
    st.fixed_dictionaries(
        {
            "breaker_open": st.booleans(),
            "paused": st.booleans(),
            "methods": st.sampled_from([(), ("card",), ("upi",)]),
            "max_minor": st.sampled_from([None, 83_999, 84_000]),
            "was_tried": st.booleans(),
        }
    ),
    max_size=6,
)


@unhurried
@given(chain=chains, seed=st.integers())
def test_whatever_the_chain_the_first_usable_one_is_chosen(chain: list[dict[str, Any]], seed: int) -> None:
    candidates, tried, usable = [], [], []
    for position, state in enumerate(chain, start=1):
        was_tried = state["was_tried"]
        each = candidate(position, f"p{position}", **{key: value for key, value in state.items() if key != "was_tried"})
        candidates.append(each)
        if was_tried:
            tried.append(each.account.pk)
        elif not (each.breaker_open or each.paused or each.methods == ("upi",) or each.max_minor == 83_999):
            usable.append(each)
    random.Random(seed).shuffle(candidates)  # noqa: S311  Not a secret.

    choice = choose(candidates=candidates, wish=WISH, tried=tried)

    assert choice.account == (usable[0].account if usable else None)
    assert json.loads(json.dumps(choice.why)) == choice.why


def test_the_amount_that_routes_is_what_is_charged_with_its_tip(
    restaurant: Restaurant, provider_a: ScriptedGateway, provider_b: ScriptedGateway
) -> None:
    Route.objects.filter(account__provider="a").update(max_minor=84_000)

    paid(order_of(restaurant))
    paid(order_of(restaurant), tip_minor=1)

    assert (provider_a.count("charge"), provider_b.count("charge")) == (1, 1)


def test_a_channel_has_its_own_chain(
    restaurant: Restaurant, provider_a: ScriptedGateway, provider_b: ScriptedGateway
) -> None:
    Route.objects.filter(account__provider="a").update(channels=[Channel.DELIVERY])

    paid(order_of(restaurant))
    paid(order_of(restaurant, channel=Channel.DELIVERY))

    assert (provider_a.count("charge"), provider_b.count("charge")) == (1, 1)


@pytest.mark.parametrize("switched_off", ["route", "account"])
def test_what_is_switched_off_is_not_in_the_chain(
    restaurant: Restaurant, provider_a: ScriptedGateway, switched_off: str
) -> None:
    if switched_off == "route":
        Route.objects.filter(account__provider="a").update(enabled=False)
    else:
        ProviderAccount.objects.filter(provider="a").update(enabled=False)

    payment = paid(order_of(restaurant))

    assert payment.status == PaymentStatus.COMPLETED
    assert provider_a.asked == []
    assert [each["provider"] for each in Attempt.objects.get().routing["candidates"]] == ["b"]


def test_no_chain_of_another_mode_or_restaurant_is_ever_used(restaurant: Restaurant) -> None:
    Route.objects.all().delete()
    account = ProviderAccountFactory.create(restaurant=restaurant, mode=Mode.LIVE, provider="a", label="live")
    Route.objects.create(restaurant=restaurant, mode=Mode.LIVE, position=1, account=account)
    routed(RestaurantFactory.create(), "a", "b")

    with pytest.raises(PaymentRefused) as refused:
        paid(order_of(restaurant))

    assert refused.value.code == "no_provider"
    assert Attempt.objects.count() == 0


def test_a_provider_that_this_release_does_not_know_is_passed_over(
    restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    ProviderAccount.objects.filter(provider="a").update(provider="long_gone")

    assert paid(order_of(restaurant)).status == PaymentStatus.COMPLETED
    assert provider_a.asked == []
