"""What every state machine's table shares: legal values only, no delete, no step without its history row."""

from __future__ import annotations

import pgtrigger
from django.db import models


def legal_status(name: str, choices: type[models.TextChoices]) -> models.CheckConstraint:
    return models.CheckConstraint(condition=models.Q(status__in=choices.values), name=f"{name}_status_is_legal")


_SAME_STEP = "t.subject_id = NEW.id AND t.to_status = NEW.status AND t.transaction_id = txid_current()"
_CHECK = f"""
    IF NOT EXISTS (SELECT 1 FROM events_transition t WHERE {_SAME_STEP}) THEN
        RAISE EXCEPTION 'The status of % % changed without a row in the history', TG_TABLE_NAME, NEW.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
"""  # noqa: S608  Only the constant above is put in.


def machine_triggers() -> list[pgtrigger.Trigger]:
    """Deferred to the commit, because the history is written in the same transaction, after the rows."""
    return [
        pgtrigger.Protect(name="never_deleted", operation=pgtrigger.Delete),
        pgtrigger.Trigger(
            name="creation_in_history",
            operation=pgtrigger.Insert,
            when=pgtrigger.After,
            timing=pgtrigger.Deferred,
            func=_CHECK,
        ),
        pgtrigger.Trigger(
            name="step_in_history",
            operation=pgtrigger.UpdateOf("status"),
            when=pgtrigger.After,
            timing=pgtrigger.Deferred,
            condition=pgtrigger.Condition("OLD.status IS DISTINCT FROM NEW.status"),
            func=_CHECK,
        ),
    ]
