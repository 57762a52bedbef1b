"""`manage.py api_key`: a key is shown once, found by its first letters, and ended at once."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import ApiKey, Restaurant
from accounts.services.keys import PREFIX_LENGTH
from tests.factories import RestaurantFactory


@pytest.fixture
def restaurant(db: None) -> Restaurant:
    return RestaurantFactory.create(slug="saffron")


def said(*words: str) -> str:
    out = StringIO()
    call_command("api_key", *words, stdout=out)
    return out.getvalue().strip()


def issued(*more: str) -> str:
    return said("issue", "till", "--restaurant", "saffron", "--mode", "test", "--scopes", "orders:read", *more)


def test_a_key_is_issued_and_listed_without_its_secret(restaurant: Restaurant) -> None:
    key = issued("--days", "30")

    listed = said("list")
    assert key.startswith("test_")
    assert key not in listed
    assert listed.startswith(f"{key[:PREFIX_LENGTH]}…  saffron  till  orders:read  never used, until ")


@pytest.mark.parametrize("days", ["0", "-1"])
def test_no_key_lasts_less_than_a_day(restaurant: Restaurant, days: str) -> None:
    with pytest.raises(CommandError, match="at least one day"):
        issued("--days", days)

    assert ApiKey.objects.count() == 0


def test_a_key_of_several_restaurants(restaurant: Restaurant) -> None:
    other = RestaurantFactory.create(slug="second")

    issued("--restaurant", "saffron", "second")

    assert list(ApiKey.objects.get().also_for.all()) == [other]


def test_a_key_is_rotated_and_revoked(restaurant: Restaurant) -> None:
    old = issued()

    new = said("rotate", old[:PREFIX_LENGTH])

    assert new != old
    assert ApiKey.objects.filter(revoked_at=None).count() == 2
    assert said("revoke", f"{new[:PREFIX_LENGTH]}…").endswith("is revoked.")
    assert ApiKey.objects.filter(revoked_at=None).count() == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("issue", "x", "--restaurant", "nowhere", "--mode", "test", "--scopes", "orders:read"), "There are: saffron"),
        (
            ("issue", "x", "--restaurant", "saffron", "--mode", "test", "--scopes", "orders:eat"),
            "'orders:eat' is no scope",
        ),
        (
            ("issue", "x", "--restaurant", "saffron", "--mode", "test", "--scopes", "cash:confirm"),
            "is no scope of a key",
        ),
        (("revoke", "test_nothing"), "No key that works begins with test_nothing"),
        (("rotate", "test_nothing"), "api_key list"),
    ],
)
def test_what_is_wrong_is_said(restaurant: Restaurant, words: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        said(*words)
    assert ApiKey.objects.count() == 0


def test_a_name_is_taken_once(restaurant: Restaurant) -> None:
    issued()

    with pytest.raises(CommandError, match="There is a key named till already"):
        issued()
