"""`manage.py reset_second_factor`: for whoever has lost the phone, in somebody's name."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import SecondFactor, User
from events.models import AuditEntry
from tests.factories import UserFactory
from tests.factors import with_factor


@pytest.fixture
def person(db: None) -> User:
    person = UserFactory.create(username="asha")
    with_factor(person)
    UserFactory.create(username="ravi", is_superuser=True)
    UserFactory.create(username="meera")
    return person


def said(*words: str) -> str:
    out = StringIO()
    call_command("reset_second_factor", *words, stdout=out)
    return out.getvalue().strip()


def test_a_lost_one_is_taken_off_in_somebody_s_name(person: User) -> None:
    words = said("asha", "--by", "ravi", "--reason", "The phone is lost.")

    assert words == "asha signs in with the password alone now."
    entry = AuditEntry.objects.latest("id")
    assert (entry.action, entry.subject_id) == ("take_off_second_factor", str(person.pk))
    assert (entry.actor_id, entry.reason) == (str(User.objects.get(username="ravi").pk), "The phone is lost.")
    assert SecondFactor.objects.count() == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("nobody", "--by", "ravi", "--reason", "Lost."), "There is nobody named nobody."),
        (("asha", "--by", "nobody", "--reason", "Lost."), "There is nobody named nobody."),
        (("asha", "--by", "meera", "--reason", "Lost."), "A superuser does this, or an admin of all the restaurants"),
        (("asha", "--reason", "Lost."), "--by"),
        (("asha", "--by", "ravi"), "--reason"),
        (("asha", "--by", "ravi", "--reason", "x"), "Say in a few words why"),
        (("ravi", "--by", "ravi", "--reason", "Lost."), "ravi has no second factor."),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_taken_off(person: User, words: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        said(*words)

    assert SecondFactor.objects.count() == 1
