"""Another amount came in: by cancelling its order nobody makes undue what they may not give back alone."""

from __future__ import annotations

from functools import partial

import pytest

from accounts.models import Restaurant, Role, User
from events.actors import GUEST, Actor
from kernel.money import Money
from orders.services import cancel_order
from payments.models import Limited, Payment, Refund, RefundLimit
from payments.services.mismatches import MismatchChoice
from payments.services.operators import resolve_mismatch
from payments.services.refusals import PaymentRefused, RefundRefused
from tests.factories import order_of, paid, staff
from tests.payments.test_refund_limits import LIMIT, WHY, refused
from tests.payments.words import DUE
from tests.scripted import ScriptedGateway, succeeded

pytestmark = pytest.mark.django_db


@pytest.fixture
def finance(restaurant: Restaurant) -> User:
    RefundLimit.objects.create(restaurant=restaurant, who=Limited.FINANCE, currency="INR", most_minor=LIMIT)
    return staff(restaurant, Role.FINANCE)


@pytest.fixture
def wrong(restaurant: Restaurant, provider_a: ScriptedGateway) -> Payment:
    provider_a.charges.append(succeeded(Money(DUE.minor + 5_000, "INR")))
    return paid(order_of(restaurant))


def test_that_was_due_is_not_made_undue_by_who_may_not_give_it_back(wrong: Payment, finance: User) -> None:
    """One person would cancel, and then give back at any height."""
    cancel = partial(cancel_order, order_id=wrong.order_id)

    with pytest.raises(RefundRefused) as refused_to_cancel:
        cancel(actor=Actor.user(finance))

    assert refused_to_cancel.value.code == "above_limit"
    assert "Decide about that amount first, in its case." in refused_to_cancel.value.sentence
    with pytest.raises(PaymentRefused, match="that needs the right to refund"):
        cancel(actor=GUEST, may_refund=False)
    give_back = partial(
        resolve_mismatch, payment_id=wrong.pk, choice=MismatchChoice.REFUND_ALL, person=finance, reason=WHY
    )
    assert refused(give_back) == "above_limit"
    RefundLimit.objects.update(most_minor=DUE.minor)
    cancel(actor=Actor.user(finance))
    assert not Refund.objects.exists()  # What becomes of it is still asked in its case.
