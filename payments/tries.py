"""Which try brought a payment's money: the first, another provider in its place, a later one of the guest, or none."""

from __future__ import annotations

from django.db.models import Case, Exists, FilteredRelation, OuterRef, Q, QuerySet, TextChoices, Value, When

from payments.models import Attempt, Capture, Payment


class Try(TextChoices):
    FIRST = "first", "on the first try"
    RESCUED = "rescued", "rescued by another provider"
    LATER = "later", "on a later try of the guest"
    NONE = "none", "nothing of it was kept"


# A payment is paid where money is kept. One whose money all went back, for it was not due, is over and was not paid.
PAYING = (Try.FIRST, Try.RESCUED, Try.LATER)


def with_its_try(payments: QuerySet[Payment]) -> QuerySet[Payment]:
    """`paid_on` of each. An earlier one of its round was at a provider that failed."""
    earlier = Attempt.objects.filter(
        payment=OuterRef("pk"), round=OuterRef("kept__round"), number__lt=OuterRef("kept__number")
    )
    return payments.alias(
        kept=FilteredRelation("attempts", condition=Q(attempts__capture=Capture.KEPT)),
    ).annotate(
        paid_on=Case(
            When(kept__number=1, then=Value(Try.FIRST)),
            When(kept__number=None, then=Value(Try.NONE)),
            When(Exists(earlier), then=Value(Try.RESCUED)),
            default=Value(Try.LATER),
        )
    )


def of_try(payments: QuerySet[Payment], *paid_on: str) -> QuerySet[Payment]:
    """Of any of these."""
    return with_its_try(payments).filter(Q(("paid_on__in", paid_on)))
