"""Whether staff have to have a second factor. A setting, which imports nothing of Django's."""

from __future__ import annotations

from enum import StrEnum


class FactorPolicy(StrEnum):
    OFFERED = "offered"  # Whoever has one is asked for it.
    REQUIRED = "required"  # And nobody of staff gets further than to setting one up.
