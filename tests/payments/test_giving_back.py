"""The page on which money of a payment is given back: by whom, how much, once, and what is said of it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Membership, Restaurant, Role, User
from events.actors import GUEST, Actor
from events.models import AuditEntry
from failures.models import Case, CaseKind
from kernel import clock
from orders.models import Order, PaymentState
from payments.gateways.contract import ErrorCode, Outcome
from payments.models import Attempt, NextAction, Payment, Refund, RefundOrigin, RefundStatus
from payments.services.cash import CashTaken, confirm_cash
from payments.services.evidence import Evidence, Finding, Source
from payments.services.payments import retry_payment
from payments.services.refund_requests import request_refund
from payments.services.refusals import RefundRefused
from payments.services.settlement import settle_attempt
from payments.services.sweeps import sweep_payments, sweep_refunds
from tests.accounts.signing_in import signed_in, somebody
from tests.factories import RestaurantFactory, UserFactory, accepted, order_of, paid, staff
from tests.factors import with_factor
from tests.failures.test_desk import MOST_QUERIES, desk_of
from tests.payments.words import DUE
from tests.scripted import ScriptedGateway, outcome
from tests.time_machine import ShiftedClock

WHY = "The food was cold."
OFFICE = [Role.FINANCE, Role.FINANCE_LEAD, Role.ADMIN]


@pytest.fixture
def payment(restaurant: Restaurant) -> Payment:
    return paid(order_of(restaurant))


@pytest.fixture
def finance(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


@pytest.fixture
def desk(finance: User) -> Client:
    return desk_of(finance)


def page_of(payment: Payment) -> str:
    return f"/admin/payments/payment/{payment.pk}/change/"


def give_page_of(payment: Payment) -> str:
    return f"/admin/payments/payment/{payment.pk}/give-back/"


def text_of(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def as_shown(desk: Client, payment: Payment, **typed: str) -> dict[str, str]:
    """What a browser would send of the page, with some of it typed anew."""
    page = desk.get(give_page_of(payment)).content.decode()
    names = ("version", "press", "amount", "tip")
    found = {name: re.search(rf'name="{name}" value="([^"]*)"', page) for name in names}
    return {**{name: shown[1] for name, shown in found.items() if shown}, "reason": WHY, **typed}


def forged(payment: Payment) -> dict[str, str]:
    version = Payment.objects.values_list("version", flat=True).get(pk=payment.pk)
    return {"version": str(version), "press": str(clock.new_id()), "amount": "840", "reason": WHY}


def surplus(restaurant: Restaurant, provider: ScriptedGateway) -> Attempt:
    """Paid at the second try, and then the first turns out to have been charged; its own refund was refused."""
    provider.charges.append(outcome(Outcome.DECLINED, ErrorCode.CARD_DECLINED))
    payment = paid(order_of(restaurant))
    retry_payment(payment_id=payment.pk, actor=GUEST)
    sweep_payments(width=1)
    late = Attempt.objects.order_by("number")[0]
    news = Evidence(source=Source.NOTICE, finding=Finding.SUCCEEDED, money=DUE)
    settle_attempt(attempt_id=late.pk, evidence=news)
    provider.refunds.append(outcome(Outcome.DECLINED, ErrorCode.CARD_DECLINED))
    sweep_refunds(width=1)
    return Attempt.objects.get(pk=late.pk)


def cash_of(restaurant: Restaurant) -> Payment:
    payment = paid(order_of(restaurant), method="cash")
    waiter = staff(restaurant, Role.WAITER)
    confirm_cash(payment_id=payment.pk, waiter=waiter, taken=CashTaken(amount_minor=84_000))
    return payment


@pytest.mark.parametrize("role", OFFICE)
def test_the_office_gives_all_of_it_back(restaurant: Restaurant, payment: Payment, role: Role) -> None:
    person = staff(restaurant, role)
    desk = desk_of(person)
    assert f'href="{give_page_of(payment)}"' in desk.get(page_of(payment)).content.decode()
    said = as_shown(desk, payment)
    assert said["amount"] == "840.00"
    assert f"₹840.00 of {payment.reference}, or as much of it as you write, goes back through a" in text_of(
        desk.get(give_page_of(payment))
    )

    answer = desk.post(give_page_of(payment), said, follow=True)

    refund = Refund.objects.get()
    assert (refund.amount_minor, refund.reason, refund.requested_by) == (84_000, WHY, str(person.pk))
    assert (refund.status, refund.next_action) == (RefundStatus.REQUESTED, NextAction.BEGIN)
    assert answer.redirect_chain[-1][0] == page_of(payment)
    assert "₹840.00 goes back through a: it is sent within seconds." in text_of(answer)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.reason, entry.actor_id) == ("request_refund", WHY, str(person.pk))
    assert "Everything went back already or is on its way." in text_of(answer)
    assert f'href="{give_page_of(payment)}"' not in answer.content.decode()


def test_a_part_goes_back_and_the_order_can_be_paid_again_only_where_that_is_said(
    desk: Client, payment: Payment
) -> None:
    desk.post(give_page_of(payment), as_shown(desk, payment, amount="40.50"))
    desk.post(give_page_of(payment), as_shown(desk, payment, amount="100", reopens_order="on", once_more="on"))
    for _ in range(2):
        sweep_refunds(width=1)

    parts = Refund.objects.order_by("pk").values_list("amount_minor", "reopens_order")
    assert list(parts) == [(4_050, False), (10_000, True)]
    assert Order.objects.get().payment_state == PaymentState.PART_PAID
    assert as_shown(desk, payment)["amount"] == "699.50"


def test_an_amount_is_typed_as_the_page_shows_it(desk: Client, payment: Payment) -> None:
    desk.post(give_page_of(payment), as_shown(desk, payment, amount="₹5"))

    assert Refund.objects.get().amount_minor == 500
    refused = desk.post(give_page_of(payment), as_shown(desk, payment, amount="$5"))
    assert "is not an amount in INR" in text_of(refused)


def test_the_whole_has_its_tip_and_a_part_has_what_is_written(desk: Client, restaurant: Restaurant) -> None:
    whole, part = (paid(order_of(restaurant), tip_minor=5_000) for _ in range(2))
    assert as_shown(desk, whole)["tip"] == "50.00"

    desk.post(give_page_of(whole), as_shown(desk, whole))
    desk.post(give_page_of(part), as_shown(desk, part, amount="0", tip="10"))

    given = {refund.payment_id: (refund.amount_minor, refund.tip_minor) for refund in Refund.objects.all()}
    assert given == {whole.pk: (84_000, 5_000), part.pk: (0, 1_000)}


def test_a_surplus_goes_back_whole_whatever_is_forged(
    desk: Client, restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    late = surplus(restaurant, provider_a)
    kept = Attempt.objects.exclude(pk=late.pk).get()
    request_refund(payment_id=kept.payment_id, attempt_id=kept.pk, reason="cold food", actor=GUEST)
    said = as_shown(desk, late.payment)
    assert "amount" not in said
    assert "was never due: all of it goes back" in text_of(desk.get(give_page_of(late.payment)))

    answer = desk.post(give_page_of(late.payment), {**said, "amount": "1", "reopens_order": "on"})

    assert answer.status_code == 302
    again = Refund.objects.filter(attempt=late).latest("created_at")
    assert (again.origin, again.amount_minor, again.reopens_order) == (RefundOrigin.SURPLUS, 84_000, False)


def test_cash_is_handed_over_by_somebody_and_a_case_waits_for_that(desk: Client, restaurant: Restaurant) -> None:
    payment = cash_of(restaurant)
    assert "in cash, across the table. A case stays in the queue" in text_of(desk.get(give_page_of(payment)))

    answer = desk.post(give_page_of(payment), as_shown(desk, payment), follow=True)

    assert "₹840.00 has to be handed back in cash." in text_of(answer)
    assert Refund.objects.get().status == RefundStatus.REQUESTED
    assert Case.objects.get().kind == CaseKind.CASH_REFUND


@pytest.mark.parametrize("amount", ["840.00", "10"])
def test_a_second_press_is_the_first_one(desk: Client, payment: Payment, amount: str) -> None:
    said = as_shown(desk, payment, amount=amount)
    desk.post(give_page_of(payment), said)

    answer = desk.post(give_page_of(payment), said, follow=True)

    assert Refund.objects.count() == AuditEntry.objects.count() == 1
    assert "It was done already, by your first press. ₹" in text_of(answer)
    assert "it is sent within seconds" in text_of(answer)


def test_a_second_press_is_the_first_one_also_where_its_form_asks_for_less_by_now(
    desk: Client, restaurant: Restaurant
) -> None:
    """All of the tip went back with a part: there is no field for it any more."""
    payment = paid(order_of(restaurant), tip_minor=5_000)
    said = as_shown(desk, payment, amount="100")
    desk.post(give_page_of(payment), said)
    assert "tip" not in as_shown(desk, payment)

    answer = desk.post(give_page_of(payment), said, follow=True)

    assert "It was done already, by your first press. ₹150.00 goes back" in text_of(answer)
    assert Refund.objects.count() == 1


def test_a_page_that_was_used_gives_nothing_else_back_and_keeps_what_was_typed(desk: Client, payment: Payment) -> None:
    said = as_shown(desk, payment, amount="100")
    desk.post(give_page_of(payment), said)

    answer = desk.post(give_page_of(payment), {**said, "amount": "12.30"})

    text = text_of(answer)
    assert answer.status_code == 409
    assert "This page was used already for something else. Nothing was done: look, and press again." in text
    assert "by your first press" not in text
    assert Refund.objects.count() == 1
    shown = dict(re.findall(r'name="(press|version|amount|reason)" value="([^"]*)"', text))
    assert (shown["amount"], shown["reason"]) == ("12.30", WHY)
    assert shown["press"] != said["press"]
    assert "Some of it went back just now, or is on its way. Tick this if more is to go back." in text
    assert desk.post(give_page_of(payment), {**shown, "once_more": "on"}).status_code == 302
    assert Refund.objects.latest("pk").amount_minor == 1_230


def test_what_is_left_of_nothing_is_not_called_done(desk: Client, payment: Payment) -> None:
    said = as_shown(desk, payment)
    desk.post(give_page_of(payment), said)

    answer = desk.post(give_page_of(payment), {**said, "reason": "The soup was cold, too."})

    assert answer.status_code == 409
    assert "Everything went back already or is on its way." in text_of(answer)
    assert "The soup was cold, too." in text_of(answer)


def test_an_old_page_is_refused_with_what_happened_since_and_what_was_typed(
    desk: Client, restaurant: Restaurant, payment: Payment
) -> None:
    said = as_shown(desk, payment, amount="12.30")
    colleague = desk_of(staff(restaurant, Role.FINANCE))
    colleague.post(give_page_of(payment), as_shown(colleague, payment, amount="100"))

    answer = desk.post(give_page_of(payment), said)

    assert answer.status_code == 409
    assert Refund.objects.count() == 1
    text = text_of(answer)
    assert "Something happened to this payment since you opened the page." in text
    assert "Meanwhile money was asked for back. What you typed still stands here." in text
    assert 'value="12.30"' in text
    assert f'value="{WHY}"' in text
    assert "₹740.00 is left to give back." in text
    shown = re.search(r'name="version" value="(\d+)"', text)
    assert shown is not None
    assert desk.post(give_page_of(payment), {**said, "version": shown[1]}).status_code == 302


def test_where_all_went_back_meanwhile_the_reason_that_was_typed_is_still_there(desk: Client, payment: Payment) -> None:
    said = as_shown(desk, payment)
    request_refund(payment_id=payment.pk, reason="cold food", actor=GUEST)

    answer = desk.post(give_page_of(payment), said)

    assert answer.status_code == 409
    assert "Everything went back already or is on its way." in text_of(answer)
    assert WHY in text_of(answer)


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"amount": "840.01"}, "Only ₹840.00 of ₹840.00 is left to refund."),
        ({"amount": "0"}, "A refund is above zero."),
        ({"amount": "-1"}, "&#x27;-1&#x27; is not an amount. Write it like 840 or 840.50."),
        ({"amount": "ten"}, "is not an amount. Write it like 840 or 840.50."),
        ({"amount": "1.001"}, "INR has 2 decimals"),
        ({"amount": ""}, "This field is required."),
        ({"amount": "10", "reason": ""}, "This field is required."),
        ({"amount": "10", "reason": "ok"}, "Say in a few words why: a colleague will read it."),
        ({"amount": "10", "reason": "4111 1111 1111 1111"}, "This looks like a card number."),
    ],
)
def test_what_is_wrong_is_said_in_words_and_what_was_typed_is_kept(
    desk: Client, payment: Payment, typed: dict[str, str], sentence: str
) -> None:
    answer = desk.post(give_page_of(payment), as_shown(desk, payment, **typed, reopens_order="on"))

    assert answer.status_code in {400, 409}
    assert sentence in text_of(answer)
    for value in {"reason": WHY, **typed}.values():
        assert not value or f'value="{value}"' in text_of(answer)
    assert re.search(r'name="reopens_order"[^>]*checked', text_of(answer))
    assert not Refund.objects.exists()
    assert not AuditEntry.objects.exists()


def test_where_nothing_can_go_back_the_page_says_why(
    desk: Client, restaurant: Restaurant, provider_a: ScriptedGateway, provider_b: ScriptedGateway
) -> None:
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    doubtful = paid(order_of(restaurant))
    fresh = accepted(order_of(restaurant))
    refused = paid(order_of(restaurant))
    request_refund(payment_id=refused.pk, amount_minor=100, reason="cold food", actor=GUEST)
    provider_a.refunds.append(outcome(Outcome.DECLINED, ErrorCode.CARD_DECLINED))
    sweep_refunds(width=1)
    Refund.objects.update(next_action=NextAction.LOOK_UP, next_action_at=clock.now())

    for payment, why in (
        (doubtful, "Nobody knows yet what came in. Nothing goes back before that is known."),
        (fresh, "Nothing came in so far: there is nothing to give back."),
        (refused, "An earlier refund may have been made after all. a is asked about it next at"),
    ):
        on_page = text_of(desk.get(page_of(payment)))
        assert why in on_page
        assert re.search(r"<button[^>]* disabled[^>]*>Give money back", on_page)
        assert why in text_of(desk.get(give_page_of(payment)))
        answer = desk.post(give_page_of(payment), forged(payment))
        assert answer.status_code == 409
        assert why in text_of(answer)
    assert Refund.objects.count() == 1


def test_others_see_no_button_and_what_they_forge_changes_nothing(restaurant: Restaurant, payment: Payment) -> None:
    boss = UserFactory.create(is_staff=True, is_superuser=True)
    strangers = [
        (staff(restaurant, Role.AUDITOR), 403),
        (boss, 403),
        (staff(restaurant, Role.WAITER), 404),
        (staff(RestaurantFactory.create(), Role.ADMIN), 404),
    ]
    for person, status in strangers:
        desk = desk_of(person)
        assert "Give money back" not in desk.get(page_of(payment), follow=True).content.decode()
        assert desk.get(give_page_of(payment)).status_code == status
        assert desk.post(give_page_of(payment), forged(payment)).status_code == status
        with pytest.raises(RefundRefused) as refused:
            request_refund(payment_id=payment.pk, reason=WHY, actor=Actor.user(person))
        assert refused.value.code == "not_finance_here"
    assert not Refund.objects.exists()
    assert not AuditEntry.objects.exists()


def test_a_form_of_another_site_is_refused(payment: Payment, finance: User) -> None:
    desk = desk_of(finance)
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = desk.cookies

    assert strict.post(give_page_of(payment), forged(payment)).status_code == 403
    assert not Refund.objects.exists()


def test_an_old_code_is_asked_for_again_and_what_was_typed_comes_along(
    restaurant: Restaurant, payment: Payment, time: ShiftedClock
) -> None:
    Membership.objects.create(user=(person := somebody("asha")), restaurant=restaurant, role=Role.FINANCE)
    phone = with_factor(person)
    browser = signed_in(person, phone)
    said = as_shown(browser, payment, amount="10")
    time.advance(minutes=11)

    asked = browser.post(give_page_of(payment), said)
    assert "Confirm that it is you" in text_of(asked)
    assert f'value="{WHY}"' in text_of(asked)
    assert not Refund.objects.exists()

    done = browser.post(give_page_of(payment), {**said, "second_factor_code": phone.shows()})
    assert done.status_code == 302
    assert Refund.objects.get().amount_minor == 1_000
    again = browser.post(give_page_of(payment), said, follow=True)
    assert "It was done already, by your first press." in text_of(again)


def test_both_pages_ask_the_database_a_few_times(desk: Client, restaurant: Restaurant, payment: Payment) -> None:
    desk.get(page_of(payment))  # What a process keeps, as the kinds of its tables, is read once.
    for _ in range(5):
        desk.post(give_page_of(payment), as_shown(desk, payment, amount="10"))
        for page in (page_of(payment), give_page_of(payment)):
            with CaptureQueriesContext(connection) as queries:
                assert desk.get(page).status_code == 200
            assert len(queries) <= MOST_QUERIES
