"""Who may set the limits would else give back alone whatever they like, a moment later."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import ApiKey, Membership, Restaurant, Role, User
from accounts.services.editing_people import setting_password
from accounts.services.keys import issue_api_key, rotate_api_key
from accounts.services.roles import save_role
from events.actors import Actor, ActorKind
from events.models import AuditEntry
from kernel.modes import Mode
from orders.services import cancel_order
from payments.models import Limited, Payment, RefundLimit, RefundStatus
from payments.services.limit_changes import set_refund_limit
from payments.services.refund_limits import OWN_HAND_AFTER, SET_LIMIT
from tests.factories import RestaurantFactory, order_of, paid, staff
from tests.payments.test_refund_limits import LIMIT, finance, payment, refund, refused
from tests.time_machine import ShiftedClock

__all__ = ["finance", "payment"]


@pytest.fixture
def admin(restaurant: Restaurant) -> User:
    RefundLimit.objects.create(restaurant=restaurant, who=Limited.ADMIN, currency="INR", most_minor=LIMIT)
    return staff(restaurant, Role.ADMIN)


def set_limits(by: User, payment: Payment, *limits: int | None, who: Limited = Limited.ADMIN) -> None:
    for minor in limits:
        place = payment.restaurant
        set_refund_limit(restaurant=place, who=who, currency="INR", most_minor=minor, person=by)


def superuser(restaurant: Restaurant, role: Role = Role.ADMIN) -> User:
    person = staff(restaurant, role)
    person.is_superuser = True
    person.save()
    return person


@pytest.mark.parametrize("limits", [(84_000,), (None,), (50_000, 84_000), (0, None), (None, 84_000)])
def test_one_that_was_raised_counts_a_day_later(
    payment: Payment, admin: User, limits: tuple[int | None, ...], time: ShiftedClock
) -> None:
    set_limits(admin, payment, *limits)
    assert refund(payment, Actor.user(admin), LIMIT + 1).status == RefundStatus.WAITING_APPROVAL

    time.advance(seconds=OWN_HAND_AFTER.total_seconds())

    other = paid(order_of(payment.restaurant))
    assert refund(other, Actor.user(admin), LIMIT + 1).status == RefundStatus.REQUESTED


def test_a_limit_is_looked_at_for_the_audit_while_no_colleague_can_change_another(
    payment: Payment, admin: User
) -> None:
    """Else the sealed entry of the one would show what the other did. One that stays as it is leaves none."""
    with CaptureQueriesContext(connection) as said:
        set_limits(admin, payment, 100, 100)

    queries = [each["sql"] for each in said.captured_queries]
    locked = next(number for number, sql in enumerate(queries) if "FOR NO KEY UPDATE" in sql)
    assert locked < next(number for number, sql in enumerate(queries) if 'FROM "payments_refundlimit"' in sql)
    assert AuditEntry.objects.filter(action=SET_LIMIT).count() == 1


def test_one_that_was_lowered_counts_at_once(payment: Payment, admin: User) -> None:
    set_limits(admin, payment, 100)

    assert refund(payment, Actor.user(admin), 101).status == RefundStatus.WAITING_APPROVAL


def test_that_somebody_else_raised_counts_at_once(payment: Payment, admin: User, restaurant: Restaurant) -> None:
    set_limits(staff(restaurant, Role.ADMIN), payment, 84_000)

    assert refund(payment, Actor.user(admin)).status == RefundStatus.REQUESTED


def test_of_another_role_or_place_binds_nobody(payment: Payment, admin: User, restaurant: Restaurant) -> None:
    set_limits(admin, payment, 0, None, who=Limited.FINANCE)
    elsewhere = RestaurantFactory.create()
    Membership.objects.create(user=admin, restaurant=elsewhere, role=Role.ADMIN)
    for minor in (0, None):
        set_refund_limit(restaurant=elsewhere, who=Limited.ADMIN, currency="INR", most_minor=minor, person=admin)

    assert refund(payment, Actor.user(admin), LIMIT).status == RefundStatus.REQUESTED


def test_nor_is_a_colleagues_refund_released_by_it(payment: Payment, admin: User, finance: User) -> None:
    refund(payment, Actor.user(finance))
    set_limits(admin, payment, 84_000)

    assert refused(lambda: cancel_order(order_id=payment.order_id, actor=Actor.user(admin))) == "above_limit"


def test_a_slip_that_was_put_right_binds_nobody(payment: Payment, admin: User) -> None:
    set_limits(admin, payment, 50, LIMIT)

    assert refund(payment, Actor.user(admin), LIMIT).status == RefundStatus.REQUESTED


def test_nor_does_what_somebody_else_raised_after_one_changed_another(
    payment: Payment, admin: User, restaurant: Restaurant
) -> None:
    set_limits(admin, payment, 100, who=Limited.FINANCE_LEAD)
    set_limits(staff(restaurant, Role.ADMIN), payment, 84_000)

    assert refund(payment, Actor.user(admin)).status == RefundStatus.REQUESTED


def test_it_holds_for_who_could_sign_in_as_somebody_who_raised_it(
    payment: Payment, admin: User, restaurant: Restaurant
) -> None:
    other = staff(restaurant, Role.ADMIN)
    admin.is_superuser = True
    admin.save()
    set_limits(admin, payment, 84_000)
    with setting_password(person_id=other.pk, by=admin):
        other.set_password("known to both")
        other.save()

    assert refund(payment, Actor.user(other)).status == RefundStatus.WAITING_APPROVAL


def test_that_of_programs_is_raised_for_none_of_them_before_a_day_is_over(
    payment: Payment, admin: User, time: ShiftedClock
) -> None:
    set_limits(admin, payment, 100, who=Limited.PROGRAM)
    time.advance(seconds=OWN_HAND_AFTER.total_seconds())
    set_limits(admin, payment, None, who=Limited.PROGRAM)
    program = Actor(kind=ActorKind.API_KEY, id="key")
    assert refund(payment, program, 101).status == RefundStatus.WAITING_APPROVAL

    time.advance(seconds=OWN_HAND_AFTER.total_seconds())

    assert refund(paid(order_of(payment.restaurant)), program, 101).status == RefundStatus.REQUESTED


class TestARole:
    """One's own is changed by a superuser alone."""

    @pytest.fixture
    def boss(self, restaurant: Restaurant) -> User:
        return superuser(restaurant, Role.FINANCE)

    def test_that_one_gave_oneself_has_its_limit_a_day_later(
        self, boss: User, payment: Payment, time: ShiftedClock
    ) -> None:
        mine = Membership.objects.get(user=boss)
        mine.role = Role.ADMIN
        save_role(membership=mine, by=boss)
        assert refund(payment, Actor.user(boss), LIMIT + 1).status == RefundStatus.WAITING_APPROVAL

        time.advance(seconds=OWN_HAND_AFTER.total_seconds())

        other = paid(order_of(payment.restaurant))
        assert refund(other, Actor.user(boss), LIMIT + 1).status == RefundStatus.REQUESTED

    def test_that_one_gave_oneself_where_one_had_none_is_held_to_the_lowest(self, boss: User, payment: Payment) -> None:
        Membership.objects.filter(user=boss).delete()
        new = Membership(user=boss, restaurant=payment.restaurant, role=Role.ADMIN)
        save_role(membership=new, by=boss)

        assert refund(payment, Actor.user(boss), LIMIT + 1).status == RefundStatus.WAITING_APPROVAL

    def test_that_somebody_gave_as_whom_one_could_act_counts_a_day_later(
        self, boss: User, payment: Payment, restaurant: Restaurant
    ) -> None:
        puppet = superuser(restaurant)
        with setting_password(person_id=puppet.pk, by=boss):
            puppet.set_password("known to both")
            puppet.save()
        mine = Membership.objects.get(user=boss)
        mine.role = Role.ADMIN
        save_role(membership=mine, by=puppet)

        assert refund(payment, Actor.user(boss), LIMIT + 1).status == RefundStatus.WAITING_APPROVAL

    def test_that_somebody_else_gave_counts_at_once(self, boss: User, payment: Payment, restaurant: Restaurant) -> None:
        colleague = staff(restaurant, Role.FINANCE)
        theirs = Membership.objects.get(user=colleague)
        theirs.role = Role.ADMIN
        save_role(membership=theirs, by=superuser(restaurant))

        assert refund(payment, Actor.user(colleague)).status == RefundStatus.REQUESTED


