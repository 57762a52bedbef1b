"""The desk over HTTP: the queue in its order, and a case on its page. Each of its presses: `test_every_press.py`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from accounts.models import Restaurant, Role, User
from events.actors import SYSTEM
from events.models import AuditEntry
from failures.models import Case, CaseFile, CaseKind, CaseStatus, EvidenceKind
from failures.services.papers import add_file
from failures.services.working import assign_case, resolve_case, snooze_case
from kernel import clock
from kernel.money import Money
from payments.gateways.contract import Answer, ErrorCode, LookUpResult
from payments.gateways.contract import Outcome as Sent
from payments.models import Attempt, Payment, PaymentStatus
from payments.services import providers
from payments.services.evidence import Finding
from payments.services.facts import PaymentEvent, RefundEvent
from payments.services.refund_requests import request_refund
from payments.services.settling import PROLONGED_DOUBT
from tests.factories import accepted, order_of, paid, staff
from tests.failures.test_papers import PDF
from tests.failures.test_services import REASON, happened
from tests.failures.world import attempted
from tests.scripted import ScriptedGateway, outcome, provider_of

pytestmark = pytest.mark.django_db
QUEUE = "/admin/failures/case/"
MOST_QUERIES = 15  # Of one page, however much there is on it.


def desk_of(person: User) -> Client:
    person.is_staff = True
    person.save()
    client = Client()
    client.force_login(person, backend="accounts.backends.PersonBackend")
    return client


@pytest.fixture
def finance(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


@pytest.fixture
def desk(finance: User) -> Client:
    return desk_of(finance)


@pytest.fixture
def case(payment: Payment) -> Case:
    happened(PaymentEvent.CONTRADICTED, payment)
    return Case.objects.get()


def page_of(case: Case) -> str:
    return reverse("admin:failures_case_change", args=[case.pk])


def press(client: Client, case: Case, verb: str, **said: Any) -> Any:
    """With what the page has in its hidden fields."""
    hidden = {"version": Case.objects.get(pk=case.pk).version, "press": str(uuid4())}
    return client.post(reverse("admin:failures_case_do", args=[case.pk, verb]), {**hidden, **said})


def _main(answer: Any) -> str:
    """Without the frame, which has the form to sign out."""
    text: str = answer.content.decode()
    return text[text.index('class="desk"') :]


@pytest.mark.parametrize(
    ("button", "said", "sentence"),
    [
        ("decide", {"action": "dismiss", "reason": "ok"}, "Say in a few words why"),
        ("decide", {"action": "dismiss", "reason": "Card 4111 1111 1111 1111"}, "This looks like a card number"),
        ("decide", {"action": "resolve", "reason": REASON, "outcome": ""}, "Choose how it ended"),
        ("decide", {"action": "resolve", "reason": REASON, "outcome": "paid"}, "It did not end so. As the books stand"),
        ("decide", {"action": "resolve", "reason": ""}, "This field is required"),
        ("decide", {"action": "retry", "reason": REASON}, "For this case there are"),
        ("snooze", {"reason": REASON, "minutes": "9999999"}, "Select a valid choice"),
        ("note", {"text": "Card 4111 1111 1111 1111"}, "This looks like a card number"),
        ("file", {"file": SimpleUploadedFile("a.pdf", b"<html>")}, "Evidence is a PDF"),
        ("give-back", {"reason": REASON}, "Nobody has this case"),
    ],
)
def test_what_is_wrong_is_said_where_it_is_wrong(
    desk: Client, case: Case, button: str, said: dict[str, Any], sentence: str
) -> None:
    answer = press(desk, case, button, **said)

    text = answer.content.decode()
    assert answer.status_code in {400, 409}
    assert sentence in text
    assert not said.get("reason") or said["reason"] in text
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("amount", ["840.999", "eight", "-1", ""])
def test_an_amount_is_an_amount(desk: Client, payment: Payment, amount: str) -> None:
    happened(PaymentEvent.DOUBT_PROLONGED, payment)
    case = Case.objects.get()

    answer = press(desk, case, "decide", action="record_charged", reason=REASON, amount=amount)

    assert answer.status_code == 409
    assert not AuditEntry.objects.exists()


def test_there_is_nothing_else_to_press(desk: Client, case: Case) -> None:
    assert press(desk, case, "delete").status_code == 404
    assert desk.get(reverse("admin:failures_case_do", args=[case.pk, "take"])).status_code == 302
    assert desk.get(f"{QUEUE}{uuid4()}/change/").status_code == 404
    assert Case.objects.get().status == CaseStatus.OPEN


@pytest.mark.parametrize(
    ("verb", "said", "longest"),
    [
        ("note", {"text": "w" * 5_000}, 4_000),
        ("snooze", {"minutes": "60", "reason": "w" * 501}, 500),
        ("decide", {"action": "resolve", "outcome": "nothing_wrong", "reason": "w" * 501}, 500),
    ],
)
def test_what_is_too_long_is_refused_whole_and_stands_there_again(
    desk: Client, case: Case, verb: str, said: dict[str, str], longest: int
) -> None:
    assert not re.search(
        r'<(textarea|input)[^>]*name="(text|reason)"[^>]*maxlength', desk.get(page_of(case)).content.decode()
    )

    answer = press(desk, case, verb, **said)

    assert answer.status_code == 400
    assert f"at most {longest} characters" in answer.content.decode()
    assert max(said.values(), key=len) in _main(answer)
    assert not case.notes.exists()


def test_a_case_that_has_ended_shows_how_and_takes_notes(desk: Client, case: Case, finance: User) -> None:
    resolve_case(case_id=case.pk, person=finance, reason="The bank called.")

    text = _main(desk.get(page_of(case)))
    assert "This case has ended. " in text
    assert ": The bank called." in text
    assert "Close:" not in text  # Nothing is left but to open it again.
    assert "Open it again" in text
    assert press(desk, case, "note", text="The bank wrote, too.").status_code == 302


class TestFromOneThatHasEnded:
    @pytest.fixture
    def ended(self, case: Case, finance: User) -> Case:
        return resolve_case(case_id=case.pk, person=finance, reason="The bank called.")

    def test_the_next_one_is_taken(self, desk: Client, restaurant: Restaurant, ended: Case, finance: User) -> None:
        happened(PaymentEvent.CONTRADICTED, accepted(order_of(restaurant)))
        text = _main(desk.get(page_of(ended)))
        (form,) = re.findall(rf'action="{QUEUE}next/"[^>]*>(.*?)</form>', text, re.S)
        assert ">Take next</button>" in form
        (number,) = re.findall(r'name="press" value="([^"]+)"', form)

        taken = [desk.post(f"{QUEUE}next/", {"press": number}).headers["location"] for _ in range(2)]

        assert set(taken) == {page_of(Case.objects.get(owner=finance, status=CaseStatus.ASSIGNED))}

    def test_whoever_only_looks_takes_none(self, restaurant: Restaurant, ended: Case) -> None:
        assert "Take next" not in _main(desk_of(staff(restaurant, Role.AUDITOR)).get(page_of(ended)))

    def test_of_one_that_waits_none_is_offered(self, desk: Client, case: Case) -> None:
        assert "Take next" not in _main(desk.get(page_of(case)))


class TestAsking:
    @pytest.fixture
    def gateway(self, restaurant: Restaurant, monkeypatch: pytest.MonkeyPatch) -> ScriptedGateway:
        gateway = ScriptedGateway()
        monkeypatch.setitem(providers.PROVIDERS, "a", provider_of(gateway))
        return gateway

    @pytest.fixture
    def doubt(self, restaurant: Restaurant, gateway: ScriptedGateway, transactional_db: None) -> Case:
        gateway.charges.append(outcome(Sent.UNKNOWN, ErrorCode.TIMED_OUT))
        payment = paid(order_of(restaurant))
        assert payment.in_doubt
        # As when nobody knew after a quarter of an hour.
        Attempt.objects.update(told=[PROLONGED_DOUBT])
        happened(PaymentEvent.DOUBT_PROLONGED, payment, attempt=str(payment.attempts.get().pk))
        return Case.objects.get()

    def test_ends_the_doubt_where_the_provider_knows(self, desk: Client, doubt: Case, gateway: ScriptedGateway) -> None:
        gateway.look_ups.append(LookUpResult(answer=Answer.SUCCEEDED, money=Money(84_000, "INR")))

        answer = press(desk, doubt, "ask")

        assert answer.status_code == 302
        assert Payment.objects.get().status == PaymentStatus.COMPLETED
        assert (
            "The provider was asked. It says that the money moved. The case is closed."
            in desk.get(page_of(doubt)).content.decode()
        )
        assert [entry.action for entry in AuditEntry.objects.all()] == ["ask"]

    def test_changes_nothing_where_it_stays_silent(self, desk: Client, doubt: Case, gateway: ScriptedGateway) -> None:
        press(desk, doubt, "ask")

        assert Payment.objects.get().in_doubt
        assert "It gave no answer that can be relied on yet." in desk.get(page_of(doubt)).content.decode()

    def test_while_in_doubt_what_would_be_a_guess_is_locked_in_words(self, desk: Client, doubt: Case) -> None:
        text = _main(desk.get(page_of(doubt)))

        assert "May have come in" in text
        assert "₹840.00" in text
        assert "Locked: The doubt is not over: record what the provider says" in text
        assert "Asks for the status. It cannot move money." in text


class TestTheQueue:
    def test_shows_what_waits_in_the_order_in_which_it_matters(self, restaurant: Restaurant, desk: Client) -> None:
        small, large, doubt = (accepted(order_of(restaurant, total_minor=minor)) for minor in (500, 90_000, 700))
        for payment in (small, large):
            happened(PaymentEvent.CONTRADICTED, payment)
        happened(PaymentEvent.DOUBT_PROLONGED, doubt)
        Case.objects.exclude(kind=CaseKind.IN_DOUBT).update(opened_at=clock.now() - timedelta(hours=1))

        shown = re.findall(r">(P-[A-Z0-9]+)<", desk.get(QUEUE).content.decode())

        assert shown == [each.reference for each in (doubt, large, small)]

    def test_takes_the_next_one(self, desk: Client, case: Case, finance: User) -> None:
        answer = desk.post(f"{QUEUE}next/")

        assert (answer.status_code, answer["Location"]) == (302, page_of(case))
        assert Case.objects.get().owner == finance
        again = desk.post(f"{QUEUE}next/", follow=True)
        assert "There is no case that nobody has." in again.content.decode()

    def test_takes_nothing_by_being_looked_at(self, desk: Client, case: Case) -> None:
        assert desk.get(f"{QUEUE}next/").status_code == 405
        assert Case.objects.get().owner is None

    def test_takes_none_for_whoever_may_only_look(self, restaurant: Restaurant, case: Case) -> None:
        desk_of(staff(restaurant, Role.AUDITOR)).post(f"{QUEUE}next/")

        assert Case.objects.get().owner is None

    @pytest.mark.parametrize(
        ("which", "is_shown"),
        [("", False), ("mine", True), ("free", False), ("put_off", True), ("ended", False), ("all", True)],
    )
    def test_hides_what_was_put_off_until_somebody_looks_for_it(
        self, desk: Client, case: Case, finance: User, which: str, is_shown: bool
    ) -> None:
        assign_case(case_id=case.pk, person=finance)
        snooze_case(case_id=case.pk, person=finance, until=clock.now() + timedelta(hours=1), reason=REASON)

        page = desk.get(QUEUE, {"which": which} if which else {}).content.decode()

        assert (page_of(case) in page) == is_shown

    def test_is_empty_in_words(self, desk: Client) -> None:
        assert "Nothing needs a person." in desk.get(QUEUE).content.decode()


def test_evidence_is_handed_out_and_never_shown(desk: Client, case: Case, finance: User) -> None:
    file = add_file(case_id=case.pk, person=finance, name="रसीद 1.pdf", content=PDF)

    answer = desk.get(reverse("admin:failures_case_file", args=[case.pk, file.pk]))

    assert answer.content == PDF
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"].startswith('attachment; filename="')
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert AuditEntry.objects.latest("id").action == "open_file"


def test_evidence_from_before_is_handed_out_as_what_it_is(desk: Client, case: Case, finance: User) -> None:
    old = {"name": "statement.bat", "kind": EvidenceKind.CSV, "size": 4, "sha256": "0" * 64, "content": b"a,b\n"}
    file = CaseFile.objects.create(case=case, author=finance, **old)

    answer = desk.get(reverse("admin:failures_case_file", args=[case.pk, file.pk]))

    assert answer["Content-Disposition"] == "attachment; filename=\"statement.csv\"; filename*=UTF-8''statement.csv"


def test_evidence_of_another_case_is_not_there(desk: Client, case: Case, restaurant: Restaurant, finance: User) -> None:
    happened(PaymentEvent.CONTRADICTED, accepted(order_of(restaurant)))
    other = Case.objects.latest("id")
    file = add_file(case_id=other.pk, person=finance, name="letter.pdf", content=PDF)

    assert desk.get(reverse("admin:failures_case_file", args=[case.pk, file.pk])).status_code == 404


def test_a_page_asks_the_database_a_few_questions(
    desk: Client, case: Case, finance: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(3):
        press(desk, case, "note", text=f"Note {number}.")
        add_file(case_id=case.pk, person=finance, name="letter.pdf", content=PDF + b"%d" % number)

    for path in (QUEUE, page_of(case)):
        with django_assert_max_num_queries(MOST_QUERIES):
            assert desk.get(path).status_code == 200


def test_of_a_refund_in_doubt_the_provider_can_be_asked(restaurant: Restaurant, desk: Client) -> None:
    """Its charge is long over: that nothing else of it is open hides no button."""
    payment = attempted(order_of(restaurant), Finding.SUCCEEDED, minor=84_000, reference="ch_1").payment
    refund = request_refund(payment_id=payment.pk, reason=REASON, actor=SYSTEM)
    happened(
        RefundEvent.PROLONGED, Payment.objects.get(pk=payment.pk), refund=str(refund.pk), attempt=str(refund.attempt_id)
    )

    page = desk.get(page_of(Case.objects.get(kind=CaseKind.REFUND_IN_DOUBT))).content.decode()

    assert "Ask the provider now" in page
