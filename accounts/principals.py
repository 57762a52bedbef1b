"""Who calls: one shape for a program's key, a person's token or session, and a guest's browser."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from accounts.models import Restaurant, User
from accounts.scopes import Scope
from events.actors import Actor, ActorKind
from kernel.modes import Mode


class PrincipalKind(StrEnum):
    KEY = "key"
    PERSON = "person"
    BROWSER = "browser"


_ACTORS = {
    PrincipalKind.KEY: ActorKind.API_KEY,
    PrincipalKind.PERSON: ActorKind.USER,
    PrincipalKind.BROWSER: ActorKind.GUEST,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    kind: PrincipalKind
    id: UUID  # A key's lineage, a person, a payment.
    restaurant: Restaurant
    mode: Mode
    scopes: frozenset[Scope]
    person: User | None = None
    token_id: UUID | None = None  # A person's token, so that it can be given back.
    owner_id: UUID | None = None  # A customer: only orders of this person are there.
    payment_id: UUID | None = None  # A browser: only this payment is there.
    is_authenticated = True  # The framework asks its "user" that.

    @property
    def name(self) -> str:
        """Whose idempotency keys and limits these are."""
        return f"{self.kind}:{self.id}:{self.restaurant.pk}:{self.mode}"

    def actor(self, *, request_id: str) -> Actor:
        return Actor(kind=_ACTORS[self.kind], id=str(self.id), request_id=request_id)

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes
