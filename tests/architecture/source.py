"""What every rule looks at: one source file, its place in the house, and its syntax tree with ancestors."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]
APPS = frozenset({"accounts", "events", "orders", "payments", "failures"})
PRODUCT = APPS | {"api", "config", "kernel", "sandbox"}
WRITERS = frozenset({"models", "services"})
# The thin outside of an app: it parses, authorises, calls one service and answers.
EDGES = frozenset({"urls", "views", "checkout", "admin", "tasks", "serializers", "consumers", "management"})

Function = ast.FunctionDef | ast.AsyncFunctionDef
Finding = tuple[ast.AST, str]


@dataclass(frozen=True)
class Source:
    path: str
    text: str = field(repr=False)

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def nodes(self) -> list[tuple[ast.AST, tuple[ast.AST, ...]]]:
        """Every node with its ancestors, the nearest one last."""
        return list(_descend(self.tree, ()))

    @cached_property
    def imported_names(self) -> frozenset[str]:
        """Names that stand for something imported: `services.cancel()` is a function, not a method."""
        imports = [node for node, _ in self.nodes if isinstance(node, ast.Import | ast.ImportFrom)]
        return frozenset((alias.asname or alias.name).partition(".")[0] for node in imports for alias in node.names)

    @property
    def package(self) -> str:
        return self.path.partition("/")[0]

    @property
    def is_app(self) -> bool:
        return self.package in APPS

    @property
    def is_migration(self) -> bool:
        return "/migrations/" in self.path

    @property
    def room(self) -> str:
        """`payments/services/cash.py` and `orders/services.py` are both in the room "services"."""
        parts = PurePosixPath(self.path).with_suffix("").parts
        return parts[1] if len(parts) > 1 else parts[0]

    def functions(self) -> Iterator[Function]:
        return (node for node, _ in self.nodes if isinstance(node, Function))

    def calls(self, *names: str) -> Iterator[tuple[ast.Call, str]]:
        """Method calls by the method's name, which comes with them."""
        for node, _ in self.nodes:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in names:
                yield node, node.func.attr


def _descend(node: ast.AST, ancestors: tuple[ast.AST, ...]) -> Iterator[tuple[ast.AST, tuple[ast.AST, ...]]]:
    yield node, ancestors
    for child in ast.iter_child_nodes(node):
        yield from _descend(child, (*ancestors, node))


def dotted(node: ast.AST) -> str:
    """`a.b.c` as text; calls and subscripts on the way are left out, so `gateway_for(x).charge` keeps its words."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    if isinstance(node, ast.Call):
        return dotted(node.func)
    if isinstance(node, ast.Subscript | ast.Starred):
        return dotted(node.value)
    return ""


def line_count(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule proves itself: each planted snippet must be found, and no innocent one."""

    name: str
    applies: Callable[[Source], bool]
    check: Callable[[Source], Iterator[Finding]]
    planted: tuple[tuple[str, str], ...] = field(repr=False)  # (path, code)
    innocent: tuple[tuple[str, str], ...] = field(repr=False, default=())

    def violations(self, source: Source) -> list[str]:
        if not self.applies(source):
            return []
        return [f"{source.path}:{getattr(node, 'lineno', 1)}: {why}" for node, why in self.check(source)]


def project_sources() -> list[Source]:
    folders = sorted(PRODUCT | {"tests"})
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    paths += sorted(ROOT.glob("*.py"))
    return [Source(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in paths]
