"""Statements that are composed once, for the few that every payment runs.

To compose one anew takes a query set longer than PostgreSQL needs to run it. Everywhere else a query set is shorter,
and fast enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db import DEFAULT_DB_ALIAS, connection, connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.transaction import TransactionManagementError


class Statement:
    """Reads models: `{name}` in the text stands for all columns of the table that is called so there.

    Each row comes as its models, in their order, and then whatever else was selected.
    """

    def __init__(self, text: str, **models_by_name: type[models.Model]) -> None:
        self._text = text
        self._models = models_by_name
        self._locks = "FOR UPDATE" in text

    def read(self, values: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
        if self._locks and not connection.in_atomic_block:
            raise TransactionManagementError("A lock that nobody holds until the end of a transaction locks nothing.")
        with connection.cursor() as cursor:
            cursor.execute(self._sql, values)
            rows = cursor.fetchall()
        return [self._made(row) for row in rows]

    def _made(self, row: Sequence[Any]) -> tuple[Any, ...]:
        made: list[Any] = []
        start = 0
        for shape in self._shapes:
            made.append(shape.made(row[start : start + shape.width]))
            start += shape.width
        return (*made, *row[start:])

    @cached_property
    def _shapes(self) -> list[_Shape]:
        return [_Shape(model, name) for name, model in self._models.items()]

    @cached_property
    def _sql(self) -> str:
        return self._text.format(**{shape.name: shape.columns for shape in self._shapes})


_INSERT = 'INSERT INTO "{}" ({}) VALUES '
_UPDATE = 'UPDATE "{}" SET {} WHERE "{}" = %s'


class Insertion:
    """Writes new rows of one model, however many, as they are."""

    def __init__(self, model: type[models.Model]) -> None:
        self._model = model

    def write(self, rows: Sequence[models.Model]) -> None:
        write_together((self, rows))

    def write_unless_there(self, row: models.Model, *names: str) -> bool:
        """Whether it was written: no row has the same values in these fields, which a constraint makes unique."""
        columns = ", ".join(f'"{field.column}"' for field in self._fields if field.name in names)
        ending = f" ON CONFLICT ({columns}) DO NOTHING"
        with connection.cursor() as cursor:
            cursor.execute(self.text([row]) + ending, [*self.values([row])])
            written: int = cursor.rowcount
        _are_there([row])
        return written == 1

    def text(self, rows: Sequence[models.Model]) -> str:
        row = f"({', '.join(['%s'] * len(self._fields))})"
        return self._beginning + ", ".join([row] * len(rows))

    def values(self, rows: Sequence[models.Model]) -> Iterator[Any]:
        own = _own_connection()
        for row in rows:
            for field in self._fields:
                yield field.get_db_prep_save(field.pre_save(row, add=True), own)

    @cached_property
    def _fields(self) -> list[models.Field[Any, Any]]:
        """What the database itself fills in is left to it."""
        fields = self._model._meta.concrete_fields
        return [each for each in fields if not isinstance(each, models.AutoField) and not each.has_db_default()]

    @cached_property
    def _beginning(self) -> str:
        columns = ", ".join(f'"{field.column}"' for field in self._fields)
        return _INSERT.format(self._model._meta.db_table, columns)


def write_together(*parts: tuple[Insertion, Sequence[models.Model]]) -> None:
    """Rows of several tables in one statement: one way to the database and back."""
    some = [(insertion, rows) for insertion, rows in parts if rows]
    if not some:
        return
    *first, last = [insertion.text(rows) for insertion, rows in some]
    before = ", ".join(f"part_{number} AS ({text})" for number, text in enumerate(first))
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH {before} {last}" if before else last,
            [value for insertion, rows in some for value in insertion.values(rows)],
        )
    for _, rows in some:
        _are_there(rows)


def _are_there(rows: Sequence[models.Model]) -> None:
    for each in rows:
        each._state.adding, each._state.db = False, connection.alias


class Rewriting:
    """Writes a row of one model that is there, all of it."""

    def __init__(self, model: type[models.Model]) -> None:
        self._model = model

    def write(self, row: models.Model) -> None:
        own = _own_connection()
        values = [each.get_db_prep_save(each.pre_save(row, add=False), own) for each in self._fields]
        with own.cursor() as cursor:
            cursor.execute(self._sql, [*values, row.pk])
            if cursor.rowcount != 1:
                raise ObjectDoesNotExist(f"Nothing was written: {self._model.__name__} {row.pk} is not there.")

    @cached_property
    def _fields(self) -> list[models.Field[Any, Any]]:
        return [each for each in self._model._meta.concrete_fields if not each.primary_key and not each.generated]

    @cached_property
    def _sql(self) -> str:
        columns = ", ".join(f'"{field.column}" = %s' for field in self._fields)
        return _UPDATE.format(self._model._meta.db_table, columns, self._model._meta.pk.column)


def _own_connection() -> BaseDatabaseWrapper:
    """This thread's: `connection` looks it up anew at each use, which for each field takes longer than the field."""
    return connections[DEFAULT_DB_ALIAS]


class _Shape:
    """How one model lies in a row."""

    def __init__(self, model: type[models.Model], name: str) -> None:
        fields = model._meta.concrete_fields
        self.name = name
        self.columns = ", ".join(f'{name}."{field.column}"' for field in fields)
        self.width = len(fields)
        self._model = model
        self._names = [field.attname for field in fields]
        self._converters = [(at, each) for at, field in enumerate(fields) for each in _converters_of(field)]

    def made(self, values: Sequence[Any]) -> models.Model:
        converted = list(values)
        for at, convert in self._converters:
            converted[at] = convert(converted[at])
        return self._model.from_db(connection.alias, self._names, converted)


def _converters_of(field: models.Field[Any, Any]) -> list[Callable[[Any], Any]]:
    """What Django does with a value of this field on its way from the database."""
    column = field.cached_col
    return [
        lambda value, convert=convert: convert(value, column, connection)  # type: ignore[misc]  # mypy cannot infer a default's type in a lambda.
        for convert in column.get_db_converters(connection) + connection.ops.get_db_converters(column)
    ]
