"""Refusals: a service raises one when nothing was done, and says what was wrong, where, and what to do."""

from __future__ import annotations


class ServiceError(Exception):
    """Nothing was written. `code` is for programs, the sentence for people, `field` for forms.

    `retry_after_seconds` is said where this refusal knows better than its code when it will be over.
    """

    code = "refused"

    def __init__(self, sentence: str, *, field: str = "", code: str = "", retry_after_seconds: int = 0) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.field = field
        self.retry_after_seconds = retry_after_seconds
        if code:
            self.code = code
