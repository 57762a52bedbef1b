"""Who signs in, and what pages they may open: as Django itself says it, in fewer questions."""

from __future__ import annotations

import pytest
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Group, Permission
from pytest_django import DjangoAssertNumQueries

from accounts.backends import PersonBackend
from accounts.models import User
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def person() -> User:
    """With one permission of their own and one by a group, and one by both."""
    person, group = UserFactory.create(), Group.objects.create(name="keepers of keys")
    own, groups, both = Permission.objects.order_by("pk")[:3]
    person.user_permissions.add(own, both)
    group.permissions.add(groups, both)
    person.groups.add(group)
    return person


@pytest.mark.parametrize("change", [{}, {"is_superuser": True}, {"is_active": False}])
def test_permissions_are_those_of_django(
    person: User, change: dict[str, bool], django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    User.objects.filter(pk=person.pk).update(**change)
    person = User.objects.get(pk=person.pk)

    with django_assert_max_num_queries(1):
        mine = PersonBackend().get_all_permissions(person)

    assert mine == ModelBackend().get_all_permissions(User.objects.get(pk=person.pk))
    assert bool(mine) is change.get("is_active", True)


def test_who_left_is_nobody(person: User) -> None:
    assert PersonBackend().get_user(person.pk) == person
    User.objects.filter(pk=person.pk).update(is_active=False)
    assert PersonBackend().get_user(person.pk) is None
