"""Every page of the console that an address leads to, taken from the console itself: a new page is walked at once."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.urls import reverse

from kernel.console import ReadOnlyAdmin

# Those that belong to no table.
PLAIN = ("admin:index", "admin:password_change", "second_factor")
APPS = ("accounts", "events", "failures", "orders", "payments")
# For people as well, and outside of the console.
PROBLEMS = ("/problems/", "/problems/not_found")
# Pages of other makers, by what is there once their script has read the description. How they look is not ours.
DESCRIPTIONS = {"/api/docs/": ".opblock-summary", "/api/redoc/": "[data-section-id]"}
NOWHERE = "zzz-nothing-is-called-this"


def pages() -> list[Any]:
    return list(admin.site._registry.values())


def list_of(page: Any) -> str:
    return reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_changelist")


def forms() -> list[str]:
    """Where something is added."""
    adding = [page for page in pages() if not isinstance(page, ReadOnlyAdmin)]
    return [f"{list_of(page)}add/" for page in adding] + [
        reverse("admin:accounts_apikey_issue"),
        reverse("admin:payments_provideraccount_new"),
    ]


def plain() -> list[str]:
    return [reverse(name) for name in PLAIN] + [reverse("admin:app_list", args=[app]) for app in APPS]
