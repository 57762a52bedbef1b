"""What a seed plays with: a restaurant, its people and orders, two providers, a mailbox that cannot be trusted."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.apps import apps
from django.db import connection
from django.db.models import Min, Sum
from django.db.models.functions import Greatest

from accounts.models import Restaurant, Role, User
from failures.invariants import INVARIANTS, words_at
from failures.models import WAITING, Case
from kernel import clock, crashpoints
from orders.models import Order
from payments.gateways.breaker import BreakerBoard
from payments.models import Attempt, InboundNotice, Payment, PaymentStatus, ProviderAccount, Refund
from payments.models.refund import RESERVING
from payments.services import providers
from sandbox.notices import Webhook
from tests.factories import RestaurantFactory, routed, staff
from tests.sim.actors import Stage
from tests.sim.clock import SeedClock
from tests.sim.oracle import Oracle
from tests.sim.providers import NAMES, SimProvider

# In the middle of a transaction a process dies this often, where the seed lets processes die at all.
DEATH_BEFORE_COMMIT = 0.05


@dataclass
class World:
    seed: int
    rng: random.Random
    clock: SeedClock
    stage: Stage
    providers: dict[str, SimProvider]
    restaurant: Restaurant
    waiter: User
    finance: User
    faults: float  # How much goes wrong in this seed, from nothing to nearly everything.
    mailbox: list[tuple[str, Webhook]] = field(default_factory=list)
    story: list[str] = field(default_factory=list)
    are_faults_over: bool = False

    def __post_init__(self) -> None:
        self._oracle = Oracle(self.providers)

    def fails(self, chance: float) -> bool:
        """Whether something goes wrong now. The seed is asked in any case, so that stories stay comparable."""
        drawn = self.rng.random()
        return not self.are_faults_over and drawn < chance * self.faults

    def say(self, line: str) -> None:
        self.story.append(f"{self.clock.now():%d %H:%M:%S} {line}")

    @property
    def trace(self) -> str:
        """The same for the same seed, or somebody asked a clock, a dice or a dictionary that is not the seed's."""
        return hashlib.sha256("\n".join([*self.story, *_rows()]).encode()).hexdigest()

    def account(self, provider: str) -> ProviderAccount:
        return ProviderAccount.objects.get(provider=provider, restaurant=self.restaurant)

    def collect_mail(self) -> None:
        for provider in self.providers.values():
            self.mailbox += [(provider.name, webhook) for webhook in provider.sandbox.take_webhooks()]

    def next_due(self) -> datetime | None:
        """When the next row wants something; one that a dead worker holds is nobody's before its lease is over."""
        free_and_due = Greatest("next_action_at", "lease_until")
        times = [
            Payment.objects.filter(next_action_at__isnull=False).aggregate(due=Min(free_and_due))["due"],
            Refund.objects.filter(next_action_at__isnull=False).aggregate(due=Min(free_and_due))["due"],
            Attempt.objects.aggregate(due=Min("watch_at"))["due"],
            InboundNotice.objects.aggregate(due=Min("next_action_at"))["due"],
        ]
        return min((at for at in times if at is not None), default=None)

    def offences(self) -> list[str]:
        with connection.cursor() as cursor:
            cursor.execute(_all_invariants())
            broken = [f"{name}: {row} {what}" for name, row, what in cursor.fetchall()]
        return [*broken, *self._oracle.contradictions()]

    def unfinished(self) -> list[str]:
        """What is still under way needs an open case: a human knows (I10)."""
        known = Case.objects.filter(status__in=WAITING).values("payment")
        payments = Payment.objects.filter(status__in=[PaymentStatus.PENDING, PaymentStatus.PROCESSING])
        refunds = Refund.objects.filter(status__in=RESERVING)
        return [
            *(f"I10: payment {each.reference} is {each.status}" for each in payments.exclude(pk__in=known)),
            *(f"I10: refund {each.pk} is {each.status}" for each in refunds.exclude(payment__in=known)),
        ]

    def differences(self) -> list[str]:
        """Our books against the providers', order by order and currency by currency (I7).

        What a human was told and nobody decided may differ: a doubt that lasts, a refund that lasts.
        """
        found = []
        for order in Order.objects.order_by("id"):
            for name, provider in self.providers.items():
                ours = {
                    row["captured_currency"]: row["net"]
                    for row in Attempt.objects.filter(
                        payment__order=order, account__provider=name, captured_minor__gt=0
                    )
                    .values("captured_currency")
                    .annotate(net=Sum("captured_minor") - Sum("refunded_minor"))
                }
                theirs = provider.net_of(order.reference)
                if ours != theirs:
                    found.append(f"I7: order {order.reference} at {name}: ours {ours}, theirs {theirs}")
        return found


