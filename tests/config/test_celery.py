"""A nudge never fails and never waits twice; what Celery is told to do about lost workers is what it does."""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import structlog
from celery import Celery, Task
from django.conf import settings
from kombu import Connection, Consumer, Message, Producer, Queue
from kombu.exceptions import OperationalError
from kombu.utils.imports import symbol_by_name
from pytest_django.fixtures import Settings

from config import celery as config_celery
from config.celery import HOURLY, NUDGE_PAUSE_SECONDS, SWEEPS, NudgeTask, Request, app, beat_is_alive, beat_table
from config.celery import broker_transport_options as options
from kernel import clock
from tests.chaos.proxy import Network, Toxic
from tests.time_machine import ShiftedClock


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NudgeTask, "_paused_until", 0.0)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> list[dict[str, object]]:
    """What reached Celery's own publishing."""
    published: list[dict[str, object]] = []
    settings.STEWARD_BROKER_URL = "redis://broker/0"
    monkeypatch.setattr("celery.app.task.Task.apply_async", lambda *_, **kwargs: published.append(kwargs))
    return published


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> list[str]:
    """A broker that is gone, and how often it was asked."""
    asked: list[str] = []

    def refuse(*_: object, **__: object) -> None:
        asked.append("once")
        raise OperationalError("gone")

    settings.STEWARD_BROKER_URL = "redis://broker/0"
    monkeypatch.setattr("celery.app.task.Task.apply_async", refuse)
    return asked


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A broker that accepts a connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def task() -> Task[..., Any]:
    app.loader.import_default_modules()
    return app.tasks[SWEEPS[0]]


def do_nothing() -> None: ...


def test_a_nudge_is_sent(sent: list[dict[str, object]]) -> None:
    task().delay()

    assert len(sent) == 1


def test_a_nudge_carries_the_request_id(sent: list[dict[str, object]]) -> None:
    structlog.contextvars.bind_contextvars(request_id="req-12345678")

    task().delay()

    structlog.contextvars.clear_contextvars()
    assert sent[0]["headers"] == {"steward_request_id": "req-12345678"}


def test_without_a_broker_a_nudge_is_nothing(sent: list[dict[str, object]], settings: Settings) -> None:
    settings.STEWARD_BROKER_URL = ""

    task().delay()

    assert sent == []


def test_a_lost_broker_fails_no_request_and_is_left_alone_for_a_while(broken: list[str], time: ShiftedClock) -> None:
    for _ in range(5):
        task().delay()
    assert len(broken) == 1

    time.advance(seconds=NUDGE_PAUSE_SECONDS)
    task().delay()

    assert len(broken) == 2


@pytest.mark.slow
def test_a_silent_broker_costs_seconds_once(silent_port: int, settings: Settings) -> None:
    url = f"redis://127.0.0.1:{silent_port}/0"
    other = Celery("silent", task_cls=NudgeTask, broker=url, set_as_current=False)
    other.conf.broker_transport_options = options(url, longest_task_seconds=120)
    other.conf.task_publish_retry_policy = settings.CELERY_TASK_PUBLISH_RETRY_POLICY
    settings.STEWARD_BROKER_URL = url
    nudge = other.task(name="nudge")(do_nothing)

    started = clock.monotonic()
    nudge.delay()
    nudge.delay()

    assert clock.monotonic() - started < settings.STEWARD_REQUEST_BUDGET_SECONDS / 2


def test_every_task_survives_its_worker() -> None:
    app.loader.import_default_modules()
    ours = [task for name, task in app.tasks.items() if not name.startswith("celery.")]

    assert len(ours) >= len(SWEEPS)
    for one in ours:
        assert isinstance(one, NudgeTask)
        assert (one.acks_late, one.reject_on_worker_lost, one.ignore_result) == (True, True, True)


def test_only_json_is_read() -> None:
    assert (app.conf.accept_content, app.conf.task_serializer) == (["json"], "json")


def test_limits_nest() -> None:
    """Soft before hard, and Redis gives a message back only when no task can still be working on it."""
    lease = app.conf.task_soft_time_limit / 3

    assert lease < app.conf.task_soft_time_limit < app.conf.task_time_limit
    redis = options("redis://r/0", longest_task_seconds=app.conf.task_time_limit)
    assert redis["visibility_timeout"] > app.conf.task_time_limit
    assert (redis["unacked_restore_interval"], redis["unacked_restore_throttle"]) == (2, 1)


@pytest.mark.parametrize("url", ["redis://r/0", "redis+socket:///r.sock?virtual_host=0", "amqp://b//", "memory://"])
def test_publishing_is_bounded_for_every_broker(url: str) -> None:
    assert options(url, longest_task_seconds=120)["max_retries"] == 1


def test_a_redis_option_never_reaches_rabbitmq() -> None:
    assert options("amqp://b//", longest_task_seconds=120).keys() & {"visibility_timeout", "socket_timeout"} == set()


# Ticks.


