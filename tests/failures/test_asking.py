"""Asking by hand: what was asked says its answer, and where nobody was asked, that and why and until when."""

from __future__ import annotations

from datetime import timedelta
from unittest.mock import ANY

import pytest
from django.test import Client

from accounts.models import Restaurant, Role, User
from events.models import AuditEntry
from failures.approvals import Reply, Verdict, decide_approval
from failures.decisions import Action
from failures.models import BulkAction, Case, CaseStatus
from failures.services import asking
from failures.services.asking import ask_provider
from failures.services.facts import CaseRefused
from failures.services.working import assign_case
from failures.showing.timeline import timeline_of
from kernel import clock
from kernel.modes import Mode
from payments.asked_words import why_not
from payments.gateways.breaker import BreakerState
from payments.gateways.contract import Answer, LookUpResult
from payments.gateways.guard import Operation
from payments.models import NextAction, Payment, ProviderAccount
from payments.services import providers
from payments.services.asking import Asked
from payments.services.circuit_overrides import force_circuit
from payments.services.providers import circuits_of
from tests.factories import UserFactory, staff
from tests.failures.bulking import doubtful, finished, plan
from tests.failures.deciding import ask
from tests.failures.test_desk import desk_of, press
from tests.failures.test_invariants import checked
from tests.scripted import ScriptedGateway, provider_of

pytestmark = pytest.mark.django_db(transaction=True)
HOUR = timedelta(hours=1)


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> ScriptedGateway:
    scripted = ScriptedGateway()
    monkeypatch.setitem(providers.PROVIDERS, "a", provider_of(scripted))
    return scripted


