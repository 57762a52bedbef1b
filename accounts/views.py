"""Signing in and out over HTTP, and who calls."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import Any

from django.contrib.auth import authenticate, user_logged_in, user_login_failed
from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import CHALLENGE
from accounts.lockout import locked_out_problem
from accounts.models import Membership, Restaurant, Role, User
from accounts.problems import (
    LOCKED_OUT,
    NOT_ALLOWED,
    SECOND_FACTOR_LOCKED,
    SECOND_FACTOR_REQUIRED,
    SECOND_FACTOR_USED,
    SECOND_FACTOR_WRONG,
    WRONG_PASSWORD,
)
from accounts.routes import Route
from accounts.scopes import SCOPES_OF, Scope
from accounts.selectors import factor_of, has_to_set_one_up
from accounts.serializers import CallerOut, SignInIn, TokenOut
from accounts.services.people import issue_user_token, revoke_user_token
from accounts.services.second_factor import verify_code
from api.describing import documented
from api.limits import Policy, of_addresses
from api.problems import Problem
from api.queries import values_of
from kernel.modes import Mode

TAG = "Callers"


class Tokens(Route):
    is_public = True
    authentication_classes = ()

    def strangers_policy(self) -> Policy:
        """Their own: whoever tries out keys on a restaurant's Wi-Fi keeps no waiter from signing in."""
        return replace(of_addresses(), name="sign_in")

    @documented(
        "sign_in",
        "Sign in",
        tag=TAG,
        takes=SignInIn,
        gives={HTTPStatus.CREATED: TokenOut},
        refuses=[
            *(WRONG_PASSWORD, LOCKED_OUT),
            *(SECOND_FACTOR_REQUIRED, SECOND_FACTOR_WRONG, SECOND_FACTOR_USED, SECOND_FACTOR_LOCKED),
        ],
        needs_caller=False,
    )
    def post(self, request: Request) -> Response:
        """A person's token for one restaurant and mode, for a shift. It can be given back, and taken away.

        Of a person with a second factor a `code` is needed as well.
        """
        asked = SignInIn(data=request.data)
        asked.is_valid(raise_exception=True)
        said = asked.validated_data
        person = _person(request._request, said["username"], said["password"])
        restaurant = Restaurant.objects.filter(slug=said["restaurant"]).first()
        membership = Membership.objects.filter(user=person, restaurant=restaurant).first() if restaurant else None
        if restaurant is None or membership is None:
            # Counted like a wrong password, or one would be told from a wrong restaurant.
            user_login_failed.send(Tokens, credentials={"username": said["username"]}, request=request._request)
            raise Problem(WRONG_PASSWORD, _NOBODY, headers=CHALLENGE)
        _second_step(person, said.get("code", ""))
        user_logged_in.send(User, request=request._request, user=person)
        mode = Mode(said["mode"])
        token, row = issue_user_token(person=person, restaurant=restaurant, mode=mode)
        body = {
            "token": token,
            "expires_at": row.expires_at,
            "restaurant": restaurant.slug,
            "mode": mode,
            "scopes": sorted(SCOPES_OF[Role(membership.role)]),
        }
        return Response(TokenOut(body).data, status=HTTPStatus.CREATED)


class CurrentToken(Route):
    scopes = {"DELETE": tuple(Scope)}

    @documented("sign_out", "Sign out", tag=TAG, gives={HTTPStatus.NO_CONTENT: None})
    def delete(self, _: Request) -> HttpResponse:
        """Ends the person's token that this request shows. Asked again, it is not known any more."""
        if self.principal.token_id is None:
            raise Problem(NOT_ALLOWED, "Only a person's token is given back. A key is revoked by an operator.")
        revoke_user_token(token_id=self.principal.token_id)
        answer = HttpResponse(status=HTTPStatus.NO_CONTENT)
        del answer.headers["Content-Type"]
        return answer


class Caller(Route):
    scopes = {"GET": tuple(Scope)}

    @documented("read_caller", "Who am I?", tag=TAG, gives={HTTPStatus.OK: CallerOut})
    def get(self, request: Request) -> Response:
        """For which restaurant and mode this key or token speaks, and what it may do."""
        values_of(request.GET, ())
        principal = self.principal
        body = {
            "kind": principal.kind.value,
            "id": principal.id,
            "restaurant": principal.restaurant.slug,
            "mode": principal.mode,
            "scopes": sorted(principal.scopes),
            "currency": principal.restaurant.currency,
            "time_zone": principal.restaurant.time_zone,
        }
        return Response(CallerOut(body).data)


# The same words for a wrong name, a wrong password and a wrong restaurant: none of them is found out here.
_NOBODY = "Nobody has this name and password in this restaurant."


def _person(request: HttpRequest, username: str, password: str) -> User:
    person: Any = authenticate(request=request, username=username, password=password)
    if getattr(request, "axes_locked_out", False):
        raise locked_out_problem()
    if not isinstance(person, User):
        raise Problem(WRONG_PASSWORD, _NOBODY, headers=CHALLENGE)
    return person


def _second_step(person: User, code: str) -> None:
    """After the password, so that nobody learns of a name whether it has a second factor."""
    if factor_of(person) is None:
        if has_to_set_one_up(person):
            raise Problem(SECOND_FACTOR_REQUIRED, "Staff need a second factor here. Set it up in the console first.")
        return
    if not code:
        raise Problem(SECOND_FACTOR_REQUIRED, "This person has a second factor: send its code as well.")
    verify_code(person=person, code=code)
