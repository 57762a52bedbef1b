"""Four eyes: what one person asks for is done only when another one agrees. Every edge, and the shell, pass here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db.models import Q

from accounts.independence import Ties, who_asked_took_others_away
from accounts.models import ALONE_AFTER, CHECKERS, OFFICE, Approval, ApprovalStatus, User
from accounts.second_people import roles_that_agree
from accounts.selectors import factor_of
from accounts.services.people import works_as
from events.actors import SYSTEM, Actor
from events.audit import Deed, audited
from events.services import Journal
from kernel import clock
from kernel.duplicates import refusing_a_second
from kernel.errors import ServiceError
from kernel.texts import MAX_REASON, check_reason, check_text

# Until the same people are on duty again. What is older was decided on by somebody who saw other facts.
LASTS = timedelta(hours=24)
_TOO_LATE = "Nobody decided in time."
AGREED = "A second person agreed."  # In the history, where that person said no more.
NOT_INDEPENDENT = (
    "You are not independent of who asked: within a day of this request one of you set up the other's account, role, "
    "password, second factor or key, or a third person both. Somebody else has to agree."
)
LEFT_ALONE = (
    "Within a day of this request you took somebody's role away, or shut somebody out. "
    "Who is alone by that does not agree alone."
)
LEFT_TO_FINANCE = (
    "Within a day of this request one of you took the role of a lead or an admin away, or shut somebody out. "
    "A colleague of finance agrees where none worked here before that."
)
NOT_A_CHECKER = (
    "A finance lead or an admin of this restaurant decides this; where only who asked is one, a colleague of finance."
)


class ApprovalRefused(ServiceError):
    code = "not_approved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for, and how the world would look with it."""

    restaurant_id: UUID
    mode: str
    action: str
    subject_id: UUID
    asked_from: UUID
    reason: str
    data: Mapping[str, Any] = field(default_factory=dict)
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)


def ask_approval(wanted: Wanted, *, maker: User | None, actor: Actor) -> Approval:
    """In the transaction, and under the locks, of what it is asked for."""
    check_reason(wanted.reason, refusal=ApprovalRefused)
    now = clock.now()
    _expire_earlier(wanted.subject_id, actor)
    approval = Approval(
        restaurant_id=wanted.restaurant_id,
        mode=wanted.mode,
        action=wanted.action,
        subject_id=wanted.subject_id,
        asked_from=wanted.asked_from,
        data=dict(wanted.data),
        reason=wanted.reason,
        before=dict(wanted.before),
        after=dict(wanted.after),
        maker=maker,
        created_at=now,
        expires_at=now + LASTS,
    )
    with audited(_deed_on(approval, "ask_approval", actor, wanted.reason)):
        asked = ApprovalRefused("A second person is being asked about this already.", code="already_asked")
        with refusing_a_second("one_pending_approval_per_subject", asked):
            approval.save(force_insert=True)
        journal = Journal(actor)
        journal.created(approval, reason=wanted.reason)
        journal.write()
    return approval


def approve(*, approval_id: UUID, checker: User, answer: str = "", has_factor: bool = False) -> Approval:
    """In the transaction that does what is approved.

    `has_factor`: a code of the second factor came with the answer, or minutes before. Only who is alone needs it.
    """
    approval = _pending(approval_id)
    approval.is_alone = approval.maker_id == checker.pk
    if approval.is_alone:
        _check_alone(approval, checker, has_factor=has_factor)
    else:
        _check_checker(approval, checker)
    _decide(approval, approval.approve, checker, answer)
    return approval


def reject(*, approval_id: UUID, checker: User, answer: str) -> Approval:
    check_reason(answer, refusal=ApprovalRefused)
    approval = _pending(approval_id)
    if approval.maker_id == checker.pk:
        raise ApprovalRefused("You asked for it yourself: take it back instead.", code="maker_is_checker")
    _check_checker(approval, checker)
    _decide(approval, approval.reject, checker, answer)
    return approval


def withdraw(*, approval_id: UUID, person: User, answer: str) -> Approval:
    """By the maker."""
    check_reason(answer, refusal=ApprovalRefused)
    approval = _pending(approval_id)
    if approval.maker_id != person.pk:
        raise ApprovalRefused("Only who asked for it takes it back. You may reject it.", code="not_the_maker")
    approval.answer = answer
    _step(approval, approval.withdraw, Actor.user(person), answer)
    return approval


def overtake_approvals(*, asked_from: UUID, actor: Actor) -> None:
    """What the case was about has ended: nobody is asked any more."""
    pending = Approval.objects.select_for_update().filter(asked_from=asked_from, status=ApprovalStatus.PENDING)
    for approval in pending.order_by("id"):
        _step(approval, approval.overtake, actor, "What it was asked for has ended.")


def expire_approval(*, approval_id: UUID) -> bool:
    """By a clock that came by. False: somebody was faster, or it is not time yet."""
    approval = _locked(approval_id)
    if approval.status != ApprovalStatus.PENDING or approval.is_pending:
        return False
    _step(approval, approval.expire, SYSTEM, _TOO_LATE)
    return True


