"""Sabotages that prove the harness: each is a mistake that real systems make, and the simulation has to notice it.

They are patches from outside. The product has no switch for any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from unittest import mock

Patch = Callable[[ExitStack], None]
MUTANTS: dict[str, Patch] = {}


def mutant(patch: Patch) -> Patch:
    MUTANTS[patch.__name__] = patch
    return patch


@contextmanager
def sabotaged(name: str) -> Iterator[None]:
    """Without a name nothing is sabotaged."""
    with ExitStack() as stack:
        if name:
            MUTANTS[name](stack)
        yield


def instead(stack: ExitStack, owner: object, name: str, new: object) -> None:
    stack.enter_context(mock.patch.object(owner, name, new))
