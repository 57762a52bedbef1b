"""What a person reads about a case: sums that add up, and a sentence for everything that can be wrong."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from accounts.models import IdempotentCall, Role
from events.actors import SYSTEM
from events.models import Transition
from events.services import Journal
from failures.decisions import Action
from failures.models import Case, CaseKind
from failures.services.papers import add_file, add_note
from failures.services.working import assign_case
from failures.showing.causes import CAUSES
from failures.showing.certainty import certainty_of
from failures.showing.choices import WORDS as CHOICE_WORDS
from failures.showing.deadlines import Waiting, waiting_of
from failures.showing.details import call_answer_in_words, call_in_words, reason_of
from failures.showing.timeline import WORDS, Moment, Tone, timeline_of
from kernel import clock
from kernel.money import Money
from kernel.shown import Tone as ShownTone
from orders.models import Order
from payments.gateways.contract import ErrorCode
from payments.models import Attempt, AttemptStatus, InboundNotice, Payment, Refund
from payments.reason_words import reason_in_words
from payments.services import providers
from payments.services.evidence import Finding
from payments.services.facts import FailureCode, PaymentEvent
from tests.factories import ProviderAccountFactory, RestaurantFactory, order_of, staff
from tests.failures.test_desk import desk_of
from tests.failures.test_services import happened
from tests.failures.world import World, attempted, make_world
from tests.scripted import ScriptedGateway, provider_of


@pytest.fixture
def world(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setitem(providers.PROVIDERS, "a", provider_of(ScriptedGateway()))
    return make_world()


def inr(minor: int) -> tuple[Money, ...]:
    return (Money(minor, "INR"),)


def test_kept_money_is_certain_and_what_is_on_its_way_back_is_said(world: World) -> None:
    seen = certainty_of(Attempt.objects.filter(pk=world.kept.pk))

    assert (seen.taken, seen.possible, seen.going_back, seen.returned) == (inr(84_000), (), inr(4_000), ())


def test_money_in_doubt_is_possible_and_not_certain(world: World) -> None:
    seen = certainty_of([world.doubtful])

    assert (seen.taken, seen.possible) == ((), inr(84_000))


def test_of_a_declined_attempt_there_is_nothing_to_say(world: World) -> None:
    seen = certainty_of([world.failed])

    assert (seen.taken, seen.possible, seen.going_back, seen.returned) == ((), (), (), ())


def test_what_was_captured_is_certain_whatever_was_asked(world: World) -> None:
    seen = certainty_of([world.mismatched])

    assert (seen.taken, seen.possible) == (inr(90_000), ())


def test_each_currency_is_a_sum_of_its_own(world: World) -> None:
    other = Attempt(status=AttemptStatus.UNKNOWN, captured_minor=1_200, captured_currency="USD", currency="INR")

    assert certainty_of([world.kept, other]).taken == (*inr(84_000), Money(1_200, "USD"))


def test_the_sums_are_those_of_the_books(world: World) -> None:
    books: Counter[str] = Counter()
    shown: Counter[str] = Counter()
    for payment in Payment.objects.all():
        attempts = list(payment.attempts.all())
        books["taken"] += sum(attempt.captured_minor for attempt in attempts)
        books["back"] += sum(attempt.refunded_minor + attempt.refunding_minor for attempt in attempts)
        seen = certainty_of(attempts)
        shown["taken"] += sum(money.minor for money in seen.taken)
        shown["back"] += sum(money.minor for money in (*seen.returned, *seen.going_back))

    assert shown == books
    assert books["taken"] > 0


def test_every_kind_of_case_has_its_words() -> None:
    assert set(CAUSES) == set(CaseKind)


@pytest.mark.parametrize("kind", CaseKind)
def test_the_words_are_sentences_and_say_what_to_do(kind: CaseKind) -> None:
    cause = CAUSES[kind]

    assert cause.what.endswith(".")
    assert cause.advice.endswith(".")
    assert cause.who
    assert timedelta(0) < cause.within <= timedelta(days=1)


@pytest.mark.parametrize("kind", [CaseKind.IN_DOUBT, CaseKind.REFUND_IN_DOUBT])
def test_a_doubt_is_never_called_certain(kind: CaseKind) -> None:
    assert "nobody knows" in CAUSES[kind].what or "may have been" in CAUSES[kind].what


# --- The timeline ---------------------------------------------------------------------------------------------------


def told(case: Case) -> list[Moment]:
    assert case.payment
    attempts = case.payment.attempts.select_related("account")
    refunds = case.payment.refunds.select_related("account")
    files = case.files.select_related("author")
    return timeline_of(case, attempts=attempts, refunds=refunds, files=files)


def case_of(attempt: Attempt) -> Case:
    return Case.objects.filter(payment=attempt.payment_id).latest("id")


def test_a_surplus_is_told_from_the_first_charge_to_its_case(world: World) -> None:
    moments = told(case_of(world.surplus))

    said = [moment.what for moment in moments]
    assert [moment.at for moment in moments] == sorted(moment.at for moment in moments)
    assert said[:3] == ["The order was placed.", "The payment was accepted.", "The payment began."]
    assert "a said no." in said
    assert "Money arrived at a after this charge was closed." in said
    assert said[-1] == "A case was opened."


def test_a_moment_says_who_and_why_and_keeps_the_raw_words_apart(world: World) -> None:
    moments = told(case_of(world.surplus))

    declined = next(moment for moment in moments if moment.what == "a said no.")
    sent = next(moment for moment in moments if moment.what == "A charge was sent to a.")
    assert declined.tone is Tone.BAD
    assert declined.raw["code"] == "card_declined"
    assert sent.raw["routing"]["chosen"] == "a"
    assert sent.detail == "It is no. 1 of the route for such payments."
    assert moments[0].who == "the guest"


def test_no_word_of_a_program_stands_on_the_line(world: World) -> None:
    silent = attempted(order_of(world.restaurant), Finding.UNKNOWN, code=ErrorCode.TIMED_OUT, message="ReadTimeout")
    happened(PaymentEvent.DOUBT_PROLONGED, silent.payment)
    moments = told(case_of(silent))
    refused = told(case_of(world.surplus))

    doubted = next(moment for moment in moments if "money may have moved" in moment.what)
    declined = next(moment for moment in refused if moment.what == "a said no.")
    assert doubted.detail == "The provider did not answer in time."
    assert doubted.raw["message"] == "ReadTimeout"
    assert "&quot;code&quot;: &quot;timed_out&quot;" in doubted.raw_text
    assert declined.detail == "The guest's bank said no."
    assert [moment.detail for moment in refused].count(declined.detail) == 1
    assert "A capture is kept." not in " ".join(moment.detail for moment in refused)


@pytest.mark.parametrize(
    ("operation", "status", "words", "answer"),
    [
        ("POST /api/v1/payments", 201, "Asked for the payment.", "It was accepted."),
        ("POST /api/v1/payments/01a2/refunds", 409, "Asked for a refund.", "It was refused."),
        ("POST /api/v1/payments/01a2/retry", None, "Asked for another try.", "It was accepted, and told to wait."),
        ("POST /api/v1/payments/01a2/other", 500, "Asked for something.", "It had no good answer: something broke."),
    ],
)
def test_what_a_client_asked_is_told_in_words(operation: str, status: int | None, words: str, answer: str) -> None:
    assert (call_in_words(operation), call_answer_in_words(status)) == (words, answer)


def test_what_a_person_wrote_stays_as_it_was_written() -> None:
    step = Transition(actor_kind="user", subject_kind="refund", step="fail", reason="position 1", evidence={})

    assert reason_of(step) == "position 1"


@pytest.mark.parametrize("code", [*ErrorCode, *FailureCode])
def test_every_reason_has_its_words(code: ErrorCode | FailureCode) -> None:
    words = reason_in_words(code)

    assert "_" not in words
    assert (len(words.split()) > 1) == (code not in {ErrorCode.NONE, FailureCode.DECLINED})


def test_people_are_named_and_what_they_wrote_is_there(world: World) -> None:
    case, person = case_of(world.surplus), staff(world.restaurant, Role.FINANCE)
    assign_case(case_id=case.pk, person=person)
    add_note(case_id=case.pk, person=person, text="The guest was told.")
    add_file(case_id=case.pk, person=person, name="letter.pdf", content=b"%PDF-1.7")

    taken, note, file = told(case)[-3:]

    assert (taken.who, taken.what, taken.tone) == (person.username, "The case was taken.", Tone.PERSON)
    assert (note.who, note.what, note.detail) == (person.username, "Wrote:", "The guest was told.")
    assert file.what == "Added letter.pdf."


def test_a_message_that_came_again_says_how_often(world: World) -> None:
    attempt = world.surplus
    InboundNotice.objects.create(
        restaurant_id=world.restaurant.pk,
        mode="test",
        account=attempt.account,
        event_id="evt_9",
        content="{}",
        subject_id=str(attempt.pk),
        state="applied",
        repeats=2,
    )

    message = next(moment for moment in told(case_of(attempt)) if moment.what == "A signed message arrived.")

    assert message.detail == "It was read and acted on. It came 3 times."


@pytest.mark.parametrize("whose", ["another restaurant", "another mode"])
def test_a_message_that_only_claims_our_key_is_no_part_of_the_story(world: World, whose: str) -> None:
    """It touched nothing here either: only its own account's charges are touched by it."""
    mode = "live" if whose == "another mode" else "test"
    restaurant = world.restaurant if whose == "another mode" else RestaurantFactory.create()
    account = ProviderAccountFactory.create(restaurant=restaurant, mode=mode, provider="b", label="Next door")
    InboundNotice.objects.create(
        restaurant_id=restaurant.pk,
        mode=mode,
        account=account,
        event_id="evt_9",
        content="{}",
        subject_id=str(world.surplus.pk),
        state="orphaned",
    )

    moments = told(case_of(world.surplus))

    assert "Next door" not in [moment.who for moment in moments]
    assert "A signed message arrived." not in [moment.what for moment in moments]


