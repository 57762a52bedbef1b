"""All rows of the project's own tables, for a test that says that nothing changed."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from django.apps import apps
from django.db import connection

_APPS = ("accounts", "events", "orders", "payments", "failures")
Rows = dict[str, list[Any]]


def everything() -> Rows:
    """By table, as the database has them: in one question, for there are many such tests."""
    rows: Rows = {table: [] for table in _tables()}
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(f"SELECT '{table}', to_jsonb({table})::text FROM {table}" for table in rows))  # noqa: S608
        for table, row in cursor.fetchall():
            rows[table].append(json.loads(row))
    return rows


def money() -> Rows:
    return {table: rows for table, rows in everything().items() if table.startswith(("orders_", "payments_"))}


def what_changed(before: Rows, after: Rows) -> Rows:
    """By table: the rows that are new or not as they were, or that are there no more."""
    changed = {table: [row for row in rows if row not in before[table]] for table, rows in after.items()}
    lost = {table: [row for row in rows if row not in after[table]] for table, rows in before.items()}
    return {table: changed[table] or lost[table] for table in after if changed[table] or lost[table]}


@lru_cache(maxsize=1)
def _tables() -> list[str]:
    models = [each for app in _APPS for each in apps.get_app_config(app).get_models(include_auto_created=True)]
    return sorted({model._meta.db_table for model in models})
