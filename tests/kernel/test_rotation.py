"""A new key for everything that is encrypted, while everybody works."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pgtrigger
import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from pytest_django.fixtures import Settings

from accounts.models import Restaurant, Role
from events.actors import GUEST, SYSTEM
from events.services import Journal
from failures.models import Case, CaseFile, CaseNote
from failures.services.papers import add_file, add_note
from kernel.modes import Mode
from kernel.rotation import Column, rotate_keys
from orders.models import Order
from orders.services import LineDraft, OrderDraft, place_order
from payments.models import CredentialChange, ProviderAccount
from payments.services import providers
from payments.services.facts import PaymentEvent
from tests.factories import ProviderAccountFactory, RestaurantFactory, accepted, order_of, routed, staff
from tests.failures.test_services import happened
from tests.scripted import ScriptedGateway, provider_of

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))
CREDENTIALS: Any = {"api_key": "a-key-that-waits-for-two"}
PHONE = "+91 98765 43210"
FILES = "failures.CaseFile.content"


@pytest.fixture
def restaurant(transactional_db: None, settings: Settings) -> Restaurant:
    settings.STEWARD_FIELD_KEYS = (OLD,)
    return RestaurantFactory.create()


def order_for(restaurant: Restaurant) -> Order:
    draft = OrderDraft(
        restaurant=restaurant,
        mode=Mode.TEST,
        currency="INR",
        lines=(LineDraft(name="Thali", quantity=1, unit_minor=84_000),),
        customer={"phone": PHONE},
    )
    return place_order(draft=draft, actor=GUEST)


def rotated() -> dict[str, Column]:
    return {column.name: column for column in rotate_keys(told=lambda _: None)}


def stored(table: str, column: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM {table}")  # noqa: S608  Names of ours.
        return cursor.fetchone()[0]


def test_everything_is_under_the_new_key_and_says_what_it_said(restaurant: Restaurant, settings: Settings) -> None:
    order = order_for(restaurant)
    settings.STEWARD_FIELD_KEYS = (NEW, OLD)

    columns = rotated()
    settings.STEWARD_FIELD_KEYS = (NEW,)

    assert columns["orders.Order.customer_phone"].written == 1
    assert Order.objects.get(pk=order.pk).customer_phone == PHONE


def test_a_second_time_there_is_nothing_to_do(restaurant: Restaurant, settings: Settings) -> None:
    order_for(restaurant)
    settings.STEWARD_FIELD_KEYS = (NEW, OLD)
    rotated()
    before = stored("orders_order", "customer_phone")

    assert sum(column.written for column in rotated().values()) == 0
    assert stored("orders_order", "customer_phone") == before


def test_what_nobody_may_change_is_written_anew_all_the_same(
    restaurant: Restaurant, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Notes, files and credentials that wait: their words stay, and so do their guards."""
    monkeypatch.setitem(providers.PROVIDERS, "a", provider_of(ScriptedGateway()))
    finance = staff(restaurant, Role.FINANCE)
    (account,) = routed(restaurant, "a")
    happened(PaymentEvent.CONTRADICTED, accepted(order_of(restaurant)))
    case = Case.objects.get()
    add_note(case_id=case.pk, person=finance, text="Called the bank.")
    add_file(case_id=case.pk, person=finance, name="letter.csv", content=b"amount,1\n")
    _waits(account)
    settings.STEWARD_FIELD_KEYS = (NEW, OLD)

    columns = rotated()
    settings.STEWARD_FIELD_KEYS = (NEW,)

    assert CaseNote.objects.get().text == "Called the bank."
    assert CaseFile.objects.get().content == b"amount,1\n"
    assert CredentialChange.objects.get().credentials == CREDENTIALS
    assert columns[FILES].written == 1
    with pytest.raises(DatabaseError, match="Cannot update"):
        CaseNote.objects.update(text="Never called.")
    with pytest.raises(DatabaseError, match="Cannot update"):
        CredentialChange.objects.update(credentials={"api_key": "of somebody else"})


