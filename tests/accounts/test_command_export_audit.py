"""`manage.py export_audit`: what it prints is what `verify_audit --file` checks."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Restaurant, Role, User
from accounts.services.editing_people import sign_out_everywhere
from accounts.services.keys import issue_api_key
from events.actors import Actor
from kernel import clock
from kernel.modes import Mode
from tests.factories import RestaurantFactory, staff
from tests.time_machine import ShiftedClock

pytestmark = pytest.mark.django_db


@pytest.fixture
def restaurant() -> Restaurant:
    return RestaurantFactory.create(slug="saffron")


@pytest.fixture
def admin(restaurant: Restaurant) -> User:
    """Who did two things here, and one to the installation."""
    admin = staff(restaurant, Role.ADMIN)
    for name in ("till", "shop"):
        issue_api_key(restaurant=restaurant, mode=Mode.TEST, name=name, scopes=[], by=Actor.user(admin))
    sign_out_everywhere(person=admin, by=admin)
    return admin


def exported(*words: str) -> list[str]:
    out = StringIO()
    call_command("export_audit", *words, stdout=out)
    return out.getvalue().splitlines()


def actions(*words: str) -> list[str]:
    return [json.loads(line)["action"] for line in exported(*words)]


def verified(path: Path, *words: str) -> list[str]:
    out = StringIO()
    call_command("verify_audit", "--file", str(path), *words, stdout=out)
    return out.getvalue().splitlines()


def kept(tmp_path: Path, lines: list[str]) -> Path:
    path = tmp_path / "audit.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_all_of_it_or_one_chain(admin: User) -> None:
    assert sorted(actions()) == ["issue_api_key", "issue_api_key", "sign_out"]
    assert actions("--restaurant", "saffron") == ["issue_api_key", "issue_api_key"]
    assert actions("--restaurant", "installation") == ["sign_out"]
    with pytest.raises(CommandError, match="There is no restaurant blue"):
        exported("--restaurant", "blue")


def test_the_days_that_are_said_and_both_of_them_included(
    restaurant: Restaurant, admin: User, time: ShiftedClock
) -> None:
    today = clock.now().date()
    time.advance(seconds=timedelta(days=2).total_seconds())
    issue_api_key(restaurant=restaurant, mode=Mode.TEST, name="new", scopes=[], by=Actor.user(admin))
    later = clock.now().date()

    def count(*words: object) -> int:
        return len(exported(*map(str, words)))

    assert count("--to", today) == 3
    assert count("--from", later) == 1
    assert count("--from", today, "--to", later) == 4
    assert count("--from", later + timedelta(days=1)) == 0


def test_a_file_is_verified(restaurant: Restaurant, admin: User, tmp_path: Path) -> None:
    lines = exported("--restaurant", "saffron")

    (said,) = verified(kept(tmp_path, lines))

    assert said == f"{restaurant.pk}: entries 1 to 2, the last one sealed {json.loads(lines[1])['seal']}"
    assert verified(kept(tmp_path, [])) == ["No entry is in this file."]


def test_a_file_that_was_changed_fails(admin: User, tmp_path: Path) -> None:
    lines = exported("--restaurant", "saffron")
    path = kept(tmp_path, [lines[0].replace("till", "tilt"), lines[1]])

    with pytest.raises(SystemExit) as ended:
        verified(path, "--json")

    assert ended.value.code == 1


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        verified(tmp_path / "nothing.jsonl")
    with pytest.raises(CommandError, match="--expect looks into the database"):
        verified(kept(tmp_path, []), "--expect", "saffron:1:abc")
