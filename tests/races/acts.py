"""The nine kinds of actors, what each does, and the one table that says in which scene which of them can act."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import partial
from itertools import combinations_with_replacement

from events.actors import GUEST, Actor
from orders.services import cancel_order
from payments.services.attempts import send_charge
from payments.services.cash import CashTaken, confirm_cash, hand_over_refund, record_cash_refund
from payments.services.cash import take_cash_against_doubt as take_cash
from payments.services.lookups import look_up_payment, watch_attempt
from payments.services.mismatches import MismatchChoice
from payments.services.notices import apply_notice, receive_notice
from payments.services.operators import resolve_mismatch
from payments.services.payments import cancel_payment, create_payment, pay, retry_payment
from payments.services.refund_requests import request_refund
from payments.services.refund_settlement import settle_refund
from payments.services.refunds import look_up_refund, send_refund
from payments.services.settlement import settle_attempt
from tests.factories import draft_for
from tests.races import requests
from tests.races.rest import WORK
from tests.races.scenes import PART, SHARE, TOTAL, Scene
from tests.two_people import record_charged, record_not_charged, record_refund_made, record_refund_not_made

Act = Callable[[Scene], None]
REASON = "As seen at the provider."


class Kind(StrEnum):
    CREATE = "create"
    SETTLE = "settle"
    NOTICE = "notice"
    LOOK_UP = "look_up"
    CASH = "cash"
    CANCEL = "cancel"
    REFUND = "refund"
    OPERATOR = "operator"
    SWEEP = "sweep"


# --- create -------------------------------------------------------------------------------------------------------


def pays(s: Scene) -> None:
    pay(draft=draft_for(s.order, instrument="sim_ok"), actor=GUEST)


def accepts_cash(s: Scene) -> None:
    create_payment(draft=draft_for(s.order, method="cash"), actor=GUEST)


# --- settle: a sender with its answer -----------------------------------------------------------------------------


def sends(s: Scene) -> None:
    assert s.sending is not None
    send_charge(s.sending)


def settles(s: Scene) -> None:
    settle_attempt(attempt_id=s.attempt_id, evidence=s.given_answer)


def settles_refund(s: Scene) -> None:
    settle_refund(refund_id=s.refund_id, evidence=s.given_answer)


# --- notice -------------------------------------------------------------------------------------------------------


def is_told(s: Scene) -> None:
    assert s.news is not None
    provider, news = s.news
    received = receive_notice(account=s.ground.accounts[provider], headers=news.headers, body=news.body)
    apply_notice(notice_id=received.notice_id)


# --- look-up ------------------------------------------------------------------------------------------------------


def asks(s: Scene) -> None:
    look_up_payment(payment_id=s.payment.pk)


def asks_about_refund(s: Scene) -> None:
    look_up_refund(refund_id=s.refund_id)


def watches(s: Scene) -> None:
    watch_attempt(attempt_id=s.attempt_id)


# --- cash ---------------------------------------------------------------------------------------------------------


def takes_cash(s: Scene) -> None:
    taken = CashTaken(amount_minor=SHARE, added_tip_minor=500)
    confirm_cash(payment_id=s.payment.pk, waiter=s.ground.waiter, taken=taken)


def takes_cash_against_doubt(s: Scene) -> None:
    taken = CashTaken(amount_minor=TOTAL)
    take_cash(payment_id=s.payment.pk, person=s.ground.waiter, reason="The guest has to go.", taken=taken)


def gives_cash_back(s: Scene) -> None:
    record_cash_refund(payment_id=s.payment.pk, person=s.ground.waiter, reason="cold food", amount_minor=PART)


def hands_over(s: Scene) -> None:
    hand_over_refund(refund_id=s.refund_id, person=s.ground.waiter)


# --- cancel -------------------------------------------------------------------------------------------------------


def withdraws(s: Scene) -> None:
    cancel_payment(payment_id=s.payment.pk, actor=GUEST)


def cancels_order(s: Scene) -> None:
    cancel_order(order_id=s.order.pk, actor=GUEST)


# --- refund -------------------------------------------------------------------------------------------------------


def wants_all_back(s: Scene) -> None:
    request_refund(payment_id=s.payment.pk, reason="cold food", actor=GUEST)


def wants_rest_back(s: Scene) -> None:
    rest = TOTAL - PART
    request_refund(payment_id=s.payment.pk, amount_minor=rest, reason="cold food", actor=GUEST, reopens_order=True)


def sends_refund(s: Scene) -> None:
    send_refund(refund_id=s.refund_id)


# --- operator -----------------------------------------------------------------------------------------------------


def saw_charge(s: Scene) -> None:
    record_charged(
        payment_id=s.payment.pk, captured_minor=TOTAL, person=s.ground.finance, reason=REASON, checker=s.ground.lead
    )


def saw_no_charge(s: Scene) -> None:
    record_not_charged(payment_id=s.payment.pk, person=s.ground.finance, reason=REASON, checker=s.ground.lead)


def saw_refund(s: Scene) -> None:
    record_refund_made(refund_id=s.refund_id, person=s.ground.finance, reason=REASON, checker=s.ground.lead)


def gives_refund_up(s: Scene) -> None:
    record_refund_not_made(refund_id=s.refund_id, person=s.ground.finance, reason=REASON, checker=s.ground.lead)


def gives_back_difference(s: Scene) -> None:
    choice = MismatchChoice.REFUND_DIFFERENCE
    resolve_mismatch(payment_id=s.payment.pk, choice=choice, person=s.ground.finance, reason=REASON)


def gives_back_all(s: Scene) -> None:
    choice = MismatchChoice.REFUND_ALL
    resolve_mismatch(payment_id=s.payment.pk, choice=choice, person=s.ground.finance, reason=REASON)


def tries_again(s: Scene) -> None:
    retry_payment(payment_id=s.payment.pk, actor=Actor.user(s.ground.finance), instrument="sim_ok")


# --- sweep: a worker with the next row ----------------------------------------------------------------------------


def sweeps_payments(s: Scene) -> None:
    WORK["payments"]()


def sweeps_refunds(s: Scene) -> None:
    WORK["refunds"]()


def sweeps_watches(s: Scene) -> None:
    WORK["watches"]()


def sweeps_notices(s: Scene) -> None:
    WORK["notices"]()


# --- The table ----------------------------------------------------------------------------------------------------

# A kind is left out of a scene in which it would find nothing to do and nobody who tells it so. Each act commits
# something in its scene, but for those in TOLD_NO.
ACTS: dict[str, dict[Kind, tuple[Act, ...]]] = {
    "share_on_hold": {
        Kind.CREATE: (pays, accepts_cash, requests.presses, requests.presses_with_another_key),
        Kind.CANCEL: (withdraws, cancels_order, requests.leaves_a_line_out),
        Kind.SWEEP: (sweeps_payments,),
    },
    "accepted_by_the_clock": {
        Kind.CREATE: (pays,),
        Kind.CANCEL: (withdraws, cancels_order),
        Kind.SWEEP: (sweeps_payments,),
    },
    "about_to_send": {
        Kind.SETTLE: (sends,),
        Kind.CANCEL: (withdraws, cancels_order),
        Kind.OPERATOR: (saw_no_charge,),
    },
    "sent": {
        Kind.SETTLE: (settles,),
        Kind.NOTICE: (is_told,),
        Kind.CANCEL: (withdraws, cancels_order),
    },
    "sender_stalled": {
        Kind.SETTLE: (settles,),
        Kind.NOTICE: (is_told,),
        Kind.LOOK_UP: (asks,),
        Kind.CASH: (takes_cash_against_doubt,),
        Kind.CANCEL: (withdraws,),
        Kind.OPERATOR: (saw_charge,),
        Kind.SWEEP: (sweeps_payments,),
    },
    "doubt": {
        Kind.NOTICE: (is_told,),
        Kind.LOOK_UP: (asks, requests.asks_over_the_api),
        Kind.CASH: (takes_cash_against_doubt,),
        Kind.CANCEL: (withdraws, cancels_order),
        Kind.OPERATOR: (saw_charge,),
        Kind.SWEEP: (sweeps_payments,),
    },
    "sent_again": {
        Kind.CREATE: (pays,),
        Kind.SETTLE: (settles,),
        Kind.NOTICE: (is_told,),
        Kind.LOOK_UP: (asks,),
        Kind.CASH: (takes_cash_against_doubt,),
        Kind.CANCEL: (cancels_order,),
        Kind.REFUND: (wants_all_back,),
        Kind.OPERATOR: (saw_charge,),
        Kind.SWEEP: (sweeps_payments,),
    },
    "not_there": {
        Kind.LOOK_UP: (asks,),
        Kind.CASH: (takes_cash_against_doubt,),
        Kind.CANCEL: (withdraws,),
        Kind.OPERATOR: (saw_no_charge,),
        Kind.SWEEP: (sweeps_payments,),
    },
    "cash_waits": {
        Kind.CREATE: (pays, accepts_cash),
        Kind.LOOK_UP: (asks,),
        Kind.CASH: (takes_cash, requests.presses_cash),
        Kind.CANCEL: (withdraws, cancels_order),
        Kind.SWEEP: (sweeps_payments,),
    },
    "on_the_page": {
        Kind.LOOK_UP: (asks,),
        Kind.CANCEL: (withdraws, cancels_order, requests.withdraws_over_the_api),
        Kind.SWEEP: (sweeps_payments,),
    },
    "approved": {
        Kind.NOTICE: (is_told,),
        Kind.LOOK_UP: (asks,),
        Kind.CANCEL: (withdraws, cancels_order),
        Kind.SWEEP: (sweeps_payments,),
    },
    "completed": {
        Kind.CREATE: (pays,),
        Kind.SETTLE: (settles,),
        Kind.NOTICE: (is_told,),
        Kind.CANCEL: (cancels_order, requests.leaves_a_line_out),
        Kind.REFUND: (wants_all_back, requests.presses_back),
        Kind.SWEEP: (sweeps_notices,),
    },
    "late_money": {
        Kind.CREATE: (pays, requests.presses_again),
        Kind.NOTICE: (is_told,),
        Kind.LOOK_UP: (watches,),
        Kind.CANCEL: (cancels_order,),
        Kind.OPERATOR: (tries_again,),
        Kind.SWEEP: (sweeps_watches,),
    },
    "late_money_while_cash_waits": {
        Kind.NOTICE: (is_told,),
        Kind.LOOK_UP: (watches,),
        Kind.CASH: (takes_cash,),
        Kind.CANCEL: (withdraws, cancels_order),
        Kind.SWEEP: (sweeps_watches,),
    },
    "other_amount": {
        Kind.NOTICE: (is_told,),
        Kind.CANCEL: (cancels_order,),
        Kind.OPERATOR: (gives_back_difference, gives_back_all),
    },
    "refund_is_due": {
        Kind.CREATE: (pays,),
        Kind.CANCEL: (cancels_order,),
        Kind.REFUND: (sends_refund, wants_rest_back),
        Kind.OPERATOR: (gives_refund_up,),
        Kind.SWEEP: (sweeps_refunds,),
    },
    "refund_was_sent": {
        Kind.CREATE: (pays,),
        Kind.SETTLE: (settles_refund,),
        Kind.NOTICE: (is_told,),
        Kind.LOOK_UP: (asks_about_refund,),
        Kind.CANCEL: (cancels_order,),
        Kind.REFUND: (wants_rest_back,),
        Kind.OPERATOR: (saw_refund,),
        Kind.SWEEP: (sweeps_refunds,),
    },
    "cash_goes_back": {
        Kind.CREATE: (pays,),
        Kind.CASH: (hands_over, gives_cash_back),
        Kind.CANCEL: (cancels_order,),
        Kind.REFUND: (wants_rest_back,),
        Kind.OPERATOR: (gives_refund_up,),
    },
}
# Who is refused in a scene, unless somebody else changes it first: in each order they have to be told the truth.
TOLD_NO: dict[str, tuple[Act, ...]] = {
    "accepted_by_the_clock": (pays,),
    "about_to_send": (saw_no_charge,),
    "sender_stalled": (takes_cash_against_doubt, saw_charge),
    "sent_again": (pays, wants_all_back),
    "completed": (pays,),
    "refund_is_due": (pays,),
    "refund_was_sent": (pays,),
    "cash_goes_back": (pays,),
}
PAIRS = tuple(combinations_with_replacement(Kind, 2))
TRIPLES = tuple(combinations_with_replacement(Kind, 3))
BY_NAME: dict[str, Act] = {act.__name__: act for kinds in ACTS.values() for acts in kinds.values() for act in acts}


def scenes_of(*kinds: Kind) -> list[str]:
    """Where all of them can act."""
    return [scene for scene, can_act in ACTS.items() if all(kind in can_act for kind in kinds)]


def is_told_no(scene: str, act: str) -> bool:
    return BY_NAME[act] in TOLD_NO.get(scene, ())


def bound(act: Act, scene: Scene) -> Callable[[], object]:
    return partial(act, scene)
