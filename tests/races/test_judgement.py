"""The judge sees what the sums of an order hide."""

from __future__ import annotations

from dataclasses import replace

from tests.factories import order_of, paid
from tests.races.judgement import Judge
from tests.races.scenes import PART, TOTAL
from tests.races.trials import Races


def test_a_share_that_is_charged_twice_is_too_much_though_its_bill_has_room(ring: Races) -> None:
    payment = paid(order_of(ring.ground.restaurant, TOTAL), instrument="sim_ok", amount_minor=PART)
    assert Judge(ring.ground).at_rest() == []

    books = ring.ground.providers["sandbox_a"].books
    (charge,) = books.charges.values()
    books.write(replace(charge, id="charged-again"))

    assert f"I1: of payment {payment.reference}, {PART} and 0, {2 * PART} is held" in Judge(ring.ground).at_rest()
