"""Refund groups: two to twenty threads that ask for money back at once, with real connections and nobody's baton."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from unittest import mock

from django.db import connection

from events.actors import GUEST
from kernel.errors import ServiceError
from payments.models import Attempt, Refund, RefundStatus
from payments.models.refund import RESERVING
from payments.services.cash import hand_over_refund, record_cash_refund
from payments.services.refund_requests import request_refund
from payments.services.refund_settlement import settle_refund
from payments.services.refunds import send_refund
from tests.races.actors import Troupe
from tests.races.captures import CAPTURES
from tests.races.ground import Ground, Moment, on_this_ground
from tests.races.judgement import Judge
from tests.races.locks import Locks
from tests.races.scenes import PART, TIP, TOTAL, Scene

MOST_THREADS = 20
# Most groups are as small as in a restaurant, and some are a storm.
SIZES = (2, 2, 2, 3, 3, 4, 5, 6, 8, MOST_THREADS)
# All, half, odd parts of which some fit together and some do not, too much, and nothing. None: all that is left.
AMOUNTS = (None, None, TOTAL, TOTAL // 2, TOTAL // 2, TOTAL // 3, 30_000, 4_201, 1, TOTAL + 1, 0)
TIPS = (0, 0, 0, TIP, TIP // 2, 1)
# What was accepted is sent, and compared with the provider's books, in every so many-th group: that takes as long as
# three races, and what it finds out does not depend on which of the accepted ones came first.
SENT_EVERY = 5
JOIN_SECONDS = 60.0  # A group takes a tenth of a second; whoever takes so long waits for a lock that nobody frees.
# Whoever works on a refund that was under way before, one in so many.
OTHERS = 0.3
# The others are a few statements behind; whoever takes so long does not come.
MEET_SECONDS = 30.0
_here = threading.local()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one of the threads does."""

    act: Callable[[], int | None]  # Says how much was accepted; nothing where nothing was asked for.
    asks: int | None = None  # For how much. None: it does something else, or asks under a lock that it has already.
    is_hopeless: bool = False  # It would be refused alone, too: that says nothing about a race.


@dataclass
class Group:
    """What one group came to."""

    seed: int
    capture: str
    size: int
    accepted: list[int] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)  # Because others came first.
    violations: list[str] = field(default_factory=list)
    # Where all only ask, and together for more than there is, if each is told the same of what is left.
    meeting: threading.Barrier | None = None
    has_met: bool = False

    @property
    def is_contested(self) -> bool:
        return self.meeting is not None

    def told(self) -> str:
        again = f"RACE='refunds {self.seed}' .venv/bin/python -m pytest tests/races/test_again.py"
        who = f"{self.size} threads, {self.capture}: accepted {self.accepted}, refused {self.refused}"
        return "\n".join([f"Again: {again}", who, *self.violations])

    def play(self, gate: threading.Barrier, part: Part) -> None:
        """In a thread of its own."""
        _here.group = self
        try:
            gate.wait()
            self._accept(part, part.act())
        except ServiceError as refusal:
            self.refused += [] if part.is_hopeless else [refusal.code]
        except Exception as error:  # noqa: BLE001  The group reports it as what it is: a finding.
            self.violations.append(f"broke: {error!r}")

    def meet(self) -> None:
        """All whom nobody refused are there, or do not come: that is seen by `has_met`, and is no violation."""
        if self.meeting:
            with suppress(threading.BrokenBarrierError):
                self.meeting.wait(MEET_SECONDS)
                self.has_met = True

    def _accept(self, part: Part, amount: int | None) -> None:
        if part.is_hopeless:
            self.violations.append(f"accepted {amount}, which nobody could have had")
        if amount is not None:
            self.accepted.append(amount)


