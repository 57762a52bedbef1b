"""Room for those who wait: so many as the process holds, and of one payment no more than have a reason to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

MOST_WAITING = 5_000  # Each is a socket and some kilobytes, and all of them are asked for in one statement.
# A long table with a phone in each hand, and the waiter's. Without it one guest's page could take every place there is.
MOST_OF_ONE_PAYMENT = 20


class NoPlace(Exception):
    """Says why, to a caller who may look."""


class Places:
    """A place is taken before anything is waited for, so that no two take the last one."""

    def __init__(self) -> None:
        self.taken = 0
        self._of: Counter[UUID] = Counter()

    @contextmanager
    def one_at(self, payment_id: UUID) -> Iterator[None]:
        self._check(payment_id)
        self.taken += 1
        self._of[payment_id] += 1
        try:
            yield
        finally:
            self._leave(payment_id)

    def _check(self, payment_id: UUID) -> None:
        if self._of[payment_id] >= MOST_OF_ONE_PAYMENT:
            raise NoPlace(f"{MOST_OF_ONE_PAYMENT} clients wait for this payment already. Read the payment itself.")
        if self.taken >= MOST_WAITING:
            raise NoPlace("As many clients as this process can hold wait already. Read the payment itself.")

    def _leave(self, payment_id: UUID) -> None:
        self.taken -= 1
        self._of[payment_id] -= 1
        if not self._of[payment_id]:
            del self._of[payment_id]
