"""Who may call what: every route of the API × everybody who may knock. A route without its row fails here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.models import ApiKey, Approval, Restaurant, Role, UserToken
from accounts.routes import Route
from failures.models import Case
from kernel import clock
from kernel.modes import Mode
from orders.models import Order
from payments.gateways.contract import ErrorCode, Outcome
from payments.models import Payment, Refund
from tests.api.conftest import ALL_SCOPES, Caller, card, inr, key_of, person_of
from tests.factories import order_of
from tests.scripted import ScriptedGateway, outcome

LINES = {"lines": [{"name": "Chai", "quantity": 1, "unit_price": inr(4_000)}]}
READ_ONLY = [scope for scope in ALL_SCOPES if scope.endswith(":read")]


@dataclass
class Scene:
    """One of everything, and whoever may knock."""

    owner_order: Order
    completed: Payment
    held: Payment
    refund: Refund
    case: Case
    approval: Approval
    callers: dict[str, Caller] = field(default_factory=dict)

    def path(self, route: str) -> str:
        named = {"orders": self.owner_order.pk, "payments": self.completed.pk, "refunds": self.refund.pk}
        named |= {"cases": self.case.pk, "approvals": self.approval.pk}
        first = route.split("/")[1]
        return route.replace("{id}", str(named.get(first, "")))


# Everybody who may knock, and what each of them is told: `yes` means that the route takes it from there.
CALLERS = (
    *("anonymous", "owner", "other customer", "waiter here", "waiter elsewhere", "inactive user"),
    *("finance", "finance lead", "admin", "auditor"),
    *("key read", "key write", "key of another restaurant", "revoked key", "expired key", "rotated out key"),
    *("live key", "browser", "expired user token", "revoked user token", "no role any more"),
)
UNKNOWN = dict.fromkeys(
    (
        *("anonymous", "inactive user", "revoked key", "expired key", "rotated out key"),
        *("expired user token", "revoked user token", "no role any more"),
    ),
    401,
)


def row(*, yes: str, own: str = "", elsewhere: int = 404) -> dict[str, int | str]:
    """`yes`: who has the scope. `own`: who may, and finds nothing because it is not theirs. Others are refused."""
    allowed = {name.strip() for name in yes.split(",") if name.strip()}
    others = {name.strip() for name in own.split(",") if name.strip()}
    answers: dict[str, int | str] = {}
    for caller in CALLERS:
        if caller in UNKNOWN:
            answers[caller] = 401
        elif caller in allowed:
            answers[caller] = "yes"
        elif caller in others:
            answers[caller] = elsewhere
        else:
            answers[caller] = 403
    return answers


STAFF = "waiter here, admin"
OFFICE = "finance, finance lead, admin"
READING = f"{OFFICE}, auditor"
ALL_HERE = f"owner, waiter here, {READING}, key read, key write"
FOREIGN = "other customer, waiter elsewhere, key of another restaurant, live key"
# (method, path): who is told what. Lists are open to strangers, too: theirs is another list.
MATRIX: Mapping[tuple[str, str], Mapping[str, int | str]] = {
    ("GET", "/caller"): row(yes=f"{ALL_HERE}, {FOREIGN}, browser"),
    ("DELETE", "/tokens/current"): row(yes=f"owner, waiter here, {READING}, other customer, waiter elsewhere"),
    ("GET", "/orders"): row(yes=f"{ALL_HERE}, {FOREIGN}"),
    ("POST", "/orders"): row(yes=f"{STAFF}, key write, waiter elsewhere, key of another restaurant, live key"),
    ("GET", "/orders/{id}"): row(yes=ALL_HERE, own=FOREIGN),
    ("PATCH", "/orders/{id}"): row(
        yes=f"{STAFF}, key write", own="waiter elsewhere, key of another restaurant, live key"
    ),
    **{
        ("POST", f"/orders/{{id}}/{step}"): row(
            yes=f"{STAFF}, key write", own="waiter elsewhere, key of another restaurant, live key"
        )
        for step in ("confirm", "fulfil")
    },
    # This one is paid: who cancels it gives money back.
    ("POST", "/orders/{id}/cancel"): row(
        yes="admin, key write", own="waiter elsewhere, key of another restaurant, live key"
    ),
    ("GET", "/orders/{id}/payment-methods"): row(yes=ALL_HERE, own=FOREIGN),
    ("GET", "/payments"): row(yes=f"{ALL_HERE}, {FOREIGN}"),
    ("POST", "/payments"): row(yes=f"owner, {STAFF}, key write", own=FOREIGN),
    ("GET", "/payments/{id}"): row(yes=ALL_HERE, own=f"{FOREIGN}, browser"),
    ("GET", "/payments/{id}/events"): row(yes=ALL_HERE, own=f"{FOREIGN}, browser"),
    ("GET", "/payments/{id}/attempts"): row(yes=ALL_HERE, own=FOREIGN),
    **{
        ("POST", f"/payments/{{id}}/{verb}"): row(yes=f"owner, {STAFF}, key write", own=f"{FOREIGN}, browser")
        for verb in ("start", "retry", "hold", "handshake")
    },
    **{
        ("POST", f"/payments/{{id}}/{verb}"): row(yes=f"owner, {STAFF}, key write", own=FOREIGN)
        for verb in ("cancel", "refresh", "client-tokens")
    },
    ("POST", "/payments/{id}/cash"): row(yes=f"waiter here, {OFFICE}", own="waiter elsewhere"),
    ("POST", "/payments/{id}/refunds"): row(
        # A waiter hands back cash; this one was paid by card.
        yes=f"{OFFICE}, key write",
        own="waiter elsewhere, key of another restaurant, live key",
    ),
    ("GET", "/refunds"): row(yes=f"{ALL_HERE}, {FOREIGN}"),
    ("GET", "/refunds/{id}"): row(yes=ALL_HERE, own=FOREIGN),
    ("POST", "/refunds/{id}/refresh"): row(yes=f"{OFFICE}, key write", own="key of another restaurant, live key"),
    ("GET", "/providers"): row(yes=f"{READING}, key read, key write, key of another restaurant, live key"),
    ("GET", "/statistics/daily"): row(yes=f"{READING}, key read, key write, key of another restaurant, live key"),
    ("GET", "/cases"): row(yes=f"{READING}, key read, key write, key of another restaurant, live key"),
    ("GET", "/cases/{id}"): row(yes=f"{READING}, key read, key write", own="key of another restaurant, live key"),
    ("POST", "/cases/{id}/assign"): row(yes=OFFICE),
    ("POST", "/cases/{id}/actions"): row(yes=OFFICE),
    ("GET", "/approvals"): row(yes=f"{READING}, key read, key write, key of another restaurant, live key"),
    ("GET", "/approvals/{id}"): row(yes=f"{READING}, key read, key write", own="key of another restaurant, live key"),
    ("POST", "/approvals/{id}/answer"): row(yes=OFFICE),
}
# Open to everybody: it is how one becomes somebody.
PUBLIC = {("POST", "/tokens")}
# Bodies that are right, so that what is told is about the caller. Without one: an empty object.
BODIES: Mapping[tuple[str, str], Callable[[Scene], dict[str, Any]]] = {
    ("POST", "/orders"): lambda _: LINES,
    ("PATCH", "/orders/{id}"): lambda _: {**LINES, "version": 0},
    ("POST", "/payments"): lambda scene: card(scene.owner_order),
    ("POST", "/payments/{id}/handshake"): lambda _: {"query": "a=b"},
    ("POST", "/payments/{id}/cash"): lambda _: {"amount": inr(1)},
    ("POST", "/payments/{id}/refunds"): lambda _: {"amount": inr(1), "reason": "cold food"},
    ("POST", "/cases/{id}/actions"): lambda _: {"action": "dismiss", "reason": "seen by us"},
    ("POST", "/approvals/{id}/answer"): lambda _: {"verdict": "reject"},
}


def routes() -> Iterator[tuple[str, str]]:
    """Every method of every route of the API, from the resolver itself."""
    for pattern, prefix in _walk(get_resolver(), ""):
        view: Any = getattr(pattern.callback, "view_class", None)
        if prefix.startswith("api/v1/"):
            path = "/" + prefix.removeprefix("api/v1/")
            for name in ("order_id", "payment_id", "refund_id", "case_id", "approval_id"):
                path = path.replace(f"<uuid:{name}>", "{id}")
            assert issubclass(view, Route), f"{path} is no Route: nobody checks who calls it"
            for method in view.http_method_names:
                if method not in {"options", "head"} and hasattr(view, method):
                    yield method.upper(), path


def _walk(resolver: URLResolver, prefix: str) -> Iterator[tuple[URLPattern, str]]:
    for each in resolver.url_patterns:
        whole = prefix + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from _walk(each, whole)
        else:
            yield each, whole


@pytest.fixture
def scene(restaurant: Restaurant, elsewhere: Restaurant, provider_a: ScriptedGateway) -> Scene:
    owner, guest = person_of(restaurant, Role.CUSTOMER)
    order = order_of(restaurant, owner_id=guest.pk)
    key = key_of(restaurant)
    half = key.post("/payments", card(order, amount=inr(40_000))).json()
    refund = key.post(f"/payments/{half['id']}/refunds", {"amount": inr(1_000), "reason": "cold food"}).json()
    provider_a.charges.append(outcome(Outcome.DECLINED, ErrorCode.ISSUER_UNAVAILABLE))
    failing = order_of(restaurant, owner_id=guest.pk)
    key.post("/payments", card(failing, provider="a"))
    held = key.post("/payments", {"order": str(order.pk), "amount": inr(1_000), "hold": True}).json()
    case, (asking, _) = Case.objects.get(), person_of(restaurant, Role.FINANCE)
    asking.post(f"/cases/{case.pk}/actions", {"action": "write_off", "reason": "the guest has left"})
    scene = Scene(
        owner_order=order,
        completed=Payment.objects.get(pk=half["id"]),
        held=Payment.objects.get(pk=held["id"]),
        refund=Refund.objects.get(pk=refund["id"]),
        case=case,
        approval=Approval.objects.get(),
    )
    browser = Caller(key.post(f"/payments/{held['id']}/client-tokens").json()["client_token"])
    scene.callers = {"owner": owner, "key write": key, "browser": browser, **_others(restaurant, elsewhere)}
    return scene


def _others(restaurant: Restaurant, elsewhere: Restaurant) -> dict[str, Caller]:
    callers = {
        "anonymous": Caller(),
        "other customer": person_of(restaurant, Role.CUSTOMER)[0],
        "waiter here": person_of(restaurant, Role.WAITER)[0],
        "waiter elsewhere": person_of(elsewhere, Role.WAITER)[0],
        "finance": person_of(restaurant, Role.FINANCE)[0],
        "finance lead": person_of(restaurant, Role.FINANCE_LEAD)[0],
        "auditor": person_of(restaurant, Role.AUDITOR)[0],
        "admin": person_of(restaurant, Role.ADMIN)[0],
        "key read": key_of(restaurant, *READ_ONLY),
        "key of another restaurant": key_of(elsewhere),
        "live key": key_of(restaurant, mode=Mode.LIVE),
    }
    inactive, person = person_of(restaurant, Role.ADMIN)
    person.is_active = False
    person.save()
    demoted, former = person_of(restaurant, Role.ADMIN)
    former.memberships.all().delete()
    return {**callers, "inactive user": inactive, "no role any more": demoted, **_ended(restaurant)}


def _ended(restaurant: Restaurant) -> dict[str, Caller]:
    """Whose time is over, each in its own way."""
    past = clock.now()
    ended = {}
    for name, change in (
        ("revoked key", {"revoked_at": past}),
        ("expired key", {"expires_at": past}),
        ("rotated out key", {"replaced_at": past, "expires_at": past}),
    ):
        ended[name] = key_of(restaurant)
        ApiKey.objects.filter(pk=ApiKey.objects.latest("created_at").pk).update(**change)
    for name, token_change in (
        ("expired user token", {"expires_at": past}),
        ("revoked user token", {"revoked_at": past}),
    ):
        ended[name] = person_of(restaurant, Role.ADMIN)[0]
        UserToken.objects.filter(pk=UserToken.objects.latest("created_at").pk).update(**token_change)
    return ended


def test_every_route_has_its_row() -> None:
    assert set(routes()) == {*MATRIX, *PUBLIC}


def test_every_row_has_everybody() -> None:
    assert all(set(answers) == set(CALLERS) for answers in MATRIX.values())
    assert len(CALLERS) >= 12


@pytest.mark.parametrize(("method", "route"), list(MATRIX), ids=[f"{method} {path}" for method, path in MATRIX])
def test_who_may_call(scene: Scene, method: str, route: str) -> None:
    body = BODIES.get((method, route), lambda _: {})(scene)
    wrong = {}
    # Whoever is let in may change things: they come last, so that all others find them as they were.
    for name, expected in sorted(MATRIX[method, route].items(), key=lambda pair: pair[1] == "yes"):
        answer = _knock(scene.callers[name], method, scene.path(route), body)
        let_in = answer.status_code not in {401, 403, 404}
        if let_in != (expected == "yes") or (not let_in and answer.status_code != expected):
            wrong[name] = (answer.status_code, expected, answer.content[:200])

    assert wrong == {}


def _knock(caller: Caller, method: str, path: str, body: dict[str, Any]) -> Any:
    if method == "GET":
        return caller.get(path)
    if method == "DELETE":
        return caller.delete(path)
    return caller.patch(path, body) if method == "PATCH" else caller.post(path, body, key=str(uuid4()))


@pytest.mark.parametrize("path", ["/orders", "/payments", "/refunds", "/cases"])
def test_a_list_is_of_the_callers_restaurant_and_mode(scene: Scene, path: str) -> None:
    mine = scene.callers["key write"].get(path).json()["items"]

    assert mine
    for stranger in ("key of another restaurant", "live key"):
        assert scene.callers[stranger].get(path).json()["items"] == []


def test_a_strangers_answer_is_the_answer_to_what_does_not_exist(scene: Scene) -> None:
    key = scene.callers["key of another restaurant"]

    foreign, missing = (key.get(f"/payments/{each}").json() for each in (scene.completed.pk, uuid4()))

    assert {**foreign, "request_id": ""} == {**missing, "request_id": ""}


def test_a_scope_that_is_missing_is_named(scene: Scene) -> None:
    answer = scene.callers["key read"].post("/orders", LINES)

    assert answer.json()["detail"] == "This needs the scope orders:write."
    assert answer.json()["next_action"] == "ask_for_access"


def test_whoever_is_unknown_is_challenged(scene: Scene) -> None:
    for name in UNKNOWN:
        answer = scene.callers[name].get("/orders")
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.json()["next_action"] == "sign_in"
