"""What is asked over the API: a whole request in its actor's own thread, under a key that others may have as well."""

from __future__ import annotations

import json
from http import HTTPStatus

from django.test import Client

from kernel.errors import ServiceError
from tests import clients
from tests.clients import KEY_HEADER, STILL_RUNNING, Asked, Tells
from tests.races.scenes import PART, SHARE, TOTAL, Scene

# What somebody else who acts on the same thing may be the reason for. Whatever else is answered breaks the race.
EXPECTED = {
    "pay": {"being_paid", "already_covered", "more_than_due", "order_cancelled"},
    "pay_again": {"not_failed", "attempt_live", "share_taken", "already_covered", "order_cancelled", "being_paid"},
    "take_cash": {"not_waiting", "being_sent", "already_covered", "order_cancelled"},
    "give_back": {"nothing_to_refund", "more_than_left", "being_asked"},
    "amend": {"stale_version", "live_money", "order_cancelled", "cannot_amend"},
}


class ToldNo(ServiceError):
    """A problem that this client has to expect."""


def presses(s: Scene) -> None:
    """For half of what is free: under two keys both may pay."""
    _ask(s, clients.pay(str(s.order.pk), instrument="sim_ok", amount_minor=(TOTAL - SHARE) // 2))


def presses_with_another_key(s: Scene) -> None:
    _ask(s, clients.pay(str(s.order.pk), instrument="sim_ok", amount_minor=(TOTAL - SHARE) // 2), key="another")


def presses_again(s: Scene) -> None:
    _ask(s, clients.pay_again(str(s.payment.pk), "sim_ok"))


def presses_cash(s: Scene) -> None:
    _ask(s, clients.take_cash(str(s.payment.pk), SHARE))


def presses_back(s: Scene) -> None:
    """For less than half of it: under two keys both may go back."""
    _ask(s, clients.give_back(str(s.payment.pk), PART))


def asks_over_the_api(s: Scene) -> None:
    _ask(s, clients.ask_provider(str(s.payment.pk)))


def withdraws_over_the_api(s: Scene) -> None:
    _ask(s, clients.cancel_payment(str(s.payment.pk)))


def leaves_a_line_out(s: Scene) -> None:
    """No more than one share is left; what is paid above that goes back."""
    _ask(s, clients.amend(str(s.order.pk), SHARE, version=s.order.version))


def _ask(s: Scene, asked: Asked, *, key: str = "one") -> None:
    headers = {**asked.headers, "Authorization": f"Bearer {s.ground.secrets[asked.caller]}"}
    headers |= {KEY_HEADER: key} if asked.has_key else {}
    answer = Client().generic(
        asked.method,
        f"/api/v1{asked.path}",
        json.dumps(asked.body),
        content_type="application/json",
        headers=headers,
    )
    said = answer.json()
    if answer.status_code >= HTTPStatus.BAD_REQUEST:
        expected = EXPECTED.get(asked.act, set()) | ({STILL_RUNNING} if asked.has_key else set())
        assert said["code"] in expected, f"{asked.act}: {answer.status_code} {said}"
        raise ToldNo(said["detail"], code=said["code"])
    if asked.has_key and asked.tells != Tells.ORDER:
        s.told.append((key, said["id"]))
