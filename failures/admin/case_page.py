"""One case on one page: what is known, what may be done, what happened; and what a person then says."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import quote
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.text import capfirst

from accounts.console_presses import DONE_ALREADY, call_of_press, said_anew
from accounts.models import OFFICE, User
from accounts.second_factor_pages import code_first
from accounts.services.idempotency import Call, KeyTaken, first_press
from api.problems import Problem
from events.actors import Actor
from failures.admin import begun, open_pages
from failures.admin.case_verbs import VERBS
from failures.admin.forms import DecisionForm, FileForm, GiveForm, NoteForm, ReasonForm, ReplyForm, SaidForm, SnoozeForm
from failures.admin.typed import typed_in
from failures.approvals import Verdict
from failures.models import TAKEABLE, Case, CaseFile, CaseKind, CaseStatus, EvidenceKind
from failures.reasons import outcomes_for
from failures.selectors import waiting_besides
from failures.services.asking import refusal_to_ask
from failures.services.facts import CaseRefused
from failures.services.papers import name_of_kind, open_file
from failures.showing.approvals import Asked, approvals_in, asked_about
from failures.showing.causes import cause_of
from failures.showing.certainty import certainty_of
from failures.showing.choices import Choice, choices_for, difference_of
from failures.showing.deadlines import waiting_of
from failures.showing.locks import Seen
from failures.showing.timeline import Moment, timeline_of
from kernel import clock
from kernel.console import role_at
from kernel.errors import ServiceError
from kernel.money import Money
from kernel.shown import label, moment
from payments.models import Attempt, Payment, Refund
from payments.services.bill import Bill
from payments.services.forcing import OtherAmount, other_amount
from payments.services.mismatches import Undecided, undecided_in
from payments.services.payments import providers_to_retry_at
from payments.services.refund_limits import Limit, limit_of
from payments.whose_word import as_recorded, perhaps_recorded

# Whoever has a second factor gives a code before these, if the last one is a while ago.
_ABOUT_MONEY = ("decide", "reply")
_IF_MEANT = "If the provider's page really says so, tick the box below and press again."
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

    def opened(self) -> HttpResponse:
        """By an address, also after a press that was done."""
        if self.request.method == "GET":
            self._begin_again(begun.given_back(self.request, self.case.pk))
        return self.shown()

    def shown(self, status: HTTPStatus = HTTPStatus.OK) -> HttpResponse:
        case = self.case
        of_order = self._attempts_of_order()
        attempts = [attempt for attempt in of_order if attempt.payment_id == case.payment_id]
        refunds = self._refunds(attempts)
        live = next((attempt for attempt in attempts if attempt.is_live), None)
        undecided = _undecided(case.payment, live, of_order)
        asks_about = undecided if case.kind == CaseKind.AMOUNT_MISMATCH else None
        bill, limit = self._bill(of_order), self._limit(asks_about, live, refunds)
        now, zone = clock.now(), case.restaurant.time_zone
        waiting = waiting_of(case, now=now)
        files = list(case.files.defer("content").select_related("author"))
        rows: list[Attempt | Refund] = [*attempts, *refunds]
        every = approvals_in(case, about=perhaps_recorded(rows), of=attempts)
        approvals = [each for each in every if each.asked_from == case.pk]
        by_people = as_recorded(rows, every)
        asked = asked_about(case, approvals, attempts=attempts, person=self.person, role=self.role, now=now)
        told = timeline_of(case, attempts=attempts, refunds=refunds, files=files, approvals=every)
        context = {
            **self.frame,
            "title": capfirst(case.get_kind_display()),
            "case": case,
            "cause": cause_of(case, attempts, refunds, undecided=asks_about, limit=limit, by_people=by_people),
            "account": _account_of(case),
            "certainty": certainty_of(attempts, refunds, by_people=by_people),
            "asked_for": Money(case.payment.charge_minor, case.payment.currency) if case.payment else None,
            "difference": difference_of(undecided) if undecided else None,
            "waiting": label(waiting.words, waiting.tone),
            "opened": moment(case.opened_at, zone),
            "timeline": [{"moment": each, "at": moment(each.at, zone)} for each in told],
            "attempts": attempts,
            "files": files,
            "next_look": self._next_look(zone),
            **self._doing(
                Seen(
                    case=case,
                    person=self.person,
                    bill=bill,
                    refunds=refunds,
                    undecided=asks_about,
                    limit=limit,
                    recordings=[each for each in every if each.is_pending and each.asked_from != case.pk],
                ),
                asked,
            ),
            **self._ended(told, asked),
            **open_pages.of_case(self),
        }
        return TemplateResponse(self.request, "failures/case.html", context, status=status)

    def answering(self, approval_id: UUID) -> dict[str, Any]:
        """What a second person is asked, for the page of the request itself. The answer is sent to the case."""
        attempts = list(Attempt.objects.filter(payment=self.case.payment_id))
        approvals = [each for each in approvals_in(self.case) if each.pk == approval_id]
        asked = asked_about(
            self.case, approvals, attempts=attempts, person=self.person, role=self.role, now=clock.now()
        )
        replies = self._replies(asked) if self.role in OFFICE else {}
        return {"case": self.case, "pending": asked, "replies": replies, **self._asked_in_time(asked)}

    def _doing(self, seen: Seen, asked: Asked | None) -> dict[str, Any]:
        """What may be done, or in one sentence why nothing may."""
        case = self.case
        doing = {"pending": asked, **self._asked_in_time(asked)}
        if self.role not in OFFICE:
            may_not = "You may look. Only finance staff of this restaurant work on its cases."
            return {**doing, "typed": self._typed_elsewhere(set()), "may_not": may_not}
        choices = choices_for(replace(seen, is_asked=asked is not None))
        replies = self._replies(asked)
        return {
            **doing,
            **{name.replace("-", "_"): self.form(name) for name in ("take", "give-back", "snooze", "ask")},
            **{name: self.form(name) for name in ("note", "file")},
            "replies": replies,
            "typed": self._typed_elsewhere(self._on_page(choices, replies)),
            "choices": [{"choice": one, "form": self._decision(one, seen)} for one in choices],
            "is_mine": case.owner_id == self.person.pk,
            "can_give": self._can_give,
            "can_take": case.status in TAKEABLE and case.owner_id != self.person.pk,
            **self._asking(seen),
        }

    def _limit(self, undecided: Undecided | None, live: Attempt | None, refunds: Sequence[Refund]) -> Limit | None:
        """Where what was due could go back as well: else nobody asks for it."""
        if undecided is None or live is None or self.role not in OFFICE:
            return None
        return limit_of(Actor.user(self.person), live, refunds)

    def _asking(self, seen: Seen) -> dict[str, Any]:
        """Whether there is somebody to ask; and if nobody can be just now, why, before anybody presses."""
        if not self.case.is_waiting:
            return {"can_ask": False}
        refusal = refusal_to_ask(self.case, live=seen.live, refund=seen.refund)
        why = refusal.sentence if refusal and refusal.code == "not_asked" else ""
        return {"can_ask": refusal is None, "cannot_ask": why}

    def _bill(self, of_order: list[Attempt]) -> Bill | None:
        """As it is, without a lock. Whose share is free matters where a guest has not paid."""
        payment = self.case.payment
        if payment is None:
            return None
        others = payment.order.payments.exclude(pk=payment.pk) if self.case.kind == CaseKind.EXHAUSTED else ()
        return Bill(order=payment.order, payments=[payment, *others], attempts=of_order)

    def _ended(self, told: Sequence[Moment], asked: Asked | None) -> dict[str, Any]:
        """How, and the way on: whoever ended one takes the next one, as in the queue."""
        if self.case.is_waiting or self.role not in OFFICE:
            return {}
        how = next((each.end for each in reversed(told) if each.end), self.case.resolution)
        besides = () if asked else waiting_besides(self.case)  # Whether to open it again is one question at a time.
        return {"may_not": f"This case has ended. {how}", "besides": besides, "next_press": clock.new_id()}

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
        may = {
            Verdict.APPROVE: asked.may_decide and asked.may_approve,
            Verdict.REJECT: asked.may_decide and not asked.may_withdraw,
        }
        may[Verdict.WITHDRAW] = asked.may_withdraw
        about = {"approval": str(asked.approval.pk)}
        return {
            verdict.value: self.refused.get(name := f"reply-{verdict.value}")
            or ReplyForm.on_page(self.case, name, verdict=verdict.value, **about)
            for verdict in Verdict
            if may[verdict]
        }

    @property
    def _can_give(self) -> bool:
        return self.case.is_waiting and self.case.status != CaseStatus.WAITING_SECOND_PERSON

    def _on_page(self, choices: Sequence[Choice], replies: Mapping[str, SaidForm]) -> set[str]:
        """The forms in which what was typed stands again."""
        shown = {"note", "file", *(f"decide-{one.action.value}" for one in choices if not one.locked)}
        shown |= {f"reply-{verdict}" for verdict in replies}
        if self._can_give:
            shown |= {"snooze", *(["give-back"] if self.case.status == CaseStatus.ASSIGNED else [])}
        return shown

    def _typed_elsewhere(self, shown: Collection[str]) -> list[str]:
        """Whose form went away meanwhile has not written for nothing."""
        lost = [form for name, form in self.refused.items() if name not in shown]
        return [words for form in lost for words in typed_in(form)]

    def form(self, name: str) -> SaidForm:
        return self.refused.get(name) or _FORMS[name].on_page(self.case, name)

    def _decision(self, choice: Choice, seen: Seen) -> SaidForm:
        name = f"decide-{choice.action.value}"
        form: Any = self.refused.get(name) or DecisionForm.on_page(self.case, name, action=choice.action.value)
        form["reason"].label = choice.words.asks
        if choice.has_amount and form.is_bound and seen.live is not None:
            _ask_whether_it_is_meant(form, seen.live)
        if choice.has_outcome and not choice.locked:
            form.offer(outcomes_for(self.case, seen.refunds))
        if choice.has_provider and not choice.locked and seen.payment is not None:
            form.offer_providers(providers_to_retry_at(seen.payment), wanted=seen.payment.wanted_provider)
        said: SaidForm = form
        return said

    def _attempts_of_order(self) -> list[Attempt]:
        """What others paid of the same bill decides how much of this one is due."""
        if self.case.payment is None:
            return []
        of_order = Attempt.objects.filter(payment__order=self.case.payment.order_id)
        return list(of_order.select_related("account").order_by("number"))

    def _refunds(self, attempts: Sequence[Attempt]) -> list[Refund]:
        """Nothing goes back of what never came in: of a doubt none are looked for."""
        if not any(attempt.captured_minor for attempt in attempts):
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
        note = self._begin_again(begun.taken_out(self.request))
        form = form_of(self.request.POST, self.request.FILES, auto_id=f"{name}-%s")
        if not form.is_valid():
            return self._refuse(name, form, HTTPStatus.BAD_REQUEST)
        try:
            sentence = self._did(verb, form)
        except (ServiceError, Problem) as refused:
            self.case = Case.objects.select_related("payment__order", "restaurant", "owner").get(pk=self.case.pk)
            told = self._add_refusal(form, refused)
            return self._refuse(name, form, HTTPStatus.CONFLICT, told=told)
        begun.keep(self.request, self.case.pk, note)
        messages.success(self.request, sentence)
        return redirect(self.back)

    def _begin_again(self, note: str) -> str:
        """A note that nobody has sent yet stands in its box; where there is none any more, among what was typed."""
        if note:
            said = {"version": self.case.version, "press": clock.new_id(), "text": note}
            self.refused["note"] = NoteForm(said, auto_id="note-%s")
        return note

    def _did(self, verb: str, form: SaidForm) -> str:
        try:
            return VERBS[verb](self, form)
        except KeyTaken:
            first_press(self.call(form))
            return DONE_ALREADY

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
        answer.headers["Content-Disposition"] = _attached(name_of_kind(file.name, EvidenceKind(file.kind)))
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def _add_refusal(self, form: SaidForm, refused: ServiceError | Problem) -> str:
        """What is wrong with a field stands beside it; the rest is said once, on top of the page."""
        sentence = refused.sentence if isinstance(refused, ServiceError) else str(refused.detail)
        where = refused.field if isinstance(refused, ServiceError) else ""
        if isinstance(refused, OtherAmount):
            sentence = f"{sentence} {_IF_MEANT}"
        if where in form.fields:
            form.add_error(where, sentence)
        if isinstance(refused, ServiceError):
            form.data = said_anew(self.request, refused, version=self.case.version)
            if refused.code == "already_ended":
                return "Nothing was done: this case had ended before you pressed."
        return "" if where in form.fields else sentence

    def _refuse(self, name: str, form: SaidForm, status: HTTPStatus, *, told: str = "") -> HttpResponse:
        self.refused[name] = form
        if told:
            messages.error(self.request, told)
        for sentences in form.errors.values():
            for sentence in sentences:
                messages.error(self.request, str(sentence))
        return self.shown(status)

    def call(self, form: SaidForm) -> Call:
        """A second press of the same button is the first one."""
        case, press = self.case, form.cleaned_data["press"]
        return call_of_press(
            self.request, press=press, restaurant_id=case.restaurant_id, mode=case.mode, subject_id=case.pk
        )


def _ask_whether_it_is_meant(form: DecisionForm, live: Attempt) -> None:
    """Of another amount than was to be charged, whatever it was that refused the press."""
    with suppress(ValueError):
        other = other_amount(live, Money.parse(str(form.data.get("amount", "")), live.currency).minor)
        if other is not None:
            form.ask_whether(other)


def _undecided(payment: Payment | None, live: Attempt | None, of_order: list[Attempt]) -> Undecided | None:
    if payment is None or live is None or not live.mismatch:
        return None
    return undecided_in(Bill(order=payment.order, attempts=of_order), payment, live)


def _account_of(case: Case) -> str:
    """Where its credentials are entered, of a case that is about them."""
    if case.kind not in {CaseKind.CREDENTIALS, CaseKind.CREDENTIALS_CHANGE}:
        return ""
    return reverse("admin:payments_provideraccount_change", args=[case.data.get("account", case.subject_id)])


def _attached(name: str) -> str:
    plain = name.encode("ascii", "replace").decode().replace("?", "_")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}"
