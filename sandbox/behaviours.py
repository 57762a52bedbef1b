"""What each test token makes the provider do: a table, and the few words that the table is written in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class ChargeStatus(StrEnum):
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class RefundStatus(StrEnum):
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Network(StrEnum):
    """What happens to the connection after the request was read."""

    NONE = "none"
    REFUSED = "refused"  # Nothing was read: there was no connection.
    HANG = "hang"
    RESET = "reset"
    SLOW_LORIS = "slow_loris"


class Spoil(StrEnum):
    """What is sent in place of the answer."""

    NONE = "none"
    HTML_403 = "html_403"
    HTML_502 = "html_502"
    HTML_503 = "html_503"
    ERROR_500 = "error_500"  # In the provider's own error format.
    UNAUTHORISED = "unauthorised"
    RATE_LIMITED = "rate_limited"
    GARBAGE = "garbage"
    TRUNCATED = "truncated"
    HUGE = "huge"


class Delay(StrEnum):
    """Waits, as names: how long each takes is an argument of the provider."""

    NONE = "none"
    SLOW = "slow"
    PENDING = "pending"
    LATE = "late"
    LATE_WEBHOOK = "late_webhook"
    REVERSAL = "reversal"


SECONDS: Mapping[Delay, float] = {
    Delay.NONE: 0.0,
    Delay.SLOW: 8.0,  # Just inside a caller's total deadline of 10 s.
    Delay.PENDING: 3.0,
    Delay.LATE: 60.0,
    Delay.LATE_WEBHOOK: 30.0,
    Delay.REVERSAL: 2 * 24 * 3600.0,  # A bank returns a refund days later.
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One way for an answer not to arrive."""

    has_effect: bool = True
    network: Network = Network.NONE
    spoil: Spoil = Spoil.NONE
    delay: Delay = Delay.NONE


NO_TROUBLE = Trouble()
TIMEOUT_BEFORE = Trouble(has_effect=False, network=Network.HANG)
TIMEOUT_AFTER = Trouble(network=Network.HANG)
RESET_BEFORE = Trouble(has_effect=False, network=Network.RESET)
RESET_AFTER = Trouble(network=Network.RESET)
ERROR_BEFORE = Trouble(has_effect=False, spoil=Spoil.ERROR_500)
ERROR_AFTER = Trouble(spoil=Spoil.HTML_502)


class WebhookHabit(StrEnum):
    ONCE = "once"
    NEVER = "never"
    MANY = "many"
    LATE = "late"
    FORGED = "forged"  # Says "succeeded" about a pending charge, signed with a wrong secret.


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeBehaviour:
    meaning: str
    status: ChargeStatus = ChargeStatus.SUCCEEDED
    failure_code: str = ""
    later: ChargeStatus | None = None  # What becomes of it without anybody's doing …
    later_delay: Delay = Delay.PENDING  # … and when.
    trouble: Trouble = NO_TROUBLE
    webhook: WebhookHabit = WebhookHabit.ONCE
    surplus_minor: int = 0  # Captured beyond what was asked.
    takes_other_currency: bool = False
    can_be_cancelled: bool = True
    has_page: bool = False
    is_hidden_at_first: bool = False
    refund: str = ""  # How refunds of this charge behave: a name in REFUNDS.


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundBehaviour:
    meaning: str
    status: RefundStatus = RefundStatus.SUCCEEDED
    later: RefundStatus | None = None
    later_delay: Delay = Delay.PENDING
    trouble: Trouble = NO_TROUBLE
    is_hidden_at_first: bool = False


def _declined(code: str, meaning: str) -> ChargeBehaviour:
    return ChargeBehaviour(meaning=meaning, status=ChargeStatus.FAILED, failure_code=code)


def _troubled(trouble: Trouble, meaning: str) -> ChargeBehaviour:
    return ChargeBehaviour(meaning=meaning, trouble=trouble)


def _refunded(refund: str, meaning: str) -> ChargeBehaviour:
    return ChargeBehaviour(meaning=f"Charged; a refund of it {meaning}.", refund=refund)


_PENDING = ChargeStatus.PENDING
_PAGE = ChargeBehaviour(meaning="Pending: the guest decides on the provider's page.", status=_PENDING, has_page=True)

