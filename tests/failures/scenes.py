"""A press of a case's page that is about to be made: its case, its people, and how it is sent."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import unescape
from typing import Any
from uuid import uuid4

import pytest
from _pytest.mark import ParameterSet
from django.test import Client
from django.urls import reverse

from accounts.models import Restaurant, Role, User
from failures.models import Case
from tests.factories import RestaurantFactory, routed, staff
from tests.failures.presses import PRESSES, Press, Said, Seen
from tests.failures.worlds_of_cases import Crew
from tests.scripted import ScriptedGateway

_MESSAGE = re.compile(r'<li class="\*:mb-0!">(.*?)</li>', re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    press: Press
    crew: Crew
    case: Case

    @property
    def person(self) -> User:
        return self.crew.lead if self.press.by_lead else self.crew.finance

    @property
    def now(self) -> Case:
        return Case.objects.get(pk=self.case.pk)

    @property
    def shown(self) -> Seen:
        return self.press.shows(self.now)

    def on_page(self) -> Said:
        """All that a page that is opened now would send: each page is good for one press."""
        return {"version": self.now.version, "press": str(uuid4()), **self.press.says(self.now, self.crew)}

    def send(self, client: Client, **other: Any) -> Any:
        """With something else than what the page has, or, if that is None, without it."""
        said = {name: value for name, value in {**self.on_page(), **other}.items() if value is not None}
        return self.send_to(client, self.press.verb, said)

    def send_to(self, client: Client, verb: str, said: Said) -> Any:
        return client.post(reverse("admin:failures_case_do", args=[self.case.pk, verb]), said)


def sentences_of(answer: Any) -> list[str]:
    """What the page says on top, to whoever pressed."""
    found = _MESSAGE.findall(answer.content.decode())
    return [unescape(" ".join(re.sub(r"<[^>]+>", " ", each).split())) for each in found]


def crew_of(gateway: ScriptedGateway) -> Crew:
    routed(restaurant := RestaurantFactory.create(), "a", "cash")
    return Crew(
        restaurant=restaurant,
        gateway=gateway,
        finance=_named("finance", restaurant, Role.FINANCE),
        colleague=_named("colleague", restaurant, Role.FINANCE),
        lead=_named("lead", restaurant, Role.FINANCE_LEAD),
    )


def _named(name: str, restaurant: Restaurant, role: Role) -> User:
    person = staff(restaurant, role)
    person.username = name
    person.save()
    return person


def scene_of(press: Press, crew: Crew) -> Scene:
    return Scene(press=press, crew=crew, case=press.world(crew))


def presses(which: Callable[[Press], bool] = lambda press: True) -> list[ParameterSet]:
    """For the fixture `scene`. A provider is asked with no transaction open: such a test commits what it does."""
    marks = {is_asking: pytest.mark.django_db(transaction=is_asking) for is_asking in (True, False)}
    chosen = {name: press for name, press in PRESSES.items() if which(press)}
    return [pytest.param(name, id=name, marks=marks[press.verb == "ask"]) for name, press in chosen.items()]
