"""The providers' circuits as the console shows them: by themselves, by hand, and what a word would do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.models import User
from kernel.modes import Mode
from kernel.shown import label, moment
from payments.admin.provider_forms import WordForm
from payments.circuit_words import ASKED, OPERATIONS, STANDINGS, STOPPED
from payments.models import BreakerOverride
from payments.services.circuit_overrides import NOTHING_SAID
from payments.services.provider_lights import AccountRest, Circuit, ProviderLight, Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitRow:
    name: str
    by_itself: SafeString
    since: SafeString | str
    until: SafeString | str
    said: SafeString | str  # Empty: nobody says anything, and it decides by itself.
    by: str
    why: str
    said_until: SafeString | str
    stops: str
    asks: str
    form: WordForm


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    name: str
    provider: str
    lately: str
    rests: tuple[SafeString, ...]
    rows: tuple[CircuitRow, ...]
    may_force: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """What all cards of a page are drawn with."""

    mode: Mode
    zone: str
    names: Mapping[str, str]  # Of people, by their ids.
    forceable: frozenset[str]
    refused: WordForm | None = None

    def card(self, light: ProviderLight, rests: Sequence[AccountRest]) -> Card:
        return Card(
            name=light.label,
            provider=light.provider,
            lately=_lately(light),
            rests=tuple(self._rest(rest) for rest in rests),
            rows=tuple(self._row(light, circuit, has_rests=bool(rests)) for circuit in light.circuits),
            may_force=light.provider in self.forceable,
        )

    def _rest(self, rest: AccountRest) -> SafeString:
        account, until = rest.account, moment(rest.rest.until, self.zone)
        return format_html("{} of {}, until {}", account.label, account.restaurant.name, until)

    def _row(self, light: ProviderLight, circuit: Circuit, *, has_rests: bool) -> CircuitRow:
        word, rest = circuit.word, circuit.rest
        forced = label(*STANDINGS[circuit.standing, True]) if word else ""
        return CircuitRow(
            name=OPERATIONS[circuit.operation],
            by_itself=label(*STANDINGS[circuit.by_itself, False]),
            since=self._at(rest.since if rest else None),
            until=self._at(rest.until if rest else None),
            said=forced,
            by=self.names.get(word.actor_id, "somebody unknown") if word else "",
            why=word.reason if word else "",
            said_until=self._at(word.expires_at if word else None),
            stops=STOPPED[circuit.operation].format(name=light.label),
            asks=_asks(light, circuit, has_rests=has_rests),
            form=self._form(light.provider, circuit),
        )

    def _at(self, at: datetime | None) -> SafeString | str:
        return moment(at, self.zone) if at else ""

    def _form(self, provider: str, circuit: Circuit) -> WordForm:
        seen = circuit.newest.pk if circuit.newest else NOTHING_SAID
        form = WordForm.on_page(mode=self.mode, provider=provider, operation=circuit.operation, seen=seen)
        return self.refused if self.refused and self.refused.auto_id == form.auto_id else form


def _lately(light: ProviderLight) -> str:
    lately = light.lately
    if lately.percent is None:
        return "Nobody was charged here in the last 15 minutes."
    return f"Last 15 minutes: {lately.percent} % of {lately.answered} answers were good."


def _asks(light: ProviderLight, circuit: Circuit, *, has_rests: bool) -> str:
    """What it does where it matters: said before, not found out."""
    does = ASKED[circuit.operation].format(name=light.label)
    if circuit.by_itself in {Standing.RESTING, Standing.TRIED}:
        return f"{does} although it fails now."
    if has_rests and circuit.is_for_charges:
        return f"{does} also through accounts that it refuses now."
    return f"{does} whatever happens there."


def names_of(words: Sequence[BreakerOverride]) -> dict[str, str]:
    people = User.objects.filter(pk__in={word.actor_id for word in words})
    return {str(key): name for key, name in people.values_list("pk", "username")}
