"""A case that has ended is opened again by a person, if another one agrees: new evidence needs nobody's consent."""

from __future__ import annotations

from uuid import UUID

from accounts.models import Approval, User
from accounts.services.approvals import Wanted, ask_approval, use_approval
from events.actors import Actor
from events.services import Journal
from failures.models import Case
from failures.services.facts import CaseEvent, CaseRefused
from failures.services.working import TAKEN

REOPEN = "reopen"


def ask_to_reopen(*, case: Case, person: User, reason: str) -> Approval:
    _check_ended(case)
    ended = {"status": case.status, "outcome": case.outcome}
    wanted = Wanted(
        restaurant_id=case.restaurant_id,
        mode=case.mode,
        action=REOPEN,
        subject_id=case.pk,
        asked_from=case.pk,
        reason=reason,
        before={"case": ended},
        after={"case": {"status": "reopened", "outcome": ""}},
    )
    return ask_approval(wanted, maker=person, actor=Actor.user(person))


def reopen_case(*, approval_id: UUID, person: User) -> None:
    actor = Actor.user(person)
    case = Case.objects.select_for_update().get(pk=Approval.objects.values_list("subject_id").get(pk=approval_id)[0])
    approval = use_approval(approval_id=approval_id, action=REOPEN, subject_id=case.pk, actor=actor)
    _check_ended(case)
    journal = Journal(actor)
    journal.move(case, case.reopen, reason=approval.reason)
    journal.happened(CaseEvent.OPENED, case, kind=case.kind, subject=str(case.subject_id))
    case.owner = approval.maker
    journal.move(case, case.assign, reason=TAKEN)
    case.save()
    journal.write()


def _check_ended(case: Case) -> None:
    if case.is_waiting:
        raise CaseRefused("This case is open: nothing is there to open again.", code="is_open")
