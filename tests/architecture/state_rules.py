"""Rules about who may change state, and from where a provider, a broker or a table may be spoken to."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

from tests.architecture.source import APPS, EDGES, ROOT, WRITERS, Finding, Function, Rule, Source, dotted

WRITING_METHODS = (
    *("save", "create", "update", "delete", "bulk_create", "bulk_update", "get_or_create", "update_or_create"),
    *("asave", "acreate", "aupdate", "adelete", "abulk_create", "abulk_update", "aget_or_create", "aupdate_or_create"),
)
GATEWAY_VERBS = ("charge", "cancel", "refund", "look_up")
HTTP_MODULES = ("django.http", "django.views", "django.urls", "django.shortcuts", "django.contrib.admin")
# One retry layer, one delivery rule, one format: the Celery app's. A task that says otherwise would be the exception.
TASK_EXCEPTIONS = frozenset({"acks_late", "reject_on_worker_lost", "acks_on_failure_or_timeout", "serializer",
                             "autoretry_for", "max_retries", "ignore_result"})  # fmt: skip
STATE_NAMES = frozenset({"status", "payment_state", "outcome", "mode"})


def _is_outside_writers(source: Source) -> bool:
    return source.is_app and source.room not in {*WRITERS, "migrations", "gateways"}


@cache
def transition_names() -> frozenset[str]:
    """The FSM methods that the models declare, plus nothing: a method that is added there is guarded at once."""
    paths = [
        path for app in APPS for path in (ROOT / app).rglob("*.py") if "models" in path.parts or path.stem == "models"
    ]
    functions = [node for path in paths for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, Function)]
    return frozenset(function.name for function in functions if any(map(_is_transition, function.decorator_list)))


def _is_transition(decorator: ast.expr) -> bool:
    return dotted(decorator).rpartition(".")[2] == "transition"


def status_assigned(source: Source) -> Iterator[Finding]:
    for node, _ in source.nodes:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            if isinstance(target, ast.Attribute) and target.attr == "status":
                yield node, "a status is assigned in models and services only"
        if isinstance(node, ast.Call) and dotted(node.func) == "setattr" and _is_text(node.args[1], "status"):
            yield node, "a status is set in models and services only"


def transition_called(source: Source) -> Iterator[Finding]:
    for call, method in source.calls(*transition_names()):
        receiver = dotted(call.func).partition(".")[0]
        if receiver not in source.imported_names:
            yield call, f".{method}() is a transition: models and services only"


def edge_writes(source: Source) -> Iterator[Finding]:
    for call, method in source.calls(*WRITING_METHODS):
        yield call, f".{method}( in an edge: call one service"


def status_updated(source: Source) -> Iterator[Finding]:
    for call, _ in source.calls("update", "aupdate", "bulk_update", "abulk_update", "update_or_create"):
        named = {keyword.arg for keyword in call.keywords}
        texts = {
            node.value for node in ast.walk(call) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        if "status" in named or "status" in texts:
            yield call, "a status moves by its machine, never by an update"


def enqueued(source: Source) -> Iterator[Finding]:
    for call, method in source.calls("delay", "apply_async", "send_task", "apply_async_on_commit"):
        yield call, f".{method}(: an edge may only nudge, with .delay_on_commit("


def gateway_inside_transaction(source: Source) -> Iterator[Finding]:
    for node, ancestors in source.nodes:
        if _is_gateway_call(node) and any(map(_opens_transaction, ancestors)):
            yield node, "a provider is called inside a transaction"


def _is_gateway_call(node: ast.AST) -> bool:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in GATEWAY_VERBS):
        return False
    return node.func.attr in {"charge", "look_up"} or "gateway" in dotted(node.func.value).lower()


def _opens_transaction(node: ast.AST) -> bool:
    if isinstance(node, ast.With | ast.AsyncWith):
        return any(_is_atomic(item.context_expr) for item in node.items)
    return isinstance(node, Function) and any(map(_is_atomic, node.decorator_list))


def _is_atomic(node: ast.AST) -> bool:
    return dotted(node).rpartition(".")[2] == "atomic"


def http_in_services(source: Source) -> Iterator[Finding]:
    for node, _ in source.nodes:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        if any(name == module or name.startswith(f"{module}.") for name in names for module in HTTP_MODULES):
            yield node, "a service knows no HTTP"


def task_options(source: Source) -> Iterator[Finding]:
    for function in source.functions():
        for decorator in function.decorator_list:
            if isinstance(decorator, ast.Call) and dotted(decorator).rpartition(".")[2] in {"shared_task", "task"}:
                yield from _own_options(decorator)


def _own_options(decorator: ast.Call) -> Iterator[Finding]:
    for keyword in decorator.keywords:
        if keyword.arg in TASK_EXCEPTIONS:
            yield decorator, f"{keyword.arg} is the Celery app's to say, for all tasks alike"


def loose_state(source: Source) -> Iterator[Finding]:
    for node, _ in source.nodes:
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(_is_state(side) for side in sides) and any(_is_word(side) for side in sides):
                yield node, "a state is compared with a loose string: use its enum"
        if isinstance(node, ast.keyword) and node.arg in STATE_NAMES and _is_word(node.value):
            yield node.value, "a state is given as a loose string: use its enum"


def _is_state(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in STATE_NAMES


def _is_word(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(re.fullmatch(r"[a-z_]+", node.value))


def _is_text(node: ast.AST, text: str) -> bool:
    return isinstance(node, ast.Constant) and node.value == text


RULES = (
    Rule(
        name="status assigned outside models and services",
        applies=_is_outside_writers,
        check=status_assigned,
        planted=(
            ("payments/views.py", "payment.status = PaymentStatus.FAILED"),
            ("failures/admin.py", "def act(case):\n    case.status: str = x"),
            ("payments/tasks.py", "setattr(payment, 'status', x)"),
        ),
        innocent=(
            ("payments/services/settlement.py", "payment.status = x"),
            ("payments/views.py", "if payment.status == x:\n    status = payment.status"),
        ),
    ),
    Rule(
        name="transition called outside models and services",
        applies=_is_outside_writers,
        check=transition_called,
        planted=(
            ("payments/checkout.py", "def view(request, attempt):\n    attempt.not_charged()"),
            ("orders/admin.py", "from orders import services\nself.order_of(row).cancel()"),
        ),
        innocent=(
            ("orders/admin.py", "from orders import services\nservices.cancel(order_id=row.pk)"),
            ("orders/services.py", "order.cancel()"),
        ),
    ),
    Rule(
        name="rows written at an edge",
        applies=lambda source: source.is_app and source.room in EDGES,
        check=edge_writes,
        planted=(
            ("payments/views.py", "payment.save()"),
            ("failures/admin.py", "Case.objects.create(payment=payment)"),
            ("payments/tasks.py", "Payment.objects.filter(pk=1).update(tries=2)"),
            ("payments/consumers.py", "Attempt.objects.bulk_create(rows)"),
            ("payments/checkout.py", "attempt.delete()"),
            ("events/management/commands/consume.py", "Event.objects.get_or_create(id=1)"),
        ),
        innocent=(
            ("payments/services/cash.py", "payment.save()"),
            ("payments/views.py", "create_payment(order=order)"),
        ),
    ),
    Rule(
        name="status written by an update",
        applies=lambda source: source.is_app and not source.is_migration,
        check=status_updated,
        planted=(
            ("payments/services/x.py", "Payment.objects.filter(pk=1).update(status=PaymentStatus.FAILED)"),
            ("payments/services/x.py", "rows.update(**{'status': x})"),
            ("payments/models/payment.py", "rows.bulk_update(found, ['status'])"),
        ),
        innocent=(("payments/services/x.py", "Payment.objects.filter(status=x).update(next_action_at=now)"),),
    ),
    Rule(
        name="task enqueued other than after the commit",
        applies=lambda source: source.is_app,
        check=enqueued,
        planted=(
            ("payments/views.py", "sweep_payments.delay(1)"),
            ("payments/services/x.py", "sweep_payments.apply_async((1,))"),
        ),
        innocent=(("payments/views.py", "sweep_payments.delay_on_commit(1)"),),
    ),
    Rule(
        name="provider called inside a transaction",
        applies=lambda source: source.is_app and source.room != "gateways",
        check=gateway_inside_transaction,
        planted=(
            ("payments/services/x.py", "with transaction.atomic():\n    gateway.charge(request)"),
            (
                "payments/services/x.py",
                "with atomic(), other():\n    if x:\n        gateway_of(account).refund(request)",
            ),
            ("payments/services/x.py", "@transaction.atomic\ndef f():\n    return self.gateway.look_up(request)"),
            ("payments/services/x.py", "with transaction.atomic(using='default'):\n    x = provider.look_up(request)"),
        ),
        innocent=(
            ("payments/services/x.py", "with transaction.atomic():\n    attempt.cancel()\ngateway.cancel(request)"),
        ),
    ),
    Rule(
        name="services know HTTP",
        applies=lambda source: source.is_app and source.room in {"services", "selectors", "models", "gateways"},
        check=http_in_services,
        planted=(
            ("payments/services/x.py", "from django.http import Http404"),
            ("orders/services.py", "from django import shortcuts"),
            ("orders/services.py", "import django.urls"),
        ),
        innocent=(("payments/services/x.py", "from django.db import transaction\nfrom http import HTTPStatus"),),
    ),
    Rule(
        name="task with delivery rules of its own",
        applies=lambda source: source.is_app,
        check=task_options,
        planted=(
            ("payments/tasks.py", "@shared_task(acks_late=False)\ndef f(): ..."),
            ("payments/tasks.py", "@app.task(autoretry_for=(OSError,))\ndef f(): ..."),
        ),
        innocent=(("payments/tasks.py", "@shared_task(name='payments.tasks.f')\ndef f(): ..."),),
    ),
    Rule(
        name="loose string for a state",
        applies=lambda source: (source.is_app or source.package == "config") and not source.is_migration,
        check=loose_state,
        planted=(
            ("payments/selectors.py", "rows = [p for p in found if p.status == 'failed']"),
            ("payments/selectors.py", "Payment.objects.filter(status='failed')"),
            ("orders/admin.py", "if order.payment_state in (a,) or order.mode != 'live': ..."),
        ),
        innocent=(("payments/selectors.py", "Payment.objects.filter(status=PaymentStatus.FAILED)"),),
    ),
)
