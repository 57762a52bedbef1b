"""What a person says on a case's page, verb by verb: each calls one service, and answers in a sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.http import Http404

from accounts.console_session import has_shown_factor
from accounts.models import Approval, User
from api import limits
from failures.admin.forms import SaidForm
from failures.approvals import Reply, Verdict, decide_approval
from failures.decisions import NEEDS_TWO, Action, Decision, act_on_case
from failures.models import Case, Outcome
from failures.services.asking import ask_provider
from failures.services.facts import CaseRefused
from failures.services.papers import LARGEST_FILE_BYTES, add_file, add_note
from failures.services.working import assign_case, give_back_case, snooze_case
from kernel import clock
from kernel.money import Money
from payments.models import Refund, RefundStatus
from payments.services.deeds import PaymentDeed

if TYPE_CHECKING:
    from failures.admin.case_page import CasePage

_EXAMPLE = "840"  # Written with the decimals of each currency: 840.00, and of the yen 840.


def _take(page: CasePage, form: SaidForm) -> str:
    if page.case.owner_id != page.person.pk:
        assign_case(case_id=page.case.pk, person=page.person, version=form.cleaned_data["version"])
    return "It is yours."


def _give(page: CasePage, form: SaidForm) -> str:
    said = form.cleaned_data
    to = User.objects.filter(pk=said["to"]).first()
    if to is None:
        raise CaseRefused("Choose a colleague.", field="to", code="not_finance_here")
    assign_case(case_id=page.case.pk, person=page.person, to=to, note=said["reason"], version=said["version"])
    return f"{to.get_username()} has it now."


def _give_back(page: CasePage, form: SaidForm) -> str:
    said = form.cleaned_data
    give_back_case(case_id=page.case.pk, person=page.person, reason=said["reason"], version=said["version"])
    return "Back in the queue: anybody may take it."


def _snooze(page: CasePage, form: SaidForm) -> str:
    said = form.cleaned_data
    until = clock.now() + timedelta(minutes=said["minutes"])
    snooze_case(case_id=page.case.pk, person=page.person, until=until, reason=said["reason"], version=said["version"])
    return "Put off. News of it brings it back at once."


def _ask(page: CasePage, form: SaidForm) -> str:
    """Not bound to a version: to ask is never wrong."""
    limits.check(limits.REFRESH, str(page.case.payment_id))
    answered = ask_provider(case_id=page.case.pk, person=page.person)
    if answered.case.is_waiting:
        return answered.said
    return f"{answered.said} The case is closed. The payment is {_standing(answered.case)}."


def _standing(case: Case) -> str:
    return str(case.payment.get_status_display()) if case.payment else "not known"


def _decide(page: CasePage, form: Any) -> str:
    said, refund_id = form.cleaned_data, clock.new_id()
    amount_minor = _minor(page, said)
    decision = Decision(
        action=Action(said["action"]),
        reason=said["reason"],
        amount_minor=amount_minor,
        means_amount=form.means(amount_minor),
        outcome=_outcome(said),
        provider=said["provider"],
        version=said["version"],
        refund_id=refund_id,
    )
    case = act_on_case(case_id=page.case.pk, decision=decision, person=page.person, call=page.call(form))
    if decision.action in NEEDS_TWO:
        return "Asked. A second person has to agree; the case says who may."
    if decision.action == Action.REFUND and _waits(refund_id):
        return "It is above your limit: nothing is sent until a second person has agreed."
    if decision.action == Action.RETRY:
        return "It is being tried again. Its answer comes by itself."
    return "Done. The case is closed." if not case.is_waiting else "Done."


def _waits(refund_id: UUID) -> bool:
    """Of this press, and not another refund of the payment."""
    return Refund.objects.filter(pk=refund_id, status=RefundStatus.WAITING_APPROVAL).exists()


def _reply(page: CasePage, form: SaidForm) -> str:
    said = form.cleaned_data
    if not Approval.objects.filter(pk=said["approval"], asked_from=page.case.pk).exists():
        raise Http404
    reply = Reply(
        verdict=Verdict(said["verdict"]),
        reason=said["reason"],
        version=said["version"],
        has_factor=has_shown_factor(page.request),
    )
    decide_approval(approval_id=said["approval"], reply=reply, person=page.person, call=page.call(form))
    return _told(Approval.objects.get(pk=said["approval"]), reply.verdict)


def _told(approval: Approval, verdict: Verdict) -> str:
    """What is the guest's by now is sent, whoever says no to the rest."""
    if verdict != Verdict.APPROVE and approval.action == PaymentDeed.REQUEST_REFUND:
        refund = Refund.objects.get(pk=approval.subject_id)
        sent = Refund.objects.filter(attempt=refund.attempt_id, created_at__gte=approval.decided_at or clock.now())
        if refund.status != RefundStatus.FAILED or sent.exists():
            return "The request is ended. What is the guest's by now, as the bill stands, is sent all the same."
    return _REPLIED[verdict]


_REPLIED = {
    Verdict.APPROVE: "Approved, and done.",
    Verdict.REJECT: "Rejected. Nothing was done.",
    Verdict.WITHDRAW: "Taken back. Nothing was done.",
}


def _outcome(said: Mapping[str, Any]) -> Outcome | str:
    return Outcome(said["outcome"]) if said["action"] == Action.RESOLVE and said["outcome"] else ""


def _minor(page: CasePage, said: Mapping[str, Any]) -> int | None:
    """As a page shows it to people: whoever is asked for it here thinks of no minor units."""
    text = said["amount"].strip()
    is_asked = said["action"] == Action.RECORD_CHARGED
    if not text and not is_asked:
        return None
    currency = page.case.payment.currency if page.case.payment else page.case.restaurant.currency
    try:
        minor = Money.parse(text or "0", currency).minor
    except ValueError as error:
        raise CaseRefused(str(error), field="amount", code="bad_amount") from error
    if is_asked and not minor:
        like = Money.parse(_EXAMPLE, currency).plain()
        raise CaseRefused(f"Write what the provider shows, like {like}.", field="amount", code="bad_amount")
    return minor


def _note(page: CasePage, form: SaidForm) -> str:
    said = form.cleaned_data
    add_note(case_id=page.case.pk, person=page.person, text=said["text"], note_id=said["press"])
    return "The note is there."


def _file(page: CasePage, form: SaidForm) -> str:
    upload = form.cleaned_data["file"]
    if upload.size > LARGEST_FILE_BYTES:
        raise CaseRefused("A file has at most 10 MB.", field="file", code="too_large")
    file = add_file(case_id=page.case.pk, person=page.person, name=upload.name, content=upload.read())
    return f"{file.name} is there."


VERBS: Mapping[str, Callable[[CasePage, SaidForm], str]] = {
    "take": _take,
    "give": _give,
    "give-back": _give_back,
    "snooze": _snooze,
    "ask": _ask,
    "decide": _decide,
    "reply": _reply,
    "note": _note,
    "file": _file,
}
