"""Furnishes the empty database in a process of its own: restaurants with waiters and accounts at the two providers.

Whoever may call the API is written into a file.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import django

from config.local.state import write_private
from tests.clients import Caller

# The second one prefers the second provider, so that money moves at both from the first minute on.
SLUGS = ("chaos-kitchen", "chaos-bar")


def furnish(providers: dict[str, dict[str, Any]], callers: Path) -> None:
    orders = (list(providers), list(reversed(providers)))
    furnished = {slug: _furnish_one(slug, order, providers) for slug, order in zip(SLUGS, orders, strict=True)}
    write_private(callers, furnished)


def _furnish_one(slug: str, preferred: Sequence[str], providers: dict[str, dict[str, Any]]) -> dict[Caller, str]:
    from accounts.models import Role  # noqa: PLC0415  Models exist only now.
    from tests.factories import RestaurantFactory, routed, secrets_of, staff  # noqa: PLC0415  As above.

    restaurant = RestaurantFactory.create(slug=slug)
    staff(restaurant, Role.WAITER)
    for account in routed(restaurant, *preferred, "cash"):
        if account.provider in providers:
            known = providers[account.provider]
            # A provider's messages go to the account's own address, which nobody knew before.
            notify_url = f"{known['webhooks_url']}/webhooks/{account.provider}/{account.pk}"
            account.credentials = {
                "base_url": known["base_url"],
                "api_key": os.environ["SANDBOX_API_KEY"],
                "webhook_secrets": [os.environ["SANDBOX_WEBHOOK_SECRET"]],
                "notify_url": notify_url,
            }
            account.save(update_fields=["credentials"])
    return secrets_of(restaurant)


if __name__ == "__main__":
    django.setup()
    furnish(json.loads(sys.argv[1]), Path(sys.argv[2]))
