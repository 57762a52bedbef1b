"""Orders over HTTP: place, list, read, amend, confirm, fulfil, cancel."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.making import MakingRoute, Told
from accounts.problems import NOT_ALLOWED
from accounts.routes import nothing_here
from accounts.scopes import Scope
from accounts.services.idempotency import Call
from api import pages
from api.describing import documented, page_of
from api.headers import NEXT_PAGE, PLACE
from api.problems import NOT_FOUND, Problem
from api.queries import counted, narrowed, texted, timed, values_of, worded
from orders.models import Channel, Order, OrderStatus, PaymentState
from orders.problems import AMENDING, PLACING, STEPPING, TOO_MANY_REFUNDS
from orders.selectors import orders_of
from orders.serializers import AmendmentIn, OrderIn, OrderOut, OrderSummary, told_order, told_summary
from orders.services import amend_order, cancel_order, confirm_order, fulfil_order, place_order
from orders.standings import standings_of

TAG = "Orders"
ORDERINGS = pages.Orderings(
    *pages.both_ways("placed_at", "placed_at", is_time=True), *pages.both_ways("total", "total_minor")
)
FILTERS = (
    worded("status", OrderStatus.values, "Where it stands in the kitchen."),
    worded("payment_state", PaymentState.values, "What is paid of it."),
    worded("channel", Channel.values, "How it reaches the guest."),
    texted("table", "Its table.", lookup="table"),
    texted("reference", "The short reference that is read aloud.", lookup="reference"),
    texted("client_reference", "Your own number for it.", lookup="client_reference"),
    timed("placed_from", "Placed at this time or later.", lookup="placed_at__gte"),
    timed("placed_before", "Placed before this time.", lookup="placed_at__lt"),
    counted("min_total", "Of at least this total, in minor units.", lookup="total_minor__gte"),
    counted("max_total", "Of at most this total, in minor units.", lookup="total_minor__lte"),
)


class _OrderRoute(MakingRoute):
    def mine(self) -> QuerySet[Order]:
        principal = self.principal
        return orders_of(restaurant_id=principal.restaurant.pk, mode=principal.mode, owner_id=principal.owner_id)

    def order(self, order_id: UUID) -> Order:
        order = self.mine().filter(pk=order_id).first()
        if order is None:
            raise nothing_here("order")
        return order

    def told(self, order: Order) -> dict[str, Any]:
        return told_order(order, standings_of([order])[order.pk])


class Orders(_OrderRoute):
    scopes = {"GET": (Scope.ORDERS_READ,), "POST": (Scope.ORDERS_WRITE,)}

    @documented(
        "list_orders",
        "List orders",
        tag=TAG,
        query=(*FILTERS, *pages.parameters(ORDERINGS)),
        gives={HTTPStatus.OK: page_of(OrderSummary)},
        sends=[NEXT_PAGE],
    )
    def get(self, request: Request) -> Response:
        """Newest first. A customer sees their own."""
        said = values_of(request.GET, (*FILTERS, *pages.parameters(ORDERINGS)))
        page = pages.page_of(narrowed(self.mine(), said, FILTERS), said, ORDERINGS)
        standings = standings_of(page.rows)
        items = [told_summary(order, standings[order.pk]) for order in page.rows]
        return Response(page.as_json(items), headers=pages.link_header(request._request, page))

    @documented(
        "place_order",
        "Place an order",
        tag=TAG,
        takes=OrderIn,
        gives={HTTPStatus.CREATED: OrderOut},
        sends=[PLACE],
        refuses=PLACING,
        makes=True,
    )
    def post(self, request: Request) -> HttpResponse:
        """Its total is the sum of its lines. `client_reference` is unique in the restaurant."""
        asked = OrderIn(data=request.data)
        asked.is_valid(raise_exception=True)
        draft = asked.draft(restaurant=self.principal.restaurant, mode=self.principal.mode)

        def make(call: Call) -> UUID:
            return place_order(draft=draft, actor=self.actor, call=call).pk

        return self.once(make=make, tell=self._tell)

    def _tell(self, order_id: UUID) -> Told:
        body = self.told(self.order(order_id))
        location = {"Location": body["links"]["self"]}
        return Told(status=HTTPStatus.CREATED, body=body, is_kept=True, headers=location)


class OneOrder(_OrderRoute):
    scopes = {"GET": (Scope.ORDERS_READ,), "PATCH": (Scope.ORDERS_WRITE,)}

    @documented("read_order", "Read an order", tag=TAG, gives={HTTPStatus.OK: OrderOut}, refuses=[NOT_FOUND])
    def get(self, request: Request, order_id: UUID) -> Response:
        """With its lines, and whether it is safe to serve."""
        values_of(request.GET, ())
        return Response(self.told(self.order(order_id)))

    @documented(
        "amend_order",
        "Change the lines of an order",
        tag=TAG,
        takes=AmendmentIn,
        gives={HTTPStatus.OK: OrderOut},
        refuses=[NOT_FOUND, *AMENDING],
    )
    def patch(self, request: Request, order_id: UUID) -> Response:
        """The lines given replace all old ones. `version` is the one that you have seen: if somebody was faster,
        nothing changes. What is paid above the new total goes back where `refund_surplus` says so; else the change is
        refused.
        """
        asked = AmendmentIn(data=request.data)
        asked.is_valid(raise_exception=True)
        if asked.amendment().refund_surplus and not self.principal.may(Scope.REFUNDS_WRITE):
            raise Problem(NOT_ALLOWED, f"To give money back needs the scope {Scope.REFUNDS_WRITE.value}.")
        order = self.order(order_id)
        amended = amend_order(order_id=order.pk, amendment=asked.amendment(), actor=self.actor)
        return Response(self.told(amended))


class _OrderStep(_OrderRoute):
    """One step of the order's own machine. Asked for again it is done already, and says so alike."""

    def _step(self, order_id: UUID, step: Callable[..., Order]) -> Response:
        order = self.order(order_id)
        return Response(self.told(step(order_id=order.pk, actor=self.actor)))


