"""Messages, answers and actors that come too late: none of them ends what somebody newer is finding out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

import pytest

from accounts.models import Restaurant
from events.actors import GUEST
from kernel import clock
from kernel.money import Money
from payments.gateways.contract import Answer, LookUpResult, Notice, RefundRequest, Result, Subject
from payments.models import Attempt, InboundNotice, NextAction, NoticeState, Payment, ProviderAccount, Refund
from payments.models.refund import RefundStatus
from payments.services import notices, timing
from payments.services.attempts import begin_attempt
from payments.services.evidence import Evidence, Finding, Source
from payments.services.leases import Claim, claim_payments, claim_refunds
from payments.services.lookups import look_up_payment
from payments.services.notices import apply_notice, receive_notice
from payments.services.refund_requests import request_refund
from payments.services.refund_settlement import settle_refund
from payments.services.refunds import look_up_refund, send_refund
from payments.services.refusals import RefundRefused
from payments.services.sweeps import sweep_refunds
from tests.factories import accepted, order_of, paid
from tests.payments.words import INR, REFUSED, TIMED_OUT
from tests.scripted import ScriptedGateway
from tests.time_machine import ShiftedClock

PART = Money(30_000, INR)


@pytest.fixture
def refund(restaurant: Restaurant) -> Refund:
    payment = paid(order_of(restaurant))
    return request_refund(payment_id=payment.pk, amount_minor=PART.minor, reason="cold food", actor=GUEST)


def said(refund: Refund, source: Source, finding: Finding, lease_token: UUID | None = None) -> Refund:
    money = PART if finding == Finding.SUCCEEDED else None
    evidence = Evidence(source=source, finding=finding, money=money, lease_token=lease_token)
    return settle_refund(refund_id=refund.pk, evidence=evidence)


def test_a_stale_success_does_not_end_the_question_whether_it_came_back(
    refund: Refund, provider_a: ScriptedGateway
) -> None:
    sweep_refunds(width=1)
    said(refund, Source.NOTICE, Finding.DECLINED)  # The bank returned it.
    said(refund, Source.NOTICE, Finding.SUCCEEDED)  # What was sent before that, and delayed.
    provider_a.look_ups.append(LookUpResult(answer=Answer.DECLINED))

    sweep_refunds(width=1)

    assert Refund.objects.get().status == RefundStatus.FAILED
    assert Attempt.objects.get().refunded_minor == 0


def test_a_stale_refusal_does_not_end_the_question_whether_it_was_made(
    refund: Refund, provider_a: ScriptedGateway
) -> None:
    """While it is asked nobody may ask for another one: that would be the second."""
    provider_a.refunds.append(REFUSED)
    sweep_refunds(width=1)
    Refund.objects.update(next_action=NextAction.LOOK_UP, next_action_at=clock.now())

    said(refund, Source.NOTICE, Finding.DECLINED)

    with pytest.raises(RefundRefused) as refused:
        request_refund(payment_id=refund.payment_id, amount_minor=PART.minor, reason="again", actor=GUEST)
    assert refused.value.code == "being_asked"


def test_a_refusal_and_a_success_in_the_wrong_order_are_asked_about(
    refund: Refund, provider_a: ScriptedGateway
) -> None:
    provider_a.refunds.append(TIMED_OUT)
    sweep_refunds(width=1)
    said(refund, Source.NOTICE, Finding.DECLINED)  # The newer of the two.
    said(refund, Source.NOTICE, Finding.SUCCEEDED)
    assert Attempt.objects.get().refunded_minor == PART.minor  # Nobody gives it back once more meanwhile.
    provider_a.look_ups.append(LookUpResult(answer=Answer.DECLINED))

    sweep_refunds(width=1)

    assert Refund.objects.get().status == RefundStatus.FAILED
    assert Attempt.objects.get().refunded_minor == 0


def test_a_no_that_was_overtaken_by_a_message_is_asked_about(
    refund: Refund, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    """It was made and came back; whoever was asking at that moment heard of the end, and the post of the beginning."""
    provider_a.refunds.append(TIMED_OUT)
    sweep_refunds(width=1)
    time.jump_to(Refund.objects.get().next_action_at or clock.now())
    (claim,) = claim_refunds(limit=1)
    said(refund, Source.NOTICE, Finding.SUCCEEDED)

    said(refund, Source.LOOK_UP, Finding.DECLINED, lease_token=claim.token)

    provider_a.look_ups.append(LookUpResult(answer=Answer.DECLINED))
    sweep_refunds(width=1)
    assert Refund.objects.get().status == RefundStatus.FAILED


def test_whoever_wakes_late_takes_no_refund_from_who_holds_it_now(
    refund: Refund, provider_a: ScriptedGateway, time: ShiftedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_a, "refund", _dies)
    with pytest.raises(KeyboardInterrupt):
        send_refund(refund_id=refund.pk, lease_token=claim_refunds()[0].token)
    late, now = _claimed_twice(claim_refunds, time)

    look_up_refund(refund_id=refund.pk, lease_token=late.token)

    assert (Refund.objects.get().lease_token, provider_a.count("look_up")) == (now.token, 0)


def test_whoever_wakes_late_takes_no_charge_from_who_holds_it_now(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    payment = accepted(order_of(restaurant))
    begin_attempt(payment_id=payment.pk, lease_token=claim_payments()[0].token)  # And dies.
    late, now = _claimed_twice(claim_payments, time)

    look_up_payment(payment_id=payment.pk, lease_token=late.token)

    assert (Payment.objects.get().lease_token, provider_a.count("look_up")) == (now.token, 0)


def test_a_message_that_was_applied_meanwhile_is_not_put_aside(
    restaurant: Restaurant, provider_a: ScriptedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It found no attempt at first; before it writes that down somebody else finds one."""
    paid(order_of(restaurant))
    result = LookUpResult(answer=Answer.PENDING)
    notice = Notice(id="evt_1", subject=Subject.CHARGE, key=str(Attempt.objects.get().pk), result=result)
    monkeypatch.setattr(provider_a, "read_notice", lambda headers, body: notice)
    received = receive_notice(account=ProviderAccount.objects.get(provider="a"), headers={}, body=b"{}")
    with monkeypatch.context() as blind:
        blind.setattr(notices, "_find_subject", lambda account, notice: _applied_by_another(received.notice_id, blind))
        apply_notice(notice_id=received.notice_id)

    assert InboundNotice.objects.get().state == NoticeState.APPLIED


def _applied_by_another(notice_id: UUID, blind: pytest.MonkeyPatch) -> None:
    blind.undo()
    apply_notice(notice_id=notice_id)


def _dies(request: RefundRequest) -> Result:
    raise KeyboardInterrupt


def _claimed_twice(claim: Callable[..., Sequence[Claim]], time: ShiftedClock) -> Sequence[Claim]:
    """By one who stands still for longer than its lease, and by another one."""
    claims: list[Claim] = []
    for _ in range(2):
        time.advance(seconds=timing.lease().total_seconds())
        claims += claim(limit=1)
    return claims
