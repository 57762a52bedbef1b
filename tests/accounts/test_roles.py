"""Roles are given by the service: by whom, to whom, and what the restaurant's audit keeps of it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission

from accounts.models import Membership, Restaurant, Role, User
from accounts.services.people import works_as
from accounts.services.roles import RoleRefused, save_role, take_role
from events.models import AuditEntry
from tests.factories import RestaurantFactory, UserFactory, staff

pytestmark = pytest.mark.django_db
ALL = ("add_membership", "change_membership", "delete_membership")


@pytest.fixture
def restaurant() -> Restaurant:
    return RestaurantFactory.create()


@pytest.fixture
def boss() -> User:
    return UserFactory.create(is_superuser=True)


@pytest.fixture
def admin(restaurant: Restaurant) -> User:
    return trusted(staff(restaurant, Role.ADMIN))


def trusted(person: User) -> User:
    person.user_permissions.set(Permission.objects.filter(codename__in=ALL))
    return person


def role_of(person: User, restaurant: Restaurant, role: Role = Role.FINANCE_LEAD) -> Membership:
    return Membership(user=person, restaurant=restaurant, role=role)


def test_a_role_is_followed_from_its_beginning_to_its_end(restaurant: Restaurant, boss: User) -> None:
    asha = UserFactory.create()
    membership = role_of(asha, restaurant, Role.FINANCE)

    save_role(membership=membership, by=boss)
    membership.role = Role.FINANCE_LEAD
    save_role(membership=membership, by=boss)
    take_role(membership=membership, by=boss)

    entries = AuditEntry.objects.order_by("id")
    assert [(each.action, each.before["role"], each.after["role"]) for each in entries] == [
        ("give_role", None, "finance"),
        ("change_role", "finance", "finance_lead"),
        ("take_role", "finance_lead", None),
    ]
    assert {(each.chain_id, each.actor_id, each.subject_id) for each in entries} == {
        (restaurant.pk, str(boss.pk), str(asha.pk))
    }


@pytest.mark.parametrize(
    ("role", "opens"),
    [
        *((role, True) for role in (Role.FINANCE, Role.FINANCE_LEAD, Role.ADMIN, Role.AUDITOR)),
        *((role, False) for role in (Role.WAITER, Role.CUSTOMER)),
    ],
)
def test_who_works_in_the_console_gets_in_by_the_role(
    restaurant: Restaurant, boss: User, role: Role, opens: bool
) -> None:
    asha = UserFactory.create(is_staff=False)

    save_role(membership=role_of(asha, restaurant, role), by=boss)

    assert User.objects.get(pk=asha.pk).is_staff is opens
    assert AuditEntry.objects.get().after == {"role": role, "opens_console": opens}


def test_a_role_that_ends_shuts_nobody_out_who_may_have_another(restaurant: Restaurant, boss: User) -> None:
    membership = role_of(UserFactory.create(is_staff=True), restaurant, Role.FINANCE)
    save_role(membership=membership, by=boss)

    take_role(membership=membership, by=boss)

    assert User.objects.get(pk=membership.user_id).is_staff


def test_it_holds_at_once(restaurant: Restaurant, boss: User) -> None:
    asha = UserFactory.create()
    membership = role_of(asha, restaurant)
    save_role(membership=membership, by=boss)
    assert works_as(asha, [Role.FINANCE_LEAD], restaurant_id=restaurant.pk)

    take_role(membership=membership, by=boss)

    assert not works_as(asha, list(Role), restaurant_id=restaurant.pk)


def test_the_same_role_again_is_no_deed(restaurant: Restaurant, boss: User) -> None:
    membership = Membership.objects.get(user=staff(restaurant, Role.WAITER))

    save_role(membership=membership, by=boss)

    assert not AuditEntry.objects.exists()


def test_an_admin_with_the_permission_gives_roles_at_home_and_to_others(restaurant: Restaurant, admin: User) -> None:
    save_role(membership=role_of(UserFactory.create(), restaurant), by=admin)

    assert AuditEntry.objects.get().actor_id == str(admin.pk)


@pytest.mark.parametrize("who", ["without the permission", "of another restaurant", "in another role", "nobody"])
def test_others_give_none(restaurant: Restaurant, admin: User, who: str) -> None:
    person = {
        "without the permission": lambda: staff(restaurant, Role.ADMIN),
        "of another restaurant": lambda: trusted(staff(RestaurantFactory.create(), Role.ADMIN)),
        "in another role": lambda: trusted(staff(restaurant, Role.FINANCE_LEAD)),
        "nobody": UserFactory.create,
    }[who]()
    held = Membership.objects.get(user=admin)

    for do in (
        lambda: save_role(membership=role_of(UserFactory.create(), restaurant), by=person),
        lambda: take_role(membership=held, by=person),
    ):
        with pytest.raises(RoleRefused, match="by a superuser, or by an admin"):
            do()
    assert not AuditEntry.objects.exists()


def test_an_admin_gives_oneself_nothing(restaurant: Restaurant, admin: User) -> None:
    membership = Membership.objects.get(user=admin)
    membership.role = Role.FINANCE_LEAD

    with pytest.raises(RoleRefused):
        save_role(membership=membership, by=admin)
    with pytest.raises(RoleRefused):
        save_role(membership=role_of(admin, RestaurantFactory.create()), by=admin)

    assert Membership.objects.get(user=admin).role == Role.ADMIN


def test_a_role_stays_with_whom_it_was_given_to(restaurant: Restaurant, boss: User) -> None:
    membership = Membership.objects.get(user=staff(restaurant, Role.WAITER))
    membership.user = UserFactory.create()

    with pytest.raises(RoleRefused, match="A role stays where it is"):
        save_role(membership=membership, by=boss)
