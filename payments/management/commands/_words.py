"""What the commands about money share: finding what a person named, and saying amounts, times and refusals."""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

from django.core.management.base import CommandError
from django.db.models import Model, QuerySet

from accounts.models import Restaurant
from kernel.errors import ServiceError
from kernel.money import Money
from payments.models import NextAction

# A hint for somebody who mistyped, not a list.
MOST_SHOWN = 5
DOES_NEXT = {
    NextAction.BEGIN: "it is tried again at",
    NextAction.RESEND: "it is sent again with the same key at",
    NextAction.LOOK_UP: "the provider is asked again at",
    NextAction.CANCEL: "it is closed at",
    NextAction.EXPIRE: "its share is freed at",
}

Named = TypeVar("Named", bound=Model)


def restaurant_called(slug: str) -> Restaurant:
    restaurant = Restaurant.objects.filter(slug=slug).first()
    if restaurant is None:
        known = ", ".join(Restaurant.objects.order_by("slug").values_list("slug", flat=True)[:MOST_SHOWN])
        raise CommandError(f"There is no restaurant {slug}. There are: {known or 'none yet'}")
    return restaurant


def of_reference(rows: QuerySet[Named], reference: str, *, slug: str) -> Named | None:
    """References are a restaurant's own: whoever means one of two has to say whose."""
    named = rows.filter(reference=reference.upper())
    found = list(named.filter(restaurant=restaurant_called(slug)) if slug else named)
    if len(found) > 1:
        whose = Restaurant.objects.filter(pk__in=named.values("restaurant")).order_by("slug")
        slugs = ", ".join(whose.values_list("slug", flat=True))
        raise CommandError(f"{reference} is in use in several restaurants. Add --restaurant with one of: {slugs}")
    return found[0] if found else None


def amount(text: str, currency: str) -> Money:
    try:
        return Money.parse(text, currency)
    except ValueError as error:
        raise CommandError(str(error)) from error


def shown(minor: int, currency: str) -> str:
    return Money(minor, currency).display()


def moment(at: datetime) -> str:
    return f"{at:%H:%M:%S} UTC"


def next_look(action: str, at: datetime | None) -> str:
    if at is None:
        return "nothing more happens by itself, a case is open"
    return f"{DOES_NEXT[NextAction(action)]} {moment(at)}"


def refusal(refused: ServiceError) -> str:
    return f"{refused.sentence} ({refused.code})"
