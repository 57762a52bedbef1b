"""What is looked for in the lists of history: an id, as it is typed, and by index however long the history is."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.db.models import Model
from django.test import RequestFactory

from accounts.models import Restaurant, Role
from accounts.services.editing_people import sign_out_everywhere
from events.models import AuditEntry, Event, Transition
from payments.models import Attempt, InboundNotice, Payment, ProviderAccount, Refund
from payments.services.attempts import begin_attempt
from tests.factories import RestaurantFactory, accepted, order_of, routed, staff

pytestmark = pytest.mark.django_db
KEY = "01a1fc6a-c8db-7c25-b938-f5b6a1f94ae2"
REQUEST = "req_seen-by-a-guest"
BIG = ("orders_order", "payments_", "events_")
# By which index each kind of id is found, on which list.
FOUND_BY: list[tuple[type[Model], str, str]] = [
    (Transition, KEY, "transition_by_subject"),
    (Transition, REQUEST, "transition_by_request"),
    (Event, KEY, "one_event_per_stream_version"),
    (Event, REQUEST, "event_by_request"),
    (AuditEntry, KEY, "audit_by_subject"),
    (AuditEntry, KEY, "audit_by_person"),
    (AuditEntry, REQUEST, "audit_by_request"),
    (InboundNotice, "evt_1", "one_notice_per_event"),
    (InboundNotice, KEY, "notices_by_subject"),
]


@pytest.fixture
def payment() -> Payment:
    restaurant = RestaurantFactory.create()
    routed(restaurant, "cash")
    payment = accepted(order_of(restaurant), method="cash")
    begin_attempt(payment_id=payment.pk)
    return payment


def searched(model: type[Model], term: str, restaurant: Restaurant, **more: bool) -> Any:
    page: Any = admin.site.get_model_admin(model)
    request = RequestFactory().get("/")
    person = staff(restaurant, Role.FINANCE)
    request.user = person
    for right, is_given in {"is_staff": True, **more}.items():
        setattr(person, right, is_given)
    rows, has_duplicates = page.get_search_results(request, page.get_queryset(request), term)
    assert not has_duplicates
    return rows


def plan_of(rows: Any) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    return str(rows.order_by().explain())


@pytest.mark.parametrize(("model", "term", "index"), FOUND_BY)
def test_each_id_is_looked_up_in_its_index(payment: Payment, model: type[Model], term: str, index: str) -> None:
    """Of somebody who sees everything, so that there is no other index to choose."""
    _many_notices(ProviderAccount.objects.get(restaurant=payment.restaurant))

    plan = plan_of(searched(model, term, payment.restaurant, is_superuser=True))

    assert index in plan
    assert "Seq Scan on events_" not in plan
    assert "Seq Scan on payments_inboundnotice" not in plan


def _many_notices(account: ProviderAccount) -> None:
    """Of one account, so that it is not the account by which one is found."""
    kept = {"restaurant_id": account.restaurant_id, "mode": account.mode, "account": account}
    InboundNotice.objects.bulk_create(InboundNotice(**kept, event_id=f"evt_{number}") for number in range(2, 1_000))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE payments_inboundnotice")


def test_a_step_is_found_by_whose_it_is_and_by_its_request_however_that_is_typed(payment: Payment) -> None:
    step = Transition.objects.filter(subject_id=payment.pk).earliest("id")

    for term in (str(payment.pk), str(payment.pk).upper(), f" {payment.pk.hex} "):
        assert step in searched(Transition, term, payment.restaurant)
    for term in ("payment", str(payment.pk)[:-1], "%", "' OR 1=1", "x" * 5_000):
        assert not searched(Transition, term, payment.restaurant).exists()
    assert not searched(Transition, str(payment.pk), RestaurantFactory.create()).exists()
    assert searched(Transition, " ", payment.restaurant).exists()


def test_what_was_done_is_found_by_whom_and_to_whom(payment: Payment) -> None:
    boss, person = (staff(payment.restaurant, role) for role in (Role.ADMIN, Role.WAITER))
    sign_out_everywhere(person=person, by=boss)
    entry = AuditEntry.objects.get(subject_id=str(person.pk))

    for who in (boss, person):
        assert list(searched(AuditEntry, str(who.pk).upper(), payment.restaurant)) == [entry]


def test_a_notice_is_found_by_the_number_that_its_provider_gave_it(payment: Payment) -> None:
    account = ProviderAccount.objects.get(restaurant=payment.restaurant)
    notice = InboundNotice.objects.create(
        restaurant_id=account.restaurant_id,
        mode=account.mode,
        account=account,
        event_id="evt_1",
        subject_id=str(payment.pk),
    )

    for term in ("evt_1", str(payment.pk)):
        assert list(searched(InboundNotice, term, payment.restaurant)) == [notice]
    assert not searched(InboundNotice, "evt_1", RestaurantFactory.create()).exists()


@pytest.mark.parametrize("model", [Attempt, Refund])
def test_attempts_and_refunds_are_found_as_payments_are(payment: Payment, model: type[Model]) -> None:
    expected = {each.pk for each in model._default_manager.filter(payment=payment)}
    assert expected or model is Refund

    for term in (payment.reference, str(payment.pk), payment.order.reference.lower()):
        rows = searched(model, term, payment.restaurant)
        assert {row.pk for row in rows} == expected
        assert "UPPER" not in str(rows.query)
    plan = plan_of(searched(model, payment.reference, payment.restaurant))
    assert not [table for table in BIG if f"Seq Scan on {table}" in plan], plan
