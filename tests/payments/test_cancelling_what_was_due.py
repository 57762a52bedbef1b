"""Another amount came in: by cancelling its order nobody makes undue what they may not give back alone."""

from __future__ import annotations

from functools import partial

import pytest

from accounts.models import Restaurant, Role, User
from events.actors import GUEST, Actor
from events.models import Event
from kernel.money import Money
from orders.services import cancel_order
from payments.gateways.contract import Outcome
from payments.models import Attempt, Capture, Limited, Payment, Refund, RefundLimit
from payments.services.evidence import Finding
from payments.services.mismatches import MismatchChoice
from payments.services.operators import resolve_mismatch
from payments.services.refusals import PaymentRefused, RefundRefused
from tests.factories import order_of, paid, staff
from tests.failures.test_second_person_at_once import at_once
from tests.failures.world import told
from tests.payments.test_refund_limits import LIMIT, WHY, refused
from tests.payments.words import DUE
from tests.scripted import ScriptedGateway, outcome, succeeded

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
    with pytest.raises(
        PaymentRefused, match="Money came in for this order, and who cancels it gives money back: that needs the right"
    ):
        cancel(actor=GUEST, may_refund=False)
    give_back = partial(
        resolve_mismatch, payment_id=wrong.pk, choice=MismatchChoice.REFUND_ALL, person=finance, reason=WHY
    )
    assert refused(give_back) == "above_limit"
    RefundLimit.objects.update(most_minor=DUE.minor)
    cancel(actor=Actor.user(finance))
    assert not Refund.objects.exists()  # What becomes of it is still asked in its case.


@pytest.mark.django_db(transaction=True)
def test_of_the_wrong_amount_and_the_cancelling_at_once_none_slips_through(
    finance: User, restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    """It came first: whoever cancels may not make it undue. It came later: nothing was known of it when they did."""
    provider_a.charges.append(outcome(Outcome.UNKNOWN))
    payment = paid(order_of(restaurant))

    answers = at_once(
        lambda: told(Attempt.objects.get(), Finding.SUCCEEDED, minor=DUE.minor + 5_000),
        lambda: cancel_order(order_id=payment.order_id, actor=Actor.user(finance)),
    )

    about = ["order.cancelled", "payment.amount_mismatched"]
    happened = list(Event.objects.filter(type__in=about).order_by("at").values_list("type", flat=True))
    assert (answers, happened) in [(["above_limit", "done"], about[1:]), (["done", "done"], about)]
    assert (Attempt.objects.get().capture, Refund.objects.count()) == (Capture.UNDECIDED, 0)
