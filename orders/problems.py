"""What goes wrong with orders."""

from __future__ import annotations

from http import HTTPStatus

from api.problems import CATALOGUE, NextAction

_CONFLICTS = (
    (
        "stale_version",
        "Somebody changed the order meanwhile",
        "Read the order, look at what is different, and send the change again with its present `version`.",
    ),
    (
        "cannot_amend",
        "The lines of this order are settled",
        "Lines change until an order is fulfilled or cancelled. Give money back with a refund.",
    ),
    (
        "cannot_confirm",
        "This order cannot be confirmed",
        "Only a placed order is confirmed. Read the order to see what it is.",
    ),
    ("cannot_fulfil", "This order cannot be fulfilled", "A cancelled or fulfilled order stays what it is."),
    (
        "cannot_cancel",
        "This order cannot be cancelled",
        "What was served or handed over is not cancelled: give money back with a refund.",
    ),
    (
        "client_reference_taken",
        "There is an order with this reference",
        (
            "Your reference is unique in its restaurant. Read the order that has it: `GET "
            "/api/v1/orders?client_reference=…`."
        ),
    ),
    (
        "below_paid",
        "More than the new total is paid already",
        "Send the change with `refund_surplus: true`, and what is paid above the new total goes back.",
    ),
)
for _code, _title, _remedy in _CONFLICTS:
    CATALOGUE.add(_code, HTTPStatus.CONFLICT, _title, remedy=_remedy, next_action=NextAction.READ_AGAIN)
# By then most guests' payments have ended, and the same change may be made.
LIVE_MONEY_SECONDS = 10
CATALOGUE.add(
    "live_money",
    HTTPStatus.CONFLICT,
    "Somebody is paying right now",
    remedy="The new total is below what is paid and being paid. Wait until those payments have ended, or cancel them.",
    next_action=NextAction.WAIT,
    retryable=True,
    retry_after_seconds=LIVE_MONEY_SECONDS,
)

_INVALID = (
    ("wrong_currency", "Another currency", "A restaurant takes one currency; `detail` says which."),
    ("line_count", "No lines, or too many", "An order has 1 to 200 lines."),
    (
        "total_range",
        "The total is zero or too large",
        "Check the prices and quantities of the lines: they are in minor units.",
    ),
    ("not_an_integer", "Not a whole number", "Amounts are whole numbers of minor units: 84000 is ₹840.00."),
    ("bad_line", "A line is incomplete", "A line has a name, a quantity from 1, and a price that is not negative."),
    ("unknown_field", "There is no such field", "`detail` lists the known ones."),
    ("unknown_guest", "There is no such guest", "`owner` is a person with the role of a customer in this restaurant."),
    ("bad_text", "A text is too long", "`detail` says how long it may be."),
    (
        "card_number",
        "A card number has no place here",
        "Card numbers are entered on the provider's page only. Nothing was stored.",
    ),
)
for _code, _title, _remedy in _INVALID:
    CATALOGUE.add(_code, HTTPStatus.UNPROCESSABLE_ENTITY, _title, remedy=_remedy)

# An order that gets smaller gives money back, and so does one that is cancelled.
TOO_MANY_REFUNDS = CATALOGUE.add(
    "too_many_refunds",
    HTTPStatus.TOO_MANY_REQUESTS,
    "Too many refunds in an hour",
    remedy=(
        "This many refunds by one caller look like a mistake, or like somebody else. Wait for as long as "
        "`Retry-After` says, or let a colleague look."
    ),
    next_action=NextAction.WAIT,
    retryable=True,
)

# So does cash across the table. What cannot wait for a second person is not begun.
ABOVE_LIMIT = CATALOGUE.add(
    "above_limit",
    HTTPStatus.FORBIDDEN,
    "This gives back more than you may alone",
    remedy="Ask for the refund of the payment first: it waits until a second person agrees. Then do this.",
    next_action=NextAction.ASK_FOR_ACCESS,
)

_kinds = CATALOGUE.kinds
WRONG_CURRENCY, TEXT_TOO_LONG = _kinds["wrong_currency"], _kinds["bad_text"]
# What a body says wrongly is `invalid_request`: these are right in form, and wrong for this restaurant or order.
PLACING = tuple(_kinds[code] for code in ("client_reference_taken", "wrong_currency", "total_range", "unknown_guest"))
AMENDING = (
    *(
        _kinds[code]
        for code in ("stale_version", "cannot_amend", "below_paid", "live_money", "wrong_currency", "total_range")
    ),
    TOO_MANY_REFUNDS,
    ABOVE_LIMIT,
)
STEPPING = {step: _kinds[f"cannot_{step}"] for step in ("confirm", "fulfil", "cancel")}
