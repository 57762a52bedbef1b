"""Two sandbox providers inside the process, with their own books, on a wire that takes time and can be cut."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from payments.gateways import simulated
from payments.gateways.contract import Gateway, GatewayFacts
from payments.gateways.simulated import SimulatedCredentials, SimulatedGateway
from payments.gateways.transport import Call
from payments.services.providers import Provider
from sandbox.behaviours import Mode
from sandbox.books import Books, Charge, Received, Refund
from sandbox.inprocess import InProcess
from sandbox.notices import Webhook
from sandbox.steering import Steering
from sandbox.till import Settings, Till
from tests.sim.clock import SeedClock

API_KEY = "sandbox-api-key-of-the-simulation"
NAMES = ("sandbox_a", "sandbox_b")
MOVES_MONEY = ("/v1/charges", "/v1/refunds")
USUAL_SECONDS = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A request that moves money, as it reached its provider."""

    request: Received
    at: datetime  # When it was sent, where it was held up on its way.
    send_before: datetime | None  # As its sender said.


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldUp:
    """Sent, and still on its way when its sender had long given up."""

    request: httpx.Request
    sent_at: datetime
    send_before: datetime | None
    due: datetime


class Wire(httpx.BaseTransport):
    """A call takes time, also when nothing comes back; its worker may die before and after the provider acted."""

    def __init__(self, provider: SimProvider, call: Call) -> None:
        self._inner, self._call, self._provider = provider.sandbox.dial(call), call, provider
        self._clock, self._cut = provider.clock, provider.cut

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._cut("wire.before")
        self._provider.let_arrive()
        try:
            response = self._sent(request)
        except httpx.ReadTimeout:
            self._clock.advance(max(0.0, self._call.deadline - self._clock.monotonic()))
            self._cut("wire.timed_out")
            raise
        self._clock.advance(USUAL_SECONDS)
        self._cut("wire.after")
        return response

    def _sent(self, request: httpx.Request) -> httpx.Response:
        if seconds := self._provider.delay_of(request):
            self._call.about_to_write()
            self._provider.hold_up(request, seconds=seconds, send_before=self._call.send_before)
            raise httpx.ReadTimeout("No answer in time", request=request)
        with self._provider.noting(send_before=self._call.send_before):
            return self._inner.handle_request(request)


class SimProvider:
    """One company with two merchants: our restaurant, and its neighbour with an account and a secret of its own."""

    def __init__(
        self,
        facts: GatewayFacts,
        *,
        clock: SeedClock,
        cut: Callable[[str], None],
        delay_seconds: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.name, self.facts = facts.name, facts
        self._secrets = 1
        settings = Settings(
            name=self.name,
            api_key=API_KEY,
            webhook_secret=self.secret,
            notify_url="http://us.invalid/",
            key_lifetime_seconds=self.facts.key_lifetime.total_seconds(),
        )
        self.sandbox = InProcess(settings)
        self.clock, self.cut = clock, cut
        self.arrivals: list[Arrival] = []
        self.on_their_way: list[HeldUp] = []
        self._delay_seconds = delay_seconds

    @property
    def books(self) -> Books:
        return self.sandbox.provider.books

    @property
    def steering(self) -> Steering:
        return self.sandbox.provider.steering

    @property
    def till(self) -> Till:
        return self.sandbox.provider.till

    @property
    def secret(self) -> str:
        return _secret(self.name, self._secrets)

    def credentials(self) -> Mapping[str, Any]:
        """What our account knows: two secrets are valid while a new one replaces an old one."""
        return {"webhook_secrets": [self.secret, _secret(self.name, self._secrets - 1)]}

    def rotate_secret(self) -> None:
        self._secrets += 1
        self.till.settings = replace(self.till.settings, webhook_secret=self.secret)

    def registered(self) -> Provider:
        return Provider(facts=self.facts, build=lambda facts, credentials: self._gateway(credentials))

    def take_mail(self) -> list[Webhook]:
        return self.sandbox.take_webhooks()

    # --- The way here ---------------------------------------------------------------------------------------------

    def delay_of(self, request: httpx.Request) -> float:
        """Only what moves money: a question that comes late is no question any more."""
        moves = request.method == "POST" and request.url.path in MOVES_MONEY
        return self._delay_seconds() if moves and self.steering.mode is Mode.OK else 0.0

    def hold_up(self, request: httpx.Request, *, seconds: float, send_before: datetime | None) -> None:
        now = self.clock.now()
        due = now + timedelta(seconds=seconds)
        self.on_their_way.append(HeldUp(request=request, sent_at=now, send_before=send_before, due=due))

    def let_arrive(self) -> None:
        """In time, whoever looks only now."""
        for held in [each for each in self.on_their_way if each.due <= self.clock.now()]:
            self.on_their_way.remove(held)
            with self.clock.as_of(held.due), self.noting(send_before=held.send_before, sent_at=held.sent_at):
                self.sandbox.deliver(held.request)
            # Whoever asks may come hours later: no provider hides a thing for longer than it declares.
            self.steering.hide(held.request.headers["idempotency-key"], look_ups=0)

    @contextmanager
    def noting(self, *, send_before: datetime | None, sent_at: datetime | None = None) -> Iterator[None]:
        known = len(self.books.requests)
        try:
            yield
        finally:
            for each in self.books.requests[known:]:
                if each.method == "POST" and each.path in MOVES_MONEY:
                    at = sent_at or datetime.fromtimestamp(each.at, tz=UTC)
                    self.arrivals.append(Arrival(request=each, at=at, send_before=send_before))

    # --- Its books ------------------------------------------------------------------------------------------------

    def plans(self) -> Iterator[datetime]:
        """When something will change in its books by itself."""
        yield from (held.due for held in self.on_their_way)
        entries: list[Charge | Refund] = [*self.books.charges.values(), *self.books.refunds.values()]
        for entry in entries:
            if entry.due_at is not None:
                yield datetime.fromtimestamp(entry.due_at, tz=UTC)

    def charge_of(self, key: str) -> Charge | None:
        return self.books.charge_of_key(key)

    def net_of(self, order_reference: str) -> dict[str, int]:
        """Captures less refunds, by currency."""
        captured, refunded = self.books.captured(order_reference), self.books.refunded(order_reference)
        return {currency: amount - refunded.get(currency, 0) for currency, amount in captured.items()}

    def _gateway(self, credentials: Mapping[str, Any]) -> Gateway:
        known = SimulatedCredentials(
            base_url="http://sandbox.invalid", api_key=API_KEY, webhook_secrets=tuple(credentials["webhook_secrets"])
        )
        return SimulatedGateway(credentials=known, facts=self.facts, dial=self._dial)

    def _dial(self, call: Call) -> httpx.BaseTransport:
        return Wire(self, call)


def _secret(name: str, number: int) -> str:
    return f"webhook-secret-{number}-of-{name}"


def first_credentials(name: str) -> dict[str, Any]:
    return {"webhook_secrets": [_secret(name, 1)]}


def usual_facts(name: str) -> GatewayFacts:
    return replace(simulated.FACTS, name=name)


def drawn_facts(name: str, rng: random.Random) -> GatewayFacts:
    """Providers differ, and what we do about a doubt depends on it."""
    return replace(
        usual_facts(name),
        key_lifetime=timedelta(hours=rng.choice([1, 24])),
        late_money_window=timedelta(hours=rng.choice([1, 5 * 24])),
        not_found_is_final=rng.random() < 0.5,
    )
