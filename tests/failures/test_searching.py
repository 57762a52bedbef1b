"""What somebody types into the queue's search: each way to name a payment finds its case, and nobody else's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Restaurant
from events.actors import GUEST
from failures.models import Case, CaseKind
from failures.searching import cases_found, words_for
from payments.models import Attempt, Payment
from payments.searching import payments_found
from payments.services.evidence import Finding
from payments.services.facts import PaymentEvent, RefundEvent
from payments.services.refund_requests import request_refund
from tests.factories import RestaurantFactory, accepted, order_of, routed
from tests.failures.test_services import happened
from tests.failures.world import attempted, orphan_of

GUEST_OF = {"name": "Asha Rao", "phone": "+91 98200 12345", "email": "Asha@example.com"}


@pytest.fixture
def attempt(restaurant: Restaurant) -> Attempt:
    order = order_of(restaurant, 12_345_650, table="T4", client_reference="web-1001", customer=GUEST_OF)
    return attempted(order, Finding.SUCCEEDED, minor=12_345_650, reference="pay_Nx7")


@pytest.fixture
def case(attempt: Attempt) -> Case:
    happened(PaymentEvent.CONTRADICTED, attempt.payment)
    other = accepted(order_of(attempt.restaurant, 50_000, table="T5"))
    happened(PaymentEvent.CONTRADICTED, other)
    return Case.objects.get(payment=attempt.payment_id)


def found(term: str, *restaurants: Restaurant) -> set[UUID]:
    currencies = {restaurant.pk: restaurant.currency for restaurant in restaurants}
    return set(cases_found(Case.objects.all(), term, currencies=currencies).values_list("pk", flat=True))


TERMS: dict[str, Callable[[Case, Attempt], str]] = {
    "case": lambda case, _: str(case.pk),
    "payment": lambda case, _: str(case.payment_id),
    "without its dashes": lambda case, _: case.pk.hex,
    "order": lambda _, attempt: str(attempt.payment.order_id),
    "attempt": lambda _, attempt: f" {attempt.pk} ",
    "reference": lambda _, attempt: attempt.payment.reference,
    "in small letters": lambda _, attempt: attempt.payment.reference.lower(),
    "as it is read aloud": lambda _, attempt: attempt.payment.reference.removeprefix("P-"),
    "the order's reference": lambda _, attempt: attempt.payment.order.reference,
    "the platform's number": lambda *_: "web-1001",
    "the provider's number": lambda *_: "pay_Nx7",
    "table": lambda *_: "t4",
    "table in words": lambda *_: "Table T4",
    "phone": lambda *_: "+91 98200 12345",
    "e-mail": lambda *_: "asha@example.COM",
    "amount": lambda *_: "123456.50",
    "amount as it is shown": lambda *_: "₹1,23,456.50",
    "amount with its currency": lambda *_: "INR 123456.5",
}


@pytest.mark.parametrize("name", TERMS)
def test_each_way_to_name_it_finds_the_case_and_no_other(case: Case, attempt: Attempt, name: str) -> None:
    assert found(TERMS[name](case, attempt), attempt.restaurant) == {case.pk}


def test_a_refund_is_found_by_its_id_and_by_the_provider_s(case: Case, attempt: Attempt) -> None:
    refund = request_refund(payment_id=attempt.payment_id, amount_minor=100, reason="cold food", actor=GUEST)
    refund.provider_reference = "rfnd_1"
    refund.save()

    assert found(str(refund.pk), attempt.restaurant) == {case.pk}
    assert found("rfnd_1", attempt.restaurant) == {case.pk}


def test_a_case_about_no_payment_is_found_by_its_subject(restaurant: Restaurant) -> None:
    case = orphan_of(restaurant)

    assert found(str(case.subject_id), restaurant) == found(str(case.pk), restaurant) == {case.pk}


@pytest.mark.parametrize(
    "term",
    ["a guest with a red hat who was angry", "$123456.50", "123456.501", "-123456.50", "1,2", "%", "Asha Rao", "pay_N"],
)
def test_what_looks_like_nothing_or_like_half_of_it_finds_nothing(case: Case, attempt: Attempt, term: str) -> None:
    assert found(term, attempt.restaurant) == set()


def test_a_share_is_found_with_and_without_its_tip(restaurant: Restaurant) -> None:
    happened(PaymentEvent.CONTRADICTED, accepted(order_of(restaurant), tip_minor=6_000))
    case = Case.objects.get()

    assert found("840", restaurant) == found("900.00", restaurant) == {case.pk}


@pytest.mark.parametrize(
    "name", sorted(set(TERMS) - {"case", "payment", "without its dashes", "table", "table in words"})
)
def test_whoever_works_elsewhere_is_not_told_that_a_payment_exists(case: Case, attempt: Attempt, name: str) -> None:
    elsewhere = RestaurantFactory.create()
    routed(elsewhere, "a")
    if not name.startswith("amount"):
        assert payments_found(TERMS[name](case, attempt), restaurants=[elsewhere.pk]) == []


def test_a_phone_is_found_as_the_platform_wrote_it(restaurant: Restaurant) -> None:
    happened(PaymentEvent.CONTRADICTED, accepted(order_of(restaurant, customer={"phone": "+919820012345"})))
    case = Case.objects.get()

    for typed in ("+91 98200 12345", "+91-98200-12345", "(+91) 9820012345", "919820012345"):
        assert found(typed, restaurant) == {case.pk}


def test_a_phone_is_found_without_the_code_of_its_country_and_with_it(restaurant: Restaurant) -> None:
    """A guest says the number, the platform sends it with +91; or the other way round."""
    cases = []
    for written in ("+919876543201", "9876543202"):
        happened(PaymentEvent.CONTRADICTED, accepted(order_of(restaurant, customer={"phone": written})))
        cases.append(Case.objects.latest("pk").pk)

    assert found("9876543201", restaurant) == found("098765 43201", restaurant) == {cases[0]}
    assert found("+91 98765 43202", restaurant) == {cases[1]}


def test_a_refund_and_what_came_in_are_found_by_their_amounts(restaurant: Restaurant) -> None:
    kept = attempted(order_of(restaurant), Finding.SUCCEEDED, minor=84_000)
    refund = request_refund(payment_id=kept.payment_id, amount_minor=5_000, reason="cold food", actor=GUEST)
    happened(RefundEvent.HAND_OVER_NEEDED, Payment.objects.get(pk=kept.payment_id), refund=str(refund.pk))
    attempted(order_of(restaurant, 70_000), Finding.SUCCEEDED, minor=93_300)
    of_refund, of_other = (Case.objects.get(kind=kind) for kind in (CaseKind.CASH_REFUND, CaseKind.AMOUNT_MISMATCH))

    assert found("₹50.00", restaurant) == {of_refund.pk}
    assert found("933", restaurant) == {of_other.pk}
    # By the payment's as before.
    assert found("840", restaurant) == {of_refund.pk}
    assert found("700", restaurant) == {of_other.pk}


def test_a_term_is_one_question_and_each_part_of_it_is_a_look_up_in_an_index(case: Case, attempt: Attempt) -> None:
    """However small the tables of a test are: without leave to read a table whole, nothing is read whole."""
    for term in (str(case.payment_id), "9820012345", "asha@example.com", "pay_Nx7"):
        with CaptureQueriesContext(connection) as asked:
            payments_found(term, restaurants=[attempt.restaurant_id])
        assert len(asked) == 1
        plan = plan_of(asked.captured_queries[0]["sql"])
        assert not [table for table in BIG if f"Seq Scan on {table}" in plan], plan


BIG = ("orders_order", "payments_payment", "payments_attempt", "payments_refund")


def plan_of(sql: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {sql}")
        lines: list[Any] = cursor.fetchall()
    return "\n".join(line for (line,) in lines)


@pytest.mark.parametrize(
    ("term", "words"),
    [
        ("840", ["amount", "reference", "table"]),
        ("+91 98200 12345", ["phone", "table"]),
        ("asha@example.com", ["e-mail", "reference"]),
        ("a guest with a red hat who was angry", []),
    ],
)
def test_what_a_term_was_taken_for_can_be_written_down_without_it(
    restaurant: Restaurant, term: str, words: list[str]
) -> None:
    assert words_for(term, currencies={restaurant.pk: "INR"}) == words


def test_a_table_may_be_called_table(restaurant: Restaurant) -> None:
    """Some tills say "Table 4" where others say "4": each is found by what stands in the queue."""
    cases = [_case_at(restaurant, table) for table in ("Table 4", "4")]
    currencies = {restaurant.pk: "INR"}

    found = {case.pk for case in cases_found(Case.objects.all(), "Table 4", currencies=currencies)}
    assert found == {case.pk for case in cases}
    assert [case.pk for case in cases_found(Case.objects.all(), "4", currencies=currencies)] == [cases[1].pk]


def _case_at(restaurant: Restaurant, table: str) -> Case:
    payment = accepted(order_of(restaurant, table=table))
    happened(PaymentEvent.CONTRADICTED, payment)
    return Case.objects.get(payment=payment)
