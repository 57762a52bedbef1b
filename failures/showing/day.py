"""The day that now runs, by method, by the try that brought the money, and by what it failed for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from failures.showing.figures import Figure, List, figure
from kernel.modes import Mode
from kernel.totals import Total
from payments.days import DayWord
from payments.figures import Day, Returns
from payments.models import Method, PaymentStatus, RefundStatus
from payments.reason_words import reason_in_words
from payments.tries import PAYING, Try

TOP_REASONS = 5
# A bar's whole width, in the chart's own units.
_WIDTH = 1_000
# How a payment stands, in the order of a bar's pieces. All that came in may have gone back at once, as it was not due:
# that payment is completed, and was not paid.
_ENDS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "paid": {"status": (PaymentStatus.COMPLETED,), "paid_on": PAYING},
    "not_kept": {"status": (PaymentStatus.COMPLETED,), "paid_on": (Try.NONE,)},
    "under_way": {"status": (PaymentStatus.PENDING, PaymentStatus.PROCESSING)},
    "failed": {"status": (PaymentStatus.FAILED,)},
}
# How a refund stands, in the order in which it is read.
_RETURNS: Mapping[str, tuple[RefundStatus, ...]] = {
    "gone back": (RefundStatus.COMPLETED,),
    "on its way back": (RefundStatus.REQUESTED, RefundStatus.PROCESSING),
    "waits for approval": (RefundStatus.WAITING_APPROVAL,),
    "failed": (RefundStatus.FAILED,),
}
# By which words of its address the list of payments asks for a field.
_ASKS = {
    "method": "method__exact",
    "currency": "currency",
    "status": "status__exact",
    "failure_code": "failure_code",
    "paid_on": "paid_on",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    kind: str
    x: int
    width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodRow:
    """Of one method and one currency, each figure with the list of its payments."""

    method: str
    currency: str
    every: Figure
    ends: Mapping[str, Figure]
    bar: tuple[Piece, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    words: str
    figure: Figure
    share: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DayShown:
    every: Figure
    ends: Mapping[str, Figure]
    methods: tuple[MethodRow, ...]
    tries: tuple[Part, ...]
    reasons: tuple[Part, ...]
    returns: tuple[Part, ...]
    has_several_currencies: bool


def day_shown(day: Day, returns: Returns, *, mode: Mode) -> DayShown:
    telling = _Telling(day=day, mode=mode)
    return DayShown(
        every=telling.figure(),
        ends=telling.ends(),
        methods=tuple(_method_row(telling, *each) for each in day.values("currency", "method")),
        tries=telling.parts("paid_on", {each.value: each.label for each in PAYING}, PaymentStatus.COMPLETED),
        reasons=_reasons(telling),
        returns=_returns(returns, mode),
        has_several_currencies=len(day.values("currency")) > 1,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Telling:
    day: Day
    mode: Mode

    def figure(self, **wanted: Sequence[str]) -> Figure:
        """Counted by the same words by which its list is asked."""
        asked = {_asks(name, values): ",".join(values) for name, values in wanted.items()}
        return figure(self.day.total(**wanted), List.PAYMENTS, self.mode, day=DayWord.TODAY.value, **asked)

    def ends(self, **wanted: Sequence[str]) -> dict[str, Figure]:
        return {name: self.figure(**wanted, **end) for name, end in _ENDS.items()}

    def parts(self, field: str, words: Mapping[str, str], status: PaymentStatus) -> tuple[Part, ...]:
        """Payments of one status, told apart by one field."""
        figures = {value: self.figure(status=[status], **{field: [value]}) for value in words}
        whole = sum(each.total.count for each in figures.values())
        return tuple(
            Part(words=words[value], figure=each, share=_share(each.total.count, whole))
            for value, each in figures.items()
        )


def _share(part: int, whole: int) -> str:
    """Rounded, but a few of many are not nothing."""
    if not part:
        return ""
    return f"{max(1, (part * 200 // whole + 1) // 2)} %" if part * 100 >= whole else "under 1 %"


def _asks(name: str, values: Sequence[str]) -> str:
    return "statuses" if name == "status" and len(values) > 1 else _ASKS[name]


def _reasons(telling: _Telling) -> tuple[Part, ...]:
    failed = PaymentStatus.FAILED
    codes = [code for (code,) in telling.day.values("failure_code", status=[failed])]
    parts = telling.parts("failure_code", {code: reason_in_words(code) for code in codes}, failed)
    return tuple(sorted(parts, key=lambda part: -part.figure.total.count)[:TOP_REASONS])


def _returns(returns: Returns, mode: Mode) -> tuple[Part, ...]:
    whole = returns.total(*RefundStatus).count
    totals = {words: returns.total(*statuses) for words, statuses in _RETURNS.items()}
    return tuple(
        Part(
            words=words,
            figure=figure(total, List.REFUNDS, mode, day=DayWord.TODAY.value, statuses=",".join(_RETURNS[words])),
            share=_share(total.count, whole),
        )
        for words, total in totals.items()
        if total.count
    )


def _method_row(telling: _Telling, currency: str, method: str) -> MethodRow:
    ends = telling.ends(method=[method], currency=[currency])
    return MethodRow(
        method=Method(method).label if method else "not chosen yet",
        currency=currency,
        every=telling.figure(method=[method], currency=[currency]),
        ends=ends,
        bar=_bar(ends, widest=_widest(telling.day, currency)),
    )


def _widest(day: Day, currency: str) -> int:
    """The longest bar of this currency. Those of two currencies are not compared."""
    return max(
        _minor(day.total(method=[method], currency=[currency]))
        for (method,) in day.values("method", currency=[currency])
    )


def _minor(total: Total) -> int:
    """Of what has one currency, or no money at all."""
    return total.sums[0].minor if total.sums else 0


def _bar(ends: Mapping[str, Figure], *, widest: int) -> tuple[Piece, ...]:
    pieces, x = [], 0
    for kind, part in ends.items():
        width = _minor(part.total) * _WIDTH // widest
        pieces.append(Piece(kind=kind, x=x, width=width))
        x += width
    return tuple(pieces)