def test_of_a_live_account_they_are_written_anew_without_anybodys_consent(
    restaurant: Restaurant, settings: Settings
) -> None:
    """They mean what two people agreed to."""
    with pgtrigger.ignore(), transaction.atomic():
        live = ProviderAccountFactory.create(
            restaurant=restaurant, mode=Mode.LIVE, provider="a", label="live", credentials=CREDENTIALS
        )
    settings.STEWARD_FIELD_KEYS = (NEW, OLD)

    columns = rotated()
    settings.STEWARD_FIELD_KEYS = (NEW,)

    assert columns["payments.ProviderAccount.credentials"].written == 1
    assert ProviderAccount.objects.get(pk=live.pk).credentials == CREDENTIALS


def _waits(account: ProviderAccount) -> None:
    with transaction.atomic():
        change = CredentialChange(
            restaurant_id=account.restaurant_id,
            mode=account.mode,
            account=account,
            credentials=CREDENTIALS,
            reason="Rotated.",
        )
        change.save(force_insert=True)
        journal = Journal(SYSTEM)
        journal.created(change, reason="Rotated.")
        journal.write()


def test_what_no_key_reads_is_told_and_left_as_it_is(restaurant: Restaurant, settings: Settings) -> None:
    order_for(restaurant)
    settings.STEWARD_FIELD_KEYS = (NEW,)
    before = stored("orders_order", "customer_phone")

    with pytest.raises(CommandError, match="1 values are read by none of the keys"):
        call_command("rotate_keys", stdout=StringIO())
    assert stored("orders_order", "customer_phone") == before


def test_more_rows_than_a_batch_are_all_written(
    restaurant: Restaurant, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kernel.rotation.BATCH", 2)
    for _ in range(5):
        order_for(restaurant)
    settings.STEWARD_FIELD_KEYS = (NEW, OLD)

    assert rotated()["orders.Order.customer_phone"].written == 5


@pytest.mark.parametrize(("most", "batches"), [(60_000, [2, 4, 5]), (1, [1, 2, 3, 4, 5])])
def test_large_values_are_read_a_few_at_a_time(
    restaurant: Restaurant, settings: Settings, monkeypatch: pytest.MonkeyPatch, most: int, batches: list[int]
) -> None:
    """One that is larger than a batch may be is a batch of its own."""
    case = _case_with_files(restaurant, monkeypatch, 5)
    monkeypatch.setattr("kernel.rotation.BATCH_BYTES", most)
    settings.STEWARD_FIELD_KEYS = (NEW, OLD)
    seen = []

    for _ in rotate_keys(told=lambda column: seen.append(column.written) if column.name == FILES else None):
        pass
    settings.STEWARD_FIELD_KEYS = (NEW,)

    assert seen == batches
    assert sorted(file.content for file in case.files.all()) == [_large(number) for number in range(5)]


def test_whoever_dies_between_two_batches_has_written_the_first(
    restaurant: Restaurant, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = _case_with_files(restaurant, monkeypatch, 5)
    monkeypatch.setattr("kernel.rotation.BATCH_BYTES", 60_000)
    settings.STEWARD_FIELD_KEYS = (NEW, OLD)

    def die(column: Column) -> None:
        if column.name == FILES:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(rotate_keys(told=die))
    settings.STEWARD_FIELD_KEYS = (NEW,)
    assert sum(file.content != b"" for file in case.files.all()) == 2
    settings.STEWARD_FIELD_KEYS = (NEW, OLD)

    assert rotated()[FILES].written == 3
    settings.STEWARD_FIELD_KEYS = (NEW,)
    assert sorted(file.content for file in case.files.all()) == [_large(number) for number in range(5)]


def _case_with_files(restaurant: Restaurant, monkeypatch: pytest.MonkeyPatch, count: int) -> Case:
    monkeypatch.setitem(providers.PROVIDERS, "a", provider_of(ScriptedGateway()))
    routed(restaurant, "a")
    happened(PaymentEvent.CONTRADICTED, accepted(order_of(restaurant)))
    case = Case.objects.get()
    finance = staff(restaurant, Role.FINANCE)
    for number in range(count):
        add_file(case_id=case.pk, person=finance, name="book.csv", content=_large(number))
    return case


def _large(number: int) -> bytes:
    """20,000 bytes: encrypted 26,764."""
    return b"%d,thali\n" % number * 2_500
