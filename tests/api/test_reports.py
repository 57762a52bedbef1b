"""What is looked at: methods for an order, providers, and a day's figures in the restaurant's own day."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest

from accounts.models import Restaurant, Role, User
from events.actors import GUEST
from kernel import clock
from kernel.modes import Mode
from kernel.money import Money
from orders.models import Order
from orders.services import LineDraft, OrderDraft, place_order
from payments.gateways.contract import ErrorCode, Outcome, RefundFact
from payments.models import Attempt, Payment, PaymentStatus, Refund
from payments.services import providers
from payments.services.circuit_overrides import OPERATIONS, WORDS, force_circuit
from payments.services.evidence import Evidence, Finding, Source
from payments.services.settlement import settle_attempt
from payments.statistics import beginning_of, business_day
from tests.api.conftest import Caller, card, code_of, created, inr, pointers
from tests.factories import order_of, staff
from tests.scripted import ScriptedGateway, outcome


def rest(restaurant: Restaurant, provider: str) -> None:
    operator = staff(restaurant, Role.ADMIN)
    User.objects.filter(pk=operator.pk).update(is_staff=True)
    operator.refresh_from_db()
    force_circuit(
        provider=provider,
        mode="test",  # type: ignore[arg-type]  # Its value is the mode.
        operation=OPERATIONS["charge"],
        state=WORDS["open"],
        person=operator,
        reason="It is down.",
        lasts=timedelta(hours=1),
    )


def test_healthy_providers_come_first(key: Caller, order: Order, restaurant: Restaurant) -> None:
    rest(restaurant, "a")

    said = key.get(f"/orders/{order.pk}/payment-methods").json()

    assert said["free"]["amount"] == 84_000
    by_method = {item["method"]: item for item in said["items"]}
    assert [(each["provider"], each["is_healthy"]) for each in by_method["card"]["providers"]] == [
        ("b", True),
        ("a", False),
    ]
    assert set(by_method) == {"card", "upi", "cash"}


def test_a_method_whose_providers_all_rest_comes_last(key: Caller, order: Order, restaurant: Restaurant) -> None:
    for provider in ("a", "b"):
        rest(restaurant, provider)

    items = key.get(f"/orders/{order.pk}/payment-methods").json()["items"]

    assert [(item["method"], item["is_healthy"]) for item in items] == [("cash", True), ("card", False), ("upi", False)]


def test_nothing_is_offered_for_what_is_paid(key: Caller, order: Order) -> None:
    key.post("/payments", card(order))

    assert key.get(f"/orders/{order.pk}/payment-methods").json()["items"] == []


def test_providers_say_how_they_are(key: Caller, restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    provider_a.charges.append(outcome(Outcome.DECLINED, ErrorCode.EXPIRED_CARD))
    key.post("/payments", card(order_of(restaurant)))
    key.post("/payments", card(order_of(restaurant)))
    rest(restaurant, "b")

    a, b, cash = key.get("/providers").json()["items"]

    assert (a["provider"], a["circuits"]["charge"], a["forced"]) == ("a", "closed", {})
    assert (a["lately"]["attempts"], a["lately"]["success_rate"]) == (2, 0.5)
    assert (b["forced"], b["lately"]) == ({"charge": "open"}, None)
    assert (cash["circuits"], cash["methods"]) == ({}, ["cash"])
    assert providers.PROVIDERS["a"].facts.name


def at(payment: Payment, moment: datetime) -> None:
    """Time is what is counted here: the row is put where it would be."""
    Payment.objects.filter(pk=payment.pk).update(created_at=moment)


def in_dinars(restaurant: Restaurant) -> Order:
    """As it was placed before somebody corrected its restaurant's currency."""
    before = Restaurant(id=restaurant.pk, name=restaurant.name, currency="KWD")
    lines = (LineDraft(name="Machboos", quantity=1, unit_minor=70_000),)
    draft = OrderDraft(restaurant=before, mode=Mode.TEST, currency="KWD", lines=lines)
    return place_order(draft=draft, actor=GUEST)