# A trouble happens to the first request with a key, so that a repetition shows whether there was an effect.
CHARGES: Mapping[str, ChargeBehaviour] = {
    "": _PAGE,
    "sim_ok": ChargeBehaviour(meaning="Charged at once."),
    "sim_decline_insufficient_funds": _declined("insufficient_funds", "Declined: not enough money."),
    "sim_decline_expired_card": _declined("expired_card", "Declined: the card is expired."),
    "sim_decline_incorrect_cvc": _declined("incorrect_cvc", "Declined: wrong security code."),
    "sim_decline_do_not_honor": _declined("do_not_honor", "Declined without a reason."),
    "sim_decline_fraud": _declined("fraud", "Declined: fraud suspected."),
    "sim_decline_stolen_card": _declined("stolen_card", "Declined: the card is stolen."),
    "sim_decline_issuer_unavailable": _declined(
        "issuer_unavailable", "Declined: bank away; another provider may help."
    ),
    "sim_timeout_before_effect": _troubled(TIMEOUT_BEFORE, "No answer, nothing charged."),
    "sim_timeout_after_effect": _troubled(TIMEOUT_AFTER, "No answer, but charged."),
    "sim_5xx_before_effect": _troubled(ERROR_BEFORE, "500, nothing charged."),
    "sim_5xx_after_effect": _troubled(ERROR_AFTER, "502 with an HTML page, but charged."),
    "sim_slow_8s": _troubled(Trouble(delay=Delay.SLOW), "Charged at once, answered after 8 s."),
    "sim_slow_loris": _troubled(Trouble(network=Network.SLOW_LORIS), "Charged; the answer trickles, byte by byte."),
    "sim_reset_before_effect": _troubled(RESET_BEFORE, "Connection reset, nothing charged."),
    "sim_reset": _troubled(RESET_AFTER, "Connection reset, but charged."),
    "sim_garbage": _troubled(Trouble(spoil=Spoil.GARBAGE), "200 with random bytes, but charged."),
    "sim_truncated": _troubled(Trouble(spoil=Spoil.TRUNCATED), "200 with half a JSON object, but charged."),
    "sim_huge_body": _troubled(Trouble(spoil=Spoil.HUGE), "200 with 10 MB of JSON, but charged."),
    "sim_html_403": _troubled(
        Trouble(has_effect=False, spoil=Spoil.HTML_403), "A firewall's 403 page; nothing charged."
    ),
    "sim_pending_then_ok": ChargeBehaviour(
        meaning="Pending, then charged.", status=_PENDING, later=ChargeStatus.SUCCEEDED
    ),
    "sim_pending_then_declined": ChargeBehaviour(
        meaning="Pending, then declined.", status=_PENDING, later=ChargeStatus.FAILED, failure_code="do_not_honor"
    ),
    "sim_pending_for_ever": ChargeBehaviour(meaning="Pending until cancelled.", status=_PENDING),
    "sim_pending_not_cancellable": ChargeBehaviour(
        meaning="Pending for ever, and it cannot be cancelled.", status=_PENDING, can_be_cancelled=False
    ),
    "sim_late_success": ChargeBehaviour(
        meaning="Declined now, charged a minute later all the same.",
        status=ChargeStatus.FAILED,
        failure_code="do_not_honor",
        later=ChargeStatus.SUCCEEDED,
        later_delay=Delay.LATE,
    ),
    "sim_pending_late_success": ChargeBehaviour(
        meaning="Pending, cannot be cancelled, charged a minute later.",
        status=_PENDING,
        later=ChargeStatus.SUCCEEDED,
        later_delay=Delay.LATE,
        can_be_cancelled=False,
    ),
    "sim_wrong_amount": ChargeBehaviour(meaning="Charged 100 minor units too much.", surplus_minor=100),
    "sim_wrong_currency": ChargeBehaviour(meaning="Charged in another currency.", takes_other_currency=True),
    "sim_duplicate_webhook": ChargeBehaviour(
        meaning="Charged; its webhook arrives many times.", webhook=WebhookHabit.MANY
    ),
    "sim_late_webhook": ChargeBehaviour(meaning="Charged; its webhook comes late.", webhook=WebhookHabit.LATE),
    "sim_forged_webhook": ChargeBehaviour(
        meaning="Pending for ever; a forged webhook says that it was charged.",
        status=_PENDING,
        webhook=WebhookHabit.FORGED,
    ),
    "sim_no_webhook": ChargeBehaviour(
        meaning="Pending, then charged, and no webhook says so.",
        status=_PENDING,
        later=ChargeStatus.SUCCEEDED,
        webhook=WebhookHabit.NEVER,
    ),
    "sim_action_required": _PAGE,
    "sim_not_found_then_found": ChargeBehaviour(
        meaning="No answer, but charged; look-ups say at first that it does not exist.",
        trouble=TIMEOUT_AFTER,
        is_hidden_at_first=True,
    ),
    "sim_refund_timeout_after_effect": _refunded("timeout_after_effect", "gets no answer, but is made"),
    "sim_refund_timeout_before_effect": _refunded("timeout_before_effect", "gets no answer and is not made"),
    "sim_refund_declined": _refunded("declined", "is declined"),
    "sim_refund_pending_then_ok": _refunded("pending_then_ok", "is pending, then made"),
    "sim_refund_ok_then_failed": _refunded("ok_then_failed", "is made, and returned by the bank two days later"),
    "sim_refund_5xx_after_effect": _refunded("5xx_after_effect", "gets a 502, but is made"),
    "sim_refund_not_found_then_found": _refunded(
        "not_found_then_found", "gets no answer, but is made; look-ups say at first that it does not exist"
    ),
}

