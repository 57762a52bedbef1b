"""Where a person has a payment tried again: the page offers it, and reads how the providers are before any lock."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Restaurant, Role, User
from failures.bulk.running import work_on_bulk
from failures.models import BulkAction, Case
from kernel.modes import Mode
from payments.gateways.guard import Operation
from payments.models import Payment, PaymentStatus, ProviderAccount, Route
from payments.services import providers
from payments.services.sweeps import sweep_payments
from tests.factories import ProviderAccountFactory, RestaurantFactory, routed, staff
from tests.failures.bulking import begun, exhausted
from tests.failures.test_desk import desk_of, page_of, press
from tests.failures.test_services import REASON

pytestmark = pytest.mark.django_db


@pytest.fixture
def restaurant(_providers: None) -> Restaurant:
    routed(restaurant := RestaurantFactory.create(), "a", "b")
    return restaurant


@pytest.fixture
def finance(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


@pytest.fixture
def case(restaurant: Restaurant) -> Case:
    return exhausted(restaurant)


def shown(client: Client, case: Case) -> str:
    text: str = client.get(page_of(case)).content.decode()
    return text


def retried(client: Client, case: Case, provider: str) -> Any:
    return press(client, case, "decide", action="retry", reason=REASON, provider=provider)


def test_the_page_offers_each_provider_that_could_take_it(case: Case, finance: User) -> None:
    text = shown(desk_of(finance), case)

    assert '<option value="" selected>As the routes say: the first that is well</option>' in text
    assert '<option value="a">Only a</option>' in text
    assert '<option value="b">Only b</option>' in text


def test_one_that_rests_says_so(case: Case, finance: User) -> None:
    account = ProviderAccount.objects.get(provider="b")
    providers.circuits_of(account)[Operation.CHARGE].trip()

    assert "Only b, rests just now and is waited for" in shown(desk_of(finance), case)


def test_of_one_alone_nothing_is_asked(case: Case, finance: User) -> None:
    Route.objects.filter(account__provider="b").delete()

    assert "As the routes say" not in shown(desk_of(finance), case)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("provider", "goes_to"), [("b", "b"), ("a", "a"), ("", "a")])
def test_it_goes_where_was_said(case: Case, finance: User, provider: str, goes_to: str) -> None:
    assert retried(desk_of(finance), case, provider).status_code == 302

    sweep_payments(width=1)

    payment = Payment.objects.get()
    last = payment.attempts.select_related("account").order_by("number").last()
    assert last is not None
    assert last.account.provider == goes_to
    assert payment.status == PaymentStatus.COMPLETED


def test_a_forged_one_is_refused_and_what_was_typed_is_kept(case: Case, finance: User) -> None:
    refused = retried(desk_of(finance), case, "nobody")

    text = refused.content.decode()
    assert refused.status_code == 409
    assert "This restaurant has no provider &#x27;nobody&#x27;." in text
    assert REASON in text
    assert Payment.objects.get().status == PaymentStatus.FAILED


def test_a_choice_is_kept_where_something_else_is_wrong(case: Case, finance: User) -> None:
    refused = press(desk_of(finance), case, "decide", action="retry", reason="", provider="b")

    assert '<option value="b" selected>' in refused.content.decode()


def test_how_the_providers_are_is_read_before_the_order_is_locked(case: Case, finance: User) -> None:
    """Redis may take seconds to say so, in which nobody could pay of this order."""
    desk = desk_of(finance)

    with CaptureQueriesContext(connection) as said:
        retried(desk, case, "b")

    queries = [each["sql"] for each in said.captured_queries]
    reads = [number for number, sql in enumerate(queries) if "payments_route" in sql]
    locks = [number for number, sql in enumerate(queries) if "orders_order" in sql and "FOR" in sql.split()[-4:]]
    assert len(reads) == 1
    assert reads[0] < min(locks)


def test_nor_does_a_run_of_many_keep_whoever_stops_it_waiting(case: Case, finance: User) -> None:
    begun(BulkAction.RETRY, finance, [case])

    with CaptureQueriesContext(connection) as said:
        assert work_on_bulk() == 1

    queries = [each["sql"] for each in said.captured_queries]
    (read,) = [number for number, sql in enumerate(queries) if "payments_route" in sql]
    held = [number for number, sql in enumerate(queries) if '"failures_bulkrun"' in sql and "FOR UPDATE" in sql]
    assert read < held[0]
    assert Payment.objects.get().status == PaymentStatus.PROCESSING


def test_a_provider_without_a_route_is_not_offered(case: Case, finance: User, restaurant: Restaurant) -> None:
    ProviderAccountFactory.create(restaurant=restaurant, provider="cash", mode=Mode.TEST)

    assert "Only cash" not in shown(desk_of(finance), case)


def test_where_the_client_asked_for_one_that_is_what_no_choice_means(case: Case, finance: User) -> None:
    Payment.objects.update(wanted_provider="a")

    text = shown(desk_of(finance), case)

    assert '<option value="" selected>As the client asked: only a</option>' in text
    assert '<option value="b">Only b, the guest says there how to pay</option>' in text


def test_another_one_is_offered_also_where_it_is_the_only_one_left(case: Case, finance: User) -> None:
    Payment.objects.update(wanted_provider="a")
    Route.objects.filter(account__provider="a").update(enabled=False)

    assert '<option value="b">Only b, the guest says there how to pay</option>' in shown(desk_of(finance), case)


def test_of_the_one_that_the_client_asked_for_alone_nothing_is_asked(case: Case, finance: User) -> None:
    Payment.objects.update(wanted_provider="a")
    Route.objects.filter(account__provider="b").delete()

    assert "As the client asked" not in shown(desk_of(finance), case)


def test_both_contracts_with_one_provider_are_named_and_rest_only_together(
    case: Case, finance: User, restaurant: Restaurant
) -> None:
    second = ProviderAccountFactory.create(restaurant=restaurant, provider="a", label="Events")
    Route.objects.create(restaurant=restaurant, mode=Mode.TEST, position=9, account=second)
    providers.own_circuits_of(second)[Operation.CHARGE].trip()
    assert '<option value="a">Only a or Events</option>' in shown(desk_of(finance), case)

    providers.own_circuits_of(ProviderAccount.objects.get(label="a"))[Operation.CHARGE].trip()

    assert "Only a or Events, rests just now and is waited for" in shown(desk_of(finance), case)
