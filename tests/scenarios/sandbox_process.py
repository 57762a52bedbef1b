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
        answer = httpx.get(f"{self.url}/v1/books", headers=_HEADERS, trust_env=False).raise_for_status()
        orders: dict[str, Any] = answer.json()["orders"]
        return orders

    def sends(self, key: str) -> int:
        answer = httpx.get(f"{self.url}/v1/requests", params={"key": key}, headers=_HEADERS, trust_env=False)
        return int(answer.raise_for_status().json()["sends"])

    def is_untouched_by(self, order_reference: str) -> bool:
        return order_reference not in self.books()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=10)

    def _post(self, lever: str, **body: Any) -> None:
        url = f"{self.url}/v1/admin/{lever}"
        httpx.post(url, json=body, headers=_HEADERS, trust_env=False).raise_for_status()

    def _wait(self) -> None:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            try:
                httpx.get(self.url, trust_env=False)
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError(f"{self.name} did not start in {START_SECONDS:.0f} s.")


_HEADERS = {"authorization": f"Bearer {API_KEY}"}
