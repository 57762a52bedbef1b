"""Restaurants are set up and edited here, and each change is in the audit of the restaurant."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts.deeds import HouseDeed
from accounts.models import Restaurant, Role, User
from accounts.services.people import works_as
from events.actors import Actor
from events.audit import Deed, audited
from kernel.duplicates import refusing_a_second
from kernel.errors import ServiceError

_SHOWN = ("slug", "name", "currency", "time_zone", "day_starts_at")


class RestaurantRefused(ServiceError):
    code = "not_allowed"


def may_edit_restaurant(by: User, *, restaurant_id: UUID) -> bool:
    if by.is_superuser:
        return by.is_active
    is_allowed = by.has_perm("accounts.change_restaurant")
    return is_allowed and works_as(by, [Role.ADMIN], restaurant_id=restaurant_id)


def save_restaurant(*, restaurant: Restaurant, by: User) -> None:
    """As a form left it. A new one belongs to whoever runs the installation: nobody is its admin yet."""
    with transaction.atomic():
        # Rows that point to it are written meanwhile, and whoever writes one may have the audit's chain in hand.
        was = Restaurant.objects.select_for_update(no_key=True).filter(pk=restaurant.pk).first()
        may = by.is_superuser if was is None else may_edit_restaurant(by, restaurant_id=restaurant.pk)
        if not may:
            raise RestaurantRefused("A superuser adds restaurants, and its admins with that permission edit one.")
        deed = _deed_on(restaurant.pk, HouseDeed.EDIT_RESTAURANT if was else HouseDeed.CREATE_RESTAURANT, by)
        with audited(deed), refusing_a_second("accounts_restaurant_slug_key", _slug_taken(restaurant)):
            restaurant.save()


def _slug_taken(restaurant: Restaurant) -> RestaurantRefused:
    return RestaurantRefused(f"There is a restaurant {restaurant.slug} already. Choose another name.", field="slug")


def _deed_on(restaurant_id: UUID, action: HouseDeed, by: User) -> Deed:
    return Deed(
        actor=Actor.user(by),
        action=action,
        subject_kind="restaurant",
        subject_id=str(restaurant_id),
        picture=partial(_picture_of, restaurant_id),
        restaurant_id=restaurant_id,
        only_if_it_changes=True,
    )


def _picture_of(restaurant_id: UUID) -> dict[str, Any]:
    row = Restaurant.objects.filter(pk=restaurant_id).values(*_SHOWN).first() or {}
    return {name: str(value) for name, value in row.items()}
