"""Rules about money, time, secrets and the shape of a file."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import PurePosixPath

from tests.architecture.source import PRODUCT, Finding, Function, Rule, Source, dotted, line_count

LONGEST_FUNCTION = 50
LONGEST_FILE = 400
SHORTEST_REASON = 10  # Letters. "why not" is no reason.
NAMELESS_MODULES = frozenset({"utils", "util", "helpers", "helper", "common", "misc", "manager", "managers"})
MONEY_WORDS = re.compile(
    r"(^|_)(minor|amount|total|money|price|tip|fee|balance|sum|captured|refunded|paid|due|surplus|bps)(_|$)"
)
# Where a float is at home: durations, and shares of a count. Never an amount.
FLOAT_WORDS = re.compile(
    r"seconds?|deadline|timeout|latency|delay|wait|jitter|rate|fraction|share|ratio|buckets|_ms$|percent"
)
CLOCK_NAMES = frozenset(
    {
        *("datetime.now", "datetime.utcnow", "datetime.today", "date.today", "timezone.now", "timezone.localdate"),
        *("time.time", "time.time_ns", "time.sleep", "time.monotonic", "time.monotonic_ns"),
        *("uuid.uuid1", "uuid.uuid4", "uuid4", "uuid1", "django.utils.timezone.now", "functions.Now"),
    }
)
CLOCK_IMPORTS = {
    "time": {"time", "time_ns", "sleep", "monotonic", "monotonic_ns"},
    "uuid": {"uuid1", "uuid4"},
    "django.utils.timezone": {"now", "localdate"},
    "django.db.models.functions": {"Now"},
}
SIGNATURE_WORDS = re.compile(r"signature|digest|hmac", re.IGNORECASE)


def _is_money_code(source: Source) -> bool:
    return source.path == "kernel/money.py" or (source.is_app and not source.is_migration)


def floats_near_money(source: Source) -> Iterator[Finding]:
    yield from _floats_named_as_money(source)
    is_strict = source.path == "kernel/money.py" or source.room == "models"
    for node, ancestors in source.nodes:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and _names_money(node):
            yield node, "an amount is divided: `//` and a remainder lose nothing"
        if source.room == "models" and isinstance(node, ast.Call) and dotted(node).endswith("FloatField"):
            yield node, "no column is a float"
        if _is_float(node) and (is_strict or not _is_at_home(node, ancestors)):
            yield node, "a float that is neither a duration nor a share"


def _floats_named_as_money(source: Source) -> Iterator[Finding]:
    """The name says money and the annotation or the value says float."""
    for node, _ in source.nodes:
        name, annotation, value = _declaration(node)
        is_float = any(part is not None and any(map(_is_float, ast.walk(part))) for part in (annotation, value))
        if is_float and MONEY_WORDS.search(name) and not FLOAT_WORDS.search(name):
            yield node, f"{name} is money and a float"


def _declaration(node: ast.AST) -> tuple[str, ast.AST | None, ast.AST | None]:
    if isinstance(node, ast.arg):
        return node.arg, node.annotation, None
    if isinstance(node, ast.AnnAssign):
        return _last_word(node.target), node.annotation, node.value
    if isinstance(node, ast.Assign):
        return _last_word(node.targets[0]), None, node.value
    if isinstance(node, ast.keyword):
        return node.arg or "", None, node.value
    if isinstance(node, Function):
        return node.name, node.returns, None
    return "", None, None


def _last_word(node: ast.AST) -> str:
    return dotted(node).rpartition(".")[2]


def _is_float(node: ast.AST) -> bool:
    is_literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
    return is_literal or (isinstance(node, ast.Name) and node.id == "float")


def _is_at_home(node: ast.AST, ancestors: tuple[ast.AST, ...]) -> bool:
    """Outside models, a float is fine while nothing around it in the same statement speaks of money."""
    statement = next((above for above in reversed(ancestors) if isinstance(above, ast.stmt)), node)
    return isinstance(statement, Function | ast.ClassDef) or not _names_money(statement)


def _names_money(node: ast.AST) -> bool:
    names = [_name_in(inner) for inner in ast.walk(node)]
    return any(MONEY_WORDS.search(name) and not FLOAT_WORDS.search(name) for name in names)


def _name_in(node: ast.AST) -> str:
    for attribute in ("id", "attr", "arg"):
        value = getattr(node, attribute, None)
        if isinstance(value, str):
            return value
    return ""


def own_clock(source: Source) -> Iterator[Finding]:
    for node, ancestors in source.nodes:
        if any(map(_is_source_of_time, ancestors)):
            continue  # What may be installed in `kernel.clock` has hands and dice of its own.
        if isinstance(node, ast.Attribute):
            words = dotted(node).split(".")
            if ".".join(words[-2:]) in CLOCK_NAMES or words[0] == "random":
                yield node, f"{dotted(node)}: time, randomness and ids come from kernel.clock"
        if isinstance(node, ast.ImportFrom):
            taken = CLOCK_IMPORTS.get(node.module or "", set()) & {alias.name for alias in node.names}
            if taken or node.module == "random":
                yield node, "time, randomness and ids come from kernel.clock"
        if isinstance(node, ast.keyword) and node.arg in {"auto_now", "auto_now_add"}:
            yield node.value, f"{node.arg} asks the machine's clock: default=clock.now"


def _is_source_of_time(node: ast.AST) -> bool:
    return isinstance(node, ast.ClassDef) and any(_last_word(base) in {"Source", "SystemSource"} for base in node.bases)


def compared_signatures(source: Source) -> Iterator[Finding]:
    for node, _ in source.nodes:
        if not (isinstance(node, ast.Compare) and all(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops)):
            continue
        sides = [node.left, *node.comparators]
        if any(isinstance(side, ast.Constant) for side in sides):
            continue  # "Was one sent at all?" tells an attacker nothing.
        if any(SIGNATURE_WORDS.search(dotted(side)) for side in sides):
            yield node, "only hmac.compare_digest compares signatures"


def swallowed(source: Source) -> Iterator[Finding]:
    for node, _ in source.nodes:
        if isinstance(node, ast.ExceptHandler) and _catches_all(node.type) and all(map(_does_nothing, node.body)):
            yield node, "an exception of any kind vanishes"
        if isinstance(node, ast.Call) and dotted(node.func).endswith("suppress") and any(map(_catches_all, node.args)):
            yield node, "an exception of any kind vanishes"


def _catches_all(node: ast.AST | None) -> bool:
    caught = node.elts if isinstance(node, ast.Tuple) else [node]
    return any(one is None or dotted(one) in {"Exception", "BaseException"} for one in caught)


def _does_nothing(node: ast.AST) -> bool:
    is_constant = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return isinstance(node, ast.Pass | ast.Continue) or is_constant


def unexplained_ignores(source: Source) -> Iterator[Finding]:
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type != tokenize.COMMENT:
            continue
        match = re.search(r"#\s*type:\s*ignore(\[[\w, -]+\])?(.*)", token.string)
        if match and (not match[1] or len(re.sub(r"[\W\d_]", "", match[2])) < SHORTEST_REASON):
            yield ast.Pass(lineno=token.start[0]), "`type: ignore` names its code and gives its reason"


def hidden_imports(source: Source) -> Iterator[Finding]:
    for node, ancestors in source.nodes:
        inside = [above for above in ancestors if isinstance(above, Function)]
        if not (inside and isinstance(node, ast.Import | ast.ImportFrom)):
            continue
        # Django loads an app's configuration before any model: `ready` is the one place that must import late.
        if not (source.room == "apps" and inside[-1].name == "ready"):
            yield node, "an import hides inside a function"


def too_long(source: Source) -> Iterator[Finding]:
    lines = source.text.count("\n") + (not source.text.endswith("\n"))
    if lines > LONGEST_FILE:
        yield source.tree, f"{lines} lines; a file has at most {LONGEST_FILE}"
    for function in source.functions():
        if line_count(function) > LONGEST_FUNCTION:
            yield function, f"{function.name} has {line_count(function)} lines of at most {LONGEST_FUNCTION}"


def undocumented(source: Source) -> Iterator[Finding]:
    opening = (ast.get_docstring(source.tree) or "").partition("\n")[0].strip()
    if source.tree.body and not (opening.endswith((".", ":", "?")) and source.tree.body[0].lineno <= FIRST_LINES):
        yield source.tree, "a module opens with one sentence that says what may live in it"


FIRST_LINES = 2  # A script's first line is its interpreter.


def nameless(source: Source) -> Iterator[Finding]:
    names = {*PurePosixPath(source.path).with_suffix("").parts} & NAMELESS_MODULES
    if names:
        yield source.tree, f"{sorted(names)[0]} is no name: say what lives there"


def _owns_no_clock(source: Source) -> bool:
    """The sandbox is another company's server and the launcher watches processes: both live in the real time."""
    is_clock = source.path in {"kernel/clock.py", "kernel/database_clock.py"}
    real_time = source.package == "sandbox" or source.path.startswith("config/local/")
    return source.package in PRODUCT and not (is_clock or real_time or source.is_migration)


