"""The audit in the console: of one's own restaurant, by name, to look at and to take away."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from accounts.models import Membership, Restaurant, Role, User
from accounts.searching_audit import called
from accounts.services import exporting_audit
from accounts.services.editing_people import save_person, sign_out_everywhere
from accounts.services.keys import issue_api_key
from accounts.services.roles import save_role
from events.actors import Actor
from events.audit import verdicts
from events.audit_files import read_file
from events.models import AuditEntry
from failures.models import Case
from failures.services.working import assign_case
from kernel.modes import Mode
from orders.services import cancel_order
from payments.models import Payment
from payments.services.deeds import PaymentDeed, deed_of
from payments.services.facts import PaymentEvent
from tests.factories import RestaurantFactory, UserFactory, accepted, order_of, routed, staff
from tests.failures.test_searching import plan_of
from tests.failures.test_services import happened
from tests.time_machine import ShiftedClock

pytestmark = pytest.mark.django_db
LIST = "/admin/events/auditentry/"


def console_of(restaurant: Restaurant, role: Role) -> Client:
    person = staff(restaurant, role)
    person.is_staff = True
    person.save()
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def restaurant() -> Restaurant:
    return RestaurantFactory.create()


@pytest.fixture
def admin(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.ADMIN)


@pytest.fixture
def entry(restaurant: Restaurant, admin: User) -> AuditEntry:
    issue_api_key(restaurant=restaurant, mode=Mode.TEST, name="till", scopes=["orders:read"], by=Actor.user(admin))
    return AuditEntry.objects.get()


def test_an_auditor_sees_who_did_what(restaurant: Restaurant, admin: User, entry: AuditEntry) -> None:
    auditor = console_of(restaurant, Role.AUDITOR)

    listed = auditor.get(LIST).content.decode()
    page = auditor.get(reverse("admin:events_auditentry_change", args=[entry.pk])).content.decode()

    assert admin.username in listed
    assert "Issue api key" in listed
    assert "Issue api key, no. 1" in page
    assert entry.seal in page


@pytest.mark.parametrize("role", [Role.ADMIN, Role.AUDITOR])
def test_nobody_sees_another_restaurants(entry: AuditEntry, role: Role) -> None:
    stranger = console_of(RestaurantFactory.create(), role)

    assert "Issue api key" not in stranger.get(LIST).content.decode()
    assert stranger.get(reverse("admin:events_auditentry_change", args=[entry.pk])).status_code == 302


def test_what_was_done_before_a_new_name_is_told_under_the_old_one(
    restaurant: Restaurant, admin: User, entry: AuditEntry
) -> None:
    boss = UserFactory.create(is_superuser=True)
    was = admin.username
    sign_out_everywhere(person=admin, by=boss)
    for name in ("asha", "asha.rao"):
        admin.username = name
        save_person(person=admin, by=boss)
    issue_api_key(restaurant=restaurant, mode=Mode.TEST, name="bar", scopes=["orders:read"], by=Actor.user(admin))

    listed = console_of(restaurant, Role.AUDITOR).get(LIST).content.decode()

    assert re.findall(r"field-person[^>]*>\s*(.*?)\s*<", listed) == [
        "asha.rao",
        boss.username,
        boss.username,
        boss.username,
        f"{was} (now asha.rao)",
    ]
    assert re.findall(r"field-subject[^>]*>\s*<a [^>]*user[^>]*>(.*?)</a>", listed) == ["asha.rao", "asha", was]
    assert not [sentence for verdict in verdicts() for sentence in verdict.wrong]


def test_nobody_changes_it_here(restaurant: Restaurant, entry: AuditEntry) -> None:
    desk = console_of(restaurant, Role.ADMIN)
    page = reverse("admin:events_auditentry_change", args=[entry.pk])

    assert desk.post(page, {"reason": "Nobody was here."}).status_code == 403
    assert desk.post(reverse("admin:events_auditentry_delete", args=[entry.pk]), {"post": "yes"}).status_code == 403
    assert AuditEntry.objects.get().reason == ""


def test_what_changed_stands_there_line_by_line_and_people_by_name(restaurant: Restaurant, admin: User) -> None:
    boss = UserFactory.create(is_superuser=True)
    membership = Membership.objects.get(user=admin)
    membership.role = Role.FINANCE_LEAD
    save_role(membership=membership, by=boss)
    entry = AuditEntry.objects.get()

    page = console_of(restaurant, Role.AUDITOR).get(reverse("admin:events_auditentry_change", args=[entry.pk]))

    text = " ".join(page.content.decode().split())
    assert '<tr><th scope="row">role</th><td>admin</td><td>finance lead</td></tr>' in text
    assert boss.username in text


def test_what_is_about_the_people_of_a_restaurant_is_seen_there_and_nowhere_else(
    restaurant: Restaurant, admin: User
) -> None:
    boss = UserFactory.create(is_superuser=True)
    sign_out_everywhere(person=admin, by=boss)
    sign_out_everywhere(person=UserFactory.create(), by=boss)

    here = console_of(restaurant, Role.AUDITOR).get(LIST).content.decode()
    elsewhere = console_of(RestaurantFactory.create(), Role.AUDITOR).get(LIST).content.decode()

    assert here.count("field-did") == 1
    assert "field-did" not in elsewhere


def test_it_is_narrowed_by_person_by_day_and_by_deed(
    restaurant: Restaurant, admin: User, entry: AuditEntry, time: ShiftedClock
) -> None:
    other = staff(restaurant, Role.ADMIN)
    time.advance(seconds=timedelta(days=3).total_seconds())
    issue_api_key(restaurant=restaurant, mode=Mode.TEST, name="shop", scopes=[], by=Actor.user(other))
    sign_out_everywhere(person=admin, by=other)
    client = console_of(restaurant, Role.AUDITOR)

    def shown(**asked: str) -> int:
        return client.get(LIST, asked).content.decode().count("field-did")

    assert shown() == 3
    assert shown(who=str(admin.pk)) == 1
    assert shown(who=str(other.pk)) == 2
    assert shown(days="1") == 2
    assert shown(days="7") == 3
    assert shown(action="sign_out") == 1
    assert client.get(LIST, {"who": str(UserFactory.create().pk)}).status_code == 302  # Nobody who works here.


def test_it_is_found_by_the_name_of_who_did_it_and_to_whom(restaurant: Restaurant, admin: User) -> None:
    issue_api_key(restaurant=restaurant, mode=Mode.TEST, name="till", scopes=["orders:read"], by=Actor.user(admin))
    colleague = staff(restaurant, Role.WAITER)
    sign_out_everywhere(person=colleague, by=admin)
    auditor = console_of(restaurant, Role.AUDITOR)

    def rows(term: str) -> int:
        return auditor.get(LIST, {"q": term}).content.decode().count('<td class="field-person')

    assert AuditEntry.objects.count() == rows(admin.username) == 2
    assert rows(colleague.username) == 1
    assert rows("nobody-is-called-so") == 0


def test_it_costs_the_same_however_much_there_is(
    restaurant: Restaurant, admin: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client = console_of(restaurant, Role.AUDITOR)
    for number in range(12):
        issue_api_key(restaurant=restaurant, mode=Mode.TEST, name=f"till {number}", scopes=[], by=Actor.user(admin))
    client.get(LIST)

    with django_assert_max_num_queries(12):
        client.get(LIST)


class TestTakingItAway:
    def taken(self, client: Client, query: str = "") -> list[dict[str, Any]]:
        answer: Any = client.post(f"{LIST}export/{query}")
        assert answer.status_code == 200
        assert "no-store" in answer.headers["Cache-Control"]
        assert answer.headers["Content-Disposition"].endswith('.jsonl"')
        return [json.loads(line) for line in answer.getvalue().decode().splitlines()]

    def test_it_is_exactly_what_is_shown_and_it_verifies(
        self, restaurant: Restaurant, admin: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(exporting_audit, "ROWS_AT_A_TIME", 2)
        for number in range(5):
            issue_api_key(restaurant=restaurant, mode=Mode.TEST, name=f"{number}", scopes=[], by=Actor.user(admin))
        sign_out_everywhere(person=admin, by=admin)
        client = console_of(restaurant, Role.AUDITOR)

        everything = self.taken(client)
        narrowed = self.taken(client, "?action=issue_api_key")

        assert [line["number"] for line in everything] == [1, 5, 4, 3, 2, 1]  # The newest first, as they stand there.
        assert {line["action"] for line in narrowed} == {"issue_api_key"}
        assert not read_file(map(json.dumps, everything)).wrong
        assert not read_file(map(json.dumps, narrowed)).wrong

    @pytest.mark.parametrize("role", list(Role))
    def test_who_checks_others_takes_it_and_nobody_else(
        self, restaurant: Restaurant, entry: AuditEntry, role: Role
    ) -> None:
        client = console_of(restaurant, role)
        may = role in {Role.FINANCE_LEAD, Role.ADMIN, Role.AUDITOR}
        person = Membership.objects.filter(role=role).latest("id").user

        answer = client.post(f"{LIST}export/")

        assert answer.status_code == (200 if may else 403)
        if role in {Role.FINANCE, Role.FINANCE_LEAD, Role.ADMIN, Role.AUDITOR}:
            assert (">Export</button>" in client.get(LIST).content.decode()) == may
        written = [(each.actor_id, each.after) for each in AuditEntry.objects.filter(action="export")]
        picture = {"list": "audit", "form": "jsonl", "chosen": {"filters": {}, "searched": False}, "rows": 1}
        assert written == ([(str(person.pk), picture)] if may else [])

    def test_rows_of_other_restaurants_are_not_in_it(self, restaurant: Restaurant, entry: AuditEntry) -> None:
        stranger = console_of(RestaurantFactory.create(), Role.AUDITOR)

        assert self.taken(stranger) == []
        assert self.taken(stranger, f"?q={entry.subject_id}") == []

    def test_it_is_taken_by_a_press_and_not_by_a_link_or_from_another_site(
        self, restaurant: Restaurant, entry: AuditEntry
    ) -> None:
        person = staff(restaurant, Role.AUDITOR)
        person.is_staff = True
        person.save()
        stranger = Client(enforce_csrf_checks=True)
        stranger.force_login(person)

        assert console_of(restaurant, Role.AUDITOR).get(f"{LIST}export/").status_code == 405
        assert stranger.post(f"{LIST}export/").status_code == 403
        assert Client().post(f"{LIST}export/").status_code == 302
        assert not AuditEntry.objects.filter(action="export").exists()

    def test_a_list_that_is_too_long_is_refused_in_words(
        self, restaurant: Restaurant, entry: AuditEntry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(exporting_audit, "MOST_ROWS", 0)

        answer = console_of(restaurant, Role.AUDITOR).post(f"{LIST}export/", follow=True)

        assert "A list has at most 0 rows. Choose fewer." in answer.content.decode()
        assert not AuditEntry.objects.filter(action="export").exists()


class TestWhatItIsAbout:
    @pytest.fixture
    def payment(self, restaurant: Restaurant, admin: User) -> Payment:
        """Its case was taken, it was taken up again, and its order was cancelled."""
        routed(restaurant, "cash")
        payment = accepted(order_of(restaurant), method="cash")
        happened(PaymentEvent.CONTRADICTED, payment)
        assign_case(case_id=Case.objects.get().pk, person=admin)
        with deed_of(admin, payment, PaymentDeed.TAKE_UP, reason="It was repaired."):
            pass
        cancel_order(order_id=payment.order_id, actor=Actor.user(admin))
        return payment

    def test_stands_there_by_the_reference_that_people_know(self, restaurant: Restaurant, payment: Payment) -> None:
        text = console_of(restaurant, Role.AUDITOR).get(LIST).content.decode()

        assert f">payment {payment.reference}</a>" in text
        assert f">case {payment.reference}</a>" in text
        assert f">order {payment.order.reference}</a>" in text

    def test_is_found_by_it(self, restaurant: Restaurant, payment: Payment) -> None:
        """The payment, its case, and what is asked from that; its order by the order's own."""
        auditor = console_of(restaurant, Role.AUDITOR)

        by_payment = auditor.get(LIST, {"q": payment.reference.lower()}).content.decode()
        by_order = auditor.get(LIST, {"q": f" {payment.order.reference} "}).content.decode()

        assert f">payment {payment.reference}</a>" in by_payment
        assert f">case {payment.reference}</a>" in by_payment
        assert f">order {payment.order.reference}</a>" not in by_payment
        assert f">order {payment.order.reference}</a>" in by_order
        assert f">payment {payment.reference}</a>" not in by_order
        assert ">payment P-" not in auditor.get(LIST, {"q": "P-00000000"}).content.decode()

    def test_of_another_restaurant_finds_nothing(self, payment: Payment) -> None:
        elsewhere = RestaurantFactory.create()

        page = console_of(elsewhere, Role.AUDITOR).get(LIST, {"q": payment.reference}).content.decode()

        assert f"{payment.reference}</a>" not in page

    def test_is_looked_up_by_index(self, restaurant: Restaurant, payment: Payment) -> None:
        with CaptureQueriesContext(connection) as asked:
            list(AuditEntry.objects.filter(called(payment.reference, restaurants=[restaurant.pk])))
        plans = [plan_of(query["sql"]) for query in asked.captured_queries]
        assert not [plan for plan in plans if "Seq Scan" in plan], plans

    def test_is_in_the_heading_of_its_page(self, restaurant: Restaurant, payment: Payment) -> None:
        entry = AuditEntry.objects.get(subject_kind="case")

        page = console_of(restaurant, Role.AUDITOR).get(reverse("admin:events_auditentry_change", args=[entry.pk]))

        assert f"Assign {payment.reference}, no. {entry.number}" in page.content.decode()

    def test_of_something_unknown_stands_there_by_its_kind(self, restaurant: Restaurant, entry: AuditEntry) -> None:
        assert ">api key<" in " ".join(console_of(restaurant, Role.AUDITOR).get(LIST).content.decode().split())
