"""The proxy is a good network until it is told otherwise, and then exactly the bad one that was asked for."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from config.local.ports import LOOPBACK, find_free
from config.local.processes import wait_until
from tests.chaos.proxy import (
    BANDWIDTH_PIECE_BYTES,
    BANDWIDTH_PIECE_SECONDS,
    LATENCY_SECONDS,
    SLICE_BYTES,
    SLICE_SECONDS,
    SLICED_BYTES,
    Network,
    Toxic,
)

# How long a test waits for something that comes; only where nothing may come is a shorter time the answer.
PATIENCE_SECONDS = 10.0
SILENCE_SECONDS = 0.5
LINE = "line"


class Echo:
    """Sends back what it hears, and remembers it."""

    def __init__(self) -> None:
        self.heard = b""
        self.closed = 0
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        try:
            while heard := connection.recv(65536):
                self.heard += heard
                connection.sendall(heard)
        except OSError:
            return
        finally:
            connection.close()
            self.closed += 1


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.stop()


@pytest.fixture
def network(echo: Echo) -> Iterator[Network]:
    made = Network()
    yield made
    made.close()


@pytest.fixture
def port(network: Network, echo: Echo) -> int:
    return network.open(LINE, echo.port)


def _call(port: int) -> socket.socket:
    return socket.create_connection((LOOPBACK, port), timeout=PATIENCE_SECONDS)


def _read(connection: socket.socket, size: int) -> bytes:
    read = b""
    while len(read) < size and (more := connection.recv(size - len(read))):
        read += more
    return read


def _said(port: int, message: bytes) -> tuple[bytes, float]:
    """What comes back, and after how many seconds."""
    with _call(port) as connection:
        began = time.monotonic()
        connection.sendall(message)
        return _read(connection, len(message)), time.monotonic() - began


def test_a_healthy_line_passes_everything_on(port: int) -> None:
    message = bytes(range(256)) * 4096

    assert _said(port, message)[0] == message


def test_the_end_of_one_side_is_told_to_the_other(port: int, echo: Echo) -> None:
    with _call(port) as connection:
        connection.sendall(b"good bye")
        connection.shutdown(socket.SHUT_WR)

        assert _read(connection, 100) == b"good bye"  # And then the end, not silence.
    assert wait_until(lambda: echo.closed == 1, seconds=PATIENCE_SECONDS)


def test_latency_delays_both_ways(network: Network, port: int) -> None:
    network.infect(LINE, Toxic.LATENCY)

    said, seconds = _said(port, b"hello")

    assert said == b"hello"
    assert seconds >= 2 * LATENCY_SECONDS


def test_a_reset_cuts_before_and_after_the_bytes_arrived(network: Network, port: int, echo: Echo) -> None:
    network.infect(LINE, Toxic.RESET)

    # Whether the bytes arrive alternates: with an effect and without one, and the caller cannot tell which.
    for message in (b"first", b"second"):
        with _call(port) as connection:
            connection.sendall(message)
            with pytest.raises(ConnectionResetError):
                connection.recv(100)

    assert wait_until(lambda: echo.heard == b"first", seconds=PATIENCE_SECONDS)
    network.heal(LINE)
    assert _said(port, b"third")[0] == b"third"


def test_slices_arrive_whole_but_one_by_one(network: Network, port: int) -> None:
    network.infect(LINE, Toxic.SLICE)
    message = b"x" * SLICED_BYTES * 4

    said, seconds = _said(port, message)

    assert said == message
    assert seconds >= SLICED_BYTES // SLICE_BYTES * SLICE_SECONDS


def test_a_narrow_line_takes_its_time(network: Network, port: int) -> None:
    network.infect(LINE, Toxic.BANDWIDTH)
    message = b"x" * BANDWIDTH_PIECE_BYTES * 4

    said, seconds = _said(port, message)

    assert said == message
    assert seconds >= 3 * BANDWIDTH_PIECE_SECONDS


def test_a_half_open_connection_is_silent_until_it_is_reset(network: Network, port: int, echo: Echo) -> None:
    with _call(port) as open_before:
        open_before.sendall(b"heard")
        assert _read(open_before, 5) == b"heard"
        network.infect(LINE, Toxic.HALF_OPEN)
        open_before.sendall(b"lost")
        open_before.settimeout(SILENCE_SECONDS)
        with pytest.raises(TimeoutError):
            open_before.recv(100)

        network.heal(LINE)

        open_before.settimeout(PATIENCE_SECONDS)
        with pytest.raises(ConnectionResetError):
            open_before.recv(100)
    assert echo.heard == b"heard"
    assert _said(port, b"anew")[0] == b"anew"


def test_a_caller_that_leaves_a_half_open_line_is_not_missed(network: Network, port: int, echo: Echo) -> None:
    with _call(port) as connection:
        connection.sendall(b"heard")
        assert _read(connection, 5) == b"heard"
        network.infect(LINE, Toxic.HALF_OPEN)

    time.sleep(SILENCE_SECONDS)
    assert echo.closed == 0
    network.heal(LINE)
    assert wait_until(lambda: echo.closed == 1, seconds=PATIENCE_SECONDS)


def test_a_refusing_line_is_a_closed_port_and_the_same_one_after(network: Network, port: int) -> None:
    network.refuse(LINE)
    with pytest.raises(ConnectionRefusedError):
        _call(port)

    network.listen(LINE)

    assert _said(port, b"hello")[0] == b"hello"


def test_a_server_that_is_gone_resets_its_callers(network: Network) -> None:
    port = network.open("nobody", find_free())

    # Under load the reset is there before the caller has seen that it is connected.
    with pytest.raises(ConnectionResetError), _call(port) as connection:
        connection.recv(100)


def test_a_bad_time_knows_which_links_met_it(network: Network, port: int) -> None:
    with _call(port) as before, _call(port) as silent:
        before.sendall(b"healthy")
        assert _read(before, 7) == b"healthy"
        infection = network.infect(LINE, Toxic.SLICE)
        assert not infection.links

        for connection in (before, _call(port)):
            with connection:
                connection.sendall(b"sick")
                assert _read(connection, 4) == b"sick"

        assert len(infection.links) == 2  # Whoever says nothing meets nothing.
        network.heal(LINE)
        silent.sendall(b"again")
        assert _read(silent, 5) == b"again"
    assert len(infection.links) == 2


def test_each_bad_time_of_a_line_has_its_own_links(network: Network, port: int) -> None:
    first = network.infect(LINE, Toxic.LATENCY)
    second = network.infect(LINE, Toxic.SLICE)

    assert _said(port, b"hello")[0] == b"hello"

    assert (len(first.links), len(second.links)) == (0, 1)


def test_what_is_swallowed_or_cut_has_met_it(network: Network, port: int) -> None:
    half_open = network.infect(LINE, Toxic.HALF_OPEN)
    with _call(port) as connection:
        connection.sendall(b"lost")
        assert wait_until(lambda: len(half_open.links) == 1, seconds=PATIENCE_SECONDS)
    network.heal(LINE)

    reset = network.infect(LINE, Toxic.RESET)
    with _call(port) as connection:
        connection.sendall(b"cut")
        with pytest.raises(ConnectionResetError):
            connection.recv(100)

    assert len(reset.links) == 1


def test_what_was_half_open_before_meets_no_later_bad_time(network: Network, port: int) -> None:
    half_open = network.infect(LINE, Toxic.HALF_OPEN)
    with _call(port) as connection:
        connection.sendall(b"lost")
        assert wait_until(lambda: len(half_open.links) == 1, seconds=PATIENCE_SECONDS)
        later = network.infect(LINE, Toxic.LATENCY)
        connection.sendall(b"lost too")
        assert _said(port, b"hello")[0] == b"hello"

    assert len(later.links) == 1
