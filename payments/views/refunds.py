"""Refunds over HTTP: ask for one, list, read, ask the provider now."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.making import Told
from accounts.problems import NOT_ALLOWED
from accounts.routes import nothing_here
from accounts.scopes import Scope
from accounts.services.idempotency import Call
from api import limits, pages
from api.answers import conditional
from api.describing import documented, page_of
from api.headers import KNOWN_TAG, LOOK_AGAIN, NEXT_PAGE, PLACE, PROVIDER_ASKED
from api.headers import TAG as ENTITY_TAG
from api.problems import NOT_FOUND, RATE_LIMITED, Problem
from api.queries import flagged, identified, narrowed, timed, values_of, worded
from payments.asked_words import as_header
from payments.models import Payment, Refund, RefundOrigin, RefundStatus
from payments.problems import REFUNDING
from payments.selectors import refunds_of
from payments.serializers import RefundIn, RefundOut, told_refund
from payments.services.at_once import ask_about_refund_now, longest_request, refund_now
from payments.services.cash import record_cash_refund
from payments.views.cash import named_person
from payments.views.routes import PaymentRoute, look_again, minor_of

TAG = "Refunds"
FINAL = (RefundStatus.COMPLETED, RefundStatus.FAILED)
ORDERINGS = pages.Orderings(
    *pages.both_ways("created_at", "created_at", is_time=True), *pages.both_ways("amount", "amount_minor")
)
FILTERS = (
    worded("status", RefundStatus.values, "Where it stands."),
    worded("origin", RefundOrigin.values, "Who began it."),
    flagged("in_doubt", "It may have been made, and nobody knows.", lookup="in_doubt"),
    identified("payment", "Of this payment.", lookup="payment_id"),
    identified("order", "Of this order.", lookup="payment__order_id"),
    timed("created_from", "Asked for at this time or later.", lookup="created_at__gte"),
    timed("created_before", "Asked for before this time.", lookup="created_at__lt"),
)


class _RefundRoute(PaymentRoute):
    def refunds(self) -> QuerySet[Refund]:
        principal = self.principal
        return refunds_of(restaurant_id=principal.restaurant.pk, mode=principal.mode, owner_id=principal.owner_id)

    def refund(self, refund_id: UUID) -> Refund:
        refund = self.refunds().filter(pk=refund_id).first()
        if refund is None:
            raise nothing_here("refund")
        return refund

    def told_refund(self, refund: Refund) -> dict[str, Any]:
        return told_refund(refund, audience=self.audience)

    def tell_refund(self, refund_id: UUID) -> Told:
        """One that failed may still turn out to be made: only what is made is told alike for ever."""
        refund = self.refund(refund_id)
        status = HTTPStatus.CREATED if refund.status in FINAL else HTTPStatus.ACCEPTED
        body = self.told_refund(refund)
        headers = {"Location": body["links"]["self"], **look_again(refund)}
        return Told(status=status, body=body, is_kept=refund.status == RefundStatus.COMPLETED, headers=headers)


class Refunds(_RefundRoute):
    scopes = {"GET": (Scope.PAYMENTS_READ,)}

    @documented(
        "list_refunds",
        "List refunds",
        tag=TAG,
        query=(*FILTERS, *pages.parameters(ORDERINGS)),
        gives={HTTPStatus.OK: page_of(RefundOut)},
        sends=[NEXT_PAGE],
    )
    def get(self, request: Request) -> Response:
        """Newest first, also those that a provider or a bank began."""
        said = values_of(request.GET, (*FILTERS, *pages.parameters(ORDERINGS)))
        page = pages.page_of(narrowed(self.refunds(), said, FILTERS), said, ORDERINGS)
        items = [self.told_refund(refund) for refund in page.rows]
        return Response(page.as_json(items), headers=pages.link_header(request._request, page))


class RefundsOfPayment(_RefundRoute):
    scopes = {"POST": (Scope.REFUNDS_WRITE, Scope.CASH_CONFIRM)}

    @documented(
        "create_refund",
        "Give money back",
        tag=TAG,
        takes=RefundIn,
        gives={HTTPStatus.CREATED: RefundOut, HTTPStatus.ACCEPTED: RefundOut},
        says={
            HTTPStatus.CREATED: "At its end: completed, or failed with a case for finance staff.",
            HTTPStatus.ACCEPTED: "Reserved and on its way, or waiting for somebody to hand over cash.",
        },
        sends=[PLACE, LOOK_AGAIN],
        refuses=[NOT_FOUND, *REFUNDING],
        makes=True,
    )
    def post(self, request: Request, payment_id: UUID) -> HttpResponse:
        """All of it, or a part. It is reserved at once, so that two can never give back more than was taken.

        Where nobody knows what became of it, it is `in_doubt` and stays under its one key.
        """
        asked = RefundIn(data=request.data)
        asked.is_valid(raise_exception=True)
        payment, said = self.payment(payment_id), asked.validated_data

        def make(call: Call) -> UUID:
            return self._make(payment, said, call).pk

        return self.once(make=make, tell=self.tell_refund, runs_for=longest_request())

    def _make(self, payment: Payment, said: dict[str, Any], call: Call) -> Refund:
        amount = minor_of(said.get("amount"), payment.currency, field="amount")
        tip = minor_of(said.get("tip"), payment.currency, field="tip") or 0
        if said.get("handed_over"):
            return record_cash_refund(
                payment_id=payment.pk,
                person=named_person(self),
                reason=said["reason"],
                amount_minor=amount,
                tip_minor=tip,
                reopens_order=said.get("reopens_order", False),
                call=call,
            )
        if not self.principal.may(Scope.REFUNDS_WRITE):
            raise Problem(NOT_ALLOWED, f"This needs the scope {Scope.REFUNDS_WRITE.value}.")
        return refund_now(
            payment_id=payment.pk,
            amount_minor=amount,
            tip_minor=tip,
            reason=said["reason"],
            reopens_order=said.get("reopens_order", False),
            actor=self.actor,
            call=call,
        )


class OneRefund(_RefundRoute):
    scopes = {"GET": (Scope.PAYMENTS_READ,)}

    @documented(
        "read_refund",
        "Read a refund",
        tag=TAG,
        headers=[KNOWN_TAG],
        gives={HTTPStatus.OK: RefundOut, HTTPStatus.NOT_MODIFIED: None},
        says={HTTPStatus.NOT_MODIFIED: "`If-None-Match` has its present `ETag`."},
        sends=[ENTITY_TAG],
        refuses=[NOT_FOUND],
    )
    def get(self, request: Request, refund_id: UUID) -> HttpResponse:
        """With `ETag`."""
        values_of(request.GET, ())
        told = self.told_refund(self.refund(refund_id))
        return conditional(request._request, told, headers={}, unless=("next_check_at",))


class RefreshRefund(_RefundRoute):
    scopes = {"POST": (Scope.REFUNDS_WRITE,)}

    @documented(
        "refresh_refund",
        "Ask the provider about a refund now",
        tag=TAG,
        gives={HTTPStatus.OK: RefundOut},
        sends=[PROVIDER_ASKED],
        refuses=[NOT_FOUND, RATE_LIMITED],
    )
    def post(self, _: Request, refund_id: UUID) -> HttpResponse:
        """A few times a minute for each refund."""
        self.nothing_said()
        refund = self.refund(refund_id)
        limits.check(limits.REFRESH, str(refund.pk))
        asked = {PROVIDER_ASKED.name: as_header(ask_about_refund_now(refund_id=refund.pk))}
        told = self.tell_refund(refund.pk)
        return self.as_answer(Told(status=HTTPStatus.OK, body=told.body, is_kept=told.is_kept), asked)
