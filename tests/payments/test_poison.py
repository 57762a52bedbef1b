"""What breaks its workers again and again is set aside with a case, whatever it is, and taken up again by a person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse

from accounts.models import Restaurant, Role
from events.actors import GUEST
from events.models import AuditEntry
from failures.decisions import Action, Decision, act_on_case
from failures.models import WAITING, Case, CaseKind
from kernel import clock
from kernel.modes import Mode
from payments.gateways.contract import Answer, ErrorCode, LookUpResult, Outcome
from payments.models import Attempt, InboundNotice, NoticeState, Payment, ProviderAccount, Refund
from payments.services import sweeps, timing
from payments.services.operators import release_from_quarantine, take_up_notice
from payments.services.quarantine import quarantine_notice, quarantine_refund, quarantine_watch
from payments.services.refund_requests import request_refund
from payments.services.refusals import PaymentRefused
from payments.services.sweeps import sweep_notices, sweep_watches
from tests.factories import order_of, paid, staff
from tests.failures.deciding import call_about
from tests.failures.test_desk import desk_of
from tests.scripted import ScriptedGateway, outcome
from tests.time_machine import ShiftedClock

REASON = "Their new field is read now."


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whoever works on a notice or a watch breaks, as long as this list names it."""
    names = ["apply_notice", "watch_attempt"]
    for name in names:
        monkeypatch.setattr(sweeps, name, _breaking(name, getattr(sweeps, name), names))
    return names


def _breaking(name: str, work: Callable[..., Any], broken: list[str]) -> Callable[..., Any]:
    def act(**row: Any) -> Any:
        if name in broken:
            raise RuntimeError("poison")
        return work(**row)

    return act


@pytest.fixture
def notice(restaurant: Restaurant) -> InboundNotice:
    return InboundNotice.objects.create(
        restaurant_id=restaurant.pk,
        mode=Mode.TEST,
        account=ProviderAccount.objects.get(provider="a"),
        event_id="evt_1",
        content="not even JSON",
        next_action_at=clock.now(),
    )


def declined(restaurant: Restaurant, provider: ScriptedGateway) -> Attempt:
    provider.charges.append(outcome(Outcome.DECLINED, ErrorCode.CARD_DECLINED))
    payment = paid(order_of(restaurant))
    return Attempt.objects.get(payment=payment)


def come_round(sweep: Callable[..., int], time: ShiftedClock, times: int) -> int:
    done = 0
    for _ in range(times):
        time.advance(hours=1)
        done += sweep(width=1)
    return done


def test_a_notice_that_breaks_its_workers_is_set_aside_and_taken_up_by_a_person(
    restaurant: Restaurant, notice: InboundNotice, time: ShiftedClock
) -> None:
    done = come_round(sweep_notices, time, timing.MAX_CLAIMS + 3)

    notice = InboundNotice.objects.get()
    assert (done, notice.state, notice.next_action_at) == (timing.MAX_CLAIMS + 1, NoticeState.QUARANTINED, None)
    case = Case.objects.get(status__in=WAITING)
    assert (case.kind, case.subject_id) == (CaseKind.QUARANTINED, notice.pk)

    finance = staff(restaurant, Role.FINANCE)
    take_up_notice(notice_id=notice.pk, person=finance, reason=REASON)

    notice = InboundNotice.objects.get()
    assert (notice.state, notice.claims, notice.next_action_at is not None) == (NoticeState.STORED, 0, True)
    assert not Case.objects.filter(status__in=WAITING).exists()
    with pytest.raises(PaymentRefused) as refused:
        take_up_notice(notice_id=notice.pk, person=finance, reason=REASON)
    assert refused.value.code == "not_set_aside"


@pytest.fixture
def set_aside(notice: InboundNotice) -> InboundNotice:
    InboundNotice.objects.update(claims=timing.MAX_CLAIMS + 1)
    quarantine_notice(notice_id=notice.pk)
    return notice


