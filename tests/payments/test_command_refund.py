"""`manage.py refund`: asked for and sent in one step, and one line about what came of it."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from accounts.models import Restaurant, Role
from payments.gateways.contract import ErrorCode, Outcome
from payments.models import Limited, Payment, Refund, RefundLimit
from payments.services.cash import CashTaken, confirm_cash
from tests.factories import order_of, paid, staff
from tests.scripted import ScriptedGateway, outcome


@pytest.fixture
def payment(restaurant: Restaurant) -> Payment:
    """₹280.00 and a tip of ₹20.00."""
    return paid(order_of(restaurant, 28_000), tip_minor=2_000)


def refund(payment: Payment, **options: object) -> str:
    answer = StringIO()
    call_command("refund", payment.reference, reason="The food was cold.", stdout=answer, **options)
    return answer.getvalue().strip()


def of(payment: Payment, amount: str, end: str) -> str:
    return f"Refund of {amount} of payment {payment.reference}: {end}"


def test_all_goes_back(payment: Payment) -> None:
    assert refund(payment) == of(payment, "₹300.00", "completed.")
    assert Refund.objects.get().reason == "The food was cold."


def test_a_part_goes_back(payment: Payment) -> None:
    assert refund(payment, amount="1.50") == of(payment, "₹1.50", "completed.")
    assert (Refund.objects.get().amount_minor, Refund.objects.get().tip_minor) == (150, 0)


@pytest.mark.parametrize(("amount", "minor"), [("", 2_000), ("5", 500)])
def test_of_the_tip_alone(payment: Payment, amount: str, minor: int) -> None:
    refund(payment, amount=amount, tip=True)

    assert (Refund.objects.get().amount_minor, Refund.objects.get().tip_minor) == (0, minor)


def test_a_doubt_says_when_the_provider_is_asked(payment: Payment, provider_a: ScriptedGateway) -> None:
    provider_a.refunds.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))

    said = refund(payment)

    at = f"{Refund.objects.get().next_action_at:%H:%M:%S} UTC"
    assert said == of(payment, "₹300.00", f"processing; in doubt; timed_out; the provider is asked again at {at}.")


def test_a_pending_one_says_when_the_provider_is_asked(payment: Payment, provider_a: ScriptedGateway) -> None:
    provider_a.refunds.append(outcome(Outcome.PENDING))

    said = refund(payment)

    at = f"{Refund.objects.get().next_action_at:%H:%M:%S} UTC"
    assert said == of(payment, "₹300.00", f"processing; the provider is asked again at {at}.")


def test_a_failed_one_has_a_case(payment: Payment, provider_a: ScriptedGateway) -> None:
    provider_a.refunds.append(outcome(Outcome.DECLINED, ErrorCode.REFUND_REFUSED))

    assert refund(payment) == of(payment, "₹300.00", "failed; refund_refused; a case is open.")


def test_cash_is_handed_back_by_somebody(restaurant: Restaurant) -> None:
    payment = paid(order_of(restaurant, 28_000), method="cash")
    confirm_cash(payment_id=payment.pk, waiter=staff(restaurant, Role.WAITER), taken=CashTaken(amount_minor=28_000))

    said = refund(payment)

    end = "requested; somebody hands the cash back, and a case is open until then."
    assert said == of(payment, "₹280.00", end)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"amount": "300.00"}, "Of the tip ₹20.00 is left to refund, of the share ₹280.00. (more_than_left)"),
        ({"amount": "300.01"}, "Only ₹300.00 of ₹300.00 is left to refund. (more_than_left)"),
        ({"amount": "1.234"}, "INR has 2 decimals; '1.234' has more."),
        ({"amount": "much"}, "'much' is not an amount. Write it like 840 or 840.50."),
        ({"restaurant": "nope"}, "There is no restaurant nope."),
    ],
)
def test_a_refusal_says_why(payment: Payment, options: dict[str, str], sentence: str) -> None:
    with pytest.raises(CommandError) as error:
        refund(payment, **options)

    assert sentence in str(error.value)
    assert not Refund.objects.exists()


def test_a_payment_that_does_not_exist(restaurant: Restaurant) -> None:
    with pytest.raises(CommandError, match=r"There is no payment P-NOWHERE\."):
        call_command("refund", "P-NOWHERE", reason="Nobody knows.")


class TestWhereOnePersonGivesBackSoMuchAlone:
    @pytest.fixture(autouse=True)
    def _limit(self, restaurant: Restaurant) -> None:
        RefundLimit.objects.create(restaurant=restaurant, who=Limited.FINANCE, currency="INR", most_minor=10_000)

    def test_a_terminal_is_no_way_around(self, payment: Payment, restaurant: Restaurant) -> None:
        with pytest.raises(CommandError, match="Say who you are: --by USERNAME"):
            refund(payment)
        for role in (Role.WAITER, Role.AUDITOR):
            with pytest.raises(CommandError, match="not of this restaurant's finance staff"):
                refund(payment, by=staff(restaurant, role).username)
        with pytest.raises(CommandError, match="nobody is not of"):
            refund(payment, by="nobody")
        assert not Refund.objects.exists()

    def test_above_it_somebody_has_to_agree(self, payment: Payment, restaurant: Restaurant) -> None:
        person = staff(restaurant, Role.FINANCE)

        assert refund(payment, by=person.username, amount="100") == of(payment, "₹100.00", "completed.")
        said = refund(payment, by=person.username, amount="0.01")

        waits = "waiting_approval; a second person has to agree, in its case in the console."
        assert said == of(payment, "₹0.01", waits)
        assert Refund.objects.get(amount_minor=1).sends == 0
