"""What needs a person: stories of every kind of case, still open or ended, as the real events leave them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from failures.decisions import Action
from failures.generated.stories import Story, expired, paid
from failures.generated.telling import EXTRA, PART, TIP, Teller
from failures.models import Case, CaseKind, Outcome
from failures.services.papers import add_note
from failures.services.working import assign_case, dismiss_case, resolve_case, snooze_case
from kernel import clock
from kernel.money import Money
from payments.models import Attempt, Capture, Limited, Payment, Refund, RefundLimit
from payments.services.evidence import Finding
from payments.services.invented import refund_in_books
from payments.services.notices import apply_notice
from payments.services.quarantine import quarantine_payment
from payments.services.timing import MAX_CLAIMS, NOTICE_PARKING

Trouble = Callable[[Teller], None]
_SILENT: dict[str, Any] = {"code": "timed_out", "message": "No answer within 10 s."}
_UNREACHABLE: dict[str, Any] = {"code": "unreachable", "message": "Connection refused."}
_NOTES = (
    "The guest called and asks where the money is.",
    "Wrote to the provider's support; they answer within a day.",
    "The waiter remembers this table: they paid by card and left.",
)


# --- How it begins ------------------------------------------------------------------------------------------------


def _exhausted(t: Teller) -> None:
    payment = _accepted(t)
    t.send_until_it_ends(payment, Finding.NOT_SENT, **_UNREACHABLE)


def _doubt(t: Teller) -> None:
    payment = _accepted(t)
    t.charge(payment, Finding.UNKNOWN, slow=True, **_SILENT)
    t.ask_until_a_human_is_told(payment, Finding.NO_ANSWER, **_SILENT)


def _mismatch(t: Teller) -> None:
    payment = _accepted(t)
    minor = t.dice.one_of((PART, payment.charge_minor + EXTRA))
    t.charge(payment, Finding.SUCCEEDED, minor=minor)


def _too_much(t: Teller) -> None:
    payment = _accepted(t)
    t.charge(payment, Finding.SUCCEEDED, minor=payment.charge_minor + EXTRA)


def _late(t: Teller) -> None:
    attempt = expired(t)
    t.later(minutes=t.dice.between(8, 600))
    t.notice(attempt, repeats=t.dice.below(3))


def _surplus(t: Teller) -> Refund:
    """The guest gave up on one provider and paid at the next; then the first one charged as well."""
    payment = _accepted(t)
    first = t.charge(payment, Finding.DECLINED, code="issuer_unavailable", message="The bank does not answer.")
    t.charge(payment, Finding.SUCCEEDED)
    t.later(minutes=t.dice.between(2, 240))
    t.notice(first, repeats=1)
    return Refund.objects.get(attempt=first)


def _surplus_on_its_way(t: Teller) -> None:
    t.send_refund(_surplus(t), Finding.PENDING)


def _surplus_that_stays(t: Teller) -> None:
    refund = _surplus(t)
    t.later(seconds=4)
    t.send_refund(refund, Finding.DECLINED, code="refund_refused", message="This card takes no refunds.")


def _contradiction(t: Teller) -> None:
    attempt = _kept(paid(t))
    t.later(minutes=t.dice.between(5, 300))
    t.notice(attempt, minor=attempt.amount_minor + EXTRA)


def _refund_failed(t: Teller) -> None:
    refund = _asked_back(t)
    t.send_refund(refund, Finding.DECLINED, code="refund_refused", message="The account was closed.")


def _refund_doubt(t: Teller) -> None:
    refund = _asked_back(t)
    t.send_refund(refund, Finding.UNKNOWN, **_SILENT)
    t.ask_about_refund_until_a_human_is_told(refund)


def _refund_above_limit(t: Teller) -> None:
    """The limit is there while this is told: no other story is held up by it."""
    payment = paid(t)
    for who in (Limited.FINANCE, Limited.FINANCE_LEAD):
        RefundLimit.objects.create(restaurant=t.house.restaurant, who=who, currency=payment.currency, most_minor=0)
    t.later(minutes=t.dice.between(20, 600))
    t.ask_refund(payment, "The whole table left before the food came.")


def _cash_back(t: Teller) -> None:
    order = t.order()
    t.later(minutes=20)
    t.take_cash(t.pay(order, method="cash"))
    t.later(minutes=t.dice.between(5, 30))
    t.call_off(order)


def _chargeback(t: Teller) -> None:
    attempt = _kept(paid(t))
    t.later(minutes=t.dice.between(60, 4_000))
    minor = t.dice.one_of((PART, attempt.captured_minor))
    fact = refund_in_books(reference=f"cb_{attempt.pk}", money=Money(minor, attempt.currency))
    t.tell(attempt, Finding.SUCCEEDED, refunds=(fact,))


def _orphan(t: Teller) -> None:
    """A message about a charge that nobody here has made."""
    attempt = _kept(paid(t))
    t.later(minutes=3)
    notice_id = t.notice(attempt, key=clock.new_id(), reference=f"ch_{clock.new_id()}")
    t.go_to(t.now + NOTICE_PARKING)
    t.later(seconds=20)
    apply_notice(notice_id=notice_id)


def _quarantined(t: Teller) -> None:
    payment = _accepted(t)
    t.charge(payment, Finding.UNKNOWN, slow=True, code="unreadable_answer", message="The answer was no JSON.")
    t.later(minutes=4)
    Payment.objects.filter(pk=payment.pk).update(claims=MAX_CLAIMS + 1)
    quarantine_payment(payment_id=payment.pk)


def _refused_credentials(provider: str) -> Trouble:
    def tell(t: Teller) -> None:
        payment = _accepted(t)
        told: dict[str, Any] = {"code": "credentials_refused", "message": "401 Unauthorized"}
        if provider == "sandbox_b":
            t.charge(payment, Finding.NOT_SENT, **_UNREACHABLE)
        t.charge(payment, Finding.NOT_SENT, **told)
        if provider == "sandbox_a":
            t.charge(payment, Finding.SUCCEEDED)
        else:
            t.send_until_it_ends(payment, Finding.SUCCEEDED)

    return tell


def _accepted(t: Teller) -> Payment:
    order = t.order()
    t.later(minutes=t.dice.between(20, 80))
    return t.pay_by_program(order, tip=t.dice.one_of((0, TIP)))


def _kept(payment: Payment) -> Attempt:
    return Attempt.objects.select_related("account").get(payment=payment, capture=Capture.KEPT)


def _asked_back(t: Teller) -> Refund:
    payment = paid(t)
    t.later(minutes=t.dice.between(20, 1_500))
    refund = t.ask_refund(payment, "The food was cold.", amount=t.dice.one_of((None, PART)))
    t.later(seconds=2)
    return refund


# --- How people work on it ----------------------------------------------------------------------------------------


def _worked_on(trouble: Trouble) -> Trouble:
    """Most wait for somebody, some are somebody's, and of some a colleague knows more."""

    def tell(t: Teller) -> None:
        trouble(t)
        for case in t.open_cases() if t.dice.below(5) < 2 else ():  # noqa: PLR2004  Two of five.
            t.later(minutes=t.dice.between(2, 50))
            assign_case(case_id=case.pk, person=t.finance)
            if t.dice.below(2):
                t.later(minutes=6)
                add_note(case_id=case.pk, person=t.finance, text=t.dice.one_of(_NOTES))

    return tell


