"""A list's address: it takes what the list offers, and whoever writes anything else into it finds the list as it is."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from accounts.models import Restaurant, Role, User
from tests.factories import RestaurantFactory, accepted, order_of, routed, staff

pytestmark = pytest.mark.django_db
QUEUE = "admin:failures_case_changelist"
SAID = "That address asked for something that is not there, so the list is shown without its filters and search."
# What no column can hold, in every filter that some list has.
NULS = [
    f"{name}=%00"
    for name in (
        *("mode__exact", "mode__in", "mode", "status__exact", "kind__exact", "state__exact", "capture__exact"),
        *("memberships__role__exact", "role__exact", "provider", "action", "who", "which", "answer", "metadata__x"),
    )
]
# What no list offers: other fields, other ways to compare, ways into other tables, and what is nothing at all.
OTHERS = [
    *("status__regex=%5B", "reason__regex=%5B", "reference__regex=(", "created_at__year=99999999", "created_at__gt=a"),
    *("amount_minor__gt=99999999999999999999", "id=zz", "id__in=zz", "metadata__x=1", "customer__contains=a"),
    *("user__password__startswith=a", "payment__instrument=a", "restaurant__name=a", "console_zone=x", "nonsense=1"),
]


@pytest.fixture
def restaurant(db: None) -> Restaurant:
    return RestaurantFactory.create()


@pytest.fixture
def boss(restaurant: Restaurant) -> Client:
    person = staff(restaurant, Role.ADMIN)
    User.objects.filter(pk=person.pk).update(is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(person, backend="accounts.backends.PersonBackend")
    return client


@pytest.mark.parametrize("model", admin.site._registry, ids=lambda model: model.__name__)
def test_every_list_leads_back_to_itself(boss: Client, restaurant: Restaurant, model: type[Model]) -> None:
    routed(restaurant, "cash")
    accepted(order_of(restaurant), method="cash")
    page = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")

    led = {query: boss.get(f"{page}?{query}").headers.get("Location") for query in (*NULS, *OTHERS)}

    assert led == dict.fromkeys(led, f"{page}?e=1")
    assert SAID in boss.get(f"{page}?e=1").content.decode()
    assert SAID not in boss.get(page).content.decode()


@pytest.mark.parametrize("query", ["mode__exact=%00", "kind__regex=%5B"])
@pytest.mark.parametrize("sent_to", ["bulk/", "export/"])
def test_all_of_a_list_that_cannot_be_is_nothing(boss: Client, sent_to: str, query: str) -> None:
    answer = boss.post(f"{reverse(QUEUE)}{sent_to}?{query}", {"which": "all", "action": "take"})

    assert (answer.status_code, answer.headers["Location"]) == (302, "../")


def test_what_a_list_offers_narrows_it_down(boss: Client) -> None:
    for page, query in (
        ("failures_case", "kind__exact=in_doubt&mode__exact=live&which=all"),
        ("accounts_user", "role=admin&is_staff__exact=1"),
        ("payments_attempt", "provider=cash&status__exact=sent"),
    ):
        assert boss.get(f"{reverse(f'admin:{page}_changelist')}?{query}").status_code == 200


def test_an_address_that_was_led_back_and_is_wrong_still_is_no_error_of_ours(boss: Client) -> None:
    page = reverse(QUEUE)

    assert boss.get(f"{page}?e=1&mode__exact=%00").headers["Location"] == f"{page}?e=1"


@pytest.mark.parametrize(("page", "query"), [(QUEUE, "owner=zzz"), ("admin:payments_payment_changelist", "day=zz")])
def test_whoever_follows_a_wrong_filter_reads_that_it_was_left_out(boss: Client, page: str, query: str) -> None:
    shown = boss.get(f"{reverse(page)}?{query}&q=P-4K7M2Q9X", follow=True)

    assert SAID in shown.content.decode()
    assert "P-4K7M2Q9X" not in shown.content.decode()
