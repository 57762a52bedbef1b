"""Payments over HTTP: create, list, read, choose, try again, cancel, ask now."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.client_tokens import new_client_token
from accounts.scopes import Scope
from accounts.services.idempotency import Call
from api import limits, pages
from api.answers import conditional
from api.describing import documented, event_stream, page_of
from api.headers import (
    APPLIED,
    KNOWN_TAG,
    LANGUAGE,
    LAST_EVENT,
    LOOK_AGAIN,
    LOOK_AGAIN_WHILE_READING,
    NEXT_PAGE,
    PLACE,
    PREFER,
    PROVIDER_ASKED,
)
from api.headers import (
    TAG as ENTITY_TAG,
)
from api.idempotency import REPLAYED
from api.problems import NOT_FOUND, RATE_LIMITED, Problem
from api.queries import counted, flagged, identified, narrowed, texted, timed, values_of, worded
from payments.asked_words import as_header
from payments.guest_words import language_of
from payments.models import Method, Payment, PaymentStatus
from payments.problems import BAD_HANDSHAKE, CREATING, NOT_HERE, RETRYING, STARTING, TOO_MANY_WAITING
from payments.selectors import attempts_by_payment
from payments.serializers import (
    AttemptsOut,
    ChoiceIn,
    ClientTokenOut,
    HandshakeIn,
    PaymentIn,
    PaymentOut,
    links_of,
    told_attempt,
    told_payment,
)
from payments.services.acceptance import PaymentDraft
from payments.services.at_once import ask_now, longest_request, retry_now, start_now
from payments.services.handshakes import take_handshake
from payments.services.payments import cancel_payment, create_payment, extend_hold, pay, reserve_share
from payments.views.routes import PaymentRoute, look_again, minor_of
from payments.waits import MAX_WAIT_SECONDS

TAG = "Payments"
ORDERINGS = pages.Orderings(
    *pages.both_ways("created_at", "created_at", is_time=True), *pages.both_ways("amount", "amount_minor")
)
FILTERS = (
    worded("status", PaymentStatus.values, "Where it stands."),
    flagged("in_doubt", "Money may have moved, and nobody knows.", lookup="in_doubt"),
    worded("method", Method.values, "How it is paid."),
    texted("provider", "Where its last attempt went.", lookup="account__provider"),
    identified("order", "Of this order.", lookup="order_id"),
    texted("table", "Of orders of this table.", lookup="order__table"),
    texted("reference", "The short reference that is read aloud.", lookup="reference"),
    timed("created_from", "Created at this time or later.", lookup="created_at__gte"),
    timed("created_before", "Created before this time.", lookup="created_at__lt"),
    counted("min_amount", "Of at least this share, in minor units.", lookup="amount_minor__gte"),
    counted("max_amount", "Of at most this share, in minor units.", lookup="amount_minor__lte"),
)
WAIT = counted("wait", "Seconds to wait for a change before answering.", high=MAX_WAIT_SECONDS)
STREAMED = "`id` is a version, `event` what happened, `data` a JSON object with the payment in `payment`."
ACCEPTED = "Accepted, and not at its end: `next_step` says what to do, `Retry-After` when to look again."


class Payments(PaymentRoute):
    scopes = {"GET": (Scope.PAYMENTS_READ,), "POST": (Scope.PAYMENTS_WRITE,)}

    @documented(
        "list_payments",
        "List payments",
        tag=TAG,
        query=(*FILTERS, *pages.parameters(ORDERINGS)),
        headers=[LANGUAGE],
        gives={HTTPStatus.OK: page_of(PaymentOut)},
        sends=[NEXT_PAGE],
    )
    def get(self, request: Request) -> Response:
        """Newest first. A customer sees those of their own orders."""
        said = values_of(request.GET, (*FILTERS, *pages.parameters(ORDERINGS)))
        page = pages.page_of(narrowed(self.mine(), said, FILTERS), said, ORDERINGS)
        attempts, language = attempts_by_payment(page.rows), language_of(request._request)
        items = [
            told_payment(payment, attempts[payment.pk], language=language, audience=self.audience)
            for payment in page.rows
        ]
        return Response(page.as_json(items), headers=pages.link_header(request._request, page))

    @documented(
        "create_payment",
        "Pay an order",
        tag=TAG,
        takes=PaymentIn,
        headers=[PREFER, LANGUAGE],
        sends=[PLACE, LOOK_AGAIN, APPLIED],
        gives={HTTPStatus.CREATED: PaymentOut, HTTPStatus.ACCEPTED: PaymentOut},
        says={
            HTTPStatus.CREATED: "At its end: completed, or failed with `failure`. Or a held share.",
            HTTPStatus.ACCEPTED: ACCEPTED,
        },
        refuses=[NOT_FOUND, *CREATING],
        makes=True,
    )
    def post(self, request: Request) -> HttpResponse:
        """The first attempt runs inside the request. A declined payment exists: it is 201 with `status: failed`.

        Where nobody knows whether the money moved the answer is 202 with `in_doubt: true` and `safe_to_retry: false`:
        no other provider is asked, and Steward finds out. Problems are for requests that created nothing.
        """
        asked = PaymentIn(data=request.data)
        asked.is_valid(raise_exception=True)
        order = self.order(asked.validated_data["order"])
        for name in ("amount", "tip"):
            minor_of(asked.validated_data.get(name), order.currency, field=name)
        draft, hold = asked.draft(), asked.validated_data.get("hold", False)
        wishes = {wish.strip().lower() for wish in re.split("[,;]", request.headers.get("Prefer", ""))}
        in_background = "respond-async" in wishes

        def make(call: Call) -> UUID:
            return self._begin(draft, call, hold=hold, in_background=in_background).pk

        answer = self.once(make=make, tell=self.tell, runs_for=longest_request())
        if in_background and not hold and REPLAYED not in answer.headers:
            answer.headers["Preference-Applied"] = "respond-async"
        return answer

    def _begin(self, draft: PaymentDraft, call: Call, *, hold: bool, in_background: bool) -> Payment:
        if hold:
            return reserve_share(draft=draft, actor=self.actor, call=call)
        begin = create_payment if in_background else pay
        return begin(draft=draft, actor=self.actor, call=call)


class OnePayment(PaymentRoute):
    scopes = {"GET": (Scope.PAYMENTS_READ, Scope.PAYMENT_OF_ONE_GUEST)}

    @documented(
        "read_payment",
        "Read a payment",
        tag=TAG,
        query=[WAIT],
        headers=[KNOWN_TAG, LANGUAGE],
        sends=[ENTITY_TAG, LOOK_AGAIN_WHILE_READING],
        gives={HTTPStatus.OK: PaymentOut, HTTPStatus.NOT_MODIFIED: None},
        says={HTTPStatus.NOT_MODIFIED: "`If-None-Match` has its present `ETag`."},
        refuses=[NOT_FOUND],
    )
    def get(self, request: Request, payment_id: UUID) -> HttpResponse:
        """With `ETag` and `Retry-After`. With `wait` the process at `links.wait` answers when something has changed, or
        when the time is over; anywhere else the answer comes at once.
        """
        values_of(request.GET, [WAIT])
        payment = self.payment(payment_id)
        return conditional(request._request, self.told(payment), headers=look_again(payment), unless=("next_check_at",))


class _WhateverIsAccepted(BaseContentNegotiation):
    """Whoever takes a stream only is told in JSON where it is, and not that there is no such type."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class PaymentEvents(PaymentRoute):
    scopes = {"GET": (Scope.PAYMENTS_READ, Scope.PAYMENT_OF_ONE_GUEST)}
    content_negotiation_class = _WhateverIsAccepted

    @documented(
        "stream_payment",
        "Hear what happens to a payment",
        tag=TAG,
        headers=[LAST_EVENT, LANGUAGE],
        gives={HTTPStatus.OK: event_stream(STREAMED), HTTPStatus.NO_CONTENT: None},
        says={
            HTTPStatus.OK: "A stream that goes on until the payment is at its end, or for ten minutes.",
            HTTPStatus.NO_CONTENT: "It is at its end, and `Last-Event-ID` knows that: there is nothing more to hear.",
        },
        refuses=[NOT_FOUND, NOT_HERE, TOO_MANY_WAITING],
    )
    def get(self, request: Request, payment_id: UUID) -> HttpResponse:
        """Server-sent events, by the process at `links.events`; this one does not wait. After a pause it goes on behind
        `Last-Event-ID`. A browser reads it with `fetch`: its `EventSource` cannot say who calls.
        """
        values_of(request.GET, ())
        links = links_of(self.payment(payment_id).pk, payment_id)
        raise Problem(NOT_HERE, f"Ask {links['events'] or 'nobody: no process waits in this installation'}.")


