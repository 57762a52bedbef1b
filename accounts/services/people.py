"""People: who works where, and the tokens that their apps show."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from accounts.models import Membership, Restaurant, Role, User, UserToken
from accounts.services.purging import purge
from accounts.services.secrets import LAST_USED_STEP, hash_secret, new_secret
from kernel import clock
from kernel.errors import ServiceError
from kernel.modes import Mode

# A shift, as with a session of the console.
TOKEN_LASTS = timedelta(hours=12)
# Until then it can be looked up who was signed in, and since when not any more.
ENDED_TOKENS_KEPT_FOR = timedelta(days=30)
TOKEN_PREFIX = "user"  # noqa: S105  What a token begins with, so that a leaked one is recognised.


class NotAMember(ServiceError):
    code = "not_a_member"


def works_as(person: User, roles: Collection[Role], *, restaurant_id: UUID) -> bool:
    """Asked anew for each decision, under its lock: a role may have been taken away since the page was drawn."""
    memberships = Membership.objects.filter(user=person, user__is_active=True, role__in=roles)
    return memberships.filter(restaurant=restaurant_id).exists()


def hold_person(person_id: UUID) -> User:
    """As they are by now, and stay until the transaction ends: before the picture that the audit keeps of them."""
    return User.objects.select_for_update(no_key=True).get(pk=person_id)


def is_guest_of(person_id: UUID, *, restaurant_id: UUID) -> bool:
    guests = Membership.objects.filter(role=Role.CUSTOMER, user__is_active=True, restaurant=restaurant_id)
    return guests.filter(user=person_id).exists()


def issue_user_token(*, person: User, restaurant: Restaurant, mode: Mode) -> tuple[str, UserToken]:
    """The token, which cannot be read again, and its row."""
    if not works_as(person, list(Role), restaurant_id=restaurant.pk):
        raise NotAMember(f"{person.get_username()} has no role in {restaurant.name}.", field="restaurant")
    text = new_secret(f"{TOKEN_PREFIX}_{mode.value}")
    row = UserToken(
        user=person,
        restaurant=restaurant,
        mode=mode,
        token_hash=hash_secret(text),
        password_mark=person.get_session_auth_hash(),
        expires_at=clock.now() + TOKEN_LASTS,
    )
    row.save(force_insert=True)
    return text, row


def revoke_user_token(*, token_id: UUID) -> None:
    UserToken.objects.filter(pk=token_id, revoked_at=None).update(revoked_at=clock.now())


def revoke_all_tokens_of(*, person: User) -> int:
    """How many worked until now."""
    now = clock.now()
    return UserToken.objects.filter(user=person, revoked_at=None, expires_at__gt=now).update(revoked_at=now)


def purge_old_tokens() -> int:
    """A revoked one goes when it would have ended by itself and that is long ago."""
    ended = UserToken.objects.filter(expires_at__lt=clock.now() - ENDED_TOKENS_KEPT_FOR)
    return purge(ended.order_by("expires_at"))


def note_token_use(token: UserToken) -> None:
    now = clock.now()
    if token.last_used_at is None or now - token.last_used_at >= LAST_USED_STEP:
        UserToken.objects.filter(pk=token.pk).update(last_used_at=now)
