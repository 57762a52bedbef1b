"""One plan on its page: what it would do, how far it is, what became of each case; and what its person then says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Case as If
from django.db.models import Count, QuerySet, Value, When
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.text import capfirst

from accounts.models import User
from accounts.second_factor_pages import code_first
from failures.admin.forms import SNOOZES
from failures.bulk.steering import Wish, give_up_bulk, go_on_with_bulk, start_bulk, stop_bulk
from failures.bulk.work import WORKS
from failures.models import BulkAction, BulkRun, BulkStatus, BulkStep, Case, StepStatus
from failures.services.facts import CaseRefused
from failures.showing.aftermath import aftermath_of, is_followed, now_of, refunds_of, told_of, with_what_it_is_about
from failures.showing.bulk import RUN_TONES, STEP_TONES, WORDS, Tally, said_of, sentences_of, title_of
from failures.sums import OF_CASES, ask_for_money, money_of
from failures.tasks import work_on_bulk
from kernel import clock
from kernel.free_text import FreeText
from kernel.shown import NOTHING, label, moment
from kernel.texts import MAX_REASON

# Somebody waits in front of the page: the next tick would do it as well.
_clock: Any = work_on_bulk  # Celery's stubs do not know the tasks that it has for Django.
# Some screens. All thousand would be read by nobody, and the page asks for itself again and again.
ROWS_PER_PAGE = 100
# What needs a look stands first.
_IN_ORDER = (StepStatus.REFUSED, StepStatus.SKIPPED, StepStatus.WAITING, StepStatus.DONE)
_OF_A_ROW = (
    *("run_id", "position", "status", "code", "said"),
    *("case__kind", "case__data", "case__payment", "case__subject_id"),
    *("case__status", "case__outcome", "case__snoozed_until", "case__owner__username"),
)


class StartForm(forms.Form):
    """What is said once for all cases. What an action does not need is not asked."""

    reason = FreeText(
        max_length=MAX_REASON,
        label="Why",
        widget=forms.TextInput(attrs={"required": True, "autocomplete": "off"}),
    )
    minutes = forms.TypedChoiceField(label="Until then nobody is handed them", choices=SNOOZES, coerce=int)

    def __init__(self, run: BulkRun, said: Mapping[str, Any] | None = None) -> None:
        super().__init__(said, auto_id="start-%s")
        asked = {
            "reason": WORKS[BulkAction(run.action)].needs_reason,
            "minutes": run.action == BulkAction.SNOOZE,
        }
        for name in [name for name, is_asked in asked.items() if not is_asked]:
            del self.fields[name]

    def wish(self) -> Wish:
        said = self.cleaned_data
        minutes = said.get("minutes")
        return Wish(
            reason=said.get("reason", ""),
            until=clock.now() + timedelta(minutes=minutes) if minutes else None,
        )


@dataclass(kw_only=True)
class BulkPage:
    request: HttpRequest
    run: BulkRun
    person: User
    frame: Mapping[str, Any]  # What every page of the console needs.
    address: str
    form: StartForm | None = None  # As it was refused.

    # --- What is seen ---------------------------------------------------------------------------------------------

    def shown(self, status: HTTPStatus = HTTPStatus.OK) -> HttpResponse:
        run, zone = self.run, self.run.restaurant.time_zone
        work, words = WORKS[BulkAction(run.action)], WORDS[BulkAction(run.action)]
        tally = Tally.of(run.steps.order_by().values_list("status", "code").annotate(count=Count("pk")))
        aftermath = aftermath_of(run)
        page = Paginator(self._rows(), ROWS_PER_PAGE).get_page(self.request.GET.get("p"))
        ask_for_money(step.case for step in page)
        context = {
            **self.frame,
            "title": title_of(run),
            "run": run,
            "words": words,
            "stands": label(run.get_status_display(), RUN_TONES[BulkStatus(run.status)]),
            "tally": tally,
            "sentences": sentences_of(run, tally),
            "aftermath": told_of(run, aftermath),
            "looks_again": run.status == BulkStatus.RUNNING or is_followed(run, aftermath),
            "total": OF_CASES.total_of(Case.objects.filter(steps__in=run.steps.exclude(status=StepStatus.SKIPPED))),
            "of_colleagues": self._of_colleagues(),
            "times": [(name, moment(at, zone)) for name, at in self._times() if at],
            "until": moment(run.until, zone) if run.until else "",
            "page": page,
            "rows": self._shown(list(page)),
            "asks_code": work.is_about_money,
            **self._steering(tally),
        }
        return TemplateResponse(self.request, "failures/bulk.html", context, status=status)

    def _steering(self, tally: Tally) -> dict[str, Any]:
        run, is_mine = self.run, self.run.person_id == self.person.pk
        return {
            "is_mine": is_mine,
            "may_start": is_mine and run.status == BulkStatus.PLANNED and tally.waiting > 0,
            "may_stop": is_mine and run.status == BulkStatus.RUNNING,
            "may_go_on": is_mine and run.status == BulkStatus.STOPPED,
            "may_give_up": is_mine and run.status in {BulkStatus.PLANNED, BulkStatus.STOPPED},
            "form": self.form or StartForm(run),
        }

    def _of_colleagues(self) -> int:
        """Whose cases are taken from them by it: somebody has to know that before."""
        if self.run.status != BulkStatus.PLANNED or self.run.action not in {BulkAction.TAKE, BulkAction.GIVE_BACK}:
            return 0
        waiting = self.run.steps.filter(status=StepStatus.WAITING, case__owner__isnull=False)
        return waiting.exclude(case__owner=self.person).count()

    def _times(self) -> list[tuple[str, Any]]:
        return [("Planned", self.run.created_at), ("Started", self.run.started_at), ("Ended", self.run.ended_at)]

    def _rows(self) -> QuerySet[BulkStep]:
        ranks = [When(status=status, then=Value(rank)) for rank, status in enumerate(_IN_ORDER)]
        rows = with_what_it_is_about(self.run.steps.only(*_OF_A_ROW))
        return rows.annotate(rank=If(*ranks, default=Value(len(ranks)))).order_by("rank", "position")

    def _shown(self, steps: list[BulkStep]) -> list[dict[str, Any]]:
        """What a plan would be about is as the plan says. How it stands now is told of what was started."""
        if self.run.started_at is None:
            return [self._row(step) for step in steps]
        action, zone = self.run.action, self.run.restaurant.time_zone
        refunds = refunds_of(action, [step.case for step in steps])
        return [self._row(step) | {"now": now_of(action, step.case, refunds, zone=zone)} for step in steps]

    def _row(self, step: BulkStep) -> dict[str, Any]:
        money = money_of(step.case)
        return {
            "step": step,
            "what": capfirst(step.case.get_kind_display()),
            "said": said_of(step),
            "stands": label(step.get_status_display(), STEP_TONES[StepStatus(step.status)]),
            "amount": money.display() if money else NOTHING,
        }

    # --- What is said ---------------------------------------------------------------------------------------------

    def done(self, verb: str) -> HttpResponse:
        """One press: it is done, or refused with everything that was typed."""
        do = _VERBS.get(verb)
        if do is None:
            raise Http404
        if verb in _BEGINNING and WORKS[BulkAction(self.run.action)].is_about_money:
            page = code_first(self.request)
            if page is not None:
                return page
        try:
            sentence = do(self)
        except CaseRefused as refused:
            return self._refuse(refused)
        if sentence is None:
            return self.shown(HTTPStatus.BAD_REQUEST)
        messages.success(self.request, sentence)
        return redirect(self.address)

    def _refuse(self, refused: CaseRefused) -> HttpResponse:
        messages.error(self.request, refused.sentence)
        if self.form is not None:
            self.form.add_error(refused.field if refused.field in self.form.fields else None, refused.sentence)
        self.run = BulkRun.objects.select_related("person", "restaurant").get(pk=self.run.pk)
        return self.shown(HTTPStatus.CONFLICT)


def _start(page: BulkPage) -> str | None:
    """None: something is missing in the form."""
    page.form = StartForm(page.run, page.request.POST)
    if not page.form.is_valid():
        return None
    run = start_bulk(run_id=page.run.pk, person=page.person, wish=page.form.wish())
    _clock.delay_on_commit()
    return _standing(run, BulkStatus.RUNNING, "Started. It goes on also when you leave this page.")


def _stop(page: BulkPage) -> str:
    run = stop_bulk(run_id=page.run.pk, person=page.person)
    return _standing(run, BulkStatus.STOPPED, "Stopped. What is done stays done, and nothing more is begun.")


def _go_on(page: BulkPage) -> str:
    run = go_on_with_bulk(run_id=page.run.pk, person=page.person)
    _clock.delay_on_commit()
    return _standing(run, BulkStatus.RUNNING, "It goes on with what is left.")


def _standing(run: BulkRun, wanted: BulkStatus, sentence: str) -> str:
    """A press on an old page changes nothing, and is told what is so by now."""
    return sentence if run.status == wanted else f"Nothing was changed: it is {run.get_status_display()}."


def _give_up(page: BulkPage) -> str:
    give_up_bulk(run_id=page.run.pk, person=page.person)
    return "Given up. What was done stays done, and nothing more will be."


_VERBS: Mapping[str, Callable[[BulkPage], str | None]] = {
    "start": _start,
    "stop": _stop,
    "go-on": _go_on,
    "give-up": _give_up,
}
_BEGINNING = ("start", "go-on")
