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
# What only the console's pages say so far: named here, so that each has its page.
CATALOGUE.add(
    "stale",
    HTTPStatus.CONFLICT,
    "Something happened to the case meanwhile",
    remedy="Read the case again, and decide about what it shows now.",
    next_action=NextAction.READ_AGAIN,
)
CATALOGUE.add(
    "nobody_has_it",
    HTTPStatus.CONFLICT,
    "Nobody has this case",
    remedy="There is nothing to give back. Read the case: `owner` says who has it.",
    next_action=NextAction.READ_AGAIN,
)
CATALOGUE.add(
    "nothing_to_ask",
    HTTPStatus.CONFLICT,
    "This case is about no payment",
    remedy="No provider can be asked about it. `detail` and the case say what it is about.",
    next_action=NextAction.READ_AGAIN,
)
CATALOGUE.add(
    "bad_time",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "A case is not put off to this time",
    remedy="Name a time that comes within the next seven days.",
)
CATALOGUE.add(
    "empty",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "There is nothing in it",
    remedy="Write the note, or choose a file that has content.",
)
CATALOGUE.add(
    "bad_file",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "This file is no evidence",
    remedy="A PDF, a PNG, a JPEG or a CSV file is kept. What a file is, its content says and not its name.",
)
CATALOGUE.add(
    "too_many_files",
    HTTPStatus.CONFLICT,
    "The case has enough files",
    remedy="Put what belongs together into one file, or write a note.",
    next_action=NextAction.FIX_REQUEST,
)
ASSIGNING = (_ENDED,)
ACTING = (*ASSIGNING, _NOT_OVER, _NO_ACTION, WRONG_CURRENCY, TOO_MANY_REFUNDS, *DECIDING)
