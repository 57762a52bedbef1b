"""Personal data and credentials are stored encrypted, and found by a keyed hash (I18)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography.fernet import Fernet, InvalidToken
from django.db import connection
from django.db.models import Model

from accounts.models import Restaurant
from events.actors import GUEST
from kernel.fields import EncryptedField, SearchHashField, UnreadableText, decrypt, encrypt, keyed_hash, rotated
from kernel.modes import Mode
from kernel.statements import Rewriting
from orders.models import Order
from orders.services import LineDraft, OrderDraft, place_order
from payments.models import ProviderAccount
from tests.factories import ProviderAccountFactory, RestaurantFactory

PHONE = "+91 98765 43210"
KEY_A, KEY_B, KEY_C = (Fernet.generate_key().decode() for _ in range(3))


@pytest.fixture
def restaurant(db: None) -> Restaurant:
    return RestaurantFactory.create()


def order_for(restaurant: Restaurant, **customer: str) -> Order:
    draft = OrderDraft(
        restaurant=restaurant,
        mode=Mode.TEST,
        currency="INR",
        lines=(LineDraft(name="Thali", quantity=1, unit_minor=84_000),),
    )
    return place_order(draft=replace(draft, customer=customer), actor=GUEST)


def in_the_table(row: Model, column: str) -> Any:
    """What PostgreSQL itself holds."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM {row._meta.db_table} WHERE id = %s", [row.pk])  # noqa: S608  Our names.
        return cursor.fetchone()[0]


def test_the_table_holds_no_plain_text_and_the_model_gives_it_back(restaurant: Restaurant) -> None:
    order = order_for(restaurant, name="Asha Rao", phone=PHONE, email="asha@example.com")

    for column, plain in (
        ("customer_name", "Asha Rao"),
        ("customer_phone", PHONE),
        ("customer_email", "asha@example.com"),
    ):
        stored = in_the_table(order, column)
        assert stored.startswith("gAAAA")
        assert not any(part in stored for part in plain.split())
        assert getattr(Order.objects.get(), column) == plain


def test_equal_texts_are_stored_differently(restaurant: Restaurant) -> None:
    first, second = order_for(restaurant, phone=PHONE), order_for(restaurant, phone=PHONE)

    assert in_the_table(first, "customer_phone") != in_the_table(second, "customer_phone")
    assert in_the_table(first, "customer_phone_hash") == in_the_table(second, "customer_phone_hash")


@pytest.mark.parametrize("text", ["x", "नमस्ते", "a" * 200, "line\nline", "'; DROP TABLE orders_order; --"])
def test_any_text_comes_back_as_it_went_in(restaurant: Restaurant, text: str) -> None:
    order_for(restaurant, name=text)

    assert Order.objects.get().customer_name == text


def test_nothing_there_stays_nothing(restaurant: Restaurant) -> None:
    order = order_for(restaurant)

    assert in_the_table(order, "customer_name") == ""
    assert in_the_table(order, "customer_phone_hash") == ""
    assert Order.objects.get().customer_name == ""
    assert keyed_hash("   ") == ""


def test_credentials_are_an_object_outside_and_cipher_text_inside(restaurant: Restaurant) -> None:
    secret = {"api_key": "sk_test_4eC39HqLyjWDarjtT1zdp7dc", "webhook_secrets": ["whsec_1", "whsec_2"]}

    account = ProviderAccountFactory.create(restaurant=restaurant, provider="a", credentials=secret)

    stored = in_the_table(account, "credentials")
    assert "sk_test" not in stored
    assert "whsec" not in stored
    assert ProviderAccount.objects.get().credentials == secret
    ProviderAccount.objects.update(credentials={})
    assert in_the_table(account, "credentials") == ""
    assert ProviderAccount.objects.get().credentials == {}


def test_the_first_key_encrypts_and_every_key_decrypts(settings: Any) -> None:
    settings.STEWARD_FIELD_KEYS = (KEY_A,)
    old = encrypt(PHONE)

    settings.STEWARD_FIELD_KEYS = (KEY_B, KEY_A)
    new = encrypt(PHONE)

    assert decrypt(old) == decrypt(new) == PHONE
    assert Fernet(KEY_B).decrypt(new.encode()).decode() == PHONE
    with pytest.raises(InvalidToken):
        Fernet(KEY_A).decrypt(new.encode())


def test_after_a_rotation_the_old_key_may_be_thrown_away(restaurant: Restaurant, settings: Any) -> None:
    settings.STEWARD_FIELD_KEYS = (KEY_A,)
    order = order_for(restaurant, phone=PHONE)
    settings.STEWARD_FIELD_KEYS = (KEY_B, KEY_A)
    assert Order.objects.get().customer_phone == PHONE

    with connection.cursor() as cursor:
        moved = rotated(in_the_table(order, "customer_phone"))
        cursor.execute("UPDATE orders_order SET customer_phone = %s WHERE id = %s", [moved, order.pk])
    settings.STEWARD_FIELD_KEYS = (KEY_B,)

    assert Order.objects.get().customer_phone == PHONE


