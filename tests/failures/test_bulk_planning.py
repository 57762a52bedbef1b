"""The dry run: it says what would be done and what not and why, in the services' own words, and does nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from accounts.models import Membership, Restaurant, Role, User
from events.actors import GUEST
from events.models import AuditEntry, Event
from failures.bulk import planning
from failures.bulk.planning import plan_bulk
from failures.bulk.work import ENDINGS
from failures.decisions import Action, Decision, act_on_case
from failures.models import BulkAction, BulkRun, BulkStatus, BulkStep, Case, Outcome, StepStatus
from failures.services.asking import ask_provider
from failures.services.facts import CaseRefused
from failures.services.working import assign_case, dismiss_case, give_back_case
from failures.showing.bulk import Tally, sentences_of
from kernel.errors import ServiceError
from kernel.modes import Mode
from orders.services import cancel_order
from payments.models import Payment
from tests.factories import RestaurantFactory, routed, staff
from tests.failures.bulking import contradicted, doubtful, exhausted, plan, results, step_of
from tests.failures.deciding import ask, call_about
from tests.failures.test_services import REASON
from tests.failures.world import orphan_of, run

pytestmark = pytest.mark.django_db


@pytest.fixture
def finance(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


def ended(restaurant: Restaurant, person: User) -> Case:
    case = contradicted(restaurant)
    return dismiss_case(case_id=case.pk, person=person, reason=REASON)


def waiting_for_a_second(restaurant: Restaurant, person: User) -> Case:
    case = exhausted(restaurant)
    ask(case, person, Action.WRITE_OFF)
    return case


def told(of: BulkRun) -> list[str]:
    groups = [(status, code, 1) for status, code in results(of)]
    return sentences_of(of, Tally.of(groups))


def test_a_mixed_choice_is_told_in_a_sentence_or_two(restaurant: Restaurant, finance: User) -> None:
    cases = [
        *(doubtful(restaurant) for _ in range(3)),
        *(ended(restaurant, finance) for _ in range(2)),
        waiting_for_a_second(restaurant, finance),
        contradicted(restaurant),
    ]

    made = plan(BulkAction.ASK, finance, cases)

    assert told(made) == [
        "3 will be asked.",
        "4 are skipped: 2 have ended already, 2 have nothing to ask about.",
    ]
    assert told(plan(BulkAction.TAKE, finance, cases)) == [
        "4 will be yours.",
        "3 are skipped: 2 have ended already, 1 waits for a second person.",
    ]


def test_nothing_is_done_to_a_case(restaurant: Restaurant, finance: User) -> None:
    cases = [doubtful(restaurant), exhausted(restaurant), contradicted(restaurant)]
    before = [Case.objects.values().get(pk=case.pk) for case in cases], Payment.objects.order_by("id").values()[:]
    counted = Event.objects.count()

    for action in BulkAction:
        assert plan(action, finance, cases).status == BulkStatus.PLANNED

    run("SET CONSTRAINTS ALL IMMEDIATE")
    assert [Case.objects.values().get(pk=case.pk) for case in cases] == before[0]
    assert list(Payment.objects.order_by("id").values()) == list(before[1])
    assert (Event.objects.count(), AuditEntry.objects.count()) == (counted, 0)
    assert not BulkStep.objects.exclude(next_action_at=None).exists()


Doing = Callable[[Case, User], object]


def _by_decision(action: Action, outcome: Outcome | str = "") -> Doing:
    def do(case: Case, person: User) -> object:
        decision = Decision(action=action, reason=REASON, outcome=outcome)
        return act_on_case(case_id=case.pk, decision=decision, person=person, call=call_about(case))

    return do


ONE_BY_ONE: dict[BulkAction, Doing] = {
    BulkAction.ASK: lambda case, person: ask_provider(case_id=case.pk, person=person),
    BulkAction.TAKE: lambda case, person: assign_case(case_id=case.pk, person=person),
    BulkAction.GIVE_BACK: lambda case, person: give_back_case(case_id=case.pk, person=person, reason=REASON),
    BulkAction.RETRY: _by_decision(Action.RETRY),
    BulkAction.RESOLVE: _by_decision(Action.RESOLVE, Outcome.REPAIRED),
    BulkAction.DISMISS: _by_decision(Action.DISMISS),
}
CASES: dict[str, Callable[[Restaurant, User], Case]] = {
    "ended": ended,
    "waiting for a second person": waiting_for_a_second,
    "in doubt": lambda restaurant, _: doubtful(restaurant),
    "about no payment": lambda restaurant, _: orphan_of(restaurant),
    "not failed": lambda restaurant, _: contradicted(restaurant),
    "not paid": lambda restaurant, _: exhausted(restaurant),
}


@pytest.mark.django_db(transaction=True)  # A provider is asked, and never inside a transaction.
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("action", ONE_BY_ONE)
def test_what_is_skipped_is_what_the_service_refuses_in_its_own_words(
    restaurant: Restaurant, finance: User, action: BulkAction, name: str
) -> None:
    case = CASES[name](restaurant, finance)
    planned = plan(action, finance, [case]).steps.get()

    refused = _refusal(ONE_BY_ONE[action], case, finance)

    expected = (StepStatus.SKIPPED, refused.code, refused.sentence) if refused else (StepStatus.WAITING, "", "")
    assert (planned.status, planned.code, planned.said) == expected


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("outcome", ENDINGS)
def test_how_they_ended_is_held_against_each_case_by_the_plan_already(
    restaurant: Restaurant, finance: User, outcome: Outcome, name: str
) -> None:
    case = CASES[name](restaurant, finance)
    planned = plan(BulkAction.RESOLVE, finance, [case], outcome).steps.get()

    refused = _refusal(_by_decision(Action.RESOLVE, outcome), case, finance)

    expected = (StepStatus.SKIPPED, refused.code, refused.sentence) if refused else (StepStatus.WAITING, "", "")
    assert (planned.status, planned.code, planned.said) == expected


def test_what_cannot_have_ended_so_is_not_promised(restaurant: Restaurant, finance: User) -> None:
    cases = [contradicted(restaurant), exhausted(restaurant)]

    made = plan(BulkAction.RESOLVE, finance, cases, Outcome.REPAIRED)

    assert told(made) == ["1 will be closed.", "1 is skipped: 1 needs a second person."]
    assert told(plan(BulkAction.RESOLVE, finance, cases, Outcome.PAID)) == [
        "None will be closed.",
        "2 are skipped: 1 cannot have ended so, 1 needs a second person.",
    ]
    assert made.outcome == Outcome.REPAIRED


@pytest.mark.parametrize(
    ("action", "outcome", "code"),
    [
        (BulkAction.RESOLVE, "", "no_outcome"),
        (BulkAction.RESOLVE, Outcome.WRITTEN_OFF, "needs_two"),
        (BulkAction.RESOLVE, Outcome.GIVEN_BACK_ELSEWHERE, "needs_two"),
        (BulkAction.DISMISS, Outcome.NOTHING_WRONG, "no_outcome"),
        (BulkAction.TAKE, Outcome.PAID, "no_outcome"),
    ],
)
def test_how_they_ended_is_said_of_what_is_closed_and_needs_no_second_person(
    restaurant: Restaurant, finance: User, action: BulkAction, outcome: Outcome | str, code: str
) -> None:
    contradicted(restaurant)

    with pytest.raises(CaseRefused) as refused:
        plan_bulk(cases=Case.objects.all(), action=action, outcome=outcome, person=finance)

    assert refused.value.code == code
    assert not BulkRun.objects.exists()


def _refusal(do: Doing, case: Case, person: User) -> ServiceError | None:
    try:
        do(case, person)
    except ServiceError as refused:
        return refused
    return None


def test_what_is_yours_is_not_taken_again(restaurant: Restaurant, finance: User) -> None:
    case = contradicted(restaurant)
    assign_case(case_id=case.pk, person=finance)

    assert plan(BulkAction.TAKE, finance, [case]).steps.get().said == "It is yours already."


def test_a_payment_of_a_cancelled_order_is_not_tried_again(restaurant: Restaurant, finance: User) -> None:
    case = exhausted(restaurant)
    assert plan(BulkAction.RETRY, finance, [case]).steps.get().status == StepStatus.WAITING
    assert case.payment is not None
    cancel_order(order_id=case.payment.order_id, actor=GUEST)

    assert plan(BulkAction.RETRY, finance, [case]).steps.get().code == "order_cancelled"


def test_the_order_is_that_of_the_list(restaurant: Restaurant, finance: User) -> None:
    cases = [contradicted(restaurant) for _ in range(4)]

    (made,) = plan_bulk(cases=Case.objects.order_by("-id"), action=BulkAction.TAKE, person=finance)

    assert list(made.steps.order_by("position").values_list("case", flat=True)) == [case.pk for case in reversed(cases)]


class TestWhose:
    def test_each_restaurant_and_mode_has_a_plan_of_its_own(self, restaurant: Restaurant, finance: User) -> None:
        second = RestaurantFactory.create()
        routed(second, "a")
        Membership.objects.create(user=finance, restaurant=second, role=Role.FINANCE)
        cases = [contradicted(restaurant), contradicted(second), contradicted(restaurant)]
        Case.objects.filter(pk=cases[2].pk).update(mode=Mode.LIVE)

        runs = plan_bulk(cases=Case.objects.order_by("id"), action=BulkAction.TAKE, person=finance)

        assert [(each.restaurant, each.mode) for each in runs] == [
            (restaurant, Mode.TEST),
            (second, Mode.TEST),
            (restaurant, Mode.LIVE),
        ]
        for step in BulkStep.objects.select_related("run", "case"):
            where = {(row.restaurant_id, row.mode) for row in (step, step.run, step.case)}
            assert len(where) == 1

    def test_what_one_only_looks_at_is_skipped_in_words(self, restaurant: Restaurant) -> None:
        looking = staff(restaurant, Role.AUDITOR)

        made = plan(BulkAction.TAKE, looking, [contradicted(restaurant), contradicted(restaurant)])

        assert told(made) == ["None will be yours.", "2 are skipped: 2 are of a restaurant where you only look."]
        assert made.steps.earliest("position").said == "Only finance staff of this restaurant work on its cases."

    @pytest.mark.parametrize("role", [Role.WAITER, Role.CUSTOMER, None])
    def test_what_one_does_not_see_is_not_there(self, restaurant: Restaurant, finance: User, role: Role | None) -> None:
        elsewhere = RestaurantFactory.create()
        routed(elsewhere, "a")
        if role:
            Membership.objects.create(user=finance, restaurant=elsewhere, role=role)
        mine, theirs = contradicted(restaurant), contradicted(elsewhere)

        made = plan(BulkAction.TAKE, finance, [theirs, mine])
        with pytest.raises(CaseRefused) as refused:
            plan(BulkAction.TAKE, finance, [theirs])

        assert [step.case for step in made.steps.all()] == [mine]
        assert refused.value.code == "nothing_chosen"
        assert not BulkStep.objects.filter(case=theirs).exists()

    def test_who_is_not_active_any_more_plans_nothing(self, restaurant: Restaurant, finance: User) -> None:
        case = contradicted(restaurant)
        User.objects.filter(pk=finance.pk).update(is_active=False)

        with pytest.raises(CaseRefused):
            plan(BulkAction.TAKE, finance, [case])


def test_more_than_anybody_looks_through_is_refused_with_what_to_do(
    restaurant: Restaurant, finance: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "MOST_CASES", 2)
    cases = [contradicted(restaurant) for _ in range(3)]

    with pytest.raises(CaseRefused) as refused:
        plan(BulkAction.TAKE, finance, cases)

    assert refused.value.sentence == "At most 2 cases are done at once. Narrow the list by its filters."
    assert not BulkRun.objects.exists()
    assert len(results(plan(BulkAction.TAKE, finance, cases[:2]))) == 2


def test_a_long_reason_is_cut_and_no_reason_to_fail(restaurant: Restaurant, finance: User) -> None:
    case = contradicted(restaurant)
    dismiss_case(case_id=case.pk, person=finance, reason="x" * 500)

    plan(BulkAction.TAKE, finance, [case])

    assert len(step_of(case).said) == 500
