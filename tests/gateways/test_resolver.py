"""A resolver that does not answer costs a call its deadline, and the process a few threads."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from kernel import clock
from payments.gateways import resolver
from payments.gateways.contract import ErrorCode
from payments.gateways.resolver import MAX_ADDRESSES, addresses
from payments.gateways.transport import Exchange, HttpTransport

DEADLINE_SECONDS = 0.5
# What the machine may add to a deadline: threads, and a loaded computer.
PATIENCE_SECONDS = 0.4


@pytest.fixture
def black_hole(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A resolver that answers nobody for a long time, and who asked it."""
    asked: list[str] = []
    over = threading.Event()

    def hang(host: str, *_: object, **__: object) -> None:
        asked.append(host)
        over.wait(10 * DEADLINE_SECONDS)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    yield asked
    over.set()
    for thread in resolving():
        thread.join()


@pytest.fixture
def _one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever did not give its place back would be noticed by the next one."""
    monkeypatch.setattr(resolver, "_RESOLVING", threading.BoundedSemaphore(1))


def resolving() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "resolver"]


def charge(*, seconds: float = DEADLINE_SECONDS) -> Exchange:
    http = HttpTransport(base_url="http://provider.example", total_seconds=seconds)
    return http.send("POST", "/v1/charges", body={"amount": 1})


def found(host: str) -> list[str]:
    return addresses(host, 80, remaining_seconds=lambda: DEADLINE_SECONDS)


def test_a_call_that_nobody_answers_for_ends_with_its_deadline_and_was_not_sent(black_hole: list[str]) -> None:
    started = clock.monotonic()

    exchange = charge()

    assert DEADLINE_SECONDS <= clock.monotonic() - started < DEADLINE_SECONDS + PATIENCE_SECONDS
    assert (exchange.sent, exchange.status, exchange.trouble) == (False, None, ErrorCode.UNREACHABLE)
    assert black_hole == ["provider.example"]


def test_a_few_threads_wait_and_no_process_stays_for_them(
    black_hole: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver, "_RESOLVING", threading.BoundedSemaphore(2))

    exchanges = [charge(seconds=0.05) for _ in range(5)]

    assert {(exchange.sent, exchange.trouble) for exchange in exchanges} == {(False, ErrorCode.UNREACHABLE)}
    assert len(black_hole) == len(resolving()) == 2
    assert all(thread.daemon for thread in resolving())


@pytest.mark.usefixtures("_one_at_a_time")
def test_what_cannot_be_resolved_is_told_to_whoever_asked() -> None:
    with pytest.raises(socket.gaierror):
        found("no-such-host.invalid")
    with pytest.raises(UnicodeError):
        found(f"{'a' * 64}.example")

    assert found("127.0.0.1") == ["127.0.0.1"]


@pytest.mark.usefixtures("_one_at_a_time")
def test_where_no_thread_is_left_nothing_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as exhausted:
        exhausted.setattr(resolver, "Thread", _no_thread)
        exchange = charge()

    assert (exchange.sent, exchange.trouble) == (False, ErrorCode.UNREACHABLE)
    assert found("127.0.0.1") == ["127.0.0.1"]


def _no_thread(**_: object) -> None:
    raise RuntimeError("can't start new thread")


def test_of_many_addresses_the_first_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [f"192.0.2.{number // 2}" for number in range(20)]  # Each twice, as for two kinds of socket.
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (each, 80)) for each in many])

    assert found("provider.example") == ["192.0.2.0", "192.0.2.1", "192.0.2.2", "192.0.2.3"]
    assert len(found("provider.example")) == MAX_ADDRESSES
