"""What a page that is still open is told when it asks by itself: to whom, how cheaply, and that nobody pressed."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django.fixtures import Settings

from accounts.console_session import BY_ITSELF
from accounts.models import Restaurant, Role, User
from failures.admin.open_pages import MOST_TOLD
from failures.models import Case, CaseKind
from failures.presence import GONE_AFTER
from failures.services.papers import add_note
from failures.services.working import assign_case, resolve_case
from kernel import fleeting
from kernel.pauses import Pause
from payments.services.evidence import Finding
from payments.services.facts import PaymentEvent
from tests.factories import RestaurantFactory, UserFactory, accepted, order_of, routed, staff
from tests.failures.test_desk import QUEUE, desk_of, page_of
from tests.failures.test_services import REASON, happened
from tests.failures.world import attempted, orphan_of
from tests.kernel.test_fleeting import NOBODY_LISTENS, use
from tests.snapshots import everything, what_changed
from tests.time_machine import ShiftedClock

pytestmark = pytest.mark.django_db
LIST = "/admin/failures/case/news/"
SIGNING_IN = 3  # The session, the person, and their roles.
IS_ASKING = {BY_ITSELF: "1"}


@pytest.fixture
def asha(restaurant: Restaurant) -> User:
    return _named("asha", restaurant, Role.FINANCE)


@pytest.fixture
def meera(restaurant: Restaurant) -> User:
    return _named("meera", restaurant, Role.FINANCE_LEAD)


@pytest.fixture
def case(restaurant: Restaurant) -> Case:
    return _opened(restaurant)


def _named(name: str, restaurant: Restaurant, role: Role) -> User:
    person = staff(restaurant, role)
    person.username = name
    person.save()
    return person


def _opened(restaurant: Restaurant) -> Case:
    happened(PaymentEvent.CONTRADICTED, accepted(order_of(restaurant)))
    return Case.objects.latest("id")


def news_of(case: Case) -> str:
    return reverse("admin:failures_case_news", args=[case.pk])


def ask(client: Client, address: str, said: dict[str, str] | None = None) -> Any:
    return client.post(address, said or {}, headers=IS_ASKING)


def on_page(client: Client, address: str) -> dict[str, str]:
    """What the page that is opened now will ask with."""
    asks = client.get(address).context["asks"]
    return {name: values[0] for name, values in parse_qs(asks["said"]).items()}


def told(client: Client, case: Case, said: dict[str, str]) -> dict[str, str]:
    answer: dict[str, str] = ask(client, news_of(case), said).json()
    return answer


def listed(client: Client, said: dict[str, str], asked: str = "") -> str:
    return str(ask(client, f"{LIST}{asked}", said).json()["changed"])


# --- Who else is there ------------------------------------------------------------------------------------------------


def test_two_who_have_a_case_open_see_each_other_until_one_is_gone(
    case: Case, asha: User, meera: User, time: ShiftedClock
) -> None:
    first, second = desk_of(asha), desk_of(meera)
    said = on_page(first, page_of(case))

    page = second.get(page_of(case)).content.decode()

    assert '<p id="desk-others" class="console-others" role="status">asha has this page open, since ' in page
    assert told(first, case, said)["others"].startswith("meera has this page open, since ")
    time.advance(seconds=GONE_AFTER.total_seconds())
    assert told(first, case, said)["others"] == ""


def test_it_is_known_from_the_opening_alone_and_not_of_ones_other_pages(case: Case, asha: User) -> None:
    desk_of(asha).get(page_of(case))

    page = desk_of(asha).get(page_of(case)).content.decode()

    assert '<p id="desk-others" class="console-others" role="status"></p>' in page


def test_an_auditor_hears_and_is_not_told_of(case: Case, asha: User, restaurant: Restaurant) -> None:
    desk, auditor = desk_of(asha), desk_of(_named("audit", restaurant, Role.AUDITOR))
    desk.get(page_of(case))

    assert "asha has this page open" in auditor.get(page_of(case)).content.decode()
    assert told(auditor, case, {})["others"].startswith("asha has this page open")
    assert told(desk, case, {})["others"] == ""


def test_without_a_cache_a_page_is_as_it_was(
    case: Case, asha: User, meera: User, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleeting, "_pause", Pause(seconds=fleeting.PAUSE_SECONDS))
    use(settings, NOBODY_LISTENS)
    desk_of(asha).get(page_of(case))
    desk = desk_of(meera)

    assert "has this page open" not in desk.get(page_of(case)).content.decode()
    assert told(desk, case, {}) == {"others": "", "changed": ""}


# --- Whether the case has changed -------------------------------------------------------------------------------------


def test_a_page_is_told_who_did_what_since_it_was_opened(case: Case, asha: User, meera: User) -> None:
    desk = desk_of(asha)
    said = on_page(desk, page_of(case))
    assert told(desk, case, said)["changed"] == ""

    assign_case(case_id=case.pk, person=meera)
    assert told(desk, case, said)["changed"] == "This case has changed since you opened it: meera took it."

    resolve_case(case_id=case.pk, person=meera, reason=REASON)
    add_note(case_id=case.pk, person=asha, text="The guest called.")
    assert told(desk, case, said)["changed"] == "This case has changed since you opened it: meera closed it."
    assert told(desk, case, on_page(desk, page_of(case)))["changed"] == ""


def test_what_one_did_in_another_tab_is_ones_own(case: Case, asha: User) -> None:
    desk = desk_of(asha)
    said = on_page(desk, page_of(case))
    add_note(case_id=case.pk, person=asha, text="The guest called.")

    assert told(desk, case, said)["changed"] == "This case has changed since you opened it: you wrote a note."


def test_what_happened_to_its_payment_alone_is_told_too(restaurant: Restaurant, asha: User) -> None:
    attempted(order_of(restaurant), Finding.SUCCEEDED, minor=90_000)
    case = Case.objects.get(kind=CaseKind.AMOUNT_MISMATCH)
    desk = desk_of(asha)
    said = on_page(desk, page_of(case))
    assert case.payment is not None

    happened(PaymentEvent.STARTED, case.payment)

    assert told(desk, case, said)["changed"] == "Its payment has changed since you opened this case."


def test_a_case_without_a_payment_is_asked_about_as_well(restaurant: Restaurant, asha: User) -> None:
    case, desk = orphan_of(restaurant), desk_of(asha)
    said = on_page(desk, page_of(case))
    assign_case(case_id=case.pk, person=asha)

    assert told(desk, case, said)["changed"] == "This case has changed since you opened it: you took it."


@pytest.mark.parametrize("said", [{}, {"version": "first"}, {"version": "9" * 40}, {"version": "-1", "payment": "\0"}])
def test_whoever_says_nothing_that_can_be_read_is_told_nothing(case: Case, asha: User, said: dict[str, str]) -> None:
    assign_case(case_id=case.pk, person=asha)

    assert told(desk_of(asha), case, said)["changed"] == ""


# --- The queue --------------------------------------------------------------------------------------------------------


def test_a_list_is_told_what_came_in_and_what_changed(
    case: Case, restaurant: Restaurant, asha: User, meera: User
) -> None:
    desk = desk_of(asha)
    said = on_page(desk, QUEUE)
    assert listed(desk, said) == ""

    _opened(restaurant)
    assert listed(desk, said) == "1 case came in since."
    routed(other := RestaurantFactory.create(), "a")
    _opened(other)  # Not of this desk.
    _opened(restaurant)
    assert listed(desk, said) == "2 cases came in since."
    assign_case(case_id=case.pk, person=meera)
    assert listed(desk, said) == "2 cases came in since, and 1 case of this list has changed."
    assert listed(desk, said, "?which=mine") == "1 case of this list has changed."
    assert listed(desk, on_page(desk, QUEUE)) == ""


@pytest.mark.parametrize(
    ("asked", "came"),
    [
        ("?kind__exact=contradiction&mode__exact=test&p=2&o=1", True),
        ("?which=all", True),
        ("?which=free", True),
        ("?kind__exact=in_doubt", False),
        ("?mode__exact=live", False),
        ("?which=ended", False),
        ("?which=put_off", False),
        ("?q=840", False),
        ("?owner=me", False),
        ("?kind__exact=nonsense", False),
        ("?restaurant=nonsense", False),
    ],
)
def test_a_new_case_is_told_of_where_the_address_says_that_it_is_in_the_list(
    restaurant: Restaurant, asha: User, asked: str, came: bool
) -> None:
    desk = desk_of(asha)
    said = on_page(desk, QUEUE)
    _opened(restaurant)

    assert listed(desk, said, asked) == ("1 case came in since." if came else "")


def test_a_list_of_one_restaurant_hears_of_that_one(restaurant: Restaurant, asha: User) -> None:
    other = RestaurantFactory.create()
    asha.memberships.create(restaurant=other, role=Role.FINANCE)
    desk = desk_of(asha)
    said = on_page(desk, QUEUE)
    _opened(restaurant)

    assert listed(desk, said, f"?restaurant={restaurant.pk}") == "1 case came in since."
    assert listed(desk, said, f"?restaurant={other.pk}") == ""


@pytest.mark.parametrize("said", [{}, {"since": "yesterday"}, {"since": "0"}, {"rows": "a b:c d:1 \0"}])
def test_a_list_that_says_nonsense_breaks_nothing(case: Case, asha: User, said: dict[str, str]) -> None:
    assert ask(desk_of(asha), LIST, said).status_code == HTTPStatus.OK


def test_more_than_a_hundred_are_not_counted(
    restaurant: Restaurant, asha: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("failures.admin.open_pages.MOST_TOLD", 1)
    desk = desk_of(asha)
    said = on_page(desk, QUEUE)
    _opened(restaurant), _opened(restaurant), _opened(restaurant)

    assert listed(desk, said) == "More than 1 cases came in since."
    assert MOST_TOLD == 100


# --- Today ------------------------------------------------------------------------------------------------------------


def test_today_is_looked_at_without_its_frame(case: Case, asha: User) -> None:
    desk = desk_of(asha)
    whole = desk.get("/admin/?mode=test").content.decode()

    parts = desk.get("/admin/?mode=test", headers=IS_ASKING).content.decode()

    assert "console-group" in whole
    assert "console-group" not in parts
    assert parts.count(" data-news") == whole.count(" data-news") == 9
    assert "Needs a person" in parts


def test_today_of_whoever_sees_nothing_any_more_is_not_there(restaurant: Restaurant, asha: User) -> None:
    desk = desk_of(asha)
    asha.memberships.all().delete()

    assert desk.get("/admin/", headers=IS_ASKING).status_code == HTTPStatus.NOT_FOUND


def test_what_another_page_is_to_say_is_not_read_by_a_look(case: Case, asha: User) -> None:
    desk = desk_of(asha)
    desk.post(reverse("admin:failures_case_next"))

    desk.get("/admin/?mode=test", headers=IS_ASKING)
    desk.post(reverse("admin:failures_case_next"))

    assert "There is no case that nobody has." in desk.get(QUEUE).content.decode()


# --- To whom, and at what price ---------------------------------------------------------------------------------------


def test_only_whoever_may_see_the_case_is_told_anything(case: Case, asha: User, restaurant: Restaurant) -> None:
    desk_of(asha).get(page_of(case))
    before = everything()

    answers = {
        "an auditor": ask(desk_of(staff(restaurant, Role.AUDITOR)), news_of(case)),
        "next door": ask(desk_of(staff(RestaurantFactory.create(), Role.ADMIN)), news_of(case)),
        "a waiter": ask(desk_of(staff(restaurant, Role.WAITER)), news_of(case)),
        "nobody": ask(Client(), news_of(case)),
        "a superuser": ask(desk_of(UserFactory.create(is_superuser=True)), news_of(case)),
    }

    assert {who: answer.status_code for who, answer in answers.items()} == {
        "an auditor": 200,
        "next door": 404,
        "a waiter": 404,
        "nobody": 401,
        "a superuser": 200,
    }
    assert {name for name in what_changed(before, everything()) if name.startswith(("failures", "events"))} == set()


def test_a_list_is_nothing_to_whoever_sees_none(restaurant: Restaurant) -> None:
    assert ask(desk_of(staff(restaurant, Role.WAITER)), LIST).status_code == HTTPStatus.FORBIDDEN
    assert ask(Client(), LIST).status_code == HTTPStatus.UNAUTHORIZED


@pytest.mark.parametrize("which", ["case", "list"])
def test_neither_is_asked_from_another_site_or_by_a_link(case: Case, asha: User, which: str) -> None:
    address = news_of(case) if which == "case" else LIST
    desk_of(asha)
    victim = Client(enforce_csrf_checks=True)
    victim.force_login(asha, backend="accounts.backends.PersonBackend")

    assert ask(victim, address).status_code == HTTPStatus.FORBIDDEN
    assert victim.get(address).status_code == HTTPStatus.METHOD_NOT_ALLOWED


def statements_of(client: Client, address: str, said: dict[str, str]) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        assert ask(client, address, said).status_code == HTTPStatus.OK
    return [query["sql"] for query in queries]


def test_each_look_asks_the_database_little_and_writes_nothing(
    case: Case, restaurant: Restaurant, asha: User, meera: User
) -> None:
    desk = desk_of(asha)
    of_case, of_list = on_page(desk, page_of(case)), on_page(desk, QUEUE)
    assign_case(case_id=case.pk, person=meera)
    for _ in range(3):
        _opened(restaurant)

    quiet = statements_of(desk, news_of(case), on_page(desk, page_of(case)))
    changed = statements_of(desk, news_of(case), of_case)
    looks = statements_of(desk, LIST, of_list)

    assert len(quiet) == SIGNING_IN + 1
    assert len(changed) == SIGNING_IN + 2
    assert len(looks) == SIGNING_IN + 2
    assert {sql.split()[0] for sql in (*quiet, *changed, *looks)} == {"SELECT"}


def test_a_page_that_is_open_keeps_nobody_signed_in(case: Case, asha: User, time: ShiftedClock) -> None:
    desk = desk_of(asha)
    said = on_page(desk, page_of(case))
    for _ in range(3):
        time.advance(minutes=10)
        assert ask(desk, news_of(case), said).status_code == HTTPStatus.OK
    time.advance(minutes=2)

    answer = ask(desk, news_of(case), said)

    assert (answer.status_code, answer.json()) == (HTTPStatus.UNAUTHORIZED, {"signed_out": True})
    assert not Session.objects.exists()
    # Why, whoever signs in again reads there; and nothing of "what you just sent", for nobody had sent anything.
    sign_in = desk.get(page_of(case), follow=True).content.decode()
    assert "because nothing was pressed here for 30 minutes." in sign_in
    assert "was not done" not in sign_in
