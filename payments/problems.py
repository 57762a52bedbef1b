"""What goes wrong with payments, refunds and cash: every code that a service may refuse with."""

from __future__ import annotations

from http import HTTPStatus

from api.problems import CATALOGUE, NextAction
from orders.problems import ABOVE_LIMIT, TEXT_TOO_LONG, TOO_MANY_REFUNDS, WRONG_CURRENCY

_add = CATALOGUE.add
_READ = NextAction.READ_AGAIN
# When what somebody is at right now has ended mostly: a payment or a look at a provider, a send with its lease, and the
# question what became of a refund.
SOON_SECONDS, LEASE_SECONDS, ASKED_SECONDS, ANSWERED_SECONDS = 10, 30, 60, 300

for _code, _title, _remedy, _next in (
    (
        "order_cancelled",
        "The order is cancelled",
        "Nothing can be paid for it. Place a new order.",
        NextAction.CALL_STAFF,
    ),
    ("already_covered", "The order is paid", "Read the order: nothing is due.", NextAction.NONE),
    (
        "more_than_due",
        "More than what is left to pay",
        "Read the order: `free` is what may be paid now. Leave `amount` out to pay just that.",
        _READ,
    ),
    (
        "share_taken",
        "Less is left than this payment is for",
        "A retry is for the same share. Read the order: `free` is what may be paid now, with a new payment.",
        _READ,
    ),
    ("not_waiting", "It does not wait for this any more", "Read it: somebody else was faster, or it has ended.", _READ),
    ("not_failed", "The payment has not failed", "Only a failed payment is tried again. Read it.", _READ),
    (
        "tried_too_often",
        "This payment was tried too often",
        "Create another payment for what is left of the order, or take cash.",
        NextAction.CALL_STAFF,
    ),
    (
        "not_in_doubt",
        "The payment is not in doubt",
        "Cash against a doubt is taken only while nobody knows. Read the payment.",
        _READ,
    ),
    (
        "nothing_to_refund",
        "There is no money to give back",
        "Only what a payment holds can be refunded. Read the payment.",
        _READ,
    ),
    (
        "given_back_since",
        "As much has gone back since",
        "Read the payment's refunds. Give back more of it only if the guest is owed that once more.",
        _READ,
    ),
    (
        "more_than_left",
        "More than what is left to refund",
        "Read the payment's refunds: `detail` says what is left.",
        _READ,
    ),
    (
        "surplus_is_whole",
        "All of this money goes back",
        "It was never due: leave `amount` out.",
        NextAction.FIX_REQUEST,
    ),
    (
        "not_cash",
        "It was not paid in cash",
        "Refund it through its provider: leave `handed_over` out.",
        NextAction.FIX_REQUEST,
    ),
    (
        "not_exact",
        "Not the exact amount",
        "Cash is taken for exactly what is due; a tip is said beside it.",
        NextAction.FIX_REQUEST,
    ),
    ("given_too_little", "The guest gave too little", "`given` covers the amount and the tip.", NextAction.FIX_REQUEST),
    ("no_mismatch", "No amount waits for a decision", "Read the payment: somebody has decided already.", _READ),
    ("captured", "Money was captured here", "Decide about its amount instead.", _READ),
    ("not_open", "It has ended already", "Read it: nothing is open any more.", _READ),
    ("not_set_aside", "It is not set aside", "Read it: it goes on by itself.", _READ),
    (
        "known_already",
        "The provider's books brought this refund already",
        "If it is the same one, record this one as not made.",
        _READ,
    ),
    ("not_due", "That much is not due any more", "Give the difference back where there is one, or all of it.", _READ),
    ("currency", "Another currency was captured", "Only giving all of it back is possible.", NextAction.FIX_REQUEST),
    ("too_little", "Less than asked was captured", "There is no difference to give back.", NextAction.FIX_REQUEST),
):
    _add(_code, HTTPStatus.CONFLICT, _title, remedy=_remedy, next_action=_next)

for _code, _title, _remedy, _seconds in (
    (
        "being_paid",
        "Somebody is paying this right now",
        "What is left of the order is held by another payment. Read its payments; wait for that one or cancel it.",
        SOON_SECONDS,
    ),
    (
        "attempt_live",
        "An earlier attempt is not closed yet",
        "Money may still move through it. Wait until the payment says `safe_to_retry: true`.",
        SOON_SECONDS,
    ),
    ("being_sent", "The provider is being asked right now", "Wait half a minute and try again.", LEASE_SECONDS),
    (
        "being_asked",
        "An earlier refund may have been made after all",
        "The provider is being asked. Try again in a minute.",
        ASKED_SECONDS,
    ),
    (
        "being_recorded",
        "The guest may have this money already",
        "It is said to have been given back in another way. A second person answers that first, in its case.",
        ANSWERED_SECONDS,
    ),
):
    _add(
        _code,
        HTTPStatus.CONFLICT,
        _title,
        remedy=_remedy,
        next_action=NextAction.WAIT,
        retryable=True,
        retry_after_seconds=_seconds,
    )

