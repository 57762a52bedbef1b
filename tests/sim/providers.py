"""Two sandbox providers inside the process, with their own books, on a wire that takes time and can be cut."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import httpx

from payments.gateways import simulated
from payments.gateways.contract import Gateway
from payments.gateways.simulated import SimulatedCredentials, SimulatedGateway
from payments.gateways.transport import Call
from payments.services.providers import Provider
from sandbox.inprocess import InProcess
from sandbox.till import Settings
from tests.sim.clock import SeedClock

API_KEY = "sandbox-api-key-of-the-simulation"
SECRET = "sandbox-webhook-secret-of-the-simulation"
NAMES = ("sandbox_a", "sandbox_b")
USUAL_SECONDS = 0.3


class Wire(httpx.BaseTransport):
    """A call takes time, also when nothing comes back; its worker may die before and after the provider acted."""

    def __init__(self, inner: httpx.BaseTransport, call: Call, clock: SeedClock, cut: Callable[[str], None]) -> None:
        self._inner, self._call, self._clock, self._cut = inner, call, clock, cut

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._cut("wire.before")
        try:
            response = self._inner.handle_request(request)
        except httpx.ReadTimeout:
            self._clock.advance(max(0.0, self._call.deadline - self._clock.monotonic()))
            self._cut("wire.timed_out")
            raise
        self._clock.advance(USUAL_SECONDS)
        self._cut("wire.after")
        return response


class SimProvider:
    def __init__(self, name: str, clock: SeedClock, cut: Callable[[str], None]) -> None:
        settings = Settings(name=name, api_key=API_KEY, webhook_secret=SECRET, notify_url="http://us.invalid/")
        self.name = name
        self.sandbox = InProcess(settings)
        self._clock, self._cut = clock, cut

    def registered(self) -> Provider:
        facts = replace(simulated.FACTS, name=self.name)
        return Provider(facts=facts, build=lambda facts, credentials: self._gateway())

    def _gateway(self) -> Gateway:
        credentials = SimulatedCredentials(
            base_url="http://sandbox.invalid", api_key=API_KEY, webhook_secrets=(SECRET,)
        )
        facts = replace(simulated.FACTS, name=self.name)
        return SimulatedGateway(credentials=credentials, facts=facts, dial=self._dial)

    def _dial(self, call: Call) -> httpx.BaseTransport:
        return Wire(self.sandbox.dial(call), call, self._clock, self._cut)

    def net_of(self, order_reference: str) -> dict[str, int]:
        """Captures less refunds, by currency."""
        books = self.sandbox.provider.books
        captured, refunded = books.captured(order_reference), books.refunded(order_reference)
        return {currency: amount - refunded.get(currency, 0) for currency, amount in captured.items()}
