"""The demo's story: the same at every first start, and told to its end also when somebody interrupts it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from failures.demo.seed import DemoDay, Sandbox, Secrets, seed_demo
from failures.demo.story import VISITS
from orders.models import Order
from tests.sandbox.running import API_KEY, SECRET, on_a_socket


class Interrupted(BaseException):
    pass


def seed(say: Callable[[str], None] = lambda line: None) -> None:
    """A first or a later start, which its person may interrupt."""
    with on_a_socket() as line, suppress(Interrupted):
        sandboxes = [Sandbox(provider=name, url=line.url, fee_bps=0) for name in ("sandbox_a", "sandbox_b")]
        seed_demo(sandboxes=sandboxes, secrets=Secrets(api_key=API_KEY, webhook_secret=SECRET), say=say)


@pytest.mark.parametrize("after", [1, 5])
def test_a_start_that_was_interrupted_goes_on(transactional_db: None, after: int) -> None:
    def interrupt(line: str) -> None:
        if line.startswith(f"Order {after} "):
            raise Interrupted

    seed(interrupt)
    assert Order.objects.count() == after

    for _ in range(2):
        seed()
        assert Order.objects.count() == len(VISITS)


def test_what_an_order_is_called_does_not_depend_on_how_many_ids_are_made() -> None:
    reference_bits, quick, slow = 40, DemoDay(0), DemoDay(0)

    for bits in (12, 62, 62):
        slow.random_bits(bits)

    assert slow.random_bits(reference_bits) == quick.random_bits(reference_bits)
