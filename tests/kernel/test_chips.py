"""What was chosen of a list stands above it, and each of it can be taken away by a link."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Role, User
from tests.factories import RestaurantFactory, staff

pytestmark = pytest.mark.django_db
PAGE = "admin:payments_payment_changelist"


@pytest.fixture
def client() -> Client:
    user = staff(RestaurantFactory.create(), Role.FINANCE)
    User.objects.filter(pk=user.pk).update(is_staff=True)
    client = Client()
    client.force_login(User.objects.get(pk=user.pk))
    return client


def chips_of(client: Client, query: str) -> dict[str, str]:
    text = client.get(reverse(PAGE) + query).content.decode()
    found = re.findall(r'<a class="console-chip" href="([^"]*)"><span[^>]*>Take away </span>([^<]*)<', text)
    return {unescape(words): unescape(address) for address, words in found}


def test_nothing_chosen_is_no_chip(client: Client) -> None:
    assert chips_of(client, "") == {}
    assert "Clear all" not in client.get(reverse(PAGE)).content.decode()


def test_each_choice_is_a_chip_whose_link_takes_it_away_and_keeps_the_others(client: Client) -> None:
    assert chips_of(client, "?q=P-1&status__exact=failed&mode__exact=live&p=1") == {
        "Search: P-1": "?mode__exact=live&status__exact=failed",
        "Status: failed": "?mode__exact=live&q=P-1",
        "Mode: live": "?q=P-1&status__exact=failed",
    }


def test_all_of_them_are_taken_away_at_once_and_the_order_stays(client: Client) -> None:
    text = client.get(reverse(PAGE) + "?q=P-1&status__exact=failed&o=-2").content.decode()

    assert '<a class="link" href="?o=-2">Clear all</a>' in text


def test_a_long_or_wicked_search_is_only_text(client: Client) -> None:
    text = client.get(reverse(PAGE), {"q": "<script>" * 20}).content.decode()

    assert "<script><script>" not in text
    (words,) = chips_of(client, "?q=" + "x" * 100)
    assert words == f"Search: {'x' * 40}…"
