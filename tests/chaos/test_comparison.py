"""The comparison finds what is planted in any of the three books, and nothing in books that agree."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.chaos.books import Attempt, Case, Event, Order, Ours, Payment, Refund, TheirCharge, Told, as_charge
from tests.chaos.comparison import Comparison

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
ORDER = Order(id="o", reference="O-1", status="placed", total_minor=1000, version=1)
PAYMENT = Payment(id="p", order_id="o", status="completed", amount_minor=1000, version=3)
ATTEMPT = Attempt(
    id="a",
    payment_id="p",
    provider="sandbox_a",
    status="succeeded",
    capture="kept",
    captured_minor=1000,
    captured_currency="INR",
    refunded_minor=400,
)
REFUND = Refund(id="r", payment_id="p", attempt_id="a", status="completed", created_at=NOW)
EVENTS = (
    Event(stream_id="o", version=1, type="order.placed"),
    Event(stream_id="p", version=1, type="payment.created"),
    Event(stream_id="p", version=2, type="payment.completed"),
    Event(stream_id="p", version=3, type="refund.created", refund_id="r"),
    Event(stream_id="p", version=4, type="refund.completed", refund_id="r"),
)
OURS = Ours(
    now=NOW,
    orders=(ORDER,),
    payments=(replace(PAYMENT, version=4),),
    attempts=(ATTEMPT,),
    refunds=(REFUND,),
    events=EVENTS,
)
CHARGE = TheirCharge(
    key="a",
    provider="sandbox_a",
    order_reference="O-1",
    moved_minor=1000,
    moved_currency="INR",
    refunded_minor=400,
)
ALL = (
    "charged_twice",
    "lost",
    "books_differ",
    "in_doubt_past_bound",
    "refunds_above_captured",
    "events_missing",
)
SECOND = replace(CHARGE, key="b", provider="sandbox_b", refunded_minor=0)
# One of two who share the bill.
HALF = replace(PAYMENT, amount_minor=500, version=4)
HALF_ATTEMPT = replace(ATTEMPT, captured_minor=500, refunded_minor=0)
HALF_CHARGE = replace(CHARGE, moved_minor=500, refunded_minor=0)


# A doubt that nobody asks about any more, and what the client heard of it.
UNKNOWN = replace(ATTEMPT, status="unknown", capture="", captured_minor=0, captured_currency="", refunded_minor=0)
FORGOTTEN = replace(PAYMENT, status="processing", version=4, doubt_since=NOW - timedelta(minutes=17))


def _case(kind: str, subject: str = "p") -> Case:
    return Case(kind=kind, subject_id=subject, payment_id="p")


def _told(**more: Any) -> Told:
    return Told(**{"orders": {"o"}, "payments": {"p"}, "refunds": {"r"}, "completed": {"p", "r"}, **more})


def _compared(*, told: Told | None = None, theirs: tuple[TheirCharge, ...] = (CHARGE,), **ours: Any) -> Comparison:
    return Comparison(told=told or _told(), ours=replace(OURS, **ours), theirs=theirs)


def _found(comparison: Comparison) -> dict[str, int]:
    counts = {name: len(list(getattr(comparison, name)())) for name in ALL}
    return {name: count for name, count in counts.items() if count}


def test_books_that_agree_have_nothing_to_say() -> None:
    assert _found(_compared()) == {}


def test_a_second_charge_that_we_took_for_kept_is_charged_twice() -> None:
    second = replace(ATTEMPT, id="b", provider="sandbox_b", refunded_minor=0)

    assert _found(_compared(theirs=(CHARGE, SECOND), attempts=(ATTEMPT, second))) == {"charged_twice": 1}


def test_a_second_charge_of_which_we_know_nothing_is_charged_twice_and_lost() -> None:
    assert _found(_compared(theirs=(CHARGE, SECOND))) == {"charged_twice": 1, "lost": 1}


def test_a_share_that_is_charged_twice_is_found_also_where_the_bill_has_room() -> None:
    again = replace(HALF_ATTEMPT, id="b", provider="sandbox_b")

    found = _found(
        _compared(
            theirs=(HALF_CHARGE, replace(HALF_CHARGE, key="b", provider="sandbox_b")),
            payments=(HALF,),
            attempts=(HALF_ATTEMPT, again),
        )
    )

    assert found == {"charged_twice": 1}


def test_a_share_that_is_paid_in_cash_as_well_is_charged_twice() -> None:
    cash = replace(HALF_ATTEMPT, id="c", provider="cash")

    found = _found(_compared(theirs=(HALF_CHARGE,), payments=(HALF,), attempts=(HALF_ATTEMPT, cash)))

    assert found == {"charged_twice": 1}


def test_a_share_of_which_more_is_kept_than_was_asked_for_is_charged_twice() -> None:
    with_its_tip = replace(HALF, amount_minor=900, tip_minor=100)

    assert _found(_compared(payments=(HALF,))) == {"charged_twice": 1}
    assert _found(_compared(payments=(with_its_tip,))) == {}


def test_a_surplus_that_went_back_is_no_second_charge_of_its_share() -> None:
    surplus = replace(HALF_ATTEMPT, id="b", status="late_success", capture="surplus", refunded_minor=500)
    back = replace(HALF_CHARGE, key="b", refunded_minor=500)

    found = _found(_compared(theirs=(HALF_CHARGE, back), payments=(HALF,), attempts=(HALF_ATTEMPT, surplus)))

    assert found == {}


def test_a_refund_that_a_guest_asked_for_hides_no_second_charge() -> None:
    """What is left after it is no more than the bill, and the guest was charged twice all the same."""
    back = replace(CHARGE, refunded_minor=1000)
    ours = replace(ATTEMPT, refunded_minor=1000)

    found = _found(_compared(theirs=(back, SECOND), attempts=(ours,)))

    assert found["charged_twice"] == 1


def test_a_surplus_counts_until_all_of_it_went_back() -> None:
    surplus = replace(ATTEMPT, id="b", provider="sandbox_b", status="late_success", capture="surplus")
    part_back, all_back = replace(SECOND, refunded_minor=999), replace(SECOND, refunded_minor=1000)

    kept = _compared(theirs=(CHARGE, part_back), attempts=(ATTEMPT, replace(surplus, refunded_minor=999)))
    rescued = _compared(theirs=(CHARGE, all_back), attempts=(ATTEMPT, replace(surplus, refunded_minor=1000)))

    assert _found(kept) == {"charged_twice": 1}
    assert _found(rescued) == {}
    assert len(list(rescued.rescued())) == 1


def test_cash_and_a_charge_for_the_same_bill_are_charged_twice() -> None:
    cash = replace(ATTEMPT, id="c", provider="cash", refunded_minor=0)

    assert _found(_compared(attempts=(ATTEMPT, cash))) == {"charged_twice": 1}


def test_a_cancelled_order_keeps_nothing() -> None:
    assert _found(_compared(orders=(replace(ORDER, status="cancelled"),))) == {"charged_twice": 1}


def test_another_amount_is_a_humans_to_decide_only_with_an_open_case() -> None:
    more = replace(CHARGE, moved_minor=1100, refunded_minor=0)
    undecided = replace(ATTEMPT, status="unknown", capture="undecided", captured_minor=1100, refunded_minor=0)
    waiting = replace(PAYMENT, status="processing", version=4)

    known = _compared(
        told=_told(completed=set()),
        theirs=(more,),
        attempts=(undecided,),
        payments=(waiting,),
        cases=(_case("amount_mismatch"),),
    )
    forgotten = _compared(told=_told(completed=set()), theirs=(more,), attempts=(undecided,), payments=(waiting,))

    assert _found(known) == {}
    assert _found(forgotten).keys() == {"charged_twice", "in_doubt_past_bound"}


def test_a_payment_that_a_client_was_told_of_and_that_is_not_there_is_lost() -> None:
    assert _found(_compared(told=_told(payments={"p", "gone"}))) == {"lost": 1}


def test_an_order_that_vanished_is_lost() -> None:
    assert _found(_compared(told=_told(orders={"o", "gone"}))) == {"lost": 1}


def test_a_word_that_is_taken_back_is_lost() -> None:
    failed = replace(PAYMENT, status="failed", version=4)
    events = tuple(replace(each, type="payment.failed") if each.version == 2 else each for each in EVENTS)

    assert _found(_compared(payments=(failed,), events=events)) == {"lost": 1}


def test_a_refund_that_was_completed_and_failed_later_is_lost() -> None:
    failed = replace(REFUND, status="failed")
    events = tuple(replace(each, type="refund.failed") if each.version == 4 else each for each in EVENTS)

    found = _found(
        _compared(
            theirs=(replace(CHARGE, refunded_minor=0),),
            attempts=(replace(ATTEMPT, refunded_minor=0),),
            refunds=(failed,),
            events=events,
        )
    )

    assert found == {"lost": 1}


def test_money_that_we_call_declined_is_lost() -> None:
    declined = replace(ATTEMPT, status="declined", capture="", captured_minor=0, captured_currency="", refunded_minor=0)

    assert _found(_compared(attempts=(declined,)))["lost"] == 1


def test_money_in_doubt_is_not_lost_while_it_is_asked_about() -> None:
    asked = replace(
        PAYMENT,
        status="processing",
        version=4,
        doubt_since=NOW,
        next_action_at=NOW + timedelta(minutes=5),
    )
    charge = replace(CHARGE, refunded_minor=0)
    told = _told(refunds=set(), completed=set())

    within = _compared(told=told, theirs=(charge,), attempts=(UNKNOWN,), payments=(asked,), refunds=())
    forgotten = replace(asked, next_action_at=None)
    past = _compared(told=told, theirs=(charge,), attempts=(UNKNOWN,), payments=(forgotten,), refunds=())

    assert _found(within) == {}
    assert len(list(within.in_doubt_within_bound())) == 1
    assert _found(past).keys() == {"lost", "in_doubt_past_bound"}


@pytest.mark.parametrize(
    "change",
    [
        {"next_action_at": None},
        {"next_action_at": NOW - timedelta(minutes=2)},
        {"next_action_at": NOW + timedelta(minutes=2), "doubt_since": NOW - timedelta(minutes=17)},
    ],
    ids=["without a next action", "overdue", "older than its bound"],
)
def test_a_doubt_past_its_bound_is_found(change: dict[str, Any]) -> None:
    doubt = replace(PAYMENT, status="processing", version=4, **change)

    found = _compared(told=_told(completed=set()), payments=(doubt,))

    assert len(list(found.in_doubt_past_bound())) == 1
    with_case = _compared(payments=(doubt,), cases=(_case("in_doubt"),))
    assert not list(with_case.in_doubt_past_bound())


def _moved_in_doubt(*cases: Case) -> Comparison:
    told, charge = _told(refunds=set(), completed=set()), replace(CHARGE, refunded_minor=0)
    ours = {"attempts": (UNKNOWN,), "payments": (FORGOTTEN,), "refunds": (), "cases": cases}
    return _compared(told=told, theirs=(charge,), **ours)


@pytest.mark.parametrize("kind", ["in_doubt", "amount_mismatch", "quarantined"])
def test_money_in_doubt_that_a_human_was_told_of_is_counted_and_not_lost(kind: str) -> None:
    compared = _moved_in_doubt(_case(kind))

    assert _found(compared) == {}
    assert len(list(compared.moved_with_a_human())) == 1


@pytest.mark.parametrize(
    "case",
    [
        _case("late_success"),
        _case("exhausted"),
        _case("contradiction"),
        _case("credentials", "account"),
        _case("surplus", "another attempt"),
        _case("refund_failed", "r"),
        _case("quarantined", "r"),
        Case(kind="in_doubt", subject_id="another payment", payment_id="another payment"),
    ],
    ids=lambda case: f"{case.kind} of {case.subject_id}",
)
def test_a_case_about_something_else_excuses_no_doubt(case: Case) -> None:
    compared = _moved_in_doubt(case)

    assert _found(compared).keys() == {"lost", "in_doubt_past_bound"}
    assert not list(compared.moved_with_a_human())


def test_a_mismatch_whose_amount_we_know_is_no_doubt_about_its_money() -> None:
    undecided = replace(ATTEMPT, status="unknown", capture="undecided", captured_minor=1100, refunded_minor=0)
    theirs = (replace(CHARGE, moved_minor=1100, refunded_minor=0),)

    compared = _compared(theirs=theirs, attempts=(undecided,), cases=(_case("amount_mismatch"),))

    assert not list(compared.moved_with_a_human())


def test_only_the_case_of_its_mismatch_excuses_another_amount() -> None:
    more = replace(CHARGE, moved_minor=1100, refunded_minor=0)
    undecided = replace(ATTEMPT, status="unknown", capture="undecided", captured_minor=1100, refunded_minor=0)

    compared = _compared(theirs=(more,), attempts=(undecided,), cases=(_case("in_doubt"),))

    assert len(list(compared.charged_twice())) == 1


@pytest.mark.parametrize(
    ("case", "count"),
    [
        (_case("refund_in_doubt", "r"), 0),
        (_case("quarantined", "r"), 0),
        (_case("refund_in_doubt", "another refund"), 1),
        (_case("in_doubt"), 1),
        (_case("quarantined"), 1),
        (_case("surplus", "a"), 1),
    ],
    ids=lambda given: f"{given.kind} of {given.subject_id}" if isinstance(given, Case) else "",
)
def test_a_refund_in_doubt_is_a_humans_only_with_a_case_of_its_own(case: Case, count: int) -> None:
    forgotten = replace(REFUND, status="processing", created_at=NOW - timedelta(minutes=17))

    compared = _compared(refunds=(forgotten,), cases=(case,))

    assert len(list(compared.in_doubt_past_bound())) == count
    assert not list(compared.in_doubt_within_bound())


@pytest.mark.parametrize(
    ("case", "count"),
    [
        (_case("refund_failed", "r"), 0),
        (_case("surplus", "a"), 0),
        (_case("late_success"), 1),
        (_case("in_doubt"), 1),  # Of a doubt that is over: the charge succeeded.
        (_case("refund_failed", "another refund"), 1),
    ],
    ids=lambda given: f"{given.kind} of {given.subject_id}" if isinstance(given, Case) else "",
)
def test_what_a_cancelled_order_keeps_is_a_humans_only_with_a_case_about_it(case: Case, count: int) -> None:
    compared = _compared(orders=(replace(ORDER, status="cancelled"),), cases=(case,))

    assert len(list(compared.charged_twice())) == count


def test_a_refund_above_what_was_captured_is_found_in_their_books_and_in_ours() -> None:
    theirs = replace(CHARGE, refunded_minor=1200)
    promised = replace(CHARGE, refunding_minor=700)

    assert len(list(_compared(theirs=(theirs,)).refunds_above_captured())) == 1
    assert len(list(_compared(theirs=(promised,)).refunds_above_captured())) == 1
    ours = replace(ATTEMPT, refunding_minor=700)
    assert len(list(_compared(attempts=(ours,)).refunds_above_captured())) == 1


def test_a_refund_of_which_the_provider_knows_nothing_is_a_difference() -> None:
    assert _found(_compared(theirs=(replace(CHARGE, refunded_minor=0),))) == {"books_differ": 1}


@pytest.mark.parametrize("missing", EVENTS, ids=[event.type for event in EVENTS])
def test_a_missing_event_is_found(missing: Event) -> None:
    events = tuple(event for event in EVENTS if event != missing)

    assert "events_missing" in _found(_compared(events=events))


def test_an_event_of_the_wrong_type_fills_no_gap() -> None:
    events = tuple(replace(each, type="payment.started") if each.version == 2 else each for each in EVENTS)

    assert _found(_compared(events=events)) == {"events_missing": 1}


def test_the_providers_answer_is_read_as_it_is() -> None:
    refunds = [{"amount": 300, "status": "succeeded"}, {"amount": 200, "status": "pending"}]
    failed = {"amount": 100, "status": "failed"}
    said = {"key": "a", "order_reference": "O-1", "moved": {"amount": 1000, "currency": "INR"}}

    charge = as_charge("sandbox_a", {**said, "refunds": [*refunds, failed]})

    assert charge == replace(CHARGE, refunded_minor=300, refunding_minor=200)
