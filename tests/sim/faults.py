"""What can go wrong in a seed, and how much of it: each seed draws its own mixture."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from enum import StrEnum


class Fault(StrEnum):
    DEATH = "death"
    DEATH_BEFORE_COMMIT = "death_before_commit"
    DEPLOYMENT = "deployment"
    LOST_MAIL = "lost_mail"
    REPEATED_MAIL = "repeated_mail"
    LATE_MAIL = "late_mail"
    FORGED_MAIL = "forged_mail"
    NO_MAIL = "no_mail"
    TROUBLED_CHARGE = "troubled_charge"
    TROUBLED_REFUND = "troubled_refund"
    PROVIDER_MODE = "provider_mode"
    LYING_LOOK_UP = "lying_look_up"
    STANDSTILL = "standstill"
    PAUSE = "pause"
    LATE_ARRIVAL = "late_arrival"


# How often each strikes where its seed is at its worst. Death and pause are asked about at every cut.
WORST: Mapping[Fault, float] = {
    Fault.DEATH: 0.3,
    Fault.DEATH_BEFORE_COMMIT: 0.1,
    Fault.DEPLOYMENT: 0.5,
    Fault.LOST_MAIL: 0.7,
    Fault.REPEATED_MAIL: 0.6,
    Fault.LATE_MAIL: 0.6,
    Fault.FORGED_MAIL: 0.9,
    Fault.NO_MAIL: 0.5,  # Of each provider: its messages never reach us, also when everything else is well again.
    Fault.TROUBLED_CHARGE: 0.9,
    Fault.TROUBLED_REFUND: 0.9,
    Fault.PROVIDER_MODE: 0.9,
    Fault.LYING_LOOK_UP: 0.9,
    Fault.STANDSTILL: 0.5,
    Fault.PAUSE: 0.3,
    Fault.LATE_ARRIVAL: 0.5,
}

Faults = Mapping[Fault, float]
NONE: Faults = dict.fromkeys(Fault, 0.0)
LEVELS = (0.1, 0.3, 0.6, 1.0)


def _some(*kinds: Fault) -> Faults:
    return {kind: WORST[kind] if kind in kinds else 0.0 for kind in Fault}


def _mixed(rng: random.Random) -> Faults:
    """Swarm testing: a seed in which one thing goes wrong all the time finds what an average of all never does."""
    kind = rng.choice(["none", "one", "few", "few", "many", "many", "all"])
    if kind == "none":
        return NONE
    if kind == "one":
        return _some(rng.choice(list(Fault)))
    if kind == "all":
        return WORST
    chance = 0.25 if kind == "few" else 0.6
    return {each: WORST[each] * rng.choice(LEVELS) if rng.random() < chance else 0.0 for each in Fault}


PROFILES: Mapping[str, Callable[[random.Random], Faults]] = {
    "mixed": _mixed,
    "calm": lambda rng: NONE,
    "storm": lambda rng: WORST,
    "crashes": lambda rng: _some(
        Fault.DEATH, Fault.DEATH_BEFORE_COMMIT, Fault.DEPLOYMENT, Fault.STANDSTILL, Fault.PAUSE
    ),
    # With charges that wait: the post says nothing new about what was settled by its answer.
    "mail": lambda rng: _some(
        Fault.LOST_MAIL, Fault.REPEATED_MAIL, Fault.LATE_MAIL, Fault.FORGED_MAIL, Fault.TROUBLED_CHARGE
    ),
    # What was paid goes back, in every way that is hard to hear of.
    "refunds": lambda rng: _some(Fault.TROUBLED_REFUND, Fault.NO_MAIL, Fault.LATE_MAIL, Fault.LYING_LOOK_UP),
    "providers": lambda rng: _some(
        Fault.TROUBLED_CHARGE, Fault.TROUBLED_REFUND, Fault.PROVIDER_MODE, Fault.LYING_LOOK_UP, Fault.LATE_ARRIVAL
    ),
}
