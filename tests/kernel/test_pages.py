"""Long lists are counted up to a bound, and no page of them is out of reach."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Restaurant
from kernel import pages
from kernel.pages import BoundedPaginator
from tests.factories import RestaurantFactory


@pytest.fixture
def bound(db: None, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(pages, "MOST_COUNTED", 3)
    return 3


def paginator_of(count: int) -> BoundedPaginator:
    RestaurantFactory.create_batch(count)
    return BoundedPaginator(Restaurant.objects.order_by("name"), 2)


def test_up_to_the_bound_the_count_is_exact(bound: int) -> None:
    paginator = paginator_of(bound)

    assert (paginator.count, paginator.is_counted, paginator.num_pages) == (3, True, 2)


def test_beyond_it_the_list_only_goes_on(bound: int) -> None:
    paginator = paginator_of(5)

    assert not paginator.is_counted
    assert [len(paginator.page(number).object_list) for number in (1, 2, 3, 4)] == [2, 2, 1, 0]


def test_the_count_is_one_query_that_stops(bound: int) -> None:
    paginator = paginator_of(5)

    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert paginator.counted == 4
    (query,) = queries.captured_queries
    assert "LIMIT 4" in query["sql"]
    assert "ORDER BY" not in query["sql"]
