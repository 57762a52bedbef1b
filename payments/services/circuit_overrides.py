"""An operator's word over a circuit: with a reason and an end, kept in the database, never only in Redis."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from django.db import transaction

from accounts.models import User
from events.actors import Actor
from events.audit import Deed, audited
from kernel import clock
from kernel.modes import Mode
from kernel.texts import check_reason
from payments.gateways.breaker import BreakerState
from payments.gateways.guard import Operation
from payments.models import BreakerOverride
from payments.services.providers import PROVIDERS
from payments.services.refusals import CircuitRefused

# What an operator may say, for a command line.
OPERATIONS = {operation.value: operation for operation in Operation}
WORDS: dict[str, BreakerState | None] = {
    "open": BreakerState.OPEN,
    "closed": BreakerState.CLOSED,
    "release": None,
}
# Longer than a day is no longer an incident: disable the account instead.
LONGEST = timedelta(days=1)
MAX_REASON = 300  # The column's size.


def force_circuit(
    *,
    provider: str,
    mode: Mode,
    operation: Operation,
    state: BreakerState | None,
    person: User,
    reason: str,
    lasts: timedelta,
) -> BreakerOverride:
    """Open or closed by hand until the time is over; None takes an earlier word back."""
    _check(provider, state, person, reason, lasts)
    deed = Deed(
        actor=Actor.user(person),
        action="force_circuit",
        subject_kind="circuit",
        subject_id=f"{provider} {operation.value}",
        picture=partial(_last_word, provider, mode, operation),
        mode=mode,
        reason=reason,
    )
    with audited(deed), transaction.atomic():
        return BreakerOverride.objects.create(
            provider=provider,
            mode=mode,
            operation=operation.value,
            state=state.value if state else "",
            reason=reason,
            actor_id=str(person.pk),
            # What takes a word back has to outlast every word that it takes back.
            expires_at=clock.now() + (lasts if state else LONGEST),
        )


def _last_word(provider: str, mode: Mode, operation: Operation) -> dict[str, str]:
    said = BreakerOverride.objects.filter(provider=provider, mode=mode, operation=operation.value)
    last = said.filter(expires_at__gt=clock.now()).order_by("id").last()
    return {"state": last.state, "expires_at": last.expires_at.isoformat()} if last else {}


def _check(provider: str, state: BreakerState | None, person: User, reason: str, lasts: timedelta) -> None:
    if provider not in PROVIDERS:
        raise CircuitRefused(f"There is no provider {provider!r}.", field="provider", code="unknown_provider")
    if state is BreakerState.HALF_OPEN:
        raise CircuitRefused("A circuit is forced open or closed; half-open is found out.", field="state")
    if not timedelta() < lasts <= LONGEST:
        raise CircuitRefused("An override lasts up to a day.", field="lasts", code="too_long")
    check_reason(reason, refusal=CircuitRefused, longest=MAX_REASON)
    if not (person.is_active and person.is_staff):
        raise CircuitRefused("Only operators force a circuit.", code="not_an_operator")
