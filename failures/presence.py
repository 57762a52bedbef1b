"""Who has a case open at this moment: known to the cache alone, and forgotten soon after a page said so last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from accounts.models import User
from kernel import clock
from kernel.fleeting import keep, recall

# So often a page that is open says so.
BEAT_SECONDS: Final = 20
# Three beats, and a moment: a tab that nobody looks at is woken by its browser once a minute.
GONE_AFTER: Final = timedelta(seconds=70)
# A case that more people have open is shown on a wall. It bounds what each beat reads.
MOST_KEPT: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    name: str
    since: datetime


def others_at(case_id: UUID, person: User, *, works_here: bool, since: datetime | None = None) -> list[Here]:
    """Whoever has it open, the first one first, without this person, however many pages they have.

    Whoever could work on it is noted for the others. Two who come in the same instant may miss each other for a beat:
    `since` when they are there their pages know.
    """
    now, key, mine = clock.now(), f"case-open:{case_id}", str(person.pk)
    here = _still_here(recall(key), now)
    if works_here and (mine in here or len(here) < MOST_KEPT):
        first = here[mine][1] if mine in here else since or now
        here[mine] = (person.get_username(), first, now)
        keep(key, here, seconds=GONE_AFTER.total_seconds())
    others = [Here(name=name, since=since) for who, (name, since, _) in here.items() if who != mine]
    return sorted(others, key=lambda each: each.since)


def _still_here(kept: Any, now: datetime) -> dict[str, tuple[str, datetime, datetime]]:
    """By id: the name, since when, and when their page last said so."""
    return {who: each for who, each in (kept or {}).items() if now - each[2] < GONE_AFTER}
