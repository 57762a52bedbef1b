"""When the provider does not answer: nothing is freed, nothing is charged elsewhere, and somebody finds out."""

from __future__ import annotations

from datetime import timedelta

import pytest

from accounts.models import Restaurant
from failures.models import Case, CaseKind, CaseStatus
from kernel import clock
from payments.models import Attempt, AttemptStatus, Payment, PaymentStatus
from tests.factories import order_of, paid
from tests.scenarios.conftest import World
from tests.scenarios.sandbox_process import SandboxProcess


@pytest.mark.parametrize("behaviour", ["refuse", "time_out", "server_error"])
def test_a_look_up_that_brings_no_answer_frees_nothing(
    restaurant: Restaurant, world: World, a: SandboxProcess, b: SandboxProcess, behaviour: str
) -> None:
    world.lose_webhooks()
    order = order_of(restaurant)
    paid(order, instrument="sim_5xx_after_effect")
    a.steer_look_ups(behaviour, times=100)

    for _ in range(3):
        assert world.go_on()
        assert Attempt.objects.get().status == AttemptStatus.UNKNOWN
        assert Payment.objects.get().in_doubt

    a.steer_look_ups(behaviour, times=0)
    world.rest()
    _assert_paid_at_a_only(world, b, order.reference)


def test_a_look_up_that_lies_frees_nothing(
    restaurant: Restaurant, world: World, a: SandboxProcess, b: SandboxProcess
) -> None:
    """Before the time at which "not found" could be true it is not even counted."""
    world.lose_webhooks()
    order = order_of(restaurant)
    paid(order, instrument="sim_5xx_after_effect")
    a.steer_look_ups("not_found", times=20)

    while clock.now() < Attempt.objects.get().invisible_until:
        assert Attempt.objects.get().not_found_count == 0
        assert world.go_on()

    world.rest()
    _assert_paid_at_a_only(world, b, order.reference)


def test_a_timeout_after_the_effect_is_completed_by_a_look_up_and_never_charged_at_b(
    restaurant: Restaurant, world: World, a: SandboxProcess, b: SandboxProcess
) -> None:
    world.lose_webhooks()
    order = order_of(restaurant)

    payment = paid(order, instrument="sim_timeout_after_effect")

    assert (payment.status, payment.in_doubt) == (PaymentStatus.PROCESSING, True)
    assert payment.next_action_at is not None
    assert payment.next_action_at - clock.now() < timedelta(seconds=5)
    world.go_on()
    assert Payment.objects.get().status == PaymentStatus.COMPLETED
    world.rest()
    _assert_paid_at_a_only(world, b, order.reference)


def test_a_provider_that_never_answers_leads_to_a_case_at_the_bound_and_not_to_failed(
    restaurant: Restaurant, world: World, a: SandboxProcess, b: SandboxProcess
) -> None:
    world.lose_webhooks()
    order = order_of(restaurant)
    began = clock.now()
    paid(order, instrument="sim_timeout_after_effect")
    a.steer_look_ups("server_error", times=1000)

    while not Case.objects.exists():
        assert world.go_on()

    assert timedelta(minutes=15) <= clock.now() - began < timedelta(minutes=16)
    case = Case.objects.get()
    assert (case.kind, case.status) == (CaseKind.IN_DOUBT, CaseStatus.OPEN)
    for _ in range(5):
        world.go_on()
    payment = Payment.objects.get()
    assert (payment.status, payment.in_doubt) == (PaymentStatus.PROCESSING, True)
    assert b.is_untouched_by(order.reference)

    a.steer_look_ups("server_error", times=0)
    world.rest()
    assert Case.objects.get().status == CaseStatus.RESOLVED
    _assert_paid_at_a_only(world, b, order.reference)


def _assert_paid_at_a_only(world: World, b: SandboxProcess, reference: str) -> None:
    assert Payment.objects.get().status == PaymentStatus.COMPLETED
    assert b.is_untouched_by(reference)
    assert world.sandboxes["sandbox_a"].books()[reference]["captured"] == {"INR": 84_000}
    world.assert_books_agree()
