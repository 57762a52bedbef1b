"""Under one key there is one thing, told alike: whatever else was heard is found."""

from __future__ import annotations

import pytest

from tests.chaos.books import Call, Pressed, Told
from tests.chaos.keys import mistold

CALL = Call(key="k", subject_id="p", at=100.0)


def _found(pressed: Pressed, *calls: Call) -> int:
    return len(list(mistold(Told(pressed={"k": pressed}), calls)))


@pytest.mark.parametrize(
    "pressed",
    [
        Pressed(),
        Pressed(ids={"p"}, digests={"d"}),
        # Refused, and then overtaken by its first sending, which the network had kept back.
        Pressed(ids={"p"}, refused=[(99.0, "order_being_paid")]),
    ],
)
def test_keys_that_name_what_was_done_have_nothing_to_say(pressed: Pressed) -> None:
    assert _found(pressed, CALL) == 0


@pytest.mark.parametrize(
    "pressed",
    [
        Pressed(ids={"p", "q"}),
        Pressed(ids={"q"}),
        Pressed(ids={"p"}, digests={"d", "e"}),
        Pressed(ids={"p"}, refused=[(101.0, "order_being_paid")]),
    ],
)
def test_a_key_that_says_something_else_is_mistold(pressed: Pressed) -> None:
    assert _found(pressed, CALL) == 1


def test_a_key_under_which_nothing_is_written_is_mistold_where_something_was_told() -> None:
    assert _found(Pressed(ids={"p"})) == 1
    assert _found(Pressed(refused=[(1.0, "being_paid")])) == 0
