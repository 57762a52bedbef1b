"""Pages on which a way round a second person could be prepared: a code comes first, as where money moves."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.actions import delete_selected
from django.http import HttpRequest

from accounts.second_factor_pages import code_first
from kernel.console import ConsoleAdmin


class ConfirmedAdmin(ConsoleAdmin):
    """Whoever finds a desk that somebody left gives nobody a role, a right or a higher limit.

    It stands first among the bases: it asks before any transaction is open, and nothing was done when it does.
    """

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return _asked(request) or super().changeform_view(request, *args, **kwargs)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return _asked(request) or super().delete_view(request, *args, **kwargs)

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        is_deleting = delete_selected.__name__ in request.POST.getlist("action")
        return (_asked(request) if is_deleting else None) or super().changelist_view(request, *args, **kwargs)


def _asked(request: HttpRequest) -> Any:
    """A page is looked at without one."""
    return code_first(request) if request.method == "POST" else None
