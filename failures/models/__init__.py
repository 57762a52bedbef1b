"""The tables of cases: the case itself, papers laid to it, what is done to many at once, and views of the queue."""

from failures.models.bulk import LONGEST_SAID, BulkAction, BulkRun, BulkStatus, BulkStep, StepStatus
from failures.models.case import (
    DONE,
    FITTING,
    GIVEN_UP,
    GIVING_UP,
    TAKEABLE,
    WAITING,
    Case,
    CaseKind,
    CaseStatus,
    Outcome,
)
from failures.models.paper import CaseFile, CaseNote, EvidenceKind
from failures.models.view import LONGEST_NAME, LONGEST_QUERY, SavedView

__all__ = [
    "DONE",
    "FITTING",
    "GIVEN_UP",
    "GIVING_UP",
    "LONGEST_NAME",
    "LONGEST_QUERY",
    "LONGEST_SAID",
    "TAKEABLE",
    "WAITING",
    "BulkAction",
    "BulkRun",
    "BulkStatus",
    "BulkStep",
    "Case",
    "CaseFile",
    "CaseKind",
    "CaseNote",
    "CaseStatus",
    "EvidenceKind",
    "Outcome",
    "SavedView",
    "StepStatus",
]
