"""The console's menu: every page in the words of those who work with it, grouped by what they come for."""

from __future__ import annotations

from typing import Any, Final

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse

# Group, then (page, symbol, the title where the page itself has none).
_MENU: Final[tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...]] = (
    (
        "Work",
        (
            ("failures.Case", "inbox", "Failure queue"),
            ("failures.BulkRun", "checklist", ""),
            ("accounts.Approval", "how_to_reg", ""),
        ),
    ),
    (
        "Money",
        (
            ("payments.Payment", "payments", ""),
            ("payments.Attempt", "alt_route", ""),
            ("payments.Refund", "undo", ""),
            ("payments.RefundLimit", "speed", ""),
            ("orders.Order", "receipt_long", ""),
        ),
    ),
    (
        "Providers",
        (
            ("payments.ProviderAccount", "account_balance", ""),
            ("payments.Route", "route", ""),
            ("payments.BreakerOverride", "electrical_services", ""),
            ("payments.InboundNotice", "mark_email_read", ""),
        ),
    ),
    (
        "People and keys",
        (
            ("accounts.User", "group", ""),
            ("accounts.Membership", "badge", ""),
            ("accounts.Restaurant", "storefront", ""),
            ("accounts.ApiKey", "key", ""),
            ("auth.Group", "shield_person", ""),
        ),
    ),
    (
        "History",
        (
            ("events.AuditEntry", "verified_user", ""),
            ("events.Event", "bolt", ""),
            ("events.Transition", "history", ""),
        ),
    ),
)

# Two keys that lead there from any page.
_KEYS: Final = {"failures.Case": "g q", "accounts.Approval": "g a"}


def menu(request: HttpRequest) -> list[dict[str, Any]]:
    """Only what this person may open: a group of nothing is not shown."""
    groups = [
        {"title": title, "items": [_item(*page) for page in pages if _may_open(request, page[0])]}
        for title, pages in _MENU
    ]
    first, *others = groups
    # Today is about the cases and the money behind them: it is for whoever may see cases.
    first["items"] = [_today(), *first["items"]] if first["items"] else []
    return [group for group in (first, *others) if group["items"]]


def _today() -> dict[str, Any]:
    told = {"title": "Today", "icon": "today", "about": "How the day stands."}
    return {**told, "link": reverse("admin:index"), "key": "g t"}


def _may_open(request: HttpRequest, label: str) -> bool:
    return bool(admin.site.get_model_admin(apps.get_model(label)).has_module_permission(request))


def _item(label: str, symbol: str, title: str) -> dict[str, Any]:
    model = apps.get_model(label)
    page: Any = admin.site.get_model_admin(model)  # Of the console's own base.
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    told = {"title": title or page.list_title, "icon": symbol, "about": page.about}
    return {**told, "link": address, "key": _KEYS.get(label, "")}


def account_links(_: HttpRequest) -> list[dict[str, str]]:
    """What is below a person's own name."""
    own = (("Second factor", "second_factor"), ("Change password", "admin:password_change"))
    return [{"title": title, "link": reverse(name)} for title, name in own]


def mark(_: HttpRequest) -> str:
    return static("kernel/mark.svg")


def styles(_: HttpRequest) -> str:
    return static("kernel/console.css")