for _code, _title, _remedy in (
    ("bad_amount", "An amount is wrong", "Amounts are whole numbers of minor units: 84000 is ₹840.00."),
    ("tip_too_high", "The tip is far above the bill", "Was an amount typed into the wrong field?"),
    ("unknown_method", "There is no such method", "`detail` lists the known ones."),
    (
        "no_provider",
        "Nobody here takes that",
        "Ask for what is available now: `GET /api/v1/orders/{id}/payment-methods`.",
    ),
    ("no_reason", "A reason is missing", "Say in a few words why: a colleague will read it."),
    ("unknown_provider", "There is no such provider", "Leave `provider` out, and one is chosen."),
    ("too_long", "That lasts too long", "`detail` says how long it may last."),
):
    _add(_code, HTTPStatus.UNPROCESSABLE_ENTITY, _title, remedy=_remedy)

for _code, _title, _remedy in (
    (
        "not_staff_here",
        "Only this restaurant's staff",
        "Waiters, finance staff and administrators of the restaurant take its cash.",
    ),
    (
        "not_finance_here",
        "Only this restaurant's finance staff",
        "An administrator gives people their roles in the console.",
    ),
    (
        "not_an_operator",
        "Only operators",
        "Finance leads and administrators of a restaurant with an account in use at the provider force its circuits.",
    ),
):
    _add(_code, HTTPStatus.FORBIDDEN, _title, remedy=_remedy, next_action=NextAction.ASK_FOR_ACCESS)

# About what a restaurant is paid through: said by the console's pages, and named here so that each has its page.
for _code, _title, _remedy, _next in (
    ("said_already", "This was said already", "Nothing is missing: the word lasts.", NextAction.NONE),
    ("changed_meanwhile", "Somebody changed it meanwhile", "Look at it as it is now, and decide again.", _READ),
    ("switched_already", "It is switched so already", "Nothing is missing.", NextAction.NONE),
    ("nobody_can_pay", "Nobody could pay after this", "Say that this is meant.", NextAction.FIX_REQUEST),
    ("unusable_credentials", "Its credentials cannot be used", "Enter them first.", NextAction.FIX_REQUEST),
    ("label_taken", "Another account is called so", "Choose another name.", NextAction.FIX_REQUEST),
):
    _add(_code, HTTPStatus.CONFLICT, _title, remedy=_remedy, next_action=_next)

for _code, _title, _remedy in (
    ("no_circuit", "It has no circuit", "A person takes this money: nothing is asked."),
    ("too_many_routes", "The chain is too long", "`detail` says how many routes it may have."),
    ("unknown_account", "There is no such account", "Accounts are of one restaurant and one mode."),
    ("unknown_currency", "This currency is not taken there", "A currency has three letters, such as INR."),
    ("unknown_channel", "There is no such channel", "Dine in, takeaway and delivery are known."),
    ("bad_bounds", "The bounds leave no amount", "The lower one is not above the upper one."),
    ("bad_fee", "A fee is wrong", "It is a share of each charge, in hundredths of a percent."),
    ("simulated_provider", "It moves no money", "A simulated provider is for the test mode alone."),
    ("no_label", "It has no name", "Say how the account is called."),
):
    _add(_code, HTTPStatus.UNPROCESSABLE_ENTITY, _title, remedy=_remedy)

# What a refusal is when it says nothing more exact.
for _code, _what in (
    ("payment_refused", "payment"),
    ("refund_refused", "refund"),
    ("cash_refused", "cash"),
    ("circuit_refused", "circuit"),
    ("provider_refused", "change"),
    ("notice_refused", "notice"),
    ("order_refused", "order"),
    ("case_refused", "case"),
    ("refused", "request"),
):
    _add(_code, HTTPStatus.CONFLICT, f"The {_what} was refused", remedy="`detail` says why.", next_action=_READ)