class ConfirmOrder(_OrderStep):
    scopes = {"POST": (Scope.ORDERS_SERVE,)}

    @documented(
        "confirm_order",
        "Confirm an order",
        tag=TAG,
        gives={HTTPStatus.OK: OrderOut},
        refuses=[NOT_FOUND, STEPPING["confirm"]],
    )
    def post(self, _: Request, order_id: UUID) -> Response:
        """The kitchen has what it needs."""
        self.nothing_said()
        return self._step(order_id, confirm_order)


class FulfilOrder(_OrderStep):
    scopes = {"POST": (Scope.ORDERS_SERVE,)}

    @documented(
        "fulfil_order",
        "Fulfil an order",
        tag=TAG,
        gives={HTTPStatus.OK: OrderOut},
        refuses=[NOT_FOUND, STEPPING["fulfil"]],
    )
    def post(self, _: Request, order_id: UUID) -> Response:
        """Served or handed over, paid or not."""
        self.nothing_said()
        return self._step(order_id, fulfil_order)


class CancelOrder(_OrderStep):
    scopes = {"POST": (Scope.ORDERS_WRITE,)}

    @documented(
        "cancel_order",
        "Cancel an order",
        tag=TAG,
        gives={HTTPStatus.OK: OrderOut},
        refuses=[NOT_FOUND, STEPPING["cancel"], TOO_MANY_REFUNDS],
    )
    def post(self, _: Request, order_id: UUID) -> Response:
        """What is paid goes back, what is being paid is withdrawn, and what arrives later goes back as well.

        Where something is paid this needs the scope `refunds:write` as well.
        """
        self.nothing_said()
        may_refund = self.principal.may(Scope.REFUNDS_WRITE)
        return self._step(order_id, partial(cancel_order, may_refund=may_refund))
