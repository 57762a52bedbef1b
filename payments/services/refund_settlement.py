"""The one door for evidence about refunds: any evidence, in any order, any number of times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Sum

from events.actors import SYSTEM, Actor
from events.services import Journal
from kernel import clock
from kernel.crashpoints import CrashPoint, crashpoint
from kernel.money import Money
from kernel.statements import Rewriting
from orders.services import set_payment_state
from payments.gateways.contract import ErrorCode
from payments.gateways.waits import backoff_seconds
from payments.models import Attempt, Capture, NextAction, Payment, Refund, RefundStatus
from payments.models.refund import PROLONGED
from payments.services import timing
from payments.services.bill import Bill, lock_bill_of_payment
from payments.services.credentials import tell_refused_credentials
from payments.services.evidence import Evidence, Finding, Source, contradicting
from payments.services.facts import PaymentEvent, RefundEvent
from payments.services.providers import facts_of
from payments.services.returned_refunds import plan_last_look

# A refund is wanted for longer than a charge: nobody waits at a table, but the guest's money does.
MAX_REFUND_SENDS = 20
OPEN = (RefundStatus.REQUESTED, RefundStatus.PROCESSING)
ENDED = (RefundStatus.COMPLETED, RefundStatus.FAILED)

_REFUNDS = Rewriting(Refund)


@dataclass(slots=True, kw_only=True)
class SettlingRefund:
    bill: Bill
    refund: Refund
    attempt: Attempt
    payment: Payment
    evidence: Evidence
    journal: Journal

    def move(self, step: Callable[[], Any], *, reason: str) -> None:
        self.journal.move(self.refund, step, reason=reason, evidence=self.evidence.for_history())

    def happened(self, event: RefundEvent | PaymentEvent, **data: Any) -> None:
        refund = self.refund
        whose = {"refund": str(refund.pk), "attempt": str(refund.attempt_id), "origin": refund.origin}
        money = {"amount_minor": refund.total_minor, "currency": refund.currency}
        if self.attempt.capture == Capture.SURPLUS:
            money["surplus_left_minor"] = self.attempt.captured_minor - self.attempt.refunded_minor
        self.journal.happened(event, self.payment, **whose, **money, **data)

    def free_reservation(self) -> None:
        self.attempt.refunding_minor -= self.refund.total_minor

    def save(self) -> None:
        order = self.bill.order
        if set_payment_state(order=order, state=self.bill.payment_state, journal=self.journal, money_came=False):
            order.save(update_fields=["payment_state", "version"])
        _REFUNDS.write(self.refund)
        self.attempt.save(update_fields=["refunding_minor", "refunded_minor", "reopened_minor", "watch_at"])
        self.payment.save(update_fields=["version"])
        self.journal.write()


def settle_refund(*, refund_id: UUID, evidence: Evidence, actor: Actor = SYSTEM) -> Refund:
    try:
        return _settle(refund_id, evidence, actor)
    except IntegrityError as error:
        if "one_refund_per_provider_reference" not in str(error):
            raise
        sentence = f"The provider calls this {evidence.reference}, which is another refund's reference."
        return _settle(refund_id, contradicting(evidence, sentence), actor)


def _settle(refund_id: UUID, evidence: Evidence, actor: Actor) -> Refund:
    payment_id = Refund.objects.values_list("payment_id", flat=True).get(pk=refund_id)
    with transaction.atomic():
        bill = lock_bill_of_payment(payment_id)
        refund = Refund.objects.select_for_update().get(pk=refund_id)
        lost = evidence.lease_token is not None and not refund.is_held_by(evidence.lease_token)
        late = evidence.is_out_of_date(clock.now())
        if (lost or late) and evidence.finding != Finding.SUCCEEDED:
            # Whoever holds it now finds out by asking; that money moved is news whoever brings it.
            return _asked_once_more(refund) if evidence.finding == Finding.DECLINED else refund
        settling = SettlingRefund(
            bill=bill,
            refund=refund,
            attempt=bill.attempt(refund.attempt_id),
            payment=bill.payment(payment_id),
            evidence=evidence,
            journal=Journal(actor),
        )
        _keep_what_was_said(refund, evidence)
        _HANDLERS[evidence.finding](settling)
        _tell_prolonged(settling)
        _tell_refused_credentials(settling)
        settling.save()
        crashpoint(CrashPoint.REFUND_SETTLE_BEFORE_COMMIT)
    crashpoint(CrashPoint.REFUND_SETTLE_AFTER_COMMIT)
    return refund


def _asked_once_more(refund: Refund) -> Refund:
    """A message ended it while somebody was asking, and the answer to that was no: which of them is newer?"""
    if refund.status == RefundStatus.COMPLETED:
        refund.ask_again()
        refund.save(update_fields=refund.ASKED_AGAIN)
    return refund


def _keep_what_was_said(refund: Refund, evidence: Evidence) -> None:
    if evidence.reference and not refund.provider_reference:
        refund.provider_reference = evidence.reference
    if evidence.raw and evidence.finding != Finding.NO_ANSWER:
        refund.evidence = dict(evidence.raw)
    refund.error_code = evidence.code.value
    refund.error_message = evidence.short_message
    refund.is_awaited = refund.is_awaited and evidence.source not in {Source.CHARGE, Source.LEASE}
    refund.claims = 0


def _succeeded(s: SettlingRefund) -> None:
    refund, attempt = s.refund, s.attempt
    wrong = s.evidence.money != Money(refund.total_minor, refund.currency)
    if refund.status == RefundStatus.COMPLETED and not wrong:
        if s.evidence.reference in {"", refund.provider_reference}:
            _stop_asking(s)
        else:
            _made_twice(s)
        return
    if wrong or (refund.status == RefundStatus.FAILED and attempt.refundable_minor < refund.total_minor):
        _contradicted(s)
        return
    was_refused = refund.status == RefundStatus.FAILED
    if was_refused:
        # We had been told no, and the money moved all the same: counted before anybody refunds it again.
        _contradicted(s)
        step = refund.complete_late
    else:
        s.free_reservation()
        step = refund.complete
    attempt.refunded_minor += refund.total_minor
    s.move(step, reason="The money went back.")
    if was_refused and s.evidence.source == Source.NOTICE:
        refund.ask_again()  # Perhaps the messages came in the wrong order.
    plan_last_look(attempt, refund)
    if refund.reopens_order:
        _reopen(s)
    again = {"again_of": str(refund.again_of_id)} if refund.again_of_id else {}
    s.happened(RefundEvent.COMPLETED, **again)
    s.happened(PaymentEvent.REFUNDED, full=attempt.refundable_minor == 0)


def _made_twice(s: SettlingRefund) -> None:
    """Two refunds under one key: the charge's books say whether that is so, and bring the other one."""
    _contradicted(s, f"it made {s.evidence.reference} beside {s.refund.provider_reference}.")
    s.attempt.watch_at = clock.now()
    _stop_asking(s)


