"""After the last step nothing goes wrong any more: everything has to end, and the books have to agree."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.sim.desk import work_off
from tests.sim.machines import SWEEPS, receive
from tests.sim.world import World

# A message may come after five days, what it starts is watched for five more, and whoever looks next comes after three:
# what still asks after that needs a human who knows.
REST = timedelta(days=14)
# One decision may lead to the next: a doubt that ends in a surplus whose refund is refused.
MOST_DESK_ROUNDS = 5
# A schedule has a few hundred entries at most; more is a row that is asked about without one.
MOST_ROUNDS = 600
# After a round that changed nothing the workers come back late, and later and later: hours of the same answer prove
# no more than one does.
FIRST_PATIENCE, MOST_PATIENCE, GROWTH = timedelta(hours=2), timedelta(days=3), 6

_STATE = """
    SELECT (SELECT string_agg(status || in_doubt || refunds.sum, ',' ORDER BY p.id) FROM payments_payment p
              LEFT JOIN LATERAL (SELECT COALESCE(sum(r.sends), 0)::text AS sum FROM payments_refund r
                                  WHERE r.payment_id = p.id) refunds ON TRUE),
           (SELECT string_agg(status || capture || sends || refunded_minor, ',' ORDER BY id) FROM payments_attempt),
           (SELECT string_agg(status, ',' ORDER BY id) FROM payments_refund),
           (SELECT count(*) FROM payments_inboundnotice WHERE next_action_at IS NOT NULL)"""


def come_to_rest(world: World) -> list[str]:
    """What was found on the way, and at the end."""
    world.say("the faults are over")
    world.end_the_faults()
    found = _finish_all(world) or _run_on(world)
    if world.stage.sleepers:
        # Whoever wakes now has missed everything, and must not spoil it.
        world.say("the sleepers go on")
        world.stage.wake()
        found = found or _finish_all(world) or _run_on(world)
    found = found or world.oracle.unrest()
    for _ in range(MOST_DESK_ROUNDS):
        if found or not work_off(world):
            return found or world.oracle.remains()
        found = _run_on(world)
    return found or world.oracle.remains()


def _run_on(world: World) -> list[str]:
    """Until nothing is due any more, or not before many days are over."""
    until, patience, before = world.clock.now() + REST, timedelta(), world.reader.rows(_STATE)
    for _ in range(MOST_ROUNDS):
        goes_on = _go_on(world, until, patience)
        if (found := world.offences()) or not goes_on:
            return found
        now = world.reader.rows(_STATE)
        longer = min(MOST_PATIENCE, patience * GROWTH if patience else FIRST_PATIENCE)
        patience, before = longer if now == before else timedelta(), now
    return [f"I10: not at rest after {MOST_ROUNDS} rounds; due {[str(at) for at in world.reader.due()]}"]


def _go_on(world: World, until: datetime, patience: timedelta) -> bool:
    """Everything that is due next. False: nothing is any more."""
    world.let_arrive()
    world.collect_mail()
    mail, world.mailbox = world.mailbox, []
    for letter in mail:
        world.clock.jump_to(letter.not_before)
        receive(world, letter)
    due = dict(zip(SWEEPS, world.reader.due(), strict=True))
    times = [at for at in due.values() if at is not None]
    if not times or min(times) > until:
        return bool(mail) or _let_providers_go_on(world, until)
    world.clock.jump_to(min(times) + patience)
    now = world.clock.now()
    for kind, at in due.items():
        if at is not None and at <= now:
            SWEEPS[kind]()
    return True


def _let_providers_go_on(world: World, until: datetime) -> bool:
    """What is still to happen there happens, also when nobody here waits for it any more."""
    times = [at for provider in world.providers.values() for at in provider.plans() if at <= until]
    if times:
        world.clock.jump_to(max(times))
        world.writes.note()
    return bool(times)


def _finish_all(world: World) -> list[str]:
    """Looked at after each step, as all evening: whether a share was free is judged when somebody takes it."""
    while world.stage.actors:
        _finish(world)
        if found := world.offences():
            return found
    return world.offences()


def _finish(world: World) -> None:
    actor = world.stage.actors[0]
    actor.go_on()
    if actor.is_done:
        world.stage.leave(actor)
