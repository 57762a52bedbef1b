"""A sandbox provider as a real process, and a hand on its levers."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from config.local.ports import find_free

API_KEY = "key-of-the-sandbox-for-tests"
WEBHOOK_SECRET = "secret-of-the-sandbox-for-tests"
START_SECONDS = 20.0
ROOT = Path(__file__).resolve().parents[2]


class SandboxProcess:
    def __init__(self, name: str, books: Path, *flags: str) -> None:
        self.name = name
        self.url = f"http://127.0.0.1:{(port := find_free())}"
        environment = {**os.environ, "SANDBOX_API_KEY": API_KEY, "SANDBOX_WEBHOOK_SECRET": WEBHOOK_SECRET}
        command = [sys.executable, "-m", "sandbox", "--name", name, "--port", str(port), "--books", str(books), *flags]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._wait()

    def set_mode(self, mode: str, **more: Any) -> None:
        self._post("mode", mode=mode, **more)

    def steer_look_ups(self, behaviour: str, times: int = 1) -> None:
        self._post("look-ups", behaviour=behaviour, times=times)

    def refund_at_dashboard(self, charge_key: str, amount: int) -> None:
        self._post("dashboard-refund", charge_key=charge_key, amount=amount)

    def happen_now(self, key: str) -> None:
        """What the provider would do later by itself, it does now."""
        self._post("happen-now", key=key)

    def books(self) -> dict[str, Any]:
        orders: dict[str, Any] = self._ask("GET", "/v1/books").json()["orders"]
        return orders

    def sends(self, key: str) -> int:
        return int(self._ask("GET", f"/v1/requests?key={key}").json()["sends"])

    def is_untouched_by(self, order_reference: str) -> bool:
        return order_reference not in self.books()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=10)

    def _post(self, lever: str, **body: Any) -> None:
        self._ask("POST", f"/v1/admin/{lever}", json=body)

    def _wait(self) -> None:
        self._ask("GET", "/v1/books")

    def _ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """While it refuses connections nobody can steer it, and the levers wait."""
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                answer = httpx.request(method, f"{self.url}{path}", headers=_HEADERS, trust_env=False, **more)
                return answer.raise_for_status()
            except httpx.TransportError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)


_HEADERS = {"authorization": f"Bearer {API_KEY}"}
