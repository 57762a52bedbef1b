"""Webhooks: what is told, how it is signed, and the list of those that wait for delivery."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kernel import clock
from sandbox.wire import signature

# Signs what only pretends to be ours. It is public, so that a receiver's tests can forge with it as well.
FORGER_SECRET = "the-secret-of-a-forger-who-guesses"  # noqa: S105  It is meant to be wrong.


@dataclass(slots=True, kw_only=True)
class Webhook:
    id: str
    type: str
    key: str  # Of the charge or refund that it is about.
    url: str
    body: bytes
    due_at: float
    secret: str = field(repr=False)
    attempts: int = 0

    @property
    def headers(self) -> dict[str, str]:
        """Signed anew at each delivery, so that a late one is not a stale one."""
        signed_at = int(clock.now().timestamp())
        return {
            "content-type": "application/json",
            "x-sandbox-signature": signature(self.secret, self.body, signed_at),
        }


def webhook(kind: str, data: Mapping[str, Any], *, url: str, secret: str, due_at: float) -> Webhook:
    event_id = f"evt_{clock.new_id().hex}"
    event = {"id": event_id, "type": kind, "created": int(clock.now().timestamp()), "data": data}
    body = json.dumps(event).encode()
    return Webhook(id=event_id, type=kind, key=data["key"], url=url, body=body, due_at=due_at, secret=secret)
