"""Four eyes at the bottom: whoever calls the service, and whoever writes the table, meets the same rule."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, InternalError, ProgrammingError, connection, transaction

from accounts.models import ALONE_AFTER, Approval, ApprovalStatus, Restaurant, Role, User
from accounts.services.approvals import (
    LASTS,
    ApprovalRefused,
    Wanted,
    approve,
    ask_approval,
    expire_approval,
    reject,
    use_approval,
    withdraw,
)
from events.actors import Actor, ActorKind
from events.models import AuditEntry, Transition
from kernel import clock
from tests.factories import RestaurantFactory, staff
from tests.time_machine import ShiftedClock

WHY = "Their pages show it."
SUBJECT = UUID(int=7)


@pytest.fixture
def restaurant(db: None) -> Restaurant:
    return RestaurantFactory.create()


@pytest.fixture
def maker(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


@pytest.fixture
def lead(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE_LEAD)


@pytest.fixture
def approval(restaurant: Restaurant, maker: User, lead: User) -> Approval:
    return asked(restaurant, maker)


def asked(restaurant: Restaurant, maker: User | None, subject_id: UUID = SUBJECT, *, program: str = "key") -> Approval:
    wanted = Wanted(
        restaurant_id=restaurant.pk,
        mode="test",
        action="record_charged",
        subject_id=subject_id,
        asked_from=clock.new_id(),
        reason=WHY,
        data={"captured_minor": 84_000},
    )
    with transaction.atomic():
        actor = Actor.user(maker) if maker else Actor(kind=ActorKind.API_KEY, id=program)
        return ask_approval(wanted, maker=maker, actor=actor)


def agree(approval: Approval, person: User, **said: Any) -> Approval:
    with transaction.atomic():
        return approve(approval_id=approval.pk, checker=person, **said)


def use(approval: Approval, person: User, action: str = "record_charged", subject_id: UUID = SUBJECT) -> None:
    use_approval(approval_id=approval.pk, action=action, subject_id=subject_id, actor=Actor.user(person))


def status_of(approval: Approval) -> str:
    return str(Approval.objects.get(pk=approval.pk).status)


def test_a_second_person_agrees_and_it_is_good_once(approval: Approval, maker: User, lead: User) -> None:
    with transaction.atomic():
        approve(approval_id=approval.pk, checker=lead)
        use(approval, lead)

    now = Approval.objects.get(pk=approval.pk)
    assert (now.status, now.maker, now.checker, now.is_alone) == (ApprovalStatus.DONE, maker, lead, False)
    assert [step.step for step in Transition.objects.filter(subject_id=approval.pk).order_by("id")] == [
        *("create", "approve", "use")
    ]
    with pytest.raises(ApprovalRefused, match="Two people have to agree"), transaction.atomic():
        use(approval, lead)


@pytest.mark.parametrize(("action", "subject_id"), [("record_not_charged", SUBJECT), ("record_charged", UUID(int=8))])
def test_it_is_good_for_nothing_else(approval: Approval, lead: User, action: str, subject_id: UUID) -> None:
    agree(approval, lead)

    with pytest.raises(ApprovalRefused, match="Two people have to agree"), transaction.atomic():
        use(approval, lead, action, subject_id)


def test_it_is_good_for_nothing_before_somebody_agreed(approval: Approval, lead: User) -> None:
    with pytest.raises(ApprovalRefused, match="Two people have to agree"), transaction.atomic():
        use(approval, lead)


@pytest.mark.parametrize("role", list(Role))
def test_only_a_lead_or_an_admin_is_the_second_person(restaurant: Restaurant, approval: Approval, role: Role) -> None:
    person = staff(restaurant, role)

    if role in {Role.FINANCE_LEAD, Role.ADMIN}:
        agree(approval, person)
        return
    for decide in (agree, lambda a, p: reject(approval_id=a.pk, checker=p, answer=WHY)):
        with pytest.raises(ApprovalRefused) as refused, transaction.atomic():
            decide(approval, person)
        assert refused.value.code == "not_a_checker"


def test_nobody_of_another_restaurant_is(approval: Approval) -> None:
    stranger = staff(RestaurantFactory.create(), Role.ADMIN)

    with pytest.raises(ApprovalRefused, match="of this restaurant"):
        agree(approval, stranger)


@pytest.mark.parametrize("role", [Role.FINANCE, Role.FINANCE_LEAD, Role.ADMIN])
def test_the_maker_never_is(restaurant: Restaurant, lead: User, role: Role) -> None:
    maker = staff(restaurant, role)
    approval = asked(restaurant, maker)

    for decide in (agree, lambda a, p: reject(approval_id=a.pk, checker=p, answer=WHY)):
        with pytest.raises(ApprovalRefused) as refused, transaction.atomic():
            decide(approval, maker)
        assert refused.value.code == "maker_is_checker"
    with pytest.raises(ApprovalRefused, match="somebody else"):
        agree(approval, maker, has_factor=True)
    assert status_of(approval) == ApprovalStatus.PENDING


def test_who_lost_the_role_meanwhile_is_not(approval: Approval, lead: User) -> None:
    lead.memberships.update(role=Role.AUDITOR)

    with pytest.raises(ApprovalRefused, match="A finance lead or an admin"):
        agree(approval, lead)


def test_what_a_program_asked_for_one_person_decides(restaurant: Restaurant, lead: User) -> None:
    approval = asked(restaurant, None)

    agree(approval, lead)

    assert status_of(approval) == ApprovalStatus.APPROVED


@pytest.mark.parametrize("status", [ApprovalStatus.APPROVED, ApprovalStatus.DONE, ApprovalStatus.REJECTED])
def test_the_table_itself_refuses_the_maker_as_checker(approval: Approval, maker: User, status: str) -> None:
    """From a shell, or from SQL."""
    with pytest.raises(IntegrityError, match="maker_is_not_checker"), transaction.atomic():
        _write(approval, status=status, checker_id=maker.pk, decided_at=clock.now())


def test_the_table_refuses_to_be_alone_at_once(approval: Approval, maker: User) -> None:
    early = approval.created_at + ALONE_AFTER - timedelta(seconds=1)
    with pytest.raises(IntegrityError, match="maker_is_not_checker"), transaction.atomic():
        _write(approval, status="approved", checker_id=maker.pk, is_alone=True, decided_at=early)


@pytest.mark.parametrize("said", [{"checker_id": None, "decided_at": None}, {"checker_id": None}])
def test_the_table_refuses_what_nobody_decided(approval: Approval, said: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError, match="approval_is_decided_by_a_person"), transaction.atomic():
        _write(approval, status="approved", **{"decided_at": clock.now(), **said})


def test_what_is_asked_for_cannot_be_changed_afterwards(approval: Approval, lead: User) -> None:
    changes: list[dict[str, Any]] = [
        {"data": {"captured_minor": 1}},
        {"action": "record_not_charged"},
        {"subject_id": UUID(int=8)},
        {"maker_id": lead.pk},
        {"reason": "Something else."},
        {"expires_at": clock.now() + timedelta(days=99)},
    ]
    for change in changes:
        with pytest.raises(ProgrammingError, match="Cannot update"), transaction.atomic():
            _write(approval, **change)
    with pytest.raises(ProgrammingError, match="Cannot delete"), transaction.atomic():
        Approval.objects.filter(pk=approval.pk).delete()


def test_a_status_that_nobody_stepped_to_is_refused(approval: Approval, lead: User) -> None:
    with transaction.atomic():
        _write(approval, status="approved", checker_id=lead.pk, decided_at=clock.now())
        with pytest.raises(IntegrityError, match="without a row in the history"):
            _now()
        transaction.set_rollback(True)


def _write(approval: Approval, **columns: Any) -> None:
    """Past every service."""
    Approval.objects.filter(pk=approval.pk).update(**columns)


def _now() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_two_requests_about_one_thing_do_not_wait_beside_each_other(
    restaurant: Restaurant, approval: Approval, lead: User
) -> None:
    with pytest.raises(ApprovalRefused, match="asked about this already"):
        asked(restaurant, lead)

    with transaction.atomic():
        reject(approval_id=approval.pk, checker=lead, answer="Look once more.")
    assert asked(restaurant, lead).is_pending


def test_only_the_maker_takes_it_back(approval: Approval, maker: User, lead: User) -> None:
    with pytest.raises(ApprovalRefused, match="Only who asked"), transaction.atomic():
        withdraw(approval_id=approval.pk, person=lead, answer=WHY)

    with transaction.atomic():
        withdraw(approval_id=approval.pk, person=maker, answer=WHY)

    with pytest.raises(ApprovalRefused, match="withdrawn already"):
        agree(approval, lead)


def test_after_a_day_it_is_good_for_nothing(
    restaurant: Restaurant, approval: Approval, lead: User, time: ShiftedClock
) -> None:
    assert expire_approval_of(approval) is False
    time.advance(seconds=LASTS.total_seconds())
    with pytest.raises(ApprovalRefused, match="expired already"):
        agree(approval, lead)
    assert asked(restaurant, lead).is_pending  # Whoever asks again is the clock.
    assert status_of(approval) == ApprovalStatus.EXPIRED


def expire_approval_of(approval: Approval) -> bool:
    with transaction.atomic():
        return expire_approval(approval_id=approval.pk)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "others", [lambda a, p: reject(approval_id=a.pk, checker=p, answer=WHY), agree], ids=["reject", "approve"]
)
def test_of_two_at_once_one_decides_and_the_other_is_told(
    restaurant: Restaurant, maker: User, lead: User, others: Callable[[Approval, User], Any]
) -> None:
    approval, second = asked(restaurant, maker), staff(restaurant, Role.ADMIN)

    def decide(how: Callable[[Approval, User], Any], person: User) -> str:
        try:
            with transaction.atomic():
                how(approval, person)
        except ApprovalRefused as refused:
            return refused.code
        finally:
            connection.close()
        return "done"

    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(decide, agree, lead), pool.submit(decide, others, second)]

    assert sorted(answer.result() for answer in answers) == ["already_decided", "done"]
    assert Transition.objects.filter(subject_id=approval.pk).count() == 2


def test_each_step_is_in_the_audit(approval: Approval, maker: User, lead: User) -> None:
    agree(approval, lead, answer="Seen as well.")

    told = AuditEntry.objects.filter(subject_id=approval.pk).order_by("id")
    assert [(each.action, each.actor_id, each.reason) for each in told] == [
        ("ask_approval", str(maker.pk), WHY),
        ("approve_approval", str(lead.pk), "Seen as well."),
    ]
    assert (told[1].before["status"], told[1].after["status"]) == ("pending", "approved")
    assert told[1].after["checker_id"] == str(lead.pk)


def test_who_agreed_and_in_which_words_is_fixed(approval: Approval, maker: User, lead: User) -> None:
    with transaction.atomic():
        approve(approval_id=approval.pk, checker=lead, answer="Seen as well.")
        use_approval(approval_id=approval.pk, action=approval.action, subject_id=SUBJECT, actor=Actor.user(lead))

    changes: list[dict[str, Any]] = [
        {"checker": staff(approval.restaurant, Role.ADMIN)},
        {"answer": "I did not say so."},
        {"decided_at": clock.now()},
    ]
    for change in changes:
        with pytest.raises((IntegrityError, ProgrammingError, InternalError)), transaction.atomic():
            Approval.objects.update(**change)
