"""Holds what a linter cannot: each rule runs over the whole tree, and first proves itself on planted violations."""

from __future__ import annotations

import statistics
from collections.abc import Callable

import pytest

from tests.architecture import code_rules, state_rules
from tests.architecture.source import PRODUCT, Rule, Source, line_count, project_sources

RULES = (*state_rules.RULES, *code_rules.RULES)
SOURCES = project_sources()
LONGEST_MEDIAN = 10

planted = pytest.mark.parametrize(
    ("rule", "path", "code"),
    [
        pytest.param(rule, *snippet, id=f"{rule.name}: {snippet[1][:40]!r}")
        for rule in RULES
        for snippet in rule.planted
    ],
)
innocent = pytest.mark.parametrize(
    ("rule", "path", "code"),
    [
        pytest.param(rule, *snippet, id=f"{rule.name}: {snippet[1][:40]!r}")
        for rule in RULES
        for snippet in rule.innocent
    ],
)


@pytest.mark.parametrize("rule", [pytest.param(rule, id=rule.name) for rule in RULES])
def test_the_house_keeps_the_rule(rule: Rule) -> None:
    violations = [line for source in SOURCES for line in rule.violations(source)]

    assert not violations, "\n" + "\n".join(violations)


@planted
def test_a_planted_violation_is_found(rule: Rule, path: str, code: str) -> None:
    assert len(rule.violations(Source(path, code))) >= 1


@innocent
def test_innocent_code_is_left_alone(rule: Rule, path: str, code: str) -> None:
    assert rule.violations(Source(path, code)) == []


def test_every_rule_is_planted() -> None:
    assert [rule.name for rule in RULES if not rule.planted] == []


def test_the_tree_and_the_machines_were_found() -> None:
    """An empty tree would keep every rule."""
    packages = {source.package for source in SOURCES}

    assert packages >= PRODUCT
    assert state_rules.transition_names() >= {"process", "complete", "fail", "not_charged", "confirm"}


def test_functions_are_short(record_property: Callable[[str, object], None]) -> None:
    lengths = [
        line_count(function) for source in SOURCES if source.package in PRODUCT for function in source.functions()
    ]
    median = statistics.median(lengths)
    record_property("median_function_length", median)

    assert median <= LONGEST_MEDIAN, f"half of {len(lengths)} functions are longer than {median} lines"
