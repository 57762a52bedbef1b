"""A charge in its three phases: begin (commit), send (no transaction, no connection), settle (commit)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import transaction

from events.actors import SYSTEM, Actor
from events.services import Journal
from kernel import clock
from kernel.crashpoints import CrashPoint, crashpoint
from kernel.fields import UnreadableText
from kernel.money import Money
from payments.gateways.contract import ChargeRequest, ErrorCode
from payments.gateways.waits import backoff_seconds
from payments.models import Attempt, AttemptStatus, NextAction, Payment, PaymentStatus, ProviderAccount
from payments.services import routing, timing
from payments.services.acceptance import wish_of
from payments.services.bill import Bill, lock_bill_of_payment
from payments.services.contracts import as_it_is_now
from payments.services.evidence import Source, from_result
from payments.services.facts import FailureCode, PaymentEvent
from payments.services.failing import fail_payment
from payments.services.outside import leave_database
from payments.services.providers import candidates_for_payment, facts_of, gateway_for
from payments.services.settlement import Settled, settle_attempt

MILLISECONDS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """What the second phase needs: everything is committed, nothing is read again."""

    payment: Payment
    attempt: Attempt
    account: ProviderAccount
    lease_token: UUID
    forced: routing.Forced | None = None  # None: not read yet.


def begin_attempt(*, payment_id: UUID, lease_token: UUID | None = None, actor: Actor = SYSTEM) -> Sending | None:
    """Choose a provider and commit the attempt. None: there is nothing to send now."""
    candidates = candidates_for_payment(payment_id)
    with transaction.atomic():
        bill = lock_bill_of_payment(payment_id)
        payment = bill.payment(payment_id)
        if not _may_act(payment, NextAction.BEGIN, lease_token):
            return None
        journal = Journal(actor)
        sending = begin_locked(bill=bill, payment=payment, candidates=candidates, journal=journal)
        if sending is None:
            payment.claims = 0  # Its worker came back: there was just nothing to send.
        payment.save()
        if sending:
            sending.attempt.save(force_insert=True)
        journal.write()
        crashpoint(CrashPoint.CHARGE_BEFORE_COMMIT)
    crashpoint(CrashPoint.CHARGE_AFTER_COMMIT)
    return sending


def begin_locked(
    *, bill: Bill, payment: Payment, candidates: Sequence[routing.Candidate], journal: Journal
) -> Sending | None:
    """For a locked bill; the caller saves payment and attempt and writes the journal."""
    if bill.live_attempt_of(payment) is not None:
        return None
    if not bill.wants(payment):
        _give_up(payment, FailureCode.NOT_DUE, journal)
        return None
    if not payment.is_in_time:
        # The clock stood still, or a doubt ended late: whoever wanted to pay is gone, or has paid another way.
        _give_up(payment, FailureCode.EXPIRED, journal)
        return None
    mine = [attempt for attempt in bill.attempts_of(payment) if attempt.round == payment.round]
    tried = [attempt.account_id for attempt in mine]
    choice = routing.choose(candidates=candidates, wish=wish_of(bill.order, payment), tried=tried)
    if choice.account is None:
        _without_candidate(payment, choice, mine, journal)
        return None
    account = as_it_is_now(choice.account)
    attempt = _new_attempt(bill, payment, account, choice)
    payment.account = account
    if payment.status == PaymentStatus.PENDING:
        journal.move(payment, payment.process, reason="The first attempt begins.")
        journal.happened(PaymentEvent.STARTED, payment, attempt=str(attempt.pk), provider=account.provider)
    journal.created(attempt, reason=choice.why["rule"])
    token = payment.lease(clock.now() + timing.lease())
    bill.attempts.append(attempt)
    return Sending(payment=payment, attempt=attempt, account=account, lease_token=token, forced=choice.forced)


def resend_attempt(*, payment_id: UUID, lease_token: UUID | None = None, actor: Actor = SYSTEM) -> Sending | None:
    """The same attempt, the same key, the same provider: a late first send collapses into it."""
    with transaction.atomic():
        bill = lock_bill_of_payment(payment_id)
        payment = bill.payment(payment_id)
        if not _may_act(payment, NextAction.RESEND, lease_token):
            return None
        attempt = _to_send_again(bill, payment)
        if attempt is not None:
            attempt.account = as_it_is_now(attempt.account)
        journal = Journal(actor)
        if attempt is None or not _is_worth_sending(bill, payment, attempt):
            _do_not_send_again(bill, payment, journal)
            return None
        token = _send_again(payment, attempt, journal)
        attempt.save()
        payment.save()
        journal.write()
        crashpoint(CrashPoint.CHARGE_BEFORE_COMMIT)
    crashpoint(CrashPoint.CHARGE_AFTER_COMMIT)
    return Sending(payment=payment, attempt=attempt, account=attempt.account, lease_token=token)


def send_charge(sending: Sending) -> Settled:
    """Phases two and three. Dying anywhere in here leaves a row whose lease runs out: then we ask."""
    attempt, payment = sending.attempt, sending.payment
    gateway = gateway_for(sending.account, forced=sending.forced)
    if isinstance(payment.instrument, UnreadableText):
        raise ValueError(f"What payment {payment.reference} is paid with cannot be read: its key is missing.")
    request = ChargeRequest(
        key=str(attempt.pk),
        money=Money(attempt.amount_minor, attempt.currency),
        order_reference=payment.order.reference,
        method=payment.method,
        instrument=_token_for(payment, payment.instrument, sending.account),
        return_url=payment.return_url,
        send_before=attempt.send_before,
    )
    leave_database()
    started = clock.monotonic()
    result = gateway.charge(request)
    latency_ms = int((clock.monotonic() - started) * MILLISECONDS)
    crashpoint(CrashPoint.CHARGE_AFTER_ANSWER)
    evidence = from_result(result, source=Source.CHARGE, lease_token=sending.lease_token, latency_ms=latency_ms)
    return settle_attempt(attempt_id=attempt.pk, evidence=evidence)


def _token_for(payment: Payment, token: str, account: ProviderAccount) -> str:
    """One that came with a wished provider is that one's word for a card: another neither knows nor sees it."""
    return token if payment.wanted_provider in {"", account.provider} else ""


