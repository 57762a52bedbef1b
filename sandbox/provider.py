"""The sandbox's own provider: a request in, a reply out, every fault on the way. It knows no socket and no thread."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

from sandbox import guests
from sandbox.behaviours import CHARGES, NOT_FOUND, ChargeBehaviour, ChargeStatus, RefundBehaviour
from sandbox.books import Charge, Origin, Refund
from sandbox.company import Company
from sandbox.terms import MAX_TEXT, charge_terms, invalid, refund_refused, refund_terms
from sandbox.till import Settings, timestamp
from sandbox.wire import Refusal, Reply, Request, fingerprint, json_reply

MONEY_PATH = re.compile(r"/v1/(charge|refund)s(?:/by-key/([^/]+)(/cancel)?)?")
_Entry = TypeVar("_Entry", bound=Charge | Refund)


class Provider(Company):
    """The sandbox's own kind: one request charges."""

    guest_paths = ("/pay/",)

    def __init__(self, settings: Settings, directory: Path | None = None) -> None:
        super().__init__(settings, directory)
        self._busy_until: dict[str, float] = {}

    def key_of(self, request: Request) -> str:
        match = MONEY_PATH.fullmatch(request.path)
        return unquote(match[2]) if match and match[2] else request.headers.get("idempotency-key", "")

    def guest_page(self, request: Request) -> Reply | None:
        return guests.answer(self, request)

    def answer(self, request: Request, key: str) -> Reply:
        match = MONEY_PATH.fullmatch(request.path)
        try:
            self.allow(request, self.settings.api_key)
            if match is None:
                raise Refusal(HTTPStatus.NOT_FOUND, "no_such_path", "There is nothing at this path.")
            if not 0 < len(key) <= MAX_TEXT:
                raise invalid("Every charge and refund needs an Idempotency-Key.")
            return self._route(request, match, key)
        except Refusal as refusal:
            return refusal.reply

    def _route(self, request: Request, match: re.Match[str], key: str) -> Reply:
        thing, by_key, cancels = match.groups()
        step = (request.method, thing, bool(by_key), bool(cancels))
        if step == ("POST", "charge", False, False):
            return self._charge(key, request.json())
        if step == ("POST", "refund", False, False):
            return self._refund(key, request.json())
        if step == ("POST", "charge", True, True):
            return self._cancel(key)
        if step == ("GET", thing, True, False):
            return self._look_up(thing, key)
        raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "no_such_verb", "This path knows another verb.")

    def _charge(self, key: str, body: Mapping[str, Any]) -> Reply:
        mark = fingerprint(body)
        if known := self._remembered(self.books.charge_of_key(key)):
            return self._repeated(known, mark)
        terms = charge_terms(body)
        behaviour = CHARGES[terms.token]
        trouble = self.steering.meet(key, behaviour.trouble)
        if not trouble.has_effect:
            return self.troubled(Reply(), trouble)
        charge = self.till.open_charge(key, mark, terms)
        self._busy_until[key] = timestamp() + self.settings.seconds[trouble.delay]
        self._hide_at_first(key, behaviour)
        return self.troubled(json_reply(self.till.show(charge)), trouble)

    def _refund(self, key: str, body: Mapping[str, Any]) -> Reply:
        mark = fingerprint(body)
        if known := self._remembered(self.books.refund_of_key(key)):
            return self._repeated(known, mark)
        terms = refund_terms(body)
        charge = self.books.charge_of_key(terms.charge_key)
        if charge is None:
            raise invalid("There is no charge with this key.")
        behaviour = self.steering.refund_behaviour(key, CHARGES[charge.token].refund)
        trouble = self.steering.meet(key, behaviour.trouble)
        if not trouble.has_effect:
            return self.troubled(Reply(), trouble)
        if terms.currency != charge.moved_currency or terms.amount > self.books.refundable(charge):
            raise refund_refused("That much was not captured, or it was refunded already.")
        refund = self.till.new_refund(charge, amount=terms.amount, origin=Origin.API, key=key, mark=mark)
        refund = self.till.open_refund(refund, behaviour)
        self._hide_at_first(key, behaviour)
        return self.troubled(json_reply(self.till.show(refund)), trouble)

    def _cancel(self, key: str) -> Reply:
        charge = self._found(self.books.charge_of_key(key))
        if charge.status is ChargeStatus.SUCCEEDED:
            raise Refusal(HTTPStatus.CONFLICT, "too_late", "This charge is paid.")
        if charge.status is ChargeStatus.PENDING:
            behaviour = CHARGES[charge.token]
            approved = charge.due_status is ChargeStatus.SUCCEEDED and behaviour.later is None
            if approved or not behaviour.can_be_cancelled:
                raise Refusal(HTTPStatus.CONFLICT, "not_cancellable", "This charge cannot be cancelled any more.")
            charge = self.till.settle_charge(charge, ChargeStatus.CANCELLED, failure_code="cancelled")
        return json_reply(self.till.show(charge))

    def _look_up(self, thing: str, key: str) -> Reply:
        steered, trouble = self.steering.next_look_up()
        if not trouble.has_effect:
            return self.troubled(Reply(), trouble)
        entry = self.books.charge_of_key(key) if thing == "charge" else self.books.refund_of_key(key)
        hidden = steered == NOT_FOUND or self.steering.is_hidden(key)
        return json_reply(self.till.show(self._found(None if hidden else entry)))

    def _hide_at_first(self, key: str, behaviour: ChargeBehaviour | RefundBehaviour) -> None:
        if behaviour.is_hidden_at_first:
            self.steering.hide(key, look_ups=self.settings.hidden_look_ups)

    def _found(self, entry: _Entry | None) -> _Entry:
        if entry is None:
            raise Refusal(HTTPStatus.NOT_FOUND, "not_found", "Nothing is known under this key.")
        return entry

    def _remembered(self, entry: _Entry | None) -> _Entry | None:
        lifetime = self.settings.key_lifetime_seconds
        is_forgotten = entry and lifetime is not None and timestamp() - entry.created > lifetime
        return None if is_forgotten else entry

    def _repeated(self, entry: Charge | Refund, mark: str) -> Reply:
        """The same key again: the same thing, in its present state, and no second effect."""
        if not hmac.compare_digest(entry.fingerprint, mark):
            raise Refusal(HTTPStatus.CONFLICT, "key_reused", "This key was used with another body.")
        if timestamp() < self._busy_until.get(entry.key, 0.0):
            raise Refusal(HTTPStatus.CONFLICT, "in_progress", "The first request with this key still runs.")
        return json_reply(self.till.show(entry))
