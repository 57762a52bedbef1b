"""How much money is at stake in cases: that of their payments."""

from __future__ import annotations

from django.db.models import F, OuterRef, Subquery

from kernel.totals import Adds
from payments.models import Payment

# Each is looked up by its key: for some thousand cases PostgreSQL would join by reading every payment that there is.
_PAYMENT = Payment.objects.filter(pk=OuterRef("payment"))
PAYMENT_CURRENCY = Subquery(_PAYMENT.values("currency"))
PAYMENT_MINOR = Subquery(_PAYMENT.values(whole=F("amount_minor") + F("tip_minor")))
OF_CASES = Adds(minor=PAYMENT_MINOR, currency=PAYMENT_CURRENCY)
