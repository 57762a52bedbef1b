"""A case waits while a second person is asked about what the first one wants."""

from __future__ import annotations

from accounts.models import Approval, User
from accounts.services.approvals import Wanted, ask_approval
from events.actors import Actor, ActorKind
from events.models import Event
from events.services import Journal
from failures.models import WAITING, Case, CaseKind
from failures.services.facts import CaseEvent
from payments.models import Attempt, CredentialChange, ProviderAccount, Refund
from payments.services.credential_changes import CHANGE_CREDENTIALS
from payments.services.credential_entries import hints_of
from payments.services.deeds import PaymentDeed
from payments.services.refund_approvals import BESIDES, goes_back_besides


def wait_for_approval(case: Case, approval: Approval, *, actor: Actor) -> None:
    """Of a locked case. One that has ended stays ended until the second person agrees."""
    journal = Journal(actor)
    if case.is_waiting:
        case.owner = approval.maker
        case.snoozed_until = None
        journal.move(case, case.wait_for_second_person, reason=approval.reason)
    journal.happened(CaseEvent.APPROVAL_ASKED, case, approval=str(approval.pk), action=approval.action)
    case.save()
    journal.write()


def ask_about_refund(event: Event, actor: Actor) -> None:
    """In the transaction that reserved a refund above its maker's limit, behind the opening of its case."""
    refund = Refund.objects.get(pk=event.data["refund"])
    case = Case.objects.select_for_update().get(kind=CaseKind.REFUND_APPROVAL, subject_id=refund.pk, status__in=WAITING)
    attempts = Attempt.objects.filter(payment=refund.payment_id)
    seen = {"amount_minor": refund.amount_minor, "tip_minor": refund.tip_minor, "currency": refund.currency}
    wanted = Wanted(
        restaurant_id=refund.restaurant_id,
        mode=refund.mode,
        action=PaymentDeed.REQUEST_REFUND.value,
        subject_id=refund.pk,
        asked_from=case.pk,
        reason=refund.reason,
        data={"payment": str(refund.payment_id), **seen, BESIDES: goes_back_besides(refund.total_minor, attempts)},
        before={"refund": {"status": refund.status}},
        after={"refund": {"status": "sent", **seen}},
    )
    maker = User.objects.get(pk=actor.id) if actor.kind is ActorKind.USER else None
    wait_for_approval(case, ask_approval(wanted, maker=maker, actor=actor), actor=actor)


def ask_about_credentials(event: Event, actor: Actor) -> None:
    """In the transaction that wrote them down, behind the opening of their case."""
    change = CredentialChange.objects.select_related("account__restaurant").get(pk=event.stream_id)
    case = Case.objects.select_for_update().get(
        kind=CaseKind.CREDENTIALS_CHANGE, subject_id=change.pk, status__in=WAITING
    )
    wanted = Wanted(
        restaurant_id=change.restaurant_id,
        mode=change.mode,
        action=CHANGE_CREDENTIALS,
        subject_id=change.pk,
        asked_from=case.pk,
        reason=change.reason,
        data={"account": str(change.account_id), "called": _called(change.account)},
        before={"credentials": hints_of(change.account, change.account.credentials)},
        after={"credentials": hints_of(change.account, change.credentials)},
    )
    maker = User.objects.get(pk=actor.id)
    wait_for_approval(case, ask_approval(wanted, maker=maker, actor=actor), actor=actor)


def _called(account: ProviderAccount) -> str:
    """As the second person has to know it from its neighbours."""
    return f"{account.label} ({account.provider}, {account.mode}) of {account.restaurant.name}"
