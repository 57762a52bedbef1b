"""What the database saw of an act, whichever way it was written."""

from __future__ import annotations

import pytest
from django.db import connection, transaction

from accounts.models import Restaurant
from kernel.modes import Mode
from payments.benchmarks.written import written_during
from payments.models import ProviderAccount, Route
from tests.factories import RestaurantFactory


@pytest.fixture
def restaurant(transactional_db: None) -> Restaurant:
    return RestaurantFactory.create()


def test_each_transaction_is_told_with_what_it_left(restaurant: Restaurant) -> None:
    def act() -> None:
        Restaurant.objects.filter(pk=restaurant.pk).update(name="First")
        with transaction.atomic():
            Restaurant.objects.filter(pk=restaurant.pk).update(name="Second")
            Restaurant.objects.filter(pk=restaurant.pk).update(name="Third", currency="EUR")
        Restaurant.objects.filter(pk=restaurant.pk).update(name="Third")

    first, second, third = written_during(act)

    assert [row.changes for row in first] == [{"name": "First"}]
    assert [row.changes for row in second] == [{"name": "Third", "currency": "EUR"}]
    assert [(row.key, row.table, row.changes) for row in third] == [(str(restaurant.pk), "accounts_restaurant", {})]


def test_a_new_row_is_told_in_postgresqls_words_without_what_the_database_fills_in(restaurant: Restaurant) -> None:
    def act() -> None:
        account = ProviderAccount.objects.create(restaurant=restaurant, mode=Mode.TEST, provider="a", label="it's")
        Route.objects.create(
            restaurant=restaurant, mode=Mode.TEST, position=1, account=account, methods=["card", "upi"]
        )

    (account,), (route,) = written_during(act)

    assert account.before is None
    assert (account.changes["label"], account.changes["enabled"]) == ("it's", "true")
    assert "id" not in route.changes
    assert (route.changes["methods"], route.changes["position"]) == ("{card,upi}", "1")


def test_nothing_of_it_stays(restaurant: Restaurant) -> None:
    with pytest.raises(ZeroDivisionError):
        written_during(lambda: 1 // 0)

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT count(*) FROM pg_trigger WHERE tgname = 'bench_watch'), to_regclass('bench_written')"
        )
        assert cursor.fetchone() == (0, None)
