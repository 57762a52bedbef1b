"""`manage.py` before Django starts: which settings it talks with, and what it says when it cannot start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.local.run_file import RunRecord
from config.local.state import PROJECT
from tests.config.starting import COMPLETE, START_SECONDS

DATABASE = COMPLETE["DATABASE_URL"]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Of a demo that runs: this process stands for it."""
    record = RunRecord(addresses={}, database_url=DATABASE, redis_url=None, environment=COMPLETE)
    record.write(tmp_path, processes={})
    return tmp_path


def manage(*python: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`shell -c` starts Django and asks no database."""
    code = "from django.conf import settings; print(settings.DATABASES['default']['NAME'])"
    return subprocess.run(
        [sys.executable, *python, "manage.py", "shell", "--no-imports", "-c", code],
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )


@pytest.mark.parametrize("own", [{}, {"DATABASE_URL": ""}, {"DATABASE_URL": DATABASE}])
def test_the_running_demo_is_talked_to(state: Path, own: dict[str, str]) -> None:
    answer = manage(STATE_DIR=str(state), **own)

    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "steward\n", "")


def test_another_database_hides_the_demo_and_is_told_so(state: Path) -> None:
    answer = manage(STATE_DIR=str(state), DATABASE_URL=f"{DATABASE}_2")

    assert answer.returncode == 1
    assert answer.stderr == (
        f"DATABASE_URL hides the demo that runs from {state}. Unset it to talk to the demo;"
        " for a database of your own set the STEWARD_ settings too.\n"
    )


def test_an_installation_of_its_own_needs_no_demo(state: Path) -> None:
    answer = manage(STATE_DIR=str(state), **COMPLETE | {"DATABASE_URL": f"{DATABASE}_2"})

    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "steward_2\n", "")


def test_without_a_demo_missing_settings_are_named_one_by_one(tmp_path: Path) -> None:
    answer = manage(STATE_DIR=str(tmp_path), DATABASE_URL=DATABASE)

    assert answer.returncode == 1
    assert "STEWARD_SECRET_KEY: found nothing" in answer.stderr


def test_without_demo_and_database_the_folder_is_named(tmp_path: Path) -> None:
    answer = manage(STATE_DIR=str(tmp_path))

    assert answer.returncode == 1
    assert answer.stderr == (
        "Set DATABASE_URL, or start the demo with `make run`."
        f" (None runs from {tmp_path}; STATE_DIR names another folder.)\n"
    )


def test_missing_packages_are_said_with_their_remedy(tmp_path: Path) -> None:
    """-S leaves out what is installed: an environment whose making was interrupted."""
    answer = manage("-S", STATE_DIR=str(tmp_path))

    assert answer.returncode == 1
    assert answer.stderr.startswith("The package ")
    assert answer.stderr.endswith("Run `make run` or `make test` again, and use .venv/bin/python.\n")
    assert len(answer.stderr.splitlines()) == 1
