"""How much money is at stake in cases: of one refund, of what came in and is not due, or of the whole payment."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import BigIntegerField, F, OuterRef, Q, QuerySet, Subquery, TextField, When
from django.db.models import Case as If
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Coalesce

from failures.models import Case, CaseKind
from kernel.money import Money
from kernel.totals import Adds
from payments.models import Attempt, Payment, Refund

# Each is looked up by its key: for some thousand cases PostgreSQL would join by reading every row that there is.
_PAYMENT = Payment.objects.filter(pk=OuterRef("payment"))
_REFUND = Refund.objects.filter(pk=OuterRef("subject_id"))
_SURPLUS = Attempt.objects.filter(pk=OuterRef("subject_id"))
_WHOLE = F("amount_minor") + F("tip_minor")
_HELD = F("captured_minor") - F("refunded_minor")
# What is still here; of what is all given back, what it was.
_LEFT = If(When(refunded_minor=F("captured_minor"), then="captured_minor"), default=_HELD)
# Two of one payment are two sums, and neither is the payment's.
_IS_ITS_OWN = ~Q(subject_id=F("payment_id"))
# What opens these says how much of it there is.
_SAYS = (CaseKind.REFUND_FAILED, CaseKind.REFUND_IN_DOUBT, CaseKind.PROVIDER_REFUND)
_IS_OTHER_MONEY = Q(kind=CaseKind.AMOUNT_MISMATCH)


def _own(of_refund: Any, of_surplus: Any, of_mismatch: Any, output: Any) -> If:
    """Nothing is looked up of the many that are about their payment."""
    refund, surplus = (Subquery(rows, output_field=output) for rows in (of_refund, of_surplus))
    return If(
        When(_IS_OTHER_MONEY, then=of_mismatch),
        When(_IS_ITS_OWN, then=Coalesce(refund, surplus, output_field=output)),
        output_field=output,
    )


_ITS_CURRENCY = _own(
    _REFUND.values("currency"), _SURPLUS.values("captured_currency"), KT("data__captured__1"), TextField()
)
_ITS_MINOR = _own(
    _REFUND.values(whole=_WHOLE),
    _SURPLUS.values(left=_LEFT),
    Cast(KT("data__captured__0"), BigIntegerField()),
    BigIntegerField(),
)
CASE_CURRENCY = Coalesce(_ITS_CURRENCY, Subquery(_PAYMENT.values("currency")), output_field=TextField())
CASE_MINOR = Coalesce(_ITS_MINOR, Subquery(_PAYMENT.values(whole=_WHOLE)), output_field=BigIntegerField())
_STAKE = ("stake_minor", "stake_currency")
OF_CASES = Adds(minor=CASE_MINOR, currency=CASE_CURRENCY)


def with_money(cases: QuerySet[Case]) -> QuerySet[Case]:
    """For a list, whose rows then have what `money_of` says."""
    return cases.annotate(stake_minor=CASE_MINOR, stake_currency=CASE_CURRENCY)


def money_of(case: Case) -> Money | None:
    """The same of one case that is read: as its event or its payment says, or its list. Else it is asked for."""
    said = _said_of(case)
    if said is not None:
        return said
    ask_for_money([case])
    stake: Any = case
    if hasattr(case, "stake_minor"):
        return None if stake.stake_minor is None else Money(stake.stake_minor, stake.stake_currency)
    return Money(case.payment.charge_minor, case.payment.currency) if case.payment else None


def ask_for_money(cases: Iterable[Case]) -> None:
    """Of those whose money stands neither in their event nor with their payment, once for all rows of a page."""
    asked = {case.pk: case for case in cases if _has_to_be_asked_for(case)}
    if not asked:
        return
    for key, *found in with_money(Case.objects.filter(pk__in=asked)).values_list("pk", *_STAKE):
        for name, value in zip(_STAKE, found, strict=True):
            setattr(asked[key], name, value)


def _has_to_be_asked_for(case: Case) -> bool:
    """It is about a refund, or about what was captured and is not due."""
    return not hasattr(case, "stake_minor") and "refund" in case.data and _said_of(case) is None


def _said_of(case: Case) -> Money | None:
    """By the event that opened it. What a refund is about never changes."""
    if case.kind == CaseKind.AMOUNT_MISMATCH and "captured" in case.data:
        minor, currency = case.data["captured"]
        return Money(minor, currency)
    if case.kind in _SAYS and "amount_minor" in case.data:
        return Money(case.data["amount_minor"], case.data["currency"])
    return None