NOT_HERE = _add(
    "not_here",
    HTTPStatus.MISDIRECTED_REQUEST,
    "Another process answers this",
    remedy="Events are streamed by a process of its own: ask at the payment's `links.events`.",
    next_action=_READ,
)
TOO_MANY_WAITING = _add(
    "too_many_waiting",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "Too many are waiting here",
    remedy="Read the payment itself, as often as its `Retry-After` says, and open a stream later.",
    next_action=_READ,
    retryable=True,
)
BAD_HANDSHAKE = _add(
    "bad_handshake",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "The provider did not sign this",
    remedy=(
        "Hand over the query string of the return address just as the provider wrote it. The payment's state "
        "does not depend on it."
    ),
)
_add(
    "notice_invalid",
    HTTPStatus.BAD_REQUEST,
    "The signature or the form of this notice is wrong",
    remedy="A provider signs the raw bytes with the secret of its account, and its clock is right to a few minutes.",
)

# Said by the console and the terminal alone: named here, so that each has its page.
_add(
    "credentials_refused",
    HTTPStatus.CONFLICT,
    "The provider refuses these credentials",
    remedy="Copy them once more from the provider's own pages: the right mode, and all of it. Nothing was changed.",
)
_add(
    "no_credentials",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "This account needs no credentials",
    remedy="A person takes this money. There is nothing to enter, and nobody to ask.",
)
_add(
    "nothing_new",
    HTTPStatus.CONFLICT,
    "The account has these credentials",
    remedy="Nothing would change. Enter what the provider gave you last.",
    next_action=NextAction.NONE,
)
_add(
    "missing",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "The credentials are not complete",
    remedy="`field` says which part is missing. The provider's own pages have it.",
)
_add(
    "too_short",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "A secret is too short",
    remedy="A short secret can be guessed. Let the provider make a longer one.",
)
_add(
    "too_many_secrets",
    HTTPStatus.CONFLICT,
    "Enough signing secrets are good at once",
    remedy="End those before the newest one, once a notice has come that was signed with it.",
)
_add(
    "secret_in_reason",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "The reason says a secret",
    remedy="Reasons are read by colleagues and kept for ever. Say why, and not what.",
)
_add(
    "no_answer",
    HTTPStatus.CONFLICT,
    "The provider does not answer",
    remedy="Nobody knows whether these credentials work. Nothing was changed: try again when it answers.",
    next_action=NextAction.TRY_AGAIN,
)
_add(
    "another_contract",
    HTTPStatus.CONFLICT,
    "These credentials are of another contract",
    remedy="With them the provider does not know what this account took. Add another account for that contract.",
)
_add(
    "nothing_to_compare",
    HTTPStatus.CONFLICT,
    "Money may still move, and nothing can be compared",
    remedy="Wait until what is under way at this account has ended, or end it; then enter the credentials again.",
    next_action=NextAction.WAIT,
)
_kinds = CATALOGUE.kinds
# What a body says wrongly is `invalid_request`, and who may not is `not_allowed`: neither comes as far as these.
CREATING = (
    *(
        _kinds[code]
        for code in (
            *("unknown_provider", "order_cancelled", "already_covered", "being_paid", "more_than_due", "no_provider"),
            "tip_too_high",
        )
    ),
    WRONG_CURRENCY,
    TEXT_TOO_LONG,
)
STARTING = tuple(_kinds[code] for code in ("not_waiting", "unknown_method", "no_provider"))
RETRYING = tuple(
    _kinds[code]
    for code in (
        *("not_failed", "tried_too_often", "attempt_live", "order_cancelled", "already_covered"),
        *("being_paid", "share_taken", "unknown_method", "no_provider"),
    )
)
TAKING_CASH = (
    *(
        _kinds[code]
        for code in (
            *("not_waiting", "not_in_doubt", "being_sent", "not_exact", "given_too_little", "order_cancelled"),
            *("already_covered", "tip_too_high", "no_provider", "no_reason"),
        )
    ),
    WRONG_CURRENCY,
)
REFUNDING = (
    *(
        _kinds[code]
        for code in (
            *("nothing_to_refund", "more_than_left", "surplus_is_whole", "being_asked", "not_cash"),
            *("being_recorded", "bad_amount", "no_reason"),
        )
    ),
    WRONG_CURRENCY,
    TOO_MANY_REFUNDS,
    ABOVE_LIMIT,
)
DECIDING = (
    *(
        _kinds[code]
        for code in (
            *(
                "no_reason",
                "bad_amount",
                "being_sent",
                "not_open",
                "not_failed",
                "tried_too_often",
                "already_covered",
                "being_paid",
                "share_taken",
                "no_mismatch",
                "captured",
            ),
            *(
                "not_due",
                "currency",
                "too_little",
                "known_already",
                "not_set_aside",
                "not_waiting",
                "nothing_to_refund",
            ),
            *("given_back_since", "being_asked", "being_recorded", "order_cancelled", "attempt_live", "no_provider"),
            "unknown_provider",
        )
    ),
    ABOVE_LIMIT,
)
