"""A sandbox provider that runs for a test: in threads of this process, or as a process to be killed."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx

from payments.gateways.simulated import SimulatedCredentials, SimulatedGateway
from sandbox.behaviours import SECONDS
from sandbox.company import Company
from sandbox.courier import Courier
from sandbox.inprocess import InProcess
from sandbox.provider import Provider
from sandbox.server import SandboxServer, listen
from sandbox.till import Settings

API_KEY = "sandbox-api-key-for-tests"
ADMIN_KEY = "sandbox-admin-key-for-tests"
SECRET = "sandbox-webhook-secret-for-tests"
SCALE = 0.01  # Eight seconds become 80 milliseconds.
DEADLINE_SECONDS = 1.0
ROOT = Path(__file__).parents[2]
PLAIN = Settings(name="sandbox_a", api_key=API_KEY, admin_key=ADMIN_KEY, webhook_secret=SECRET)


@dataclass
class Line:
    """To a provider on a socket: as a gateway calls it, and as an administrator does."""

    url: str
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        headers = {"authorization": f"Bearer {ADMIN_KEY}"}
        self.client = httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=5)

    def gateway(self, seconds: float = DEADLINE_SECONDS) -> SimulatedGateway:
        credentials = SimulatedCredentials(base_url=self.url, api_key=API_KEY, webhook_secrets=(SECRET,))
        return SimulatedGateway(credentials=credentials, total_seconds=seconds)

    def get(self, path: str, **query: str) -> dict[str, Any]:
        said: dict[str, Any] = self.client.get(path, params=query).raise_for_status().json()
        return said

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        said: dict[str, Any] = self.client.post(path, json=body).raise_for_status().json()
        return said

    def sends(self, key: str) -> int:
        sends = self.get("/v1/requests", key=key)["sends"]
        assert isinstance(sends, int)
        return sends


@contextmanager
def on_a_socket(directory: Path | None = None, kind: type[Company] = Provider, **changes: Any) -> Iterator[Line]:
    server = SandboxServer(listen(0))
    url = f"http://127.0.0.1:{server.port}"
    seconds = {delay: wait * SCALE for delay, wait in SECONDS.items()}
    provider = kind(replace(PLAIN, public_url=url, seconds=seconds, **changes), directory)
    thread = threading.Thread(target=server.run, args=(provider,))
    courier = Courier(provider, delay_scale=SCALE)
    courier.start()
    thread.start()
    line = Line(url)
    with line.client:
        yield line
    server.stop()
    courier.stop()
    thread.join()
    provider.books.close()


@contextmanager
def as_a_process(directory: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], Line]]:
    """The real program. It says where it listens when it does."""
    secrets = ["--api-key", API_KEY, "--admin-key", ADMIN_KEY, "--webhook-secret", SECRET]
    command = [sys.executable, "-m", "sandbox", "--port", "0", "--books", str(directory), *secrets, *words]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        line = Line(process.stdout.readline().split()[-1])
        with line.client:
            yield process, line
        process.kill()


def in_process(**changes: Any) -> InProcess:
    return InProcess(replace(PLAIN, **changes))


def gateway_in(sandbox: InProcess, **changes: Any) -> SimulatedGateway:
    credentials = SimulatedCredentials(
        base_url="http://sandbox.invalid", api_key=API_KEY, webhook_secrets=(SECRET,), notify_url="http://us.invalid/"
    )
    return SimulatedGateway(credentials=credentials, dial=sandbox.dial, **changes)
