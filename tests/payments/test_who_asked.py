"""Whoever looks at refunds reads who asked for each and who agreed."""

from __future__ import annotations

import re
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import ApiKey, Approval, Restaurant, Role, User
from accounts.services.keys import issue_api_key, rotate_api_key
from events.actors import SHELL, SYSTEM, Actor, ActorKind
from failures.approvals import Reply, Verdict, decide_approval
from kernel.modes import Mode
from kernel.money import Money
from payments.gateways.contract import RefundFact
from payments.models import Limited, Payment, Refund, RefundLimit
from payments.services.evidence import Evidence, Finding, Source
from payments.services.refund_requests import request_refund
from payments.services.settlement import settle_attempt
from payments.who_asked import who_agreed, who_asked, with_who_asked
from tests.factories import order_of, paid, staff
from tests.failures.test_desk import desk_of

pytestmark = pytest.mark.django_db
LIST = "/admin/payments/refund/"
LIMIT = 30_000


@pytest.fixture
def payment(restaurant: Restaurant) -> Payment:
    return paid(order_of(restaurant))


@pytest.fixture
def finance(restaurant: Restaurant) -> User:
    RefundLimit.objects.create(restaurant=restaurant, who=Limited.FINANCE, currency="INR", most_minor=LIMIT)
    return named(staff(restaurant, Role.FINANCE), "asha")


def named(person: User, username: str) -> User:
    User.objects.filter(pk=person.pk).update(username=username)
    return User.objects.get(pk=person.pk)


def asked(payment: Payment, actor: Actor, minor: int = 10_000) -> Refund:
    return request_refund(payment_id=payment.pk, amount_minor=minor, reason="The food was cold.", actor=actor)


def told() -> tuple[str, str]:
    refund = with_who_asked(Refund.objects.all()).get()
    return who_asked(refund), who_agreed(refund)


def test_a_person_is_called_by_name(payment: Payment, finance: User) -> None:
    asked(payment, Actor.user(finance))

    assert told() == ("asha", "–")


def test_of_two_people_both_are_told(payment: Payment, finance: User, restaurant: Restaurant) -> None:
    lead = named(staff(restaurant, Role.FINANCE_LEAD), "meera")
    asked(payment, Actor.user(finance), LIMIT + 1)
    assert told() == ("asha", "nobody yet")

    reply = Reply(verdict=Verdict.APPROVE, reason="Seen as well.")
    decide_approval(approval_id=Approval.objects.get().pk, reply=reply, person=lead)

    assert told() == ("asha", "meera")


def test_who_said_no_did_not_agree(payment: Payment, finance: User, restaurant: Restaurant) -> None:
    asked(payment, Actor.user(finance), LIMIT + 1)
    reply = Reply(verdict=Verdict.REJECT, reason="It was warm.")
    lead = staff(restaurant, Role.FINANCE_LEAD)
    decide_approval(approval_id=Approval.objects.get().pk, reply=reply, person=lead)

    assert told() == ("asha", "–")


def test_a_program_is_called_by_its_key_whichever_it_has_now(payment: Payment, restaurant: Restaurant) -> None:
    issue_api_key(restaurant=restaurant, mode=Mode.TEST, name="till", scopes=["refunds:write"])
    key = ApiKey.objects.get()
    rotate_api_key(key_id=key.pk)
    asked(payment, Actor(kind=ActorKind.API_KEY, id=str(key.lineage)))

    assert told() == ("till, a program", "–")


@pytest.mark.parametrize(
    ("actor", "words"),
    [
        (SYSTEM, "the system"),
        (SHELL, "somebody at the shell"),
        (Actor(kind=ActorKind.API_KEY, id=str(UUID(int=7))), "somebody who is not known any more"),
    ],
)
def test_who_has_no_name_is_told_all_the_same(payment: Payment, actor: Actor, words: str) -> None:
    refund = asked(payment, SYSTEM)
    Refund.objects.filter(pk=refund.pk).update(requested_by=actor.id)

    assert told() == (words, "–")


def test_what_a_bank_took_was_asked_for_by_nobody_here(payment: Payment) -> None:
    fact = RefundFact(reference="cb_1", money=Money(84_000, "INR"), succeeded=True)
    evidence = Evidence(source=Source.LOOK_UP, finding=Finding.SUCCEEDED, money=Money(84_000, "INR"), refunds=(fact,))
    settle_attempt(attempt_id=payment.attempts.get().pk, evidence=evidence)

    assert told() == ("the provider, or the guest's bank", "–")


def test_the_pages_tell_both_and_more_rows_ask_no_more(payment: Payment, finance: User, restaurant: Restaurant) -> None:
    lead = named(staff(restaurant, Role.FINANCE_LEAD), "meera")
    refund = asked(payment, Actor.user(finance), LIMIT + 1)
    reply = Reply(verdict=Verdict.APPROVE, reason="Seen as well.")
    decide_approval(approval_id=Approval.objects.get().pk, reply=reply, person=lead)
    desk = desk_of(finance)
    desk.get(LIST)
    with CaptureQueriesContext(connection) as one:
        listed = desk.get(LIST).content.decode()
    for each in range(5):
        asked(payment, Actor.user(finance), each + 1)
    with CaptureQueriesContext(connection) as many:
        desk.get(LIST)

    assert len(many) == len(one)
    pages = [f"{LIST}{refund.pk}/change/", f"/admin/payments/payment/{payment.pk}/change/"]
    for page in (listed, *(desk.get(path).content.decode() for path in pages)):
        assert re.search(r"asha\s*<", page)
        assert re.search(r"meera\s*<", page)


def test_the_audit_tells_the_amount_of_the_deed(payment: Payment, finance: User) -> None:
    asked(payment, Actor.user(finance))

    listed = desk_of(finance).get("/admin/events/auditentry/").content.decode()

    assert re.search(r'field-amount[^>]*>\s*<span class="amount">₹100.00</span>', listed)
