"""Client tokens: signed words that a guest's browser shows for one payment. Nothing is stored, and they expire."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.core import signing

from kernel import clock

PREFIX = "pay_"
# A guest at a table; a new one is made for whoever comes back.
LASTS = timedelta(hours=2)
_SALT = "steward.client-token"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientToken:
    payment_id: UUID
    restaurant_id: UUID
    mode: str
    expires_at: datetime


def new_client_token(*, payment_id: UUID, restaurant_id: UUID, mode: str) -> tuple[str, datetime]:
    expires_at = (clock.now() + LASTS).replace(microsecond=0)
    said = [payment_id.hex, restaurant_id.hex, mode, int(expires_at.timestamp())]
    return PREFIX + signing.dumps(said, salt=_SALT), expires_at


def read_client_token(text: str) -> ClientToken | None:
    """None: it is no token of ours, or its time is over."""
    try:
        payment, restaurant, mode, seconds = signing.loads(text.removeprefix(PREFIX), salt=_SALT)
        token = ClientToken(
            payment_id=UUID(payment),
            restaurant_id=UUID(restaurant),
            mode=mode,
            expires_at=datetime.fromtimestamp(seconds, UTC),
        )
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return token if clock.now() < token.expires_at else None
