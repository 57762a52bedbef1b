"""A seed from its first step to rest: what happened, and what must never have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tests.sim import guests, machines, staff
from tests.sim.acting import ACTIONS, MOST_ACTORS, WEIGHTS
from tests.sim.clock import dice
from tests.sim.faults import Fault
from tests.sim.moves import GO_ON, Move, moves_of
from tests.sim.rest import come_to_rest
from tests.sim.world import World, world_of

STEPS = 40
PROFILE = "mixed"
ORDERS = 2  # Guests sit down before anything happens.
# So many cuts an actor passes while nobody else moves: mostly one, sometimes all that it has.
CUTS = (1, 1, 1, 3, 30)

# Imported for what they register.
KINDS = (guests, staff, machines)


@dataclass(kw_only=True)
class Outcome:
    seed: int
    profile: str
    moves: list[Move] = field(default_factory=list)  # That were made, each as what it was.
    trace: str = ""
    violations: list[str] = field(default_factory=list)
    story: list[str] = field(default_factory=list)

    def told(self) -> str:
        title = f"Seed {self.seed} ({self.profile}, {len(self.moves)} moves):"
        return "\n".join([title, *self.story, *self.violations])


def simulate(seed: int, *, steps: int = STEPS, profile: str = PROFILE, moves: Sequence[Move] | None = None) -> Outcome:
    """The seed's own moves, or those of a story that was cut short."""
    chosen = moves_of(seed, steps=steps, weights=WEIGHTS) if moves is None else moves
    outcome = Outcome(seed=seed, profile=profile)
    with world_of(seed, profile) as world:
        outcome.story = world.story
        world.rng = dice("orders", seed)
        for _ in range(ORDERS):
            guests.place(world)
        for move in chosen:
            outcome.moves.append(_make(world, move))
            outcome.violations = world.offences()
            if outcome.violations:
                break
        else:
            world.begin(Move("rest", seed))
            outcome.violations = come_to_rest(world)
        outcome.trace = world.trace
    return outcome


def _make(world: World, move: Move) -> Move:
    """What came of it is the story's: a kind that is added later changes no story that was kept."""
    made = replace(move, kind=_kind_of(world, move))
    world.begin(made)
    if made.kind == GO_ON:
        _go_on(world)
    else:
        ACTIONS[made.kind](world)
    return made


def _kind_of(world: World, move: Move) -> str:
    crowded = len(world.stage.actors) >= MOST_ACTORS
    if world.stage.actors and (crowded or move.kind == GO_ON):
        return GO_ON
    if move.kind in ACTIONS:
        return move.kind
    return dice("instead", move.draw).choices(list(WEIGHTS), weights=list(WEIGHTS.values()))[0]  # Nobody can go on.


def _go_on(world: World) -> None:
    """Over a few of its cuts, often only one, or to its end."""
    actor = world.rng.choice(world.stage.actors)
    for _ in range(world.rng.choice(CUTS)):
        if world.fails(Fault.DEATH):
            world.say(f"  {actor.name} dies at {actor.at}")
            actor.kill()
        elif world.fails(Fault.PAUSE):
            world.say(f"  {actor.name} stands still at {actor.at}")
            world.stage.pause(actor)
            return
        else:
            actor.go_on()
            world.say(f"  {actor.name}: {'ends ' + actor.refused if actor.is_done else actor.at}")
        if actor.is_done:
            world.stage.leave(actor)
            return
