"""What a second person is asked, in words: who wants what and why, what it changes, and who may say yes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from accounts.independence import Ties, who_asked_took_others_away
from accounts.models import ALONE_AFTER, CHECKERS, Approval, Role, User
from accounts.second_people import roles_that_agree
from accounts.services.approvals import LEFT_ALONE, LEFT_TO_FINANCE, NOT_INDEPENDENT
from failures.decisions import Action
from failures.models import Case, CaseKind
from failures.showing.choices import WORDS, Words, words_in
from kernel.money import Money
from payments.models import Attempt, RefundStatus
from payments.services.credential_changes import CHANGE_CREDENTIALS
from payments.services.deeds import PaymentDeed, picture_of_payment
from payments.services.forcing import other_amount
from payments.services.refund_approvals import BESIDES, goes_back_besides
from payments.services.refund_requests import recordings_of
from payments.whose_word import IS_RECORDED

_REFUND = Words(
    title="Send the refund",
    does="It is more than whoever asked may give back alone. The refund is sent within seconds.",
    moves_money=True,
)
_CREDENTIALS = Words(
    title="Use the new credentials",
    does=(
        "The provider answered with them, and knew what this account took. A new signing secret shows with the next "
        "notice whether it is right; the earlier ones are good as well until somebody ends them."
    ),
)
_OF_NO_CASE: Mapping[str, Words] = {PaymentDeed.REQUEST_REFUND: _REFUND, CHANGE_CREDENTIALS: _CREDENTIALS}
_ROWS = {"payment": "Payment", "attempts": "Charge", "refunds": "Refund", "refund": "Refund", "case": "Case"}
_FIELDS = {
    "status": "",
    "in_doubt": "in doubt",
    "failure_code": "why it failed",
    "mismatch": "another amount",
    "capture": "what becomes of it",
    "captured_minor": "came in",
    "refunded_minor": "given back",
    "amount_minor": "amount",
    "tip_minor": "tip",
    "outcome": "how it ended",
    "written_off": "written off",
    "paid_elsewhere": "paid in another way",
}
# Of a row that is new it changes nothing that it has none of these.
_NOTHING = ("none", "no", "–")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    what: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    approval: Approval
    words: Words
    title: str
    amount: str
    changes: tuple[Change, ...]
    since: tuple[Change, ...]  # What differs from what the maker saw.
    warning: str  # Of an amount that is not what was to be charged.
    may_approve: bool
    may_decide: bool
    may_withdraw: bool
    moves_money: bool
    why_not: str
    opens_at: datetime | None  # For whoever is alone.


@dataclass(frozen=True, slots=True, kw_only=True)
class _Standing:
    """Of one person to one request."""

    is_tied: bool  # To who asked.
    is_left_alone: bool  # By their own hand.
    is_left_to_finance: bool  # By the hand of who asked.


def approvals_in(case: Case, *, about: Iterable[UUID] = (), of: Iterable[Attempt] = ()) -> list[Approval]:
    """With those by which people recorded something about these attempts or refunds, and those by which somebody says
    that the guest was given the money of some attempt, wherever it was asked.
    """
    recorded = Q(subject_id__in=list(about)) & IS_RECORDED
    recording = Q(pk__in=recordings_of(attempt.pk for attempt in of))
    asked = Approval.objects.filter(Q(asked_from=case.pk) | recorded | recording)
    return list(asked.select_related("maker").order_by("id"))


def asked_about(
    case: Case,
    approvals: Iterable[Approval],
    *,
    attempts: Iterable[Attempt],
    person: User,
    role: str,
    now: datetime,
) -> Asked | None:
    """Of those that `approvals_in` gave, and of the payment's attempts."""
    approval = next((each for each in approvals if each.is_pending), None)
    if approval is None:
        return None
    is_maker = approval.maker_id == person.pk
    agree = _who_agrees(approval, role, is_maker=is_maker)
    opens_at = approval.created_at + ALONE_AFTER
    is_early = is_maker and not agree and now < opens_at
    why_not = _why_not(approval, person, role, agree)
    seen = _as_it_is_now(case, approval)
    return Asked(
        approval=approval,
        words=_OF_NO_CASE.get(approval.action) or words_in(CaseKind(case.kind), Action(approval.action)),
        title=title_of(approval),
        amount=amount_of(approval, case.restaurant.currency),
        changes=changes_of(approval),
        warning=_warning(approval, attempts),
        since=(*_changes(approval.before, seen), *_went_back_since(approval, attempts)),
        may_approve=not _is_overtaken(approval, attempts) and _refunds_in(seen) == _refunds_in(approval.before),
        may_decide=not why_not and not is_early,
        may_withdraw=is_maker,
        moves_money=words_of(approval.action).moves_money or _sends_a_refund(approval),
        why_not=why_not,
        opens_at=opens_at if is_early and not why_not else None,
    )


def _sends_a_refund(approval: Approval) -> bool:
    """What is not due any more goes back in the moment in which somebody agrees that it came in."""
    before, after = (_to_be_sent(picture) for picture in (approval.before, approval.after))
    return after > before


def _to_be_sent(picture: Mapping[str, Any]) -> int:
    return sum(row["status"] == RefundStatus.REQUESTED for row in picture.get("refunds", []))


def words_of(action: str) -> Words:
    return _OF_NO_CASE.get(action) or WORDS[Action(action)]


def title_of(approval: Approval) -> str:
    """With what it is done to, where no amount and no payment says it."""
    title, called = words_of(approval.action).title, approval.data.get("called", "")
    return f"{title}: {called}" if called else title


def changes_of(approval: Approval) -> tuple[Change, ...]:
    """As whoever asked saw it."""
    return tuple(_changes(approval.before, approval.after))


