"""One case on one page: what is known, what may be done, what happened; and what a person then says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import quote
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.text import capfirst

from accounts.console_session import has_shown_factor
from accounts.models import OFFICE, Approval, User
from accounts.second_factor_pages import code_first
from accounts.services.idempotency import Call, KeyTaken, earlier_call
from api import limits
from api.idempotency import body_hash
from api.problems import Problem
from failures.admin.forms import DecisionForm, FileForm, GiveForm, NoteForm, ReasonForm, ReplyForm, SaidForm, SnoozeForm
from failures.approvals import Reply, Verdict, decide_approval
from failures.decisions import NEEDS_TWO, Action, Decision, act_on_case
from failures.models import TAKEABLE, Case, CaseFile, CaseKind, CaseStatus, Outcome
from failures.services.asking import ask_provider
from failures.services.ending import BY_ITSELF
from failures.services.facts import CaseRefused
from failures.services.papers import LARGEST_FILE_BYTES, add_file, add_note, open_file
from failures.services.working import assign_case, give_back_case, snooze_case
from failures.showing.approvals import Asked, approvals_in, asked_about
from failures.showing.causes import CAUSES
from failures.showing.certainty import certainty_of
from failures.showing.choices import Choice, choices_for
from failures.showing.deadlines import waiting_of
from failures.showing.timeline import timeline_of
from kernel import clock
from kernel.console import role_at
from kernel.errors import ServiceError
from kernel.money import Money
from kernel.shown import label, moment
from payments.models import Attempt, Refund

# What is decided is written at once; what has to be sent the clock sends.
_AT_WORK = timedelta(seconds=10)
# Whoever has a second factor gives a code before these, if the last one is a while ago.
_ABOUT_MONEY = ("decide", "reply")
_FORMS: Mapping[str, type[SaidForm]] = {
    "take": SaidForm,
    "give": GiveForm,
    "give-back": ReasonForm,
    "snooze": SnoozeForm,
    "ask": SaidForm,
    "decide": DecisionForm,
    "reply": ReplyForm,
    "note": NoteForm,
    "file": FileForm,
}


@dataclass(kw_only=True)
class CasePage:
    request: HttpRequest
    case: Case
    person: User
    frame: Mapping[str, Any]  # What every page of the console needs.
    back: str
    refused: dict[str, SaidForm] = field(default_factory=dict)  # By the form's name: what was typed, and what is wrong.

    @property
    def role(self) -> str:
        """As the page shows it; every service asks anew."""
        return role_at(self.request, self.case.restaurant_id)

    # --- What is seen ---------------------------------------------------------------------------------------------

    def shown(self, status: HTTPStatus = HTTPStatus.OK) -> HttpResponse:
        case = self.case
        attempts, refunds = self._attempts(), self._refunds()
        live = next((attempt for attempt in attempts if attempt.is_live), None)
        now, zone = clock.now(), case.restaurant.time_zone
        waiting = waiting_of(case, now=now)
        files = list(case.files.defer("content").select_related("author"))
        approvals = approvals_in(case, person=self.person)
        told = timeline_of(case, attempts=attempts, refunds=refunds, files=files, approvals=approvals)
        context = {
            **self.frame,
            "title": capfirst(case.get_kind_display()),
            "case": case,
            "cause": CAUSES[CaseKind(case.kind)],
            "certainty": certainty_of(attempts),
            "waiting": label(waiting.words, waiting.tone),
            "opened": moment(case.opened_at, zone),
            "timeline": [{"moment": each, "at": moment(each.at, zone)} for each in told],
            "attempts": attempts,
            "files": files,
            "next_look": self._next_look(zone),
            **self._doing(live, asked_about(case, approvals, person=self.person, role=self.role, now=now)),
        }
        return TemplateResponse(self.request, "failures/case.html", context, status=status)

    def _doing(self, live: Attempt | None, asked: Asked | None) -> dict[str, Any]:
        """What may be done, or in one sentence why nothing may."""
        case = self.case
        doing = {"pending": asked, **self._asked_in_time(asked)}
        if self.role not in OFFICE:
            return {**doing, "may_not": "You may look. Only finance staff of this restaurant work on its cases."}
        choices = choices_for(case, payment=case.payment, live=live, is_asked=asked is not None)
        replies = self._replies(asked)
        return {
            **doing,
            **{name.replace("-", "_"): self.form(name) for name in ("take", "give-back", "snooze", "ask")},
            **{name: self.form(name) for name in ("note", "file")},
            "replies": replies,
            "typed": self._typed_and_not_shown(choices, replies),
            "choices": [{"choice": one, "form": self._decision(one.action)} for one in choices],
            "is_mine": case.owner_id == self.person.pk,
            "can_give": case.is_waiting and case.status != CaseStatus.WAITING_SECOND_PERSON,
            "can_take": case.status in TAKEABLE and case.owner_id != self.person.pk,
            "can_ask": case.is_waiting and case.payment_id is not None and live is not None,
            "may_not": "" if case.is_waiting else _ended(case),
        }

    def _asked_in_time(self, asked: Asked | None) -> dict[str, Any]:
        if asked is None:
            return {}
        zone = self.case.restaurant.time_zone
        return {
            "asked_at": moment(asked.approval.created_at, zone),
            "asked_until": moment(asked.approval.expires_at, zone),
            "asked_opens": moment(asked.opens_at, zone) if asked.opens_at else "",
        }

    def _replies(self, asked: Asked | None) -> dict[str, SaidForm]:
        """By the verdicts that this person may give."""
        if asked is None:
            return {}
        may = {Verdict.APPROVE: asked.may_decide, Verdict.REJECT: asked.may_decide and not asked.may_withdraw}
        may[Verdict.WITHDRAW] = asked.may_withdraw
        about = {"approval": str(asked.approval.pk)}
        return {
            verdict.value: self.refused.get(name := f"reply-{verdict.value}")
            or ReplyForm.on_page(self.case, name, verdict=verdict.value, **about)
            for verdict in Verdict
            if may[verdict]
        }

    def _typed_and_not_shown(self, choices: Sequence[Choice], replies: Mapping[str, SaidForm]) -> str:
        """Whose form went away meanwhile has not written for nothing."""
        shown = {"note", "file", *(f"decide-{one.action.value}" for one in choices if not one.locked)}
        shown |= {f"reply-{verdict}" for verdict in replies}
        if self.case.is_waiting:
            shown |= {"snooze", *(["give-back"] if self.case.status == CaseStatus.ASSIGNED else [])}
        lost = [form for name, form in self.refused.items() if name not in shown]
        return " ".join(str(form.data.get("reason", "")) for form in lost)

    def form(self, name: str) -> SaidForm:
        return self.refused.get(name) or _FORMS[name].on_page(self.case, name)

    def _decision(self, action: Action) -> SaidForm:
        name = f"decide-{action.value}"
        return self.refused.get(name) or DecisionForm.on_page(self.case, name, action=action.value)

    def _attempts(self) -> list[Attempt]:
        if self.case.payment_id is None:
            return []
        return list(Attempt.objects.filter(payment=self.case.payment_id).select_related("account").order_by("number"))

    def _refunds(self) -> list[Refund]:
        if self.case.payment_id is None:
            return []
        return list(Refund.objects.filter(payment=self.case.payment_id).select_related("account").order_by("id"))

    def _next_look(self, zone: str) -> str:
        payment = self.case.payment
        at = payment.next_action_at if payment and payment.in_doubt else None
        return str(moment(at, zone)) if at else ""

    # --- What is said ---------------------------------------------------------------------------------------------

    def done(self, verb: str) -> HttpResponse:
        """One press: the service does it, or refuses it and everything that was typed stands there again."""
        form_of = _FORMS.get(verb)
        if form_of is None:
            raise Http404
        action = str(self.request.POST.get("action", ""))
        name = f"decide-{action}" if verb == "decide" else verb
        if verb == "reply":
            name = f"reply-{self.request.POST.get('verdict', '')}"
        page = code_first(self.request) if verb in _ABOUT_MONEY else None
        if page is not None:
            return page
        form = form_of(self.request.POST, self.request.FILES, auto_id=f"{name}-%s")
        if not form.is_valid():
            return self._refuse(name, form, HTTPStatus.BAD_REQUEST)
        try:
            sentence = _VERBS[verb](self, form)
        except (ServiceError, Problem) as refused:
            self._add_refusal(form, refused)
            self.case = Case.objects.select_related("payment__order", "restaurant", "owner").get(pk=self.case.pk)
            return self._refuse(name, form, HTTPStatus.CONFLICT)
        messages.success(self.request, sentence)
        return redirect(self.back)

    def file(self, file_id: UUID) -> HttpResponse:
        """Never shown by the browser: what somebody laid to a case is nobody's page."""
        if not CaseFile.objects.filter(pk=file_id, case=self.case.pk).exists():
            raise Http404
        try:
            file = open_file(file_id=file_id, person=self.person)
        except CaseRefused as refused:
            messages.error(self.request, refused.sentence)
            return redirect(self.back)
        answer = HttpResponse(bytes(file.content), content_type="application/octet-stream")
        answer.headers["Content-Disposition"] = _attached(file.name)
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def _add_refusal(self, form: SaidForm, refused: ServiceError | Problem) -> None:
        sentence = refused.sentence if isinstance(refused, ServiceError) else str(refused.detail)
        where = refused.field if isinstance(refused, ServiceError) else ""
        form.add_error(where if where in form.fields else None, sentence)
        if isinstance(refused, ServiceError) and refused.code == "stale":
            # The next press is a decision about the case as it is shown now.
            said = self.request.POST.copy()
            said["version"] = str(Case.objects.values_list("version", flat=True).get(pk=self.case.pk))
            form.data = said

    def _refuse(self, name: str, form: SaidForm, status: HTTPStatus) -> HttpResponse:
        self.refused[name] = form
        for sentences in form.errors.values():
            for sentence in sentences:
                messages.error(self.request, str(sentence))
        return self.shown(status)

    def call(self, form: SaidForm) -> Call:
        """A second press of the same button is the first one."""
        said = {name: str(value) for name, value in form.cleaned_data.items() if name not in {"press", "version"}}
        return Call(
            principal=f"console:{self.person.pk}",
            key=str(form.cleaned_data["press"]),
            operation=f"POST {self.request.path}",
            body_hash=body_hash(said),
            restaurant_id=self.case.restaurant_id,
            mode=self.case.mode,
            runs_for=_AT_WORK,
            subject_id=self.case.pk,
        )


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
    return "Given back: anybody may take it."


