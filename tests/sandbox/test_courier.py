"""Webhooks over HTTP: delivered, signed, repeated until they are accepted, and given up after a while."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from kernel import clock
from payments.gateways.contract import Answer, InvalidNotice, Notice
from sandbox.courier import BACKOFF_SECONDS
from tests.gateways.parties import charge_request, refund_request
from tests.sandbox.running import Line, on_a_socket

WAIT_SECONDS = 5.0


@dataclass
class Receiver:
    """Answers with the statuses it was given, in order, and then with 204."""

    statuses: list[int] = field(default_factory=list)
    url: str = ""
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def read(self, line: Line) -> list[Notice]:
        return [line.gateway().read_notice(headers, body) for headers, body in self.received]

    def wait_for(self, count: int) -> None:
        wait_until(lambda: len(self.received) >= count)


def wait_until(is_so: Callable[[], bool]) -> None:
    until = clock.monotonic() + WAIT_SECONDS
    while not is_so():
        assert clock.monotonic() < until, "It did not happen."
        clock.sleep(0.01)


@contextmanager
def receiving(*statuses: int) -> Iterator[Receiver]:
    receiver, lock = Receiver(list(statuses)), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            with lock:
                receiver.received.append(({name.lower(): value for name, value in self.headers.items()}, body))
                status = receiver.statuses.pop(0) if receiver.statuses else 204
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  The standard library names it.
            """Quiet."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 128

    server = Server(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_port}/webhooks"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield receiver
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_webhook_arrives_and_is_believed():
    with receiving() as receiver, on_a_socket(notify_url=receiver.url) as line:
        charge = charge_request()
        line.gateway().charge(charge)
        receiver.wait_for(1)
        (notice,) = receiver.read(line)
    assert (notice.key, notice.result.answer) == (charge.key, Answer.SUCCEEDED)
    assert receiver.received[0][0]["content-type"] == "application/json"


def test_a_charge_can_name_its_own_receiver():
    with receiving() as usual, receiving() as own, on_a_socket(notify_url=usual.url) as line:
        body = {"amount": 1, "currency": "INR", "order_reference": "o", "method": "card", "token": "sim_ok"}
        key = {"idempotency-key": "key-1", "authorization": "Bearer sandbox-api-key-for-tests"}
        line.client.post("/v1/charges", json={**body, "notify_url": own.url}, headers=key).raise_for_status()
        own.wait_for(1)
    assert usual.received == []


def test_what_is_not_accepted_comes_again_with_the_same_id():
    with receiving(500, 302, 404) as receiver, on_a_socket(notify_url=receiver.url) as line:
        line.gateway().charge(charge_request())
        receiver.wait_for(4)
        clock.sleep(0.1)
        notices = receiver.read(line)
    assert len(notices) == 4
    assert len({one.id for one in notices}) == 1


def test_in_the_end_it_gives_up():
    tries = len(BACKOFF_SECONDS) + 1
    with receiving(*[500] * 20) as receiver, on_a_socket(notify_url=receiver.url) as line:
        line.gateway().charge(charge_request())
        receiver.wait_for(tries)
        clock.sleep(0.2)
    assert len(receiver.received) == tries


def test_a_receiver_that_is_away_harms_nobody():
    with on_a_socket(notify_url="http://127.0.0.1:9/") as line:
        line.gateway().charge(charge_request())
        clock.sleep(0.1)
        assert line.gateway().charge(charge_request()).reference


def test_time_passes_although_nobody_asks():
    with receiving() as receiver, on_a_socket(notify_url=receiver.url) as line:
        line.gateway().charge(charge_request("sim_pending_then_ok"))
        receiver.wait_for(2)
        assert {one.result.answer for one in receiver.read(line)} == {Answer.PENDING, Answer.SUCCEEDED}


@pytest.mark.parametrize(("token", "count"), [("sim_duplicate_webhook", 100), ("sim_late_webhook", 1), ("sim_ok", 1)])
def test_how_often_it_comes(token: str, count: int):
    with receiving() as receiver, on_a_socket(notify_url=receiver.url, webhook_copies=100) as line:
        line.gateway().charge(charge_request(token))
        receiver.wait_for(count)
        clock.sleep(0.1)
        notices = receiver.read(line)
    assert (len(notices), len({one.id for one in notices})) == (count, 1)


def test_a_forged_one_comes_beside_the_genuine_one():
    with receiving() as receiver, on_a_socket(notify_url=receiver.url) as line:
        line.gateway().charge(charge_request("sim_forged_webhook"))
        receiver.wait_for(2)
        verdicts = [_verdict(line, headers, body) for headers, body in receiver.received]
    assert sorted(verdicts) == ["forged", "pending"]


def _verdict(line: Line, headers: dict[str, str], body: bytes) -> str:
    try:
        return line.gateway().read_notice(headers, body).result.answer
    except InvalidNotice:
        return "forged"


def test_refunds_are_told_ours_and_theirs():
    with receiving() as receiver, on_a_socket(notify_url=receiver.url) as line:
        charge = charge_request()
        line.gateway().charge(charge)
        ours = refund_request(charge)
        line.gateway().refund(ours)
        line.post("/v1/admin/dashboard-refund", charge_key=charge.key, amount=5, origin="chargeback")
        receiver.wait_for(3)
        told = {(notice.key, len(notice.result.refunds)) for notice in receiver.read(line)}
    assert told == {(charge.key, 0), (ours.key, 0), (charge.key, 2)}
