"""An installation for each round of kills: what dies in it are children, and their masters live on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.crashes.installation import PRODUCTION, SHORTENED, Installation
from tests.scenarios.sandbox_process import SandboxProcess


@pytest.fixture(scope="module")
def providers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, SandboxProcess]]:
    """With the waits that they really have."""
    names = ("sandbox_a", "sandbox_b")
    started = {name: SandboxProcess(name, tmp_path_factory.mktemp(name)) for name in names}
    yield started
    for process in started.values():
        process.stop()


@pytest.fixture
def here(
    request: pytest.FixtureRequest,
    transactional_db: None,
    tmp_path: Path,
    providers: Mapping[str, SandboxProcess],
) -> Iterator[Installation]:
    pace = PRODUCTION if request.config.getoption("--proof") else SHORTENED
    installation = Installation(tmp_path, pace, providers)
    try:
        installation.start()
        yield installation
    finally:
        installation.stop()
