"""What people call the rows that history, events and raw data know by their ids, and where each of them stands."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db.models import Case, CharField, Exists, F, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Cast, Coalesce, Concat
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.models import Membership

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# A provider writes into its answers what it likes. What belongs to one payment is far less.
MOST_NAMED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """Named, not imported: a case is further up in the house."""

    model: str
    words: Any
    page: str = ""  # Of the console. Empty: its name is all that most who read it may see.
    is_of_a_house: bool = True


def _of_its_payment(*words: Any) -> Concat:
    return Concat(*words, F("payment__reference"), output_field=CharField())


_KINDS: Mapping[str, _Kind] = {
    "payment": _Kind(model="payments.Payment", words=F("reference"), page="payments_payment"),
    "order": _Kind(model="orders.Order", words=F("reference"), page="orders_order"),
    "attempt": _Kind(
        model="payments.Attempt",
        words=_of_its_payment(Value("attempt "), Cast("number", CharField()), Value(" of ")),
        page="payments_attempt",
    ),
    "refund": _Kind(model="payments.Refund", words=_of_its_payment(Value("refund of ")), page="payments_refund"),
    "case": _Kind(
        model="failures.Case",
        words=Concat(Value("case of "), Coalesce("payment__reference", Value("no payment")), output_field=CharField()),
        page="failures_case",
    ),
    "approval": _Kind(
        model="accounts.Approval",
        words=Concat(Value("request of "), Coalesce("maker__username", Value("a program")), output_field=CharField()),
        page="accounts_approval",
    ),
    "inboundnotice": _Kind(
        model="payments.InboundNotice",
        words=Concat(Value("notice of "), F("account__label"), output_field=CharField()),
        page="payments_inboundnotice",
    ),
    "provideraccount": _Kind(model="payments.ProviderAccount", words=F("label"), page="payments_provideraccount"),
    "person": _Kind(model="accounts.User", words=F("username"), is_of_a_house=False),
}


def named(kind: str, key: Any, words: str) -> SafeString:
    """A row by what people call it; where it has a page, that knows its id, which is said on asking."""
    page = _KINDS[kind].page
    if not page:
        return format_html("{}", words)
    address = reverse(f"admin:{page}_change", args=[key])
    return format_html('<a class="link" href="{}" title="{}">{}</a>', address, key, words)


def names_in(*data: Any, restaurant_id: UUID) -> dict[str, SafeString]:
    """Of all rows whose ids stand in what was stored, in one statement, by these ids. Those of another restaurant are
    nobody's here: a provider may write any id.
    """
    found = dict.fromkeys(_ID.findall(json.dumps(data, default=str)))
    ids = [UUID(text) for text in list(found)[:MOST_NAMED]]
    if not ids:
        return {}
    rows = [_rows(name, kind, ids, restaurant_id) for name, kind in _KINDS.items()]
    every = reduce(lambda some, more: some.union(more, all=True), rows)
    return {str(key): named(kind, key, words) for kind, key, words in every}


def _rows(name: str, kind: _Kind, ids: Collection[UUID], restaurant_id: UUID) -> QuerySet[Any, Any]:
    here = Q(restaurant_id=restaurant_id) if kind.is_of_a_house else _is_of_the_house(restaurant_id)
    rows = _all(kind).filter(here, pk__in=ids)
    return rows.values_list(Value(name, output_field=CharField()), "pk", Cast(kind.words, CharField()))


def _is_of_the_house(restaurant_id: UUID) -> Q:
    """People who work there, and who works everywhere."""
    roles = Membership.objects.filter(user=OuterRef("pk"), restaurant=restaurant_id)
    return Q(Exists(roles)) | Q(is_superuser=True)


def with_references(rows: Any, *, kind: str, key: str) -> Any:
    """Of a list whose rows say in two fields what they are about: what `reference_of` reads, with its own question."""
    known = [
        When(
            **{kind: name},
            then=Subquery(_all(each).filter(pk=OuterRef(key)).values(words=Cast(each.words, CharField()))[:1]),
        )
        for name, each in _KINDS.items()
    ]
    return rows.annotate(called=Case(*known, default=None))


def reference_of(row: Any, *, kind: str, key: str) -> str:
    """Of a row of such a list, with its page. What has no name is told by its kind."""
    name = getattr(row, kind)
    return named(name, getattr(row, key), row.called) if row.called else name.replace("_", " ")


def _all(kind: _Kind) -> QuerySet[Any]:
    rows: QuerySet[Any] = apps.get_model(kind.model)._default_manager.order_by()
    return rows
