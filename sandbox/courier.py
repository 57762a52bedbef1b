"""Delivers webhooks over HTTP, again for a while where a receiver does not answer with 2xx."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import httpx

from kernel import clock
from sandbox.company import Company
from sandbox.notices import Webhook

# Real providers try for days; a sandbox shows the principle within seconds.
BACKOFF_SECONDS = (0.2, 0.5, 1.0, 2.0)
TIMEOUT_SECONDS = 5.0
# A hundred copies should arrive at once, or nearly so: that is what they test.
PARALLEL = 16
LOOK_SECONDS = 0.02


class Courier:
    """One thread looks at what is due, several deliver."""

    def __init__(self, provider: Company, *, delay_scale: float) -> None:
        self._provider = provider
        self._delay_scale = delay_scale
        self._stopped = threading.Event()
        self._client = httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False)
        self._pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="courier")
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()
        self._pool.shutdown(cancel_futures=True)
        self._client.close()

    def _run(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            for webhook in self._take_due():
                self._pool.submit(self._deliver, webhook)

    def _take_due(self) -> list[Webhook]:
        """Time passes here too, so that what is due happens although nobody asks."""
        now = clock.now().timestamp()
        with self._provider.lock:
            self._provider.till.tick()
            waiting = self._provider.webhooks
            due = [one for one in waiting if one.due_at <= now]
            waiting[:] = [one for one in waiting if one.due_at > now]
        self._provider.books.sync()
        return [one for one in due if one.url]

    def _deliver(self, webhook: Webhook) -> None:
        try:
            answer = self._client.post(webhook.url, content=webhook.body, headers=webhook.headers)
            accepted = answer.is_success
        except (httpx.HTTPError, httpx.InvalidURL):
            accepted = False
        if not accepted:
            self._try_later(webhook)

    def _try_later(self, webhook: Webhook) -> None:
        if webhook.attempts >= len(BACKOFF_SECONDS):
            return
        wait = BACKOFF_SECONDS[webhook.attempts] * self._delay_scale
        webhook.attempts += 1
        webhook.due_at = clock.now().timestamp() + wait
        with self._provider.lock:
            self._provider.webhooks.append(webhook)
