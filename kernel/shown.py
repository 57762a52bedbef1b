"""Columns of the console: how amounts, states, moments and data are shown, right also without their colour."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from operator import attrgetter
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Model
from django.urls import reverse
from django.utils.html import conditional_escape, format_html, format_html_join
from django.utils.safestring import SafeString

from kernel.money import Money

NOTHING = "–"
_ID = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


class Tone(StrEnum):
    """How a state should strike whoever looks for trouble. Its word says the same."""

    GOOD = "good"
    BAD = "bad"
    WAIT = "wait"
    DOUBT = "doubt"
    QUIET = "quiet"


class Column:
    """A callable with a title, which is what a list and a page of the admin ask for.

    `field` may lead through other rows ("payment.reference"): the list has to select them with its own.
    """

    def __init__(self, field: str, title: str = "", *, ordering: str | None = "") -> None:
        self.field = field
        self.short_description = title or field.removesuffix("_at").removesuffix("_minor").replace("_", " ")
        self.admin_order_field = field.replace(".", "__") if ordering == "" else ordering

    def __call__(self, row: Any) -> str:
        value = self.value(row)
        return self.absent() if value is None or value == "" else self.shown(value, row)

    def absent(self) -> str:
        return NOTHING

    def value(self, row: Any) -> Any:
        return attrgetter(self.field)(row)

    def shown(self, value: Any, row: Any) -> str:
        return str(value)


class Amount(Column):
    """An amount the way its currency is written, in digits that stand below each other."""

    def __init__(
        self, field: str, title: str = "", *, currency: str = "currency", ordering: str | None = "", zero: bool = True
    ) -> None:
        super().__init__(field, title, ordering=ordering)
        self.currency = attrgetter(currency)
        self.shows_zero = zero

    def value(self, row: Any) -> Any:
        minor = super().value(row)
        return minor if minor or self.shows_zero else None

    def absent(self) -> str:
        """Below the amounts of other rows."""
        return format_html('<span class="amount">{}</span>', NOTHING)

    def shown(self, value: Any, row: Any) -> str:
        return _in_digits(Money(value, self.currency(row)))


class Worth(Amount):
    """An amount that more than one field decides, if there is any."""

    def __init__(self, of: Callable[[Any], Money | None], title: str) -> None:
        super().__init__("", title, ordering=None)
        self.of = of

    def __call__(self, row: Any) -> str:
        money = self.of(row)
        return self.absent() if money is None else _in_digits(money)


class State(Column):
    """One of a few words, with a colour that only repeats it."""

    def __init__(self, field: str, title: str = "", *, tones: Mapping[Any, Tone], ordering: str | None = "") -> None:
        super().__init__(field, title, ordering=ordering)
        self.tones = tones

    def shown(self, value: Any, row: Any) -> str:
        return label(_word(row, self.field, value), self.tones.get(value, Tone.QUIET))


class Word(Column):
    """One of a few words that are no trouble in themselves."""

    def shown(self, value: Any, row: Any) -> str:
        return _word(row, self.field, value)


class Said(Column):
    """A state that more than one field decides."""

    def __init__(self, says: Callable[[Any], tuple[str, Tone]], title: str, *, ordering: str | None = None) -> None:
        super().__init__("", title, ordering=ordering)
        self.says = says

    def __call__(self, row: Any) -> str:
        return label(*self.says(row))


class Meaning(Column):
    """What the states of a row come to, in a sentence."""

    def __init__(self, says: Callable[[Any], str], title: str = "what that means") -> None:
        super().__init__("", title, ordering=None)
        self.says = says

    def __call__(self, row: Any) -> str:
        return self.says(row)


class Moment(Column):
    """By the clock on the restaurant's wall. UTC, which logs and providers speak, is said on asking."""

    def shown(self, value: Any, row: Any) -> str:
        return moment(value, getattr(row, "console_zone", None) or "UTC")


class Data(Column):
    """What a provider or a client said, as it was stored; by their names those ids whose names its row knows."""

    def __init__(self, field: str, title: str = "") -> None:
        super().__init__(field, title, ordering=None)

    def shown(self, value: Any, row: Any) -> str:
        if not value:
            return self.absent()
        return format_html('<pre class="data">{}</pre>', data_by_name(value, getattr(row, "console_names", {})))


class Written(Column):
    """What people wrote, as far as a row of a list has room for it: the rest on asking, and on the row's own page."""

    def shown(self, value: Any, row: Any) -> str:
        return format_html('<span class="console-written" title="{}">{}</span>', value, value)


class Listed(Column):
    """A few words, or what none of them means."""

    def __init__(self, field: str, title: str = "", *, none: str) -> None:
        super().__init__(field, title, ordering=None)
        self.none = none

    def __call__(self, row: Any) -> str:
        return ", ".join(self.value(row)) or self.none


class Itself(Column):
    """The row's own page, from where the row is one of several."""

    def __init__(self, says: Callable[[Any], str], title: str) -> None:
        super().__init__("", title, ordering=None)
        self.says = says

    def __call__(self, row: Any) -> str:
        return format_html('<a class="link" href="{}">{}</a>', _page_of(row), self.says(row))


class Link(Column):
    """Another row of the console, by its own name."""

    def __init__(self, field: str, title: str = "", *, ordering: str | None = "") -> None:
        super().__init__(field, title, ordering=ordering)

    def shown(self, value: Any, row: Any) -> str:
        return format_html('<a class="link" href="{}">{}</a>', _page_of(value), value)


def data_in_text(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def data_by_name(value: Any, names: Mapping[str, str]) -> SafeString:
    """The same, with a name in the place of each id that has one."""
    return by_name(data_in_text(value), names)


def by_name(text: str, names: Mapping[str, str]) -> SafeString:
    """Text, or what is markup already, which stays so."""
    parts = _ID.split(conditional_escape(text))
    return SafeString("".join(conditional_escape(names.get(part, SafeString(part))) for part in parts))


def label(word: str, tone: Tone) -> SafeString:
    return format_html('<span class="state state-{}">{}</span>', tone.value, word)


def before_and_after(rows: Iterable[tuple[str, str, str]]) -> SafeString:
    """What changes, how it was, and how it is then: a line for each."""
    body = format_html_join("", '<tr><th scope="row">{}</th><td>{}</td><td>{}</td></tr>', rows)
    return format_html(
        '<table class="console-changes"><thead><tr><th scope="col">What</th><th scope="col">Before</th>'
        '<th scope="col">After</th></tr></thead><tbody>{}</tbody></table>',
        body,
    )


def moment(at: datetime, zone: str) -> SafeString:
    utc = at.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>',
        utc.isoformat(timespec="seconds"),
        f"{utc:%Y-%m-%d %H:%M:%S}",
        in_words(at, zone),
    )


def in_words(at: datetime, zone: str) -> str:
    """In two pieces that a narrow column does not break."""
    return f"{at.astimezone(ZoneInfo(zone)):%d %b %Y, %H:%M %Z}".replace(" ", "\N{NO-BREAK SPACE}").replace(
        ",\N{NO-BREAK SPACE}", ", "
    )


def _in_digits(money: Money) -> SafeString:
    return format_html('<span class="amount">{}</span>', money.display())


def _page_of(row: Model) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def _word(row: Any, field: str, value: Any) -> str:
    """The choice's own name, where the field has any."""
    *path, name = field.split(".")
    owner = attrgetter(".".join(path))(row) if path else row
    named = getattr(owner, f"get_{name}_display", None)
    return str(named()) if named else str(value)
