"""A restaurant with two scripted providers and cash, and whoever may call about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from accounts.models import Restaurant, Role, User
from accounts.scopes import KEY_SCOPES
from accounts.services.keys import issue_api_key
from accounts.services.people import issue_user_token
from api import limits
from kernel.modes import Mode
from orders.models import Order
from payments.models import Payment
from tests.factories import RestaurantFactory, order_of, routed, staff
from tests.payments.conftest import _invariants_hold, provider_a, provider_b
from tests.scripted import ScriptedGateway

__all__ = ["_invariants_hold", "provider_a", "provider_b"]

ALL_SCOPES = sorted(scope.value for scope in KEY_SCOPES)


@dataclass
class Caller:
    """Somebody with a key or a token. Nothing is raised: whatever happens is an answer."""

    secret: str = ""

    def get(self, path: str, **headers: str) -> Any:
        return self._client().get(f"/api/v1{path}", headers=self._headers(headers))

    def post(self, path: str, body: Any = None, *, key: str | None = "", **headers: str) -> Any:
        """A new key for each call, unless one is named; None sends none."""
        return self._send("post", path, body, {**_key(key), **headers})

    def patch(self, path: str, body: Any, **headers: str) -> Any:
        return self._send("patch", path, body, headers)

    def delete(self, path: str, **headers: str) -> Any:
        return self._client().delete(f"/api/v1{path}", headers=self._headers(headers))

    def send(self, method: str, path: str, content: bytes, content_type: str = "application/json") -> Any:
        """Bytes just as they are."""
        headers = self._headers(_key(""))
        return self._client().generic(
            method.upper(), f"/api/v1{path}", content, content_type=content_type, headers=headers
        )

    def _send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        call = getattr(self._client(), method)
        data = {} if body is None else body
        return call(f"/api/v1{path}", data, content_type="application/json", headers=self._headers(headers))

    def _headers(self, more: dict[str, str]) -> dict[str, str]:
        named = {name.replace("_", "-"): value for name, value in more.items()}
        return {"Authorization": f"Bearer {self.secret}", **named} if self.secret else named

    def _client(self) -> Client:
        return Client(raise_request_exception=False)


def _key(key: str | None) -> dict[str, str]:
    return {} if key is None else {"Idempotency-Key": key or str(uuid4())}


@pytest.fixture(autouse=True)
def _own_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """One test's calls count against no other's limits, whoever runs beside it."""
    counter = limits._InMemory()
    monkeypatch.setattr(limits, "_counter", lambda: counter)


@pytest.fixture
def restaurant(_invariants_hold: None, provider_a: ScriptedGateway, provider_b: ScriptedGateway) -> Restaurant:
    restaurant = RestaurantFactory.create(slug="saffron")
    routed(restaurant, "a", "b", "cash")
    return restaurant


@pytest.fixture
def elsewhere(restaurant: Restaurant) -> Restaurant:
    other = RestaurantFactory.create(slug="elsewhere")
    routed(other, "a", "cash")
    return other


def key_of(restaurant: Restaurant, *scopes: str, mode: Mode = Mode.TEST, **key: Any) -> Caller:
    name = f"key {uuid4()}"
    secret = issue_api_key(restaurant=restaurant, mode=mode, name=name, scopes=scopes or ALL_SCOPES, **key)
    return Caller(secret)


def person_of(restaurant: Restaurant, role: Role, *, mode: Mode = Mode.TEST) -> tuple[Caller, User]:
    person = staff(restaurant, role)
    token, _ = issue_user_token(person=person, restaurant=restaurant, mode=mode)
    return Caller(token), person


@pytest.fixture
def key(restaurant: Restaurant) -> Caller:
    """A platform's key with all that a key may have."""
    return key_of(restaurant)


@pytest.fixture
def waiter(restaurant: Restaurant) -> Caller:
    return person_of(restaurant, Role.WAITER)[0]


@pytest.fixture
def finance(restaurant: Restaurant) -> Caller:
    return person_of(restaurant, Role.FINANCE)[0]


@pytest.fixture
def order(restaurant: Restaurant) -> Order:
    return order_of(restaurant)


def inr(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": "INR"}


def card(order: Order, **more: Any) -> dict[str, Any]:
    return {"order": str(order.pk), "method": "card", "instrument": "tok_1", **more}


def created(answer: Any) -> Payment:
    assert answer.status_code in {201, 202}, answer.content
    return Payment.objects.get(pk=answer.json()["id"])


def code_of(answer: Any) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.content
    return answer.status_code, answer.json()["code"]


def pointers(answer: Any) -> dict[str, str]:
    return {error["pointer"]: error["code"] for error in answer.json()["errors"]}
