"""Generated data: the same for the same seed, within every invariant, and never beside live money."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.management.base import CommandError
from django.db import connection, models, transaction

from events.audit import verdicts
from events.models import AuditEntry, Event, Transition
from failures.generated.recording import COPIED
from failures.invariants import offences
from failures.models import WAITING, Case, CaseKind
from failures.showing.timeline import timeline_of
from kernel.fields import keyed_hash
from orders.models import Order, OrderLine
from payments.models import Attempt, Payment, PaymentStatus, Refund, RefundStatus
from tests.failures.generated.running import CASES, PAYMENTS, UNTIL, generate

# Telling the stories once takes longer than copying them.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def filled(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """Once for all that look at it; what each of them does is undone."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield generate()
        transaction.set_rollback(True)


@pytest.fixture
def look(filled: str, db: None) -> str:
    return filled


def test_as_many_as_were_wished_for(look: str) -> None:
    assert Payment.objects.count() == PAYMENTS
    assert Case.objects.filter(status__in=WAITING).count() == CASES
    assert f"{PAYMENTS} payments and {CASES} open cases" in look


def test_every_invariant_holds(look: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # What the database checks at a commit.

    assert list(offences(now=UNTIL + timedelta(minutes=30))) == []


def test_what_people_did_is_sealed(look: str) -> None:
    assert [verdict.wrong for verdict in verdicts()] == [()]
    assert AuditEntry.objects.filter(action="confirm_cash").exists()


def test_all_kinds_and_states_are_there(look: str) -> None:
    assert set(Payment.objects.values_list("status", flat=True)) == set(PaymentStatus.values)
    # New credentials are tried at a provider that answers, before anybody is asked: those of made-up people never are.
    assert set(Case.objects.values_list("kind", flat=True)) == set(CaseKind.values) - {CaseKind.CREDENTIALS_CHANGE}
    assert {RefundStatus.COMPLETED, RefundStatus.FAILED} <= set(Refund.objects.values_list("status", flat=True))
    assert Case.objects.exclude(owner=None).exists()
    assert Case.objects.filter(snoozed_until__gt=UNTIL).exists()
    assert Attempt.objects.values("payment").annotate(many=models.Count("id")).filter(many__gt=1).exists()


def test_most_payments_went_well(look: str) -> None:
    completed = Payment.objects.filter(status=PaymentStatus.COMPLETED).count()
    in_doubt = Payment.objects.filter(in_doubt=True).count()

    assert completed > PAYMENTS * 3 // 5
    assert 0 < in_doubt < PAYMENTS // 5


def test_an_order_adds_up_and_its_guest_is_found(look: str) -> None:
    for order in Order.objects.exclude(customer_phone_hash="")[:20]:
        assert order.total_minor == sum(OrderLine.objects.filter(order=order).values_list("total_minor", flat=True))
        assert order.customer_phone.startswith("+441")
        assert order.customer_email.endswith("@example.com")
        assert order.customer_phone_hash == keyed_hash(order.customer_phone)
        assert order.customer_email_hash == keyed_hash(order.customer_email)


def test_nothing_of_the_stories_own_is_left(look: str) -> None:
    """No mark, no amount and no time of a telling: each copy has its own."""
    told_only = r"«|»|\m(100[01]00[01]00[01]|99999[0-9]{4})\M|2020-01-"
    tables: tuple[type[models.Model], ...] = (*COPIED, AuditEntry, OrderLine)
    for model in tables:
        table = model._meta.db_table
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT COUNT(*) FROM {table} row WHERE row::text ~ %s", [told_only])  # noqa: S608  Our own names.
            assert cursor.fetchone() == (0,), table


def test_nothing_happened_in_the_future_and_nothing_is_overdue(look: str) -> None:
    for model, name in ((Payment, "created_at"), (Transition, "at"), (Event, "at"), (Case, "opened_at")):
        assert not model._default_manager.filter(**{f"{name}__gt": UNTIL}).exists()
    assert not Payment.objects.filter(next_action_at__lt=UNTIL + timedelta(minutes=30)).exists()
    assert Payment.objects.filter(created_at__gt=UNTIL - timedelta(minutes=15)).exists()


def test_a_case_tells_its_whole_story(look: str) -> None:
    for case in Case.objects.select_related("payment", "restaurant"):
        attempts = list(Attempt.objects.filter(payment=case.payment).select_related("account")) if case.payment else []
        told = timeline_of(case, attempts=attempts)
        assert any(moment.what == "A case was opened." for moment in told)
        assert [moment.at for moment in told] == sorted(moment.at for moment in told)
        assert not case.payment or any(moment.what == "The payment was accepted." for moment in told)


def test_ids_are_of_their_time(look: str) -> None:
    for pk, created_at in Payment.objects.values_list("pk", "created_at"):
        assert pk.version == 7
        assert abs((pk.int >> 80) - created_at.timestamp() * 1000) < 2


def test_a_second_run_says_that_all_is_there(look: str) -> None:
    said = generate(until=(UNTIL + timedelta(days=1)).isoformat())

    assert "They are there already, up to 2026-03-14 15:09:26 UTC." in said
    assert Payment.objects.count() == PAYMENTS


def test_more_is_added_only_on_request(look: str) -> None:
    with pytest.raises(CommandError, match="Say --more"):
        generate(seed=8)
    generate(seed=8, payments=60, cases=10, more=True)

    assert Payment.objects.count() == PAYMENTS + 60
    assert list(offences(now=UNTIL)) == []
