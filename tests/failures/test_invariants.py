"""Each invariant bites: the database is broken behind everybody's back, and the check names the row."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection

from failures.invariants import INVARIANTS, MAX_OVERDUE_SECONDS
from failures.invariants.questions import Invariant
from failures.models import Case
from kernel import clock
from payments.models import Payment
from payments.services import providers
from payments.services.timing import MAX_CLAIMS
from tests.failures.breaks import BREAKS, overdue
from tests.failures.world import World, make_world, run, update
from tests.scripted import ScriptedGateway, provider_of

TABLES = (
    *("orders_order", "payments_payment", "payments_attempt", "payments_refund", "failures_case"),
    *("failures_bulkrun", "failures_bulkstep", "accounts_approval", "payments_credentialchange"),
    *("events_event", "events_transition", "events_auditentry"),
)


@pytest.fixture
def world(db: None, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setitem(providers.PROVIDERS, "a", provider_of(ScriptedGateway()))
    return make_world()


@contextmanager
def _behind_everybodys_back() -> Iterator[None]:
    """Our triggers are off, as a careless migration or a superuser at a console would have them."""
    for table in TABLES:
        run(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    yield
    run("SET CONSTRAINTS ALL IMMEDIATE")
    for table in TABLES:
        run(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def checked(*, now_json: bool = True) -> tuple[int, str]:
    """The command's exit code and what it printed."""
    said = io.StringIO()
    try:
        call_command("check_invariants", json=now_json, stdout=said)
    except SystemExit as exit_:
        return int(str(exit_.code)), said.getvalue()
    return 0, said.getvalue()


@pytest.mark.parametrize(
    ("number", "sentence", "harm"),
    [pytest.param(*each, id=f"{each[0]} {each[1][:30]} {n}") for n, each in enumerate(BREAKS)],
)
def test_an_invariant_bites_and_names_the_row(
    world: World, number: str, sentence: str, harm: Callable[[World], str]
) -> None:
    assert checked()[0] == 0

    with _behind_everybodys_back():
        row = harm(world)
    code, said = checked()

    found = [offence for offence in json.loads(said)["offences"] if offence["sentence"].startswith(sentence)]
    assert code == 1
    assert {(offence["invariant"], offence["row"]) for offence in found} == {(number, row)}
    assert found[0]["what"]


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("harm", ["DISABLE TRIGGER USER", "DROP"])
def test_a_missing_trigger_is_an_offence_of_its_table(world: World, table: str, harm: str) -> None:
    if harm == "DROP":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND tgname LIKE %s",
                [table, "%immutable%" if table.startswith("events_") else "%never_deleted%"],
            )
            harm = f"DROP TRIGGER {cursor.fetchone()[0]} ON {table}"
            cursor.execute(harm)
    else:
        run(f"ALTER TABLE {table} {harm}")

    code, said = checked()

    assert code == 1
    assert {(each["invariant"], each["row"]) for each in json.loads(said)["offences"]} == {("I19", table)}


def test_every_invariant_is_broken_somewhere_above() -> None:
    def is_broken(invariant: Invariant) -> bool:
        return any(invariant.id == number and invariant.sentence.startswith(start) for number, start, _ in BREAKS)

    assert [invariant.sentence for invariant in INVARIANTS if not is_broken(invariant)] == [
        "The triggers that protect money rows, and what is written once, are there and enabled."
    ]


def test_a_sound_database_is_said_to_be_sound(world: World) -> None:
    code, said = checked()

    assert code == 0
    assert json.loads(said) == {"checked": len(INVARIANTS), "offences": []}
    assert checked(now_json=False) == (0, f"{len(INVARIANTS)} invariants checked, 0 rows offend.\n")


def test_an_empty_database_is_sound(db: None) -> None:
    assert checked()[0] == 0


def test_for_people_the_row_and_the_sentence_are_on_one_line(world: World) -> None:
    with _behind_everybodys_back():
        update(world.refund, "status = 'processing'")

    code, said = checked(now_json=False)

    assert code == 1
    line, summary = said.splitlines()
    assert line.startswith(f"I13  {world.refund.pk}  processing, but the history ends at requested")
    assert summary == f"{len(INVARIANTS)} invariants checked, 1 rows offend."


@pytest.mark.parametrize(("late", "offends"), [(MAX_OVERDUE_SECONDS - 5, False), (MAX_OVERDUE_SECONDS + 5, True)])
def test_an_action_may_be_a_minute_late(world: World, late: int, offends: bool) -> None:
    at = clock.now() - timedelta(seconds=late)
    Payment.objects.filter(pk=world.doubtful.payment_id).update(next_action_at=at, lease_until=None)

    assert checked()[0] == int(offends)


def test_a_payment_that_somebody_holds_is_not_overdue(world: World) -> None:
    overdue(world.doubtful.payment)
    Payment.objects.filter(pk=world.doubtful.payment_id).update(lease_until=clock.now() + timedelta(seconds=30))

    assert checked()[0] == 0


def test_a_payment_with_an_open_case_may_stand_still(world: World) -> None:
    assert Case.objects.filter(payment=world.mismatched.payment_id).count() == 1
    assert Payment.objects.get(pk=world.mismatched.payment_id).next_action_at is None

    assert checked()[0] == 0


def test_a_row_may_be_claimed_once_more_where_its_last_worker_was_killed_before_it_set_it_aside(world: World) -> None:
    Payment.objects.filter(pk=world.doubtful.payment_id).update(claims=2 * MAX_CLAIMS)

    assert checked()[0] == 0
