"""What is certain about a payment's money, what is possible, and what went back: the whole of it, and no guess."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from kernel.money import Money
from payments.models import Attempt, AttemptStatus

# Nothing came in through these as far as anybody knows, and something still may.
POSSIBLE = (AttemptStatus.SENT, AttemptStatus.PENDING, AttemptStatus.UNKNOWN, AttemptStatus.RELEASED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certainty:
    """Each a sum for each currency: a provider may have captured another one than it was asked for."""

    taken: tuple[Money, ...] = ()
    possible: tuple[Money, ...] = ()
    going_back: tuple[Money, ...] = ()
    returned: tuple[Money, ...] = ()


@dataclass(slots=True)
class _Sums:
    minor: Counter[str] = field(default_factory=Counter)

    def add(self, minor: int, currency: str) -> None:
        self.minor[currency] += minor

    def told(self) -> tuple[Money, ...]:
        return tuple(Money(minor, currency) for currency, minor in sorted(self.minor.items()) if minor)


def certainty_of(attempts: Iterable[Attempt]) -> Certainty:
    taken, possible, going_back, returned = _Sums(), _Sums(), _Sums(), _Sums()
    for attempt in attempts:
        taken.add(attempt.captured_minor, attempt.captured_currency)
        going_back.add(attempt.refunding_minor, attempt.captured_currency)
        returned.add(attempt.refunded_minor, attempt.captured_currency)
        if attempt.status in POSSIBLE and not attempt.captured_minor:
            possible.add(attempt.amount_minor, attempt.currency)
    return Certainty(
        taken=taken.told(), possible=possible.told(), going_back=going_back.told(), returned=returned.told()
    )


def in_words(certainty: Certainty, write: Callable[[Money], str] = Money.display) -> list[str]:
    """Each part that there is, in the order in which it matters: "may have come in ₹840.00"."""
    parts = (
        ("may have come in", certainty.possible),
        ("came in", certainty.taken),
        ("on its way back", certainty.going_back),
        ("given back", certainty.returned),
    )
    told = [f"{what} {', '.join(map(write, sums))}" for what, sums in parts if sums]
    return told or ["nothing came in"]
