"""A case whose reason lasts cannot be put away by hand: nothing else would show it to anybody."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import transaction

from accounts.models import Role
from events.actors import GUEST, SYSTEM
from events.models import Event
from events.services import Journal
from failures.models import WAITING, Case, CaseKind
from failures.services.facts import CaseEvent, CaseRefused
from failures.services.working import dismiss_case, resolve_case
from kernel.money import Money
from orders.services import cancel_order
from payments.models import Attempt, InboundNotice, Refund
from payments.services import providers, timing
from payments.services.attempts import begin_attempt
from payments.services.evidence import Evidence, Finding, Source
from payments.services.facts import PaymentEvent, RefundEvent
from payments.services.operators import take_up_notice
from payments.services.quarantine import quarantine_notice, quarantine_payment, quarantine_refund, quarantine_watch
from payments.services.refund_requests import request_refund
from payments.services.refund_settlement import settle_refund
from payments.services.settling import PROLONGED_DOUBT
from tests.factories import accepted, order_of, staff
from tests.failures.world import World, attempted, make_world, told
from tests.scripted import ScriptedGateway, provider_of
from tests.two_people import record_refund_made

REASON = "Nobody will look at it any more."


@pytest.fixture
def world(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setitem(providers.PROVIDERS, "a", provider_of(ScriptedGateway()))
    with transaction.atomic():
        return make_world()


def happened(event: PaymentEvent | RefundEvent, of: Attempt, /, **data: str) -> None:
    with transaction.atomic():
        journal = Journal(SYSTEM)
        payment = Attempt.objects.select_related("payment").get(pk=of.pk).payment
        journal.happened(event, payment, **data)
        payment.save(update_fields=["version"])
        journal.write()


def of_refund(event: RefundEvent) -> Callable[[World], None]:
    return lambda world: happened(event, world.kept, refund=str(world.refund.pk), attempt=str(world.kept.pk))


def prolong_doubt(world: World) -> None:
    Attempt.objects.filter(pk=world.doubtful.pk).update(told=[PROLONGED_DOUBT])
    happened(PaymentEvent.DOUBT_PROLONGED, world.doubtful)


def stop_watch(world: World) -> None:
    Attempt.objects.filter(pk=world.failed.pk).update(watch_claims=timing.MAX_CLAIMS + 1)
    quarantine_watch(attempt_id=world.failed.pk)


def stop_notice(world: World) -> None:
    InboundNotice.objects.update(claims=timing.MAX_CLAIMS + 1, next_action_at=world.notice.received_at)
    quarantine_notice(notice_id=world.notice.pk)


def refuse_what_a_cancelled_order_owes(world: World) -> None:
    cancel_order(order_id=world.kept.payment.order_id, actor=SYSTEM)
    refund = Refund.objects.filter(attempt=world.kept).latest("id")
    settle_refund(refund_id=refund.pk, evidence=Evidence(source=Source.LOOK_UP, finding=Finding.DECLINED))


def return_what_somebody_else_has_paid_by_now(world: World) -> None:
    """The bank brings a refund back after its part of the bill was paid anew: both are held, and one is the guest's."""
    order = order_of(world.restaurant)
    first = attempted(order, Finding.SUCCEEDED, minor=84_000)
    refund = request_refund(
        payment_id=first.payment_id, amount_minor=40_000, reason="wrong guest", actor=GUEST, reopens_order=True
    )
    settle_refund(refund_id=refund.pk, evidence=_said(Finding.SUCCEEDED))
    second = begin_attempt(payment_id=accepted(order, amount_minor=40_000).pk)
    assert second is not None
    told(second.attempt, Finding.SUCCEEDED, minor=40_000)
    settle_refund(refund_id=refund.pk, evidence=_said(Finding.DECLINED))


def _said(finding: Finding) -> Evidence:
    return Evidence(source=Source.LOOK_UP, finding=finding, money=Money(40_000, "INR"))


@pytest.mark.parametrize(
    ("kind", "harm"),
    [
        (CaseKind.REFUND_FAILED, return_what_somebody_else_has_paid_by_now),
        (CaseKind.REFUND_FAILED, refuse_what_a_cancelled_order_owes),
        (CaseKind.IN_DOUBT, prolong_doubt),
        (CaseKind.AMOUNT_MISMATCH, None),
        (CaseKind.SURPLUS, None),
        (CaseKind.REFUND_IN_DOUBT, of_refund(RefundEvent.PROLONGED)),
        (CaseKind.CASH_REFUND, of_refund(RefundEvent.HAND_OVER_NEEDED)),
        (CaseKind.QUARANTINED, lambda world: quarantine_payment(payment_id=world.doubtful.payment_id)),
        (CaseKind.QUARANTINED, lambda world: quarantine_refund(refund_id=world.refund.pk)),
        (CaseKind.QUARANTINED, stop_watch),
        (CaseKind.QUARANTINED, stop_notice),
    ],
)
def test_a_case_stays_while_its_reason_lasts(
    world: World, kind: CaseKind, harm: Callable[[World], None] | None
) -> None:
    if harm is not None:
        harm(world)
    case = Case.objects.get(kind=kind, status__in=WAITING)

    for end in (resolve_case, dismiss_case):
        with pytest.raises(CaseRefused) as refused:
            end(case_id=case.pk, person=staff(world.restaurant, Role.FINANCE), reason=REASON)
        assert refused.value.code == "not_over"

    assert Case.objects.get(pk=case.pk).is_waiting


def test_what_is_only_shown_to_people_is_theirs_to_end(world: World) -> None:
    happened(PaymentEvent.CONTRADICTED, world.kept, attempt=str(world.kept.pk))
    case = Case.objects.get(kind=CaseKind.CONTRADICTION)

    resolve_case(case_id=case.pk, person=staff(world.restaurant, Role.FINANCE), reason=REASON)

    assert not Case.objects.get(pk=case.pk).is_waiting


def test_the_decision_ends_the_case_that_could_not_be_put_away(world: World) -> None:
    finance = staff(world.restaurant, Role.FINANCE)
    of_refund(RefundEvent.PROLONGED)(world)
    stop_notice(world)

    record_refund_made(refund_id=world.refund.pk, person=finance, reason=REASON)
    take_up_notice(notice_id=world.notice.pk, person=finance, reason=REASON)
    record_refund_made(refund_id=Refund.objects.get(origin="surplus").pk, person=finance, reason=REASON)

    assert list(Case.objects.filter(status__in=WAITING).values_list("kind", flat=True)) == [CaseKind.AMOUNT_MISMATCH]


def test_other_news_is_added_to_the_case_that_is_open(world: World) -> None:
    """Each is told once: put away with the first, the others would never be shown again."""
    news = [{"attempt": str(world.kept.pk), "reason": f"The books differ, {number}."} for number in (1, 2, 3)]
    for said in [*news, *news]:
        happened(PaymentEvent.CONTRADICTED, world.kept, **said)

    case = Case.objects.get(kind=CaseKind.CONTRADICTION)
    assert case.data == {**news[2], "earlier": news[:2]}
    grown = Event.objects.filter(stream_id=case.pk).order_by("version").values_list("type", flat=True)
    assert list(grown) == [CaseEvent.OPENED, CaseEvent.GREW, CaseEvent.GREW]
