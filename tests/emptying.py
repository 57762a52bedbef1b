"""What a test or an evening has written is deleted: truncating makes a file anew for each table and each index."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from django.apps import apps
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from psycopg.sql import SQL, Identifier

# What the migrations have made once: to make them anew after each test takes longer than most tests.
_STAYING = frozenset({ContentType._meta.db_table, Permission._meta.db_table})


def delete_rows(tables: Sequence[str]) -> None:
    """The triggers protect money from us as well: this transaction alone is told to look away."""
    with connection.cursor() as cursor:
        cursor.execute(
            "BEGIN; SELECT set_config('pgtrigger.ignore', array_agg(tgname)::text, true)"
            " FROM pg_trigger WHERE tgname LIKE 'pgtrigger_%'"
        )
        cursor.execute(SQL("; ").join(SQL("DELETE FROM {}").format(Identifier(name)) for name in tables))
        cursor.execute("COMMIT")


def delete_everything() -> None:
    delete_rows(_all_tables())


@cache
def _all_tables() -> list[str]:
    labels = [config.label for config in apps.get_app_configs()]
    return [name for name in tables_of(*labels) if name not in _STAYING]


@cache
def tables_of(*labels: str) -> list[str]:
    """Those first that refer to others."""
    models = [model for app in labels for model in apps.get_app_config(app).get_models(include_auto_created=True)]
    ordered: list[type[Any]] = []

    def add(model: type[Any]) -> None:
        if model in ordered:
            return
        for field in model._meta.local_fields:
            if field.remote_field and field.related_model in models and field.related_model is not model:
                add(field.related_model)
        ordered.append(model)

    for model in models:
        add(model)
    return [model._meta.db_table for model in reversed(ordered) if model._meta.managed and not model._meta.proxy]
