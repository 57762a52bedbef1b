"""Encrypted columns: one field type for personal data, credentials and raw notices."""

from __future__ import annotations

import hashlib
import hmac
import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models

# Generic for the type checker only: what goes in and comes out is text in one field and an object in the other.
if TYPE_CHECKING:
    _Text = models.TextField[Any, Any]
    _Chars = models.CharField[Any, Any]
    _Bytes = models.BinaryField[Any, Any]
else:
    _Text, _Chars, _Bytes = models.TextField, models.CharField, models.BinaryField


@lru_cache(maxsize=8)
def _cipher(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def _keys() -> tuple[str, ...]:
    """The first key encrypts; all keys decrypt, so that a key can be rotated without a pause."""
    return tuple(settings.STEWARD_FIELD_KEYS)


def encrypt(text: str) -> str:
    return _cipher(_keys()).encrypt(text.encode()).decode()


def decrypt(token: str) -> str:
    return _decrypted(_keys(), token)


def _decrypted(keys: tuple[str, ...], token: str) -> str:
    return _cipher(keys).decrypt(token.encode()).decode()


# With its keys: what was read with one that was taken away since is not given again.
_remembered = lru_cache(maxsize=128)(_decrypted)


def rotated(token: str) -> str:
    """The same plain text under the first key."""
    return _cipher(_keys()).rotate(token.encode()).decode()


def is_current(token: str) -> bool:
    """Whether the first key alone reads it."""
    try:
        _cipher(_keys()[:1]).decrypt(token.encode())
    except InvalidToken:
        return False
    return True


def keyed_hash(text: str) -> str:
    """For exact search: equal after trimming and case folding, useless without the key."""
    normal = text.strip().casefold()
    if not normal:
        return ""
    return hmac.new(settings.STEWARD_HASH_KEY.encode(), normal.encode(), hashlib.sha256).hexdigest()


class UnreadableText(str):
    """What no key reads any more. Its row can be read and settled all the same, and is written back as it was."""

    token: str

    @classmethod
    def of(cls, token: str) -> UnreadableText:
        value = cls("(unreadable: its key is missing)")
        value.token = token
        return value


class UnreadableObject(dict[str, Any]):
    """As above, without any of the object's names."""

    token: str

    @classmethod
    def of(cls, token: str) -> UnreadableObject:
        value = cls()
        value.token = token
        return value


class EncryptedField(_Text):
    """Text that is stored encrypted. The empty string stays empty, so that "nothing there" needs no key."""

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, UnreadableText):
            return value.token
        text = super().get_prep_value(value)
        return encrypt(text) if text else text

    def from_db_value(self, value: str | None, *_: Any) -> Any:
        try:
            return decrypt(value) if value else value
        except InvalidToken:
            return UnreadableText.of(value or "")

    def get_lookup(self, lookup_name: str) -> Any:
        """Equal plain texts have different cipher texts: a search would silently find nothing."""
        if lookup_name in {"isnull"}:
            return super().get_lookup(lookup_name)
        raise TypeError(f"{self.name} is encrypted. Search by its keyed hash.")


class EncryptedJSONField(EncryptedField):
    """A JSON object that is stored encrypted: provider credentials.

    An account is read with each of its attempts, so that the last ones are remembered; no other plain text is.
    """

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, UnreadableObject):
            return value.token
        return encrypt(json.dumps(value)) if value else ""

    def from_db_value(self, value: str | None, *arguments: Any) -> Any:
        try:
            text = _remembered(_keys(), value) if value else value
        except InvalidToken:
            return UnreadableObject.of(value or "")
        return json.loads(text) if text else {}

    def to_python(self, value: Any) -> Any:
        return json.loads(value) if isinstance(value, str) and value else value


class EncryptedBytesField(_Bytes):
    """A file that is stored encrypted. One that no key reads any more is read as nothing."""

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:  # noqa: FBT001, FBT002  Django's signature.
        token = _cipher(_keys()).encrypt(bytes(value)) if value else b""
        return super().get_db_prep_value(token, connection, prepared)

    def from_db_value(self, value: bytes | memoryview | None, *_: Any) -> bytes:
        try:
            return _cipher(_keys()).decrypt(bytes(value)) if value else b""
        except InvalidToken:
            return b""


class SearchHashField(_Chars):
    """The keyed hash of an encrypted neighbour, kept in step with it at every save."""

    def __init__(self, *args: Any, source: str = "", **kwargs: Any) -> None:
        self.source = source
        kwargs.update(max_length=64, blank=True, default="", editable=False, db_index=True)
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        for derived in ("max_length", "blank", "default", "editable", "db_index"):
            kwargs.pop(derived, None)
        return name, path, args, {**kwargs, "source": self.source}

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:  # noqa: FBT001  Django's signature.
        text = getattr(model_instance, self.source) or ""
        if isinstance(text, UnreadableText):
            return getattr(model_instance, self.attname)
        value = keyed_hash(text)
        setattr(model_instance, self.attname, value)
        return value