@contextmanager
def world_of(seed: int) -> Iterator[World]:
    """Everything of this seed, over an empty database; what was there before is put back."""
    rng = random.Random(f"story {seed}")  # noqa: S311  As with the clock.
    own_clock = SeedClock(seed)
    previous_clock = clock.install(own_clock)
    board = BreakerBoard()
    previous_board, providers._board = providers._board, lambda: board  # type: ignore[assignment]  # Of one seed only.
    before = dict(providers.PROVIDERS)
    _empty_database()
    stage = Stage(dies_before_commit=lambda: world.fails(DEATH_BEFORE_COMMIT))
    made = {name: SimProvider(name, own_clock, stage.cut) for name in NAMES}
    providers.PROVIDERS.update({name: provider.registered() for name, provider in made.items()})
    restaurant = RestaurantFactory.create()
    routed(restaurant, *NAMES, "cash")
    world = World(
        seed=seed,
        rng=rng,
        clock=own_clock,
        stage=stage,
        providers=made,
        restaurant=restaurant,
        waiter=staff(restaurant, Role.WAITER),
        finance=staff(restaurant, Role.FINANCE),
        faults=rng.choice([0.0, 0.1, 0.3, 0.6, 1.0]),
    )
    previous_points = stage.install()
    try:
        yield world
    finally:
        for actor in list(stage.actors):
            if not actor.is_done:
                actor.kill()
        crashpoints.install(previous_points)
        providers.PROVIDERS.clear()
        providers.PROVIDERS.update(before)
        providers._board = previous_board
        clock.install(previous_clock)


def _empty_database() -> None:
    ours = ("accounts", "events", "failures", "orders", "payments")
    tables = [model._meta.db_table for app in ours for model in apps.get_app_config(app).get_models()]
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY CASCADE")


def _rows() -> list[str]:
    """How it all ended, without what is encrypted: that differs each time."""
    ends: list[Any] = [
        Order.objects.order_by("id").values_list("id", "status", "payment_state"),
        Payment.objects.order_by("id").values_list("id", "status", "failure_code", "next_action_at", "version"),
        Attempt.objects.order_by("id").values_list("id", "status", "capture", "captured_minor", "refunded_minor"),
        Refund.objects.order_by("id").values_list("id", "status", "amount_minor", "sends"),
    ]
    return [repr(row) for rows in ends for row in rows]


def _all_invariants() -> str:
    """One question to the database instead of twenty: they are asked after every step."""
    # Time jumps in a simulation, and the clocks that would have acted come after the jump: late is no offence here.
    words = words_at(datetime.min.replace(tzinfo=UTC))
    parts = [
        f"SELECT '{each.id} {each.sentence[:30].replace(chr(39), ' ').replace('%', ' ')}', q.a::text, q.b::text"  # noqa: S608
        f" FROM ({each.question}) AS q(a, b)"
        for each in INVARIANTS
    ]
    with connection.cursor() as cursor:
        return str(cursor.mogrify(" UNION ALL ".join(parts), words))
