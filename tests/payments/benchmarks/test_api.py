"""A small run over a real gunicorn and a real pgbench: every answer is looked at, and no time is asserted."""

from __future__ import annotations

import re
from http import HTTPStatus
from pathlib import Path

import pytest
from django.core.management.base import CommandError

from payments.benchmarks import api
from payments.benchmarks.calling import Expected, call_from_many, request_text
from payments.benchmarks.web import GUNICORN, web_process
from tests.config.test_containers import commands
from tests.payments.benchmarks.running import bench_to_file, cells

CONNECTIONS, REQUESTS, REPEATS = 2, 30, 2
HEALTH = request_text("GET", "/healthz", headers={})


def test_a_small_run_completes_every_payment(bench_here: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "TRIVIAL_REQUESTS", 100)
    words = ("--requests", str(REQUESTS), "--repeats", str(REPEATS), "--connections", str(CONNECTIONS))

    said, figures = bench_to_file(tmp_path / "figures.json", "api", *words)

    assert f"{REQUESTS} payments in each of {REPEATS} turns, from {CONNECTIONS} connections." in said
    assert "API: gunicorn, 2 workers with 8 threads. Bare SQL: pgbench" in said
    ours, floor = cells(said, "API"), cells(said, "bare SQL")
    assert (ours[-1], floor[-1]) == ("3", "2")  # The answer to its key is kept in a transaction of its own.
    assert int(floor[-2]) < int(ours[-2])
    assert re.search(r"The API reaches [\d.]+ \([\d.]+-[\d.]+\) of bare SQL\.", said)
    assert re.search(r"The callers take [\d.]+ ms of CPU for each request; they reach \d+ requests/s of /healthz", said)
    assert re.search(r"The workers take [\d.]+ ms \([\d.]+ s, [\d.]+ s\)\.", said)
    assert figures["connections"] == CONNECTIONS
    for name in ("api", "floor"):
        assert len(figures[name]["per_second"]["each"]) == REPEATS
    ratios = [a / b for a, b in zip(*(figures[name]["per_second"]["each"] for name in ("api", "floor")), strict=True)]
    assert figures["ratio"]["each"] == pytest.approx(ratios)


def test_gunicorn_is_started_as_the_image_starts_it() -> None:
    image = commands()["image"]
    bind = image.index("--bind")

    assert (*image[2:bind], *image[bind + 2 :]) == GUNICORN


def test_another_answer_than_the_expected_one_ends_it(transactional_db: None) -> None:
    with web_process() as web:
        for expected in (Expected(status=HTTPStatus.CREATED, fields={}), Expected(status=200, fields={"status": "x"})):
            with pytest.raises(CommandError, match=r"Not the answer that is measured here: NotExpected: 200 \{.*ok"):
                call_from_many(port=web.port, connections=2, requests=[HEALTH] * 4, expected=expected)


def test_a_web_process_that_cannot_start_says_why(transactional_db: None) -> None:
    with (
        pytest.raises(CommandError, match=r"(?s)gunicorn does not start:.*STEWARD_PROXIES"),
        web_process({"STEWARD_PROXIES": "many"}),
    ):
        pass
