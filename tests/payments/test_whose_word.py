"""Who says that money moved: nothing that people recorded is told as a provider's own word."""

from __future__ import annotations

from html import unescape
from typing import Any

import pytest
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from accounts.models import Role, User
from events.actors import GUEST
from failures.models import Case, CaseKind
from kernel.money import Money
from payments.gateways.contract import ErrorCode, Outcome
from payments.models import Attempt, Payment, PaymentStatus, Refund, RefundStatus
from payments.services import providers
from payments.services.evidence import Evidence, Finding, Source
from payments.services.mismatches import MismatchChoice
from payments.services.operators import resolve_mismatch
from payments.services.payments import retry_payment
from payments.services.refund_settlement import settle_refund
from payments.services.refunds import begin_refund
from payments.services.sweeps import sweep_payments
from payments.whose_word import Whose, recorded_by_people, whose_word_of, whose_word_of_payment, with_whose_word
from tests.factories import staff
from tests.failures.test_desk import desk_of, page_of
from tests.failures.world import World, make_world, told
from tests.scripted import ScriptedGateway, outcome, provider_of
from tests.two_people import SAW_IT, record_charged, record_not_charged, record_refund_made, record_refund_not_made

pytestmark = pytest.mark.django_db(transaction=True)
MINE, THEIRS = "Recorded by a person, with evidence", "What the provider said"
NOT_THEIRS = "What a person recorded"


@pytest.fixture
def gateway() -> ScriptedGateway:
    return ScriptedGateway()


