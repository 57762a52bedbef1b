#!/usr/bin/env python
"""Django's command line. Without DATABASE_URL it talks to the demo that `make run` keeps running."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
# Whoever has set this has an installation of its own, and needs nothing of the demo.
A_REQUIRED_SETTING = "STEWARD_SECRET_KEY"
NO_DATABASE = (
    "Set DATABASE_URL, or start the demo with `make run`. (None runs from {folder}; STATE_DIR names another folder.)"
)
HIDDEN_DEMO = (
    "DATABASE_URL hides the demo that runs from {folder}. Unset it to talk to the demo;"
    " for a database of your own set the STEWARD_ settings too."
)
# These fill and empty a database again and again: it is never anybody's, but one that they start for themselves.
WITH_A_DATABASE_OF_THEIR_OWN = frozenset({"simulate"})
NO_PACKAGE = "The package {name} is missing in {python}. Run `make run` or `make test` again, and use .venv/bin/python."


def use_running_demo() -> None:
    """What is set already stays: only the demo's missing settings are filled in."""
    # Imported here, because an installation with a database of its own needs nothing of this.
    from config.local.run_file import living_run  # noqa: PLC0415
    from config.local.state import CannotStart, state_folder  # noqa: PLC0415

    folder, database = state_folder(), os.environ.get("DATABASE_URL")
    try:
        record = living_run(folder)
    except CannotStart as error:
        if database:
            return
        sys.exit(str(error))
    if record is None and not database:
        sys.exit(NO_DATABASE.format(folder=folder))
    if record is not None:
        if database not in {None, record["database_url"]}:
            sys.exit(HIDDEN_DEMO.format(folder=folder))
        _fill_in(record["environment"])


def _fill_in(environment: dict[str, Any]) -> None:
    for name, text in environment.items():
        os.environ.setdefault(name, text)


def execute() -> None:
    from django.core.management import execute_from_command_line  # noqa: PLC0415  First the environment.

    execute_from_command_line(sys.argv)


def execute_beside_throw_away_servers() -> None:
    if not (HERE / "tests").exists():
        sys.exit("This command is part of the tests, which are not in this installation. Run it in a clone.")
    from tests.throw_away import throw_away_servers  # noqa: PLC0415  Only these commands need tests.

    with throw_away_servers():
        execute()


def main() -> None:
    if not os.environ.get("DATABASE_URL"):
        os.environ.pop("DATABASE_URL", None)
    try:
        if set(sys.argv[1:2]) & WITH_A_DATABASE_OF_THEIR_OWN:
            execute_beside_throw_away_servers()
            return
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
        if not {"DATABASE_URL", A_REQUIRED_SETTING} <= os.environ.keys():
            use_running_demo()
        execute()
    except ModuleNotFoundError as missing:
        package = str(missing.name).partition(".")[0]
        if (HERE / package).exists():
            raise  # A module of our own: that is a mistake in the code, and no package can help.
        sys.exit(NO_PACKAGE.format(name=package, python=sys.executable))


if __name__ == "__main__":
    main()
