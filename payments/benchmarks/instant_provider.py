"""A provider inside the process that says yes at once: the sandbox's gateway, with another dial."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx

from payments.services.providers import PROVIDERS, Provider

PROVIDER = "bench"
_CREDENTIALS = {"base_url": "http://bench.invalid", "api_key": "none", "webhook_secrets": ["none-is-ever-sent"]}


class _InstantProvider(httpx.BaseTransport):
    """Answers a charge in the sandbox's words, so that its gateway and the guard are measured too."""

    def __init__(self, call: Any) -> None:
        self._call = call

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._call.about_to_write()
        asked, key = json.loads(request.read()), request.headers["idempotency-key"]
        said = {"object": "charge", "key": key, "id": f"ch_{key}", "status": "succeeded", "refunds": []}
        moved = {"amount": asked["amount"], "currency": asked["currency"]}
        return httpx.Response(200, json={**said, "failure_code": "", "failure_message": "", "moved": moved})


def register_instant_provider() -> None:
    sandbox = PROVIDERS["sandbox_a"]

    def build(facts: Any, _: Mapping[str, Any]) -> Any:
        gateway: Any = sandbox.build(facts, _CREDENTIALS)
        return replace(gateway, dial=_InstantProvider)

    PROVIDERS[PROVIDER] = Provider(facts=replace(sandbox.facts, name=PROVIDER), build=build)


@contextmanager
def instant_provider() -> Iterator[None]:
    register_instant_provider()
    try:
        yield
    finally:
        del PROVIDERS[PROVIDER]
