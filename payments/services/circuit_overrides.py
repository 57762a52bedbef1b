"""An operator's word over a circuit: with a reason and an end, kept in the database, never only in Redis."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import CHECKERS, Membership, User
from events.actors import Actor
from events.audit import Deed, audited
from kernel import clock
from kernel.modes import Mode
from kernel.statements import Statement
from kernel.texts import check_reason
from payments.gateways.breaker import BreakerState
from payments.gateways.guard import Operation
from payments.models import BreakerOverride, ProviderAccount
from payments.services.providers import PROVIDERS, is_usable
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
# Until the transaction ends: of two who say something on the same page, the second one hears of the first.
_ONE_AT_A_TIME = Statement("SELECT pg_advisory_xact_lock(hashtext(%s))")
NOTHING_SAID = UUID(int=0)  # What a page has seen where no word was there.


class SaidMeanwhile(CircuitRefused):
    """Somebody was quicker. Where it was the same word nothing is missing; else the page was not as it is now."""

    def __init__(self, sentence: str, *, code: str, word: BreakerOverride) -> None:
        super().__init__(sentence, code=code)
        self.word = word


def force_circuit(
    *,
    provider: str,
    mode: Mode,
    operation: Operation,
    state: BreakerState | None,
    person: User,
    reason: str,
    lasts: timedelta,
    seen: UUID | None = None,
) -> BreakerOverride:
    """Open or closed by hand until the time is over; None takes an earlier word back.

    `seen` is the newest word on the page that it is said on; None: it is said by heart, and replaces any other.
    """
    _check(provider, state, person, reason, lasts)
    _check_person(person, provider, mode)
    said = BreakerOverride.objects.filter(provider=provider, mode=mode, operation=operation.value)
    deed = Deed(
        actor=Actor.user(person),
        action="force_circuit",
        subject_kind="circuit",
        subject_id=f"{provider} {operation.value}",
        picture=partial(_last_word, said),
        mode=mode,
        reason=reason,
    )
    with transaction.atomic():
        _ONE_AT_A_TIME.read([f"circuit {provider} {mode} {operation.value}"])
        if seen is not None:
            _check_news(said, state, seen)
        with audited(deed):
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


def _last_word(said: QuerySet[BreakerOverride]) -> dict[str, str]:
    last = said.filter(expires_at__gt=clock.now()).order_by("id").last()
    return {"state": last.state, "expires_at": last.expires_at.isoformat()} if last else {}


def _check_news(said: QuerySet[BreakerOverride], state: BreakerState | None, seen: UUID) -> None:
    """What is over by itself is no news: the page said until when."""
    news = said.filter(pk__gt=seen, expires_at__gt=clock.now()).order_by("id").last()
    if news is None:
        return
    if news.state == (state.value if state else ""):
        raise SaidMeanwhile("This was said already.", code="said_already", word=news)
    raise SaidMeanwhile("Somebody said something else meanwhile.", code="changed_meanwhile", word=news)


def _check(provider: str, state: BreakerState | None, person: User, reason: str, lasts: timedelta) -> None:
    if provider not in PROVIDERS:
        raise CircuitRefused(f"There is no provider {provider!r}.", field="provider", code="unknown_provider")
    if PROVIDERS[provider].facts.is_manual:
        raise CircuitRefused(f"{provider} has no circuit: a person takes it.", field="provider", code="no_circuit")
    if state is BreakerState.HALF_OPEN:
        raise CircuitRefused("A circuit is forced open or closed; half-open is found out.", field="state")
    if not timedelta() < lasts <= LONGEST:
        raise CircuitRefused("An override lasts up to a day.", field="lasts", code="too_long")
    check_reason(reason, refusal=CircuitRefused, longest=MAX_REASON)


def _check_person(person: User, provider: str, mode: Mode) -> None:
    if not (person.is_active and person.is_staff):
        raise CircuitRefused("Only operators force a circuit.", code="not_an_operator")
    if not (person.is_superuser or provider in providers_moved_by(person, mode)):
        raise CircuitRefused(
            "Only a finance lead or an admin of a restaurant whose account at this provider is switched on, and can be"
            " used, forces its circuit.",
            code="not_an_operator",
        )


def providers_moved_by(person: User, mode: Mode) -> frozenset[str]:
    """A circuit is everybody's, so that whoever moves it is trusted with money by somebody who uses this provider.

    An account that is off, or that nothing can be sent for, uses nobody: any admin may add one alone.
    """
    trusted = Membership.objects.filter(user=person, user__is_active=True, role__in=CHECKERS)
    accounts = ProviderAccount.objects.filter(mode=mode, enabled=True, restaurant__in=trusted.values("restaurant"))
    some = accounts.only("provider", "mode", "credentials")
    return frozenset(account.provider for account in some if is_usable(account))
