"""One event is one line, for a program or for a person, and no line holds a secret."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import structlog
from django.conf import settings as project

from config.environment import LogFormat
from config.logging import LONGEST_TRACEBACK, configure

CARD = "4111 1111 1111 1111"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    structlog.contextvars.clear_contextvars()
    configure(project.LOGGING)


def line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    (text,) = capsys.readouterr().err.splitlines()
    event: dict[str, Any] = json.loads(text)
    return event


def configured(log_format: LogFormat = LogFormat.JSON) -> structlog.stdlib.BoundLogger:
    configure({"format": log_format, "level": "INFO"})
    logger: structlog.stdlib.BoundLogger = structlog.get_logger("steward.test")
    return logger


def test_an_event_is_one_line_of_json_with_what_was_bound(capsys: pytest.CaptureFixture[str]) -> None:
    log = configured()
    structlog.contextvars.bind_contextvars(request_id="req-1", payment_id=UUID(int=7))

    log.info("payment.completed", amount_minor=84000)

    event = line(capsys)
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "event": "payment.completed",
        "level": "info",
        "logger": "steward.test",
        "request_id": "req-1",
        "payment_id": "00000000-0000-0000-0000-000000000007",
        "amount_minor": 84000,
    }


def test_stdout_belongs_to_what_a_command_answers(capsys: pytest.CaptureFixture[str]) -> None:
    log = configured()

    log.warning("Circuit opened")

    said = capsys.readouterr()
    assert said.out == ""
    assert "Circuit opened" in said.err


def test_other_peoples_loggers_end_in_the_same_line(capsys: pytest.CaptureFixture[str]) -> None:
    configured()
    structlog.contextvars.bind_contextvars(request_id="req-1")

    logging.getLogger("django.request").warning("Not found: %s", "/x")

    assert line(capsys).items() >= {"event": "Not found: /x", "level": "warning", "request_id": "req-1"}.items()


def test_secrets_are_hidden_however_deep(capsys: pytest.CaptureFixture[str]) -> None:
    log = configured()

    log.info("x", password="hunter2", credentials={"a": 1}, asked={"headers": [{"Authorization": "Bearer abc123def"}]})

    text = json.dumps(line(capsys))
    assert "hunter2" not in text
    assert "abc123def" not in text


def test_a_card_number_is_hidden_in_text_and_in_tracebacks(capsys: pytest.CaptureFixture[str]) -> None:
    log = configured()

    try:
        raise ValueError(f"cannot read {CARD}")
    except ValueError:
        log.exception("failed with %s", CARD)

    event = line(capsys)
    assert CARD not in json.dumps(event)
    assert "ValueError" in event["exception"]


def test_a_password_in_a_url_is_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    configured()

    logging.getLogger("psycopg.pool").warning("cannot reach postgres://steward:pass-word@db/steward")

    assert "pass-word" not in line(capsys)["event"]


def test_a_tracebacks_end_survives(capsys: pytest.CaptureFixture[str]) -> None:
    log = configured()

    try:
        raise ValueError("x" * 2 * LONGEST_TRACEBACK + " the end")
    except ValueError:
        log.exception("long")

    exception = line(capsys)["exception"]
    assert exception.endswith(" the end")
    assert len(exception) <= LONGEST_TRACEBACK


def test_a_person_can_read_it_too(capsys: pytest.CaptureFixture[str]) -> None:
    log = configured(LogFormat.PRETTY)

    log.info("payment.completed", amount_minor=84000, token="abc")

    text = capsys.readouterr().err
    assert "payment.completed" in text
    assert "amount_minor=84000" in text
    assert "abc" not in text


@pytest.mark.parametrize("name", ["django.db.backends", "httpx", "celery.beat", "celery.app.trace"])
def test_the_talkative_are_quiet(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    configured()

    logging.getLogger(name).info("SELECT secret")

    assert capsys.readouterr().err == ""
