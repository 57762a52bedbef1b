"""A field of a form as it stands on a page: the first one that was refused has the cursor."""

from __future__ import annotations

from django import template
from django.forms import BoundField
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag
def drawn(field: BoundField, asked: str = "") -> SafeString:
    """`asked` are the names that the page shows of its form; without them it shows all."""
    shown = (each for each in field.form.visible_fields() if not asked or each.name in asked.split())
    first = next((each for each in shown if each.errors), None)
    return field.as_widget(attrs={"autofocus": True} if first is field else None)
