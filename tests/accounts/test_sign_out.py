"""A person's tokens are taken away, by an operator's command or in the console, and old ones are let go."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.test import Client

from accounts import tasks
from accounts.models import Role, User, UserToken
from accounts.services import purging
from accounts.services.editing_people import save_person, sign_out_everywhere
from accounts.services.people import ENDED_TOKENS_KEPT_FOR, TOKEN_LASTS, issue_user_token
from events.actors import SHELL
from events.models import AuditEntry
from kernel.modes import Mode
from tests.accounts.signing_in import somebody, text_of, with_password
from tests.factories import RestaurantFactory, UserFactory, staff
from tests.time_machine import ShiftedClock

PEOPLE = "/admin/accounts/user/"


@pytest.fixture
def waiter(db: None, time: ShiftedClock) -> User:
    """With a token that has ended by itself, and two that work."""
    restaurant = RestaurantFactory.create()
    person = staff(restaurant, Role.WAITER)
    issue_user_token(person=person, restaurant=restaurant, mode=Mode.TEST)
    time.advance(seconds=TOKEN_LASTS.total_seconds() + 1)
    for mode in (Mode.TEST, Mode.LIVE):
        issue_user_token(person=person, restaurant=restaurant, mode=mode)
    return person


def said(username: str, *more: str) -> str:
    out = StringIO()
    call_command("sign_out", username, *more, stdout=out)
    return out.getvalue().strip()


def revoked() -> int:
    return UserToken.objects.exclude(revoked_at=None).count()


def sign_out(*people: User, by: User) -> str:
    console = Client()
    console.force_login(by, backend="accounts.backends.PersonBackend")
    body = {"action": "sign_out", "_selected_action": [str(person.pk) for person in people]}
    return str(console.post(PEOPLE, body, follow=True).content.decode())


def test_a_person_is_signed_out_by_a_command(waiter: User) -> None:
    assert said(waiter.username) == f"Signed out {waiter.username}: 2 tokens revoked, and every session ended."
    assert revoked() == 2
    UserFactory.create(username="asha", is_superuser=True)
    assert said(waiter.username, "--by", "asha").endswith("0 tokens revoked, and every session ended.")
    by = list(AuditEntry.objects.order_by("id").values_list("actor_id", flat=True))
    assert by == [SHELL.id, str(User.objects.get(username="asha").pk)]


def test_whoever_could_not_do_it_in_the_console_is_not_named_as_the_one_who_did(waiter: User) -> None:
    stranger = staff(RestaurantFactory.create(), Role.ADMIN)

    with pytest.raises(CommandError, match="A superuser does this, or an admin of all the restaurants"):
        said(waiter.username, "--by", stranger.username)
    assert revoked() == 0
    assert not AuditEntry.objects.exists()


def test_whoever_is_not_there_is_not_signed_out(db: None) -> None:
    with pytest.raises(CommandError, match="There is nobody named asha"):
        said("asha")


def test_their_sessions_of_the_console_end_and_say_why(waiter: User, time: ShiftedClock) -> None:
    """Those that were never looked at as well, and with no tick of the clock in between."""
    person = somebody("asha")
    seen, unseen, other = with_password(person), with_password(person), with_password(somebody("ravi"))
    assert seen.get(PEOPLE).status_code == 200

    assert said("asha") == "Signed out asha: 0 tokens revoked, and every session ended."

    for browser in (seen, unseen):
        page = browser.get(PEOPLE, follow=True)
        assert page.redirect_chain == [("/admin/login/?next=%2Fadmin%2Faccounts%2Fuser%2F", 302)]
        assert "because somebody signed you out everywhere, or set another password" in text_of(page)
    assert other.get(PEOPLE).status_code == 200
    assert with_password(person).get(PEOPLE).status_code == 200


def test_whoever_is_edited_at_that_moment_stays_signed_out(waiter: User) -> None:
    boss, as_it_was = somebody("asha"), User.objects.get(pk=waiter.pk)

    sign_out_everywhere(person=waiter, by=None)
    save_person(person=as_it_was, by=boss)

    assert User.objects.get(pk=waiter.pk).signed_out_at == waiter.signed_out_at


def test_people_are_signed_out_in_the_console(waiter: User) -> None:
    operator = UserFactory.create(is_staff=True, is_superuser=True)

    page = sign_out(waiter, operator, by=operator)

    assert f"Signed out {waiter.username}: 2 tokens revoked, and every session ended." in page
    assert f"Signed out {operator.username}: 0 tokens revoked, and every session ended." in page
    assert revoked() == 2
    entry = AuditEntry.objects.get(subject_id=str(waiter.pk))
    assert (entry.actor_id, entry.action) == (str(operator.pk), "sign_out")
    waiter.refresh_from_db()
    assert waiter.signed_out_at is not None
    assert entry.before == {"tokens": 2, "signed_out_at": None}
    assert entry.after == {"tokens": 0, "signed_out_at": waiter.signed_out_at.isoformat()}
    assert not LogEntry.objects.exists()


def test_whoever_only_looks_signs_nobody_out(waiter: User) -> None:
    looker = UserFactory.create(is_staff=True)
    looker.user_permissions.set(Permission.objects.filter(codename="view_user"))

    sign_out(waiter, by=looker)

    assert revoked() == 0


def test_tokens_that_ended_long_ago_are_let_go(
    waiter: User, time: ShiftedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purging, "PURGED_AT_ONCE", 1)
    time.advance(seconds=(ENDED_TOKENS_KEPT_FOR - timedelta(hours=1)).total_seconds())
    assert tasks.purge_old_tokens() == 0
    time.advance(seconds=2 * 60 * 60)
    assert tasks.purge_old_tokens() == 1
    time.advance(seconds=TOKEN_LASTS.total_seconds())

    assert tasks.purge_old_tokens() == 2


def test_a_purge_ends_when_its_time_is_over(waiter: User, time: ShiftedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purging, "PURGE_SECONDS", -1.0)
    time.advance(seconds=(ENDED_TOKENS_KEPT_FOR + TOKEN_LASTS).total_seconds() + 1)

    assert tasks.purge_old_tokens() == 0
