"""Who did it: carried by every transition and event."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

import structlog


class ActorKind(StrEnum):
    SYSTEM = "system"
    USER = "user"
    API_KEY = "api_key"
    GUEST = "guest"
    PROVIDER = "provider"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    kind: ActorKind
    id: str = ""  # Ids only, so that a person can be forgotten.
    request_id: str = ""

    @classmethod
    def user(cls, user: Any, *, request_id: str = "") -> Actor:
        """Where nothing is said, of the request that is being served, if any."""
        return cls(kind=ActorKind.USER, id=str(user.pk), request_id=request_id or _request_being_served())


def _request_being_served() -> str:
    """As it stands in every log line of the request, too."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


SYSTEM = Actor(kind=ActorKind.SYSTEM)
PROVIDER = Actor(kind=ActorKind.PROVIDER)
GUEST = Actor(kind=ActorKind.GUEST)
# Whoever has the server's shell and gave no name: no person has this id.
SHELL = Actor(kind=ActorKind.USER, id=str(UUID(int=0)))
