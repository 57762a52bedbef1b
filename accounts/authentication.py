"""Who calls: by a key, a person's token, a browser's token, or a session of the console."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.crypto import constant_time_compare
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from accounts.client_tokens import PREFIX as CLIENT_PREFIX
from accounts.client_tokens import read_client_token
from accounts.console_session import FRESH_FOR, has_fresh_factor
from accounts.models import ApiKey, Membership, Restaurant, Role, User, UserToken
from accounts.principals import Principal, PrincipalKind
from accounts.problems import BAD_CREDENTIALS, NAME_A_RESTAURANT, SECOND_FACTOR_REQUIRED, UNAUTHENTICATED
from accounts.scopes import CLIENT_SCOPES, SCOPES_OF, Scope
from accounts.services.keys import note_use
from accounts.services.people import TOKEN_PREFIX, note_token_use
from accounts.services.secrets import hash_secret
from api.addresses import address_of
from api.headers import MODE as MODE_HEADER
from api.headers import RESTAURANT as RESTAURANT_HEADER
from api.limits import check, of_addresses, of_callers
from api.problems import FORBIDDEN_HERE, FieldError, Kind, Problem
from kernel import clock
from kernel.modes import Mode

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="Steward"'}
LONGEST_SECRET = 500
LONGEST_NAME_SAID = 80  # Of a name that is none, as much as shows what was meant.


class CallerAuthentication(BaseAuthentication):
    """A header beats a cookie: what a program shows is meant, what a browser sends along may not be."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        header = request.META.get("HTTP_AUTHORIZATION", "")
        if header:
            return _of_header(request._request, header), None
        principal = _of_session(request._request)
        return (principal, None) if principal else None

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE["WWW-Authenticate"]


def unauthenticated(request: HttpRequest) -> Problem:
    return _refused(request, UNAUTHENTICATED, "This address needs a key or a token.")


def _of_header(request: HttpRequest, header: str) -> Principal:
    scheme, _, secret = header.partition(" ")
    secret = secret.strip()
    if scheme.lower() != "bearer" or not secret or len(secret) > LONGEST_SECRET or not secret.isascii():
        raise _refused(request, UNAUTHENTICATED, "Send `Authorization: Bearer` and then the key or token.")
    for prefix, read in _READERS.items():
        if secret.startswith(prefix):
            principal = read(request, secret)
            break
    else:
        principal = None
    if principal is None:
        raise _refused(request, BAD_CREDENTIALS, "This key or token is unknown, expired or revoked.")
    _check_said_beside(request, principal)
    return principal


def _check_said_beside(request: HttpRequest, principal: Principal) -> None:
    """Whoever names another restaurant or mode meant that one: nothing is done in this one instead. What is said of it
    is the same whether there is such a restaurant or not.
    """
    for header, spoken_for in ((RESTAURANT_HEADER, principal.restaurant.slug), (MODE_HEADER, principal.mode.value)):
        said = request.headers.get(header, "")
        if said and said != spoken_for:
            sentence = f"This key or token speaks for {spoken_for}, not for {said[:LONGEST_NAME_SAID]!r}."
            counted = check(of_callers(), principal.name)
            error = FieldError(pointer=header, code="not_of_this_caller", detail=sentence)
            raise Problem(
                NAME_A_RESTAURANT,
                f"{header}: {sentence}",
                errors=[error],
                headers=counted.headers() if counted else None,
            )


def _refused(request: HttpRequest, kind: Kind, sentence: str) -> Problem:
    """Counted by address, so that nobody tries out keys at our speed."""
    counted = check(of_addresses(), address_of(request))
    return Problem(kind, sentence, headers={**CHALLENGE, **(counted.headers() if counted else {})})


def _of_key(request: HttpRequest, secret: str) -> Principal | None:
    """Looked for by its hash, so that nothing is compared that takes longer the closer it is."""
    keys = ApiKey.objects.select_related("restaurant").filter(_valid(), mode=secret.partition("_")[0])
    key = keys.filter(key_hash=hash_secret(secret)).first()
    if key is None:
        return None
    note_use(key)
    return Principal(
        kind=PrincipalKind.KEY,
        id=key.lineage,
        restaurant=_named(request, key),
        mode=Mode(key.mode),
        scopes=frozenset(map(Scope, key.scopes)),
    )


def _valid() -> Q:
    return Q(revoked_at=None) & (Q(expires_at=None) | Q(expires_at__gt=clock.now()))


def _named(request: HttpRequest, key: ApiKey) -> Restaurant:
    """Most keys are for one restaurant, and need not say which."""
    slug = request.headers.get(RESTAURANT_HEADER, "")
    if slug == key.restaurant.slug:
        return key.restaurant
    others = list(key.also_for.all())
    if not slug and not others:
        return key.restaurant
    return _one_of(slug, [key.restaurant, *others])


