"""Giving money of a payment back: a page of its own, reached from the payment's, and one press on it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html

from accounts.console_presses import DONE_ALREADY, call_of_press, said_anew
from accounts.models import OFFICE, IdempotentCall, User
from accounts.second_factor_pages import code_first
from accounts.services.idempotency import Call, KeyTaken, PageUsed, earlier_call, first_press
from events.actors import Actor
from events.models import Event
from kernel import clock
from kernel.console import role_at
from kernel.errors import ServiceError
from kernel.money import Money
from payments.admin.refund_forms import GiveBackForm, PressForm
from payments.models import Payment, Refund, RefundStatus
from payments.refund_outlooks import RefundOutlook, refund_outlook_of
from payments.services.facts import PaymentEvent, RefundEvent
from payments.services.providers import facts_of
from payments.services.refund_limits import limit_of
from payments.services.refund_requests import request_refund

_CHANGE = "admin:payments_payment_change"
# For as long somebody who comes back to the page is asked whether they know what they gave back already.
_LATELY = timedelta(minutes=10)
# What may have happened since somebody opened the page, told before their own amount is asked for again.
_SINCE: Mapping[str, str] = {
    RefundEvent.CREATED: "money was asked for back",
    RefundEvent.COMPLETED: "a refund was made",
    RefundEvent.FAILED: "a refund was not made",
    RefundEvent.TURNED_DOWN: "a second person did not agree to a refund",
    RefundEvent.RELEASED: "a second person agreed to a refund",
    RefundEvent.STARTED_BY_PROVIDER: "the provider took money back",
    PaymentEvent.COMPLETED: "the payment completed",
    PaymentEvent.COMPLETED_LATE: "the payment completed late",
    PaymentEvent.SURPLUS_CAPTURED: "more money came in than was due",
}


class GivingBack:
    """For the page of payments: one more address, and the button that leads there."""

    change_form_template = "payments/payment.html"

    def get_urls(self) -> list[Any]:
        page: Any = self
        give = page.admin_site.admin_view(self.give_back)
        own = path("<uuid:payment_id>/give-back/", give, name="payments_payment_give_back")
        return [own, *super().get_urls()]  # type: ignore[misc]  # Of the page that this is mixed into.

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> HttpResponse:
        giving = {"giving": _outlook(obj)} if obj is not None and _may(request, obj) else {}
        shown: HttpResponse = super().render_change_form(request, {**context, **giving}, *args, obj=obj, **kwargs)  # type: ignore[misc]  # Of the page that this is mixed into.
        return shown

    def give_back(self, request: HttpRequest, payment_id: UUID) -> HttpResponse:
        page: Any = self
        payment = page.get_object(request, str(payment_id))
        if payment is None:
            raise Http404
        if not _may(request, payment):
            raise PermissionDenied
        asked = code_first(request) if request.method == "POST" else None
        if asked is not None:
            return asked
        if request.method == "POST":
            return self._pressed(request, payment)
        return self._shown(request, payment)

    def _pressed(self, request: HttpRequest, payment: Payment) -> HttpResponse:
        """The service does it, or refuses it and everything that was typed stands there again."""
        outlook = _outlook(payment)
        if outlook.attempt is None:
            return self._too_late(request, payment)
        form = GiveBackForm(request.POST, outlook=outlook, lately=_lately(request, payment))
        if not form.is_valid():
            return self._not_valid(request, payment, form)
        try:
            return _asked(request, payment, outlook.attempt.pk, form)
        except ServiceError as refused:
            return self._refused(request, payment, refused, form.cleaned_data["version"])

    def _not_valid(self, request: HttpRequest, payment: Payment, form: GiveBackForm) -> HttpResponse:
        """A second press of the same button lacks a tick that its page did not have: it is the first one."""
        if list(form.errors) != ["once_more"] or earlier_call(_call(request, payment, form)) is None:
            return self._shown(request, payment, form, HTTPStatus.BAD_REQUEST)
        try:
            return _pressed_before(request, payment, first_press(_call(request, payment, form)))
        except PageUsed as used:
            return self._refused(request, payment, used, form.cleaned_data["version"])

    def _too_late(self, request: HttpRequest, payment: Payment) -> HttpResponse:
        """Nothing is left. A second press of the button that gave the last of it back is the first one, too."""
        pressed = PressForm(request.POST)
        if pressed.is_valid():
            with suppress(PageUsed):
                return _pressed_before(request, payment, first_press(_call(request, payment, pressed)))
        return self._shown(request, payment, status=HTTPStatus.CONFLICT)

    def _refused(self, request: HttpRequest, payment: Payment, refused: ServiceError, seen: int) -> HttpResponse:
        """Beside what was typed, on the page as it would be drawn now."""
        page: Any = self
        payment = page.get_object(request, str(payment.pk))
        outlook = _outlook(payment)
        if outlook.attempt is None:
            return self._shown(request, payment, status=HTTPStatus.CONFLICT)
        said = said_anew(request, refused, version=payment.version)
        form = GiveBackForm(said, outlook=outlook, lately=_lately(request, payment))
        form.add_error(refused.field if refused.field in form.fields else None, refused.sentence)
        if refused.code == "stale":
            form.add_error(None, _since(payment, seen))
        is_strange = refused.code == "not_finance_here"
        return self._shown(request, payment, form, HTTPStatus.FORBIDDEN if is_strange else HTTPStatus.CONFLICT)

    def _shown(
        self,
        request: HttpRequest,
        payment: Payment,
        form: GiveBackForm | None = None,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> HttpResponse:
        page: Any = self
        outlook = form.outlook if form else _outlook(payment)
        lately = form.lately if form else _lately(request, payment)
        told = {
            **page.admin_site.each_context(request),
            **page.way_back(),
            "opts": page.opts,
            "media": page.media,
            "title": "Give money back",
            "payment": payment,
            "outlook": outlook,
            "form": form or (None if outlook.locked else GiveBackForm.on_page(payment, outlook, lately)),
            "lately": lately and Money(lately.total_minor, lately.currency).display(),
            "limit": outlook.attempt and limit_of(Actor.user(_person_of(request)), outlook.attempt),
            "typed": request.POST.get("reason", ""),
        }
        return TemplateResponse(request, "payments/give_back.html", told, status=status)


def _may(request: HttpRequest, payment: Payment) -> bool:
    """As the page shows it; the service asks anew."""
    return role_at(request, payment.restaurant_id) in OFFICE


def _person_of(request: HttpRequest) -> User:
    person: User = request.user  # type: ignore[assignment]  # The console lets nobody in who is unknown.
    return person


def _lately(request: HttpRequest, payment: Payment) -> Refund | None:
    """By the same person."""
    mine = Refund.objects.filter(payment=payment.pk, requested_by=str(_person_of(request).pk))
    made = mine.filter(created_at__gt=clock.now() - _LATELY).exclude(status=RefundStatus.FAILED)
    return made.order_by("created_at").last()


def _outlook(payment: Any) -> RefundOutlook:
    return refund_outlook_of(payment, zone=payment.console_zone)


def _call(request: HttpRequest, payment: Payment, form: PressForm) -> Call:
    press = form.cleaned_data["press"]
    return call_of_press(request, press=press, restaurant_id=payment.restaurant_id, mode=payment.mode)


def _asked(request: HttpRequest, payment: Payment, attempt_id: UUID, form: GiveBackForm) -> HttpResponse:
    actor, call = Actor.user(_person_of(request)), _call(request, payment, form)
    try:
        refund = request_refund(
            payment_id=payment.pk, attempt_id=attempt_id, actor=actor, call=call, **form.asked_for()
        )
    except KeyTaken:
        return _pressed_before(request, payment, first_press(call))
    messages.success(request, _came_of(refund, actor))
    return redirect(_CHANGE, payment.pk)


def _pressed_before(request: HttpRequest, payment: Payment, first: IdempotentCall) -> HttpResponse:
    refund = Refund.objects.get(pk=first.subject_id)
    came = _came_of(refund, Actor.user(_person_of(request)))
    messages.info(request, format_html("{} {}", DONE_ALREADY, came))
    return redirect(_CHANGE, payment.pk)


def _came_of(refund: Refund, actor: Actor) -> str:
    """Of this refund, as it stands right after the press."""
    money = Money(refund.total_minor, refund.currency).display()
    if refund.status == RefundStatus.WAITING_APPROVAL:
        limit = limit_of(actor, refund.attempt)
        return format_html(
            "{} is set aside. With what goes back of this payment besides, it is above your limit{}. Nothing is sent "
            'until a second person agrees, under <a class="link" href="{}">Approvals</a>.',
            money,
            f" of {limit.most.display()}" if limit else "",
            reverse("admin:accounts_approval_changelist"),
        )
    if facts_of(refund.account).is_manual:
        return f"{money} has to be handed back in cash. A case in the queue stays open until somebody records that."
    return f"{money} goes back through {refund.account.label}: it is sent within seconds."


def _since(payment: Payment, seen: int) -> str:
    later = Event.objects.filter(stream_id=payment.pk, version__gt=seen).order_by("version")
    news = dict.fromkeys(_SINCE[each] for each in later.values_list("type", flat=True) if each in _SINCE)
    kept = "What you typed still stands here."
    return f"Meanwhile {', '.join(news)}. {kept}" if news else kept
