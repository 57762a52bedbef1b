"""What one kind of measurement is to the command: what it is called with and what it hands back."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from payments.benchmarks.figures import Say


@dataclass(frozen=True, slots=True)
class Outcome:
    """Figures for a file, and sentences about goals that were missed."""

    figures: Mapping[str, Any]
    missed: Sequence[str] = ()


class Kind(Protocol):
    """A module of its own, in the database and beside the provider that the command has made."""

    ABOUT: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def measure(self, say: Say, options: Mapping[str, Any]) -> Outcome: ...


def at_least(least: int) -> Callable[[str], int]:
    """For argparse: a whole number, and not a smaller one."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text} is no whole number of at least {least}.")
        return int(text)

    return read
