"""`manage.py verify_audit`: prints where each chain has got to, and finds what was changed since an earlier reading."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Restaurant, Role
from accounts.services.keys import issue_api_key
from events.actors import Actor
from events.models import AuditEntry
from kernel.modes import Mode
from tests.events.test_audit import tamper
from tests.factories import RestaurantFactory, staff

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def restaurant() -> Restaurant:
    return RestaurantFactory.create(slug="saffron")


def read(*words: str) -> list[str]:
    out = StringIO()
    call_command("verify_audit", *words, stdout=out)
    return out.getvalue().splitlines()


def found(*words: str) -> list[str]:
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("verify_audit", "--json", *words, stdout=out)
    assert ended.value.code == 1
    wrong: list[str] = json.loads(out.getvalue())["wrong"]
    return wrong


def do_something(restaurant: Restaurant, name: str) -> AuditEntry:
    admin = Actor.user(staff(restaurant, Role.ADMIN))
    issue_api_key(restaurant=restaurant, mode=Mode.TEST, name=name, scopes=["orders:read"], by=admin)
    return AuditEntry.objects.latest("id")


def test_where_nobody_did_anything_it_says_so() -> None:
    assert read() == ["Nobody has done anything yet that is audited."]


def test_it_prints_a_line_to_keep_for_each_chain(restaurant: Restaurant) -> None:
    entry = do_something(restaurant, "till")

    line, summary = read()
    assert line == f"saffron:1:{entry.seal}"
    assert summary.startswith("1 entry read. Keep this somewhere else")


def test_an_earlier_reading_is_still_true_when_more_was_done(restaurant: Restaurant) -> None:
    do_something(restaurant, "till")
    earlier = read()[0]
    do_something(restaurant, "shop")

    assert read("--expect", earlier)[0].startswith("saffron:2:")


def test_an_earlier_reading_finds_a_history_that_was_written_anew(restaurant: Restaurant) -> None:
    do_something(restaurant, "till")
    earlier = read()[0]
    tamper("DELETE FROM events_auditentry; UPDATE events_auditchain SET number = 0, seal = ''")
    do_something(restaurant, "shop")

    assert read()[0].startswith("saffron:1:")
    assert found("--expect", earlier) == ["saffron: entry 1 is not the one that was there."]


def test_it_fails_where_an_entry_was_changed(restaurant: Restaurant) -> None:
    do_something(restaurant, "till")
    tamper("UPDATE events_auditentry SET actor_id = 'somebody else'")

    assert found() == ["saffron: Entry 1 is not what was written, or its neighbour is not."]


@pytest.mark.parametrize("text", ["saffron", "saffron:1", "saffron:one:abc", "saffron:1:"])
def test_what_is_no_reading_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="is no CHAIN:NUMBER:SEAL"):
        read("--expect", text)