class Groups:
    def __init__(self, ground: Ground, troupe: Troupe) -> None:
        self._ground, self._judge, self._troupe = ground, Judge(ground), troupe
        self._moments: dict[str, tuple[Moment, Scene]] = {}

    def run(self, seed: int) -> Group:
        group, scene, parts = self._drawn(seed)
        before = _given_back()
        self._all_at_once(group, parts)
        self._compare(group, before)
        if not group.violations and seed % SENT_EVERY == 0:
            self._send(group, scene)
        return group

    def is_contested(self, seed: int) -> bool:
        return self._drawn(seed)[0].is_contested

    def _drawn(self, seed: int) -> tuple[Group, Scene, list[Part]]:
        rng = random.Random(f"refunds {seed}")  # noqa: S311  It has to be guessable.
        group = Group(seed, capture=rng.choice(sorted(CAPTURES)), size=rng.choice(SIZES))
        scene, left = self._set(group.capture), Attempt.objects.get().refundable_minor
        parts = [_part(rng, scene, group.capture, left) for _ in range(group.size)]
        asked = [part.asks for part in parts if part.asks is not None and not part.is_hopeless]
        if sum(asked) > left and all(part.asks is not None for part in parts):
            group.meeting = threading.Barrier(len(asked))
        return group, scene, parts

    def _set(self, name: str) -> Scene:
        if name not in self._moments:
            self._ground.clear()
            scene = CAPTURES[name](self._ground)
            self._moments[name] = self._ground.keep(), scene
        moment, scene = self._moments[name]
        self._ground.put_back(moment)
        return scene

    def _all_at_once(self, group: Group, parts: list[Part]) -> None:
        gate, done = threading.Barrier(len(parts)), threading.Semaphore(0)

        def play(part: Part) -> None:
            group.play(gate, part)
            done.release()

        for number, part in enumerate(parts):
            self._troupe.give(number, partial(play, part))
        ended = [done.acquire(timeout=JOIN_SECONDS) for _ in parts]
        if not all(ended):
            group.violations.append(f"{ended.count(False)} threads never came back")

    def _compare(self, group: Group, before: int) -> None:
        """I4 to the last unit: what was accepted is what the rows say, and none of it was ever too much."""
        attempt, rows = Attempt.objects.get(), _given_back()
        if rows != before + sum(group.accepted):
            group.violations.append(f"accepted {group.accepted} after {before}, but the rows say {rows}")
        if not attempt.refunded_minor + attempt.refunding_minor == rows <= attempt.captured_minor:
            group.violations.append(
                f"I4: {attempt.refunded_minor} + {attempt.refunding_minor} of {attempt.captured_minor}; rows {rows}"
            )
        group.violations += self._judge.offences()

    def _send(self, group: Group, scene: Scene) -> None:
        if scene.answer:
            _settle(scene)
        for refund in Refund.objects.filter(status=RefundStatus.REQUESTED).select_related("account"):
            if refund.account.provider == "cash":
                hand_over_refund(refund_id=refund.pk, person=self._ground.waiter)
            else:
                send_refund(refund_id=refund.pk)
        if Refund.objects.filter(status__in=RESERVING).exists():
            group.violations.append("something is still under way after everything was sent")
        group.violations += [*self._judge.after_the_race(), *self._judge.differences()]


def meet() -> None:
    """For a sabotage, between what it reads and what it writes: all have read by then. Out of a group nobody waits."""
    if group := getattr(_here, "group", None):
        group.meet()


def _part(rng: random.Random, scene: Scene, capture: str, left: int) -> Part:
    """One more who asks; where a refund is under way already, also whoever sends or settles it."""
    amount, tip, other = rng.choice(AMOUNTS), rng.choice(TIPS), rng.random() < OTHERS
    if scene.refund and other:
        return Part(act=partial(_settle if scene.answer else _send, scene))
    if capture == "cash" and other:
        amount = amount or TOTAL
        return Part(act=partial(_hand_back, scene, amount), is_hopeless=amount > TOTAL)
    tip = tip if capture == "tipped" and amount is not None else 0
    return Part(
        act=partial(_request, scene, amount, tip),
        asks=left if amount is None else amount + tip,
        is_hopeless=_is_hopeless(scene, capture, amount, tip),
    )


def _is_hopeless(scene: Scene, capture: str, amount: int | None, tip: int) -> bool:
    """More than there was before anybody asked, nothing at all, or a part of what goes back whole."""
    if amount is None:
        return False
    left = TOTAL - PART if scene.refund else TOTAL
    return amount > left or amount + tip == 0 or (capture == "surplus" and amount != left)


def _request(scene: Scene, amount: int | None, tip: int) -> int:
    return request_refund(
        payment_id=scene.payment.pk, amount_minor=amount, tip_minor=tip, reason="cold food", actor=GUEST
    ).total_minor


def _hand_back(scene: Scene, amount: int) -> int:
    waiter = scene.ground.waiter
    record_cash_refund(payment_id=scene.payment.pk, person=waiter, reason="cold food", amount_minor=amount)
    return amount


def _send(scene: Scene) -> None:
    send_refund(refund_id=scene.refund_id)


def _settle(scene: Scene) -> None:
    settle_refund(refund_id=scene.refund_id, evidence=scene.given_answer)


def _given_back() -> int:
    """What is not the restaurant's any more, row by row."""
    given = Refund.objects.filter(status__in=[*RESERVING, RefundStatus.COMPLETED])
    return sum(refund.total_minor for refund in given)


@contextmanager
def groups() -> Iterator[Groups]:
    with _a_connection_for_each(), Locks() as locks:
        troupe = Troupe(MOST_THREADS)
        try:
            with on_this_ground(lambda place: None, locks.reader) as ground:
                yield Groups(ground, troupe)
        finally:
            troupe.dismiss()


@contextmanager
def _a_connection_for_each() -> Iterator[None]:
    """In production more threads than connections wait in line for one, and hide races by it."""
    with mock.patch.dict(connection.settings_dict["OPTIONS"]["pool"], max_size=MOST_THREADS + 1):
        _start_a_new_pool()
        yield
    _start_a_new_pool()


def _start_a_new_pool() -> None:
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's own; the stubs know only what all have.
