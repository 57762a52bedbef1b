"""Ports on the loopback address: whether one is free, and finding one that is."""

from __future__ import annotations

import socket
import sys
from typing import Final

LOOPBACK: Final = "127.0.0.1"


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do: a connection that was closed a moment ago does not make a port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except (OSError, OverflowError):
            return False
    return True


def find_free() -> int:
    """Nobody else is given it while this process lives, also not while the server that it is for is down."""
    probe = socket.socket()
    probe.bind((LOOPBACK, 0))
    port: int = probe.getsockname()[1]
    if sys.platform == "linux":
        # The kernel gives a port that a socket sits on to no caller and to nobody who asks for any, and lets a server
        # listen there if both sides say this. Other systems would keep that server out as well.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.detach()  # It never listens, and is closed with the process.
    else:
        probe.close()
    return port


def remembered_or_free(port: object) -> int:
    """The port of the last time, so that an address somebody noted down stays true; another if it is taken."""
    return port if isinstance(port, int) and is_free(port) else find_free()
