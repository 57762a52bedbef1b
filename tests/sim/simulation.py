"""A seed from its first step to rest: what happened, and what must never have."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from tests.sim.actions import ACTIONS, WORK, deliver, place
from tests.sim.actors import Actor
from tests.sim.world import World, world_of

STEPS = 40
ORDERS = 2  # Guests sit down before anything happens.
# An actor that is not chosen waits at its cut; more of them are only a slower story.
MOST_ACTORS = 6
DEATH = 0.15
# Five days of watching for late money, and some: what still asks after that needs a human who knows.
REST = timedelta(days=8)
MOST_ROUNDS = 1_000  # Days of look-ups; more is a row that is asked about without a schedule.


@dataclass
class Outcome:
    seed: int
    trace: str = ""
    violations: list[str] = field(default_factory=list)
    story: list[str] = field(default_factory=list)

    def told(self) -> str:
        return "\n".join([f"Seed {self.seed}:", *self.story, *self.violations])


def simulate(seed: int, *, steps: int = STEPS) -> Outcome:
    outcome = Outcome(seed)
    with world_of(seed) as world:
        outcome.story = world.story
        for _ in range(ORDERS):
            place(world)
        for _ in range(steps):
            _step(world, outcome)
            if outcome.violations:
                break
        if not outcome.violations:
            _come_to_rest(world, outcome)
        outcome.trace = world.trace
    return outcome


def _step(world: World, outcome: Outcome) -> None:
    actors = world.stage.actors
    if actors and (len(actors) >= MOST_ACTORS or world.rng.random() < 0.55):
        _go_on(world, world.rng.choice(actors), outcome)
    else:
        action = world.rng.choices(list(ACTIONS), weights=list(ACTIONS.values()))[0]
        action(world)
    outcome.violations += world.offences()


def _go_on(world: World, actor: Actor, outcome: Outcome) -> None:
    if world.fails(DEATH):
        world.say(f"  {actor.name} dies at {actor.at}")
        actor.kill()
    else:
        actor.go_on()
        world.say(f"  {actor.name}: {'ends ' + actor.refused if actor.is_done else actor.at}")
    if actor.is_done:
        world.stage.leave(actor)
    if actor.failure is not None:
        outcome.violations.append(f"{actor.name} broke: {actor.failure!r}")


def _come_to_rest(world: World, outcome: Outcome) -> None:
    """Nothing goes wrong any more: everything ends, the books agree, and nothing is left behind."""
    world.say("the faults are over")
    world.are_faults_over = True
    until = world.clock.now() + REST
    for provider in world.providers.values():
        provider.sandbox.provider.steering.set_look_ups("refuse", times=0)
        provider.sandbox.provider.steering.set_mode(provider.sandbox.provider.steering.mode.OK)
    for _ in range(MOST_ROUNDS):
        _finish_actors(world, outcome)
        world.collect_mail()
        if world.mailbox:
            deliver(world)
            continue
        due = world.next_due()
        if due is None or due > until or outcome.violations:
            break
        world.clock.jump_to(due)
        for name, work in WORK.items():
            world.stage.enter(f"worker {name}", work)
    else:
        outcome.violations.append(f"not at rest after {MOST_ROUNDS} rounds; next due {world.next_due()}")
    outcome.violations += world.offences() + world.unfinished() + world.differences()


def _finish_actors(world: World, outcome: Outcome) -> None:
    while world.stage.actors:
        _go_on(world, world.stage.actors[0], outcome)
