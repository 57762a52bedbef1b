"""How providers did lately, which account a notice is for, and what is due: reads for edges."""

from __future__ import annotations

from datetime import timedelta

import pytest

from accounts.models import Restaurant
from kernel import clock
from kernel.modes import Mode
from payments.gateways.contract import ErrorCode, Outcome
from payments.models import Attempt, Payment, ProviderAccount
from payments.selectors import METRICS_WINDOW, TOP_CODES, ProviderMetrics, account_at, payments_due, provider_metrics
from tests.factories import ProviderAccountFactory, RestaurantFactory, accepted, order_of, paid, routed
from tests.scripted import ScriptedGateway, outcome
from tests.time_machine import ShiftedClock


def attempts_at(restaurant: Restaurant, gateway: ScriptedGateway, provider: str, *ends: tuple[Outcome, str]) -> None:
    """One payment for each end. An empty code with SUCCEEDED is what the scripted gateway says by itself."""
    for end, code in ends:
        if end != Outcome.SUCCEEDED:
            gateway.charges.append(outcome(end, ErrorCode(code)))
        paid(order_of(restaurant), provider=provider)


def took(provider: str, *milliseconds: int | None) -> None:
    attempts = Attempt.objects.filter(account__provider=provider).order_by("id")
    for attempt, latency in zip(attempts, milliseconds, strict=True):
        Attempt.objects.filter(pk=attempt.pk).update(latency_ms=latency)


def metrics(
    restaurant: Restaurant, mode: Mode = Mode.TEST, window: timedelta = METRICS_WINDOW
) -> list[ProviderMetrics]:
    return provider_metrics(restaurant_id=restaurant.pk, mode=mode, window=window)


def test_metrics_count_each_end_by_provider(
    restaurant: Restaurant, provider_a: ScriptedGateway, provider_b: ScriptedGateway
) -> None:
    attempts_at(
        restaurant,
        provider_a,
        "a",
        (Outcome.SUCCEEDED, ""),
        (Outcome.SUCCEEDED, ""),
        (Outcome.SUCCEEDED, ""),
        (Outcome.DECLINED, "card_declined"),
        (Outcome.UNKNOWN, "timed_out"),
        (Outcome.NOT_SENT, "request_refused"),
        (Outcome.PENDING, ""),
    )
    attempts_at(restaurant, provider_b, "b", (Outcome.DECLINED, "stolen_card"))

    a, b = metrics(restaurant)

    assert (a.provider, a.attempts) == ("a", 7)
    assert (a.succeeded, a.declined, a.in_doubt, a.not_sent) == (3, 1, 1, 1)
    assert a.success_rate == 0.75
    assert (b.provider, b.attempts, b.success_rate) == ("b", 1, 0.0)


def test_without_a_known_end_there_is_no_success_rate(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    attempts_at(restaurant, provider_a, "a", (Outcome.UNKNOWN, "timed_out"), (Outcome.PENDING, ""))

    assert metrics(restaurant)[0].success_rate is None


def test_percentiles_are_ones_that_were_really_measured(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    attempts_at(restaurant, provider_a, "a", *[(Outcome.SUCCEEDED, "")] * 10)
    took("a", 100, 90, 80, 70, 60, 50, 40, 30, 20, 9_000)

    (a,) = metrics(restaurant)

    assert (a.p50_ms, a.p95_ms) == (60, 9_000)


def test_what_was_not_measured_is_not_counted_as_fast(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    attempts_at(restaurant, provider_a, "a", *[(Outcome.SUCCEEDED, "")] * 3)
    took("a", None, 500, 700)
    assert (metrics(restaurant)[0].p50_ms, metrics(restaurant)[0].p95_ms) == (500, 700)

    took("a", None, None, None)

    assert (metrics(restaurant)[0].p50_ms, metrics(restaurant)[0].p95_ms) == (None, None)


def test_the_most_frequent_codes_come_first(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    frequencies = {
        "card_declined": 3,
        "expired_card": 2,
        "stolen_card": 2,
        "fraud_suspected": 1,
        "incorrect_details": 1,
        "limit_exceeded": 1,
    }
    ends = [(Outcome.DECLINED, code) for code, count in frequencies.items() for _ in range(count)]
    attempts_at(restaurant, provider_a, "a", *ends, (Outcome.SUCCEEDED, ""))

    (a,) = metrics(restaurant)

    assert len(a.top_codes) == TOP_CODES
    assert a.top_codes == (
        ("card_declined", 3),
        ("expired_card", 2),
        ("stolen_card", 2),
        ("fraud_suspected", 1),
        ("incorrect_details", 1),
    )


def test_only_what_is_inside_the_window_is_lately(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    attempts_at(restaurant, provider_a, "a", (Outcome.DECLINED, "card_declined"))
    time.advance(minutes=10)
    attempts_at(restaurant, provider_a, "a", (Outcome.SUCCEEDED, ""))
    assert metrics(restaurant)[0].attempts == 2

    time.advance(minutes=6)

    (a,) = metrics(restaurant)
    assert (a.attempts, a.succeeded, a.declined, a.top_codes) == (1, 1, 0, ())
    assert metrics(restaurant, window=timedelta(hours=1))[0].attempts == 2
    time.advance(minutes=10)
    assert metrics(restaurant) == []


def test_another_restaurants_and_another_modes_attempts_are_not_ours(
    restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    other = RestaurantFactory.create()
    routed(other, "a")
    attempts_at(other, provider_a, "a", (Outcome.DECLINED, "card_declined"))
    attempts_at(restaurant, provider_a, "a", (Outcome.SUCCEEDED, ""))

    (a,) = metrics(restaurant)

    assert (a.attempts, a.succeeded, a.top_codes) == (1, 1, ())
    assert metrics(restaurant, Mode.LIVE) == []


def test_two_accounts_at_one_provider_are_one_line(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    attempts_at(restaurant, provider_a, "a", (Outcome.SUCCEEDED, ""), (Outcome.DECLINED, "card_declined"))
    second = ProviderAccountFactory.create(restaurant=restaurant, provider="a", label="the second contract")
    restaurant.routes.filter(account__provider="a").update(account=second)
    attempts_at(restaurant, provider_a, "a", (Outcome.DECLINED, "card_declined"))

    (a,) = metrics(restaurant)

    assert Attempt.objects.values("account").distinct().count() == 2
    assert (a.attempts, a.declined, a.top_codes) == (3, 2, (("card_declined", 2),))


@pytest.mark.parametrize("enabled", [True, False])
def test_an_account_is_found_at_its_own_provider_even_when_it_is_disabled(
    restaurant: Restaurant, enabled: bool
) -> None:
    account = ProviderAccount.objects.get(provider="a")
    ProviderAccount.objects.update(enabled=enabled)

    assert account_at(provider="a", account_id=account.pk) == account
    assert account_at(provider="b", account_id=account.pk) is None
    assert account_at(provider="a", account_id=clock.new_id()) is None


def test_what_is_due_comes_the_longest_overdue_first(restaurant: Restaurant, time: ShiftedClock) -> None:
    first, second = accepted(order_of(restaurant)), accepted(order_of(restaurant))
    later = accepted(order_of(restaurant))
    Payment.objects.filter(pk=later.pk).update(next_action_at=clock.now() + timedelta(minutes=1))

    assert list(payments_due()) == [first, second]
    time.advance(minutes=1)
    assert list(payments_due()) == [first, second, later]
