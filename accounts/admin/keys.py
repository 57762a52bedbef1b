"""Keys of programs in the console: issued, rotated and revoked through the services, and each shown once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from unfold.forms import AdminForm

from accounts.admin.key_forms import IssueForm
from accounts.models import ApiKey, Restaurant, Role
from accounts.second_factor_pages import code_first
from accounts.services.keys import OVERLAP, KeyRefused, issue_api_key, revoke_api_key, rotate_api_key
from accounts.services.secrets import hash_secret
from events.actors import Actor
from events.served import KeptInAudit
from kernel import clock
from kernel.console import ReadOnlyAdmin
from kernel.shown import Meaning, Moment, Said, Tone, in_words, moment

# Whoever pressed twice is still in front of the answer. What is older was seen, or is missed by nobody.
_JUST_NOW = timedelta(minutes=10)
_SHOWN = ("begins_with", "state", "meaning", "name", "speaks_for", "mode", "may", "created", "used", "until")


def _standing(key: ApiKey) -> tuple[str, Tone]:
    if key.revoked_at:
        return f"revoked {_words(key, key.revoked_at)}", Tone.BAD
    has_ended = key.expires_at is not None and key.expires_at <= clock.now()
    if key.replaced_at:
        return ("rotated, and ended", Tone.QUIET) if has_ended else ("rotated: works until it expires", Tone.WAIT)
    return ("expired", Tone.QUIET) if has_ended else ("works", Tone.GOOD)


def _meaning_of(key: ApiKey) -> str:
    if key.revoked_at:
        return "Whoever shows it is refused. It cannot be made to work again: issue another one."
    if key.expires_at is not None and key.expires_at <= clock.now():
        return "Its time is over: whoever shows it is refused. Issue another one."
    if key.replaced_at:
        return "It has a successor, and both work until this one expires: bring the new one to every server by then."
    return "Whoever shows it may do what stands below. Nobody can read it here: a lost one is rotated."


@admin.register(ApiKey)
class ApiKeyAdmin(KeptInAudit, ReadOnlyAdmin):
    """What a key is was said when it was issued: nothing of it is edited, and a revoked key stays revoked. What it did
    stays its doing: it is not deleted either. The common form would store a key that nobody has: see `issue`.
    """

    called = "Keys"
    about = "What programs show instead of a password: issued, rotated and revoked here, and each shown once."
    nothing = "No keys yet. Issue one for each program that calls the API."
    list_display = ["begins_with", "name", "state", "mode", "speaks_for", "may", "used", "until"]
    list_display_links = ["begins_with", "name"]
    search_fields = ["name", "prefix", "restaurant__name"]
    search_help_text = (
        "A program's name, its restaurant, or the first letters of the key: test_ and live_ are the modes."
    )
    ordering = ["restaurant__name", "name", "-created_at"]
    list_select_related = ["restaurant"]
    fields = readonly_fields = _SHOWN
    actions = ["rotate", "revoke"]
    change_list_template = "accounts/api_keys.html"
    change_form_template = "accounts/api_key.html"

    created = Moment("created_at", "issued")
    state = Said(_standing, "state")
    meaning = Meaning(_meaning_of)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return any(_has(request, verb) for verb in ("view", "add", "change"))

    def has_issue_permission(self, request: HttpRequest) -> bool:
        return _has(request, "add")

    def has_end_permission(self, request: HttpRequest) -> bool:
        return _has(request, "change")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        """Nobody sees another restaurant's keys (I20), nor rotates one into a key of their own for it."""
        keys = super().get_queryset(request).prefetch_related("also_for")
        if request.user.is_superuser:
            return keys
        mine = _restaurants_of(request)
        return keys.filter(restaurant__in=mine).exclude(also_for__in=Restaurant.objects.exclude(pk__in=mine))

    def known_as(self, row: Any) -> str:
        """A key and its successors are one caller, with one story."""
        return str(row.lineage)

    def get_urls(self) -> list[Any]:
        issue = path("issue/", self.admin_site.admin_view(self.issue), name="accounts_apikey_issue")
        return [issue, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        more = {**(extra_context or {}), **self._abilities(request)}
        return super().changelist_view(request, more)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        more = {**(extra_context or {}), **self._abilities(request)}
        page: HttpResponse = super().change_view(request, object_id, form_url, more)
        return page

    def _abilities(self, request: HttpRequest) -> dict[str, bool]:
        return {"may_issue": self.has_issue_permission(request), "may_end": self.has_end_permission(request)}

    @admin.display(description="key", ordering="prefix")
    def begins_with(self, key: ApiKey) -> str:
        return f"{key.prefix}…"

    @admin.display(description="may")
    def may(self, key: ApiKey) -> str:
        return ", ".join(key.scopes)

    @admin.display(description="restaurant", ordering="restaurant__name")
    def speaks_for(self, key: ApiKey) -> str:
        return ", ".join(each.name for each in (key.restaurant, *key.also_for.all()))

    @admin.display(description="last used", ordering="last_used_at")
    def used(self, key: ApiKey) -> str:
        return _moment(key, key.last_used_at)

    @admin.display(description="expires", ordering="expires_at")
    def until(self, key: ApiKey) -> str:
        return _moment(key, key.expires_at)

    def issue(self, request: HttpRequest) -> HttpResponse:
        """The answer that shows the key is the only place where it ever stands."""
        if not self.has_issue_permission(request):
            raise PermissionDenied
        page = code_first(request)
        if page is not None:
            return page
        form: Any = IssueForm(request.POST or None, restaurants=_restaurants_of(request))
        if form.is_valid():
            try:
                return self._shown(request, *self._issued(request, form), title="The new key")
            except KeyRefused as refused:
                sentence = f"{refused.sentence}{_issued_just_now(form)}"
                form.add_error(refused.field if refused.field in form.fields else None, sentence)
        fields = AdminForm(form, [(None, {"fields": list(form.fields)})], {}, model_admin=self)
        return self._page(request, "accounts/api_key_issue.html", title="Issue a key", adminform=fields, form=form)

    def _issued(self, request: HttpRequest, form: IssueForm) -> tuple[str, ApiKey]:
        secret = issue_api_key(**form.issuing(), by=Actor.user(request.user))
        return secret, _row_of(secret)

    @admin.action(description="Rotate (a new key; both work for a while)", permissions=["end"])
    def rotate(self, request: HttpRequest, keys: QuerySet[ApiKey]) -> HttpResponse | None:
        chosen = list(keys)
        if len(chosen) != 1:
            self.message_user(request, "Rotate one key at a time: each is shown once.", messages.WARNING)
            return None
        page = code_first(request)
        if page is not None:
            return page
        if "confirmed" not in request.POST:
            return self._asked(request, chosen, "rotate", f"Rotate {chosen[0]}?")
        try:
            secret, key = self._rotated(request, chosen[0])
        except KeyRefused as refused:
            self.message_user(request, f"{refused.sentence}{_rotated_just_now(chosen[0])}", messages.ERROR)
            return None
        chosen[0].refresh_from_db()
        return self._shown(request, secret, key, title="The new key", old=chosen[0])

    def _rotated(self, request: HttpRequest, old: ApiKey) -> tuple[str, ApiKey]:
        secret = rotate_api_key(key_id=old.pk, by=Actor.user(request.user))
        return secret, _row_of(secret)

    @admin.action(description="Revoke (at once)", permissions=["end"])
    def revoke(self, request: HttpRequest, keys: QuerySet[ApiKey]) -> HttpResponse | None:
        chosen = list(keys)
        page = code_first(request)
        if page is not None:
            return page
        if "confirmed" not in request.POST:
            one = str(chosen[0]) if len(chosen) == 1 else f"{len(chosen)} keys"
            return self._asked(request, chosen, "revoke", f"Revoke {one}?")
        for key in chosen:
            try:
                is_news = revoke_api_key(key_id=key.pk, by=Actor.user(request.user))
            except KeyRefused as refused:
                self.message_user(request, f"Not revoked: {key}. {refused.sentence}", messages.ERROR)
                continue
            # A message's first letter is made a capital: it is not the key's.
            sentence = f"Revoked {key}: its next request is refused." if is_news else f"Revoked before: {key}."
            self.message_user(request, sentence, messages.SUCCESS if is_news else messages.WARNING)
        return None

    def _asked(self, request: HttpRequest, keys: list[ApiKey], action: str, title: str) -> HttpResponse:
        told = [
            {"key": key, "speaks_for": self.speaks_for(key), "used": self.used(key), "state": _standing(key)[0]}
            for key in keys
        ]
        template = f"accounts/api_key_{action}.html"
        return self._page(request, template, title=title, keys=told, action=action, overlap_days=OVERLAP.days)

    def _shown(self, request: HttpRequest, secret: str, key: ApiKey, **more: Any) -> HttpResponse:
        old = more.get("old")
        more["old_until"] = _words(old, old.expires_at) if old and old.expires_at > clock.now() else ""
        about = {"speaks_for": self.speaks_for(key), "may": self.may(key), "until": self.until(key)}
        return self._page(request, "accounts/api_key_shown.html", secret=secret, key=key, **about, **more)

    def _page(self, request: HttpRequest, template: str, **context: Any) -> HttpResponse:
        told = {
            **self.admin_site.each_context(request),
            **self.way_back(),
            "opts": self.opts,
            "media": self.media,
            **context,
        }
        # A key is kept by nobody on its way, not even by a browser that goes back.
        return TemplateResponse(request, template, told, headers={"Cache-Control": "no-store"})


def _has(request: HttpRequest, verb: str) -> bool:
    return request.user.has_perm(f"accounts.{verb}_apikey")


def _restaurants_of(request: HttpRequest) -> QuerySet[Restaurant]:
    """Of a superuser all; of anybody else with the permission those where they are an administrator."""
    person: Any = request.user  # Nobody unknown comes this far.
    every = Restaurant.objects.order_by("name")
    return every if person.is_superuser else every.filter(memberships__user=person, memberships__role=Role.ADMIN)


def _issued_just_now(form: IssueForm) -> str:
    """Who pressed twice sees the answer to the second press alone, and of the key only that it is there."""
    said = form.cleaned_data
    mine = ApiKey.objects.filter(restaurant=said["restaurant"], mode=said["mode"], name=said["name"], revoked_at=None)
    key = mine.filter(replaced_at=None, created_at__gte=clock.now() - _JUST_NOW).first()
    if key is None:
        return ""
    return (
        f" It was made a moment ago: {key.prefix}…. If that was your own first press, the answer that showed its "
        "secret was dropped by your browser. Rotate that key, and the next one is shown to you."
    )


def _rotated_just_now(old: ApiKey) -> str:
    key = ApiKey.objects.filter(lineage=old.lineage, replaced_at=None, revoked_at=None).first()
    if key is None or key.created_at < clock.now() - _JUST_NOW:
        return ""
    return (
        f" Its successor was made a moment ago: {key.prefix}…. If that was your own first press, the answer that "
        "showed its secret was dropped by your browser. Rotate that key, and the next one is shown to you."
    )


def _row_of(secret: str) -> ApiKey:
    return ApiKey.objects.select_related("restaurant").get(key_hash=hash_secret(secret))


def _moment(key: ApiKey, at: datetime | None) -> str:
    return moment(at, key.restaurant.time_zone) if at else "never"


def _words(key: ApiKey, at: datetime) -> str:
    """By the clock on the restaurant's wall."""
    return in_words(at, key.restaurant.time_zone)