@pytest.fixture
def evening(restaurant: Restaurant) -> date:
    """A business day from four in the morning to four in the morning, in Kolkata."""
    restaurant.time_zone, restaurant.day_starts_at = "Asia/Kolkata", time(4)
    restaurant.save()
    return date(2026, 3, 7)


def test_a_day_counts_what_belongs_to_it(
    key: Caller, restaurant: Restaurant, evening: date, provider_a: ScriptedGateway
) -> None:
    early, late, next_day = (
        beginning_of(evening, restaurant) + offset
        for offset in (timedelta(), timedelta(days=1) - timedelta(seconds=1), timedelta(days=1))
    )
    first = created(key.post("/payments", card(order_of(restaurant, 50_000), tip=inr(5_000))))
    at(first, early)
    provider_a.charges.append(outcome(Outcome.DECLINED, ErrorCode.EXPIRED_CARD))
    at(created(key.post("/payments", card(order_of(restaurant)))), late)
    at(created(key.post("/payments", card(order_of(restaurant, 70_000), method="upi"))), late)
    at(created(key.post("/payments", card(order_of(restaurant)))), next_day)
    key.post(f"/payments/{first.pk}/refunds", {"amount": inr(8_000), "tip": inr(1_000), "reason": "cold food"})
    Refund.objects.update(finished_at=late)

    said = key.get(f"/statistics/daily?from={evening}&to={evening}").json()

    assert (said["time_zone"], said["day_starts_at"]) == ("Asia/Kolkata", "04:00")
    cards, upi = said["items"]
    assert (cards["day"], cards["method"], upi["method"]) == ("2026-03-07", "card", "upi")
    assert (cards["payments"], cards["completed"], cards["failed"], cards["success_rate"]) == (2, 1, 1, 0.5)
    money = {name: cards[name]["amount"] for name in ("gross", "tips", "refunds", "net")}
    assert money == {"gross": 50_000, "tips": 5_000, "refunds": 8_000, "net": 42_000}
    assert upi["net"]["amount"] == 70_000


