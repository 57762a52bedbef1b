"""Cases: opened by events in their transaction, one per subject and kind, ended by people or by evidence."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction

from accounts.models import Membership, Restaurant, Role, User
from events.actors import PROVIDER, SYSTEM, Actor
from events.models import Event, Transition
from events.services import Journal, Stream
from failures.models import Case, CaseKind, CaseStatus
from failures.services.facts import CaseEvent, CaseRefused
from failures.services.working import assign_case, dismiss_case, resolve_case
from kernel import clock
from kernel.modes import Mode
from payments.models import InboundNotice, Payment, Refund
from payments.services import providers
from payments.services.facts import AccountEvent, PaymentEvent, RefundEvent
from tests.factories import RestaurantFactory, UserFactory, accepted, order_of, routed, staff
from tests.failures.world import refund_called
from tests.lock_waits import wait_until_somebody_waits_for_us
from tests.scripted import ScriptedGateway, provider_of

NEEDS_A_HUMAN: dict[StrEnum, CaseKind] = {
    PaymentEvent.EXHAUSTED: CaseKind.EXHAUSTED,
    PaymentEvent.DOUBT_PROLONGED: CaseKind.IN_DOUBT,
    PaymentEvent.AMOUNT_MISMATCHED: CaseKind.AMOUNT_MISMATCH,
    PaymentEvent.COMPLETED_LATE: CaseKind.LATE_SUCCESS,
    PaymentEvent.SURPLUS_CAPTURED: CaseKind.SURPLUS,
    PaymentEvent.CONTRADICTED: CaseKind.CONTRADICTION,
    PaymentEvent.QUARANTINED: CaseKind.QUARANTINED,
    PaymentEvent.CREDENTIALS_REFUSED: CaseKind.CREDENTIALS,
    PaymentEvent.NOTICE_ORPHANED: CaseKind.ORPHAN_NOTICE,
    PaymentEvent.NOTICE_QUARANTINED: CaseKind.QUARANTINED,
    RefundEvent.FAILED: CaseKind.REFUND_FAILED,
    RefundEvent.PROLONGED: CaseKind.REFUND_IN_DOUBT,
    RefundEvent.APPROVAL_NEEDED: CaseKind.REFUND_APPROVAL,
    RefundEvent.HAND_OVER_NEEDED: CaseKind.CASH_REFUND,
    RefundEvent.STARTED_BY_PROVIDER: CaseKind.PROVIDER_REFUND,
    RefundEvent.QUARANTINED: CaseKind.QUARANTINED,
}
# Which case is over when which event happens; else people end it.
OVER: set[tuple[CaseKind, StrEnum]] = {
    (CaseKind.IN_DOUBT, PaymentEvent.DOUBT_ENDED),
    (CaseKind.IN_DOUBT, PaymentEvent.RELEASED),
    (CaseKind.EXHAUSTED, PaymentEvent.COMPLETED),
    (CaseKind.QUARANTINED, PaymentEvent.TAKEN_UP),
    (CaseKind.AMOUNT_MISMATCH, PaymentEvent.MISMATCH_RESOLVED),
    (CaseKind.QUARANTINED, PaymentEvent.NOTICE_TAKEN_UP),
    (CaseKind.ORPHAN_NOTICE, PaymentEvent.NOTICE_TAKEN_UP),
    (CaseKind.REFUND_IN_DOUBT, RefundEvent.COMPLETED),
    (CaseKind.REFUND_IN_DOUBT, RefundEvent.FAILED),
    (CaseKind.REFUND_APPROVAL, RefundEvent.RELEASED),
    (CaseKind.REFUND_APPROVAL, RefundEvent.TURNED_DOWN),
    *((CaseKind.REFUND_FAILED, event) for event in (RefundEvent.COMPLETED, RefundEvent.RELEASED)),
    (CaseKind.CASH_REFUND, RefundEvent.FAILED),
    (CaseKind.CASH_REFUND, RefundEvent.COMPLETED),
    (CaseKind.CREDENTIALS, AccountEvent.CREDENTIALS_CHANGED),
}
ENDERS: list[StrEnum] = sorted({event for _, event in OVER})
REFUND, ATTEMPT, ACCOUNT = (str(UUID(int=number)) for number in (1, 2, 3))
ABOUT: dict[str, Any] = {"refund": REFUND, "attempt": ATTEMPT, "account": ACCOUNT, "origin": "person"}
REASON = "Called the bank: it is settled."
CARD = "4111 1111 1111 1111"


@pytest.fixture
def restaurant(db: None, monkeypatch: pytest.MonkeyPatch) -> Restaurant:
    return _open_restaurant(monkeypatch)


@pytest.fixture
def payment(restaurant: Restaurant) -> Payment:
    return accepted(order_of(restaurant))


@pytest.fixture
def finance(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


@pytest.fixture
def case(payment: Payment) -> Case:
    happened(PaymentEvent.CONTRADICTED, payment)
    return Case.objects.get()


def _open_restaurant(monkeypatch: pytest.MonkeyPatch) -> Restaurant:
    monkeypatch.setitem(providers.PROVIDERS, "a", provider_of(ScriptedGateway()))
    routed(restaurant := RestaurantFactory.create(), "a")
    return restaurant


def happened(event_type: StrEnum, stream: Stream, *, actor: Actor = SYSTEM, **data: Any) -> None:
    with transaction.atomic():
        journal = Journal(actor)
        journal.happened(event_type, stream, **data)
        if isinstance(stream, Payment):
            stream.save(update_fields=["version"])
        journal.write()


def of_case(case: Case) -> list[str]:
    return list(Event.objects.filter(stream_id=case.pk).order_by("version").values_list("type", flat=True))


@pytest.fixture
def refund(restaurant: Restaurant) -> Refund:
    return refund_called(UUID(REFUND), restaurant)


@pytest.mark.usefixtures("refund")
@pytest.mark.parametrize("event_type", [*PaymentEvent, *RefundEvent])
def test_an_event_opens_the_case_that_it_needs_and_no_other(payment: Payment, event_type: StrEnum) -> None:
    happened(event_type, payment, **ABOUT)

    needed = [kind for event, kind in NEEDS_A_HUMAN.items() if event == event_type]
    assert [case.kind for case in Case.objects.all()] == needed


def test_a_case_says_what_opened_it_for_whom_and_by_whom(payment: Payment) -> None:
    happened(PaymentEvent.CONTRADICTED, payment, actor=PROVIDER, attempt="7", reason="The books differ.")

    case = Case.objects.get()
    assert (case.status, case.payment, case.subject_id) == (CaseStatus.OPEN, payment, payment.pk)
    assert (case.restaurant_id, case.mode) == (payment.restaurant_id, payment.mode)
    assert case.data == {"attempt": "7", "reason": "The books differ."}
    assert (case.owner, case.resolution, case.closed_at, case.version) == (None, "", None, 1)
    event = Event.objects.get(stream_id=case.pk)
    assert (event.type, event.actor_kind) == (CaseEvent.OPENED, "provider")
    assert event.data == {"kind": "contradiction", "subject": str(payment.pk)}
    assert Transition.objects.get(subject_id=case.pk).reason == "payment.contradicted"


def test_the_case_of_a_notice_that_belongs_to_no_payment_is_about_the_notice(restaurant: Restaurant) -> None:
    account = restaurant.provider_accounts.get()
    notice = InboundNotice.objects.create(
        restaurant_id=restaurant.pk, mode=Mode.TEST, account=account, event_id="evt_1", content="{}"
    )

    happened(PaymentEvent.NOTICE_ORPHANED, notice, key="nobody")

    case = Case.objects.get()
    expected = (CaseKind.ORPHAN_NOTICE, None, notice.pk, restaurant)
    assert (case.kind, case.payment, case.subject_id, case.restaurant) == expected


def test_the_same_news_again_opens_no_second_case(payment: Payment) -> None:
    for _ in range(3):
        happened(PaymentEvent.CONTRADICTED, payment)

    assert of_case(Case.objects.get()) == [CaseEvent.OPENED]


def test_another_need_and_another_payment_have_their_own_cases(restaurant: Restaurant, payment: Payment) -> None:
    other = accepted(order_of(restaurant))

    happened(PaymentEvent.CONTRADICTED, payment)
    happened(PaymentEvent.DOUBT_PROLONGED, payment)
    happened(PaymentEvent.CONTRADICTED, other)

    found = {(case.subject_id, case.kind) for case in Case.objects.all()}
    assert found == {
        (payment.pk, CaseKind.CONTRADICTION),
        (payment.pk, CaseKind.IN_DOUBT),
        (other.pk, CaseKind.CONTRADICTION),
    }


@pytest.mark.parametrize("end", [resolve_case, dismiss_case])
def test_an_ended_case_is_reopened_by_new_evidence(
    payment: Payment, case: Case, finance: User, end: Callable[..., Case]
) -> None:
    end(case_id=case.pk, person=finance, reason=REASON)

    happened(PaymentEvent.CONTRADICTED, payment, reason="Again.")

    again = Case.objects.get()
    assert (again.pk, again.status, again.data) == (case.pk, CaseStatus.REOPENED, {"reason": "Again."})
    assert (again.resolution, again.closed_at) == ("", None)
    assert again.is_waiting
    step = Transition.objects.filter(subject_id=case.pk).latest("id")
    assert (step.step, step.reason) == ("reopen", "New evidence: payment.contradicted.")
    resolve_case(case_id=case.pk, person=finance, reason=REASON)
    assert Case.objects.get().status == CaseStatus.RESOLVED


@pytest.mark.usefixtures("refund")
@pytest.mark.parametrize("event_type", ENDERS)
@pytest.mark.parametrize("opener", NEEDS_A_HUMAN)
def test_a_case_ends_by_itself_when_its_reason_is_gone(payment: Payment, opener: StrEnum, event_type: StrEnum) -> None:
    happened(opener, payment, **ABOUT)
    case = Case.objects.get()
    status, opened = CaseStatus(case.status), of_case(case)

    happened(event_type, payment, actor=PROVIDER, **ABOUT)

    case = Case.objects.get(pk=case.pk)
    if (CaseKind(case.kind), event_type) in OVER:
        assert (case.status, case.resolution[:17]) == (CaseStatus.RESOLVED, "Ended by itself: ")
        assert case.closed_at is not None
        assert of_case(case) == [*opened, CaseEvent.RESOLVED]
        assert Event.objects.filter(stream_id=case.pk).latest("version").actor_kind == "provider"
    else:
        assert (case.status, of_case(case)) == (status, opened)


@pytest.mark.parametrize(
    ("left", "attempt", "status"),
    [(0, ATTEMPT, CaseStatus.RESOLVED), (0, ACCOUNT, CaseStatus.OPEN), (500, ATTEMPT, CaseStatus.OPEN)],
)
def test_a_surplus_is_over_when_a_refund_of_it_completes_be_it_the_first_or_the_second(
    payment: Payment, left: int, attempt: str, status: CaseStatus
) -> None:
    happened(PaymentEvent.SURPLUS_CAPTURED, payment, attempt=ATTEMPT, refund=REFUND)

    happened(RefundEvent.COMPLETED, payment, surplus_left_minor=left, attempt=attempt, refund=ACCOUNT)

    assert Case.objects.get().status == status


def test_a_refused_key_is_one_case_for_its_account_however_many_guests_meet_it(
    restaurant: Restaurant, payment: Payment
) -> None:
    for stream in (payment, accepted(order_of(restaurant))):
        happened(PaymentEvent.CREDENTIALS_REFUSED, stream, account=ACCOUNT)

    case = Case.objects.get()
    assert (case.payment, str(case.subject_id)) == (payment, ACCOUNT)


def test_what_somebody_works_on_ends_by_itself_too_and_what_is_ended_stays(payment: Payment, finance: User) -> None:
    happened(PaymentEvent.DOUBT_PROLONGED, payment)
    assign_case(case_id=Case.objects.get().pk, person=finance)

    happened(PaymentEvent.DOUBT_ENDED, payment)
    happened(PaymentEvent.DOUBT_ENDED, payment)

    case = Case.objects.get()
    assert (case.status, case.owner) == (CaseStatus.RESOLVED, finance)
    assert of_case(case) == [CaseEvent.OPENED, CaseEvent.ASSIGNED, CaseEvent.RESOLVED]


def test_a_case_rolls_back_with_the_event_that_opened_it(payment: Payment) -> None:
    with transaction.atomic():
        happened(PaymentEvent.CONTRADICTED, payment)
        assert Case.objects.count() == 1
        transaction.set_rollback(True)

    assert Case.objects.count() == 0


def test_a_person_takes_a_case_and_a_colleague_takes_it_over(restaurant: Restaurant, case: Case, finance: User) -> None:
    colleague = staff(restaurant, Role.ADMIN)

    assign_case(case_id=case.pk, person=finance)
    assign_case(case_id=case.pk, person=colleague)

    case = Case.objects.get(pk=case.pk)
    assert (case.status, case.owner, case.is_waiting) == (CaseStatus.ASSIGNED, colleague, True)
    steps = Transition.objects.filter(subject_id=case.pk, step="assign").order_by("id")
    assert [step.actor_id for step in steps] == [str(finance.pk), str(colleague.pk)]
    assert of_case(case) == [CaseEvent.OPENED, CaseEvent.ASSIGNED, CaseEvent.ASSIGNED]


@pytest.mark.parametrize("end", [CaseEvent.RESOLVED, CaseEvent.DISMISSED])
@pytest.mark.parametrize("role", [Role.FINANCE, Role.ADMIN])
def test_a_person_ends_a_case_with_a_reason(restaurant: Restaurant, case: Case, role: Role, end: CaseEvent) -> None:
    person = staff(restaurant, role)
    verb = {CaseEvent.RESOLVED: resolve_case, CaseEvent.DISMISSED: dismiss_case}[end]

    verb(case_id=case.pk, person=person, reason=REASON)

    case = Case.objects.get()
    assert (f"case.{case.status}", case.resolution, case.is_waiting) == (end, REASON, False)
    assert case.closed_at is not None
    assert abs((case.closed_at - clock.now()).total_seconds()) < 60
    step = Transition.objects.filter(subject_id=case.pk).latest("id")
    assert (step.from_status, step.to_status, step.reason) == ("open", case.status, REASON)
    assert (step.actor_kind, step.actor_id) == ("user", str(person.pk))
    assert of_case(case) == [CaseEvent.OPENED, end]


@pytest.mark.parametrize("second", [resolve_case, dismiss_case])
def test_who_comes_second_is_told_the_first_ones_words(
    restaurant: Restaurant, case: Case, finance: User, second: Callable[..., Case]
) -> None:
    resolve_case(case_id=case.pk, person=finance, reason=REASON)
    before = (Event.objects.count(), Transition.objects.count())

    with pytest.raises(CaseRefused) as refused:
        second(case_id=case.pk, person=staff(restaurant, Role.ADMIN), reason="I know better.")

    assert refused.value.code == "already_ended"
    assert REASON in refused.value.sentence
    assert Case.objects.get().resolution == REASON
    assert (Event.objects.count(), Transition.objects.count()) == before


def test_an_ended_case_cannot_be_taken(case: Case, finance: User) -> None:
    dismiss_case(case_id=case.pk, person=finance, reason=REASON)

    with pytest.raises(CaseRefused) as refused:
        assign_case(case_id=case.pk, person=finance)

    assert refused.value.code == "already_ended"
    assert Case.objects.get().owner is None


STRANGERS: dict[str, Callable[[Restaurant], User]] = {
    "a customer": lambda restaurant: staff(restaurant, Role.CUSTOMER),
    "a waiter": lambda restaurant: staff(restaurant, Role.WAITER),
    "finance of another restaurant": lambda _: staff(RestaurantFactory.create(), Role.FINANCE),
    "nobody's staff": lambda _: UserFactory.create(is_staff=True, is_superuser=True),
    "finance that was locked out": lambda restaurant: _locked_out(staff(restaurant, Role.FINANCE)),
    "finance that was dismissed": lambda restaurant: _dismissed(staff(restaurant, Role.FINANCE)),
}
VERBS: dict[str, Callable[[Case, User, str], Any]] = {
    "assign": lambda case, person, _: assign_case(case_id=case.pk, person=person),
    "resolve": lambda case, person, reason: resolve_case(case_id=case.pk, person=person, reason=reason),
    "dismiss": lambda case, person, reason: dismiss_case(case_id=case.pk, person=person, reason=reason),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("stranger", STRANGERS)
def test_only_finance_of_this_restaurant_works_on_its_cases(
    restaurant: Restaurant, case: Case, stranger: str, verb: str
) -> None:
    person = STRANGERS[stranger](restaurant)
    before = (Event.objects.count(), Transition.objects.count())

    with pytest.raises(CaseRefused) as refused:
        VERBS[verb](case, person, REASON)

    assert refused.value.code == "not_finance_here"
    case = Case.objects.get(pk=case.pk)
    assert (case.status, case.owner, case.resolution) == (CaseStatus.OPEN, None, "")
    assert (Event.objects.count(), Transition.objects.count()) == before


@pytest.mark.parametrize("verb", ["resolve", "dismiss"])
@pytest.mark.parametrize(
    ("reason", "code"),
    [("", "no_reason"), ("   ", "no_reason"), ("ok", "no_reason"), (f"He paid with {CARD}", "card_number")],
)
def test_a_case_is_not_ended_without_a_reason_or_with_a_card_number(
    case: Case, finance: User, verb: str, reason: str, code: str
) -> None:
    with pytest.raises(CaseRefused) as refused:
        VERBS[verb](case, finance, reason)

    assert (refused.value.code, refused.value.field) == (code, "reason")
    case = Case.objects.get(pk=case.pk)
    assert (case.status, case.resolution) == (CaseStatus.OPEN, "")


def test_of_two_who_end_a_case_at_once_the_second_waits_and_is_told(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    restaurant = _open_restaurant(monkeypatch)
    happened(PaymentEvent.CONTRADICTED, accepted(order_of(restaurant)))
    case, first, second = Case.objects.get(), staff(restaurant, Role.FINANCE), staff(restaurant, Role.ADMIN)

    def come_second() -> str:
        try:
            dismiss_case(case_id=case.pk, person=second, reason="I know better.")
        except CaseRefused as refused:
            return refused.sentence
        finally:
            connection.close()
        return "done"

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            resolve_case(case_id=case.pk, person=first, reason=REASON)
            end = pool.submit(come_second)
            wait_until_somebody_waits_for_us()
        assert REASON in end.result(timeout=10)

    assert Case.objects.get().resolution == REASON
    assert of_case(case) == [CaseEvent.OPENED, CaseEvent.RESOLVED]


def _locked_out(person: User) -> User:
    person.is_active = False
    person.save()
    return person


def _dismissed(person: User) -> User:
    Membership.objects.filter(user=person).delete()
    return person
