"""The provider on real sockets, called by the real gateway: each fault as a network shows it, within a deadline."""

from __future__ import annotations

import queue
import socket
import threading
from pathlib import Path

import httpx
import pytest

from kernel import clock
from payments.gateways.contract import Answer, ErrorCode, Outcome
from sandbox.behaviours import CHARGES
from sandbox.server import MAX_BODY_BYTES
from tests.gateways.parties import charge_request, look_up_of, refund_request
from tests.sandbox.running import API_KEY, DEADLINE_SECONDS, Line, on_a_socket

SEEN_SECONDS = 5
PATIENCE_SECONDS = 0.5  # Beyond the deadline: threads, and a loaded computer.
UNHAPPY = {
    "sim_timeout_before_effect": (ErrorCode.TIMED_OUT, False),
    "sim_timeout_after_effect": (ErrorCode.TIMED_OUT, True),
    "sim_5xx_before_effect": (ErrorCode.SERVER_ERROR, False),
    "sim_5xx_after_effect": (ErrorCode.SERVER_ERROR, True),
    "sim_slow_loris": (ErrorCode.TIMED_OUT, True),
    "sim_reset_before_effect": (ErrorCode.CONNECTION_LOST, False),
    "sim_reset": (ErrorCode.CONNECTION_LOST, True),
    "sim_garbage": (ErrorCode.UNREADABLE_ANSWER, True),
    "sim_truncated": (ErrorCode.UNREADABLE_ANSWER, True),
    "sim_huge_body": (ErrorCode.UNREADABLE_ANSWER, True),
    "sim_html_403": (ErrorCode.UNREADABLE_ANSWER, False),
    "sim_not_found_then_found": (ErrorCode.TIMED_OUT, True),
}
HAPPY = sorted(set(CHARGES) - set(UNHAPPY))


def captured(line: Line, order_reference: str) -> dict[str, int]:
    books = line.get("/v1/books", order_reference=order_reference)
    money: dict[str, int] = books["orders"][order_reference]["captured"]
    return money


@pytest.mark.parametrize("token", UNHAPPY)
def test_each_trouble_on_a_socket(line: Line, token: str):
    code, has_effect = UNHAPPY[token]
    gateway, charge = line.gateway(), charge_request(token)
    started = clock.monotonic()
    result = gateway.charge(charge)
    assert clock.monotonic() - started < DEADLINE_SECONDS + PATIENCE_SECONDS
    assert (result.outcome, result.code) == (Outcome.UNKNOWN, code)
    assert captured(line, charge.order_reference) == ({"INR": 84000} if has_effect else {})
    assert gateway.charge(charge).outcome is Outcome.SUCCEEDED
    assert captured(line, charge.order_reference) == {"INR": 84000}
    assert line.sends(charge.key) == 2


def test_every_other_token_answers_on_a_socket(line: Line):
    gateway = line.gateway()
    outcomes = {gateway.charge(charge_request(token)).outcome for token in HAPPY}
    assert outcomes == {Outcome.SUCCEEDED, Outcome.PENDING, Outcome.DECLINED}


def test_after_send_before_the_provider_hears_nothing(line: Line):
    charge = charge_request(seconds=-1)
    assert line.gateway().charge(charge).code is ErrorCode.TOO_LATE_TO_SEND
    assert line.get("/v1/requests")["requests"] == []


