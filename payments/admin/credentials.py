"""An account's credentials in the console: entered, tried, and never shown."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters
from unfold.forms import AdminForm

from accounts.models import OFFICE, Role
from accounts.second_factor_pages import code_before_secrets
from kernel.console import ReadOnlyAdmin, role_at
from kernel.errors import ServiceError
from payments.admin.credential_forms import CredentialsForm
from payments.models import ChangeStatus, CredentialChange, ProviderAccount
from payments.services.account_trials import Finding, Trial, try_account
from payments.services.credential_changes import ask_to_change_credentials
from payments.services.credential_entries import address_of_notices, hints_of
from payments.services.providers import PROVIDERS, facts_of

_WORDS = {
    Finding.WORKS: (messages.SUCCESS, "{name} answers, after {ms} ms{known}. No money was moved."),
    Finding.REFUSED: (messages.ERROR, "{name} refuses this account's credentials. Nothing can be charged there."),
    Finding.SILENT: (
        messages.WARNING,
        "{name} gave no answer that says anything, after {ms} ms: nobody knows.",
    ),
    Finding.STRANGE: (messages.ERROR, "{name} answers, but does not know payment {payment}, which it took."),
}


class CredentialPages(ReadOnlyAdmin):
    """Of the page of accounts: what is done about their credentials."""

    def get_urls(self) -> list[Any]:
        view, name = self.admin_site.admin_view, "payments_provideraccount"
        return [
            path("<uuid:account_id>/credentials/", view(self.credentials_page), name=f"{name}_credentials"),
            path("<uuid:account_id>/try/", view(self.try_page), name=f"{name}_try"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        account = self.get_object(request, object_id)
        more = self._about(request, account) if account is not None and self.has_credentials(account) else {}
        page: HttpResponse = super().change_view(request, object_id, form_url, {**more, **(extra_context or {})})
        return page

    def _about(self, request: HttpRequest, account: ProviderAccount) -> dict[str, Any]:
        role = role_at(request, account.restaurant_id)
        return {
            "hints": hints_of(account, account.credentials),
            "notices": address_of_notices(account),
            "waiting": _waiting(account),
            "may_enter": role == Role.ADMIN,
            "may_try": role in OFFICE,
        }

    def has_credentials(self, account: ProviderAccount) -> bool:
        """Whether there is anything to enter, and anybody to ask."""
        return account.provider in PROVIDERS and bool(facts_of(account).entries)

    @method_decorator(sensitive_post_parameters())
    def credentials_page(self, request: HttpRequest, account_id: UUID) -> HttpResponse:
        """A code of the second factor comes first: what is typed here is carried through no other page."""
        account = self._account(request, account_id)
        if role_at(request, account.restaurant_id) != Role.ADMIN or not self.has_credentials(account):
            raise PermissionDenied
        asked = code_before_secrets(request)
        if asked is not None:
            return asked
        form = CredentialsForm(request.POST if request.method == "POST" else None, account=account)
        if form.is_bound and form.is_valid() and self._is_asked(request, account, form):
            return redirect("admin:payments_provideraccount_change", account.pk)
        return self._shown(request, account, form)

    def try_page(self, request: HttpRequest, account_id: UUID) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        account = self._account(request, account_id)
        if role_at(request, account.restaurant_id) not in OFFICE:
            raise PermissionDenied
        person: Any = request.user
        try:
            trial = try_account(account_id=account.pk, person=person)
        except ServiceError as refused:
            messages.error(request, refused.sentence)
        else:
            messages.add_message(request, *_in_words(account, trial))
        return redirect("admin:payments_provideraccount_change", account.pk)

    def _is_asked(self, request: HttpRequest, account: ProviderAccount, form: CredentialsForm) -> bool:
        person: Any = request.user
        try:
            ask_to_change_credentials(
                account_id=account.pk, entered=form.entered(), person=person, reason=form.cleaned_data["reason"]
            )
        except ServiceError as refused:
            form.add_error(refused.field if refused.field in form.fields else None, refused.sentence)
            return False
        sentence = f"{account.provider} answers with them. A second person is asked; until then the old ones stay."
        messages.success(request, sentence)
        return True

    def _account(self, request: HttpRequest, account_id: UUID) -> ProviderAccount:
        account: ProviderAccount | None = self.get_queryset(request).filter(pk=account_id).first()
        if account is None:
            raise Http404
        return account

    def _shown(self, request: HttpRequest, account: ProviderAccount, form: CredentialsForm) -> HttpResponse:
        told = {
            **self.admin_site.each_context(request),
            **self.way_back(),
            "opts": self.opts,
            "media": self.media,
            "title": f"Credentials of {account.label}",
            "account": account,
            "form": form,
            "adminform": AdminForm(form, [(None, {"fields": list(form.fields)})], {}, model_admin=self),
            **self._about(request, account),
        }
        return TemplateResponse(request, "payments/credentials.html", told, headers={"Cache-Control": "no-store"})


def _waiting(account: ProviderAccount) -> CredentialChange | None:
    return account.changes.filter(status=ChangeStatus.WAITING).defer("credentials").first()


def _in_words(account: ProviderAccount, trial: Trial) -> tuple[int, str]:
    level, words = _WORDS[trial.finding]
    known = f", and knows payment {trial.asked_about}" if trial.asked_about else ""
    said = {"name": account.provider, "ms": round(trial.seconds * 1_000), "known": known, "payment": trial.asked_about}
    return level, words.format(**said)
