"""A pytest plugin: a Redis for each test run, and a PostgreSQL where none is given. Named in pyproject.toml."""

from __future__ import annotations

import contextlib
import os

# `config` names its own settings where nobody has named any: tests have to be quicker.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

from tests.pristine import begin_run, end_run
from tests.throw_away import throw_away_servers

_stack = contextlib.ExitStack()


def _start() -> None:
    """Before pytest-django reads the settings. Workers of a parallel run inherit the addresses."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        _stack.enter_context(throw_away_servers())
        begin_run()
        _stack.callback(end_run)


_start()


def pytest_unconfigure() -> None:
    _stack.close()
