"""Keys in the console: shown once, ended for good, and edited by nobody."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from accounts.models import ApiKey, Membership, Restaurant, Role, User
from accounts.scopes import KEY_SCOPES
from accounts.services.keys import issue_api_key, revoke_api_key, rotate_api_key
from accounts.services.secrets import hash_secret
from events.models import AuditEntry
from kernel import clock
from kernel.modes import Mode
from tests.factories import RestaurantFactory, UserFactory
from tests.time_machine import ShiftedClock

LIST = "/admin/accounts/apikey/"
ISSUE = f"{LIST}issue/"
SHOWN = re.compile(r'<code class="key">((?:test|live)_[\w-]+)</code>')


@pytest.fixture
def restaurant(db: None) -> Restaurant:
    return RestaurantFactory.create(slug="saffron", name="Saffron")


def signed_in(person: User) -> Client:
    client = Client()
    client.force_login(person, backend="accounts.backends.PersonBackend")
    return client


@pytest.fixture
def console(restaurant: Restaurant) -> Client:
    return signed_in(UserFactory.create(username="asha", is_staff=True, is_superuser=True))


def helper_of(restaurant: Restaurant, *verbs: str) -> Client:
    """Staff with some permissions about keys, and an administrator of one restaurant."""
    person = UserFactory.create(is_staff=True)
    Membership.objects.create(user=person, restaurant=restaurant, role=Role.ADMIN)
    names = [f"{verb}_apikey" for verb in verbs]
    person.user_permissions.set(Permission.objects.filter(codename__in=names))
    return signed_in(person)


def said(restaurant: Restaurant, /, **change: Any) -> dict[str, Any]:
    body = {"restaurant": str(restaurant.pk), "mode": "test", "name": "web shop", "scopes": ["orders:read"]}
    return {**body, **change}


def key_of(restaurant: Restaurant, **key: Any) -> ApiKey:
    scopes = ["orders:read", "payments:read"]
    secret = issue_api_key(**{"restaurant": restaurant, "mode": Mode.TEST, "name": "till", "scopes": scopes, **key})
    return ApiKey.objects.get(key_hash=hash_secret(secret))


def act(console: Client, action: str, *keys: ApiKey, confirmed: bool = True) -> Any:
    body = {"action": action, "_selected_action": [str(key.pk) for key in keys]}
    return console.post(LIST, {**body, "confirmed": "yes"} if confirmed else body)


def text_of(page: Any) -> str:
    return " ".join(page.content.decode().split())  # A space that does not break is a space as well.


def everything_kept() -> str:
    """What could hold a key by accident, as text."""
    rows = [*AuditEntry.objects.values(), *Session.objects.values(), *ApiKey.objects.values()]
    return str(rows) + str([session.get_decoded() for session in Session.objects.all()])


def test_a_key_is_issued_and_shown_once(console: Client, restaurant: Restaurant, caplog: Any, capfd: Any) -> None:
    second = RestaurantFactory.create(name="Second")

    page = console.post(ISSUE, said(restaurant, lasts_days="30", also_for=[str(second.pk)]))

    (secret,) = SHOWN.findall(text_of(page))
    key = ApiKey.objects.get(key_hash=hash_secret(secret))
    assert (key.restaurant, key.mode, key.name, key.scopes) == (restaurant, "test", "web shop", ["orders:read"])
    assert list(key.also_for.all()) == [second]
    assert key.expires_at is not None
    assert key.expires_at - key.created_at >= timedelta(days=29)
    assert (page.status_code, page.headers["Cache-Control"].count("no-store")) == (200, 1)
    kept = f"{everything_kept()}{page.headers}{console.cookies.output()}{caplog.text}{capfd.readouterr()}"
    assert secret not in kept
    assert secret not in text_of(console.get(LIST)) + text_of(console.get(f"{LIST}{key.pk}/change/"))


def test_who_did_it_is_written_down(console: Client, restaurant: Restaurant) -> None:
    console.post(ISSUE, said(restaurant))
    act(console, "rotate", ApiKey.objects.get())
    act(console, "revoke", *ApiKey.objects.all())

    entries = AuditEntry.objects.order_by("pk")
    asha = User.objects.get(username="asha")
    assert {entry.actor_id for entry in entries} == {str(asha.pk)}
    actions = [entry.action for entry in entries]
    assert actions == ["issue_api_key", "rotate_api_key", "revoke_api_key", "revoke_api_key"]
    assert not LogEntry.objects.exists()
    for key in ApiKey.objects.all():  # Its history is that of the caller, from the first key on.
        page = console.get(f"{LIST}{key.pk}/history/", follow=True)
        assert page.content.decode().count("field-did") == 4


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": "till"}, "There is a key named till already. Revoke it, or choose another name."),
        ({"name": " "}, "This field is required."),
        ({"scopes": []}, "This field is required."),
        ({"scopes": ["cash:confirm"]}, "cash:confirm is not one of the available choices."),
        ({"mode": "both"}, "both is not one of the available choices."),
        ({"lasts_days": "0"}, "greater than or equal to 1"),
        ({"lasts_days": "9999999999"}, "less than or equal to 3650"),
        ({"restaurant": "01a219ac-6cc0-7e24-b34e-e6b97eb0cc86"}, "not one of the available choices."),
    ],
)
def test_what_is_refused_is_said_and_nothing_entered_is_lost(
    console: Client, restaurant: Restaurant, change: dict[str, Any], sentence: str
) -> None:
    key_of(restaurant)

    page = console.post(ISSUE, said(restaurant, **{"scopes": ["orders:read", "reports:read"], **change}))

    assert (page.status_code, ApiKey.objects.count(), AuditEntry.objects.count()) == (200, 1, 0)
    text = text_of(page)
    assert sentence in text
    assert "No key was issued." in text
    if "scopes" not in change:
        assert re.findall(r'value="([a-z:]+)"[^>]* checked[ >]', text)[-2:] == ["orders:read", "reports:read"]
    if "name" not in change:
        assert 'value="web shop"' in text


def test_the_form_offers_every_scope_of_a_key_and_no_other(console: Client) -> None:
    offered = re.findall(r'name="scopes" value="([a-z:]+)"', text_of(console.get(ISSUE)))

    assert sorted(offered) == sorted(scope.value for scope in KEY_SCOPES)


def test_an_issued_page_that_is_sent_again_issues_nothing(console: Client, restaurant: Restaurant) -> None:
    console.post(ISSUE, said(restaurant))

    again = console.post(ISSUE, said(restaurant))

    assert "There is a key named web shop already." in text_of(again)
    assert ApiKey.objects.count() == 1


def test_whoever_pressed_issue_twice_is_told_what_became_of_the_first_press(
    console: Client, restaurant: Restaurant, time: ShiftedClock
) -> None:
    """A browser drops the answer to the first of two presses, and with it the only copy."""
    console.post(ISSUE, said(restaurant))
    key = ApiKey.objects.get()

    again = text_of(console.post(ISSUE, said(restaurant)))

    assert f"It was made a moment ago: {key.prefix}…." in again
    assert "Rotate that key, and the next one is shown to you." in again
    time.advance(minutes=11)  # By then whoever asks again means another key.
    assert "It was made a moment ago" not in text_of(console.post(ISSUE, said(restaurant)))


def test_whoever_pressed_rotate_twice_is_told_which_key_to_rotate(
    console: Client, restaurant: Restaurant, time: ShiftedClock
) -> None:
    old = key_of(restaurant)
    act(console, "rotate", old)
    successor = ApiKey.objects.get(replaced_at=None)

    again = text_of(console.get(act(console, "rotate", old)["Location"]))

    assert f"Its successor was made a moment ago: {successor.prefix}…." in again
    page = act(console, "rotate", successor)
    assert len(SHOWN.findall(text_of(page))) == 1
    time.advance(minutes=11)
    assert "a moment ago" not in text_of(console.get(act(console, "rotate", old)["Location"]))


def test_the_buttons_that_make_a_key_wait_for_the_answer(console: Client, restaurant: Restaurant) -> None:
    for page in (console.get(ISSUE), act(console, "rotate", key_of(restaurant), confirmed=False)):
        assert "kernel/once.js" in text_of(page)
        assert re.search(r'<form method="post"[^>]* class="console-once"', text_of(page))


def test_a_key_is_rotated_after_a_question(console: Client, restaurant: Restaurant) -> None:
    old = key_of(restaurant)

    asked = act(console, "rotate", old, confirmed=False)
    assert "Both work for 7 days" in text_of(asked)
    assert ApiKey.objects.count() == 1
    page = act(console, "rotate", old)

    (secret,) = SHOWN.findall(text_of(page))
    assert ApiKey.objects.get(key_hash=hash_secret(secret)).lineage == old.lineage
    old.refresh_from_db()
    assert old.expires_at is not None
    ends = f"{old.expires_at + timedelta(hours=5, minutes=30):%d %b %Y, %H:%M} IST"
    assert f"{old.prefix}…</code>, works until <b>{ends}</b>" in text_of(page)
    assert "no-store" in page.headers["Cache-Control"]
    assert secret not in everything_kept()
    again = console.post(LIST, {"action": "rotate", "_selected_action": [str(old.pk)], "confirmed": "yes"}, follow=True)
    assert "This key was revoked or rotated already." in text_of(again)
    assert ApiKey.objects.count() == 2


def test_keys_are_rotated_one_by_one(console: Client, restaurant: Restaurant) -> None:
    keys = [key_of(restaurant, name=name) for name in ("one", "two")]

    act(console, "rotate", *keys)

    assert "Rotate one key at a time" in text_of(console.get(LIST))
    assert ApiKey.objects.count() == 2


def test_keys_are_revoked_after_a_question_and_for_good(console: Client, restaurant: Restaurant) -> None:
    keys = [key_of(restaurant, name=name) for name in ("one", "two")]

    asked = act(console, "revoke", *keys, confirmed=False)
    assert "This cannot be undone" in text_of(asked)
    assert ApiKey.objects.filter(revoked_at=None).count() == 2
    act(console, "revoke", *keys)

    text = text_of(console.get(LIST))
    assert [f"Revoked {key}: its next request is refused." in text for key in keys] == [True, True]
    assert ApiKey.objects.filter(revoked_at=None).count() == 0
    key = ApiKey.objects.get(name="one")
    empty = {"revoked_at_0": "", "revoked_at_1": "", "expires_at_0": "", "expires_at_1": "", "name": "one"}
    assert console.post(f"{LIST}{key.pk}/change/", empty).status_code == 403
    act(console, "revoke", key)
    assert f"Revoked before: {key}." in text_of(console.get(LIST))
    assert ApiKey.objects.get(pk=key.pk).revoked_at == key.revoked_at


def test_the_common_forms_do_nothing(console: Client, restaurant: Restaurant) -> None:
    """One of them stored a key that nobody had, and answered 500."""
    key = key_of(restaurant)

    assert console.get(f"{LIST}add/").status_code == 403
    assert console.post(f"{LIST}add/", said(restaurant)).status_code == 403
    assert console.post(f"{LIST}{key.pk}/delete/", {"post": "yes"}).status_code == 403
    page = text_of(console.get(f"{LIST}{key.pk}/change/"))
    fields = re.findall(r'<(?:input|select|textarea)[^>]* name="(?!csrf|_selected)([^"]*)"', page)
    assert fields == ["s"]  # The console's own search, on every page.
    assert f'href="{LIST}add/"' not in text_of(console.get(LIST)) + text_of(console.get(reverse("admin:index")))


def test_the_list_says_how_each_key_is(console: Client, restaurant: Restaurant, time: ShiftedClock) -> None:
    key_of(restaurant, name="old", lasts=timedelta(minutes=5))
    rotated = key_of(restaurant, name="rotated", also_for=[RestaurantFactory.create(name="Second")])
    rotate_api_key(key_id=rotated.pk)
    time.advance(seconds=600)
    ApiKey.objects.filter(name="old").update(last_used_at=clock.now())

    text = text_of(console.get(LIST))

    states = re.findall(r'class="state state-[a-z]+">([^<]+)<', text)
    assert sorted(states) == ["expired", "rotated: works until it expires", "works"]
    assert text.count("Saffron, Second") == 2
    assert len(re.findall(r'class="field-used [^>]*>never<', text)) == 2
    assert "orders:read, payments:read" in text
    assert len(re.findall(r'class="field-until [^>]*>never<', text)) == 1


@pytest.mark.parametrize(
    ("verbs", "may"),
    [
        ((), {"list": 403, "issue": 403}),
        (("view",), {"list": 200, "issue": 403}),
        (("add",), {"list": 200, "issue": 200}),
        (("change",), {"list": 200, "issue": 403}),
    ],
)
def test_only_the_permitted(restaurant: Restaurant, verbs: tuple[str, ...], may: dict[str, int]) -> None:
    key = key_of(restaurant)
    helper = helper_of(restaurant, *verbs)

    assert helper.get(LIST).status_code == may["list"]
    assert helper.post(ISSUE, said(restaurant)).status_code == may["issue"]
    act(helper, "rotate", key)
    assert ApiKey.objects.count() == 1 + ("add" in verbs) + ("change" in verbs)
    act(helper, "revoke", key)
    assert ApiKey.objects.exclude(revoked_at=None).exists() == ("change" in verbs)


def test_nobody_reaches_another_restaurants_keys(restaurant: Restaurant) -> None:
    """Nor a key that speaks for another one as well: rotating it would open that one."""
    elsewhere = RestaurantFactory.create(name="Elsewhere")
    foreign, both = key_of(elsewhere, name="foreign"), key_of(restaurant, name="of two houses", also_for=[elsewhere])
    helper = helper_of(restaurant, "add", "change")

    text = text_of(helper.get(LIST))
    assert "foreign" not in text
    assert "of two houses" not in text
    assert "Elsewhere" not in text + text_of(helper.get(ISSUE))
    act(helper, "revoke", foreign, both)
    act(helper, "rotate", foreign)
    refused = helper.post(ISSUE, said(elsewhere))
    wider = helper.post(ISSUE, said(restaurant, also_for=[str(elsewhere.pk)]))
    assert "not one of the available choices" in text_of(refused)
    assert "not one of the available choices" in text_of(wider)
    assert ApiKey.objects.filter(revoked_at=None).count() == 2


def test_what_is_refused_of_one_key_is_told_and_the_others_are_revoked(
    restaurant: Restaurant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever runs this house took the one restaurant from them while they pressed."""
    second = RestaurantFactory.create(name="Second")
    helper = helper_of(restaurant, "view", "change")
    theirs = Membership.objects.create(user=User.objects.get(), restaurant=second, role=Role.ADMIN)
    keys = [key_of(restaurant, name="one"), key_of(second, name="two"), key_of(restaurant, name="three")]

    def lose_it_and_revoke(**said: Any) -> bool:
        Membership.objects.filter(pk=theirs.pk).delete()
        return revoke_api_key(**said)

    monkeypatch.setattr("accounts.admin.keys.revoke_api_key", lose_it_and_revoke)
    act(helper, "revoke", *keys)

    text = text_of(helper.get(LIST))
    assert f"Not revoked: {keys[1]}. Only an admin of each restaurant that a key speaks for looks after it." in text
    assert [f"Revoked {key}: its next request is refused." in text for key in keys] == [True, False, True]
    assert ApiKey.objects.get(revoked_at=None) == keys[1]


def test_a_page_of_somebody_else_changes_nothing(restaurant: Restaurant) -> None:
    key = key_of(restaurant)
    console = Client(enforce_csrf_checks=True)
    person = UserFactory.create(is_staff=True, is_superuser=True)
    console.force_login(person, backend="accounts.backends.PersonBackend")

    assert console.post(ISSUE, said(restaurant)).status_code == 403
    assert act(console, "revoke", key).status_code == 403
    assert Client().get(ISSUE).status_code == 302