class Attempts(PaymentRoute):
    scopes = {"GET": (Scope.PAYMENTS_READ,)}

    @documented(
        "list_attempts",
        "List the attempts of a payment",
        tag=TAG,
        gives={HTTPStatus.OK: AttemptsOut},
        refuses=[NOT_FOUND],
    )
    def get(self, request: Request, payment_id: UUID) -> Response:
        """Each was one provider, in the order in which they were tried. They are few: the list is whole."""
        values_of(request.GET, ())
        payment = self.payment(payment_id)
        return Response(
            {
                "items": [
                    told_attempt(each, audience=self.audience) for each in attempts_by_payment([payment])[payment.pk]
                ]
            }
        )


class StartPayment(PaymentRoute):
    scopes = {"POST": (Scope.PAYMENTS_WRITE, Scope.PAYMENT_OF_ONE_GUEST)}

    @documented(
        "start_payment",
        "Pay a held share",
        tag=TAG,
        takes=ChoiceIn,
        headers=[LANGUAGE],
        gives={HTTPStatus.OK: PaymentOut, HTTPStatus.ACCEPTED: PaymentOut},
        sends=[PLACE, LOOK_AGAIN],
        says={HTTPStatus.ACCEPTED: ACCEPTED},
        refuses=[NOT_FOUND, RATE_LIMITED, *STARTING],
        makes=True,
    )
    def post(self, request: Request, payment_id: UUID) -> HttpResponse:
        """The guest has chosen how. The first attempt runs inside the request."""
        return self._choose(request, payment_id, start_now)

    def _choose(self, request: Request, payment_id: UUID, act: Any) -> HttpResponse:
        asked = ChoiceIn(data=request.data)
        asked.is_valid(raise_exception=True)
        payment, chosen = self.payment(payment_id), asked.validated_data

        def make(call: Call) -> UUID:
            limits.check(limits.TRIES, str(payment.pk))
            method, instrument = chosen.get("method", ""), chosen.get("instrument", "")
            act(payment_id=payment.pk, actor=self.actor, method=method, instrument=instrument, call=call)
            return payment.pk

        return self.once(make=make, tell=self.tell_changed, runs_for=longest_request(), about=payment.pk)


