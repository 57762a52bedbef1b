"""A real case of each kind about which people decide, brought about by the services, and how each ends meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from accounts.models import Restaurant, User
from events.actors import SYSTEM, Actor
from failures.models import Case, CaseKind, Outcome
from failures.services.working import assign_case, dismiss_case, resolve_case
from kernel.money import Money
from orders.services import cancel_order
from payments.gateways.contract import Answer, LookUpResult, RefundFact
from payments.models import Attempt, Payment, Refund
from payments.services import operators
from payments.services.cash import hand_over_refund
from payments.services.evidence import Evidence, Finding, Source
from payments.services.facts import PaymentEvent, RefundEvent
from payments.services.mismatches import MismatchChoice
from payments.services.quarantine import quarantine_payment
from payments.services.refund_requests import request_refund
from payments.services.refund_settlement import settle_refund
from payments.services.refunds import begin_refund
from tests.factories import accepted, order_of
from tests.failures.bulking import contradicted, doubtful, exhausted
from tests.failures.deciding import WHY, about
from tests.failures.test_services import happened
from tests.failures.world import attempted, orphan_of, paid_in_cash, paid_twice, told
from tests.scripted import ScriptedGateway

MINOR = 84_000
MORE, LESS = 90_000, 80_000  # Where another amount came in than was asked.


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """Of one restaurant: whoever works on a case, and whoever may agree."""

    restaurant: Restaurant
    gateway: ScriptedGateway
    finance: User
    colleague: User  # Of finance as well.
    lead: User


def nobody_took_it(crew: Crew) -> Case:
    return exhausted(crew.restaurant)


def in_doubt(crew: Crew) -> Case:
    return doubtful(crew.restaurant)


def provider_knows(crew: Crew) -> Case:
    crew.gateway.look_ups.append(LookUpResult(answer=Answer.SUCCEEDED, money=Money(MINOR, "INR")))
    return doubtful(crew.restaurant)


def more_than_asked(crew: Crew) -> Case:
    return _case_of(attempted(order_of(crew.restaurant), Finding.SUCCEEDED, minor=MORE).payment)


def less_than_asked(crew: Crew) -> Case:
    return _case_of(attempted(order_of(crew.restaurant), Finding.SUCCEEDED, minor=LESS).payment)


def surplus_not_gone_back(crew: Crew) -> Case:
    surplus = paid_twice(order_of(crew.restaurant))
    _refuse(Refund.objects.get(attempt=surplus))
    return Case.objects.get(kind=CaseKind.SURPLUS, subject_id=surplus.pk)


def refund_refused(crew: Crew) -> Case:
    return Case.objects.get(kind=CaseKind.REFUND_FAILED, subject_id=_refuse(_refund_of(crew)).pk)


def refund_takes_long(crew: Crew) -> Case:
    refund = _refund_of(crew)
    begin_refund(refund_id=refund.pk)
    _say_of(refund, Finding.UNKNOWN)
    payment = Payment.objects.get(pk=refund.payment_id)
    happened(RefundEvent.PROLONGED, payment, refund=str(refund.pk), attempt=str(refund.attempt_id))
    return Case.objects.get(kind=CaseKind.REFUND_IN_DOUBT, subject_id=refund.pk)


def cash_to_hand_back(crew: Crew) -> Case:
    paid = paid_in_cash(crew.restaurant)
    refund = request_refund(payment_id=paid.payment_id, reason=WHY, actor=SYSTEM)
    return Case.objects.get(kind=CaseKind.CASH_REFUND, subject_id=refund.pk)


def made_by_the_provider(crew: Crew) -> Case:
    kept = attempted(order_of(crew.restaurant), Finding.SUCCEEDED, minor=MINOR)
    fact = RefundFact(reference="r_1", money=Money(5_000, "INR"), succeeded=True)
    told(kept, Finding.SUCCEEDED, minor=MINOR, refunds=(fact,))
    return Case.objects.get(kind=CaseKind.PROVIDER_REFUND, payment=kept.payment_id)


def orphan(crew: Crew) -> Case:
    return orphan_of(crew.restaurant)


def set_aside(crew: Crew) -> Case:
    payment = accepted(order_of(crew.restaurant))
    quarantine_payment(payment_id=payment.pk)
    return _case_of(payment)


def books_differ(crew: Crew) -> Case:
    return contradicted(crew.restaurant)


def assigned(crew: Crew) -> Case:
    return assign_case(case_id=contradicted(crew.restaurant).pk, person=crew.finance)


def ended(crew: Crew) -> Case:
    return dismiss_case(case_id=contradicted(crew.restaurant).pk, person=crew.finance, reason=WHY)


def _case_of(payment: Payment) -> Case:
    return Case.objects.get(payment=payment.pk)


def _refund_of(crew: Crew) -> Refund:
    kept = attempted(order_of(crew.restaurant), Finding.SUCCEEDED, minor=MINOR)
    return request_refund(payment_id=kept.payment_id, amount_minor=5_000, reason=WHY, actor=Actor.user(crew.colleague))


def _refuse(refund: Refund) -> Refund:
    begin_refund(refund_id=refund.pk)
    _say_of(refund, Finding.DECLINED)
    return refund


def _say_of(refund: Refund, finding: Finding) -> None:
    money = Money(refund.total_minor, refund.currency)
    settle_refund(refund_id=refund.pk, evidence=Evidence(source=Source.LOOK_UP, finding=finding, money=money))


# --- What others do, or what happens, while somebody looks at the page ------------------------------------------------


def end(case: Case, crew: Crew) -> None:
    _ENDS[CaseKind(case.kind)](case, crew)
    assert not Case.objects.get(pk=case.pk).is_waiting


def open_again(case: Case, crew: Crew) -> None:
    assert case.payment is not None
    happened(PaymentEvent.CONTRADICTED, Payment.objects.get(pk=about(case)), reason="Once more.")
    assert Case.objects.get(pk=case.pk).is_waiting


def _resolve(outcome: Outcome) -> Callable[[Case, Crew], object]:
    return lambda case, crew: resolve_case(case_id=case.pk, person=crew.lead, reason=WHY, outcome=outcome)


def _call_off(case: Case, crew: Crew) -> None:
    """What nobody orders any more nobody owes."""
    assert case.payment is not None
    cancel_order(order_id=case.payment.order_id, actor=SYSTEM)
    resolve_case(case_id=case.pk, person=crew.lead, reason=WHY, outcome=Outcome.NEVER_PAID)


def _say_that_it_was_declined(case: Case, _: Crew) -> None:
    told(Attempt.objects.get(payment=about(case)), Finding.DECLINED)


def _give_surplus_back(case: Case, crew: Crew) -> None:
    again = request_refund(
        payment_id=about(case), attempt_id=case.subject_id, reason=WHY, actor=Actor.user(crew.colleague)
    )
    begin_refund(refund_id=again.pk)
    _say_of(again, Finding.SUCCEEDED)


_ENDS: Mapping[CaseKind, Callable[[Case, Crew], object]] = {
    CaseKind.EXHAUSTED: _call_off,
    CaseKind.IN_DOUBT: _say_that_it_was_declined,
    CaseKind.AMOUNT_MISMATCH: lambda case, crew: operators.resolve_mismatch(
        payment_id=about(case), choice=MismatchChoice.REFUND_ALL, person=crew.lead, reason=WHY
    ),
    CaseKind.SURPLUS: _give_surplus_back,
    CaseKind.REFUND_FAILED: _resolve(Outcome.NOTHING_WRONG),
    CaseKind.REFUND_IN_DOUBT: lambda case, _: _say_of(Refund.objects.get(pk=case.subject_id), Finding.SUCCEEDED),
    CaseKind.CASH_REFUND: lambda case, crew: hand_over_refund(refund_id=case.subject_id, person=crew.lead),
    CaseKind.PROVIDER_REFUND: _resolve(Outcome.GIVEN_BACK),
    CaseKind.ORPHAN_NOTICE: lambda case, crew: operators.take_up_notice(
        notice_id=case.subject_id, person=crew.lead, reason=WHY
    ),
    CaseKind.QUARANTINED: lambda case, crew: operators.release_from_quarantine(
        payment_id=about(case), person=crew.lead, reason=WHY
    ),
    CaseKind.CONTRADICTION: _resolve(Outcome.NOTHING_WRONG),
}
