"""Accounts: API keys are made here and nowhere else, and who works where is asked here."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from uuid import UUID

from accounts.models import ApiKey, Membership, Restaurant, Role, User
from kernel.errors import ServiceError
from kernel.modes import Mode


class KeyRefused(ServiceError):
    code = "name_taken"


KEY_BYTES = 32  # 256 bits: a fast hash is enough for a secret that nobody can guess.
PREFIX_LENGTH = 12


def works_as(person: User, roles: Collection[Role], *, restaurant_id: UUID) -> bool:
    """Asked anew for each decision, under its lock: a role may have been taken away since the page was drawn."""
    memberships = Membership.objects.filter(user=person, user__is_active=True, role__in=roles)
    return memberships.filter(restaurant=restaurant_id).exists()


def hash_api_key(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def issue_api_key(*, restaurant: Restaurant, mode: Mode, name: str, scopes: list[str], key: str = "") -> str:
    """Returns the key, which cannot be read again. A given key serves the demo, which repeats itself."""
    key = key or f"{mode.value}_{secrets.token_urlsafe(KEY_BYTES)}"
    issued, _ = ApiKey.objects.get_or_create(
        restaurant=restaurant,
        mode=mode,
        name=name,
        defaults={"prefix": key[:PREFIX_LENGTH], "key_hash": hash_api_key(key), "scopes": scopes},
    )
    if issued.key_hash != hash_api_key(key):
        raise KeyRefused(f"There is a key named {name} already. Revoke it, or choose another name.", field="name")
    return key
