"""Refund limits in the console: set by an admin, read by the office, kept by the audit."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.models import Membership, Restaurant, Role, User
from events.models import AuditEntry
from payments.models import Limited, RefundLimit
from payments.services.limit_changes import set_refund_limit
from payments.services.refusals import RefundRefused
from tests.accounts.signing_in import signed_in, somebody, text_of
from tests.factories import RestaurantFactory, staff
from tests.factors import with_factor
from tests.failures.test_desk import desk_of
from tests.time_machine import ShiftedClock

pytestmark = pytest.mark.django_db
PAGE = "/admin/payments/refundlimit/"


@pytest.fixture
def admin(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.ADMIN)


@pytest.fixture
def desk(admin: User) -> Client:
    return desk_of(admin)


def said(restaurant: Restaurant, most: str = "500.50", **more: str) -> dict[str, str]:
    return {"restaurant": str(restaurant.pk), "who": "finance", "currency": "INR", "most": most, **more}


def test_an_admin_sets_changes_and_takes_away_a_limit(desk: Client, restaurant: Restaurant, admin: User) -> None:
    assert desk.post(f"{PAGE}add/", said(restaurant)).status_code == 302
    limit = RefundLimit.objects.get()
    assert (limit.most_minor, limit.who, limit.restaurant) == (50_050, Limited.FINANCE, restaurant)
    assert "₹500.50" in desk.get(PAGE).content.decode()

    page = f"{PAGE}{limit.pk}/change/"
    assert 'value="500.50"' in desk.get(page).content.decode()
    desk.post(page, {"most": "0"})
    assert RefundLimit.objects.get().most_minor == 0
    desk.post(f"{PAGE}{limit.pk}/delete/", {"post": "yes", "seen": "0"})

    assert not RefundLimit.objects.exists()
    entries = AuditEntry.objects.order_by("id")
    assert [(each.action, each.actor_id) for each in entries] == [("set_refund_limit", str(admin.pk))] * 3
    assert [len(each.after["limits"]) for each in entries] == [1, 1, 0]


@pytest.mark.parametrize(("most", "minor"), [("₹5", 500), ("1,00,000", 10_000_000), ("₹1,00,000.50", 10_000_050)])
def test_what_the_list_shows_can_be_typed(desk: Client, restaurant: Restaurant, most: str, minor: int) -> None:
    desk.post(f"{PAGE}add/", said(restaurant, most))

    assert RefundLimit.objects.get().most_minor == minor


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"most": "much"}, "is not an amount"),
        ({"most": "-1"}, "is not an amount"),
        ({"most": "$500"}, "is not an amount in INR"),
        ({"most": "1.000,50"}, "is not an amount"),
        ({"most": ""}, "This field is required"),
        ({"most": "99999999999"}, "At most"),
        ({"currency": "XXY"}, "is not an ISO 4217"),
        ({"who": "guest"}, "Select a valid choice"),
    ],
)
def test_what_is_wrong_is_said(desk: Client, restaurant: Restaurant, wrong: dict[str, str], sentence: str) -> None:
    answer = desk.post(f"{PAGE}add/", {**said(restaurant), **wrong})

    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert not RefundLimit.objects.exists()


def test_the_page_says_what_no_limit_means_and_when_ones_own_counts(desk: Client, restaurant: Restaurant) -> None:
    desk.post(f"{PAGE}add/", said(restaurant))

    text = desk.get(PAGE).content.decode()
    assert "A role without a limit here gives back alone whatever a payment took in." in text
    assert "If you raise your own, the earlier one holds for you for a day;" in text


@pytest.mark.parametrize("role", [Role.FINANCE, Role.FINANCE_LEAD, Role.AUDITOR])
def test_others_of_the_office_only_look(restaurant: Restaurant, admin: User, role: Role) -> None:
    set_refund_limit(restaurant=restaurant, who=Limited.FINANCE, currency="INR", most_minor=100, person=admin)
    limit, looking = RefundLimit.objects.get(), desk_of(staff(restaurant, role))

    assert "₹1.00" in looking.get(f"{PAGE}{limit.pk}/change/").content.decode()
    forged: list[Any] = [
        looking.post(f"{PAGE}{limit.pk}/change/", {"most": "9"}),
        looking.post(f"{PAGE}add/", said(restaurant, who="admin")),
        looking.post(f"{PAGE}{limit.pk}/delete/", {"post": "yes"}),
    ]
    assert [answer.status_code for answer in forged] == [403, 403, 403]
    assert RefundLimit.objects.get().most_minor == 100


def test_an_admin_elsewhere_is_nobody_here(restaurant: Restaurant) -> None:
    stranger = staff(RestaurantFactory.create(), Role.ADMIN)

    assert desk_of(stranger).post(f"{PAGE}add/", said(restaurant)).status_code == 200
    with pytest.raises(RefundRefused, match="Only an admin of this restaurant"):
        set_refund_limit(restaurant=restaurant, who=Limited.FINANCE, currency="INR", most_minor=1, person=stranger)
    assert not RefundLimit.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_limit_is_set_changed_and_taken_away_with_a_fresh_code(restaurant: Restaurant, time: ShiftedClock) -> None:
    """Whoever finds a desk that somebody left raises none."""
    boss = somebody("asha", is_superuser=False)
    Membership.objects.create(user=boss, restaurant=restaurant, role=Role.ADMIN)
    phone = with_factor(boss)
    browser = signed_in(boss, phone)

    def press(path: str, body: dict[str, str]) -> None:
        """The first press only asks, and keeps what was typed."""
        before = list(RefundLimit.objects.values_list("most_minor", flat=True))
        time.advance(minutes=11)
        asked = text_of(browser.post(path, body))
        assert "Confirm that it is you" in asked
        for name, value in body.items():
            assert f'name="{name}" value="{value}"' in asked
        assert list(RefundLimit.objects.values_list("most_minor", flat=True)) == before
        assert browser.post(path, {**body, "second_factor_code": phone.shows()}).status_code == 302

    press(f"{PAGE}add/", said(restaurant))
    limit = RefundLimit.objects.get()
    press(f"{PAGE}{limit.pk}/change/", {"most": "900"})
    assert RefundLimit.objects.get().most_minor == 90_000
    press(f"{PAGE}{limit.pk}/delete/", {"post": "yes", "seen": "90000"})
    assert not RefundLimit.objects.exists()
