"""The page of a refund, for whoever gave some of the payment back a moment ago, and what it says of their limit."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import Approval, Restaurant, Role, User
from events.actors import Actor
from payments.models import Limited, Payment, Refund, RefundLimit, RefundStatus
from payments.services.refund_requests import request_refund
from tests.factories import staff
from tests.payments.test_giving_back import WHY, as_shown, desk, finance, give_page_of, payment, text_of
from tests.time_machine import ShiftedClock

__all__ = ["desk", "finance", "payment"]


@pytest.mark.parametrize("amount", ["22.20", "20"])
def test_whoever_comes_back_to_the_page_says_that_more_is_to_go_back(
    desk: Client, payment: Payment, time: ShiftedClock, amount: str
) -> None:
    """The browser fetches it anew, and it looks as if nothing had been done."""
    desk.post(give_page_of(payment), as_shown(desk, payment, amount="22.20"))
    said = as_shown(desk, payment, amount=amount)
    assert "You gave ₹22.20 of it back a moment ago." in text_of(desk.get(give_page_of(payment)))

    answer = desk.post(give_page_of(payment), said)

    assert (answer.status_code, Refund.objects.count()) == (400, 1)
    assert f'value="{amount}"' in text_of(answer)
    desk.post(give_page_of(payment), {**said, "once_more": "on"})
    assert Refund.objects.count() == 2

    time.advance(minutes=11)
    assert "once_more" not in text_of(desk.get(give_page_of(payment)))


def test_a_colleagues_refund_asks_for_no_tick(desk: Client, payment: Payment, restaurant: Restaurant) -> None:
    request_refund(
        payment_id=payment.pk, amount_minor=100, reason=WHY, actor=Actor.user(staff(restaurant, Role.FINANCE))
    )

    assert "once_more" not in text_of(desk.get(give_page_of(payment)))


def test_the_page_says_how_much_of_it_may_go_back_alone(desk: Client, payment: Payment, restaurant: Restaurant) -> None:
    RefundLimit.objects.create(restaurant=restaurant, who=Limited.FINANCE, currency="INR", most_minor=50_000)
    request_refund(
        payment_id=payment.pk, amount_minor=40_000, reason=WHY, actor=Actor.user(staff(restaurant, Role.FINANCE))
    )

    page = text_of(desk.get(give_page_of(payment)))
    answer = desk.post(give_page_of(payment), as_shown(desk, payment, amount="101"), follow=True)

    assert "You may give back ₹500.00 of it alone, of which ₹400.00 went back or is set aside. Above that" in page
    assert "₹101.00 is set aside. With what goes back of this payment besides, it is above your limit of ₹500.00." in (
        text_of(answer)
    )


def test_above_the_limit_it_waits_for_a_second_person(
    desk: Client, restaurant: Restaurant, payment: Payment, finance: User
) -> None:
    RefundLimit.objects.create(restaurant=restaurant, who=Limited.FINANCE, currency="INR", most_minor=30_000)

    answer = desk.post(give_page_of(payment), as_shown(desk, payment), follow=True)

    assert Refund.objects.get().status == RefundStatus.WAITING_APPROVAL
    assert Approval.objects.get().maker == finance
    assert "it is above your limit of ₹300.00. Nothing is sent until a second person agrees" in text_of(answer)
    assert 'href="/admin/accounts/approval/"' in answer.content.decode()
