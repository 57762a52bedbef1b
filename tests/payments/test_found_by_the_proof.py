"""What simulation, sweep and chaos found, said once more in the fewest words: each of these was once false."""

from __future__ import annotations

from accounts.models import Restaurant
from events.actors import GUEST
from kernel import clock
from payments.gateways.contract import Answer, ErrorCode, LookUpResult, Outcome, RefundFact
from payments.models import Attempt, Payment, PaymentStatus, Refund, RefundStatus
from payments.services import timing
from payments.services.refund_requests import request_refund
from payments.services.refunds import send_refund
from payments.services.sweeps import sweep_payments, sweep_refunds, sweep_watches
from tests.factories import order_of, paid
from tests.payments.words import DECLINED, DUE, REFUSED, TIMED_OUT
from tests.scripted import ScriptedGateway, outcome
from tests.time_machine import ShiftedClock

CIRCUIT_OPEN = outcome(Outcome.NOT_SENT, ErrorCode.CIRCUIT_OPEN)
NOT_FOUND = LookUpResult(answer=Answer.NOT_FOUND)


def test_a_send_that_never_left_uses_up_none(
    restaurant: Restaurant, provider_a: ScriptedGateway, provider_b: ScriptedGateway, time: ShiftedClock
) -> None:
    """The circuit was open at both repetitions; the provider is well long before the guest's time is over."""
    provider_a.charges.extend([TIMED_OUT, CIRCUIT_OPEN, CIRCUIT_OPEN])
    provider_a.look_ups.extend([NOT_FOUND] * 20)
    payment = paid(order_of(restaurant))
    until = clock.now() + timing.RETRY_WINDOW

    while clock.now() < until and Payment.objects.get(pk=payment.pk).status == PaymentStatus.PROCESSING:
        time.jump_to(Payment.objects.get(pk=payment.pk).next_action_at or until)
        sweep_payments(width=1)

    assert Payment.objects.get(pk=payment.pk).status == PaymentStatus.COMPLETED
    assert Attempt.objects.get().sends == 2  # The first, and the one that arrived.
    assert provider_b.count("charge") == 0


def test_a_charge_that_cannot_be_found_for_once_is_asked_about_again(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    """Our refund is refused, because somebody made it at the provider: only a look-up can bring that one."""
    payment = paid(order_of(restaurant))
    refund = request_refund(payment_id=payment.pk, amount_minor=84_000, reason="cold food", actor=GUEST)
    provider_a.refunds.append(REFUSED)
    theirs = RefundFact(reference="re_theirs", money=DUE, succeeded=True)
    provider_a.look_ups.extend([NOT_FOUND, LookUpResult(answer=Answer.SUCCEEDED, money=DUE, refunds=(theirs,))])

    send_refund(refund_id=refund.pk)
    sweep_watches(width=1)
    time.jump_to(Attempt.objects.get().watch_at or clock.now())
    sweep_watches(width=1)

    assert Attempt.objects.get().refunded_minor == DUE.minor
    made_at = Refund.objects.get(provider_reference="re_theirs").finished_at
    assert made_at is not None
    assert Attempt.objects.get().watch_at == made_at + provider_a.facts.refund_return_window


def test_the_last_look_is_at_the_end_of_the_late_money_window(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    """Money may come in the window's last hours, and its message may be lost."""
    provider_a.charges.append(DECLINED)
    paid(order_of(restaurant))
    window_ends = Attempt.objects.get().watch_until
    assert window_ends is not None
    provider_a.look_ups.extend([LookUpResult(answer=Answer.DECLINED)] * 50)

    while (watch_at := Attempt.objects.get().watch_at) is not None and watch_at < window_ends:
        time.jump_to(watch_at)
        sweep_watches(width=1)
    assert Attempt.objects.get().watch_at == window_ends
    provider_a.look_ups.clear()
    provider_a.look_ups.append(LookUpResult(answer=Answer.SUCCEEDED, money=DUE))
    time.jump_to(window_ends)
    sweep_watches(width=1)

    assert Attempt.objects.get().captured_minor == DUE.minor
    assert Attempt.objects.get().watch_at is None


def _refunded(restaurant: Restaurant) -> Refund:
    payment = paid(order_of(restaurant))
    refund = request_refund(payment_id=payment.pk, amount_minor=84_000, reason="cold food", actor=GUEST)
    send_refund(refund_id=refund.pk)
    return Refund.objects.get(status=RefundStatus.COMPLETED)


def test_a_refund_that_the_bank_returned_in_silence_is_found(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    """It was made, it came back two days later, and the message was lost: only a look-up can tell."""
    refund = _refunded(restaurant)
    came_back = RefundFact(reference="re_1", key=str(refund.pk), money=DUE, succeeded=False)
    provider_a.look_ups.append(LookUpResult(answer=Answer.SUCCEEDED, money=DUE, refunds=(came_back,)))
    provider_a.look_ups.append(LookUpResult(answer=Answer.DECLINED))

    time.jump_to(Attempt.objects.get().watch_at or clock.now())
    sweep_watches(width=1)
    sweep_refunds(width=1)

    assert clock.now() >= refund.created_at + provider_a.facts.refund_return_window
    assert Refund.objects.get().status == RefundStatus.FAILED
    assert Attempt.objects.get().refunded_minor == 0


def test_the_look_at_a_refund_that_stayed_is_the_last(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    """A look for another reason on the way there does not replace it."""
    refund = _refunded(restaurant)
    stayed = RefundFact(reference="re_1", key=str(refund.pk), money=DUE, succeeded=True)
    provider_a.look_ups.extend([LookUpResult(answer=Answer.SUCCEEDED, money=DUE, refunds=(stayed,))] * 2)
    at_the_end = Attempt.objects.get().watch_at
    assert at_the_end is not None
    Attempt.objects.update(watch_at=clock.now())

    sweep_watches(width=1)
    assert Attempt.objects.get().watch_at == at_the_end
    time.jump_to(at_the_end)
    sweep_watches(width=1)

    assert Attempt.objects.get().watch_at is None
    assert Refund.objects.get().status == RefundStatus.COMPLETED
