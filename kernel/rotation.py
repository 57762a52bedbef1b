"""Encrypted columns under a new key: every row is written anew, and means what it meant."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pgtrigger
from cryptography.fernet import InvalidToken
from django.apps import apps
from django.db import connection, models, transaction

from kernel.fields import EncryptedBytesField, EncryptedField, is_current, rotated

# Rows that are locked together. Whoever needs one of them waits for some milliseconds.
BATCH = 500
# And together no more than this, or one value alone: a case's file is up to 14 MB, and what is in a batch is in memory
# several times over: as it came, in clear, and written anew.
BATCH_BYTES = 8 * 1024 * 1024


@dataclass(kw_only=True)
class Column:
    """How far one of them has got."""

    name: str
    written: int = 0
    unreadable: int = 0


def rotate_keys(*, told: Callable[[Column], None]) -> Iterator[Column]:
    """Again after an interruption: what is under the first key already is passed over."""
    for model in apps.get_models():
        for field in model._meta.local_fields:
            if isinstance(field, EncryptedField | EncryptedBytesField):
                yield _rotate(model, field, told)


def _rotate(model: type[models.Model], field: models.Field[Any, Any], told: Callable[[Column], None]) -> Column:
    column = Column(name=f"{model._meta.label}.{field.name}")
    last = None
    while (last := _rotate_batch(model, field, column, last)) is not None:
        told(column)
    return column


def _rotate_batch(model: type[models.Model], field: models.Field[Any, Any], column: Column, last: Any) -> Any:
    """Where it has got to, or None at the end. What it read is forgotten before the next one is read."""
    batch = _batch(model, field, last)
    with pgtrigger.ignore(), transaction.atomic():
        for key, token in batch:
            _write(model, field, key, token, column)
    return batch[-1][0] if batch else None


def _batch(model: type[models.Model], field: models.Field[Any, Any], last: Any) -> list[tuple[Any, str]]:
    """By their ids, which sort: what is written meanwhile is under the first key by itself.

    The database adds up lengths without reading the values. Which key one is under only the whole of it tells.
    """
    table, key = model._meta.db_table, model._meta.pk.column
    begins = "" if last is None else f"AND {key} > %(last)s"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT key, token FROM (
                   SELECT *, octet_length(token) AS size, SUM(octet_length(token)) OVER (ORDER BY key) AS so_far
                     FROM (SELECT {key} AS key, {field.column} AS token FROM {table}
                            WHERE {field.column} <> '' {begins} ORDER BY {key} LIMIT {BATCH}) due) sized
             WHERE so_far <= %(most)s OR so_far = size
             ORDER BY key""",  # noqa: S608  Names of ours, no values.
            {"last": last, "most": BATCH_BYTES},
        )
        return [(key, bytes(said).decode() if isinstance(said, memoryview | bytes) else said) for key, said in cursor]


def _write(model: type[models.Model], field: models.Field[Any, Any], key: Any, token: str, column: Column) -> None:
    """Over what was read, and over nothing that somebody wrote since."""
    if is_current(token):
        return
    try:
        new = rotated(token)
    except InvalidToken:
        column.unreadable += 1
        return
    old, new_value = (token.encode(), new.encode()) if isinstance(field, EncryptedBytesField) else (token, new)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {model._meta.db_table} SET {field.column} = %s "  # noqa: S608  Names of ours, no values.
            f"WHERE {model._meta.pk.column} = %s AND {field.column} = %s",
            [new_value, key, old],
        )
        column.written += cursor.rowcount
