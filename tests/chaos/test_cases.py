"""The run counts those cases as a human's that the desk shows as waiting, and that are about the row itself."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

import pytest
from django.db import connection, transaction

from events.actors import SYSTEM
from events.services import Journal
from failures import models
from failures.models import CaseKind
from failures.services.opening import OPENS
from kernel import clock
from payments.models import Payment
from payments.services.facts import PaymentEvent, RefundEvent
from tests.chaos import cases
from tests.factories import RestaurantFactory, accepted, order_of, routed
from tests.failures.world import refund_called

ABOUT_THE_DOUBT = {CaseKind.IN_DOUBT, CaseKind.AMOUNT_MISMATCH, CaseKind.QUARANTINED}


def test_the_same_cases_wait_here_and_at_the_desk() -> None:
    assert set(cases.WAITING) == set(models.WAITING)


def test_the_kinds_of_a_doubt_are_kinds_of_the_desk() -> None:
    assert set(cases.OF_A_DOUBT) == {kind.value for kind in ABOUT_THE_DOUBT}
    assert CaseKind.AMOUNT_MISMATCH.value == cases.MISMATCH


@pytest.mark.parametrize("question", [cases.doubt_has_case("p.id"), cases.refund_has_case("r.id"), cases.waits("c")])
def test_each_question_names_all_that_wait(question: str) -> None:
    assert all(f"'{status}'" in question for status in cases.WAITING)


@pytest.fixture
def payment(db: None) -> Payment:
    restaurant = RestaurantFactory.create()
    routed(restaurant, "sandbox_a")
    return accepted(order_of(restaurant))


def _happened(event: StrEnum, payment: Payment, *, refund: UUID | None = None) -> None:
    """With the case that it opens."""
    about = {name: str(clock.new_id()) for name in ("attempt", "account")} | ({"refund": str(refund)} if refund else {})
    with transaction.atomic():
        journal = Journal(SYSTEM)
        journal.happened(event, payment, **about)
        payment.save(update_fields=["version"])
        journal.write()


def _is_true(condition: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {condition} FROM payments_payment p")  # noqa: S608  Our own words.
        return bool(cursor.fetchone()[0])


@pytest.mark.parametrize("event", [event for event in OPENS if isinstance(event, PaymentEvent)])
def test_a_doubt_is_a_humans_by_a_case_of_its_own_kind(payment: Payment, event: PaymentEvent) -> None:
    _happened(event, payment)

    is_opened = event != PaymentEvent.COMPLETED  # Of a bill that was given up, and of no other.
    assert payment.cases.count() == is_opened
    assert _is_true(cases.doubt_has_case("p.id")) == (OPENS[event] in ABOUT_THE_DOUBT)


@pytest.mark.parametrize("event", [event for event in OPENS if isinstance(event, RefundEvent)])
def test_a_case_about_a_refund_is_its_own_and_not_its_payments(payment: Payment, event: RefundEvent) -> None:
    refund, other = refund_called(clock.new_id(), payment.restaurant).pk, clock.new_id()
    _happened(event, payment, refund=refund)

    assert _is_true(cases.refund_has_case(f"'{refund}'"))
    assert not _is_true(cases.refund_has_case(f"'{other}'"))
    assert not _is_true(cases.doubt_has_case("p.id"))
