"""What goes wrong with cases."""

from __future__ import annotations

from http import HTTPStatus

from accounts.problems import (
    SECOND_FACTOR_LOCKED,
    SECOND_FACTOR_REQUIRED,
    SECOND_FACTOR_USED,
    SECOND_FACTOR_WRONG,
)
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
_STALE = CATALOGUE.add(
    "stale",
    HTTPStatus.CONFLICT,
    "Something happened to the case meanwhile",
    remedy="Read the case again, and decide about what it shows now.",
    next_action=NextAction.READ_AGAIN,
)
# What only the console's pages say so far: named here, so that each has its page.
CATALOGUE.add(
    "nobody_has_it",
    HTTPStatus.CONFLICT,
    "Nobody has this case",
    remedy="There is nothing to give back. Read the case: `owner` says who has it.",
    next_action=NextAction.READ_AGAIN,
)
CATALOGUE.add(
    "not_asked",
    HTTPStatus.CONFLICT,
    "The provider was not asked",
    remedy="`detail` says why, and until when where that is known. Ask again then.",
    next_action=NextAction.READ_AGAIN,
)
CATALOGUE.add(
    "other_amount",
    HTTPStatus.CONFLICT,
    "Another amount was to be charged",
    remedy="In the console alone: write what the provider's page shows, or tick that it shows this.",
    next_action=NextAction.FIX_REQUEST,
)
CATALOGUE.add(
    "nothing_to_ask",
    HTTPStatus.CONFLICT,
    "This case is about no payment",
    remedy="No provider can be asked about it. `detail` and the case say what it is about.",
    next_action=NextAction.READ_AGAIN,
)
_NO_FIT = CATALOGUE.add(
    "does_not_fit",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "A case like this does not end so",
    remedy="`detail` names the outcomes that fit what the case is about.",
    next_action=NextAction.FIX_REQUEST,
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
_WAITS = CATALOGUE.add(
    "waits_for_approval",
    HTTPStatus.CONFLICT,
    "A second person is being asked about this case",
    remedy="List the approvals of the case. One thing at a time: have that one approved, rejected or withdrawn first.",
    next_action=NextAction.READ_AGAIN,
)
_ASKED = CATALOGUE.add(
    "already_asked",
    HTTPStatus.CONFLICT,
    "A second person is asked about this already",
    remedy="List the pending approvals: one of them is about the same thing.",
    next_action=NextAction.READ_AGAIN,
)
_NOTHING_LOST = CATALOGUE.add(
    "nothing_lost",
    HTTPStatus.CONFLICT,
    "Nothing is owed any more",
    remedy="There is nothing to write off. Close the case, and say how it was paid.",
    next_action=NextAction.READ_AGAIN,
)
CATALOGUE.add(
    "not_an_admin",
    HTTPStatus.FORBIDDEN,
    "Only an admin does this",
    remedy="Ask an admin of this restaurant.",
    next_action=NextAction.ASK_FOR_ACCESS,
)
CATALOGUE.add(
    "too_many",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "This list is too long to be taken away",
    remedy="Choose fewer rows by its filters, and take them away in parts.",
)
_NEEDS_TWO = CATALOGUE.add(
    "needs_two",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "This is done by two people",
    remedy="Ask for it by its own action: a second person agrees to it.",
)
CATALOGUE.add(
    "is_open",
    HTTPStatus.CONFLICT,
    "The case is open",
    remedy="There is nothing to open again. Read the case.",
    next_action=NextAction.READ_AGAIN,
)
# Of many cases at once, which the console's pages alone do.
CATALOGUE.add(
    "nothing_chosen",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "No case was chosen",
    remedy="Tick at least one case of the list, or take all of the list.",
)
CATALOGUE.add(
    "no_outcome",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "How they ended is not said",
    remedy="Choose it together with the cases that are closed.",
)
CATALOGUE.add(
    "yours_already",
    HTTPStatus.CONFLICT,
    "You have this case",
    remedy="There is nothing to take: go on with it.",
    next_action=NextAction.READ_AGAIN,
)
CATALOGUE.add(
    "nothing_to_do",
    HTTPStatus.CONFLICT,
    "Every case of this plan is skipped",
    remedy="The plan says why, case by case. Choose other cases, or do something else with them.",
    next_action=NextAction.READ_AGAIN,
)
CATALOGUE.add(
    "given_up",
    HTTPStatus.CONFLICT,
    "This plan was given up",
    remedy="Choose the cases anew: they may have changed since then.",
    next_action=NextAction.READ_AGAIN,
)
CATALOGUE.add(
    "not_stopped",
    HTTPStatus.CONFLICT,
    "It is not stopped",
    remedy="Stop it first. What has its result already is given up by nobody.",
    next_action=NextAction.READ_AGAIN,
)
CATALOGUE.add(
    "not_the_planner",
    HTTPStatus.FORBIDDEN,
    "Somebody else planned this",
    remedy="Only who planned it starts, stops or gives it up. Plan the same yourself.",
    next_action=NextAction.ASK_FOR_ACCESS,
)
# Of views of the queue, which the console keeps.
CATALOGUE.add(
    "view_refused",
    HTTPStatus.CONFLICT,
    "This view is not kept, or not removed",
    remedy="`detail` says what is wrong with it, and what to do instead.",
    next_action=NextAction.FIX_REQUEST,
)
CATALOGUE.add(
    "view_name_taken",
    HTTPStatus.CONFLICT,
    "There is a view of this name",
    remedy="Choose another name, or remove that view first.",
    next_action=NextAction.FIX_REQUEST,
)
_DECIDED = CATALOGUE.add(
    "already_decided",
    HTTPStatus.CONFLICT,
    "Nothing is left to decide",
    remedy="Somebody was faster, its time is over, or it ended by itself. Read the approval: `status` says which.",
    next_action=NextAction.READ_AGAIN,
)
_MAKER = CATALOGUE.add(
    "maker_is_checker",
    HTTPStatus.FORBIDDEN,
    "You asked for this yourself",
    remedy="Somebody else has to agree. You can withdraw it.",
    next_action=NextAction.ASK_FOR_ACCESS,
)
_CHECKER = CATALOGUE.add(
    "not_a_checker",
    HTTPStatus.FORBIDDEN,
    "Your role does not decide this",
    remedy=(
        "A finance lead or an admin of this restaurant approves and rejects; where only who asked is one, a colleague "
        "of finance does."
    ),
    next_action=NextAction.ASK_FOR_ACCESS,
)
_DEPENDENT = CATALOGUE.add(
    "not_independent",
    HTTPStatus.FORBIDDEN,
    "You are not independent of who asked",
    remedy=(
        "Within a day of the request one of you set up an account, role, password, second factor or key of the other, "
        "or a third person took both over; or you took away who else could agree. Somebody else has to agree, or it "
        "is asked again once that day is over."
    ),
    next_action=NextAction.ASK_FOR_ACCESS,
)
_NOT_MAKER = CATALOGUE.add(
    "not_the_maker",
    HTTPStatus.FORBIDDEN,
    "Somebody else asked for this",
    remedy="Only who asked for it withdraws it. Whoever may agree to it can reject it.",
    next_action=NextAction.ASK_FOR_ACCESS,
)
CATALOGUE.add(
    "not_approved",
    HTTPStatus.FORBIDDEN,
    "Two people have not agreed to this",
    remedy="It is asked for in its case, approved by somebody else, and done then, once.",
    next_action=NextAction.ASK_FOR_ACCESS,
)
_EARLY = CATALOGUE.add(
    "too_early",
    HTTPStatus.CONFLICT,
    "Who is alone decides later",
    remedy="Nobody else works there who could agree. Wait as long as `Retry-After` says, and answer again.",
    next_action=NextAction.WAIT,
    retryable=True,
)
_NEW_FACTOR = CATALOGUE.add(
    "factor_too_new",
    HTTPStatus.FORBIDDEN,
    "The second factor is younger than the request",
    remedy="Who is alone shows the factor that was there when it was asked. Withdraw the request, and ask again.",
    next_action=NextAction.ASK_FOR_ACCESS,
)
_kinds = CATALOGUE.kinds
ANSWERING = (
    *(_DECIDED, _MAKER, _CHECKER, _DEPENDENT, _NOT_MAKER, _EARLY, _NEW_FACTOR, _STALE, _NOTHING_LOST, _NOT_OVER),
    *(_kinds[code] for code in ("no_reason", "not_open", "being_sent", "captured", "known_already")),
    *(SECOND_FACTOR_REQUIRED, SECOND_FACTOR_WRONG, SECOND_FACTOR_USED, SECOND_FACTOR_LOCKED),
)
ASSIGNING = (_ENDED, _WAITS)
ACTING = (
    *(*ASSIGNING, _STALE, _ASKED, _NOTHING_LOST, _NOT_OVER, _NO_ACTION, _NO_FIT, _NEEDS_TWO),
    *(WRONG_CURRENCY, TOO_MANY_REFUNDS, *DECIDING),
)
