"""Many seeds in several processes, each with a database of its own."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.queues import Queue
from typing import TypeVar

import django
from django.db import connection

# An evening makes some hundred thousand objects and few cycles: to look for those twice an evening is enough.
GARBAGE = 100_000
# So many seeds may a sabotage survive at the most.
MOST_SEEDS = 500

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evening:
    """One seed to play."""

    seed: int
    steps: int
    profile: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    seed: int
    trace: str
    violations: Sequence[str] = ()
    story: str = ""
    kept_at: str = ""  # Where the shrunk story lies.


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunt:
    """Seeds in which a sabotage has to be noticed."""

    mutant: str
    seeds: Sequence[int]
    steps: int
    profile: str
    keeps: bool = False  # Its story, cut short, among the regressions.


@dataclass(frozen=True, slots=True, kw_only=True)
class Caught:
    mutant: str
    seed: int = 0  # In which it was noticed.
    violation: str = ""
    strange: Sequence[str] = ()  # What was found on the way and does not follow from this sabotage.
    real: Sequence[str] = ()  # What was found on the way and is there without it too: the product's own.


def play_all(evenings: Sequence[Evening], *, jobs: int) -> Iterator[Report]:
    """As they come in. Which process plays a seed makes no difference to it."""
    return _in_processes(_play, evenings, jobs=jobs)


def hunt_all(hunts: Sequence[Hunt], *, jobs: int) -> Iterator[Caught]:
    return _in_processes(hunt, hunts, jobs=jobs)


def _in_processes(work: Callable[[T], R], tasks: Sequence[T], *, jobs: int) -> Iterator[R]:
    context = multiprocessing.get_context("spawn")
    with _databases(jobs) as names:
        free = context.Queue()
        for name in names:
            free.put(name)
        with context.Pool(jobs, initializer=_begin, initargs=(free,)) as pool:
            yield from pool.imap_unordered(work, tasks)
            pool.close()
            pool.join()


@contextmanager
def _databases(jobs: int) -> Iterator[list[str]]:
    """As many as there are processes, copied from one that was migrated once."""
    creation, before = connection.creation, connection.settings_dict["NAME"]
    connection.settings_dict["TEST"]["NAME"] = f"simulation_{os.getpid()}"  # Two campaigns may share a server.
    creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    numbers = [str(number) for number in range(1, jobs + 1)]
    try:
        for number in numbers:
            creation.clone_test_db(number, verbosity=0, autoclobber=True)
        yield [creation.get_test_db_clone_settings(number)["NAME"] for number in numbers]
    finally:
        for number in numbers:
            creation.destroy_test_db(suffix=number, verbosity=0)
        creation.destroy_test_db(before, verbosity=0)


def _begin(free: Queue[str]) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    django.setup()
    # Each refusal and each doubt is a line of log; what counts of them is in the story.
    logging.disable(logging.WARNING)
    logging.getLogger().handlers = [logging.NullHandler()]
    connection.settings_dict["NAME"] = free.get()
    # Each actor takes a connection and gives it back, again and again: nobody else can have broken it.
    connection.settings_dict["CONN_HEALTH_CHECKS"] = False
    # The same few hundred statements in each seed are planned once, whatever their values; and no seed outlives a
    # server that falls.
    options = connection.settings_dict["OPTIONS"]
    options |= {"server_side_binding": True, "prepare_threshold": 2}
    # Behind what the product says of its sessions, so that all else of it holds here as well.
    options["options"] += " -c plan_cache_mode=force_generic_plan -c synchronous_commit=off -c jit=off"
    # What was imported stays: to look through it again and again finds no garbage.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE)


def _end_with_the_parent() -> None:
    """A command that was killed cannot end its processes, and a hunt takes minutes."""
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():
        os._exit(1)


def _play(evening: Evening) -> Report:
    from tests.sim.shrinking import keep, shrunk  # noqa: PLC0415  Models exist only now.
    from tests.sim.simulation import simulate  # noqa: PLC0415  As above.

    _end_with_the_parent()
    outcome = simulate(evening.seed, steps=evening.steps, profile=evening.profile)
    if not outcome.violations:
        return Report(seed=evening.seed, trace=outcome.trace, story=outcome.told())
    found, short = outcome.violations[0], shrunk(outcome)
    path = keep(short, f"{evening.profile}_{evening.seed}", found=found)
    return Report(
        seed=evening.seed,
        trace=outcome.trace,
        violations=outcome.violations,
        story=short.told(),
        kept_at=path.name,
    )


def hunt(wanted: Hunt) -> Caught:
    """What breaks in another way than its sabotage says, or breaks without it too, shows nothing of it."""
    from tests.sim.mutants import MUTANTS, sabotaged  # noqa: PLC0415  Models exist only now.
    from tests.sim.shrinking import keep, kind_of, shrunk  # noqa: PLC0415  As above.
    from tests.sim.simulation import simulate  # noqa: PLC0415  As above.

    strange: list[str] = []
    real: list[str] = []
    for seed in wanted.seeds:
        _end_with_the_parent()
        with sabotaged(wanted.mutant):
            outcome = simulate(seed, steps=wanted.steps, profile=wanted.profile)
        if not outcome.violations:
            continue
        violation = outcome.violations[0]
        if without := _play(Evening(seed=seed, steps=wanted.steps, profile=wanted.profile)).violations:
            real.append(f"--seed {seed} --profile {wanted.profile}: {without[0]}")
        elif kind_of(violation) not in MUTANTS[wanted.mutant].breaks:
            strange.append(f"seed {seed}: {violation}")
        else:
            if wanted.keeps:
                with sabotaged(wanted.mutant):
                    keep(shrunk(outcome), wanted.mutant, found=violation, fault=wanted.mutant)
            return Caught(mutant=wanted.mutant, seed=seed, violation=violation, strange=strange, real=real)
    return Caught(mutant=wanted.mutant, strange=strange, real=real)
