"""What people look at over HTTP: methods for an order, providers, daily figures."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from http import HTTPStatus
from typing import Any
from uuid import UUID

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.routes import Route
from accounts.scopes import Scope
from api.describing import documented
from api.problems import BAD_QUERY, NOT_FOUND, FieldError, Problem
from api.queries import Parameter, Unreadable, values_of
from api.serializers import MoneyField
from kernel import clock
from kernel.money import MAX_MINOR, Money
from orders.standings import standings_of
from payments.models import Method
from payments.services.methods import AvailableMethod, available_methods
from payments.services.provider_states import METRICS_MINUTES, ProviderState, provider_states
from payments.statistics import MOST_DAYS, DailyFigures, business_day, daily_figures
from payments.views.routes import PaymentRoute


class TakerOut(serializers.Serializer[Any]):
    provider = serializers.CharField(help_text="Who takes it.")
    is_healthy = serializers.BooleanField(help_text="It is well at the moment.")


class MethodOut(serializers.Serializer[Any]):
    method = serializers.ChoiceField(Method.choices, help_text="How to pay.")
    is_healthy = serializers.BooleanField(help_text="Somebody who takes it is well at the moment.")
    providers = TakerOut(many=True, help_text="Who takes it, healthy ones first.")


class MethodsOut(serializers.Serializer[Any]):
    free = MoneyField(help_text="What may be paid now.")
    items = MethodOut(many=True, help_text="Empty where nothing is left to pay.")


class PaymentMethods(PaymentRoute):
    scopes = {"GET": (Scope.PAYMENTS_READ,)}

    @documented(
        "list_payment_methods",
        "How an order can be paid now",
        tag="Orders",
        gives={HTTPStatus.OK: MethodsOut},
        refuses=[NOT_FOUND],
    )
    def get(self, request: Request, order_id: UUID) -> Response:
        """Healthy providers first. A method whose providers all rest is told too: they may be back in a minute."""
        values_of(request.GET, ())
        order = self.order(order_id)
        free = max(0, standings_of([order])[order.pk].free_minor)
        items = [_told_method(each) for each in available_methods(order_id=order.pk, amount_minor=free)] if free else []
        return Response(MethodsOut({"free": Money(free, order.currency), "items": items}).data)


def _told_method(each: AvailableMethod) -> dict[str, Any]:
    providers = [{"provider": taker.provider, "is_healthy": taker.is_healthy} for taker in each.takers]
    return {"method": each.method, "is_healthy": each.is_healthy, "providers": providers}


class MetricsOut(serializers.Serializer[Any]):
    attempts = serializers.IntegerField(help_text="How many there were.")
    succeeded = serializers.IntegerField(help_text="That charged.")
    declined = serializers.IntegerField(help_text="That were declined.")
    in_doubt = serializers.IntegerField(help_text="Of which nobody knows.")
    not_sent = serializers.IntegerField(help_text="That never went out.")
    success_rate = serializers.FloatField(allow_null=True, help_text="Of the attempts whose end is known.")
    p50_ms = serializers.FloatField(allow_null=True, help_text="Half of them were answered faster.")
    p95_ms = serializers.FloatField(allow_null=True, help_text="Nineteen of twenty were answered faster.")


class ProviderOut(serializers.Serializer[Any]):
    provider = serializers.CharField(help_text="What it is called here.")
    label = serializers.CharField(help_text="What people call this account.")  # type: ignore[assignment]  # The framework takes declared fields off the class.
    enabled = serializers.BooleanField(help_text="It may be asked.")
    methods = serializers.ListField(child=serializers.CharField(), help_text="What it takes.")
    circuits = serializers.DictField(
        child=serializers.CharField(), help_text="closed, half_open or open, by operation."
    )
    forced = serializers.DictField(child=serializers.CharField(), help_text="An operator's word over them.")
    lately = MetricsOut(allow_null=True, help_text=f"In the last {METRICS_MINUTES} minutes.")


class ProvidersOut(serializers.Serializer[Any]):
    items = ProviderOut(many=True, help_text="In the order in which they are tried.")


class Providers(Route):
    scopes = {"GET": (Scope.PROVIDERS_READ,)}

    @documented("list_providers", "How the providers are", tag="Reports", gives={HTTPStatus.OK: ProvidersOut})
    def get(self, request: Request) -> Response:
        """Their circuits, and what they did lately."""
        values_of(request.GET, ())
        principal = self.principal
        states = provider_states(restaurant_id=principal.restaurant.pk, mode=principal.mode)
        return Response(ProvidersOut({"items": [_told_provider(state) for state in states]}).data)


def _told_provider(state: ProviderState) -> dict[str, Any]:
    names = ("provider", "label", "enabled", "methods", "circuits", "forced")
    return {**{name: getattr(state, name) for name in names}, "lately": state.metrics}


def _day(text: str) -> date:
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise Unreadable("This is a date of this century, such as 2026-11-25.")


_DATE = re.compile(r"20\d\d-\d\d-\d\d", re.ASCII)


def _dated(name: str, meaning: str) -> Parameter:
    return Parameter(name=name, read=_day, schema={"type": "string", "format": "date"}, meaning=meaning)


DAYS = (
    _dated("from", "The first business day. Default: a week ago."),
    _dated("to", f"The last one. Default: today. At most {MOST_DAYS} days."),
)


class FiguresOut(serializers.Serializer[Any]):
    day = serializers.DateField(help_text="The business day.")
    method = serializers.ChoiceField(Method.choices, help_text="How it was paid.")
    currency = serializers.CharField(help_text="Of its payments. Each currency has a row of its own.")
    payments = serializers.IntegerField(help_text="How many there were.")
    completed = serializers.IntegerField(help_text="How many of them were paid.")
    failed = serializers.IntegerField(help_text="How many of them failed.")
    success_rate = serializers.FloatField(allow_null=True, help_text="Of the payments whose end is known.")
    gross = MoneyField(help_text="Shares that were kept, without tips.")
    tips = MoneyField(help_text="Charged with these shares, whatever was given back since.")
    refunds = MoneyField(help_text="Of shares, on the day on which they were made.")
    tips_refunded = MoneyField(help_text="Of tips, on the day on which they were given back.")
    net = MoneyField(low=-MAX_MINOR, help_text="Gross less refunds; below zero on a day that gave back more.")
    net_tips = MoneyField(
        low=-MAX_MINOR, help_text="Tips less those given back: what is the staff's. May be below zero."
    )


class StatisticsOut(serializers.Serializer[Any]):
    time_zone = serializers.CharField(help_text="As in the tz database.")
    day_starts_at = serializers.CharField(help_text="In the restaurant's zone.")
    items = FiguresOut(many=True, help_text="By day and method. What did not happen has no row.")


class DailyStatistics(Route):
    scopes = {"GET": (Scope.REPORTS_READ,)}

    @documented(
        "daily_statistics",
        "Daily figures per method and currency",
        tag="Reports",
        query=DAYS,
        gives={HTTPStatus.OK: StatisticsOut},
    )
    def get(self, request: Request) -> Response:
        """In the restaurant's zone and business day: what is paid after midnight belongs to the evening before."""
        restaurant, mode = self.principal.restaurant, self.principal.mode
        first, last = _span(values_of(request.GET, DAYS), lambda: business_day(clock.now(), restaurant))
        figures = daily_figures(restaurant=restaurant, mode=mode, first=first, last=last)
        said = {
            "time_zone": restaurant.time_zone,
            "day_starts_at": f"{restaurant.day_starts_at:%H:%M}",
            "items": [_told_figures(each) for each in figures],
        }
        return Response(StatisticsOut(said).data)


def _span(said: dict[str, Any], today: Callable[[], date]) -> tuple[date, date]:
    last = said.get("to") or today()
    first = said.get("from") or last - timedelta(days=6)
    if not 0 <= (last - first).days < MOST_DAYS:
        sentence = f"`from` is not after `to`, and at most {MOST_DAYS} days before it."
        error = FieldError(pointer="?from", code="bad_query", detail=sentence)
        raise Problem(BAD_QUERY, sentence, errors=[error])
    return first, last


def _told_figures(each: DailyFigures) -> dict[str, Any]:
    names, currency = ("day", "method", "currency", "payments", "completed", "failed", "success_rate"), each.currency
    return {
        **{name: getattr(each, name) for name in names},
        "gross": Money(each.gross_minor, currency),
        "tips": Money(each.tips_minor, currency),
        "refunds": Money(each.refunds_minor, currency),
        "tips_refunded": Money(each.tips_refunded_minor, currency),
        "net": Money(each.net_minor, currency),
        "net_tips": Money(each.net_tips_minor, currency),
    }
