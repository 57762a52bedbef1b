"""What is said to whoever decides about another amount: what can be done instead of what cannot."""

from __future__ import annotations

import pytest

from accounts.models import Restaurant, Role, User
from events.actors import GUEST
from orders.models import Order
from orders.services import cancel_order
from payments.services.mismatches import MismatchChoice
from payments.services.refusals import PaymentRefused
from tests.factories import staff
from tests.payments.test_operators import captured, decided
from tests.scripted import ScriptedGateway

KEEP = MismatchChoice.KEEP


@pytest.fixture
def finance(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


def test_a_refusal_says_what_can_be_done_instead(
    restaurant: Restaurant, provider_a: ScriptedGateway, finance: User
) -> None:
    with pytest.raises(PaymentRefused) as refusal:
        decided(captured(restaurant, provider_a, 90_000), KEEP, finance)

    assert refusal.value.sentence == "Only ₹840.00 of the bill is due: give the difference back, or all of it."


def test_where_only_all_of_it_can_go_back_the_refusal_says_only_that(
    restaurant: Restaurant, provider_a: ScriptedGateway, finance: User
) -> None:
    cancelled = captured(restaurant, provider_a, 90_000)
    cancel_order(order_id=cancelled.order_id, actor=GUEST)
    tip_alone = captured(restaurant, provider_a, 6_000, tip_minor=6_000)
    covered = captured(restaurant, provider_a, 90_000)
    Order.objects.filter(pk=covered.order_id).update(total_minor=40_000)

    said = {
        cancelled: "Nothing is due any more: give it all back.",
        tip_alone: "What came in does not even cover the tip: give it all back.",
        covered: "Only ₹400.00 of the bill is due: give it all back.",
    }
    for payment, sentence in said.items():
        with pytest.raises(PaymentRefused) as refusal:
            decided(payment, KEEP, finance)
        assert refusal.value.sentence == sentence
    Order.objects.filter(pk=covered.order_id).update(total_minor=84_000)