def test_what_a_colleague_pressed_is_told_as_theirs_and_not_as_the_apps(world: World) -> None:
    payment, person = world.kept.payment, staff(world.restaurant, Role.FINANCE)
    address = reverse("admin:payments_payment_give_back", args=[payment.pk])
    seen = {"version": Payment.objects.get(pk=payment.pk).version, "press": str(clock.new_id())}
    answer = desk_of(person).post(address, {**seen, "amount": "10", "reason": "The soup was cold."})
    assert answer.status_code == 302
    happened(PaymentEvent.CONTRADICTED, Payment.objects.get(pk=payment.pk))

    moments = told(case_of(world.kept))

    assert "the app" not in [moment.who for moment in moments]
    asked = [moment for moment in moments if moment.what == "A refund was asked for."]
    assert (asked[-1].who, asked[-1].tone) == (person.username, Tone.PERSON)


def test_what_a_client_asked_stands_beside_it(world: World) -> None:
    payment = world.surplus.payment
    IdempotentCall.objects.create(
        restaurant_id=payment.restaurant_id,
        mode=payment.mode,
        principal="key:till",
        key="one",
        operation=f"POST /api/v1/payments/{payment.pk}/retry",
        subject_id=payment.pk,
        runs_until=clock.now(),
        answer_status=200,
    )

    asked = next(moment for moment in told(case_of(world.surplus)) if moment.who == "the app")

    assert (asked.what, asked.detail) == ("Asked for another try.", "It was accepted.")


