"""What an invariant is: a sentence, and a question to the database that must return no row."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Invariant:
    id: str
    sentence: str
    question: str  # SQL whose rows (id, what) offend.
