"""Test or live: part of every unique constraint, so that the two can never meet."""

from __future__ import annotations

from django.db import models


class Mode(models.TextChoices):
    TEST = "test", "test"
    LIVE = "live", "live"
