"""What the documents say is compared with the code: settings, sandbox tokens, snippets, links."""

from __future__ import annotations

import ast
import re
import shlex
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from django.core.management import call_command

from accounts.models import Role
from config.settings import environment
from kernel import clock
from payments.models import (
    BreakerOverride,
    InboundNotice,
    NextAction,
    NoticeState,
    Payment,
    PaymentStatus,
    ProviderAccount,
)
from sandbox import admin
from sandbox.behaviours import CHARGES, LOOK_UPS, Mode
from sandbox.razorpay.provider import RazorpayProvider
from tests.architecture.source import ROOT
from tests.factories import ProviderAccountFactory, RestaurantFactory, accepted, order_of, routed, staff
from tests.sandbox.running import PLAIN
from tests.scenarios.test_behaviours import ENDS, REFUND_ENDS

README, OPERATIONS = ROOT / "README.md", ROOT / "docs" / "operations.md"
PAGES = [README, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
LONGEST_ADR = 30


def rows(page: Path, title: str) -> list[list[str]]:
    """The cells of the table whose first title this is."""
    lines = page.read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {title} |"))
    table = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        table.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return table


# Settings.


def reads() -> list[ast.Call]:
    tree = ast.parse((ROOT / "config" / "settings.py").read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return sorted(
        (call for call in calls if ast.unparse(call.func) == "environment.read"), key=lambda call: call.lineno
    )


def row_of(read: ast.Call) -> list[str]:
    """The first three cells: name, default, what is expected."""
    words = {word.arg: word.value for word in read.keywords}
    default = shown(words["default"]) if "default" in words else "required"
    return [f"`{ast.literal_eval(read.args[0])}`", default, ast.literal_eval(words["expected"])]


def shown(default: ast.expr) -> str:
    if isinstance(default, ast.IfExp):
        assert ast.unparse(default.test) == "sys.stderr.isatty()"
        return f"{shown(default.body)} at a terminal, else {shown(default.orelse)}"
    if isinstance(default, ast.Attribute):
        return f"`{default.attr.lower()}`"
    if isinstance(default, ast.Name):
        return f"`{default.id}`"
    value = ast.literal_eval(default)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`" if value not in ("", ()) else "–"


def test_the_table_of_settings_is_the_settings() -> None:
    assert [cells[:3] for cells in rows(OPERATIONS, "Setting")] == [row_of(read) for read in reads()]
    assert all(cells[3] for cells in rows(OPERATIONS, "Setting"))


def test_no_setting_is_read_in_another_way() -> None:
    assert {cells[0].strip("`") for cells in rows(OPERATIONS, "Setting")} == environment.known


def test_no_page_invents_a_setting() -> None:
    known = environment.known | environment.test_only
    for page in PAGES:
        named = set(re.findall(r"\bSTEWARD_[A-Z_]+\b", page.read_text(encoding="utf-8")))
        assert named <= known, page.name


# Sandbox tokens.


def test_the_table_of_tokens_is_the_sandbox_s() -> None:
    told = [cells[:2] for cells in rows(README, "Token")]
    assert told == [[f"`{token}`", each.meaning] for token, each in CHARGES.items() if token]


def test_each_token_ends_as_the_scenarios_see_it_end() -> None:
    words = {"completed": "Completed", "failed": "Failed", "processing": "In doubt"}
    ends = {token: words[end.status] for token, end in ENDS.items()}
    ends |= {token: f"Refund {end}" for token, end in REFUND_ENDS.items()}
    for name, _, told in rows(README, "Token"):
        token = name.strip("`")
        assert re.match(rf"{ends[token]}\b", told), token
        has_case = token in ENDS and bool(ENDS[token].cases)
        assert told.endswith("A case.") == (has_case or ends[token] == "Refund failed"), token


def test_the_page_on_the_sandbox_names_every_path_and_mode() -> None:
    text = (ROOT / "docs" / "sandbox.md").read_text("utf-8")
    scripts = {f"/v1/admin/{name}" for name in RazorpayProvider(PLAIN).scripts}
    for verb, paths in (("GET", set(admin._READS)), ("POST", scripts | set(admin._WRITES))):
        told = set(re.findall(rf"^\| `{verb} (\S+)` \|", text, re.M))
        assert told == paths
    assert all(f"`{mode}`" in text for mode in Mode)
    assert all(f"`{behaviour}`" in text for behaviour in LOOK_UPS)


# Snippets.


def snippets(page: Path) -> list[str]:
    return re.findall(r'^```python title="manage\.py shell"\n(.*?)^```$', page.read_text("utf-8"), re.M | re.S)


@pytest.fixture
def payment(transactional_db: None) -> Payment:
    """With the people that the snippets name."""
    restaurant = RestaurantFactory.create()
    routed(restaurant, "cash")
    for username, role in (("admin", Role.ADMIN), ("finance", Role.FINANCE)):
        person = staff(restaurant, role)
        person.username, person.is_staff = username, True
        person.save()
    return accepted(order_of(restaurant), method="cash")


def test_a_circuit_is_forced_as_the_page_says(payment: Payment) -> None:
    command = re.search(r"^\.venv/bin/python manage\.py (circuit .*)$", OPERATIONS.read_text("utf-8"), re.M)
    assert command is not None
    its = {"base_url": "http://127.0.0.1:8800", "api_key": "of a sandbox", "webhook_secrets": ["of a sandbox of 16"]}
    ProviderAccountFactory.create(restaurant=payment.restaurant, provider="sandbox_a", credentials=its)

    call_command(*shlex.split(command[1]))

    override = BreakerOverride.objects.get()
    assert (override.provider, override.operation, override.state) == ("sandbox_a", "charge", "open")
    assert override.expires_at - override.created_at <= timedelta(hours=2)


def test_a_payment_is_released_as_the_page_says(payment: Payment) -> None:
    release, _ = snippets(OPERATIONS)
    payment.plan(NextAction.NONE)
    payment.claims = 6
    payment.save()

    run(release.replace("P-4K7M2Q9X", payment.reference))

    payment = Payment.objects.get()
    assert (payment.status, payment.claims) == (PaymentStatus.PENDING, 0)
    assert payment.next_action == NextAction.BEGIN
    assert payment.next_action_at is not None
    assert payment.next_action_at <= clock.now()


def test_a_notice_is_taken_up_as_the_page_says(payment: Payment) -> None:
    _, take_up = snippets(OPERATIONS)
    account = ProviderAccount.objects.get()
    whose = {"restaurant_id": account.restaurant_id, "mode": account.mode, "account": account}
    InboundNotice.objects.create(event_id="evt_4K7M2Q9X", content="{}", state=NoticeState.QUARANTINED, **whose)

    run(take_up)

    assert InboundNotice.objects.get().state == NoticeState.STORED


def run(snippet: str, names: dict[str, Any] | None = None) -> None:
    exec(snippet, names if names is not None else {})  # noqa: S102  Our own page.


# Links and lengths.


@pytest.mark.parametrize("page", [pytest.param(page, id=page.relative_to(ROOT).as_posix()) for page in PAGES])
def test_every_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", text) for link in link]
    missing = [link for link in links if link and "://" not in link and not (page.parent / link).exists()]
    assert missing == []


def test_the_picture_is_a_picture() -> None:
    """Drawn by hand, and shown by browsers that accept only well-formed XML."""
    picture = (ROOT / "docs" / "charge.svg").read_text(encoding="utf-8")
    assert ElementTree.fromstring(picture).tag.endswith("}svg")  # noqa: S314  Our own file.
    assert "prefers-color-scheme: dark" in picture


def test_what_pages_call_files_are_files() -> None:
    """Names in code marks that look like a path of ours."""
    ours = re.compile(r"`((?:accounts|config|docs|events|failures|kernel|orders|payments|sandbox|tests)/[\w./-]+)`")
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        missing = [name for name in ours.findall(text) if not (ROOT / name).exists() and "tiffin" not in name]
        assert missing == [], page.name


def test_decisions_are_short_and_numbered() -> None:
    decisions = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert [page.name[:4] for page in decisions] == [f"{number:04}" for number in range(1, len(decisions) + 1)]
    for page in decisions:
        text = page.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= LONGEST_ADR, page.name
        assert text.startswith(f"# {page.name[:4]} "), page.name
        for part in ("**Decision", "**Why.**", "**Consequence.**"):
            assert part in text, f"{page.name}: {part}"
