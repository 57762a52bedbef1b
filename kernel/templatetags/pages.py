"""Of a table, its page of the console: what it is called on the menu, and what somebody finds there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template
from django.contrib import admin

register = template.Library()


@register.simple_tag
def page_of(entry: Mapping[str, Any]) -> Any:
    """As Django lists the tables of an app. Not of the model itself, which a template would call."""
    return admin.site.get_model_admin(entry["model"])
