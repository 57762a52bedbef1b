"""Several requests for one verb, within one deadline: whoever waits for a verb waits for all of them together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from http import HTTPStatus
from typing import Any

from kernel import clock
from payments.gateways.transport import Exchange, HttpTransport


class Unanswered(Exception):
    """One of the requests brought no answer to build on."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__()
        self.exchange = exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    http: HttpTransport
    until: float  # Monotonic.
    send_before: datetime | None  # For each of its requests.

    def send(
        self, method: str, path: str, *, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> Exchange:
        http = replace(self.http, total_seconds=self.until - clock.monotonic())
        return http.send(method, path, body=body, headers=headers, send_before=self.send_before)

    def get(self, path: str) -> Mapping[str, Any]:
        return complete(self.send("GET", path))


def begin_talk(http: HttpTransport, *, send_before: datetime | None = None) -> Talk:
    return Talk(http=http, until=clock.monotonic() + http.total_seconds, send_before=send_before)


def complete(exchange: Exchange) -> Mapping[str, Any]:
    if exchange.status != HTTPStatus.OK or exchange.body is None:
        raise Unanswered(exchange)
    return exchange.body
