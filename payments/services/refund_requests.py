"""Where refunds begin: reserved on their attempt, under the order's lock, before any call."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet, Sum

from accounts.models import OFFICE, Approval, ApprovalStatus, User
from accounts.services.idempotency import Call, claim
from accounts.services.people import works_as
from events.actors import Actor, ActorKind
from events.services import Journal
from kernel import clock
from kernel.crashpoints import CrashPoint, crashpoint
from kernel.money import Money
from kernel.texts import check_reason
from payments.models import Attempt, Capture, NextAction, Payment, Refund, RefundOrigin, RefundStatus
from payments.models.refund import RESERVING
from payments.services.bill import Bill, lock_bill_of_payment
from payments.services.deeds import PaymentDeed, deed_on
from payments.services.facts import RefundEvent
from payments.services.providers import facts_of
from payments.services.refund_limits import check_how_often, is_above_limit
from payments.services.refusals import RefundRefused


def request_refund(
    *,
    payment_id: UUID,
    refund_id: UUID | None = None,
    attempt_id: UUID | None = None,
    amount_minor: int | None = None,
    tip_minor: int = 0,
    reason: str,
    actor: Actor,
    reopens_order: bool = False,
    is_handed_over: bool = False,
    again_of: Refund | None = None,
    version: int | None = None,
    call: Call | None = None,
) -> Refund:
    """Full when no amount is given. The sweep or the caller sends it; the reservation stands at once.

    Above the caller's limit it waits for a second person. `version` is the payment's, as whoever decides saw it.
    """
    with transaction.atomic():
        if call is not None:
            refund_id = claim(call)
        bill = lock_bill_of_payment(payment_id)
        payment = bill.payment(payment_id)
        _check_who_and_what(actor, payment, version, is_handed_over=is_handed_over)
        attempt = refundable_attempt(bill, payment, attempt_id)
        is_surplus, tip_left = attempt.capture == Capture.SURPLUS, tip_left_of(attempt)
        if amount_minor is None:
            amount_minor, tip_minor = attempt.refundable_minor - tip_left, tip_left
        check_reason(reason, refusal=RefundRefused)
        check_refund(attempt, amount_minor, tip_minor, tip_left)
        with deed_on(payment, PaymentDeed.REQUEST_REFUND, actor=actor, reason=reason):
            journal = Journal(actor)
            refund = reserve_refund(
                refund_id=refund_id,
                attempt=attempt,
                amount_minor=amount_minor,
                tip_minor=tip_minor,
                origin=RefundOrigin.SURPLUS if is_surplus else RefundOrigin.PERSON,
                reason=reason,
                journal=journal,
                reopens_order=reopens_order and not is_surplus,
                is_handed_over=is_handed_over,
                again_of=again_of,
                needs_two=is_above_limit(actor, attempt, amount_minor + tip_minor, can_wait=not is_handed_over),
            )
            save_reservation(attempt, journal)
        crashpoint(CrashPoint.RESERVE_BEFORE_COMMIT)
    crashpoint(CrashPoint.RESERVE_AFTER_COMMIT)
    return refund


def _check_who_and_what(actor: Actor, payment: Payment, version: int | None, *, is_handed_over: bool) -> None:
    """Cash across the table is a waiter's as well: `record_cash_refund` has asked."""
    if actor.kind is ActorKind.USER and not is_handed_over:
        person = User(pk=UUID(actor.id))
        if not works_as(person, OFFICE, restaurant_id=payment.restaurant_id):
            raise RefundRefused("Only finance staff of this restaurant give money back.", code="not_finance_here")
    if version is not None and payment.version != version:
        raise RefundRefused("Something happened to this payment since you opened the page. Look again.", code="stale")
    check_how_often(actor)


def save_reservation(attempt: Attempt, journal: Journal) -> None:
    attempt.save(update_fields=["refunding_minor"])
    attempt.payment.save(update_fields=["version"])
    journal.write()


