"""Fixtures for every test: a clock that tests own, and circuits that start closed."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator

import pytest
import structlog
from django.db import connection
from django.test import TransactionTestCase

from kernel import clock
from payments.gateways.breaker import BreakerBoard
from payments.services import providers
from tests.emptying import delete_everything
from tests.pristine import TEMPLATE, pristine_database
from tests.time_machine import ShiftedClock


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--proof", action="store_true", help="only the tests that belong to the full proof")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A plain run leaves the full proof out, and the proof leaves everything else out."""
    wanted = config.getoption("--proof")
    left_out = [item for item in items if (item.get_closest_marker("proof") is not None) != wanted]
    config.hook.pytest_deselected(items=left_out)
    mine = [item for item in items if (item.get_closest_marker("proof") is not None) == wanted]
    items[:] = sorted(mine, key=lambda item: item.get_closest_marker("longest") is None)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Thousands of tests and all that they import stay to the end: the collector need not look at them again."""
    gc.collect()
    gc.freeze()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Its name at once, by whoever hears of all of them: a run that is cut off has no summary."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        sys.stderr.write(f"\nFAILED {report.nodeid} ({report.when})\n")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Of parallel processes one migrates, and the others copy what it made."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        os.environ[TEMPLATE] = connection.settings_dict["TEST"]["TEMPLATE"] = pristine_database()


@pytest.fixture(scope="session", autouse=True)
def _quick_teardown() -> Iterator[None]:
    """A third of the tests commit what they do; Django's own way to clear up after each takes twenty times as long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _: delete_everything())
        yield


@pytest.fixture(autouse=True)
def time() -> Iterator[ShiftedClock]:
    """Real time with an offset that only the test moves, so that days pass in no time."""
    shifted = ShiftedClock()
    previous = clock.install(shifted)
    yield shifted
    clock.install(previous)


@pytest.fixture(autouse=True)
def _own_log_words() -> None:
    """A request that one test made is not being served any more in the next."""
    structlog.contextvars.clear_contextvars()


@pytest.fixture(autouse=True)
def _own_circuits(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test's providers did must not open the next test's circuits: no Redis, a new board."""
    board = BreakerBoard()
    monkeypatch.setattr(providers, "_board", lambda: board)
