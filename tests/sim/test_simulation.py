"""Seeds that anybody can play again, sabotages that have to be noticed, and every story that was ever a violation."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from config.local.state import PROJECT
from kernel import clock
from kernel.money import Money
from payments.gateways.contract import Answer, ChargeRequest, LookUpRequest, Outcome, Subject
from payments.services import captures
from tests.proof.records import record
from tests.rotation import of_today, today
from tests.sim.acting import ACTIONS
from tests.sim.campaign import MOST_SEEDS, Hunt, hunt
from tests.sim.clock import SeedClock
from tests.sim.moves import GO_ON, Move
from tests.sim.mutants import MUTANTS, QUICK, sabotaged
from tests.sim.mutants.registry import Mutant, instead
from tests.sim.providers import SimProvider, usual_facts
from tests.sim.shrinking import REGRESSIONS, keep, kept_in, kind_of, shrunk
from tests.sim.simulation import STEPS, simulate
from tests.sim.world import World, world_of

# `make test` plays so many other seeds every day, in pieces that parallel processes share.
FRESH_SEEDS, PIECES = 500, 20
# As many sabotages as `make test` has time for, by rotation; all of them are hunted in `make proof`.
MUTANTS_A_DAY = 5
KEY = "00000000-0000-7000-8000-000000000001"
# Evenings in which the product was right and the simulation was not, and where in the story it went wrong.
MISTOLD = REGRESSIONS.parent / "mistold"
MISTAKES = {
    "mixed_2992833110197": "notice refund.succeeded  dies at start",
    "mixed_2992833113763": "sweep payments: wire.timed_out",
}


@pytest.mark.slow
@pytest.mark.parametrize("piece", range(PIECES))
def test_nothing_is_charged_twice_or_lost(transactional_db: None, piece: int) -> None:
    """Other seeds every day: what is found here is found, and the message says how to find it again."""
    first = today() * FRESH_SEEDS + piece * (FRESH_SEEDS // PIECES)
    for seed in range(first, first + FRESH_SEEDS // PIECES):
        outcome = simulate(seed)
        assert outcome.violations == [], f"manage.py simulate --seed {seed}\n{outcome.told()}"


@pytest.mark.parametrize("path", sorted(REGRESSIONS.glob("*.json")), ids=lambda path: path.stem)
def test_what_was_found_once_is_never_found_again(transactional_db: None, path: Path) -> None:
    outcome = kept_in(path).told()
    record("regressions", story=path.stem)

    assert outcome.violations == [], outcome.told()


@pytest.mark.parametrize("path", sorted(REGRESSIONS.glob("*.json")), ids=lambda path: path.stem)
def test_what_was_found_once_would_be_found_again(transactional_db: None, path: Path) -> None:
    """Where moves have come to mean something else, a story that was kept tells of nothing any more, or of another."""
    kept = kept_in(path)
    assert kept.fault, f"Write a sabotage that brings this fault back, and its name into {path.name}."

    with sabotaged(kept.fault):
        violations = kept.told().violations

    assert kind_of(kept.found) in map(kind_of, violations), (
        f"Instead: {violations}. Replace {path.name} by a new one: manage.py simulate --mutant {kept.fault} --keep"
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", of_today(QUICK, MUTANTS_A_DAY))
def test_a_sabotage_is_noticed(transactional_db: None, name: str) -> None:
    """Or the simulation proves nothing."""
    seeds = range(1, MOST_SEEDS + 1)

    caught = hunt(Hunt(mutant=name, seeds=seeds, steps=STEPS, profile=MUTANTS[name].profile))

    assert not caught.real
    assert caught.violation, caught.strange


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_a_sabotage_fits_what_it_is_put_into(transactional_db: None, name: str) -> None:
    """The product moves on; all are hunted only in `make proof`, and a patch that breaks at once proves nothing."""
    with sabotaged(name):
        violations = simulate(1, profile=MUTANTS[name].profile).violations
    assert not {kind_of(each) for each in violations} & {"TypeError", "AttributeError", "NameError"}


def test_an_error_of_the_sabotage_itself_is_not_noticing(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The product has moved on, and its patch no longer fits: that breaks at once, and proves nothing."""

    def drifted(stack: ExitStack) -> None:
        instead(stack, captures, "_is_due", lambda: True)

    monkeypatch.setitem(MUTANTS, "drifted", Mutant(drifted, "calm", breaks=["I1"]))

    caught = hunt(Hunt(mutant="drifted", seeds=[1, 2], steps=STEPS, profile="calm"))

    assert not caught.violation
    assert "TypeError" in caught.strange[0]


