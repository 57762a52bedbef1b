"""What somebody types to find orders, and where each of it is looked up: by an index where there is one."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.db.models import Q, QuerySet

from kernel import clock
from kernel.modes import Mode
from orders.models import Order

SEARCHED = "An order's reference, one of its payments', the platform's own number, or a table"
_LONGEST_TABLE = 20  # The column's size.
_SPOKEN = "table "  # Whoever reads "Table 4" on the page may type that.
_PREFIXES = ("", "O-", "P-")  # Read aloud, the letter and the line behind it are left out.


def orders_found(orders: QuerySet[Order], term: str, *, restaurants: Collection[UUID]) -> QuerySet[Order]:
    """No index knows tables: they are compared where the term can be one."""
    term = term.strip()
    found = Q(pk__in=_looked_up(term, restaurants))
    for table in tables_of(term):
        found |= Q(table__iexact=table)
    return orders.filter(found)


def tables_of(term: str) -> list[str]:
    """Any short text may be one, except what can only be something else. Some tills call theirs "Table 4"."""
    names = [term, *([term[len(_SPOKEN) :].strip()] if term.casefold().startswith(_SPOKEN) else [])]
    return [name for name in names if name and not _is_other(name)]


def _is_other(name: str) -> bool:
    return len(name) > _LONGEST_TABLE or "@" in name or clock.is_reference(name)


def _looked_up(term: str, restaurants: Collection[UUID]) -> list[UUID]:
    """In one question, of which each part is a look-up in an index."""
    here = {"restaurant__in": restaurants, "mode__in": Mode.values}
    spoken = [f"{prefix}{term.upper()}" for prefix in _PREFIXES]
    # Of payments, which are further up in the house: named, not imported.
    of_payment = {"payments__restaurant__in": restaurants, "payments__mode__in": Mode.values}
    ours = Order.objects.filter(reference__in=spoken, **here)
    theirs = Order.objects.filter(client_reference=term, **here).exclude(client_reference="")
    paid = Order.objects.filter(payments__reference__in=spoken, **of_payment)
    if not restaurants or not term:
        return []
    first, *others = (rows.order_by().values_list("pk", flat=True) for rows in (ours, theirs, paid))
    return list(first.union(*others))
