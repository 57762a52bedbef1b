"""What somebody types to find entries of the audit by a name that stands in its list: a person's, or a reference."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db.models import Q, QuerySet

from accounts.deeds import PERSON
from accounts.models import Approval, User
from kernel import clock
from kernel.modes import Mode

SEARCHED = "A person's name, a payment's or order's reference, or an id"


def called(term: str, *, restaurants: Collection[UUID]) -> Q:
    """Entries keep ids. Whom and what the name means is looked up first, each by its index."""
    people = [str(key) for key in User.objects.filter(username=term).values_list("pk", flat=True)]
    found = Q(actor_id__in=people) | Q(subject_kind=PERSON, subject_id__in=people)
    if clock.is_reference(term):
        found |= Q(subject_id__in=[str(key) for key in _referred_to(term.upper(), restaurants)])
    return found


def _referred_to(reference: str, restaurants: Collection[UUID]) -> Iterator[UUID]:
    """The payment or order itself; a case is called by its payment, and what was asked from a case as well."""
    here = {"reference": reference, "restaurant__in": restaurants, "mode__in": Mode.values}
    payments = list(_rows("payments.Payment").filter(**here).values_list("pk", flat=True))
    cases = list(_rows("failures.Case").filter(payment__in=payments).values_list("pk", flat=True))
    yield from (*payments, *cases)
    yield from _rows("orders.Order").filter(**here).values_list("pk", flat=True)
    yield from Approval.objects.filter(asked_from__in=cases).values_list("pk", flat=True)


def _rows(model: str) -> QuerySet[Any]:
    """Named, not imported: they are further up in the house."""
    rows: QuerySet[Any] = apps.get_model(model)._default_manager.order_by()
    return rows
