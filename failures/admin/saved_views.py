"""Views above the queue: which there are and which one is open, a form to keep another one, and one to remove."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlencode
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.admin.views.main import ORDER_VAR, ChangeList
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import redirect
from django.urls import reverse

from accounts.console_presses import call_of_press, said_anew
from accounts.models import OFFICE, User
from failures.models import LONGEST_NAME, LONGEST_QUERY, SavedView
from failures.narrowing import ORDER, RESTAURANT, SORTED_BY, columns_in, in_one_form
from failures.selectors import views_seen
from failures.services.saved_views import MOST_OF_ONE, MOST_SHARED, ViewDraft, may_remove, remove_view, save_view
from kernel import clock
from kernel.console import houses_where, restaurants_seen_by, role_at
from kernel.errors import ServiceError
from kernel.free_text import FreeText
from kernel.modes import Mode

# All that one restaurant can have for one person. Whoever sees several finds those of each by its filter.
MOST_SHOWN = MOST_OF_ONE + MOST_SHARED


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One view as a link. A link works without a script, and can be sent to a colleague."""

    id: UUID
    name: str
    house: str  # Empty where all are of one restaurant.
    is_shared: bool
    is_open: bool
    may_remove: bool
    address: str


class KeepForm(forms.Form):
    """What stands in the address is kept, but for what was searched. Good for one press."""

    name = FreeText(
        label="Name",
        max_length=LONGEST_NAME,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    restaurant = forms.ChoiceField(label="For which restaurant")
    is_shared = forms.BooleanField(required=False)
    query = forms.CharField(max_length=LONGEST_QUERY, required=False, widget=forms.HiddenInput)
    press = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, houses: Mapping[UUID, str], said: QueryDict | None = None, **initial: Any) -> None:
        """Where there is one restaurant only, nobody is asked which."""
        super().__init__(said, initial=initial, auto_id="keep-%s")
        named = [(str(key), name) for key, name in houses.items()]
        is_one = len(named) == 1
        which: Any = self.fields["restaurant"]
        which.choices = named if is_one else [("", "Choose one"), *named]
        which.widget = forms.HiddenInput() if is_one else forms.Select(choices=which.choices)
        which.initial = named[0][0] if is_one else ""
        self.fields["is_shared"].label = f"Share with everyone {f'of {named[0][1]}' if is_one else 'there'}"


def offered(request: HttpRequest, shown: ChangeList, refused: KeepForm | None = None) -> dict[str, Any]:
    """All that stands of views around the list that is shown."""
    views = _views(request, shown)
    query = _kept(shown)
    return {
        "views": views[:MOST_SHOWN],
        "has_more_views": len(views) > MOST_SHOWN,
        "removable": [view for view in views if view.may_remove],
        "keep": refused or _form(request, shown, query),
        "keeps_something": bool(query),
    }


def _form(request: HttpRequest, shown: ChangeList, query: str) -> KeepForm | None:
    """None: nothing was chosen, or not by somebody who works on the cases that are shown."""
    houses = _houses(request)
    if not (houses and (query or shown.query)):
        return None
    return KeepForm(houses, query=query, press=clock.new_id())


def _houses(request: HttpRequest) -> dict[UUID, str]:
    """Of a list of one restaurant a view is that one's."""
    chosen = request.GET.get(RESTAURANT)
    houses = houses_where(request, OFFICE)
    return {key: name for key, name in houses.items() if chosen in {None, str(key)}}


def _views(request: HttpRequest, shown: ChangeList) -> list[Shown]:
    person = _person_of(request)
    first = _uuid_of(shown.params.get(RESTAURANT, ""))
    rows = views_seen(person=person, restaurants=restaurants_seen_by(request), first=first)
    views = list(rows[: MOST_SHOWN + 1])
    is_several = len({view.restaurant_id for view in views}) > 1
    # With a search as well it is less than the view.
    now = "" if shown.query else _kept(shown)
    return [
        Shown(
            id=view.pk,
            name=view.name,
            house=view.restaurant.name if is_several else "",
            is_shared=view.is_shared,
            is_open=view.query == now,
            may_remove=may_remove(view, person, role_at(request, view.restaurant_id)),
            address=address_of(view, shown.list_display),
        )
        for view in views
    ]


