"""Secrets that callers show: how they are made, and what is stored of them."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

SECRET_BYTES = 32  # 256 bits: a fast hash is enough for a secret that nobody can guess.
# Who used one when is worth one write a minute, not one a request.
LAST_USED_STEP = timedelta(minutes=1)


def new_secret(prefix: str) -> str:
    return f"{prefix}_{secrets.token_urlsafe(SECRET_BYTES)}"


def hash_secret(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