def test_a_case_about_no_payment_has_its_own_life(world: World) -> None:
    with transaction.atomic():
        journal = Journal(SYSTEM)
        journal.happened(PaymentEvent.NOTICE_ORPHANED, world.notice, key="nobody")
        journal.write()
    case = Case.objects.get(subject_id=world.notice.pk)

    said = [moment.what for moment in timeline_of(case)]

    assert sorted(said) == ["A case was opened.", "A signed message arrived."]


def test_of_a_long_story_the_end_is_told_and_that_its_beginning_is_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = told(case_of(world.surplus))
    monkeypatch.setattr("failures.showing.timeline.MOST_STEPS", 3)

    short = told(case_of(world.surplus))

    assert any("Earlier steps are left out" in moment.what for moment in short)
    assert short[-1].what == whole[-1].what
    assert "The order was placed." not in [moment.what for moment in short]


def test_every_step_of_every_machine_has_its_words() -> None:
    machines = {"order": Order, "payment": Payment, "attempt": Attempt, "refund": Refund, "case": Case}
    for name, model in machines.items():
        field: Any = model._meta.get_field("status")
        steps = {each.name for each in field.get_all_transitions(model)}
        assert steps <= set(WORDS[name]), f"{steps - set(WORDS[name])} of {name} have no words"


def test_however_long_it_is_it_is_read_with_a_few_questions(
    world: World, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    case = case_of(world.surplus)
    attempts, refunds = list(world.surplus.payment.attempts.select_related("account")), list[Refund]()

    with django_assert_max_num_queries(6):
        timeline_of(case, attempts=attempts, refunds=refunds)


# --- Choices and time -----------------------------------------------------------------------------------------------


def test_every_action_has_its_words() -> None:
    assert set(CHOICE_WORDS) == set(Action)
    assert all(words.title and words.does.endswith(".") for words in CHOICE_WORDS.values())


@pytest.mark.parametrize(
    ("minutes", "words", "tone"),
    [
        (0, "5 min left", "good"),
        (3, "2 min left", "wait"),
        (6, "overdue by 1 min", "bad"),
        (200, "overdue by 3 h", "bad"),
    ],
)
def test_a_case_says_how_much_time_is_left(db: None, minutes: int, words: str, tone: str) -> None:
    now = clock.now()
    case = Case(kind=CaseKind.EXHAUSTED, opened_at=now - timedelta(minutes=minutes))

    assert waiting_of(case, now=now) == Waiting(words=words, tone=ShownTone(tone))


def test_a_case_that_was_put_off_says_for_how_long(db: None) -> None:
    now = clock.now()
    case = Case(kind=CaseKind.EXHAUSTED, opened_at=now - timedelta(days=3), snoozed_until=now + timedelta(hours=3))

    assert waiting_of(case, now=now).words == "put off for 3 h"
    assert waiting_of(case, now=now + timedelta(hours=4)).words == "overdue by 3 days"