def test_a_notice_that_a_person_took_up_is_in_the_audit(restaurant: Restaurant, set_aside: InboundNotice) -> None:
    finance = staff(restaurant, Role.FINANCE)

    take_up_notice(notice_id=set_aside.pk, person=finance, reason=REASON)

    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor_id, entry.reason) == ("take_up_notice", str(finance.pk), REASON)
    assert (entry.subject_kind, entry.subject_id, entry.chain_id) == ("notice", str(set_aside.pk), restaurant.pk)
    assert (entry.before["notice"]["state"], entry.after["notice"]["state"]) == ("quarantined", "stored")


def test_a_notice_that_was_taken_up_in_its_case_is_one_entry_of_that_case(
    restaurant: Restaurant, set_aside: InboundNotice
) -> None:
    case, finance = Case.objects.get(), staff(restaurant, Role.FINANCE)
    decision = Decision(action=Action.TAKE_UP, reason=REASON)

    act_on_case(case_id=case.pk, decision=decision, person=finance, call=call_about(case))

    entry = AuditEntry.objects.get()
    assert (entry.action, entry.subject_kind, entry.subject_id) == ("take_up", "case", str(case.pk))
    assert InboundNotice.objects.get().state == NoticeState.STORED


def test_the_audit_leads_to_the_notice(restaurant: Restaurant, set_aside: InboundNotice) -> None:
    finance = staff(restaurant, Role.FINANCE)
    take_up_notice(notice_id=set_aside.pk, person=finance, reason=REASON)

    page = desk_of(staff(restaurant, Role.AUDITOR)).get(reverse("admin:events_auditentry_changelist")).content.decode()

    assert f'href="{reverse("admin:payments_inboundnotice_change", args=[set_aside.pk])}">notice</a>' in page


def test_a_watch_that_breaks_its_workers_is_set_aside_and_taken_up_by_a_person(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock, broken: list[str]
) -> None:
    attempt = declined(restaurant, provider_a)
    other = declined(restaurant, provider_a)
    Attempt.objects.filter(pk=other.pk).update(watch_at=None)

    assert come_round(sweep_watches, time, timing.MAX_CLAIMS + 3) == timing.MAX_CLAIMS + 1
    assert Attempt.objects.get(pk=attempt.pk).watch_at is None
    assert Case.objects.get().kind == CaseKind.QUARANTINED

    broken.clear()
    provider_a.look_ups.append(LookUpResult(answer=Answer.DECLINED))
    person = staff(restaurant, Role.FINANCE)
    release_from_quarantine(payment_id=attempt.payment_id, person=person, reason=REASON)
    assert sweep_watches(width=1) == 1

    attempt = Attempt.objects.get(pk=attempt.pk)
    assert (attempt.watch_claims, attempt.watch_at is not None) == (0, True)
    assert provider_a.count("look_up") == 1
    assert not Case.objects.filter(status__in=WAITING).exists()
    assert Payment.objects.get(pk=attempt.payment_id).status == "failed"


def test_a_watch_that_comes_back_counts_from_nothing(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    declined(restaurant, provider_a)

    assert come_round(sweep_watches, time, 5 * 24) > timing.MAX_CLAIMS
    assert Case.objects.count() == 0


def test_whoever_was_quicker_than_the_quarantine_is_left_alone(
    restaurant: Restaurant, provider_a: ScriptedGateway, notice: InboundNotice
) -> None:
    attempt = declined(restaurant, provider_a)
    payment = paid(order_of(restaurant))
    refund = request_refund(payment_id=payment.pk, reason="cold food", actor=GUEST)

    quarantine_notice(notice_id=notice.pk)
    quarantine_watch(attempt_id=attempt.pk)
    quarantine_refund(refund_id=refund.pk, lease_token=clock.new_id())

    assert InboundNotice.objects.get().state == NoticeState.STORED
    assert Attempt.objects.get(pk=attempt.pk).watch_at is not None
    assert Refund.objects.get().next_action_at is not None
    assert Case.objects.count() == 0
