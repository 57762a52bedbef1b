"""Money that will not come is given up, by two people: the case ends, and says how much was lost."""

from __future__ import annotations

from uuid import UUID

from accounts.models import Approval, ApprovalStatus, User
from accounts.services.approvals import Wanted, ask_approval, use_approval
from events.actors import Actor
from events.services import Journal
from failures.models import Case, CaseKind, Outcome
from failures.services.ending import end_locked
from failures.services.facts import CaseEvent, CaseRefused
from kernel.money import Money
from payments.models import PaymentStatus, Refund
from payments.services.bill import lock_bill_of_payment

WRITE_OFF = "write_off"


def ask_to_write_off(*, case: Case, person: User, reason: str) -> Approval:
    """Of a locked case. Nothing of the payment changes: a guest who comes back can still pay."""
    lost = _lost(case)
    ended = {"status": "resolved", "outcome": Outcome.WRITTEN_OFF.value, "written_off": [lost.minor, lost.currency]}
    wanted = Wanted(
        restaurant_id=case.restaurant_id,
        mode=case.mode,
        action=WRITE_OFF,
        subject_id=case.pk,
        asked_from=case.pk,
        reason=reason,
        data={"amount_minor": lost.minor, "currency": lost.currency},
        before={"case": {"status": case.status, "outcome": case.outcome}},
        after={"case": ended},
    )
    return ask_approval(wanted, maker=person, actor=Actor.user(person))


def write_off_case(*, approval_id: UUID, person: User) -> None:
    """As much as was agreed to: if another amount is lost by now, somebody has to look again."""
    actor = Actor.user(person)
    case = Case.objects.select_for_update().get(pk=Approval.objects.values_list("subject_id").get(pk=approval_id)[0])
    approval = use_approval(approval_id=approval_id, action=WRITE_OFF, subject_id=case.pk, actor=actor)
    lost, agreed = _lost(case), Money(approval.data["amount_minor"], approval.data["currency"])
    if lost != agreed:
        raise CaseRefused(
            f"{agreed.display()} was to be written off, and it is {lost.display()} by now: ask again.", code="stale"
        )
    journal = Journal(actor)
    journal.happened(
        CaseEvent.WRITTEN_OFF, case, approval=str(approval_id), amount_minor=lost.minor, currency=lost.currency
    )
    journal.write()
    case.outcome = Outcome.WRITTEN_OFF
    end_locked(case, case.resolve, approval.reason, actor)


def _lost(case: Case) -> Money:
    """What the guest still owes of a payment that failed, or what went back that nobody here sent back."""
    if case.kind == CaseKind.PROVIDER_REFUND:
        refund = Refund.objects.get(pk=case.subject_id)
        return Money(refund.total_minor, refund.currency)
    if case.kind != CaseKind.EXHAUSTED or case.payment_id is None:
        raise CaseRefused("There is nothing to write off in this case.", code="no_such_action")
    bill = lock_bill_of_payment(case.payment_id)
    payment = bill.payment(case.payment_id)
    if payment.status != PaymentStatus.FAILED:
        raise CaseRefused(f"The payment is {payment.status}: nothing is lost.", code="not_over")
    owed = min(payment.amount_minor, bill.due_minor - _written_off(case)) if bill.is_payable else 0
    if owed <= 0:
        raise CaseRefused("Nothing is owed any more: close the case instead.", code="nothing_lost")
    return Money(owed, payment.currency)


def _written_off(case: Case) -> int:
    """Of the same bill, in other cases: what is given up once is not lost a second time."""
    others = Case.objects.filter(payment__order__payments=case.payment, outcome=Outcome.WRITTEN_OFF).exclude(pk=case.pk)
    approvals = Approval.objects.filter(asked_from__in=others, action=WRITE_OFF, status=ApprovalStatus.DONE)
    # A case that was opened again and written off again: the last word counts.
    last = {approval.asked_from: approval.data["amount_minor"] for approval in approvals.order_by("id")}
    return sum(last.values())
