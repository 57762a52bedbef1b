"""Where nobody else could be the second person: later, and with a second factor that was there before."""

from __future__ import annotations

import pytest

from accounts.models import ALONE_AFTER, Approval, ApprovalStatus, Restaurant, Role, User
from accounts.services.approvals import (
    ApprovalRefused,
)
from tests.accounts.test_approvals import agree, asked, restaurant, status_of
from tests.factories import UserFactory, staff
from tests.factors import with_factor
from tests.time_machine import ShiftedClock

__all__ = ["restaurant"]


class TestWhoIsAlone:
    @pytest.fixture
    def only_one(self, restaurant: Restaurant) -> User:
        staff(restaurant, Role.AUDITOR)
        staff(restaurant, Role.WAITER)
        return staff(restaurant, Role.ADMIN)

    def test_agrees_later_and_with_a_second_factor(
        self, restaurant: Restaurant, only_one: User, time: ShiftedClock
    ) -> None:
        approval = asked(restaurant, only_one)
        with pytest.raises(ApprovalRefused) as early:
            agree(approval, only_one, has_factor=True)
        assert (early.value.code, early.value.sentence[-14:]) == ("too_early", "in 60 minutes.")
        assert ALONE_AFTER.total_seconds() - 5 < early.value.retry_after_seconds <= ALONE_AFTER.total_seconds()

        time.advance(seconds=ALONE_AFTER.total_seconds() + 1)
        with pytest.raises(ApprovalRefused) as bare:
            agree(approval, only_one)
        assert (bare.value.code, bare.value.field) == ("second_factor_required", "code")
        agree(approval, only_one, has_factor=True)

        now = Approval.objects.get(pk=approval.pk)
        assert (now.status, now.checker, now.is_alone) == (ApprovalStatus.APPROVED, only_one, True)

    def test_does_not_agree_with_a_factor_that_came_after_the_request(
        self, restaurant: Restaurant, only_one: User, time: ShiftedClock
    ) -> None:
        """Whoever has found out the password could bring a phone of their own."""
        approval = asked(restaurant, only_one)
        time.advance(hours=2)
        with_factor(only_one)

        with pytest.raises(ApprovalRefused) as young:
            agree(approval, only_one, has_factor=True)
        assert young.value.code == "factor_too_new"
        assert status_of(approval) == ApprovalStatus.PENDING

    @pytest.mark.parametrize("role", [Role.FINANCE, Role.FINANCE_LEAD, Role.ADMIN])
    def test_is_not_alone_any_more_when_a_second_one_is_there(
        self, restaurant: Restaurant, only_one: User, role: Role, time: ShiftedClock
    ) -> None:
        approval = asked(restaurant, only_one)
        other = staff(restaurant, role)

        time.advance(hours=2)
        with pytest.raises(ApprovalRefused, match="somebody else has to agree"):
            agree(approval, only_one, has_factor=True)
        other.is_active = False  # Whoever has left agrees to nothing.
        other.save()
        agree(approval, only_one, has_factor=True)

    def test_is_nobody_without_a_role_here(self, restaurant: Restaurant, time: ShiftedClock) -> None:
        gone = UserFactory.create()
        approval = asked(restaurant, gone)

        time.advance(hours=2)
        with pytest.raises(ApprovalRefused, match="somebody else has to agree"):
            agree(approval, gone, has_factor=True)
