"""What the providers' books say about each conclusion that we draw, at the moment at which we draw it."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from payments.models import Attempt, AttemptStatus, Refund, RefundStatus
from sandbox.behaviours import CHARGES
from sandbox.behaviours import RefundStatus as Made
from sandbox.books import Charge
from tests.sim.providers import SimProvider

KEY_LENGTH = 36  # Of our attempts' ids; a saboteur's keys are of another length.
# Conclusions that nothing was charged. EXPIRED is none: the guest may approve while we let it go, and it is watched.
_CONCLUSIONS = (
    AttemptStatus.DECLINED,
    AttemptStatus.NOT_SENT,
    AttemptStatus.NOT_CHARGED,
    AttemptStatus.CANCELLED,
)


class Oracle:
    """Late rescue is no excuse here: a wrong conclusion is wrong also where its surplus is found and given back."""

    def __init__(self, providers: dict[str, SimProvider]) -> None:
        self._providers = providers
        self._judged: set[tuple[UUID, str]] = set()
        self._read: dict[str, int] = dict.fromkeys(providers, 0)

    def contradictions(self) -> list[str]:
        return [*self._wrong_conclusions(), *self._wrong_refusals(), *self._late_sends()]

    def _wrong_conclusions(self) -> list[str]:
        found = []
        for attempt in Attempt.objects.filter(status__in=_CONCLUSIONS).select_related("account").order_by("id"):
            charge = self._charge(attempt)
            if self._is_new(attempt.pk, attempt.status) and charge is not None and _has_moved_at_once(charge):
                found.append(f"I11: attempt {attempt.pk} is {attempt.status}, and its money moved")
        return found

    def _wrong_refusals(self) -> list[str]:
        found = []
        for refund in Refund.objects.filter(status=RefundStatus.FAILED).select_related("account").order_by("id"):
            provider = self._providers.get(refund.account.provider)
            theirs = provider.sandbox.provider.books.refund_of_key(str(refund.pk)) if provider else None
            made = theirs is not None and theirs.status is Made.SUCCEEDED and theirs.due_status is None
            if self._is_new(refund.pk, refund.status) and made:
                found.append(f"I5: refund {refund.pk} is failed, and it was made")
        return found

    def _late_sends(self) -> list[str]:
        """Nothing may reach a provider after the instant until which its sender may send (I12)."""
        found = []
        for name, provider in self._providers.items():
            requests = provider.sandbox.provider.books.requests
            fresh, self._read[name] = requests[self._read[name] :], len(requests)
            for request in fresh:
                if request.method == "POST" and request.path == "/v1/charges":
                    found += _late(request.key, datetime.fromtimestamp(request.at, tz=UTC))
        return found

    def _charge(self, attempt: Attempt) -> Charge | None:
        provider = self._providers.get(attempt.account.provider)
        return provider.sandbox.provider.books.charge_of_key(str(attempt.pk)) if provider else None

    def _is_new(self, row: UUID, status: str) -> bool:
        known = (row, status) in self._judged
        self._judged.add((row, status))
        return not known


def _has_moved_at_once(charge: Charge) -> bool:
    """Money that the provider itself moved after it had said no is late, and no wrong conclusion."""
    return bool(charge.moved_amount) and CHARGES[charge.token].later is None and not CHARGES[charge.token].has_page


def _late(key: str, at: datetime) -> list[str]:
    attempt = Attempt.objects.filter(pk=key).first() if len(key) == KEY_LENGTH else None
    late = attempt is not None and at > attempt.send_before
    return [f"I12: attempt {key} was sent after its sender's time"] if late else []
