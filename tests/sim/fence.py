"""Who may still write: an answer got under a lease settles nothing once the lease is over, or somebody else's."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from unittest import mock
from uuid import UUID

from events.actors import Actor
from kernel import clock
from payments.models import Refund, RefundStatus
from payments.services import refund_settlement, settlement
from payments.services.evidence import Evidence, Finding
from payments.services.settlement import Settled
from tests.sim.database import Reader

_OF_ATTEMPT = """
    SELECT p.lease_token, p.lease_until FROM payments_attempt a
      JOIN payments_payment p ON p.id = a.payment_id WHERE a.id = %s"""
_OF_REFUND = "SELECT lease_token, lease_until FROM payments_refund WHERE id = %s"


class Fence:
    """Around both doors. Whose the lease is it works out by itself: the product's own word is what is being tried."""

    def __init__(self, reader: Reader, report: Callable[[str], None]) -> None:
        self._reader, self._report = reader, report
        self._settle_locked, self._settle_refund = settlement.settle_locked, refund_settlement._settle

    def install(self, stack: ExitStack) -> None:
        stack.enter_context(mock.patch.object(settlement, "settle_locked", self._attempt))
        stack.enter_context(mock.patch.object(refund_settlement, "_settle", self._refund))

    def _attempt(self, *, attempt_id: UUID, evidence: Evidence, **words: Any) -> Settled:
        is_lost = self._is_lost(_OF_ATTEMPT, attempt_id, evidence)
        settled = self._settle_locked(attempt_id=attempt_id, evidence=evidence, **words)
        if is_lost and not settled.fenced:
            self._tell(attempt_id, evidence)
        return settled

    def _refund(self, refund_id: UUID, evidence: Evidence, actor: Actor) -> Refund:
        """One that has ended may be asked about anew."""
        is_lost = self._is_lost(_OF_REFUND, refund_id, evidence)
        ((token, _),) = self._reader.rows(_OF_REFUND, [refund_id]) if is_lost else ((None, None),)
        refund = self._settle_refund(refund_id, evidence, actor)
        if is_lost and refund.status != RefundStatus.COMPLETED and refund.lease_token != token:
            self._tell(refund_id, evidence)
        return refund

    def _is_lost(self, question: str, row_id: UUID, evidence: Evidence) -> bool:
        """That money moved is news whoever brings it."""
        if evidence.lease_token is None or evidence.finding is Finding.SUCCEEDED:
            return False
        ((token, until),) = self._reader.rows(question, [row_id])
        return token != evidence.lease_token or until is None or until <= clock.now()

    def _tell(self, row_id: UUID, evidence: Evidence) -> None:
        self._report(f"I12: {row_id} was settled with {evidence.finding} by somebody who had lost its lease")
