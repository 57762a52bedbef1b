"""Many cases at once over HTTP: ticked in the queue, looked at as a plan, started, and shown to whoever may see it."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from accounts.models import Membership, Restaurant, Role, User
from events.models import AuditEntry
from failures.bulk.running import work_on_bulk
from failures.bulk.steering import stop_bulk
from failures.models import BulkAction, BulkRun, BulkStatus, BulkStep, Case
from failures.services.working import dismiss_case
from tests.accounts.signing_in import signed_in, text_of
from tests.factories import RestaurantFactory, UserFactory, routed, staff
from tests.factors import with_factor
from tests.failures.bulking import begun, contradicted, doubtful, exhausted, plan
from tests.failures.test_desk import MOST_QUERIES, QUEUE, desk_of, page_of
from tests.failures.test_services import REASON
from tests.time_machine import ShiftedClock

pytestmark = pytest.mark.django_db
BULK = f"{QUEUE}bulk/"
LIST = "/admin/failures/bulkrun/"


@pytest.fixture
def finance(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


@pytest.fixture
def desk(finance: User) -> Client:
    return desk_of(finance)


@pytest.fixture
def cases(restaurant: Restaurant) -> list[Case]:
    return [contradicted(restaurant) for _ in range(3)]


def choose(client: Client, *cases: Case, action: str = BulkAction.TAKE, query: str = "", **said: Any) -> Any:
    return client.post(BULK + query, {"case": [str(case.pk) for case in cases], "action": action, **said})


def own_page(run: BulkRun) -> str:
    return reverse("admin:failures_bulkrun_change", args=[run.pk])


def press(client: Client, run: BulkRun, verb: str, **said: Any) -> Any:
    return client.post(reverse("admin:failures_bulkrun_do", args=[run.pk, verb]), said)


def shown(client: Client, run: BulkRun, query: str = "") -> str:
    """Without the frame."""
    text: str = client.get(own_page(run) + query).content.decode()
    return text[text.index('class="desk-run"') : text.index("</section>", text.index('id="desk-run-cases"'))]


def planned_cases() -> list[Case]:
    return [step.case for step in BulkStep.objects.select_related("case").order_by("position")]


class TestForging:
    def test_what_one_does_not_see_is_answered_like_what_is_not_there(
        self, restaurant: Restaurant, desk: Client, cases: list[Case]
    ) -> None:
        elsewhere = RestaurantFactory.create()
        routed(elsewhere, "a")
        theirs = contradicted(elsewhere)

        answers = [desk.post(BULK, {"case": [each], "action": "take"}) for each in (theirs.pk, uuid4(), "1; DROP")]
        choose(desk, theirs, cases[0])

        assert {(answer.status_code, answer["Location"]) for answer in answers} == {(302, "../?")}
        assert planned_cases() == [cases[0]]
        assert str(theirs.pk) not in shown(desk, BulkRun.objects.get())

    @pytest.mark.parametrize("role", [Role.WAITER, Role.AUDITOR])
    def test_a_press_of_somebody_who_may_not_starts_nothing(
        self, restaurant: Restaurant, cases: list[Case], role: Role
    ) -> None:
        choose(client := desk_of(staff(restaurant, role)), *cases)

        for run in BulkRun.objects.all():
            assert press(client, run, "start").status_code == 409
        assert work_on_bulk() == 0
        assert not Case.objects.exclude(owner=None).exists()

    def test_a_press_from_another_site_does_nothing(self, finance: User, cases: list[Case]) -> None:
        desk_of(finance)
        victim = Client(enforce_csrf_checks=True)
        victim.force_login(finance, backend="accounts.backends.PersonBackend")
        run = plan(BulkAction.TAKE, finance, cases)

        assert choose(victim, *cases).status_code == 403
        assert press(victim, run, "start").status_code == 403
        assert BulkRun.objects.get().status == BulkStatus.PLANNED


class TestAPlan:
    def test_says_what_it_would_do_what_not_and_how_much_it_is_about(
        self, restaurant: Restaurant, desk: Client, finance: User, cases: list[Case]
    ) -> None:
        dismiss_case(case_id=cases[1].pk, person=finance, reason="The bank called.")

        text = shown(desk, plan(BulkAction.DISMISS, finance, cases))

        assert "2 will be closed. 1 is skipped: 1 has ended already." in text
        assert "This moves no money." in text
        assert "This case has ended already: " in text
        assert "The bank called." in text
        assert '<b class="console-count">2</b> <span class="amount">₹1,680.00</span>' in text
        assert "Start with 2" in text
        assert all(page_of(case) in text for case in cases)

    def test_that_moves_money_says_so(self, restaurant: Restaurant, desk: Client, finance: User) -> None:
        text = shown(desk, plan(BulkAction.RETRY, finance, [exhausted(restaurant)]))

        assert "<strong>This moves money.</strong>" in text

    def test_speaks_of_kinds_in_a_persons_words(self, desk: Client, finance: User, cases: list[Case]) -> None:
        text = shown(desk, plan(BulkAction.RETRY, finance, cases))

        assert "3 are of kinds for which there is no such step" in text
        assert text.count("This cannot be done to a case of this kind.") == 3

    @pytest.mark.parametrize(
        ("action", "asked"),
        [
            (BulkAction.TAKE, set()),
            (BulkAction.GIVE_BACK, {"reason"}),
            (BulkAction.SNOOZE, {"reason", "minutes"}),
            (BulkAction.RESOLVE, {"reason"}),
            (BulkAction.DISMISS, {"reason"}),
        ],
    )
    def test_asks_what_its_action_needs(
        self, restaurant: Restaurant, desk: Client, finance: User, action: BulkAction, asked: set[str]
    ) -> None:
        cases = [contradicted(restaurant)]
        if action == BulkAction.GIVE_BACK:
            begun(BulkAction.TAKE, finance, cases)
            work_on_bulk()

        text = shown(desk, plan(action, finance, [Case.objects.get()]))

        names = set(re.findall(r'<(?:input|select)[^>]* name="(\w+)"', text)) - {"csrfmiddlewaretoken"}
        assert names == asked

    def test_starts_and_a_second_press_finds_it_started(self, desk: Client, finance: User, cases: list[Case]) -> None:
        run = plan(BulkAction.DISMISS, finance, cases)

        answers = [press(desk, run, "start", reason=REASON) for _ in range(2)]

        assert {(answer.status_code, answer["Location"]) for answer in answers} == {(302, own_page(run))}
        assert "3 are left." in shown(desk, run)
        assert work_on_bulk() == 3
        assert "3 were closed." in shown(desk, run)
        assert AuditEntry.objects.filter(action="dismiss").count() == 3

    def test_loses_nothing_that_was_typed(self, desk: Client, finance: User, cases: list[Case]) -> None:
        run = plan(BulkAction.SNOOZE, finance, cases)

        short = press(desk, run, "start", reason="ok", minutes="240")
        missing = press(desk, run, "start", reason="", minutes="240")

        assert (short.status_code, missing.status_code) == (409, 400)
        assert "Say in a few words why" in short.content.decode()
        assert 'value="ok"' in short.content.decode()
        assert '<option value="240" selected>' in missing.content.decode()
        assert BulkRun.objects.get().status == BulkStatus.PLANNED

    def test_is_stopped_gone_on_with_and_given_up_by_its_buttons(
        self, desk: Client, finance: User, cases: list[Case]
    ) -> None:
        run = begun(BulkAction.TAKE, finance, cases)

        for verb, status, buttons in (
            ("stop", BulkStatus.STOPPED, {"Go on", "Give up the rest"}),
            ("go-on", BulkStatus.RUNNING, {"Stop"}),
            ("stop", BulkStatus.STOPPED, {"Go on", "Give up the rest"}),
            ("give-up", BulkStatus.GIVEN_UP, set()),
        ):
            assert press(desk, run, verb).status_code == 302
            assert BulkRun.objects.get().status == status
            assert set(re.findall(r"<button[^>]*>([^<]+)</button>", shown(desk, run))) == buttons
        assert "3 were given up." in shown(desk, run)

    def test_shows_what_was_refused_first_and_the_rest_on_further_pages(
        self, desk: Client, finance: User, cases: list[Case], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("failures.admin.bulk_page.ROWS_PER_PAGE", 2)
        run = begun(BulkAction.TAKE, finance, cases)
        dismiss_case(case_id=cases[2].pk, person=finance, reason=REASON)
        work_on_bulk()

        first, second = shown(desk, run), shown(desk, run, "?p=2")

        assert first.index(page_of(cases[2])) < first.index(page_of(cases[0]))
        assert page_of(cases[1]) not in first
        assert page_of(cases[1]) in second

    def test_has_no_other_buttons(self, desk: Client, finance: User, cases: list[Case]) -> None:
        run = plan(BulkAction.TAKE, finance, cases)

        assert press(desk, run, "delete").status_code == 404
        assert desk.get(reverse("admin:failures_bulkrun_do", args=[run.pk, "start"])).status_code == 302
        assert desk.post(own_page(run)).status_code == 403
        assert BulkRun.objects.get().status == BulkStatus.PLANNED


class TestWhoSeesIt:
    @pytest.mark.parametrize(
        ("role", "status"),
        [(Role.ADMIN, 200), (Role.AUDITOR, 200), (Role.FINANCE_LEAD, 200), (Role.FINANCE, 404)],
    )
    def test_beside_its_person_whoever_oversees_the_restaurant_and_steers_nothing(
        self, restaurant: Restaurant, finance: User, cases: list[Case], role: Role, status: int
    ) -> None:
        run = plan(BulkAction.TAKE, finance, cases)
        client = desk_of(staff(restaurant, role))

        assert client.get(own_page(run)).status_code == status
        assert (own_page(run) in client.get(LIST).content.decode()) == (status == 200)
        for verb in ("start", "stop", "go-on", "give-up"):
            assert press(client, run, verb).status_code == {200: 409, 404: 404}[status]
        if status == 200:
            assert "<button" not in shown(client, run)
        assert BulkRun.objects.get().status == BulkStatus.PLANNED

    def test_nobody_of_another_restaurant(self, finance: User, cases: list[Case]) -> None:
        run = plan(BulkAction.TAKE, finance, cases)
        stranger = desk_of(staff(RestaurantFactory.create(), Role.ADMIN))

        assert stranger.get(own_page(run)).status_code == 404
        assert own_page(run) not in stranger.get(LIST).content.decode()

    def test_a_superuser_looks_and_has_no_boxes(self, restaurant: Restaurant, finance: User, cases: list[Case]) -> None:
        run = plan(BulkAction.TAKE, finance, cases)
        boss = Client()
        boss.force_login(UserFactory.create(is_staff=True, is_superuser=True))

        assert boss.get(own_page(run)).status_code == 200
        assert press(boss, run, "start").status_code == 409
        assert "desk-bulk" not in boss.get(QUEUE).content.decode()

    def test_who_lost_the_role_sees_it_no_more(self, desk: Client, finance: User, cases: list[Case]) -> None:
        run = plan(BulkAction.TAKE, finance, cases)
        Membership.objects.update(role=Role.WAITER)

        assert desk.get(own_page(run)).status_code == 404


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("action", [BulkAction.RETRY, BulkAction.DISMISS, BulkAction.RESOLVE])
def test_what_is_about_money_asks_for_a_code_first_and_keeps_what_was_typed(
    restaurant: Restaurant, finance: User, time: ShiftedClock, action: BulkAction
) -> None:
    finance.is_staff = True
    finance.set_password("correct horse battery")
    finance.save()
    phone = with_factor(finance)
    browser = signed_in(finance, phone)
    case = exhausted(restaurant) if action == BulkAction.RETRY else contradicted(restaurant)
    run = plan(action, finance, [case])
    time.advance(minutes=11)
    said = {"reason": REASON}

    asked = press(browser, run, "start", **said)

    assert f'name="reason" value="{REASON}"' in text_of(asked)
    assert BulkRun.objects.get().status == BulkStatus.PLANNED
    press(browser, run, "start", **said, second_factor_code=phone.shows())
    assert BulkRun.objects.get().status == BulkStatus.RUNNING

    stop_bulk(run_id=run.pk, person=finance)
    time.advance(minutes=11)
    press(browser, run, "go-on")
    assert BulkRun.objects.get().status == BulkStatus.STOPPED


def test_the_pages_ask_the_database_a_few_questions_however_many_cases_there_are(
    restaurant: Restaurant, desk: Client, finance: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    cases = [*(contradicted(restaurant) for _ in range(4)), *(doubtful(restaurant) for _ in range(3))]
    runs = [begun(BulkAction.TAKE, finance, cases), plan(BulkAction.ASK, finance, cases)]
    work_on_bulk()

    for path in (QUEUE, f"{QUEUE}?q=840&which=all&owner=nobody", LIST, *map(own_page, runs)):
        with django_assert_max_num_queries(MOST_QUERIES):
            assert desk.get(path).status_code == 200


def test_the_list_says_how_far_each_is(desk: Client, finance: User, cases: list[Case]) -> None:
    assert "Tick cases in the failure queue" in desk.get(LIST).content.decode()
    begun(BulkAction.TAKE, finance, cases)
    dismiss_case(case_id=cases[0].pk, person=finance, reason=REASON)
    work_on_bulk()
    plan(BulkAction.ASK, finance, cases)

    page = desk.get(LIST).content.decode()

    assert "2 of 3 done, 1 refused" in page
    assert "0 of 0 done, 3 skipped" in page
