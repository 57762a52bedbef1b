"""What tests about money say most often."""

from __future__ import annotations

from failures.models import WAITING, Case
from kernel.money import Money
from payments.gateways.contract import ErrorCode, Outcome, RefundFact
from payments.models import Attempt
from payments.services.evidence import Evidence, Finding, Source
from payments.services.settlement import settle_attempt
from tests.scripted import outcome

INR = "INR"
DUE = Money(84_000, INR)
DECLINED = outcome(Outcome.DECLINED, ErrorCode.CARD_DECLINED)
UNREACHABLE = outcome(Outcome.NOT_SENT, ErrorCode.UNREACHABLE)
TIMED_OUT = outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT)
REFUSED = outcome(Outcome.DECLINED, ErrorCode.REFUND_REFUSED)


def waiting() -> list[str]:
    """The kinds of the cases that are open."""
    return sorted(Case.objects.filter(status__in=WAITING).values_list("kind", flat=True))


def news(attempt: Attempt, money: Money = DUE, *, refunds: tuple[RefundFact, ...] = ()) -> None:
    """A message of the provider: the money moved."""
    said = Evidence(source=Source.NOTICE, finding=Finding.SUCCEEDED, money=money, refunds=refunds)
    settle_attempt(attempt_id=attempt.pk, evidence=said)
