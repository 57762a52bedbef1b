"""The one door: every piece of evidence about a charge ends here, in any order and any number of times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction

from events.actors import SYSTEM, Actor
from events.services import Journal
from kernel import clock
from kernel.crashpoints import CrashPoint, crashpoint
from kernel.money import Money
from payments.gateways.contract import ErrorCode
from payments.models import Attempt, AttemptStatus, Capture, NextAction, Payment
from payments.services import captures, closings, timing
from payments.services.bill import Bill, lock_bill_of_attempt
from payments.services.credentials import tell_refused_credentials
from payments.services.evidence import Evidence, Finding, Source, contradicting
from payments.services.facts import PaymentEvent
from payments.services.provider_refunds import ask_about_differing_refunds, record_provider_refunds
from payments.services.providers import facts_of
from payments.services.settling import Settling


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    payment: Payment
    attempt: Attempt
    fenced: bool = False


def settle_attempt(*, attempt_id: UUID, evidence: Evidence, actor: Actor = SYSTEM) -> Settled:
    try:
        return _settle(attempt_id, evidence, actor)
    except IntegrityError as error:
        if "one_attempt_per_provider_reference" not in str(error):
            raise
        sentence = f"The provider calls this {evidence.reference}, which is another attempt's reference."
        return _settle(attempt_id, contradicting(evidence, sentence), actor)


def _settle(attempt_id: UUID, evidence: Evidence, actor: Actor) -> Settled:
    with transaction.atomic():
        bill = lock_bill_of_attempt(attempt_id)
        settled = settle_locked(bill=bill, attempt_id=attempt_id, evidence=evidence, actor=actor)
        crashpoint(CrashPoint.SETTLE_BEFORE_COMMIT)
    crashpoint(CrashPoint.SETTLE_AFTER_COMMIT)
    return settled


def settle_locked(*, bill: Bill, attempt_id: UUID, evidence: Evidence, actor: Actor) -> Settled:
    """For a caller that holds the bill's locks and has more to do in the same transaction."""
    attempt = bill.attempt(attempt_id)
    payment = bill.payment(attempt.payment_id)
    lost = evidence.lease_token is not None and not payment.is_held_by(evidence.lease_token)
    late = evidence.is_out_of_date(clock.now(), sent_at=attempt.sent_at)
    if (lost or late) and evidence.finding != Finding.SUCCEEDED:
        # Whoever lost the lease, or slept over an answer, frees and plans nothing: somebody else finds out by asking.
        # That money moved is news whoever brings it: it can only be kept or given back.
        return Settled(payment=payment, attempt=attempt, fenced=True)
    settling = Settling(
        bill=bill,
        payment=payment,
        attempt=attempt,
        evidence=evidence,
        facts=facts_of(attempt.account),
        journal=Journal(actor),
        now=clock.now(),
    )
    _keep_what_was_said(settling)
    _HANDLERS[evidence.finding](settling)
    record_provider_refunds(settling)
    ask_about_differing_refunds(settling)
    if attempt.mismatch and settling.owns_the_clock:
        payment.plan(NextAction.NONE)  # Only a human goes on from here; whatever was asked meanwhile is answered.
    settling.save()
    return Settled(payment=payment, attempt=attempt)


def _keep_what_was_said(s: Settling) -> None:
    attempt, evidence = s.attempt, s.evidence
    if evidence.reference and not attempt.provider_reference:
        attempt.provider_reference = evidence.reference
    if evidence.raw and evidence.finding != Finding.NO_ANSWER:
        attempt.evidence = dict(evidence.raw)
    if evidence.latency_ms is not None:
        attempt.latency_ms = evidence.latency_ms
    if evidence.source == Source.LOOK_UP and attempt.is_live:
        attempt.look_ups += 1
    s.payment.claims = 0


def _succeeded(s: Settling) -> None:
    attempt, money = s.attempt, s.evidence.money
    if money is None or money.minor <= 0:
        _contradicted(s, "The provider says that the money moved, but not how much.")
    elif attempt.capture in {Capture.KEPT, Capture.SURPLUS} or attempt.mismatch:
        _captured_again(s, money)
    elif money == s.expected:
        captures.capture(s, money)
    elif s.owns_the_clock:
        captures.hold_mismatch(s, money)
    else:
        # On a closed attempt, or one that another capture outran: whatever the amount is, it goes back.
        captures.capture(s, money, wrong_amount=True)


