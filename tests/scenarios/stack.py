"""The whole of `make run` as one more process, for tests that look at it from outside."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import psycopg

from config.local.ports import find_free
from tests.pristine import copied_database
from tests.scenarios import other_process

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 90.0


class Stack:
    """On a database of its own that is migrated already: how a first start makes one, `tests/config` looks at."""

    def __init__(self, state: Path, **more: str) -> None:
        self._rest = contextlib.ExitStack()
        here = {"DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE", "STEWARD_PUBLIC_URL"}
        environment = {name: text for name, text in os.environ.items() if name not in here}
        environment |= {"STATE_DIR": str(state), "PORT": str(find_free()), "STEWARD_SWEEP_SECONDS": "1"}
        environment["DATABASE_URL"] = self._rest.enter_context(copied_database())
        # Room for more than any one client sends: what is tried here is not the limit.
        environment |= {**other_process.SHORT, "STEWARD_REQUESTS_PER_MINUTE": "900000", **more}
        self._file = state / "run.json"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "config.local", "run"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_until(self._file.exists, START_SECONDS)

    @property
    def record(self) -> dict[str, Any]:
        return dict(json.loads(self._file.read_text()))

    def kill(self, *roles: str) -> None:
        for role in roles:
            with contextlib.suppress(ProcessLookupError, KeyError):
                os.kill(self.record["processes"][role], signal.SIGKILL)

    def kill_with_children(self, role: str) -> None:
        """A server's workers would notice that their master is gone, and end what they have in hand first."""
        pid = self.record["processes"][role]
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in (pid, *map(int, children)):
            os.kill(each, signal.SIGKILL)

    def ends(self) -> Counter[str]:
        query = "SELECT p.status FROM payments_payment p JOIN orders_order o ON o.id = p.order_id"
        with psycopg.connect(self.record["database_url"]) as connection:
            rows = connection.execute(f"{query} WHERE o.client_reference = ''").fetchall()
        return Counter(status for (status,) in rows)

    def books(self) -> dict[str, int]:
        """What both providers captured, by order."""
        headers = {"authorization": f"Bearer {self.record['environment']['SANDBOX_API_KEY']}"}
        captured: Counter[str] = Counter()
        for name in ("sandbox_a", "sandbox_b"):
            url = f"{self.record['addresses'][name]}/v1/books"
            for reference, order in httpx.get(url, headers=headers, trust_env=False).json()["orders"].items():
                captured[reference] += sum(order["captured"].values()) - sum(order["refunded"].values())
        return captured

    def totals(self) -> dict[str, int]:
        query = "SELECT reference, total_minor FROM orders_order WHERE client_reference = ''"
        with psycopg.connect(self.record["database_url"]) as connection:
            return dict(connection.execute(query).fetchall())

    def manage(self, *words: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **self.record["environment"], "DJANGO_SETTINGS_MODULE": "config.settings"}
        return subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def accept(self, token: str, count: int) -> None:
        environment = self.record["environment"]
        done = other_process.start(
            "accept_many", environment=environment, redis_url=environment["REDIS_URL"], count=count, token=token
        )
        said, _ = done.communicate(timeout=60)
        assert done.returncode == 0, said

    def stop(self) -> int:
        with self._rest:
            self.process.send_signal(signal.SIGINT)
            return self.process.wait(timeout=30)


def wait_until(condition: Any, seconds: float) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"Not in {seconds:.0f} s."
        time.sleep(0.25)
