"""Rows that were there before a column are filled by its migration, and a release can be taken back."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from accounts.models import Restaurant
from payments.models import Attempt
from tests.factories import order_of, paid

pytestmark = pytest.mark.django_db
OURS = ("accounts", "events", "failures", "orders", "payments")


def taken_back_and_made_again(app: str, name: str) -> None:
    """It alone, until the test's transaction ends: what came after it stays, and takes a minute to go and to come."""
    connection.check_constraints()  # No table is altered while it has any left to check.
    loader = MigrationLoader(connection)
    migration = loader.get_migration(app, name)
    before = loader.project_state((app, name), at_end=False)
    with connection.schema_editor() as editor:
        migration.unapply(before.clone(), editor)
    with connection.schema_editor() as editor:
        migration.apply(before, editor)


def test_an_old_attempt_has_the_method_of_its_payment(restaurant: Restaurant) -> None:
    for method in ("card", "upi", "cash"):
        paid(order_of(restaurant), method=method)

    taken_back_and_made_again("payments", "0011_method_of_an_attempt")

    assert [attempt.method for attempt in Attempt.objects.order_by("created_at")] == ["card", "upi", "cash"]


@pytest.mark.parametrize("app", OURS)
def test_the_newest_step_of_each_app_goes_back_and_forth_over_what_is_there(app: str, restaurant: Restaurant) -> None:
    (newest,) = MigrationLoader(connection).graph.leaf_nodes(app)
    payment = paid(order_of(restaurant))

    taken_back_and_made_again(*newest)

    assert Attempt.objects.get().payment_id == payment.pk


@pytest.mark.parametrize("app", OURS)
def test_no_step_is_without_a_way_back(app: str) -> None:
    migrations = MigrationLoader(connection).disk_migrations
    one_way = [
        f"{key}: {operation}"
        for key, migration in migrations.items()
        for operation in migration.operations
        if key[0] == app and not operation.reversible
    ]

    assert one_way == []