class RetryPayment(StartPayment):
    @documented(
        "retry_payment",
        "Try a failed payment again",
        tag=TAG,
        takes=ChoiceIn,
        headers=[LANGUAGE],
        gives={HTTPStatus.OK: PaymentOut, HTTPStatus.ACCEPTED: PaymentOut},
        sends=[PLACE, LOOK_AGAIN],
        says={HTTPStatus.ACCEPTED: ACCEPTED},
        refuses=[NOT_FOUND, RATE_LIMITED, *RETRYING],
        makes=True,
    )
    def post(self, request: Request, payment_id: UUID) -> HttpResponse:
        """Only where provably nothing was charged. With the same method, or another one."""
        return self._choose(request, payment_id, retry_now)


class CancelPayment(PaymentRoute):
    scopes = {"POST": (Scope.PAYMENTS_WRITE,)}

    @documented(
        "cancel_payment",
        "Cancel a payment",
        tag=TAG,
        headers=[LANGUAGE],
        gives={HTTPStatus.OK: PaymentOut, HTTPStatus.ACCEPTED: PaymentOut},
        sends=[PLACE, LOOK_AGAIN],
        says={
            HTTPStatus.OK: "At its end: failed as cancelled where provably nothing was charged, else what it is.",
            HTTPStatus.ACCEPTED: "The provider is asked first. It fails as cancelled, or completes if money has moved.",
        },
        refuses=[NOT_FOUND],
    )
    def post(self, _: Request, payment_id: UUID) -> HttpResponse:
        """A wish: what may have been charged is never called cancelled. Asked again, nothing changes."""
        self.nothing_said()
        payment = self.payment(payment_id)
        if payment.holds_its_share:
            limits.check(limits.REFRESH, str(payment.pk))  # Each of them may ask the provider.
            cancel_payment(payment_id=payment.pk, actor=self.actor)
        return self.as_answer(self.tell_changed(payment.pk))


