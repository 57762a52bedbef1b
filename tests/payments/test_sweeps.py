"""Sweeps: what is due is done; a row that breaks its worker stops nobody and ends before a human."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest

from accounts.models import Restaurant, Role, User
from events.actors import GUEST
from events.models import Event, Transition
from failures.models import Case, CaseKind, CaseStatus
from kernel import clock, crashpoints
from kernel.crashpoints import CrashPoint
from kernel.modes import Mode
from kernel.money import Money
from payments import tasks
from payments.gateways.contract import Answer, ErrorCode, LookUpResult, Outcome
from payments.models import Attempt, InboundNotice, NextAction, Payment, PaymentStatus, Refund, RefundStatus
from payments.services import providers, timing
from payments.services.facts import PaymentEvent, RefundEvent
from payments.services.leases import claim_payments
from payments.services.operators import release_from_quarantine
from payments.services.payments import cancel_payment, reserve_share
from payments.services.quarantine import quarantine_payment
from payments.services.refund_requests import request_refund
from payments.services.refusals import PaymentRefused
from payments.services.sweeps import (
    SWEEPS,
    sweep_notices,
    sweep_payments,
    sweep_refunds,
    sweep_watches,
)
from tests.factories import RestaurantFactory, accepted, draft_for, order_of, paid, staff
from tests.scripted import ScriptedGateway, outcome, succeeded
from tests.time_machine import ShiftedClock

REASON = "The provider is installed again."


@pytest.fixture
def poison(restaurant: Restaurant, provider_b: ScriptedGateway, monkeypatch: pytest.MonkeyPatch) -> Payment:
    """In doubt at a provider that the next release forgot: each look at it raises."""
    provider_b.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    payment = paid(order_of(restaurant), provider="b")
    monkeypatch.delitem(providers.PROVIDERS, "b")
    make_due(payment)
    return payment


def make_due(payment: Payment) -> None:
    Payment.objects.filter(pk=payment.pk).update(next_action_at=clock.now() - timedelta(seconds=30), lease_until=None)


def next_tick(time: ShiftedClock) -> None:
    """The lease of whoever is still claimed runs out."""
    time.advance(seconds=timing.lease().total_seconds())


def status_of(payment: Payment) -> str:
    return str(Payment.objects.values_list("status", flat=True).get(pk=payment.pk))


def test_a_sweep_does_all_that_is_due_and_says_how_much(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    payments = [accepted(order_of(restaurant)) for _ in range(5)]

    assert sweep_payments(width=2) == 5

    assert {status_of(payment) for payment in payments} == {PaymentStatus.COMPLETED}
    assert provider_a.count("charge") == 5
    assert [sweep(width=2) for sweep in SWEEPS] == [0, 0, 0, 0]
    assert provider_a.count("charge") == 5


def test_beats_tasks_and_the_sweeps_are_the_same(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    accepted(order_of(restaurant))

    assert [tasks.sweep_payments(), tasks.sweep_refunds(), tasks.sweep_watches(), tasks.sweep_notices()] == [1, 0, 0, 0]
    assert provider_a.count("charge") == 1


def test_each_planned_action_is_done(restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock) -> None:
    held = reserve_share(draft=draft_for(order_of(restaurant)), actor=GUEST)
    provider_a.charges.extend([outcome(Outcome.PENDING), outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT)])
    waiting, doubtful = paid(order_of(restaurant)), paid(order_of(restaurant))
    cancel_payment(payment_id=waiting.pk, actor=GUEST)
    provider_a.look_ups.append(LookUpResult(answer=Answer.DECLINED, code=ErrorCode.CARD_DECLINED))
    fresh = accepted(order_of(restaurant))
    asked = len(provider_a.asked)

    time.advance(seconds=timing.HOLD.total_seconds())
    assert sweep_payments(width=1) == 4

    assert {verb for verb, _ in provider_a.asked[asked:]} == {"cancel", "look_up", "charge"}
    assert [status_of(each) for each in (held, waiting, doubtful, fresh)] == ["failed", "failed", "failed", "completed"]
    codes = [Payment.objects.get(pk=each.pk).failure_code for each in (held, waiting, doubtful)]
    assert codes == ["expired", "cancelled", "card_declined"]


@pytest.mark.parametrize("width", [1, 4])
def test_a_row_that_raises_is_logged_and_stops_nobody(
    restaurant: Restaurant, poison: Payment, width: int, caplog: pytest.LogCaptureFixture
) -> None:
    others = [accepted(order_of(restaurant)) for _ in range(3)]

    with caplog.at_level(logging.ERROR, logger="payments.services.sweeps"):
        assert sweep_payments(width=width) == 4

    assert [record.message for record in caplog.records] == ["sweep_failed"]
    assert str(poison.pk) in vars(caplog.records[0])["row"]
    assert {status_of(payment) for payment in others} == {PaymentStatus.COMPLETED}
    assert (status_of(poison), Payment.objects.get(pk=poison.pk).claims) == (PaymentStatus.PROCESSING, 1)


def test_poison_is_quarantined_after_its_last_claim_with_a_case_and_the_others_go_on(
    restaurant: Restaurant, poison: Payment, time: ShiftedClock
) -> None:
    for number in range(1, timing.MAX_CLAIMS + 1):
        other = accepted(order_of(restaurant))
        assert sweep_payments(width=1) == 2
        assert status_of(other) == PaymentStatus.COMPLETED
        left = Payment.objects.get(pk=poison.pk)
        assert (left.claims, left.next_action, Case.objects.count()) == (number, NextAction.LOOK_UP, 0)
        next_tick(time)

    assert sweep_payments(width=1) == 1

    quarantined = Payment.objects.get(pk=poison.pk)
    assert (quarantined.status, quarantined.in_doubt) == (PaymentStatus.PROCESSING, True)
    assert (quarantined.next_action, quarantined.next_action_at) == (NextAction.NONE, None)
    case = Case.objects.get()
    assert (case.kind, case.payment_id, case.status) == (CaseKind.QUARANTINED, poison.pk, CaseStatus.OPEN)
    assert case.data == {"claims": timing.MAX_CLAIMS + 1}
    assert Event.objects.filter(type=PaymentEvent.QUARANTINED, stream_id=poison.pk).count() == 1
    next_tick(time)
    assert sweep_payments(width=1) == 0


def test_claims_that_came_back_are_forgotten(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    """A doubt is asked about hundreds of times; only claims in a row without an end are poison."""
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    payment = paid(order_of(restaurant))

    for _ in range(2 * timing.MAX_CLAIMS):
        make_due(payment)
        assert sweep_payments(width=1) == 1
        assert Payment.objects.get().claims == 0
        time.advance(seconds=1)

    assert not Case.objects.filter(kind=CaseKind.QUARANTINED).exists()


def test_a_worker_that_dies_again_and_again_with_a_payment_is_not_given_it_for_ever(
    restaurant: Restaurant, time: ShiftedClock
) -> None:
    """It died with the claim in its hand: nothing but the lease tells, and the count of it."""
    payment = accepted(order_of(restaurant))

    for _ in range(timing.MAX_CLAIMS):
        assert [claim.id for claim in claim_payments()] == [payment.pk]
        next_tick(time)
    sweep_payments(width=1)

    assert (status_of(payment), Case.objects.get().kind) == (PaymentStatus.PENDING, CaseKind.QUARANTINED)
    assert Attempt.objects.count() == 0


def test_a_sender_that_died_is_asked_about_when_its_lease_is_over(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    def die(point: CrashPoint) -> None:
        if point == CrashPoint.CHARGE_AFTER_ANSWER:
            raise KeyboardInterrupt

    before = crashpoints.install(die)
    try:
        with pytest.raises(KeyboardInterrupt):
            paid(order_of(restaurant))
    finally:
        crashpoints.install(before)
    assert sweep_payments(width=1) == 0
    assert Attempt.objects.get().status == "sent"

    next_tick(time)
    provider_a.look_ups.append(LookUpResult(answer=Answer.PENDING))
    assert sweep_payments(width=1) == 1

    assert Attempt.objects.get().status == "pending"
    assert [verb for verb, _ in provider_a.asked] == ["charge", "look_up"]


def test_a_refund_that_breaks_its_workers_is_quarantined_too(
    restaurant: Restaurant, provider_b: ScriptedGateway, monkeypatch: pytest.MonkeyPatch, time: ShiftedClock
) -> None:
    payment = paid(order_of(restaurant), provider="b")
    request_refund(payment_id=payment.pk, reason="cold food", actor=GUEST)
    with monkeypatch.context() as without:
        without.delitem(providers.PROVIDERS, "b")
        for _ in range(timing.MAX_CLAIMS + 1):
            assert sweep_refunds(width=1) == 1
            next_tick(time)

    refund = Refund.objects.get()
    assert (refund.status, refund.next_action) == (RefundStatus.REQUESTED, NextAction.NONE)
    assert Case.objects.get().kind == CaseKind.QUARANTINED
    assert Event.objects.filter(type=RefundEvent.QUARANTINED).count() == 1
    assert sweep_refunds(width=1) == 0

    finance = staff(restaurant, Role.FINANCE)
    release_from_quarantine(payment_id=payment.pk, person=finance, reason=REASON)
    assert sweep_refunds(width=1) == 1

    assert Refund.objects.get().status == RefundStatus.COMPLETED
    assert provider_b.count("refund") == 1


def test_one_notice_that_cannot_be_read_does_not_stop_the_next(
    restaurant: Restaurant, caplog: pytest.LogCaptureFixture
) -> None:
    account = restaurant.provider_accounts.get(provider="a")
    content = '{"subject": "charge", "key": "nobody", "answer": "succeeded", "code": "", "message": "",'
    content += ' "reference": "", "money": null, "refunds": [], "raw": {}}'
    for number, text in enumerate(("not json", content)):
        InboundNotice.objects.create(
            restaurant_id=restaurant.pk,
            mode=Mode.TEST,
            account=account,
            event_id=f"evt_{number}",
            content=text,
            next_action_at=clock.now(),
        )

    assert sweep_notices(width=1) == 2

    assert [notice.state for notice in InboundNotice.objects.order_by("event_id")] == ["stored", "parked"]
    assert [record.message for record in caplog.records] == ["sweep_failed"]


def test_one_watched_attempt_that_raises_does_not_stop_the_next(
    restaurant: Restaurant, provider_a: ScriptedGateway, provider_b: ScriptedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    for gateway, name in ((provider_b, "b"), (provider_a, "a")):
        gateway.charges.append(outcome(Outcome.DECLINED, ErrorCode.CARD_DECLINED))
        paid(order_of(restaurant), provider=name)
    Attempt.objects.update(watch_at=clock.now())
    monkeypatch.delitem(providers.PROVIDERS, "b")

    assert sweep_watches(width=1) == 2

    assert [attempt.watches for attempt in Attempt.objects.order_by("account__provider")] == [1, 0]
    assert provider_a.count("look_up") == 1


@pytest.fixture
def quarantined(restaurant: Restaurant, poison: Payment) -> Payment:
    quarantine_payment(payment_id=poison.pk)
    return poison


def test_what_is_repaired_is_released_and_the_clock_takes_it_up(
    restaurant: Restaurant, quarantined: Payment, provider_a: ScriptedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    finance = staff(restaurant, Role.FINANCE)
    monkeypatch.setitem(providers.PROVIDERS, "b", providers.PROVIDERS["a"])
    Payment.objects.filter(pk=quarantined.pk).update(claims=9)

    payment = release_from_quarantine(payment_id=quarantined.pk, person=finance, reason=REASON)

    assert (payment.claims, payment.next_action, payment.is_leased) == (0, NextAction.LOOK_UP, False)
    note = Transition.objects.get(step="take_up")
    assert (note.subject_id, note.reason, note.actor_id) == (quarantined.pk, REASON, str(finance.pk))
    assert Case.objects.get().status == CaseStatus.RESOLVED
    provider_a.look_ups.append(LookUpResult(answer=Answer.DECLINED, code=ErrorCode.CARD_DECLINED))
    assert sweep_payments(width=1) == 1
    assert status_of(quarantined) == PaymentStatus.FAILED


def test_what_had_not_begun_begins_after_its_release(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    payment = accepted(order_of(restaurant))
    quarantine_payment(payment_id=payment.pk)
    assert sweep_payments(width=1) == 0

    release_from_quarantine(payment_id=payment.pk, person=staff(restaurant, Role.ADMIN), reason=REASON)
    assert sweep_payments(width=1) == 1

    assert status_of(payment) == PaymentStatus.COMPLETED


def test_what_is_not_set_aside_is_not_taken_up(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    finance = staff(restaurant, Role.FINANCE)
    doubtful, done = paid(order_of(restaurant)), paid(order_of(restaurant))

    provider_a.charges.append(succeeded(Money(90_000, "INR")))
    undecided = paid(order_of(restaurant))

    for payment in (doubtful, done, undecided):
        before = Payment.objects.values().get(pk=payment.pk)
        with pytest.raises(PaymentRefused) as refused:
            release_from_quarantine(payment_id=payment.pk, person=finance, reason=REASON)
        assert refused.value.code == "not_set_aside"
        assert Payment.objects.values().get(pk=payment.pk) == before


def _strangers(restaurant: Restaurant) -> list[tuple[User, str, str]]:
    return [
        (staff(restaurant, Role.WAITER), REASON, "not_finance_here"),
        (staff(restaurant, Role.CUSTOMER), REASON, "not_finance_here"),
        (staff(RestaurantFactory.create(), Role.ADMIN), REASON, "not_finance_here"),
        (staff(restaurant, Role.FINANCE), "ok", "no_reason"),
        (staff(restaurant, Role.FINANCE), "   ", "no_reason"),
    ]


def test_only_finance_releases_and_only_with_a_reason(restaurant: Restaurant, quarantined: Payment) -> None:
    for person, reason, code in _strangers(restaurant):
        before = Transition.objects.count()
        with pytest.raises(PaymentRefused) as refused:
            release_from_quarantine(payment_id=quarantined.pk, person=person, reason=reason)
        assert refused.value.code == code
        assert Payment.objects.get().next_action == NextAction.NONE
        assert Transition.objects.count() == before
