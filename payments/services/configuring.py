"""Who may change what a restaurant is paid through, and where two who do wait for each other."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q

from accounts.models import Restaurant, Role, User
from accounts.services.people import works_as
from kernel.modes import Mode
from payments.models import Route
from payments.services.refusals import ProviderRefused


def may_configure(person: User, *, restaurant_id: UUID) -> bool:
    return person.is_active and (person.is_superuser or works_as(person, [Role.ADMIN], restaurant_id=restaurant_id))


def lock_configuration(restaurant_id: UUID, *, person: User) -> Restaurant:
    """Until the transaction ends. Payments go on meanwhile: a row that is locked like this may be pointed to."""
    restaurant = Restaurant.objects.select_for_update(no_key=True).get(pk=restaurant_id)
    if not may_configure(person, restaurant_id=restaurant_id):
        raise ProviderRefused("Only an admin of this restaurant changes what it is paid through.", code="not_an_admin")
    return restaurant


def can_be_paid(restaurant_id: UUID, mode: Mode) -> bool:
    """Whether any provider is left that is switched on, and has a route that is, for the restaurant's own money."""
    routes = Route.objects.filter(restaurant=restaurant_id, mode=mode, enabled=True, account__enabled=True)
    own = Restaurant.objects.values_list("currency", flat=True).get(pk=restaurant_id)
    return routes.filter(Q(currencies=[]) | Q(currencies__contains=[own])).exists()


def check_can_be_paid(restaurant_id: UUID, mode: Mode, *, is_confirmed: bool) -> None:
    """After a change, inside its transaction. To close a till is not forbidden, and is not done by mistake."""
    if not (is_confirmed or can_be_paid(restaurant_id, mode)):
        raise ProviderRefused(
            "After this no provider is left that is switched on: nobody can pay until one is.",
            field="nobody_can_pay",
            code="nobody_can_pay",
        )
