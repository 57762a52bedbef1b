"""The run counts those cases as a human's that the desk shows as waiting."""

from __future__ import annotations

from failures import models
from tests.chaos import cases


def test_the_same_cases_wait_here_and_at_the_desk() -> None:
    assert set(cases.WAITING) == set(models.WAITING)


def test_the_question_names_all_of_them() -> None:
    assert all(f"'{status}'" in cases.has_case("p.id") for status in cases.WAITING)
