"""Card numbers are recognised however people type them, and what is no card number passes (I18)."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.card_numbers import contains_card_number

# Two cores may be shared by many: how long an example takes says nothing about it.
unhurried = settings(deadline=None)
CARDS = {
    "Visa": "4111111111111111",
    "Visa debit": "4000056655665556",
    "Visa with 13 digits": "4222222222222",
    "Mastercard": "5555555555554444",
    "Mastercard in the 2 series": "2223003122003222",
    "Mastercard prepaid": "5105105105105100",
    "Amex": "378282246310005",
    "Amex corporate": "371449635398431",
    "RuPay": "6074819999999999",
    "RuPay in the 60 series": "6085000000000000",
    "Discover": "6011111111111117",
    "Maestro with 19 digits": "6759649826438453001",
    "Diners": "30569309025904",
    "JCB": "3530111333300000",
}


def luhn_digit(body: str) -> str:
    """The check digit, computed in another way than the code under test does."""
    doubled = [int(digit) * (2 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(body))]
    return str(-sum(sum(divmod(value, 10)) for value in doubled) % 10)


def full_width(text: str) -> str:
    return "".join(chr(ord(letter) + 0xFEE0) if letter.isdigit() else letter for letter in text)


def grouped(number: str, separator: str) -> str:
    return separator.join(number[start : start + 4] for start in range(0, len(number), 4))


WITH_ITS_CHECK_DIGIT = {
    name: number if luhn_digit(number[:-1]) == number[-1] else number[:-1] + luhn_digit(number[:-1])
    for name, number in CARDS.items()
}


@pytest.mark.parametrize("number", WITH_ITS_CHECK_DIGIT.values(), ids=WITH_ITS_CHECK_DIGIT.keys())
@pytest.mark.parametrize(
    "separator",
    ["", " ", "-", ".", "\u00a0", "  ", "\u2013"],
    ids=["plain", "spaces", "dashes", "dots", "nbsp", "two spaces", "en dashes"],
)
def test_a_card_number_is_found_in_every_usual_way_of_writing(number: str, separator: str) -> None:
    written = grouped(number, separator)

    assert contains_card_number(written)
    assert contains_card_number(f"My card is {written}, thank you.")
    assert contains_card_number(full_width(written))


def test_an_amex_number_is_found_in_its_own_groups() -> None:
    assert contains_card_number("3782 822463 10005")


@pytest.mark.parametrize(
    "text",
    [
        "card:4111111111111111",
        "(4111111111111111)",
        "x4111111111111111y",
        "a\n4111111111111111\nb",
        "4111111111111111.",
    ],
)
def test_a_card_number_is_found_between_other_things(text: str) -> None:
    assert contains_card_number(text)


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1111 12/27",
        "4111111111111111 123",
        "3782 822463 10005 1234",
        "Table 4 4111 1111 1111 1111",
        "2 plates, 4111111111111111 12 27 123",
    ],
)
def test_what_stands_beside_a_card_number_does_not_hide_it(text: str) -> None:
    """An expiry date, a security code, a table: people write them together."""
    assert contains_card_number(text)


def test_digits_of_other_scripts_are_digits() -> None:
    assert contains_card_number("४१११ ११११ ११११ ११११")
    assert contains_card_number("٤١١١١١١١١١١١١١١١")


def test_the_second_of_two_numbers_is_found() -> None:
    assert contains_card_number("order 20260301-7, card 4111111111111111")
    assert contains_card_number("no: 4111111111111112; yes: 4111111111111111")


INNOCENT = {
    "nothing": "",
    "words": "Please ring at the second door, not at the first.",
    "an order's reference": "O-4K7M2Q9X",
    "a platform's order id": "ORD-2026-000123-7781",
    "a Razorpay order id": "order_NXhj8a7f2K1mPq",
    "a Swiggy order number": "176543210987",
    "a UPI reference of 12 digits": "UPI ref 412345678901",
    "a UPI id": "9876543210@ybl",
    "an Indian mobile number": "+91 98765 43210",
    "an Indian mobile number in one piece": "919876543210",
    "an Indian landline": "022 2345 6789",
    "two mobile numbers": "98765 43210 / 98765 43211",
    "a GSTIN": "27AAPFU0939F1ZV",
    "a PIN code": "400 001",
    "a UUIDv7": "0195a2f4-7b1c-7d3e-9f21-6c8b4a5d2e10",
    "a UUIDv4": "7f9c24e8-3b12-4fef-91e0-6cde1c5bb0c1",
    "a time": "2026-03-01 12:30:00",
    "a wrong check digit": "4111111111111112",
    "twelve digits": "411111111111",
    "twenty digits": "41111111111111111111",
    "a number that begins with 1": "1111111111111117",
    "a number that begins with 9": "9111111111111111",
    "a number that begins with 0": "0411111111111111",
    "digits in a sentence": "4 plates for 11 people at 11 tables on the 11th, 11 chairs each, call 1111111",
}


@pytest.mark.parametrize("text", INNOCENT.values(), ids=INNOCENT.keys())
def test_what_is_no_card_number_passes(text: str) -> None:
    assert not contains_card_number(text)


bodies = st.integers(min_value=12, max_value=18).flatmap(
    lambda length: st.text(alphabet="0123456789", min_size=length - 1, max_size=length - 1)
)


@unhurried
@given(first=st.sampled_from("23456"), body=bodies, separator=st.sampled_from(["", " ", "-"]))
def test_every_number_with_its_check_digit_is_found_and_with_another_is_not(
    first: str, body: str, separator: str
) -> None:
    number = first + body
    check = luhn_digit(number)

    assert contains_card_number(separator.join(number + check))
    # Where each digit stands alone, a shorter run of them may be a card number of its own: only the solid one is clear.
    assert not contains_card_number(number + str((int(check) + 1) % 10))


@unhurried
@given(st.uuids())
def test_no_uuid_is_a_card_number_whatever_its_digits_add_up_to(made: UUID) -> None:
    assert not contains_card_number(f"Payment {made} failed.")
    assert not contains_card_number(made.hex)


@unhurried
@given(st.text(alphabet="0123456789 -.", max_size=12))
def test_what_has_less_than_13_digits_is_no_card_number(text: str) -> None:
    assert not contains_card_number(text)
