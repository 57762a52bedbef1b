"""Claims: due rows are leased once, whoever asks and however many ask at the same moment (I12)."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, models, transaction
from pytest_django.fixtures import Settings

from accounts.models import Restaurant
from events.actors import GUEST
from kernel import clock
from kernel.modes import Mode
from payments.models import Attempt, AttemptStatus, InboundNotice, NextAction, Payment, ProviderAccount, Refund
from payments.services import timing
from payments.services.attempts import begin_attempt
from payments.services.leases import (
    Turn,
    claim_notices,
    claim_payments,
    claim_refunds,
    claim_watched_attempts,
)
from payments.services.refund_requests import request_refund
from payments.services.refunds import send_refund
from tests.factories import ProviderAccountFactory, RestaurantFactory, accepted, order_of, paid, routed
from tests.scripted import ScriptedGateway
from tests.time_machine import ShiftedClock

CLAIMERS = 4


def due(restaurant: Restaurant, count: int, provider: str = "") -> list[Payment]:
    """Accepted payments, the oldest first; with a provider they count against its cap."""
    account = ProviderAccount.objects.get(restaurant=restaurant, provider=provider) if provider else None
    payments = [accepted(order_of(restaurant)) for _ in range(count)]
    start = clock.now() - timedelta(seconds=count)
    for place, payment in enumerate(payments):
        Payment.objects.filter(pk=payment.pk).update(account=account, next_action_at=start + timedelta(seconds=place))
    return payments


def notices(restaurant: Restaurant, count: int) -> list[UUID]:
    account = ProviderAccount.objects.get(restaurant=restaurant, provider="a")
    return [
        InboundNotice.objects.create(
            restaurant_id=restaurant.pk,
            mode=Mode.TEST,
            account=account,
            event_id=f"evt_{number}",
            content="{}",
            next_action_at=clock.now() - timedelta(seconds=count - number),
        ).pk
        for number in range(count)
    ]


def watched(restaurant: Restaurant, count: int) -> list[UUID]:
    for _ in range(count):
        paid(order_of(restaurant))
    Attempt.objects.update(watch_at=clock.now(), watch_until=clock.now())
    return list(Attempt.objects.values_list("pk", flat=True))


def at_once(claim: Callable[..., list[Any]], *, limit: int) -> list[list[Any]]:
    """Several workers who start together and go on until nothing is left for them."""
    gate = threading.Barrier(CLAIMERS)

    def work(_: int) -> list[Any]:
        mine: list[Any] = []
        try:
            gate.wait()
            while rows := claim(limit=limit):
                mine.extend(rows)
        finally:
            connection.close()
        return mine

    with ThreadPoolExecutor(CLAIMERS) as pool:
        return list(pool.map(work, range(CLAIMERS)))


@contextmanager
def held_by_another_transaction(row: models.Model) -> Iterator[None]:
    locked, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            type(row)._default_manager.select_for_update().get(pk=row.pk)
            locked.set()
            done.wait(timeout=10)
        connection.close()

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(hold)
        assert locked.wait(timeout=10)
        try:
            yield
        finally:
            done.set()
            holding.result()


def test_what_is_due_is_claimed_oldest_first_and_leased(restaurant: Restaurant) -> None:
    payments = due(restaurant, 3)

    claims = claim_payments(limit=2)

    assert [claim.id for claim in claims] == [payment.pk for payment in payments[:2]]
    assert [(claim.action, claim.claims) for claim in claims] == [(NextAction.BEGIN, 1)] * 2
    held = Payment.objects.get(pk=claims[0].id)
    assert (held.lease_token, held.claims, held.is_leased) == (claims[0].token, 1, True)
    assert held.lease_until is not None
    assert abs(held.lease_until - clock.now() - timing.lease()) < timedelta(seconds=5)
    assert [claim.id for claim in claim_payments(limit=2)] == [payments[2].pk]
    assert claim_payments(limit=2) == []


def test_what_is_not_due_yet_is_left_alone(restaurant: Restaurant, time: ShiftedClock) -> None:
    payment = due(restaurant, 1)[0]
    Payment.objects.update(next_action_at=clock.now() + timedelta(seconds=60))
    assert claim_payments() == []

    time.advance(seconds=61)

    assert [claim.id for claim in claim_payments()] == [payment.pk]


def test_a_lease_that_ran_out_is_claimed_again_and_the_claim_is_counted(
    restaurant: Restaurant, time: ShiftedClock
) -> None:
    due(restaurant, 1)
    tokens = set()

    for number in range(1, 5):
        (claim,) = claim_payments()
        tokens.add(claim.token)
        assert claim.claims == Payment.objects.get().claims == number
        time.advance(seconds=timing.lease().total_seconds() - 1)
        assert claim_payments() == []
        time.advance(seconds=1)

    assert len(tokens) == 4


@pytest.mark.parametrize("limit", [1, 3, 8])
def test_four_claimers_never_share_a_payment_and_leave_none(restaurant: Restaurant, limit: int) -> None:
    payments = due(restaurant, 30)

    shares = at_once(claim_payments, limit=limit)

    claimed = Counter(claim.id for share in shares for claim in share)
    assert claimed == Counter(payment.pk for payment in payments)
    tokens = {claim.id: claim.token for share in shares for claim in share}
    assert dict(Payment.objects.values_list("pk", "lease_token")) == tokens
    assert set(Payment.objects.values_list("claims", flat=True)) == {1}


def test_four_claimers_never_share_a_refund(restaurant: Restaurant) -> None:
    refunds = []
    for _ in range(2):
        payment = paid(order_of(restaurant))
        refunds += [
            request_refund(payment_id=payment.pk, amount_minor=1_000, reason="cold food", actor=GUEST).pk
            for _ in range(4)
        ]

    shares = at_once(claim_refunds, limit=1)

    assert Counter(claim.id for share in shares for claim in share) == Counter(refunds)


def test_four_claimers_never_share_a_notice_or_a_watched_attempt(restaurant: Restaurant) -> None:
    for claim, rows in ((claim_notices, notices(restaurant, 20)), (claim_watched_attempts, watched(restaurant, 8))):
        shares = at_once(claim, limit=2)

        assert Counter(turn.id for share in shares for turn in share) == Counter(rows)


def test_a_row_that_somebody_works_on_is_skipped_and_not_waited_for(restaurant: Restaurant) -> None:
    first, second = due(restaurant, 2)

    with held_by_another_transaction(first):
        assert [claim.id for claim in claim_payments()] == [second.pk]

    assert [claim.id for claim in claim_payments()] == [first.pk]


def test_notices_and_watched_attempts_are_due_again_should_their_worker_die(
    restaurant: Restaurant, time: ShiftedClock
) -> None:
    (notice,), (attempt,) = notices(restaurant, 1), watched(restaurant, 1)
    wait = timing.lease().total_seconds()

    for claim, row in ((claim_notices, notice), (claim_watched_attempts, attempt)):
        assert [turn.id for turn in claim()] == [row]
        assert claim() == []
    time.advance(seconds=wait - 1)
    assert claim_notices() == claim_watched_attempts() == []
    time.advance(seconds=1)
    assert (claim_notices(), claim_watched_attempts()) == ([Turn(id=notice, claims=2)], [Turn(id=attempt, claims=2)])


def test_the_oldest_notices_come_first_and_no_more_than_asked_for(restaurant: Restaurant) -> None:
    rows = notices(restaurant, 5)

    assert [[turn.id for turn in claim_notices(limit=limit)] for limit in (2, 9)] == [rows[:2], rows[2:]]


def test_a_provider_has_a_cap_over_all_workers(restaurant: Restaurant, settings: Settings) -> None:
    payments = due(restaurant, 5, provider="a")
    settings.STEWARD_PROVIDER_CONCURRENCY = 2

    first, second = claim_payments(limit=1), claim_payments(limit=8)

    assert [claim.id for claim in first + second] == [payment.pk for payment in payments[:2]]
    assert claim_payments() == []
    Payment.objects.filter(pk=payments[0].pk).update(next_action="", next_action_at=None, lease_until=None)
    assert [claim.id for claim in claim_payments()] == [payments[2].pk]
    _at_rest()


def test_a_lease_that_ran_out_does_not_count_against_the_cap(
    restaurant: Restaurant, time: ShiftedClock, settings: Settings
) -> None:
    due(restaurant, 3, provider="a")
    settings.STEWARD_PROVIDER_CONCURRENCY = 2
    dead = {claim.id for claim in claim_payments()}
    assert len(dead) == 2

    time.advance(seconds=timing.lease().total_seconds())

    assert {claim.id for claim in claim_payments()} == dead


def test_a_provider_at_its_cap_does_not_hide_the_others(restaurant: Restaurant, settings: Settings) -> None:
    """However long its line is, and however few rows are looked at."""
    first = due(restaurant, 12, provider="a")[0]
    other, free = due(restaurant, 1, provider="b")[0], due(restaurant, 1)[0]
    settings.STEWARD_PROVIDER_CONCURRENCY = 1

    claimed = [claim.id for _ in range(3) for claim in claim_payments(limit=1)]

    assert claimed == [first.pk, other.pk, free.pk]
    assert claim_payments(limit=1) == []


@pytest.mark.parametrize("first", [Mode.TEST, Mode.LIVE])
def test_each_mode_has_its_own_cap(restaurant: Restaurant, first: Mode, settings: Settings) -> None:
    test, live = due(restaurant, 1, provider="a") + due(restaurant, 1)
    account = ProviderAccountFactory.create(restaurant=restaurant, mode=Mode.LIVE, provider="a", label="live")
    Payment.objects.filter(pk=live.pk).update(account=account)
    settings.STEWARD_PROVIDER_CONCURRENCY = 1
    order = [test, live] if first == Mode.TEST else [live, test]
    Payment.objects.filter(pk=order[0].pk).update(next_action_at=clock.now() - timedelta(minutes=1))

    assert [claim.id for _ in range(2) for claim in claim_payments(limit=1)] == [payment.pk for payment in order]


def test_the_cap_is_the_provider_s_whosever_account_it_is(restaurant: Restaurant, settings: Settings) -> None:
    """An outage ends for all restaurants at once, and so does the rush after it. Charges and refunds count together."""
    settings.STEWARD_PROVIDER_CONCURRENCY = 3
    neighbour = RestaurantFactory.create()
    routed(neighbour, "a")
    refunded = paid(order_of(restaurant))
    request_refund(payment_id=refunded.pk, amount_minor=1_000, reason="cold food", actor=GUEST)
    due(restaurant, 2, provider="a")
    due(neighbour, 2, provider="a")

    assert [len(claim_refunds()), len(claim_payments()), len(claim_payments())] == [1, 2, 0]


def test_refunds_have_their_cap_too(restaurant: Restaurant, settings: Settings) -> None:
    payment = paid(order_of(restaurant))
    for _ in range(3):
        request_refund(payment_id=payment.pk, amount_minor=1_000, reason="cold food", actor=GUEST)
    settings.STEWARD_PROVIDER_CONCURRENCY = 2

    assert [len(claim_refunds()) for _ in range(2)] == [2, 0]


def test_only_the_claimer_begins_and_only_while_it_holds_its_lease(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    payment = due(restaurant, 1)[0]
    (lost,) = claim_payments()
    assert begin_attempt(payment_id=payment.pk) is None
    assert begin_attempt(payment_id=payment.pk, lease_token=clock.new_id()) is None

    time.advance(seconds=timing.lease().total_seconds())
    assert begin_attempt(payment_id=payment.pk, lease_token=lost.token) is None
    (claim,) = claim_payments()
    assert begin_attempt(payment_id=payment.pk, lease_token=lost.token) is None
    assert Attempt.objects.count() == 0

    sending = begin_attempt(payment_id=payment.pk, lease_token=claim.token)

    assert sending is not None
    assert sending.lease_token not in {lost.token, claim.token}
    assert Attempt.objects.get().status == AttemptStatus.SENT
    assert provider_a.asked == []


def test_only_the_claimer_of_a_refund_sends_it(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    payment = paid(order_of(restaurant))
    refund = request_refund(payment_id=payment.pk, amount_minor=1_000, reason="cold food", actor=GUEST)
    (lost,) = claim_refunds()
    time.advance(seconds=timing.lease().total_seconds())
    (claim,) = claim_refunds()

    for token in (None, lost.token, clock.new_id()):
        send_refund(refund_id=refund.pk, lease_token=token)
    assert provider_a.count("refund") == 0
    send_refund(refund_id=refund.pk, lease_token=claim.token)

    assert provider_a.count("refund") == 1
    assert Refund.objects.get().status == "completed"


def test_a_lease_has_one_holder(time: ShiftedClock) -> None:
    payment = Payment()
    assert (payment.is_leased, payment.may_be_taken_by(None)) == (False, True)

    token = payment.lease(clock.now() + timing.lease())

    assert (payment.next_action, payment.next_action_at) == (NextAction.LOOK_UP, payment.lease_until)
    assert payment.is_held_by(token)
    assert [payment.is_held_by(other) for other in (None, clock.new_id())] == [False, False]
    assert [payment.may_be_taken_by(other) for other in (token, None, clock.new_id())] == [True, False, False]
    time.advance(seconds=timing.lease().total_seconds())
    assert [payment.is_held_by(token), payment.may_be_taken_by(token), payment.may_be_taken_by(None)] == [
        False,
        False,
        True,
    ]


def test_a_plan_ends_the_lease() -> None:
    payment = Payment()
    payment.lease(clock.now() + timing.lease())

    payment.plan(NextAction.BEGIN, clock.now())
    assert (payment.lease_token, payment.lease_until, payment.next_action) == (None, None, NextAction.BEGIN)
    payment.plan(NextAction.NONE, clock.now())

    assert (payment.next_action, payment.next_action_at) == (NextAction.NONE, None)


def _at_rest() -> None:
    """What this test took away from the clock is given back to it, as the invariants demand."""
    Payment.objects.filter(next_action="").update(next_action=NextAction.BEGIN, next_action_at=clock.now())
