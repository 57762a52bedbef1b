"""The page of circuits: how they are, a word by hand, and what was said before."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Restaurant, Role, User
from events.models import AuditEntry
from kernel import clock
from kernel.modes import Mode
from payments.gateways.breaker import BreakerState
from payments.gateways.guard import Operation
from payments.models import BreakerOverride, ProviderAccount
from payments.services import providers
from payments.services.circuit_overrides import NOTHING_SAID, force_circuit
from payments.services.providers import circuits_of, own_circuits_of
from tests.factories import RestaurantFactory, order_of, paid, routed, staff
from tests.failures.test_desk import MOST_QUERIES, desk_of

PAGE = "/admin/payments/breakeroverride/"
SAY = f"{PAGE}say/"
WHY = "Their status page says so."


@pytest.fixture
def lead(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE_LEAD)


@pytest.fixture
def desk(lead: User) -> Client:
    return desk_of(lead)


def word(word: str = "open", **more: Any) -> dict[str, str]:
    said = {"mode": "test", "provider": "a", "operation": "charge", "seen": NOTHING_SAID, "minutes": "60"}
    return {name: str(value) for name, value in {**said, "reason": WHY, "word": word, **more}.items()}


def text_of(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def page_of(desk: Client, mode: str = "test") -> str:
    return text_of(desk.get(PAGE, {"mode": mode}))


def test_each_provider_is_shown_with_its_four_circuits(desk: Client, restaurant: Restaurant) -> None:
    paid(order_of(restaurant))

    page = page_of(desk)

    assert page.count('class="prov-circuit"') == 2 * len(Operation)
    assert "Last 15 minutes: 100 % of 1 answers were good." in page
    live = page_of(desk, "live")
    assert "No provider is asked by program here with real money." in live
    assert "Nobody has said anything here yet: each circuit decides by itself." in live


def test_what_rests_is_told_with_its_times(desk: Client, restaurant: Restaurant) -> None:
    account = ProviderAccount.objects.get(provider="a")
    circuits_of(account)[Operation.CHARGE].trip(cool_down_seconds=600)
    own_circuits_of(account)[Operation.CHARGE].trip(cool_down_seconds=300)

    page = page_of(desk)

    assert "Resting: it failed too often" in page
    assert "tried again from" in page
    assert f"were refused: a of {restaurant.name}, until" in page
    assert "Payments will be tried at a although it fails now." in page


def test_a_lead_stops_a_provider_and_takes_the_word_back(desk: Client, lead: User) -> None:
    answer = desk.post(SAY, word(), follow=True)

    said = BreakerOverride.objects.get()
    assert (said.provider, said.operation, said.state, said.reason) == ("a", "charge", "open", WHY)
    assert abs(said.expires_at - clock.now() - timedelta(hours=1)) < timedelta(seconds=5)
    page = text_of(answer)
    assert "A, charges: forced open until" in page
    assert f"by {lead.username}." in page
    assert "Stopped by a person" in page
    assert page.count(WHY) == 2  # Beside the circuit, and in what was said.

    desk.post(SAY, word("release", seen=said.pk))
    assert BreakerOverride.objects.latest("created_at").state == ""
    assert [entry.actor_id for entry in AuditEntry.objects.all()] == [str(lead.pk)] * 2


def test_a_second_press_is_told_and_writes_nothing(desk: Client, lead: User) -> None:
    desk.post(SAY, word())

    page = text_of(desk.post(SAY, word(), follow=True))

    assert "This was said already. A, charges: forced open until" in page
    assert f"by {lead.username}." in page
    assert BreakerOverride.objects.count() == 1
    assert AuditEntry.objects.count() == 1


def test_on_an_old_page_nothing_is_said_and_nothing_typed_is_lost(desk: Client, restaurant: Restaurant) -> None:
    other = staff(restaurant, Role.ADMIN)
    desk_of(other).post(SAY, word("closed", reason="The bank called."))

    answer = desk.post(SAY, word())

    page = text_of(answer)
    newest = BreakerOverride.objects.get()
    assert answer.status_code == 409
    assert f"Somebody said something else meanwhile. A, charges: forced {newest.state}" in page
    assert f"by {other.username}." in page
    assert WHY in page
    # The next press is about the circuit as it is now.
    assert desk.post(SAY, word(seen=newest.pk)).status_code == 302
    assert BreakerOverride.objects.latest("created_at").state == "open"


def test_enter_in_a_field_decides_nothing(desk: Client) -> None:
    """It presses the first button of its form. Which of the others was meant, nobody knows."""
    forms = re.findall(rf'<form method="post" action="{SAY}".*?</form>', page_of(desk))
    assert forms
    for form in forms:
        assert re.findall(r"<button[^>]*>", form)[0] == '<button name="word" value="" hidden>'

    answer = desk.post(SAY, word(""))

    assert answer.status_code == 400
    assert "Press one of the buttons." in text_of(answer)
    assert f'value="{WHY}"' in text_of(answer)
    assert not BreakerOverride.objects.exists()


@pytest.mark.parametrize(
    ("slip", "sentence"),
    [
        ({"reason": ""}, "This field is required."),
        ({"reason": "ok"}, "Say in a few words why"),
        ({"word": "half_open"}, "Press one of the buttons."),
        ({"minutes": "9999"}, "Select a valid choice"),
        ({"provider": "nobody"}, ""),
    ],
)
def test_what_is_wrong_is_said_beside_it(desk: Client, slip: dict[str, str], sentence: str) -> None:
    answer = desk.post(SAY, {**word(), **slip})

    assert answer.status_code in {400, 409}
    assert sentence in answer.content.decode()
    assert not BreakerOverride.objects.exists()


@pytest.mark.parametrize("role", [Role.FINANCE, Role.AUDITOR])
def test_others_of_the_office_look_and_their_forged_word_is_refused(restaurant: Restaurant, role: Role) -> None:
    desk = desk_of(staff(restaurant, role))

    page = page_of(desk)
    assert "Decide by hand" not in page
    assert "may decide by hand" in page
    assert desk.post(SAY, word()).status_code == 403
    assert not BreakerOverride.objects.exists()


def test_a_waiter_and_an_admin_elsewhere_change_nothing(restaurant: Restaurant) -> None:
    elsewhere = RestaurantFactory.create()
    routed(elsewhere, "b")
    stranger = desk_of(staff(elsewhere, Role.ADMIN))

    assert desk_of(staff(restaurant, Role.WAITER)).post(SAY, word()).status_code == 403
    assert stranger.post(SAY, word()).status_code == 403
    assert not BreakerOverride.objects.exists()
    assert 'id="prov-a"' not in page_of(stranger)


def test_where_the_account_cannot_be_used_nobody_is_offered_to_decide(
    desk: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its key is missing. The other provider's circuits can still be moved."""
    unusable = replace(providers.PROVIDERS["a"], build=lambda _, credentials: credentials["api_key"])
    monkeypatch.setitem(providers.PROVIDERS, "a", unusable)

    page = page_of(desk)

    assert page.count("Decide by hand") == len(Operation)
    assert page.count("is switched on, and can be used, may decide by hand") == 1
    assert desk.post(SAY, word()).status_code == 403
    assert desk.post(SAY, word(provider="b")).status_code == 302


def test_a_word_is_never_given_by_following_a_link(desk: Client) -> None:
    assert desk.get(SAY, word()).status_code == 405
    assert not BreakerOverride.objects.exists()


def test_what_is_said_about_others_providers_is_not_shown(desk: Client, restaurant: Restaurant) -> None:
    for provider, mode in (("z", Mode.TEST), ("a", Mode.LIVE)):
        BreakerOverride.objects.create(
            provider=provider,
            mode=mode,
            operation="charge",
            state="open",
            reason="Not for these eyes.",
            actor_id=str(clock.new_id()),
            expires_at=clock.now(),
        )

    assert "Not for these eyes." not in page_of(desk) + page_of(desk, "live")


def test_the_page_asks_the_same_however_much_was_said(desk: Client, restaurant: Restaurant, lead: User) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as queries:
            page_of(desk)
        return len(queries)

    page_of(desk)
    for operation in Operation:
        for state in (BreakerState.OPEN, BreakerState.CLOSED) * 3:
            force_circuit(
                provider="a",
                mode=Mode.TEST,
                operation=operation,
                state=state,
                person=lead,
                reason=WHY,
                lasts=timedelta(hours=1),
            )

    assert 0 < statements() <= MOST_QUERIES
