"""How the providers of several restaurants are: circuits, an operator's word, the last minutes and hours."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Any

from django.db.models import Count, DateTimeField, F, Func, Q, Value

from kernel import clock
from kernel.modes import Mode
from payments.gateways.breaker import Breaker, BreakerState, Rest
from payments.gateways.guard import Operation
from payments.models import Attempt, AttemptStatus, BreakerOverride, ProviderAccount
from payments.outlooks import Outlook
from payments.selectors import METRICS_WINDOW, Percentile
from payments.services.providers import PROVIDERS, circuits_of, facts_of, own_circuits_of

# As many as a glance takes in: six hours, of which the last one is "lately".
SLOTS = 24
HISTORY: timedelta = METRICS_WINDOW * SLOTS
# The money came, whenever the provider said so.
WENT_WELL = (AttemptStatus.SUCCEEDED, AttemptStatus.LATE_SUCCESS)
# A decline is an answer as well; what nobody knows yet is none.
DECLINED = AttemptStatus.DECLINED
ANSWERED = (*WENT_WELL, DECLINED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A quarter of an hour at one provider."""

    begins: datetime
    attempts: int = 0
    went_well: int = 0
    answered: int = 0
    p95_ms: float | None = None

    @property
    def declined(self) -> int:
        return self.answered - self.went_well

    @property
    def percent(self) -> int | None:
        return self.went_well * 100 // self.answered if self.answered else None


class Standing(StrEnum):
    """Of one circuit, for people."""

    WORKING = "working"
    TRIED = "tried"  # Its rest is over, and one guest may find out.
    RESTING = "resting"
    NOT_KNOWN = "not_known"  # Redis is away, and this process did not see what the others saw.


_STANDINGS = {
    BreakerState.CLOSED: Standing.WORKING,
    BreakerState.HALF_OPEN: Standing.TRIED,
    BreakerState.OPEN: Standing.RESTING,
    None: Standing.NOT_KNOWN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    operation: Operation
    by_itself: Standing
    rest: Rest | None  # Of its own; a person's word ends with the word.
    newest: BreakerOverride | None  # The word that counts, also where it took an earlier one back.

    @property
    def word(self) -> BreakerOverride | None:
        return self.newest if self.newest and self.newest.state else None

    @property
    def standing(self) -> Standing:
        return _STANDINGS[BreakerState(self.word.state)] if self.word else self.by_itself

    @property
    def is_forced(self) -> bool:
        return self.word is not None

    @property
    def is_for_charges(self) -> bool:
        return self.operation == Operation.CHARGE


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderLight:
    provider: str
    label: str
    accounts: tuple[ProviderAccount, ...]
    circuits: tuple[Circuit, ...]
    slots: tuple[Slot, ...]

    @property
    def lately(self) -> Slot:
        return self.slots[-1]


def provider_lights(outlook: Outlook, *, now: datetime) -> list[ProviderLight]:
    """Of providers that are asked by program: no circuit can tell whether a waiter is well."""
    rows = ProviderAccount.objects.filter(outlook.asked, provider__in=list(PROVIDERS)).select_related("restaurant")
    known = [each for each in rows.defer("credentials").order_by("provider", "label") if _is_asked(each)]
    accounts = [each for each in known if each.enabled]
    # What one took that is switched off by now was taken all the same.
    slots = _slots(known, now)
    words = lasting_words({account.provider for account in accounts}, mode=outlook.mode)
    mine: dict[str, list[ProviderAccount]] = defaultdict(list)
    for account in accounts:
        mine[account.provider].append(account)
    return [
        ProviderLight(
            provider=provider,
            label=_label(provider, each),
            accounts=tuple(each),
            circuits=_circuits(each[0], words),
            slots=slots[provider],
        )
        for provider, each in mine.items()
    ]


# As many as a page asks about one by one. Who oversees more restaurants than this looks at their providers.
MOST_ASKED = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRest:
    """One restaurant's account is left alone for a while: its credentials were refused, or its limit was reached."""

    account: ProviderAccount
    rest: Rest


def accounts_at_rest(accounts: Iterable[ProviderAccount]) -> list[AccountRest]:
    circuits = ((each, own_circuits_of(each)[Operation.CHARGE]) for each in islice(accounts, MOST_ASKED))
    return [AccountRest(account=account, rest=rest) for account, circuit in circuits if (rest := _rest_of(circuit))]


def _rest_of(circuit: Breaker) -> Rest | None:
    return None if circuit.would_allow() else circuit.rest()


def _is_asked(account: ProviderAccount) -> bool:
    return not facts_of(account).is_manual


def _label(provider: str, accounts: Sequence[ProviderAccount]) -> str:
    """What people call it, where all restaurants call it the same."""
    labels = {account.label for account in accounts}
    return labels.pop() if len(labels) == 1 else provider.replace("_", " ")


_Words = Mapping[tuple[str, str], BreakerOverride]


def lasting_words(providers: Collection[str], *, mode: Mode) -> _Words:
    """What operators said, by provider and operation. The newest word that still lasts counts: it is read last.

    One without a state took an earlier word back.
    """
    said = BreakerOverride.objects.filter(provider__in=providers, mode=mode, expires_at__gt=clock.now())
    return {(word.provider, word.operation): word for word in said.order_by("created_at")}


def _circuits(account: ProviderAccount, words: _Words) -> tuple[Circuit, ...]:
    """The provider's own, which all its restaurants share."""
    return tuple(
        Circuit(
            operation=operation,
            by_itself=_STANDINGS[breaker.known()],
            rest=breaker.rest(),
            newest=words.get((account.provider, operation.value)),
        )
        for operation, breaker in circuits_of(account).items()
    )


def _slots(accounts: Sequence[ProviderAccount], now: datetime) -> dict[str, tuple[Slot, ...]]:
    begins = [now - METRICS_WINDOW * (SLOTS - place) for place in range(SLOTS)]
    rows = (
        Attempt.objects.filter(
            account__in=[each.pk for each in accounts], created_at__gte=begins[0], created_at__lt=now
        )
        .annotate(begins=_slot_from(begins[0]))
        .values("account__provider", "begins")
        .annotate(
            attempts=Count("pk"),
            went_well=Count("pk", filter=Q(status__in=WENT_WELL)),
            answered=Count("pk", filter=Q(status__in=ANSWERED)),
            p95_ms=Percentile("latency_ms", fraction=0.95),
        )
    )
    found = {(row["account__provider"], row["begins"]): _slot(row) for row in rows}
    return {
        account.provider: tuple(found.get((account.provider, each), Slot(begins=each)) for each in begins)
        for account in accounts
    }


def _slot(row: Mapping[str, Any]) -> Slot:
    return Slot(**{each.name: row[each.name] for each in fields(Slot)})


def _slot_from(origin: datetime) -> Func:
    """PostgreSQL's `date_bin`: the beginning of the slot in which an attempt began."""
    width = Value(METRICS_WINDOW)
    return Func(width, F("created_at"), Value(origin), function="date_bin", output_field=DateTimeField())
