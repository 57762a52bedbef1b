"""What is generated: which story is copied when, for each number, before a single row is made."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain, cycle, islice, repeat

from failures.generated.calendar import Calendar
from failures.generated.dice import Dice, Weighted
from failures.generated.house import CALLED
from failures.generated.slots import microseconds
from failures.generated.stories import (
    ORDINARY,
    SPLIT,
    SPLIT_AMONG,
    UNDER_WAY,
    UNDER_WAY_AMONG,
    Story,
)
from failures.generated.troubles import ENDED, ONCE, OPEN

# Some megabytes of text, and a second between two commits.
PART = 5_000
_MICROSECOND = timedelta(microseconds=1)
_FINE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    payments: int
    cases: int
    seed: int
    days: int
    until: datetime
    slug: str
    is_more: bool = False

    @property
    def shape(self) -> str:
        return f"{CALLED}-{self.seed}-{self.payments}-{self.cases}-{self.days}"

    @property
    def run(self) -> str:
        """What its orders' client references begin with: a run that was interrupted is found by it."""
        return f"{self.shape}-{self.until:%Y%m%d%H%M%S}"


@dataclass(frozen=True, slots=True)
class Planned:
    number: int
    story: Story
    moment: int


@dataclass(slots=True)
class Plan:
    """Numbers below `ordinary` are plain evenings, in the order of time; what is special lies between them."""

    wish: Wish
    calendar: Calendar
    ordinary: int
    special: Sequence[Planned] = field(default_factory=list)

    def parts(self) -> Iterator[list[Planned]]:
        special, done = sorted(self.special, key=lambda each: each.moment), 0
        moments = [each.moment for each in special]
        for first in range(0, max(self.ordinary, 1), PART):
            last = min(first + PART, self.ordinary)
            plain = [self._plain(number) for number in range(first, last)]
            upto = bisect_left(moments, plain[-1].moment) if last < self.ordinary else len(special)
            yield sorted([*plain, *special[done:upto]], key=lambda each: (each.moment, each.number))
            done = upto

    def _plain(self, number: int) -> Planned:
        dice = Dice(f"{self.wish.seed} plain {number}")
        return Planned(number, ORDINARY[_SHARES.place(dice)], self.calendar.moment(number, dice))


_SHARES = Weighted([story.share for story in ORDINARY])


def copies(wish: Wish, *, once: bool) -> Counter[Story]:
    """Of what is counted; all the rest are ordinary evenings."""
    single = ONCE[: min(len(ONCE), wish.cases // len(OPEN))] if once else ()
    wanted = Counter(dict.fromkeys(single, 1)) + _shared(OPEN, wish.cases - len(single))
    wanted += _shared(ENDED, wish.cases)
    wanted[SPLIT] = wish.payments // SPLIT_AMONG
    for story in UNDER_WAY:
        wanted[story] = 1 + wish.payments // UNDER_WAY_AMONG
    return wanted


def _shared(stories: Sequence[Story], count: int) -> Counter[Story]:
    """By their shares. What the rounding left goes to those that it took most from, and that bring one case each."""
    total = sum(story.share * max(story.cases, 1) for story in stories)
    each = Counter({story: story.share * count // total for story in stories})
    left = count - sum(max(story.cases, 1) * many for story, many in each.items())
    single = sorted((story for story in stories if story.cases <= 1), key=lambda story: -(story.share * count % total))
    each.update(islice(cycle(single), left))
    return each


def plan_of(wish: Wish, zone: str, counted: Counter[Story]) -> Plan:
    ordinary = wish.payments - sum(story.payments * many for story, many in counted.items())
    calendar = Calendar(until=wish.until, days=wish.days, zone=zone, guests=max(ordinary, 1))
    plan = Plan(wish=wish, calendar=calendar, ordinary=ordinary)
    stories = chain.from_iterable(repeat(story, many) for story, many in sorted(counted.items(), key=_name))
    plan.special = [
        Planned(number, story, _moment(wish, story, calendar, ordinary, number))
        for number, story in enumerate(stories, start=ordinary)
    ]
    return plan


def _name(item: tuple[Story, int]) -> str:
    return item[0].name


def _moment(wish: Wish, story: Story, calendar: Calendar, ordinary: int, number: int) -> int:
    dice = Dice(f"{wish.seed} special {number}")
    if story.within is None:
        return calendar.moment(dice.below(max(ordinary, 1)), dice)
    longest = min(story.within, timedelta(days=wish.days)) // _MICROSECOND
    drawn = dice.below(_FINE)
    age = longest * drawn * drawn * drawn // (_FINE * _FINE * _FINE)  # Most of what is open is young.
    return microseconds(wish.until) - age - dice.below(60_000_000)
