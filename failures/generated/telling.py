"""What happens in a story, by the real services; only what providers say, and the time, are made up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from accounts.models import Approval, ApprovalStatus, User
from accounts.services.idempotency import Call
from events.actors import GUEST, PROVIDER, SYSTEM, Actor
from failures.approvals import Reply, Verdict, decide_approval
from failures.decisions import Action, Decision, act_on_case
from failures.generated.dice import Dice
from failures.generated.guests import EMAIL, NAME, PHONE, TABLE
from failures.generated.house import CALLED, House
from failures.models import WAITING, Case
from kernel import clock
from kernel.clock import SystemSource
from kernel.modes import Mode
from kernel.money import Money
from orders.models import Channel, Order
from orders.services import LineDraft, OrderDraft, cancel_order, fulfil_order, place_order
from payments.models import Attempt, AttemptStatus, NextAction, Payment, Refund
from payments.services.acceptance import PaymentDraft
from payments.services.attempts import Sending, begin_attempt, resend_attempt
from payments.services.cash import CashTaken, confirm_cash
from payments.services.evidence import Evidence, Finding, Source
from payments.services.invented import said, store_notice
from payments.services.notices import apply_notice
from payments.services.payments import create_payment
from payments.services.refund_requests import request_refund
from payments.services.refund_settlement import settle_refund
from payments.services.refunds import begin_refund
from payments.services.settlement import settle_attempt

# No story that is told at the same time as it is about; ids with such a time are the story's own.
BEGINNING = datetime(2020, 1, 1, 12, tzinfo=UTC)
# Amounts whose digits say what they are sums of: a copy has a bill of its own.
TOTAL, TIP, PART, EXTRA = 1_000_000_000, 1_000_000, 1_000, 1
CLIENT = f"{CALLED}-«number»"
_REQUEST = timedelta(seconds=15)
_A_YEAR_MS = 366 * 86_400 * 1_000  # Longer than any story.
_THROW = 1 << 32
_MOST_ASKED = 40  # A doubt is told to a human long before.


def told_then() -> dict[str, UUID]:
    """Which rows are a story's: ids begin with their time."""
    first = int(BEGINNING.timestamp() * 1_000)
    return {"pk__gte": UUID(int=first << 80), "pk__lt": UUID(int=(first + _A_YEAR_MS) << 80)}


def is_told_then(row_id: UUID) -> bool:
    bounds = told_then()
    return bounds["pk__gte"] <= row_id < bounds["pk__lt"]


class StoryTime(SystemSource):
    """Stands still, but for what the story says; its dice are loaded.

    Ids have dice of their own: how many are made depends on what was warm already, and must not change how long the
    clock waits.
    """

    def __init__(self, name: str) -> None:
        self._now, self._dice, self._ids = BEGINNING, Dice(name), Dice(f"{name} ids")

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return (self._now - BEGINNING).total_seconds()

    def random(self) -> float:
        return self._dice.below(1_000) / 1_000

    def random_bits(self, count: int) -> int:
        """Two throws, which are wide enough for an id."""
        return (self._ids.below(_THROW) << 32 | self._ids.below(_THROW)) % (1 << count)

    def go_to(self, moment: datetime) -> None:
        self._now = max(self._now, moment)


