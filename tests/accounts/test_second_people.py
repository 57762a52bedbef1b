"""Whose word counts as the second one: a lead's or an admin's, and where only the maker is one, a colleague's."""

from __future__ import annotations

from datetime import timedelta

import pytest

from accounts.independence import INDEPENDENT_AFTER
from accounts.models import ALONE_AFTER, Approval, ApprovalStatus, Membership, Restaurant, Role, User
from accounts.services.approvals import ApprovalRefused, reject
from accounts.services.editing_people import save_person
from accounts.services.roles import save_role, take_role
from failures.selectors import approvals_for
from tests.accounts.test_approvals import WHY, agree, asked, restaurant, status_of
from tests.accounts.test_independence import grown
from tests.factories import RestaurantFactory, staff
from tests.factors import with_factor
from tests.time_machine import ShiftedClock

__all__ = ["restaurant"]
CHECKERS = [Role.FINANCE_LEAD, Role.ADMIN]


@pytest.fixture
def colleague(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


def agrees(approval: Approval, person: User) -> bool:
    """By the service, and the list of what waits for this person says the same."""
    is_listed = approvals_for(person).filter(pk=approval.pk).exists()
    try:
        agree(approval, person)
    except ApprovalRefused:
        assert not is_listed
        return False
    assert is_listed
    return True


@pytest.mark.parametrize("role", [Role.FINANCE, *CHECKERS])
def test_a_colleague_of_finance_agrees_where_nobody_but_the_maker_leads(
    restaurant: Restaurant, colleague: User, role: Role
) -> None:
    approval = asked(restaurant, staff(restaurant, role))

    assert agrees(approval, colleague)

    assert status_of(approval) == ApprovalStatus.APPROVED
    assert not Approval.objects.get().is_alone


def test_and_says_no_as_well(restaurant: Restaurant, colleague: User) -> None:
    approval = asked(restaurant, staff(restaurant, Role.ADMIN))

    reject(approval_id=approval.pk, checker=colleague, answer=WHY)

    assert status_of(approval) == ApprovalStatus.REJECTED


def test_whoever_asked_is_not_alone_then(restaurant: Restaurant, colleague: User, time: ShiftedClock) -> None:
    other = staff(restaurant, Role.FINANCE)
    with_factor(other)
    approval = asked(restaurant, other)
    time.advance(seconds=ALONE_AFTER.total_seconds() + 1)

    with pytest.raises(ApprovalRefused) as refused:
        agree(approval, other, has_factor=True)

    assert refused.value.code == "maker_is_checker"
    assert not approvals_for(other).exists()
    assert agrees(approval, colleague)


@pytest.mark.parametrize("role", CHECKERS)
def test_not_where_a_lead_or_an_admin_works(restaurant: Restaurant, colleague: User, role: Role) -> None:
    approval, lead = asked(restaurant, staff(restaurant, Role.FINANCE)), staff(restaurant, role)

    assert not agrees(approval, colleague)

    assert agrees(approval, lead)


def test_a_lead_who_has_left_or_works_elsewhere_is_none(restaurant: Restaurant, colleague: User) -> None:
    staff(RestaurantFactory.create(), Role.FINANCE_LEAD)
    left = staff(restaurant, Role.FINANCE_LEAD)
    approval = asked(restaurant, staff(restaurant, Role.FINANCE))
    assert not agrees(approval, colleague)

    left.is_active = False
    left.save()

    assert agrees(approval, colleague)


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.WAITER, Role.CUSTOMER])
def test_nobody_else_is_a_colleague(restaurant: Restaurant, role: Role) -> None:
    assert not agrees(asked(restaurant, staff(restaurant, Role.ADMIN)), staff(restaurant, role))


def test_nor_one_of_another_restaurant(restaurant: Restaurant) -> None:
    approval = asked(restaurant, staff(restaurant, Role.ADMIN))

    assert not agrees(approval, staff(RestaurantFactory.create(), Role.FINANCE))


@pytest.mark.parametrize("has_lead", [False, True])
def test_of_a_program_that_asked(restaurant: Restaurant, colleague: User, has_lead: bool) -> None:
    if has_lead:
        staff(restaurant, Role.FINANCE_LEAD)

    assert agrees(asked(restaurant, None), colleague) is not has_lead


class TestByHand:
    """Nobody chooses who agrees by sending away who would have."""

    @pytest.fixture
    def admin(self, restaurant: Restaurant) -> User:
        return grown(staff(restaurant, Role.ADMIN))

    @pytest.fixture(params=["take", "lower", "shut out"])
    def gone(self, request: pytest.FixtureRequest, restaurant: Restaurant, admin: User) -> None:
        lead = staff(restaurant, Role.FINANCE_LEAD)
        membership = Membership.objects.get(user=lead)
        if request.param == "take":
            take_role(membership=membership, by=admin)
        elif request.param == "lower":
            membership.role = Role.WAITER
            save_role(membership=membership, by=admin)
        else:
            lead.is_active = False
            save_person(person=lead, by=admin)

    @pytest.mark.usefixtures("gone")
    def test_no_colleague_agrees_to_what_the_admin_asks_within_a_day(
        self, restaurant: Restaurant, colleague: User, admin: User
    ) -> None:
        approval = asked(restaurant, admin)

        with pytest.raises(ApprovalRefused, match="took the role of a lead or an admin away") as refused:
            agree(approval, colleague)

        assert refused.value.code == "not_independent"
        assert not approvals_for(colleague).exists()

    @pytest.mark.usefixtures("gone")
    def test_after_that_day_one_does(
        self, restaurant: Restaurant, colleague: User, admin: User, time: ShiftedClock
    ) -> None:
        time.advance(seconds=(INDEPENDENT_AFTER + timedelta(seconds=1)).total_seconds())

        assert agrees(asked(restaurant, admin), colleague)

    @pytest.mark.usefixtures("gone")
    def test_what_a_colleague_asks_an_admin_decides_as_ever(
        self, restaurant: Restaurant, colleague: User, admin: User
    ) -> None:
        assert agrees(asked(restaurant, colleague), admin)

    def test_who_sent_a_colleague_of_finance_away_is_not_alone_by_that(
        self, restaurant: Restaurant, colleague: User, admin: User, time: ShiftedClock
    ) -> None:
        take_role(membership=Membership.objects.get(user=colleague), by=admin)
        with_factor(admin)
        approval = asked(restaurant, admin)
        time.advance(seconds=ALONE_AFTER.total_seconds() + 1)

        with pytest.raises(ApprovalRefused) as refused:
            agree(approval, admin, has_factor=True)

        assert refused.value.code == "not_independent"
        assert not approvals_for(admin).exists()
