"""PostgreSQL and Redis that live as long as one command or one test run, and the settings that go with them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.local.servers import WITHOUT_REDIS, Servers, WhichRedis, local_servers

# Where the workers that tests start would take an installation's messages. The last three Celery reads by itself.
BROKERS = ("STEWARD_BROKER_URL", "CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL")


@contextmanager
def throw_away_servers(*, durable: bool = False) -> Iterator[Servers]:
    """On a PostgreSQL that is given tests make databases of their own. No given Redis is used: they empty theirs."""
    state = Path(tempfile.mkdtemp(prefix="steward-test-"))
    # As root the database belongs to another user, who has to pass through.
    state.chmod(0o711)
    try:
        with local_servers(state_dir=state, durable=durable, which_redis=WhichRedis.OWN) as servers:
            os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
            os.environ["DATABASE_URL"] = servers.database_url
            os.environ["REDIS_URL"] = servers.redis_url or WITHOUT_REDIS
            for name in BROKERS:
                os.environ.pop(name, None)
            yield servers
    finally:
        shutil.rmtree(state, ignore_errors=True)
