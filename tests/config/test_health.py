"""Alive asks nobody. Ready says no only without a database or its migrations, and tells no addresses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from pytest_django.fixtures import Settings

from tests.config.starting import COMPLETE, run_python

NOBODY_LISTENS = "redis://127.0.0.1:1/0"
ASK_WITHOUT_A_DATABASE = """
import django
django.setup()
from django.test import Client
answers = [Client(SERVER_NAME="localhost").get(path) for path in ("/healthz", "/readyz")]
import json
print(json.dumps([[answer.status_code, answer.json()] for answer in answers]))
"""


@pytest.fixture
def _alone(settings: Settings) -> None:
    """Neither Redis nor a broker, whatever the test run was given."""
    settings.REDIS_URL = settings.STEWARD_BROKER_URL = ""


def test_alive_needs_no_database(client: Client) -> None:
    answer = client.get("/healthz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_is_only_asked_for(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405


@pytest.mark.usefixtures("_alone")
@pytest.mark.django_db
def test_ready_with_nothing_but_a_database(client: Client) -> None:
    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "checks": {"redis": "not configured", "broker": "not configured", "database": "ok"},
    }


@pytest.mark.usefixtures("_alone")
@pytest.mark.django_db
def test_not_ready_while_a_migration_is_missing(client: Client) -> None:
    MigrationRecorder.Migration.objects.filter(app="sessions").delete()

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["status"] == "not ready"
    assert answer.json()["checks"]["database"] == "unapplied migrations"


@pytest.mark.usefixtures("_alone")
@pytest.mark.django_db
def test_not_ready_where_a_commit_may_be_forgotten(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["checks"]["database"] == "commits do not wait for the disk"


@pytest.mark.django_db
def test_without_redis_and_broker_still_ready_but_degraded(client: Client, settings: Settings) -> None:
    settings.REDIS_URL = settings.STEWARD_BROKER_URL = settings.CELERY_BROKER_URL = NOBODY_LISTENS
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": NOBODY_LISTENS}
    }

    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "degraded",
        "checks": {"redis": "degraded", "broker": "degraded", "database": "ok"},
    }
    assert b"127.0.0.1" not in answer.content


@pytest.mark.slow
def test_without_a_database_alive_but_not_ready() -> None:
    gone = {**COMPLETE, "STEWARD_PUBLIC_URL": "http://localhost", "DATABASE_URL": "postgres://u:p@127.0.0.1:1/steward"}

    result = run_python(ASK_WITHOUT_A_DATABASE, gone)

    alive, ready = _answers(result.stdout)
    assert alive == [200, {"status": "ok"}]
    assert ready[0] == 503
    assert ready[1]["checks"]["database"] == "failed"


def _answers(printed: str) -> list[Any]:
    answers: list[Any] = json.loads(printed)
    return answers
