"""What was chosen of a list, each with the address of the list without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import template
from django.contrib.admin.views.main import ORDER_VAR, SEARCH_VAR, ChangeList
from django.utils.text import capfirst

register = template.Library()
_LONGEST_SHOWN = 40  # Signs of what somebody searched for: a chip, not a paragraph.


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    title: str
    words: str
    without: str  # An address: a link works without a script, and can be sent to a colleague.


@register.simple_tag
def chosen(cl: ChangeList) -> list[Chip]:
    """The search first, then each filter that was chosen, as they stand in the address."""
    search = [_searched(cl)] if cl.query else []
    return [*search, *(_chip(cl, spec) for spec in cl.filter_specs if _is_chosen(cl, spec))]


@register.simple_tag
def without_any(cl: ChangeList) -> str:
    """All rows again, in the order that somebody asked for."""
    others = [name for name in cl.filter_params if name != ORDER_VAR]
    return str(cl.get_query_string(remove=others))


@register.simple_tag
def everywhere(cl: ChangeList) -> str:
    """The same search among what a list leaves out by itself, which its page calls `widest`. Empty: it leaves none."""
    widest = getattr(cl.model_admin, "widest", {})
    is_narrow = cl.query and widest and not widest.keys() & cl.filter_params.keys()
    return str(cl.get_query_string(widest)) if is_narrow else ""


def _searched(cl: ChangeList) -> Chip:
    words = cl.query if len(cl.query) <= _LONGEST_SHOWN else f"{cl.query[:_LONGEST_SHOWN]}…"
    return Chip(title="Search", words=words, without=cl.get_query_string({SEARCH_VAR: None}))


def _is_chosen(cl: ChangeList, spec: Any) -> bool:
    return any(name in cl.filter_params for name in spec.expected_parameters())


def _chip(cl: ChangeList, spec: Any) -> Chip:
    """What no choice of the filter is called is shown as it stands in the address."""
    names = [name for name in spec.expected_parameters() if name in cl.filter_params]
    said = next((choice["display"] for choice in spec.choices(cl) if choice["selected"]), None)
    words = str(said or ", ".join(cl.filter_params[names[0]]))
    return Chip(title=capfirst(str(spec.title)), words=words, without=cl.get_query_string(dict.fromkeys(names)))


@register.simple_tag
def elsewhere(shown: Any) -> str:
    return str(shown.model_admin.elsewhere(shown))
