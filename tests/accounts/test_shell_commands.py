"""Django's own commands about people, at the server's shell: they do what they did, and the audit has it."""

from __future__ import annotations

import getpass
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Membership, Role, User
from events.actors import SHELL
from events.models import AuditEntry
from tests.factories import RestaurantFactory, UserFactory

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"


@pytest.fixture
def _typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getpass", lambda *_, **__: PASSWORD)


def said(command: str, *words: str, **options: Any) -> str:
    out = StringIO()
    call_command(command, *words, stdout=out, **options)
    return out.getvalue()


def test_a_superuser_is_made_and_written_down() -> None:
    said("createsuperuser", "--noinput", "--username", "root", "--email", "root@example.com")

    root = User.objects.get(username="root", is_superuser=True)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor_id) == ("create_superuser", SHELL.id)
    assert (entry.before["superusers"], entry.after["superusers"]) == ([], [str(root.pk)])
    assert "root@example.com" not in str(entry.after)


def test_where_none_was_made_nothing_is_written_down() -> None:
    UserFactory.create(username="root")

    with pytest.raises(CommandError):
        said("createsuperuser", "--noinput", "--username", "root", "--email", "root@example.com")

    assert not AuditEntry.objects.exists()


@pytest.mark.usefixtures("_typed")
def test_a_password_is_changed_and_written_down() -> None:
    asha = UserFactory.create(username="asha")

    assert "Password changed successfully" in said("changepassword", "asha")

    asha.refresh_from_db()
    assert asha.check_password(PASSWORD)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor_id, entry.subject_id) == ("set_password", SHELL.id, str(asha.pk))
    assert entry.after["changed"] == ["password"]


@pytest.mark.usefixtures("_typed")
def test_of_nobody_no_password_is_changed() -> None:
    with pytest.raises(CommandError, match="There is nobody named nobody"):
        said("changepassword", "nobody")


def test_who_issues_a_key_is_written_down_by_name_or_as_the_shell() -> None:
    """Who has the shell and gives a name needs the role of that name."""
    restaurant = RestaurantFactory.create()
    Membership.objects.create(user=UserFactory.create(username="asha"), restaurant=restaurant, role=Role.ADMIN)
    UserFactory.create(username="bala")
    words = ("--restaurant", restaurant.slug, "--mode", "test", "--scopes", "orders:read")

    said("api_key", "issue", "till", *words, "--by", "asha")
    said("api_key", "issue", "shop", *words)

    actors = list(AuditEntry.objects.order_by("id").values_list("actor_id", flat=True))
    assert actors == [str(User.objects.get(username="asha").pk), SHELL.id]
    with pytest.raises(CommandError, match="There is nobody named nobody"):
        said("api_key", "issue", "more", *words, "--by", "nobody")
    with pytest.raises(CommandError, match="Only an admin of each restaurant"):
        said("api_key", "issue", "more", *words, "--by", "bala")
