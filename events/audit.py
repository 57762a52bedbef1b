"""What named people did, each deed in the transaction that did it, and each sealed to the one before (I16)."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from events.actors import Actor, ActorKind
from events.models import AuditChain, AuditEntry

# What belongs to no restaurant: people, and what a provider's circuit was told by hand.
INSTALLATION = UUID(int=0)
_PURPOSE = b"steward audit v1\n"
_SEALED = ("number", "mode", "actor_kind", "actor_id", "request_id", "action", "subject_kind", "subject_id", "reason")
_AT_A_TIME = 2_000  # Rows in memory while a chain is verified.
Picture = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What is about to be done. The pictures show its subject: ids, states and amounts, never a person's data."""

    actor: Actor
    action: str
    subject_kind: str
    subject_id: str
    picture: Callable[[], Picture]
    restaurant_id: UUID = INSTALLATION
    mode: str = ""
    reason: str = ""
    only_if_it_changes: bool = False  # A page that was saved as it stood is no deed.


# Whoever began has the entry: what others do on the way is part of it.
_begun: ContextVar[Deed | None] = ContextVar("begun", default=None)


def deed_under_way() -> Deed | None:
    """For whoever hears of what follows from it, and wants to say why."""
    return _begun.get()


@contextmanager
def audited(deed: Deed) -> Iterator[None]:
    """Around what is done, under the locks of what it is done to. A refusal leaves no entry: nothing was done.

    The chain is locked last, when everything else is written: whoever waits for it holds nothing that its holder
    still needs.
    """
    if deed.actor.kind is not ActorKind.USER or _begun.get() is not None:
        yield
        return
    with transaction.atomic():
        before = deed.picture()
        mark = _begun.set(deed)
        try:
            yield
        finally:
            _begun.reset(mark)
        after = deed.picture()
        if not (deed.only_if_it_changes and after == before):
            _write(deed, before=before, after=after)


@contextmanager
def audited_afterwards(deed: Deed) -> Iterator[None]:
    """Around what asks somebody at a keyboard, for whom no transaction may wait: the entry follows in one of its own,
    if anything was done.
    """
    before = deed.picture()
    yield
    after = deed.picture()
    if after != before:
        with transaction.atomic():
            _write(deed, before=before, after=after)


def sealed(entries: Iterable[AuditEntry], *, chain_id: UUID) -> Iterator[AuditEntry]:
    """Behind the last one of their chain, which is locked from here on. The caller writes them all."""
    chain = _locked_chain(chain_id)
    for entry in entries:
        entry.chain, entry.number = chain, chain.number + 1
        entry.seal = seal_of(entry, previous=chain.seal)
        chain.number, chain.seal = entry.number, entry.seal
        yield entry
    chain.save(update_fields=["number", "seal"])


def _write(deed: Deed, *, before: Picture, after: Picture) -> None:
    for entry in sealed(_entry_of(deed, before=before, after=after), chain_id=deed.restaurant_id):
        entry.save(force_insert=True)


def _entry_of(deed: Deed, *, before: Picture, after: Picture) -> Iterator[AuditEntry]:
    """One, and made only when it is asked for: its time is after that of the entry before."""
    yield AuditEntry(
        mode=deed.mode,
        actor_kind=deed.actor.kind.value,
        actor_id=deed.actor.id,
        request_id=deed.actor.request_id,
        action=deed.action,
        subject_kind=deed.subject_kind,
        subject_id=deed.subject_id,
        reason=deed.reason,
        before=dict(before),
        after=dict(after),
    )


def _locked_chain(chain_id: UUID) -> AuditChain:
    chains = AuditChain.objects.select_for_update()
    chain = chains.filter(pk=chain_id).first()
    if chain is None:
        # The first deed of all, or one of two at once.
        AuditChain.objects.bulk_create([AuditChain(id=chain_id)], ignore_conflicts=True)
        chain = chains.get(pk=chain_id)
    return chain


def seal_of(entry: AuditEntry, *, previous: str) -> str:
    """Keyed: whoever can write the table but has not the key cannot write it anew."""
    content = {name: getattr(entry, name) for name in _SEALED} | {
        "chain": str(entry.chain_id),
        "at": entry.at.isoformat(),
        "before": entry.before,
        "after": entry.after,
        "previous": previous,
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hmac.new(settings.STEWARD_HASH_KEY.encode(), _PURPOSE + text.encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    chain_id: UUID
    number: int
    seal: str
    wrong: tuple[str, ...] = ()


def verdicts() -> Iterator[Verdict]:
    """Of each chain: whether every entry is there, as it was written, behind the one that it was written behind."""
    for chain in AuditChain.objects.order_by("id"):
        yield Verdict(chain_id=chain.pk, number=chain.number, seal=chain.seal, wrong=tuple(_wrong_with(chain)))


def _wrong_with(chain: AuditChain) -> Iterator[str]:
    """After the first break everything behind it differs as well: one sentence is enough."""
    number, previous = 0, ""
    # What is written while this reads is the next reading's.
    for entry in chain.entries.filter(number__lte=chain.number).order_by("number").iterator(chunk_size=_AT_A_TIME):
        number += 1
        if entry.number != number:
            yield f"Entry {number} is missing."
            return
        if not hmac.compare_digest(entry.seal, seal_of(entry, previous=previous)):
            yield f"Entry {number} is not what was written, or its neighbour is not."
            return
        previous = entry.seal
    if number != chain.number:
        yield f"{chain.number} entries were written, and {number} are there."
    elif previous != chain.seal:
        yield f"Entry {number} is not the last one that was written."
