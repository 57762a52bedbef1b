"""The console keeps people and keys: what they did stays their doing."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import ApiKey, User
from accounts.services.keys import issue_api_key
from kernel.modes import Mode
from tests.factories import RestaurantFactory, UserFactory


@pytest.fixture
def console(db: None) -> Client:
    client = Client()
    client.force_login(UserFactory.create(is_staff=True, is_superuser=True))
    return client


@pytest.mark.parametrize("model", ["user", "apikey"])
def test_neither_people_nor_keys_are_deleted_in_the_console(console: Client, model: str) -> None:
    issue_api_key(restaurant=RestaurantFactory.create(), mode=Mode.TEST, name="till", scopes=[])
    row = User.objects.get() if model == "user" else ApiKey.objects.get()

    deleting = console.post(reverse(f"admin:accounts_{model}_delete", args=[row.pk]), {"post": "yes"})
    console.post(
        reverse(f"admin:accounts_{model}_changelist"),
        {"action": "delete_selected", "_selected_action": [str(row.pk)], "post": "yes"},
    )

    assert deleting.status_code == 403
    assert (User.objects.count(), ApiKey.objects.count()) == (1, 1)
