"""A port that was found stays with whom it was found for, also while the server that it is for is down."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from config.local.ports import LOOPBACK, find_free, is_free, remembered_or_free
from config.local.state import PROJECT

# So many of a system's free ports that whoever takes some by chance meets a found one.
FOUND = 300
TAKEN = 500
FINDS = f"""
import sys
from config.local.ports import find_free
print(*(find_free() for _ in range({FOUND})), flush=True)
sys.stdin.read()
"""

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only this kernel lets a server listen on a held port")


@pytest.fixture
def found() -> Iterator[set[int]]:
    """By another process, which lives."""
    command, pipe = [sys.executable, "-c", FINDS], subprocess.PIPE
    with subprocess.Popen(command, cwd=PROJECT, text=True, stdin=pipe, stdout=pipe) as process:
        assert process.stdin
        assert process.stdout
        yield {*map(int, process.stdout.readline().split())}
        process.stdin.close()


@on_linux
def test_a_found_port_is_given_to_nobody_else(found: set[int]) -> None:
    with contextlib.ExitStack() as others:
        taken = {_taken_by_anybody(others) for _ in range(TAKEN)}
    assert len(found) == FOUND
    assert not found & taken


@on_linux
def test_no_caller_calls_from_a_found_port(found: set[int]) -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        assert not found & {_calls_from(server) for _ in range(TAKEN)}


def test_the_server_it_is_for_listens_and_listens_again() -> None:
    port = find_free()
    for _ in range(2):
        assert is_free(port)
        with socket.create_server((LOOPBACK, port)) as server:
            assert not is_free(port)
            _calls_from(server)


def test_where_nobody_listens_yet_callers_are_refused() -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((LOOPBACK, find_free()), timeout=5)


def test_a_remembered_port_is_kept_unless_somebody_listens_there() -> None:
    port = find_free()
    assert remembered_or_free(port) == port
    with socket.create_server((LOOPBACK, port)):
        assert remembered_or_free(port) != port


def _taken_by_anybody(stack: contextlib.ExitStack) -> int:
    port: int = stack.enter_context(socket.create_server((LOOPBACK, 0))).getsockname()[1]
    return port


def _calls_from(server: socket.socket) -> int:
    with socket.create_connection(server.getsockname(), timeout=5) as call:
        server.accept()[0].close()
        port: int = call.getsockname()[1]
    return port
