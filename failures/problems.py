"""What goes wrong with cases."""

from __future__ import annotations

from http import HTTPStatus

from api.problems import CATALOGUE, NextAction
from orders.problems import TOO_MANY_REFUNDS, WRONG_CURRENCY
from payments.problems import DECIDING

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
ASSIGNING = (_ENDED,)
ACTING = (*ASSIGNING, _NOT_OVER, _NO_ACTION, WRONG_CURRENCY, TOO_MANY_REFUNDS, *DECIDING)
