"""What may be done about a case, as its page offers it: locked by the service's own rule, and true about money."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Approval, Restaurant, Role, User
from events.actors import SYSTEM
from failures.decisions import Action
from failures.models import Case, CaseKind
from failures.reasons import UNPAID
from failures.showing.choices import WORDS
from failures.showing.locks import Seen, lock_of
from kernel import clock
from orders.models import Order
from orders.services import cancel_order
from payments.models import Attempt, Payment, Refund
from payments.services.attempts import begin_attempt
from payments.services.bill import Bill
from payments.services.evidence import Finding
from payments.services.facts import PaymentEvent
from payments.services.refusals import PaymentRefused
from tests.factories import accepted, order_of, staff
from tests.failures.bulking import doubtful, exhausted
from tests.failures.deciding import ask
from tests.failures.test_desk import MOST_QUERIES, desk_of, page_of, press
from tests.failures.test_services import REASON, happened
from tests.failures.world import paid_twice, told

LOCKED = re.compile(r'desk-locked"><h3>(.*?)</h3><p>Locked: (.*?)</p>')
OFFERED = re.compile(r'<details class="desk-choice"[^>]*>\s*<summary>(.*?)</summary>.*?<p>(.*?)</p>', re.S)


def test_whatever_sends_money_says_so() -> None:
    sends = {Action.RETRY, Action.REFUND, Action.REFUND_ALL, Action.REFUND_DIFFERENCE, Action.TAKE_UP}

    assert {action for action, words in WORDS.items() if words.moves_money or words.may_move_money} == sends


def locked(action: Action, payment: Payment, *attempts: Attempt) -> str:
    payment.amount_minor = 84_000
    for attempt in attempts:
        attempt.payment = payment
    bill = Bill(order=Order(total_minor=84_000, currency="INR"), payments=[payment], attempts=list(attempts))
    return lock_of(Seen(case=Case(kind=CaseKind.IN_DOUBT, payment=payment), person=User(), bill=bill), action)


@pytest.mark.parametrize(
    ("payment", "action", "why"),
    [
        ({"status": "failed"}, Action.RETRY, ""),
        ({"status": "processing", "in_doubt": True}, Action.RETRY, "Nobody knows yet whether it was charged."),
        ({"status": "completed", "reference": "P-1"}, Action.RETRY, "Payment P-1 is completed, not failed."),
        ({"status": "completed"}, Action.RECORD_CHARGED, "No charge of this payment is open any more."),
        ({"status": "processing"}, Action.KEEP, ""),
    ],
)
def test_what_cannot_be_done_now_says_why(db: None, payment: dict[str, Any], action: Action, why: str) -> None:
    said = locked(action, Payment(**payment))

    assert said.startswith(why)
    assert bool(said) == bool(why)


@pytest.mark.parametrize("action", [Action.RECORD_CHARGED, Action.RECORD_NOT_CHARGED])
@pytest.mark.parametrize(
    ("live", "why"),
    [
        ({"status": "sent"}, "Somebody is asking the provider right now. This opens again within half a minute."),
        ({"status": "unknown", "mismatch": True}, "Money was captured here: decide about its amount instead."),
        ({"status": "unknown"}, ""),
    ],
)
def test_nothing_is_recorded_while_somebody_asks(db: None, action: Action, live: dict[str, Any], why: str) -> None:
    assert locked(action, Payment(status="processing"), Attempt(**live)) == why


@pytest.fixture
def finance(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


def seen(case: Case, person: User) -> tuple[dict[str, str], dict[str, str]]:
    """What is locked and why, and what is open and what it says it does."""
    page = desk_of(person).get(page_of(case)).content.decode()
    return dict(LOCKED.findall(page)), {title: " ".join(does.split()) for title, does in OFFERED.findall(page)}


@pytest.mark.django_db
class TestOfABillThatIsNotPaid:
    @pytest.fixture
    def case(self, restaurant: Restaurant) -> Case:
        return exhausted(restaurant)

    def test_both_ways_to_close_it_say_who_may(self, case: Case, finance: User) -> None:
        locked, offered = seen(case, finance)

        assert set(locked.values()) == {UNPAID}
        assert {"Try the payment again", "Record: it was paid in another way", "Write it off"} <= set(offered)

    def test_nothing_is_tried_or_lost_once_the_order_is_cancelled(self, case: Case, finance: User) -> None:
        assert case.payment is not None
        cancel_order(order_id=case.payment.order_id, actor=SYSTEM)

        locked, offered = seen(case, finance)

        assert locked["Try the payment again"] == f"Order {case.payment.order.reference} is cancelled."
        assert locked["Write it off"] == "Nothing is owed any more: close the case instead."
        assert {"Close: it is dealt with", "Close: nothing was wrong"} <= set(offered)

    def test_nothing_is_tried_or_lost_while_another_share_of_it_is_in_doubt(self, case: Case, finance: User) -> None:
        assert case.payment is not None
        other = begin_attempt(payment_id=accepted(case.payment.order).pk)
        assert other is not None
        told(other.attempt, Finding.UNKNOWN)

        locked, _ = seen(case, finance)

        assert "is being paid right now" in locked["Try the payment again"]
        assert "or is in doubt" in locked["Write it off"]
        for action in (Action.RETRY, Action.WRITE_OFF):
            assert press(desk_of(finance), case, "decide", action=action, reason=REASON).status_code == 409

    def test_the_card_says_that_it_is_in_doubt_again(self, case: Case, finance: User) -> None:
        """Not that nothing was charged, with the advice to take cash."""
        press(desk_of(finance), case, "decide", action="retry", reason=REASON)
        again = begin_attempt(payment_id=case.payment_id) if case.payment_id else None
        assert again is not None
        told(again.attempt, Finding.UNKNOWN)

        page = desk_of(finance).get(page_of(case)).content.decode()

        (cause,) = re.findall(r'id="desk-cause">(.*?)</h2>', page)
        assert cause.startswith("It was tried again, and the provider gave no answer that can be relied on.")
        assert "or take cash" not in page


@pytest.mark.django_db
def test_a_surplus_that_is_on_its_way_back_is_not_sent_again(restaurant: Restaurant, finance: User) -> None:
    surplus = paid_twice(order_of(restaurant))
    case = Case.objects.get(kind=CaseKind.SURPLUS, subject_id=surplus.pk)

    locked, _ = seen(case, finance)

    assert locked["Send the refund again"] == "All of it is on its way back, or has gone back."
    assert press(desk_of(finance), case, "decide", action="refund", reason=REASON).status_code == 409
    assert Refund.objects.count() == 1


@pytest.mark.django_db
def test_what_is_recorded_as_charged_and_is_not_due_says_that_it_goes_back(
    restaurant: Restaurant, finance: User
) -> None:
    case = doubtful(restaurant)
    assert case.payment is not None
    cancel_order(order_id=case.payment.order_id, actor=SYSTEM)

    _, offered = seen(case, finance)
    assert "a refund of it is sent. <strong>This moves money.</strong>" in offered["Record: it was charged"]

    ask(case, finance, Action.RECORD_CHARGED, amount_minor=84_000)
    lead = desk_of(staff(restaurant, Role.FINANCE_LEAD)).get(page_of(case)).content.decode()
    assert Approval.objects.get().after["refunds"]
    assert "<strong>This moves money.</strong>" in lead
    assert "This moves no money" not in lead


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("is_captured", "why"),
    [
        (True, "Money was captured here: decide about its amount instead."),
        (False, "Somebody is asking the provider right now. This opens again within half a minute."),
    ],
)
def test_a_charge_is_recorded_neither_way_on_the_page_nor_by_the_service_while_it_may_not(
    restaurant: Restaurant, finance: User, is_captured: bool, why: str
) -> None:
    """The rule of the one is that of the other, in the same words."""
    case = doubtful(restaurant)
    if is_captured:
        attempt = told(Attempt.objects.get(), Finding.SUCCEEDED, minor=1)
        happened(PaymentEvent.DOUBT_PROLONGED, attempt.payment, attempt=str(attempt.pk))  # So that the case is open.
    else:
        Payment.objects.update(lease_until=clock.now() + timedelta(seconds=20))

    locked, _ = seen(case, finance)

    assert {locked["Record: it was charged"], locked["Record: it was not charged"]} == {why}
    for action, said in ((Action.RECORD_CHARGED, {"amount_minor": 84_000}), (Action.RECORD_NOT_CHARGED, {})):
        with pytest.raises(PaymentRefused) as refused:
            ask(case, finance, action, **said)
        assert refused.value.sentence == why
    assert not Approval.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("make", [doubtful, exhausted])
def test_a_page_that_looks_up_its_locks_stays_cheap(
    restaurant: Restaurant, finance: User, make: Callable[[Restaurant], Case]
) -> None:
    desk, page = desk_of(finance), page_of(make(restaurant))
    Payment.objects.filter(in_doubt=True).update(next_action="look_up", next_action_at=clock.now())
    desk.get(page)  # What a process reads once.

    with CaptureQueriesContext(connection) as asked:
        assert desk.get(page).status_code == 200

    assert len(asked) <= MOST_QUERIES


@pytest.mark.django_db
def test_where_nobody_can_be_asked_the_button_says_so_before_it_is_pressed(
    restaurant: Restaurant, finance: User
) -> None:
    case = doubtful(restaurant)
    Payment.objects.update(next_action="resend")

    locked, _ = seen(case, finance)

    assert "it is sent first, with its own key" in locked["Ask the provider now"]
