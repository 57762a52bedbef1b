"""Reads for edges: cases and which of them matters most, views of their queue, and what second persons are asked."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db.models import (
    BigIntegerField,
    ExpressionWrapper,
    F,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models import Case as If
from django.db.models.functions import Coalesce, Extract, Lower

from accounts.models import Approval, ApprovalStatus, Restaurant, User
from accounts.second_people import may_be_answered_by
from failures.models import WAITING, Case, CaseKind, SavedView
from failures.sums import CASE_MINOR, with_money
from kernel import clock
from kernel.modes import Mode
from orders.models import Order
from payments.models import Attempt, Refund, RefundStatus

# As long as a guest may still sit there with the bill.
AT_THE_TABLE = timedelta(minutes=90)
# Of an attempt, what a row of a list tells of it: not the provider's answers, nor the secrets of its account.
_OF_AN_ATTEMPT = (
    *("payment_id", "number", "status", "mismatch", "provider_reference", "account__label"),
    *("amount_minor", "currency", "captured_minor", "captured_currency", "refunding_minor", "refunded_minor"),
)
# Of a refund that waits for a second person, how much it is.
_OF_A_REFUND = ("payment_id", "status", "amount_minor", "tip_minor", "currency")
# Who it is, and what they pay with, is not even read for a list.
_OF_THE_GUEST = ("payment__instrument", "payment__customer")


def cases_of(*, restaurant_id: UUID, mode: Mode) -> QuerySet[Case]:
    return Case.objects.filter(restaurant_id=restaurant_id, mode=mode).select_related("payment", "owner")


def waiting_cases(cases: QuerySet[Case]) -> QuerySet[Case]:
    return cases.filter(status__in=WAITING)


def waiting_besides(case: Case) -> QuerySet[Case]:
    """What else of the same payment waits for a person: a refund that failed again has a case of its own."""
    if case.payment_id is None:
        return Case.objects.none()
    return waiting_cases(Case.objects.filter(payment=case.payment_id)).exclude(pk=case.pk).order_by("opened_at", "id")


def views_seen(*, person: User, restaurants: QuerySet[Restaurant], first: UUID | None = None) -> QuerySet[SavedView]:
    """One's own and those that are shared there, by name; those of the restaurant that is looked at before others."""
    mine = SavedView.objects.filter(Q(owner=person) | Q(is_shared=True), removed_at=None, restaurant__in=restaurants)
    place = If(When(restaurant=first, then=Value(0)), default=Value(1))
    return mine.select_related("restaurant").order_by(place, Lower("name"), "id")


def approvals_of(*, restaurant_id: UUID, mode: Mode) -> QuerySet[Approval]:
    """Each with the version of its case: what a second person saw."""
    mine = Approval.objects.filter(restaurant_id=restaurant_id, mode=mode)
    version = Subquery(Case.objects.filter(pk=OuterRef("asked_from")).values("version"))
    return mine.select_related("maker", "checker", "restaurant").annotate(case_version=version)


def pending_approvals(approvals: QuerySet[Approval]) -> QuerySet[Approval]:
    """Also before a clock has come by, nobody can answer one whose time is over."""
    return approvals.filter(status=ApprovalStatus.PENDING, expires_at__gt=clock.now())


def approvals_for(person: User) -> QuerySet[Approval]:
    """Which this person may answer: as a second person who is independent of the first one; one's own where nobody
    else could, and not at once.
    """
    return pending_approvals(Approval.objects.filter(may_be_answered_by(person)))


def with_attempts(cases: QuerySet[Case]) -> QuerySet[Case]:
    """For a list: each with its payment, its bill, what is at stake, all that was tried, and which refunds wait.

    Bills, attempts and refunds are asked for once for all rows that are shown. To join them would be to read each of
    those rows that are only sorted.
    """
    attempts = Attempt.objects.select_related("account").only(*_OF_AN_ATTEMPT).order_by("number")
    waiting = Refund.objects.filter(status=RefundStatus.WAITING_APPROVAL).only(*_OF_A_REFUND)
    rows = with_money(cases).select_related("payment", "owner", "restaurant").defer(*_OF_THE_GUEST)
    return rows.prefetch_related(
        Prefetch("payment__order", queryset=Order.objects.only("reference", "table")),
        Prefetch("payment__attempts", queryset=attempts),
        Prefetch("payment__refunds", queryset=waiting, to_attr="waiting_refunds"),
    )


def by_risk(cases: QuerySet[Case]) -> QuerySet[Case]:
    """In doubt first, and of those where the guest still waits; then by money times age, then by age."""
    now = clock.now()
    # What nobody took is tried again, and may come into doubt by that.
    is_doubt = Q(kind=CaseKind.IN_DOUBT) | Q(kind=CaseKind.EXHAUSTED, payment__in_doubt=True)
    is_at_table = Q(payment__created_at__gte=now - AT_THE_TABLE)
    urgency = If(
        When(is_doubt & is_at_table, then=Value(3)),
        When(is_doubt, then=Value(2)),
        When(is_at_table, then=Value(1)),
        default=Value(0),
    )
    money = Coalesce(CASE_MINOR, Value(0), output_field=BigIntegerField())
    age = Extract(Value(now) - F("opened_at"), "epoch")
    weight = ExpressionWrapper(money * age, output_field=BigIntegerField())
    return cases.annotate(urgency=urgency, weight=weight).order_by("-urgency", "-weight", "opened_at", "id")
