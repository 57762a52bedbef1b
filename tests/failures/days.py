"""A business day of a restaurant within the rules, and what somebody reads about it on the console's pages."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from datetime import timedelta
from html import unescape
from typing import Any

from django.test import Client

from accounts.models import Restaurant, Role
from accounts.services.idempotency import Call
from events.actors import GUEST
from failures.decisions import Action, Decision, act_on_case
from failures.models import Case, CaseStatus
from kernel import clock
from kernel.modes import Mode
from kernel.money import Money
from orders.models import Order
from orders.services import LineDraft, OrderDraft, place_order
from payments.gateways.contract import ErrorCode, RefundFact
from payments.models import Attempt, Payment, Refund, Route
from payments.services.attempts import begin_attempt
from payments.services.evidence import Evidence, Finding, Source
from payments.services.facts import PaymentEvent
from payments.services.refund_requests import request_refund
from payments.services.refund_settlement import settle_refund
from payments.services.refunds import begin_refund
from payments.services.settlement import settle_attempt
from tests.factories import ProviderAccountFactory, RestaurantFactory, accepted, staff
from tests.failures.test_services import happened
from tests.failures.world import run, update

FIGURE = re.compile(r'<a class="today-figure" href="([^"]+)">(.*?)</a>', re.S)
TOTAL = re.compile(r'<p class="console-total">(.*?)</p>', re.S)
# Each restaurant of another size, so that a figure that mixes two of them has no chance.
_minor = itertools.count(10_007, 1_013)


@dataclass(frozen=True)
class Said:
    """What is read on a page: a count, and amounts as they are written."""

    count: str
    amounts: tuple[str, ...]


def read(html: str) -> Said:
    (count,) = re.findall(r'<b class="console-count">([^<]+)</b>', html)
    return Said(count, tuple(unescape(each) for each in re.findall(r'<span class="amount">([^<]+)</span>', html)))


def page_of(client: Client, path: str = "/admin/", **asked: str) -> str:
    answer = client.get(path, asked)
    assert answer.status_code == 200, (path, answer.headers)
    return str(answer.content.decode())


def figures_of(page: str) -> list[tuple[str, Said]]:
    return [(unescape(address), read(inside)) for address, inside in FIGURE.findall(page)]


def total_of(client: Client, address: str) -> Said:
    (total,) = TOTAL.findall(page_of(client, address))
    return read(total)


def restaurant_with(currency: str, **said: Any) -> Restaurant:
    restaurant = RestaurantFactory.create(currency=currency, **said)
    for mode in Mode:
        for position, provider in enumerate(("a", "b"), start=1):
            account = ProviderAccountFactory.create(restaurant=restaurant, provider=provider, mode=mode)
            Route.objects.create(restaurant=restaurant, mode=mode, position=position, account=account)
    return restaurant


def order_in(restaurant: Restaurant, mode: Mode) -> Order:
    line = LineDraft(name="Thali", quantity=1, unit_minor=next(_minor))
    draft = OrderDraft(restaurant=restaurant, mode=mode, currency=restaurant.currency, lines=(line,))
    return place_order(draft=draft, actor=GUEST)


def tried(
    payment: Payment, finding: Finding, code: ErrorCode = ErrorCode.NONE, refunds: tuple[RefundFact, ...] = ()
) -> Attempt:
    sending = begin_attempt(payment_id=payment.pk)
    assert sending is not None
    money = Money(payment.charge_minor, payment.currency) if finding is Finding.SUCCEEDED else None
    said: dict[str, Any] = {"money": money, "code": code, "refunds": refunds}
    evidence = Evidence(source=Source.LOOK_UP, finding=finding, latency_ms=700, **said)
    return settle_attempt(attempt_id=sending.attempt.pk, evidence=evidence).attempt


def a_day_of(restaurant: Restaurant, mode: Mode) -> None:
    """One payment of every sort that the page speaks of, and yesterday's, of which it does not."""
    first, rescued, declined, doubtful = (accepted(order_in(restaurant, mode)) for _ in range(4))
    upi = accepted(order_in(restaurant, mode), method="upi", tip_minor=350)
    accepted(order_in(restaurant, mode))  # It waits for its first try.
    kept = tried(first, Finding.SUCCEEDED)
    tried(rescued, Finding.DECLINED, ErrorCode.ISSUER_UNAVAILABLE)
    tried(rescued, Finding.SUCCEEDED)
    tried(declined, Finding.DECLINED, ErrorCode.CARD_DECLINED)
    tried(upi, Finding.DECLINED, ErrorCode.INSUFFICIENT_FUNDS)
    tried(doubtful, Finding.UNKNOWN)
    refund = request_refund(payment_id=kept.payment_id, amount_minor=1_200, reason="cold food", actor=GUEST)
    set_to(refund, "status = 'processing', in_doubt = true")
    asked_back(first, 2_100)
    asked_back(rescued, None)
    _cases(doubtful, declined, upi, first)
    yesterday = accepted(order_in(restaurant, mode))
    tried(yesterday, Finding.DECLINED, ErrorCode.EXPIRED_CARD)
    update(yesterday, "created_at = created_at - interval '1 day'")
    run("UPDATE payments_attempt SET created_at = created_at - interval '1 day' WHERE payment_id = %s", yesterday.pk)


