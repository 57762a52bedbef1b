"""What each choice of a case says that it does: with its own sum, and as it is in that case."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

import pytest
from django.test import Client

from failures.models import Case
from tests.failures import worlds_of_cases as worlds
from tests.failures.test_desk import desk_of, page_of, press
from tests.failures.worlds_of_cases import Crew

pytestmark = pytest.mark.django_db
NONE, SOME, PERHAPS = "This moves no money.", "This moves money.", "This may move money."


def choice(client: Client, case: Case, title: str) -> str:
    """All that stands in its form."""
    text = re.sub(r"<[^>]+>", " ", _form(client, case, title))
    return " ".join(unescape(text).split())


def _form(client: Client, case: Case, title: str) -> str:
    page = client.get(page_of(case)).content.decode()
    return re.split(r'class="desk-choice', page[page.index(f">{title}<") :])[0]


_SURPLUS = "₹840.00 is sent back to the guest within seconds: all that is still here."
_NOT_HANDED = "The guest was not given the cash, and will not be given it now. It can be asked for again."
_NOT_MADE = "For when the provider's own pages show that the money did not go back. It can be asked for again."
_AFTER_REPAIR = "also with a charge or a refund. Do this after the repair."


@pytest.mark.parametrize(
    ("world", "title", "does", "moves"),
    [
        (worlds.surplus_not_gone_back, "Send the refund again", _SURPLUS, SOME),
        (worlds.cash_to_hand_back, "Record: the cash was handed back", "gave the guest ₹840.00 in cash.", NONE),
        (worlds.cash_to_hand_back, "Record: the refund was not made", _NOT_HANDED, NONE),
        (worlds.refund_takes_long, "Record: the refund was not made", _NOT_MADE, NONE),
        (worlds.orphan, "Take it up again", "money that came in and is not due goes back.", PERHAPS),
        (worlds.set_aside, "Take it up again", _AFTER_REPAIR, PERHAPS),
    ],
)
def test_says_what_it_does_there(crew: Crew, world: Callable[[Crew], Case], title: str, does: str, moves: str) -> None:
    assert f"{does} {moves}" in choice(desk_of(crew.finance), world(crew), title)


@pytest.mark.parametrize(
    ("world", "title", "asks"),
    [
        (worlds.in_doubt, "Record: it was charged", "What you saw there, and on which page"),
        (worlds.refund_takes_long, "Record: the refund was made", "What you saw there, and on which page"),
        (worlds.nobody_took_it, "Record: it was paid in another way", "How it was paid, and how you know"),
        (worlds.cash_to_hand_back, "Record: the cash was handed back", "Who gave it, and when"),
        (worlds.cash_to_hand_back, "Record: the refund was not made", "Why"),
        (worlds.nobody_took_it, "Try the payment again", "Why"),
    ],
)
def test_asks_for_what_a_colleague_has_to_know(
    crew: Crew, world: Callable[[Crew], Case], title: str, asks: str
) -> None:
    assert f">{asks}</label>" in _form(desk_of(crew.finance), world(crew), title)


def test_a_second_person_is_not_told_what_the_first_one_saw(crew: Crew) -> None:
    case = worlds.in_doubt(crew)
    press(desk_of(crew.finance), case, "decide", action="record_not_charged", reason="Their list has none.")

    shown = desk_of(crew.lead).get(page_of(case)).content.decode()

    assert "You saw" not in shown
    assert "own pages show that nothing came in" in shown


def test_whoever_tries_again_is_not_told_that_it_is_done(crew: Crew) -> None:
    case, desk = worlds.nobody_took_it(crew), desk_of(crew.finance)

    press(desk, case, "decide", action="retry", reason="The guest is still here.")

    assert "It is being tried again. Its answer comes by itself." in desk.get(page_of(case)).content.decode()
