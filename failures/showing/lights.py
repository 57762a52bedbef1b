"""A provider's light in words and colour, and a strip that shows how it went in the last hours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from failures.showing.figures import Figure, List, figure
from kernel.modes import Mode
from kernel.shown import Tone
from kernel.totals import Total
from payments.circuit_words import OPERATIONS, STANDINGS
from payments.filters import written_interval
from payments.selectors import METRICS_WINDOW
from payments.services.provider_lights import ANSWERED, DECLINED, HISTORY, WENT_WELL, Circuit, ProviderLight, Slot

# From here down somebody should look, and from there down it is more trouble than luck.
_WELL_PERCENT, _POORLY_PERCENT = 90, 50
_SECOND = 1000  # From here on nobody counts milliseconds.
# In the strip's own units, which its place on the page scales.
_BAR_WIDTH, _BAR_STEP, _STRIP_HEIGHT, _LEAST_HEIGHT = 8, 10, 40, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    x: int
    y: int
    height: int
    tone: Tone


@dataclass(frozen=True, slots=True, kw_only=True)
class LightShown:
    name: str
    word: str
    tone: Tone
    beside: str  # What is so of refunds and look-ups alone.
    attempts: Figure
    went_well: Figure
    answered: Figure
    declined: Figure  # Of those: the provider works, and the guest's bank, or the provider itself, said no.
    percent: int | None
    p95: str
    strip: tuple[Bar, ...]
    strip_words: str
    history: Figure

    width = _BAR_STEP * HISTORY // METRICS_WINDOW
    height = _STRIP_HEIGHT
    bar = _BAR_WIDTH


def light_shown(light: ProviderLight, *, mode: Mode, now: datetime) -> LightShown:
    (charges,) = (circuit for circuit in light.circuits if circuit.is_for_charges)
    word, tone = STANDINGS[charges.standing, charges.is_forced]
    lately = light.lately
    at = {"provider": light.provider, "began": written_interval(lately.begins, now)}
    before = {"provider": light.provider, "began": written_interval(light.slots[0].begins, now)}
    return LightShown(
        name=light.label,
        word=word,
        tone=tone,
        beside=_beside(light.circuits, charges),
        attempts=figure(Total(count=lately.attempts), List.ATTEMPTS, mode, **at),
        went_well=figure(Total(count=lately.went_well), List.ATTEMPTS, mode, **at, statuses=",".join(WENT_WELL)),
        answered=figure(Total(count=lately.answered), List.ATTEMPTS, mode, **at, statuses=",".join(ANSWERED)),
        declined=figure(Total(count=lately.declined), List.ATTEMPTS, mode, **at, statuses=DECLINED),
        percent=lately.percent,
        p95="" if lately.p95_ms is None else _in_words(int(lately.p95_ms)),
        strip=tuple(_bar(place, slot) for place, slot in enumerate(light.slots)),
        strip_words=_strip_words(light.slots),
        history=figure(Total(count=sum(slot.attempts for slot in light.slots)), List.ATTEMPTS, mode, **before),
    )


def _beside(circuits: Iterable[Circuit], charges: Circuit) -> str:
    """The other operations, where they are not as charges are."""
    other = [each for each in circuits if (each.standing, each.is_forced) != (charges.standing, charges.is_forced)]
    told = [f"{OPERATIONS[each.operation]}: {STANDINGS[each.standing, each.is_forced][0].lower()}" for each in other]
    return "; ".join(told).capitalize()


def _bar(place: int, slot: Slot) -> Bar:
    """As high as it went well, so that its colour only repeats it. Where nobody was asked stands a short mark."""
    percent = slot.percent
    tone = _tone(percent)
    height = max(_LEAST_HEIGHT, _STRIP_HEIGHT * (percent or 0) // 100)
    return Bar(x=place * _BAR_STEP, y=_STRIP_HEIGHT - height, height=height, tone=tone)


def _tone(percent: int | None) -> Tone:
    if percent is None:
        return Tone.QUIET
    if percent >= _WELL_PERCENT:
        return Tone.GOOD
    return Tone.WAIT if percent >= _POORLY_PERCENT else Tone.BAD


def _in_words(milliseconds: int) -> str:
    return f"{milliseconds / 1000:.1f} s" if milliseconds >= _SECOND else f"{milliseconds} ms"


def _strip_words(slots: Sequence[Slot]) -> str:
    asked = [slot for slot in slots if slot.percent is not None]
    if not asked:
        return "Nobody was charged here in the last six hours."
    worst = min(asked, key=lambda slot: slot.percent or 0)
    well, answered = (sum(part) for part in zip(*((slot.went_well, slot.answered) for slot in slots), strict=True))
    return f"Of {answered} answers in six hours {well} were good. The worst quarter of an hour: {worst.percent} %."
