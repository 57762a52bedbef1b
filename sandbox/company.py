"""A provider as a company: one lock, one set of books, one mood. What it says, and in which words, is its kind's."""

from __future__ import annotations

import hmac
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

from kernel import clock
from sandbox.behaviours import MODES, Mode, Network, Spoil, Trouble
from sandbox.books import Books, Received
from sandbox.notices import Webhook
from sandbox.steering import Steering
from sandbox.till import Settings, Till, timestamp
from sandbox.wire import SPOILERS, Refusal, Reply, Request

# What a script tells a provider to do, by a body that was JSON.
Verb = Callable[[Mapping[str, Any]], dict[str, Any]]


class Company(ABC):
    guest_paths: tuple[str, ...]  # What the paths of its guests' pages begin with.
    tills: type[Till] = Till
    spoilers: Mapping[Spoil, Callable[[Reply], Reply]] = SPOILERS

    def __init__(self, settings: Settings, directory: Path | None = None) -> None:
        self.settings = settings
        self.books = Books(directory)
        self.till = self.tills(settings, self.books)
        self.steering = Steering(trouble_times=settings.trouble_times)
        self.lock = threading.RLock()
        self.form_token = clock.new_id().hex  # No other site's form can know it.

    @property
    def webhooks(self) -> list[Webhook]:
        return self.till.webhooks

    def handle(self, request: Request) -> Reply:
        """Answer one request for money. What it changed is on the disk when this returns."""
        with self.lock:
            self.till.tick()
            reply = self._in_this_mode(request)
        self.books.sync()
        return reply

    @abstractmethod
    def key_of(self, request: Request) -> str:
        """Which charge or refund a request is about, by the caller's own key, if it says so."""

    @abstractmethod
    def answer(self, request: Request, key: str) -> Reply:
        """What this provider does and says when nothing goes wrong."""

    @abstractmethod
    def guest_page(self, request: Request) -> Reply | None:
        """What a guest sees or presses at this path."""

    @property
    def scripts(self) -> Mapping[str, Verb]:
        """What only this kind of provider can be told, each at /v1/admin/ and its name."""
        return {}

    def happen_now(self, key: str) -> bool:
        """What this charge or refund would become some day, it becomes at once."""
        with self.lock:
            entry = self.books.charge_of_key(key) or self.books.refund_of_key(key)
            if entry is None or entry.due_status is None:
                return False
            self.till.happen(entry)
            return True

    def allow(self, request: Request, key: str) -> None:
        given = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, f"Bearer {key}".encode()):
            raise Refusal(HTTPStatus.UNAUTHORIZED, "unauthorised", "This API key is not valid.")

    def troubled(self, reply: Reply, trouble: Trouble) -> Reply:
        seconds = self.settings.seconds[trouble.delay]
        if trouble is MODES[Mode.SLOW] and self.steering.mode_delay_seconds is not None:
            seconds = self.steering.mode_delay_seconds
        network = reply.network if trouble.network is Network.NONE else trouble.network
        spoilt = self.spoilers[trouble.spoil](reply)
        return replace(spoilt, network=network, delay_seconds=reply.delay_seconds + seconds)

    def _in_this_mode(self, request: Request) -> Reply:
        trouble = self.steering.mode_trouble
        if trouble.network is Network.REFUSED:
            return Reply(network=Network.REFUSED)
        key = self.key_of(request)
        self.books.write(Received(at=timestamp(), method=request.method, path=request.path, key=key))
        reply = self.answer(request, key) if trouble.has_effect else Reply()
        return self.troubled(reply, trouble)
