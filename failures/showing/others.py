"""Who else has a case open, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from failures.presence import Here

# More names would be a list of the staff: what counts is that one is not alone.
MOST_TOLD = 3


def others_in_words(others: Sequence[Here], *, zone: str) -> str:
    """By the clock on the restaurant's wall. Empty: nobody."""
    if len(others) == 1:
        return f"{others[0].name} has this page open, since {_time(others[0], zone)}."
    told = [f"{each.name} (since {_time(each, zone)})" for each in others[:MOST_TOLD]]
    if len(others) > MOST_TOLD:
        told.append(f"{len(others) - MOST_TOLD} more")
    return f"{', '.join(told[:-1])} and {told[-1]} have this page open." if told else ""


def _time(here: Here, zone: str) -> str:
    return f"{here.since.astimezone(ZoneInfo(zone)):%H:%M}"
