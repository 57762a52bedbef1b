"""Payments, attempts and refunds as the API takes and tells them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from rest_framework import serializers

from api.problems import NEXT_ACTIONS
from api.serializers import Flag, Identifier, MoneyField, Notes, OneOf, PlainText, StrictSerializer
from kernel.modes import Mode
from kernel.money import Money
from kernel.texts import MAX_REASON
from orders.serializers import CustomerIn
from payments.guest_words import IN_DOUBT, Words, code_for_guests, words_for, words_of_return
from payments.models import (
    Attempt,
    AttemptStatus,
    Capture,
    Method,
    Payment,
    PaymentStatus,
    Refund,
    RefundOrigin,
    RefundStatus,
)
from payments.models import NextAction as Planned
from payments.services.acceptance import MAX_INSTRUMENT, MAX_PROVIDER, MAX_RETURN_URL, PaymentDraft
from payments.vocabulary import NEXT_STEPS, REFUND_STATES


class Address(PlainText):
    """Where a guest's browser goes back to: a page, never a script."""

    default_error_messages = {"not_an_address": "This is an http or https address with a host."}

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        try:
            parts = urlsplit(text)
        except ValueError:
            self.refuse("not_an_address")
        if parts.scheme not in {"http", "https"} or not parts.hostname or any(letter.isspace() for letter in text):
            self.refuse("not_an_address")
        return text