def _snooze(page: CasePage, form: SaidForm) -> str:
    said = form.cleaned_data
    until = clock.now() + timedelta(minutes=said["minutes"])
    snooze_case(case_id=page.case.pk, person=page.person, until=until, reason=said["reason"], version=said["version"])
    return "Put off. News of it brings it back at once."


def _ask(page: CasePage, form: SaidForm) -> str:
    """Not bound to a version: to ask is never wrong."""
    limits.check(limits.REFRESH, str(page.case.payment_id))
    case = ask_provider(case_id=page.case.pk, person=page.person)
    if case.is_waiting and case.payment is not None and case.payment.in_doubt:
        return "The provider was asked. It gave no answer that can be relied on yet."
    if case.is_waiting:
        return "The provider was asked. See the timeline for what it said."
    return f"The provider answered, and the case is closed. The payment is {_standing(case)}."


def _ended(case: Case) -> str:
    if case.resolution.startswith(BY_ITSELF):
        return "This case ended by itself: what it showed is no longer so."
    outcome = f", {case.get_outcome_display()}" if case.outcome else ""
    return f"This case is {case.get_status_display()}{outcome}: {case.resolution}"


def _standing(case: Case) -> str:
    return str(case.payment.get_status_display()) if case.payment else "not known"


def _decide(page: CasePage, form: SaidForm) -> str:
    said = form.cleaned_data
    decision = Decision(
        action=Action(said["action"]),
        reason=said["reason"],
        amount_minor=_minor(page, said["amount"]),
        outcome=_outcome(said),
        version=said["version"],
    )
    call = page.call(form)
    try:
        case = act_on_case(case_id=page.case.pk, decision=decision, person=page.person, call=call)
    except KeyTaken:
        return "It was done already, by your first press." if earlier_call(call) else "It is being done."
    if decision.action in NEEDS_TWO:
        return "Asked. A second person has to agree; the case says who may."
    return "Done. The case is closed." if not case.is_waiting else "Done."


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
    call = page.call(form)
    try:
        decide_approval(approval_id=said["approval"], reply=reply, person=page.person, call=call)
    except KeyTaken:
        return "It was done already, by your first press." if earlier_call(call) else "It is being done."
    return _REPLIED[reply.verdict]


_REPLIED = {
    Verdict.APPROVE: "Approved, and done.",
    Verdict.REJECT: "Rejected. Nothing was done.",
    Verdict.WITHDRAW: "Taken back. Nothing was done.",
}


def _outcome(said: Mapping[str, Any]) -> Outcome | str:
    return Outcome(said["outcome"]) if said["action"] == Action.RESOLVE and said["outcome"] else ""


def _minor(page: CasePage, text: str) -> int | None:
    if not text.strip():
        return None
    currency = page.case.payment.currency if page.case.payment else page.case.restaurant.currency
    try:
        return Money.parse(text, currency).minor
    except ValueError as error:
        raise CaseRefused(str(error), field="amount", code="bad_amount") from error


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


def _attached(name: str) -> str:
    plain = name.encode("ascii", "replace").decode().replace("?", "_")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}"


_VERBS: Mapping[str, Callable[[CasePage, SaidForm], str]] = {
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
