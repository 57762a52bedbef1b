#!/usr/bin/env python
"""Django's command line. Without DATABASE_URL it talks to the demo that `make run` keeps running."""

from __future__ import annotations

import os
import sys

NO_DATABASE = "Set DATABASE_URL, or start the demo with `make run`."


def use_running_demo() -> None:
    """What is set already stays: only the demo's missing settings are filled in."""
    # Imported here, because an installation with a database of its own needs nothing of this.
    from config.local.run_file import living_run  # noqa: PLC0415
    from config.local.state import CannotStart, state_folder  # noqa: PLC0415

    try:
        record = living_run(state_folder())
    except CannotStart as error:
        sys.exit(str(error))
    if record is None:
        sys.exit(NO_DATABASE)
    for name, text in record["environment"].items():
        os.environ.setdefault(name, text)


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if not os.environ.get("DATABASE_URL"):
        os.environ.pop("DATABASE_URL", None)
        use_running_demo()

    from django.core.management import execute_from_command_line  # noqa: PLC0415  As above: first the environment.

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
