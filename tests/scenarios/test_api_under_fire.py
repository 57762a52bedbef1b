"""The API as its clients meet it when things go wrong: a storm on one key, and a web server that dies at its work."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

import httpx
import pytest

from tests.proof.records import record
from tests.scenarios.stack import Stack

CLIENTS = 50
# The full number takes minutes, which `make proof` has.
A_FEW_STORMS, STORMS = 40, 200
LINE = {"name": "Thali", "quantity": 1, "unit_price": {"amount": 32_000, "currency": "INR"}}
# A client goes on for as long as a guest waits.
PATIENCE_SECONDS = 60.0
# The product's own. With a second instead, a busy machine's provider misses it at times, and that is an honest doubt.
OWN_TIMES = {
    "STEWARD_PROVIDER_DEADLINE_SECONDS": "10",
    "STEWARD_REQUEST_BUDGET_SECONDS": "12",
    "STEWARD_LEASE_SECONDS": "30",
}


class Shop:
    """A platform's back end: it sends again what was not answered, with the same key."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        limits = httpx.Limits(max_connections=CLIENTS, max_keepalive_connections=CLIENTS)
        self.http = httpx.Client(
            base_url=f"{stack.record['addresses']['web']}/api/v1",
            headers={"Authorization": f"Bearer {stack.record['api_keys'][1]['key']}"},
            timeout=30,
            limits=limits,
            trust_env=False,
        )

    def order(self, key: str) -> dict[str, Any]:
        return dict(self.post("/orders", {"lines": [LINE]}, key).json())

    def post(self, path: str, body: dict[str, Any], key: str) -> httpx.Response:
        return self.http.post(path, json=body, headers={"Idempotency-Key": key})

    def until_final(self, path: str, body: dict[str, Any], key: str) -> httpx.Response:
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            with contextlib.suppress(httpx.TransportError):
                answer = self.post(path, body, key)
                if answer.status_code == HTTPStatus.CREATED:
                    return answer
                assert answer.status_code in {202, 409, 503}, answer.text
            time.sleep(0.5)
        raise AssertionError("It has not come to its end.")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One for both: whose web server died has started another one."""
    running = Stack(tmp_path_factory.mktemp("stack") / "var", **OWN_TIMES)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def shop(stack: Stack) -> Iterator[Shop]:
    shop = Shop(stack)
    with shop.http:
        yield shop


def payment_of(order: dict[str, Any], token: str) -> dict[str, Any]:
    return {"order": order["id"], "method": "card", "instrument": token}


@pytest.mark.slow
@pytest.mark.parametrize("storms", [A_FEW_STORMS, pytest.param(STORMS, marks=pytest.mark.proof)])
def test_fifty_clients_storm_one_key(stack: Stack, shop: Shop, storms: int) -> None:
    bodies = {}
    with ThreadPoolExecutor(max_workers=CLIENTS) as pool:
        for number in range(storms):
            order = shop.order(f"order-{number}")
            body, key = payment_of(order, "sim_ok"), f"press-{number}"
            answers = list(pool.map(lambda _, body=body, key=key: shop.post("/payments", body, key), range(CLIENTS)))
            told = [answer for answer in answers if answer.status_code == HTTPStatus.CREATED]
            assert told, Counter((answer.status_code, answer.text) for answer in answers)
            assert len({answer.content for answer in told}) == 1
            assert {answer.status_code for answer in answers} <= {HTTPStatus.CREATED, HTTPStatus.CONFLICT}
            bodies[order["reference"]] = told[0].content

    record("api", what="storms", storms=storms, clients=CLIENTS)
    assert len(set(bodies.values())) == storms
    books, totals = stack.books(), stack.totals()
    assert {reference: books[reference] for reference in bodies} == {
        reference: totals[reference] for reference in bodies
    }


@pytest.mark.slow
def test_a_web_server_that_dies_in_the_middle_of_a_payment(stack: Stack, shop: Shop) -> None:
    order = shop.order("order-of-the-dead")
    # The provider charges at once and says nothing: the request is at work until its time is over.
    body = payment_of(order, "sim_timeout_after_effect")

    lost: list[BaseException] = []

    def press() -> None:
        try:
            shop.post("/payments", body, "press-of-the-dead")
        except httpx.TransportError as error:
            lost.append(error)

    presses = threading.Thread(target=press)
    presses.start()
    time.sleep(0.4)
    stack.kill_with_children("web")
    presses.join()
    assert len(lost) == 1
    first = shop.until_final("/payments", body, "press-of-the-dead")
    again = shop.post("/payments", body, "press-of-the-dead")

    assert first.json()["status"] == "completed"
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    assert stack.books()[order["reference"]] == order["total"]["amount"]
    mine = shop.http.get(f"/payments?order={order['id']}").json()["items"]
    assert [payment["id"] for payment in mine] == [first.json()["id"]]
