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
for _code, _title, _remedy in (
    ("name_taken", "There is a key of this name", "Revoke it, or choose another name."),
    ("key_ended", "This key has ended", "Issue a new one."),
    ("bad_scope", "There is no such scope", "`detail` lists the scopes that a key may have."),
):
    _add(_code, HTTPStatus.UNPROCESSABLE_ENTITY, _title, remedy=_remedy)
