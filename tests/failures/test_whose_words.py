"""What the first of two people wrote is never told as what the second one said."""

from __future__ import annotations

import pytest

from accounts.models import Approval, User
from events.actors import Actor
from events.models import AuditEntry, Transition
from failures.approvals import Verdict
from failures.decisions import Action
from failures.models import Case, CaseKind
from failures.services.news import how_it_ended, news_since
from payments.models import Limited, RefundLimit
from payments.services.facts import PaymentEvent
from payments.services.refund_requests import request_refund
from tests.failures.deciding import WHY, agree, ask, reply
from tests.failures.test_services import happened
from tests.failures.world import World


@pytest.fixture
def lost(house: World) -> Case:
    happened(PaymentEvent.EXHAUSTED, house.failed.payment)
    return Case.objects.get(kind=CaseKind.EXHAUSTED, payment=house.failed.payment_id)


@pytest.fixture
def waiting(house: World, maker: User, lead: User) -> Approval:
    RefundLimit.objects.create(restaurant=house.restaurant, who=Limited.FINANCE, currency="INR", most_minor=100)
    request_refund(payment_id=house.kept.payment_id, amount_minor=200, reason=WHY, actor=Actor.user(maker))
    return Approval.objects.get()


def test_an_end_by_two_names_both_with_their_own(lost: Case, maker: User, lead: User) -> None:
    agree(ask(lost, maker, Action.WRITE_OFF), lead)

    told = how_it_ended(Case.objects.get(pk=lost.pk))

    assert told.startswith(f"{lead.username} agreed to write it off, ")
    assert told.endswith(f": “Seen as well.” Asked for by {maker.username}: “{WHY}”")


def test_who_agrees_without_a_word_is_given_none(doubt: Case, maker: User, lead: User) -> None:
    reply(ask(doubt, maker, Action.RECORD_NOT_CHARGED), lead, Verdict.APPROVE, reason="")

    told = how_it_ended(Case.objects.get(pk=doubt.pk))
    assert told.startswith(f"{lead.username} ended the doubt, ")
    assert told.endswith(f". Asked for by {maker.username}: “{WHY}”")
    entry = AuditEntry.objects.get(action="approve")
    assert (entry.actor_id, entry.reason) == (str(lead.pk), "")
    assert AuditEntry.objects.get(action="ask_to_record_not_charged").reason == WHY
    assert not Transition.objects.filter(subject_kind="approval", actor_id=str(lead.pk), reason=WHY).exists()


@pytest.mark.parametrize(
    ("verdict", "did"), [(Verdict.REJECT, "rejected it"), (Verdict.WITHDRAW, "took the request back")]
)
def test_a_no_is_called_a_no(waiting: Approval, maker: User, lead: User, verdict: Verdict, did: str) -> None:
    who = lead if verdict == Verdict.REJECT else maker
    reply(waiting, who, verdict, reason="It was warm.")

    case = Case.objects.get(pk=waiting.asked_from)
    assert case.resolution == f"{did.capitalize()}: It was warm."
    told = how_it_ended(case)
    assert told.startswith(f"{who.username} {did}, ")
    assert "It was warm." in told


def test_a_no_is_news_to_whoever_comes_late(doubt: Case, maker: User, lead: User) -> None:
    approval = ask(doubt, maker, Action.RECORD_NOT_CHARGED)
    version = Case.objects.get(pk=doubt.pk).version
    reply(approval, lead, Verdict.REJECT, reason="Their pages show a charge.")

    told = news_since(Case.objects.get(pk=doubt.pk), version)

    assert told.startswith(f"{lead.username} rejected it: “Their pages show a charge.”, ")
