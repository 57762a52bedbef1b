"""What an open page says of a case that went on since: how it stands, in the list that was chosen, and who is there."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from accounts.models import Restaurant, User
from failures.models import Case
from failures.services.news import MOST_NEWS
from failures.services.working import resolve_case
from kernel import clock
from payments.models import Payment
from payments.services.facts import PaymentEvent
from tests.failures.test_desk import QUEUE, desk_of, page_of
from tests.failures.test_open_pages import _opened, asha, case, listed, meera, on_page, told
from tests.failures.test_services import REASON, happened
from tests.time_machine import ShiftedClock

__all__ = ["asha", "case", "meera"]
pytestmark = pytest.mark.django_db


def test_one_that_was_opened_again_is_not_said_to_be_closed(case: Case, asha: User, meera: User) -> None:
    desk = desk_of(asha)
    said = on_page(desk, page_of(case))
    resolve_case(case_id=case.pk, person=meera, reason=REASON)
    assert case.payment is not None
    happened(PaymentEvent.CONTRADICTED, Payment.objects.get(pk=case.payment.pk))

    assert Case.objects.get(pk=case.pk).is_waiting
    assert told(desk, case, said)["changed"] == "This case has changed since you opened it: Steward opened it again."


def test_the_end_of_a_case_is_told_whatever_its_payment_did_since(case: Case, asha: User, meera: User) -> None:
    desk = desk_of(asha)
    said = on_page(desk, page_of(case))
    resolve_case(case_id=case.pk, person=meera, reason=REASON)
    assert case.payment is not None
    for _ in range(MOST_NEWS + 1):
        happened(PaymentEvent.STARTED, Payment.objects.get(pk=case.payment.pk))

    assert told(desk, case, said)["changed"] == "This case has changed since you opened it: meera closed it."


def test_a_list_of_several_kinds_hears_of_each(restaurant: Restaurant, asha: User) -> None:
    desk, asked = desk_of(asha), "?kind__exact=contradiction&kind__exact=in_doubt"
    said = on_page(desk, f"{QUEUE}{asked}")

    _opened(restaurant)

    assert listed(desk, said, asked) == "1 case came in since."


def test_since_when_one_is_there_the_own_page_knows(case: Case, asha: User, meera: User, time: ShiftedClock) -> None:
    """Where two said at once that they are there, one of them was not kept."""
    first, second = desk_of(asha), desk_of(meera)
    said = on_page(first, page_of(case))
    opened = clock.now()
    time.advance(seconds=120)  # Nothing of that is known any more.
    told(first, case, said)

    others = told(second, case, on_page(second, page_of(case)))["others"]

    assert others == f"asha has this page open, since {opened.astimezone(ZoneInfo(case.restaurant.time_zone)):%H:%M}."
