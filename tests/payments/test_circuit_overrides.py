"""An operator's word over a circuit: for a while, with a reason, and routing and guard obey it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from accounts.models import Restaurant, Role, User
from events.actors import GUEST
from events.models import AuditEntry
from kernel import clock
from kernel.modes import Mode
from payments.gateways.breaker import BreakerState
from payments.gateways.contract import Answer, ErrorCode, LookUpRequest, Outcome, Subject
from payments.gateways.guard import Operation
from payments.models import Attempt, BreakerOverride, Payment, PaymentStatus, ProviderAccount
from payments.services import providers
from payments.services.accounts import add_account
from payments.services.circuit_overrides import LONGEST, NOTHING_SAID, SaidMeanwhile, force_circuit
from payments.services.outside import leave_database
from payments.services.providers import circuits_of, forced_circuits, gateway_for
from payments.services.refund_requests import request_refund
from payments.services.refusals import CircuitRefused
from payments.services.sweeps import sweep_payments, sweep_refunds
from tests.factories import RestaurantFactory, UserFactory, accepted, order_of, paid, routed, staff
from tests.failures.test_second_person_at_once import at_once
from tests.scripted import ScriptedGateway, outcome
from tests.time_machine import ShiftedClock

OPEN, CLOSED = BreakerState.OPEN, BreakerState.CLOSED
HOUR = timedelta(hours=1)
A_LOOK_UP = LookUpRequest(key="k", subject=Subject.CHARGE)


@pytest.fixture
def operator(restaurant: Restaurant) -> User:
    return UserFactory.create(is_staff=True, is_superuser=True)


@pytest.fixture
def account(restaurant: Restaurant) -> ProviderAccount:
    return ProviderAccount.objects.get(restaurant=restaurant, provider="a")


def force(operator: User, state: BreakerState | None, **more: Any) -> BreakerOverride:
    word: dict[str, Any] = {
        "provider": "a",
        "mode": Mode.TEST,
        "operation": Operation.CHARGE,
        "reason": "Their status page says so.",
        "lasts": HOUR,
        **more,
    }
    return force_circuit(state=state, person=operator, **word)


def trip(account: ProviderAccount, operation: Operation = Operation.CHARGE) -> None:
    """What an outage does to the circuit, without the outage."""
    circuits_of(account)[operation].trip(cool_down_seconds=600)


def test_a_word_is_kept_with_its_reason_its_author_and_its_end(operator: User) -> None:
    force(operator, OPEN)

    word = BreakerOverride.objects.get()
    assert (word.provider, word.mode, word.operation, word.state) == ("a", Mode.TEST, "charge", "open")
    assert (word.reason, word.actor_id) == ("Their status page says so.", str(operator.pk))
    assert abs(word.expires_at - clock.now() - HOUR) < timedelta(seconds=5)


def test_a_circuit_forced_open_is_routed_around(
    restaurant: Restaurant, operator: User, provider_a: ScriptedGateway, provider_b: ScriptedGateway
) -> None:
    force(operator, OPEN)

    payment = paid(order_of(restaurant))

    assert payment.status == PaymentStatus.COMPLETED
    assert (provider_a.asked, provider_b.count("charge")) == ([], 1)
    assert Attempt.objects.get().routing["candidates"][0] == {"position": 1, "provider": "a", "skipped": "breaker open"}


def test_a_circuit_forced_closed_is_used_although_it_is_open(
    restaurant: Restaurant, operator: User, account: ProviderAccount, provider_a: ScriptedGateway
) -> None:
    trip(account)
    paid(order_of(restaurant))
    assert provider_a.asked == []

    force(operator, CLOSED)
    payment = paid(order_of(restaurant))

    assert payment.status == PaymentStatus.COMPLETED
    assert provider_a.count("charge") == 1


def test_a_circuit_forced_closed_outdoes_refused_credentials(
    restaurant: Restaurant, operator: User, provider_a: ScriptedGateway, provider_b: ScriptedGateway
) -> None:
    """The key was renewed: nobody waits for the cool-down to find out."""
    provider_a.charges.append(outcome(Outcome.NOT_SENT, ErrorCode.CREDENTIALS_REFUSED))
    paid(order_of(restaurant))
    paid(order_of(restaurant))
    assert (provider_a.count("charge"), provider_b.count("charge")) == (1, 2)

    force(operator, CLOSED)
    paid(order_of(restaurant))

    assert (provider_a.count("charge"), provider_b.count("charge")) == (2, 2)


def test_a_word_ends_by_itself(
    restaurant: Restaurant, operator: User, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    account = ProviderAccount.objects.get(provider="a")
    force(operator, OPEN, lasts=timedelta(minutes=10))
    time.advance(minutes=9, seconds=50)
    paid(order_of(restaurant))
    assert provider_a.asked == []
    assert forced_circuits(account) == {Operation.CHARGE: OPEN}

    time.advance(seconds=20)
    paid(order_of(restaurant))

    assert provider_a.count("charge") == 1
    assert forced_circuits(account) == {}


def test_a_word_is_taken_back(
    restaurant: Restaurant, operator: User, account: ProviderAccount, provider_a: ScriptedGateway
) -> None:
    force(operator, OPEN)

    force(operator, None)

    assert forced_circuits(account) == {}
    paid(order_of(restaurant))
    assert provider_a.count("charge") == 1
    assert BreakerOverride.objects.count() == 2


def test_a_word_that_is_taken_back_leaves_the_circuit_to_itself(
    restaurant: Restaurant, operator: User, account: ProviderAccount, provider_a: ScriptedGateway
) -> None:
    trip(account)
    force(operator, CLOSED)
    force(operator, None)

    paid(order_of(restaurant))

    assert provider_a.asked == []


def test_the_newest_word_counts(operator: User, account: ProviderAccount, time: ShiftedClock) -> None:
    for state in (OPEN, CLOSED, OPEN, CLOSED):
        force(operator, state)
        time.advance(seconds=1)
        assert forced_circuits(account) == {Operation.CHARGE: state}


def test_a_word_is_about_one_operation(operator: User, account: ProviderAccount, provider_a: ScriptedGateway) -> None:
    force(operator, OPEN, operation=Operation.REFUND)
    force(operator, CLOSED, operation=Operation.LOOK_UP)

    assert forced_circuits(account) == {Operation.REFUND: OPEN, Operation.LOOK_UP: CLOSED}


def test_a_word_is_about_one_provider_in_one_mode(operator: User, account: ProviderAccount) -> None:
    force(operator, OPEN, provider="b")
    force(operator, OPEN, mode=Mode.LIVE)

    assert forced_circuits(account) == {}


def test_the_guard_obeys_for_look_ups(operator: User, account: ProviderAccount, provider_a: ScriptedGateway) -> None:
    force(operator, OPEN, operation=Operation.LOOK_UP)
    gateway = gateway_for(account)
    leave_database()

    answer = gateway.look_up(A_LOOK_UP)

    assert (answer.answer, answer.code) == (Answer.NO_ANSWER, ErrorCode.CIRCUIT_OPEN)
    assert provider_a.asked == []
    trip(account, Operation.LOOK_UP)
    force(operator, CLOSED, operation=Operation.LOOK_UP)
    gateway = gateway_for(account)
    leave_database()
    gateway.look_up(A_LOOK_UP)
    assert provider_a.count("look_up") == 1


def test_a_refund_waits_while_its_circuit_is_forced_open(
    restaurant: Restaurant, operator: User, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    payment = paid(order_of(restaurant))
    request_refund(payment_id=payment.pk, reason="cold food", actor=GUEST)
    force(operator, OPEN, operation=Operation.REFUND)

    sweep_refunds(width=1)
    assert provider_a.count("refund") == 0
    force(operator, None, operation=Operation.REFUND)
    time.advance(minutes=5)
    sweep_refunds(width=1)

    assert provider_a.count("refund") == 1


def test_a_word_given_after_a_payment_was_accepted_is_heard_when_it_begins(
    restaurant: Restaurant, operator: User, provider_a: ScriptedGateway, provider_b: ScriptedGateway
) -> None:
    payment = accepted(order_of(restaurant))

    force(operator, OPEN)
    sweep_payments(width=1)

    assert Payment.objects.get(pk=payment.pk).status == PaymentStatus.COMPLETED
    assert (provider_a.asked, provider_b.count("charge")) == ([], 1)


def test_a_restaurant_with_all_circuits_forced_open_waits(
    restaurant: Restaurant, operator: User, provider_a: ScriptedGateway, provider_b: ScriptedGateway, time: ShiftedClock
) -> None:
    for provider in ("a", "b"):
        force(operator, OPEN, provider=provider, lasts=timedelta(minutes=2))

    payment = paid(order_of(restaurant))

    assert (payment.status, payment.next_action) == (PaymentStatus.PENDING, "begin")
    time.advance(minutes=3)
    sweep_payments(width=1)
    assert Payment.objects.get().status == PaymentStatus.COMPLETED
    assert (provider_a.count("charge"), provider_b.asked) == (1, [])


def of_staff(restaurant: Restaurant, role: Role) -> User:
    person = staff(restaurant, role)
    person.is_staff = True
    person.save(update_fields=["is_staff"])
    return person


@pytest.mark.parametrize("role", [Role.FINANCE_LEAD, Role.ADMIN])
def test_who_is_a_second_person_where_the_provider_is_used_may_say_so(restaurant: Restaurant, role: Role) -> None:
    force(of_staff(restaurant, role), OPEN)

    assert BreakerOverride.objects.get().state == OPEN


@pytest.mark.parametrize("role", [Role.WAITER, Role.FINANCE, Role.AUDITOR])
def test_nobody_else_of_the_restaurant_may(restaurant: Restaurant, role: Role) -> None:
    with pytest.raises(CircuitRefused) as refused:
        force(of_staff(restaurant, role), OPEN)

    assert refused.value.code == "not_an_operator"
    assert not BreakerOverride.objects.exists()


def test_an_admin_who_does_not_use_the_provider_in_this_mode_may_not(restaurant: Restaurant) -> None:
    elsewhere = RestaurantFactory.create()
    routed(elsewhere, "b")
    for person, word in (
        (of_staff(elsewhere, Role.ADMIN), {}),
        (of_staff(restaurant, Role.ADMIN), {"mode": Mode.LIVE}),
    ):
        with pytest.raises(CircuitRefused) as refused:
            force(person, OPEN, **word)
        assert refused.value.code == "not_an_operator"
    assert not BreakerOverride.objects.exists()


@pytest.mark.parametrize("lacks", [{"enabled": False}, {"credentials": {}}], ids=["off", "nothing can be sent"])
def test_an_account_that_nobody_uses_gives_no_power_over_the_circuit_of_all(
    restaurant: Restaurant, monkeypatch: pytest.MonkeyPatch, lacks: dict[str, Any]
) -> None:
    """Any admin adds one alone. Once it is in use there, so is the circuit."""
    strict = replace(providers.PROVIDERS["a"], build=lambda _, credentials: credentials["api_key"])
    monkeypatch.setitem(providers.PROVIDERS, "a", strict)
    elsewhere = RestaurantFactory.create()
    admin = of_staff(elsewhere, Role.ADMIN)
    add_account(restaurant=elsewhere, mode=Mode.TEST, provider="a", label="Idle", person=admin)
    idle = ProviderAccount.objects.filter(restaurant=elsewhere)
    used = {"enabled": True, "credentials": {"api_key": "k"}}
    idle.update(**{**used, **lacks})

    with pytest.raises(CircuitRefused, match="is switched on, and can be used") as refused:
        force(admin, OPEN)

    assert (refused.value.code, BreakerOverride.objects.count()) == ("not_an_operator", 0)
    idle.update(**used)
    assert force(admin, OPEN).state == OPEN


def test_the_second_press_of_a_word_is_the_first_one(operator: User) -> None:
    word = force(operator, OPEN, seen=NOTHING_SAID)

    with pytest.raises(SaidMeanwhile) as quicker:
        force(operator, OPEN, seen=NOTHING_SAID)

    assert (quicker.value.code, quicker.value.word.pk) == ("said_already", word.pk)
    assert BreakerOverride.objects.count() == 1
    assert AuditEntry.objects.filter(action="force_circuit").count() == 1


def test_another_word_on_an_old_page_is_refused(operator: User) -> None:
    word = force(operator, OPEN, seen=NOTHING_SAID)

    with pytest.raises(SaidMeanwhile) as quicker:
        force(operator, CLOSED, seen=NOTHING_SAID)
    assert (quicker.value.code, quicker.value.word.pk) == ("changed_meanwhile", word.pk)
    assert BreakerOverride.objects.count() == 1

    force(operator, CLOSED, seen=word.pk)
    assert BreakerOverride.objects.count() == 2


def test_a_word_that_is_over_is_no_news(operator: User, time: ShiftedClock) -> None:
    force(operator, OPEN, lasts=timedelta(minutes=1), seen=NOTHING_SAID)
    time.advance(minutes=2)

    force(operator, OPEN, seen=NOTHING_SAID)

    assert BreakerOverride.objects.count() == 2


def test_of_two_who_say_something_on_one_page_one_is_told(operator: User) -> None:
    said = at_once(*(partial(force, operator, state, seen=NOTHING_SAID) for state in (OPEN, CLOSED)))

    assert said == ["changed_meanwhile", "done"]
    assert BreakerOverride.objects.count() == 1


REFUSALS: list[tuple[dict[str, Any], str, str]] = [
    ({"provider": "nobody"}, "unknown_provider", "provider"),
    ({"provider": "cash"}, "no_circuit", "provider"),
    ({"state": BreakerState.HALF_OPEN}, "circuit_refused", "state"),
    ({"lasts": timedelta()}, "too_long", "lasts"),
    ({"lasts": -HOUR}, "too_long", "lasts"),
    ({"lasts": LONGEST + timedelta(seconds=1)}, "too_long", "lasts"),
    ({"reason": ""}, "no_reason", "reason"),
    ({"reason": "  ok "}, "no_reason", "reason"),
]


@pytest.mark.parametrize(("word", "code", "field"), REFUSALS)
def test_a_word_that_makes_no_sense_is_refused_and_nothing_is_written(
    operator: User, word: dict[str, Any], code: str, field: str
) -> None:
    with pytest.raises(CircuitRefused) as refused:
        force(operator, **{"state": OPEN, **word})

    assert (refused.value.code, refused.value.field) == (code, field)
    assert BreakerOverride.objects.count() == 0


def test_a_whole_day_is_the_longest_word(operator: User) -> None:
    force(operator, OPEN, lasts=LONGEST)

    assert BreakerOverride.objects.count() == 1


STRANGERS = {
    "somebody without the console": {"is_staff": False, "is_superuser": True},
    "locked out": {"is_staff": True, "is_superuser": True, "is_active": False},
    "staff without a role": {"is_staff": True},
}


@pytest.mark.parametrize("stranger", STRANGERS)
@pytest.mark.parametrize("state", [OPEN, CLOSED, None])
def test_only_operators_force_a_circuit(
    restaurant: Restaurant, account: ProviderAccount, stranger: str, state: BreakerState | None
) -> None:
    with pytest.raises(CircuitRefused) as refused:
        force(UserFactory.create(**STRANGERS[stranger]), state)

    assert refused.value.code == "not_an_operator"
    assert BreakerOverride.objects.count() == 0
    assert forced_circuits(account) == {}