def test_what_breaks_without_the_sabotage_too_is_not_noticing(
    transactional_db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = Hunt(mutant="a_change_without_its_event", seeds=[1, 2], steps=STEPS, profile="calm")

    monkeypatch.setattr("tests.sim.shrinking.REGRESSIONS", tmp_path)
    monkeypatch.setattr("tests.sim.shrinking.MOST_TELLINGS", 1)
    with sabotaged(wanted.mutant):  # As if the product itself did so.
        caught = hunt(wanted)

    assert not caught.violation
    assert caught.real
    assert list(tmp_path.iterdir())  # It is a finding like any other: its story is kept.


@pytest.mark.parametrize(
    ("violation", "kind"),
    [
        ("I5: refund 7 is failed, and it was made", "I5"),
        ("I11 Silence is no evidence: a time-out closes no attempt.: 7 not_charged on no_answer", "I11"),
        ("sweep payments broke: TypeError('1: (2)')", "TypeError"),
        (
            """refund 7 broke: IntegrityError('violates check constraint "a_rule"\nDETAIL: (7)')""",
            "IntegrityError a_rule",
        ),
        ("x: IntegrityError('7\nCONTEXT: function pgtrigger_of_ours_b312c() line 20')", "IntegrityError of_ours"),
        ("sweep_failed: None", "sweep_failed: None"),
    ],
)
def test_the_kind_of_a_violation_is_what_it_breaks(violation: str, kind: str) -> None:
    assert kind_of(violation) == kind


def test_the_same_seed_is_the_same_story(transactional_db: None) -> None:
    first, second = simulate(7), simulate(7)

    assert first.story == second.story
    assert first.trace == second.trace


@pytest.mark.slow
def test_a_seed_is_the_same_story_in_every_process() -> None:
    """What a process draws for itself, such as the order of a set of strings, belongs to no seed."""
    command = [sys.executable, "manage.py", "simulate", "--seed", "7"]
    told = {
        subprocess.run(
            command, env={**os.environ, "PYTHONHASHSEED": draw}, cwd=PROJECT, capture_output=True, text=True, check=True
        ).stdout
        for draw in ("1", "2")
    }

    assert len(told) == 1
    assert "Trace" in told.pop()


def test_a_kept_story_says_what_each_of_its_moves_was(transactional_db: None) -> None:
    """A kind of move that is added later changes nothing in it."""
    told = simulate(7)
    again = simulate(7, moves=told.moves)

    assert {move.kind for move in told.moves} <= {GO_ON, *ACTIONS}
    assert again.story == told.story
    assert again.moves == told.moves


def test_another_seed_is_another_story(transactional_db: None) -> None:
    assert simulate(7).trace != simulate(8).trace


def test_a_violation_is_shrunk_kept_and_told_again(
    transactional_db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.sim.shrinking.REGRESSIONS", tmp_path)
    monkeypatch.setattr("tests.sim.shrinking.MOST_TELLINGS", 20)
    with sabotaged("a_change_without_its_event"):
        outcome = next(each for each in map(simulate, range(1, MOST_SEEDS)) if each.violations)
        short = shrunk(outcome)
        path = keep(short, "example", found=outcome.violations[0])
        again = kept_in(path).told()

    assert len(short.moves) < len(outcome.moves)
    assert short.violations
    assert again.violations == short.violations
    assert kept_in(path).told().violations == []  # Without the sabotage nothing is wrong with it.


def test_a_story_may_lose_any_of_its_moves(transactional_db: None) -> None:
    """Shrinking leaves out what it likes: the rest must still be a story."""
    moves = [Move("go_on", 1), Move("withdraw", 2), Move("go_on", 3), Move("let_time_pass", 4)]

    assert simulate(1, moves=moves).violations == []


def test_money_that_the_provider_never_ends_giving_back_is_not_kept(transactional_db: None) -> None:
    """The order is cancelled, and one of its refunds is pending for ever: people know of it, and have to end it."""
    moves = [
        Move("begin_to_pay", 880273492206429613),
        Move("go_on", 5355825302752629404),
        Move("ask_back", 727875786189295314),
        Move("cancel_whole_order", 5829456438234127436),
    ]

    outcome = simulate(2992816709746, moves=moves)

    assert any("the next refund is pending_for_ever" in line for line in outcome.story)
    assert outcome.violations == []


@pytest.mark.parametrize("path", [pytest.param(MISTOLD / f"{name}.json", id=name) for name in MISTAKES])
def test_what_was_told_wrongly_blames_nobody_any_more(transactional_db: None, path: Path) -> None:
    """The simulation's own mistakes: no sabotage of the product brings them back."""
    outcome = kept_in(path).told()

    assert any(line.endswith(MISTAKES[path.stem]) for line in outcome.story)  # It is still that evening.
    assert outcome.violations == []


def test_no_evening_that_was_told_wrongly_is_forgotten() -> None:
    assert {path.stem for path in MISTOLD.glob("*.json")} == MISTAKES.keys()


def test_what_arrived_long_ago_is_hidden_from_nobody(transactional_db: None) -> None:
    """A provider shows within its own delay what it has: a request that came late is there for whoever asks later."""
    own_clock = SeedClock(1)
    provider = SimProvider(usual_facts("sandbox_a"), clock=own_clock, cut=_nobody, delay_seconds=lambda: 120.0)
    gateway = provider.registered().build(provider.facts, provider.credentials())
    before = clock.install(own_clock)
    try:
        sent = gateway.charge(
            ChargeRequest(
                key=KEY,
                money=Money(5_000, "INR"),
                order_reference="O-1",
                method="card",
                send_before=own_clock.now() + timedelta(seconds=15),
                instrument="sim_not_found_then_found",
            )
        )
        looks = []
        for seconds in (60, 120):
            own_clock.advance(seconds)
            looks.append(gateway.look_up(LookUpRequest(key=KEY, subject=Subject.CHARGE)))
    finally:
        clock.install(before)

    assert sent.outcome == Outcome.UNKNOWN
    assert [look.answer for look in looks] == [Answer.NOT_FOUND, Answer.SUCCEEDED]


def test_whoever_stands_still_keeps_nobody_else_waiting(transactional_db: None) -> None:
    """Each as a process of its own, with its own connections: more of them than one process has."""
    with world_of(1, "calm") as world:
        for number in range(settings.DATABASES["default"]["OPTIONS"]["pool"]["max_size"] + 2):
            world.stage.enter(f"sleeper {number}", lambda: _read_and_stand(world))
            (actor,) = world.stage.actors
            actor.go_on()
            assert actor.at == "a cut"
            world.stage.pause(actor)


def _nobody(place: str) -> None:
    """Nobody is killed here, and nobody stands still."""


def _read_and_stand(world: World) -> None:
    connection.ensure_connection()
    world.stage.cut("a cut")
