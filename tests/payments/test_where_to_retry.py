"""A failed payment is tried again where somebody says: there alone, and in that round alone."""

from __future__ import annotations

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import Restaurant
from events.actors import GUEST
from events.models import Transition
from kernel.modes import Mode
from payments.gateways.contract import ErrorCode, Outcome
from payments.gateways.guard import Operation
from payments.models import Attempt, NextAction, Payment, PaymentStatus, ProviderAccount, Route
from payments.services import providers
from payments.services.payments import providers_to_retry_at, retry_payment
from payments.services.providers import candidates_for_payment
from payments.services.refusals import PaymentRefused
from payments.services.sweeps import sweep_payments
from tests.factories import ProviderAccountFactory, order_of, paid
from tests.scripted import ScriptedGateway, outcome

NO = outcome(Outcome.DECLINED, ErrorCode.EXPIRED_CARD)


def tried(payment: Payment, provider: str = "") -> Payment:
    retry_payment(payment_id=payment.pk, actor=GUEST, provider=provider)
    sweep_payments(width=1)
    return Payment.objects.get(pk=payment.pk)


def where(payment: Payment) -> list[str]:
    return list(Attempt.objects.filter(payment=payment).order_by("number").values_list("account__provider", flat=True))


@pytest.fixture
def failed(restaurant: Restaurant, provider_a: ScriptedGateway) -> Payment:
    provider_a.charges.append(NO)
    return paid(order_of(restaurant))


@pytest.mark.parametrize("provider", ["a", "b"])
def test_at_the_same_or_at_another(failed: Payment, provider: str) -> None:
    ProviderAccount.objects.filter(provider=provider).update(label=provider.upper())

    payment = tried(failed, provider)

    assert payment.status == PaymentStatus.COMPLETED
    assert where(payment) == ["a", provider]
    step = Transition.objects.get(subject_id=payment.pk, step="retry")
    assert step.reason == f"Another try at {provider.upper()} was asked for."


def test_it_falls_back_to_nobody(
    failed: Payment, restaurant: Restaurant, provider_a: ScriptedGateway, provider_b: ScriptedGateway
) -> None:
    provider_b.charges.append(outcome(Outcome.DECLINED, ErrorCode.PROVIDER_ERROR))

    payment = tried(failed, "b")

    assert payment.status == PaymentStatus.FAILED
    assert where(payment) == ["a", "b"]


def test_the_next_round_is_as_the_routes_say(failed: Payment, provider_b: ScriptedGateway) -> None:
    provider_b.charges.append(NO)
    tried(failed, "b")

    payment = tried(failed)

    assert payment.status == PaymentStatus.COMPLETED
    assert where(payment) == ["a", "b", "a"]


def test_what_the_client_wished_for_counts_again_after_it(restaurant: Restaurant, provider_b: ScriptedGateway) -> None:
    provider_b.charges.extend([NO, NO])
    failed = paid(order_of(restaurant), provider="b")
    assert where(tried(failed)) == ["b", "b"]

    payment = tried(failed, "a")

    assert (payment.status, payment.wanted_provider) == (PaymentStatus.COMPLETED, "b")
    assert where(payment) == ["b", "b", "a"]


@pytest.mark.parametrize(
    ("provider", "code", "field"), [("nobody", "unknown_provider", "provider"), ("cash", "no_provider", "method")]
)
def test_where_it_cannot_go_it_is_not_tried(failed: Payment, provider: str, code: str, field: str) -> None:
    with pytest.raises(PaymentRefused) as refused:
        retry_payment(payment_id=failed.pk, actor=GUEST, provider=provider)

    assert (refused.value.code, refused.value.field) == (code, field)
    payment = Payment.objects.get()
    assert (payment.status, payment.round, payment.round_provider) == (PaymentStatus.FAILED, 1, "")


def test_a_provider_that_rests_is_waited_for(failed: Payment) -> None:
    account = candidates_for_payment(failed.pk)[1].account
    providers.circuits_of(account)[Operation.CHARGE].trip()

    payment = tried(failed, "b")

    assert (payment.status, payment.next_action) == (PaymentStatus.PROCESSING, NextAction.BEGIN)
    assert where(payment) == ["a"]


def test_offered_are_those_that_could_take_it_in_their_order(failed: Payment) -> None:
    assert list(providers_to_retry_at(failed)) == ["a", "b"]


def test_also_those_that_the_client_did_not_wish_for(restaurant: Restaurant, provider_b: ScriptedGateway) -> None:
    provider_b.charges.append(NO)
    failed = paid(order_of(restaurant), provider="b")

    assert list(providers_to_retry_at(failed)) == ["a", "b"]


def test_not_where_no_route_takes_as_much(failed: Payment) -> None:
    Route.objects.filter(account__provider="b").update(max_minor=failed.charge_minor - 1)

    assert list(providers_to_retry_at(failed)) == ["a"]


def test_a_provider_with_two_accounts_is_offered_once(failed: Payment, restaurant: Restaurant) -> None:
    second = ProviderAccountFactory.create(restaurant=restaurant, provider="a", label="The other contract")
    Route.objects.create(restaurant=restaurant, mode=Mode.TEST, position=9, account=second)

    offered = providers_to_retry_at(failed)
    assert {name: [each.account.label for each in each_one] for name, each_one in offered.items()} == {
        "a": ["a", "The other contract"],
        "b": ["b"],
    }


def test_whoever_holds_the_lock_brings_what_was_read_before(failed: Payment) -> None:
    """To ask Redis how providers are may take seconds, in which nobody else could pay of this order."""
    candidates = candidates_for_payment(failed.pk)

    with CaptureQueriesContext(connection) as said, transaction.atomic():
        retry_payment(payment_id=failed.pk, actor=GUEST, candidates=candidates)

    assert not [each for each in said.captured_queries if "payments_route" in each["sql"]]
    assert Payment.objects.get().round == 2


def test_its_money_is_kept_once(failed: Payment, provider_a: ScriptedGateway, provider_b: ScriptedGateway) -> None:
    tried(failed, "b")

    charged = [verb for gateway in (provider_a, provider_b) for verb, _ in gateway.asked if verb == "charge"]
    assert len(charged) == 2  # One was declined.
    with pytest.raises(PaymentRefused, match="not failed"):
        retry_payment(payment_id=failed.pk, actor=GUEST, provider="a")
    assert Attempt.objects.get(account__provider="b").captured_minor == failed.charge_minor


def test_what_the_guest_entered_for_one_provider_no_other_one_sees(
    restaurant: Restaurant, provider_a: ScriptedGateway, provider_b: ScriptedGateway
) -> None:
    provider_b.charges.append(NO)
    failed = paid(order_of(restaurant), provider="b", instrument="a card at b")
    tried(failed, "a")
    provider_b.charges.append(NO)
    other = paid(order_of(restaurant), provider="b", instrument="a card at b")
    tried(other, "b")

    assert [each.instrument for _, each in provider_a.asked] == [""]
    assert [each.instrument for _, each in provider_b.asked] == ["a card at b"] * 3


def test_what_was_entered_for_whichever_one_goes_along(
    restaurant: Restaurant, provider_a: ScriptedGateway, provider_b: ScriptedGateway
) -> None:
    provider_a.charges.append(NO)
    failed = paid(order_of(restaurant), instrument="a card")

    tried(failed, "b")

    assert [each.instrument for _, each in provider_b.asked] == ["a card"]
