"""Credentials as people enter them, with what is there already; and what of them may be seen again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from payments.gateways.contract import Entry, EntryKind
from payments.gateways.reading import MIN_SECRET_BYTES
from payments.models import ProviderAccount
from payments.services.providers import facts_of
from payments.services.refusals import ProviderRefused

# Longer than any provider's. A header that carries one has room for it.
LONGEST = 300
# Of a shorter secret four characters would be too much of it.
_SHOWS_ITS_END = 16
_END = 4
_TYPED = (EntryKind.PLAIN, EntryKind.SECRET, EntryKind.SECRETS)
# Nobody can try a signing secret: a wrong one must not push out the one that is right. Each costs a hash a notice.
_MOST_SECRETS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """By the entry's name. What is left empty stays as it is."""

    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    ended: frozenset[str] = frozenset()  # Of which signing secrets those before the newest are good no more.


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedEntry:
    """One field of a form: what stands there now, as far as anybody may see it."""

    name: str
    label: str
    hint: str
    is_there: bool
    is_secret: bool
    takes_over: bool  # From one that is good as well until the next change.


def merged(account: ProviderAccount, entered: Entered) -> dict[str, Any]:
    """What the account would have then. The first thing that is wrong is refused, by its field."""
    entries = facts_of(account).entries
    if not entries:
        raise ProviderRefused(f"{account.label} needs no credentials.", code="no_credentials")
    return {entry.name: _value_of(entry, account, entered) for entry in entries}


def hints_of(account: ProviderAccount, credentials: Mapping[str, Any]) -> dict[str, str]:
    """In words, by what people call each entry: of a secret its end, so that two people can tell one from another."""
    entries = (entry for entry in facts_of(account).entries if entry.kind is not EntryKind.NOTICES)
    return {entry.label: _hint(entry, credentials.get(entry.name)) for entry in entries}


def typed_entries(account: ProviderAccount) -> list[TypedEntry]:
    """What a page asks for. Addresses are told by whoever runs the installation."""
    return [
        TypedEntry(
            name=entry.name,
            label=entry.label,
            hint=_hint(entry, account.credentials.get(entry.name)),
            is_there=bool(account.credentials.get(entry.name)),
            is_secret=entry.kind is not EntryKind.PLAIN,
            takes_over=entry.kind is EntryKind.SECRETS,
        )
        for entry in facts_of(account).entries
        if entry.kind in _TYPED
    ]


def typed_secrets(account: ProviderAccount, entered: Entered) -> list[str]:
    """What must stand nowhere else."""
    secret = [entry.name for entry in typed_entries(account) if entry.is_secret]
    return [typed for name in secret if (typed := entered.values.get(name, "").strip())]


def address_of_notices(account: ProviderAccount) -> str:
    return f"{settings.STEWARD_PUBLIC_URL}/webhooks/{account.provider}/{account.pk}"


def _value_of(entry: Entry, account: ProviderAccount, entered: Entered) -> Any:
    typed = entered.values.get(entry.name, "").strip()
    present = account.credentials.get(entry.name)
    if entry.kind is EntryKind.NOTICES:
        return address_of_notices(account)
    _check(entry, typed)
    if entry.kind is EntryKind.SECRETS:
        value: Any = list(_secrets(typed, present or [], is_ended=entry.name in entered.ended))
        if len(value) > _MOST_SECRETS:
            sentence = f"{entry.label}: {_MOST_SECRETS} are good already. End those before the newest one first."
            raise ProviderRefused(sentence, field=entry.name, code="too_many_secrets")
    elif entry.kind is EntryKind.ADDRESS:
        value = typed or present or _address_of_another(entry, account)
    else:
        value = typed or present
    if not value:
        raise ProviderRefused(f"{entry.label}: this is missing.", field=entry.name, code="missing")
    return value


def _secrets(typed: str, present: list[str], *, is_ended: bool) -> Iterator[str]:
    """The newest first. Those before it are good until somebody ends them."""
    all_of_them = [*([typed] if typed else []), *(each for each in present if each != typed)]
    yield from all_of_them[:1] if is_ended else all_of_them


def _address_of_another(entry: Entry, account: ProviderAccount) -> str:
    """Whoever runs this installation says where its sandboxes are: with the first account there."""
    others = ProviderAccount.objects.filter(provider=account.provider, mode=account.mode).order_by("-id")
    found = (str(other.credentials.get(entry.name, "")) for other in others.iterator(chunk_size=10))
    return next(filter(None, found), "")


def _check(entry: Entry, typed: str) -> None:
    """They go into headers as they are: one line of what every provider's keys consist of."""
    if len(typed) > LONGEST or not typed.isascii() or not typed.isprintable() or " " in typed:
        sentence = f"{entry.label}: at most {LONGEST} letters, digits and signs, without blanks. Copy it once more."
        raise ProviderRefused(sentence, field=entry.name, code="bad_text")
    if entry.kind is EntryKind.SECRETS and typed and len(typed) < MIN_SECRET_BYTES:
        sentence = f"{entry.label}: at least {MIN_SECRET_BYTES} characters. A short one can be guessed."
        raise ProviderRefused(sentence, field=entry.name, code="too_short")


def _hint(entry: Entry, value: Any) -> str:
    if not value:
        return "missing"
    if entry.kind is EntryKind.SECRETS:
        return ", and before it ".join(_end_of(each) for each in value)
    return _end_of(value) if entry.kind is EntryKind.SECRET else str(value)


def _end_of(secret: str) -> str:
    return f"…{secret[-_END:]}" if len(secret) >= _SHOWS_ITS_END else "there, and too short to show its end"
