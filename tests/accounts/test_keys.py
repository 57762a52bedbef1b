"""API keys: shown once, stored as a hash, and made again without making a second one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial

import pytest
from django.db import IntegrityError, connection

from accounts.models import ApiKey, Membership, Restaurant, Role
from accounts.services.keys import PREFIX_LENGTH, KeyRefused, issue_api_key, revoke_api_key, rotate_api_key
from accounts.services.secrets import SECRET_BYTES, hash_secret
from events.actors import Actor
from events.models import AuditEntry
from kernel.modes import Mode
from tests.factories import RestaurantFactory, staff


@pytest.fixture
def restaurant(db: None) -> Restaurant:
    return RestaurantFactory.create()


def issued(restaurant: Restaurant, *, mode: Mode = Mode.TEST, name: str = "till", key: str = "") -> str:
    return issue_api_key(restaurant=restaurant, mode=mode, name=name, scopes=["payments:write"], key=key)


def test_a_key_is_named_scoped_and_bound_to_one_restaurant_and_mode(restaurant: Restaurant) -> None:
    key = issued(restaurant, mode=Mode.LIVE)

    stored = ApiKey.objects.get()
    assert (stored.restaurant, stored.mode, stored.name) == (restaurant, Mode.LIVE, "till")
    assert stored.scopes == ["payments:write"]
    assert (stored.expires_at, stored.revoked_at) == (None, None)
    assert key.startswith("live_")
    assert str(stored) == f"{key[:PREFIX_LENGTH]}… (till)"


def test_only_the_hash_and_a_short_beginning_are_stored(restaurant: Restaurant) -> None:
    key = issued(restaurant)

    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(k)::text FROM accounts_apikey k")
        everything = cursor.fetchone()[0]
    assert key not in everything
    assert key[PREFIX_LENGTH:] not in everything
    stored = ApiKey.objects.get()
    assert stored.prefix == key[:PREFIX_LENGTH]
    assert stored.key_hash == hashlib.sha256(key.encode()).hexdigest() == hash_secret(key)


def test_a_key_is_found_by_its_hash_and_nothing_near_it_is(restaurant: Restaurant) -> None:
    key = issued(restaurant)

    assert ApiKey.objects.get(key_hash=hash_secret(key)).name == "till"
    assert not ApiKey.objects.filter(key_hash__in=[hash_secret(key.upper()), hash_secret(key + " ")]).exists()


def test_keys_cannot_be_guessed(restaurant: Restaurant) -> None:
    keys = {issued(restaurant, name=f"till {number}") for number in range(50)}

    assert len(keys) == 50
    assert {len(key) for key in keys} == {len("test_") + -(-SECRET_BYTES * 4 // 3)}


def test_a_given_key_makes_one_row_however_often_it_is_asked_for(restaurant: Restaurant) -> None:
    for _ in range(3):
        assert issued(restaurant, key="test_demo_key_of_the_documentation") == "test_demo_key_of_the_documentation"

    stored = ApiKey.objects.get()
    assert stored.key_hash == hash_secret("test_demo_key_of_the_documentation")


def test_a_name_may_be_used_again_in_another_mode_and_restaurant(restaurant: Restaurant) -> None:
    issued(restaurant)
    issued(restaurant, mode=Mode.LIVE)
    issued(RestaurantFactory.create())

    assert ApiKey.objects.filter(name="till").count() == 3


def test_one_key_never_opens_two_restaurants(restaurant: Restaurant) -> None:
    issued(restaurant, key="test_the_same_key_for_two_restaurants")

    with pytest.raises(IntegrityError, match="key_hash"):
        issued(RestaurantFactory.create(), key="test_the_same_key_for_two_restaurants")


def test_a_key_is_looked_after_by_an_admin_of_each_restaurant_that_it_speaks_for(restaurant: Restaurant) -> None:
    """Whatever page or shell leads here."""
    other = RestaurantFactory.create()
    issue = partial(issue_api_key, restaurant=restaurant, mode=Mode.TEST, scopes=["refunds:write"], also_for=[other])
    issue(name="till")
    key = ApiKey.objects.get()

    for person in (staff(restaurant, Role.WAITER), staff(restaurant, Role.ADMIN)):
        acts: list[Callable[..., object]] = [
            partial(issue, name="mine"),
            partial(rotate_api_key, key_id=key.pk),
            partial(revoke_api_key, key_id=key.pk),
        ]
        for act in acts:
            with pytest.raises(KeyRefused) as refused:
                act(by=Actor.user(person))
            assert refused.value.code == "not_an_admin"
    assert ApiKey.objects.get().revoked_at is None


def test_the_audit_says_for_whom_else_a_key_speaks(restaurant: Restaurant) -> None:
    other, admin = RestaurantFactory.create(), staff(restaurant, Role.ADMIN)
    Membership.objects.create(user=admin, restaurant=other, role=Role.ADMIN)

    issue_api_key(restaurant=restaurant, mode=Mode.TEST, name="till", scopes=[], also_for=[other], by=Actor.user(admin))

    assert AuditEntry.objects.get().after["also_for"] == [str(other.pk)]
