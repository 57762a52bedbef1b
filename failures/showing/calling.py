"""What the rows around a case are called, by their ids: for its raw data, from rows that its page has read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.safestring import SafeString

from accounts.models import Approval
from failures.models import Case
from payments.models import Attempt, Refund
from payments.references import named


def names_around(
    case: Case, attempts: Mapping[Any, Attempt], refunds: Mapping[Any, Refund], approvals: Mapping[Any, Approval]
) -> dict[str, SafeString]:
    called = _called(case, attempts, refunds, approvals)
    return {str(key): named(kind, key, words) for kind, key, words in called}


def _called(
    case: Case, attempts: Mapping[Any, Attempt], refunds: Mapping[Any, Refund], approvals: Mapping[Any, Approval]
) -> Iterator[tuple[str, Any, str]]:
    payment = case.payment
    if payment is not None:
        yield "payment", payment.pk, payment.reference
        yield "order", payment.order_id, payment.order.reference
        for attempt in attempts.values():
            yield "attempt", attempt.pk, f"attempt {attempt.number} of {payment.reference}"
            yield "provideraccount", attempt.account_id, attempt.account.label
        for refund in refunds.values():
            yield "refund", refund.pk, f"refund of {payment.reference}"
    yield "case", case.pk, f"case of {payment.reference}" if payment else "case of no payment"
    for approval in approvals.values():
        yield "approval", approval.pk, f"request of {approval.maker.get_username() if approval.maker else 'a program'}"
