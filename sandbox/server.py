"""The provider on a real socket: faults as they look on a network. One process, 127.0.0.1 only."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qsl, urlsplit

from kernel import clock
from sandbox import admin, pages
from sandbox.behaviours import Network
from sandbox.company import Company
from sandbox.wire import Reply, Request, error_reply

HOST = "127.0.0.1"  # It has no real security, so nobody else may reach it.
MAX_BODY_BYTES = 64 * 1024  # A charge is less than one kilobyte.
READ_TIMEOUT_SECONDS = 10.0  # A caller that sends its request slower than this is gone.
MAX_HANG_SECONDS = 120.0  # Longer than any caller waits; then the thread is given back.
DRIP_SECONDS = 0.5  # Between two bytes of a slow-loris answer.
LOOK_SECONDS = 0.02
# A burst of callers is accepted at once: the kernel's own wait for a lost SYN is a whole second.
BACKLOG = 512


class SandboxServer:
    """Listens until stopped. In the mode `refusing` the listening socket is really closed for a while."""

    def __init__(self, listener: socket.socket) -> None:
        self.port: int = listener.getsockname()[1]
        self.stopped = threading.Event()
        self.provider: Company
        self._listener = listener
        self._closed = threading.Event()

    def run(self, provider: Company) -> None:
        self.provider = provider
        while not self.stopped.is_set():
            with self._listener:
                self._accept_all()
            self._closed.set()
            while self._is_refusing() and not self.stopped.wait(LOOK_SECONDS):
                pass
            if not self.stopped.is_set():
                self._closed.clear()
                self._listener = listen(self.port)

    def stop(self) -> None:
        self.stopped.set()

    def refuse_if_told(self) -> None:
        """Who set the mode gets its answer when the port is closed, not before."""
        if self._is_refusing():
            self._closed.wait()

    def _accept_all(self) -> None:
        while not self.stopped.is_set() and not self._is_refusing():
            with contextlib.suppress(TimeoutError):
                connection, caller = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection, caller), daemon=True).start()

    def _serve(self, connection: socket.socket, caller: tuple[str, int]) -> None:
        # A caller that goes away in the middle is what this program is for, and no news. Books that cannot be written
        # are news, and stay an error that is seen.
        with connection, contextlib.suppress(ConnectionError, TimeoutError):
            _Handler(connection, caller, self)  # type: ignore[arg-type]  # See `_Handler.server`.

    def _is_refusing(self) -> bool:
        return self.provider.steering.mode_trouble.network is Network.REFUSED


def listen(port: int) -> socket.socket:
    """Port 0 takes a free one."""
    listener = socket.create_server((HOST, port), backlog=BACKLOG)
    listener.settimeout(LOOK_SECONDS)
    return listener


def reply_to(provider: Company, request: Request) -> Reply:
    if admin.is_admin_path(request.path):
        return admin.handle(provider, request)
    if pages.is_page_path(provider, request.path):
        return pages.handle(provider, request)
    return provider.handle(request)


class _Handler(BaseHTTPRequestHandler):
    timeout = READ_TIMEOUT_SECONDS
    server: SandboxServer  # type: ignore[assignment]  # It gives all that is used of a server here.

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  The standard library names it.
        """The books hold every request; a second log would only hide what is said on standard error."""

    def _serve(self) -> None:
        length = self.headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            too_long = error_reply(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_long", "The body is too long.")
            self.wfile.write(_composed(too_long))
            return
        target = urlsplit(self.path)
        request = Request(
            method=self.command,
            path=target.path,
            query=dict(parse_qsl(target.query)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(int(length)),
        )
        self._realise(reply_to(self.server.provider, request))

    def _realise(self, reply: Reply) -> None:
        self.server.refuse_if_told()
        self.server.stopped.wait(reply.delay_seconds)
        if reply.network in {Network.RESET, Network.REFUSED}:
            self._reset()
        elif reply.network is Network.HANG:
            self._hang()
        elif reply.network is Network.SLOW_LORIS:
            self._drip(_composed(reply))
        else:
            self.wfile.write(_composed(reply))

    def _reset(self) -> None:
        """Closed without lingering, TCP says RST instead of FIN."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _hang(self) -> None:
        """Silent until the caller gives up."""
        end = clock.monotonic() + MAX_HANG_SECONDS
        while clock.monotonic() < end and not self.server.stopped.is_set():
            readable, _, _ = select.select([self.connection], [], [], LOOK_SECONDS)
            if readable and not self.connection.recv(1):
                return

    def _drip(self, content: bytes) -> None:
        for position in range(len(content)):
            self.wfile.write(content[position : position + 1])
            if self.server.stopped.wait(DRIP_SECONDS):
                return


def _composed(reply: Reply) -> bytes:
    """Head and body in one write: in two, the second one waits for an acknowledgement of the first."""
    status = HTTPStatus(reply.status)
    headers = {**reply.headers, "content-length": str(len(reply.body)), "connection": "close"}
    lines = [f"HTTP/1.1 {status} {status.phrase}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + reply.body