def given_back_at_once(restaurant: Restaurant, mode: Mode) -> Payment:
    """The answer that brings the money says that it went back: the payment is over, and nothing of it is kept."""
    payment = accepted(order_in(restaurant, mode))
    money = Money(payment.charge_minor, payment.currency)
    tried(payment, Finding.SUCCEEDED, refunds=(RefundFact(reference="r_1", money=money, succeeded=True),))
    return Payment.objects.get(pk=payment.pk)


def asked_back(payment: Payment, minor: int | None) -> None:
    refund = request_refund(payment_id=payment.pk, amount_minor=minor, reason="cold food", actor=GUEST)
    begin_refund(refund_id=refund.pk)
    money = Money(refund.total_minor, refund.currency)
    settle_refund(refund_id=refund.pk, evidence=Evidence(source=Source.CHARGE, finding=Finding.SUCCEEDED, money=money))


def set_to(row: Refund | Case, assignments: str) -> None:
    """What no service does yet, or only a provider can bring about: without a line in the history."""
    table = row._meta.db_table
    run(f"SET CONSTRAINTS ALL IMMEDIATE; ALTER TABLE {table} DISABLE TRIGGER USER")
    update(row, assignments)
    run(f"ALTER TABLE {table} ENABLE TRIGGER USER; SET CONSTRAINTS ALL DEFERRED")


def _cases(waiting: Payment, at_approval: Payment, put_off: Payment, ended: Payment) -> None:
    waiting, at_approval, put_off, ended = (
        Payment.objects.get(pk=each.pk) for each in (waiting, at_approval, put_off, ended)
    )
    happened(PaymentEvent.DOUBT_PROLONGED, waiting)
    happened(PaymentEvent.NOTICE_QUARANTINED, waiting)
    happened(PaymentEvent.EXHAUSTED, at_approval)
    _written_off(Case.objects.get(payment=at_approval))
    for payment, change in (
        (put_off, "snoozed_until = opened_at + interval '2 hours'"),
        (ended, f"status = '{CaseStatus.RESOLVED}', closed_at = opened_at"),
    ):
        happened(PaymentEvent.CONTRADICTED, payment)
        set_to(Case.objects.get(payment=payment), change)


def _written_off(case: Case) -> None:
    """One of finance asks for that; nobody has agreed yet."""
    call = Call(
        principal="console:1",
        key=str(clock.new_id()),
        operation="POST /",
        body_hash="",
        restaurant_id=case.restaurant_id,
        mode=case.mode,
        runs_for=timedelta(seconds=10),
        subject_id=case.pk,
    )
    decision = Decision(action=Action.WRITE_OFF, reason="The guest has left.")
    act_on_case(case_id=case.pk, decision=decision, person=staff(case.restaurant, Role.FINANCE), call=call)
