"""What a day's run takes its turn with: the same for all of its processes, also where it goes on past midnight."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeVar

Each = TypeVar("Each")


def today() -> int:
    return int(os.environ.setdefault("STEWARD_TEST_DAY", str(datetime.now(UTC).date().toordinal())))


def of_today(choices: Sequence[Each], count: int) -> list[Each]:
    first = today() * count
    return [choices[(first + place) % len(choices)] for place in range(count)]
