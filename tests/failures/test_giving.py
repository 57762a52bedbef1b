"""A case is given to a colleague: to one who works there, by one who works there, and everybody sees it."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Restaurant, Role, User
from events.models import AuditEntry
from failures.models import Case, CaseStatus
from failures.services.working import assign_case, dismiss_case
from payments.models import Payment
from payments.services.facts import PaymentEvent
from tests.factories import RestaurantFactory, UserFactory, staff
from tests.failures.test_desk import MOST_QUERIES, desk_of, page_of, press
from tests.failures.test_services import REASON, happened

pytestmark = pytest.mark.django_db
NOTE = "She knows the guest."


@pytest.fixture
def finance(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


@pytest.fixture
def colleague(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE_LEAD)


@pytest.fixture
def desk(finance: User) -> Client:
    return desk_of(finance)


@pytest.fixture
def case(payment: Payment) -> Case:
    happened(PaymentEvent.CONTRADICTED, payment)
    return Case.objects.get()


def giving(case: Case) -> str:
    return reverse("admin:failures_case_give", args=[case.pk])


def text_of(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def offered(client: Client, case: Case) -> list[str]:
    return re.findall(r'<option value="([0-9a-f-]{36})"', text_of(client.get(giving(case))))


def test_the_page_of_a_case_leads_there(desk: Client, case: Case, colleague: User) -> None:
    assert f'href="{giving(case)}"' in text_of(desk.get(page_of(case)))

    page = text_of(desk.get(giving(case)))

    assert f"{colleague.username}, finance lead: has no case" in page
    assert "Nobody has it now." in page


def test_who_works_there_is_offered_the_idlest_first(restaurant: Restaurant, desk: Client, case: Case) -> None:
    busy, idle = staff(restaurant, Role.ADMIN), staff(restaurant, Role.FINANCE)
    assign_case(case_id=case.pk, person=busy)
    for role in (Role.WAITER, Role.AUDITOR, Role.CUSTOMER):
        staff(restaurant, role)
    staff(RestaurantFactory.create(), Role.FINANCE)
    gone = staff(restaurant, Role.FINANCE)
    gone.is_active = False
    gone.save()
    other = Case.objects.get()

    assert offered(desk, other) == [str(idle.pk)]  # Neither oneself nor whoever has it.
    assign_case(case_id=case.pk, person=idle)
    assert offered(desk, other) == [str(busy.pk)]


def test_nobody_is_chosen_by_not_choosing(desk: Client, case: Case, colleague: User) -> None:
    text = text_of(desk.get(giving(case)))

    assert '<option value="" selected>Choose somebody</option>' in " ".join(text.split())
    assert press(desk, case, "give", to="", reason=NOTE).status_code == 400
    assert Case.objects.get().owner is None


def test_it_is_given_once_and_everybody_sees_by_whom_and_why(
    desk: Client, case: Case, finance: User, colleague: User
) -> None:
    answer = press(desk, case, "give", to=str(colleague.pk), reason=NOTE)

    assert (answer.status_code, answer["Location"]) == (302, page_of(case))
    now = Case.objects.get()
    assert (now.owner, now.status) == (colleague, CaseStatus.ASSIGNED)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor_id, entry.reason) == ("assign", str(finance.pk), NOTE)
    assert (entry.before["case"]["owner"], entry.after["case"]["owner"]) == (None, str(colleague.pk))
    page = text_of(desk.get(page_of(case)))
    assert f"{colleague.username} has it now." in page
    assert f"Gave the case to {colleague.username}." in page
    assert NOTE in page


def test_a_note_may_stay_away(desk: Client, case: Case, colleague: User) -> None:
    press(desk, case, "give", to=str(colleague.pk))

    page = text_of(desk.get(page_of(case)))
    assert f"Gave the case to {colleague.username}." in page
    assert "Given to a colleague." not in page


def test_pressed_twice_is_pressed_once(desk: Client, case: Case, colleague: User) -> None:
    seen = {"version": case.version, "press": str(uuid4())}

    answers = [press(desk, case, "give", to=str(colleague.pk), **seen) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [302, 409]
    assert AuditEntry.objects.count() == 1


@pytest.mark.parametrize("whose", ["a waiter's", "an auditor's", "a stranger's", "nobody's", "one who left"])
def test_a_forged_id_gives_it_to_nobody(restaurant: Restaurant, desk: Client, case: Case, whose: str) -> None:
    left = staff(restaurant, Role.FINANCE)
    left.is_active = False
    left.save()
    key = {
        "a waiter's": staff(restaurant, Role.WAITER).pk,
        "an auditor's": staff(restaurant, Role.AUDITOR).pk,
        "a stranger's": staff(RestaurantFactory.create(), Role.ADMIN).pk,
        "nobody's": uuid4(),
        "one who left": left.pk,
    }[whose]

    answer = press(desk, case, "give", to=str(key), reason=NOTE)

    assert answer.status_code == 409
    assert NOTE in text_of(answer)  # Nothing typed is lost.
    _nothing_happened(case)


@pytest.mark.parametrize("said", [{}, {"to": "me"}, {"to": ""}])
def test_what_is_no_id_is_refused(desk: Client, case: Case, said: dict[str, str]) -> None:
    assert press(desk, case, "give", **said).status_code == 400
    _nothing_happened(case)


def test_on_an_old_page_it_is_given_to_nobody_and_nothing_typed_is_lost(
    desk: Client, case: Case, colleague: User
) -> None:
    assign_case(case_id=case.pk, person=colleague)

    answer = press(desk, case, "give", to=str(colleague.pk), reason=NOTE, version=case.version)

    text = text_of(answer)
    assert answer.status_code == 409
    assert f"Something happened to this case since you opened it: {colleague.username} took it, " in text
    assert f"You had written:</strong> {NOTE}" in text


def test_a_note_is_no_place_for_a_card_number(desk: Client, case: Case, colleague: User) -> None:
    answer = press(desk, case, "give", to=str(colleague.pk), reason="Card 4111 1111 1111 1111")

    assert "This looks like a card number" in text_of(answer)
    _nothing_happened(case)


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.WAITER, None])
def test_who_does_not_work_there_gives_nothing(
    restaurant: Restaurant, case: Case, colleague: User, role: Role | None
) -> None:
    person = staff(restaurant, role) if role else UserFactory.create(is_superuser=True)
    looking = desk_of(person)

    answer = press(looking, case, "give", to=str(colleague.pk))

    assert answer.status_code in {404, 409}
    _nothing_happened(case)
    if role is not Role.WAITER:
        page = text_of(looking.get(giving(case)))
        assert "Only finance staff of this restaurant give its cases to somebody." in page
        assert colleague.username not in page


def test_nobody_of_another_restaurant_or_from_another_site_does(case: Case, finance: User, colleague: User) -> None:
    stranger = desk_of(staff(RestaurantFactory.create(), Role.ADMIN))
    victim = Client(enforce_csrf_checks=True)
    victim.force_login(finance)

    assert stranger.get(giving(case)).status_code == 404
    assert press(stranger, case, "give", to=str(colleague.pk)).status_code == 404
    assert press(victim, case, "give", to=str(colleague.pk)).status_code == 403
    _nothing_happened(case)


def test_what_has_ended_is_given_to_nobody(desk: Client, case: Case, finance: User, colleague: User) -> None:
    dismiss_case(case_id=case.pk, person=finance, reason=REASON)

    assert giving(case) not in text_of(desk.get(page_of(case)))
    assert "This case has ended." in text_of(desk.get(giving(case)))
    assert press(desk, case, "give", to=str(colleague.pk)).status_code == 409


def test_where_nobody_else_works_it_says_so(desk: Client, case: Case) -> None:
    assert "Nobody else works on cases here." in text_of(desk.get(giving(case)))


def test_the_page_stays_cheap_however_many_work_there(
    restaurant: Restaurant, desk: Client, case: Case, django_assert_max_num_queries: Any
) -> None:
    for _ in range(8):
        staff(restaurant, Role.FINANCE)
    desk.get(giving(case))

    with django_assert_max_num_queries(MOST_QUERIES):
        desk.get(giving(case))


def _nothing_happened(case: Case) -> None:
    now = Case.objects.get()
    assert (now.owner, now.status, now.version) == (None, case.status, case.version)
    assert not AuditEntry.objects.exists()
