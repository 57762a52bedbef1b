"""Nothing that looks like a card, a secret or a person leaves; ids, amounts and links do; everything is bounded."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.card_numbers import contains_card_number, is_luhn_valid
from payments.gateways.redaction import (
    ADDRESS,
    CARD,
    CUT,
    MAX_MESSAGE_LENGTH,
    MAX_TEXT_LENGTH,
    MAX_TOTAL_LENGTH,
    PHONE,
    REDACTED,
    redact,
    redact_next_step,
    redact_text,
    storable_reference,
)

# The test numbers of Visa, Mastercard (both ranges), American Express, RuPay, Discover, Diners, Maestro (19 digits).
CARDS = [
    "4111111111111111",
    "4222222222222",
    "5555555555554444",
    "2223003122003222",
    "378282246310005",
    "6073849700004947",
    "6011111111111117",
    "30569309025904",
    "6799990100000000019",
]


def with_check_digit(body: str) -> str:
    return next(body + digit for digit in "0123456789" if is_luhn_valid(body + digit))


card_numbers = st.builds(
    lambda first, rest: with_check_digit(first + rest),
    st.sampled_from("23456"),
    st.text("0123456789", min_size=11, max_size=17),
)


@pytest.mark.parametrize("card", CARDS)
@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "Card {} was declined.",
        "pan={}",
        "PAN{}x",
        '{{"n":"{}"}}',
        "{} 12/28",
        "{} 12",
        "{}, {}",
        "1 {}",
        "(5) {}",
    ],
)
def test_card_numbers_are_masked_wherever_they_stand(card: str, text: str) -> None:
    said = text.format(card, card)
    assert card not in redact_text(said)
    assert CARD in redact_text(said)
    assert card not in json.dumps(redact({"a": [{"b": said}]}))


@given(card=card_numbers, separator=st.sampled_from(["", " ", "-", "  ", " - "[:2], ".", "\u2011", "\u00a0"]))
def test_separators_hide_no_card(card: str, separator: str) -> None:
    groups = [card[start : start + 4] for start in range(0, len(card), 4)]
    assert redact_text(f"Card {separator.join(groups)} declined") == f"Card {CARD} declined"


@given(card=card_numbers)
def test_full_width_digits_hide_no_card(card: str) -> None:
    wide = card.translate({ord("0") + digit: 0xFF10 + digit for digit in range(10)})
    assert redact_text(wide) == CARD


@given(card=card_numbers, before=st.text(max_size=30), after=st.text(max_size=30))
def test_surroundings_hide_no_card(card: str, before: str, after: str) -> None:
    """Letters on either side do not; more digits make it another number."""
    assert card not in redact_text(f"{before}x{card}x{after}")


@given(card=card_numbers)
def test_numbers_are_cards_too(card: str) -> None:
    assert redact({"value": int(card)}) == {"value": CARD}
    assert redact({"value": [int(card)]}) == {"value": [CARD]}


@given(body=card_numbers)
def test_a_wrong_check_digit_is_no_card(body: str) -> None:
    wrong = body[:-1] + str((int(body[-1]) + 1) % 10)
    assert not contains_card_number(wrong)
    assert contains_card_number(body)


@given(number=st.integers(min_value=10**19, max_value=10**40))
def test_longer_numbers_are_no_cards(number: int) -> None:
    assert redact_text(f"ARN {number}") == f"ARN {number}"


@given(st.uuids(version=None))
def test_uuids_survive_everywhere(value: uuid.UUID) -> None:
    for text in (str(value), value.hex, str(value).upper()):
        assert redact_text(f"Attempt {text} failed.") == f"Attempt {text} failed."
        assert redact({"anything": text}) == {"anything": text}


@pytest.mark.parametrize(
    "name", ["id", "payment_id", "orderId", "rrn", "receipt", "reference", "mihpayid", "key", "utr"]
)
def test_reference_fields_survive_although_their_digits_add_up(name: str) -> None:
    for value in ("4111111111111111", 4111111111111111, "9876543210", "pay_29QQoUBi66xm2f"):
        assert redact({name: value}) == {name: value}
    assert storable_reference("4111111111111111") == "4111111111111111"


@pytest.mark.parametrize(
    "name",
    [
        *("authorization", "Authorization", "proxy-authorization", "client_secret", "clientSecret", "webhookSecret"),
        *("access_token", "token", "cvc", "cvv", "CVV2", "cardCvv", "pan", "PAN", "number", "card_number"),
        *("cardNumber", "cardnumber", "accountNumber", "razorpay_signature", "X-Signature", "password", "passwd"),
        *("api_key", "apiKey", "x-api-key", "APIKey", "private_key", "otp", "pin", "cookie", "Set-Cookie"),
        *("email", "customer_email", "phone", "mobile", "contact", "vpa", "billing_address", "customer_name"),
    ],
)
@pytest.mark.parametrize("value", ["abc", 123, {"deep": ["abc"]}, ["abc"]])
def test_fields_that_sound_secret_or_personal_are_taken_whole(name: str, value: Any) -> None:
    assert redact({"list": [{name: value}]}) == {"list": [{name: REDACTED}]}


@pytest.mark.parametrize(
    "field",
    [
        *({"amount": 84000}, {"currency": "INR"}, {"status": "captured"}, {"created_at": 1767268800}),
        *({"company": "Panther"}, {"order_number": "12"}, {"table_number": "7"}, {"contact_id": "cont_1"}),
        *({"cvc_present": True}, {"token": None}, {"name": "Thali"}, {"invoice": {"number": "INV-1"}}),
        *({"network": "Visa"}, {"last4": "1111"}, {"bank": "HDFC"}, {"time": "2026-01-01T12:00:00.123456Z"}),
        *({"milliseconds": 1767268800123}, {"rate": 0.02}, {"sha256": "4111111111111111" * 4}),
    ],
)
def test_ordinary_fields_survive(field: dict[str, Any]) -> None:
    assert redact(field) == field


def test_names_of_people_go_where_people_are_meant() -> None:
    assert redact({"card": {"name": "Ravi", "type": "debit"}}) == {"card": {"name": REDACTED, "type": "debit"}}


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("mail ravi.k+pay@mail.example.com now", f"mail {ADDRESS} now"),
        ("paid by 9876543210@ybl", f"paid by {ADDRESS}"),
        ("call +91 98765 43210.", f"call {PHONE}."),
        ("call +1 (555) 123-4567", f"call {PHONE}"),
        ("call 98765 43210", f"call {PHONE}"),
        ("call 09876543210", f"call {PHONE}"),
        ("order_9876543210 of 2026-01-01, 84000 paise", "order_9876543210 of 2026-01-01, 84000 paise"),
        ("9876543210.50", "9876543210.50"),
        ("Authorization: Bearer abc123def", f"Authorization: {REDACTED} {REDACTED}"),
        ("used sk_live_abc123 here", f"used {REDACTED} here"),
        ("whsec_abc", REDACTED),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", REDACTED),
        ("https://key:word@api.example/v1", f"https://{REDACTED}@api.example/v1"),
        ("?id=7&access_token=abc&x=1", f"?id=7&access_token={REDACTED}&x=1"),
        ('{"cvv": "123", "x": 1}', f'{{"cvv": "{REDACTED}", "x": 1}}'),
        ("basic authentication failed", "basic authentication failed"),
        ("The token expired.", "The token expired."),
    ],
)
def test_free_text(text: str, clean: str) -> None:
    assert redact_text(text) == clean


@given(
    name=st.from_regex(r"[a-z]{1,10}", fullmatch=True), domain=st.from_regex(r"[a-z]{1,10}\.[a-z]{2,4}", fullmatch=True)
)
def test_mail_addresses_never_survive(name: str, domain: str) -> None:
    assert f"{name}@{domain}" not in json.dumps(redact({"id": f"x {name}@{domain} y", "note": [f"<{name}@{domain}>"]}))


def test_keys_are_read_too() -> None:
    assert redact({"4111111111111111": "x", "a@example.com": "y"}) == {CARD: "x", ADDRESS: "y"}


# What a guest needs to pay is not broken.


@pytest.mark.parametrize(
    "step",
    [
        {"kind": "redirect", "url": "https://www.paypal.com/checkoutnow?token=5O190127TN364715T"},
        {"kind": "upi", "intent": "upi://pay?pa=shop@okaxis&am=840.00&tr=4111111111111111"},
        {"kind": "qr", "qr": "4111111111111111"},
        {"kind": "picture", "image": "data:image/png;base64," + "A" * 9000},
        {"kind": "cash", "table_number": "12"},
    ],
)
def test_next_steps_survive(step: dict[str, str]) -> None:
    assert redact_next_step(step) == step


def test_secrets_and_cards_in_next_steps_do_not() -> None:
    step = {"client_secret": "pi_1_secret_2", "text": "Use 4111 1111 1111 1111", "url": "x" * 20_000}
    assert redact_next_step(step) == {"client_secret": REDACTED, "text": f"Use {CARD}", "url": CUT}


# Bounds.

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=200) | card_numbers,
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=20), inner, max_size=8),
    max_leaves=40,
)


@settings(max_examples=100, deadline=None)
@given(raw=st.dictionaries(st.text(max_size=30), json_values, max_size=20))
def test_whatever_comes_in_storable_json_of_bounded_size_comes_out(raw: dict[str, Any]) -> None:
    text = json.dumps(redact(raw), allow_nan=False, ensure_ascii=False)
    assert "\\u0000" not in text
    text.encode()  # No half of a surrogate pair.
    assert len(text) < 2 * MAX_TOTAL_LENGTH


@given(text=st.text(max_size=200) | st.from_regex(r"([a-z@:=+ .-]|\d{4,16})*", fullmatch=True))
def test_what_is_redacted_already_stays_as_it_is(text: str) -> None:
    once = redact_text(text)
    assert redact_text(once) == once


def nested(depth: int, width: int) -> Any:
    return {str(number): nested(depth - 1, width) for number in range(width)} if depth else "x" * 50


@pytest.mark.parametrize(
    "raw",
    [
        nested(5, 8),
        {"list": [[]] * 100_000},
        {"list": [4111111111111111] * 100_000},
        {str(number): {} for number in range(100_000)},
        {"k" * 10_000 + str(number): 1 for number in range(1000)},
        {"text": "x" * 10_000_000},
        {"a": ["4 " * 130_000, "+1" * 130_000, "x-" * 130_000, "a" * 260_000, "a@" * 130_000, "=" * 260_000] * 20},
    ],
)
def test_large_answers_become_small_and_quickly(raw: dict[str, Any]) -> None:
    started = time.thread_time()  # What it works, whatever else the machine is doing.
    assert len(json.dumps(redact(raw))) < 2 * MAX_TOTAL_LENGTH
    assert time.thread_time() - started < 0.5


def test_depth_lists_and_texts_say_that_they_were_cut() -> None:
    deep: dict[str, Any] = {}
    for _ in range(2000):
        deep = {"in": deep}
    assert CUT in json.dumps(redact(deep))
    circle: dict[str, Any] = {}
    circle["in"] = circle
    assert CUT in json.dumps(redact(circle))
    assert redact({"list": list(range(150))})["list"][-1] == f"{CUT} 50"
    assert redact({str(number): number for number in range(150)})[CUT] == 50
    assert len(redact({"text": "x" * 5000})["text"]) == MAX_TEXT_LENGTH
    assert len(redact_text("x" * 5000)) == MAX_MESSAGE_LENGTH


@given(card=card_numbers, start=st.integers(MAX_MESSAGE_LENGTH - 80, MAX_MESSAGE_LENGTH + 80), masked=st.booleans())
def test_a_cut_leaves_no_half_of_a_card(card: str, start: int, masked: bool) -> None:
    filler = "mail a@example.com . " * 40 if masked else "x " * 400
    text = f"{filler[:start]} x{card} {'y ' * 300}"
    assert not any(digit in redact_text(text) for digit in "0123456789")


def test_things_that_are_no_json_are_named_and_not_printed() -> None:
    class Secretive:
        def __str__(self) -> str:
            return "4111111111111111"

    assert redact({"a": Secretive(), "b": b"4111111111111111", "c": {1, 2}, "d": (1, "x")}) == {
        "a": "[Secretive]",
        "b": "[bytes]",
        "c": "[set]",
        "d": [1, "x"],
    }


def test_references_lose_only_what_no_column_takes() -> None:
    assert storable_reference("pay\x00_\ud800" + "1" * 300) == "pay\ufffd_\ufffd" + "1" * 249
