"""What the monkey will do and when: a pure function of the seed. It touches nothing; `hands.py` does."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import takewhile
from typing import Final, TypeVar

from sandbox.behaviours import Mode
from tests.chaos.proxy import Toxic
from tests.chaos.room import PROVIDERS, Line, Part

# Production's lease is 30 s: whoever is stopped for longer has lost everything that it held.
PAUSE_SECONDS: Final = (35.0, 40.0)
DOWN_SECONDS: Final = (0.3, 3.0)
TOXIC_SECONDS: Final = (2.0, 12.0)
MODE_SECONDS: Final = (4.0, 15.0)
# Revoked credentials are a human's to repair, and a circuit rests five minutes for them: that is another test.
MODES: Final = (Mode.SILENT, Mode.FAILING, Mode.REFUSING, Mode.RATE_LIMITED, Mode.SLOW)
Card = TypeVar("Card", bound=str)


class Blow(StrEnum):
    """In the words of the sheet."""

    KILL_WEB_WORKER = "gunicorn worker"
    KILL_WEB_MASTER = "gunicorn master"
    KILL_WEB = "gunicorn, all of it"
    KILL_WAITING = "waiting"
    KILL_CELERY_CHILD = "celery child"
    KILL_WORKER = "celery worker, all of it"
    KILL_BEAT = "beat"
    KILL_SWEEP = "second clock"
    KILL_PROVIDER = "sandbox provider"
    KILL_REDIS = "redis"
    KILL_POSTGRES = "postgres, immediate stop"
    PAUSE_WEB_WORKER = "gunicorn worker paused"
    PAUSE_CELERY_CHILD = "celery child paused"
    FLUSH = "redis emptied"
    TERMINATE = "database sessions ended"
    NETWORK = "network"
    MODE = "provider"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    at_seconds: float
    blow: Blow
    where: str = ""
    how: str = ""
    # How long it stays down, stopped, sick or broken.
    for_seconds: float = 0.0
    # Which of several processes, as a share of them: less than one.
    which: float = 0.0

    @property
    def kind(self) -> str:
        """In the words of the sheet."""
        return f"{self.blow}, {self.how}" if self.how else self.blow


@dataclass(frozen=True, slots=True, kw_only=True)
class Habit:
    """One kind of mischief: what, how often in a round of it, how soon first, how often after that."""

    round: Mapping[Blow, int]
    first_seconds: tuple[float, float]
    gap_seconds: tuple[float, float]


KILLS: Final = Habit(
    round={
        Blow.KILL_WEB_WORKER: 5,
        Blow.KILL_WEB_MASTER: 1,
        Blow.KILL_WEB: 1,
        Blow.KILL_WAITING: 1,
        Blow.KILL_CELERY_CHILD: 5,
        Blow.KILL_WORKER: 2,
        Blow.KILL_BEAT: 1,
        Blow.KILL_SWEEP: 2,
        Blow.KILL_PROVIDER: 3,
        Blow.KILL_REDIS: 1,
    },
    first_seconds=(3.0, 6.0),
    # Ten a minute: more than the seven that fifteen minutes need for their hundred.
    gap_seconds=(4.0, 8.0),
)
STOPS_OF_THE_DATABASE: Final = Habit(
    round={Blow.KILL_POSTGRES: 1}, first_seconds=(15.0, 30.0), gap_seconds=(45.0, 80.0)
)
PAUSES: Final = Habit(
    round={Blow.PAUSE_WEB_WORKER: 1, Blow.PAUSE_CELERY_CHILD: 2},
    first_seconds=(5.0, 12.0),
    # One at a time: with all of them stopped at once there would be nobody left to look at.
    gap_seconds=(45.0, 70.0),
)
NUISANCES: Final = Habit(
    round={Blow.NETWORK: 6, Blow.MODE: 3, Blow.TERMINATE: 2, Blow.FLUSH: 1},
    first_seconds=(2.0, 5.0),
    gap_seconds=(3.0, 8.0),
)
HABITS: Final[Mapping[str, Habit]] = {
    "kills": KILLS,
    "database": STOPS_OF_THE_DATABASE,
    "pauses": PAUSES,
    "nuisances": NUISANCES,
}


def draws(*, seed: int, seconds: float) -> list[Draw]:
    """The same seed, the same draws, in the order of their time."""
    drawn: list[Draw] = []
    for name, habit in HABITS.items():
        dice = random.Random(f"{seed} {name}")  # noqa: S311  A seed's dice, no secret.
        drawn += takewhile(lambda draw: draw.at_seconds < seconds, _draws_of(habit, dice))
    return sorted(drawn, key=lambda draw: draw.at_seconds)


def _draws_of(habit: Habit, dice: random.Random) -> Iterator[Draw]:
    """Without an end. Everything is dealt, not drawn: whoever waits for a round has seen all of it."""
    at = dice.uniform(*habit.first_seconds)
    places, ways = _decks(_PLACES, dice), _decks(_WAYS, dice)
    for blow in _dealt([blow for blow, times in habit.round.items() for _ in range(times)], dice):
        lasts = round(dice.uniform(*_LASTS.get(blow, DOWN_SECONDS)), 1)
        where, how = next(places[blow], ""), next(ways[blow], "")
        which = dice.random()
        yield Draw(at_seconds=round(at, 1), blow=blow, where=where, how=how, for_seconds=lasts, which=which)
        at += dice.uniform(*habit.gap_seconds)


_LASTS: Final[Mapping[Blow, tuple[float, float]]] = {
    Blow.PAUSE_WEB_WORKER: PAUSE_SECONDS,
    Blow.PAUSE_CELERY_CHILD: PAUSE_SECONDS,
    Blow.NETWORK: TOXIC_SECONDS,
    Blow.MODE: MODE_SECONDS,
}
_PLACES: Final[Mapping[Blow, Sequence[str]]] = {
    Blow.KILL_PROVIDER: list(PROVIDERS),
    Blow.PAUSE_WEB_WORKER: [Part.WEB],
    Blow.PAUSE_CELERY_CHILD: [Part.WORKER],
    Blow.NETWORK: list(Line),
    Blow.MODE: list(PROVIDERS),
}
_WAYS: Final[Mapping[Blow, Sequence[str]]] = {Blow.NETWORK: list(Toxic), Blow.MODE: MODES}


def _decks(cards: Mapping[Blow, Sequence[str]], dice: random.Random) -> Mapping[Blow, Iterator[str]]:
    return {blow: _dealt(cards.get(blow, ()), dice) for blow in Blow}


def _dealt(cards: Sequence[Card], dice: random.Random) -> Iterator[Card]:
    """Each card once, in any order; then all of them anew."""
    while cards:
        yield from dice.sample(cards, len(cards))
