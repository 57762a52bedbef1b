"""Money that has to go back finds a way: refunds that never left, surpluses that were refused, people who decide."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations

import pytest

from accounts.models import Restaurant, Role
from events.actors import GUEST, Actor
from failures.models import Case, CaseKind
from kernel import crashpoints
from kernel.crashpoints import CrashPoint
from kernel.money import Money
from payments.gateways.contract import Answer, ErrorCode, LookUpResult, Outcome, RefundFact
from payments.models import Attempt, Capture, NextAction, Payment, ProviderAccount, Refund, RefundOrigin, RefundStatus
from payments.services import timing
from payments.services.evidence import Evidence, Finding, Source
from payments.services.payments import retry_payment
from payments.services.refund_requests import request_refund
from payments.services.refund_settlement import MAX_REFUND_SENDS, settle_refund
from payments.services.refusals import PaymentRefused, RefundRefused
from payments.services.settlement import settle_attempt
from payments.services.sweeps import sweep_payments, sweep_refunds, sweep_watches
from tests.factories import order_of, paid, staff
from tests.payments.words import DUE, REFUSED, TIMED_OUT, UNREACHABLE, waiting
from tests.scripted import ScriptedGateway, outcome
from tests.time_machine import ShiftedClock
from tests.two_people import record_refund_made, record_refund_not_made

REASON = "Their dashboard shows it."


def asked_back(restaurant: Restaurant) -> Refund:
    payment = paid(order_of(restaurant))
    return request_refund(payment_id=payment.pk, reason="cold food", actor=GUEST)


def swept(time: ShiftedClock) -> Refund:
    """The refund that is due next, one step further."""
    due = Refund.objects.filter(next_action_at__isnull=False).order_by("next_action_at").first()
    assert due is not None
    assert due.next_action_at is not None
    time.jump_to(due.next_action_at)
    sweep_refunds(width=1)
    return Refund.objects.get(pk=due.pk)


def surplus(restaurant: Restaurant, provider: ScriptedGateway) -> Attempt:
    """Declined, paid again, and then the first charge turns out to have been made after all."""
    provider.charges.append(outcome(Outcome.DECLINED, ErrorCode.CARD_DECLINED))
    payment = paid(order_of(restaurant))
    retry_payment(payment_id=payment.pk, actor=GUEST)
    sweep_payments(width=1)
    late = Attempt.objects.order_by("number")[0]
    news = Evidence(source=Source.NOTICE, finding=Finding.SUCCEEDED, money=DUE)
    settle_attempt(attempt_id=late.pk, evidence=news)
    return Attempt.objects.get(pk=late.pk)


def test_a_refund_that_never_left_is_sent_until_it_arrives(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    asked_back(restaurant)
    provider_a.refunds.extend([UNREACHABLE] * (MAX_REFUND_SENDS + 10))

    for _ in range(MAX_REFUND_SENDS + 10):
        refund = swept(time)
        assert (refund.status, refund.next_action) == (RefundStatus.PROCESSING, NextAction.RESEND)
    assert provider_a.count("look_up") == 0
    assert waiting() == [CaseKind.REFUND_IN_DOUBT]
    assert refund.next_action_at is not None
    assert refund.next_action_at - time.now() > timedelta(minutes=30)  # Nobody hammers a provider that is gone.

    provider_a.refunds.clear()
    assert swept(time).status == RefundStatus.COMPLETED
    assert waiting() == []


def test_a_person_gives_up_a_refund_that_never_left_and_the_money_is_free_again(
    restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    refund = asked_back(restaurant)
    provider_a.refunds.extend([UNREACHABLE] * MAX_REFUND_SENDS)  # However soon it is tried again.
    sweep_refunds(width=1)

    finance = staff(restaurant, Role.FINANCE)
    record_refund_not_made(refund_id=refund.pk, person=finance, reason="The account is closed: paid back by bank.")

    assert Refund.objects.get().status == RefundStatus.FAILED
    assert Attempt.objects.get().refundable_minor == 84_000
    assert waiting() == [CaseKind.REFUND_FAILED]


def test_a_person_who_saw_the_refund_at_the_provider_ends_its_doubt(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    refund = asked_back(restaurant)
    provider_a.refunds.append(TIMED_OUT)
    sweep_refunds(width=1)
    time.advance(minutes=16)
    sweep_refunds(width=1)
    assert waiting() == [CaseKind.REFUND_IN_DOUBT]

    finance = staff(restaurant, Role.FINANCE)
    record_refund_made(refund_id=refund.pk, person=finance, reason=REASON)

    assert Refund.objects.get().status == RefundStatus.COMPLETED
    assert (Attempt.objects.get().refunded_minor, waiting()) == (84_000, [])
    for act in (record_refund_made, record_refund_not_made):
        with pytest.raises(RefundRefused) as refused:
            act(refund_id=refund.pk, person=finance, reason=REASON)
        assert refused.value.code == "not_open"


def test_nobody_decides_about_a_refund_that_is_being_sent_or_without_the_role(
    restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    refund = asked_back(restaurant)
    finance, waiter = staff(restaurant, Role.FINANCE), staff(restaurant, Role.WAITER)
    seen: list[str] = []

    def try_to_decide(point: CrashPoint) -> None:
        if point == CrashPoint.REFUND_AFTER_COMMIT:
            with pytest.raises(RefundRefused) as refused:
                record_refund_not_made(refund_id=refund.pk, person=finance, reason=REASON)
            seen.append(refused.value.code)

    with pytest.raises(PaymentRefused):
        record_refund_not_made(refund_id=refund.pk, person=waiter, reason=REASON)
    previous = crashpoints.install(try_to_decide)
    try:
        sweep_refunds(width=1)
    finally:
        crashpoints.install(previous)

    assert seen == ["being_sent"]
    assert Refund.objects.get().status == RefundStatus.COMPLETED


def test_a_refund_whose_sender_died_is_in_doubt_before_anybody_asks(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    class Killed(BaseException):
        pass

    def die(point: CrashPoint) -> None:
        if point == CrashPoint.REFUND_AFTER_ANSWER:
            raise Killed

    asked_back(restaurant)
    previous = crashpoints.install(die)
    try:
        with pytest.raises(Killed):
            sweep_refunds(width=1)
    finally:
        crashpoints.install(previous)
    assert Refund.objects.get().is_awaited

    time.advance(seconds=timing.lease().total_seconds())
    sweep_refunds(width=1)

    refund = Refund.objects.get()
    assert (refund.in_doubt, refund.is_awaited, refund.doubt_since is not None) == (True, False, True)


def test_a_refund_s_sender_that_comes_back_late_with_money_is_believed(restaurant: Restaurant) -> None:
    refund = asked_back(restaurant)
    lost = Evidence(source=Source.CHARGE, finding=Finding.SUCCEEDED, money=DUE, lease_token=refund.pk)

    settle_refund(refund_id=refund.pk, evidence=lost)

    assert Refund.objects.get().status == RefundStatus.COMPLETED


def test_a_surplus_whose_refund_was_refused_is_asked_for_again(
    restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    late = surplus(restaurant, provider_a)
    provider_a.refunds.append(REFUSED)
    sweep_refunds(width=1)
    assert waiting() == [CaseKind.REFUND_FAILED, CaseKind.SURPLUS]

    finance = Actor.user(staff(restaurant, Role.FINANCE))
    asking = {"payment_id": late.payment_id, "attempt_id": late.pk, "reason": "by the new account", "actor": finance}
    with pytest.raises(RefundRefused) as refused:
        request_refund(amount_minor=1, **asking)  # type: ignore[arg-type]  # Named above.
    assert refused.value.code == "surplus_is_whole"
    again = request_refund(**asking)  # type: ignore[arg-type]  # Named above.
    sweep_watches(width=1)
    sweep_refunds(width=1)

    again = Refund.objects.get(pk=again.pk)
    assert (again.origin, again.status) == (RefundOrigin.SURPLUS, RefundStatus.COMPLETED)
    assert Attempt.objects.get(pk=late.pk).refunded_minor == 84_000
    assert Attempt.objects.get(capture=Capture.KEPT).refunded_minor == 0
    assert waiting() == [CaseKind.REFUND_FAILED]


def test_a_refund_made_after_all_is_found_in_the_charge_s_books_before_a_second_one_is_sent(
    restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    refund = asked_back(restaurant)
    provider_a.refunds.append(REFUSED)
    sweep_refunds(width=1)
    ours = RefundFact(reference="r-1", money=DUE, succeeded=True, key=str(refund.pk))
    charge = LookUpResult(answer=Answer.SUCCEEDED, money=DUE, refunds=(ours,))
    provider_a.look_ups.extend([charge, LookUpResult(answer=Answer.SUCCEEDED, money=DUE, reference="r-1")])

    sweep_watches(width=1)
    with pytest.raises(RefundRefused) as refused:
        request_refund(payment_id=refund.payment_id, reason="cold food", actor=GUEST)
    assert refused.value.code == "being_asked"
    sweep_refunds(width=1)

    assert Refund.objects.get().status == RefundStatus.COMPLETED
    assert Attempt.objects.get().refunded_minor == 84_000
    assert provider_a.count("refund") == 1
    assert waiting() == [CaseKind.CONTRADICTION]


@pytest.mark.parametrize("answer", [Answer.DECLINED, Answer.NOT_FOUND])
def test_a_no_that_is_confirmed_frees_the_way_for_another_refund(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock, answer: Answer
) -> None:
    refund = asked_back(restaurant)
    provider_a.refunds.append(REFUSED)
    sweep_refunds(width=1)
    Refund.objects.update(next_action=NextAction.LOOK_UP, next_action_at=Refund.objects.get().created_at)
    provider_a.look_ups.extend([LookUpResult(answer=answer)] * 9)

    for _ in range(9):
        if Refund.objects.get().next_action != NextAction.NONE:
            swept(time)

    assert Refund.objects.get().not_found_count == (0 if answer == Answer.DECLINED else timing.NOT_FOUND_NEEDED)
    assert Refund.objects.get().next_action == NextAction.NONE
    request_refund(payment_id=refund.payment_id, reason="cold food", actor=GUEST)


def test_a_refund_that_the_bank_returned_is_seen_in_the_charge_s_books(
    restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    refund = asked_back(restaurant)
    sweep_refunds(width=1)
    returned = RefundFact(reference="r-1", money=DUE, succeeded=False, key=str(refund.pk))
    news = Evidence(source=Source.NOTICE, finding=Finding.SUCCEEDED, money=DUE, refunds=(returned,))
    provider_a.look_ups.append(LookUpResult(answer=Answer.DECLINED, code=ErrorCode.REFUND_REFUSED))

    settle_attempt(attempt_id=refund.attempt_id, evidence=news)
    sweep_refunds(width=1)

    assert Refund.objects.get().status == RefundStatus.FAILED
    assert waiting() == [CaseKind.REFUND_FAILED]


REFUND_NEWS = [
    Evidence(source=Source.LOOK_UP, finding=Finding.PENDING),
    Evidence(source=Source.LOOK_UP, finding=Finding.NO_ANSWER),
    Evidence(source=Source.NOTICE, finding=Finding.SUCCEEDED, money=DUE),
    Evidence(source=Source.NOTICE, finding=Finding.DECLINED, code=ErrorCode.REFUND_REFUSED),
]


@pytest.mark.parametrize("story", list(permutations(REFUND_NEWS)))
def test_whatever_the_order_of_the_news_a_refund_that_was_made_is_counted_once(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock, story: tuple[Evidence, ...]
) -> None:
    """A message that says no after one that said yes leads to a question, and the provider has the last word."""
    refund = asked_back(restaurant)
    provider_a.refunds.append(TIMED_OUT)
    sweep_refunds(width=1)

    for evidence in story:
        settle_refund(refund_id=refund.pk, evidence=evidence)
    provider_a.look_ups.append(LookUpResult(answer=Answer.SUCCEEDED, money=DUE))
    refund = Refund.objects.get()
    if refund.next_action_at is not None:
        refund = swept(time)

    assert (refund.status, refund.next_action) == (RefundStatus.COMPLETED, NextAction.NONE)
    attempt = Attempt.objects.get()
    assert (attempt.refunded_minor, attempt.refunding_minor) == (84_000, 0)


def test_a_contradiction_about_a_refund_is_told_once(restaurant: Restaurant) -> None:
    refund = asked_back(restaurant)
    sweep_refunds(width=1)
    other = Evidence(source=Source.LOOK_UP, finding=Finding.SUCCEEDED, money=Money(1, "INR"))
    versions = []

    for _ in range(3):
        settle_refund(refund_id=refund.pk, evidence=other)
        versions.append(Payment.objects.get().version)

    assert versions == [versions[0]] * 3


def test_a_long_sentence_of_the_provider_is_no_poison(restaurant: Restaurant) -> None:
    """Longer than any column: the contradiction names a reference as long as references may be."""
    payments = [paid(order_of(restaurant)) for _ in range(2)]
    first, second = (Attempt.objects.get(payment=payment) for payment in payments)
    said = {"source": Source.NOTICE, "finding": Finding.SUCCEEDED, "money": DUE, "reference": "x" * 255}
    settle_attempt(attempt_id=first.pk, evidence=Evidence(**said))  # type: ignore[arg-type]  # Named above.

    for _ in range(2):
        settle_attempt(attempt_id=second.pk, evidence=Evidence(**said))  # type: ignore[arg-type]  # Named above.

    assert waiting() == [CaseKind.CONTRADICTION]


def test_silence_does_not_replace_what_the_provider_said_before(
    restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.SERVER_ERROR, raw={"said": "something"}))
    paid(order_of(restaurant))
    silence = Evidence(source=Source.LOOK_UP, finding=Finding.NO_ANSWER, raw={"error": "try later"})

    settle_attempt(attempt_id=Attempt.objects.get().pk, evidence=silence)

    assert Attempt.objects.get().evidence == {"said": "something"}


def test_a_key_that_is_refused_for_refunds_or_look_ups_is_one_case_for_the_account(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    provider_a.refunds.append(outcome(Outcome.NOT_SENT, ErrorCode.CREDENTIALS_REFUSED))
    asked_back(restaurant)
    sweep_refunds(width=1)
    provider_a.charges.append(TIMED_OUT)
    provider_a.look_ups.append(LookUpResult(answer=Answer.NO_ANSWER, code=ErrorCode.CREDENTIALS_REFUSED))
    doubtful = paid(order_of(restaurant))
    time.advance(seconds=5)
    sweep_payments(width=1)

    case = Case.objects.get(kind=CaseKind.CREDENTIALS)
    assert case.subject_id == ProviderAccount.objects.get(provider="a").pk
    assert Payment.objects.get(pk=doubtful.pk).in_doubt


def test_a_provider_that_limits_look_ups_is_left_alone_for_as_long_as_it_asks(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    provider_a.charges.append(TIMED_OUT)
    provider_a.look_ups.append(
        LookUpResult(answer=Answer.NO_ANSWER, code=ErrorCode.RATE_LIMITED, retry_after_seconds=200)
    )
    paid(order_of(restaurant))
    time.advance(seconds=5)

    sweep_payments(width=1)

    due = Payment.objects.get().next_action_at
    assert due is not None
    assert timedelta(seconds=195) < due - time.now() <= timedelta(seconds=200)
