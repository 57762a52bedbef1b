"""What clients may rely on, a line each, read from the description. One more is free, one less breaks somebody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

PROMISES = Path(__file__).with_name("promises.txt")
_METHODS = ("get", "post", "put", "patch", "delete")
MAX_DEPTH = 8  # No shape of ours is half as deep.


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
        for where, kind, is_needed in _fields(media["schema"], shapes):
            yield f"{'needs' if is_needed else 'takes'} {where}: {kind}"
    for status, answer in operation["responses"].items():
        yield f"answers {status}"
        yield from (f"{status} has header {name}" for name in answer.get("headers", {}))
        for media, content in answer.get("content", {}).items():
            if media == "application/json":
                yield from (f"{status} gives {where}: {kind}" for where, kind, _ in _fields(content["schema"], shapes))


def _fields(
    schema: Mapping[str, Any], shapes: Mapping[str, Any], where: str = "", depth: int = 0
) -> Iterator[tuple[str, str, bool]]:
    """Each field by its way from the top, its kind, and whether it is needed there."""
    schema = _resolved(schema, shapes)
    if depth > MAX_DEPTH:
        return
    if "items" in schema:
        yield from _fields(schema["items"], shapes, f"{where}[]", depth + 1)
    for name, inner in schema.get("properties", {}).items():
        here = f"{where}.{name}".lstrip(".")
        resolved = _resolved(inner, shapes)
        yield here, _kind(resolved), name in schema.get("required", ())
        yield from _fields(resolved, shapes, here, depth + 1)


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