def _put_off(trouble: Trouble) -> Trouble:
    def tell(t: Teller) -> None:
        trouble(t)
        for case in t.open_cases():
            t.later(minutes=t.dice.between(2, 30))
            until = t.now + 2 * _A_DAY + timedelta(hours=t.dice.below(24))
            snooze_case(case_id=case.pk, person=t.finance, until=until, reason="The provider answers tomorrow.")

    return tell


def _taken(t: Teller) -> Case:
    (case, *_) = t.open_cases()
    t.later(minutes=t.dice.between(3, 90))
    assign_case(case_id=case.pk, person=t.finance)
    t.later(minutes=t.dice.between(1, 30))
    return case


# --- How it ends --------------------------------------------------------------------------------------------------


def _tried_again(t: Teller) -> None:
    _exhausted(t)
    case = _taken(t)
    t.decide(case, Action.RETRY, "The provider is well again.")
    t.later(seconds=5)
    t.charge(t.payment_of(case), Finding.SUCCEEDED)


def _answered_after_all(t: Teller) -> None:
    _doubt(t)
    t.later(minutes=t.dice.between(5, 55))
    finding = t.dice.one_of((Finding.SUCCEEDED, Finding.DECLINED))
    t.tell(t.asked_attempt(), finding, code="" if finding == Finding.SUCCEEDED else "card_declined")


