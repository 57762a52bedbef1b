"""Refusals: a service raises one when nothing was done, and says what was wrong, where, and what to do."""

from __future__ import annotations


class ServiceError(Exception):
    """Nothing was written. `code` is for programs, the sentence for people, `field` for forms."""

    code = "refused"

    def __init__(self, sentence: str, *, field: str = "", code: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.field = field
        if code:
            self.code = code
