"""The addresses of a name within a deadline, which the system's own resolver does not know."""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import Future
from threading import BoundedSemaphore, Thread

MAX_ADDRESSES = 4  # A host with more is behind a balancer that failed in four places already.
# Where names are not answered a thread outlives its call by up to a minute. More of them would not be answered either.
MAX_RESOLVING = 32
_RESOLVING = BoundedSemaphore(MAX_RESOLVING)


def addresses(host: str, port: int, *, remaining_seconds: Callable[[], float]) -> list[str]:
    """A thread waits for the resolver, and we for the thread; what it finds too late is nobody's."""
    if not _RESOLVING.acquire(timeout=remaining_seconds()):
        raise TimeoutError("too many names are being resolved")
    found: Future[list[str]] = Future()
    try:
        Thread(target=_resolve, args=(host, port, found), name="resolver", daemon=True).start()
    except RuntimeError as error:
        _RESOLVING.release()
        raise OSError("no thread is left to resolve a name") from error
    return found.result(timeout=remaining_seconds())


def _resolve(host: str, port: int, found: Future[list[str]]) -> None:
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        found.set_result(list(dict.fromkeys(str(each[4][0]) for each in answers))[:MAX_ADDRESSES])
    except Exception as error:  # noqa: BLE001  It belongs to whoever waits; here nobody would see it.
        found.set_exception(error)
    finally:
        _RESOLVING.release()
