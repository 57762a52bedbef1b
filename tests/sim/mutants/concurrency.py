"""Sabotages of order and ownership: locks, re-reads, leases, keys, and what is written before what is sent."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from kernel import clock, crashpoints
from kernel.money import Money
from payments.gateways import transport
from payments.gateways.contract import ChargeRequest, RefundRequest
from payments.models import Attempt, NextAction, Payment, Refund
from payments.models.leased import Leased
from payments.services import attempts, bill, payments, providers, refund_requests, refund_settlement, refunds, timing
from payments.services.bill import Bill
from payments.services.settling import Settling
from tests.sim.actors import Actor, Stage
from tests.sim.mutants.registry import instead, mutant

# Two who read the same row write the same number of its history: the database lets only one of them.
ONE_VERSION = "IntegrityError one_event_per_stream_version"
# How often others go on while somebody without a lock thinks: a whole piece of work fits in between.
PARTS_OF_OTHERS = 6


def _whose_turn() -> Actor | None:
    stage = getattr(crashpoints._handler, "__self__", None)
    return stage.current if isinstance(stage, Stage) else None


def _let_others_go_first() -> None:
    """Where a lock is missing, others get in between reading and writing."""
    if actor := _whose_turn():
        for _ in range(PARTS_OF_OTHERS):
            actor.cut("without a lock")


class _Unlocked:
    """What is read without a lock: the bill, as it was."""

    def __init__(self, real: Callable[[UUID], Bill], find: Callable[[UUID], Any]) -> None:
        self._real, self._find = real, find

    def __call__(self, row_id: UUID) -> Bill:
        order = self._find(row_id)
        payments_ = list(Payment.objects.filter(order=order).order_by("id"))
        attempts_ = list(Attempt.objects.select_related("account").filter(payment__in=payments_).order_by("id"))
        read = Bill(order=order, payments=payments_, attempts=attempts_)
        for payment in payments_:
            payment.order = order
        for attempt in attempts_:
            attempt.payment = read.payment(attempt.payment_id)
        _let_others_go_first()
        return read


@mutant("calm", breaks=["I1"])
def a_payment_is_accepted_without_the_lock(stack: ExitStack) -> None:
    from orders.models import Order  # noqa: PLC0415  Only here.

    unlocked = _Unlocked(bill.lock_bill_of_order, lambda order_id: Order.objects.get(pk=order_id))
    instead(stack, payments, "lock_bill_of_order", unlocked)


@mutant("calm", breaks=["I4", ONE_VERSION])
def a_refund_is_checked_outside_the_lock(stack: ExitStack) -> None:
    find = _order_of_payment
    instead(stack, refund_requests, "lock_bill_of_payment", _Unlocked(bill.lock_bill_of_payment, find))


@mutant("calm", breaks=["I4", ONE_VERSION])
def a_refund_is_settled_without_the_lock(stack: ExitStack) -> None:
    find = _order_of_payment
    instead(stack, refund_settlement, "lock_bill_of_payment", _Unlocked(bill.lock_bill_of_payment, find))


def _order_of_payment(payment_id: UUID) -> Any:
    return Payment.objects.select_related("order").get(pk=payment_id).order


@mutant("mixed", breaks=[ONE_VERSION])
def what_was_read_before_the_call_is_not_read_again(stack: ExitStack) -> None:
    """The lock is taken, and then what the worker remembers is written over what happened meanwhile."""
    real, memories = bill.lock_bill, WeakKeyDictionary[Actor, dict[UUID, Bill]]()

    def lock(order: Any) -> Bill:
        read, actor = real(order), _whose_turn()
        return memories.setdefault(actor, {}).setdefault(order.pk, read) if actor else read

    instead(stack, bill, "lock_bill", lock)


@mutant("crashes", breaks=["I9"])
def it_is_sent_before_it_is_committed(stack: ExitStack) -> None:
    real = attempts.begin_locked

    def begin(**words: Any) -> Any:
        sending = real(**words)
        if sending is not None and not providers.facts_of(sending.account).is_manual:
            provider = providers.PROVIDERS[sending.account.provider]
            provider.build(provider.facts, sending.account.credentials).charge(_charge(sending))
        return sending

    instead(stack, attempts, "begin_locked", begin)
    instead(stack, payments, "begin_locked", begin)


def _charge(sending: attempts.Sending) -> ChargeRequest:
    attempt, payment = sending.attempt, sending.payment
    return ChargeRequest(
        key=str(attempt.pk),
        money=Money(attempt.amount_minor, attempt.currency),
        order_reference=payment.order.reference,
        method=payment.method,
        instrument=payment.instrument,
        send_before=attempt.send_before,
    )


@mutant("providers", breaks=["I9"])
def a_charge_is_sent_again_with_a_new_key(stack: ExitStack) -> None:
    def request(**words: Any) -> ChargeRequest:
        sends = Attempt.objects.values_list("sends", flat=True).get(pk=words["key"])
        return ChargeRequest(**{**words, "key": f"{words['key']}-{sends}" if sends > 1 else words["key"]})

    instead(stack, attempts, "ChargeRequest", request)
    # The sends are read where the product has left the database already.
    instead(stack, attempts, "leave_database", lambda: None)
    instead(stack, providers, "assert_outside_database", lambda: None)


@mutant("providers", breaks=["I9"])
def a_refund_is_sent_again_with_a_new_key(stack: ExitStack) -> None:
    def request(**words: Any) -> RefundRequest:
        sends = Refund.objects.values_list("sends", flat=True).get(pk=words["key"])
        return RefundRequest(**{**words, "key": f"{words['key']}-{sends}" if sends > 1 else words["key"]})

    instead(stack, refunds, "RefundRequest", request)


@mutant("providers", breaks=["I5"])
def a_refund_s_key_is_used_after_its_lifetime(stack: ExitStack) -> None:
    """The provider has forgotten it, and takes it for a new refund."""
    instead(stack, refunds, "_key_is_spent", lambda refund: False)
    instead(stack, refund_settlement, "_may_be_sent_again", lambda refund: True)


@mutant("providers", breaks=["I5"])
def a_charge_s_key_is_used_after_its_lifetime(stack: ExitStack) -> None:
    """Days after the guest went home, because somebody would still like the money."""
    instead(stack, attempts, "_key_is_spent", lambda attempt: False)
    instead(stack, attempts, "_is_worth_sending", lambda bill, payment, attempt: bill.wants(payment))
    wanted = property(lambda s: s.bill.wants(s.payment))
    instead(stack, Settling, "may_send_again", wanted)


@mutant("crashes", breaks=["I12"])
def a_worker_sends_after_its_lease(stack: ExitStack) -> None:
    """It was paused, and goes on where it was."""

    def write(call: transport.Call) -> None:
        call.sent = True

    instead(stack, transport.Call, "about_to_write", write)


@mutant("crashes", breaks=["I12"])
def a_lease_fences_nobody(stack: ExitStack) -> None:
    """What somebody else has taken up meanwhile is settled by whoever woke late."""
    instead(stack, Leased, "is_held_by", lambda self, token: True)


@mutant("providers", breaks=["I10"])
def the_wake_up_is_lost_with_its_queue(stack: ExitStack) -> None:
    """What was to happen later was in a broker's memory, and not on the row."""
    real = Leased.plan

    def plan(self: Leased, action: NextAction, at: Any = None) -> None:
        real(self, action, at)
        if action == NextAction.LOOK_UP and at is not None and at > clock.now() + timing.HOLD:
            self.next_action, self.next_action_at = NextAction.NONE, None

    instead(stack, Leased, "plan", plan)


@mutant("crashes", breaks=["I10"])
def a_cut_short_payment_is_nobody_s(stack: ExitStack) -> None:
    """The wake-up after the lease was to be written when the answer was there."""
    real = Leased.lease

    def lease(self: Leased, until: Any) -> UUID:
        token = real(self, until)
        self.next_action, self.next_action_at = NextAction.NONE, None
        return token

    instead(stack, Leased, "lease", lease)
