"""Writers of accounts: API keys are made here and nowhere else."""

from __future__ import annotations

import hashlib
import secrets

from accounts.models import ApiKey, Restaurant
from kernel.errors import ServiceError
from kernel.modes import Mode


class KeyRefused(ServiceError):
    code = "name_taken"


KEY_BYTES = 32  # 256 bits: a fast hash is enough for a secret that nobody can guess.
PREFIX_LENGTH = 12


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
