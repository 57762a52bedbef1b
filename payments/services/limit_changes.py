"""Who says how much may be given back alone: an admin of the restaurant, by name, and it stands in the audit."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts.models import Restaurant, Role, User
from accounts.services.people import works_as
from events.actors import Actor
from events.audit import Deed, audited
from kernel.money import MAX_MINOR, Money, is_currency
from payments.models import Limited, RefundLimit
from payments.services.configuring import lock_configuration
from payments.services.refund_limits import SET_LIMIT, limit_named
from payments.services.refusals import RefundRefused


def set_refund_limit(
    *,
    restaurant: Restaurant,
    who: Limited,
    currency: str,
    most_minor: int | None,
    person: User,
    is_first: bool = False,
    seen: int | None = None,
) -> None:
    """None: no limit. A refund that waits already goes on waiting, and for a day it does not count for who set it.

    `is_first`: where another one was set a moment ago, that one stands. `seen` is what a page showed of it, which has
    to be true still; None: it is set whatever it was.
    """
    _check(restaurant, currency, most_minor, person)
    mine: dict[str, Any] = {"restaurant": restaurant, "who": who, "currency": currency}
    with transaction.atomic():
        # What a colleague changes in the same moment is theirs, and no part of what the audit says of this.
        lock_configuration(restaurant.pk, person=person)
        there = RefundLimit.objects.filter(**mine).first()
        if there is not None and there.most_minor != most_minor:
            _check_that_it_is_known(there, is_first=is_first, seen=seen)
        with audited(_deed(restaurant, who, currency, person)):
            if most_minor is None:
                RefundLimit.objects.filter(**mine).delete()
            else:
                RefundLimit.objects.update_or_create(**mine, defaults={"most_minor": most_minor})


def _check(restaurant: Restaurant, currency: str, most_minor: int | None, person: User) -> None:
    if not (person.is_superuser or works_as(person, [Role.ADMIN], restaurant_id=restaurant.pk)):
        raise RefundRefused("Only an admin of this restaurant sets its limits.", code="not_an_admin")
    if not is_currency(currency):
        raise RefundRefused(f"{currency!r} is not a currency code, such as INR.", field="currency", code="currency")
    if most_minor is not None and not 0 <= most_minor <= MAX_MINOR:
        raise RefundRefused("A limit is an amount that is not negative.", field="most", code="bad_amount")


def _check_that_it_is_known(there: RefundLimit, *, is_first: bool, seen: int | None) -> None:
    """Pressed twice, or two entered the same: that is no news, and not asked."""
    if is_first or seen not in {None, there.most_minor}:
        most = Money(there.most_minor, there.currency).display()
        raise RefundRefused(
            f"This limit was set to {most} since you opened the page. Look at it on the list, and decide again.",
            field="most",
            code="changed_meanwhile",
        )


def _deed(restaurant: Restaurant, who: Limited, currency: str, person: User) -> Deed:
    return Deed(
        actor=Actor.user(person),
        action=SET_LIMIT,
        subject_kind="refund_limit",
        subject_id=limit_named(who, currency),
        picture=partial(_picture, restaurant.pk),
        restaurant_id=restaurant.pk,
        only_if_it_changes=True,
    )


def _picture(restaurant_id: UUID) -> dict[str, Any]:
    limits = RefundLimit.objects.filter(restaurant=restaurant_id).order_by("who", "currency")
    return {"limits": list(limits.values("who", "currency", "most_minor"))}
