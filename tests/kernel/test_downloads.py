"""Rows leave in the order that was fixed for them, some at a time, and no cache keeps them."""

from __future__ import annotations

import pytest

from accounts.models import Restaurant
from kernel.downloads import in_their_order, streamed
from tests.factories import RestaurantFactory


@pytest.mark.django_db
@pytest.mark.parametrize("at_a_time", [1, 2, 5])
def test_rows_come_in_the_order_of_their_keys_however_many_at_a_time(at_a_time: int) -> None:
    first, second, third = (RestaurantFactory.create() for _ in range(3))
    keys = [third.pk, first.pk, second.pk]

    rows = list(in_their_order(Restaurant.objects.all(), keys, at_a_time=at_a_time))

    assert rows == [third, first, second]


def test_a_file_is_attached_and_kept_by_nobody() -> None:
    answer = streamed(iter(["a\n", "b\n"]), name="list.txt", content_type="text/plain")

    assert answer.getvalue() == b"a\nb\n"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="list.txt"'
    assert answer.headers["Cache-Control"] == "no-store"