def run_payment(*, payment_id: UUID, lease_token: UUID | None = None) -> None:
    sending = begin_attempt(payment_id=payment_id, lease_token=lease_token)
    if sending is not None:
        drive(sending)


def drive(sending: Sending) -> Payment:
    """Send, and fall back at once while a whole provider deadline is left in the request's budget."""
    started = clock.monotonic()
    payment = send_charge(sending).payment
    for _ in range(MAX_ACTS):
        left = timing.request_budget() - timedelta(seconds=clock.monotonic() - started)
        if payment.next_action != NextAction.BEGIN or left < timing.provider_deadline():
            break
        following = begin_attempt(payment_id=payment.pk)
        if following is None:
            return Payment.objects.get(pk=payment.pk)  # What became of it instead was decided just now.
        payment = send_charge(following).payment
    return payment


MAX_ACTS = 10  # A chain longer than this is a mistake in the routes; the sweep goes on where this stops.


def _may_act(payment: Payment, action: NextAction, lease_token: UUID | None) -> bool:
    """The row says what is due, and nobody else holds it."""
    return payment.next_action == action and payment.holds_its_share and payment.may_be_taken_by(lease_token)


def _new_attempt(bill: Bill, payment: Payment, account: ProviderAccount, choice: routing.Choice) -> Attempt:
    now, facts = clock.now(), facts_of(account)
    return Attempt(
        restaurant_id=payment.restaurant_id,
        mode=payment.mode,
        payment=payment,
        account=account,
        number=len(bill.attempts_of(payment)) + 1,
        round=payment.round,
        amount_minor=payment.charge_minor,
        tip_minor=payment.tip_minor,
        currency=payment.currency,
        method=payment.method,
        routing=choice.why,
        sent_at=now,
        send_before=timing.send_before(now),
        key_expires_at=now + facts.key_lifetime,
        invisible_until=now + timing.lease() + timing.provider_deadline() + facts.visibility_delay,
        expires_at=now + facts.pending_lifetime,
        created_at=now,
    )


