"""Fills an empty database with the demo, once: what is there already is left as it is."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from accounts.models import Membership, Restaurant, User
from accounts.services.keys import issue_api_key
from events.actors import GUEST, Actor
from failures.demo.story import FINANCE_MAY_REFUND_MINOR, PEOPLE, VISITS, Person, Visit
from kernel import clock
from kernel.clock import SystemSource
from kernel.fields import keyed_hash
from kernel.modes import Mode
from orders.models import Order, PaymentState
from orders.services import LineDraft, OrderDraft, fulfil_order, place_order
from payments.models import Limited, Method, Payment, PaymentStatus, ProviderAccount, RefundLimit, Route
from payments.services.acceptance import PaymentDraft
from payments.services.cash import CashTaken, confirm_cash
from payments.services.payments import pay
from payments.services.refund_requests import request_refund
from payments.services.refunds import send_refund

SLUG = "saffron-table"
PASSWORD = "steward-demo"  # noqa: S105  Said on the terminal: the demo listens on this machine only.
READ_SCOPES = ["orders:read", "payments:read", "providers:read", "reports:read", "cases:read"]
WRITE_SCOPES = [*READ_SCOPES, "orders:write", "orders:serve", "payments:write", "refunds:write"]
# The first order of a demo day, and the time to the next one.
OPENING = timedelta(hours=6, minutes=30)
PACE = timedelta(minutes=25)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    provider: str
    url: str
    fee_bps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    api_key: str
    webhook_secret: str


class DemoDay(SystemSource):
    """A clock that stands in the past while it tells its story, with the same dice at every first start."""

    def __init__(self, told: int) -> None:
        self._clock: clock.Source = SystemSource()
        self._offset = timedelta()
        # A first start that was interrupted goes on with other dice: its references are taken.
        self._loaded = f"{SLUG} {told}" if told else SLUG
        self._dice: dict[int, random.Random] = {}

    def follow(self, source: clock.Source) -> None:
        self._clock = source

    def now(self) -> datetime:
        return self._clock.now() + self._offset

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def random_bits(self, count: int) -> int:
        """References have dice of their own, by their length: how many ids are made depends on how fast a sandbox
        answers, and must not change what an order is called.
        """
        if count not in self._dice:
            self._dice[count] = random.Random(f"{self._loaded} {count}")  # noqa: S311  A demo's, not secrets.
        return self._dice[count].getrandbits(count)

    def go_to(self, moment: datetime) -> None:
        self._offset = moment - self._clock.now()


def seed_demo(*, sandboxes: list[Sandbox], secrets: Secrets, say: Callable[[str], None]) -> dict[str, Any]:
    restaurant, _ = Restaurant.objects.get_or_create(slug=SLUG, defaults={"name": "Saffron Table"})
    people = {person.username: _person(restaurant, person) for person in PEOPLE}
    RefundLimit.objects.get_or_create(
        restaurant=restaurant,
        who=Limited.FINANCE,
        currency=restaurant.currency,
        defaults={"most_minor": FINANCE_MAY_REFUND_MINOR},
    )
    _accounts(restaurant, sandboxes, secrets)
    _tell(restaurant, people["waiter"], people["finance"], say)
    return {
        "restaurant": SLUG,
        "logins": [{"username": person.username, "password": PASSWORD, "role": person.role.value} for person in PEOPLE],
        "api_keys": _api_keys(restaurant),
        "open_orders": list(
            Order.objects.filter(restaurant=restaurant, payment_state=PaymentState.UNPAID, payments=None)
            .order_by("placed_at")
            .values_list("reference", flat=True)
        ),
    }


def _person(restaurant: Restaurant, person: Person) -> User:
    user, created = User.objects.get_or_create(
        username=person.username,
        defaults={
            "first_name": person.name,
            "is_staff": person.is_staff,
            "is_superuser": person.username == "admin",
        },
    )
    if created:
        user.set_password(PASSWORD)
        user.save(update_fields=["password"])
    Membership.objects.get_or_create(user=user, restaurant=restaurant, defaults={"role": person.role})
    return user


def _accounts(restaurant: Restaurant, sandboxes: list[Sandbox], secrets: Secrets) -> None:
    """Addresses and keys of the sandboxes may differ at every start, so they are written at every start."""
    for position, sandbox in enumerate(sandboxes, start=1):
        account, _ = ProviderAccount.objects.get_or_create(
            restaurant=restaurant,
            mode=Mode.TEST,
            label=f"Sandbox {sandbox.provider[-1].upper()}",
            defaults={"provider": sandbox.provider, "fee_bps": sandbox.fee_bps},
        )
        account.credentials = {
            "base_url": sandbox.url,
            "api_key": secrets.api_key,
            "webhook_secrets": [secrets.webhook_secret],
            "notify_url": f"{settings.STEWARD_PUBLIC_URL}/webhooks/{sandbox.provider}/{account.pk}",
        }
        account.save(update_fields=["credentials"])
        _route(restaurant, position, account)
    cash, _ = ProviderAccount.objects.get_or_create(
        restaurant=restaurant, mode=Mode.TEST, label="Cash", defaults={"provider": "cash"}
    )
    _route(restaurant, len(sandboxes) + 1, cash)


def _route(restaurant: Restaurant, position: int, account: ProviderAccount) -> None:
    Route.objects.get_or_create(restaurant=restaurant, mode=Mode.TEST, position=position, defaults={"account": account})


def _api_keys(restaurant: Restaurant) -> list[dict[str, str]]:
    """The demo's keys are derived from this installation's own secret: the same at every start, unknown elsewhere."""
    keys = []
    for name, scopes in (("demo read", READ_SCOPES), ("demo write", WRITE_SCOPES)):
        derived = f"test_{keyed_hash(name)[:KEY_LENGTH]}"
        key = issue_api_key(restaurant=restaurant, mode=Mode.TEST, name=name, scopes=scopes, key=derived)
        keys.append({"name": name, "key": key})
    return keys


KEY_LENGTH = 40  # 160 bits of the hash.


def _tell(restaurant: Restaurant, waiter: User, finance: User, say: Callable[[str], None]) -> None:
    day = DemoDay(told=Order.objects.filter(restaurant=restaurant).count())
    previous = clock.install(day)
    day.follow(previous)
    try:
        for number, visit in enumerate(VISITS, start=1):
            reference = f"demo-{number:03}"
            if Order.objects.filter(restaurant=restaurant, client_reference=reference).exists():
                continue
            day.go_to(_moment(previous.now(), visit, number))
            order = _order(restaurant, visit, reference)
            if visit.method:
                _payment(order, visit, waiter, finance)
            if visit.days_ago:
                fulfil_order(order_id=order.pk, actor=Actor.user(waiter))
            say(f"Order {number} of {len(VISITS)}: {visit.method or 'not paid yet'}")
    finally:
        clock.install(previous)


def _moment(now: datetime, visit: Visit, number: int) -> datetime:
    """Earlier days keep opening hours; today's visits were all just now."""
    if visit.days_ago == 0:
        return now - PACE / (number + 1)
    opening = now.replace(hour=0, minute=0, second=0, microsecond=0) + OPENING
    return opening - timedelta(days=visit.days_ago) + PACE * number


