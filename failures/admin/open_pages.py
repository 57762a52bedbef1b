"""What a page that is still open asks by itself: who else has the case open, and whether it is out of date by now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, JsonResponse, QueryDict
from django.urls import reverse

from accounts.models import OFFICE
from failures.models import Case, CaseKind
from failures.narrowing import SEVERAL
from failures.presence import BEAT_SECONDS, others_at
from failures.selectors import waiting_cases
from failures.services.news import Seen, change_since
from failures.showing.others import others_in_words
from kernel import clock
from kernel.console import ROWS_PER_PAGE, role_at
from kernel.modes import Mode

if TYPE_CHECKING:
    from failures.admin.case_page import CasePage

# A list is looked at for a while: what came in may wait for half a minute.
LOOK_SECONDS: Final = 30
# Beyond that nobody needs the number.
MOST_TOLD: Final = 100
# As long as a sign-in lasts, by default. It bounds what is read for a page that says that it is older.
_LONGEST = timedelta(hours=12)
# What was being written while the list was read has an id from a moment before.
_A_MOMENT = timedelta(seconds=2)
_OF_A_CASE = ("pk", "version", "payment_id", "payment__version", "restaurant_id", "restaurant__time_zone")
_MOST_DIGITS = 10  # Of a version, and of a time in seconds.
_ORDER = {"o", "p", "e"}
# By these an address says of a new case whether it is in the list. Each refuses what it does not know.
_NARROWED_BY: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "kind__exact": ("kind", CaseKind),
    "mode__exact": ("mode", Mode),
    "restaurant": ("restaurant", UUID),
}


# --- One case ---------------------------------------------------------------------------------------------------------


def of_case(page: CasePage) -> dict[str, Any]:
    """Who opens it is known to the others by this, also where no script runs."""
    case = page.case
    versions = {"version": case.version, "payment": case.payment.version if case.payment else 0}
    said = {**versions, "opened": int(clock.now().timestamp())}
    asks = {
        "kind": "case",
        "every": BEAT_SECONDS,
        "address": reverse("admin:failures_case_news", args=[case.pk]),
        "said": urlencode(said),
        "here": page.back,
        "link": "Look at it as it is now",
    }
    others = others_at(case.pk, page.person, works_here=page.role in OFFICE)
    return {"asks": asks, "others": others_in_words(others, zone=case.restaurant.time_zone)}


def case_news(request: HttpRequest, cases: QuerySet[Case]) -> JsonResponse:
    """Of the one that this person may see: a statement, and a second one where it has changed."""
    row = cases.values(*_OF_A_CASE).first()
    if row is None:
        raise Http404
    person: Any = request.user
    since = _since(request, of="opened")
    others = others_at(row["pk"], person, works_here=role_at(request, row["restaurant_id"]) in OFFICE, since=since)
    now = row["version"], row["payment__version"] or 0
    seen = Seen(
        case_id=row["pk"],
        version=_number(request, "version", now[0]),
        payment_id=row["payment_id"],
        payment_version=_number(request, "payment", now[1]),
    )
    is_old = seen.version < now[0] or seen.payment_version < now[1]
    changed = change_since(seen, person=person) if is_old else ""
    return JsonResponse({"others": others_in_words(others, zone=row["restaurant__time_zone"]), "changed": changed})


def _number(request: HttpRequest, name: str, otherwise: int) -> int:
    """What a page says that it shows. Whoever says nothing that can be read is told nothing."""
    said = request.POST.get(name, "")
    return int(said) if said.isdecimal() and len(said) <= _MOST_DIGITS else otherwise


# --- The queue --------------------------------------------------------------------------------------------------------


def of_list(request: HttpRequest, rows: list[Case]) -> dict[str, Any]:
    shown = " ".join(f"{case.pk}:{case.version}" for case in rows)
    asks = {
        "kind": "list",
        "every": LOOK_SECONDS,
        "address": _with(reverse("admin:failures_case_list_news"), request.GET),
        "said": urlencode({"since": int(clock.now().timestamp()), "rows": shown}),
        "here": _with(request.path, request.GET, without="p"),  # What matters most stands on the first page.
        "link": "Show the list as it is now",
    }
    return {"asks": asks}


def list_news(request: HttpRequest, cases: QuerySet[Case]) -> JsonResponse:
    """Two statements, both by keys, however many cases wait: what came in, and which of those shown have changed."""
    shown = _shown(request.POST.get("rows", ""))
    came = _came_in(request, cases.exclude(pk__in=shown))
    now = dict(cases.filter(pk__in=shown).values_list("pk", "version"))
    changed = sum(now.get(key) != version for key, version in shown.items())
    return JsonResponse({"changed": _in_words(came, changed)})


def _came_in(request: HttpRequest, cases: QuerySet[Case]) -> int:
    """None is counted where the address does not say of a new case whether it would be in the list."""
    asked = {name: request.GET.getlist(name) for name in request.GET if name not in _ORDER}
    which = asked.pop("which", [""])[-1]
    waiting = waiting_cases(cases)
    lists = {"": waiting, "free": waiting.filter(owner=None), "all": cases}
    if which not in lists or asked.keys() - _NARROWED_BY.keys():
        return 0
    try:
        narrowed = dict(_narrowed(name, values) for name, values in asked.items())
    except ValueError:
        return 0
    new = lists[which].filter(pk__gt=clock.earliest_id(_since(request) - _A_MOMENT), **narrowed)
    return len(new.order_by().values_list("pk")[: MOST_TOLD + 1])


def _narrowed(name: str, values: list[str]) -> tuple[str, list[Any]]:
    """As the list itself reads its address: of some filters any of those that are chosen, of others the last."""
    field, meant = _NARROWED_BY[name]
    return f"{field}__in", [meant(value) for value in (values if name in SEVERAL else values[-1:])]


def _since(request: HttpRequest, *, of: str = "since") -> datetime:
    """When the page was made, as it says itself."""
    now = clock.now()
    said = datetime.fromtimestamp(_number(request, of, int(now.timestamp())), UTC)
    return min(max(said, now - _LONGEST), now)


def _shown(text: str) -> dict[UUID, int]:
    """Which rows the page shows, each in the version that it had."""
    rows = {}
    for each in text.split()[:ROWS_PER_PAGE]:
        key, _, version = each.partition(":")
        try:
            rows[UUID(key)] = int(version)
        except ValueError:
            continue
    return rows


def _in_words(came: int, changed: int) -> str:
    told = str(came) if came <= MOST_TOLD else f"More than {MOST_TOLD}"
    new = "1 case came in since" if came == 1 else f"{told} cases came in since" if came else ""
    if not changed:
        return f"{new}." if new else ""
    old = "1 case of this list has changed" if changed == 1 else f"{changed} cases of this list have changed"
    return f"{new}, and {old}." if new else f"{old}."


def _with(path: str, asked: QueryDict, *, without: str = "") -> str:
    said = asked.copy()
    said.pop(without, None)
    return f"{path}?{said.urlencode()}" if said else path


# --- Today ------------------------------------------------------------------------------------------------------------


def of_today(request: HttpRequest) -> dict[str, Any]:
    """Its figures are looked at anew where they stand."""
    here = request.get_full_path()
    return {"asks": {"kind": "page", "every": LOOK_SECONDS, "address": here, "said": "", "here": here, "link": ""}}