def test_fifty_at_once_with_one_key_are_one_charge(line: Line):
    charge, outcomes = charge_request(), []
    gateway = line.gateway(seconds=5)
    threads = [threading.Thread(target=lambda: outcomes.append(gateway.charge(charge).outcome)) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [Outcome.SUCCEEDED] * 50
    assert captured(line, charge.order_reference) == {"INR": 84000}


def test_twenty_refunds_at_once_do_not_exceed_the_capture(line: Line):
    gateway, charge, outcomes = line.gateway(seconds=5), charge_request(), []
    gateway.charge(charge)

    def refund() -> None:
        outcomes.append(gateway.refund(refund_request(charge, minor=10000)).outcome)

    threads = [threading.Thread(target=refund) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count(Outcome.SUCCEEDED) == 8
    assert outcomes.count(Outcome.DECLINED) == 12


# Modes.


@pytest.mark.parametrize(
    ("mode", "outcome", "code"),
    [
        ("failing", Outcome.UNKNOWN, ErrorCode.SERVER_ERROR),
        ("silent", Outcome.UNKNOWN, ErrorCode.TIMED_OUT),
        ("unauthorised", Outcome.NOT_SENT, ErrorCode.CREDENTIALS_REFUSED),
        ("rate_limited", Outcome.NOT_SENT, ErrorCode.RATE_LIMITED),
        ("slow", Outcome.SUCCEEDED, ErrorCode.NONE),
    ],
)
def test_each_mode_on_a_socket(line: Line, mode: str, outcome: Outcome, code: ErrorCode):
    line.post("/v1/admin/mode", mode=mode)
    result = line.gateway(seconds=0.3).charge(charge_request())
    assert (result.outcome, result.code) == (outcome, code)
    line.post("/v1/admin/mode", mode="ok")
    assert line.gateway().charge(charge_request()).outcome is Outcome.SUCCEEDED


def test_while_it_refuses_there_is_no_connection(line: Line):
    line.post("/v1/admin/mode", mode="refusing", seconds=0.6)
    until = clock.monotonic() + 0.6
    port = int(line.url.rpartition(":")[2])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)
    charge = charge_request()
    result = line.gateway().charge(charge)
    assert (result.outcome, result.code) == (Outcome.NOT_SENT, ErrorCode.UNREACHABLE)
    clock.sleep(until - clock.monotonic() + 0.2)
    assert line.sends(charge.key) == 0
    assert line.gateway().charge(charge).outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        ("refuse", ErrorCode.CONNECTION_LOST),
        ("time_out", ErrorCode.TIMED_OUT),
        ("server_error", ErrorCode.SERVER_ERROR),
    ],
)
def test_look_ups_on_a_socket(line: Line, behaviour: str, code: ErrorCode):
    gateway, charge = line.gateway(seconds=0.3), charge_request()
    gateway.charge(charge)
    line.post("/v1/admin/look-ups", behaviour=behaviour, times=1)
    found = gateway.look_up(look_up_of(charge))
    assert (found.answer, found.code) == (Answer.NO_ANSWER, code)
    assert gateway.look_up(look_up_of(charge)).answer is Answer.SUCCEEDED


# A server that is on a network.


def test_it_listens_on_this_machine_only(line: Line):
    port = int(line.url.rpartition(":")[2])
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", port), timeout=1)


@pytest.mark.parametrize("length", [str(MAX_BODY_BYTES + 1), "-1", "many", "9" * 30])
def test_a_body_that_is_too_long_is_not_read(line: Line, length: str):
    with socket.create_connection(("127.0.0.1", int(line.url.rpartition(":")[2])), timeout=2) as connection:
        connection.sendall(f"POST /v1/charges HTTP/1.1\r\ncontent-length: {length}\r\n\r\n".encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    "said", [b"", b"\r\n", b"nonsense\r\n\r\n", b"\x16\x03\x01\x02\x00", b"GET / HTTP/9.9\r\n\r\n"]
)
def test_it_outlives_callers_that_make_no_sense(line: Line, said: bytes):
    with socket.create_connection(("127.0.0.1", int(line.url.rpartition(":")[2])), timeout=2) as connection:
        connection.sendall(said)
    assert line.gateway().charge(charge_request()).outcome is Outcome.SUCCEEDED


def test_the_wrong_key_opens_nothing(line: Line):
    for key in ("", "Bearer", "Bearer wrong", f"Basic {API_KEY}"):
        with httpx.Client(base_url=line.url, headers={"authorization": key}, trust_env=False) as stranger:
            assert stranger.get("/v1/books").status_code == 401
            assert stranger.get("/v1/charges/by-key/key-1").status_code == 401
            assert stranger.post("/v1/admin/mode", json={"mode": "failing"}).status_code == 401


def test_it_is_the_same_provider_after_a_restart(tmp_path: Path):
    charge, pending = charge_request(), charge_request("sim_pending_for_ever")
    with on_a_socket(tmp_path) as line:
        reference = line.gateway().charge(charge).reference
        line.gateway().charge(pending)
    with on_a_socket(tmp_path) as line:
        assert line.gateway().charge(charge).reference == reference
        assert line.gateway().look_up(look_up_of(pending)).answer is Answer.PENDING
        assert captured(line, charge.order_reference) == {"INR": 84000}


def test_books_that_cannot_be_written_are_an_error_that_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seen: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
    monkeypatch.setattr(threading, "excepthook", lambda about: seen.put(about.exc_value))
    with on_a_socket(tmp_path / "books") as line:
        monkeypatch.setattr("sandbox.journal.os.fsync", _disk_is_full)
        assert line.gateway().charge(charge_request()).code is ErrorCode.CONNECTION_LOST
        # Its caller hears of the closed connection a moment before the error is said.
        assert str(seen.get(timeout=SEEN_SECONDS)) == "the disk is full"
        monkeypatch.undo()


def _disk_is_full(file: int) -> None:
    raise OSError("the disk is full")