def _captured_again(s: Settling, money: Money) -> None:
    """The same news once more is silence; other news about the same money is a contradiction, never a new truth."""
    attempt = s.attempt
    if (attempt.captured_minor, attempt.captured_currency) != (money.minor, money.currency):
        _contradicted(s, "The provider now names another amount for money that is settled.")
    elif s.evidence.reference not in {"", attempt.provider_reference}:
        other = f"{s.evidence.reference} beside {attempt.provider_reference}"
        _contradicted(s, f"The provider names {other} for one attempt: perhaps the guest paid twice.")


def _pending(s: Settling) -> None:
    attempt, payment = s.attempt, s.payment
    if not attempt.is_live or attempt.mismatch or s.somebody_is_asking:
        return
    if s.evidence.next_step:
        attempt.next_step = dict(s.evidence.next_step)
    if attempt.status != AttemptStatus.PENDING:
        s.move(attempt.wait, reason="Somebody still has to act.")
        # Which kind of step, and no more: its link pays for whoever has it, and an event is for ever (I18).
        kind = str(attempt.next_step.get("kind", ""))
        s.journal.happened(PaymentEvent.ACTION_REQUIRED, payment, attempt=str(attempt.pk), kind=kind)
    if s.owns_the_clock:
        _plan_for_guest(s)
    closings.tell_prolonged_doubt(s)


def _plan_for_guest(s: Settling) -> None:
    attempt, payment = s.attempt, s.payment
    if payment.next_action == NextAction.CANCEL and not s.facts.is_manual:
        payment.plan(NextAction.CANCEL, timing.next_look_up(attempt.look_ups, attempt.expires_at))
    elif s.is_to_be_closed:
        payment.plan(NextAction.CANCEL, s.now)
    elif s.facts.is_manual:
        payment.plan(NextAction.CANCEL, attempt.expires_at)
    else:
        payment.plan(NextAction.LOOK_UP, min(timing.next_look_up(attempt.look_ups), attempt.expires_at))


def _declined(s: Settling) -> None:
    if s.attempt.mismatch:
        _contradicted(s, "The provider captured another amount and now says declined.")
    elif s.attempt.status in {AttemptStatus.SENT, AttemptStatus.UNKNOWN} and s.somebody_is_asking:
        return  # Whoever sends or asks right now is about to hear it from the provider itself.
    elif s.attempt.is_live:
        closings.close(s, s.attempt.decline, reason="The provider said no.")
    elif s.attempt.capture:
        _contradicted(s, "The provider says declined about money that it captured.")


def _not_sent(s: Settling) -> None:
    """Says something about one send only: it frees the attempt when no earlier send could have arrived."""
    if s.attempt.status == AttemptStatus.SENT:
        closings.close(s, s.attempt.not_sent, reason="Provably nothing was sent.")
    elif s.attempt.status == AttemptStatus.UNKNOWN:
        # The doubt is about an earlier send. This one never left: it uses up none of those that may be tried.
        s.attempt.sends = max(1, s.attempt.sends - 1)
        _plan_look_up(s)
    _tell_refused_credentials(s)


def _unknown(s: Settling) -> None:
    if s.attempt.status == AttemptStatus.SENT:
        s.move(s.attempt.doubt, reason=f"We do not know: {s.evidence.code or 'no answer'}.")
        s.journal.happened(PaymentEvent.DOUBTED, s.payment, attempt=str(s.attempt.pk), code=s.evidence.code.value)
    s.attempt.error_code = s.evidence.code.value
    _plan_look_up(s)


def _not_found(s: Settling) -> None:
    """Believed only late enough and twice; then the same key is sent again before anything else is thought of."""
    attempt, asked_at = s.attempt, s.evidence.asked_at or s.now
    if attempt.status != AttemptStatus.UNKNOWN or attempt.mismatch:
        _plan_look_up(s)
        return
    if asked_at < attempt.invisible_until:
        _plan_look_up(s, no_later_than=attempt.invisible_until)
        return
    if timing.is_another_time(asked_at, counted_at=attempt.not_found_at):
        attempt.not_found_count += 1
        attempt.not_found_at = asked_at
    if attempt.not_found_count < timing.NOT_FOUND_NEEDED:
        _plan_look_up(s, no_later_than=asked_at + timing.NOT_FOUND_GAP)
    elif s.may_send_again and s.owns_the_clock:
        s.payment.plan(NextAction.RESEND, s.now)
    elif s.facts.not_found_is_final:
        closings.close(s, attempt.not_charged, reason="Looked for long enough, twice: it is not there.")
    else:
        _plan_look_up(s)