@pytest.fixture
def finance(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


@pytest.fixture
def case(restaurant: Restaurant, gateway: ScriptedGateway) -> Case:
    return doubtful(restaurant)


@pytest.fixture
def desk(finance: User) -> Client:
    return desk_of(finance)


def stop_look_ups() -> None:
    operator = UserFactory.create(is_staff=True, is_superuser=True)
    force_circuit(
        provider="a",
        mode=Mode.TEST,
        operation=Operation.LOOK_UP,
        state=BreakerState.OPEN,
        person=operator,
        reason="Their status page says so.",
        lasts=HOUR,
    )


def refusal(case: Case, finance: User) -> str:
    with pytest.raises(CaseRefused) as refused:
        ask_provider(case_id=case.pk, person=finance)
    assert refused.value.code == "not_asked"
    return refused.value.sentence.replace("\N{NO-BREAK SPACE}", " ")


def told(case: Case) -> list[str]:
    return [moment.what for moment in timeline_of(Case.objects.get(pk=case.pk))]


def test_what_was_asked_says_its_answer_and_is_one_line(case: Case, finance: User, gateway: ScriptedGateway) -> None:
    said = ask_provider(case_id=case.pk, person=finance).said

    assert said == "The provider was asked. It gave no answer that can be relied on yet."
    (moment,) = [each for each in timeline_of(Case.objects.get(pk=case.pk)) if each.what == "Asked the provider."]
    assert (gateway.count("look_up"), moment.detail) == (1, "It gave no answer that can be relied on yet.")


def test_whoever_decides_on_an_older_page_is_told_what_the_provider_said_since(
    case: Case, finance: User, restaurant: Restaurant, gateway: ScriptedGateway
) -> None:
    """What two people are about to record may be what it has just spoken against."""
    lead = staff(restaurant, Role.FINANCE_LEAD)
    approval = ask(case, finance, Action.RECORD_CHARGED, amount_minor=84_000)
    seen = Case.objects.get(pk=case.pk).version
    gateway.look_ups.append(LookUpResult(answer=Answer.NOT_FOUND))
    ask_provider(case_id=case.pk, person=staff(restaurant, Role.FINANCE))

    reply = Reply(verdict=Verdict.APPROVE, version=seen)
    with pytest.raises(CaseRefused) as refused:
        decide_approval(approval_id=approval.pk, reply=reply, person=lead)

    assert refused.value.code == "stale"
    assert "asked the provider: “It does not know of it so far.”" in refused.value.sentence
    assert Payment.objects.get().in_doubt


def test_look_ups_that_are_stopped_by_hand_ask_nobody_and_say_until_when(
    case: Case, finance: User, desk: Client, gateway: ScriptedGateway
) -> None:
    stop_look_ups()

    answer = press(desk, case, "ask")

    assert answer.status_code == 409
    page = answer.content.decode()
    assert "The provider is not asked now: look-ups at " in page
    assert " are stopped by hand until" in page
    assert "Asked the provider." not in page
    assert gateway.count("look_up") == 0
    assert told(case)[-1] == "A case was opened."  # What is known beforehand is no event.
    assert not AuditEntry.objects.filter(subject_kind="case").exists()


def test_a_circuit_that_rests_says_so(case: Case, finance: User, gateway: ScriptedGateway) -> None:
    circuits_of(ProviderAccount.objects.get(provider="a"))[Operation.LOOK_UP].trip(cool_down_seconds=600)

    assert "failed too often and rest until" in refusal(case, finance)
    assert gateway.count("look_up") == 0


def test_whoever_holds_the_lease_is_not_disturbed_and_the_press_says_until_when(
    case: Case, finance: User, gateway: ScriptedGateway
) -> None:
    """Also after a worker that was killed: until the end of its lease nobody asks, however often a person presses."""
    Payment.objects.update(lease_token=clock.new_id(), lease_until=clock.now() + timedelta(seconds=20))

    said = [refusal(case, finance) for _ in range(4)]

    assert all("somebody sends or asks right now, the latest end of that is" in each for each in said)
    assert gateway.count("look_up") == 0
    assert not {"The provider was not asked.", "Asked the provider."} & set(told(case))


@pytest.mark.parametrize(
    ("planned", "why"),
    [
        (NextAction.RESEND, "it is sent first, with its own key, due at"),
        (NextAction.CANCEL, "it is being closed at"),
        (NextAction.NONE, "what it says is known, and waits for a person's decision."),
    ],
)
def test_another_step_that_comes_first_is_named(
    case: Case, finance: User, gateway: ScriptedGateway, planned: NextAction, why: str
) -> None:
    Payment.objects.update(next_action=planned, next_action_at=clock.now() if planned else None)

    assert why in refusal(case, finance)
    assert gateway.count("look_up") == 0


def test_many_at_once_count_only_those_that_were_asked(case: Case, finance: User, gateway: ScriptedGateway) -> None:
    circuits_of(ProviderAccount.objects.get(provider="a"))[Operation.LOOK_UP].trip(cool_down_seconds=600)

    step = finished(BulkAction.ASK, finance, [case]).steps.get()

    assert (step.status, step.code) == ("refused", "not_asked")
    assert "failed too often and rest until" in step.said.replace("\N{NO-BREAK SPACE}", " ")
    assert checked() == (0, ANY)


def test_that_nobody_was_asked_stands_behind_what_a_colleague_did_meanwhile(
    case: Case, finance: User, restaurant: Restaurant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken_meanwhile(asked: Asked, zone: str) -> str:
        assign_case(case_id=case.pk, person=staff(restaurant, Role.FINANCE))
        return why_not(asked, zone)

    monkeypatch.setattr(asking, "why_not", taken_meanwhile)
    monkeypatch.setattr(asking, "check_askable", lambda _: stop_look_ups())

    refusal(case, finance)

    assert Case.objects.get(pk=case.pk).status == CaseStatus.ASSIGNED
    assert checked() == (0, ANY)


def test_of_many_the_plan_skips_those_of_which_it_is_known_that_nobody_can_be_asked(
    case: Case, finance: User, gateway: ScriptedGateway
) -> None:
    stop_look_ups()

    step = plan(BulkAction.ASK, finance, [case]).steps.get()

    assert (step.status, step.code) == ("skipped", "not_asked")
    assert "are stopped by hand until" in step.said.replace("\N{NO-BREAK SPACE}", " ")
