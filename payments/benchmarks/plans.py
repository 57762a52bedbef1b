"""How PostgreSQL runs a statement: what it reads, by which index."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from payments.benchmarks.database import execute, rows_of


@dataclass(frozen=True, slots=True)
class Plan:
    rows_read: int
    index: str
    text: str


def plan_of(sql: str, *, table: str) -> Plan:
    """Of a statement that was really said. It runs, and what it does is undone."""
    with transaction.atomic():
        plan = execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}")[0]["Plan"]
        text = "\n".join(line for (line,) in rows_of(f"EXPLAIN (ANALYZE, BUFFERS) {sql}"))
        transaction.set_rollback(True)
    scans = [node for node in _nodes(plan) if node.get("Relation Name") == table]
    index = ", ".join(node.get("Index Name", node["Node Type"]) for node in scans)
    return Plan(rows_read=sum(map(_rows_read, scans)), index=index, text=text)


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)


def _rows_read(node: Mapping[str, Any]) -> int:
    each = node["Actual Rows"] + node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return int(each * node["Actual Loops"])
