"""What goes wrong with who calls: not known, not allowed, too often wrong."""

from __future__ import annotations

from http import HTTPStatus

from api.problems import CATALOGUE, NextAction

_add = CATALOGUE.add

UNAUTHENTICATED = _add(
    "unauthenticated",
    HTTPStatus.UNAUTHORIZED,
    "Nobody knows who calls",
    remedy=(
        "Send `Authorization: Bearer …` with an API key (`test_…`, `live_…`), a person's token (`user_…`) or a "
        "payment's client token (`pay_…`)."
    ),
    next_action=NextAction.SIGN_IN,
)
BAD_CREDENTIALS = _add(
    "bad_credentials",
    HTTPStatus.UNAUTHORIZED,
    "This key or token is not valid",
    remedy=(
        "It is unknown, expired or revoked, or its person or role is gone. Issue a new key in the console, or "
        "sign in again."
    ),
    next_action=NextAction.SIGN_IN,
)
WRONG_PASSWORD = _add(
    "wrong_password",
    HTTPStatus.UNAUTHORIZED,
    "These do not sign anybody in",
    remedy=(
        "Check the user name, the password and the restaurant. After several wrong tries the name is locked for "
        "a while."
    ),
    next_action=NextAction.SIGN_IN,
)
LOCKED_OUT = _add(
    "locked_out",
    HTTPStatus.TOO_MANY_REQUESTS,
    "Too many wrong passwords",
    remedy=(
        "Wait for as many seconds as `Retry-After` says. An operator can end it earlier: manage.py "
        "axes_reset_username NAME."
    ),
    next_action=NextAction.WAIT,
    retryable=True,
)
_add(  # Of the console's pages alone.
    "page_used",
    HTTPStatus.CONFLICT,
    "This page did something else already",
    remedy="Nothing was done. Look at what stands there, and press again.",
    next_action=NextAction.READ_AGAIN,
)
SECOND_FACTOR_REQUIRED = _add(
    "second_factor_required",
    HTTPStatus.FORBIDDEN,
    "The password is not enough",
    remedy=(
        "This person has a second factor: send `code` as well, the six digits that the app on the phone shows, or a "
        "recovery code. Where all of the staff need one and this person has none, it is set up in the console."
    ),
    next_action=NextAction.SIGN_IN,
)
SECOND_FACTOR_WRONG = _add(
    "second_factor_wrong",
    HTTPStatus.FORBIDDEN,
    "This code does not fit",
    remedy=(
        "A code is good for about a minute, and the phone's clock has to be right. After each wrong one the pause is "
        "longer."
    ),
    next_action=NextAction.TRY_AGAIN,
)
SECOND_FACTOR_USED = _add(
    "second_factor_used",
    HTTPStatus.FORBIDDEN,
    "This code was used already",
    remedy="Wait for the next one, half a minute at most. A recovery code is good once.",
    next_action=NextAction.TRY_AGAIN,
)
SECOND_FACTOR_LOCKED = _add(
    "second_factor_locked",
    HTTPStatus.TOO_MANY_REQUESTS,
    "Too many wrong codes",
    remedy="Wait for as many seconds as `Retry-After` says: twice as long after each wrong code, 15 minutes at most.",
    next_action=NextAction.WAIT,
    retryable=True,
)
_add(
    "second_factor_missing",
    HTTPStatus.FORBIDDEN,
    "No second factor is set up",
    remedy="The person sets one up in the console, under Second factor, below the own name.",
    next_action=NextAction.ASK_FOR_ACCESS,
)
NOT_ALLOWED = _add(
    "not_allowed",
    HTTPStatus.FORBIDDEN,
    "Your key or role may not do this",
    remedy=(
        "`detail` names the scope that is missing. A key gets its scopes when it is issued; a person has those "
        "of the role."
    ),
    next_action=NextAction.ASK_FOR_ACCESS,
)
NAME_A_RESTAURANT = _add(
    "restaurant_needed",
    HTTPStatus.BAD_REQUEST,
    "Which restaurant?",
    remedy=(
        "This key or person may speak for several restaurants: name one with `Steward-Restaurant: its-slug`. A "
        "person with a session also says `Steward-Mode: test` or `live`. A key or token that was made for one "
        "restaurant, or for one mode, does nothing in another: leave the header out, or show the key or token of "
        "what it names."
    ),
)
_add(
    "not_a_member",
    HTTPStatus.UNAUTHORIZED,
    "This person has no role there",
    remedy="An administrator gives people their roles in the console.",
    next_action=NextAction.ASK_FOR_ACCESS,
)
_add(
    "last_superuser",
    HTTPStatus.CONFLICT,
    "Somebody has to be left",
    remedy="Make somebody else a superuser first: without any, nobody could give a role again.",
    next_action=NextAction.FIX_REQUEST,
)
for _code, _title, _remedy in (
    ("name_taken", "There is a key of this name", "Revoke it, or choose another name."),
    ("key_ended", "This key has ended", "Issue a new one."),
    ("bad_scope", "There is no such scope", "`detail` lists the scopes that a key may have."),
):
    _add(_code, HTTPStatus.UNPROCESSABLE_ENTITY, _title, remedy=_remedy)
