"""Structured logs: one event per line, as JSON or for a person, without a secret or a card number in it."""

from __future__ import annotations

import logging.config
from collections.abc import Mapping
from typing import Any, Final

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from config.environment import LogFormat
from payments.gateways.redaction import redact, redact_text

# A traceback's end is what one wants to read: it gets room that no other text needs.
LONGEST_TRACEBACK: Final = 16_000
# Statements carry personal data as parameters, httpx writes whole URLs, and Celery writes three lines for each tick.
_QUIET: Final = (
    "axes",
    "django.db.backends",
    "httpx",
    "httpcore",
    "celery.app.trace",
    "celery.beat",
    "celery.worker.strategy",
)
_TRACEBACK_FIELDS: Final = ("exception", "stack")


def hide_secrets(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """The last processor before the line is written, so that tracebacks pass it too."""
    tracebacks = {name: str(event.pop(name)) for name in _TRACEBACK_FIELDS if name in event}
    line = redact({name: _plain(value) for name, value in event.items()})
    line.update(
        (name, redact_text(text[-LONGEST_TRACEBACK:], limit=LONGEST_TRACEBACK)) for name, text in tracebacks.items()
    )
    return line


def _plain(value: Any) -> Any:
    """What JSON has no word for is written as text; redaction itself trusts no foreign type's text."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner) for inner in value]
    return str(value)


def configure(settings: Mapping[str, Any]) -> None:
    """Django calls this with `LOGGING`: our own events and everybody else's end in the same kind of line."""
    structlog.configure(
        processors=[*_shared_processors(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,  # Tests capture logs after modules have made their loggers.
    )
    logging.config.dictConfig(_standard_library(LogFormat(settings["format"]), str(settings["level"])))


def _shared_processors() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,  # request_id, payment_id, task: whatever is bound.
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _standard_library(log_format: LogFormat, level: str) -> dict[str, Any]:
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": _shared_processors(),
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            hide_secrets,
            _renderer(log_format),
        ],
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": formatter},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {name: {"level": "WARNING"} for name in _QUIET},
    }


def _renderer(log_format: LogFormat) -> Processor:
    if log_format is LogFormat.JSON:
        return structlog.processors.JSONRenderer()
    return structlog.dev.ConsoleRenderer(colors=False)