def reserve_refund(
    *,
    attempt: Attempt,
    amount_minor: int,
    tip_minor: int,
    origin: RefundOrigin,
    reason: str,
    journal: Journal,
    refund_id: UUID | None = None,
    reopens_order: bool = False,
    is_handed_over: bool = False,
    again_of: Refund | None = None,
    needs_two: bool = False,
    asked_by: str = "",
) -> Refund:
    """For a locked attempt; the caller saves attempt and payment and writes the journal.

    `asked_by` is who asked for it, where that was not whoever does it.
    """
    payment = attempt.payment
    refund = Refund(
        id=refund_id or clock.new_id(),
        restaurant_id=attempt.restaurant_id,
        mode=attempt.mode,
        payment=payment,
        attempt=attempt,
        account=attempt.account,
        amount_minor=amount_minor,
        tip_minor=tip_minor,
        currency=attempt.captured_currency,
        origin=origin,
        reason=reason,
        reopens_order=reopens_order,
        again_of=again_of,
        requested_by=asked_by or journal.actor.id,
    )
    attempt.refunding_minor += refund.total_minor
    journal.created(refund, reason=reason)
    journal.happened(
        RefundEvent.CREATED,
        payment,
        refund=str(refund.pk),
        amount_minor=amount_minor,
        tip_minor=tip_minor,
        currency=refund.currency,
        origin=origin.value,
    )
    _plan(refund, journal, needs_two=needs_two, is_handed_over=is_handed_over)
    refund.save(force_insert=True)
    return refund


def _plan(refund: Refund, journal: Journal, *, needs_two: bool, is_handed_over: bool) -> None:
    if needs_two:
        journal.move(refund, refund.wait_for_approval, reason="It is above the limit.")
        journal.happened(RefundEvent.APPROVAL_NEEDED, refund.payment, refund=str(refund.pk))
    elif is_handed_over:
        return  # The guest has it: nothing is sent.
    elif facts_of(refund.account).is_manual:
        # No clock hands over cash: somebody has to be told.
        journal.happened(RefundEvent.HAND_OVER_NEEDED, refund.payment, refund=str(refund.pk))
    else:
        refund.plan(NextAction.BEGIN, clock.now())


def refundable_attempt(bill: Bill, payment: Payment, attempt_id: UUID | None = None) -> Attempt:
    """What is kept; else, or where it is named, a surplus that did not find its way back."""
    for capture in (Capture.KEPT, Capture.SURPLUS):
        for attempt in bill.attempts_of(payment):
            if attempt.capture == capture and attempt_id in {None, attempt.pk}:
                return attempt
    raise RefundRefused(f"Payment {payment.reference} holds no money that could be refunded.", code="nothing_to_refund")


def tip_left_of(attempt: Attempt) -> int:
    """What no refund gave back of the tip: share and tip are two columns, and each goes back once. A surplus: none."""
    if attempt.capture == Capture.SURPLUS:
        return 0
    if not attempt.refunded_minor and not attempt.refunding_minor:
        return attempt.tip_minor
    return tip_left_in(attempt, Refund.objects.filter(attempt=attempt).exclude(status=RefundStatus.FAILED))


def tip_left_in(attempt: Attempt, refunds: Iterable[Refund]) -> int:
    """By the refunds of its payment, where somebody has read them already."""
    mine = (each for each in refunds if each.attempt_id == attempt.pk and each.status != RefundStatus.FAILED)
    return max(0, min(attempt.tip_minor - sum(each.tip_minor for each in mine), attempt.refundable_minor))


def share_given_back(attempt: Attempt) -> int:
    """Made, under way, or said to be in the guest's hand; without tips. What makes the order payable again once it is
    made is not owed before.
    """
    under_way = Q(status__in=RESERVING, reopens_order=False)
    mine = Refund.objects.filter(under_way | Q(status=RefundStatus.COMPLETED), attempt=attempt)
    given: int = mine.aggregate(sum=Sum("amount_minor"))["sum"] or 0
    said = (each.data for each in recordings_of([attempt.pk]) if not each.data.get("reopens_order"))
    in_hand: int = sum(each["amount_minor"] for each in said)
    return given + in_hand