def _to_send_again(bill: Bill, payment: Payment) -> Attempt | None:
    """The one in doubt, or else the last that provably was not sent."""
    live = bill.live_attempt_of(payment)
    if live is not None:
        return live if live.status == AttemptStatus.UNKNOWN and not live.mismatch else None
    mine = [each for each in bill.attempts_of(payment) if each.round == payment.round]
    return next((each for each in reversed(mine) if _may_be_sent_again(each)), None)


def _may_be_sent_again(attempt: Attempt) -> bool:
    """What a provider refused as invalid it would refuse again, and a disabled account is sent nothing."""
    refused = attempt.error_code == ErrorCode.REQUEST_REFUSED or not attempt.account.enabled
    return attempt.status == AttemptStatus.NOT_SENT and not refused and attempt.sends < timing.MAX_SENDS


def _key_is_spent(attempt: Attempt) -> bool:
    """A worker may come days after the send was planned: then the provider could take our key for a new charge."""
    return attempt.status == AttemptStatus.UNKNOWN and clock.now() >= attempt.key_expires_at - timing.KEY_MARGIN


def _is_worth_sending(bill: Bill, payment: Payment, attempt: Attempt) -> bool:
    """Much may have happened since the send was planned: nobody wants it any more, or nobody may take it."""
    wanted = bill.wants(payment) and payment.is_in_time
    return wanted and attempt.account.enabled and not _key_is_spent(attempt)


def _do_not_send_again(bill: Bill, payment: Payment, journal: Journal) -> None:
    """A doubt goes on being asked about; where everything provably never left, another provider is chosen."""
    live = bill.live_attempt_of(payment)
    if live is not None:
        payment.plan(NextAction.LOOK_UP, timing.next_look_up(live.look_ups, live.doubt_since))
    elif not bill.wants(payment):
        _give_up(payment, FailureCode.NOT_DUE, journal)
    else:
        payment.plan(NextAction.BEGIN, clock.now())
    payment.claims = 0
    payment.save()
    journal.write()


def _send_again(payment: Payment, attempt: Attempt, journal: Journal) -> UUID:
    now, facts = clock.now(), facts_of(attempt.account)
    if attempt.status == AttemptStatus.NOT_SENT:
        # No send of it ever arrived, so that the key's life begins now.
        attempt.key_expires_at = now + facts.key_lifetime
        journal.move(attempt, attempt.send_again, reason=f"Send {attempt.sends + 1}.")
    else:
        journal.note(attempt, step="send_again", reason=f"Send {attempt.sends + 1} with the same key.")
    attempt.sends += 1
    attempt.not_found_count = attempt.look_ups = 0
    attempt.sent_at = now
    attempt.send_before = timing.send_before(now)
    attempt.invisible_until = now + timing.lease() + timing.provider_deadline() + facts.visibility_delay
    return payment.lease(now + timing.lease())


def _without_candidate(payment: Payment, choice: routing.Choice, mine: Sequence[Attempt], journal: Journal) -> None:
    """Whoever was provably not reached is tried again; a provider that rests is waited for; then it is over."""
    now = clock.now()
    in_time = payment.retry_until is not None and now < payment.retry_until
    again = [attempt for attempt in mine if _may_be_sent_again(attempt)]
    if in_time and again:
        last = again[-1]
        wait = timedelta(seconds=backoff_seconds(last.sends))
        payment.plan(NextAction.RESEND, max(now + wait, last.not_before or now))
    elif in_time and choice.may_help_later:
        payment.plan(NextAction.BEGIN, now + timedelta(seconds=backoff_seconds(timing.MAX_SENDS)))
    else:
        _give_up(payment, FailureCode.EXHAUSTED, journal)
        journal.happened(PaymentEvent.EXHAUSTED, payment, candidates=choice.why["candidates"])


def _give_up(payment: Payment, code: FailureCode, journal: Journal) -> None:
    reason = "Nobody takes it any more, and nothing was charged."
    fail_payment(payment=payment, code=code, reason=reason, journal=journal)
