"""Cases over HTTP: list, read, take, act."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.making import MakingRoute, Told
from accounts.models import User
from accounts.problems import NOT_ALLOWED
from accounts.routes import nothing_here
from accounts.scopes import Scope
from accounts.services.idempotency import Call
from api import pages
from api.describing import documented, page_of
from api.headers import NEXT_PAGE
from api.problems import NOT_FOUND, FieldError, Problem
from api.queries import flagged, identified, narrowed, timed, values_of, worded
from failures.decisions import Action, Decision, act_on_case
from failures.models import Case, CaseKind, CaseStatus
from failures.problems import ACTING, ASSIGNING
from failures.selectors import cases_of, waiting_cases
from failures.serializers import ActionIn, CaseOut, told_case
from failures.services.working import assign_case
from kernel.money import Money
from orders.problems import WRONG_CURRENCY

TAG = "Cases"
ORDERINGS = pages.Orderings(*reversed(pages.both_ways("opened_at", "opened_at", is_time=True)))
FILTERS = (
    worded("status", CaseStatus.values, "Where it stands."),
    worded("kind", CaseKind.values, "What it is about."),
    flagged("waiting", "`true`: only those that wait for somebody."),
    identified("payment", "Of this payment.", lookup="payment_id"),
    timed("opened_from", "Opened at this time or later.", lookup="opened_at__gte"),
    timed("opened_before", "Opened before this time.", lookup="opened_at__lt"),
)


class _CaseRoute(MakingRoute):
    def mine(self) -> QuerySet[Case]:
        return cases_of(restaurant_id=self.principal.restaurant.pk, mode=self.principal.mode)

    def case(self, case_id: UUID) -> Case:
        case = self.mine().filter(pk=case_id).first()
        if case is None:
            raise nothing_here("case")
        return case

    def person(self) -> User:
        person = self.principal.person
        if person is None:
            raise Problem(NOT_ALLOWED, "Only a named person decides: sign in.")
        return person

    def tell(self, case_id: UUID) -> Told:
        return Told(status=HTTPStatus.OK, body=told_case(self.case(case_id)), is_kept=True)


class Cases(_CaseRoute):
    scopes = {"GET": (Scope.CASES_READ,)}

    @documented(
        "list_cases",
        "List cases",
        tag=TAG,
        query=(*FILTERS, *pages.parameters(ORDERINGS)),
        gives={HTTPStatus.OK: page_of(CaseOut)},
        sends=[NEXT_PAGE],
    )
    def get(self, request: Request) -> Response:
        """Oldest first: whoever has waited longest is helped first."""
        said = values_of(request.GET, (*FILTERS, *pages.parameters(ORDERINGS)))
        mine = narrowed(self.mine(), said, FILTERS)
        page = pages.page_of(waiting_cases(mine) if said.get("waiting") else mine, said, ORDERINGS)
        items = [told_case(case) for case in page.rows]
        return Response(page.as_json(items), headers=pages.link_header(request._request, page))


class OneCase(_CaseRoute):
    scopes = {"GET": (Scope.CASES_READ,)}

    @documented("read_case", "Read a case", tag=TAG, gives={HTTPStatus.OK: CaseOut}, refuses=[NOT_FOUND])
    def get(self, request: Request, case_id: UUID) -> Response:
        """`actions` lists what may be done about it."""
        values_of(request.GET, ())
        return Response(told_case(self.case(case_id)))


class AssignCase(_CaseRoute):
    scopes = {"POST": (Scope.CASES_WRITE,)}

    @documented("assign_case", "Take a case", tag=TAG, gives={HTTPStatus.OK: CaseOut}, refuses=[NOT_FOUND, *ASSIGNING])
    def post(self, _: Request, case_id: UUID) -> Response:
        """By whoever calls. Taking it over from a colleague is allowed, and in the history."""
        self.nothing_said()
        case = self.case(case_id)
        return Response(told_case(assign_case(case_id=case.pk, person=self.person())))


class ActOnCase(_CaseRoute):
    scopes = {"POST": (Scope.CASES_WRITE,)}

    @documented(
        "act_on_case",
        "Decide about a case",
        tag=TAG,
        takes=ActionIn,
        gives={HTTPStatus.OK: CaseOut},
        refuses=[NOT_FOUND, *ACTING],
        makes=True,
    )
    def post(self, request: Request, case_id: UUID) -> HttpResponse:
        """By a named person, with a reason. What has to be sent is sent within seconds."""
        asked = ActionIn(data=request.data)
        asked.is_valid(raise_exception=True)
        case, person, said = self.case(case_id), self.person(), asked.validated_data
        decision = Decision(
            action=Action(said["action"]),
            reason=said["reason"],
            version=said.get("version"),
            amount_minor=_minor(case, said.get("amount")),
            means_amount=True,  # As it has always been taken here: what an app asks of its people first is the app's.
            outcome=said.get("outcome", ""),
            provider=said.get("provider", ""),
        )

        def make(call: Call) -> UUID:
            return act_on_case(case_id=case.pk, decision=decision, person=person, call=call).pk

        return self.once(make=make, tell=self.tell, about=case.pk)


def _minor(case: Case, amount: Money | None) -> int | None:
    if amount is None:
        return None
    if case.payment is None or case.payment.currency != amount.currency:
        sentence = f"This case is not about {amount.currency}."
        error = FieldError(pointer="/amount/currency", code="wrong_currency", detail=sentence)
        raise Problem(WRONG_CURRENCY, sentence, errors=[error])
    return amount.minor