def _is_product(source: Source) -> bool:
    return source.package in PRODUCT and not source.is_migration


RULES = (
    Rule(
        name="float near money",
        applies=_is_money_code,
        check=floats_near_money,
        planted=(
            ("kernel/money.py", "RATE = 0.5"),
            ("kernel/money.py", "def f(x: float) -> int: ..."),
            ("payments/models/payment.py", "latency = float(x)"),
            ("payments/models/payment.py", "tip = models.FloatField()"),
            ("payments/services/x.py", "amount = float(text)"),
            ("payments/services/x.py", "def total_minor() -> float: ..."),
            ("payments/services/x.py", "def f(*, tip: float): ..."),
            ("payments/services/x.py", "share = payment.amount_minor / 100"),
            ("payments/services/x.py", "f(amount_minor=840.5)"),
            ("orders/services.py", "x = round(total_minor * 1.18)"),
        ),
        innocent=(
            ("payments/services/x.py", "SWEEP_SECONDS = 20.0\ndef wait_seconds(tries: int) -> float: ..."),
            ("payments/services/x.py", "amount_minor = total // 2\nfolder = ROOT / 'total'"),
            ("payments/selectors.py", "def success_rate(self) -> float:\n    return self.succeeded / self.count"),
        ),
    ),
    Rule(
        name="a clock, a dice or an id of one's own",
        applies=_owns_no_clock,
        check=own_clock,
        planted=(
            ("payments/services/x.py", "now = datetime.now(UTC)"),
            ("payments/services/x.py", "now = datetime.datetime.now(tz=UTC)"),
            ("payments/models/x.py", "at = models.DateTimeField(default=timezone.now)"),
            ("payments/models/x.py", "at = models.DateTimeField(auto_now_add=True)"),
            ("payments/services/x.py", "time.sleep(1)"),
            ("payments/services/x.py", "started = time.time()"),
            ("config/health.py", "from time import sleep"),
            ("orders/models.py", "id = models.UUIDField(default=uuid.uuid4)"),
            ("orders/models.py", "from uuid import uuid4"),
            ("payments/services/x.py", "random.choice(x)"),
            ("payments/services/x.py", "from random import random"),
            ("failures/demo/seed.py", "class Day(Base):\n    dice = random.Random(1)"),
        ),
        innocent=(
            ("payments/services/x.py", "from kernel import clock\nclock.now()\nclock.sleep(1)\nclock.random()"),
            ("kernel/clock.py", "datetime.now(UTC)"),
            ("failures/demo/seed.py", "class Day(SystemSource):\n    dice = random.Random(1)"),
            ("sandbox/server.py", "time.sleep(1)"),
        ),
    ),
    Rule(
        name="signature compared with ==",
        applies=_is_product,
        check=compared_signatures,
        planted=(
            ("payments/gateways/x.py", "if headers['x-signature'] == signature: ..."),
            ("payments/gateways/x.py", "ok = expected != mac.hexdigest()"),
        ),
        innocent=(
            ("payments/gateways/x.py", "hmac.compare_digest(signature, expected)"),
            ("payments/gateways/x.py", "if signature == '': ..."),
        ),
    ),
    Rule(
        name="exception swallowed",
        applies=lambda _: True,
        check=swallowed,
        planted=(
            ("payments/tasks.py", "try:\n    f()\nexcept Exception:\n    pass"),
            ("payments/tasks.py", "try:\n    f()\nexcept:\n    ..."),
            (
                "payments/tasks.py",
                "for x in y:\n    try:\n        f()\n    except (OSError, Exception):\n        continue",
            ),
            ("payments/tasks.py", "with contextlib.suppress(Exception):\n    f()"),
        ),
        innocent=(
            ("payments/tasks.py", "try:\n    f()\nexcept Exception:\n    log.exception('x')"),
            ("payments/tasks.py", "try:\n    f()\nexcept ProcessLookupError:\n    pass"),
        ),
    ),
    Rule(
        name="type: ignore without a reason",
        applies=lambda _: True,
        check=unexplained_ignores,
        planted=(
            ("payments/tasks.py", "x = 1  # type: ignore"),
            ("payments/tasks.py", "x = 1  # type: ignore[arg-type]"),
            ("payments/tasks.py", "x = 1  # type: ignore  # The stub is older than the library."),
        ),
        innocent=(
            ("payments/tasks.py", "x = 1  # type: ignore[arg-type]  # The stub is older than the library."),
            ("payments/tasks.py", "x = '# type: ignore'"),
        ),
    ),
    Rule(
        name="import inside a function",
        applies=lambda source: (
            source.package in PRODUCT and not source.is_migration and not source.path.startswith("config/local/")
        ),
        check=hidden_imports,
        planted=(
            ("payments/services/x.py", "def f():\n    from failures import services"),
            ("payments/apps.py", "def other():\n    import orders"),
        ),
        innocent=(("payments/apps.py", "class C:\n    def ready(self):\n        from orders.services import x"),),
    ),
    Rule(
        name="too long",
        applies=lambda source: not source.is_migration,
        check=too_long,
        planted=(
            ("payments/tasks.py", "x = 1\n" * (LONGEST_FILE + 1)),
            ("payments/tasks.py", "def f():\n" + "    x = 1\n" * LONGEST_FUNCTION),
        ),
        innocent=(("payments/tasks.py", "def f():\n" + "    x = 1\n" * (LONGEST_FUNCTION - 1)),),
    ),
    Rule(
        name="module without its sentence",
        applies=lambda source: not source.is_migration,
        check=undocumented,
        planted=(("payments/tasks.py", "x = 1"), ("payments/tasks.py", "import x\n\n\n'''Late.'''")),
        innocent=(("payments/tasks.py", '"""The clock\'s hands."""\nx = 1'), ("tests/x/__init__.py", "")),
    ),
    Rule(
        name="module without a name",
        applies=lambda _: True,
        check=nameless,
        planted=(("payments/utils.py", ""), ("orders/common/x.py", ""), ("payments/helpers.py", "")),
        innocent=(("events/management/commands/consume.py", ""),),
    ),
)