def _reopen(s: SettlingRefund) -> None:
    """By what such refunds gave back, and no further: one that bounced and is made again reopens nothing anew."""
    attempt = s.attempt
    others = Refund.objects.filter(attempt=attempt, reopens_order=True, status=RefundStatus.COMPLETED)
    given_back = others.exclude(pk=s.refund.pk).aggregate(sum=Sum("amount_minor"))["sum"] or 0
    owed = attempt.excess_minor + given_back + s.refund.amount_minor
    most = attempt.captured_minor - attempt.tip_minor
    attempt.reopened_minor = min(most, max(attempt.reopened_minor, owed))


def _pending(s: SettlingRefund) -> None:
    if s.refund.status == RefundStatus.PROCESSING:
        s.refund.in_doubt = False
    _plan_look_up(s)


def _declined(s: SettlingRefund) -> None:
    """Final, unless it comes after a success: then the provider took its word back."""
    refund = s.refund
    if refund.is_leased and s.evidence.source == Source.NOTICE:
        return  # Whoever sends or asks right now is about to hear it from the provider itself.
    if refund.status == RefundStatus.COMPLETED and s.evidence.source == Source.NOTICE:
        # A message may be stale or out of order: nobody gives money back a second time on its word alone.
        refund.ask_again()
        return
    if refund.status == RefundStatus.COMPLETED:
        s.attempt.refunded_minor -= refund.total_minor
        if refund.reopens_order and s.bill.free_minor >= refund.amount_minor:
            # Nobody has paid the bill anew or is about to: the money that we hold again pays for it.
            s.attempt.reopened_minor = max(s.attempt.excess_minor, s.attempt.reopened_minor - refund.amount_minor)
        s.move(refund.bounce, reason="The provider took its word back.")
    elif refund.status in OPEN:
        s.free_reservation()
        s.move(refund.fail, reason="The provider refused.")
    else:
        _stop_asking(s)
        return
    s.happened(RefundEvent.FAILED, code=s.evidence.code.value)
    if not facts_of(s.attempt.account).is_manual:
        s.attempt.watch_at = clock.now()  # Perhaps it was refunded there by hand: the next look-up tells.


def _not_sent(s: SettlingRefund) -> None:
    refund = s.refund
    refund.failed_sends += 1
    if refund.may_have_arrived:
        _plan_look_up(s)
        return
    # Nothing of it is at the provider, so that there is nothing to ask: it is sent until it arrives or a human ends it.
    refund.in_doubt = False
    asked = min(timedelta(seconds=s.evidence.retry_after_seconds), timing.MAX_RETRY_AFTER)
    at = clock.now() + timedelta(seconds=backoff_seconds(refund.sends, at_least_seconds=asked.total_seconds()))
    often = refund.sends >= MAX_REFUND_SENDS
    refund.plan(NextAction.RESEND, timing.next_look_up(refund.sends, _open_since(refund)) if often else at)


def _unknown(s: SettlingRefund) -> None:
    if s.refund.status == RefundStatus.PROCESSING:
        s.refund.in_doubt = True
        s.refund.doubt_since = s.refund.doubt_since or clock.now()
        _plan_look_up(s)