def use_approval(*, approval_id: UUID, action: str, subject_id: UUID, actor: Actor) -> Approval:
    """Whoever does what needs two people asks here, in the same transaction: it is good once, and for nothing else."""
    approval = _locked(approval_id)
    is_this = (approval.action, approval.subject_id) == (action, subject_id)
    if approval.status != ApprovalStatus.APPROVED or not is_this:
        raise ApprovalRefused("Two people have to agree to this, and did not.", code="not_approved")
    _step(approval, approval.use, actor, approval.answer or AGREED)
    return approval


def _locked(approval_id: UUID) -> Approval:
    return Approval.objects.select_for_update().get(pk=approval_id)


def _pending(approval_id: UUID) -> Approval:
    approval = _locked(approval_id)
    if not approval.is_pending:
        stands = "expired" if approval.status == ApprovalStatus.PENDING else approval.get_status_display()
        raise ApprovalRefused(f"This request is {stands} already: nothing is left to decide.", code="already_decided")
    return approval


def _check_checker(approval: Approval, person: User) -> None:
    restaurant_id = approval.restaurant_id
    agree = roles_that_agree(restaurant_id=restaurant_id, maker_id=approval.maker_id)
    if not works_as(person, agree, restaurant_id=restaurant_id):
        raise ApprovalRefused(NOT_A_CHECKER, code="not_a_checker")
    _check_independent(approval, person)
    if not works_as(person, CHECKERS, restaurant_id=restaurant_id):
        _check_left_to_finance(approval, person)


def _check_independent(approval: Approval, person: User) -> None:
    """Whoever could make the other one, or has the password, would agree with nobody but oneself."""
    if Approval.objects.filter(Ties(person).to_who_asked(), pk=approval.pk).exists():
        raise ApprovalRefused(NOT_INDEPENDENT, code="not_independent")


def _check_left_to_finance(approval: Approval, person: User) -> None:
    """Nobody chooses the second person by sending away who it would have been."""
    by_hand = Q(Ties(person).took_others_away()) | Q(who_asked_took_others_away())
    if Approval.objects.filter(by_hand, pk=approval.pk).exists():
        raise ApprovalRefused(LEFT_TO_FINANCE, code="not_independent")


def _check_alone(approval: Approval, person: User, *, has_factor: bool) -> None:
    works_here = works_as(person, OFFICE, restaurant_id=approval.restaurant_id)
    if not works_here or roles_that_agree(restaurant_id=approval.restaurant_id, maker_id=person.pk):
        raise ApprovalRefused("You asked for it yourself: somebody else has to agree.", code="maker_is_checker")
    if Approval.objects.filter(Ties(person).took_others_away(), pk=approval.pk).exists():
        raise ApprovalRefused(LEFT_ALONE, code="not_independent")
    wait = approval.created_at + ALONE_AFTER - clock.now()
    if wait > timedelta():
        raise ApprovalRefused(
            "Nobody else works here who could agree, so you may, but not at once: "
            f"in {math.ceil(wait / timedelta(minutes=1))} minutes.",
            code="too_early",
            retry_after_seconds=math.ceil(wait.total_seconds()),
        )
    factor = factor_of(person)
    if factor is not None and factor.confirmed_at is not None and factor.confirmed_at > approval.created_at:
        raise ApprovalRefused(
            "Your second factor was set up after you asked for this: take it back, and ask again.",
            code="factor_too_new",
        )
    if not has_factor:
        raise ApprovalRefused(
            "Nobody else works here who could agree, so you may, with a code of your second factor.",
            field="code",
            code="second_factor_required",
        )


def _decide(approval: Approval, step: Callable[[], Any], checker: User, answer: str) -> None:
    check_text(answer, field="reason", longest=MAX_REASON, refusal=ApprovalRefused)
    approval.checker = checker
    approval.answer = answer
    _step(approval, step, Actor.user(checker), answer)


def _step(approval: Approval, step: Callable[[], Any], actor: Actor, reason: str) -> None:
    with audited(_deed_on(approval, f"{step.__name__}_approval", actor, reason)):
        journal = Journal(actor)
        journal.move(approval, step, reason=reason)
        approval.save()
        journal.write()


def _expire_earlier(subject_id: UUID, actor: Actor) -> None:
    """No clock came by since its time was over: whoever asks again is the clock."""
    earlier = Approval.objects.select_for_update().filter(subject_id=subject_id, status=ApprovalStatus.PENDING)
    for approval in earlier.filter(expires_at__lte=clock.now()):
        _step(approval, approval.expire, actor, _TOO_LATE)


def _deed_on(approval: Approval, action: str, actor: Actor, reason: str) -> Deed:
    return Deed(
        actor=actor,
        action=action,
        subject_kind="approval",
        subject_id=str(approval.pk),
        picture=partial(_picture_of, approval.pk),
        restaurant_id=approval.restaurant_id,
        mode=approval.mode,
        reason=reason,
    )


def _picture_of(approval_id: UUID) -> dict[str, Any]:
    names = ("action", "subject_id", "data", "status", "maker_id", "checker_id", "is_alone")
    row = Approval.objects.filter(pk=approval_id).values(*names).first() or {}
    return {name: str(value) if isinstance(value, UUID) else value for name, value in row.items()}