def _seen_at_the_provider(t: Teller) -> None:
    _doubt(t)
    case = _taken(t)
    if t.dice.below(2):
        reason = "It stands in the provider's list of charges."
        t.decide(case, Action.RECORD_CHARGED, reason, amount_minor=t.payment_of(case).charge_minor)
    else:
        t.decide(case, Action.RECORD_NOT_CHARGED, "The provider's list of charges does not have it.")
    t.later(minutes=t.dice.between(1, 40))
    t.agree(case, "Looked it up as well.")


def _difference_given_back(t: Teller) -> None:
    _too_much(t)
    case = _taken(t)
    t.decide(case, Action.REFUND_DIFFERENCE, "Somebody typed the notes that were not given.")
    t.later(seconds=3)
    t.send_refund(Refund.objects.get(payment=case.payment_id), Finding.SUCCEEDED)


def _all_given_back(t: Teller) -> None:
    _mismatch(t)
    case = _taken(t)
    t.decide(case, Action.REFUND_ALL, "The guest wants to pay anew.")
    for refund in Refund.objects.filter(payment=case.payment_id):
        t.later(seconds=3)
        t.send_refund(refund, Finding.SUCCEEDED)


def _surplus_went_back(t: Teller) -> None:
    refund = _surplus(t)
    t.later(seconds=3)
    t.send_refund(refund, Finding.SUCCEEDED)


def _refunded_again(t: Teller) -> None:
    _refund_failed(t)
    case = _taken(t)
    t.decide(case, Action.REFUND, "The guest has a new card at the same bank.")
    t.later(seconds=3)
    t.send_refund(Refund.objects.filter(payment=case.payment_id).latest("id"), Finding.SUCCEEDED)


def _refund_approved(t: Teller) -> None:
    _refund_above_limit(t)
    (case,) = t.open_cases()
    t.later(minutes=t.dice.between(2, 90))
    t.agree(case, "The kitchen was late; the guests are right.")
    t.later(seconds=3)
    t.send_refund(Refund.objects.get(payment=case.payment_id), Finding.SUCCEEDED)


def _given_up(action: Action, reason: str, answer: str) -> Trouble:
    def tell(t: Teller) -> None:
        _exhausted(t)
        case = _taken(t)
        t.decide(case, action, reason)
        t.later(minutes=t.dice.between(5, 300))
        t.agree(case, answer)

    return tell


def _refund_confirmed(t: Teller) -> None:
    _refund_doubt(t)
    t.later(minutes=t.dice.between(5, 400))
    (case, *_) = t.open_cases()
    t.tell_refund(Refund.objects.get(pk=case.subject_id), Finding.SUCCEEDED)


def _handed_over(t: Teller) -> None:
    _cash_back(t)
    t.decide(_taken(t), Action.HAND_OVER, "Given to the guest at the door.")


def _taken_up(t: Teller) -> None:
    _quarantined(t)
    case = _taken(t)
    t.decide(case, Action.TAKE_UP, "The reading of that answer is repaired.")
    t.later(seconds=6)
    t.tell(t.asked_attempt(), Finding.SUCCEEDED)


def _closed(trouble: Trouble, reason: str, end: Callable[..., Case] = dismiss_case, **how: Outcome) -> Trouble:
    def tell(t: Teller) -> None:
        trouble(t)
        end(case_id=_taken(t).pk, person=t.finance, reason=reason, **how)

    return tell


# --- How often ----------------------------------------------------------------------------------------------------

