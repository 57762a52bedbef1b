"""What a seed plays with: a restaurant, its people and orders, two providers, a mailbox that cannot be trusted."""

from __future__ import annotations

import hashlib
import logging
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from django.db import connection

from kernel import clock, crashpoints
from payments.gateways.breaker import BreakerBoard
from payments.models import ProviderAccount
from payments.services import providers
from sandbox.notices import Webhook
from tests.sim.actors import Stage
from tests.sim.clock import SeedClock, dice
from tests.sim.database import Reader, Writes, forget_the_evening, make_room_for_all, reader_of
from tests.sim.faults import NONE, PROFILES, Fault, Faults
from tests.sim.fence import Fence
from tests.sim.house import House, house
from tests.sim.moves import Move
from tests.sim.oracle import Oracle
from tests.sim.providers import NAMES, SimProvider, drawn_facts

# Where the product logs an exception and goes on: here that is a finding.
SWALLOWING = (
    "payments.services.sweeps",
    "payments.views.webhooks",
    "payments.gateways.guard",
    "payments.gateways.breaker",
)
# How long a request may be on its way: longer than anybody waits for it, than a lease, and than the first look-ups.
ON_ITS_WAY = (8.0, 35.0, 120.0)

_ROWS = (
    "SELECT id, status, payment_state FROM orders_order ORDER BY id",
    "SELECT id, status, failure_code, next_action_at, version FROM payments_payment ORDER BY id",
    "SELECT id, status, capture, captured_minor, refunded_minor FROM payments_attempt ORDER BY id",
    "SELECT id, status, amount_minor, sends FROM payments_refund ORDER BY id",
)
_NOTICES = "SELECT event_id FROM payments_inboundnotice WHERE event_id = ANY(%s)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message on its way. Who it is from says nothing about who it reaches."""

    account: ProviderAccount
    webhook: Webhook
    not_before: datetime

    @property
    def is_sent_until_taken(self) -> bool:
        """About something that the provider started itself: nobody asks about that."""
        return not self.webhook.key


@dataclass
class World:
    seed: int
    faults: Faults
    clock: SeedClock
    house: House
    reader: Reader
    writes: Writes
    rng: random.Random
    mailbox: list[Letter] = field(default_factory=list)
    story: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)  # Events whose providers were told 2xx.

    def __post_init__(self) -> None:
        self.stage = Stage(dies_before_commit=lambda: self.fails(Fault.DEATH_BEFORE_COMMIT), watch=self.writes.watch)
        self.providers = {
            name: SimProvider(
                drawn_facts(name, self.rng), clock=self.clock, cut=self.stage.cut, delay_seconds=self._delay_seconds
            )
            for name in NAMES
        }
        self.silent = {name for name in NAMES if self.fails(Fault.NO_MAIL)}
        self.oracle = Oracle(self.providers, self.reader)

    def begin(self, move: Move) -> None:
        """From here on all chance is this move's."""
        self.rng = move.dice
        self.clock.reseed(move.draw)
        self.let_arrive()

    def fails(self, fault: Fault) -> bool:
        """Whether this goes wrong now. The dice are asked in any case, so that stories stay comparable."""
        return self.rng.random() < self.faults[fault]

    def _delay_seconds(self) -> float:
        return self.rng.choice(ON_ITS_WAY) if self.fails(Fault.LATE_ARRIVAL) else 0.0

    def let_arrive(self) -> None:
        for provider in self.providers.values():
            provider.let_arrive()

    def end_the_faults(self) -> None:
        self.faults = NONE
        for provider in self.providers.values():
            provider.steering.set_look_ups("refuse", times=0)
            provider.steering.set_mode(provider.steering.mode.OK)

    def report(self, offence: str) -> None:
        self.broken.append(offence)

    def say(self, line: str) -> None:
        self.story.append(f"{self.clock.now():%d %H:%M:%S} {line}")

    def collect_mail(self) -> None:
        now = self.clock.now()
        for name, provider in self.providers.items():
            account, mail = self.house.accounts[name], provider.take_mail()
            if name not in self.silent:
                self.mailbox += [Letter(account=account, webhook=each, not_before=now) for each in mail]

    def offences(self) -> list[str]:
        """What must never be, after a step: only what is written or sent can bring it about."""
        broken, self.broken, self.stage.failures = [*self.broken, *self.stage.failures], [], []
        if self.writes.take():
            broken += [*self.reader.offences(), *self.oracle.contradictions()]
        elif self.oracle.has_arrivals:
            broken += self.oracle.contradictions()
        return [*broken, *self._unkept_notices()]

    def _unkept_notices(self) -> list[str]:
        """What was acknowledged is never sent again: it has to be stored (I14)."""
        told, self.acknowledged = self.acknowledged, []
        kept = {event for (event,) in self.reader.rows(_NOTICES, [told])} if told else set()
        return [f"I14: notice {event} was acknowledged and not stored" for event in told if event not in kept]

    @property
    def trace(self) -> str:
        """The same for the same seed, or somebody asked a clock, a dice or a dictionary that is not the seed's."""
        rows = [repr(row) for question in _ROWS for row in self.reader.rows(question)]
        return hashlib.sha256("\n".join([*self.story, *rows]).encode()).hexdigest()


class _Swallowed(logging.Handler):
    def __init__(self, world: World) -> None:
        super().__init__(logging.ERROR)
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self._world.report(f"{record.getMessage()}: {error!r}")


@contextmanager
def world_of(seed: int, profile: str) -> Iterator[World]:
    """Everything of this seed, over an empty database; what was there before is put back."""
    with ExitStack() as stack:
        own_clock = SeedClock(seed)
        stack.callback(clock.install, clock.install(own_clock))
        make_room_for_all()
        reader, writes = reader_of(connection.settings_dict["NAME"]), Writes()
        forget_the_evening()
        rng = dice("world", seed)
        world = World(seed, PROFILES[profile](rng), own_clock, house(reader), reader, writes, rng)
        _replace_outside(world, stack)
        connection.execute_wrappers.append(writes.watch)
        stack.callback(connection.execute_wrappers.remove, writes.watch)
        stack.callback(world.stage.clear)
        yield world


def _replace_outside(world: World, stack: ExitStack) -> None:
    """The providers, what circuits remember, the crash points, and the log that swallows."""
    registry = providers.PROVIDERS
    before = dict(registry)
    stack.callback(registry.update, before)
    stack.callback(registry.clear)
    registry.update({name: provider.registered() for name, provider in world.providers.items()})
    board = BreakerBoard()
    stack.callback(setattr, providers, "_board", providers._board)
    providers._board = lambda: board  # type: ignore[assignment]  # Of one seed only, where the product has a cached one.
    stack.callback(crashpoints.install, world.stage.install())
    Fence(world.reader, world.report).install(stack)
    handler = _Swallowed(world)
    for name in SWALLOWING:
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        stack.callback(logger.removeHandler, handler)
