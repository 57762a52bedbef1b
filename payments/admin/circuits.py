"""Circuits in the console: how each provider's are, a word by hand, and what was said before."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, QuerySet, Subquery, UUIDField, Value
from django.db.models.functions import Cast
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import path, reverse

from accounts.models import Restaurant, User
from accounts.second_factor_pages import code_first
from kernel import clock
from kernel.console import ReadOnlyAdmin, restaurants_seen_by
from kernel.errors import ServiceError
from kernel.modes import Mode
from kernel.shown import Moment, Said, Tone, in_words
from kernel.totals import TotalledList
from payments.admin.circuit_cards import Drawing, names_of
from payments.admin.provider_forms import WordForm
from payments.circuit_words import OPERATIONS, WORDS
from payments.models import BreakerOverride, ProviderAccount
from payments.outlooks import Outlook
from payments.services import circuit_overrides
from payments.services.circuit_overrides import SaidMeanwhile, force_circuit, providers_moved_by
from payments.services.provider_lights import ProviderLight, accounts_at_rest, provider_lights


class ModeFilter(admin.SimpleListFilter):
    """Real money first, as on the first page."""

    title = "mode"
    parameter_name = "mode"

    def expected_parameters(self) -> list[str | None]:
        """Chosen above the circuits, which are of one mode as well: it is not said a second time."""
        return []

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        return [(mode.value, str(mode.label)) for mode in (Mode.LIVE, Mode.TEST)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[BreakerOverride]) -> QuerySet[BreakerOverride]:
        return queryset.filter(mode=_mode_of(request))


class WordList(TotalledList):
    def get_filters(self, request: HttpRequest) -> tuple[Any, ...]:
        """A mode without a word is empty because nothing was said, not because somebody looks too narrowly."""
        *others, _ = super().get_filters(request)
        return (*others, False)


def _mode_of(request: HttpRequest) -> Mode:
    said = request.POST.get("mode") or request.GET.get("mode")
    return Mode(said) if said in Mode.values else Mode.LIVE


@admin.register(BreakerOverride)
class CircuitAdmin(ReadOnlyAdmin):
    """Below the circuits as they are stands what people said about them, which is never changed."""

    called = "Circuits"
    about = "Whether each provider is asked just now, and what people said about it."
    nothing = "Nobody has said anything here yet: each circuit decides by itself."
    change_list_template = "payments/circuit_list.html"
    list_before_template = "payments/circuits.html"
    list_display = ["said", "circuit", "word", "who", "why", "until"]
    list_filter = [ModeFilter]
    ordering = ["-created_at"]
    fieldsets = [(None, {"fields": ["said", "circuit", "word", "who", "why", "until", "mode"]})]

    class Media:
        css = {"all": ["payments/providers.css"]}
        js = ["payments/providers.js"]

    said = Moment("created_at", "said")
    until = Moment("expires_at", "good until")
    word = Said(lambda said: WORDS.get(said.state, (said.state, Tone.QUIET)), "word")

    def get_queryset(self, request: HttpRequest) -> QuerySet[BreakerOverride]:
        """A circuit is of no restaurant: whoever sees an account at a provider sees what is said about it."""
        accounts = ProviderAccount.objects.filter(
            restaurant__in=_restaurants(request), provider=OuterRef("provider"), mode=OuterRef("mode")
        )
        words: QuerySet[BreakerOverride] = super(ReadOnlyAdmin, self).get_queryset(request)
        name = User.objects.filter(pk=Cast(OuterRef("actor_id"), UUIDField())).values("username")[:1]
        zone = Value(_zone_of(request))
        return words.filter(Exists(accounts)).annotate(console_zone=zone, name=Subquery(name))

    def get_changelist(self, request: HttpRequest, **_: Any) -> type[TotalledList]:
        return WordList

    def get_urls(self) -> list[Any]:
        say = path("say/", self.admin_site.admin_view(self.say), name="payments_breakeroverride_say")
        return [say, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return super().changelist_view(request, extra_context or _circuits(request))

    def say(self, request: HttpRequest) -> HttpResponse:
        """One press: the service keeps the word, or what was typed stands there again beside the refusal."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        page = code_first(request)
        if page is not None:
            return page
        form = WordForm.sent(request.POST)
        if not form.is_valid():
            return self._again(request, form, HTTPStatus.BAD_REQUEST)
        try:
            self.message_user(request, _kept(request, form), messages.SUCCESS)
        except SaidMeanwhile as quicker:
            return self._told(request, form, quicker)
        except ServiceError as refused:
            form.add_error(refused.field if refused.field in form.fields else None, refused.sentence)
            is_strange = refused.code == "not_an_operator"
            return self._again(request, form, HTTPStatus.FORBIDDEN if is_strange else HTTPStatus.CONFLICT)
        return self._back(form)

    def _told(self, request: HttpRequest, form: WordForm, quicker: SaidMeanwhile) -> HttpResponse:
        sentence = f"{quicker.sentence} {_in_words(request, quicker.word)}"
        if quicker.code == "said_already":
            self.message_user(request, sentence, messages.INFO)
            return self._back(form)
        form.add_error(None, sentence)
        # The next press is a word about the circuit as it is shown now.
        form.data = {**request.POST.dict(), "seen": str(quicker.word.pk)}
        return self._again(request, form, HTTPStatus.CONFLICT)

    def _again(self, request: HttpRequest, form: WordForm, status: HTTPStatus) -> HttpResponse:
        page: HttpResponse = self.changelist_view(request, _circuits(request, form))
        page.status_code = status
        return page

    def _back(self, form: WordForm) -> HttpResponse:
        address = reverse("admin:payments_breakeroverride_changelist")
        return redirect(f"{address}?mode={form.cleaned_data['mode']}")

    @admin.display(description="circuit", ordering="provider")
    def circuit(self, word: BreakerOverride) -> str:
        return f"{word.provider.replace('_', ' ')}, {OPERATIONS.get(word.operation, word.operation)}"

    @admin.display(description="who")
    def who(self, word: Any) -> str:
        return str(getattr(word, "name", "") or word.actor_id)

    @admin.display(description="why")
    def why(self, word: BreakerOverride) -> str:
        return word.reason

    def title_of(self, row: Any) -> str:
        return self.circuit(row).capitalize()


