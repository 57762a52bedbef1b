"""Words that mean the same wherever they are said: each set of them has one name in the description."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Words:
    name: str
    words: tuple[str, ...]
    meaning: str

    def as_schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.words), "description": self.meaning}


VOCABULARY: dict[frozenset[str], Words] = {}


def name_words(name: str, words: Iterable[str], meaning: str) -> None:
    known = Words(name, tuple(words), meaning)
    if VOCABULARY.setdefault(frozenset(known.words), known) != known:
        raise ValueError(f"The words of {name} have another name already.")


def with_names(value: Any, shared: dict[str, Any]) -> Any:
    """The same description, with names for the sets that have one."""
    if isinstance(value, list):
        return [with_names(each, shared) for each in value]
    if not isinstance(value, dict):
        return value
    said = value.get("enum")
    words = said if isinstance(said, list) else []
    known = VOCABULARY.get(frozenset(word for word in words if word is not None))
    if known is None:
        return {name: with_names(each, shared) for name, each in value.items()}
    shared[known.name] = known.as_schema()
    beside = {name: each for name, each in value.items() if name not in {"enum", "type"}}
    reference = {"$ref": f"#/components/schemas/{known.name}"}
    return {**({"oneOf": [reference, {"type": "null"}]} if None in words else reference), **beside}
