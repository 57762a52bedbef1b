"""What is done with an account in the console: added, switched on and off, and what it costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.text import slugify

from accounts.models import Restaurant, Role, User
from accounts.second_factor_pages import code_first
from kernel.console import restaurants_seen_by, role_at
from kernel.errors import ServiceError
from payments.admin.provider_forms import AccountForm, FeeForm, SwitchForm
from payments.models import ProviderAccount
from payments.selectors import attempts_under_way
from payments.services.accounts import FeeOvertaken, add_account, percent_of, set_fee, switch_account
from payments.services.configuring import may_configure
from payments.services.providers import is_usable

_CHANGE = "admin:payments_provideraccount_change"


@dataclass(frozen=True, slots=True, kw_only=True)
class Doing:
    """One form of an account's page, and what its button does."""

    form: type[forms.Form]
    does: Callable[[ProviderAccount, Mapping[str, Any], User], str]


class AccountPages:
    """For the page of accounts: its addresses, and what stands above each account."""

    change_form_template = "payments/account.html"
    change_list_template = "payments/accounts.html"

    def get_urls(self) -> list[Any]:
        page: Any = self
        view, name = page.admin_site.admin_view, "payments_provideraccount"
        return [
            path("new/", view(self.new), name=f"{name}_new"),
            *(
                path(f"<uuid:account_id>/{verb}/", view(self._doer(verb)), name=f"{name}_{slugify(verb)}")
                for verb in _VERBS
            ),
            *super().get_urls(),  # type: ignore[misc]  # Of the page that this is mixed into.
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        more = {"may_add": bool(_where_admin(request)), **(extra_context or {})}
        return super().changelist_view(request, more)  # type: ignore[misc]  # Of the page that this is mixed into.

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        page: Any = self
        account = page.get_object(request, object_id)
        more = {**(_doing(request, account) if account is not None else {}), **(extra_context or {})}
        shown: HttpResponse = super().change_view(request, object_id, form_url, more)  # type: ignore[misc]  # Of the page that this is mixed into.
        return shown

    def new(self, request: HttpRequest) -> HttpResponse:
        if not _where_admin(request):
            raise PermissionDenied
        page = code_first(request)
        if page is not None:
            return page
        form = AccountForm(request.POST or None, restaurants=_where_admin(request))
        if form.is_valid():
            try:
                account = add_account(**form.adding(), person=_person_of(request))
            except ServiceError as refused:
                _add_refusal(form, refused)
            else:
                messages.success(request, "Added, and switched off: enter its credentials, then switch it on.")
                return redirect(_CHANGE, account.pk)
        return self._form_page(request, form)

    def _form_page(self, request: HttpRequest, form: AccountForm) -> HttpResponse:
        page: Any = self
        frame = {**page.admin_site.each_context(request), **page.way_back(), "opts": page.opts, "media": page.media}
        told = {**frame, "title": "Add an account", "form": form}
        status = HTTPStatus.BAD_REQUEST if form.errors else HTTPStatus.OK
        return TemplateResponse(request, "payments/account_new.html", told, status=status)

    def _doer(self, verb: str) -> Callable[[HttpRequest, UUID], HttpResponse]:
        def do(request: HttpRequest, account_id: UUID) -> HttpResponse:
            return self._done(request, account_id, verb)

        return do

    def _done(self, request: HttpRequest, account_id: UUID, verb: str) -> HttpResponse:
        """One press: the service does it, or what was typed stands there again beside the refusal."""
        page: Any = self
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        account = page.get_object(request, str(account_id))
        if account is None:
            raise Http404
        asked = code_first(request)
        if asked is not None:
            return asked
        form = _VERBS[verb].form(request.POST, auto_id=f"{verb}-%s")
        status = HTTPStatus.BAD_REQUEST
        if form.is_valid():
            try:
                messages.success(request, _VERBS[verb].does(account, form.cleaned_data, _person_of(request)))
                return redirect(_CHANGE, account_id)
            except ServiceError as refused:
                if refused.code == "switched_already":
                    messages.info(request, refused.sentence)
                    return redirect(_CHANGE, account_id)
                _add_refusal(form, refused)
                if isinstance(refused, FeeOvertaken):
                    form.data = {**request.POST.dict(), "seen": refused.fee_bps}
                status = HTTPStatus.FORBIDDEN if refused.code == "not_an_admin" else HTTPStatus.CONFLICT
        return self._again(request, account, {verb: form}, status)

    def _again(
        self, request: HttpRequest, account: ProviderAccount, refused: dict[str, forms.Form], status: HTTPStatus
    ) -> HttpResponse:
        messages.error(request, "Nothing was changed. What is wrong is said below.")
        # The page itself has no form: it is only drawn.
        request.method = "GET"
        page = self.change_view(request, str(account.pk), "", _doing(request, account, refused))
        page.status_code = status
        return page


def _doing(request: HttpRequest, account: ProviderAccount, refused: dict[str, forms.Form] | None = None) -> Any:
    """What stands above an account's fields."""
    sent = refused or {}
    switch = sent.get("switch") or SwitchForm(initial={"enabled": not account.enabled}, auto_id="switch-%s")
    fee = sent.get("fee") or FeeForm(
        initial={"fee": percent_of(account.fee_bps), "seen": account.fee_bps}, auto_id="fee-%s"
    )
    return {
        "account": account,
        "may_configure": may_configure(_person_of(request), restaurant_id=account.restaurant_id),
        "switch": switch,
        "asks_twice": "nobody_can_pay" in switch.errors,
        "fee_form": fee,
        "is_usable": is_usable(account),
        "under_way": attempts_under_way(account.pk),
    }


def _switch(account: ProviderAccount, said: Mapping[str, Any], person: User) -> str:
    enabled = said["enabled"]
    switch_account(
        account_id=account.pk,
        enabled=enabled,
        person=person,
        reason=said["reason"],
        nobody_can_pay=said["nobody_can_pay"],
    )
    return "Switched on: the next payment may go there." if enabled else f"Switched off. {followed(account.pk)}"


def followed(account_id: UUID) -> str:
    """What becomes of what is under way at an account that takes nothing new."""
    under_way = attempts_under_way(account_id)
    if not under_way:
        return "Nothing is under way there."
    payments, they = ("1 payment", "is") if under_way == 1 else (f"{under_way} payments", "are")
    return f"{payments} under way there {they} still followed to the end."


def _set_fee(account: ProviderAccount, said: Mapping[str, Any], person: User) -> str:
    fee = said["fee"]
    if set_fee(account_id=account.pk, fee_bps=fee, person=person, reason=said["reason"], seen=said["seen"]):
        return "The fee is changed."
    return f"The fee is {percent_of(fee)} percent already: nothing was changed."


_VERBS: Mapping[str, Doing] = {
    "switch": Doing(form=SwitchForm, does=_switch),
    "fee": Doing(form=FeeForm, does=_set_fee),
}


def _add_refusal(form: forms.Form, refused: ServiceError) -> None:
    form.add_error(refused.field if refused.field in form.fields else None, refused.sentence)


def _person_of(request: HttpRequest) -> User:
    person: User = request.user  # type: ignore[assignment]  # The console lets nobody in who is unknown.
    return person


def _where_admin(request: HttpRequest) -> list[Restaurant]:
    seen = list(restaurants_seen_by(request).order_by("name"))
    if _person_of(request).is_superuser:
        return seen
    return [restaurant for restaurant in seen if role_at(request, restaurant.pk) == Role.ADMIN]
