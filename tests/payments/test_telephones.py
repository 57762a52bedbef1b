"""One number in all the ways in which a guest may have typed it, and no other number."""

from __future__ import annotations

import pytest

from payments.telephones import spellings_of

_WRITTEN = ["+919876543201", "+91 9876543201", "+91-9876543201", "919876543201", "09876543201", "9876543201"]


@pytest.mark.parametrize("kept", _WRITTEN)
@pytest.mark.parametrize("typed", [*_WRITTEN, "+91 98765 43201", "98765-43201", "0091 98765 43201"])
def test_each_way_to_write_it_finds_each_other(typed: str, kept: str) -> None:
    assert kept in spellings_of(typed)


@pytest.mark.parametrize("kept", ["+12125550123", "12125550123", "+1 2125550123"])
def test_so_it_is_in_other_countries(kept: str) -> None:
    assert kept in spellings_of("212 555 0123")


@pytest.mark.parametrize("other", ["+449876543201", "+9719876543201", "+919876543202", "876543201", "98765432"])
def test_a_number_with_its_country_is_of_no_other_one(other: str) -> None:
    assert other not in spellings_of("+91 98765 43201")


def test_what_was_typed_is_looked_for_as_it_is() -> None:
    assert "98 765 43 201" in spellings_of("98 765 43 201")


def test_a_short_number_is_not_taken_apart() -> None:
    assert spellings_of("+9198765") == {"+9198765", "9198765"}
