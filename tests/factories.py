"""Restaurants, people, accounts and orders for tests, made through the services where there are any."""

from __future__ import annotations

from typing import Any

import factory

from accounts.models import Membership, Restaurant, Role, User
from accounts.scopes import KEY_SCOPES
from accounts.services.keys import issue_api_key
from accounts.services.people import issue_user_token
from events.actors import GUEST
from kernel.modes import Mode
from orders.models import Order
from orders.services import LineDraft, OrderDraft, place_order
from payments.models import Method, Payment, ProviderAccount, Route
from payments.services.acceptance import PaymentDraft
from payments.services.payments import create_payment, pay
from tests.clients import Caller


class RestaurantFactory(factory.django.DjangoModelFactory[Restaurant]):
    class Meta:
        model = Restaurant

    slug = factory.Sequence(lambda n: f"restaurant-{n}")
    name = factory.Sequence(lambda n: f"Restaurant {n}")


class UserFactory(factory.django.DjangoModelFactory[User]):
    class Meta:
        model = User

    username = factory.Sequence(lambda n: f"person-{n}")


class ProviderAccountFactory(factory.django.DjangoModelFactory[ProviderAccount]):
    class Meta:
        model = ProviderAccount

    mode = Mode.TEST
    label = factory.LazyAttribute(lambda account: account.provider)


def staff(restaurant: Restaurant, role: Role) -> User:
    user = UserFactory.create()
    Membership.objects.create(user=user, restaurant=restaurant, role=role)
    return user


def secrets_of(restaurant: Restaurant) -> dict[Caller, str]:
    """The platform's key, with all that a key may have, and the token of the one waiter."""
    waiter = Membership.objects.select_related("user").get(restaurant=restaurant, role=Role.WAITER).user
    token, _ = issue_user_token(person=waiter, restaurant=restaurant, mode=Mode.TEST)
    scopes = sorted(scope.value for scope in KEY_SCOPES)
    key = issue_api_key(restaurant=restaurant, mode=Mode.TEST, name="platform", scopes=scopes)
    return {Caller.PLATFORM: key, Caller.WAITER: token}


def routed(restaurant: Restaurant, *providers: str, **route: Any) -> list[ProviderAccount]:
    """Accounts at these providers, in this order of preference."""
    accounts = []
    for position, provider in enumerate(providers, start=1):
        account = ProviderAccountFactory.create(restaurant=restaurant, provider=provider)
        Route.objects.create(restaurant=restaurant, mode=Mode.TEST, position=position, account=account, **route)
        accounts.append(account)
    return accounts


def order_of(restaurant: Restaurant, total_minor: int = 84_000, **draft: Any) -> Order:
    line = LineDraft(name="Thali", quantity=1, unit_minor=total_minor)
    return place_order(
        draft=OrderDraft(restaurant=restaurant, mode=Mode.TEST, currency="INR", lines=(line,), **draft), actor=GUEST
    )


def draft_for(order: Order, *, method: str = Method.CARD, **draft: Any) -> PaymentDraft:
    return PaymentDraft(order_id=order.pk, method=method, **draft)


def paid(order: Order, **draft: Any) -> Payment:
    return pay(draft=draft_for(order, **draft), actor=GUEST)


def accepted(order: Order, **draft: Any) -> Payment:
    return create_payment(draft=draft_for(order, **draft), actor=GUEST)
