"""Sabotages, each in the room of what it breaks. Importing this registers them all."""

from tests.sim.mutants import answers, concurrency, money, telling
from tests.sim.mutants.registry import MUTANTS, sabotaged

__all__ = ["MUTANTS", "answers", "concurrency", "money", "sabotaged", "telling"]