class Teller:
    """One telling: its people and latencies are thrown by dice, so that several of one story differ."""

    def __init__(self, house: House, time: StoryTime, dice: Dice) -> None:
        self.house, self.dice = house, dice
        self._time = time
        self.finance, self.lead = dice.one_of(house.office), house.office[-1]
        self.waiter = dice.one_of(house.waiters)
        self.channel = Channel.DINE_IN
        self.anchor = BEGINNING  # The moment that a copy's own time stands for.

    # --- Time -----------------------------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        return self._time.now()

    def later(self, **span: int) -> None:
        self._time.go_to(self.now + timedelta(**span))

    def go_to(self, moment: datetime) -> None:
        self._time.go_to(moment)

    def mark(self) -> None:
        self.anchor = self.now

    # --- Guests and waiters ---------------------------------------------------------------------------------------

    def order(self, channel: Channel = Channel.DINE_IN, *, is_known: bool = True) -> Order:
        self.channel = channel
        draft = OrderDraft(
            restaurant=self.house.restaurant,
            mode=Mode.TEST,
            currency=self.currency,
            lines=(LineDraft(name="Everything", quantity=1, unit_minor=TOTAL),),
            channel=channel,
            table=TABLE if channel == Channel.DINE_IN else "",
            client_reference=CLIENT,
            customer={"name": NAME, "phone": PHONE, "email": EMAIL} if is_known else {},
        )
        return place_order(draft=draft, actor=GUEST)

    def serve(self, order: Order) -> None:
        fulfil_order(order_id=order.pk, actor=Actor.user(self.waiter))

    def call_off(self, order: Order) -> None:
        cancel_order(order_id=order.pk, actor=Actor.user(self.finance))

    def pay(self, order: Order, *, method: str = "card", tip: int = 0, amount: int | None = None) -> Payment:
        """Accepted: the moment that the story is about."""
        self.mark()
        draft = PaymentDraft(order_id=order.pk, method=method, tip_minor=tip, amount_minor=amount)
        return create_payment(draft=draft, actor=GUEST)

    def pay_by_program(self, order: Order, *, method: str = "card", tip: int = 0) -> Payment:
        """As above, with the request that asked for it."""
        self.mark()
        draft = PaymentDraft(order_id=order.pk, method=method, tip_minor=tip)
        call = self._call("key:platform", "POST /api/v1/payments")
        return create_payment(draft=draft, actor=GUEST, call=call)

    def take_cash(self, payment: Payment, *, added_tip: int = 0) -> Payment:
        attempt = self.begin(payment).attempt
        self.tell(attempt, Finding.PENDING, next_step={"kind": "wait_for_waiter"})
        self.later(seconds=self.dice.between(40, 400))
        taken = CashTaken(
            amount_minor=payment.charge_minor,
            added_tip_minor=added_tip,
            given_minor=payment.charge_minor + added_tip + EXTRA,
        )
        return confirm_cash(payment_id=payment.pk, waiter=self.waiter, taken=taken)

    # --- Providers ------------------------------------------------------------------------------------------------

    @property
    def currency(self) -> str:
        return self.house.restaurant.currency

    def begin(self, payment: Payment, actor: Actor = GUEST) -> Sending:
        sending = begin_attempt(payment_id=payment.pk, actor=actor)
        if sending is None:
            raise ValueError(f"The story stops: {payment.reference} has nothing to send.")
        return sending

    def charge(self, payment: Payment, finding: Finding, *, slow: bool = False, **told: Any) -> Attempt:
        """One charge, from its sending to its answer."""
        return self._answered(self.begin(payment), finding, slow=slow, **told)

    def send_until_it_ends(self, payment: Payment, finding: Finding, **told: Any) -> Payment:
        """As the clock does, with one answer to everything, until nothing is planned."""
        while (payment := Payment.objects.get(pk=payment.pk)).next_action_at is not None:
            self.go_to(payment.next_action_at)
            resend = payment.next_action == NextAction.RESEND
            send = resend_attempt if resend else begin_attempt
            sending = send(payment_id=payment.pk)
            if sending is not None:
                self._answered(sending, finding, **told)
        return payment

    def _answered(self, sending: Sending, finding: Finding, *, slow: bool = False, **told: Any) -> Attempt:
        latency_ms = self.dice.between(4_000, 9_900) if slow else self.dice.one_of(_LATENCIES) + self.dice.below(90)
        self.later(milliseconds=latency_ms)
        return self.tell(
            sending.attempt,
            finding,
            source=Source.CHARGE,
            latency_ms=latency_ms,
            lease_token=sending.lease_token,
            **told,
        )

    def tell(
        self,
        attempt: Attempt,
        finding: Finding,
        *,
        source: Source = Source.LOOK_UP,
        minor: int | None = None,
        **told: Any,
    ) -> Attempt:
        """Evidence about a charge. Money that moved is what was asked for, unless another amount is named."""
        if finding == Finding.SUCCEEDED:
            told["money"] = Money(attempt.amount_minor if minor is None else minor, attempt.currency)
        is_known = finding in {Finding.SUCCEEDED, Finding.DECLINED, Finding.PENDING}
        if is_known and attempt.account.provider != "cash":
            told.setdefault("reference", f"ch_{attempt.pk}")
            told.setdefault("raw", {"object": "charge", "key": str(attempt.pk), "status": finding.value})
        actor = PROVIDER if source == Source.NOTICE else SYSTEM
        return settle_attempt(attempt_id=attempt.pk, evidence=said(finding, source=source, **told), actor=actor).attempt

    def ask_until_a_human_is_told(self, payment: Payment, finding: Finding, **told: Any) -> None:
        """By the schedule of look-ups."""
        attempt = Attempt.objects.select_related("account").get(payment=payment, status__in=_ASKED)
        for _ in range(_MOST_ASKED):
            payment = Payment.objects.get(pk=payment.pk)
            if self.open_cases() or payment.next_action_at is None:
                return
            self.go_to(payment.next_action_at)
            attempt = self.tell(attempt, finding, **told)

    def notice(
        self,
        attempt: Attempt,
        *,
        key: UUID | None = None,
        reference: str = "",
        minor: int | None = None,
        repeats: int = 0,
    ) -> UUID:
        """A signed message that the charge succeeded, read at once."""
        money = Money(attempt.amount_minor if minor is None else minor, attempt.currency)
        stored = store_notice(
            account=attempt.account,
            key=key or attempt.pk,
            money=money,
            event_id=f"evt_{clock.new_id()}",
            reference=reference or f"ch_{attempt.pk}",
            repeats=repeats,
        )
        self.later(seconds=1)
        apply_notice(notice_id=stored.pk)
        return UUID(str(stored.pk))

    # --- Refunds --------------------------------------------------------------------------------------------------

    def ask_refund(
        self, payment: Payment, reason: str, *, amount: int | None = None, person: User | None = None
    ) -> Refund:
        actor = Actor.user(person or self.finance)
        return request_refund(payment_id=payment.pk, amount_minor=amount, reason=reason, actor=actor)

    def send_refund(self, refund: Refund, finding: Finding, **told: Any) -> Refund:
        begun = begin_refund(refund_id=refund.pk)
        if begun is None:
            raise ValueError("The story stops: this refund has nothing to send.")
        self.later(milliseconds=self.dice.between(300, 1_400))
        return self.tell_refund(begun, finding, source=Source.CHARGE, lease_token=begun.lease_token, **told)

    def tell_refund(self, refund: Refund, finding: Finding, *, source: Source = Source.LOOK_UP, **told: Any) -> Refund:
        if finding == Finding.SUCCEEDED:
            told.setdefault("money", Money(refund.total_minor, refund.currency))
        if finding in {Finding.SUCCEEDED, Finding.PENDING}:
            told.setdefault("reference", f"re_{refund.pk}")
        evidence: Evidence = said(finding, source=source, **told)
        return settle_refund(refund_id=refund.pk, evidence=evidence)

    def ask_about_refund_until_a_human_is_told(self, refund: Refund) -> None:
        for _ in range(_MOST_ASKED):
            refund = Refund.objects.get(pk=refund.pk)
            if Case.objects.filter(subject_id=refund.pk).exists() or refund.next_action_at is None:
                return
            self.go_to(refund.next_action_at)
            self.tell_refund(refund, Finding.NO_ANSWER, code="timed_out", message="No answer within 10 s.")

    # --- Cases ----------------------------------------------------------------------------------------------------

    def decide(self, case: Case, action: Action, reason: str, *, amount_minor: int | None = None) -> None:
        decision = Decision(action=action, reason=reason, amount_minor=amount_minor)
        call = self._call("console", f"POST /admin/failures/case/{case.pk}/decide", subject_id=case.pk)
        act_on_case(case_id=case.pk, decision=decision, person=self.finance, call=call)

    def agree(self, case: Case, reason: str) -> None:
        """Somebody else, to what was asked for in this case."""
        person = next(each for each in self.house.checkers if each != self.finance)
        approval = Approval.objects.get(asked_from=case.pk, status=ApprovalStatus.PENDING)
        call = self._call("console", f"POST /admin/failures/case/{case.pk}/reply", subject_id=case.pk)
        reply = Reply(verdict=Verdict.APPROVE, reason=reason)
        decide_approval(approval_id=approval.pk, reply=reply, person=person, call=call)

    def _call(self, principal: str, operation: str, *, subject_id: UUID | None = None) -> Call:
        return Call(
            principal=principal,
            key=str(clock.new_id()),
            operation=operation,
            body_hash="0" * 64,
            restaurant_id=self.house.id,
            mode=Mode.TEST,
            runs_for=_REQUEST,
            subject_id=subject_id,
        )

    def open_cases(self) -> list[Case]:
        """Of this story."""
        return list(Case.objects.filter(status__in=WAITING, **told_then()).order_by("opened_at", "kind"))

    def payment_of(self, case: Case) -> Payment:
        return Payment.objects.get(cases=case)

    def asked_attempt(self) -> Attempt:
        """The one that is not settled."""
        mine = Attempt.objects.select_related("account").filter(status__in=_ASKED, **told_then())
        return mine.latest("id")


_LATENCIES = (210, 260, 310, 340, 380, 420, 460, 520, 610, 740, 980, 1_900)
_ASKED = (AttemptStatus.UNKNOWN, AttemptStatus.PENDING)
