"""What goes wrong with cases."""

from __future__ import annotations

from http import HTTPStatus

from api.problems import CATALOGUE, NextAction
from payments.problems import NOT_FINANCE_HERE

_ENDED = CATALOGUE.add(
    "already_ended",
    HTTPStatus.CONFLICT,
    "The case has ended",
    remedy="Somebody else ended it, or it ended by itself. Read it: `resolution` says how.",
    next_action=NextAction.READ_AGAIN,
)
_NOT_OVER = CATALOGUE.add(
    "not_over",
    HTTPStatus.CONFLICT,
    "What the case shows is still so",
    remedy="`detail` says what to do instead of putting it away.",
    next_action=NextAction.FIX_REQUEST,
)
_NO_ACTION = CATALOGUE.add(
    "no_such_action",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "This is not offered for this case",
    remedy="Read the case: `actions` lists what may be done about it.",
)
ASSIGNING = (_ENDED, NOT_FINANCE_HERE)
_OTHERS = (
    *("no_reason", "bad_amount", "being_sent", "not_open", "not_failed", "more_than_due", "no_mismatch", "captured"),
    *("not_due", "currency", "too_little", "known_already", "not_set_aside", "not_waiting", "nothing_to_refund"),
    *("more_than_left", "being_asked", "card_number", "order_cancelled", "attempt_live", "no_provider"),
)
ACTING = (*ASSIGNING, _NOT_OVER, _NO_ACTION, *(CATALOGUE.kinds[code] for code in _OTHERS))
