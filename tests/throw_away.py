"""PostgreSQL and Redis that live as long as one command or one test run, and the settings that go with them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.local.servers import WITHOUT_REDIS, Servers, local_servers


@contextmanager
def throw_away_servers(*, durable: bool = False) -> Iterator[Servers]:
    """What the environment names already is used as it is; the tests' settings make databases of their own in it."""
    state = Path(tempfile.mkdtemp(prefix="steward-test-"))
    # As root the database belongs to another user, who has to pass through.
    state.chmod(0o711)
    try:
        with local_servers(state_dir=state, durable=durable) as servers:
            os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
            os.environ["DATABASE_URL"] = servers.database_url
            os.environ["REDIS_URL"] = servers.redis_url or WITHOUT_REDIS
            yield servers
    finally:
        shutil.rmtree(state, ignore_errors=True)
