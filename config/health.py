"""Health: is this process alive (`/healthz`), and may it be given work (`/readyz`)?"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from http import HTTPStatus

import structlog
from django.conf import settings
from django.core.cache import caches
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from kombu.exceptions import OperationalError
from psycopg_pool import PoolTimeout
from redis.exceptions import RedisError

from config.celery import app

log = structlog.get_logger(__name__)


class Health(StrEnum):
    OK = "ok"
    DEGRADED = "degraded"  # Gone, and we go on without it: slower, never wrong.
    FAILED = "failed"
    UNAPPLIED = "unapplied migrations"
    FORGETFUL = "commits do not wait for the disk"
    NOT_CONFIGURED = "not configured"


class Readiness(StrEnum):
    READY = "ready"
    DEGRADED = "degraded"
    NOT_READY = "not ready"


# With one of these no payment can be accepted. Everything else only makes us slower.
_FATAL = frozenset({Health.FAILED, Health.UNAPPLIED, Health.FORGETFUL})


@never_cache
@require_safe
def healthz(_: HttpRequest) -> JsonResponse:
    """Alive: this process answers. It asks nobody, so that a database outage does not restart every process."""
    return JsonResponse({"status": Health.OK})


@never_cache
@require_safe
def readyz(_: HttpRequest) -> JsonResponse:
    """Ready: 503 only without a database that has its migrations and keeps what is committed.

    Redis and the broker are named, not needed.
    """
    checks = {name: check() for name, check in _CHECKS.items()}
    readiness = _readiness(set(checks.values()))
    status = HTTPStatus.SERVICE_UNAVAILABLE if readiness is Readiness.NOT_READY else HTTPStatus.OK
    return JsonResponse({"status": readiness, "checks": checks}, status=status)


def _readiness(found: set[Health]) -> Readiness:
    if found & _FATAL:
        return Readiness.NOT_READY
    return Readiness.DEGRADED if Health.DEGRADED in found else Readiness.READY


def _redis() -> Health:
    if not settings.REDIS_URL:
        return Health.NOT_CONFIGURED
    try:
        caches["default"].get("readyz")
    except (RedisError, OSError) as error:
        return _log(Health.DEGRADED, "redis", error)
    return Health.OK


def _broker() -> Health:
    if not settings.STEWARD_BROKER_URL:
        return Health.NOT_CONFIGURED
    try:
        with app.connection_for_write(settings.CELERY_BROKER_URL) as broker:
            broker.ensure_connection(max_retries=1, interval_start=0, timeout=app.conf.broker_connection_timeout)
    except (OperationalError, OSError) as error:
        return _log(Health.DEGRADED, "broker", error)
    return Health.OK


def _database() -> Health:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW synchronous_commit")
            (commits,) = cursor.fetchone()
        if commits == "off":  # Each session says "on"; a pooler in between may drop that.
            return Health.FORGETFUL
        return Health.UNAPPLIED if _unapplied_migrations() else Health.OK
    except (DatabaseError, PoolTimeout) as error:
        return _log(Health.FAILED, "database", error)


def _unapplied_migrations() -> bool:
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def _log(health: Health, check: str, error: Exception) -> Health:
    """The reason goes to the log only: whoever may ask for our health need not learn our addresses."""
    log.warning("health.check_failed", check=check, health=health, error=type(error).__name__)
    return health


# The database comes last: no connection of its pool is held while the others may be slow to say no.
_CHECKS: dict[str, Callable[[], Health]] = {
    "redis": _redis,
    "broker": _broker,
    "database": _database,
}