@dataclass
class Worker:
    """What a worker's process does with the messages that wait, without its pool and its broker's network."""

    connection: Connection
    producer: Producer
    queue: Queue
    swept: list[str] = field(default_factory=list)

    def nudge(self, name: str, **options: Any) -> None:
        app.tasks[name].apply_async(producer=self.producer, queue=self.queue, **options)

    def beat(self) -> None:
        """As beat publishes."""
        table = beat_table(settings.STEWARD_SWEEP_SECONDS)
        for entry in (table[name] for name in SWEEPS):
            self.nudge(entry["task"], **entry["options"])

    def work(self) -> list[str]:
        """What was swept."""
        self.swept.clear()
        with Consumer(self.connection, [self.queue], on_message=self._execute):
            while self._had_one():
                pass
        return sorted(self.swept)

    def _had_one(self) -> bool:
        try:
            self.connection.drain_events(timeout=0.1)
        except TimeoutError:
            return False
        return True

    def _execute(self, message: Message) -> None:
        assert message.headers.get("expires") is None, "It is compared with another machine's time."
        request_of(message, self.connection).execute()


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[Worker]:
    settings.STEWARD_BROKER_URL = "memory://"
    app.loader.import_default_modules()
    queue = Queue(f"test-{clock.new_id()}")
    with Connection("memory://") as connection, connection.Producer() as producer:
        worker = Worker(connection, producer, queue)
        for name in SWEEPS:
            monkeypatch.setattr(app.tasks[name], "_ticked_at", -math.inf)
            monkeypatch.setattr(_body_of(name), partial(worker.swept.append, _last(name)))
        yield worker


def _body_of(name: str) -> str:
    """What the task calls."""
    app_name = name.partition(".")[0]
    return f"{BODIES.get(_last(name), BODIES[app_name])}.{_last(name)}"


BODIES = {
    "payments": "payments.services.sweeps",
    "failures": "failures.approvals",
    "work_on_bulk": "failures.bulk.running",
}


def _last(name: str) -> str:
    return name.rpartition(".")[2]


ALL = sorted(_last(name) for name in SWEEPS)


def test_beat_ticks_for_every_sweep() -> None:
    table = beat_table(3)

    assert set(table) == {*SWEEPS, *HOURLY}
    assert {table[name]["schedule"] for name in SWEEPS} == {3.0}
    assert {table[name]["schedule"] for name in HOURLY} == {3600.0}


def test_piled_up_ticks_are_one(worker: Worker) -> None:
    for _ in range(50):
        worker.beat()

    assert worker.work() == ALL


def test_ticks_in_time_all_count_also_where_the_broker_brings_them_unevenly(
    worker: Worker, time: ShiftedClock, settings: Settings
) -> None:
    for share in (1.0, 0.6, 1.4, 1.0):
        worker.beat()
        assert worker.work() == ALL
        time.advance(seconds=settings.STEWARD_SWEEP_SECONDS * share)


def test_a_nudge_is_no_tick_too_many(worker: Worker) -> None:
    worker.beat()
    worker.work()

    worker.nudge(SWEEPS[0])

    assert worker.work() == [_last(SWEEPS[0])]


def test_beat_shows_that_it_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, time: ShiftedClock) -> None:
    monkeypatch.setattr(config_celery, "BEAT_FILE", tmp_path / "beat")
    assert not beat_is_alive()

    config_celery.BeatScheduler(Celery(set_as_current=False), lazy=True).tick()
    assert beat_is_alive()

    time.advance(seconds=config_celery.BEAT_SILENCE_SECONDS + 1)
    assert not beat_is_alive()


@pytest.fixture
def broker() -> Iterator[tuple[Connection, Network]]:
    """The tests' own Redis over a network that can be cut."""
    network = Network()
    url = urlsplit(os.environ["REDIS_URL"])
    if url.port is None:
        network.close()
        pytest.skip("A Redis behind a port is needed.")
    port = network.open(LINE, url.port)
    here = url._replace(netloc=f"{url.netloc.rpartition(':')[0]}:{port}").geturl()
    try:
        with Connection(here, transport_options=options(here, longest_task_seconds=120)) as connection:
            yield connection, network
    finally:
        network.close()


LINE = "broker"


@pytest.mark.parametrize("end", [Request.acknowledge, Request.reject])
def test_an_end_that_the_broker_did_not_hear_leaves_no_worker_deaf(
    broker: tuple[Connection, Network], end: Callable[[Request], None]
) -> None:
    """Kombu counts what a worker was given: without this the next message would never be asked for."""
    connection, network = broker
    queue = Queue(f"test-{clock.new_id()}", exclusive=True)
    heard: list[Message] = []
    with connection.channel() as channel, connection.Producer() as producer:
        _give_at_most_one(channel)
        with Consumer(channel, [queue], on_message=heard.append):
            for _ in range(2):
                producer.publish(
                    [[], {}, {}], routing_key=queue.name, declare=[queue], headers={"id": "a", "task": task().name}
                )
            connection.drain_events(timeout=10)
            network.infect(LINE, Toxic.RESET)
            end(request_of(heard[0], connection))
            network.heal(LINE)

            assert not heard[0].acknowledged
            assert _can_consume(channel)


def _give_at_most_one(channel: Any) -> None:
    channel.basic_qos(0, 1, False)


def _can_consume(channel: Any) -> bool:
    """Kombu's own count, which only channels like Redis's have."""
    return bool(channel.qos.can_consume())


def request_of(message: Message, connection: Connection) -> Request:
    """As Celery's consumer makes it."""
    our_app: Any = app  # With tasks of our own class, which the stubs take for another kind of app.
    return Request(
        message,
        app=our_app,
        on_ack=message.ack_log_error,
        on_reject=message.reject_log_error,
        connection_errors=connection.connection_errors,
    )


def test_tasks_are_received_as_our_requests() -> None:
    assert symbol_by_name(task().Request) is Request