def _restaurants(request: HttpRequest) -> list[Restaurant]:
    """Asked once for each request: the cards and the list below them are about the same ones."""
    known: dict[str, Any] = request.__dict__
    if "circuit_restaurants" not in known:
        known["circuit_restaurants"] = list(restaurants_seen_by(request))
    found: list[Restaurant] = known["circuit_restaurants"]
    return found


def _zone_of(request: HttpRequest) -> str:
    """Of the clock on the wall, where all of this person's restaurants have the same one."""
    zones = {restaurant.time_zone for restaurant in _restaurants(request)}
    return zones.pop() if len(zones) == 1 else "UTC"


def _circuits(request: HttpRequest, refused: WordForm | None = None) -> dict[str, Any]:
    """What stands above the list."""
    mode = _mode_of(request)
    outlook = Outlook(restaurants=_restaurants(request), mode=mode)
    lights = provider_lights(outlook, now=clock.now())
    said = [circuit.word for light in lights for circuit in light.circuits if circuit.word]
    drawing = Drawing(
        mode=mode,
        zone=_zone_of(request),
        names=names_of(said) if said else {},
        forceable=_forceable(request, lights, mode),
        refused=refused,
    )
    cards = [drawing.card(light, accounts_at_rest(light.accounts)) for light in lights]
    return {"cards": cards, "mode": mode, "modes": (Mode.LIVE, Mode.TEST)}


def _forceable(request: HttpRequest, lights: list[ProviderLight], mode: Mode) -> frozenset[str]:
    """For what the page shows: the service asks anew."""
    if request.user.is_superuser:
        return frozenset(light.provider for light in lights)
    return providers_moved_by(_person_of(request), mode)


def _person_of(request: HttpRequest) -> User:
    person: User = request.user  # type: ignore[assignment]  # The console lets nobody in who is unknown.
    return person


def _kept(request: HttpRequest, form: WordForm) -> str:
    said = form.cleaned_data
    word = force_circuit(
        provider=said["provider"],
        mode=Mode(said["mode"]),
        operation=circuit_overrides.OPERATIONS[said["operation"]],
        state=circuit_overrides.WORDS[form.data["word"]],
        person=_person_of(request),
        reason=said["reason"],
        lasts=timedelta(minutes=said["minutes"]),
        seen=said["seen"],
    )
    return _in_words(request, word)


def _in_words(request: HttpRequest, word: BreakerOverride) -> str:
    who = names_of([word]).get(word.actor_id, "somebody unknown")
    circuit = f"{word.provider.replace('_', ' ')}, {OPERATIONS[word.operation]}".capitalize()
    if not word.state:
        return f"{circuit}: {who} took the word back, and it decides by itself again."
    return f"{circuit}: forced {word.state} until {in_words(word.expires_at, _zone_of(request))} by {who}."