@pytest.fixture
def world(transactional_db: None, gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setitem(providers.PROVIDERS, "a", provider_of(gateway))
    return make_world()


@pytest.fixture
def finance(world: World) -> User:
    return staff(world.restaurant, Role.FINANCE)


@pytest.fixture
def desk(world: World) -> Client:
    return desk_of(staff(world.restaurant, Role.ADMIN))


def again(row: Any) -> Any:
    return type(row).objects.get(pk=row.pk)


def shown(desk: Client, row: Model) -> str:
    page = reverse(f"admin:payments_{row._meta.model_name}_change", args=[row.pk])
    return " ".join(unescape(desk.get(page).content.decode()).split())


def sent(refund: Refund, finding: Finding) -> None:
    """What the provider says of it."""
    money = Money(refund.total_minor, refund.currency)
    settle_refund(refund_id=refund.pk, evidence=Evidence(source=Source.LOOK_UP, finding=finding, money=money))


class TestACharge:
    def test_that_a_person_recorded(self, world: World, desk: Client, finance: User) -> None:
        record_charged(payment_id=world.doubtful.payment_id, captured_minor=84_000, person=finance)

        attempt = again(world.doubtful)
        assert whose_word_of(attempt) == Whose.PEOPLE
        page = shown(desk, attempt)
        assert f"{MINE}: the money moved." in page
        assert "The provider says" not in page
        assert THEIRS not in page
        paid = shown(desk, attempt.payment)
        assert "The money came in: recorded by a person, with evidence." in paid
        assert "a provider or a waiter said so" not in paid

    def test_that_a_person_recorded_as_not_charged(self, world: World, desk: Client, finance: User) -> None:
        record_not_charged(payment_id=world.doubtful.payment_id, person=finance)

        attempt = again(world.doubtful)
        page, failed = shown(desk, attempt), shown(desk, attempt.payment)
        assert f"{MINE}: nothing was charged." in page
        assert NOT_THEIRS in page
        assert SAW_IT in page
        assert THEIRS not in page
        assert "Nothing was charged: recorded by a person, with evidence." in failed
        assert "that is certain" not in failed
        assert "A person recorded that nothing was charged" in failed
        assert "Cancelled before anybody paid" not in failed

    def test_of_another_amount_stays_their_word_when_it_is_decided(
        self, world: World, desk: Client, finance: User
    ) -> None:
        payment = record_charged(payment_id=world.doubtful.payment_id, captured_minor=80_000, person=finance)
        assert f"{MINE}." in shown(desk, again(world.doubtful))

        resolve_mismatch(payment_id=payment.pk, choice=MismatchChoice.KEEP, person=finance, reason=SAW_IT)

        assert f"{MINE}: the money moved." in shown(desk, again(world.doubtful))

    def test_of_which_the_provider_says_more_is_the_providers_again(self, world: World, finance: User) -> None:
        record_not_charged(payment_id=world.doubtful.payment_id, person=finance)

        late = told(again(world.doubtful), Finding.SUCCEEDED, minor=84_000)

        payment = with_whose_word(Payment.objects.all()).get(pk=late.payment_id)
        assert (whose_word_of(late), whose_word_of_payment(payment)) == (Whose.PROVIDER, Whose.PROVIDER)

    def test_that_the_next_round_took_is_the_providers_word(self, world: World, desk: Client, finance: User) -> None:
        record_not_charged(payment_id=world.doubtful.payment_id, person=finance)
        retry_payment(payment_id=world.doubtful.payment_id, actor=GUEST)
        sweep_payments(width=1)

        paid = again(world.doubtful.payment)
        assert paid.status == PaymentStatus.COMPLETED
        assert "recorded by a person" not in shown(desk, paid)

    def test_that_the_next_round_declined_failed_for_that(
        self, world: World, desk: Client, finance: User, gateway: ScriptedGateway
    ) -> None:
        record_not_charged(payment_id=world.doubtful.payment_id, person=finance)
        gateway.charges.append(outcome(Outcome.DECLINED, ErrorCode.INSUFFICIENT_FUNDS))
        retry_payment(payment_id=world.doubtful.payment_id, actor=GUEST)
        sweep_payments(width=1)

        failed = again(world.doubtful.payment)
        assert failed.status == PaymentStatus.FAILED
        assert "A person recorded that nothing was charged" not in shown(desk, failed)

    def test_that_the_provider_told(self, world: World, desk: Client) -> None:
        page = shown(desk, world.kept)
        assert "The provider says that the money moved." in page
        assert THEIRS in page
        assert "recorded by a person" not in shown(desk, world.kept.payment)
        assert "Nothing was charged, and that is certain." in shown(desk, world.failed.payment)

    def test_that_a_waiter_took(self, world: World, desk: Client) -> None:
        page = shown(desk, world.cash)

        assert "A waiter took the cash, and said so." in page
        assert "provider says" not in page


class TestARefund:
    def test_that_a_person_recorded_as_made(self, world: World, desk: Client, finance: User) -> None:
        begin_refund(refund_id=world.refund.pk)
        sent(world.refund, Finding.UNKNOWN)
        record_refund_made(refund_id=world.refund.pk, person=finance)

        page = shown(desk, again(world.refund))
        assert f"{MINE}: the money went back to the guest." in page
        assert NOT_THEIRS in page
        assert THEIRS not in page
        assert "The provider has it" not in page

    def test_that_a_person_recorded_as_not_made(self, world: World, desk: Client, finance: User) -> None:
        record_refund_not_made(refund_id=world.refund.pk, person=finance)

        page = shown(desk, again(world.refund))
        assert f"{MINE}: nothing went back." in page
        assert THEIRS not in page

    def test_of_which_the_provider_says_more_is_the_providers_again(self, world: World, finance: User) -> None:
        record_refund_not_made(refund_id=world.refund.pk, person=finance)

        sent(world.refund, Finding.SUCCEEDED)

        refund = again(world.refund)
        assert (refund.status, whose_word_of(refund)) == (RefundStatus.COMPLETED, Whose.PROVIDER)

    def test_whoever_agreed_to_the_record_did_not_agree_to_the_refund(self, world: World, finance: User) -> None:
        lead = staff(world.restaurant, Role.FINANCE_LEAD)
        record_refund_made(refund_id=world.refund.pk, person=finance, checker=lead)

        shown_to = desk_of(staff(world.restaurant, Role.AUDITOR))

        assert lead.username not in shown(shown_to, again(world.refund))


class TestTheCase:
    def test_tells_in_its_money_who_says_so(self, world: World, desk: Client, finance: User) -> None:
        payment = record_charged(payment_id=world.doubtful.payment_id, captured_minor=90_000, person=finance)
        case = Case.objects.get(kind=CaseKind.AMOUNT_MISMATCH, payment=payment)

        page = " ".join(desk.get(page_of(case)).content.decode().split())

        assert '<span>Came in, recorded by a person</span><b class="amount">₹900.00</b>' in page
        assert '<span>Came in for certain</span><b class="amount">none</b>' in page
        assert "A person recorded, with evidence, that another amount came in than was asked for." in page
        assert "Where it went wrong</dt><dd>Not known: recorded by a person" in page

    def test_calls_certain_what_a_provider_told(self, world: World, desk: Client) -> None:
        case = Case.objects.get(kind=CaseKind.AMOUNT_MISMATCH, payment=world.mismatched.payment_id)

        page = " ".join(desk.get(page_of(case)).content.decode().split())

        assert '<span>Came in for certain</span><b class="amount">₹900.00</b>' in page
        assert "recorded by a person" not in page


def test_many_are_asked_about_at_once(world: World, finance: User, django_assert_num_queries: Any) -> None:
    record_charged(payment_id=world.doubtful.payment_id, captured_minor=84_000, person=finance)
    attempts = list(Attempt.objects.all())

    with django_assert_num_queries(1):
        assert recorded_by_people(attempts) == {world.doubtful.pk}
    with django_assert_num_queries(0):
        assert recorded_by_people([world.failed]) == frozenset()
