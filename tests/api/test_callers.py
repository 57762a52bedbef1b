"""Who calls: keys, people's tokens, sessions of the console, and how each of them ends."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.models import ApiKey, Membership, Restaurant, Role, User, UserToken
from accounts.services.keys import KeyRefused, issue_api_key, revoke_api_key, rotate_api_key
from accounts.services.people import NotAMember, issue_user_token, revoke_all_tokens_of
from kernel import clock
from kernel.modes import Mode
from orders.models import Order
from tests.api.conftest import ALL_SCOPES, Caller, card, code_of, inr, key_of, person_of, pointers
from tests.factories import UserFactory, order_of, staff
from tests.time_machine import ShiftedClock

PASSWORD = "correct horse battery"


def with_password(restaurant: Restaurant, role: Role) -> User:
    person = staff(restaurant, role)
    person.set_password(PASSWORD)
    person.save()
    return person


def sign_in(person: User, password: str = PASSWORD, *, restaurant: str = "saffron", **more: Any) -> Any:
    body = {"username": person.username, "password": password, "restaurant": restaurant, "mode": "test", **more}
    return Caller().post("/tokens", body)


def test_a_caller_learns_who_it_is(key: Caller, waiter: Caller) -> None:
    said = key.get("/caller").json()
    assert (said["kind"], said["restaurant"], said["mode"]) == ("key", "saffron", "test")
    assert said["scopes"] == ALL_SCOPES
    assert waiter.get("/caller").json()["kind"] == "person"


def test_a_person_signs_in_and_out(restaurant: Restaurant) -> None:
    person = with_password(restaurant, Role.WAITER)

    answer = sign_in(person)

    said = answer.json()
    assert answer.status_code == 201
    assert said["token"].startswith("user_test_")
    assert answer.headers["cache-control"] == "no-store"
    me = Caller(said["token"])
    assert me.get("/caller").json()["id"] == str(person.pk)
    assert me.delete("/tokens/current").status_code == 204
    assert code_of(me.get("/caller")) == (401, "bad_credentials")


def test_only_the_hash_of_a_token_is_stored(restaurant: Restaurant) -> None:
    token = sign_in(with_password(restaurant, Role.WAITER)).json()["token"]

    stored = UserToken.objects.get()
    assert token not in str(vars(stored))
    assert len(stored.token_hash) == 64


@pytest.mark.parametrize(
    "change",
    [{"password": "wrong"}, {"username": "nobody"}, {"restaurant": "elsewhere"}, {"restaurant": "nowhere"}],
    ids=["password", "name", "another restaurant", "no restaurant"],
)
def test_what_was_wrong_is_not_told(restaurant: Restaurant, elsewhere: Restaurant, change: dict[str, str]) -> None:
    person = with_password(restaurant, Role.WAITER)
    body = {"username": person.username, "password": PASSWORD, "restaurant": "saffron", "mode": "test", **change}

    answer = Caller().post("/tokens", body)

    assert code_of(answer) == (401, "wrong_password")
    assert answer.json()["detail"] == "Nobody has this name and password in this restaurant."
    assert UserToken.objects.count() == 0


def test_whoever_guesses_is_locked_out_for_a_while(restaurant: Restaurant) -> None:
    person = with_password(restaurant, Role.WAITER)

    answers = [sign_in(person, "guess") for _ in range(8)]

    assert code_of(answers[0]) == (401, "wrong_password")
    assert code_of(answers[-1]) == (429, "locked_out")
    assert int(answers[-1].headers["retry-after"]) == 15 * 60
    assert code_of(sign_in(person)) == (429, "locked_out")


def test_a_token_lasts_for_a_shift(waiter: Caller, time: ShiftedClock) -> None:
    time.advance(seconds=12 * 60 * 60 - 5)
    assert waiter.get("/caller").status_code == 200
    time.advance(seconds=10)

    assert code_of(waiter.get("/caller")) == (401, "bad_credentials")


def test_a_persons_tokens_are_all_taken_away(restaurant: Restaurant) -> None:
    caller, person = person_of(restaurant, Role.FINANCE)

    assert revoke_all_tokens_of(person=person) == 1

    assert code_of(caller.get("/caller")) == (401, "bad_credentials")


def test_a_new_password_ends_the_tokens_of_the_old_one(restaurant: Restaurant) -> None:
    caller, person = person_of(restaurant, Role.FINANCE)

    person.set_password("another horse battery")
    person.save()

    assert code_of(caller.get("/caller")) == (401, "bad_credentials")


def test_a_password_that_nobody_can_have_is_refused(db: None) -> None:
    body = {"username": "waiter", "password": "\ud800", "restaurant": "saffron", "mode": "test"}

    assert pointers(Caller().post("/tokens", body)) == {"/password": "unreadable"}


def test_signing_in_forgets_what_was_typed_wrong_before(restaurant: Restaurant) -> None:
    person = with_password(restaurant, Role.WAITER)
    for _ in range(2):
        for _ in range(4):
            sign_in(person, "guess")
        assert sign_in(person).status_code == 201


def test_a_wrong_restaurant_is_counted_like_a_wrong_password(restaurant: Restaurant, elsewhere: Restaurant) -> None:
    person = with_password(restaurant, Role.WAITER)

    answers = [sign_in(person, restaurant="elsewhere") for _ in range(8)]

    assert code_of(answers[0]) == (401, "wrong_password")
    assert code_of(answers[-1]) == (429, "locked_out")


def test_a_token_is_for_members_only(restaurant: Restaurant) -> None:
    with pytest.raises(NotAMember):
        issue_user_token(person=UserFactory.create(), restaurant=restaurant, mode=Mode.TEST)


@pytest.mark.parametrize(
    "header",
    [
        "Basic dXNlcjpwYXNz",
        "Bearer",
        "Bearer ",
        "Bearer nothing_known",
        "Bearer test_",
        "Token test_x",
        "Bearer ü",
        "Bearer pay_x",
        "Bearer pay_",
        "Bearer user_test_x",
        "Bearer test_" + "x" * 600,
    ],
)
def test_nobody_is_known_by_this(restaurant: Restaurant, header: str) -> None:
    answer = Client(raise_request_exception=False).get("/api/v1/orders", headers={"Authorization": header})

    assert code_of(answer)[0] == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_key_says_when_it_was_used(key: Caller, time: ShiftedClock) -> None:
    key.get("/caller")
    first = ApiKey.objects.get().last_used_at
    key.get("/caller")
    assert ApiKey.objects.get().last_used_at == first
    time.advance(seconds=61)
    key.get("/caller")

    later = ApiKey.objects.get().last_used_at
    assert first is not None
    assert later is not None
    assert later > first


def test_a_rotated_key_overlaps_with_its_successor(key: Caller, time: ShiftedClock) -> None:
    old = ApiKey.objects.get()

    new = Caller(rotate_api_key(key_id=old.pk, overlap=timedelta(hours=1)))

    assert key.get("/caller").json() == new.get("/caller").json()
    time.advance(seconds=3601)
    assert code_of(key.get("/caller")) == (401, "bad_credentials")
    assert new.get("/caller").status_code == 200
    with pytest.raises(KeyRefused, match="rotated already"):
        rotate_api_key(key_id=old.pk)


def test_a_rotated_key_never_lasts_longer_than_it_would_have(restaurant: Restaurant) -> None:
    issue_api_key(
        restaurant=restaurant, mode=Mode.TEST, name="short", scopes=["orders:read"], lasts=timedelta(minutes=5)
    )

    rotate_api_key(key_id=ApiKey.objects.get().pk)

    successor = ApiKey.objects.get(replaced_at=None)
    assert successor.expires_at is not None
    assert successor.expires_at < clock.now() + timedelta(minutes=6)
    old = ApiKey.objects.get(replaced_at__isnull=False)
    assert old.expires_at is not None
    assert old.expires_at < clock.now() + timedelta(minutes=6)


def test_a_revoked_key_ends_at_once_and_frees_its_name(key: Caller, restaurant: Restaurant) -> None:
    old = ApiKey.objects.get()

    revoke_api_key(key_id=old.pk)

    assert code_of(key.get("/caller")) == (401, "bad_credentials")
    assert issue_api_key(restaurant=restaurant, mode=Mode.TEST, name=old.name, scopes=["orders:read"])
    with pytest.raises(KeyRefused, match="revoked"):
        rotate_api_key(key_id=old.pk)


@pytest.mark.parametrize("scope", ["cash:confirm", "cases:write", "payment:own", "everything"])
def test_a_program_never_does_what_needs_a_name(restaurant: Restaurant, scope: str) -> None:
    with pytest.raises(KeyRefused) as refused:
        key_of(restaurant, "orders:read", scope)

    assert (refused.value.code, refused.value.field) == ("bad_scope", "scopes")
    assert ApiKey.objects.count() == 0


def test_a_key_of_several_restaurants_names_one(restaurant: Restaurant, elsewhere: Restaurant) -> None:
    order_of(elsewhere)
    both = key_of(restaurant, also_for=[elsewhere])

    unnamed = both.get("/orders")
    assert code_of(unnamed) == (400, "restaurant_needed")
    assert pointers(unnamed) == {"Steward-Restaurant": "restaurant_needed"}
    assert both.get("/orders", Steward_Restaurant="saffron").json()["items"] == []
    assert len(both.get("/orders", Steward_Restaurant="elsewhere").json()["items"]) == 1
    assert code_of(both.get("/orders", Steward_Restaurant="third")) == (400, "restaurant_needed")


def test_a_key_of_one_restaurant_cannot_name_another(key: Caller, elsewhere: Restaurant) -> None:
    assert code_of(key.get("/orders", Steward_Restaurant="elsewhere")) == (400, "restaurant_needed")


NAMES_ANOTHER = [
    {"Steward_Restaurant": "elsewhere"},
    {"Steward_Restaurant": "nowhere"},
    {"Steward_Mode": "live"},
    {"Steward_Mode": "both"},
    {"Steward_Restaurant": "elsewhere", "Steward_Mode": "live"},
]


@pytest.mark.parametrize("names", NAMES_ANOTHER)
def test_nothing_is_done_here_for_whoever_names_another_place(
    key: Caller, waiter: Caller, elsewhere: Restaurant, names: dict[str, str]
) -> None:
    """They meant that one: the order would stand in the wrong books, or be paid with real money."""
    line = {"name": "Chai", "quantity": 1, "unit_price": inr(4_000)}

    answers = [caller.post("/orders", {"lines": [line]}, **names) for caller in (waiter, key)]

    assert [code_of(answer) for answer in answers] == [(400, "restaurant_needed")] * 2
    assert Order.objects.count() == 0


def test_what_a_token_does_not_speak_for_is_told_alike_whether_it_is_there_or_not(
    waiter: Caller, elsewhere: Restaurant
) -> None:
    there, nowhere = [
        waiter.get("/caller", Steward_Restaurant=slug).json()["detail"] for slug in ("elsewhere", "nowhere")
    ]

    assert there == "Steward-Restaurant: This key or token speaks for saffron, not for 'elsewhere'."
    assert nowhere == there.replace("elsewhere", "nowhere")


def test_whoever_names_another_place_is_counted(waiter: Caller, settings: Settings) -> None:
    settings.STEWARD_REQUESTS_PER_MINUTE = 3

    answers = [waiter.get("/caller", Steward_Mode="live") for _ in range(4)]

    assert [answer.status_code for answer in answers] == [400] * 3 + [429]
    assert answers[0].headers["ratelimit"].startswith('"caller";r=2')


def test_a_browsers_token_speaks_for_its_payments_place(key: Caller, order: Order, elsewhere: Restaurant) -> None:
    payment = key.post("/payments", card(order)).json()
    browser = Caller(key.post(f"/payments/{payment['id']}/client-tokens").json()["client_token"])
    path = f"/payments/{payment['id']}"

    assert browser.get(path, Steward_Restaurant="saffron", Steward_Mode="test").status_code == 200
    assert code_of(browser.get(path, Steward_Restaurant="elsewhere")) == (400, "restaurant_needed")
    assert pointers(browser.get(path, Steward_Mode="live")) == {"Steward-Mode": "not_of_this_caller"}


def test_whoever_names_their_own_place_is_let_in(key: Caller, waiter: Caller) -> None:
    for caller in (key, waiter):
        assert caller.get("/caller", Steward_Restaurant="saffron", Steward_Mode="test").status_code == 200


def test_a_session_of_the_console_reads_and_changes_with_its_token_only(restaurant: Restaurant) -> None:
    person = with_password(restaurant, Role.ADMIN)
    order = order_of(restaurant)
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(person, backend="accounts.backends.PersonBackend")

    listed = browser.get("/api/v1/orders", headers={"Steward-Mode": "test"})
    assert [each["id"] for each in listed.json()["items"]] == [str(order.pk)]
    assert browser.get("/api/v1/orders").json()["items"] == []
    bad = browser.get("/api/v1/orders", headers={"Steward-Mode": "both"})
    assert code_of(bad) == (400, "restaurant_needed")
    forged = browser.post(f"/api/v1/orders/{order.pk}/cancel", headers={"Steward-Mode": "test"})
    assert code_of(forged) == (403, "forbidden")
    browser.cookies["csrftoken"] = token = "a" * 32
    meant = browser.post(f"/api/v1/orders/{order.pk}/cancel", headers={"Steward-Mode": "test", "X-CSRFToken": token})
    assert meant.json()["status"] == "cancelled"


def test_a_session_without_a_role_is_nobody(restaurant: Restaurant) -> None:
    browser = Client()
    browser.force_login(UserFactory.create(is_superuser=True), backend="accounts.backends.PersonBackend")

    assert code_of(browser.get("/api/v1/orders")) == (401, "unauthenticated")


def test_a_person_of_several_restaurants_names_one(restaurant: Restaurant, elsewhere: Restaurant) -> None:
    person = with_password(restaurant, Role.ADMIN)
    Membership.objects.create(user=person, restaurant=elsewhere, role=Role.WAITER)
    browser = Client()
    browser.force_login(person, backend="accounts.backends.PersonBackend")

    assert code_of(browser.get("/api/v1/orders")) == (400, "restaurant_needed")
    named = browser.get("/api/v1/cases", headers={"Steward-Restaurant": "elsewhere", "Steward-Mode": "test"})
    assert code_of(named) == (403, "not_allowed")