def _uuid_of(said: str) -> UUID | None:
    try:
        return UUID(said)
    except ValueError:
        return None


# --- Between an address, which counts columns, and a view, which names them -------------------------------------------


def _kept(shown: ChangeList) -> str:
    """Of the list that is shown: its filters and its order, neither what was searched nor which page it is."""
    order = ".".join(_named(shown.params.get(ORDER_VAR, ""), shown.list_display))
    said: Mapping[str, list[str]] = shown.get_filters_params()
    return in_one_form({**said, ORDER: [order]} if order else said)


def _named(order: str, columns: Sequence[Any]) -> Iterator[str]:
    """What the list passes over, it is not sorted by."""
    names = {str(place): name for place, name in enumerate(columns)}
    for sign, place in columns_in(order):
        if names.get(place) in SORTED_BY:
            yield f"{sign}{names[place]}"


def address_of(view: SavedView, columns: Sequence[Any]) -> str:
    said = parse_qs(view.query)
    order = [f"{sign}{columns.index(name)}" for sign, name in columns_in(said.pop(ORDER, [""])[-1]) if name in columns]
    return f"?{urlencode({**said, ORDER_VAR: '.'.join(order)} if order else said, doseq=True)}"


# --- Presses ----------------------------------------------------------------------------------------------------------


def kept(page: Any, request: HttpRequest) -> HttpResponse:
    """One press: it is kept and open, or what was typed stands there again beside the refusal."""
    houses = _houses(request)
    if not houses:
        raise PermissionDenied
    form = KeepForm(houses, request.POST)
    if not form.is_valid():
        return _again(page, request, form, HTTPStatus.BAD_REQUEST)
    try:
        view = _saved(request, form)
    except ServiceError as refused:
        form.data = said_anew(request, refused, version=0)
        form.add_error(refused.field if refused.field in form.fields else None, refused.sentence)
        return _again(page, request, form, HTTPStatus.CONFLICT)
    whose = f" It is shared with everyone of {houses[view.restaurant_id]}." if view.is_shared else ""
    messages.success(request, f"“{view.name}” is kept.{whose}")
    return redirect(f"{_queue()}{address_of(view, page.get_list_display(request))}")


def _saved(request: HttpRequest, form: KeepForm) -> SavedView:
    said, person = form.cleaned_data, _person_of(request)
    restaurant_id = UUID(said["restaurant"])
    # A view shows both modes unless it says one; the key of a press has to have one.
    call = call_of_press(request, press=said["press"], restaurant_id=restaurant_id, mode=Mode.LIVE)
    draft = ViewDraft(name=said["name"], query=said["query"], is_shared=said["is_shared"])
    return save_view(restaurant_id=restaurant_id, draft=draft, person=person, call=call)


def _again(page: Any, request: HttpRequest, form: KeepForm, status: HTTPStatus) -> HttpResponse:
    for hidden in form.hidden_fields():
        for sentence in hidden.errors:
            messages.error(request, f"Nothing was kept. {sentence}")
    answer: HttpResponse = page.changelist_view(request, {"refused": form})
    if answer.status_code == HTTPStatus.OK:
        answer.status_code = status
    return answer


def removed(request: HttpRequest) -> HttpResponse:
    person = _person_of(request)
    view_id = _uuid_of(request.POST.get("view", ""))
    if view_id is None:
        messages.error(request, "Choose the view that is to be removed.")
        return back(request.GET)
    try:
        view = remove_view(view_id=view_id, person=person)
    except ServiceError as refused:
        messages.error(request, refused.sentence)
    else:
        messages.success(request, f"“{view.name}” is removed." if view.name else "It was removed already.")
    return back(request.GET)


def back(said: QueryDict) -> HttpResponseRedirect:
    """To the list as it was narrowed."""
    return HttpResponseRedirect(f"{_queue()}?{said.urlencode()}" if said else _queue())


def _person_of(request: HttpRequest) -> User:
    person: User = request.user  # type: ignore[assignment]  # The console lets nobody in who is unknown.
    return person


def _queue() -> str:
    return reverse("admin:failures_case_changelist")
