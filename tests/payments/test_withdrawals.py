"""A payment that somebody takes back while it is on its way: the wish is kept until it can be fulfilled."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from accounts.models import Restaurant, Role
from events.actors import GUEST
from kernel import clock
from kernel.money import Money
from orders.models import Order
from orders.services import cancel_order
from payments.gateways.contract import Answer, CancelAnswer, CancelResult, ErrorCode, LookUpResult, Outcome
from payments.models import Attempt, AttemptStatus, Payment, PaymentStatus, ProviderAccount
from payments.services.attempts import Sending, begin_attempt, send_charge
from payments.services.cash import CashTaken, take_cash_against_doubt
from payments.services.evidence import Evidence, Finding, Source
from payments.services.leases import claim_payments
from payments.services.payments import cancel_payment, reserve_share, retry_payment, start_payment
from payments.services.refusals import PaymentRefused
from payments.services.settlement import settle_attempt
from payments.services.sweeps import sweep_payments
from tests.factories import accepted, draft_for, order_of, paid, staff
from tests.scripted import ScriptedGateway, outcome
from tests.time_machine import ShiftedClock, StrayClock

WITHDRAWALS: list[Callable[[Payment], object]] = [
    lambda payment: cancel_payment(payment_id=payment.pk, actor=GUEST),
    lambda payment: cancel_order(order_id=payment.order_id, actor=GUEST),
]
UNREACHABLE = outcome(Outcome.NOT_SENT, ErrorCode.UNREACHABLE)
TIMED_OUT = outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT)


def being_sent(restaurant: Restaurant) -> Sending:
    sending = begin_attempt(payment_id=accepted(order_of(restaurant)).pk)
    assert sending is not None
    return sending


def swept(time: ShiftedClock) -> Payment:
    due = Payment.objects.get().next_action_at
    if due is not None:
        time.jump_to(due)
        sweep_payments(width=1)
    return Payment.objects.get()


@pytest.mark.parametrize("withdraw", WITHDRAWALS)
def test_a_process_that_is_minutes_ahead_takes_no_lease_away(
    restaurant: Restaurant, provider_a: ScriptedGateway, withdraw: Callable[[Payment], object]
) -> None:
    provider_a.charges.append(TIMED_OUT)
    payment = paid(order_of(restaurant))
    Payment.objects.filter(pk=payment.pk).update(next_action_at=clock.now())
    (claim,) = claim_payments()
    clock.install(StrayClock(minutes=10))

    withdraw(payment)

    assert Payment.objects.get().is_held_by(claim.token)


@pytest.mark.parametrize("withdraw", WITHDRAWALS)
def test_what_was_withdrawn_while_it_was_sent_is_closed_when_it_turns_out_to_wait(
    restaurant: Restaurant, provider_a: ScriptedGateway, withdraw: Callable[[Payment], object]
) -> None:
    sending = being_sent(restaurant)
    withdraw(sending.payment)
    provider_a.charges.append(outcome(Outcome.PENDING))

    send_charge(sending)
    sweep_payments(width=1)

    payment = Payment.objects.get()
    assert (payment.status, payment.failure_code) == (PaymentStatus.FAILED, "cancelled")
    assert provider_a.count("cancel") == 1


@pytest.mark.parametrize("withdraw", WITHDRAWALS)
def test_what_was_withdrawn_in_doubt_is_closed_when_it_turns_out_to_wait(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock, withdraw: Callable[[Payment], object]
) -> None:
    provider_a.charges.append(TIMED_OUT)
    withdraw(paid(order_of(restaurant)))
    provider_a.look_ups.append(LookUpResult(answer=Answer.PENDING))

    swept(time)
    payment = swept(time)

    assert (payment.status, payment.failure_code) == (PaymentStatus.FAILED, "cancelled")
    assert Attempt.objects.get().status == AttemptStatus.CANCELLED


@pytest.mark.parametrize("withdraw", WITHDRAWALS)
def test_what_was_withdrawn_goes_to_no_other_provider(
    restaurant: Restaurant,
    provider_a: ScriptedGateway,
    provider_b: ScriptedGateway,
    withdraw: Callable[[Payment], object],
) -> None:
    sending = being_sent(restaurant)
    withdraw(sending.payment)
    provider_a.charges.append(UNREACHABLE)

    send_charge(sending)
    sweep_payments(width=1)

    assert Payment.objects.get().status == PaymentStatus.FAILED
    assert provider_b.asked == []


def test_what_was_withdrawn_in_doubt_is_not_sent_again(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    provider_a.charges.append(TIMED_OUT)
    payment = paid(order_of(restaurant))
    cancel_payment(payment_id=payment.pk, actor=GUEST)
    time.jump_to(Attempt.objects.get().invisible_until)
    provider_a.look_ups.extend([LookUpResult(answer=Answer.NOT_FOUND)] * 4)

    for _ in range(4):
        swept(time)

    assert provider_a.count("charge") == 1
    assert Attempt.objects.get().status == AttemptStatus.UNKNOWN


def test_the_wish_ends_with_a_new_try(
    restaurant: Restaurant, provider_a: ScriptedGateway, provider_b: ScriptedGateway
) -> None:
    sending = being_sent(restaurant)
    cancel_payment(payment_id=sending.payment.pk, actor=GUEST)
    provider_a.charges.extend([UNREACHABLE, UNREACHABLE])
    send_charge(sending)

    retry_payment(payment_id=sending.payment.pk, actor=GUEST)
    sweep_payments(width=1)

    assert Payment.objects.get().status == PaymentStatus.COMPLETED
    assert provider_b.count("charge") == 1


def test_cash_against_a_doubt_ends_the_wish_too(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    provider_a.charges.append(TIMED_OUT)
    payment = paid(order_of(restaurant))
    cancel_payment(payment_id=payment.pk, actor=GUEST)

    waiter = staff(restaurant, Role.WAITER)
    taken = CashTaken(amount_minor=84_000)
    take_cash_against_doubt(payment_id=payment.pk, person=waiter, reason="The guest has to go.", taken=taken)

    payment = Payment.objects.get()
    assert (payment.status, payment.close_wanted) == (PaymentStatus.COMPLETED, False)


def test_a_provider_that_cannot_close_it_is_asked_by_the_schedule(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    provider_a.charges.append(outcome(Outcome.PENDING))
    provider_a.cancels.extend([CancelResult(answer=CancelAnswer.NO_ANSWER)] * 3)
    payment = paid(order_of(restaurant))
    cancel_payment(payment_id=payment.pk, actor=GUEST)

    for _ in range(3):
        swept(time)
        assert not Payment.objects.filter(next_action_at__lte=time.now()).exists()

    assert swept(time).status == PaymentStatus.FAILED


def failed(restaurant: Restaurant, provider: ScriptedGateway, order: Order | None = None) -> Payment:
    provider.charges.append(outcome(Outcome.DECLINED, ErrorCode.CARD_DECLINED))
    return paid(order or order_of(restaurant), instrument="tok_of_a_card")


@pytest.mark.parametrize(
    ("method", "instrument", "code"),
    [("barter", "", "unknown_method"), ("wallet", "", "no_provider"), ("", "4242424242424242", "card_number")],
)
def test_a_new_try_is_checked_like_the_first(
    restaurant: Restaurant, provider_a: ScriptedGateway, method: str, instrument: str, code: str
) -> None:
    payment = failed(restaurant, provider_a)
    held = reserve_share(draft=draft_for(order_of(restaurant)), actor=GUEST)

    for act, subject in ((retry_payment, payment), (start_payment, held)):
        with pytest.raises(PaymentRefused) as refused:
            act(payment_id=subject.pk, actor=GUEST, method=method, instrument=instrument)
        assert refused.value.code == code
        assert (Payment.objects.get(pk=subject.pk).status, subject.round) == (subject.status, 1)


def test_another_method_forgets_the_token_and_the_provider_of_the_first(
    restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    payment = failed(restaurant, provider_a)
    Payment.objects.filter(pk=payment.pk).update(wanted_provider="a")

    retry_payment(payment_id=payment.pk, actor=GUEST, method="cash")
    sweep_payments(width=1)

    payment = Payment.objects.get()
    assert (payment.instrument, payment.method, payment.status) == ("", "cash", PaymentStatus.PROCESSING)
    assert Attempt.objects.latest("number").status == AttemptStatus.PENDING


@pytest.mark.parametrize("first", [UNREACHABLE, TIMED_OUT])
def test_a_disabled_account_is_sent_nothing_more(
    restaurant: Restaurant,
    provider_a: ScriptedGateway,
    provider_b: ScriptedGateway,
    time: ShiftedClock,
    first: object,
) -> None:
    ProviderAccount.objects.filter(provider="b").update(enabled=False)
    provider_a.charges.append(first)  # type: ignore[arg-type]  # A result, from the line above.
    paid(order_of(restaurant))
    Payment.objects.update(next_action="resend")
    ProviderAccount.objects.filter(provider="a").update(enabled=False)
    ProviderAccount.objects.filter(provider="b").update(enabled=True)

    swept(time)
    payment = swept(time)

    assert provider_a.count("charge") == 1
    sent_nothing = first is UNREACHABLE
    assert payment.status == (PaymentStatus.COMPLETED if sent_nothing else PaymentStatus.PROCESSING)
    assert provider_b.count("charge") == (1 if sent_nothing else 0)


def test_a_worker_that_is_always_too_late_leaves_the_payment_to_the_next_provider(
    restaurant: Restaurant, provider_a: ScriptedGateway, provider_b: ScriptedGateway, time: ShiftedClock
) -> None:
    provider_a.charges.extend([outcome(Outcome.NOT_SENT, ErrorCode.TOO_LATE_TO_SEND)] * 3)
    paid(order_of(restaurant))

    for _ in range(3):
        swept(time)

    assert Payment.objects.get().status == PaymentStatus.COMPLETED
    assert (provider_a.count("charge"), provider_b.count("charge")) == (3, 1)


@pytest.mark.parametrize("other", ["held", "pending", "unknown", "begun"])
def test_late_money_ends_what_other_guests_are_about_to_pay(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock, other: str
) -> None:
    """The first to settle is kept, and nobody is asked to pay what is paid already."""
    order = order_of(restaurant)
    late = Attempt.objects.get(payment=failed(restaurant, provider_a, order))
    draft = draft_for(order, amount_minor=50_000)
    if other == "held":
        second = reserve_share(draft=draft, actor=GUEST)
    elif other == "begun":
        second = accepted(order, amount_minor=50_000)
    else:
        provider_a.charges.append(TIMED_OUT if other == "unknown" else outcome(Outcome.PENDING))
        second = paid(order, amount_minor=50_000)
    third = accepted(order, amount_minor=1_000)

    news = Evidence(source=Source.NOTICE, finding=Finding.SUCCEEDED, money=Money(84_000, "INR"))
    settle_attempt(attempt_id=late.pk, evidence=news)
    provider_a.look_ups.append(LookUpResult(answer=Answer.PENDING))
    for _ in range(3):
        time.advance(seconds=4)
        sweep_payments(width=1)

    assert Payment.objects.get(pk=third.pk).failure_code == "not_due"
    second = Payment.objects.get(pk=second.pk)
    assert (second.status, second.failure_code) in {("failed", "not_due"), ("failed", "cancelled")}
    assert provider_a.count("charge") == (1 if other in {"held", "begun"} else 2)
    assert provider_a.count("refund") == 0
