"""The transport on real sockets: what it says about a request when the network does what networks do."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from kernel import clock
from payments.gateways import transport
from payments.gateways.contract import ErrorCode
from payments.gateways.transport import MAX_ANSWER_BYTES, Exchange, HttpTransport, json_object

DEADLINE_SECONDS = 0.5
# What the machine may add to a deadline: threads, and a loaded computer.
PATIENCE_SECONDS = 0.4
Talk = Callable[[socket.socket], None]


@contextmanager
def listening(talk: Talk) -> Iterator[str]:
    """A server that does `talk` with its first caller, and nothing else."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = threading.Event()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                # The caller leaves first, as many of these tests want.
                with contextlib.suppress(OSError):
                    talk(connection)
                done.wait(DEADLINE_SECONDS + PATIENCE_SECONDS)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        done.set()
        thread.join()


def read_request(connection: socket.socket) -> bytes:
    received = b""
    while not received.endswith(b'{"amount":1}'):
        received += connection.recv(65536)
    return received


def send(url: str, *, send_before: datetime | None = None, seconds: float = DEADLINE_SECONDS) -> Exchange:
    http = HttpTransport(base_url=url, total_seconds=seconds)
    return http.send("POST", "/v1/charges", body={"amount": 1}, send_before=send_before)


def answer(body: bytes, head: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n%s\r\n" % (len(body), head) + body


def talking(said: bytes) -> Talk:
    def talk(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(said)

    return talk


def outcome_of(talk: Talk) -> Exchange:
    with listening(talk) as url:
        started = clock.monotonic()
        exchange = send(url)
        assert clock.monotonic() - started < DEADLINE_SECONDS + PATIENCE_SECONDS
    return exchange


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_an_answer_is_read():
    exchange = outcome_of(talking(answer(b'{"id": "ch_1"}', b"Retry-After: 7\r\n")))
    assert (exchange.sent, exchange.status, exchange.body, exchange.trouble) == (True, 200, {"id": "ch_1"}, "")
    assert exchange.retry_after_seconds == 7


# Not sent.


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@pytest.mark.parametrize(
    "url",
    [
        f"http://127.0.0.1:{unused_port()}",
        "http://no-such-host.invalid",
        "ftp://127.0.0.1",
        "no address at all",
        "http://",
        "http://[::1",
    ],
    ids=["refused", "no such name", "no such protocol", "no address", "no host", "half an address"],
)
def test_what_cannot_be_reached_was_not_sent(url: str):
    exchange = send(url)
    assert (exchange.sent, exchange.status, exchange.trouble) == (False, None, ErrorCode.UNREACHABLE)


def test_a_name_that_nobody_resolves_was_not_sent(monkeypatch: pytest.MonkeyPatch):
    def unresolved(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", unresolved)
    exchange = send("http://provider.example")
    assert (exchange.sent, exchange.trouble) == (False, ErrorCode.UNREACHABLE)


def test_a_deadline_that_is_over_sends_nothing():
    with listening(lambda connection: None) as url:
        exchange = send(url, seconds=0)
        assert (exchange.sent, exchange.trouble) == (False, ErrorCode.UNREACHABLE)
        socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))).close()  # The listener waits for one.


def handshake(connection: socket.socket, said: bytes) -> None:
    connection.recv(65536)
    connection.sendall(said)


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x03\x00\x02\x02\x28"])
def test_a_handshake_that_fails_sent_nothing(said: bytes):
    with listening(lambda connection: handshake(connection, said)) as url:
        exchange = send(url.replace("http:", "https:"))
    assert (exchange.sent, exchange.trouble) == (False, ErrorCode.UNREACHABLE)


def test_a_handshake_that_never_ends_sent_nothing():
    with listening(lambda connection: None) as url:
        exchange = send(url.replace("http:", "https:"))
    assert (exchange.sent, exchange.trouble) == (False, ErrorCode.UNREACHABLE)


def test_a_handshake_that_is_cut_off_sent_nothing():
    with listening(reset) as url:
        exchange = send(url.replace("http:", "https:"))
    assert (exchange.sent, exchange.trouble) == (False, ErrorCode.UNREACHABLE)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of provider.example, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "provider.example")])
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, begin, begin + timedelta(days=36500))
    names = x509.SubjectAlternativeName([x509.DNSName("provider.example")])
    signed = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = tmp_path_factory.mktemp("tls") / "provider.pem"
    path.write_bytes(private + signed.public_bytes(Encoding.PEM))
    return path


