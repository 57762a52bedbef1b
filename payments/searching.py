"""What somebody types to find payments, and where each of it is looked up: exactly, and only where an index is."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from enum import StrEnum
from uuid import UUID

from django.db.models import Model, QuerySet

from kernel.fields import keyed_hash
from kernel.modes import Mode
from payments.models import Attempt, Payment, ProviderAccount, Refund
from payments.telephones import spellings_of

# Years of a regular guest's payments. Whoever means one of more than these says it more exactly.
MOST_FOUND = 500
SEARCHED = "Id, reference, provider's number, phone or e-mail"
_LONGEST_REFERENCE = 255  # The longest column that is compared; a longer text is no name of anything.
_LEAST_DIGITS, _MOST_DIGITS = 7, 15  # Of a telephone number, by the numbering plan of the world.
_TELEPHONE = re.compile(r"[+\d\s()./-]+")
_PREFIXES = ("P-", "O-")  # Read aloud, "P" and the line behind it are left out.


class TermKind(StrEnum):
    """What a term may be. One may be several things: 9820012345 is a telephone or somebody's number."""

    ID = "id"
    REFERENCE = "reference"  # Ours, the platform's or a provider's.
    PHONE = "phone"
    EMAIL = "e-mail"


def kinds_of(term: str) -> frozenset[TermKind]:
    """None: it looks like nothing that payments are found by."""
    return frozenset(kind for kind, is_one in _LOOKS_LIKE.items() if is_one(term.strip()))


def payments_found(term: str, *, restaurants: Collection[UUID]) -> list[UUID]:
    """In one question to the database, of which each part is a look-up in an index."""
    term, kinds = term.strip(), kinds_of(term)
    parts = [part[:MOST_FOUND] for kind in sorted(kinds) for part in _LOOK_UPS[kind](term, restaurants)]
    if not parts or not restaurants:
        return []
    first, *others = parts
    return list(first.union(*others)) if others else list(first)


def id_of(term: str) -> UUID | None:
    try:
        return UUID(term.strip())
    except ValueError:
        return None


def _is_reference(term: str) -> bool:
    return 0 < len(term) <= _LONGEST_REFERENCE and not any(sign.isspace() for sign in term)


def _is_phone(term: str) -> bool:
    digits = sum(sign.isdigit() for sign in term)
    return _TELEPHONE.fullmatch(term) is not None and _LEAST_DIGITS <= digits <= _MOST_DIGITS


def _is_email(term: str) -> bool:
    return "@" in term and _is_reference(term)


_LOOKS_LIKE: Mapping[TermKind, Callable[[str], bool]] = {
    TermKind.ID: lambda term: id_of(term) is not None,
    TermKind.REFERENCE: _is_reference,
    TermKind.PHONE: _is_phone,
    TermKind.EMAIL: _is_email,
}

_Ids = QuerySet[Model, UUID]


def _by_id(term: str, restaurants: Collection[UUID]) -> Iterator[_Ids]:
    mine = {"restaurant__in": restaurants}
    key = id_of(term)
    if key is None:
        return
    yield Payment.objects.filter(pk=key, **mine).values_list("pk", flat=True)
    yield Payment.objects.filter(order=key, **mine).values_list("pk", flat=True)
    yield Attempt.objects.filter(pk=key, **mine).values_list("payment", flat=True)
    yield Refund.objects.filter(pk=key, **mine).values_list("payment", flat=True)


def _by_reference(term: str, restaurants: Collection[UUID]) -> Iterator[_Ids]:
    tenants = {"restaurant__in": restaurants, "mode__in": Mode.values}
    of_order = {f"order__{name}": value for name, value in tenants.items()}
    spoken = [f"{prefix}{term.upper()}" for prefix in ("", *_PREFIXES)]
    yield Payment.objects.filter(reference__in=spoken, **tenants).values_list("pk", flat=True)
    yield Payment.objects.filter(order__reference__in=spoken, **of_order).values_list("pk", flat=True)
    yield Payment.objects.filter(order__client_reference=term, **of_order).values_list("pk", flat=True)
    # A provider's number is its own within one contract, which is how it is kept.
    accounts = ProviderAccount.objects.filter(restaurant__in=restaurants)
    for model in (Attempt, Refund):
        yield model._default_manager.filter(account__in=accounts, provider_reference=term).values_list(
            "payment", flat=True
        )


def _by_phone(term: str, restaurants: Collection[UUID]) -> Iterator[_Ids]:
    """As the platform wrote it, which nobody knows."""
    hashes = [keyed_hash(spelling) for spelling in spellings_of(term)]
    orders = {"order__customer_phone_hash__in": hashes, "order__restaurant__in": restaurants}
    yield Payment.objects.filter(**orders).values_list("pk", flat=True)


def _by_email(term: str, restaurants: Collection[UUID]) -> Iterator[_Ids]:
    orders = {"order__customer_email_hash": keyed_hash(term), "order__restaurant__in": restaurants}
    yield Payment.objects.filter(**orders).values_list("pk", flat=True)


_LOOK_UPS: Mapping[TermKind, Callable[[str, Collection[UUID]], Iterator[_Ids]]] = {
    TermKind.ID: _by_id,
    TermKind.REFERENCE: _by_reference,
    TermKind.PHONE: _by_phone,
    TermKind.EMAIL: _by_email,
}