def test_money_that_was_not_due_is_no_paid_payment(
    key: Caller, restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    doubtful = created(key.post("/payments", card(order_of(restaurant))))
    key.post(f"/orders/{doubtful.order_id}/cancel")
    taken = Evidence(source=Source.LOOK_UP, finding=Finding.SUCCEEDED, money=Money(84_000, "INR"))
    settle_attempt(attempt_id=Attempt.objects.get().pk, evidence=taken)

    (said,) = key.get("/statistics/daily").json()["items"]

    assert Payment.objects.get().status == PaymentStatus.COMPLETED
    assert (said["payments"], said["completed"], said["success_rate"], said["gross"]["amount"]) == (1, 0, None, 0)


def test_a_tip_that_went_back_is_not_paid_out(key: Caller, restaurant: Restaurant) -> None:
    paid = created(key.post("/payments", card(order_of(restaurant), tip=inr(5_000))))
    key.post(f"/payments/{paid.pk}/refunds", {"reason": "cold food"})

    (said,) = key.get("/statistics/daily").json()["items"]

    assert (said["gross"]["amount"], said["refunds"]["amount"], said["net"]["amount"]) == (84_000, 84_000, 0)
    assert (said["tips"]["amount"], said["tips_refunded"]["amount"], said["net_tips"]["amount"]) == (5_000, 5_000, 0)


def test_what_a_provider_gave_back_is_of_the_share_first(key: Caller, restaurant: Restaurant) -> None:
    """It knows no tip: only what is more than the share was can be of it."""
    paid = created(key.post("/payments", card(order_of(restaurant), tip=inr(5_000))))
    key.post(f"/payments/{paid.pk}/refunds", {"amount": inr(4_000), "tip": inr(1_000), "reason": "cold food"})
    dashboard = tuple(
        RefundFact(reference=name, money=Money(minor, "INR"), succeeded=True)
        for name, minor in (("re_1", 79_000), ("re_2", 3_000))
    )
    evidence = Evidence(source=Source.NOTICE, finding=Finding.SUCCEEDED, money=Money(89_000, "INR"), refunds=dashboard)
    settle_attempt(attempt_id=paid.attempts.get().pk, evidence=evidence)

    (said,) = key.get("/statistics/daily").json()["items"]

    money = {name: said[name]["amount"] for name in ("refunds", "net", "tips_refunded", "net_tips")}
    assert money == {"refunds": 84_000, "net": 0, "tips_refunded": 3_000, "net_tips": 2_000}


def test_each_currency_has_figures_of_its_own(key: Caller, restaurant: Restaurant) -> None:
    for order in (order_of(restaurant), in_dinars(restaurant)):
        paid = created(key.post("/payments", card(order)))
        key.post(f"/payments/{paid.pk}/refunds", {"reason": "cold food"})

    items = key.get("/statistics/daily").json()["items"]

    assert [(said["currency"], said["refunds"]) for said in items] == [
        ("INR", {"amount": 84_000, "currency": "INR", "amount_display": "₹840.00"}),
        ("KWD", {"amount": 70_000, "currency": "KWD", "amount_display": "KWD70.000"}),
    ]


def test_late_money_is_told_under_the_method_that_paid(key: Caller, order: Order, provider_a: ScriptedGateway) -> None:
    """The card was declined, UPI was tried instead and declined as well, and then the card's money came after all."""
    provider_a.charges.extend([outcome(Outcome.DECLINED, ErrorCode.EXPIRED_CARD)] * 2)
    payment = created(key.post("/payments", card(order)))
    retried = key.post(f"/payments/{payment.pk}/retry", {"method": "upi", "instrument": "tok_2"}).json()
    evidence = Evidence(source=Source.NOTICE, finding=Finding.SUCCEEDED, money=Money(84_000, "INR"))
    settle_attempt(attempt_id=payment.attempts.get(number=1).pk, evidence=evidence)
    key.post(f"/payments/{payment.pk}/refunds", {"reason": "cold food"})

    told = key.get(f"/payments/{payment.pk}").json()
    tried = key.get(f"/payments/{payment.pk}/attempts").json()["items"]
    (said,) = key.get("/statistics/daily").json()["items"]

    assert (retried["status"], retried["method"]) == ("failed", "upi")
    assert (told["status"], told["method"]) == ("completed", "card")
    assert {each["method"] for each in tried} == {"card", "upi"}
    assert (said["method"], said["gross"]["amount"], said["refunds"]["amount"]) == ("card", 84_000, 84_000)


def test_without_words_it_is_the_last_week(key: Caller, restaurant: Restaurant) -> None:
    created(key.post("/payments", card(order_of(restaurant))))

    (said,) = key.get("/statistics/daily").json()["items"]

    assert said["day"] == business_day(clock.now(), restaurant).isoformat()


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (datetime(2026, 3, 7, 22, 29, tzinfo=UTC), date(2026, 3, 7)),  # 03:59 in Kolkata, on the 8th.
        (datetime(2026, 3, 7, 22, 30, tzinfo=UTC), date(2026, 3, 8)),
    ],
)
def test_a_night_belongs_to_the_evening_before(
    restaurant: Restaurant, evening: date, moment: datetime, day: date
) -> None:
    assert business_day(moment, restaurant) == day


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("from=2026-01-01&to=2026-06-01", "?from"),
        ("from=2026-02-01&to=2026-01-01", "?from"),
        ("from=yesterday", "?from"),
        ("to=2026-02-30", "?to"),
        ("day=2026-02-03", "?day"),
        ("to=9999-12-31", "?to"),
        ("to=0001-01-03", "?to"),
        ("to=20261125", "?to"),
    ],
)
def test_a_span_that_is_none_is_refused(key: Caller, query: str, pointer: str) -> None:
    answer = key.get(f"/statistics/daily?{query}")

    assert code_of(answer) == (400, "bad_query")
    assert set(pointers(answer)) == {pointer}
