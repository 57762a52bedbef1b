"""A trial reports whatever went wrong in it, also where the product goes on and somebody else puts it right."""

from __future__ import annotations

from collections.abc import Callable
from unittest import mock

from django.db import OperationalError

from payments.services import sweeps
from payments.services.lookups import look_up_payment
from tests.races.trials import AFTER, Race, Races


def test_a_worker_that_breaks_is_a_finding_though_the_next_one_finishes_its_row(ring: Races) -> None:
    with mock.patch.object(sweeps, "look_up_payment", _breaks_once(look_up_payment)):
        outcome = ring.run(Race("doubt", ("sweeps_payments",), AFTER, 1))

    assert [violation for violation in outcome.violations if "deadlock detected" in violation]


def _breaks_once(real: Callable[..., object]) -> mock.Mock:
    return mock.Mock(side_effect=[OperationalError("deadlock detected"), mock.DEFAULT], wraps=real)
