"""Fills a restaurant as it was wished for. Interrupted, it goes on; said again, it says that all is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from failures.generated.copying import Part, tidy
from failures.generated.dice import Dice, Ids
from failures.generated.guests import GUESTS, bill, guest, table
from failures.generated.house import GenerationRefused, House, furnish
from failures.generated.planning import Planned, Wish, copies, plan_of
from failures.generated.recording import Take, takes_of
from failures.generated.slots import PER_MILLE, Copy, microseconds
from failures.generated.stories import Story
from kernel.modes import Mode
from orders.models import Order

# As many cases as are open have ended, and a restaurant of which every third payment has one is none.
PAYMENTS_FOR_A_CASE = 6
# Thousandths: most evenings run about as they were told, some much slower.
_PACES = (700, 800, 850, 900, 950, 1_000, 1_050, 1_150, 1_300, 1_600, 2_200)
_STAMP = "%Y%m%d%H%M%S"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    restaurant_id: UUID
    until: datetime
    payments: int  # Written by this call: none where all was there.


def fill(wish: Wish, *, say: Callable[[str], None], told: Callable[[int], None]) -> Filled:
    """`told` hears after each part how many payments there are."""
    if wish.payments < PAYMENTS_FOR_A_CASE * wish.cases:
        raise GenerationRefused(f"{wish.cases} open cases need {PAYMENTS_FOR_A_CASE * wish.cases} payments or more.")
    house = furnish(wish.slug)
    wish = _where_it_stopped(wish, house)
    others = _orders(house).exclude(client_reference__startswith=f"{wish.run}-").count()
    counted = copies(wish, once=not others)
    plan = plan_of(wish, house.restaurant.time_zone, counted)
    copier = _Copier(wish, house, before=others)
    written = there = 0
    for planned in plan.parts():
        there += sum(each.story.payments for each in planned)
        if not copier.has(planned):
            copier.tell({*(each.story for each in planned)}, counted, say)
            copier.write(planned)
            written += sum(each.story.payments for each in planned)
        told(there)
    # An index may answer alone only for pages that were swept.
    tidy("ANALYZE" if connection.in_atomic_block else "VACUUM (ANALYZE)")
    return Filled(restaurant_id=house.id, until=wish.until, payments=written)


class _Copier:
    def __init__(self, wish: Wish, house: House, *, before: int) -> None:
        self._wish, self._house, self._before = wish, house, before
        self._until = microseconds(wish.until)
        self._takes: dict[Story, Sequence[Take]] = {}
        self._parts = 0

    def has(self, planned: Sequence[Planned]) -> bool:
        """A part is one transaction: where its first order is, all of it is."""
        return not planned or _orders(self._house).filter(client_reference=self._called(planned[0].number)).exists()

    def tell(self, stories: set[Story], counted: Mapping[Story, int], say: Callable[[str], None]) -> None:
        """What was not told yet. Their order is theirs, so that the same seed leaves the same rows."""
        new = sorted(stories - self._takes.keys(), key=lambda story: story.name)
        if new and not self._takes:
            say(f"Stories are told by the services, and then copied: {len(new)} to begin with.")
        for story in new:
            many = counted.get(story) or 1 + self._wish.payments * story.share // PER_MILLE
            self._takes[story] = takes_of(story, self._house, seed=self._wish.seed, copies=many)

    def write(self, planned: Sequence[Planned]) -> None:
        part = Part(self._house)
        for each in planned:
            part.add(*self._copy(each))
        self._parts += 1
        part.write(is_measured=self._parts.bit_count() == 1)  # After 1, 2, 4, 8…: each time that it has doubled.

    def _copy(self, planned: Planned) -> tuple[Take, Copy]:
        dice = Dice(f"{self._wish.slug} {self._wish.run} {planned.number}")
        takes = self._takes[planned.story]
        take = takes[dice.below(len(takes))]
        # What is not over yet, and what people did about it, takes as long as it takes.
        pace = PER_MILLE if planned.story.within or planned.story.cases else dice.one_of(_PACES)
        latest = self._until - take.ends * pace // PER_MILLE
        anchor = min(planned.moment, latest - dice.below(_A_SECOND))
        copy = Copy(
            number=self._before + planned.number,
            called=self._called(planned.number),
            anchor=anchor,
            pace=pace,
            until=self._until,
            ids=Ids(f"{self._wish.slug} {self._wish.run} {planned.number}"),
            dice=dice,
            bill=bill(dice, self._house.restaurant.currency),
            guest=guest(dice.below(GUESTS)),
            table=table(dice, take.channel),
        )
        return take, copy

    def _called(self, number: int) -> str:
        return f"{self._wish.run}-{number:08}"


_A_SECOND = 1_000_000


def _orders(house: House) -> QuerySet[Order]:
    return Order.objects.filter(restaurant=house.restaurant, mode=Mode.TEST)


def _where_it_stopped(wish: Wish, house: House) -> Wish:
    """The latest run of this very wish, whose last moment is its own; another one only where more is wanted."""
    mine = _orders(house).order_by("-client_reference")
    latest = mine.filter(client_reference__startswith=f"{wish.shape}-").first()
    if latest is not None and not wish.is_more:
        stamp = latest.client_reference.removeprefix(f"{wish.shape}-").partition("-")[0]
        return replace(wish, until=datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC))
    if mine.exists() and not wish.is_more:
        raise GenerationRefused(
            f"{house.restaurant.name} has generated orders of another run already. Say --more for these as well.",
        )
    return replace(wish, until=wish.until.replace(microsecond=0))
