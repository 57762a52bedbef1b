"""Runs of the generator: the same for the same seed, resumed where they stopped, and never beside live money."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.core.management.base import CommandError
from django.db import models, transaction

from events.models import AuditEntry
from failures.generated import planning
from failures.generated.filling import fill
from failures.generated.planning import Wish
from failures.generated.recording import COPIED, columns
from failures.invariants import offences
from kernel.modes import Mode
from orders.models import Order, OrderLine
from payments.models import Payment
from tests.factories import ProviderAccountFactory, RestaurantFactory, order_of
from tests.failures.generated.running import DAYS, UNTIL, generate

# Telling the stories once takes longer than copying them.
pytestmark = pytest.mark.slow


def test_the_same_seed_leaves_the_same_rows(db: None) -> None:
    digests = [_digest_of_a_run(seed=7), _digest_of_a_run(seed=7), _digest_of_a_run(seed=8)]

    assert digests[0] == digests[1]
    assert digests[0] != digests[2]


def _digest_of_a_run(*, seed: int) -> str:
    """Of all that was written. Encrypted columns are read: no two tokens of one text are alike."""
    sid = transaction.savepoint()
    generate(seed=seed, payments=120, cases=20)
    said = hashlib.sha256()
    tables: tuple[type[models.Model], ...] = (*COPIED, OrderLine, AuditEntry)
    for model in tables:
        names = [field.attname for field in columns(model)]
        said.update("\n".join(sorted(map(repr, model._default_manager.values_list(*names)))).encode())
    transaction.savepoint_rollback(sid)
    return said.hexdigest()


def test_live_money_is_never_mixed_with_it(db: None) -> None:
    ProviderAccountFactory.create(restaurant=RestaurantFactory.create(), provider="cash", mode=Mode.LIVE)

    with pytest.raises(CommandError, match="takes live payments"):
        generate()

    assert Order.objects.count() == 0


def test_a_restaurant_with_orders_of_its_own_is_left_alone(db: None) -> None:
    restaurant = RestaurantFactory.create()
    order_of(restaurant)

    with pytest.raises(CommandError, match="has orders of its own"):
        generate(restaurant=restaurant.slug)

    assert Order.objects.count() == 1


def test_more_cases_than_payments_can_have_are_refused(db: None) -> None:
    with pytest.raises(CommandError, match="60 open cases need 360 payments or more"):
        generate(payments=300)


@pytest.mark.parametrize("wrong", [{"payments": 0}, {"cases": "many"}, {"until": "tomorrow"}])
def test_impossible_wishes_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(CommandError, match=r"is no whole number above zero|is no time"):
        generate(**wrong)


def test_a_run_that_was_interrupted_goes_on(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part is all or nothing: what is there is not told again."""
    monkeypatch.setattr(planning, "PART", 40)
    parts = []

    def interrupt(done: int) -> None:
        parts.append(done)
        if len(parts) == 2:
            raise KeyboardInterrupt

    wish = Wish(payments=160, cases=10, seed=7, days=DAYS, until=UNTIL, slug="interrupted")
    with pytest.raises(KeyboardInterrupt):
        fill(wish, say=_hear_nothing, told=interrupt)
    there = Payment.objects.count()
    filled = fill(replace(wish, until=UNTIL + timedelta(hours=1)), say=_hear_nothing, told=_hear_nothing)

    assert 0 < there < 160
    assert (there + filled.payments, filled.until) == (160, UNTIL)
    assert Payment.objects.count() == 160
    assert list(offences(now=UNTIL)) == []


def _hear_nothing(_: Any) -> None:
    """Whoever only looks at the rows."""
