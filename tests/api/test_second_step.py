"""People with a second factor sign in to the API with a code as well."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django.fixtures import Settings

from accounts.factor_policy import FactorPolicy
from accounts.models import Restaurant, Role, User, UserToken
from tests.api.conftest import code_of, pointers
from tests.api.test_callers import sign_in, with_password
from tests.factors import Phone, with_factor


@pytest.fixture
def person(restaurant: Restaurant) -> User:
    return with_password(restaurant, Role.FINANCE)


@pytest.fixture
def phone(person: User) -> Phone:
    return with_factor(person)


def refused(answer: Any) -> tuple[int, str]:
    assert UserToken.objects.count() == 0
    return code_of(answer)


def test_with_the_code_one_is_let_in_once(person: User, phone: Phone) -> None:
    assert sign_in(person, code=phone.shows()).status_code == 201

    again = sign_in(person, code=phone.shows())

    assert code_of(again) == (403, "second_factor_used")
    assert UserToken.objects.count() == 1


def test_a_recovery_code_does_as_well(person: User, phone: Phone) -> None:
    assert sign_in(person, code=phone.recovery_codes[0]).status_code == 201


def test_without_a_code_one_is_asked_for(person: User, phone: Phone) -> None:
    answer = sign_in(person)

    assert refused(answer) == (403, "second_factor_required")
    assert answer.json()["next_action"] == "sign_in"


def test_a_wrong_code_is_told_and_slows_down(person: User, phone: Phone) -> None:
    wrong = sign_in(person, code=phone.never_shows())
    assert refused(wrong) == (403, "second_factor_wrong")
    assert pointers(wrong) == {"/code": "second_factor_wrong"}

    at_once = sign_in(person, code=phone.shows())

    assert refused(at_once) == (429, "second_factor_locked")
    assert at_once.headers["retry-after"] == "1"


def test_whoever_has_not_the_password_hears_of_no_factor(person: User, phone: Phone) -> None:
    for more in ({}, {"code": phone.shows()}):
        assert refused(sign_in(person, "guess", **more)) == (401, "wrong_password")
    assert refused(sign_in(person, restaurant="nowhere", code=phone.shows())) == (401, "wrong_password")
    assert sign_in(person, code=phone.shows()).status_code == 201


def test_guessed_passwords_are_not_forgotten_for_a_wrong_code(person: User, phone: Phone) -> None:
    for _ in range(5):
        sign_in(person, "guess")
    sign_in(person, code=phone.never_shows())

    assert code_of(sign_in(person, "guess")) == (429, "locked_out")


def test_whoever_has_none_needs_no_code(person: User) -> None:
    assert sign_in(person, code="123456").status_code == 201


def test_where_staff_need_one_whoever_has_none_is_sent_to_the_console(
    person: User, restaurant: Restaurant, settings: Settings
) -> None:
    settings.STEWARD_SECOND_FACTOR = FactorPolicy.REQUIRED
    User.objects.filter(pk=person.pk).update(is_staff=True)

    answer = sign_in(person)

    assert refused(answer) == (403, "second_factor_required")
    assert "Set it up in the console first." in answer.json()["detail"]
    assert sign_in(with_password(restaurant, Role.WAITER)).status_code == 201
