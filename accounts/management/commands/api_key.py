"""`manage.py api_key`: issue, list, rotate and revoke the keys of programs. A key is shown once."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.management.naming import add_by, named_by
from accounts.models import ApiKey, Restaurant
from accounts.scopes import KEY_SCOPES
from accounts.services.keys import OVERLAP, issue_api_key, revoke_api_key, rotate_api_key
from events.actors import SHELL, Actor
from kernel.errors import ServiceError
from kernel.modes import Mode

ALL_SCOPES = sorted(scope.value for scope in KEY_SCOPES)


class Command(BaseCommand):
    help = "Keys of programs: issue, list, rotate, revoke."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        issue = verbs.add_parser("issue", help="Make a key, and show it once.")
        issue.add_argument("name", help="What it is for: unique in its restaurant and mode.")
        issue.add_argument("--restaurant", required=True, nargs="+", metavar="SLUG", help="The first is its home.")
        issue.add_argument("--mode", required=True, choices=Mode.values)
        issue.add_argument("--scopes", required=True, nargs="+", metavar="SCOPE", help=f"Of: {', '.join(ALL_SCOPES)}.")
        issue.add_argument("--days", type=_days, help="How long it lasts. Default: until it is revoked.")
        verbs.add_parser("list", help="All keys that are not revoked, by their first letters.")
        rotate = verbs.add_parser("rotate", help="Make its successor, and let both work for a while.")
        rotate.add_argument("prefix")
        rotate.add_argument("--days", type=_days, default=OVERLAP.days, help="How long both work: %(default)s.")
        revoke = verbs.add_parser("revoke", help="End it at once.")
        revoke.add_argument("prefix")
        for verb in (issue, rotate, revoke):
            add_by(verb)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            for line in _VERBS[options["verb"]](options):
                self.stdout.write(line)
        except ServiceError as refused:
            raise CommandError(f"{refused.sentence} ({refused.code})") from refused


def _days(text: str) -> int:
    days = int(text)
    if days < 1:
        raise ArgumentTypeError("at least one day; without it a key lasts until it is revoked")
    return days


def _issue(options: Mapping[str, Any]) -> Iterator[str]:
    home, *others = [_restaurant(slug) for slug in options["restaurant"]]
    yield issue_api_key(
        restaurant=home,
        also_for=others,
        mode=Mode(options["mode"]),
        name=options["name"],
        scopes=options["scopes"],
        lasts=timedelta(days=options["days"]) if options["days"] else None,
        by=_actor(options),
    )


def _list(_: Mapping[str, Any]) -> Iterator[str]:
    keys = ApiKey.objects.filter(revoked_at=None).select_related("restaurant").order_by("restaurant__slug", "name")
    for key in keys:
        used = f"used {_day(key.last_used_at)}" if key.last_used_at else "never used"
        until = f", until {_day(key.expires_at)}" if key.expires_at else ""
        yield f"{key.prefix}…  {key.restaurant.slug}  {key.name}  {' '.join(key.scopes)}  {used}{until}"


def _rotate(options: Mapping[str, Any]) -> Iterator[str]:
    key = _key(options["prefix"])
    yield rotate_api_key(key_id=key.pk, overlap=timedelta(days=options["days"]), by=_actor(options))


def _revoke(options: Mapping[str, Any]) -> Iterator[str]:
    key = _key(options["prefix"])
    revoke_api_key(key_id=key.pk, by=_actor(options))
    yield f"{key} is revoked."


def _actor(options: Mapping[str, Any]) -> Actor:
    by = named_by(options)
    return Actor.user(by) if by else SHELL


def _restaurant(slug: str) -> Restaurant:
    restaurant = Restaurant.objects.filter(slug=slug).first()
    if restaurant is None:
        known = ", ".join(Restaurant.objects.order_by("slug").values_list("slug", flat=True)[:5])
        raise CommandError(f"There is no restaurant {slug}. There are: {known or 'none yet'}")
    return restaurant


def _key(prefix: str) -> ApiKey:
    """By its first letters: the rest of it is nowhere."""
    keys = list(ApiKey.objects.filter(prefix__startswith=prefix.rstrip("…"), revoked_at=None))
    if len(keys) != 1:
        found = "No key that works begins" if not keys else f"{len(keys)} keys begin"
        raise CommandError(f"{found} with {prefix}. `manage.py api_key list` shows them.")
    return keys[0]


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"


_VERBS: Mapping[str, Callable[[Mapping[str, Any]], Iterator[str]]] = {
    "issue": _issue,
    "list": _list,
    "rotate": _rotate,
    "revoke": _revoke,
}