def _no_answer(s: Settling) -> None:
    _plan_look_up(s)
    _tell_refused_credentials(s)
    if s.is_last_look_overdue:
        where = f"attempt {s.attempt.number} at {s.attempt.account}"
        _contradicted(s, f"Money may have come on {where} after it was {s.attempt.status}: nobody answers there.")


def _tell_refused_credentials(s: Settling) -> None:
    if s.evidence.code == ErrorCode.CREDENTIALS_REFUSED and s.attempt.tell_once(ErrorCode.CREDENTIALS_REFUSED):
        tell_refused_credentials(s.attempt.account, s.payment, s.journal)


def _cancelled(s: Settling) -> None:
    if s.attempt.capture:
        _contradicted(s, "The provider says cancelled about money that it captured.")
    elif s.attempt.status == AttemptStatus.PENDING:
        closings.close(s, s.attempt.cancel, reason="It cannot be paid any more.")
    elif s.attempt.status == AttemptStatus.UNKNOWN:
        closings.close(s, s.attempt.not_charged, reason="The provider confirms that it cannot be paid any more.")


def _not_paid(s: Settling) -> None:
    if s.attempt.status == AttemptStatus.PENDING:
        reason = "Time is over, it cannot be closed, and it is not paid yet: watched from now on."
        closings.close(s, s.attempt.expire, reason=reason)


def _not_charged(s: Settling) -> None:
    if s.attempt.status in {AttemptStatus.PENDING, AttemptStatus.UNKNOWN} and not s.attempt.mismatch:
        closings.close(s, s.attempt.not_charged, reason=s.evidence.message)


def _cannot_be(s: Settling) -> None:
    _contradicted(s, s.evidence.message)


def _contradicted(s: Settling, sentence: str) -> None:
    """Nothing is decided on it; a human sees it, and the look-ups go on."""
    if s.attempt.tell_once(sentence):
        s.journal.note(s.attempt, step="contradicted", reason=sentence, evidence=s.evidence.for_history())
        s.journal.happened(PaymentEvent.CONTRADICTED, s.payment, attempt=str(s.attempt.pk), reason=sentence)
    if s.attempt.status == AttemptStatus.SENT:
        _unknown(s)
    else:
        _plan_look_up(s)


def _plan_look_up(s: Settling, *, no_later_than: datetime | None = None) -> None:
    """Time alone never ends a doubt. Past its bound a human is told, once, and the asking goes on."""
    attempt = s.attempt
    # Its sender still holds the lease, and the end of the lease is planned already.
    is_sent = attempt.status == AttemptStatus.SENT
    if attempt.is_live and s.owns_the_clock and not s.somebody_is_asking and not is_sent:
        _plan_to_ask(s, no_later_than)
    if attempt.is_live and not attempt.mismatch:
        closings.tell_prolonged_doubt(s)


def _plan_to_ask(s: Settling, no_later_than: datetime | None) -> None:
    attempt = s.attempt
    # A wish to close the attempt outlives an answer that did not come.
    closing = attempt.status == AttemptStatus.PENDING and s.is_to_be_closed
    action = NextAction.CANCEL if closing else NextAction.LOOK_UP
    asked = timedelta(seconds=s.evidence.retry_after_seconds)
    by_schedule = timing.next_look_up(attempt.look_ups, closings.open_since(attempt))
    at = min(by_schedule, no_later_than or by_schedule)
    s.payment.plan(action, max(at, s.now + min(asked, timing.MAX_RETRY_AFTER)))


_HANDLERS: dict[Finding, Callable[[Settling], None]] = {
    Finding.SUCCEEDED: _succeeded,
    Finding.PENDING: _pending,
    Finding.DECLINED: _declined,
    Finding.NOT_SENT: _not_sent,
    Finding.UNKNOWN: _unknown,
    Finding.NOT_FOUND: _not_found,
    Finding.NO_ANSWER: _no_answer,
    Finding.CANCELLED: _cancelled,
    Finding.NOT_PAID: _not_paid,
    Finding.NOT_CHARGED: _not_charged,
    Finding.CONTRADICTED: _cannot_be,
}
