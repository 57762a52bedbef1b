"""A chain is said as a whole, by an admin, on the page as it is; and what is under way does not notice."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from accounts.models import Restaurant, Role, User
from events.models import AuditEntry
from kernel.errors import ServiceError
from kernel.modes import Mode
from payments.gateways.contract import ChargeRequest, ErrorCode, Outcome, Result
from payments.models import Attempt, AttemptStatus, Payment, PaymentStatus, ProviderAccount, Route
from payments.services.refusals import ProviderRefused
from payments.services.routes import MOST_ROUTES, RouteDraft, chain_subject, mark_of, set_chain
from payments.services.sweeps import sweep_payments
from tests.factories import ProviderAccountFactory, RestaurantFactory, UserFactory, order_of, paid, routed, staff
from tests.failures.test_second_person_at_once import at_once
from tests.scripted import ScriptedGateway, outcome
from tests.time_machine import ShiftedClock

WHY = "The second one is cheaper."


@pytest.fixture
def admin(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.ADMIN)


def chain_of(restaurant: Restaurant, mode: Mode = Mode.TEST) -> list[Route]:
    return list(Route.objects.filter(restaurant=restaurant, mode=mode))


def drafts_of(restaurant: Restaurant) -> dict[str, RouteDraft]:
    """Of the chain as it is, by the providers."""
    routes = Route.objects.filter(restaurant=restaurant).select_related("account")
    return {route.account.provider: RouteDraft(account_id=route.account_id) for route in routes}


def order(restaurant: Restaurant) -> list[str]:
    return list(Route.objects.filter(restaurant=restaurant).values_list("account__provider", flat=True))


def put(restaurant: Restaurant, person: User, *chain: RouteDraft, **more: Any) -> None:
    said: dict[str, Any] = {"mode": Mode.TEST, "reason": WHY, "seen": mark_of(chain_of(restaurant)), **more}
    set_chain(restaurant=restaurant, chain=chain, person=person, **said)


def refused(restaurant: Restaurant, person: User, *chain: RouteDraft, **more: Any) -> ServiceError:
    before = list(Route.objects.order_by("id").values())
    with pytest.raises(ProviderRefused) as error:
        put(restaurant, person, *chain, **more)
    assert list(Route.objects.order_by("id").values()) == before
    assert not AuditEntry.objects.exists()
    return error.value


def test_a_chain_is_put_into_another_order_and_routing_follows(
    restaurant: Restaurant, admin: User, provider_a: ScriptedGateway, provider_b: ScriptedGateway
) -> None:
    was = drafts_of(restaurant)

    put(restaurant, admin, was["b"], was["cash"], was["a"])

    assert order(restaurant) == ["b", "cash", "a"]
    assert [route.position for route in chain_of(restaurant)] == [1, 2, 3]
    paid(order_of(restaurant))
    assert (provider_a.count("charge"), provider_b.count("charge")) == (0, 1)


def test_a_change_is_in_the_audit_with_the_chain_before_and_after(restaurant: Restaurant, admin: User) -> None:
    was = drafts_of(restaurant)

    put(restaurant, admin, replace(was["b"], methods=("card",), min_minor=50_000, enabled=False), was["a"])

    entry = AuditEntry.objects.get()
    assert (entry.action, entry.subject_id) == ("set_chain", chain_subject(restaurant.pk, Mode.TEST))
    assert (entry.actor_id, entry.reason, entry.mode) == (str(admin.pk), WHY, "test")
    assert [each["account_id"] for each in entry.before["chain"]] == [str(one.account_id) for one in was.values()]
    first, second = entry.after["chain"]
    assert (first["account_id"], first["methods"], first["enabled"]) == (str(was["b"].account_id), ["card"], False)
    assert (first["min_minor"], first["position"], second["position"]) == (50_000, 1, 2)


def test_the_other_mode_s_chain_stays_as_it_is(restaurant: Restaurant, admin: User) -> None:
    live = ProviderAccountFactory.create(restaurant=restaurant, provider="a", mode=Mode.LIVE)
    Route.objects.create(restaurant=restaurant, mode=Mode.LIVE, position=1, account=live)

    put(restaurant, admin, RouteDraft(account_id=ProviderAccount.objects.get(provider="b").pk))

    assert [route.account_id for route in chain_of(restaurant, Mode.LIVE)] == [live.pk]


@pytest.mark.parametrize("role", [Role.WAITER, Role.FINANCE, Role.FINANCE_LEAD, Role.AUDITOR])
def test_nobody_but_an_admin_changes_it(restaurant: Restaurant, role: Role) -> None:
    assert refused(restaurant, staff(restaurant, role), drafts_of(restaurant)["a"]).code == "not_an_admin"


def test_an_admin_elsewhere_and_one_who_is_locked_out_are_nobody_here(restaurant: Restaurant) -> None:
    gone = UserFactory.create(is_superuser=True, is_active=False)
    for person in (staff(RestaurantFactory.create(), Role.ADMIN), gone):
        assert refused(restaurant, person, drafts_of(restaurant)["a"]).code == "not_an_admin"


def test_on_an_old_page_nothing_is_changed(restaurant: Restaurant, admin: User) -> None:
    seen, was = mark_of(chain_of(restaurant)), drafts_of(restaurant)
    put(restaurant, admin, was["b"], was["a"], seen=seen)

    with pytest.raises(ProviderRefused) as error:
        put(restaurant, admin, was["a"], seen=seen)

    assert error.value.code == "changed_meanwhile"
    assert order(restaurant) == ["b", "a"]
    assert AuditEntry.objects.count() == 1


def test_of_two_at_once_one_wins_and_the_other_is_told(restaurant: Restaurant, admin: User) -> None:
    seen, was = mark_of(chain_of(restaurant)), drafts_of(restaurant)
    other = staff(restaurant, Role.ADMIN)

    told = at_once(
        partial(put, restaurant, admin, was["b"], seen=seen), partial(put, restaurant, other, was["a"], seen=seen)
    )

    assert told == ["changed_meanwhile", "done"]
    assert len(order(restaurant)) == 1


def test_two_accounts_may_change_places_at_the_same_position(restaurant: Restaurant, admin: User) -> None:
    """No position is taken for a moment by two."""
    was = list(drafts_of(restaurant).values())

    put(restaurant, admin, *reversed(was))
    put(restaurant, admin, *was)

    assert [route.account_id for route in chain_of(restaurant)] == [draft.account_id for draft in was]


SLIPS: dict[str, tuple[dict[str, Any], str, str]] = {
    "a method that does not exist": ({"methods": ("cheque",)}, "unknown_method", "0.methods"),
    "a method that the provider does not take": ({"methods": ("cash",)}, "unknown_method", "0.methods"),
    "no currency": ({"currencies": ("RUPEES",)}, "unknown_currency", "0.currencies"),
    "no channel": ({"channels": ("drone",)}, "unknown_channel", "0.channels"),
    "bounds that leave nothing": ({"min_minor": 200, "max_minor": 100}, "bad_bounds", "0.most"),
    "a negative bound": ({"min_minor": -1}, "bad_amount", "0.least"),
    "a bound beyond any bill": ({"max_minor": 10**13}, "bad_amount", "0.most"),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_route_that_could_never_be_chosen_is_refused(restaurant: Restaurant, admin: User, slip: str) -> None:
    said, code, field = SLIPS[slip]

    error = refused(restaurant, admin, replace(drafts_of(restaurant)["a"], **said))

    assert (error.code, error.field) == (code, field)


def test_an_account_of_another_restaurant_or_mode_is_refused(restaurant: Restaurant, admin: User) -> None:
    (theirs,) = routed(RestaurantFactory.create(), "a")
    live = ProviderAccountFactory.create(restaurant=restaurant, provider="a", mode=Mode.LIVE)
    for account in (theirs, live):
        error = refused(restaurant, admin, RouteDraft(account_id=account.pk))
        assert (error.code, error.field) == ("unknown_account", "0.account")


def test_a_chain_has_an_end_and_a_change_has_a_reason(restaurant: Restaurant, admin: User) -> None:
    one = drafts_of(restaurant)["a"]

    assert refused(restaurant, admin, *[one] * (MOST_ROUTES + 1)).code == "too_many_routes"
    assert refused(restaurant, admin, one, reason=" ").code == "no_reason"


def test_a_chain_that_takes_nothing_is_asked_about_once_more(restaurant: Restaurant, admin: User) -> None:
    off = replace(drafts_of(restaurant)["a"], enabled=False)
    ProviderAccount.objects.filter(provider="b").update(enabled=False)
    for chain in ([], [off], [off, drafts_of(restaurant)["b"]]):
        error = refused(restaurant, admin, *chain)
        assert (error.code, error.field) == ("nobody_can_pay", "nobody_can_pay")

    put(restaurant, admin, off, nobody_can_pay=True)
    assert not chain_of(restaurant)[0].enabled
    put(restaurant, admin)  # Nobody could pay before either.
    assert chain_of(restaurant) == []


def test_a_doubt_stays_where_it_is_when_its_provider_leaves_the_chain(
    restaurant: Restaurant,
    admin: User,
    provider_a: ScriptedGateway,
    provider_b: ScriptedGateway,
    time: ShiftedClock,
) -> None:
    """Nobody knows whether money moved: no other provider is asked, whatever the chain says by now (I2)."""
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    payment = paid(order_of(restaurant))
    assert payment.in_doubt

    put(restaurant, admin, drafts_of(restaurant)["b"])
    for _ in range(3):
        due = Payment.objects.get().next_action_at
        assert due is not None
        time.jump_to(due)
        sweep_payments(width=1)

    assert provider_b.asked == []
    assert provider_a.count("charge") == 1
    assert provider_a.count("look_up") >= 1
    assert Attempt.objects.get().account.provider == "a"


def test_a_fallback_meets_the_chain_as_it_is_when_it_begins(
    restaurant: Restaurant,
    admin: User,
    provider_a: ScriptedGateway,
    provider_b: ScriptedGateway,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While the first provider says no, an admin takes the second one out: the next attempt is not sent there."""
    was = drafts_of(restaurant)

    def charge(_: ChargeRequest) -> Result:
        put(restaurant, admin, was["a"])
        return outcome(Outcome.NOT_SENT, ErrorCode.UNREACHABLE)

    monkeypatch.setattr(provider_a, "charge", charge)
    payment = paid(order_of(restaurant))

    assert provider_b.asked == []
    assert Attempt.objects.get().status == AttemptStatus.NOT_SENT
    assert payment.status != PaymentStatus.COMPLETED
