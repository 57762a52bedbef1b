"""Today: each figure is its list, for several restaurants, both modes and two currencies; and the page stays cheap."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from datetime import timedelta
from urllib.parse import unquote

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from accounts.models import Approval, Membership, Restaurant, Role, User
from accounts.services.approvals import withdraw
from failures.models import WAITING, Case
from failures.sums import money_of
from kernel import clock
from kernel.modes import Mode
from payments.gateways.breaker import BreakerBoard
from payments.gateways.guard import Operation
from payments.models import BreakerOverride, PaymentStatus, ProviderAccount
from payments.outlooks import Outlook
from payments.services import providers
from payments.services.provider_lights import SLOTS, provider_lights
from payments.statistics import business_day, daily_figures
from tests.factories import ProviderAccountFactory, RestaurantFactory, UserFactory, staff
from tests.failures.days import a_day_of, figures_of, given_back_at_once, page_of, set_to, total_of
from tests.failures.test_desk import desk_of
from tests.time_machine import ShiftedClock

pytestmark = pytest.mark.django_db
TODAY = "/admin/"
MOST_STATEMENTS = 15


@pytest.fixture
def finance(restaurants: list[Restaurant]) -> User:
    """In two of the three."""
    person = staff(restaurants[0], Role.FINANCE)
    person.memberships.create(restaurant=restaurants[1], role=Role.AUDITOR)
    return person


def test_every_figure_is_its_list(boss: Client, finance: User) -> None:
    for client, mode in itertools.product((boss, desk_of(finance)), Mode):
        _each_is_its_list(client, mode)


def _each_is_its_list(client: Client, mode: Mode) -> None:
    figures = figures_of(page_of(client, mode=mode.value))

    assert len(figures) >= 30
    for address, said in figures:
        listed = total_of(client, address)
        assert listed.count == said.count, address
        assert not said.amounts or listed.amounts == said.amounts, address
    lists = Counter(address.split("/")[3] for address, _ in figures)
    assert set(lists) == {"case", "payment", "refund", "attempt", "approval"}


def test_it_says_what_there_is(boss: Client, restaurants: list[Restaurant]) -> None:
    """Counted by hand: three restaurants, of which two have one currency."""
    page = page_of(boss, mode="live")
    said = {address: each for address, each in figures_of(page) if "/approval/" not in address}

    def count(*parts: str) -> str:
        (found,) = {each.count for address, each in said.items() if set(address.split("?")[1].split("&")) == set(parts)}
        return found

    live, day = "mode__exact=live", "day=today"
    assert count(live) == "9"  # Three a restaurant wait; one was put off, one has ended.
    assert count(live, day) == "18"
    assert count(live, "which=put_off") == "3"
    assert count(live, day, "status__exact=completed", "paid_on=first") == "3"
    assert count(live, day, "status__exact=completed", "paid_on=rescued") == "3"
    assert count(live, day, "status__exact=failed", "failure_code=card_declined") == "3"
    assert count(live, day, "statuses=completed") == "6"  # Two went back in each.
    assert count(live, day, "statuses=requested%2Cprocessing") == "3"
    assert "failed: not gone back" not in page.lower()
    assert "expired card" not in page.lower()
    (money,) = {each.amounts for address, each in said.items() if address.endswith("?mode__exact=live&day=today")}
    assert [amount[0] for amount in money] == ["₹", "$"]


def count_of(page: str, *parts: str) -> str:
    """Of the figures whose addresses end with this: the one that there is."""
    (found,) = {said.count for address, said in figures_of(page) if unquote(address).endswith("&".join(parts))}
    return found


def test_paid_is_what_was_kept_everywhere(boss: Client, restaurants: list[Restaurant]) -> None:
    """All of it went back at once: it is completed, brought nothing, and neither figure counts it as paid."""
    house, kept = restaurants[0], "paid_on=first,rescued,later"
    payment = given_back_at_once(house, Mode.LIVE)
    assert payment.status == PaymentStatus.COMPLETED

    client = desk_of(staff(house, Role.FINANCE))
    page = page_of(client, mode="live")

    day = business_day(clock.now(), house)
    figures = daily_figures(restaurant=house, mode=Mode.LIVE, first=day, last=day)
    assert count_of(page, "day=today", "status__exact=completed", kept) == "2"
    assert sum(each.completed for each in figures) == 2
    assert count_of(page, "day=today", "status__exact=completed", "paid_on=none") == "1"
    for address, said in figures_of(page):
        assert total_of(client, address).count == said.count, address
    assert "Nothing kept: what came in was not due, and all of it goes back." in page


def test_what_is_put_off_is_said_and_its_age_is_not_hidden(restaurants: list[Restaurant], time: ShiftedClock) -> None:
    """One waits for two days; tomorrow somebody looks at it. The others came just now."""
    house = restaurants[0]
    client = desk_of(staff(house, Role.FINANCE))
    (put_off,) = Case.objects.filter(restaurant=house, mode=Mode.LIVE, snoozed_until__gt=clock.now())
    set_to(put_off, "opened_at = opened_at - interval '2 days'")

    page = page_of(client, mode="live")

    (amount,) = [said.amounts for address, said in figures_of(page) if address.endswith("which=put_off")]
    money = money_of(put_off)
    assert money is not None
    assert amount == (money.display(),)
    assert count_of(page, "mode__exact=live", "which=put_off") == "1"
    assert "The oldest has waited for 2 days, what is put off included." in page


def test_where_all_is_put_off_nothing_needs_a_person_now(restaurants: list[Restaurant]) -> None:
    house = restaurants[0]
    for case in Case.objects.filter(restaurant=house, mode=Mode.LIVE, status__in=WAITING):
        set_to(case, "snoozed_until = opened_at + interval '2 hours'")

    page = page_of(desk_of(staff(house, Role.FINANCE)), mode="live")

    assert "Nothing needs a person now." in page
    assert count_of(page, "mode__exact=live", "which=put_off") == "4"


def test_a_figure_of_nothing_is_a_nought(boss: Client) -> None:
    assert '<span class="today-none">0</span>' in page_of(boss, mode="live")


def test_who_may_agree_sees_what_waits_for_just_that(restaurants: list[Restaurant]) -> None:
    """One request waits in each house and mode. Who asked for one is not the second person of it."""
    lead = staff(restaurants[0], Role.FINANCE_LEAD)
    lead.memberships.create(restaurant=restaurants[1], role=Role.FINANCE)
    staff(restaurants[1], Role.FINANCE_LEAD)  # Where nobody led, a colleague of finance would be asked.

    def waiting() -> list[tuple[str, str]]:
        said = figures_of(page_of(desk_of(lead), mode="live"))
        return [(address.partition("?")[2], each.count) for address, each in said if "/approval/" in address]

    assert waiting() == [("mode__exact=live&answer=mine", "1"), ("mode__exact=live", "2")]
    approval = Approval.objects.get(restaurant=restaurants[1], mode="live")
    lead.memberships.filter(restaurant=restaurants[1]).update(role=Role.ADMIN)
    assert [count for _, count in waiting()] == ["2", "2"]
    assert approval.maker is not None
    with transaction.atomic():
        withdraw(approval_id=approval.pk, person=approval.maker, answer="Not any more.")
    assert [count for _, count in waiting()] == ["1", "1"]


def test_real_money_comes_first(boss: Client) -> None:
    for asked in ({}, {"mode": "live"}, {"mode": "nonsense"}):
        assert all("mode__exact=live" in address for address, _ in figures_of(page_of(boss, **asked)))
    assert all("mode__exact=test" in address for address, _ in figures_of(page_of(boss, mode="test")))


def test_where_nobody_can_be_charged_yet_what_is_tried_out_comes_first(restaurants: list[Restaurant]) -> None:
    """Whatever others have: of the three each has a live account."""
    ProviderAccountFactory.create(restaurant=(new := RestaurantFactory.create()), provider="a", mode=Mode.TEST)
    client = desk_of(staff(new, Role.FINANCE))

    assert '<a href="?mode=test" aria-current="page">Test</a>' in page_of(client)
    assert '<a href="?mode=live" aria-current="page">Live</a>' in page_of(client, mode="live")
    ProviderAccountFactory.create(restaurant=new, provider="a", mode=Mode.LIVE)
    assert '<a href="?mode=live" aria-current="page">Live</a>' in page_of(client)


def test_only_the_own_restaurants_are_counted(restaurants: list[Restaurant]) -> None:
    page = page_of(desk_of(staff(restaurants[1], Role.FINANCE)))

    assert restaurants[1].name in page
    assert restaurants[0].name not in page
    assert "₹" not in page
    assert "$" in page


@pytest.mark.parametrize("role", [Role.WAITER, None])
def test_whoever_may_see_nothing_is_told_whom_to_ask(db: None, role: Role | None) -> None:
    person = staff(RestaurantFactory.create(), role) if role else UserFactory.create()

    page = page_of(desk_of(person))

    assert "Ask whoever manages people here for a role" in page
    assert "Needs a person" not in page


def test_without_a_restaurant_there_is_one_thing_to_do(db: None) -> None:
    assert "Add the first one" in page_of(desk_of(UserFactory.create(is_superuser=True)))


def test_nothing_is_said_in_words(db: None) -> None:
    page = page_of(desk_of(staff(RestaurantFactory.create(), Role.FINANCE)))

    for sentence in (
        *("Nothing needs a person.", "Nothing is in doubt.", "Nothing waits for your word."),
        *("No account at a provider is in use here", "No payments yet on this business day."),
        *("Nobody has paid yet today.", "Nothing failed today.", "Nothing was given back today."),
    ):
        assert sentence in page
    assert figures_of(page) == []


def test_nobody_comes_in_without_signing_in(db: None) -> None:
    answer = Client().get(TODAY)

    assert (answer.status_code, answer.headers["location"]) == (302, "/admin/login/?next=/admin/")


def test_it_costs_the_same_however_much_there_is(
    restaurants: list[Restaurant], finance: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client = desk_of(finance)
    page_of(client)  # Once a minute a session writes that somebody is there.
    with django_assert_max_num_queries(MOST_STATEMENTS):
        page_of(client)
    with CaptureQueriesContext(connection) as before:
        page_of(client)
    a_day_of(restaurants[0], Mode.LIVE)

    with CaptureQueriesContext(connection) as after:
        page_of(client)
    assert len(after) == len(before)


# --- How the providers are --------------------------------------------------------------------------------------


def light_of(page: str, place: int = 0) -> str:
    return str(re.findall(r"<li>\s*<h3>(.*?)</li>", page, re.S)[place])


def test_a_light_says_how_a_provider_does(boss: Client, restaurants: list[Restaurant]) -> None:
    outlook = Outlook(restaurants=restaurants, mode=Mode.LIVE)
    light, other = provider_lights(outlook, now=clock.now())

    assert (light.provider, other.provider) == ("a", "b")
    assert (light.lately.attempts, light.lately.went_well, light.lately.answered) == (15, 3, 12)
    assert (light.lately.percent, light.lately.p95_ms) == (25, 700)
    assert [slot.attempts for slot in light.slots[:-1]] == [0] * (SLOTS - 1)
    assert "Working" in light_of(page_of(boss))
    assert "95 of 100 took 700 ms or less." in light_of(page_of(boss))
    # A green light beside a low percentage: what was declined was answered.
    declined = re.sub("<[^>]*>", "", light_of(page_of(boss)))
    assert " ".join(declined.split()).count("9 declined: that is an answer to the guest") == 1


def test_the_strip_has_what_was_before(restaurants: list[Restaurant], time: ShiftedClock) -> None:
    time.advance(hours=1)
    (light, _) = provider_lights(Outlook(restaurants=restaurants, mode=Mode.LIVE), now=clock.now())

    assert light.lately.attempts == 0
    assert light.lately.percent is None
    assert sum(slot.attempts for slot in light.slots) == 15


def test_a_circuit_that_opened_is_seen(boss: Client) -> None:
    (account, *_) = ProviderAccount.objects.filter(provider="a", mode=Mode.LIVE)
    providers.circuits_of(account)[Operation.CHARGE].trip()

    light = light_of(page_of(boss))

    assert '<span class="state state-bad">Resting: it failed too often</span>' in light
    assert "Refunds: working; look-ups: working; cancellations: working." in light


def test_an_operator_s_word_is_the_light_s(boss: Client) -> None:
    for state, words in (("open", "Stopped by a person"), ("closed", "Asked, because a person says so")):
        word = {"provider": "a", "operation": "charge", "state": state, "reason": "maintenance", "actor_id": "1"}
        BreakerOverride.objects.create(mode=Mode.LIVE, expires_at=clock.now() + timedelta(hours=1), **word)

        assert words in light_of(page_of(boss))
        assert words not in light_of(page_of(boss), 1)
        assert words not in page_of(boss, mode="test")


def test_without_redis_the_light_is_not_known_and_the_page_is_there(
    boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = BreakerBoard(redis_url="redis://127.0.0.1:1/0")
    monkeypatch.setattr(providers, "_board", lambda: board)

    page = page_of(boss)

    assert page.count("Not known: Redis gives no answer") == 2
    assert "Needs a person" in page


@pytest.mark.parametrize(("zones", "written"), [(["Asia/Kolkata"], "IST"), (["Asia/Kolkata", "Asia/Dubai"], "UTC")])
def test_the_interval_of_a_figure_is_by_the_clock_of_the_rows(
    restaurants: list[Restaurant], zones: list[str], written: str
) -> None:
    person = staff(restaurants[0], Role.FINANCE)
    for restaurant, zone in zip(restaurants, zones, strict=False):
        Restaurant.objects.filter(pk=restaurant.pk).update(time_zone=zone)
        Membership.objects.update_or_create(user=person, restaurant=restaurant, defaults={"role": Role.FINANCE})
    began = "2026-11-27T10:38:08+00:00/2026-11-27T20:53:08+00:00"

    page = desk_of(person).get("/admin/payments/attempt/", {"began": began}).content.decode()

    kolkata = "Began: 27 Nov 16:08:08 – 28 Nov 02:23:08 IST"
    assert (kolkata if written == "IST" else "Began: 27 Nov 10:38:08 – 20:53:08 UTC") in page


def test_a_moment_that_no_clock_on_a_wall_shows_is_no_filter(restaurants: list[Restaurant]) -> None:
    """East of Greenwich it is past the last year there is."""
    desk = desk_of(staff(restaurants[0], Role.FINANCE))

    answer = desk.get("/admin/payments/attempt/", {"began": "2026-11-27T10:00+00:00/9999-12-31T23:59+00:00"})

    assert answer.headers["location"].endswith("?e=1")