_A_DAY = timedelta(days=1)
_LONGEST_OPEN = 21 * _A_DAY
# Of a surplus whose refund hangs for longer another case tells.
_A_REFUND = timedelta(minutes=12)
# After a day nobody can agree any more.
_A_REQUEST = timedelta(hours=12)
_TAKES = 8


def _open(
    kind: CaseKind, tell: Trouble, share: int, *, within: timedelta = _LONGEST_OPEN, word: str = "", cases: int = 1
) -> Story:
    return Story(name=f"{kind.value}{word}", tell=tell, share=share, takes=_TAKES, within=within, cases=cases)


_WAITING = (
    _open(CaseKind.IN_DOUBT, _doubt, 280, within=9 * _A_DAY),
    _open(CaseKind.EXHAUSTED, _exhausted, 120, within=6 * _A_DAY),
    _open(CaseKind.AMOUNT_MISMATCH, _mismatch, 90),
    _open(CaseKind.LATE_SUCCESS, _late, 90),
    _open(CaseKind.SURPLUS, _surplus_that_stays, 70, word=", refund failed", cases=2),
    _open(CaseKind.CONTRADICTION, _contradiction, 60),
    _open(CaseKind.REFUND_FAILED, _refund_failed, 100),
    _open(CaseKind.REFUND_IN_DOUBT, _refund_doubt, 80, within=9 * _A_DAY),
    _open(CaseKind.CASH_REFUND, _cash_back, 50, within=4 * _A_DAY),
    _open(CaseKind.PROVIDER_REFUND, _chargeback, 40),
    _open(CaseKind.ORPHAN_NOTICE, _orphan, 20),
    _open(CaseKind.QUARANTINED, _quarantined, 20, within=4 * _A_DAY),
)
OPEN = (
    *(replace(each, tell=_worked_on(each.tell)) for each in _WAITING),
    _open(CaseKind.REFUND_APPROVAL, _refund_above_limit, 20, within=_A_REQUEST),
    *(
        replace(each, name=f"{each.name}, put off", tell=_put_off(each.tell), share=1 + each.share // 20, within=_A_DAY)
        for each in _WAITING
    ),
    _open(CaseKind.SURPLUS, _surplus_on_its_way, 4, within=_A_REFUND),
)
# One account is one worry: told once, and copied once.
ONCE = tuple(
    _open(CaseKind.CREDENTIALS, _refused_credentials(provider), 1, within=2 * _A_DAY, word=f" of {provider}")
    for provider in ("sandbox_a", "sandbox_b")
)


def _done(name: str, tell: Trouble, share: int) -> Story:
    return Story(name=f"{name}, ended", tell=tell, share=share, takes=_TAKES)


ENDED = (
    _done("doubt, answered", _answered_after_all, 240),
    _done("doubt, seen", _seen_at_the_provider, 120),
    _done("exhausted, tried again", _tried_again, 110),
    _done("exhausted", _given_up(Action.RECORD_PAID_ELSEWHERE, "Paid at the terminal.", "Its roll shows it."), 40),
    _done("exhausted, written off", _given_up(Action.WRITE_OFF, "The guest has left.", "Nothing is to be done."), 20),
    _done("refund, approved", _refund_approved, 20),
    _done("mismatch, difference", _difference_given_back, 50),
    _done("mismatch, all", _all_given_back, 40),
    _done("late", _closed(_late, "The guest had not paid in another way.", resolve_case, outcome=Outcome.PAID), 70),
    _done("surplus", _surplus_went_back, 90),
    _done("contradiction", _closed(_contradiction, "The provider's test message, they say."), 40),
    _done("refund failed", _refunded_again, 70),
    _done("refund in doubt", _refund_confirmed, 60),
    _done("cash", _handed_over, 50),
    _done(
        "chargeback",
        _closed(_chargeback, "The guest was right.", resolve_case, outcome=Outcome.GIVEN_BACK),
        30,
    ),
    _done("orphan", _closed(_orphan, "A charge of our neighbour's."), 10),
    _done("quarantined", _taken_up, 20),
)
