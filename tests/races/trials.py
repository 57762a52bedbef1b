"""A trial: a scene, its actors, a schedule; then rest, and every question that must find nothing."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.races.actors import Actor
from tests.races.acts import BY_NAME, bound, is_told_no
from tests.races.ground import Ground, Moment, on_this_ground
from tests.races.judgement import Judge
from tests.races.locks import Locks
from tests.races.rest import NotAtRest, come_to_rest, deliver
from tests.races.scenes import SCENES, Scene
from tests.races.stage import Stage, Stuck

# How many cuts whoever is drawn keeps the baton for: most actors have between ten and forty.
RUNS = (1, 1, 2, 3, 5, 8, 13, 40)
AFTER, SEED = "after", "seed"


@dataclass(frozen=True, slots=True)
class Race:
    """All that decides about a trial; as text it runs it again."""

    scene: str
    acts: tuple[str, ...]
    how: str  # "after": the first runs to its k-th cut, then the others as far as they can. "seed": drawn from it.
    number: int

    def __str__(self) -> str:
        return f"{self.scene} {'+'.join(self.acts)} {self.how} {self.number}"

    @classmethod
    def read(cls, text: str) -> Race:
        scene, acts, how, number = text.split()
        return cls(scene, tuple(acts.split("+")), how, int(number))


@dataclass
class Outcome:
    race: Race
    violations: list[str] = field(default_factory=list)
    sequence: list[str] = field(default_factory=list)
    committed: frozenset[int] = frozenset()  # By their places in the race, from one.
    refused: frozenset[int] = frozenset()
    was_interrupted: bool = False  # The first was at a cut when the others came.
    times_blocked: int = 0

    @property
    def idle(self) -> frozenset[int]:
        """Who committed nothing, and was not refused where the table says so either."""
        told_no = {place for place in self.refused if is_told_no(self.race.scene, self.race.acts[place - 1])}
        return frozenset(range(1, len(self.race.acts) + 1)) - self.committed - told_no

    def told(self) -> str:
        again = f"RACE='{self.race}' .venv/bin/python -m pytest tests/races/test_again.py"
        return "\n".join([f"Again: {again}", *self.violations, *(f"  {step}" for step in self.sequence)])


class Races:
    def __init__(self, ground: Ground, stage: Stage) -> None:
        self.ground = ground
        self._stage, self._judge = stage, Judge(ground)
        self._moments: dict[str, tuple[Moment, Scene]] = {}

    def run(self, race: Race) -> Outcome:
        outcome = Outcome(race)
        scene = self._set(race.scene)
        parts = [(f"{act}#{place}", bound(BY_NAME[act], scene)) for place, act in enumerate(race.acts, start=1)]
        actors = self._stage.begin(parts)
        try:
            outcome.was_interrupted = self._play(race)
        except Stuck as stuck:
            outcome.violations.append(f"stuck: {stuck}")
        finally:
            self._stage.abandon_whoever_is_left()
        self._take_down(outcome, actors)
        outcome.violations += self._judge.of_keys(scene.told)
        self._let_rest(outcome)
        return outcome

    def _set(self, name: str) -> Scene:
        if name not in self._moments:
            self.ground.clear()
            scene = SCENES[name](self.ground)
            self._moments[name] = self.ground.keep(), scene
        moment, scene = self._moments[name]
        self.ground.put_back(moment)
        scene.told.clear()
        return scene

    def _play(self, race: Race) -> bool:
        if race.how == SEED:
            _as_drawn(self._stage, random.Random(str(race)))  # noqa: S311  It has to be guessable.
            return True
        return _after(self._stage, race.number)

    def _take_down(self, outcome: Outcome, actors: list[Actor]) -> None:
        outcome.sequence = self._stage.sequence
        outcome.committed = frozenset(place for place, actor in enumerate(actors, start=1) if actor.has_committed)
        outcome.refused = frozenset(place for place, actor in enumerate(actors, start=1) if actor.refused)
        outcome.times_blocked = sum(actor.times_blocked for actor in actors)
        outcome.violations += [f"{actor.name} broke: {actor.failure!r}" for actor in actors if actor.failure]

    def _let_rest(self, outcome: Outcome) -> None:
        outcome.violations += self._judge.after_the_race()
        if outcome.violations:
            return
        if outcome.race.number % 2:  # Otherwise every message that nobody raced with is lost.
            deliver(self.ground)
        try:
            come_to_rest(self.ground)
        except NotAtRest as restless:
            outcome.violations.append(str(restless))
        outcome.violations += self._judge.at_rest()


def _after(stage: Stage, cuts: int) -> bool:
    """Whether the first one was interrupted, or had ended before."""
    first, *others = stage.actors
    stage.go_on(first, cuts=cuts)
    was_interrupted = not first.is_done
    for other in others:
        stage.run(other)
    stage.finish()
    return was_interrupted


def _as_drawn(stage: Stage, rng: random.Random) -> None:
    """Runs of one cut, of many, and of every length between."""
    while not stage.is_over:
        if not stage.ready:
            raise Stuck(stage.picture())
        stage.go_on(rng.choice(stage.ready), cuts=rng.choice(RUNS))


@contextmanager
def races() -> Iterator[Races]:
    with Locks() as locks:
        stage = Stage(locks)
        try:
            with on_this_ground(stage.cut, locks.reader) as ground:
                yield Races(ground, stage)
        finally:
            stage.close()
