"""Who is somebody else: neither a person in the other one's hand, nor one of two in a third one's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest

from accounts.independence import INDEPENDENT_AFTER
from accounts.models import ALONE_AFTER, ApiKey, Approval, ApprovalStatus, Membership, Restaurant, Role, User
from accounts.services.approvals import LASTS, ApprovalRefused, reject
from accounts.services.editing_people import save_person, setting_password
from accounts.services.keys import issue_api_key
from accounts.services.roles import save_role, take_role
from accounts.services.second_factor import remove
from events.actors import Actor
from failures.selectors import approvals_for
from kernel.modes import Mode
from tests.accounts.test_approvals import WHY, agree, asked, restaurant, status_of
from tests.factories import UserFactory, staff
from tests.factors import with_factor
from tests.time_machine import ShiftedClock

__all__ = ["restaurant"]
ALMOST = timedelta(seconds=30)


@pytest.fixture
def boss() -> User:
    """May do everything to everybody, and decides nothing here."""
    return UserFactory.create(is_superuser=True)


@pytest.fixture
def maker(restaurant: Restaurant) -> User:
    return grown(staff(restaurant, Role.ADMIN))


@pytest.fixture
def lead(restaurant: Restaurant) -> User:
    return grown(staff(restaurant, Role.FINANCE_LEAD))


def grown(person: User) -> User:
    """Who may set up others too."""
    person.is_superuser = True
    person.save()
    return person


def password(person: User, by: User) -> None:
    with setting_password(person_id=person.pk, by=by):
        person.set_password("known to both")
        person.save()


def role(person: User, by: User) -> None:
    membership = person.memberships.get()
    membership.role = Role.ADMIN if membership.role == Role.FINANCE_LEAD else Role.FINANCE_LEAD
    save_role(membership=membership, by=by)


def let_in(person: User, by: User) -> None:
    for is_active in (False, True):
        person.is_active = is_active
        save_person(person=person, by=by)


def factor(person: User, by: User) -> None:
    with_factor(person)
    remove(person=person, by=by, reason=WHY)


def made(place: Restaurant, as_: Role, by: User) -> User:
    person = User(username=f"{as_.value} of {by.username}", is_superuser=True)
    person.set_password("known to both")
    save_person(person=person, by=by)
    save_role(membership=Membership(user=person, restaurant=place, role=as_), by=by)
    return person


def is_independent(approval: Approval, checker: User) -> bool:
    """As the service says, both ways of answering; and as the desk offers it."""
    is_offered = approvals_for(checker).filter(pk=approval.pk).exists()
    answers: list[Callable[[], object]] = [
        partial(agree, approval, checker),
        partial(reject, approval_id=approval.pk, checker=checker, answer=WHY),
    ]
    for answer in answers:
        if is_offered:
            answer()
            break
        with pytest.raises(ApprovalRefused) as refused:
            answer()
        assert refused.value.code == "not_independent"
    assert (status_of(approval) != ApprovalStatus.PENDING) == is_offered
    return is_offered


HANDS = [password, role, let_in, factor]


class TestWhoWasSetUp:
    @pytest.mark.parametrize("hand", HANDS)
    def test_by_the_maker_does_not_agree(
        self, restaurant: Restaurant, maker: User, lead: User, hand: Callable[[User, User], None]
    ) -> None:
        hand(lead, maker)

        assert not is_independent(asked(restaurant, maker), lead)

    @pytest.mark.parametrize("hand", HANDS)
    def test_by_the_checker_has_asked_for_the_checker(
        self, restaurant: Restaurant, maker: User, lead: User, hand: Callable[[User, User], None]
    ) -> None:
        hand(maker, lead)

        assert not is_independent(asked(restaurant, maker), lead)

    def test_after_it_was_asked_does_not_agree_either(self, restaurant: Restaurant, maker: User, lead: User) -> None:
        approval = asked(restaurant, maker)
        password(lead, maker)

        assert not is_independent(approval, lead)

    def test_agrees_to_what_others_ask(self, restaurant: Restaurant, maker: User, lead: User) -> None:
        password(lead, maker)

        assert is_independent(asked(restaurant, staff(restaurant, Role.FINANCE)), lead)

    def test_agrees_to_what_was_asked_a_day_later(
        self, restaurant: Restaurant, maker: User, lead: User, time: ShiftedClock
    ) -> None:
        password(lead, maker)
        time.advance(seconds=INDEPENDENT_AFTER.total_seconds())

        assert is_independent(asked(restaurant, maker), lead)

    def test_does_not_wait_until_the_day_is_over(
        self, restaurant: Restaurant, maker: User, lead: User, time: ShiftedClock
    ) -> None:
        """The request was made on the same day, and is there for as long."""
        password(lead, maker)
        time.advance(seconds=60)
        approval = asked(restaurant, maker)
        time.advance(seconds=(LASTS - ALMOST).total_seconds())

        assert not is_independent(approval, lead)

    def test_by_oneself_is_nobody_elses(self, restaurant: Restaurant, maker: User, lead: User) -> None:
        password(lead, lead)

        assert is_independent(asked(restaurant, maker), lead)


class TestAThirdOne:
    def test_between_the_two_hides_nobody(self, restaurant: Restaurant, maker: User, lead: User) -> None:
        password(lead, made(restaurant, Role.FINANCE, maker))

        assert not is_independent(asked(restaurant, maker), lead)

    def test_between_the_two_hides_nobody_the_other_way_round(self, restaurant: Restaurant, lead: User) -> None:
        hop = made(restaurant, Role.ADMIN, lead)

        assert not is_independent(asked(restaurant, made(restaurant, Role.FINANCE, hop)), lead)

    def test_who_has_both_passwords_is_both(self, restaurant: Restaurant, maker: User, lead: User, boss: User) -> None:
        for person in (maker, lead):
            password(person, boss)

        assert not is_independent(asked(restaurant, maker), lead)

    def test_who_has_the_one_password_and_made_the_other_is_both(
        self, restaurant: Restaurant, maker: User, boss: User
    ) -> None:
        password(maker, boss)

        assert not is_independent(asked(restaurant, maker), made(restaurant, Role.FINANCE_LEAD, boss))

    def test_who_made_both_on_the_first_day_made_two(self, restaurant: Restaurant, boss: User) -> None:
        lead = made(restaurant, Role.FINANCE_LEAD, boss)

        assert is_independent(asked(restaurant, made(restaurant, Role.FINANCE, boss)), lead)

    def test_whose_deeds_are_too_far_apart_ties_nobody(
        self, restaurant: Restaurant, maker: User, lead: User, time: ShiftedClock
    ) -> None:
        """The chain is as old as its oldest link."""
        hop = made(restaurant, Role.FINANCE, maker)
        time.advance(seconds=INDEPENDENT_AFTER.total_seconds())
        password(lead, hop)

        assert is_independent(asked(restaurant, maker), lead)
        assert not is_independent(asked(restaurant, hop), lead)


def test_who_has_issued_a_key_does_not_agree_to_what_it_asks(restaurant: Restaurant, maker: User, lead: User) -> None:
    issue_api_key(restaurant=restaurant, mode=Mode.TEST, name="till", scopes=["refunds:write"], by=Actor.user(lead))
    approval = asked(restaurant, None, program=str(ApiKey.objects.get().lineage))

    assert not is_independent(approval, lead)
    assert is_independent(approval, maker)


class TestWhoIsAlone:
    @pytest.fixture(params=["take", "lower", "shut out", "by another hand"])
    def only_one(self, request: pytest.FixtureRequest, maker: User, lead: User) -> User:
        """By the own hand."""
        with_factor(maker)
        {"take": self._take, "lower": self._lower, "shut out": self._shut_out, "by another hand": self._hop}[
            request.param
        ](lead, maker)
        return maker

    def _take(self, lead: User, by: User) -> None:
        take_role(membership=lead.memberships.get(), by=by)

    def _lower(self, lead: User, by: User) -> None:
        membership = lead.memberships.get()
        membership.role = Role.AUDITOR
        save_role(membership=membership, by=by)

    def _shut_out(self, lead: User, by: User) -> None:
        lead.is_active = False
        save_person(person=lead, by=by)

    def _hop(self, lead: User, by: User) -> None:
        self._shut_out(lead, made(lead.memberships.get().restaurant, Role.AUDITOR, by))

    def test_by_the_own_hand_does_not_agree_alone(
        self, restaurant: Restaurant, only_one: User, time: ShiftedClock
    ) -> None:
        approval = asked(restaurant, only_one)
        time.advance(seconds=ALONE_AFTER.total_seconds() + 1)

        with pytest.raises(ApprovalRefused) as refused:
            agree(approval, only_one, has_factor=True)
        assert refused.value.code == "not_independent"
        assert not approvals_for(only_one).exists()

    def test_since_more_than_a_day_agrees(self, restaurant: Restaurant, only_one: User, time: ShiftedClock) -> None:
        time.advance(seconds=INDEPENDENT_AFTER.total_seconds())
        approval = asked(restaurant, only_one)
        time.advance(seconds=ALONE_AFTER.total_seconds() + 1)

        assert approvals_for(only_one).exists()
        agree(approval, only_one, has_factor=True)
        assert status_of(approval) == ApprovalStatus.APPROVED
