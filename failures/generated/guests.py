"""Made-up guests and what they order. Nobody here can be telephoned or written to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.db import connection, models

from failures.generated.dice import Dice, Weighted
from kernel.money import minor_digits
from orders.models import Channel, Order

# Numbers that Ofcom keeps free for films and books: a thousand in each of these.
_PHONES = tuple(f"+44{area}496" for area in (113, 114, 115, 116, 117, 118, 121, 131, 141, 151, 161))
_A_THOUSAND = 1_000
# Regulars: each comes some dozens of times among a million, so that a search by phone finds a list.
GUESTS = len(_PHONES) * _A_THOUSAND
_FIRST = ("Asha", "Bharat", "Chandra", "Devi", "Esther", "Farah", "Gopal", "Hema", "Imran", "Jaya", "Kabir", "Leela")
_LAST = ("Example", "Sample", "Placeholder", "Testwala", "Fiction", "Dummy", "Specimen", "Invented", "Nobody")

# Name and price in whole units of the currency.
_DISHES = (
    ("Thali", 320),
    ("Masala dosa", 140),
    ("Paneer tikka", 280),
    ("Hyderabadi biryani", 360),
    ("Dal makhani", 240),
    ("Chole bhature", 190),
    ("Butter naan", 60),
    ("Jeera rice", 150),
    ("Gulab jamun", 110),
    ("Mango lassi", 90),
    ("Masala chai", 40),
    ("Filter coffee", 55),
)
_LINES, _QUANTITIES = Weighted((18, 32, 28, 15, 7)), Weighted((62, 26, 8, 4))
_TABLES = 40
_TIP_PERCENT = (5, 8, 10, 10, 12, 15)
_NOTE = 500  # Who pays in cash hands over notes of this.

# What stands in a recorded story where a copy has its own.
NAME, PHONE, EMAIL, TABLE = "«name»", "«phone»", "«email»", "«table»"


@dataclass(frozen=True, slots=True)
class Guest:
    """As the columns hold one: encrypted, with the hashes that a search asks for."""

    name: str
    phone: str
    email: str
    phone_hash: str
    email_hash: str


_COLUMNS = {field.name: field for field in Order._meta.concrete_fields}


@lru_cache(maxsize=GUESTS)
def guest(number: int) -> Guest:
    """Encrypted once: one who comes again has the same tokens, and a million orders cost no million encryptions."""
    person = Order(
        customer_name=f"{_FIRST[number % len(_FIRST)]} {_LAST[number % len(_LAST)]}",
        customer_phone=f"{_PHONES[number // _A_THOUSAND]}{number % _A_THOUSAND:04}",
        customer_email=f"guest{number}@example.com",
    )
    return Guest(*(_column(person, name) for name in ("name", "phone", "email", "phone_hash", "email_hash")))


def _column(person: Order, name: str) -> str:
    """By the fields' own code."""
    field: models.Field[Any, Any] = _COLUMNS[f"customer_{name}"]
    return str(field.get_db_prep_save(field.pre_save(person, add=True), connection))


@dataclass(frozen=True, slots=True)
class Bill:
    """What one party ate, and the amounts of their story."""

    lines: tuple[tuple[str, int, int], ...]  # Name, quantity, price in minor units.
    total_minor: int
    tip_minor: int
    part_minor: int  # Less than the total: one dish was cold, or a guest pays for himself.
    extra_minor: int  # Above the bill: what the notes were more than it, or somebody typed.


def bill(dice: Dice, currency: str) -> Bill:
    unit = int(10 ** minor_digits(currency))
    dishes = [dice.one_of(_DISHES) for _ in range(_LINES.place(dice) + 1)]
    lines = tuple((name, _QUANTITIES.place(dice) + 1, price * unit) for name, price in dishes)
    total = sum(quantity * price for _, quantity, price in lines)
    tip = total * dice.one_of(_TIP_PERCENT) // 100
    note = _NOTE * unit
    part = total * dice.between(15, 60) // 100
    return Bill(lines, total, max(tip, 1), max(part, 1), note - (total + tip) % note)


def table(dice: Dice, channel: str) -> str:
    return str(dice.between(1, _TABLES)) if channel == Channel.DINE_IN else ""