class PaymentIn(StrictSerializer):
    order = Identifier(help_text="The order's id.")
    amount = MoneyField(low=1, required=False, help_text="This share of the bill. Default: all that is left.")
    tip = MoneyField(required=False, help_text="Charged together, never revenue.")
    method = OneOf(Method.values, required=False, help_text="May be left out with `hold`.")
    instrument = PlainText(longest=MAX_INSTRUMENT, required=False, help_text="The provider's token; sandbox: `sim_…`.")
    provider = PlainText(
        longest=MAX_PROVIDER, shortest=1, is_reference=True, required=False, help_text="Default: routed."
    )
    customer = CustomerIn(required=False, help_text="Who pays. Stored encrypted.")
    return_url = Address(longest=MAX_RETURN_URL, required=False, help_text="Where a provider sends the guest back to.")
    metadata = Notes(required=False, help_text="Your own notes. They come back as they are.")
    hold = Flag(required=False, help_text="Only hold the share: the guest chooses later, with `start`.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Which currency it is the order says; two in one request are a mistake of its own."""
        if not attrs.get("hold") and "method" not in attrs:
            raise _wrong("method", "required", "Say how it is paid, or `hold` the share until the guest has chosen.")
        if "instrument" in attrs and "method" not in attrs:
            raise _wrong("instrument", "method_missing", "A token belongs to a method: say both, or neither yet.")
        moneys = [attrs[name] for name in ("amount", "tip") if name in attrs]
        if len({money.currency for money in moneys}) > 1:
            raise _wrong("tip", "wrong_currency", "Amount and tip have one currency.")
        return attrs

    def draft(self) -> PaymentDraft:
        said: dict[str, Any] = self.validated_data
        amount: Money | None = said.get("amount")
        tip: Money | None = said.get("tip")
        return PaymentDraft(
            order_id=said["order"],
            method=said.get("method", ""),
            amount_minor=amount.minor if amount else None,
            tip_minor=tip.minor if tip else 0,
            currency=amount.currency if amount else tip.currency if tip else "",
            instrument=said.get("instrument", ""),
            provider=said.get("provider", ""),
            customer=dict(said.get("customer", {})),
            return_url=said.get("return_url", ""),
            metadata=said.get("metadata", {}),
            is_to_be_chosen="method" not in said,
        )


def _wrong(field: str, code: str, sentence: str) -> serializers.ValidationError:
    return serializers.ValidationError({field: [serializers.ErrorDetail(sentence, code=code)]})


class ChoiceIn(StrictSerializer):
    method = OneOf(Method.values, required=False, help_text="Default: as before.")
    instrument = PlainText(
        longest=MAX_INSTRUMENT,
        required=False,
        help_text="The provider's token; sandbox: `sim_…`. Default: the guest is asked on the provider's page.",
    )


class CashIn(StrictSerializer):
    amount = MoneyField(low=1, help_text="Exactly what is due, with the tip that was agreed before.")
    added_tip = MoneyField(required=False, help_text="What the guest adds at the table.")
    given = MoneyField(required=False, help_text="The notes that were handed over.")
    against_doubt = Flag(required=False, help_text="The provider does not answer and the guest wants to leave.")
    reason = PlainText(longest=MAX_REASON, required=False, help_text="Needed against a doubt.")


class RefundIn(StrictSerializer):
    amount = MoneyField(required=False, help_text="Default: all that is left, with the tip.")
    tip = MoneyField(required=False, help_text="Of the tip; only together with `amount`.")
    reason = PlainText(longest=MAX_REASON, help_text="A colleague will read it.")
    reopens_order = Flag(required=False, help_text="The order becomes payable again by this amount.")
    handed_over = Flag(required=False, help_text="Cash that a named person has handed back across the table.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "tip" in attrs and "amount" not in attrs:
            raise _wrong("tip", "amount_missing", "Say the amount of the share as well; it may be 0.")
        return attrs


class HandshakeIn(StrictSerializer):
    query = PlainText(
        longest=4_000, shortest=1, is_reference=True, help_text="The query string of the return address, as it came."
    )


class OrderRef(serializers.Serializer[Any]):
    id = serializers.UUIDField(help_text="The order's `id`.")
    reference = serializers.CharField(help_text="Short, to read aloud.")


class FailureOut(serializers.Serializer[Any]):
    code = serializers.CharField(help_text="Why, for programs.")
    user_message = serializers.CharField(help_text="For the guest, in the language of `Accept-Language` (en, hi).")
    next_action = serializers.ChoiceField(NEXT_ACTIONS, help_text="What helps the guest now.")


class NextStepOut(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(NEXT_STEPS, help_text="What it is.")
    url = serializers.CharField(required=False, help_text="Where to send the guest, or what the QR code says.")
    expires_at = serializers.DateTimeField(allow_null=True, help_text="Until when. Null: there is no end.")


class LinksOut(serializers.Serializer[Any]):
    self = serializers.URLField(help_text="The payment itself.")
    wait = serializers.URLField(allow_null=True, help_text="Answers when something changed: a long poll.")
    events = serializers.URLField(allow_null=True, help_text="Server-sent events.")
    order = serializers.URLField(help_text="What it pays.")


class PaymentOut(serializers.Serializer[Any]):
    id = serializers.UUIDField(help_text="In addresses and in other objects.")
    reference = serializers.CharField(help_text="Short, to read aloud.")
    order = OrderRef(help_text="What it pays.")
    mode = serializers.ChoiceField(Mode.choices, help_text="Whether it is real.")
    status = serializers.ChoiceField(PaymentStatus.choices, help_text="Where it stands.")
    in_doubt = serializers.BooleanField(help_text="Money may have moved, and nobody knows yet. Do not pay again.")
    safe_to_retry = serializers.BooleanField(help_text="True only where provably nothing was charged.")
    user_message = serializers.CharField(
        allow_null=True, help_text="What to tell the guest: in doubt, or where the money goes back."
    )
    amount = MoneyField(help_text="This share of the bill.")
    tip = MoneyField(help_text="Charged together, never revenue.")
    total = MoneyField(help_text="Share and tip: what is charged.")
    kept = MoneyField(
        help_text="What was taken for the order. 0 in a completed payment: it was not due, and goes back. Do not serve."
    )
    refunded = MoneyField(help_text="What of that has gone back. Where nothing was kept: of what was not due.")
    refund_state = serializers.ChoiceField(REFUND_STATES, help_text="How much of it has gone back.")
    method = serializers.ChoiceField(
        Method.choices,
        allow_null=True,
        help_text="Tried last; once it is paid, the one that paid it. Null: not chosen yet.",
    )
    provider = serializers.CharField(allow_null=True, help_text="Where its last attempt went.")
    failure = FailureOut(allow_null=True, help_text="Why it failed, where it has.")
    next_step = NextStepOut(allow_null=True, help_text="What the client does now.")
    next_check_at = serializers.DateTimeField(allow_null=True, help_text="When Steward looks again by itself.")
    return_url = serializers.CharField(help_text="Where a provider sends the guest back to. Empty: nowhere.")
    metadata = serializers.DictField(child=serializers.CharField(), help_text="Your own notes.")
    version = serializers.IntegerField(help_text="Of its last event.")
    created_at = serializers.DateTimeField(help_text="When it was asked for.")
    finished_at = serializers.DateTimeField(allow_null=True, help_text="When it came to its end.")
    links = LinksOut(help_text="Where to go from here.")


class AttemptOut(serializers.Serializer[Any]):
    id = serializers.UUIDField(help_text="Also the provider's idempotency key.")
    number = serializers.IntegerField(help_text="From 1, in the order in which they were tried.")
    provider = serializers.CharField(help_text="Who was asked.")
    method = serializers.ChoiceField(Method.choices, help_text="By which method.")
    status = serializers.ChoiceField(AttemptStatus.choices, help_text="What came of it.")
    amount = MoneyField(help_text="What was asked for, with the tip.")
    captured = MoneyField(allow_null=True, help_text="What was charged. Null: nothing, as far as anybody knows.")
    capture = serializers.ChoiceField(Capture.choices, allow_blank=True, help_text="What becomes of that money.")
    error_code = serializers.CharField(allow_null=True, help_text="Why nothing was charged, or why nobody knows.")
    sends = serializers.IntegerField(help_text="How often the request was sent, under one key.")
    latency_ms = serializers.IntegerField(allow_null=True, help_text="How long the provider's answer took.")
    created_at = serializers.DateTimeField(help_text="When it was begun.")
    settled_at = serializers.DateTimeField(allow_null=True, help_text="When it was known what came of it.")


class AttemptsOut(serializers.Serializer[Any]):
    items = AttemptOut(many=True, help_text="In the order in which they were tried.")


class SelfOut(serializers.Serializer[Any]):
    self = serializers.URLField(help_text="The refund itself.")


class RefundOut(serializers.Serializer[Any]):
    id = serializers.UUIDField(help_text="In addresses and in other objects.")
    payment = serializers.UUIDField(help_text="The payment's `id`.")
    status = serializers.ChoiceField(RefundStatus.choices, help_text="Where it stands.")
    in_doubt = serializers.BooleanField(help_text="It may have been made, and nobody knows yet.")
    amount = MoneyField(help_text="Of the share.")
    tip = MoneyField(help_text="Of the tip.")
    total = MoneyField(help_text="What goes back.")
    origin = serializers.ChoiceField(RefundOrigin.choices, help_text="Who began it.")
    reason = serializers.CharField(help_text="A colleague's words to colleagues: empty for a guest.")
    reopens_order = serializers.BooleanField(help_text="The order becomes payable again by this amount.")
    error_code = serializers.CharField(allow_null=True, help_text="Why it failed, or why nobody knows. A case is open.")
    links = SelfOut(help_text="Where to go from here.")
    next_check_at = serializers.DateTimeField(allow_null=True, help_text="When Steward looks again by itself.")
    created_at = serializers.DateTimeField(help_text="When it was asked for.")
    finished_at = serializers.DateTimeField(allow_null=True, help_text="When it came to its end.")


class ClientTokenOut(serializers.Serializer[Any]):
    client_token = serializers.CharField(help_text="Reads this payment and chooses its method, nothing else.")
    expires_at = serializers.DateTimeField(help_text="Until when.")


class Audience(StrEnum):
    """Who is told: a platform and its staff everything, a guest what is a guest's."""

    STAFF = "staff"
    GUEST = "guest"
    BROWSER = "browser"


def told_payment(
    payment: Payment, attempts: list[Attempt], *, language: str, audience: Audience = Audience.STAFF
) -> dict[str, Any]:
    live = next((attempt for attempt in attempts if attempt.is_live), None)
    currency = payment.currency
    kept = [attempt for attempt in attempts if attempt.capture == Capture.KEPT]
    # What was never due goes back by itself: it says something about this payment only where nothing else was taken.
    counted = kept or [attempt for attempt in attempts if attempt.capture == Capture.SURPLUS]
    refunded = sum(attempt.refunded_minor for attempt in counted)
    captured = sum(attempt.captured_minor for attempt in counted)
    returned = None if kept or not captured else _words_of_return(counted)
    message = IN_DOUBT if payment.in_doubt else returned
    names = ("id", "reference", "mode", "status", "in_doubt", "return_url", "version")
    said = {
        **{name: getattr(payment, name) for name in (*names, "created_at", "finished_at")},
        "order": {"id": payment.order_id, "reference": payment.order.reference},
        "metadata": {} if audience == Audience.BROWSER else payment.metadata,
        "safe_to_retry": payment.status == PaymentStatus.FAILED and live is None and not captured,
        "user_message": message.in_language(language) if message else None,
        "amount": Money(payment.amount_minor, currency),
        "tip": Money(payment.tip_minor, currency),
        "total": Money(payment.charge_minor, currency),
        "kept": Money(sum(attempt.captured_minor for attempt in kept), currency),
        "refunded": Money(refunded, currency),
        "refund_state": _refund_state(refunded, captured),
        "method": payment.method or None,
        "provider": payment.account.provider if payment.account else None,
        "failure": _failure(payment, language, audience, returned),
        "next_step": _next_step(payment, live),
        "next_check_at": payment.next_action_at if payment.holds_its_share else None,
        "links": links_of(payment.pk, payment.order_id),
    }
    return dict(PaymentOut(said).data)


def links_of(payment_id: UUID, order_id: UUID) -> dict[str, str | None]:
    """Where nobody waits, nothing leads there."""
    mine, waiting = f"/api/v1/payments/{payment_id}", settings.STEWARD_WAITING_URL
    return {
        "self": f"{settings.STEWARD_PUBLIC_URL}{mine}",
        "wait": f"{waiting}{mine}?wait=25" if waiting else None,
        "events": f"{waiting}{mine}/events" if waiting else None,
        "order": f"{settings.STEWARD_PUBLIC_URL}/api/v1/orders/{order_id}",
    }


def _refund_state(refunded: int, captured: int) -> str:
    if not refunded:
        return "none"
    return "full" if refunded >= captured else "partial"


def _words_of_return(surplus: list[Attempt]) -> Words:
    return words_of_return(
        captured=sum(attempt.captured_minor for attempt in surplus),
        refunded=sum(attempt.refunded_minor for attempt in surplus),
        refunding=sum(attempt.refunding_minor for attempt in surplus),
    )


def _failure(payment: Payment, language: str, audience: Audience, returned: Words | None) -> dict[str, str] | None:
    """Money may have come after the end, when nothing was due any more: then it goes back."""
    if payment.status != PaymentStatus.FAILED:
        return None
    words = returned or words_for(payment.failure_code)
    return {
        "code": payment.failure_code if audience == Audience.STAFF else code_for_guests(payment.failure_code),
        "user_message": words.in_language(language),
        "next_action": words.next_action.value,
    }


def _next_step(payment: Payment, live: Attempt | None) -> dict[str, Any] | None:
    """What the provider wants of the guest; else what there is to wait for."""
    if payment.is_only_held:
        return {"kind": "choose_method", "expires_at": payment.hold_until}
    if not payment.holds_its_share:
        return None
    if live is not None and live.mismatch:
        return {"kind": "call_staff", "expires_at": None}
    if live is not None and live.status == AttemptStatus.PENDING and live.next_step and not payment.close_wanted:
        return {**_shown(live.next_step), "expires_at": live.expires_at}
    return {"kind": "call_staff" if payment.next_action == Planned.NONE else "wait", "expires_at": None}


def _shown(step: Mapping[str, Any]) -> dict[str, Any]:
    return {name: step[name] for name in ("kind", "url") if name in step}


def told_attempt(attempt: Attempt, *, audience: Audience = Audience.STAFF) -> dict[str, Any]:
    captured = Money(attempt.captured_minor, attempt.captured_currency) if attempt.captured_currency else None
    is_staff = audience == Audience.STAFF
    names = ("id", "number", "method", "status", "capture", "sends", "latency_ms", "created_at", "settled_at")
    said = {
        **{name: getattr(attempt, name) for name in names},
        "provider": attempt.account.provider,
        "amount": Money(attempt.amount_minor, attempt.currency),
        "captured": captured,
        "error_code": (attempt.error_code if is_staff else code_for_guests(attempt.error_code)) or None,
    }
    return dict(AttemptOut(said).data)


def told_refund(refund: Refund, *, audience: Audience = Audience.STAFF) -> dict[str, Any]:
    is_staff = audience == Audience.STAFF
    names = ("id", "status", "in_doubt", "origin", "reopens_order", "created_at", "finished_at")
    said = {
        **{name: getattr(refund, name) for name in names},
        "payment": refund.payment_id,
        "amount": Money(refund.amount_minor, refund.currency),
        "tip": Money(refund.tip_minor, refund.currency),
        "total": Money(refund.total_minor, refund.currency),
        "reason": refund.reason if is_staff else "",
        "error_code": (refund.error_code if is_staff else code_for_guests(refund.error_code)) or None,
        "links": {"self": f"{settings.STEWARD_PUBLIC_URL}/api/v1/refunds/{refund.pk}"},
        "next_check_at": refund.next_action_at,
    }
    return dict(RefundOut(said).data)