@contextmanager
def listening_with_tls(certificate: Path) -> Iterator[str]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    def talk(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as tunnel:
            talking(answer(b"{}"))(tunnel)

    with listening(talk) as url:
        yield url.replace("http://127.0.0.1", "https://provider.example")


@pytest.fixture
def resolved_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name is this machine."""
    resolve = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **more: resolve("127.0.0.1", *rest, **more))


def trust(monkeypatch: pytest.MonkeyPatch, certificate: Path) -> None:
    monkeypatch.setattr(transport, "_TLS", ssl.create_default_context(cafile=certificate))


@pytest.mark.usefixtures("resolved_here")
def test_over_tls_an_answer_is_read(monkeypatch: pytest.MonkeyPatch, certificate: Path):
    trust(monkeypatch, certificate)
    with listening_with_tls(certificate) as url:
        exchange = send(url)
    assert (exchange.sent, exchange.status) == (True, 200)


@pytest.mark.usefixtures("resolved_here")
def test_a_certificate_that_nobody_vouches_for_ends_the_call_before_it_is_sent(certificate: Path):
    with listening_with_tls(certificate) as url:
        exchange = send(url)
    assert (exchange.sent, exchange.trouble) == (False, ErrorCode.UNREACHABLE)


@pytest.mark.usefixtures("resolved_here")
def test_a_certificate_of_another_name_ends_the_call_before_it_is_sent(
    monkeypatch: pytest.MonkeyPatch, certificate: Path
):
    trust(monkeypatch, certificate)
    with listening_with_tls(certificate) as url:
        exchange = send(url.replace("provider.example", "impostor.example"))
    assert (exchange.sent, exchange.trouble) == (False, ErrorCode.UNREACHABLE)


def test_after_send_before_nothing_is_written():
    received: list[bytes] = []
    with listening(lambda connection: received.append(connection.recv(1))) as url:
        exchange = send(url, send_before=clock.now())
    assert (exchange.sent, exchange.trouble) == (False, ErrorCode.TOO_LATE_TO_SEND)
    assert received in ([], [b""])


def test_before_send_before_it_is_written():
    with listening(talking(answer(b"{}"))) as url:
        assert send(url, send_before=clock.now() + timedelta(seconds=5)).status == 200


# Sent, and no answer.


def slow_loris(connection: socket.socket) -> None:
    read_request(connection)
    for byte in answer(b'{"id": "ch_1"}') * 100:
        connection.sendall(bytes([byte]))
        clock.sleep(DEADLINE_SECONDS / 10)


def promised_more(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{")
    connection.close()


def reset_mid_body(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{")
    clock.sleep(0.05)
    reset(connection)


def closed_after_reading(connection: socket.socket) -> None:
    read_request(connection)
    connection.close()


def reset_after_reading(connection: socket.socket) -> None:
    read_request(connection)
    reset(connection)


def silent(connection: socket.socket) -> None:
    read_request(connection)


@pytest.mark.parametrize(
    ("talk", "trouble"),
    [
        (silent, ErrorCode.TIMED_OUT),
        (slow_loris, ErrorCode.TIMED_OUT),
        (closed_after_reading, ErrorCode.CONNECTION_LOST),
        (reset_after_reading, ErrorCode.CONNECTION_LOST),
        (promised_more, ErrorCode.CONNECTION_LOST),
        (reset_mid_body, ErrorCode.CONNECTION_LOST),
        (talking(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), ErrorCode.CONNECTION_LOST),
        (talking(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 100_000), ErrorCode.CONNECTION_LOST),
        (talking(answer(b"x" * 10_000_000)), ErrorCode.UNREADABLE_ANSWER),
        (talking(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 10_000_000), ErrorCode.UNREADABLE_ANSWER),
        (talking(b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000), ErrorCode.TIMED_OUT),
    ],
    ids=[
        *("silent", "slow loris", "closed", "reset", "half a body", "reset in the body", "not HTTP", "endless headers"),
        *("10 MB", "10 MB without a length", "only 100 Continue"),
    ],
)
def test_what_was_sent_and_not_answered(talk: Talk, trouble: ErrorCode):
    exchange = outcome_of(talk)
    assert (exchange.sent, exchange.status, exchange.trouble) == (True, None, trouble)


@pytest.mark.parametrize("encoding", [b"gzip", b"gzip, gzip", b"deflate", b"br", b"zstd", b"GZIP"])
def test_what_comes_packed_is_not_unpacked(encoding: bytes):
    """64 kilobytes become 64 megabytes, or, packed twice, 64 gigabytes."""
    bomb = gzip.compress(gzip.compress(b"0" * 100_000_000))
    exchange = outcome_of(talking(answer(bomb, b"content-encoding: " + encoding + b"\r\n")))
    assert (exchange.status, exchange.body) == (200, None)


def test_an_answer_of_the_greatest_size_is_read():
    padding = b'{"x": "' + b"x" * (MAX_ANSWER_BYTES - 9) + b'"}'
    assert len(padding) == MAX_ANSWER_BYTES
    assert outcome_of(talking(answer(padding))).body is not None
    assert outcome_of(talking(answer(padding + b" "))).trouble is ErrorCode.UNREADABLE_ANSWER


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch):
    """A proxy would see our key, and would be what a time-out is about."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{unused_port()}")
    monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{unused_port()}")
    with listening(talking(answer(b"{}"))) as url:
        assert send(url).status == 200


def test_credentials_are_not_shown():
    http = HttpTransport(base_url="http://x", total_seconds=1, headers={"authorization": "Bearer hidden"})
    assert "hidden" not in repr(http)


@pytest.mark.parametrize(
    ("said", "seconds"), [("7", 7), ("", 0), ("-1", 0), ("1e3", 0), ("\u0667", 0), ("9" * 6, 0), ("Wed, 21 Oct", 0)]
)
def test_retry_after_is_a_number_of_seconds_or_nothing(said: str, seconds: int):
    assert Exchange(sent=True, status=429, headers={"retry-after": said}).retry_after_seconds == seconds


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b'{"a": "\\u0000b"}', {"a": "b"}),
        (b'{"\\u0000a": ["\\ud800"]}', {"a": ["?"]}),
        (b'{"a": [NaN, Infinity, 1e999, 1.5, true]}', {"a": [None, None, None, 1.5, True]}),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b"[1]", None),
        (b"", None),
        (b'"text"', None),
        (b"[" * 100_000, None),
        (b'{"a": ' + b"9" * 5000 + b"}", None),
    ],
)
def test_only_what_a_database_can_store_is_read(content: bytes, value: object):
    assert json_object(content) == value
    json.dumps(json_object(content), allow_nan=False)