def _order(restaurant: Restaurant, visit: Visit, reference: str) -> Order:
    lines = tuple(LineDraft(name=name, quantity=quantity, unit_minor=price) for name, quantity, price in visit.dishes)
    draft = OrderDraft(
        restaurant=restaurant,
        mode=Mode.TEST,
        currency=restaurant.currency,
        lines=lines,
        channel=visit.channel,
        table=visit.table,
        client_reference=reference,
    )
    return place_order(draft=draft, actor=GUEST)


def _payment(order: Order, visit: Visit, waiter: User, finance: User) -> None:
    draft = PaymentDraft(order_id=order.pk, method=visit.method, tip_minor=visit.tip_minor, instrument=visit.instrument)
    payment = pay(draft=draft, actor=GUEST)
    if visit.method == Method.CASH:
        taken = CashTaken(amount_minor=payment.charge_minor)
        payment = confirm_cash(payment_id=payment.pk, waiter=waiter, taken=taken)
    if visit.refund_minor and payment.status == PaymentStatus.COMPLETED:
        _refund(payment, visit, finance)


def _refund(payment: Payment, visit: Visit, finance: User) -> None:
    refund = request_refund(
        payment_id=payment.pk, amount_minor=visit.refund_minor, reason="The food was cold.", actor=Actor.user(finance)
    )
    send_refund(refund_id=refund.pk)
