"""The audit in the console: of one's own restaurant, by name, and to look at."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Restaurant, Role, User
from accounts.services.keys import issue_api_key
from events.actors import Actor
from events.models import AuditEntry
from kernel.modes import Mode
from tests.factories import RestaurantFactory, staff

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
    assert "issue_api_key" in listed
    assert "Issue api key, no. 1" in page
    assert entry.seal in page


@pytest.mark.parametrize("role", [Role.ADMIN, Role.AUDITOR])
def test_nobody_sees_another_restaurants(entry: AuditEntry, role: Role) -> None:
    stranger = console_of(RestaurantFactory.create(), role)

    assert "issue_api_key" not in stranger.get(LIST).content.decode()
    assert stranger.get(reverse("admin:events_auditentry_change", args=[entry.pk])).status_code == 302


def test_nobody_changes_it_here(restaurant: Restaurant, entry: AuditEntry) -> None:
    desk = console_of(restaurant, Role.ADMIN)
    page = reverse("admin:events_auditentry_change", args=[entry.pk])

    assert desk.post(page, {"reason": "Nobody was here."}).status_code == 403
    assert desk.post(reverse("admin:events_auditentry_delete", args=[entry.pk]), {"post": "yes"}).status_code == 403
    assert AuditEntry.objects.get().reason == ""
