"""What happened in the demo restaurant: days of orders as data, with something to resolve."""

from __future__ import annotations

from dataclasses import dataclass

from accounts.models import Role
from orders.models import Channel


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    username: str
    name: str
    role: Role
    is_staff: bool


PEOPLE = (
    Person(username="admin", name="Anita", role=Role.ADMIN, is_staff=True),
    Person(username="finance", name="Meera", role=Role.FINANCE, is_staff=True),
    Person(username="finance2", name="Farid", role=Role.FINANCE, is_staff=True),
    Person(username="lead", name="Leela", role=Role.FINANCE_LEAD, is_staff=True),
    Person(username="waiter", name="Ravi", role=Role.WAITER, is_staff=False),
    Person(username="customer", name="Chen", role=Role.CUSTOMER, is_staff=False),
)
# What one of finance gives back of a payment without a second person.
FINANCE_MAY_REFUND_MINOR = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One order and how it was paid. No method: still unpaid."""

    days_ago: int
    table: str
    dishes: tuple[tuple[str, int, int], ...]  # Name, quantity, price in minor units.
    method: str = ""
    instrument: str = "sim_ok"
    tip_minor: int = 0
    refund_minor: int = 0
    channel: Channel = Channel.DINE_IN


THALI, DOSA, PANEER, BIRYANI, LASSI, CHAI = (
    ("Thali", 1, 32_000),
    ("Masala dosa", 2, 14_000),
    ("Paneer tikka", 1, 28_000),
    ("Hyderabadi biryani", 2, 36_000),
    ("Mango lassi", 2, 9_000),
    ("Masala chai", 3, 4_000),
)

VISITS = (
    Visit(days_ago=3, table="1", dishes=(THALI, CHAI), method="card"),
    Visit(days_ago=3, table="4", dishes=(DOSA, LASSI), method="upi", tip_minor=5_000),
    Visit(days_ago=3, table="7", dishes=(BIRYANI, LASSI), method="cash"),
    Visit(days_ago=2, table="2", dishes=(PANEER, CHAI), method="card", instrument="sim_5xx_after_effect"),
    Visit(days_ago=2, table="3", dishes=(BIRYANI,), method="card", refund_minor=36_000),
    Visit(days_ago=2, table="", dishes=(DOSA,), method="upi", channel=Channel.DELIVERY),
    Visit(days_ago=1, table="5", dishes=(THALI, LASSI), method="card", instrument="sim_decline_insufficient_funds"),
    Visit(days_ago=1, table="6", dishes=(PANEER,), method="card", instrument="sim_decline_issuer_unavailable"),
    Visit(days_ago=1, table="1", dishes=(THALI, THALI), method="card", tip_minor=8_000),
    Visit(days_ago=1, table="", dishes=(BIRYANI, DOSA), method="card", channel=Channel.TAKEAWAY),
    Visit(days_ago=0, table="2", dishes=(DOSA, CHAI), method="card", instrument="sim_wrong_amount"),
    Visit(days_ago=0, table="3", dishes=(PANEER, LASSI), method="upi"),
    Visit(days_ago=0, table="4", dishes=(THALI,), method="card", instrument="sim_refund_declined", refund_minor=32_000),
    Visit(days_ago=0, table="8", dishes=(BIRYANI, CHAI), method="card", instrument="sim_action_required"),
    Visit(days_ago=0, table="9", dishes=(THALI, LASSI)),
    Visit(days_ago=0, table="10", dishes=(BIRYANI, PANEER, LASSI)),
    Visit(days_ago=0, table="11", dishes=(DOSA, CHAI)),
)
