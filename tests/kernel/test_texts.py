"""What people write is refused where a reader would see something else than what was written."""

from __future__ import annotations

import pytest

from kernel.errors import ServiceError
from kernel.texts import check_reason, check_text


def refused(text: str) -> str:
    with pytest.raises(ServiceError) as no:
        check_text(text, field="table", longest=20, refusal=ServiceError)
    return no.value.code


@pytest.mark.parametrize("turn", ["\u202a", "\u202b", "\u202d", "\u202e", "\u2066", "\u2067", "\u2068"])
def test_what_turns_the_reading_around_is_refused(turn: str) -> None:
    assert refused(f"7{turn}21") == "bad_text"
    with pytest.raises(ServiceError, match="turns the reading around"):
        check_reason(f"Paid {turn}00.8 in cash", refusal=ServiceError)


@pytest.mark.parametrize("name", ["محمد\u200f (3)", "שרה\u200e", "आशा", "Asha\u200d"])
def test_a_name_from_the_right_is_a_name(name: str) -> None:
    check_text(name, field="name", longest=20, refusal=ServiceError)


def test_what_is_too_long_or_no_text_is_refused() -> None:
    assert (refused("x" * 21), refused("a\x00b")) == ("bad_text", "bad_text")
