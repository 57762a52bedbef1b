"""Rows that were there before a column are filled by its migration."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.management import call_command

from accounts.models import Restaurant
from payments.models import Attempt
from tests.factories import order_of, paid


@pytest.fixture
def _newest_again(restaurant: Restaurant) -> Iterator[None]:
    """Of every app: others stand on these, and went back with them."""
    yield
    call_command("migrate", verbosity=0, interactive=False)


def migrate_to(name: str) -> None:
    call_command("migrate", "payments", name, verbosity=0, interactive=False)


@pytest.mark.usefixtures("_newest_again")
def test_an_old_attempt_has_the_method_of_its_payment(restaurant: Restaurant) -> None:
    for method in ("card", "upi", "cash"):
        paid(order_of(restaurant), method=method)

    migrate_to("0010")
    migrate_to("0011")

    assert [attempt.method for attempt in Attempt.objects.order_by("created_at")] == ["card", "upi", "cash"]
