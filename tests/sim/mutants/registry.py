"""Sabotages that prove the harness: each is a mistake that real systems make, and the simulation has to notice it.

They are patches from outside. The product has no switch for any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from unittest import mock

Patch = Callable[[ExitStack], None]


@dataclass(frozen=True, slots=True)
class Mutant:
    patch: Patch
    profile: str  # What has to go wrong in an evening for this mistake to cost money soon.
    breaks: Sequence[str]  # The kinds of violation that follow from it: no other shows that it was noticed.


MUTANTS: dict[str, Mutant] = {}


def mutant(profile: str, *, breaks: Sequence[str]) -> Callable[[Patch], Patch]:
    def register(patch: Patch) -> Patch:
        MUTANTS[patch.__name__] = Mutant(patch, profile, breaks)
        return patch

    return register


@contextmanager
def sabotaged(name: str) -> Iterator[None]:
    """Without a name nothing is sabotaged."""
    with ExitStack() as stack:
        if name:
            MUTANTS[name].patch(stack)
        yield


def instead(stack: ExitStack, owner: object, name: str, new: object) -> None:
    stack.enter_context(mock.patch.object(owner, name, new))