class ExtendHold(PaymentRoute):
    scopes = {"POST": (Scope.PAYMENTS_WRITE, Scope.PAYMENT_OF_ONE_GUEST)}

    @documented(
        "extend_hold",
        "Hold a share for longer",
        tag=TAG,
        headers=[LANGUAGE],
        gives={HTTPStatus.OK: PaymentOut, HTTPStatus.ACCEPTED: PaymentOut},
        sends=[PLACE, LOOK_AGAIN],
        refuses=[NOT_FOUND],
    )
    def post(self, _: Request, payment_id: UUID) -> HttpResponse:
        """The guest is still choosing. What is being paid already stays as it is."""
        self.nothing_said()
        payment = self.payment(payment_id)
        extend_hold(payment_id=payment.pk, actor=self.actor)
        return self.as_answer(self.tell_changed(payment.pk))


class RefreshPayment(PaymentRoute):
    scopes = {"POST": (Scope.PAYMENTS_WRITE,)}

    @documented(
        "refresh_payment",
        "Ask the provider now",
        tag=TAG,
        headers=[LANGUAGE],
        gives={HTTPStatus.OK: PaymentOut, HTTPStatus.ACCEPTED: PaymentOut},
        sends=[PLACE, LOOK_AGAIN, PROVIDER_ASKED],
        says={HTTPStatus.ACCEPTED: ACCEPTED},
        refuses=[NOT_FOUND, RATE_LIMITED],
    )
    def post(self, _: Request, payment_id: UUID) -> HttpResponse:
        """Instead of waiting until `next_check_at`. A few times a minute for each payment."""
        self.nothing_said()
        payment = self.payment(payment_id)
        counted_hits = limits.check(limits.REFRESH, str(payment.pk))
        asked = {PROVIDER_ASKED.name: as_header(ask_now(payment_id=payment.pk))}
        counted = counted_hits.headers() if counted_hits else {}
        return self.as_answer(self.tell_changed(payment.pk), {**counted, **asked})


class Handshake(PaymentRoute):
    scopes = {"POST": (Scope.PAYMENTS_WRITE, Scope.PAYMENT_OF_ONE_GUEST)}

    @documented(
        "verify_handshake",
        "Verify what a provider's page sent back",
        tag=TAG,
        takes=HandshakeIn,
        headers=[LANGUAGE],
        gives={HTTPStatus.OK: PaymentOut, HTTPStatus.ACCEPTED: PaymentOut},
        sends=[PLACE, LOOK_AGAIN],
        refuses=[NOT_FOUND, BAD_HANDSHAKE],
    )
    def post(self, request: Request, payment_id: UUID) -> HttpResponse:
        """A provider signs the query of the return address. Signed, it is evidence like a webhook."""
        asked = HandshakeIn(data=request.data)
        asked.is_valid(raise_exception=True)
        payment = self.payment(payment_id)
        take_handshake(payment_id=payment.pk, query=asked.validated_data["query"], actor=self.actor)
        return self.as_answer(self.tell_changed(payment.pk))


class ClientTokens(PaymentRoute):
    scopes = {"POST": (Scope.PAYMENTS_WRITE,)}

    @documented(
        "make_client_token",
        "Make a token for a guest's browser",
        tag=TAG,
        gives={HTTPStatus.CREATED: ClientTokenOut},
        refuses=[NOT_FOUND],
    )
    def post(self, _: Request, payment_id: UUID) -> Response:
        """It reads this payment and chooses its method, nothing else, for two hours. Nothing is stored of it."""
        self.nothing_said()
        payment = self.payment(payment_id)
        token, expires_at = new_client_token(
            payment_id=payment.pk, restaurant_id=payment.restaurant_id, mode=payment.mode
        )
        body = ClientTokenOut({"client_token": token, "expires_at": expires_at}).data
        return Response(body, status=HTTPStatus.CREATED)
