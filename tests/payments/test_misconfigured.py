"""An account that was entered wrong, or whose key is gone, stops itself and nobody else."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import pgtrigger
import pytest
from cryptography.fernet import Fernet
from django.db import transaction
from pytest_django.fixtures import Settings

from accounts.models import Restaurant
from events.actors import GUEST
from failures.models import CaseKind
from kernel import clock
from kernel.modes import Mode
from payments.gateways.contract import Gateway, GatewayFacts, InvalidNotice
from payments.gateways.misconfigured import MisconfiguredGateway
from payments.models import Attempt, NextAction, Payment, PaymentStatus, ProviderAccount, Refund
from payments.services import providers
from payments.services.providers import Provider, gateway_for
from payments.services.refund_requests import request_refund
from payments.services.sweeps import sweep_payments, sweep_refunds
from tests.factories import ProviderAccountFactory, accepted, order_of, paid
from tests.payments.words import TIMED_OUT, waiting
from tests.scripted import ScriptedGateway
from tests.time_machine import ShiftedClock


def _needs_a_secret(facts: GatewayFacts, credentials: Mapping[str, Any]) -> Gateway:
    assert credentials["secret"]
    return ScriptedGateway(facts=facts)


@pytest.fixture
def broken_a(monkeypatch: pytest.MonkeyPatch, restaurant: Restaurant) -> None:
    facts = ScriptedGateway().facts
    monkeypatch.setitem(providers.PROVIDERS, "a", Provider(facts=facts, build=_needs_a_secret))


@pytest.mark.usefixtures("broken_a")
def test_the_guest_is_charged_at_the_next_provider_and_a_human_is_told(
    restaurant: Restaurant, provider_b: ScriptedGateway
) -> None:
    payment = paid(order_of(restaurant))

    assert payment.status == PaymentStatus.COMPLETED
    assert list(Attempt.objects.order_by("number").values_list("status", flat=True)) == ["not_sent", "succeeded"]
    assert waiting() == [CaseKind.CREDENTIALS]


def test_a_refund_waits_until_the_account_is_repaired(
    restaurant: Restaurant, provider_a: ScriptedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = paid(order_of(restaurant))
    request_refund(payment_id=payment.pk, reason="cold food", actor=GUEST)
    broken = Provider(facts=provider_a.facts, build=_needs_a_secret)
    with monkeypatch.context() as meanwhile:
        meanwhile.setitem(providers.PROVIDERS, "a", broken)
        sweep_refunds(width=1)

    refund = Refund.objects.get()
    assert (refund.may_have_arrived, refund.next_action) == (False, NextAction.RESEND)
    assert waiting() == [CaseKind.CREDENTIALS]


@pytest.mark.usefixtures("broken_a")
def test_its_notices_are_refused_and_sent_again_by_the_provider(restaurant: Restaurant) -> None:
    with pytest.raises(InvalidNotice):
        gateway_for(ProviderAccount.objects.get(provider="a")).read_notice({}, b"{}")


def test_no_live_payment_goes_to_a_simulated_provider(restaurant: Restaurant) -> None:
    words = {"base_url": "http://127.0.0.1:9", "api_key": "key", "webhook_secrets": ["secret" * 6]}
    with pgtrigger.ignore(), transaction.atomic():  # Nobody would agree to these.
        live = ProviderAccountFactory.create(
            restaurant=restaurant, mode=Mode.LIVE, provider="sandbox_a", label="live", credentials=words
        )

    assert isinstance(gateway_for(live).gateway, MisconfiguredGateway)


def test_a_doubt_whose_account_no_key_reads_goes_on_and_holds_up_no_other(
    restaurant: Restaurant,
    provider_a: ScriptedGateway,
    time: ShiftedClock,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    build = partial(_with_its_secret, provider_a)
    monkeypatch.setitem(providers.PROVIDERS, "a", Provider(facts=provider_a.facts, build=build))
    account = ProviderAccount.objects.get(provider="a")
    account.credentials = {"secret": "of yesterday"}
    account.save()
    provider_a.charges.append(TIMED_OUT)
    doubtful = paid(order_of(restaurant))

    settings.STEWARD_FIELD_KEYS = (Fernet.generate_key().decode(),)
    time.jump_to(Payment.objects.get().next_action_at or clock.now())
    sweep_payments(width=1)
    other = paid(order_of(restaurant))

    assert Payment.objects.get(pk=doubtful.pk).next_action == NextAction.LOOK_UP
    assert waiting() == [CaseKind.CREDENTIALS]
    assert other.status == PaymentStatus.COMPLETED
    assert Attempt.objects.get(capture="kept").account.provider == "b"


def test_what_it_is_paid_with_is_never_made_up(
    restaurant: Restaurant, provider_a: ScriptedGateway, settings: Settings
) -> None:
    payment = accepted(order_of(restaurant), instrument="tok_1")
    settings.STEWARD_FIELD_KEYS = (Fernet.generate_key().decode(),)

    sweep_payments(width=1)

    assert provider_a.count("charge") == 0
    assert Payment.objects.get(pk=payment.pk).next_action == NextAction.LOOK_UP  # Its lease runs out: then we ask.


def _with_its_secret(gateway: ScriptedGateway, facts: GatewayFacts, credentials: Mapping[str, Any]) -> Gateway:
    assert credentials["secret"]
    return gateway


@pytest.mark.parametrize(
    "breaker", [{"minimum_cals": 3}, {"failure_rate": 7}, ["failure_rate"], {"window_seconds": "2"}]
)
def test_a_slip_in_its_thresholds_closes_nobody_s_till(restaurant: Restaurant, breaker: object) -> None:
    """The defaults are as good; all that is lost is a wish."""
    ProviderAccount.objects.filter(provider="a").update(breaker=breaker)

    assert paid(order_of(restaurant)).status == PaymentStatus.COMPLETED