def test_a_lost_key_and_a_changed_cipher_text_are_unreadable_and_not_empty_texts(
    restaurant: Restaurant, settings: Any
) -> None:
    settings.STEWARD_FIELD_KEYS = (KEY_A,)
    order = order_for(restaurant, phone=PHONE)
    settings.STEWARD_FIELD_KEYS = (KEY_C,)
    assert isinstance(Order.objects.get().customer_phone, UnreadableText)

    settings.STEWARD_FIELD_KEYS = (KEY_A,)
    stored = in_the_table(order, "customer_phone")
    with connection.cursor() as cursor:
        forged = stored[:-10] + ("A" if stored[-10] != "A" else "B") + stored[-9:]
        cursor.execute("UPDATE orders_order SET customer_phone = %s WHERE id = %s", [forged, order.pk])
    assert isinstance(Order.objects.get().customer_phone, UnreadableText)


def test_what_cannot_be_read_is_written_back_as_it_was_and_is_found_as_before(
    restaurant: Restaurant, settings: Any
) -> None:
    """A row whose key is missing is settled like any other, and readable again when the key is there again."""
    settings.STEWARD_FIELD_KEYS = (KEY_A,)
    order = order_for(restaurant, phone=PHONE)
    account = ProviderAccountFactory.create(restaurant=restaurant, provider="a", credentials={"till": "left"})

    settings.STEWARD_FIELD_KEYS = (KEY_C,)
    Order.objects.get().save()
    Rewriting(ProviderAccount).write(ProviderAccount.objects.get(pk=account.pk))

    settings.STEWARD_FIELD_KEYS = (KEY_A,)
    assert Order.objects.get(customer_phone_hash=keyed_hash(PHONE)) == order
    assert Order.objects.get().customer_phone == PHONE
    assert ProviderAccount.objects.get(pk=account.pk).credentials == {"till": "left"}


def test_credentials_that_were_read_before_are_not_given_without_their_key(
    restaurant: Restaurant, settings: Any
) -> None:
    settings.STEWARD_FIELD_KEYS = (KEY_A,)
    account = ProviderAccountFactory.create(restaurant=restaurant, provider="a", credentials={"till": "left"})
    known = ProviderAccount.objects.get(pk=account.pk).credentials
    known["till"] = "changed by whoever got it"

    assert ProviderAccount.objects.get(pk=account.pk).credentials == {"till": "left"}
    settings.STEWARD_FIELD_KEYS = (KEY_C,)
    assert ProviderAccount.objects.get(pk=account.pk).credentials == {}


@pytest.mark.parametrize("lookup", ["", "__exact", "__iexact", "__in", "__contains", "__startswith", "__gt", "__regex"])
def test_a_search_in_cipher_text_is_refused_instead_of_finding_nothing(restaurant: Restaurant, lookup: str) -> None:
    value: Any = [PHONE] if lookup == "__in" else PHONE

    with pytest.raises(TypeError, match=r"customer_phone is encrypted\. Search by its keyed hash\."):
        Order.objects.filter(**{f"customer_phone{lookup}": value})
    with pytest.raises(TypeError, match="credentials is encrypted"):
        ProviderAccount.objects.filter(**{f"credentials{lookup}": value})


def test_whether_there_is_a_text_may_be_asked(restaurant: Restaurant) -> None:
    order_for(restaurant, phone=PHONE)

    assert Order.objects.filter(customer_phone__isnull=False).count() == 1


def test_a_person_is_found_by_the_keyed_hash_however_it_was_typed(restaurant: Restaurant) -> None:
    order = order_for(restaurant, email=" Asha@Example.com ")
    order_for(restaurant, email="ravi@example.com")

    assert Order.objects.get(customer_email_hash=keyed_hash("asha@example.COM")) == order
    assert Order.objects.filter(customer_email_hash=keyed_hash("asha@example.co")).count() == 0


def test_the_hash_follows_its_neighbour_at_every_save(restaurant: Restaurant) -> None:
    order = order_for(restaurant, phone=PHONE)
    assert in_the_table(order, "customer_phone_hash") == keyed_hash(PHONE)

    order.customer_phone = "+91 90000 00000"
    order.save()
    assert in_the_table(order, "customer_phone_hash") == keyed_hash("+91 90000 00000")

    order.customer_phone = ""
    order.save()
    assert in_the_table(order, "customer_phone_hash") == ""
    assert order.customer_phone_hash == ""


def test_nobody_writes_the_hash_by_hand(restaurant: Restaurant) -> None:
    order = order_for(restaurant, phone=PHONE)

    order.customer_phone_hash = "0" * 64
    order.save()

    assert in_the_table(order, "customer_phone_hash") == keyed_hash(PHONE)


def test_the_hash_is_useless_without_its_key(settings: Any) -> None:
    with_one = keyed_hash(PHONE)
    settings.STEWARD_HASH_KEY = "another-hash-key-for-this-test-alone"

    assert keyed_hash(PHONE) != with_one
    assert len(with_one) == 64


def test_a_migration_rebuilds_the_fields_from_their_own_description() -> None:
    _, path, arguments, options = Order._meta.get_field("customer_phone_hash").deconstruct()

    assert (path, arguments, options) == ("kernel.fields.SearchHashField", [], {"source": "customer_phone"})
    rebuilt = SearchHashField(*arguments, **options)
    assert (rebuilt.source, rebuilt.max_length, rebuilt.editable) == ("customer_phone", 64, False)
    assert isinstance(Order._meta.get_field("customer_phone"), EncryptedField)
