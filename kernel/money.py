"""Money: an integer count of minor units and a currency. It formats and parses; it never rounds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from babel.core import get_global
from babel.numbers import format_currency, get_currency_precision, get_currency_symbol

# Below a signed 64-bit column by a wide margin, above any bill: a larger figure is a mistake.
MAX_MINOR = 10**12
# The currency before it or behind it, and commas in groups of two or three digits, of which the last has three: what
# elsewhere is a decimal comma is no group.
_TYPED = re.compile(
    r"(?P<sign>[^\d\s.,+-]*)\s*"
    r"(?P<number>(\d{1,13}|(?P<grouped>\d{1,3}(,\d{2,3}){0,5},\d{3}))(?P<decimals>\.\d{1,4})?)"
    r"\s*(?P<behind>[^\d\s.,+-]*)"
)
_AS_IN_A_GROUP = 3  # Of such a currency 1,234 is one unit and its decimals to some, and a thousand units to others.


@lru_cache(maxsize=512)
def is_currency(code: str) -> bool:
    return code in get_global("all_currencies")


# Where Babel says how people write a price today, which is not what ISO 4217 and the providers count in.
_ISO_DIGITS = {"IQD": 3} | dict.fromkeys(
    ("AFN", "ALL", "IRR", "KPW", "LAK", "LBP", "MGA", "MMK", "RSD", "SOS", "SYP", "YER"), 2
)


@lru_cache(maxsize=512)
def minor_digits(currency: str) -> int:
    """How many decimals the currency has: INR 2, JPY 0, KWD 3."""
    return _ISO_DIGITS.get(currency, get_currency_precision(currency))


@dataclass(frozen=True, slots=True)
class Money:
    minor: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.minor) is not int:
            raise TypeError(f"An amount is a whole number of minor units, not {type(self.minor).__name__}.")
        if not is_currency(self.currency):
            raise ValueError(f"{self.currency!r} is not an ISO 4217 currency code.")

    @classmethod
    def parse(cls, text: str, currency: str, locale: str = "en_IN") -> Money:
        """Read what a person typed, or copied from a page: "840", "840.5", "₹1,23,456.50", "INR 840".

        Too many decimals are refused, not rounded; and so is what people elsewhere read as another amount.
        """
        typed = _TYPED.fullmatch(text.strip())
        if typed is None or (typed["grouped"] and minor_digits(currency) == _AS_IN_A_GROUP and not typed["decimals"]):
            raise ValueError(f"{text!r} is not an amount. Write it like 840 or 840.50.")
        signs = {typed["sign"].upper(), typed["behind"].upper()} - {""}
        if not signs <= {currency, get_currency_symbol(currency, locale=locale).upper()}:
            raise ValueError(f"{text!r} is not an amount in {currency}. Write it like 840 or 840.50.")
        scaled = Decimal(typed["number"].replace(",", "")).scaleb(minor_digits(currency))
        if scaled != scaled.to_integral_value():
            raise ValueError(f"{currency} has {minor_digits(currency)} decimals; {text!r} has more.")
        return cls(int(scaled), currency)

    def plain(self) -> str:
        """For other programs, which bring a currency column of their own: "840.50". `parse` reads it back."""
        return str(Decimal(self.minor).scaleb(-minor_digits(self.currency)))

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + self._same_currency(other).minor, self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor - self._same_currency(other).minor, self.currency)

    def display(self, locale: str = "en_IN") -> str:
        amount = Decimal(self.minor).scaleb(-minor_digits(self.currency))
        return format_currency(amount, self.currency, locale=locale)

    def _same_currency(self, other: Money) -> Money:
        if other.currency != self.currency:
            raise ValueError(f"{self.currency} and {other.currency} cannot be added.")
        return other