def _one_of(slug: str, restaurants: list[Restaurant]) -> Restaurant:
    for restaurant in restaurants:
        if restaurant.slug == slug:
            return restaurant
    names = ", ".join(sorted(each.slug for each in restaurants))
    sentence = f"Name one of: {names}." if not slug else f"{slug[:LONGEST_NAME_SAID]!r} is none of: {names}."
    error = FieldError(pointer=RESTAURANT_HEADER, code="restaurant_needed", detail=sentence)
    raise Problem(NAME_A_RESTAURANT, f"{RESTAURANT_HEADER}: {sentence}", errors=[error])


def _of_user_token(_: HttpRequest, secret: str) -> Principal | None:
    tokens = UserToken.objects.select_related("user", "restaurant").filter(user__is_active=True, revoked_at=None)
    token = tokens.filter(token_hash=hash_secret(secret), expires_at__gt=clock.now()).first()
    if token is None or not constant_time_compare(token.password_mark, token.user.get_session_auth_hash()):
        return None
    membership = Membership.objects.filter(user=token.user, restaurant=token.restaurant).first()
    if membership is None:
        return None
    note_token_use(token)
    return _person(token.user, membership, token.restaurant, Mode(token.mode), token_id=token.pk)


def _person(user: User, membership: Membership, restaurant: Restaurant, mode: Mode, **token: Any) -> Principal:
    role = Role(membership.role)
    return Principal(
        kind=PrincipalKind.PERSON,
        id=user.pk,
        restaurant=restaurant,
        mode=mode,
        scopes=SCOPES_OF[role],
        person=user,
        owner_id=user.pk if role == Role.CUSTOMER else None,
        **token,
    )


def _of_client_token(_: HttpRequest, secret: str) -> Principal | None:
    token = read_client_token(secret)
    restaurant = Restaurant.objects.filter(pk=token.restaurant_id).first() if token else None
    if token is None or restaurant is None:
        return None
    return Principal(
        kind=PrincipalKind.BROWSER,
        id=token.payment_id,
        restaurant=restaurant,
        mode=Mode(token.mode),
        scopes=CLIENT_SCOPES,
        payment_id=token.payment_id,
    )


_READERS: dict[str, Callable[[HttpRequest, str], Principal | None]] = {
    f"{Mode.TEST.value}_": _of_key,
    f"{Mode.LIVE.value}_": _of_key,
    f"{TOKEN_PREFIX}_": _of_user_token,
    CLIENT_PREFIX: _of_client_token,
}


def _of_session(request: HttpRequest) -> Principal | None:
    user: Any = getattr(request, "user", None)
    if user is None or not user.is_authenticated or not user.is_active:
        return None
    _check_csrf(request)
    _check_fresh(request)
    memberships = list(Membership.objects.select_related("restaurant").filter(user=user))
    if not memberships:
        return None
    slug = request.headers.get(RESTAURANT_HEADER, "")
    restaurants = [each.restaurant for each in memberships]
    restaurant = restaurants[0] if not slug and len(restaurants) == 1 else _one_of(slug, restaurants)
    membership = next(each for each in memberships if each.restaurant == restaurant)
    return _person(user, membership, restaurant, _mode(request))


def _mode(request: HttpRequest) -> Mode:
    said = request.headers.get(MODE_HEADER, Mode.LIVE.value)
    if said not in Mode.values:
        error = FieldError(pointer=MODE_HEADER, code="bad_mode", detail="This is test or live.")
        raise Problem(NAME_A_RESTAURANT, f"{MODE_HEADER}: {error.detail}", errors=[error])
    return Mode(said)


def _no_view(_: HttpRequest) -> HttpResponse:
    """The middleware wants to know what it protects; here it only judges."""
    return HttpResponse()


class _Csrf(CsrfViewMiddleware):
    def _reject(self, request: HttpRequest, reason: str) -> Any:
        return reason


def _check_fresh(request: HttpRequest) -> None:
    """As on the console's own pages: a desk that somebody left decides about no money."""
    if request.method not in SAFE_METHODS and not has_fresh_factor(request):
        minutes = int(FRESH_FOR.total_seconds() // 60)
        sentence = f"The last code of the second factor is more than {minutes} minutes ago. Give one in the console."
        raise Problem(SECOND_FACTOR_REQUIRED, sentence)


def _check_csrf(request: HttpRequest) -> None:
    """A session comes with every request of a browser, wanted or not: a change needs the page's token as well."""
    csrf = _Csrf(_no_view)
    csrf.process_request(request)
    if csrf.process_view(request, _no_view, (), {}):
        raise Problem(FORBIDDEN_HERE, "A change with a session needs the page's CSRF token.")
