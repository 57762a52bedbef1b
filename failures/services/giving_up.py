"""Money that a guest will not pay here any more, or that went back past us: two people end the case, and say how."""

from __future__ import annotations

from uuid import UUID

from accounts.models import Approval, User
from accounts.services.approvals import Wanted, ask_approval, use_approval
from events.actors import Actor
from events.services import Journal
from failures.models import GIVING_UP, Case, CaseKind, Outcome
from failures.reasons import given_up_besides
from failures.services.ending import DID, end_locked
from failures.services.facts import CaseEvent, CaseRefused
from kernel.money import Money
from kernel.texts import MAX_REASON
from payments.models import Payment, PaymentStatus, Refund
from payments.services.bill import Bill, lock_bill_of_payment

# What happened, what the second person did, and how the case says that it ended.
_ENDS = {
    Outcome.WRITTEN_OFF: (CaseEvent.WRITTEN_OFF, "agreed to write it off", "Written off."),
    Outcome.PAID_ELSEWHERE: (
        CaseEvent.PAID_ELSEWHERE,
        "agreed that it was paid in another way",
        "Paid in another way.",
    ),
}


def ask_to_give_up(*, case: Case, action: str, person: User, reason: str) -> Approval:
    """Of a locked case. Nothing of the payment changes: a guest who comes back can still pay."""
    lost, outcome = _lost(case), GIVING_UP[action]
    ended = {"status": "resolved", "outcome": outcome.value, outcome.value: [lost.minor, lost.currency]}
    wanted = Wanted(
        restaurant_id=case.restaurant_id,
        mode=case.mode,
        action=action,
        subject_id=case.pk,
        asked_from=case.pk,
        reason=reason,
        data={"amount_minor": lost.minor, "currency": lost.currency},
        before={"case": {"status": case.status, "outcome": case.outcome}},
        after={"case": ended},
    )
    return ask_approval(wanted, maker=person, actor=Actor.user(person))


def give_up(*, approval_id: UUID, person: User) -> None:
    """As much as was agreed to: if it is another amount by now, somebody has to look again."""
    actor = Actor.user(person)
    asked = Approval.objects.get(pk=approval_id)
    case = Case.objects.select_for_update().get(pk=asked.subject_id)
    approval = use_approval(approval_id=approval_id, action=asked.action, subject_id=case.pk, actor=actor)
    lost, agreed = _lost(case), Money(approval.data["amount_minor"], approval.data["currency"])
    if lost != agreed:
        sentence = f"It was about {agreed.display()}, and it is {lost.display()} by now: ask again."
        raise CaseRefused(sentence, code="stale")
    case.outcome = GIVING_UP[asked.action]
    journal = Journal(actor)
    words = {"approval": str(approval_id), "amount_minor": lost.minor, "currency": lost.currency}
    event, did, ended = _ENDS[Outcome(case.outcome)]
    journal.happened(event, case, **words)
    journal.write()
    told = f"{ended} Asked for: “{approval.reason}”"
    told = f"{told} Agreed to: “{approval.answer}”" if approval.answer else told
    end_locked(case, case.resolve, told[:MAX_REASON], actor, evidence={DID: did, "why": approval.answer})


def _lost(case: Case) -> Money:
    """What the guest still owes of a payment that failed, or what went back that nobody here sent back."""
    if case.kind == CaseKind.PROVIDER_REFUND:
        refund = Refund.objects.get(pk=case.subject_id)
        return Money(refund.total_minor, refund.currency)
    if case.kind != CaseKind.EXHAUSTED or case.payment_id is None:
        raise CaseRefused("There is nothing to give up in this case.", code="no_such_action")
    bill = lock_bill_of_payment(case.payment_id)
    payment = bill.payment(case.payment_id)
    lost, refusal = lost_of(case, bill, payment)
    if refusal is not None:
        raise refusal
    return lost


def lost_of(case: Case, bill: Bill, payment: Payment) -> tuple[Money, CaseRefused | None]:
    """The one rule, for whoever asks, under the bill's lock, and for the page that offers it."""
    if payment.in_doubt:
        return _nothing(payment, "Nobody knows yet whether it was charged. Ask the provider first.", "not_over")
    if payment.status != PaymentStatus.FAILED:
        return _nothing(payment, f"The payment is {payment.status}: nothing is lost.", "not_over")
    given_up = given_up_besides(case) if len(bill.payments) > 1 else 0
    if not bill.is_payable or bill.due_minor <= given_up:
        return _nothing(payment, "Nothing is owed any more: close the case instead.", "nothing_lost")
    left = bill.free_minor - given_up
    if left <= 0:
        sentence = "What is left of this bill is being paid right now, or is in doubt. Wait until that is known."
        return _nothing(payment, sentence, "not_over")
    return Money(min(payment.amount_minor, left), payment.currency), None


def _nothing(payment: Payment, sentence: str, code: str) -> tuple[Money, CaseRefused]:
    return Money(0, payment.currency), CaseRefused(sentence, code=code)
