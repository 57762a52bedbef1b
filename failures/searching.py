"""Cases by what somebody types: by their payment, and by what stands on the bill and has no index of its own."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from django.db.models import F, Q, QuerySet

from failures.models import Case
from failures.sums import CASE_MINOR
from kernel.money import Money
from orders.searching import tables_of
from payments.searching import id_of, kinds_of, payments_found

SEARCHED = "Id, reference, table, provider's number, phone, e-mail or amount"


def cases_found(cases: QuerySet[Case], term: str, *, currencies: Mapping[UUID, str]) -> QuerySet[Case]:
    """Of the restaurants in `currencies`. What looks like nothing that can be searched finds nothing."""
    term = term.strip()
    found = Q(payment__in=payments_found(term, restaurants=currencies))
    key = id_of(term)
    if key is not None:
        found |= Q(pk=key) | Q(subject_id=key)
    # Cases are few, and lead to their bills by their keys: a table or an amount is compared there and nowhere else.
    for table in tables_of(term):
        found |= Q(payment__order__table__iexact=table)
    for money in _amounts(term, set(currencies.values())):
        asked = Q(payment__amount_minor=money.minor) | Q(charged=money.minor)
        # What came in may be of another currency than anybody has asked for.
        found |= Q(payment__currency=money.currency) & asked | Q(at_stake=money.minor)
    charged = F("payment__amount_minor") + F("payment__tip_minor")
    return cases.alias(charged=charged, at_stake=CASE_MINOR).filter(found)


def words_for(term: str, *, currencies: Mapping[UUID, str]) -> list[str]:
    """What a term was taken for: the audit keeps this and never the term, which may be a guest's telephone."""
    amounts, tables = _amounts(term, set(currencies.values())), tables_of(term)
    return sorted([*kinds_of(term), *(["amount"] if amounts else []), *(["table"] if tables else [])])


def _amounts(term: str, currencies: set[str]) -> list[Money]:
    """One for each currency in which it can be read: 840 is an amount in all of them, ₹840 in one."""
    amounts = []
    for currency in sorted(currencies):
        try:
            amounts.append(Money.parse(term, currency))
        except ValueError:
            continue
    return amounts
