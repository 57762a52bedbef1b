"""Payments, attempts and refunds in the console: to look at. Decisions go through services."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils.text import capfirst

from kernel.console import ReadOnlyAdmin, ReadOnlyInline, restaurants_seen_by
from kernel.filters import AnyStatusFilter, CurrencyFilter
from kernel.shown import NOTHING, Amount, Data, Itself, Link, Meaning, Moment, Said, State, Tone, Word, Written
from kernel.totals import Adds
from payments.admin.by_reference import ByReference
from payments.admin.giving_back import GivingBack
from payments.filters import BeganFilter, DayFilter, FailureFilter, ProviderFilter, TryFilter
from payments.meanings import meaning_of_attempt, meaning_of_payment, meaning_of_refund
from payments.models import Attempt, AttemptStatus, Capture, Payment, Refund
from payments.reason_words import reason_in_words
from payments.returns import return_of, surplus_of, with_what_went_back
from payments.searching import SEARCHED, payments_found
from payments.state_words import payment_in_words, refund_in_words
from payments.who_asked import who_agreed, who_asked, with_who_asked
from payments.whose_word import Whose, whose_word_of, whose_word_of_payment, with_whose_word

_ATTEMPT_TONES = {
    AttemptStatus.SUCCEEDED: Tone.GOOD,
    AttemptStatus.LATE_SUCCESS: Tone.GOOD,
    AttemptStatus.UNKNOWN: Tone.DOUBT,
    AttemptStatus.RELEASED: Tone.DOUBT,
    AttemptStatus.SENT: Tone.WAIT,
    AttemptStatus.PENDING: Tone.WAIT,
    AttemptStatus.DECLINED: Tone.BAD,
}
_CAPTURE_TONES = {Capture.KEPT: Tone.GOOD, Capture.SURPLUS: Tone.BAD, Capture.UNDECIDED: Tone.DOUBT}


def _payment_means(payment: Any) -> str:
    returned = return_of(payment)
    said = meaning_of_payment(payment, surplus_of(payment), whose=whose_word_of_payment(payment))
    return f"{said} {returned.sentence}" if returned else said


def _attempt_means(attempt: Any) -> str:
    return meaning_of_attempt(attempt, attempt.whose)


def _refund_means(refund: Any) -> str:
    return meaning_of_refund(refund, refund.whose)


def _why_failed(payment: Any) -> str:
    if whose_word_of_payment(payment) == Whose.PEOPLE and payment.failure_code:
        return "A person recorded that nothing was charged"
    return capfirst(reason_in_words(payment.failure_code)) or NOTHING


# Above what stands there of it, by whose word it is.
_WHO_SAID: Mapping[Whose, str] = {
    Whose.PROVIDER: "What the provider said",
    Whose.WAITER: "What the waiter said",
    Whose.PEOPLE: "What a person recorded",
}


def _said_by(field: str, title: str = "why") -> Meaning:
    """A code, in words."""
    return Meaning(lambda row: capfirst(reason_in_words(getattr(row, field))) or NOTHING, title)


_IN_WORDS = Meaning(lambda row: row.error_message or NOTHING, "in words")


def _is_withdrawn(payment: Payment) -> str:
    return "yes: it ends as soon as that can be" if payment.close_wanted else "no"


def _short(refund: Refund) -> str:
    """A refund has no reference to read aloud. The end of its id is what differs."""
    return f"…{str(refund.pk)[-8:]}"


def _by_time_within(window: type[admin.SimpleListFilter], request: HttpRequest) -> list[str]:
    """Of a short time all rows are found by it, and sorted. By their ids PostgreSQL would walk through the whole table
    for the last of them.
    """
    return ["-created_at"] if window.parameter_name in request.GET else []


class AttemptInline(ReadOnlyInline):
    model = Attempt
    verbose_name_plural = "Attempts, one provider each"
    fields = readonly_fields = ["itself", "account", "state", "captured", "why", "created"]

    itself = Itself(lambda attempt: f"No. {attempt.number}", "attempt")
    state = State("status", tones=_ATTEMPT_TONES)
    captured = Amount("captured_minor", "came in", currency="captured_currency", zero=False)
    why = _said_by("error_code")
    created = Moment("created_at", "began")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attempt]:
        """With the zone of their restaurant, as on their own pages."""
        attempts: QuerySet[Attempt] = self.admin_site.get_model_admin(Attempt).get_queryset(request)
        return attempts.select_related("account").order_by("number")


class RefundInline(ReadOnlyInline):
    model = Refund
    fk_name = "payment"
    verbose_name_plural = "Refunds"
    fields = readonly_fields = ["itself", "amount", "said", "asked", "agreed_by", "because", "created"]

    itself = Itself(_short, "refund")
    amount = Amount("total_minor", "amount")
    said = Said(refund_in_words, "status")
    asked = Meaning(who_asked, "who asked")
    agreed_by = Meaning(who_agreed, "who agreed")
    because = Written("reason")
    created = Moment("created_at", "when")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Refund]:
        """With the zone of their restaurant and the names of people, as on their own pages."""
        refunds: QuerySet[Refund] = self.admin_site.get_model_admin(Refund).get_queryset(request)
        return refunds.order_by("pk")


class ToldByWhom:
    """A page on which nothing that people recorded stands as what the provider said."""

    def get_object(self, *args: Any, **kwargs: Any) -> Any:
        """Asked for once, of a row that has a page of its own: no list says it."""
        page: Any = super()
        row = page.get_object(*args, **kwargs)
        if row is not None:
            row.whose = whose_word_of(row)
        return row

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        page: Any = super()
        titles = {_WHO_SAID[Whose.PROVIDER]: _WHO_SAID[obj.whose]} if obj is not None else {}
        return [(titles.get(title, title), said) for title, said in page.get_fieldsets(request, obj)]


class SearchedByPayment(ReadOnlyAdmin):
    """What somebody types names a payment, and finds it or what belongs to it."""

    search_fields = ["pk"]  # That there is a box. What is looked for, and where, is in `payments/searching.py`.
    search_help_text = SEARCHED
    of_a_payment = "pk"  # Where a row says which.

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term.strip():
            return queryset, False
        restaurants = list(restaurants_seen_by(request).values_list("pk", flat=True))
        found = payments_found(search_term, restaurants=restaurants)
        return queryset.filter(**{f"{self.of_a_payment}__in": found}), False


@admin.register(Payment)
class PaymentAdmin(GivingBack, SearchedByPayment):
    called = "Payments"
    about = "Each share of a bill that somebody pays, and how it stands."
    nothing = "No payments yet. One appears here as soon as a guest begins to pay an order."
    adds = Adds(minor=F("amount_minor") + F("tip_minor"))
    list_display = ["reference", "created", "amount", "said", "why", "paid_by", "of_order", "due"]
    list_filter = [
        *(DayFilter, "status", "in_doubt", "method", "mode"),
        *(AnyStatusFilter, TryFilter, FailureFilter, CurrencyFilter),
    ]
    ordering = ["-id"]  # Ids sort by time, and have an index.
    list_select_related = ["order"]
    inlines = [AttemptInline, RefundInline]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    *("said", "meaning", "amount", "tip", "of_order", "paid_by"),
                    *("why_failed", "created", "finished"),
                ]
            },
        ),
        ("What happens next", {"fields": ["next_action", "due", "hold", "retry", "withdrawn"]}),
        ("Who pays", {"classes": ["collapse"], "fields": ["customer", "return_url", "metadata_said"]}),
        (
            "For support",
            {
                "classes": ["collapse"],
                "fields": [
                    "id",
                    "mode",
                    "restaurant",
                    "account",
                    "wanted_provider",
                    "round_provider",
                    "round",
                    "version",
                    "claims",
                ],
            },
        ),
    ]

    amount = Amount("charge_minor", "amount", ordering="amount_minor")
    tip = Amount("tip_minor", "tip in it", zero=False)
    said = Said(payment_in_words, "status", ordering="status")
    meaning = Meaning(_payment_means)
    why = _said_by("failure_code", "why it failed")
    why_failed = Meaning(_why_failed, "why it failed")
    paid_by = Word("method")
    of_order = Link("order")
    created = Moment("created_at")
    finished = Moment("finished_at")
    due = Moment("next_action_at", "next step")
    hold = Moment("hold_until", "share is held until")
    retry = Moment("retry_until", "tried automatically until")
    withdrawn = Meaning(_is_withdrawn, "withdrawn")
    metadata_said = Data("metadata")

    def get_ordering(self, request: HttpRequest) -> list[str]:
        return _by_time_within(DayFilter, request) or list(super().get_ordering(request))

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Payment | None:
        """With whose word it is, which no list says."""
        try:
            return with_whose_word(self.get_queryset(request)).get(pk=object_id)
        except (Payment.DoesNotExist, ValidationError, ValueError):
            return None  # What is no id at all is nobody's, as an address of Django's own pages.

    def get_queryset(self, request: HttpRequest) -> QuerySet[Payment]:
        """What somebody pays with, and who it is, is not even read for a list."""
        payments: QuerySet[Payment] = super().get_queryset(request)
        return with_what_went_back(payments.defer("instrument", "customer"))


@admin.register(Attempt)
class AttemptAdmin(ToldByWhom, ByReference, SearchedByPayment):
    raw = ("evidence", "routing", "next_step")
    called = "Attempts"
    about = "Each request to a provider to take money, and what became of it."
    nothing = "No attempts yet. Each payment makes one for every provider that it tries."
    adds = Adds(minor="amount_minor")
    list_display = ["named", "created", "of_payment", "account", "amount", "state", "kept", "why", "latency_ms"]
    list_filter = ["status", ProviderFilter, "capture", "mode", AnyStatusFilter, BeganFilter]
    of_a_payment = "payment"
    ordering = ["-id"]
    list_select_related = ["payment", "account"]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    *("state", "meaning", "kept", "of_payment", "account", "amount"),
                    *("captured", "created", "settled"),
                ]
            },
        ),
        (_WHO_SAID[Whose.PROVIDER], {"fields": ["provider_reference", "why", "in_words"]}),
        ("Its last answer, as it came", {"classes": ["collapse"], "fields": ["evidence_said"]}),
        ("Given back", {"fields": ["refunded", "refunding", "excess", "reopened"]}),
        (
            "For support",
            {
                "classes": ["collapse"],
                "fields": [
                    *("id", "mode", "method", "round", "sends", "sent", "look_ups", "doubted", "latency_ms"),
                    *("watched", "routing_said", "next_step_said"),
                ],
            },
        ),
    ]

    state = State("status", tones=_ATTEMPT_TONES)
    meaning = Meaning(_attempt_means)
    kept = State("capture", "money", tones=_CAPTURE_TONES)
    why = _said_by("error_code")
    in_words = _IN_WORDS
    of_payment = Link("payment")
    amount = Amount("amount_minor", "asked for")
    captured = Amount("captured_minor", "came in", currency="captured_currency", zero=False)
    refunded = Amount("refunded_minor", zero=False)
    refunding = Amount("refunding_minor", "set aside to go back", zero=False)
    excess = Amount("excess_minor", "more than was due", zero=False)
    reopened = Amount("reopened_minor", "owed or given back", zero=False)
    created = Moment("created_at", "began")
    settled = Moment("settled_at")
    sent = Moment("sent_at")
    doubted = Moment("doubt_since", "in doubt since")
    watched = Moment("watch_until", "watched for late money until")
    evidence_said = Data("evidence", "its last answer")
    routing_said = Data("routing", "why this provider")
    next_step_said = Data("next_step", "what the guest has to do")

    def get_ordering(self, request: HttpRequest) -> list[str]:
        return _by_time_within(BeganFilter, request) or list(super().get_ordering(request))

    @admin.display(description="attempt")
    def named(self, attempt: Attempt) -> str:
        return f"No. {attempt.number}"

    def title_of(self, row: Any) -> str:
        return f"Attempt {row.number} of {row.payment.reference}"


@admin.register(Refund)
class RefundAdmin(ToldByWhom, ByReference, SearchedByPayment):
    raw = ("evidence",)
    called = "Refunds"
    about = "Money on its way back to a guest, and whether it has arrived."
    nothing = "No refunds yet. Whoever may give money back asks for one at its payment."
    adds = Adds(minor=F("amount_minor") + F("tip_minor"))
    list_display = ["named", "created", "of_payment", "amount", "said", "asked", "agreed_by", "because"]
    list_filter = [DayFilter, "status", "in_doubt", "origin", "mode", AnyStatusFilter]
    of_a_payment = "payment"
    ordering = ["-id"]
    list_select_related = ["payment"]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    *("said", "meaning", "amount", "tip", "of_payment", "asked", "agreed_by", "reason"),
                    *("created", "finished", "origin"),
                ]
            },
        ),
        (_WHO_SAID[Whose.PROVIDER], {"fields": ["provider_reference", "why", "in_words"]}),
        ("Its last answer, as it came", {"classes": ["collapse"], "fields": ["evidence_said"]}),
        ("What happens next", {"fields": ["next_action", "due"]}),
        (
            "For support",
            {
                "classes": ["collapse"],
                "fields": [
                    *("id", "mode", "account", "requested_by", "reopens_order", "sends", "failed_sends"),
                    *("look_ups", "doubted", "claims"),
                ],
            },
        ),
    ]

    amount = Amount("total_minor", "amount", ordering="amount_minor")
    tip = Amount("tip_minor", "tip in it", zero=False)
    said = Said(refund_in_words, "status", ordering="status")
    meaning = Meaning(_refund_means)
    asked = Meaning(who_asked, "who asked")
    agreed_by = Meaning(who_agreed, "who agreed")
    because = Written("reason")
    why = _said_by("error_code")
    in_words = _IN_WORDS
    of_payment = Link("payment")
    created = Moment("created_at", "asked for")
    finished = Moment("finished_at")
    due = Moment("next_action_at", "next step")
    doubted = Moment("doubt_since", "in doubt since")
    evidence_said = Data("evidence", "its last answer")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Refund]:
        return with_who_asked(super().get_queryset(request))

    def get_ordering(self, request: HttpRequest) -> list[str]:
        return _by_time_within(DayFilter, request) or list(super().get_ordering(request))

    @admin.display(description="refund")
    def named(self, refund: Refund) -> str:
        return _short(refund)

    def title_of(self, row: Any) -> str:
        return f"Refund of {row.payment.reference}"
