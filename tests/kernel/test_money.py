"""Money is whole minor units and a currency: it parses and shows them, and never rounds."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.money import MAX_MINOR, Money, is_currency, minor_digits

# Two cores may be shared by many: how long an example takes says nothing about it.
unhurried = settings(deadline=None)
amounts = st.integers(min_value=0, max_value=MAX_MINOR)
any_amount = st.integers(min_value=-MAX_MINOR, max_value=MAX_MINOR)
currencies = st.sampled_from(["INR", "USD", "EUR", "GBP", "AED", "JPY", "KRW", "KWD", "BHD", "TND"])


@pytest.mark.parametrize("amount", [840.0, 0.1, True, False, "840", Decimal(840), None])
def test_only_a_whole_number_is_an_amount(amount: Any) -> None:
    with pytest.raises(TypeError, match="whole number of minor units"):
        Money(amount, "INR")


@pytest.mark.parametrize("code", ["", "inr", "INR ", "RUPEES", "XXZ", "₹", "12"])
def test_only_an_iso_code_is_a_currency(code: str) -> None:
    assert not is_currency(code)
    with pytest.raises(ValueError, match="not an ISO 4217 currency code"):
        Money(1, code)


@pytest.mark.parametrize(
    ("currency", "digits"), [("INR", 2), ("USD", 2), ("EUR", 2), ("JPY", 0), ("KRW", 0), ("KWD", 3), ("BHD", 3)]
)
def test_a_currency_has_its_own_number_of_decimals(currency: str, digits: int) -> None:
    assert minor_digits(currency) == digits


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("840", "INR", 84_000),
        ("840.5", "INR", 84_050),
        ("840.50", "INR", 84_050),
        (" 840.05 ", "INR", 84_005),
        ("0", "INR", 0),
        ("0.01", "INR", 1),
        ("840.500", "INR", 84_050),
        ("840", "JPY", 840),
        ("840.0", "JPY", 840),
        ("1.234", "KWD", 1_234),
        ("1.2", "KWD", 1_200),
    ],
)
def test_what_a_person_types_is_read_to_the_minor_unit(text: str, currency: str, minor: int) -> None:
    assert Money.parse(text, currency) == Money(minor, currency)


@pytest.mark.parametrize(
    ("text", "currency"), [("840.505", "INR"), ("840.001", "INR"), ("840.5", "JPY"), ("1.2345", "KWD")]
)
def test_too_many_decimals_are_refused_and_not_rounded(text: str, currency: str) -> None:
    with pytest.raises(ValueError, match=f"{currency} has {minor_digits(currency)} decimals"):
        Money.parse(text, currency)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "-5",
        "+5",
        "1_000",
        "8 40",
        "840.",
        ".5",
        "1.23456",
        "12345678901234",
        "1e3",
        "0x10",
        "NaN",
        "Infinity",
        "1.000,50",
        "1,50",
        "1,00,00",
        "1,0000",
        "1000,000",
        ",500",
        "1,,000",
        "₹ 8 40",
        "₹",
        "₹-5",
    ],
)
def test_what_is_no_plain_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an amount"):
        Money.parse(text, "INR")


@pytest.mark.parametrize(
    ("money", "shown"),
    [
        (Money(84_000, "INR"), "₹840.00"),
        (Money(10_000_000, "INR"), "₹1,00,000.00"),
        (Money(5, "INR"), "₹0.05"),
        (Money(0, "INR"), "₹0.00"),
        (Money(-500, "INR"), "-₹5.00"),
        (Money(840, "JPY"), "JP¥840"),
        (Money(1_234_567, "KWD"), "KWD1,234.567"),
        (Money(84_050, "USD"), "$840.50"),
    ],
)
def test_money_is_shown_with_its_own_decimals(money: Money, shown: str) -> None:
    assert money.display() == shown


def test_money_is_shown_in_the_readers_way() -> None:
    assert Money(8_400_050, "EUR").display("de_DE") == "84.000,50\xa0€"
    assert Money(8_400_050, "EUR").display("en_US") == "€84,000.50"


@pytest.mark.parametrize(
    ("text", "currency", "money"),
    [
        ("840", "INR", Money(84_000, "INR")),
        (" 840.5 ", "INR", Money(84_050, "INR")),
        ("₹1,23,456.50", "INR", Money(12_345_650, "INR")),
        ("₹ 840", "INR", Money(84_000, "INR")),
        ("inr 840", "INR", Money(84_000, "INR")),
        ("123,456.50 USD", "USD", Money(12_345_650, "USD")),
        ("JP¥840", "JPY", Money(840, "JPY")),
        ("₹5", "INR", Money(500, "INR")),
        ("1,00,000", "INR", Money(10_000_000, "INR")),
        ("100,000", "INR", Money(10_000_000, "INR")),
        ("₹1,00,000.50", "INR", Money(10_000_050, "INR")),
        ("KWD1,234.567", "KWD", Money(1_234_567, "KWD")),
    ],
)
def test_what_a_page_shows_is_read(text: str, currency: str, money: Money) -> None:
    assert Money.parse(text, currency) == money


@pytest.mark.parametrize("text", ["$840", "840.505", "1,2", "8.4.0", "", "-840", "+840", "T4", "840 840", "₹", "1,23,"])
def test_what_no_page_shows_of_a_currency_is_not_read(text: str) -> None:
    with pytest.raises(ValueError, match=r"amount|decimals"):
        Money.parse(text, "INR")


@pytest.mark.parametrize(
    ("text", "currency"), [("$840", "INR"), ("€5", "INR"), ("USD 840", "INR"), ("₹5", "USD"), ("₹840 USD", "INR")]
)
def test_the_sign_of_another_currency_is_refused(text: str, currency: str) -> None:
    with pytest.raises(ValueError, match=f"is not an amount in {currency}"):
        Money.parse(text, currency)


def test_what_some_read_as_a_thousand_times_more_is_refused() -> None:
    with pytest.raises(ValueError, match="is not an amount"):
        Money.parse("1,234", "KWD")


@unhurried
@given(minor=amounts, currency=currencies)
def test_what_is_shown_or_written_plainly_is_read_back(minor: int, currency: str) -> None:
    money = Money(minor, currency)

    assert Money.parse(money.plain(), currency) == money
    assert Money.parse(f"{currency} {money.plain()}", currency) == money
    assert Money.parse(money.display(), currency) == money


def test_money_adds_and_subtracts_within_one_currency() -> None:
    assert Money(84_000, "INR") + Money(6_000, "INR") == Money(90_000, "INR")
    assert Money(84_000, "INR") - Money(90_000, "INR") == Money(-6_000, "INR")


def test_two_currencies_are_never_added_subtracted_or_equal() -> None:
    rupees, dollars = Money(100, "INR"), Money(100, "USD")

    with pytest.raises(ValueError, match="INR and USD cannot be added"):
        rupees + dollars
    with pytest.raises(ValueError, match="INR and USD cannot be added"):
        rupees - dollars
    assert rupees != dollars


def test_money_does_not_change() -> None:
    with pytest.raises(AttributeError):
        Money(1, "INR").minor = 2  # type: ignore[misc]  # That is the test.


@unhurried
@given(minor=amounts, currency=currencies)
def test_what_is_written_out_is_read_back_to_the_same_unit(minor: int, currency: str) -> None:
    digits = minor_digits(currency)
    major, rest = divmod(minor, 10**digits)
    written = f"{major}.{rest:0{digits}d}" if digits else str(major)

    assert Money.parse(written, currency) == Money(minor, currency)


@unhurried
@given(minor=any_amount, currency=currencies)
def test_what_is_shown_has_every_unit_and_none_more(minor: int, currency: str) -> None:
    shown = Money(minor, currency).display("en_US")

    digits = "".join(letter for letter in shown if letter.isdigit())
    assert int(digits) == abs(minor)
    assert ("-" in shown) == (minor < 0)


@unhurried
@given(one=any_amount, other=any_amount, currency=currencies)
def test_adding_and_taking_away_again_changes_nothing(one: int, other: int, currency: str) -> None:
    first, second = Money(one, currency), Money(other, currency)

    assert first + second - second == first
    assert first + second == second + first
    assert (first + second).minor == one + other


@unhurried
@given(text=st.text(max_size=12), currency=currencies)
def test_any_text_is_read_exactly_or_refused(text: str, currency: str) -> None:
    try:
        money = Money.parse(text, currency)
    except ValueError:
        return

    number = "".join(letter for letter in text if letter.isdigit() or letter == ".")
    assert Decimal(number) == Decimal(money.minor).scaleb(-minor_digits(currency))
