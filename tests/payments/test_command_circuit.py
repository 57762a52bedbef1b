"""`manage.py circuit`: sentences about a word over a circuit, and how all circuits are."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from pytest_django.fixtures import Settings

from accounts.models import Restaurant
from payments.gateways.guard import Operation
from payments.models import BreakerOverride, ProviderAccount
from payments.services.providers import circuits_of
from tests.factories import UserFactory
from tests.time_machine import ShiftedClock


@pytest.fixture(autouse=True)
def _operator(restaurant: Restaurant) -> None:
    UserFactory.create(username="ravi", is_staff=True, is_superuser=True)


def circuit(*words: str, **options: object) -> str:
    answer = StringIO()
    call_command("circuit", *words, stdout=answer, **options)
    return answer.getvalue()


def say(word: str, **options: object) -> str:
    return circuit("a", "charge", word, "--person=ravi", "--reason=Their status page.", "--mode=test", **options)


def refused(*words: str, **options: object) -> str:
    with pytest.raises(CommandError) as error:
        circuit(*words, **options)
    return str(error.value)


def until(override: BreakerOverride) -> str:
    return f"until {override.expires_at:%Y-%m-%d %H:%M} UTC"


def test_a_word_says_how_long_it_lasts() -> None:
    said = say("open", minutes=90)

    assert said == f"a charge (test): forced open {until(BreakerOverride.objects.get())}.\n"


def test_taking_a_word_back_is_a_sentence() -> None:
    assert say("release") == "a charge (test): earlier words are taken back, and the circuit decides by itself again.\n"


@pytest.mark.parametrize("minutes", [0, -5, 1441, 10**12])
def test_minutes_are_above_zero_up_to_a_day(minutes: int) -> None:
    said = refused("a", "charge", "open", person="ravi", reason="Their status page.", minutes=minutes)

    assert said == "--minutes is above zero, up to a day (1440)."


def test_cash_has_no_circuit() -> None:
    said = refused("cash", "charge", "open", person="ravi", reason="No change left.")

    assert said == "cash has no circuit: a person takes it."
    assert not BreakerOverride.objects.exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["a"], "Say provider, operation and word"),
        (["a", "charge"], "Say provider, operation and word"),
        (["a", "charge", "open"], "also needs --person and --reason"),
        (["a", "charge", "open", "--person=ravi"], "also needs --reason"),
    ],
)
def test_half_a_word_is_asked_for_the_rest(words: list[str], sentence: str) -> None:
    assert sentence in refused(*words)


def test_the_words_that_last_are_listed(time: ShiftedClock) -> None:
    say("closed", minutes=5)
    time.advance(minutes=1)
    say("open", minutes=90)
    newest = BreakerOverride.objects.latest("created_at")

    assert circuit().splitlines()[0] == f"a charge (test): forced open {until(newest)}, by ravi: Their status page."

    time.advance(minutes=1)
    say("release")
    assert circuit().splitlines()[0] == "No word over a circuit lasts."


def test_the_circuits_themselves_are_listed(settings: Settings) -> None:
    settings.REDIS_URL = "redis://shared"
    account = ProviderAccount.objects.get(provider="b")
    circuits_of(account)[Operation.REFUND].trip(cool_down_seconds=600)

    assert circuit().splitlines()[1:] == [
        "a (test) by itself: charge closed, refund closed, look_up closed, cancel closed",
        "b (test) by itself: charge closed, refund open, look_up closed, cancel closed",
    ]


def test_without_redis_there_is_nothing_shared_to_list(settings: Settings) -> None:
    settings.REDIS_URL = ""

    (_, said) = circuit().splitlines()
    assert said.startswith("Without Redis every process has circuits of its own")
