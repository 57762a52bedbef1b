"""The queue as a file: exactly what is shown, with a total at its end, and never without being written down."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Membership, Restaurant, Role, User
from events.models import AuditEntry
from failures.models import Case
from failures.services import exporting
from failures.services.working import assign_case
from payments.models import Payment
from payments.services.facts import PaymentEvent
from tests.factories import RestaurantFactory, accepted, order_of, routed, staff
from tests.failures.test_desk import desk_of
from tests.failures.test_services import happened
from tests.failures.world import orphan_of

pytestmark = pytest.mark.django_db
EXPORT = "/admin/failures/case/export/"


@pytest.fixture
def finance(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


@pytest.fixture
def desk(finance: User) -> Client:
    return desk_of(finance)


def case_of(restaurant: Restaurant, minor: int, **draft: Any) -> Case:
    payment = accepted(order_of(restaurant, minor, **draft))
    happened(PaymentEvent.CONTRADICTED, payment)
    return Case.objects.get(payment=payment)


def taken(client: Client, query: str = "") -> tuple[list[dict[str, str]], list[str]]:
    """The rows by their columns, and the last line."""
    answer = client.post(EXPORT + query)
    assert answer.status_code == 200
    header, *rows, total = list(csv.reader(io.StringIO(answer.getvalue().decode("utf-8-sig"))))
    return [dict(zip(header, row, strict=True)) for row in rows], total


def test_a_row_has_what_an_accountant_needs(restaurant: Restaurant, desk: Client, finance: User) -> None:
    case = case_of(restaurant, 12_345_650, table="T4")
    assign_case(case_id=case.pk, person=finance)

    (row,), total = taken(desk)

    payment = Payment.objects.select_related("order").get()
    assert row == {
        "case": str(case.pk),
        "kind": "contradiction",
        "status": "assigned",
        "opened (UTC)": row["opened (UTC)"],
        "opened (restaurant's time)": row["opened (restaurant's time)"],
        "restaurant": restaurant.name,
        "mode": "test",
        "payment": payment.reference,
        "order": payment.order.reference,
        "table": "T4",
        "amount": "123456.50",
        "currency": "INR",
        "certainty": "nothing came in",
        "owner": finance.username,
        "provider references": "",
    }
    assert row["opened (UTC)"].endswith("+00:00")
    assert row["opened (restaurant's time)"].endswith("+05:30")
    assert total == ["# total", "rows", "1", "INR", "123456.50"]


def test_it_has_the_filters_the_search_and_the_order_of_the_list_and_every_page_of_it(
    restaurant: Restaurant, desk: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "ROWS_AT_A_TIME", 2)
    cases = [case_of(restaurant, 1_000 * (n + 1), table="T4") for n in range(5)]
    case_of(restaurant, 900_000, table="T5")

    rows, total = taken(desk, "?q=T4&kind__exact=contradiction&o=3")

    assert [row["case"] for row in rows] == [str(case.pk) for case in cases]
    assert total == ["# total", "rows", "5", "INR", "150.00"]
    assert taken(desk, "?kind__exact=in_doubt") == ([], ["# total", "rows", "0"])


def test_each_currency_has_a_sum_of_its_own_and_a_case_about_no_payment_has_none(
    restaurant: Restaurant, desk: Client, finance: User
) -> None:
    abroad = RestaurantFactory.create(currency="INR")
    routed(abroad, "a")
    Membership.objects.create(user=finance, restaurant=abroad, role=Role.AUDITOR)
    case_of(restaurant, 84_000)
    case_of(abroad, 6_000)
    orphan_of(restaurant)

    rows, total = taken(desk)

    assert sorted(row["amount"] for row in rows) == ["", "60.00", "840.00"]
    assert total == ["# total", "rows", "3", "INR", "900.00"]
    assert {(str(entry.chain_id), entry.after["rows"]) for entry in AuditEntry.objects.all()} == {
        (str(restaurant.pk), 2),
        (str(abroad.pk), 1),
    }


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t"])
def test_a_cell_that_a_spreadsheet_would_reckon_is_only_text(restaurant: Restaurant, desk: Client, sign: str) -> None:
    Restaurant.objects.update(name=f"{sign}cmd|' /C calc'!A0")
    case_of(restaurant, 84_000)

    ((row,), _) = taken(desk)

    assert row["restaurant"] == f"'{sign}cmd|' /C calc'!A0"


def test_nothing_in_it_is_personal(restaurant: Restaurant, desk: Client) -> None:
    guest = {"name": "Asha Rao", "phone": "+91 98200 12345", "email": "asha@example.com"}
    case_of(restaurant, 84_000, customer=guest)

    for query in ("", "?q=%2B91+98200+12345", "?q=asha@example.com"):
        answer = desk.post(EXPORT + query).getvalue().decode()
        assert "P-" in answer
        assert not [word for word in guest.values() if word in answer]
    written = [str(entry.after) + entry.reason for entry in AuditEntry.objects.all()]
    assert not [word for word in guest.values() for text in written if word in text]
    assert AuditEntry.objects.latest("id").after["chosen"]["searched_as"] == ["e-mail", "reference"]


@pytest.mark.parametrize("role", list(Role))
def test_those_who_decide_and_those_who_check_take_it_away_and_nobody_else(restaurant: Restaurant, role: Role) -> None:
    case_of(restaurant, 84_000)
    person = staff(restaurant, role)
    client = desk_of(person)
    may = role in {Role.FINANCE, Role.FINANCE_LEAD, Role.ADMIN, Role.AUDITOR}

    answer = client.post(EXPORT + "?which=all")

    assert answer.status_code == (200 if may else 403)
    assert ("Export CSV" in client.get(reverse("admin:failures_case_changelist")).content.decode()) == may
    entries = [(entry.actor_id, entry.action, entry.after) for entry in AuditEntry.objects.all()]
    picture = {"list": "cases", "form": "csv", "chosen": {"filters": {"which": ["all"]}, "searched_as": []}, "rows": 1}
    assert entries == ([(str(person.pk), "export", picture)] if may else [])


def test_a_superuser_without_a_role_looks_and_takes_nothing(restaurant: Restaurant) -> None:
    case_of(restaurant, 84_000)
    boss = desk_of(User.objects.create(username="boss", is_superuser=True))

    assert "Export CSV" not in boss.get(reverse("admin:failures_case_changelist")).content.decode()
    assert boss.post(EXPORT).status_code == 403
    assert not AuditEntry.objects.exists()


def test_rows_of_other_restaurants_are_not_in_it(restaurant: Restaurant, desk: Client, finance: User) -> None:
    mine, elsewhere = case_of(restaurant, 84_000), RestaurantFactory.create()
    routed(elsewhere, "a")
    other = case_of(elsewhere, 84_000)
    Membership.objects.create(user=finance, restaurant=elsewhere, role=Role.WAITER)

    for query in ("", f"?restaurant={elsewhere.pk}", f"?q={other.pk}", "?q=840"):
        assert {row["case"] for row in taken(desk, query)[0]} <= {str(mine.pk)}


def test_it_is_taken_by_a_press_and_not_by_a_link_or_from_another_site(desk: Client, finance: User) -> None:
    stranger = Client(enforce_csrf_checks=True)
    stranger.force_login(finance)

    assert desk.get(EXPORT).status_code == 405
    assert stranger.post(EXPORT).status_code == 403
    assert Client().post(EXPORT).status_code == 302
    assert not AuditEntry.objects.exists()


def test_a_choice_that_is_none_takes_nothing(restaurant: Restaurant, desk: Client) -> None:
    case_of(restaurant, 84_000)

    assert desk.post(EXPORT + "?owner=somebody").status_code == 302
    assert not AuditEntry.objects.exists()


def test_a_list_that_is_too_long_is_refused_in_words(
    restaurant: Restaurant, desk: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "MOST_ROWS", 1)
    case_of(restaurant, 84_000)
    case_of(restaurant, 84_000)

    answer = desk.post(EXPORT, follow=True)

    assert "A list has at most 1 rows. Choose fewer." in answer.content.decode()
    assert not AuditEntry.objects.exists()


def test_a_list_that_shows_more_than_one_may_take_is_not_taken(restaurant: Restaurant, desk: Client) -> None:
    """A superuser sees every restaurant: a file of one of them would agree with itself, and not with the list."""
    boss = staff(restaurant, Role.FINANCE)
    boss.is_superuser = True
    boss.save()
    routed(other := RestaurantFactory.create(), "a")
    case_of(restaurant, 84_000)
    case_of(other, 50_000)

    answer = desk_of(boss).post(EXPORT)

    assert answer.status_code == 302
    assert not AuditEntry.objects.filter(action="export").exists()
    rows, _ = taken(desk_of(boss), f"?restaurant={restaurant.pk}")
    assert len(rows) == 1
