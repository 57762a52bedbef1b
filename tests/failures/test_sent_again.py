"""A refund that failed is sent again while a larger one of its payment waits: what the page says before and after."""

from __future__ import annotations

from uuid import UUID

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import Restaurant, Role, User
from events.actors import Actor
from failures.models import Case, CaseKind
from kernel.money import Money
from payments.models import Limited, Refund, RefundStatus
from payments.services.evidence import Evidence, Finding, Source
from payments.services.limit_changes import set_refund_limit
from payments.services.refund_requests import request_refund
from payments.services.refund_settlement import settle_refund
from payments.services.refunds import begin_refund
from tests.factories import order_of, staff
from tests.failures.test_desk import MOST_QUERIES, desk_of, page_of, press
from tests.failures.world import attempted

pytestmark = pytest.mark.django_db
WAITS = "It is above your limit: nothing is sent until a second person has agreed."


@pytest.fixture
def finance(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


@pytest.fixture
def desk(finance: User) -> Client:
    return desk_of(finance)


@pytest.fixture
def failed(restaurant: Restaurant, finance: User) -> Case:
    kept = attempted(order_of(restaurant), Finding.SUCCEEDED, minor=84_000)
    refund = _asked(kept.payment_id, 5_000, finance)
    begin_refund(refund_id=refund.pk)
    not_made = Evidence(source=Source.LOOK_UP, finding=Finding.NOT_CHARGED, money=Money(5_000, "INR"))
    settle_refund(refund_id=refund.pk, evidence=not_made)
    admin = staff(restaurant, Role.ADMIN)
    set_refund_limit(restaurant=restaurant, who=Limited.FINANCE, currency="INR", most_minor=1_000, person=admin)
    assert _asked(kept.payment_id, 40_000, finance).status == RefundStatus.WAITING_APPROVAL
    return Case.objects.get(kind=CaseKind.REFUND_FAILED)


def test_it_is_said_to_be_done_by_whoever_may(restaurant: Restaurant, failed: Case) -> None:
    lead = desk_of(staff(restaurant, Role.FINANCE_LEAD))

    press(lead, failed, "decide", action="refund", reason="Send it once more.")

    assert Refund.objects.latest("id").status == RefundStatus.REQUESTED
    text = lead.get(page_of(failed)).content.decode()
    assert WAITS not in text
    assert "Done. The case is closed." in text


def test_it_says_beforehand_that_a_second_person_may_be_asked(desk: Client, failed: Case) -> None:
    text = desk.get(page_of(failed)).content.decode()

    assert "by the same way. If it is more than you may give back alone, a second person is asked first." in text


def test_it_has_a_page_that_stays_cheap(
    desk: Client, failed: Case, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    desk.get(page_of(failed))  # What a process reads once.

    with django_assert_max_num_queries(MOST_QUERIES):
        desk.get(page_of(failed))


def test_it_is_said_to_wait_where_it_does(desk: Client, failed: Case) -> None:
    press(desk, failed, "decide", action="refund", reason="Send it once more.")

    assert Refund.objects.latest("id").status == RefundStatus.WAITING_APPROVAL
    assert WAITS in desk.get(page_of(failed)).content.decode()


def _asked(payment_id: UUID, minor: int, person: User) -> Refund:
    return request_refund(
        payment_id=payment_id, amount_minor=minor, reason="The soup was cold.", actor=Actor.user(person)
    )
