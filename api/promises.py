"""What clients may rely on, a line each, read from the description. One more is free, one less breaks somebody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROMISES = Path(__file__).with_name("promises.txt")
_METHODS = ("get", "post", "put", "patch", "delete")
MAX_DEPTH = 8  # No shape of ours is half as deep.
_OR_NULL = " or null"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    """By its way from the top."""

    where: str
    kind: str
    is_needed: bool
    may_be_null: bool


def promises(description: Mapping[str, Any]) -> list[str]:
    parts: Mapping[str, Any] = description["components"]
    found = set()
    for path, methods in description["paths"].items():
        for method in _METHODS:
            if method in methods:
                name = f"{method.upper()} {path.removeprefix('/api/v1')}"
                found |= {f"{name} {each}" for each in _of_operation(methods[method], parts)}
    return sorted(found)


def _of_operation(operation: Mapping[str, Any], parts: Mapping[str, Any]) -> Iterator[str]:
    shapes: Mapping[str, Any] = parts["schemas"]
    yield f"is {operation['operationId']}"
    for named in operation.get("parameters", []):
        each = _resolved(named, parts["parameters"])
        if each["in"] != "path":
            must = "needs" if each.get("required") else "takes"
            yield f"{must} {each['in']} {each['name']}"
    for media in operation.get("requestBody", {}).get("content", {}).values():
        for field in _fields(media["schema"], shapes):
            yield f"{'needs' if field.is_needed else 'takes'} {field.where}: {field.kind}"
    for status, answer in operation["responses"].items():
        yield f"answers {status}"
        yield from (f"{status} has header {name}" for name in answer.get("headers", {}))
        for media, content in answer.get("content", {}).items():
            if media == "application/json":
                yield from _given(status, content["schema"], shapes)


def _given(status: str, schema: Mapping[str, Any], shapes: Mapping[str, Any]) -> Iterator[str]:
    """What is told more exactly is still what it was; what may be nothing all at once breaks whoever reads it."""
    for field in _fields(schema, shapes):
        said = f"{status} gives {field.where}:"
        for kind in (field.kind, field.kind.partition(" (")[0]):
            yield f"{said} {kind}"
            if field.may_be_null and _OR_NULL not in kind:
                yield f"{said} {kind}{_OR_NULL}"
        if not field.may_be_null:
            yield f"{said} never null"


def _fields(schema: Mapping[str, Any], shapes: Mapping[str, Any], where: str = "", depth: int = 0) -> Iterator[_Field]:
    schema = _resolved(schema, shapes)
    if depth > MAX_DEPTH:
        return
    if "items" in schema:
        yield from _fields(schema["items"], shapes, f"{where}[]", depth + 1)
    for name, inner in schema.get("properties", {}).items():
        here = f"{where}.{name}".lstrip(".")
        resolved = _resolved(inner, shapes)
        is_needed = name in schema.get("required", ())
        yield _Field(where=here, kind=_kind(resolved), is_needed=is_needed, may_be_null=_may_be_null(inner))
        yield from _fields(resolved, shapes, here, depth + 1)


def _may_be_null(schema: Mapping[str, Any]) -> bool:
    return "null" in schema.get("type", ()) or any(each.get("type") == "null" for each in schema.get("oneOf", ()))


def _resolved(schema: Mapping[str, Any], shapes: Mapping[str, Any]) -> Mapping[str, Any]:
    for _ in range(MAX_DEPTH):
        several = schema.get("allOf") or [each for each in schema.get("oneOf", ()) if each.get("type") != "null"]
        if "$ref" in schema:
            schema = shapes[schema["$ref"].rpartition("/")[2]]
        elif several:
            schema = several[0]
        else:
            break
    return schema


def _kind(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type", "anything")
    words = " | ".join(str(each) for each in schema.get("enum", ()))
    return f"{' or '.join(kind) if isinstance(kind, list) else kind}{f' ({words})' if words else ''}"
