"""How a view of the queue is kept, and what the queue then shows of it, in a test's few words."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from accounts.models import Restaurant, User
from accounts.services.idempotency import Call
from failures.models import Case, SavedView
from failures.services.facts import ViewRefused
from failures.services.saved_views import ViewDraft, save_view
from failures.services.working import assign_case, snooze_case
from kernel import clock
from kernel.modes import Mode
from tests.failures.test_desk import QUEUE
from tests.failures.test_exporting import case_of
from tests.failures.test_services import REASON

LATE = "time=over"
KEEP, REMOVE = f"{QUEUE}views/keep/", f"{QUEUE}views/remove/"
_LINK = re.compile(r'<a class="desk-view" href="([^"]+)"( aria-current="page")?>(.*?)</a>', re.S)
_ROW = re.compile(rf'<th[^>]*>\s*<a[^>]* href="{QUEUE}([0-9a-f-]{{36}})/change/', re.S)


def press_of(person: User, restaurant: Restaurant, **said: Any) -> Call:
    return Call(
        **{
            "principal": f"console:{person.pk}",
            "key": str(uuid4()),
            "operation": "POST /",
            "body_hash": "",
            "restaurant_id": restaurant.pk,
            "mode": Mode.LIVE,
            "runs_for": timedelta(seconds=10),
            **said,
        }
    )


def keep(
    person: User,
    restaurant: Restaurant,
    name: str = "Late",
    *,
    query: str = LATE,
    is_shared: bool = False,
    call: Call | None = None,
) -> SavedView:
    draft = ViewDraft(name=name, query=query, is_shared=is_shared)
    press = call or press_of(person, restaurant)
    return save_view(restaurant_id=restaurant.pk, draft=draft, person=person, call=press)


def sentence_of(do: Callable[[], object]) -> str:
    with pytest.raises(ViewRefused) as told:
        do()
    return told.value.sentence


def six_cases(restaurant: Restaurant, finance: User) -> list[Case]:
    """One that is late, one that is somebody's, one that was put off, and some that nobody has."""
    made = [case_of(restaurant, 1_000 * (number + 1), table=f"T{number}") for number in range(6)]
    for number, case in enumerate(made):
        Case.objects.filter(pk=case.pk).update(opened_at=clock.now() - timedelta(minutes=7 * number))
    Case.objects.filter(pk=made[0].pk).update(opened_at=clock.now() - timedelta(days=2))
    assign_case(case_id=made[1].pk, person=finance)
    snooze_case(case_id=made[2].pk, person=finance, until=clock.now() + timedelta(hours=1), reason=REASON)
    return made


def text_of(client: Client, address: str = "") -> str:
    answer = client.get(QUEUE + address)
    assert answer.status_code == HTTPStatus.OK, answer.headers
    return str(answer.content.decode())


def rows_in(text: str) -> list[str]:
    return _ROW.findall(text)


def rows_of(client: Client, address: str) -> list[str]:
    return rows_in(text_of(client, address))


def links_of(client: Client, address: str = "") -> dict[str, str]:
    """By their names, and what is said beside them."""
    return {_words(name): unescape(link) for link, _, name in _LINK.findall(text_of(client, address))}


def open_in(client: Client, address: str) -> list[str]:
    return [_words(name) for _, is_open, name in _LINK.findall(text_of(client, address)) if is_open]


def _words(markup: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", "", markup)).split())


def form_in(text: str, address: str = KEEP) -> dict[str, str]:
    """What a browser would send of it, before anything is typed."""
    forms = [each for each in re.findall(r"<form.*?</form>", text, re.S) if f'action="{address}' in each]
    if not forms:
        return {}
    fields = re.findall(r'<input[^>]*? name="([^"]+)"(?:[^>]*? value="([^"]*)")?', forms[0])
    return {name: unescape(value) for name, value in fields if name not in {"csrfmiddlewaretoken", "is_shared"}}


def kept_from(client: Client, address: str, **said: Any) -> Any:
    """As somebody does it who looks at this list, and types a name."""
    typed = {"name": "Mine", **said}
    return client.post(KEEP + address, {**form_in(text_of(client, address)), **typed})
