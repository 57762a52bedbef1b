"""Pages of rows that services write: what is refused stands in the form, and what was done in the audit alone."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from kernel.console import ConsoleAdmin
from kernel.errors import ServiceError

AUDIT = "admin:events_auditentry_changelist"
_REFUSAL = "console_refusal"  # Kept with the request for as long as its answer is made.


class KeptInAudit(ConsoleAdmin):
    """Django's own log of the admin would be a second history, which nobody seals."""

    has_log = True

    def log_addition(self, *_: Any) -> None:
        """The service wrote it down."""

    log_change = log_deletions = log_addition

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Of a row: its entries in the audit."""
        row = self.get_object(request, object_id)
        return redirect(f"{reverse(AUDIT)}?{urlencode({'q': self.known_as(row) if row else object_id})}")

    def known_as(self, row: Any) -> str:
        """By which id the audit speaks of it."""
        return str(row.pk)


class ServedAdmin(KeptInAudit):
    """`save_model` and the like call a service. Its refusal is shown where it belongs, and nothing typed is lost."""

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except ServiceError as refused:
            if object_id is not None and self.get_object(request, unquote(object_id)) is None:
                return self._turned_away(request, refused)  # Taken away meanwhile: there is no form to show again.
            request.__dict__[_REFUSAL] = refused
            return super().changeform_view(request, object_id, form_url, extra_context)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002  Django's own.
        form = super().get_form(request, obj, change=change, **kwargs)
        refused = request.__dict__.get(_REFUSAL)
        return form if refused is None else _refusing(form, refused)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> Any:
        try:
            return super().delete_view(request, object_id, extra_context)
        except ServiceError as refused:
            return self._turned_away(request, refused)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        try:
            return super().changelist_view(request, extra_context)
        except ServiceError as refused:
            return self._turned_away(request, refused)

    def _turned_away(self, request: HttpRequest, refused: ServiceError) -> HttpResponse:
        self.message_user(request, refused.sentence, "error")
        return redirect(f"{admin.site.name}:{self.opts.app_label}_{self.opts.model_name}_changelist")


def _refusing(form: type[BaseForm], refused: ServiceError) -> type[BaseForm]:
    """The same form, and it knows now what the service said."""

    class Refused(form):  # type: ignore[valid-type, misc]  # Made for one request: the checker knows no such class.
        def clean(self) -> Any:
            said = super().clean()
            self.add_error(refused.field if refused.field in self.fields else None, refused.sentence)
            return said

    return Refused
