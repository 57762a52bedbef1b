"""A statement that is written out gives what a query set would give, column by column."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.db import IntegrityError, connection, transaction
from django.db.models import Model
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext

from accounts.models import Restaurant
from events.models import Transition
from kernel import clock
from kernel.modes import Mode
from kernel.statements import Insertion, Rewriting, Statement
from payments.models import Attempt, InboundNotice, Method, ProviderAccount
from tests.factories import RestaurantFactory, order_of, paid, routed

ATTEMPTS = """
    SELECT {a}, {c}, c.provider || '!' FROM payments_attempt a JOIN payments_provideraccount c ON c.id = a.account_id
     WHERE a.id = %s"""


@pytest.fixture
def restaurant(transactional_db: None) -> Restaurant:
    restaurant: Restaurant = RestaurantFactory.create()
    (account,) = routed(restaurant, "cash")
    account.credentials = {"drawer": "left"}
    account.save()
    return restaurant


@pytest.fixture
def attempt(restaurant: Restaurant) -> Attempt:
    attempt = Attempt.objects.get(payment=paid(order_of(restaurant), method=Method.CASH))
    attempt.told = ["one", "two"]
    attempt.evidence = {"said": ["so"]}
    attempt.save()
    return attempt


def everything_in(row: Model) -> dict[str, Any]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def test_models_come_as_a_query_set_would_make_them(attempt: Attempt) -> None:
    ((read, account, more),) = Statement(ATTEMPTS, a=Attempt, c=ProviderAccount).read([attempt.pk])

    known = Attempt.objects.select_related("account").get(pk=attempt.pk)
    assert everything_in(read) == everything_in(known)
    assert everything_in(account) == everything_in(known.account)
    assert account.credentials == {"drawer": "left"}
    assert more == f"{known.account.provider}!"


def test_what_was_read_is_a_row_and_no_new_one(attempt: Attempt) -> None:
    ((read, _, _),) = Statement(ATTEMPTS, a=Attempt, c=ProviderAccount).read([attempt.pk])
    read.told = []

    with CaptureQueriesContext(connection) as said:
        read.save()

    assert [query["sql"].split()[0] for query in said] == ["UPDATE"]


def test_without_models_it_gives_what_was_selected(db: None) -> None:
    assert Statement("SELECT %(one)s::int, 'two'").read({"one": 1}) == [(1, "two")]


@pytest.mark.django_db(transaction=True)
def test_a_lock_outside_a_transaction_is_refused() -> None:
    locking = Statement("SELECT {a} FROM payments_attempt a FOR UPDATE", a=Attempt)

    with pytest.raises(TransactionManagementError):
        locking.read([])
    with transaction.atomic():
        assert locking.read([]) == []


def test_new_rows_are_written_in_one_statement_with_all_their_defaults(restaurant: Restaurant) -> None:
    words = {"restaurant_id": restaurant.pk, "mode": Mode.TEST, "subject_kind": "order", "actor_kind": "system"}
    rows = [
        Transition(subject_id=clock.new_id(), step=f"step {number}", evidence={"n": [number]}, **words)
        for number in (1, 2)
    ]

    with CaptureQueriesContext(connection) as said:
        Insertion(Transition).write(rows)

    assert len(said) == 1
    written = Transition.objects.filter(subject_id__in=[row.subject_id for row in rows]).order_by("id")
    assert [(row.step, row.evidence, row.at, row.from_status) for row in written] == [
        (row.step, row.evidence, row.at, "") for row in rows
    ]
    assert all(row.transaction_id for row in written)


def test_a_row_is_rewritten_as_saving_it_would(attempt: Attempt) -> None:
    attempt.told, attempt.evidence, attempt.error_message = ["three"], {"said": [None, 1]}, "100 % 'quoted'"

    with CaptureQueriesContext(connection) as said:
        Rewriting(Attempt).write(attempt)

    assert [query["sql"].split()[0] for query in said] == ["UPDATE"]
    assert everything_in(Attempt.objects.get(pk=attempt.pk)) == everything_in(attempt)


def test_secrets_are_rewritten_unreadably(restaurant: Restaurant) -> None:
    account = ProviderAccount.objects.get()
    account.credentials = {"drawer": "right"}

    Rewriting(ProviderAccount).write(account)

    assert ProviderAccount.objects.get().credentials == {"drawer": "right"}
    with connection.cursor() as cursor:
        cursor.execute("SELECT credentials FROM payments_provideraccount")
        assert "right" not in str(cursor.fetchall())


def test_a_row_that_is_not_there_is_not_made(attempt: Attempt) -> None:
    attempt.pk = clock.new_id()

    with pytest.raises(ObjectDoesNotExist, match="Nothing was written"):
        Rewriting(Attempt).write(attempt)


def test_no_rows_are_no_statement(db: None) -> None:
    with CaptureQueriesContext(connection) as said:
        Insertion(Transition).write([])

    assert len(said) == 0


def test_what_was_written_is_a_row_and_no_new_one(restaurant: Restaurant) -> None:
    words = {"restaurant_id": restaurant.pk, "mode": Mode.TEST, "actor_kind": "system"}
    row = Transition(subject_kind="order", subject_id=clock.new_id(), step="one", **words)

    Insertion(Transition).write([row])

    assert not row._state.adding
    assert row._state.db == connection.alias


def test_a_row_is_not_written_beside_one_that_is_there(restaurant: Restaurant) -> None:
    account, insertion = ProviderAccount.objects.get(), Insertion(InboundNotice)

    def notice(event_id: str, body: str) -> InboundNotice:
        words = {"restaurant_id": restaurant.pk, "mode": account.mode, "content": {}}
        return InboundNotice(account=account, event_id=event_id, body=body, **words)

    written = [
        insertion.write_unless_there(notice(event_id, body), "account", "event_id")
        for event_id, body in [("one", "first"), ("one", "second"), ("two", "third")]
    ]

    assert written == [True, False, True]
    kept = InboundNotice.objects.order_by("event_id").values_list("event_id", "body")
    assert list(kept) == [("one", "first"), ("two", "third")]


def test_another_constraint_than_the_named_one_is_no_reason_to_be_silent(restaurant: Restaurant) -> None:
    account, insertion = ProviderAccount.objects.get(), Insertion(InboundNotice)
    words = {"account": account, "restaurant_id": restaurant.pk, "mode": account.mode, "content": {}}
    insertion.write_unless_there(first := InboundNotice(event_id="one", **words), "account", "event_id")

    with pytest.raises(IntegrityError):
        insertion.write_unless_there(InboundNotice(pk=first.pk, event_id="two", **words), "account", "event_id")
