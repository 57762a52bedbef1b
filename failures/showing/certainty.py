"""What is certain about a payment's money, what is possible, and what went back: the whole of it, and no guess."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from uuid import UUID

from kernel.money import Money
from payments.models import Attempt, AttemptStatus, Refund, RefundStatus

# Nothing came in through these as far as anybody knows, and something still may.
POSSIBLE = (AttemptStatus.SENT, AttemptStatus.PENDING, AttemptStatus.UNKNOWN, AttemptStatus.RELEASED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certainty:
    """Each a sum for each currency: a provider may have captured another one than it was asked for."""

    taken: tuple[Money, ...] = ()
    recorded: tuple[Money, ...] = ()  # Came in, as people recorded: no provider and no waiter said so.
    possible: tuple[Money, ...] = ()
    going_back: tuple[Money, ...] = ()
    waiting: tuple[Money, ...] = ()  # Set aside to go back: nothing is sent until a second person agrees.
    returned: tuple[Money, ...] = ()
    recorded_back: tuple[Money, ...] = ()  # Went back, as people recorded.


@dataclass(slots=True)
class _Sums:
    minor: Counter[str] = field(default_factory=Counter)

    def add(self, minor: int, currency: str) -> None:
        self.minor[currency] += minor

    def take(self, minor: int, currency: str) -> None:
        """Two reads may have seen two moments: there is never less than nothing."""
        self.minor[currency] = max(0, self.minor[currency] - minor)

    def told(self) -> tuple[Money, ...]:
        return tuple(Money(minor, currency) for currency, minor in sorted(self.minor.items()) if minor)


def certainty_of(
    attempts: Collection[Attempt], refunds: Collection[Refund] = (), *, by_people: Collection[UUID] = ()
) -> Certainty:
    """`by_people` are those of these rows that stand as people recorded: a list, which does not tell, names none."""
    taken, recorded, possible = _Sums(), _Sums(), _Sums()
    for attempt in attempts:
        came_in = recorded if attempt.pk in by_people else taken
        came_in.add(attempt.captured_minor, attempt.captured_currency)
        if attempt.status in POSSIBLE and not attempt.captured_minor:
            possible.add(attempt.amount_minor, attempt.currency)
    going_back, waiting = _goes_back(attempts, refunds)
    returned, recorded_back = _went_back(attempts, [each for each in refunds if each.pk in by_people])
    return Certainty(
        taken=taken.told(),
        recorded=recorded.told(),
        possible=possible.told(),
        going_back=going_back.told(),
        waiting=waiting.told(),
        returned=returned.told(),
        recorded_back=recorded_back.told(),
    )


def _goes_back(attempts: Iterable[Attempt], refunds: Iterable[Refund]) -> tuple[_Sums, _Sums]:
    """What waits for a second person is set aside as well, and nothing of it is sent."""
    going_back, waiting = _Sums(), _Sums()
    for attempt in attempts:
        going_back.add(attempt.refunding_minor, attempt.captured_currency)
    for refund in refunds:
        if refund.status == RefundStatus.WAITING_APPROVAL:
            waiting.add(refund.total_minor, refund.currency)
            going_back.take(refund.total_minor, refund.currency)
    return going_back, waiting


def _went_back(attempts: Iterable[Attempt], recorded: Iterable[Refund]) -> tuple[_Sums, _Sums]:
    returned, recorded_back = _Sums(), _Sums()
    for attempt in attempts:
        returned.add(attempt.refunded_minor, attempt.captured_currency)
    for refund in recorded:
        if refund.status == RefundStatus.COMPLETED:
            recorded_back.add(refund.total_minor, refund.currency)
            returned.take(refund.total_minor, refund.currency)
    return returned, recorded_back


def in_words(certainty: Certainty, write: Callable[[Money], str] = Money.display) -> list[str]:
    """Each part that there is, in the order in which it matters: "may have come in ₹840.00"."""
    parts = (
        ("may have come in", certainty.possible),
        ("came in", certainty.taken),
        ("came in, as recorded by a person", certainty.recorded),
        ("on its way back", certainty.going_back),
        ("waits for approval", certainty.waiting),
        ("given back", certainty.returned),
        ("given back, as recorded by a person", certainty.recorded_back),
    )
    told = [f"{what} {', '.join(map(write, sums))}" for what, sums in parts if sums]
    return told or ["nothing came in"]
