"""What came of a run: how each of its payments, refunds and cases stands now, and those about money added up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.db.models import Case as If
from django.db.models import Count, Max, OuterRef, Prefetch, QuerySet, Subquery, TextField, Value, When
from django.utils.text import capfirst

from failures.models import BulkAction, BulkRun, BulkStep, Case, CaseStatus, StepStatus
from failures.services.asking import ABOUT_REFUNDS
from kernel import clock
from kernel.shown import Tone, in_words, label
from payments.models import Payment, PaymentStatus, Refund, RefundStatus
from payments.reason_words import reason_in_words
from payments.returns import with_what_went_back
from payments.services.timing import RETRY_WINDOW
from payments.state_words import payment_in_words, refund_in_words

# What came of these is how the money stands. Of the others it is how the case does.
_ABOUT_MONEY = (BulkAction.RETRY, BulkAction.ASK)
CASE_TONES: Mapping[CaseStatus, Tone] = {
    CaseStatus.OPEN: Tone.BAD,
    CaseStatus.REOPENED: Tone.BAD,
    CaseStatus.ASSIGNED: Tone.WAIT,
    CaseStatus.WAITING_SECOND_PERSON: Tone.WAIT,
}
_OF_A_PAYMENT = ("reference", "amount_minor", "tip_minor", "currency", "status", "in_doubt", "failure_code")
_OF_A_REFUND = ("status", "in_doubt", "error_code")


class Fate(StrEnum):
    ARRIVED = "arrived"
    FAILED = "failed"
    IN_DOUBT = "in doubt"
    UNDER_WAY = "under way"


# Of one and of several, in the order in which they are told.
_PAYMENTS: Mapping[Fate, tuple[str, str]] = {
    Fate.ARRIVED: ("was paid", "were paid"),
    Fate.FAILED: ("failed", "failed"),
    Fate.IN_DOUBT: ("is in doubt", "are in doubt"),
    Fate.UNDER_WAY: ("is still under way", "are still under way"),
}
_REFUNDS: Mapping[Fate, tuple[str, str]] = {**_PAYMENTS, Fate.ARRIVED: ("went back", "went back")}
_TRIED = ("that was tried again", "that were tried again")
_ASKED = ("payment that was asked about", "payments that were asked about")
_REFUNDS_ASKED = ("refund that was asked about", "refunds that were asked about")
# The same of a payment and of a refund. Each is looked up by its key, as in `failures/sums.py`.
_FATE = If(
    When(in_doubt=True, then=Value(Fate.IN_DOUBT.value)),
    When(status=PaymentStatus.COMPLETED.value, then=Value(Fate.ARRIVED.value)),
    When(status=PaymentStatus.FAILED.value, then=Value(Fate.FAILED.value)),
    default=Value(Fate.UNDER_WAY.value),
    output_field=TextField(),
)
_OF_PAYMENT = Subquery(Payment.objects.filter(pk=OuterRef("case__payment")).values(fate=_FATE))
_OF_REFUND = Subquery(Refund.objects.filter(pk=OuterRef("case__subject_id")).values(fate=_FATE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    """Of all that a run did about money, and not only of the page that is shown."""

    payments: Counter[Fate] = field(default_factory=Counter)
    refunds: Counter[Fate] = field(default_factory=Counter)
    last_at: datetime | None = None  # When it did the last of it.


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    word: str
    tone: Tone
    why: str = ""

    @property
    def stands(self) -> str:
        return label(self.word, self.tone)


def aftermath_of(run: BulkRun) -> Aftermath:
    if run.started_at is None or run.action not in _ABOUT_MONEY:
        return Aftermath()
    done = run.steps.filter(status=StepStatus.DONE, case__payment__isnull=False).order_by()
    of_refund = If(When(case__kind__in=ABOUT_REFUNDS, then=_OF_REFUND), output_field=TextField())
    fates = done.annotate(of_refund=of_refund, of_payment=_OF_PAYMENT).values_list("of_refund", "of_payment")
    payments, refunds, last_at = Counter[Fate](), Counter[Fate](), None
    for of_refund, of_payment, count, last in fates.annotate(count=Count("pk"), last=Max("done_at")):
        (refunds if of_refund else payments)[Fate(of_refund or of_payment)] += count
        last_at = max(last, last_at or last)
    return Aftermath(payments=payments, refunds=refunds, last_at=last_at)


def is_followed(run: BulkRun, aftermath: Aftermath) -> bool:
    """While what it tries again is being tried. What waits longer than that waits for a guest."""
    is_tried = run.action == BulkAction.RETRY and aftermath.payments[Fate.UNDER_WAY] > 0
    return is_tried and aftermath.last_at is not None and clock.now() < aftermath.last_at + RETRY_WINDOW


def told_of(run: BulkRun, aftermath: Aftermath) -> list[str]:
    which = _TRIED if run.action == BulkAction.RETRY else _ASKED
    told = ((which, aftermath.payments, _PAYMENTS), (_REFUNDS_ASKED, aftermath.refunds, _REFUNDS))
    return [_sentence(*each) for each in told if each[1].total()]


def _sentence(which: tuple[str, str], fates: Counter[Fate], words: Mapping[Fate, tuple[str, str]]) -> str:
    one, many = which
    parts = [(fates[fate], *of_fate) for fate, of_fate in words.items() if fates[fate]]
    count, of_one, of_many = parts[0]
    if len(parts) == 1:
        all_of_them = {1: f"The one {one}", 2: f"Both {many}"}.get(count, f"All {count} {many}")
        return f"{all_of_them} {of_one if count == 1 else of_many}."
    told = ", ".join(f"{count} {of_one if count == 1 else of_many}" for count, of_one, of_many in parts)
    return f"Of the {fates.total()} {many}: {told}."


def with_what_it_is_about(steps: QuerySet[BulkStep]) -> QuerySet[BulkStep]:
    """What `now_of` reads, and in a few statements however many there are."""
    payments = with_what_went_back(Payment.objects.select_related("order").only(*_OF_A_PAYMENT, "order__table"))
    return steps.select_related("case__owner").prefetch_related(Prefetch("case__payment", queryset=payments))


def refunds_of(action: str, cases: Iterable[Case]) -> Mapping[UUID, Refund]:
    """By the id of which a case speaks: where the provider was asked about a refund, that is what came of it."""
    asked = [case.subject_id for case in cases if action == BulkAction.ASK and case.kind in ABOUT_REFUNDS]
    return Refund.objects.only(*_OF_A_REFUND).in_bulk(asked) if asked else {}


def now_of(action: str, case: Case, refunds: Mapping[UUID, Refund], *, zone: str) -> Now:
    """Read when it is asked for: the money where that was the point, or else the case."""
    refund = refunds.get(case.subject_id)
    if refund is not None:
        word, tone = refund_in_words(refund)
        why = reason_in_words(refund.error_code) if refund.status == RefundStatus.FAILED else ""
        return Now(word=f"refund {word}", tone=tone, why=capfirst(why))
    if action in _ABOUT_MONEY and case.payment is not None:
        word, tone = payment_in_words(case.payment)
        return Now(word=word, tone=tone, why=capfirst(reason_in_words(case.payment.failure_code)))
    return _of_case(case, zone)


def _of_case(case: Case, zone: str) -> Now:
    tone = CASE_TONES.get(CaseStatus(case.status), Tone.QUIET)
    return Now(word=case.get_status_display(), tone=tone, why=_more_of_case(case, zone))


def _more_of_case(case: Case, zone: str) -> str:
    if not case.is_waiting:
        return capfirst(case.get_outcome_display())
    if case.snoozed_until is not None and case.snoozed_until > clock.now():
        return f"Put off until {in_words(case.snoozed_until, zone)}"
    return f"With {case.owner.get_username()}" if case.owner else "Nobody has it"
