"""Two people change one row: the second one is told what became of it, and nothing that was entered is lost."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client

from accounts.models import Restaurant, Role, User
from events.models import AuditEntry
from payments.models import Limited, RefundLimit
from tests.accounts.test_people_pages import boss, console, form_of, page_of, signed_in
from tests.factories import RestaurantFactory, UserFactory, staff
from tests.failures.test_desk import desk_of

__all__ = ["boss", "console"]
pytestmark = pytest.mark.django_db
_MARKS = re.compile(r'name="marks_shown" value="([^"]*)"')


def shown_by(client: Client, address: str) -> str:
    return marks_in(client.get(address))


def marks_in(page: Any) -> str:
    (marks,) = _MARKS.findall(page.content.decode())
    return unescape(marks)


def test_whoever_was_shut_out_is_not_let_in_by_an_older_page(console: Client) -> None:
    asha, other = UserFactory.create(), UserFactory.create(is_staff=True, is_superuser=True)
    older = form_of(asha, email="new@example.com", marks_shown=shown_by(console, page_of(asha)))
    signed_in(other).post(page_of(asha), form_of(asha, is_active=""))

    refused = console.post(page_of(asha), older)

    asha.refresh_from_db()
    assert (refused.status_code, asha.is_active, asha.email) == (200, False, "")
    text = refused.content.decode()
    assert "Somebody changed this since you opened the page. By now it is Active: no." in text
    assert 'value="new@example.com"' in text


def test_whoever_has_been_told_and_saves_again_means_it(console: Client) -> None:
    asha, other = UserFactory.create(), UserFactory.create(is_staff=True, is_superuser=True)
    older = form_of(asha, email="new@example.com", marks_shown=shown_by(console, page_of(asha)))
    signed_in(other).post(page_of(asha), form_of(asha, is_active=""))
    told = console.post(page_of(asha), older)

    answer = console.post(page_of(asha), {**older, "is_active": "", "marks_shown": marks_in(told)})

    asha.refresh_from_db()
    assert (answer.status_code, asha.is_active, asha.email) == (302, False, "new@example.com")


def test_a_page_that_nobody_overtook_is_saved(console: Client) -> None:
    asha = UserFactory.create()

    answer = console.post(
        page_of(asha), form_of(asha, email="new@example.com", marks_shown=shown_by(console, page_of(asha)))
    )

    assert answer.status_code == 302
    assert User.objects.get(pk=asha.pk).email == "new@example.com"


def test_a_second_press_is_no_news(console: Client) -> None:
    asha = UserFactory.create()
    said = form_of(asha, email="new@example.com", marks_shown=shown_by(console, page_of(asha)))

    answers = [console.post(page_of(asha), said).status_code for _ in range(2)]

    assert answers == [302, 302]
    assert AuditEntry.objects.filter(action="edit_person").count() == 1


@pytest.mark.parametrize("said", ["", "{", "[]", '{"email": 1, "nobody": "knows"}'])
def test_marks_that_cannot_be_read_break_nothing(console: Client, said: str) -> None:
    asha = UserFactory.create()

    assert console.post(page_of(asha), form_of(asha, marks_shown=said)).status_code in {200, 302}


def test_nobody_raises_a_limit_that_a_colleague_has_just_lowered() -> None:
    restaurant: Restaurant = RestaurantFactory.create()
    limit = RefundLimit.objects.create(restaurant=restaurant, who=Limited.FINANCE, currency="INR", most_minor=50_000)
    first = desk_of(staff(restaurant, Role.ADMIN))
    address = f"/admin/payments/refundlimit/{limit.pk}/change/"
    marks = shown_by(first, address)
    desk_of(staff(restaurant, Role.ADMIN)).post(address, {"most": "100"})

    refused = first.post(address, {"most": "600", "marks_shown": marks})

    limit.refresh_from_db()
    assert (refused.status_code, limit.most_minor) == (200, 10_000)
    assert "By now it is Most of one payment, in all: 100.00." in refused.content.decode()
    assert 'value="600"' in refused.content.decode()