class TestAKey:
    """A program has no limit where nobody set one."""

    def program(self, restaurant: Restaurant, by: User) -> Actor:
        issue_api_key(restaurant=restaurant, mode=Mode.TEST, name="till", scopes=["refunds:write"], by=Actor.user(by))
        return Actor(kind=ActorKind.API_KEY, id=str(ApiKey.objects.get(name="till").lineage))

    @pytest.mark.parametrize("is_rotated", [False, True])
    def test_gives_back_no_more_than_whoever_has_it_in_hand_for_a_day(
        self, payment: Payment, admin: User, time: ShiftedClock, *, is_rotated: bool
    ) -> None:
        program = self.program(payment.restaurant, admin)
        if is_rotated:
            time.advance(seconds=OWN_HAND_AFTER.total_seconds())
            rotate_api_key(key_id=ApiKey.objects.get(name="till").pk, by=Actor.user(admin))
        assert refund(payment, program, LIMIT + 1).status == RefundStatus.WAITING_APPROVAL

        time.advance(seconds=OWN_HAND_AFTER.total_seconds())

        assert refund(paid(order_of(payment.restaurant)), program, LIMIT + 1).status == RefundStatus.REQUESTED

    def test_that_somebody_made_as_whom_another_could_act_gives_back_no_more_than_that_one(
        self, payment: Payment, admin: User, restaurant: Restaurant
    ) -> None:
        boss = superuser(restaurant, Role.FINANCE)
        RefundLimit.objects.filter(who=Limited.FINANCE).update(most_minor=100)
        with setting_password(person_id=admin.pk, by=boss):
            admin.set_password("known to both")
            admin.save()

        assert refund(payment, self.program(restaurant, admin), 101).status == RefundStatus.WAITING_APPROVAL

    def test_of_somebody_without_a_limit_has_none(self, payment: Payment, restaurant: Restaurant) -> None:
        program = self.program(restaurant, staff(restaurant, Role.ADMIN))

        assert refund(payment, program).status == RefundStatus.REQUESTED

    def test_of_somebody_without_a_role_there_is_held_to_the_lowest_of_all(
        self, payment: Payment, admin: User, restaurant: Restaurant
    ) -> None:
        boss = superuser(RestaurantFactory.create())

        assert refund(payment, self.program(restaurant, boss), LIMIT + 1).status == RefundStatus.WAITING_APPROVAL
