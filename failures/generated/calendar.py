"""When guests come: days of a restaurant in its own zone, with lunch and dinner, and the last day up to now."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from itertools import accumulate
from zoneinfo import ZoneInfo

from failures.generated.dice import Dice
from failures.generated.slots import microseconds

_MINUTE = 60_000_000
_HALF_HOUR, _HALVES = 30 * _MINUTE, 48
_A_DAY = timedelta(days=1)
# How many come in each half hour, from midnight on: nobody at night, many at one, most at eight.
_COMING = (4, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 5, 8, 10, 10, 9, 9, 12, 22, 38,
           58, 70, 72, 60, 42, 26, 16, 12, 11, 12, 16, 24, 36, 52, 70, 86, 92, 88, 74, 56, 40, 26, 14, 8)  # fmt: skip
# Monday to Sunday, in percent of a plain day.
_WEEK = (80, 82, 88, 96, 125, 145, 120)
# Today counts for three days and never sleeps: pages about the last quarter of an hour have something to show.
_TODAY, _AT_LEAST = 300, 40


@dataclass(frozen=True, slots=True)
class _Day:
    begins: int
    sums: Sequence[int]  # Of its half hours.

    def moment(self, place: int, of: int) -> int:
        """The place-th of so many, evenly through the crowd."""
        mark = (2 * place + 1) * self.sums[-1]
        half = bisect_right(self.sums, mark // (2 * of))
        before = self.sums[half - 1] if half else 0
        within = (mark - 2 * of * before) * _HALF_HOUR // (2 * of * (self.sums[half] - before))
        return self.begins + half * _HALF_HOUR + within


class Calendar:
    def __init__(self, *, until: datetime, days: int, zone: str, guests: int) -> None:
        self._days, weights = _days_before(until, days, ZoneInfo(zone))
        total = sum(weights)
        # The largest remainder would be fairer; this way each day's first and last guest follow from one sum.
        self._sums = [part * guests // total for part in accumulate(weights)]

    def moment(self, place: int, dice: Dice) -> int:
        """Of the place-th of all guests, give or take some seconds. Later places come later."""
        day = bisect_right(self._sums, place)
        first = self._sums[day - 1] if day else 0
        return self._days[day].moment(place - first, self._sums[day] - first) - dice.below(_MINUTE)


def _days_before(until: datetime, days: int, zone: ZoneInfo) -> tuple[list[_Day], list[int]]:
    begin_today = until - _A_DAY
    midnights = [datetime.combine((until - count * _A_DAY).astimezone(zone).date(), time(), zone)
                 for count in range(days, 0, -1)]  # fmt: skip
    whole = [midnight for midnight in midnights if midnight + _A_DAY <= begin_today]
    earlier = [_Day(microseconds(each), list(accumulate(_COMING))) for each in whole]
    today = _Day(microseconds(begin_today), list(accumulate(_last_day(begin_today.astimezone(zone)))))
    return [*earlier, today], [*(_WEEK[each.weekday()] for each in whole), _TODAY]


def _last_day(begins: datetime) -> list[int]:
    first = begins.hour * 2 + begins.minute // 30
    return [max(_AT_LEAST, _COMING[(first + half) % _HALVES]) for half in range(_HALVES)]