def _not_found(s: SettlingRefund) -> None:
    """Believed late and twice, as with a charge; then the same key again, within its lifetime."""
    refund, now = s.refund, s.evidence.asked_at or clock.now()
    if refund.status not in {RefundStatus.PROCESSING, RefundStatus.FAILED}:
        _plan_look_up(s)
        return
    if refund.invisible_until is not None and now < refund.invisible_until:
        _plan_look_up(s, no_later_than=refund.invisible_until)
        return
    if timing.is_another_time(now, counted_at=refund.not_found_at):
        refund.not_found_count += 1
        refund.not_found_at = now
    if refund.not_found_count < timing.NOT_FOUND_NEEDED:
        _plan_look_up(s, no_later_than=now + timing.NOT_FOUND_GAP)
    elif refund.status == RefundStatus.FAILED:
        _stop_asking(s)
    elif _may_be_sent_again(refund):
        refund.plan(NextAction.RESEND, clock.now())
    else:
        _plan_look_up(s)


def _may_be_sent_again(refund: Refund) -> bool:
    """The same key, within its lifetime. What never arrived counts against nothing."""
    lasts = refund.key_expires_at is not None and clock.now() < refund.key_expires_at - timing.KEY_MARGIN
    return lasts and refund.sends - refund.failed_sends < MAX_REFUND_SENDS


def _no_answer(s: SettlingRefund) -> None:
    _plan_look_up(s)


def _contradicted(s: SettlingRefund, said: str = "") -> None:
    """The provider's books and ours differ about a refund: a human sees both."""
    said = said or s.evidence.message or s.evidence.finding.value
    who = "a person recorded" if s.evidence.source == Source.OPERATOR else "the provider says"
    sentence = f"Refund {s.refund.pk} is {s.refund.status} here; {who} otherwise: {said}"
    if s.refund.tell_once(sentence):
        s.journal.note(s.refund, step="contradicted", reason=sentence, evidence=s.evidence.for_history())
        s.happened(PaymentEvent.CONTRADICTED, reason=sentence)
    if s.evidence.source == Source.BOOKS and s.refund.next_action == NextAction.BEGIN:
        s.refund.plan(NextAction.BEGIN, clock.now() + timing.DOUBT_BOUND)  # A human decides before.
    else:
        _plan_look_up(s)


def _stop_asking(s: SettlingRefund) -> None:
    """It was asked about after its end, and it stays as it was."""
    if s.refund.next_action == NextAction.LOOK_UP and s.evidence.source == Source.NOTICE:
        return  # A message may be older than the question: only the provider's answer ends it.
    s.refund.plan(NextAction.NONE)
    if s.refund.was_told(PROLONGED):
        s.refund.forget(PROLONGED)
        s.happened(RefundEvent.CONFIRMED)


def _plan_look_up(s: SettlingRefund, *, no_later_than: datetime | None = None) -> None:
    refund = s.refund
    if refund.is_leased and s.evidence.source == Source.NOTICE:
        return  # A message that decides nothing takes no lease from whoever is about to know more.
    asked_about = refund.status in ENDED and refund.next_action == NextAction.LOOK_UP
    if refund.status == RefundStatus.PROCESSING or asked_about:
        refund.look_ups += 1
        asked = min(timedelta(seconds=s.evidence.retry_after_seconds), timing.MAX_RETRY_AFTER)
        by_schedule = timing.next_look_up(refund.look_ups - 1, _open_since(refund))
        at = min(by_schedule, no_later_than or by_schedule)
        refund.plan(NextAction.LOOK_UP, max(at, clock.now() + asked))


def _tell_prolonged(s: SettlingRefund) -> None:
    refund = s.refund
    since = _open_since(refund)
    is_open = refund.status in OPEN or refund.next_action == NextAction.LOOK_UP
    overdue = is_open and since is not None and timing.is_bound_over(since, refund.next_action_at)
    if overdue and refund.tell_once(PROLONGED):
        s.happened(RefundEvent.PROLONGED)


def _open_since(refund: Refund) -> datetime | None:
    """From the beginning where it is under way, whatever was sent since; else from the first question after its end."""
    return refund.created_at if refund.status in OPEN else refund.doubt_since


def _tell_refused_credentials(s: SettlingRefund) -> None:
    if s.evidence.code == ErrorCode.CREDENTIALS_REFUSED and s.refund.tell_once(ErrorCode.CREDENTIALS_REFUSED):
        tell_refused_credentials(s.attempt.account, s.payment, s.journal)


_HANDLERS: dict[Finding, Callable[[SettlingRefund], None]] = {
    Finding.SUCCEEDED: _succeeded,
    Finding.PENDING: _pending,
    Finding.DECLINED: _declined,
    Finding.NOT_SENT: _not_sent,
    Finding.UNKNOWN: _unknown,
    Finding.NOT_FOUND: _not_found,
    Finding.NO_ANSWER: _no_answer,
    Finding.CANCELLED: _declined,
    Finding.NOT_PAID: _declined,
    Finding.NOT_CHARGED: _declined,
    Finding.CONTRADICTED: _contradicted,
}
