"""Fixtures for the sandbox provider: in this process, and on a real socket."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.inprocess import InProcess
from tests.sandbox.running import Line, in_process, on_a_socket


@pytest.fixture
def sandbox() -> InProcess:
    return in_process()


@pytest.fixture
def line() -> Iterator[Line]:
    with on_a_socket() as line:
        yield line