def check_refund(attempt: Attempt, amount_minor: int, tip_minor: int, tip_left: int) -> None:
    _check_numbers(attempt, amount_minor, tip_minor, tip_left)
    if attempt.capture == Capture.SURPLUS and amount_minor != attempt.refundable_minor:
        raise RefundRefused(
            f"This money was never due: all {_shown(attempt, attempt.refundable_minor)} of it goes back.",
            field="amount",
            code="surplus_is_whole",
        )
    refusal = refusal_of_what_may_be_back(attempt, list(Refund.objects.filter(attempt=attempt)))
    if refusal is not None:
        raise refusal


def refusal_of_what_may_be_back(attempt: Attempt, refunds: Collection[Refund]) -> RefundRefused | None:
    """At the provider, or in the guest's hand. Only of what failed can people say so."""
    has_failed = any(each.status == RefundStatus.FAILED for each in refunds)
    recordings = recordings_of([attempt.pk]) if has_failed else ()
    return refusal_while_asked(refunds) or refusal_while_recorded(recordings)


def recordings_of(attempt_ids: Iterable[UUID]) -> QuerySet[Approval]:
    """What people say that the guest was given in another way, and a second one has not agreed to."""
    asked = Approval.objects.filter(status=ApprovalStatus.PENDING, expires_at__gt=clock.now())
    mine = [str(each) for each in attempt_ids]
    return asked.filter(action=PaymentDeed.RECORD_GIVEN_BACK.value, data__attempt__in=mine)


def recorded_of(attempt: Attempt) -> tuple[int, int]:
    """Share and tip that the guest is said to have. If nobody agrees, the case of what failed stays for them."""
    said = [each.data for each in recordings_of([attempt.pk])]
    return sum(each["amount_minor"] for each in said), sum(each["tip_minor"] for each in said)


def refusal_while_recorded(recordings: Iterable[Approval]) -> RefundRefused | None:
    """Of one attempt: the guest has the money, and would get it twice. For pages as well."""
    said = next((each.data for each in recordings), None)
    if said is None:
        return None
    money = Money(said["amount_minor"] + said["tip_minor"], said["currency"]).display()
    return RefundRefused(
        f"Somebody says that the guest has {money} of it already, and a second person is being asked. "
        "Wait for their answer: it would go back twice.",
        code="being_recorded",
    )


def refusal_while_asked(refunds: Iterable[Refund]) -> RefundRefused | None:
    """Of one attempt: it would go back twice. For pages as well."""
    if not asked_about(refunds):
        return None
    return RefundRefused(
        "The provider may have made an earlier refund after all. It is being asked: try again in a minute.",
        code="being_asked",
    )


def asked_about(refunds: Iterable[Refund]) -> list[Refund]:
    """What failed, and may have been made after all."""
    return [each for each in refunds if each.status == RefundStatus.FAILED and each.next_action == NextAction.LOOK_UP]


def _check_numbers(attempt: Attempt, amount_minor: int, tip_minor: int, tip_left: int) -> None:
    if type(amount_minor) is not int or type(tip_minor) is not int or amount_minor < 0 or tip_minor < 0:
        raise RefundRefused("Amounts are whole numbers that are not negative.", field="amount", code="bad_amount")
    if amount_minor + tip_minor == 0:
        if not attempt.refundable_minor:
            raise RefundRefused("Nothing is left to refund.", code="nothing_to_refund")
        raise RefundRefused("A refund is above zero.", field="amount", code="bad_amount")
    if amount_minor + tip_minor > attempt.refundable_minor:
        raise RefundRefused(
            f"Only {_shown(attempt, attempt.refundable_minor)} of {_shown(attempt, attempt.captured_minor)} "
            "is left to refund.",
            field="amount",
            code="more_than_left",
        )
    share_left = attempt.refundable_minor - tip_left
    if tip_minor > tip_left or amount_minor > share_left:
        raise RefundRefused(
            f"Of the tip {_shown(attempt, tip_left)} is left to refund, of the share {_shown(attempt, share_left)}.",
            field="tip" if tip_minor > tip_left else "amount",
            code="more_than_left",
        )


def _shown(attempt: Attempt, minor: int) -> str:
    """As whoever is refused reads it, on every way that leads here."""
    return Money(minor, attempt.captured_currency).display()
