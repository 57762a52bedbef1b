"""What the queue can be narrowed to and sorted by, and how both are written down: never with what somebody searched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlencode
from uuid import UUID

from failures.models import CaseKind
from kernel.modes import Mode

WHICH = {"mine": "mine", "free": "nobody's", "put_off": "put off", "ended": "ended", "all": "all"}
TIME = {"over": "past the deadline"}
ME, NOBODY = "me", "nobody"
OWNER, RESTAURANT, ORDER = "owner", "restaurant", "o"
# Of each filter with a few choices: which they are. A person and a restaurant are looked up.
CHOICES: Mapping[str, Sequence[str]] = {
    "which": tuple(WHICH),
    "time": tuple(TIME),
    "kind__exact": CaseKind.values,
    "mode__exact": Mode.values,
}
FILTERS = (*CHOICES, OWNER, RESTAURANT)
# Columns by their names: by number they are others for whoever has no boxes to tick.
SORTED_BY = ("what", "waits", "has")
# What the list takes several of at once; of anything else it takes the last.
SEVERAL = ("kind__exact", "mode__exact")


def in_one_form(said: Mapping[str, Sequence[str]]) -> str:
    """The same list is written in one way, however somebody came to it."""
    return urlencode([(name, value) for name in sorted(said) for value in _meant(name, said[name])])


def _meant(name: str, values: Sequence[str]) -> Sequence[str]:
    return sorted(set(values)) if name in SEVERAL else values[-1:]


def is_known(name: str, value: str) -> bool:
    """One of the list's own filters, with one of its choices; or an order by its columns."""
    if name in CHOICES:
        return value in CHOICES[name]
    if name == ORDER:
        columns = list(columns_in(value))
        return 0 < len(columns) <= len(SORTED_BY) and all(column in SORTED_BY for _, column in columns)
    return name in FILTERS and (_is_id(value) or (name == OWNER and value in {ME, NOBODY}))


def _is_id(value: str) -> bool:
    try:
        return str(UUID(value)) == value
    except ValueError:
        return False


def columns_in(order: str) -> Iterator[tuple[str, str]]:
    """Of an order such as "-waits.what": each column, after its sign."""
    for column in filter(None, order.split(".")):
        name = column.removeprefix("-")
        yield column[: len(column) - len(name)], name
