"""A pytest plugin: PostgreSQL and Redis for a test run that was not given any. Named in pyproject.toml."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

# `config` names its own settings where nobody has named any: tests have to be quicker.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

from config.local.servers import WITHOUT_REDIS, local_servers

_stack = contextlib.ExitStack()


def _start() -> None:
    """Before pytest-django reads the settings. Workers of a parallel run inherit the addresses."""
    if os.environ.get("DATABASE_URL") or "PYTEST_XDIST_WORKER" in os.environ:
        return
    state = Path(tempfile.mkdtemp(prefix="steward-test-"))
    # As root the database belongs to another user, who has to pass through.
    state.chmod(0o711)
    _stack.callback(shutil.rmtree, state, ignore_errors=True)
    servers = _stack.enter_context(local_servers(state_dir=state, durable=False))
    os.environ["DATABASE_URL"] = servers.database_url
    os.environ["REDIS_URL"] = servers.redis_url or WITHOUT_REDIS


_start()


def pytest_unconfigure() -> None:
    _stack.close()
