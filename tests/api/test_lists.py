"""Lists: filters that do what they say, pages that neither repeat nor lose a row, and nothing counted unasked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import quote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Restaurant
from api.pages import MAX_LIMIT, MAX_OFFSET
from kernel import clock
from orders.models import Order
from payments.gateways.contract import ErrorCode, Outcome
from tests.api.conftest import Caller, card, code_of, key_of, pointers
from tests.factories import order_of
from tests.scripted import ScriptedGateway, outcome


@pytest.fixture
def orders(restaurant: Restaurant) -> list[Order]:
    """Some of them in the same instant: only the id tells them apart."""
    made = [order_of(restaurant, 10_000 + 1_000 * (number % 3), table=str(number)) for number in range(12)]
    for number, order in enumerate(made):
        order.placed_at = clock.now() - timedelta(minutes=number // 3)
        order.save(update_fields=["placed_at"])
    return made


def pages_of(key: Caller, path: str) -> Iterator[list[str]]:
    cursor, sign = "", "&" if "?" in path else "?"
    for _ in range(50):
        said = key.get(f"{path}{sign}cursor={quote(cursor)}" if cursor else path).json()
        yield [item["id"] for item in said["items"]]
        cursor = said["page"]["next_cursor"]
        if cursor is None:
            return


@pytest.mark.parametrize("ordering", ["-placed_at", "placed_at", "total", "-total"])
@pytest.mark.parametrize("limit", [1, 5, 12, 100])
def test_pages_hold_every_row_once(key: Caller, orders: list[Order], ordering: str, limit: int) -> None:
    pages = list(pages_of(key, f"/orders?ordering={ordering}&limit={limit}"))

    ids = [each for page in pages for each in page]
    assert sorted(ids) == sorted(str(order.pk) for order in orders)
    assert all(len(page) == limit for page in pages[:-1])
    whole = key.get(f"/orders?ordering={ordering}&limit=100").json()["items"]
    assert ids == [item["id"] for item in whole]
    values = [item["total"]["amount"] if "total" in ordering else item["placed_at"] for item in whole]
    assert values == sorted(values, reverse=ordering.startswith("-"))


def test_new_rows_neither_hide_nor_repeat_any(key: Caller, orders: list[Order], restaurant: Restaurant) -> None:
    walk = pages_of(key, "/orders?limit=5")
    seen = list(next(walk))
    order_of(restaurant)

    seen += [each for page in walk for each in page]

    assert sorted(seen) == sorted(str(order.pk) for order in orders)


def test_offsets_are_for_people(key: Caller, orders: list[Order]) -> None:
    first, second = (key.get(f"/orders?limit=5&offset={offset}").json() for offset in (0, 5))

    assert first["page"] == {"limit": 5, "offset": 0, "next_cursor": first["page"]["next_cursor"], "total": None}
    assert not {item["id"] for item in first["items"]} & {item["id"] for item in second["items"]}
    assert second["page"]["offset"] == 5


def test_the_next_page_is_linked(key: Caller, orders: list[Order]) -> None:
    answer = key.get("/orders?limit=5&status=placed")

    link = answer.headers["link"]
    assert link.startswith("<http://testserver/api/v1/orders?")
    assert link.endswith('>; rel="next"')
    path = link[1:].split(">")[0].removeprefix("http://testserver/api/v1")
    assert len(key.get(path).json()["items"]) == 5
    assert "link" not in key.get("/orders?limit=100").headers


def test_a_limit_is_capped_and_said(key: Caller, orders: list[Order]) -> None:
    assert key.get("/orders?limit=5000").json()["page"]["limit"] == MAX_LIMIT


def test_nothing_is_counted_unless_it_is_asked_for(key: Caller, orders: list[Order]) -> None:
    with CaptureQueriesContext(connection) as plain:
        assert key.get("/orders?limit=5").json()["page"]["total"] is None
    with CaptureQueriesContext(connection) as exact:
        assert key.get("/orders?limit=5&total=exact").json()["page"]["total"] == 12

    assert not any("COUNT(" in query["sql"] for query in plain)
    assert sum("COUNT(" in query["sql"] for query in exact) == 1


def test_a_list_takes_as_many_statements_as_one_row(key: Caller, orders: list[Order]) -> None:
    key.get("/caller")  # From here on its use is noted for this minute.
    with CaptureQueriesContext(connection) as one:
        key.get("/orders?limit=1")
    with CaptureQueriesContext(connection) as many:
        key.get("/orders?limit=12")

    assert len(many) == len(one)


BAD: list[tuple[str, str]] = [
    ("limit=0", "?limit"),
    ("limit=-1", "?limit"),
    ("limit=ten", "?limit"),
    ("limit=1.5", "?limit"),
    ("limit=٣", "?limit"),
    (f"offset={MAX_OFFSET + 1}", "?offset"),
    ("ordering=name", "?ordering"),
    ("cursor=nonsense", "?cursor"),
    ("cursor=W10", "?cursor"),
    ("cursor=WyItcGxhY2VkX2F0IiwgIngiLCAieSJd", "?cursor"),
    ("total=yes", "?total"),
    ("status=eaten", "?status"),
    ("colour=red", "?colour"),
    ("status=placed&status=confirmed", "?status"),
    ("table=" + "x" * 65, "?table"),
    ("table=%00", "?table"),
    ("placed_from=yesterday", "?placed_from"),
    ("placed_from=2026-11-25T18:30:00", "?placed_from"),
    ("placed_from=2026-13-25T18:30:00Z", "?placed_from"),
    ("placed_from=0001-01-01T00:00:00%2B14:00", "?placed_from"),
    ("min_total=1e3", "?min_total"),
    ("min_total=1000000000001", "?min_total"),
]


@pytest.mark.parametrize(("query", "pointer"), BAD)
def test_a_wrong_parameter_is_named(key: Caller, query: str, pointer: str) -> None:
    answer = key.get(f"/orders?{query}")

    assert code_of(answer) == (400, "bad_query")
    assert pointers(answer) == {pointer: "bad_query"}


def test_all_wrong_parameters_are_named(key: Caller) -> None:
    assert set(pointers(key.get("/orders?limit=0&colour=red&status=eaten"))) == {"?limit", "?colour", "?status"}


def test_a_cursor_belongs_to_its_list(key: Caller, orders: list[Order]) -> None:
    cursor = key.get("/orders?limit=1&ordering=total").json()["page"]["next_cursor"]

    assert key.get(f"/orders?cursor={cursor}").status_code == 200
    assert code_of(key.get(f"/orders?cursor={cursor}&ordering=placed_at")) == (400, "bad_query")
    assert code_of(key.get(f"/orders?cursor={cursor}&offset=1")) == (400, "bad_query")
    assert code_of(key.get(f"/payments?cursor={cursor}")) == (400, "bad_query")


def test_routes_without_parameters_take_none(key: Caller, orders: list[Order]) -> None:
    assert code_of(key.get(f"/orders/{orders[0].pk}?expand=lines")) == (400, "bad_query")


def test_orders_are_filtered(key: Caller, orders: list[Order], restaurant: Restaurant) -> None:
    special = order_of(restaurant, 99_000, table="garden", client_reference="web-1")
    key.post(f"/orders/{special.pk}/confirm")
    moment = clock.now() - timedelta(minutes=1, seconds=30)

    def found(query: str) -> list[str]:
        return [item["id"] for item in key.get(f"/orders?limit=100&{query}").json()["items"]]

    for query in (
        *("status=confirmed", "table=garden", "client_reference=web-1", "min_total=99000"),
        f"reference={special.reference}",
    ):
        assert found(query) == [str(special.pk)], query
    assert str(special.pk) not in found("max_total=98999")
    assert len(found(f"placed_from={quote(moment.isoformat())}")) == 7
    assert len(found(f"placed_before={quote(moment.isoformat())}")) == 6
    assert found("channel=delivery") == []
    assert found("payment_state=paid") == []


def test_payments_are_filtered(key: Caller, restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    plain, doubtful, small = (order_of(restaurant, table=table) for table in ("1", "2", "3"))
    paid = key.post("/payments", card(plain)).json()["id"]
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    doubted = key.post("/payments", card(doubtful)).json()["id"]
    cash = key.post(
        "/payments", {"order": str(small.pk), "method": "cash", "amount": {"amount": 500, "currency": "INR"}}
    )

    def found(query: str) -> list[str]:
        return [item["id"] for item in key.get(f"/payments?ordering=created_at&{query}").json()["items"]]

    assert found("") == [paid, doubted, cash.json()["id"]]
    assert found("status=completed") == [paid]
    assert found("in_doubt=true") == [doubted]
    assert found("in_doubt=false") == [paid, cash.json()["id"]]
    assert found("method=cash") == found("provider=cash") == found("max_amount=500") == [cash.json()["id"]]
    assert found(f"order={plain.pk}") == found("table=1") == [paid]
    assert found("min_amount=84000") == [paid, doubted]
    future = quote((clock.now() + timedelta(hours=1)).isoformat())
    assert found(f"created_from={future}") == []
    assert len(found(f"created_before={future}")) == 3


def test_a_list_is_the_callers_own(key: Caller, orders: list[Order], elsewhere: Restaurant) -> None:
    cursor = key.get("/orders?limit=1").json()["page"]["next_cursor"]

    assert key_of(elsewhere).get(f"/orders?cursor={cursor}").json()["items"] == []