REFUNDS: Mapping[str, RefundBehaviour] = {
    "ok": RefundBehaviour(meaning="Made at once."),
    "timeout_before_effect": RefundBehaviour(meaning="No answer, not made.", trouble=TIMEOUT_BEFORE),
    "timeout_after_effect": RefundBehaviour(meaning="No answer, but made.", trouble=TIMEOUT_AFTER),
    "5xx_before_effect": RefundBehaviour(meaning="500, not made.", trouble=ERROR_BEFORE),
    "5xx_after_effect": RefundBehaviour(meaning="502 page, but made.", trouble=ERROR_AFTER),
    "reset_after_effect": RefundBehaviour(meaning="Connection reset, but made.", trouble=RESET_AFTER),
    "not_found_then_found": RefundBehaviour(
        meaning="No answer, but made; look-ups say at first that it does not exist.",
        trouble=TIMEOUT_AFTER,
        is_hidden_at_first=True,
    ),
    "garbage": RefundBehaviour(meaning="200 with random bytes, but made.", trouble=Trouble(spoil=Spoil.GARBAGE)),
    "declined": RefundBehaviour(meaning="Declined.", status=RefundStatus.FAILED),
    "pending_then_ok": RefundBehaviour(
        meaning="Pending, then made.", status=RefundStatus.PENDING, later=RefundStatus.SUCCEEDED
    ),
    "pending_then_failed": RefundBehaviour(
        meaning="Pending, then failed.", status=RefundStatus.PENDING, later=RefundStatus.FAILED
    ),
    "pending_for_ever": RefundBehaviour(meaning="Pending.", status=RefundStatus.PENDING),
    "ok_then_failed": RefundBehaviour(
        meaning="Made, and returned by the bank days later.", later=RefundStatus.FAILED, later_delay=Delay.REVERSAL
    ),
}


# What making an order can be like, where a provider makes one first. Nobody can have paid it yet.
ORDERS: Mapping[str, Trouble] = {
    "ok": NO_TROUBLE,
    "timeout_before_effect": TIMEOUT_BEFORE,
    "timeout_after_effect": TIMEOUT_AFTER,
    "5xx_before_effect": ERROR_BEFORE,
    "5xx_after_effect": ERROR_AFTER,
    "reset_after_effect": RESET_AFTER,
    "garbage": Trouble(spoil=Spoil.GARBAGE),
    "truncated": Trouble(spoil=Spoil.TRUNCATED),
    "slow_loris": Trouble(network=Network.SLOW_LORIS),
}


class Mode(StrEnum):
    """What the whole provider does to every request for money, look-ups included."""

    OK = "ok"
    SLOW = "slow"
    FAILING = "failing"
    REFUSING = "refusing"
    SILENT = "silent"
    UNAUTHORISED = "unauthorised"
    RATE_LIMITED = "rate_limited"


MODES: Mapping[Mode, Trouble] = {
    Mode.OK: NO_TROUBLE,
    Mode.SLOW: Trouble(delay=Delay.SLOW),
    Mode.FAILING: Trouble(has_effect=False, spoil=Spoil.HTML_503),
    Mode.REFUSING: Trouble(has_effect=False, network=Network.REFUSED),
    Mode.SILENT: TIMEOUT_BEFORE,
    Mode.UNAUTHORISED: Trouble(has_effect=False, spoil=Spoil.UNAUTHORISED),
    Mode.RATE_LIMITED: Trouble(has_effect=False, spoil=Spoil.RATE_LIMITED),
}

# What look-ups can be made to do for a number of times. "not_found" is a lie, told only about what exists.
NOT_FOUND = "not_found"
LOOK_UPS: Mapping[str, Trouble] = {
    NOT_FOUND: NO_TROUBLE,
    "refuse": RESET_BEFORE,
    "time_out": TIMEOUT_BEFORE,
    "server_error": Trouble(has_effect=False, spoil=Spoil.HTML_503),
}
