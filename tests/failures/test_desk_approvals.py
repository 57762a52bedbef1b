"""Two people at the desk: the one asks on the case's page, the other answers there, and nobody plays both."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Approval, ApprovalStatus, Restaurant, Role, User
from accounts.services.editing_people import setting_password
from events.models import AuditEntry
from failures.approvals import Reply, Verdict, decide_approval
from failures.models import Case, CaseStatus
from failures.selectors import approvals_for
from payments.gateways.contract import ErrorCode
from payments.models import Payment
from payments.services.evidence import Finding
from payments.services.facts import PaymentEvent
from tests.factories import order_of, staff
from tests.failures.test_desk import MOST_QUERIES, desk_of, page_of, press
from tests.failures.test_services import REASON, happened
from tests.failures.world import attempted
from tests.time_machine import ShiftedClock

pytestmark = pytest.mark.django_db
WORDS = "The guest never came back."


@pytest.fixture
def restaurant(restaurant: Restaurant) -> Restaurant:
    return restaurant


@pytest.fixture
def maker(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


@pytest.fixture
def lead(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE_LEAD)


@pytest.fixture
def case(payment: Payment) -> Case:
    """Ended: whoever opens it again needs somebody who agrees."""
    happened(PaymentEvent.CONTRADICTED, payment)
    case = Case.objects.get()
    person = staff(payment.restaurant, Role.ADMIN)
    press(desk_of(person), case, "decide", action="dismiss", reason=REASON)
    person.memberships.all().delete()
    AuditEntry.objects.count()
    return Case.objects.get()


@pytest.fixture
def asked(case: Case, maker: User, lead: User) -> Approval:
    press(desk_of(maker), case, "decide", action="reopen", reason=WORDS)
    return Approval.objects.get()


def answer(client: Client, case: Case, verdict: str, **said: Any) -> Any:
    approval = said.pop("approval", None) or Approval.objects.latest("id").pk
    return press(client, case, "reply", verdict=verdict, approval=str(approval), **said)


def shown(client: Client, case: Case) -> str:
    text: str = client.get(page_of(case)).content.decode()
    return text[text.index('class="desk"') :]


def test_whoever_asks_is_told_that_somebody_else_has_to_agree(case: Case, maker: User, lead: User) -> None:
    desk = desk_of(maker)
    assert "A second person has to agree first." in shown(desk, case)

    answered = press(desk, case, "decide", action="reopen", reason=WORDS)

    assert answered.status_code == 302
    text = shown(desk, case)
    assert "A second person is asked: Open it again" in text
    assert "You asked for it. A finance lead or an admin who is somebody else has to agree." in text
    assert ">Approve</button>" not in text
    assert "Take the request back" in text
    assert "Locked: A second person is being asked." in text


def test_the_second_person_sees_why_and_what_changes_and_approves(case: Case, asked: Approval, lead: User) -> None:
    desk = desk_of(lead)
    text = shown(desk, case)
    assert WORDS in text
    assert "Case" in text
    assert "reopened" in text
    assert ">Approve</button>" in text

    assert answer(desk, case, "approve").status_code == 302

    assert Case.objects.get().status == CaseStatus.ASSIGNED
    assert "Approved, and done." in desk.get(page_of(case)).content.decode()
    assert "Agreed." in shown(desk, case)


@pytest.mark.parametrize("is_pending", [False, True])
def test_each_form_shows_what_it_asks(case: Case, lead: User, maker: User, is_pending: bool) -> None:
    if is_pending:
        press(desk_of(maker), case, "decide", action="reopen", reason=WORDS)

    text = shown(desk_of(lead), case)

    assert 'name="text"' in text
    assert 'type="file"' in text
    assert text.count('name="reason"') == 1  # To open it again, or to reject that.


@pytest.mark.parametrize("verdict", ["approve", "reject"])
def test_a_forged_answer_of_the_maker_changes_nothing(case: Case, asked: Approval, maker: User, verdict: str) -> None:
    refused = answer(desk_of(maker), case, verdict, reason=REASON)

    assert refused.status_code == 409
    assert "You asked for it yourself" in refused.content.decode()
    assert Approval.objects.get().status == ApprovalStatus.PENDING


@pytest.mark.parametrize("role", [Role.FINANCE, Role.AUDITOR])
def test_nor_does_one_of_whoever_may_not(restaurant: Restaurant, case: Case, asked: Approval, role: Role) -> None:
    other = desk_of(staff(restaurant, role))
    assert ">Approve</button>" not in shown(other, case)

    assert answer(other, case, "approve").status_code == 409
    assert Approval.objects.get().status == ApprovalStatus.PENDING


def test_a_request_is_answered_in_its_own_case(case: Case, asked: Approval, lead: User, payment: Payment) -> None:
    happened(PaymentEvent.COMPLETED_LATE, Payment.objects.get(pk=payment.pk))
    other = Case.objects.exclude(pk=case.pk).get()

    assert answer(desk_of(lead), other, "approve", approval=asked.pk).status_code == 404
    assert Approval.objects.get().status == ApprovalStatus.PENDING


def test_a_rejection_says_why(case: Case, asked: Approval, lead: User) -> None:
    desk = desk_of(lead)

    assert "Say in a few words why" in answer(desk, case, "reject", reason="").content.decode()
    answer(desk, case, "reject", reason="It is settled.")

    assert Approval.objects.get().status == ApprovalStatus.REJECTED
    assert "It is settled." in shown(desk, case)


def test_by_how_many_it_was_decided_is_told_once_it_is(restaurant: Restaurant, asked: Approval, lead: User) -> None:
    page = reverse("admin:accounts_approval_change", args=[asked.pk])
    assert "By how many" not in desk_of(lead).get(page).content.decode()

    decide_approval(approval_id=asked.pk, reply=Reply(verdict=Verdict.APPROVE), person=lead)

    told = desk_of(lead).get(page).content.decode()
    assert "By how many" in told
    assert "Two people." in told


def test_who_is_alone_is_told_when_and_how(restaurant: Restaurant, case: Case, time: ShiftedClock) -> None:
    alone = staff(restaurant, Role.ADMIN)
    desk = desk_of(alone)
    press(desk, case, "decide", action="reopen", reason=WORDS)

    text = shown(desk, case)
    assert "Nobody else works here who could agree, so you may, with a code of your second factor. Opens:" in text
    assert ">Approve</button>" not in text
    time.advance(minutes=61)
    desk = desk_of(alone)  # An hour is longer than a session without a press.
    assert ">Approve</button>" in shown(desk, case)
    assert "with a code of your second factor" in answer(desk, case, "approve").content.decode()
    assert Approval.objects.get().status == ApprovalStatus.PENDING


def test_where_nobody_else_leads_a_colleague_of_finance_is_asked(restaurant: Restaurant, case: Case) -> None:
    admin, colleague = desk_of(staff(restaurant, Role.ADMIN)), desk_of(staff(restaurant, Role.FINANCE))
    press(admin, case, "decide", action="reopen", reason=WORDS)
    assert "You asked for it. A colleague of finance who is somebody else has to agree." in shown(admin, case)
    assert ">Approve</button>" in shown(colleague, case)

    assert answer(colleague, case, "approve").status_code == 302

    assert Approval.objects.get().status == ApprovalStatus.DONE
    assert Case.objects.get().status == CaseStatus.ASSIGNED


def test_the_page_stays_cheap(case: Case, asked: Approval, lead: User, django_assert_max_num_queries: Any) -> None:
    desk = desk_of(lead)
    desk.get(page_of(case))

    with django_assert_max_num_queries(MOST_QUERIES):
        desk.get(page_of(case))


def test_there_is_no_other_way_in(case: Case, asked: Approval, lead: User) -> None:
    desk = desk_of(lead)
    assert answer(desk, case, "agree").status_code == 400
    assert desk.get(reverse("admin:failures_case_do", args=[case.pk, "reply"])).status_code == 302
    assert Approval.objects.get().status == ApprovalStatus.PENDING


def test_who_was_set_up_by_whoever_asks_is_told_why_not(
    case: Case, asked: Approval, maker: User, lead: User, time: ShiftedClock
) -> None:
    maker.memberships.update(role=Role.ADMIN)
    with setting_password(person_id=lead.pk, by=maker):
        lead.set_password("known to both")
        lead.save()
    desk = desk_of(lead)

    text = shown(desk, case)
    refused = answer(desk, case, "approve")

    assert ">Approve</button>" not in text
    assert "You are not independent of who asked" in text
    assert refused.status_code == 409
    assert "You are not independent of who asked" in refused.content.decode()
    assert not approvals_for(lead).exists()
    assert Approval.objects.get().status == ApprovalStatus.PENDING


def test_who_asks_for_those_that_stand_so_finds_them_also_where_nobody_is_asked_any_more(
    asked: Approval, maker: User, lead: User
) -> None:
    page = "/admin/accounts/approval/"
    press(desk_of(maker), asked_in(asked), "reply", approval=str(asked.pk), verdict="withdraw", reason=WORDS)

    client = desk_of(lead)
    assert "Open it again" not in client.get(page).content.decode().split("result_list")[-1]
    assert "Open it again" in client.get(f"{page}?status__exact=withdrawn").content.decode()


class TestTheRequestItself:
    """On a page of its own."""

    def shown(self, person: User, approval: Approval) -> str:
        page = desk_of(person).get(reverse("admin:accounts_approval_change", args=[approval.pk]))
        assert page.status_code == 200
        return str(page.content.decode())

    def sent(self, person: User, approval: Approval, button: str, **said: str) -> Any:
        """The form of this button, as it stands there."""
        forms = re.findall(r'<form method="post" action="([^"]+)">(.*?)</form>', self.shown(person, approval), re.S)
        ((address, fields),) = [form for form in forms if f">{button}</button>" in form[1]]
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', fields))
        return desk_of(person).post(address, {**hidden, **said}, follow=True)

    def test_is_agreed_to_there(self, case: Case, asked: Approval, lead: User) -> None:
        answered = self.sent(lead, asked, "Approve")

        assert "Approved, and done." in answered.content.decode()
        assert answered.redirect_chain == [(page_of(case), 302)]
        assert Approval.objects.get().status == ApprovalStatus.DONE
        assert Case.objects.get().status == CaseStatus.ASSIGNED

    def test_is_refused_there_with_a_reason(self, asked: Approval, lead: User) -> None:
        assert "Say in a few words why" in self.sent(lead, asked, "Reject it", reason="").content.decode()
        assert Approval.objects.get().status == ApprovalStatus.PENDING

        self.sent(lead, asked, "Reject it", reason="It is settled.")

        assert Approval.objects.get().status == ApprovalStatus.REJECTED

    def test_is_taken_back_there_by_whoever_asked(self, asked: Approval, maker: User) -> None:
        text = self.shown(maker, asked)
        assert "You asked for it. A finance lead or an admin who is somebody else has to agree." in text
        assert ">Approve</button>" not in text

        self.sent(maker, asked, "Take it back", reason=WORDS)

        assert Approval.objects.get().status == ApprovalStatus.WITHDRAWN

    @pytest.mark.parametrize("role", [Role.FINANCE, Role.AUDITOR])
    def test_says_why_somebody_may_not(self, restaurant: Restaurant, asked: Approval, role: Role) -> None:
        text = self.shown(staff(restaurant, role), asked)

        assert "A finance lead or an admin has to agree." in text
        assert ">Approve</button>" not in text
        assert ">Reject it</button>" not in text

    def test_says_that_it_was_overtaken_by_another_press(self, asked: Approval, lead: User, maker: User) -> None:
        """The page was drawn before the case changed."""
        page = self.shown(lead, asked)
        press(desk_of(maker), asked_in(asked), "note", text="The guest called.")
        said = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))

        refused = desk_of(lead).post(reverse("admin:failures_case_do", args=[asked.asked_from, "reply"]), said)

        assert refused.status_code == 409
        assert Approval.objects.get().status == ApprovalStatus.PENDING

    def test_has_no_button_once_it_is_answered(self, asked: Approval, lead: User) -> None:
        decide_approval(approval_id=asked.pk, reply=Reply(verdict=Verdict.APPROVE), person=lead)

        text = self.shown(lead, asked)

        assert "desk-asked" not in text
        assert WORDS in text

    def test_nor_when_its_time_is_over(self, asked: Approval, lead: User, time: ShiftedClock) -> None:
        time.advance(hours=25)

        assert "desk-asked" not in self.shown(lead, asked)

    def test_asks_little(self, asked: Approval, lead: User, django_assert_max_num_queries: Any) -> None:
        desk, page = desk_of(lead), reverse("admin:accounts_approval_change", args=[asked.pk])
        desk.get(page)

        with django_assert_max_num_queries(MOST_QUERIES):
            desk.get(page)


def asked_in(approval: Approval) -> Case:
    return Case.objects.get(pk=approval.asked_from)


class TestTheListOfAllThatIsAsked:
    LIST = "/admin/accounts/approval/"

    @pytest.fixture
    def lost(self, restaurant: Restaurant, maker: User) -> Approval:
        """Of a payment that failed, at a table, the whole is given up."""
        attempted(order_of(restaurant, table="7", total_minor=28_000), Finding.DECLINED, code=ErrorCode.CARD_DECLINED)
        failed = Payment.objects.get()
        happened(PaymentEvent.EXHAUSTED, failed)
        press(desk_of(maker), Case.objects.get(), "decide", action="write_off", reason=WORDS)
        return Approval.objects.get()

    def test_names_what_people_know_it_by(self, lost: Approval, lead: User) -> None:
        text = desk_of(lead).get(self.LIST).content.decode()

        named = f'<a class="link" href="{page_of(asked_in(lost))}">{Payment.objects.get().reference}, Table 7</a>'
        assert named in text
        assert "₹280.00" in text

    def test_one_of_them_says_what_changes_in_words_and_where_it_is_answered(self, lost: Approval, lead: User) -> None:
        page = desk_of(lead).get(reverse("admin:accounts_approval_change", args=[lost.pk])).content.decode()
        text = " ".join(page.split())

        assert '<th scope="row">Case written off</th><td>–</td><td>₹280.00</td>' in text
        assert "28000, " not in text.replace("&quot;", '"')
        assert page_of(asked_in(lost)) in text
        assert f"Write it off, {Payment.objects.get().reference}" in text
        assert "maker" not in text.lower().split("for support")[0].split('id="content')[-1]

    def test_one_of_no_payment_leads_into_its_case(self, restaurant: Restaurant, lead: User, lost: Approval) -> None:
        Case.objects.update(payment=None)

        assert ">Open the case</a>" in desk_of(lead).get(self.LIST).content.decode()

    def test_costs_the_same_however_many_there_are(
        self, restaurant: Restaurant, lost: Approval, maker: User, lead: User, django_assert_max_num_queries: Any
    ) -> None:
        desk = desk_of(lead)
        desk.get(self.LIST)
        for table in "89":
            attempted(order_of(restaurant, table=table), Finding.DECLINED, code=ErrorCode.CARD_DECLINED)
        for payment in Payment.objects.exclude(cases=asked_in(lost)):
            happened(PaymentEvent.EXHAUSTED, payment)
            press(desk_of(maker), Case.objects.get(payment=payment), "decide", action="write_off", reason=WORDS)
        assert Approval.objects.count() == 3

        with django_assert_max_num_queries(7):  # As for one.
            desk.get(self.LIST)
