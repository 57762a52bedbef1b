"""Celery: the clock and the nudge. The database rows are the queue; nothing here is the only copy of anything."""

from __future__ import annotations

import math
import os
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import structlog
from celery import Celery, signals
from celery.beat import Scheduler
from celery.contrib.django.task import DjangoTask
from celery.worker import request
from django.conf import settings
from kombu.exceptions import OperationalError
from kombu.transport import virtual

from kernel import clock

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# `migrate` has run the system checks. They ask the database for the time, and a worker has to outlast its absence.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")

log = structlog.get_logger(__name__)

# A sweep runs every few seconds anyway, so a broker that just failed is left alone for about that long:
# of all requests in that time only one waits for its time-out.
NUDGE_PAUSE_SECONDS = 5.0
# Tells a tick from a nudge.
TICK_HEADER = "steward_tick"
# Redis gives a dead worker's message back after this much more than the longest task may take.
VISIBILITY_MARGIN_SECONDS = 30
# Touched at every turn of beat's loop, which sleeps for one sweep interval at most.
BEAT_FILE = Path(tempfile.gettempdir()) / "steward-beat"
BEAT_SILENCE_SECONDS = 60.0

# What beat does. Each sweep claims due rows from the database; a tick that is lost is made up for by the next one.
SWEEPS = (
    "payments.tasks.sweep_payments",
    "payments.tasks.sweep_refunds",
    "payments.tasks.sweep_watches",
    "payments.tasks.sweep_notices",
    "failures.tasks.expire_approvals",
    "failures.tasks.work_on_bulk",
)
# What nobody waits for, and once an hour is often enough.
HOURLY = ("accounts.tasks.purge_old_calls", "accounts.tasks.purge_old_tokens")
HOUR_SECONDS = 3600.0


def beat_table(sweep_seconds: int) -> dict[str, dict[str, Any]]:
    """One entry a task. No tick expires: beat would say when by its own clock, and a worker read it by another."""
    options = {"headers": {TICK_HEADER: True}}
    ticks = {name: {"task": name, "schedule": float(sweep_seconds), "options": options} for name in SWEEPS}
    return {**ticks, **{name: {"task": name, "schedule": HOUR_SECONDS} for name in HOURLY}}


def celery_broker_url(url: str) -> str:
    """Celery's spelling of a broker URL. Without a broker, messages go to a queue in memory that is never filled."""
    if not url:
        return "memory://"
    parts = urlsplit(url)
    if parts.scheme != "unix":
        return url
    database = dict(pair.partition("=")[::2] for pair in parts.query.split("&")).get("db", "0")
    return f"redis+socket://{parts.path}?{urlencode({'virtual_host': database})}"


def broker_transport_options(url: str, *, longest_task_seconds: int) -> dict[str, Any]:
    """Bounded waits for every broker, and for Redis the return of a killed worker's messages."""
    publishing = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.1}
    if not url.startswith("redis"):
        return {**publishing, "confirm_publish": True} if url.startswith("amqp") else publishing
    return {
        **publishing,
        "socket_connect_timeout": 1.0,
        "socket_timeout": 2.0,  # A waiting worker's read takes one second by design.
        # A message comes back when its worker is silent for longer than any task may run: sooner would run it twice.
        "visibility_timeout": longest_task_seconds + VISIBILITY_MARGIN_SECONDS,
        # Kombu looks for such messages about every hundred seconds unless it is told to look more often.
        "unacked_restore_interval": 2,
        "unacked_restore_throttle": 1,
    }


class Request(request.Request):
    """A delivery whose end the broker may not hear.

    Celery logs that and goes on, while Kombu goes on counting the message among those that the worker was given: as
    many such messages as it has processes, and it asks for no more, for ever, alive and deaf. The message itself is
    still with Redis, which gives it back after the visibility timeout.
    """

    def acknowledge(self) -> None:
        try:
            super().acknowledge()
        finally:  # One kind of broken connection is raised, and ends in Celery's log as well.
            _free_place(self.message)

    def reject(self, requeue: bool = False) -> None:  # noqa: FBT001, FBT002  Celery's own signature.
        try:
            super().reject(requeue)
        finally:
            _free_place(self.message)


def _free_place(message: Any) -> None:
    """Only where Kombu itself counts, as for Redis; a real broker counts, and forgets with the connection."""
    qos = getattr(message.channel, "qos", None)
    if isinstance(qos, virtual.QoS) and not message.acknowledged:
        virtual.QoS.ack(qos, message.delivery_tag)


class NudgeTask(DjangoTask[..., Any]):
    """A task whose publication is a courtesy: if the broker is gone, the sweep finds the row, and the guest's
    request must neither fail nor wait."""

    abstract = True
    Request = "config.celery:Request"
    _paused_until = 0.0
    _ticked_at = -math.inf

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """After a stop a worker finds thousands of ticks: what one has begun the next need not begin again.

        Not for half of the time between two, by this process's own clock: a broker brings them unevenly.
        """
        if getattr(self.request, TICK_HEADER, False):
            now = clock.monotonic()
            if now < self._ticked_at + settings.STEWARD_SWEEP_SECONDS / 2:
                return None
            self._ticked_at = now
        return super().__call__(*args, **kwargs)

    def apply_async(self, *args: Any, **kwargs: Any) -> Any:
        if not settings.STEWARD_BROKER_URL or clock.monotonic() < NudgeTask._paused_until:
            return None
        headers = {**_request_headers(), **(kwargs.pop("headers", None) or {})}
        try:
            return super().apply_async(*args, **kwargs, headers=headers)
        except (OperationalError, OSError) as error:
            NudgeTask._paused_until = clock.monotonic() + NUDGE_PAUSE_SECONDS
            log.warning("celery.nudge_dropped", task=self.name, error=type(error).__name__)
            return None


class BeatScheduler(Scheduler):
    """Keeps nothing between two starts (a tick too many is harmless) and shows that its loop still turns."""

    def tick(self, *args: Any, **kwargs: Any) -> float:
        BEAT_FILE.touch()
        return super().tick(*args, **kwargs)


def beat_is_alive() -> bool:
    """For a health check beside beat, on the same machine."""
    return BEAT_FILE.exists() and clock.now().timestamp() - BEAT_FILE.stat().st_mtime < BEAT_SILENCE_SECONDS


def _request_headers() -> dict[str, str]:
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    return {"steward_request_id": request_id} if request_id else {}


app = Celery("steward", task_cls=NudgeTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@signals.setup_logging.connect
def keep_our_logging(**_: Any) -> None:
    """A receiver is all it takes to keep Celery from replacing the log settings that Django has applied."""


@signals.task_prerun.connect
def bind_task(task_id: str, task: Any, **_: Any) -> None:
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(task=task.name, task_id=task_id)
    request_id = getattr(task.request, "steward_request_id", None)
    if request_id:
        structlog.contextvars.bind_contextvars(request_id=request_id)


@signals.task_postrun.connect
def unbind_task(**_: Any) -> None:
    structlog.contextvars.clear_contextvars()
