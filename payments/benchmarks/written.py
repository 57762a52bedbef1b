"""What an act wrote: each row of each transaction, as the database itself saw it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import connection, models

from payments.benchmarks.database import execute, rows_of

Texts = Mapping[str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One row, inserted or changed: its columns as PostgreSQL writes them. `before` is None for a new one."""

    model: type[models.Model]
    before: Texts | None
    after: Texts

    @property
    def table(self) -> str:
        return self.model._meta.db_table

    @property
    def key(self) -> str:
        return str(self.after[str(self.model._meta.pk.column)])

    @property
    def changes(self) -> dict[str, str | None]:
        """Of a new row: all that is not left to the database."""
        if self.before is None:
            return {name: self.after[name] for name in _given(self.model)}
        return {name: text for name, text in self.after.items() if text != self.before[name]}


Transactions = list[list[Written]]


def written_during(act: Callable[[], Any]) -> Transactions:
    """In the order of its transactions. A row that one of them wrote twice is told as that one left it."""
    with _watched():
        act()
        said = rows_of("SELECT xact, relation, before, after FROM bench_written ORDER BY id")
    known = {model._meta.db_table: model for model in _tables()}
    transactions: dict[str, dict[tuple[str, str], Written]] = {}
    for xact, relation, before, after in said:
        model, rows = known[relation], transactions.setdefault(xact, {})
        row = Written(model=model, before=_texts(model, before), after=_texts(model, after) or {})
        first = rows.get((relation, row.key), row)
        rows[relation, row.key] = Written(model=model, before=first.before, after=row.after)
    return [[*rows.values()] for rows in transactions.values()]


_WATCH = """
    CREATE TABLE bench_written (
        id bigint GENERATED ALWAYS AS IDENTITY, xact text DEFAULT pg_current_xact_id()::text,
        relation text, before jsonb, after jsonb);
    CREATE FUNCTION bench_watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO bench_written (relation, before, after) VALUES (TG_TABLE_NAME, to_jsonb(OLD), to_jsonb(NEW));
        RETURN NULL;
    END $$"""
_WATCH_TABLE = "CREATE TRIGGER bench_watch AFTER INSERT OR UPDATE ON {} FOR EACH ROW EXECUTE FUNCTION bench_watch()"


@contextmanager
def _watched() -> Iterator[None]:
    execute(_WATCH)
    try:
        for model in _tables():
            execute(_WATCH_TABLE.format(connection.ops.quote_name(model._meta.db_table)))
        yield
    finally:
        execute("DROP FUNCTION bench_watch() CASCADE; DROP TABLE bench_written")


def columns_of(model: type[models.Model]) -> dict[str, models.Field[Any, Any]]:
    return {str(field.column): field for field in model._meta.concrete_fields}


def _tables() -> list[type[models.Model]]:
    return [model for model in apps.get_models(include_auto_created=True) if model._meta.managed]


def _texts(model: type[models.Model], row: Any) -> Texts | None:
    """JSON has fewer types than PostgreSQL: what a value is called there is asked of it."""
    if row is None:
        return None
    names = [*columns_of(model)]
    columns = ", ".join(f'"{name}"::text' for name in names)
    table = connection.ops.quote_name(model._meta.db_table)
    row = row if isinstance(row, str) else json.dumps(row)
    (values,) = rows_of(f"SELECT {columns} FROM jsonb_populate_record(NULL::{table}, %s::jsonb)", [row])  # noqa: S608  Our own names.
    return dict(zip(names, values, strict=True))


def _given(model: type[models.Model]) -> list[str]:
    """What the database itself fills in is left to it."""
    fields = columns_of(model).items()
    return [name for name, each in fields if not isinstance(each, models.AutoField) and not each.has_db_default()]
