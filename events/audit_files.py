"""The audit as lines of JSON: each with its seal and the one before, so that it verifies wherever it is kept."""

from __future__ import annotations

import hmac
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery

from events.audit import seal_of
from events.models import AuditEntry

_PLAIN = (
    *("number", "mode", "actor_kind", "actor_id", "request_id", "action", "subject_kind", "subject_id", "reason"),
    *("before", "after", "seal"),
)
# After so many sentences a file is not looked into by reading more of them.
MOST_SENTENCES = 100


def with_previous(entries: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
    """Each with the seal of the one before in its chain, which may not be in the list."""
    before = AuditEntry.objects.filter(chain=OuterRef("chain"), number=OuterRef("number") - 1).values("seal")
    return entries.annotate(previous=Subquery(before))


def lines_of(entries: Iterable[Any]) -> Iterator[str]:
    """Of entries with their previous seals."""
    for entry in entries:
        line = {"chain": str(entry.chain_id), "at": entry.at.isoformat(), "previous": entry.previous or ""}
        line |= {name: getattr(entry, name) for name in _PLAIN}
        yield json.dumps(line, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"


@dataclass(slots=True, kw_only=True)
class FileReading:
    """What a file says of each chain: its first and last entry, and what is wrong with it."""

    spans: dict[UUID, tuple[int, int, str]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Link:
    number: int
    previous: str
    seal: str


def read_file(lines: Iterable[str], *, may_have_gaps: bool = False) -> FileReading:
    """Without the database, and in whatever order they stand. With gaps, as in a list that was filtered: each entry for
    itself, and whether neighbours are neighbours.
    """
    reading = FileReading()
    chains: dict[UUID, list[_Link]] = defaultdict(list)
    for place, line in enumerate(lines, start=1):
        entry, previous = _entry_in(line)
        if entry is None:
            reading.wrong.append(f"Line {place} is no entry of an audit.")
        elif not hmac.compare_digest(entry.seal, seal_of(entry, previous=previous)):
            reading.wrong.append(f"Line {place}: entry {entry.number} is not what was written.")
        else:
            chains[entry.chain_id].append(_Link(number=entry.number, previous=previous, seal=entry.seal))
        if len(reading.wrong) >= MOST_SENTENCES:
            return reading
    for chain_id, links in sorted(chains.items()):
        links.sort(key=lambda link: link.number)
        reading.spans[chain_id] = (links[0].number, links[-1].number, links[-1].seal)
        reading.wrong += [f"{chain_id}: {said}" for said in _breaks_in(links, may_have_gaps=may_have_gaps)]
    return reading


def _breaks_in(links: list[_Link], *, may_have_gaps: bool) -> Iterator[str]:
    for earlier, later in pairwise(links):
        if later.number == earlier.number:
            yield f"Entry {later.number} is there twice."
        elif later.number == earlier.number + 1:
            if not hmac.compare_digest(later.previous, earlier.seal):
                yield f"Entry {later.number} does not follow the one before it."
        elif not may_have_gaps:
            yield f"Entries {earlier.number + 1} to {later.number - 1} are missing."


def _entry_in(line: str) -> tuple[AuditEntry | None, str]:
    """Whatever else is there: what is not as it was written has another seal, or is nothing at all."""
    try:
        said: Mapping[str, Any] = json.loads(line)
        plain = {name: said[name] for name in _PLAIN}
        plain["seal"] = str(said["seal"])
        entry = AuditEntry(chain_id=UUID(said["chain"]), at=datetime.fromisoformat(said["at"]), **plain)
        is_legible = type(said["number"]) is int and str(said["seal"]).isascii()
        return (entry, str(said["previous"])) if is_legible else (None, "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return None, ""
