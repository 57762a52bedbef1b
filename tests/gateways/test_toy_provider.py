"""Adds Tiffin Pay by the steps of docs/providers.md alone, and pays with it. If the page is wrong, this fails."""

from __future__ import annotations

import hmac
import importlib
import inspect
import itertools
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from accounts.models import Restaurant
from events.actors import SYSTEM
from failures.invariants import offences
from kernel import clock
from payments import gateways
from payments.models import Attempt, AttemptStatus, NextAction, Payment, PaymentStatus, ProviderAccount
from payments.services import providers
from payments.services.notices import apply_notice, receive_notice
from payments.services.refund_requests import request_refund
from payments.services.sweeps import sweep_payments, sweep_refunds
from tests.architecture import code_rules, state_rules
from tests.architecture.source import ROOT, Source
from tests.factories import RestaurantFactory, order_of, paid, routed
from tests.gateways import parties, test_contract
from tests.gateways.parties import Party
from tests.scripted import ScriptedGateway, provider_of
from tests.time_machine import ShiftedClock

PAGE = (ROOT / "docs" / "providers.md").read_text(encoding="utf-8")
# The titles say where each block goes.
BLOCKS = dict(re.findall(r'^```python title="([^"]+)"\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL))
GATEWAY, REGISTRATION, LINE = "payments/gateways/tiffin.py", "payments/services/providers.py", "PROVIDERS"
PARTY, SHELL = "tests/gateways/parties.py", "manage.py shell"
API_KEY, SECRET = "the key they gave us", "the secret they gave us"


def test_the_page_has_one_block_for_each_step() -> None:
    assert list(BLOCKS) == [GATEWAY, REGISTRATION, LINE, PARTY, SHELL]
    assert PAGE.count("```python") == len(BLOCKS)


def done(block: str, names: dict[str, Any]) -> dict[str, Any]:
    exec(block, names)  # noqa: S102  Our own page.
    return names


def entry(line: str, names: dict[str, Any]) -> Any:
    """The value of "tiffin" in a dictionary that has this line."""
    return done(f"added = {{\n{line}\n}}", names)["added"]["tiffin"]


@pytest.fixture
def tiffin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Step 1: the file, in a folder that counts as one more part of `payments.gateways`."""
    (tmp_path / "tiffin.py").write_text(BLOCKS[GATEWAY], encoding="utf-8")
    monkeypatch.setattr(gateways, "__path__", [*gateways.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, "payments.gateways.tiffin", raising=False)
    yield importlib.import_module("payments.gateways.tiffin")
    del sys.modules["payments.gateways.tiffin"], gateways.tiffin  # type: ignore[attr-defined]  # It came with the import.


@pytest.fixture
def _registered(tiffin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Step 2: the builder among the names of its module, then the line."""
    names = done(BLOCKS[REGISTRATION], {**vars(providers), "tiffin": tiffin})
    monkeypatch.setitem(providers.PROVIDERS, "tiffin", entry(BLOCKS[LINE], names))


@pytest.fixture
def party(tiffin: Any) -> Party:
    """Step 3: the entry for the contract tests."""
    added: Party = entry(BLOCKS[PARTY], {**vars(parties), "hmac": hmac, **vars(tiffin)})
    return added


@pytest.fixture
def account(_registered: None, transactional_db: None, server: Tiffin) -> ProviderAccount:
    """Step 4, with the server's real address, for a restaurant that had a provider before."""
    routed(RestaurantFactory.create(slug="saffron-table"), "scripted")
    done(BLOCKS[SHELL].replace("https://api.tiffin.example", server.url), {})
    return ProviderAccount.objects.get(provider="tiffin")


@pytest.fixture
def restaurant(account: ProviderAccount, monkeypatch: pytest.MonkeyPatch) -> Iterator[Restaurant]:
    other = ScriptedGateway()
    monkeypatch.setitem(providers.PROVIDERS, "scripted", provider_of(other))
    yield account.restaurant
    assert other.asked == []
    assert list(offences(now=clock.now())) == []


# Step 3: every test of the contract that is about one party, with every value it is tried with.


def cases() -> Iterator[Any]:
    for name, function in vars(test_contract).items():
        if not name.startswith("test_") or "party" not in inspect.signature(function).parameters:
            continue
        marks = [mark.args for mark in getattr(function, "pytestmark", []) if mark.name == "parametrize"]
        tables = [[_named(names, value) for value in values] for names, values, *_ in marks if names != "party"]
        for number, values in enumerate(itertools.product(*tables)):
            arguments = {name: value for named in values for name, value in named.items()}
            yield pytest.param(function, arguments, id=f"{name}-{number}")


def _named(names: Any, value: Any) -> dict[str, Any]:
    if isinstance(names, str) and "," not in names:
        return {names: value}
    split = names.split(",") if isinstance(names, str) else names
    return dict(zip((name.strip() for name in split), value, strict=True))


@pytest.mark.parametrize(("function", "arguments"), list(cases()))
def test_it_keeps_the_contract(party: Party, function: Any, arguments: dict[str, Any]) -> None:
    wire = arguments.get("wire")
    if wire is not None:
        wire.requests.clear()
    function(party=party, **arguments)


def test_the_contract_is_long() -> None:
    assert len(list(cases())) > 100


def test_the_gateway_is_in_style(tmp_path: Path) -> None:
    source = Source(GATEWAY, BLOCKS[GATEWAY])
    assert [line for rule in (*state_rules.RULES, *code_rules.RULES) for line in rule.violations(source)] == []
    for check in (["check"], ["format", "--check"]):
        answer = subprocess.run(
            [sys.executable, "-m", "ruff", *check, "--stdin-filename", str(ROOT / GATEWAY), "-"],
            input=source.text,
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        )
        assert answer.returncode == 0, answer.stdout + answer.stderr


# The provider: a tiny HTTP server that speaks the page's wire format.


class Tiffin(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.things: dict[str, dict[str, Any]] = {}  # By path.
        self.sends: list[str] = []
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hung up is what one of the tests is about."""

    def make(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        """The same reference again is the same thing."""
        path = f"/{kind}s/{body['ref']}"
        self.sends.append(path)
        state, reason, page = _STATES.get(body.get("token", ""), ("paid", "", ""))
        thing = {"kind": kind, "id": f"tp_{len(self.things) + 1}", "ref": body["ref"], "state": state, "reason": reason}
        thing |= {"paise": body["paise"], "currency": body["currency"], "page": page and f"{self.url}{page}"}
        return self.things.setdefault(path, thing)

    def notice(self, thing: dict[str, Any]) -> tuple[dict[str, str], bytes]:
        body = json.dumps({"event": f"ev_{thing['id']}", "about": thing}).encode()
        return {"Tiffin-Signature": hmac.new(SECRET.encode(), body, "sha256").hexdigest()}, body


_STATES = {"ask": ("waiting", "", "/page"), "poor": ("refused", "no_funds", "")}


class Handler(BaseHTTPRequestHandler):
    server: Tiffin

    def do_GET(self) -> None:
        thing = self.server.things.get(self.path)
        self._answer(200 if thing else 404, thing or {"error": {"code": "no_such_ref", "message": "Nothing."}})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.headers["authorization"] != f"Bearer {API_KEY}":
            self._answer(401, {"error": {"code": "who_are_you", "message": "No."}})
            return
        if self.path.endswith("/close"):
            thing = self.server.things[self.path.removesuffix("/close")]
            thing["state"] = "refused" if thing["state"] == "waiting" else thing["state"]
        else:
            thing = self.server.make(self.path.removeprefix("/").removesuffix("s"), body)
        if body.get("token") == "slow":
            self.server.over.wait()
            return
        self._answer(200, thing)

    def _answer(self, status: int, value: dict[str, Any]) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Not into the output of the tests."""


@pytest.fixture
def server(settings: Any) -> Iterator[Tiffin]:
    """The same proportions of time as in production, at a tenth."""
    settings.STEWARD_PROVIDER_DEADLINE_SECONDS = 1
    settings.STEWARD_REQUEST_BUDGET_SECONDS = 2
    settings.STEWARD_LEASE_SECONDS = 7
    server = Tiffin()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


# Payments.


def pay_with(restaurant: Restaurant, token: str) -> Payment:
    """By the second route: the restaurant's first provider is not asked for."""
    return paid(order_of(restaurant), instrument=token, provider="tiffin")


def stored(payment: Payment) -> tuple[Payment, Attempt]:
    return Payment.objects.get(pk=payment.pk), Attempt.objects.get(payment=payment)


def test_the_recorded_answers_are_this_provider_s(party: Party, server: Tiffin) -> None:
    thing = server.make("charge", {"ref": "key-1", "paise": 84_000, "currency": "INR"})
    assert thing == party.answer
    assert json.loads(party.notice) == {"event": "ev_1", "about": thing}


def test_a_charge_completes_the_payment_and_a_refund_gives_it_back(restaurant: Restaurant, server: Tiffin) -> None:
    payment, attempt = stored(pay_with(restaurant, "ok"))

    assert payment.status == PaymentStatus.COMPLETED
    assert (attempt.status, attempt.captured_minor) == (AttemptStatus.SUCCEEDED, 84_000)
    assert attempt.provider_reference == "tp_1"
    assert server.sends == [f"/charges/{attempt.pk}"]

    refund = request_refund(payment_id=payment.pk, reason="The food was cold.", actor=SYSTEM)
    sweep_refunds(width=1)

    assert stored(payment)[1].refunded_minor == 84_000
    assert server.sends[1:] == [f"/refunds/{refund.pk}"]


def test_a_time_out_is_doubt_until_a_look_up_ends_it(
    restaurant: Restaurant, server: Tiffin, time: ShiftedClock
) -> None:
    payment, attempt = stored(pay_with(restaurant, "slow"))

    assert (payment.status, payment.in_doubt) == (PaymentStatus.PROCESSING, True)
    assert (attempt.status, attempt.error_code) == (AttemptStatus.UNKNOWN, "timed_out")
    assert payment.next_action == NextAction.LOOK_UP
    assert payment.next_action_at is not None

    time.jump_to(payment.next_action_at)
    sweep_payments(width=1)

    payment, attempt = stored(payment)
    assert (payment.status, payment.in_doubt) == (PaymentStatus.COMPLETED, False)
    assert attempt.captured_minor == 84_000
    assert server.sends == [f"/charges/{attempt.pk}"]


def test_a_guest_who_acts_later_is_told_about_by_a_notice(
    restaurant: Restaurant, server: Tiffin, account: ProviderAccount
) -> None:
    payment, attempt = stored(pay_with(restaurant, "ask"))
    assert attempt.status == AttemptStatus.PENDING
    assert attempt.next_step == {"kind": "redirect", "url": f"{server.url}/page"}

    thing = server.things[f"/charges/{attempt.pk}"]
    thing["state"] = "paid"
    headers, body = server.notice(thing)
    for _ in range(2):
        apply_notice(notice_id=receive_notice(account=account, headers=headers, body=body).notice_id)

    assert stored(payment)[0].status == PaymentStatus.COMPLETED


def test_a_decline_says_why(restaurant: Restaurant) -> None:
    payment, attempt = stored(pay_with(restaurant, "poor"))

    assert (payment.status, payment.failure_code) == (PaymentStatus.FAILED, "insufficient_funds")
    assert attempt.status == AttemptStatus.DECLINED
