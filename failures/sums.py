"""How much money is at stake in cases: that of their payments, or of what was sent back without us."""

from __future__ import annotations

from django.db.models import BigIntegerField, F, OuterRef, Subquery, TextField, When
from django.db.models import Case as If
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Coalesce

from failures.models import Case, CaseKind
from kernel.money import Money
from kernel.totals import Adds
from payments.models import Payment

# Two of them on one payment are two sums, and neither is the payment's.
_OWN = CaseKind.PROVIDER_REFUND
# Each is looked up by its key: for some thousand cases PostgreSQL would join by reading every payment that there is.
_PAYMENT = Payment.objects.filter(pk=OuterRef("payment"))
_ITS_CURRENCY = If(When(kind=_OWN, then=KT("data__currency")), output_field=TextField())
_ITS_MINOR = If(When(kind=_OWN, then=Cast(KT("data__amount_minor"), BigIntegerField())))
CASE_CURRENCY = Coalesce(_ITS_CURRENCY, Subquery(_PAYMENT.values("currency")), output_field=TextField())
_WHOLE = Subquery(_PAYMENT.values(whole=F("amount_minor") + F("tip_minor")))
CASE_MINOR = Coalesce(_ITS_MINOR, _WHOLE, output_field=BigIntegerField())
OF_CASES = Adds(minor=CASE_MINOR, currency=CASE_CURRENCY)


def money_of(case: Case) -> Money | None:
    """The same of one case that is read."""
    if case.kind == _OWN and "amount_minor" in case.data:
        return Money(case.data["amount_minor"], case.data["currency"])
    return Money(case.payment.charge_minor, case.payment.currency) if case.payment else None