def amount_of(approval: Approval, currency: str) -> str:
    """Where one is asked for by it."""
    said = approval.data
    minor = said.get("captured_minor") or said.get("amount_minor", 0) + said.get("tip_minor", 0)
    return Money(minor, said.get("currency", currency)).display() if minor else ""


def _warning(approval: Approval, attempts: Iterable[Attempt]) -> str:
    attempt = next((each for each in attempts if each.pk == approval.subject_id), None)
    minor = approval.data.get("captured_minor")
    other = other_amount(attempt, minor) if attempt is not None and minor is not None else None
    if other is None:
        return ""
    return (
        f"{other.asked.display()} was to be charged, and not {other.written.display()}. Look whether the provider's "
        "page really says so."
    )


def _why_not(approval: Approval, person: User, role: str, agree: Collection[Role]) -> str:
    """By the rules of the service. Empty: this person may answer."""
    is_maker = approval.maker_id == person.pk
    if is_maker and agree:
        return f"You asked for it. {_somebody(agree)} who is somebody else has to agree."
    if not is_maker and role not in agree:
        return f"{_somebody(agree)} has to agree."
    standing = _standing_of(approval, person)
    if is_maker:
        return LEFT_ALONE if standing.is_left_alone else ""
    if standing.is_tied:
        return NOT_INDEPENDENT
    is_by_hand = standing.is_left_alone or standing.is_left_to_finance
    return LEFT_TO_FINANCE if role not in CHECKERS and is_by_hand else ""


def _who_agrees(approval: Approval, role: str, *, is_maker: bool) -> Collection[Role]:
    """Who is such a one themselves need not be looked for."""
    if role in CHECKERS and not is_maker:
        return CHECKERS
    return roles_that_agree(restaurant_id=approval.restaurant_id, maker_id=approval.maker_id)


def _standing_of(approval: Approval, person: User) -> _Standing:
    ties = Ties(person)
    asked = Approval.objects.filter(pk=approval.pk).values(
        is_tied=ties.to_who_asked(),
        is_left_alone=ties.took_others_away(),
        is_left_to_finance=who_asked_took_others_away(),
    )
    return _Standing(**asked.get())


def _somebody(agree: Collection[Role]) -> str:
    return "A colleague of finance" if agree and not set(agree) & set(CHECKERS) else "A finance lead or an admin"


def _as_it_is_now(case: Case, approval: Approval) -> Mapping[str, Any]:
    """The payment may have changed while nobody answered: then the maker decided about something else. If anything of
    it went back since, something else would come of it, and the service refuses.
    """
    before: Mapping[str, Any] = approval.before
    return picture_of_payment(case.payment_id) if "payment" in before and case.payment_id is not None else before


def _refunds_in(picture: Mapping[str, Any]) -> dict[str, str]:
    return dict(_lines({"refunds": picture.get("refunds", [])}))


def _went_back_since(approval: Approval, attempts: Iterable[Attempt]) -> Iterator[Change]:
    """While a refund waited: then it is refused."""
    data = approval.data
    if BESIDES in data:
        besides = goes_back_besides(data["amount_minor"] + data["tip_minor"], attempts)
        was, now = (Money(minor, data["currency"]).display() for minor in (data[BESIDES], besides))
        if was != now:
            yield Change(what="goes back besides it", before=was, after=now)


def _is_overtaken(approval: Approval, attempts: Iterable[Attempt]) -> bool:
    """By the rule of the service: more of the payment goes back than the maker saw. It can only be rejected."""
    data = approval.data
    total = data.get("amount_minor", 0) + data.get("tip_minor", 0)
    return BESIDES in data and goes_back_besides(total, attempts) > data[BESIDES]


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    was, becomes = dict(_lines(before)), dict(_lines(after, _ids_in(before)))
    for what in dict.fromkeys([*was, *becomes]):
        is_empty = what not in was and becomes[what] in _NOTHING
        if was.get(what) != becomes.get(what) and not is_empty:
            yield Change(what=what, before=was.get(what, "–"), after=becomes.get(what, "–"))


def _ids_in(picture: Mapping[str, Any]) -> set[str]:
    return {row.get("id") for rows in picture.values() if isinstance(rows, list) for row in rows}


def _lines(picture: Mapping[str, Any], known: Collection[str] | None = None) -> Iterator[tuple[str, str]]:
    """One for each field that somebody may know about, under the name of its row."""
    yield from picture.get("credentials", {}).items()  # Hints, under the names by which people enter them.
    for kind, rows in picture.items():
        called = _ROWS.get(kind, kind)
        named = zip(_names(called, rows, known), rows, strict=True) if isinstance(rows, list) else [(called, rows)]
        for name, row in named:
            for field, value in row.items():
                if field in _FIELDS:
                    yield f"{name} {_FIELDS[field]}".strip(), _plain(field, value, row)


def _names(called: str, rows: Sequence[Mapping[str, Any]], known: Collection[str] | None) -> Iterator[str]:
    """What is not `known` is new: it has no number yet, as another one may be there before it."""
    fresh = 0
    for number, row in enumerate(rows, start=1):
        is_new = known is not None and row.get("id") not in known
        fresh += is_new
        yield f"New {called.lower()}{f' no. {fresh}' if fresh > 1 else ''}" if is_new else f"{called} no. {number}"


def _plain(field: str, value: Any, row: Mapping[str, Any]) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return Money(*value).display()
    currency = row.get("captured_currency") or row.get("currency")
    if field.endswith("_minor") and not value:
        return "none"  # Before any of it moved nobody says in which currency.
    if field.endswith("_minor") and currency:
        return Money(value, currency).display()
    return str(value).replace("_", " ") or "–"
