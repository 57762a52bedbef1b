"""One restaurant's chain on one page: what routing does with each route now, and the chain as a form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString

from accounts.models import Restaurant, User
from accounts.second_factor_pages import code_first
from kernel.errors import ServiceError
from kernel.modes import Mode
from kernel.money import Money
from kernel.shown import Tone, label, moment
from orders.models import Channel
from payments.admin.chain_forms import ChainForm, RouteForm, RouteForms, said_of
from payments.changes import last_change_of
from payments.models import Method, ProviderAccount, Route
from payments.services.chain_outlooks import RouteOutlook, Turn, chain_outlook
from payments.services.configuring import can_be_paid, may_configure
from payments.services.routes import chain_subject, mark_of, set_chain

_TONES = {Turn.FIRST: Tone.GOOD, Turn.LATER: Tone.GOOD, Turn.SWITCHED_OFF: Tone.QUIET, Turn.ACCOUNT_OFF: Tone.QUIET}


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteShown:
    """One route as it stands: what it is for, and what routing would do with it now."""

    place: int
    account: str
    turn: SafeString
    until: SafeString | str
    takes: str


@dataclass(kw_only=True)
class ChainPage:
    request: HttpRequest
    restaurant: Restaurant
    mode: Mode
    frame: Mapping[str, Any]  # What every page of the console needs.
    routes: Any = None  # The form's parts, and what is said about the whole, where they were sent and refused.
    whole: ChainForm | None = None
    is_stale: bool = False

    @property
    def person(self) -> User:
        person: User = self.request.user  # type: ignore[assignment]  # The console lets nobody in who is unknown.
        return person

    # --- What is seen ---------------------------------------------------------------------------------------------

    def shown(self, status: HTTPStatus = HTTPStatus.OK) -> HttpResponse:
        outlooks = chain_outlook(restaurant_id=self.restaurant.pk, mode=self.mode)
        chain = [_route_shown(outlook, self.restaurant) for outlook in outlooks]
        context = {
            **self.frame,
            "title": f"{self.restaurant.name}, {self.mode.label}",
            "restaurant": self.restaurant,
            "mode": self.mode,
            "chain": chain,
            "is_stale": self.is_stale,
            "can_be_paid": can_be_paid(self.restaurant.pk, self.mode),
            **self._doing([outlook.route for outlook in outlooks], chain),
            **self._changed(),
        }
        return TemplateResponse(self.request, "payments/chain.html", context, status=status)

    def _doing(self, routes: Sequence[Route], chain: Sequence[RouteShown]) -> dict[str, Any]:
        if not may_configure(self.person, restaurant_id=self.restaurant.pk):
            return {"may_not": "You may look. Only an admin of this restaurant changes its chain."}
        forms = self.routes or self._forms(routes)
        # Beside what was typed on an old page stands no state: the numbers may mean other routes by now.
        beside: list[RouteShown | None] = [] if self.is_stale else list(chain)
        beside += [None] * (len(forms.forms) - len(beside))
        return {
            "forms": forms,
            "parts": list(zip(forms.forms, beside, strict=False)),
            "whole": self.whole or ChainForm(initial={"seen": mark_of(routes)}),
            "asks_twice": self.whole is not None and "nobody_can_pay" in self.whole.errors,
        }

    def _forms(self, routes: Sequence[Route]) -> Any:
        forms = RouteForms(initial=said_of(routes, self.restaurant.currency), form_kwargs=self._form_words())
        forms.forms[-1].fields["place"].initial = len(routes) + 1
        return forms

    def _form_words(self) -> dict[str, Any]:
        accounts = ProviderAccount.objects.filter(restaurant=self.restaurant, mode=self.mode).defer("credentials")
        return {"accounts": list(accounts.order_by("label")), "currency": self.restaurant.currency}

    def _changed(self) -> dict[str, Any]:
        subject = chain_subject(self.restaurant.pk, self.mode)
        change = last_change_of(subject)
        at = moment(change.at, self.restaurant.time_zone) if change else ""
        return {"changed": change, "changed_at": at, "subject": subject}

    # --- What is said ---------------------------------------------------------------------------------------------

    def done(self) -> HttpResponse:
        """The service writes the chain whole, or everything that was typed stands there again."""
        page = code_first(self.request)
        if page is not None:
            return page
        routes: Any = RouteForms(self.request.POST, form_kwargs=self._form_words())
        whole = ChainForm(self.request.POST)
        self.routes, self.whole = routes, whole
        if not (routes.is_valid() & whole.is_valid()):
            return self._refuse(HTTPStatus.BAD_REQUEST)
        kept = routes.kept()
        try:
            self._set(kept, whole)
        except ServiceError as refused:
            self._add_refusal(refused, kept, whole)
            return self._refuse(HTTPStatus.FORBIDDEN if refused.code == "not_an_admin" else HTTPStatus.CONFLICT)
        messages.success(self.request, "Saved. The next payment meets the chain as it is now.")
        return redirect(self.request.path)

    def _set(self, kept: Sequence[RouteForm], whole: ChainForm) -> None:
        set_chain(
            restaurant=self.restaurant,
            mode=self.mode,
            chain=[form.draft() for form in kept],
            seen=whole.cleaned_data["seen"],
            person=self.person,
            reason=whole.cleaned_data["reason"],
            nobody_can_pay=whole.cleaned_data["nobody_can_pay"],
        )

    def _add_refusal(self, refused: ServiceError, kept: Sequence[RouteForm], whole: ChainForm) -> None:
        place, _, name = refused.field.partition(".")
        if name and name in kept[int(place)].fields:
            kept[int(place)].add_error(name, refused.sentence)
        else:
            whole.add_error(refused.field if refused.field in whole.fields else None, refused.sentence)
        if refused.code == "changed_meanwhile":
            # The next press is about the chain as it is shown now.
            self.is_stale = True
            now = mark_of(Route.objects.filter(restaurant=self.restaurant, mode=self.mode))
            whole.data = {**self.request.POST.dict(), "seen": now}

    def _refuse(self, status: HTTPStatus) -> HttpResponse:
        messages.error(self.request, "Nothing was changed. What is wrong is said below.")
        return self.shown(status)


def _route_shown(outlook: RouteOutlook, restaurant: Restaurant) -> RouteShown:
    route = outlook.route
    return RouteShown(
        place=route.position,
        account=route.account.label,
        turn=label(outlook.turn.label, _TONES.get(outlook.turn, Tone.WAIT)),
        until=moment(outlook.until, restaurant.time_zone) if outlook.until else "",
        takes=takes_of(route, restaurant.currency),
    )


def takes_of(route: Route, currency: str) -> str:
    """As in “Only card, in INR, from ₹500.00”; empty where it takes everything."""
    methods, channels = dict(Method.choices), dict(Channel.choices)
    parts = [" or ".join(str(methods.get(each, each)) for each in route.methods)]
    parts.append(" or ".join(str(channels.get(each, each)) for each in route.channels))
    if route.currencies:
        parts.append(f"in {' or '.join(route.currencies)}")
    if route.min_minor is not None:
        parts.append(f"from {Money(route.min_minor, currency).display()}")
    if route.max_minor is not None:
        parts.append(f"up to {Money(route.max_minor, currency).display()}")
    said = [part for part in parts if part]
    return f"Only {', '.join(said)}" if said else ""
